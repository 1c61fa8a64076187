//! Rows are updated or deleted by their keys, each on its shard.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use vitrail_planner::plan::{KEYS, Keyed, Merge, ShardStatement, set_bind};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::value::Value;

use super::moving::{Bound, Leaving};
use super::rows::{Rows, cells, malformed};
use super::{BATCH, Done, Stepping, values};
use crate::columns::Column;
use crate::failure;
use crate::merge::row::Row;
use crate::session::Session;

/// The key of a row, one value for each of its columns.
pub(super) type Key = Vec<Value>;

/// Binds with what rows are set to.
pub(super) type Given = Vec<(String, Value)>;

impl Stepping<'_> {
    /// Writes the rows whose keys were read, of one table after the other.
    pub(super) async fn keyed(
        &self,
        session: &mut Session,
        tables: &[Keyed<'_>],
        rows: Rows,
        done: &mut Done,
    ) -> Result<(), ErrorBody> {
        done.end.matched = tables.iter().any(Keyed::updates).then_some(0);
        let Rows { columns: found, list, .. } = rows;
        let found = found.map(|found| found.list).unwrap_or_default();
        let count: usize = tables.iter().map(|keyed| keyed.columns().len() + keyed.assigned().len()).sum();
        if !found.is_empty() && found.len() != count {
            return Err(malformed());
        }
        let mut start = 0;
        let mut all = Vec::with_capacity(tables.len());
        for keyed in tables {
            let end = start + keyed.columns().len() + keyed.assigned().len();
            let mut groups = self.groups(session, *keyed, (&found, &list), start..end, false, done)?;
            // The first of several rows is not ignored.
            let one_by_one = keyed.moving().is_some() && self.steps.ignores();
            let follows = (keyed.may_follow() || one_by_one) && follow_some(*keyed, &groups, one_by_one)?;
            if follows && !keyed.in_order() {
                return Err(order_decides());
            }
            if follows || one_by_one {
                groups = self.groups(session, *keyed, (&found, &list), start..end, true, done)?;
            }
            all.push(groups);
            start = end;
        }
        drop(list);
        for (keyed, groups) in tables.iter().zip(all) {
            for (given, keys) in groups {
                for keys in keys.chunks(BATCH) {
                    self.batch(session, *keyed, (keys, &given), done).await?;
                }
            }
        }
        Ok(())
    }

    /// The keys of a table's rows, which stand at `place` among the cells. Rows that get the same values are written together, unless each is to be
    /// written by itself (`apart`).
    fn groups(
        &self,
        session: &Session,
        keyed: Keyed<'_>,
        (found, list): (&[Column], &[Row]),
        place: Range<usize>,
        apart: bool,
        done: &mut Done,
    ) -> Result<Vec<(Given, Vec<Key>)>, ErrorBody> {
        let (columns, assigned) = (keyed.columns(), keyed.assigned());
        let types = || found.iter().take(place.end).skip(place.start + columns.len()).zip(assigned);
        for (from, to) in types() {
            values::check(from, to, &session.now.settings, false)?;
        }
        let mut seen: HashSet<Vec<u8>> = HashSet::new();
        let mut groups: Vec<(Given, Vec<Key>)> = Vec::new();
        let mut known: HashMap<Vec<u8>, usize> = HashMap::new();
        for row in list {
            let cells = cells(row, place.end)?;
            let (of_key, of_set) = cells[place.start..].split_at(columns.len());
            // An outer join has no row of it.
            if of_key.contains(&None) {
                continue;
            }
            if keyed.repeats() && !seen.insert(bytes_of(of_key)) {
                if keyed.once() {
                    return Err(join_decides());
                }
                continue;
            }
            if keyed.hidden() > 0
                && let Some(returned) = &mut done.returned
            {
                let next = returned.places.len();
                returned.places.insert(bytes_of(of_key), next);
            }
            let key = of_key.iter().zip(columns).map(|(cell, column)| values::own(*cell, column));
            let key: Key = key.collect::<Result<_, _>>()?;
            let group = match known.entry(bytes_of(of_set)) {
                Entry::Occupied(group) if !apart => *group.get(),
                Entry::Occupied(mut group) => {
                    let given = groups[*group.get()].0.clone();
                    groups.push((given, Vec::new()));
                    group.insert(groups.len() - 1);
                    groups.len() - 1
                }
                Entry::Vacant(group) => {
                    let given = of_set.iter().zip(types()).enumerate().map(|(number, (cell, (from, to)))| {
                        Ok::<_, ErrorBody>((set_bind(number), values::given(*cell, from, to)?))
                    });
                    groups.push((given.collect::<Result<_, _>>()?, Vec::new()));
                    *group.insert(groups.len() - 1)
                }
            };
            groups[group].1.push(key);
        }
        Ok(groups)
    }

    async fn batch(
        &self,
        session: &mut Session,
        keyed: Keyed<'_>,
        (keys, given): (&[Key], &Given),
        done: &mut Done,
    ) -> Result<(), ErrorBody> {
        let shards = &self.keyspace.layout;
        let mut by_shard: BTreeMap<usize, Vec<Key>> = BTreeMap::new();
        for key in keys {
            match keyed.home(key, shards)? {
                Some(shard) => by_shard.entry(shard).or_default().push(key.clone()),
                None => (0..shards.len()).for_each(|shard| by_shard.entry(shard).or_default().push(key.clone())),
            }
        }
        let Some(moving) = keyed.moving() else {
            return self.update(session, keyed, by_shard, given, done).await;
        };
        let values = values_of(given);
        let mut leaving = Leaving { keyed, moving, old: BTreeMap::new(), new: BTreeMap::new() };
        let mut staying: BTreeMap<usize, Vec<Key>> = BTreeMap::new();
        for (shard, keys) in &by_shard {
            for key in keys {
                let moved = keyed.moved(key, &values)?;
                if keyed.home(&moved, shards)? == Some(*shard) {
                    staying.entry(*shard).or_default().push(key.clone());
                } else {
                    leaving.old.entry(*shard).or_default().push(key.clone());
                    leaving.new.entry(*shard).or_default().push(moved);
                }
            }
        }
        let Some(shard) = leaving.old.keys().next().copied() else {
            return self.update(session, keyed, by_shard, given, done).await;
        };
        let bound = match done.bound.get(&moving.table) {
            Some(bound) => bound.clone(),
            None => {
                let bound = self.may_move(session, moving, shard, done).await?;
                done.bound.entry(Arc::clone(&moving.table)).or_insert(bound).clone()
            }
        };
        if matches!(bound, Bound::Free) && !self.steps.ignores() {
            self.update(session, keyed, by_shard, given, done).await?;
            return self.relocate(session, leaving, done).await;
        }
        if !staying.is_empty() {
            self.update(session, keyed, staying, given, done).await?;
        }
        match bound {
            Bound::Along(branches) => self.relocate_with(session, (leaving, &branches), given, done).await,
            bound if self.steps.ignores() => self.relocate_or_ignore(session, leaving, (given, &bound), done).await,
            _ => self.relocate_bound(session, leaving, given, done).await,
        }
    }

    /// Writes rows where they are.
    async fn update(
        &self,
        session: &mut Session,
        keyed: Keyed<'_>,
        keys: BTreeMap<usize, Vec<Key>>,
        given: &Given,
        done: &mut Done,
    ) -> Result<(), ErrorBody> {
        let merge = if keyed.everywhere() { Merge::Replicated } else { Merge::Writes };
        let statements = self.updates(keyed, keys, given);
        let end = self.write_as(session, &merge, statements, &self.scope.calling, done).await?;
        done.add(end);
        Ok(())
    }

    /// The statements that write rows where they are.
    pub(super) fn updates(
        &self,
        keyed: Keyed<'_>,
        keys: BTreeMap<usize, Vec<Key>>,
        given: &Given,
    ) -> Vec<ShardStatement> {
        let mut statements = self.by_keys(&keyed.text(), keys);
        for statement in statements.iter_mut().filter(|_| !given.is_empty()) {
            let binds = Arc::make_mut(&mut statement.binds);
            given.iter().for_each(|(name, value)| binds.set(name.as_str(), value.clone()));
        }
        statements
    }

    /// A text for the rows of each shard.
    pub(super) fn by_keys(&self, text: &str, keys: BTreeMap<usize, Vec<Key>>) -> Vec<ShardStatement> {
        let statement = |(shard, keys): (usize, Vec<Key>)| ShardStatement {
            shard,
            sql: text.into(),
            binds: self.with([(KEYS.to_owned(), Value::List(keys.into_iter().map(tuple).collect()))]),
        };
        keys.into_iter().map(statement).collect()
    }
}

/// Whether rows take the places of others which have to leave them first: MySQL's order decides whether they collide. `once`: or whether two take one
/// place.
fn follow_some(keyed: Keyed<'_>, groups: &[(Given, Vec<Key>)], once: bool) -> Result<bool, ErrorBody> {
    let mut left: HashMap<String, usize> = HashMap::new();
    let mut taken = Vec::new();
    for (given, keys) in groups {
        let values = values_of(given);
        for key in keys {
            let moved = keyed.moved(key, &values)?;
            let (from, to) = (keyed.place(key)?, keyed.place(&moved)?);
            if from != to || keyed.changes_beside() {
                *left.entry(from.clone()).or_default() += 1;
                taken.push((from, to));
            }
        }
    }
    let meets_another =
        |(from, to): &(String, String)| left.get(to).is_some_and(|rows| *rows > usize::from(from == to));
    let mut places: HashSet<&String> = HashSet::new();
    Ok(taken.iter().any(|taken| meets_another(taken) || once && !places.insert(&taken.1)))
}

fn order_decides() -> ErrorBody {
    failure::unsupported(
        "rows of this UPDATE would get values of the sharding column that other rows of it have before, and the order in which MySQL changes them \
         decides whether they collide; name it by ORDER BY with all columns of a key, or change them in two steps, by values that no row has",
    )
}

fn join_decides() -> ErrorBody {
    failure::unsupported(
        "a row of this UPDATE of joined tables is found with several rows of another table, which get values of what the row has before it is changed \
         itself, and MySQL's order of the join decides which of them do; update one table after the other",
    )
}

fn values_of(given: &Given) -> Vec<Value> {
    given.iter().map(|(_, value)| value.clone()).collect()
}

/// Cells one after the other, so that equal ones have equal bytes, and others not.
pub(super) fn bytes_of(cells: &[Option<&[u8]>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for cell in cells {
        match cell {
            None => bytes.push(0),
            Some(cell) => {
                bytes.push(1);
                bytes.extend_from_slice(&(cell.len() as u64).to_le_bytes());
                bytes.extend_from_slice(cell);
            }
        }
    }
    bytes
}

/// A key as an item of a list.
fn tuple(mut key: Key) -> Value {
    match (key.len(), key.pop()) {
        (1, Some(only)) => only,
        (_, last) => Value::Tuple(key.into_iter().chain(last).collect()),
    }
}
