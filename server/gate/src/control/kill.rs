//! KILL: ends a session of this gate, or what it runs.

use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::ResultEnd;
use vitrail_proto::value::{Binds, Value};
use vitrail_sql::control::kill::{self, Extent, Victim};
use vitrail_sql::normalise::Normalised;

use crate::pins::hold;
use crate::registry::Kill;
use crate::request::Scope;
use crate::session::Session;
use crate::stats::Counters;

/// `KILL [CONNECTION | QUERY] id`. When it is answered, a session at rest has rolled back and given back what it held.
pub(super) async fn run(
    scope: &Scope<'_>,
    session: &Session,
    statement: &Normalised,
    binds: &Binds,
) -> Result<ResultEnd, ErrorBody> {
    let (extent, victim) = kill::parse(statement)?;
    let id = match victim {
        Victim::Id(id) => id,
        Victim::Own => session.seat.entry.id,
        Victim::Bind(name) => match binds.get(name) {
            Some(Value::Int(id)) => u64::try_from(*id).map_err(|_| unknown(&id.to_string()))?,
            Some(Value::UInt(id)) => *id,
            Some(_) => return Err(ErrorBody::new(Code::Invalid, "KILL takes the number of a session")),
            None => return Err(missing(name)),
        },
    };
    let entry = scope.gate.registry.get(id).ok_or_else(|| unknown(&id.to_string()))?;
    if entry.peer.user != session.user && !scope.gate.may_see_all(&session.user) {
        let message = format!("session {id} belongs to another user; only an administrator may kill it");
        return Err(ErrorBody::new(Code::Denied, message).with_errno(1095, "HY000"));
    }
    Counters::count(&scope.gate.counters.kills);
    let held = entry.kill(match extent {
        Extent::Query => Kill::Query,
        Extent::Connection => Kill::Session,
    });
    hold::give_up(held, &entry.peer.user, &scope.calling.settings).await;
    match id == session.seat.entry.id {
        // It has stopped itself.
        true => Err(crate::failure::cancelled()),
        false => Ok(ResultEnd::default()),
    }
}

fn unknown(id: &str) -> ErrorBody {
    let message = format!("this gate has no session {id}; SHOW PROCESSLIST has those that there are");
    ErrorBody::new(Code::NotFound, message).with_errno(1094, "HY000")
}

fn missing(name: &str) -> ErrorBody {
    ErrorBody::new(Code::Invalid, format!("the bind variable :{name} has no value")).with_errno(1210, "HY000")
}
