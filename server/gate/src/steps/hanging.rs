//! Rows that hang on others by foreign keys that cascade: they move along.
//!
//! MySQL itself updates them, where they are, with the row that they hang on; then they are read there whole, inserted where that row has gone, and
//! deleted. So they have to lie on its shard before and after: the foreign key holds the sharding columns of both tables.

use std::collections::{BTreeMap, HashSet};

use vitrail_planner::plan::{KEYS, Merge, Moving, Placed, ShardStatement, Window};
use vitrail_planner::vschema::{Placement, Sharding};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::value::Value;

use super::keyed::{Given, Key, bytes_of};
use super::moving::Leaving;
use super::rows::{Rows, cells, malformed};
use super::{BATCH, Done, Stepping, values};
use crate::session::Session;
use crate::{failure, planning};

/// A table whose rows hang on those of another, and move along.
pub(super) struct Branch {
    table: Placed,
    /// The number of the branch that it hangs on; `None`: on the table that is written.
    on: Option<usize>,
    /// The columns of the foreign key.
    columns: Vec<String>,
    /// What they refer to.
    referenced: Vec<String>,
}

/// A foreign key.
struct ForeignKey {
    table: String,
    columns: Vec<String>,
    to: String,
    referenced: Vec<String>,
    rule: String,
}

/// Rows that have become what they will be.
type Wholes = Vec<Vec<Value>>;

impl Stepping<'_> {
    /// What moves along with rows of a table, if foreign keys to it cascade; tables that come before others hang on nothing that comes behind.
    ///
    /// # Errors
    /// Something else hangs on a row, or something that would not move along.
    pub(super) async fn branches(
        &self,
        session: &mut Session,
        moving: &Moving,
        done: &mut Done,
    ) -> Result<Vec<Branch>, ErrorBody> {
        let root = moving.table.trim_matches('`').replace("``", "`");
        let foreign_keys = self.foreign_keys(session, done).await?;
        let refuse = |what: &str| {
            failure::unsupported(format!(
                "rows of {} would move to another shard, and what hangs on them by a foreign key would not move along: {what}; delete the rows and insert them \
                 anew",
                moving.table
            ))
        };
        let is = |name: &str, other: &str| name.eq_ignore_ascii_case(other);
        let mut branches: Vec<Branch> = Vec::new();
        let mut seen: HashSet<String> = HashSet::from([root.to_lowercase()]);
        // A table, the branch that it is, and which of its columns change.
        let mut open = vec![(root.clone(), None, self.sharding(&root).map(names_of).unwrap_or_default())];
        while let Some((name, number, changed)) = open.pop() {
            if foreign_keys.iter().any(|key| is(&key.table, &name) && number.is_none()) {
                return Err(refuse("the table itself refers to another"));
            }
            let sharding = self.sharding(&name).ok_or_else(|| refuse("a table that is not sharded"))?;
            for key in foreign_keys.iter().filter(|key| is(&key.to, &name)) {
                let place = |column: &String| key.referenced.iter().position(|known| is(known, column));
                let places: Option<Vec<usize>> = names_of(sharding).iter().map(place).collect();
                let places = places.ok_or_else(|| refuse("a foreign key without the sharding columns"))?;
                let touched = changed.iter().any(|column| place(column).is_some());
                match key.rule.as_str() {
                    "RESTRICT" | "NO ACTION" if touched => continue,
                    "CASCADE" if touched => {}
                    _ => return Err(refuse("a foreign key with another rule than CASCADE")),
                }
                let own: Vec<&String> = places.iter().map(|place| &key.columns[*place]).collect();
                let along = self.sharding(&key.table).is_some_and(|of| {
                    of.columns.len() == own.len()
                        && of.columns.iter().zip(&own).zip(&sharding.columns).all(|((column, own), to)| {
                            is(&column.column, own) && (column.vindex, column.part) == (to.vindex, to.part)
                        })
                });
                if !along {
                    return Err(refuse("a table that is sharded otherwise"));
                }
                let other = |other: &&ForeignKey| is(&other.table, &key.table) && !std::ptr::eq(*other, key);
                if foreign_keys
                    .iter()
                    .filter(other)
                    .any(|other| other.columns.iter().any(|column| key.columns.contains(column)))
                {
                    return Err(refuse("a table that refers to others by the same columns"));
                }
                if !seen.insert(key.table.to_lowercase()) {
                    return Err(refuse("a table that hangs on it in two ways"));
                }
                let context = planning::context(self.scope, &[]);
                let table = vitrail_planner::placed(&context, &self.keyspace.name, &key.table)?;
                let (columns, referenced) = (key.columns.clone(), key.referenced.clone());
                branches.push(Branch { table, on: number, columns, referenced });
                open.push((key.table.clone(), Some(branches.len() - 1), key.columns.clone()));
            }
        }
        let tables: Vec<Value> = branches.iter().map(|branch| Value::Text(plain(&branch.table.row))).collect();
        if !tables.is_empty() && self.have_triggers(session, tables, done).await? {
            return Err(refuse("a table with triggers on INSERT or DELETE"));
        }
        Ok(branches)
    }

    fn sharding(&self, table: &str) -> Option<&Sharding> {
        let keyspace = self.scope.view.cluster.vschema().keyspace(&self.keyspace.name)?;
        match &keyspace.table(table)?.placement {
            Placement::Sharded(sharding) => Some(sharding),
            _ => None,
        }
    }

    async fn foreign_keys(&self, session: &mut Session, done: &mut Done) -> Result<Vec<ForeignKey>, ErrorBody> {
        let sql = "SELECT k.CONSTRAINT_NAME, k.TABLE_NAME, k.COLUMN_NAME, k.REFERENCED_TABLE_NAME, k.REFERENCED_COLUMN_NAME, r.UPDATE_RULE FROM \
                   information_schema.KEY_COLUMN_USAGE k JOIN information_schema.REFERENTIAL_CONSTRAINTS r ON r.CONSTRAINT_SCHEMA = \
                   k.CONSTRAINT_SCHEMA AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME AND r.TABLE_NAME = k.TABLE_NAME WHERE k.CONSTRAINT_SCHEMA = \
                   DATABASE() AND k.REFERENCED_TABLE_SCHEMA = DATABASE() ORDER BY k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION";
        let statement = ShardStatement { shard: 0, sql: sql.into(), binds: self.with([]) };
        let resolved = self.statements(vec![statement], Merge::Pass, false);
        let (rows, _) = self.read(session, &resolved, &self.neutral(), done).await?;
        let mut keys: Vec<(String, ForeignKey)> = Vec::new();
        for row in &rows.list {
            let text = |cell: &Option<&[u8]>| String::from_utf8_lossy(cell.unwrap_or_default()).into_owned();
            let cells: Vec<String> = cells(row, 6)?.iter().map(text).collect();
            let [name, table, column, to, referenced, rule] =
                <[String; 6]>::try_from(cells).map_err(|_| malformed())?;
            match keys.last_mut() {
                Some((known, key)) if *known == name && key.table == table => {
                    key.columns.push(column);
                    key.referenced.push(referenced);
                }
                _ => {
                    let key = ForeignKey { table, columns: vec![column], to, referenced: vec![referenced], rule };
                    keys.push((name, key));
                }
            }
        }
        Ok(keys.into_iter().map(|(_, key)| key).collect())
    }

    async fn have_triggers(
        &self,
        session: &mut Session,
        tables: Vec<Value>,
        done: &mut Done,
    ) -> Result<bool, ErrorBody> {
        let sql = "SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND EVENT_MANIPULATION <> 'UPDATE' AND \
                   EVENT_OBJECT_TABLE IN ::vitrail_tables";
        let binds = self.with([("vitrail_tables".to_owned(), Value::List(tables))]);
        let resolved = self.statements(vec![ShardStatement { shard: 0, sql: sql.into(), binds }], Merge::Pass, false);
        let (rows, _) = self.read(session, &resolved, &self.neutral(), done).await?;
        let row = rows.list.first().ok_or_else(malformed)?;
        Ok(cells(row, 1)?[0] != Some(b"0"))
    }

    /// Moves rows with what hangs on them.
    pub(super) async fn relocate_with(
        &self,
        session: &mut Session,
        (leaving, branches): (Leaving<'_>, &[Branch]),
        given: &Given,
        done: &mut Done,
    ) -> Result<(), ErrorBody> {
        let Leaving { keyed, moving, old, new } = leaving;
        let end = self.write(session, self.updates(keyed, old, given), &self.scope.calling, done).await?;
        done.add(end);
        let rows = self.leaving_rows(session, moving, &new, done).await?;
        let mut all: Vec<Rows> = Vec::with_capacity(branches.len());
        let mut keys: Vec<BTreeMap<usize, Vec<Key>>> = Vec::with_capacity(branches.len());
        for branch in branches {
            let (parent, of) = match branch.on {
                None => (moving, &rows),
                Some(number) => (&branches[number].table.row, &all[number]),
            };
            let referred = referred(parent, of, &branch.referenced)?;
            let by_shard: BTreeMap<usize, Vec<Key>> = match referred.is_empty() {
                true => BTreeMap::new(),
                // All of them were on shards that rows leave.
                false => new.keys().map(|shard| (*shard, referred.clone())).collect(),
            };
            all.push(self.hanging_rows(session, branch, &by_shard, done).await?);
            keys.push(by_shard);
        }
        self.settle(session, (keyed, moving), &new, &rows, done).await?;
        for (branch, rows) in branches.iter().zip(all) {
            let mut homes: BTreeMap<usize, Wholes> = BTreeMap::new();
            for row in wholes(&branch.table.row, &rows)? {
                let home = branch.table.home(&row, &self.keyspace.layout)?.ok_or_else(malformed)?;
                homes.entry(home).or_default().push(row);
            }
            for (shard, rows) in homes {
                for rows in rows.chunks(BATCH) {
                    let statement = self.insertion(&branch.table.row, "", shard, rows.to_vec());
                    self.write(session, vec![statement], &self.neutral(), done).await?;
                }
            }
        }
        for (branch, keys) in branches.iter().zip(keys).rev() {
            if !keys.is_empty() {
                let text = format!("DELETE FROM {} WHERE {} IN ::{KEYS}", branch.table.row.table, branch.names());
                self.write(session, self.by_keys(&text, keys), &self.neutral(), done).await?;
            }
        }
        self.delete(session, moving, new, done).await.map(drop)
    }

    async fn hanging_rows(
        &self,
        session: &mut Session,
        branch: &Branch,
        keys: &BTreeMap<usize, Vec<Key>>,
        done: &mut Done,
    ) -> Result<Rows, ErrorBody> {
        if keys.is_empty() {
            return Ok(Rows::of(&self.keyspace.name));
        }
        let Moving { table, select, .. } = &branch.table.row;
        let text = format!("SELECT {select} FROM {table} WHERE {} IN ::{KEYS} FOR UPDATE", branch.names());
        let statements = self.by_keys(&text, keys.clone());
        let merge = if statements.len() == 1 { Merge::Pass } else { Merge::Concat(Window::default()) };
        let resolved = self.statements(statements, merge, true);
        Ok(self.read(session, &resolved, &self.neutral(), done).await?.0)
    }
}

impl Branch {
    /// The columns of the foreign key in text.
    fn names(&self) -> String {
        let names: Vec<String> = self.columns.iter().map(|name| format!("`{}`", name.replace('`', "``"))).collect();
        if names.len() == 1 { names.concat() } else { format!("({})", names.join(", ")) }
    }
}

/// What rows are referred to by, each once.
fn referred(row: &Moving, rows: &Rows, referenced: &[String]) -> Result<Vec<Key>, ErrorBody> {
    let place = |name: &String| row.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
    let places: Vec<usize> =
        referenced.iter().map(|name| place(name).ok_or_else(malformed)).collect::<Result<_, _>>()?;
    let mut seen: HashSet<Vec<u8>> = HashSet::new();
    let mut keys: Vec<Key> = Vec::new();
    for of in &rows.list {
        let cells = cells(of, row.columns.len() + usize::from(row.checked))?;
        let key: Vec<Option<&[u8]>> = places.iter().map(|place| cells[*place]).collect();
        // NULL is referred to by nothing.
        if !key.contains(&None) && seen.insert(bytes_of(&key)) {
            let values = places.iter().zip(key).map(|(place, cell)| values::own(cell, &row.columns[*place]));
            keys.push(values.collect::<Result<_, _>>()?);
        }
    }
    Ok(keys)
}

fn wholes(row: &Moving, rows: &Rows) -> Result<Wholes, ErrorBody> {
    let whole = |of: &crate::merge::row::Row| {
        let cells = cells(of, row.columns.len() + usize::from(row.checked))?;
        if row.checked && cells.last().copied().flatten() != Some(b"1") {
            return Err(failure::unsupported(format!(
                "a JSON document of a row of {} that would move to another shard has values that text cannot carry (dates, decimals); delete the row and \
                 insert it anew",
                row.table
            )));
        }
        cells.iter().zip(&row.columns).map(|(cell, column)| values::own(*cell, column)).collect()
    };
    rows.list.iter().map(whole).collect()
}

fn names_of(sharding: &Sharding) -> Vec<String> {
    sharding.columns.iter().map(|column| column.column.to_string()).collect()
}

/// The name of a table.
fn plain(row: &Moving) -> String {
    row.table.trim_matches('`').replace("``", "`")
}
