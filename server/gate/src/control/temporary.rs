//! DDL of temporary tables: on a connection of the session's own, which it pins.

use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::ResultEnd;
use vitrail_sql::control::ddl::Change;
use vitrail_sql::normalise::Normalised;

use crate::answer::Answer;
use crate::cluster::Keyspace;
use crate::pins::{Reason, hold};
use crate::request::Scope;
use crate::session::Session;
use crate::{failure, planning, route};

/// `CREATE TEMPORARY TABLE`, `DROP TEMPORARY TABLE`: they commit nothing.
pub(super) async fn by_word(
    scope: &Scope<'_>,
    session: &mut Session,
    keyspace: &Keyspace,
    statement: &Normalised,
    change: &Change<'_>,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    if scope.target.keyspace.as_deref() != Some(&*keyspace.name) {
        return Err(failure::unsupported(format!(
            "temporary tables of a keyspace that is not the session's are not supported; say USE `{}` first",
            keyspace.name
        )));
    }
    if let Some(pins) = session.pins.as_ref().filter(|_| change.creates) {
        pins.admit_reason()?;
    }
    let plan = vitrail_planner::plan_pinned(statement, &planning::context(scope, &[]))?;
    let resolved = plan.resolve(statement, &std::sync::Arc::default(), &keyspace.layout)?;
    let [only] = &resolved.statements[..] else {
        return Err(failure::internal("a temporary table of several shards"));
    };
    let index = only.shard;
    hold::pin(scope, session, keyspace, index).await?;
    let end = *route::run(session, keyspace, &resolved, scope.limits, &scope.calling, answer).await?;
    if let Some(pins) = &mut session.pins {
        let shard = &keyspace.shards[index].name;
        for table in &change.tables {
            let reason = Reason::TemporaryTable(table.table.to_string());
            match change.creates {
                true => pins.add_reason(&keyspace.name, shard, reason),
                false => pins.change(&keyspace.name, shard, |reasons| reasons.retain(|known| *known != reason)),
            }
        }
    }
    Ok(end)
}

/// Other DDL that names a temporary table of the session's: it commits what is open, as in MySQL. `None` if it names none.
pub(super) async fn by_name(
    scope: &Scope<'_>,
    session: &mut Session,
    keyspace: &Keyspace,
    statement: &Normalised,
    change: &Change<'_>,
) -> Result<Option<ResultEnd>, ErrorBody> {
    let mut concerned = false;
    for table in change.tables.iter().filter(|_| !change.creates && !change.view) {
        concerned |= is_one(scope, session, keyspace, &table.table)?;
    }
    let Some(index) = scope.only_shard(keyspace)?.filter(|_| concerned) else { return Ok(None) };
    if change.renames {
        return Err(failure::unsupported("renaming temporary tables is not supported; create one of the other name"));
    }
    let plan = vitrail_planner::plan(statement, &planning::context(scope, &[]))?;
    let resolved = plan.resolve(statement, &std::sync::Arc::default(), &keyspace.layout)?;
    let [only] = &resolved.statements[..] else {
        return Err(failure::internal("a temporary table of several shards"));
    };
    super::implicit_commit(scope, session).await?;
    let shard = &keyspace.shards[index].name;
    let Some(pin) = session.pins.as_ref().and_then(|pins| pins.get(&keyspace.name, shard)) else {
        return Err(failure::internal("the connection of a temporary table is gone"));
    };
    let outcome = hold::run_on(pin, std::sync::Arc::clone(&only.sql), &scope.calling).await;
    // Other tables of the statement may be base tables.
    super::ddl::refresh(scope, keyspace, change).await;
    let end = match outcome {
        Ok(end) => end,
        Err(error) => return Err(hold::after_failure(session, &scope.calling, error).await),
    };
    if let Some(pins) = session.pins.as_mut().filter(|_| change.drops) {
        for table in &change.tables {
            let reason = Reason::TemporaryTable(table.table.to_string());
            pins.change(&keyspace.name, shard, |reasons| reasons.retain(|known| *known != reason));
        }
    }
    Ok(Some(end))
}

/// Whether a name is that of a temporary table of the session's, where the target leads.
///
/// # Errors
/// It is one on some shard, and the target leads to several.
pub(super) fn is_one(
    scope: &Scope<'_>,
    session: &Session,
    keyspace: &Keyspace,
    table: &str,
) -> Result<bool, ErrorBody> {
    let Some(pins) = &session.pins else { return Ok(false) };
    let is = |name: &str| name.eq_ignore_ascii_case(table);
    match scope.only_shard(keyspace)? {
        Some(index) => {
            let pin = pins.get(&keyspace.name, &keyspace.shards[index].name);
            Ok(pin.is_some_and(|pin| pin.temporary_tables().any(is)))
        }
        None if pins.temporary_tables(&keyspace.name).any(is) => {
            Err(failure::hidden_by_temporary(&keyspace.name, table))
        }
        None => Ok(false),
    }
}
