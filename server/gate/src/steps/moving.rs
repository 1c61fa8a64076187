//! Rows whose sharding columns have changed go to the shard that these lead to now.
//!
//! They are updated where they were, so that MySQL itself decides what is stored; then they are read there whole, inserted at their new home, and
//! deleted. Settings that could change a value on its way are those of no session: time zone and `sql_mode` are fixed.

use std::collections::BTreeMap;
use std::sync::Arc;

use vitrail_planner::plan::{KEYS, Keyed, Merge, Moving, ShardStatement, Window};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::value::Value;

use super::keyed::Key;
use super::rows::{Rows, cells, malformed};
use super::{Done, Stepping, values};
use crate::calling::Calling;
use crate::failure;
use crate::session::{Session, TransactionState};
use crate::settings;

impl Stepping<'_> {
    /// `moved`: the keys that rows have now, by the shard where they are.
    pub(super) async fn relocate(
        &self,
        session: &mut Session,
        keyed: Keyed<'_>,
        moving: &Moving,
        moved: BTreeMap<usize, Vec<Key>>,
        done: &mut Done,
    ) -> Result<(), ErrorBody> {
        let shards = &self.keyspace.layout;
        let mut leaving: BTreeMap<usize, Vec<Key>> = BTreeMap::new();
        for (shard, keys) in moved {
            for key in keys {
                if keyed.home(&key, shards)?.is_some_and(|home| home != shard) {
                    leaving.entry(shard).or_default().push(key);
                }
            }
        }
        if leaving.is_empty() {
            return Ok(());
        }
        let calling = self.neutral();
        let count: usize = leaving.values().map(Vec::len).sum();
        let Moving { table, select, names, .. } = moving;
        let text = format!("SELECT {select} FROM {table} WHERE {names} IN ::{KEYS} FOR UPDATE");
        let statements = self.by_keys(&text, leaving.clone());
        let merge = if statements.len() == 1 { Merge::Pass } else { Merge::Concat(Window::default()) };
        let resolved = self.statements(statements, merge, true);
        let (rows, _) = self.read(session, &resolved, &calling, done).await?;
        if rows.list.len() != count {
            return Err(failure::unsupported(format!(
                "rows of {table} have other sharding columns after this UPDATE than it gave them, as a trigger or a conversion does; delete them and \
                 insert them anew"
            )));
        }
        let insertions = self.arrivals(keyed, moving, &rows)?;
        // Where a row arrives is committed first: if the rest fails, it is there twice, and never lost.
        let arrive = insertions.iter().map(|statement| statement.shard).filter(|shard| !leaving.contains_key(shard));
        let arrive: Vec<_> = arrive.map(|shard| Arc::clone(&self.keyspace.shards[shard].name)).collect();
        self.write(session, insertions, &calling, done).await?;
        if let TransactionState::Open(transaction) = &mut session.transaction {
            transaction.commits_first(&self.keyspace.name, &arrive);
        }
        let text = format!("DELETE FROM {table} WHERE {names} IN ::{KEYS}");
        let deletions = self.by_keys(&text, leaving);
        self.write(session, deletions, &calling, done).await?;
        Ok(())
    }

    /// Texts that insert the rows at their new homes.
    fn arrivals(&self, keyed: Keyed<'_>, moving: &Moving, rows: &Rows) -> Result<Vec<ShardStatement>, ErrorBody> {
        let of_key = |column: &vitrail_planner::schema::ColumnSchema| {
            moving.columns.iter().position(|known| known.name == column.name).ok_or_else(malformed)
        };
        let places = keyed.columns().iter().map(of_key).collect::<Result<Vec<_>, _>>()?;
        let mut by_shard: BTreeMap<usize, Vec<Vec<Value>>> = BTreeMap::new();
        for row in &rows.list {
            let cells = cells(row, moving.columns.len() + usize::from(moving.checked))?;
            if moving.checked && cells.last().copied().flatten() != Some(b"1") {
                return Err(failure::unsupported(
                    "a JSON document of a row that would move to another shard has values that text cannot carry (dates, decimals); delete the \
                     row and insert it anew",
                ));
            }
            let values = cells.into_iter().zip(&moving.columns).map(|(cell, column)| values::own(cell, column));
            let values: Vec<Value> = values.collect::<Result<_, _>>()?;
            let key: Key = places.iter().map(|place| values[*place].clone()).collect();
            let home = keyed.home(&key, &self.keyspace.layout)?.ok_or_else(malformed)?;
            by_shard.entry(home).or_default().push(values);
        }
        let bind = |row: usize, column: usize| format!("vitrail_value_{row}_{column}");
        let statement = |(shard, rows): (usize, Vec<Vec<Value>>)| {
            let texts: Vec<String> = (0..rows.len())
                .map(|row| {
                    let binds: Vec<String> =
                        (0..moving.columns.len()).map(|column| format!(":{}", bind(row, column))).collect();
                    format!("({})", binds.join(", "))
                })
                .collect();
            let sql = format!("INSERT INTO {} ({}) VALUES {}", moving.table, moving.insert, texts.join(", "));
            let binds = self.with(rows.into_iter().enumerate().flat_map(|(number, row)| {
                row.into_iter().enumerate().map(move |(column, value)| (bind(number, column), value))
            }));
            ShardStatement { shard, sql: sql.into(), binds }
        };
        Ok(by_shard.into_iter().map(statement).collect())
    }

    /// Whether rows of the table can move as if they were updated: nothing else happens when one is inserted or deleted, and none depends on
    /// a row of another shard.
    pub(super) async fn may_move(
        &self,
        session: &mut Session,
        moving: &Moving,
        shard: usize,
        done: &mut Done,
    ) -> Result<(), ErrorBody> {
        let table = moving.table.trim_matches('`').replace("``", "`");
        let sql = "SELECT (SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE = \
                   :vitrail_table AND EVENT_MANIPULATION <> 'UPDATE') + (SELECT COUNT(*) FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE \
                   UNIQUE_CONSTRAINT_SCHEMA = DATABASE() AND :vitrail_table IN (REFERENCED_TABLE_NAME, TABLE_NAME))";
        let binds = self.with([("vitrail_table".to_owned(), Value::Text(table))]);
        let resolved = self.statements(vec![ShardStatement { shard, sql: sql.into(), binds }], Merge::Pass, false);
        let (rows, _) = self.read(session, &resolved, &self.neutral(), done).await?;
        let row = rows.list.first().ok_or_else(malformed)?;
        match cells(row, 1)?[..] {
            [Some(b"0")] => Ok(()),
            _ => Err(failure::unsupported(format!(
                "rows of {} would move to another shard, and the table has triggers or foreign keys, or foreign keys point to it: they would take \
                 that for a deletion; delete the rows and insert them anew",
                moving.table
            ))),
        }
    }

    /// Settings under which a value is stored as it was read.
    fn neutral(&self) -> Calling<'_> {
        let calling = &self.scope.calling;
        let zone = settings::with(&calling.settings, "time_zone", "'+00:00'");
        calling.with_settings(settings::with(&zone, "sql_mode", "'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'"))
    }
}
