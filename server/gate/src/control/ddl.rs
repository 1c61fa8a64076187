//! DDL: on every shard of the table's keyspace, one keyspace at a time.

mod resume;
mod run;
mod tables;

use std::sync::Arc;

use vitrail_proto::error::{Code, ErrorBody, Executed};
use vitrail_proto::message::ResultEnd;
use vitrail_proto::value::Binds;
use vitrail_sql::bind;
use vitrail_sql::control::TableName;
use vitrail_sql::control::ddl::{self, Change};
use vitrail_sql::normalise::Normalised;

use super::temporary;
use crate::access;
use crate::answer::Answer;
use crate::cluster::Keyspace;
use crate::failure;
use crate::pins::{Pins, hold};
use crate::planning;
use crate::request::Scope;
use crate::session::{Session, TransactionState};
use crate::view::Wanted;

/// Bytes of a statement with its values, at most.
const MOST_BYTES: usize = 16 << 20;

/// Runs a DDL statement. Commits the open transaction first, as MySQL does.
pub(super) async fn run(
    scope: &Scope<'_>,
    session: &mut Session,
    statement: &Normalised,
    binds: &Binds,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    if scope.limits.read_only {
        return Err(ErrorBody::new(Code::Denied, "the request is read only, and the statement changes tables")
            .with_errno(1792, "25006"));
    }
    if matches!(session.transaction, TransactionState::Lost) {
        return Err(failure::transaction_lost());
    }
    let with_values;
    let statement = if binds.is_empty() {
        statement
    } else {
        with_values = in_text(session, statement, binds)?;
        // `CONNECTION :a` names another server as well as a literal does.
        access::check(scope, &with_values)?;
        &with_values
    };
    let change = ddl::parse(statement)?;
    let keyspace = keyspace_of(scope, &change)?;
    if change.temporary {
        return temporary::by_word(scope, session, keyspace, statement, &change, answer).await;
    }
    if let Some(end) = temporary::by_name(scope, session, keyspace, statement, &change).await? {
        return Ok(end);
    }
    check(scope, keyspace, &change)?;
    super::implicit_commit(scope, session).await?;
    let outcome = on_shards(scope, keyspace, (statement, &change), session.pins.as_deref()).await;
    refresh(scope, keyspace, &change).await;
    match outcome {
        Err(error) => Err(hold::after_failure(session, &scope.calling, error).await),
        done => done,
    }
}

/// The statement with the values of its binds in its text, which is all that is looked at and changed from here on.
fn in_text(session: &Session, statement: &Normalised, binds: &Binds) -> Result<Normalised, ErrorBody> {
    let mut text = Vec::new();
    bind::substitute(&statement.text, binds, statement.mode, MOST_BYTES, &mut text).map_err(ErrorBody::from)?;
    let text = String::from_utf8(text).map_err(|_| failure::internal("literals that are no UTF-8"))?;
    planning::normalise(text.into(), session)
}

/// Reads what the statement has changed.
pub(super) async fn refresh(scope: &Scope<'_>, keyspace: &Keyspace, change: &Change<'_>) {
    let tables: Vec<String> = change.tables.iter().map(|named| named.table.to_string()).collect();
    scope.gate.refresh_some(Wanted::Tables(&keyspace.name, &tables)).await;
}

/// Runs on the target's shard, or on all. Where they differ, on those that lack it.
async fn on_shards(
    scope: &Scope<'_>,
    keyspace: &Keyspace,
    (statement, change): (&Normalised, &Change<'_>),
    pins: Option<&Pins>,
) -> Result<ResultEnd, ErrorBody> {
    let sql: Arc<str> = ddl::without_qualifiers(statement, &keyspace.name)?.into();
    let only = match &scope.target.shard {
        Some(shard) => Some(keyspace.shard(shard)?),
        None => (keyspace.shards.len() == 1).then_some(0),
    };
    if let Some(only) = only {
        return run::run(scope, keyspace, vec![(only, sql)], pins).await.outcome();
    }
    // Before anything is changed: a shard that cannot be asked would not take part either.
    let states = tables::read(scope, keyspace, &change.tables).await?;
    let differed = states.windows(2).any(|pair| pair[0] != pair[1]);
    let resumed = resume::decide(scope, keyspace, (statement, &sql), change, &states).await?;
    let mut report = run::run(scope, keyspace, resumed.texts, pins).await;
    report.before = resumed.before.into_iter().map(|shard| &*keyspace.shards[shard].name).collect();
    if differed && !change.empties && report.failed.is_empty() {
        let states = tables::read(scope, keyspace, &change.tables).await?;
        let differences = tables::differences(keyspace, &change.tables, &states);
        if !differences.is_empty() {
            let done = report.done.join(", ");
            let message = format!(
                "it is done on {done}, and the shards still differ: {differences}; bring them in line, with USE `{}:shard`",
                keyspace.name
            );
            return Err(ErrorBody { executed: Executed::Partial, ..failure::unsupported(message) });
        }
    }
    report.outcome()
}

fn keyspace_of<'s>(scope: &'s Scope<'_>, change: &Change<'_>) -> Result<&'s Keyspace, ErrorBody> {
    let mut found: Option<&str> = None;
    for named in &change.tables {
        let name = named.keyspace.as_deref().or(scope.target.keyspace.as_deref()).ok_or_else(failure::no_keyspace)?;
        if found.is_some_and(|found| found != name) {
            return Err(failure::unsupported(
                "DDL over tables of several keyspaces is not supported; send one statement for each",
            ));
        }
        found = Some(scope.view.keyspace(name, &scope.permit)?.name.as_ref());
    }
    scope.view.keyspace(found.ok_or_else(failure::no_keyspace)?, &scope.permit)
}

fn check(scope: &Scope<'_>, keyspace: &Keyspace, change: &Change<'_>) -> Result<(), ErrorBody> {
    if scope.target.shard.is_some() || !keyspace.sharded {
        return Ok(());
    }
    if change.view {
        return Err(failure::unsupported(format!(
            "views in the sharded keyspace '{}' are not supported",
            keyspace.name
        )));
    }
    if change.renames {
        return Err(failure::unsupported(format!(
            "renaming tables in the sharded keyspace '{}' is not supported: its shards would not change at the same moment, nor the vschema",
            keyspace.name
        )));
    }
    if change.selects {
        return Err(failure::unsupported(
            "CREATE TABLE … SELECT in a sharded keyspace is not supported: its rows would not be on their shards; create the table, then insert",
        ));
    }
    let vschema = scope.view.cluster.vschema().keyspace(&keyspace.name);
    for TableName { table, .. } in change.tables.iter().filter(|_| change.creates) {
        if vschema.is_none_or(|vschema| vschema.table(table).is_none()) {
            let message = format!(
                "table '{table}' is not in the vschema of the sharded keyspace '{}': add it there first, so that its rows find their shards",
                keyspace.name
            );
            return Err(failure::unsupported(message));
        }
    }
    Ok(())
}
