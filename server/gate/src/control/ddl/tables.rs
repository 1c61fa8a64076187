//! Tables of a statement as each shard has them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use futures_util::future::join_all;
use vitrail_proto::error::{ErrorBody, Executed};
use vitrail_service::call::On;
use vitrail_sql::control::TableName;

use super::super::create::without_auto_increment;
use crate::cluster::Keyspace;
use crate::request::Scope;
use crate::scatter::{self, Task};
use crate::{calling, catalog, failure};

/// MySQL's number for a table that is not there.
const NO_TABLE: u16 = 1146;

/// The definitions of a statement's tables on one shard, in the statement's order; `None`: it has no such table.
pub(super) type Definitions = Vec<Option<String>>;

/// Reads the definitions on every shard, in order.
///
/// # Errors
/// The first shard that cannot be asked: nothing was changed.
pub(super) async fn read(
    scope: &Scope<'_>,
    keyspace: &Keyspace,
    tables: &[TableName<'_>],
) -> Result<Vec<Definitions>, ErrorBody> {
    let of_shard = |shard: usize| async move {
        let mut definitions = Definitions::with_capacity(tables.len());
        for TableName { table, .. } in tables {
            let sql = format!("SHOW CREATE TABLE {}", quoted(table));
            match catalog::fetch(scope, keyspace, shard, sql).await {
                Ok(cells) => definitions.push(definition(cells)),
                Err(error) if error.errno == NO_TABLE => definitions.push(None),
                Err(error) => return Err(error),
            }
        }
        Ok(definitions)
    };
    let read = join_all((0..keyspace.shards.len()).map(of_shard)).await;
    let named = keyspace.shards.iter().zip(read).map(|(shard, read)| {
        read.map_err(|error: ErrorBody| ErrorBody {
            message: format!("shard {} cannot be asked: {}", shard.name, error.message),
            executed: Executed::No,
            ..error
        })
    });
    named.collect()
}

/// What a statement makes of a table: its definition as an empty temporary copy has it, before and after.
#[derive(Debug, PartialEq)]
pub(super) struct Tried {
    pub(super) before: String,
    /// Or why the statement fails on it.
    pub(super) after: Result<String, ErrorBody>,
}

/// The name of the copy, which only its own connection sees.
pub(super) const COPY: &str = "vitrail_copy";

/// Runs `sql`, which names [`COPY`], on an empty temporary copy of a table.
///
/// # Errors
/// The table cannot be copied.
pub(super) async fn try_on_copy(
    scope: &Scope<'_>,
    keyspace: &Keyspace,
    shard: usize,
    table: &str,
    sql: &Arc<str>,
) -> Result<Tried, ErrorBody> {
    let service = &keyspace.shards[shard].service;
    let task = |sql: Arc<str>, on| Task {
        service: Arc::clone(service),
        shard: keyspace.label(shard),
        call: scope.calling.call(None),
        statement: calling::statement(sql, true),
        on,
    };
    let make = format!("CREATE TEMPORARY TABLE {} LIKE {}", quoted(COPY), quoted(table));
    let (connection, made) = scatter::run_reserved(task(make.into(), On::Reserve)).await?;
    let on = || On::Connection(connection);
    let show: Arc<str> = format!("SHOW CREATE TABLE {}", quoted(COPY)).into();
    let trying = async {
        made?;
        let shown = || async { of_copy(scatter::fetch_one(task(Arc::clone(&show), on())).await?) };
        let before = shown().await?;
        let after = match scatter::run_one(task(Arc::clone(sql), on())).await {
            Ok(_) => Ok(shown().await?),
            Err(error) => Err(error),
        };
        Ok(Tried { before, after })
    };
    let tried = trying.await;
    // Takes the copy with it.
    service.release(connection).await;
    tried
}

/// In which tables the shards differ, and how; empty: they agree.
pub(super) fn differences(keyspace: &Keyspace, tables: &[TableName<'_>], states: &[Definitions]) -> String {
    let mut out = String::new();
    for (number, TableName { table, .. }) in tables.iter().enumerate() {
        let mut groups: BTreeMap<Option<&str>, Vec<&str>> = BTreeMap::new();
        for (shard, state) in keyspace.shards.iter().zip(states) {
            groups.entry(state[number].as_deref()).or_default().push(&shard.name);
        }
        if groups.len() < 2 {
            continue;
        }
        let all: Vec<&str> = groups.keys().flatten().copied().collect();
        let of_group = groups.iter().map(|(definition, shards)| {
            let shards = shards.join(", ");
            match definition {
                None => format!("not on {shards}"),
                Some(definition) => match line_of_its_own(definition, &all) {
                    Some(line) => format!("on {shards} with {line}"),
                    None => format!("on {shards}"),
                },
            }
        });
        let separator = if out.is_empty() { "" } else { "; " };
        let _ = write!(out, "{separator}table '{table}' is {}", of_group.collect::<Vec<_>>().join(", "));
    }
    out
}

/// The first line that another definition lacks.
fn line_of_its_own<'d>(definition: &'d str, all: &[&str]) -> Option<&'d str> {
    let trimmed = |line: &'d str| line.trim().trim_end_matches(',');
    let lacks = |other: &&str, line: &str| !other.lines().any(|known| known.trim().trim_end_matches(',') == line);
    definition.lines().map(trimmed).find(|line| all.iter().any(|other| lacks(other, line)))
}

/// The definition in an answer to SHOW CREATE TABLE, without what rows make of it.
fn definition(cells: Vec<Option<Vec<u8>>>) -> Option<String> {
    let text = cells.into_iter().nth(1).flatten()?;
    Some(without_auto_increment(&String::from_utf8_lossy(&text)))
}

/// That of a copy: MySQL gives its CHECK constraints names of their own.
fn of_copy(cells: Vec<Option<Vec<u8>>>) -> Result<String, ErrorBody> {
    let text = definition(cells).ok_or_else(|| failure::internal("a table without a definition"))?;
    let nameless = |line: &str| match line
        .trim_start()
        .strip_prefix("CONSTRAINT `")
        .and_then(|rest| rest.split_once("` CHECK "))
    {
        Some((_, check)) => format!("CHECK {check}"),
        None => line.to_owned(),
    };
    Ok(text.lines().map(nameless).collect::<Vec<_>>().join("\n"))
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_its_own_is_found() {
        let (one, other) = ("CREATE TABLE `t` (\n  `a` int,\n  `b` int\n)", "CREATE TABLE `t` (\n  `a` int\n)");
        assert_eq!(line_of_its_own(one, &[one, other]), Some("`b` int"));
        assert_eq!(line_of_its_own(other, &[one, other]), None);
    }
}
