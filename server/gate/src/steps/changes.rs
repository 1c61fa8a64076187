//! What a rehearsed write has changed, and how that is written to the shards.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use vitrail_planner::plan::{KEYS, Merge, Rehearsal, ShardStatement, set_bind};
use vitrail_planner::schema::{ColumnClass, ColumnSchema, Domain};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::value::Value;

use super::keyed::{Key, bytes_of};
use super::rehearse::survives;
use super::rows::{Rows, cells};
use super::{BATCH, Done, Stepping, values};
use crate::exact::KeyPart;
use crate::session::Session;

/// A whole row.
type Whole = Vec<Value>;

/// The cells of a row.
type Cells<'c> = Vec<Option<&'c [u8]>>;

/// Columns, by their places, and what they are set to.
type Set = Vec<(usize, Value)>;

/// The difference between two states of a table.
#[derive(Default)]
pub(super) struct Changes {
    /// Rows that are there no more; of those that only all columns name, how many are alike.
    gone: Vec<(Whole, usize)>,
    /// Rows that stay where they are: what they get, and the whole rows.
    changed: Vec<(Set, Vec<Whole>)>,
    /// Rows that were not there.
    new: Vec<Whole>,
    /// Rows get values of unique keys that others have had, or may have had.
    follow: bool,
}

impl Changes {
    /// Compares the table before and after. `unique`: its unique keys. `parent`: others refer to its rows.
    pub(super) fn between(
        rehearsal: Rehearsal<'_>,
        before: &Rows,
        after: &Rows,
        unique: &[Vec<KeyPart>],
        parent: bool,
    ) -> Result<Changes, ErrorBody> {
        let row = rehearsal.row();
        let width = row.columns.len() + usize::from(row.checked);
        let whole = |cells: &[Option<&[u8]>]| -> Result<Whole, ErrorBody> {
            cells.iter().zip(&row.columns).map(|(cell, column)| values::own(*cell, column)).collect()
        };
        let name = |cells: &[Option<&[u8]>]| match rehearsal.key() {
            [] => bytes_of(cells),
            key => bytes_of(&key.iter().map(|place| cells[*place]).collect::<Vec<_>>()),
        };
        let mut old: HashMap<Vec<u8>, Vec<Cells<'_>>> = HashMap::with_capacity(before.list.len());
        for of_row in &before.list {
            let cells = cells(of_row, width)?;
            old.entry(name(&cells)).or_default().push(cells);
        }
        let colliding = |place: usize| {
            let name = &rehearsal.column(place).name;
            unique.iter().flatten().any(|part| part.column == *name)
        };
        let mut changes = Changes::default();
        let mut groups: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut replaced: Vec<(Cells<'_>, Cells<'_>)> = Vec::new();
        let mut arrived: Vec<Cells<'_>> = Vec::new();
        for of_row in &after.list {
            let now = cells(of_row, width)?;
            let known = old.get_mut(&name(&now)).and_then(Vec::pop);
            let Some(was) = known else {
                survives(rehearsal, &now)?;
                changes.new.push(whole(&now)?);
                arrived.push(now);
                continue;
            };
            if was == now {
                continue;
            }
            survives(rehearsal, &now)?;
            let differs = |place: usize| was[place] != now[place];
            let (was_whole, now_whole) = (whole(&was)?, whole(&now)?);
            if !parent && (0..row.columns.len()).any(|place| differs(place) && colliding(place)) {
                changes.gone.push((was_whole, 1));
                changes.new.push(now_whole);
            } else {
                // A moment that stays would be that of this update, if it is not set.
                let set = |place: &usize| differs(*place) || is_moment(rehearsal.column(*place));
                let places: Vec<usize> = (0..row.columns.len()).filter(set).collect();
                let of_group: Vec<Option<&[u8]>> = places.iter().map(|place| now[*place]).collect();
                let mut of_group = bytes_of(&of_group);
                places.iter().for_each(|place| of_group.extend_from_slice(&place.to_le_bytes()));
                let group = *groups.entry(of_group).or_insert_with(|| {
                    let set = places.iter().map(|place| (*place, now_whole[*place].clone())).collect();
                    changes.changed.push((set, Vec::new()));
                    changes.changed.len() - 1
                });
                changes.changed[group].1.push(was_whole);
            }
            replaced.push((was, now));
        }
        let mut left = Vec::new();
        for of_name in old.into_values().filter(|rows| !rows.is_empty()) {
            changes.gone.push((whole(&of_name[0])?, of_name.len()));
            left.extend(of_name);
        }
        changes.follow = follow(rehearsal, unique, &replaced, &left, &arrived);
        Ok(changes)
    }

    /// Some rows are there no more, and others are that were not.
    pub(super) fn leave_and_arrive(&self) -> bool {
        !self.gone.is_empty() && !self.new.is_empty()
    }

    /// See the field.
    pub(super) fn follow_each_other(&self) -> bool {
        self.follow
    }
}

/// Whether MySQL may set a column to the moment of an update.
fn is_moment(column: &ColumnSchema) -> bool {
    column.class == ColumnClass::Timestamp || column.domain == Domain::Datetimes
}

/// Whether a row gets the value of a unique key that another one has had. Texts that differ may be equal.
fn follow(
    rehearsal: Rehearsal<'_>,
    unique: &[Vec<KeyPart>],
    replaced: &[(Cells<'_>, Cells<'_>)],
    left: &[Cells<'_>],
    arrived: &[Cells<'_>],
) -> bool {
    let count = replaced.len() + arrived.len();
    if count < 2 {
        return false;
    }
    unique.iter().any(|key| {
        let columns = &rehearsal.row().columns;
        let places: Vec<usize> = columns
            .iter()
            .enumerate()
            .filter_map(|(place, column)| key.iter().any(|part| part.column == column.name).then_some(place))
            .collect();
        let of = |cells: &Cells<'_>| bytes_of(&places.iter().map(|place| cells[*place]).collect::<Vec<_>>());
        let changed = replaced.iter().filter(|(was, now)| of(was) != of(now));
        let was: BTreeSet<Vec<u8>> = changed.clone().map(|(was, _)| of(was)).chain(left.iter().map(of)).collect();
        let mut now = changed.map(|(_, now)| of(now)).chain(arrived.iter().map(of)).peekable();
        let texts =
            places.iter().any(|place| rehearsal.is_spelled(*place)) || key.iter().any(|part| part.length.is_some());
        texts && now.peek().is_some() || now.any(|now| was.contains(&now))
    })
}

impl Stepping<'_> {
    /// Writes them: rows leave before others arrive.
    pub(super) async fn write_changes(
        &self,
        session: &mut Session,
        rehearsal: Rehearsal<'_>,
        changes: Changes,
        done: &mut Done,
    ) -> Result<(), ErrorBody> {
        let Changes { gone, changed, new, .. } = changes;
        let new = self.at_home(rehearsal, new, |row| row)?;
        let leave: BTreeSet<usize> = match gone.is_empty() {
            true => BTreeSet::new(),
            false => self
                .at_home(rehearsal, gone.iter().map(|(row, _)| row.clone()).collect(), |row| row)?
                .into_keys()
                .collect(),
        };
        let arrive: Vec<usize> = new.keys().copied().filter(|shard| !leave.contains(shard)).collect();
        if !leave.is_empty() {
            self.arrive_first(session, &arrive);
        }
        if rehearsal.key().is_empty() {
            self.delete_alike(session, rehearsal, gone, done).await?;
        } else {
            let keys: Vec<Whole> = gone.into_iter().map(|(row, _)| row).collect();
            for keys in keys.chunks(BATCH) {
                let keys = self.at_home(rehearsal, keys.to_vec(), |row| key_of(rehearsal, &row))?;
                let text =
                    format!("DELETE FROM {} WHERE {} IN ::{}", rehearsal.row().table, rehearsal.row().names, KEYS);
                self.write_plain(session, rehearsal, self.by_keys(&text, keys), done).await?;
            }
        }
        for (set, rows) in changed {
            let places: Vec<usize> = set.iter().map(|(place, _)| *place).collect();
            let text = rehearsal.update(&places);
            for rows in rows.chunks(BATCH) {
                let keys = self.at_home(rehearsal, rows.to_vec(), |row| key_of(rehearsal, &row))?;
                let mut statements = self.by_keys(&text, keys);
                for statement in &mut statements {
                    let binds = Arc::make_mut(&mut statement.binds);
                    set.iter().enumerate().for_each(|(number, (_, value))| binds.set(set_bind(number), value.clone()));
                }
                self.write_plain(session, rehearsal, statements, done).await?;
            }
        }
        let longest = new.values().map(Vec::len).max().unwrap_or_default();
        for start in (0..longest).step_by(BATCH) {
            let statements = new.iter().filter_map(|(shard, rows)| {
                let rows = rows.get(start..rows.len().min(start + BATCH)).filter(|rows| !rows.is_empty())?;
                Some(self.insertion(rehearsal.row(), "", *shard, rows.to_vec()))
            });
            self.write_plain(session, rehearsal, statements.collect(), done).await?;
        }
        Ok(())
    }

    /// Deletes as many rows of each kind as there are too many.
    async fn delete_alike(
        &self,
        session: &mut Session,
        rehearsal: Rehearsal<'_>,
        gone: Vec<(Whole, usize)>,
        done: &mut Done,
    ) -> Result<(), ErrorBody> {
        for (row, count) in gone {
            let text = rehearsal.delete_alike(count);
            let homes = self.at_home(rehearsal, vec![row], |row| row)?;
            let statement = |(shard, rows): (usize, Vec<Whole>)| {
                let row = rows.into_iter().next().unwrap_or_default();
                let spelled = |(place, value): (usize, Value)| match value {
                    Value::Text(text) if rehearsal.is_spelled(place) => {
                        let digits: String = text.bytes().map(|byte| format!("{byte:02X}")).collect();
                        (set_bind(place), Value::Text(digits))
                    }
                    value => (set_bind(place), value),
                };
                let binds = self.with(row.into_iter().enumerate().map(spelled));
                ShardStatement { shard, sql: text.as_str().into(), binds }
            };
            let statements = homes.into_iter().map(statement).collect();
            self.write_plain(session, rehearsal, statements, done).await?;
        }
        Ok(())
    }

    /// What is made of rows, by the shards where they are.
    fn at_home<T: Clone>(
        &self,
        rehearsal: Rehearsal<'_>,
        rows: Vec<Whole>,
        of: impl Fn(Whole) -> T,
    ) -> Result<BTreeMap<usize, Vec<T>>, ErrorBody> {
        let shards = &self.keyspace.layout;
        let mut homes: BTreeMap<usize, Vec<T>> = BTreeMap::new();
        for row in rows {
            let home = rehearsal.home(&row, shards)?;
            let made = of(row);
            match home {
                Some(shard) => homes.entry(shard).or_default().push(made),
                None => (0..shards.len()).for_each(|shard| homes.entry(shard).or_default().push(made.clone())),
            }
        }
        Ok(homes)
    }

    /// Writes rows as they are: all that is said of it has been said.
    async fn write_plain(
        &self,
        session: &mut Session,
        rehearsal: Rehearsal<'_>,
        statements: Vec<ShardStatement>,
        done: &mut Done,
    ) -> Result<(), ErrorBody> {
        let merge = if rehearsal.everywhere() { Merge::Replicated } else { Merge::Writes };
        // RETURNING has its rows.
        let returned = done.returned.take();
        let written = self.write_as(session, &merge, statements, &self.neutral(), done).await;
        done.returned = returned;
        written.map(drop)
    }
}

fn key_of(rehearsal: Rehearsal<'_>, row: &Whole) -> Key {
    rehearsal.key().iter().filter_map(|place| row.get(*place).cloned()).collect()
}
