//! PREPARE, EXECUTE and DEALLOCATE: prepared statements are texts that the gate keeps, and run like any other.

use std::sync::Arc;

use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::ResultEnd;
use vitrail_proto::value::{Binds, Value};
use vitrail_sql::control::prepare::{self, Prepared, Source};
use vitrail_sql::normalise::{Normalised, StatementKind};

use crate::answer::Answer;
use crate::holdings;
use crate::insight::watch::Watch;
use crate::request::Scope;
use crate::session::Session;
use crate::{failure, planning, statement, substitute};

/// Runs one of these statements.
pub(crate) async fn run(
    scope: &mut Scope<'_>,
    session: &mut Session,
    prepared: Prepared,
    answer: &mut Answer<'_>,
    watch: &mut Watch,
) -> Result<ResultEnd, ErrorBody> {
    match prepared {
        Prepared::Prepare { name, source } => {
            // One of this name is gone, whatever becomes of the new one.
            session.hold(|held| {
                held.deallocate(&name);
                Ok(())
            })?;
            let text = text_of(session, source)?;
            check(scope, session, &text)?;
            session.hold(|held| held.prepare(&name, &text))?;
            Ok(ResultEnd::default())
        }
        Prepared::Deallocate { name } => {
            let mut known = false;
            session.hold(|held| {
                known = held.deallocate(&name);
                Ok(())
            })?;
            if known { Ok(ResultEnd::default()) } else { Err(unknown(&name, "DEALLOCATE PREPARE")) }
        }
        Prepared::Execute { name, using } => {
            let text = session.holdings().prepared(&name).ok_or_else(|| unknown(&name, "EXECUTE"))?.to_owned();
            execute(scope, session, &text, using, answer, watch).await
        }
        Prepared::Immediate { source, using } => {
            let text = text_of(session, source)?;
            check(scope, session, &text)?;
            execute(scope, session, &text, using, answer, watch).await
        }
    }
}

async fn execute(
    scope: &mut Scope<'_>,
    session: &mut Session,
    text: &str,
    using: Vec<String>,
    answer: &mut Answer<'_>,
    watch: &mut Watch,
) -> Result<ResultEnd, ErrorBody> {
    let mode = planning::lex_mode(session);
    let (sql, wanted) = prepare::name_parameters(text, mode, parameter)?;
    if wanted != using.len() {
        return Err(ErrorBody::new(Code::Invalid, "incorrect arguments to EXECUTE").with_errno(1210, "HY000"));
    }
    let mut binds = Binds::new();
    for (index, name) in using.iter().enumerate() {
        binds.set(parameter(index), holdings::value_of(session.holdings().user_variable(name)));
    }
    // The statement inside is one like any other, and no PREPARE or EXECUTE.
    watch.leave_to_another();
    Box::pin(statement::execute(scope, session, &sql, Arc::new(binds), answer)).await.map(|end| *end)
}

/// What `?` number `index` is called.
fn parameter(index: usize) -> String {
    format!("parameter_{index}")
}

fn text_of(session: &Session, source: Source) -> Result<String, ErrorBody> {
    match source {
        Source::Text(text) => Ok(text),
        Source::Variable(name) => {
            match holdings::value_of(session.holdings().user_variable(&name)) {
                Value::Text(text) => Ok(text),
                Value::Null => Err(ErrorBody::new(Code::Invalid, "syntax error: the text to prepare is NULL")
                    .with_errno(1064, "42000")),
                _ => Err(failure::unsupported(format!("PREPARE from @{name}, which is no text, is not supported"))),
            }
        }
    }
}

/// What MySQL refuses at PREPARE, as far as it is known here: the statement is planned, if the planner decides about it.
fn check(scope: &Scope<'_>, session: &Session, text: &str) -> Result<(), ErrorBody> {
    let mode = planning::lex_mode(session);
    let (sql, _) = prepare::name_parameters(text, mode, parameter)?;
    let statement = planning::normalise(sql.into(), session)?;
    match statement.kind {
        StatementKind::Empty => {
            Err(ErrorBody::new(Code::Invalid, "the statement to prepare is empty").with_errno(1065, "42000"))
        }
        StatementKind::Other if prepare::parse(&statement)?.is_some() => Err(ErrorBody::new(
            Code::Unsupported,
            "this command is not supported in the prepared statement protocol: PREPARE, EXECUTE and DEALLOCATE do not nest",
        )
        .with_errno(1295, "HY000")),
        StatementKind::Select
        | StatementKind::Insert
        | StatementKind::Replace
        | StatementKind::Update
        | StatementKind::Delete => planned(scope, session, &statement),
        _ => Ok(()),
    }
}

fn planned(scope: &Scope<'_>, session: &Session, statement: &Normalised) -> Result<(), ErrorBody> {
    // Where INTO stands is looked at when it runs.
    if statement.kind == StatementKind::Select && statement.mentions.user_variables {
        return Ok(());
    }
    let substituted = match statement.mentions.session {
        true => substitute::facts(scope, session, statement)?,
        false => None,
    };
    match substituted {
        Some(text) => planning::plan(scope, session, &planning::normalise(text.into(), session)?).map(drop),
        None => planning::plan(scope, session, statement).map(drop),
    }
}

fn unknown(name: &str, command: &str) -> ErrorBody {
    let message = format!("Unknown prepared statement handler ({name}) given to {command}");
    ErrorBody::new(Code::NotFound, message).with_errno(1243, "HY000")
}
