//! DDL: on every shard of the table's keyspace, one keyspace at a time.

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::join_all;
use vitrail_proto::error::{Code, ErrorBody, Executed};
use vitrail_proto::message::ResultEnd;
use vitrail_service::call::On;
use vitrail_sql::control::TableName;
use vitrail_sql::control::ddl::{self, Change};
use vitrail_sql::normalise::Normalised;

use super::temporary;
use crate::answer::Answer;
use crate::cluster::Keyspace;
use crate::pins::{Pins, hold};
use crate::position::Positions;
use crate::request::Scope;
use crate::scatter::{Calls, at_shard};
use crate::session::{Session, TransactionState};
use crate::{calling, failure, scatter};

/// Runs a DDL statement. Commits the open transaction first, as MySQL does.
pub(super) async fn run(
    scope: &Scope<'_>,
    session: &mut Session,
    statement: &Normalised,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    if scope.limits.read_only {
        return Err(ErrorBody::new(Code::Denied, "the request is read only, and the statement changes tables")
            .with_errno(1792, "25006"));
    }
    if matches!(session.transaction, TransactionState::Lost) {
        return Err(failure::transaction_lost());
    }
    let change = ddl::parse(statement)?;
    let keyspace = keyspace_of(scope, &change)?;
    if change.temporary {
        return temporary::by_word(scope, session, keyspace, statement, &change, answer).await;
    }
    if let Some(end) = temporary::by_name(scope, session, keyspace, statement, &change).await? {
        return Ok(end);
    }
    check(scope, keyspace, &change)?;
    let sql: Arc<str> = ddl::without_qualifiers(statement, &keyspace.name)?.into();
    super::implicit_commit(scope, session).await?;
    let outcome = on_all_shards(scope, keyspace, &sql, session.pins.as_deref()).await;
    scope.gate.refresh_some(std::slice::from_ref(&keyspace.name)).await;
    match outcome {
        Err(error) => Err(hold::after_failure(session, &scope.calling, error).await),
        done => done,
    }
}

/// Runs on the target's shard, or on all, side by side; each is brought to its end, whatever happens on the others.
async fn on_all_shards(
    scope: &Scope<'_>,
    keyspace: &Keyspace,
    sql: &Arc<str>,
    pins: Option<&Pins>,
) -> Result<ResultEnd, ErrorBody> {
    let chosen = match &scope.target.shard {
        Some(shard) => vec![keyspace.shard(shard)?],
        None => (0..keyspace.shards.len()).collect(),
    };
    let made: Vec<_> = chosen.iter().map(|index| (*index, scope.calling.call(None))).collect();
    let calls = Calls::new(
        scope.calling.cancel,
        made.iter().map(|(index, call)| (Arc::clone(&keyspace.shards[*index].service), call.id)),
    );
    let running = join_all(made.into_iter().map(|(index, call)| async move {
        let shard = &keyspace.shards[index];
        // Its own LOCK TABLES would lock it out.
        let own = pins.and_then(|pins| pins.get(&keyspace.name, &shard.name));
        let task = scatter::Task {
            service: Arc::clone(&shard.service),
            shard: keyspace.label(index),
            call,
            statement: calling::statement(Arc::clone(sql), true),
            on: own.map_or(On::Pool, |pin| On::Connection(pin.connection)),
        };
        (index, scatter::run_one(task).await.map(|end| *end))
    }));
    let (mut done, mut failed, mut total, mut positions) =
        (Vec::new(), Vec::new(), ResultEnd::default(), Positions::default());
    for (index, outcome) in calls.guard(pin!(running)).await {
        let name = &keyspace.shards[index].name;
        match outcome {
            Ok(mut end) => {
                positions.add(end.position.take());
                total.warnings = total.warnings.saturating_add(end.warnings);
                total.warning_texts.extend(end.warning_texts);
                done.push(&**name);
            }
            Err(error) => failed.push((&**name, at_shard(error, &keyspace.label(index)))),
        }
    }
    match failed.is_empty() {
        true => Ok(ResultEnd { position: positions.into_token(), ..total }),
        false => Err(partial(done, failed)),
    }
}

/// The first failure; if some shards are done, it says which, and which are not.
fn partial(done: Vec<&str>, mut failed: Vec<(&str, ErrorBody)>) -> ErrorBody {
    let names: Vec<&str> = failed.iter().map(|(name, _)| *name).collect();
    let unknown = failed.iter().any(|(_, error)| error.executed != Executed::No);
    let mut error = failed.swap_remove(0).1;
    if !done.is_empty() {
        error.message = format!(
            "{} (failed on shards {}; done on {}: repair those that failed, and run it there with USE keyspace:shard)",
            error.message,
            names.join(", "),
            done.join(", ")
        );
        error.executed = Executed::Partial;
    } else if unknown {
        error.executed = Executed::Unknown;
    }
    error.normalise();
    error
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_failures_name_the_shards() {
        let error = || ErrorBody::new(Code::Unavailable, "down");
        let none = partial(vec![], vec![("-80", error())]);
        assert_eq!((none.executed, none.retryable), (Executed::No, true));
        let some = partial(vec!["80-"], vec![("-80", error())]);
        assert_eq!((some.executed, some.retryable), (Executed::Partial, false));
        assert!(some.message.contains("failed on shards -80; done on 80-"), "{}", some.message);
    }
}
