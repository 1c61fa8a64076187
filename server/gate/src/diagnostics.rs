//! What a statement says of itself for the one after it: `ROW_COUNT()`, `FOUND_ROWS()`, warnings and errors.

use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::{ResultEnd, Warning};
use vitrail_sql::control::show::{self, Show};
use vitrail_sql::normalise::{Normalised, StatementKind};

use crate::request::Scope;
use crate::session::Session;

/// Keeps what a statement says of itself, for the statement after it.
pub(crate) fn note(
    scope: &Scope<'_>,
    session: &mut Session,
    statement: &Normalised,
    outcome: Result<&ResultEnd, &ErrorBody>,
) {
    let kind = statement.kind;
    let reads = matches!(kind, StatementKind::Select | StatementKind::Show | StatementKind::Explain);
    // SELECT … INTO has rows in no answer, and one affected.
    let into = kind == StatementKind::Select && outcome.is_ok_and(|end| end.rows == 0 && end.affected > 0);
    session.row_count = match outcome {
        Ok(end) if !reads || into => i64::try_from(end.affected).unwrap_or(i64::MAX),
        _ => -1,
    };
    if let Ok(end) = outcome
        && reads
        && !counts_rows(statement)
    {
        session.found_rows = if into { end.affected } else { end.rows };
    }
    let quiet = outcome.is_ok_and(|end| end.warnings == 0);
    if session.warning_count > 0 && quiet && keeps_diagnostics(statement, scope.gate.is_mariadb()) {
        return;
    }
    match outcome {
        Ok(end) => {
            session.warning_count = end.warnings;
            let texts = (!end.warning_texts.is_empty()).then(|| end.warning_texts.clone().into());
            session.warnings = texts;
        }
        Err(error) => {
            session.warning_count = 1;
            let warning = Warning { level: "Error".into(), errno: error.errno, message: error.message.clone() };
            session.warnings = Some(Box::new([warning]));
        }
    }
}

fn counts_rows(statement: &Normalised) -> bool {
    statement.mentions.session && contains_word(statement.body_text(), "sql_calc_found_rows")
}

/// Whether what the statement before has left stays: where this one shows it, and on MariaDB also where it reads no table.
fn keeps_diagnostics(statement: &Normalised, mariadb: bool) -> bool {
    match statement.kind {
        StatementKind::Show => {
            matches!(show::parse(statement), Ok(Show::Warnings { .. } | Show::WarningCount { .. }))
        }
        StatementKind::Select => mariadb && !contains_word(statement.body_text(), "from"),
        StatementKind::Set
        | StatementKind::Begin
        | StatementKind::Commit
        | StatementKind::Rollback
        | StatementKind::Savepoint => mariadb,
        _ => false,
    }
}

fn contains_word(text: &str, word: &str) -> bool {
    text.as_bytes().windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}
