//! Rows whose sharding columns have changed go to the shard that these lead to now.
//!
//! They are updated where they were, so that MySQL itself decides what is stored; then they are read there whole, inserted at their new home, and
//! deleted. Settings that could change a value on its way are those of no session: time zone and `sql_mode` are fixed. Where foreign keys are, or a row
//! may be ignored, the update is taken back before: it only tells what the rows become.

use std::collections::BTreeMap;
use std::sync::Arc;

use vitrail_planner::plan::{KEYS, Keyed, Merge, Moving, ShardStatement, Window};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::ResultEnd;
use vitrail_proto::value::Value;

use super::hanging::Branch;
use super::keyed::{Given, Key};
use super::rows::{Rows, cells, malformed};
use super::{Done, Stepping, values};
use crate::calling::Calling;
use crate::failure;
use crate::session::{Session, TransactionState};
use crate::settings;
use crate::transaction::Guard;

/// What holds rows of a table that move.
#[derive(Clone)]
pub(super) enum Bound {
    /// Nothing.
    Free,
    /// Foreign keys that forbid what they do not allow.
    Held,
    /// Foreign keys that take rows of other tables along.
    Along(Arc<[Branch]>),
}

/// Rows on their way, and what is set.
pub(super) struct Leaving<'k> {
    pub(super) keyed: Keyed<'k>,
    pub(super) moving: &'k Moving,
    /// The keys that they have, by the shard where they are.
    pub(super) old: BTreeMap<usize, Vec<Key>>,
    /// The keys that they get.
    pub(super) new: BTreeMap<usize, Vec<Key>>,
}

impl Stepping<'_> {
    /// Moves rows that were updated where they are.
    pub(super) async fn relocate(
        &self,
        session: &mut Session,
        leaving: Leaving<'_>,
        done: &mut Done,
    ) -> Result<(), ErrorBody> {
        let Leaving { keyed, moving, new, .. } = leaving;
        let rows = self.leaving_rows(session, moving, &new, done).await?;
        self.settle(session, (keyed, moving), &new, &rows, done).await?;
        self.delete(session, moving, new, done).await.map(drop)
    }

    /// Moves rows that foreign keys hold: as they would be after the update, which is taken back. So MySQL judges what leaves and what arrives.
    pub(super) async fn relocate_bound(
        &self,
        session: &mut Session,
        leaving: Leaving<'_>,
        given: &Given,
        done: &mut Done,
    ) -> Result<(), ErrorBody> {
        let Leaving { keyed, moving, old, new } = leaving;
        let shards: Vec<usize> = old.keys().copied().collect();
        self.guard(session, &shards).await?;
        let unchecked = settings::with(&self.scope.calling.settings, "foreign_key_checks", "0");
        let unchecked = self.scope.calling.with_settings(unchecked);
        let end = self.write(session, self.updates(keyed, old.clone(), given), &unchecked, done).await?;
        done.add(end);
        let rows = self.leaving_rows(session, moving, &new, done).await?;
        self.undo(session, &shards).await?;
        self.delete(session, moving, old, done).await?;
        self.settle(session, (keyed, moving), &new, &rows, done).await?;
        Ok(())
    }

    /// Moves one row, if nothing is where it goes, and no foreign key holds it: IGNORE.
    pub(super) async fn relocate_or_ignore(
        &self,
        session: &mut Session,
        leaving: Leaving<'_>,
        (given, bound): (&Given, &Bound),
        done: &mut Done,
    ) -> Result<(), ErrorBody> {
        let Leaving { keyed, moving, old, new } = leaving;
        let shards: Vec<usize> = old.keys().copied().collect();
        self.guard(session, &shards).await?;
        let held = matches!(bound, Bound::Held);
        let unchecked = settings::with(&self.scope.calling.settings, "foreign_key_checks", "0");
        let unchecked = self.scope.calling.with_settings(unchecked);
        let calling = if held { &unchecked } else { &self.scope.calling };
        let updated = self.write(session, self.updates(keyed, old.clone(), given), calling, done).await?;
        if updated.affected == 0 {
            done.add(updated);
            return Ok(());
        }
        let rows = self.leaving_rows(session, moving, &new, done).await?;
        let mut end = updated;
        let mut last = None;
        if held {
            // It is judged as it was.
            self.undo(session, &shards).await?;
            let deleted = self.delete(session, moving, old, done).await?;
            last = (deleted.affected == 0).then_some(deleted);
        }
        if last.is_none() {
            let inserted = self.settle(session, (keyed, moving), &new, &rows, done).await?;
            last = (inserted.affected == 0).then_some(inserted);
        }
        match last {
            Some(refused) => {
                self.undo(session, &shards).await?;
                end.affected = 0;
                // MariaDB does not tell of it.
                if !self.scope.gate.is_mariadb() {
                    end.warnings = end.warnings.saturating_add(refused.warnings);
                    end.warning_texts.extend(refused.warning_texts);
                }
            }
            None if !held => drop(self.delete(session, moving, new, done).await?),
            None => {}
        }
        done.add(end);
        Ok(())
    }

    /// Reads rows whole that have these keys now.
    pub(super) async fn leaving_rows(
        &self,
        session: &mut Session,
        moving: &Moving,
        keys: &BTreeMap<usize, Vec<Key>>,
        done: &mut Done,
    ) -> Result<Rows, ErrorBody> {
        let Moving { table, select, names, .. } = moving;
        let text = format!("SELECT {select} FROM {table} WHERE {names} IN ::{KEYS} FOR UPDATE");
        let statements = self.by_keys(&text, keys.clone());
        let merge = if statements.len() == 1 { Merge::Pass } else { Merge::Concat(Window::default()) };
        let resolved = self.statements(statements, merge, true);
        let (rows, _) = self.read(session, &resolved, &self.neutral(), done).await?;
        if rows.list.len() != keys.values().map(Vec::len).sum::<usize>() {
            return Err(failure::unsupported(format!(
                "rows of {table} have other sharding columns after this UPDATE than it gave them, as a trigger or a conversion does; delete them and \
                 insert them anew"
            )));
        }
        Ok(rows)
    }

    /// Inserts rows at their new homes. Where a row arrives is committed first: if the rest fails, it is there twice, and never lost.
    pub(super) async fn settle(
        &self,
        session: &mut Session,
        (keyed, moving): (Keyed<'_>, &Moving),
        leaving: &BTreeMap<usize, Vec<Key>>,
        rows: &Rows,
        done: &mut Done,
    ) -> Result<ResultEnd, ErrorBody> {
        let insertions = self.arrivals(keyed, moving, rows)?;
        let arrive = insertions.iter().map(|statement| statement.shard).filter(|shard| !leaving.contains_key(shard));
        self.arrive_first(session, &arrive.collect::<Vec<_>>());
        self.write(session, insertions, &self.neutral(), done).await
    }

    /// Has the shards where rows arrive commit before those where they leave.
    pub(super) fn arrive_first(&self, session: &mut Session, shards: &[usize]) {
        let names = self.names(shards);
        if let TransactionState::Open(transaction) = &mut session.transaction {
            transaction.commits_first(&self.keyspace.name, &names);
        }
    }

    pub(super) async fn delete(
        &self,
        session: &mut Session,
        moving: &Moving,
        keys: BTreeMap<usize, Vec<Key>>,
        done: &mut Done,
    ) -> Result<ResultEnd, ErrorBody> {
        let ignore = if self.steps.ignores() { "IGNORE " } else { "" };
        let text = format!("DELETE {ignore}FROM {} WHERE {} IN ::{KEYS}", moving.table, moving.names);
        let deletions = self.by_keys(&text, keys);
        self.write(session, deletions, &self.neutral(), done).await
    }

    async fn guard(&self, session: &mut Session, shards: &[usize]) -> Result<(), ErrorBody> {
        let names = self.names(shards);
        let TransactionState::Open(transaction) = &session.transaction else { return Err(malformed()) };
        transaction.guard(Guard::Move, &self.keyspace.name, &names, &self.scope.calling).await
    }

    async fn undo(&self, session: &mut Session, shards: &[usize]) -> Result<(), ErrorBody> {
        let names = self.names(shards);
        let TransactionState::Open(transaction) = &mut session.transaction else { return Err(malformed()) };
        transaction.undo(Guard::Move, &self.keyspace.name, &names, &[], &self.scope.calling).await
    }

    fn names(&self, shards: &[usize]) -> Vec<Arc<str>> {
        shards.iter().map(|shard| Arc::clone(&self.keyspace.shards[*shard].name)).collect()
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
        let ignore = if self.steps.ignores() { "IGNORE " } else { "" };
        Ok(by_shard.into_iter().map(|(shard, rows)| self.insertion(moving, ignore, shard, rows)).collect())
    }

    /// The statement that inserts rows on a shard.
    pub(super) fn insertion(
        &self,
        moving: &Moving,
        ignore: &str,
        shard: usize,
        rows: Vec<Vec<Value>>,
    ) -> ShardStatement {
        let bind = |row: usize, column: usize| format!("vitrail_value_{row}_{column}");
        let row = |row: usize| {
            let binds: Vec<String> =
                (0..moving.columns.len()).map(|column| format!(":{}", bind(row, column))).collect();
            format!("({})", binds.join(", "))
        };
        let texts: Vec<String> = (0..rows.len()).map(row).collect();
        let sql = format!("INSERT {ignore}INTO {} ({}) VALUES {}", moving.table, moving.insert, texts.join(", "));
        let binds = self.with(rows.into_iter().enumerate().flat_map(|(number, row)| {
            row.into_iter().enumerate().map(move |(column, value)| (bind(number, column), value))
        }));
        ShardStatement { shard, sql: sql.into(), binds }
    }

    /// How rows of the table can move as if they were updated: nothing else may happen when one is inserted or deleted, and none may depend on a row
    /// of another shard.
    pub(super) async fn may_move(
        &self,
        session: &mut Session,
        moving: &Moving,
        shard: usize,
        done: &mut Done,
    ) -> Result<Bound, ErrorBody> {
        let table = moving.table.trim_matches('`').replace("``", "`");
        let sql = "SELECT (SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE = \
                   :vitrail_table AND EVENT_MANIPULATION <> 'UPDATE') + (SELECT COUNT(*) FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE \
                   UNIQUE_CONSTRAINT_SCHEMA = DATABASE() AND REFERENCED_TABLE_NAME = :vitrail_table AND TABLE_NAME = :vitrail_table), (SELECT \
                   COUNT(*) FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE UNIQUE_CONSTRAINT_SCHEMA = DATABASE() AND :vitrail_table IN \
                   (REFERENCED_TABLE_NAME, TABLE_NAME)), (SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = \
                   DATABASE() AND EVENT_OBJECT_TABLE = :vitrail_table), (SELECT COUNT(*) FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE \
                   UNIQUE_CONSTRAINT_SCHEMA = DATABASE() AND REFERENCED_TABLE_NAME = :vitrail_table AND (UPDATE_RULE NOT IN ('RESTRICT', \
                   'NO ACTION') OR DELETE_RULE NOT IN ('RESTRICT', 'NO ACTION')))";
        let binds = self.with([("vitrail_table".to_owned(), Value::Text(table))]);
        let resolved = self.statements(vec![ShardStatement { shard, sql: sql.into(), binds }], Merge::Pass, false);
        let (rows, _) = self.read(session, &resolved, &self.neutral(), done).await?;
        let row = rows.list.first().ok_or_else(malformed)?;
        let none = |cell: Option<&[u8]>| cell == Some(b"0");
        let [alone, held, triggers, changing] = cells(row, 4)?[..] else { return Err(malformed()) };
        // What triggers do would be taken back, too.
        match (none(held), none(changing)) {
            _ if !none(alone) || !none(triggers) && (self.steps.ignores() || !none(held)) => {}
            (true, _) => return Ok(Bound::Free),
            (false, true) => return Ok(Bound::Held),
            (false, false) if !self.steps.ignores() && self.checks_foreign_keys() => {
                return Ok(Bound::Along(self.branches(session, moving, done).await?.into()));
            }
            (false, false) => {}
        }
        Err(failure::unsupported(format!(
            "rows of {} would move to another shard, and the table has triggers, or foreign keys that change what hangs on a row beside IGNORE, or that are \
             not checked, or refers to itself: they would take that for a deletion; delete the rows and insert them anew",
            moving.table
        )))
    }

    fn checks_foreign_keys(&self) -> bool {
        self.scope.calling.settings.variables.iter().all(|(name, _)| name != "foreign_key_checks")
    }

    /// Settings under which a value is stored as it was read.
    pub(super) fn neutral(&self) -> Calling<'_> {
        let calling = &self.scope.calling;
        let zone = settings::with(&calling.settings, "time_zone", "'+00:00'");
        calling.with_settings(settings::with(&zone, "sql_mode", "'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'"))
    }
}
