//! SHOW VITRAIL SESSIONS and SHOW PROCESSLIST: the sessions of this gate, as far as the asking user may see them.

use std::sync::Arc;
use std::time::Duration;

use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::ResultEnd;
use vitrail_sql::redact::redact;

use super::show::list as put;
use crate::answer::Answer;
use crate::columns::Own;
use crate::registry::{Entry, Snapshot};
use crate::request::Scope;
use crate::session::Session;

/// Characters of a statement in a listing, where nobody asks for all of it; as in MySQL.
const SHORT: usize = 100;
/// Characters of a statement at most.
const LONG: usize = 4096;

/// `SHOW VITRAIL SESSIONS`
pub(super) async fn list(
    scope: &Scope<'_>,
    session: &Session,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    let columns = [
        Own::Unsigned("Id"),
        Own::Text("User"),
        Own::Text("Application"),
        Own::Text("Client"),
        Own::Text("Target"),
        Own::Text("State"),
        Own::Text("Pinned_by"),
        Own::Text("Transaction_ms"),
        Own::Text("Transaction_shards"),
        Own::Text("Idle_ms"),
        Own::Unsigned("Statements"),
        Own::Text("Statement"),
    ];
    let rows = visible(scope, session).into_iter().map(|entry| {
        let now = entry.snapshot();
        let shards = now.shards.iter().map(|shard| &**shard).collect::<Vec<_>>().join(", ");
        vec![
            Some(entry.id.to_string()),
            Some(entry.peer.user.to_string()),
            Some(entry.peer.application.to_string()),
            Some(entry.peer.address.to_string()),
            Some(now.target.to_string()),
            Some(state(&now).to_owned()),
            now.pins.as_deref().map(str::to_owned),
            now.transaction.map(millis),
            now.transaction.map(|_| shards),
            (!now.busy).then(|| millis(now.since)),
            Some(now.statements.to_string()),
            now.running.as_ref().map(|(sql, mode)| redact(sql, *mode, LONG).text),
        ]
    });
    put(&columns, rows.collect(), answer).await
}

/// `SHOW [FULL] PROCESSLIST`, with MySQL's columns. Literals of statements are left out.
pub(super) async fn processlist(
    scope: &Scope<'_>,
    session: &Session,
    full: bool,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    let columns = [
        Own::Unsigned("Id"),
        Own::Text("User"),
        Own::Text("Host"),
        Own::Text("db"),
        Own::Text("Command"),
        Own::Integer("Time"),
        Own::Text("State"),
        Own::Text("Info"),
    ];
    let limit = if full { LONG } else { SHORT };
    let rows = visible(scope, session).into_iter().map(|entry| {
        let now = entry.snapshot();
        let command = match (now.killed, now.busy) {
            (true, _) => "Killed",
            (false, true) => "Query",
            (false, false) => "Sleep",
        };
        vec![
            Some(entry.id.to_string()),
            Some(entry.peer.user.to_string()),
            Some(entry.peer.address.to_string()),
            now.target.keyspace.clone(),
            Some(command.to_owned()),
            Some(now.since.as_secs().to_string()),
            Some(
                if now.busy {
                    "executing"
                } else if state(&now) == "idle" {
                    ""
                } else {
                    state(&now)
                }
                .to_owned(),
            ),
            now.running.as_ref().map(|(sql, mode)| redact(sql, *mode, limit).text),
        ]
    });
    put(&columns, rows.collect(), answer).await
}

fn visible(scope: &Scope<'_>, session: &Session) -> Vec<Arc<Entry>> {
    let all = scope.gate.may_see_all(&session.user);
    scope.gate.registry.list(|entry| all || entry.peer.user == session.user)
}

fn state(now: &Snapshot) -> &'static str {
    match now {
        Snapshot { killed: true, .. } => "killed",
        Snapshot { busy: true, .. } => "running",
        Snapshot { transaction: Some(_), .. } => "in transaction",
        Snapshot { pins: Some(_), .. } => "pinned",
        _ => "idle",
    }
}

fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}
