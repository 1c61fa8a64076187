//! Named locks: GET_LOCK and its like, on a connection of the session's own.
//!
//! Which locks are held is never guessed from a statement's text: after each that takes or gives some, MySQL is asked.

use std::fmt::Write;
use std::sync::Arc;

use vitrail_planner::plan::Resolved;
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::ResultEnd;
use vitrail_proto::value::{Binds, Value};
use vitrail_sql::control::pinned::{self, LockName};
use vitrail_sql::normalise::Normalised;

use super::{Pin, Reason, hold};
use crate::answer::Answer;
use crate::calling::Calling;
use crate::cluster::Keyspace;
use crate::request::Scope;
use crate::session::Session;
use crate::{failure, route, scatter};

/// Runs a statement with functions on named locks.
pub(crate) async fn run(
    scope: &Scope<'_>,
    session: &mut Session,
    normalised: &Normalised,
    binds: &Arc<Binds>,
    (keyspace, resolved): (&Keyspace, Resolved),
    answer: &mut Answer<'_>,
) -> Result<Box<ResultEnd>, ErrorBody> {
    let locks = pinned::locks(normalised)?.unwrap_or_default();
    if !locks.takes && !locks.gives {
        return route::run(session, keyspace, &resolved, scope.limits, &scope.calling, answer).await;
    }
    let [only] = &resolved.statements[..] else {
        return Err(failure::internal("a statement on named locks goes to several shards"));
    };
    let index = only.shard;
    let (mut names, mut computed) = (Vec::new(), locks.computed);
    for name in locks.names {
        match known_name(name, binds) {
            Some(name) => names.push(name),
            None => computed = true,
        }
    }
    if let Some(pins) = session.pins.as_ref().filter(|_| locks.takes) {
        pins.admit_reason()?;
    }
    hold::pin(scope, session, keyspace, index).await?;
    // It changes no data, even if it is a DO.
    let resolved = Resolved { writes: false, ..resolved };
    let outcome = route::run(session, keyspace, &resolved, scope.limits, &scope.calling, answer).await;
    let shard = &keyspace.shards[index].name;
    let Some(pin) = session.pins.as_ref().and_then(|pins| pins.get(&keyspace.name, shard)) else { return outcome };
    for known in pin.locks() {
        if !names.iter().any(|name| name == known) {
            names.push(known.to_owned());
        }
    }
    let asked = match held(pin, &names, &scope.calling).await {
        Ok(mut held) => {
            // Whoever is told that the wait was stopped does not have the lock, even if it came at the last moment.
            let stopped = matches!(&outcome, Err(error) if matches!(error.code, Code::Cancelled | Code::Deadline));
            for (name, held) in names.iter().zip(&mut held).filter(|(name, held)| **held && !pin.holds(name)) {
                *held = !(stopped && give_back(pin, name, &scope.calling).await.is_ok());
            }
            Ok(held)
        }
        Err(error) => Err(error),
    };
    let held = match asked {
        Ok(held) => held,
        // Nobody knows: those that were asked for may be held.
        Err(error) => {
            let error = hold::after_failure(session, &scope.calling, error).await;
            if session.pins.is_none() {
                return Err(error);
            }
            vec![true; names.len()]
        }
    };
    if let Some(pins) = &mut session.pins {
        pins.change(&keyspace.name, shard, |reasons| {
            reasons.retain(|reason| match reason {
                Reason::Lock(_) => false,
                Reason::ComputedLocks => !(locks.releases_all && outcome.is_ok()),
                _ => true,
            });
            reasons.extend(names.into_iter().zip(held).filter(|(_, held)| *held).map(|(name, _)| Reason::Lock(name)));
            if locks.takes && computed && !reasons.contains(&Reason::ComputedLocks) {
                reasons.push(Reason::ComputedLocks);
            }
        });
    }
    outcome
}

/// The name of a lock, if it is known without MySQL.
fn known_name(name: LockName, binds: &Binds) -> Option<String> {
    match name {
        LockName::Text(text) => Some(text),
        LockName::Bind(bind) => match binds.get(&bind)? {
            Value::Text(text) => Some(text.clone()),
            Value::Int(number) => Some(number.to_string()),
            Value::UInt(number) => Some(number.to_string()),
            _ => None,
        },
    }
}

/// Which of these locks the connection holds.
async fn held(pin: &Pin, names: &[String], calling: &Calling<'_>) -> Result<Vec<bool>, ErrorBody> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = String::from("SELECT ");
    for (index, name) in names.iter().enumerate() {
        sql.push_str(if index == 0 { "" } else { ", " });
        push_call(&mut sql, "IS_USED_LOCK", name);
        sql.push_str(" <=> CONNECTION_ID()");
    }
    let cells = scatter::fetch_one(pin.task(sql, calling)).await?;
    let held: Vec<bool> = cells.into_iter().map(|cell| cell.as_deref() == Some(b"1")).collect();
    if held.len() == names.len() {
        Ok(held)
    } else {
        Err(failure::internal("a shard did not say which locks are held"))
    }
}

async fn give_back(pin: &Pin, name: &str, calling: &Calling<'_>) -> Result<(), ErrorBody> {
    let mut sql = String::from("DO ");
    push_call(&mut sql, "RELEASE_LOCK", name);
    scatter::run_one(pin.task(sql, calling)).await.map(|_| ())
}

/// `function(name)`, which every sql_mode reads alike.
fn push_call(sql: &mut String, function: &str, name: &str) {
    sql.push_str(function);
    sql.push_str("(_utf8mb4 x'");
    for byte in name.bytes() {
        // Writing to a String cannot fail.
        let _ = write!(sql, "{byte:02x}");
    }
    sql.push_str("')");
}
