//! Calls of stored routines that no shard has: what MySQL says of them, in place of a refusal.
//!
//! A stored function that exists is refused over shards, because it would see one shard only. Whether one exists is asked each time, so that one that
//! has just been created is not missed.

use std::sync::Arc;

use futures_util::future::join_all;
use vitrail_planner::PlanContext;
use vitrail_planner::routines::{Routines, routines};
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::value::Binds;
use vitrail_service::call::{On, Statement};
use vitrail_sql::normalise::Normalised;

use crate::cluster::{Keyspace, Shard};
use crate::request::Scope;
use crate::scatter::{Task, fetch_one};
use crate::{calling, planning};

/// MySQL's error for a routine that is not there.
const NO_ROUTINE: u16 = 1305;

/// The error of a statement that was refused: MySQL's own, if it calls a routine that is on no shard; the same otherwise.
pub(crate) async fn judge(
    scope: &Scope<'_>,
    statement: &Normalised,
    binds: &Arc<Binds>,
    error: ErrorBody,
) -> ErrorBody {
    if error.code != Code::Unsupported || scope.target.shard.is_some() {
        return error;
    }
    let target = scope.target.keyspace.as_deref().and_then(|name| scope.view.cluster.keyspace(name).ok());
    let Some(keyspace) = target.filter(|keyspace| keyspace.sharded) else { return error };
    match routines(statement, &keyspace.name) {
        Some(Routines::Procedure(name, quoted)) => {
            if is_nowhere(scope, keyspace, &format!("SHOW CREATE PROCEDURE {quoted}")).await {
                let message = format!("PROCEDURE {}.{name} does not exist", keyspace.name);
                return ErrorBody::new(Code::NotFound, message).with_errno(NO_ROUTINE, "42000");
            }
            error
        }
        Some(Routines::Functions(functions)) => {
            for function in functions {
                // Nothing is called for no row.
                let probe = format!("SELECT {function}() FROM DUAL WHERE 1 = 0");
                if is_nowhere(scope, keyspace, &probe).await {
                    return explained(scope, keyspace, statement, binds).await.unwrap_or(error);
                }
            }
            error
        }
        None => error,
    }
}

/// Whether all shards say of a statement that it names no routine.
async fn is_nowhere(scope: &Scope<'_>, keyspace: &Keyspace, probe: &str) -> bool {
    let ask = |(number, shard): (usize, &Shard)| {
        fetch_one(task(scope, keyspace, (number, shard), calling::statement(probe, false)))
    };
    let answers = join_all(keyspace.shards.iter().enumerate().map(ask)).await;
    answers.iter().all(|answer| answer.as_ref().is_err_and(|error| error.errno == NO_ROUTINE))
}

/// What MySQL says of the statement, which it cannot run.
async fn explained(
    scope: &Scope<'_>,
    keyspace: &Keyspace,
    statement: &Normalised,
    binds: &Arc<Binds>,
) -> Option<ErrorBody> {
    let shard = keyspace.shards.first()?;
    let context = planning::context(scope, &[]);
    let plan = vitrail_planner::plan(statement, &PlanContext { shard: Some(&shard.name), ..context }).ok()?;
    let resolved = plan.resolve(statement, binds, &keyspace.layout).ok()?;
    let [only] = &resolved.statements[..] else { return None };
    let explain =
        Statement { binds: Arc::clone(&only.binds), ..Statement::new(format!("EXPLAIN {}", only.sql), false) };
    let told = fetch_one(task(scope, keyspace, (0, shard), explain)).await.err()?;
    matches!(told.code, Code::Invalid | Code::NotFound).then_some(told)
}

fn task(scope: &Scope<'_>, keyspace: &Keyspace, (number, shard): (usize, &Shard), statement: Statement) -> Task {
    Task {
        service: scope.calling.service(shard),
        shard: keyspace.label(number),
        call: scope.calling.call(None),
        statement,
        on: On::Pool,
    }
}
