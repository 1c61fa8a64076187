//! LOCK TABLES, UNLOCK TABLES and HANDLER: on a connection of the session's own.

use std::sync::Arc;

use vitrail_planner::plan::Resolved;
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::ResultEnd;
use vitrail_proto::value::Binds;
use vitrail_sql::control::pinned::{self, OfConnection};
use vitrail_sql::normalise::Normalised;

use crate::answer::Answer;
use crate::cluster::Keyspace;
use crate::pins::{Reason, hold};
use crate::request::Scope;
use crate::session::Session;
use crate::{failure, planning, route};

/// Answers such a statement; `None` if it is another.
pub(super) async fn answer(
    scope: &Scope<'_>,
    session: &mut Session,
    normalised: &Normalised,
    binds: &Arc<Binds>,
    answer: &mut Answer<'_>,
) -> Option<Result<ResultEnd, ErrorBody>> {
    let statement = match pinned::parse(normalised) {
        Ok(statement) => statement?,
        Err(error) => return Some(Err(error.into())),
    };
    Some(run(scope, session, normalised, statement, binds, answer).await)
}

async fn run(
    scope: &Scope<'_>,
    session: &mut Session,
    normalised: &Normalised,
    statement: OfConnection<'_>,
    binds: &Arc<Binds>,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    if statement == OfConnection::UnlockTables {
        return unlock_tables(scope, session).await;
    }
    let plan = vitrail_planner::plan_pinned(normalised, &planning::context(scope, &[]))?;
    let keyspace = scope.view.cluster.keyspace(plan.keyspace())?;
    // None of them changes data.
    let resolved = Resolved { writes: false, ..plan.resolve(normalised, binds, &keyspace.layout)? };
    match statement {
        OfConnection::LockTables => lock_tables(scope, session, keyspace, &resolved).await,
        OfConnection::HandlerOpen(table, alias) => {
            let name = alias.unwrap_or(table.table).into_owned();
            open_handler(scope, session, keyspace, resolved, name, answer).await
        }
        OfConnection::HandlerRead(table) => {
            use_handler(scope, session, keyspace, resolved, &table.table, false, answer).await
        }
        OfConnection::HandlerClose(table) => {
            use_handler(scope, session, keyspace, resolved, &table.table, true, answer).await
        }
        OfConnection::UnlockTables => Err(failure::internal("answered above")),
    }
}

/// Commits what is open and ends an earlier LOCK TABLES, as MySQL does.
async fn lock_tables(
    scope: &Scope<'_>,
    session: &mut Session,
    keyspace: &Keyspace,
    resolved: &Resolved,
) -> Result<ResultEnd, ErrorBody> {
    let only = only(resolved)?;
    super::implicit_commit(scope, session).await?;
    hold::unlock_tables(session, &scope.calling).await?;
    hold::pin(scope, session, keyspace, only.shard).await?;
    let shard = &keyspace.shards[only.shard].name;
    let Some(pin) = session.pins.as_ref().and_then(|pins| pins.get(&keyspace.name, shard)) else {
        return Err(failure::internal("a pin that was just made is gone"));
    };
    match hold::run_on(pin, Arc::clone(&only.sql), &scope.calling).await {
        Ok(end) => {
            if let Some(pins) = &mut session.pins {
                pins.add_reason(&keyspace.name, shard, Reason::TableLocks);
            }
            Ok(end)
        }
        Err(error) => Err(hold::after_failure(session, &scope.calling, error).await),
    }
}

/// Without LOCK TABLES it does nothing; with it, it commits what is open.
async fn unlock_tables(scope: &Scope<'_>, session: &mut Session) -> Result<ResultEnd, ErrorBody> {
    let locked = session.pins.as_ref().is_some_and(|pins| pins.iter().any(crate::pins::Pin::locks_tables));
    if !locked {
        return Ok(ResultEnd::default());
    }
    let end = super::commit(scope, session).await?;
    hold::unlock_tables(session, &scope.calling).await?;
    Ok(end)
}

async fn open_handler(
    scope: &Scope<'_>,
    session: &mut Session,
    keyspace: &Keyspace,
    resolved: Resolved,
    name: String,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    if let Some(pins) = &session.pins {
        pins.admit_reason()?;
    }
    let index = only(&resolved)?.shard;
    hold::pin(scope, session, keyspace, index).await?;
    let end = *route::run(session, keyspace, &resolved, scope.limits, &scope.calling, answer).await?;
    if let Some(pins) = &mut session.pins {
        pins.add_reason(&keyspace.name, &keyspace.shards[index].name, Reason::Handler(name));
    }
    Ok(end)
}

async fn use_handler(
    scope: &Scope<'_>,
    session: &mut Session,
    keyspace: &Keyspace,
    resolved: Resolved,
    name: &str,
    closes: bool,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    let shard = Arc::clone(&keyspace.shards[only(&resolved)?.shard].name);
    let is = |reason: &Reason| matches!(reason, Reason::Handler(known) if known.eq_ignore_ascii_case(name));
    let pin = session.pins.as_ref().and_then(|pins| pins.get(&keyspace.name, &shard));
    if !pin.is_some_and(|pin| pin.any(is)) {
        let message = format!("unknown table '{name}' in HANDLER; open it first");
        return Err(ErrorBody::new(Code::NotFound, message).with_errno(1109, "42S02"));
    }
    let end = *route::run(session, keyspace, &resolved, scope.limits, &scope.calling, answer).await?;
    if let Some(pins) = session.pins.as_mut().filter(|_| closes) {
        pins.change(&keyspace.name, &shard, |reasons| reasons.retain(|reason| !is(reason)));
    }
    Ok(end)
}

fn only(resolved: &Resolved) -> Result<&vitrail_planner::plan::ShardStatement, ErrorBody> {
    match &resolved.statements[..] {
        [only] => Ok(only),
        _ => Err(failure::internal("a statement of one connection goes to several shards")),
    }
}
