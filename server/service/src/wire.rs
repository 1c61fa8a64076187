//! How calls, statements and settings are written into requests, and read back: the one place for both sides of the wire.
//!
//! * [`Settings`] travel as the `state` of a request. A tablet takes `state` on `open`, on stateless executions, and on
//!   executions in a session, where it replaces the session's settings from then on.
//! * `read_only` is the opposite of [`Statement::writes`].
//! * The deadline travels as what remains of it, and starts anew when the request arrives.
//! * The tables whose schema is asked for are the bind `tables`, a list of texts.
//! * Health is the JSON form of [`ServiceInfo`](crate::execution::ServiceInfo), the schema that of [`Schema`](crate::schema::Schema).

use std::sync::Arc;

use tokio::time::Instant;
use vitrail_proto::message::{Request, SessionState, Share};
use vitrail_proto::value::Value;

use crate::call::{Call, CallId, Settings, Statement};

/// The settings as an `open` takes them.
pub fn state_of(settings: &Settings) -> SessionState {
    SessionState {
        target: None,
        autocommit: None,
        found_rows: settings.found_rows.then_some(true),
        variables: settings.variables.clone(),
        ..SessionState::default()
    }
}

/// The settings that a `state` describes. Target and autocommit are the gate's business and left out.
///
/// Names are taken in lower case and sorted; of equal ones the last counts.
pub fn settings_of(state: &SessionState) -> Settings {
    let mut variables: Vec<(String, String)> =
        state.variables.iter().rev().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
    // A stable sort keeps the last of equal names in front, and `dedup` keeps the first.
    variables.sort_by(|(left, _), (right, _)| left.cmp(right));
    variables.dedup_by(|(later, _), (first, _)| later == first);
    Settings { variables, found_rows: state.found_rows.unwrap_or(false) }
}

/// Writes what a call says into a request that leaves within the current span.
pub fn write_call(request: &mut Request, call: &Call) {
    request.caller = Some(call.caller.as_ref().to_owned());
    request.traceparent = vitrail_trace::onward(call.traceparent.as_deref());
    request.deadline_ms = call.deadline.map(remaining_ms);
    request.max_rows = call.max_rows;
    request.warnings = call.warnings;
    request.application = (!call.application.is_empty()).then(|| call.application.as_ref().to_owned());
    request.facts = true;
}

/// Writes the tables whose schema is asked for; none: all.
pub fn write_tables(request: &mut Request, tables: Vec<String>) {
    if !tables.is_empty() {
        request.binds.set(TABLES, Value::List(tables.into_iter().map(Value::Text).collect()));
    }
}

/// The tables whose schema a request asks for; none: all.
pub fn take_tables(request: &mut Request) -> Vec<String> {
    match std::mem::take(&mut request.binds).get(TABLES) {
        Some(Value::List(names)) => names
            .iter()
            .filter_map(|name| if let Value::Text(name) = name { Some(name.clone()) } else { None })
            .collect(),
        _ => Vec::new(),
    }
}

/// The bind that names tables.
const TABLES: &str = "tables";

/// Writes a statement into a request.
pub fn write_statement(request: &mut Request, statement: &Statement) {
    request.sql = Some(statement.sql.as_ref().to_owned());
    request.binds = statement.binds.as_ref().clone();
    request.read_only = !statement.writes;
    request.share = (statement.share != Share::Off).then_some(statement.share);
    request.row_key = statement.row_key.as_deref().map(str::to_owned);
    request.values = statement.values.as_deref().cloned();
}

/// The call that a request stands for, at the receiving side.
///
/// `caller` is the user whose access counts: the request's claim if the peer may make one, else the peer itself.
/// `settings` are those of the session, or of the request's own `state`.
pub fn read_call(
    request: &Request,
    id: CallId,
    caller: Arc<str>,
    deadline: Option<Instant>,
    settings: Arc<Settings>,
) -> Call {
    Call {
        id,
        caller,
        application: request.application.as_deref().map(Arc::from).unwrap_or_default(),
        deadline,
        settings,
        max_rows: request.max_rows,
        warnings: request.warnings,
        traceparent: request.traceparent.as_deref().map(Arc::from),
    }
}

/// The statement of a request; its text and binds are taken out of it. `None` if it has no text.
pub fn take_statement(request: &mut Request) -> Option<Statement> {
    let sql = request.sql.take()?;
    Some(Statement {
        binds: Arc::new(std::mem::take(&mut request.binds)),
        share: request.share.unwrap_or(Share::Off),
        row_key: request.row_key.take().map(Arc::from),
        values: request.values.take().map(Arc::new),
        ..Statement::new(sql, !request.read_only)
    })
}

/// Whole milliseconds until `deadline`, at least 1: a passed one expires at once at the receiver, too.
pub fn remaining_ms(deadline: Instant) -> u32 {
    let left = deadline.saturating_duration_since(Instant::now()).as_millis();
    u32::try_from(left).unwrap_or(u32::MAX).clamp(1, i32::MAX as u32)
}

#[cfg(test)]
mod tests {
    use vitrail_proto::message::SessionValues;

    use super::*;

    #[test]
    fn settings_survive_the_wire_and_are_normal() {
        let state = SessionState {
            variables: [("Time_Zone", "'+01:00'"), ("sql_mode", "''"), ("time_zone", "'+02:00'")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
            found_rows: Some(true),
            ..SessionState::default()
        };
        let settings = settings_of(&state);
        let expected = [("sql_mode", "''"), ("time_zone", "'+02:00'")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(settings.variables, expected);
        assert!(settings.found_rows);
        assert_eq!(settings_of(&state_of(&settings)), settings);
    }

    #[test]
    fn tables_survive_the_wire() {
        for tables in [vec![], vec!["a".to_owned(), "b `c`".to_owned()]] {
            let mut request = Request::new(vitrail_proto::message::Op::TabletSchema);
            write_tables(&mut request, tables.clone());
            assert_eq!(take_tables(&mut request), tables);
        }
    }

    #[test]
    fn calls_and_statements_survive_the_wire() {
        let call = Call {
            id: CallId(7),
            caller: "anna".into(),
            application: "shop".into(),
            deadline: None,
            settings: Arc::default(),
            max_rows: Some(10),
            warnings: 3,
            traceparent: Some("00-01-02-00".into()),
        };
        let values = SessionValues {
            user_variables: vec![("a b".into(), "'x'".into())],
            last_insert_id: Some(3),
            found_rows: Some(0),
            back: true,
            whole: true,
        };
        let statement = Statement {
            share: Share::Next,
            row_key: Some("t 1".into()),
            values: Some(Arc::new(values)),
            ..Statement::new("select :a", false)
        };
        let mut request = Request::new(vitrail_proto::message::Op::Execute);
        write_call(&mut request, &call);
        write_statement(&mut request, &statement);
        let back = read_call(&request, CallId(8), "anna".into(), None, Arc::default());
        assert_eq!((back.max_rows, back.warnings, back.traceparent), (Some(10), 3, call.traceparent.clone()));
        assert_eq!((request.caller.as_deref(), &*back.application), (Some("anna"), "shop"));
        let taken = take_statement(&mut request).unwrap();
        assert_eq!((&*taken.sql, taken.writes, taken.share), ("select :a", false, Share::Next));
        assert_eq!((taken.row_key, taken.values), (statement.row_key, statement.values));
        assert!(take_statement(&mut request).is_none());
    }
}
