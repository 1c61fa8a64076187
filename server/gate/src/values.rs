//! Statements that see or change what a session has besides settings: user variables, `LAST_INSERT_ID()`, `FOUND_ROWS()`.
//!
//! What a statement names goes along as values, which the tablet brings its connection to, so that the text stays as it is and nothing
//! pins. What it assigns comes back with the end.

use std::sync::Arc;

use vitrail_proto::error::{Code, ErrorBody, Executed};
use vitrail_proto::message::{ResultEnd, SessionValues};
use vitrail_proto::value::{Binds, Value};
use vitrail_sql::control::into;
use vitrail_sql::lexer::{Lexer, TokenKind};
use vitrail_sql::normalise::{Normalised, StatementKind};
use vitrail_sql::user_variable;

use crate::answer::Answer;
use crate::control::functions::OwnSelect;
use crate::holdings;
use crate::insight::watch::Watch;
use crate::request::Scope;
use crate::session::Session;
use crate::statement::run_plan;
use crate::{failure, planning, substitute};

/// How `LAST_INSERT_ID()` is named among a plan's binds.
const LAST_INSERT_ID: &str = "last_insert_id()";

/// What a statement names.
#[derive(Debug, Default)]
struct Named {
    user_variables: Vec<String>,
    last_insert_id: bool,
    found_rows: bool,
    /// It changes some of them.
    assigns: bool,
}

/// Whether a statement may see or change what [`SessionValues`] carry. A procedure may, whatever its CALL names.
pub(crate) fn concern(session: &Session, statement: &Normalised) -> bool {
    statement.mentions.user_variables
        || statement.mentions.session
        || (statement.kind == StatementKind::Call && !session.holdings().user_variables().is_empty())
}

/// Runs a statement that the planner decides about, with what it names of its session, and keeps what it has assigned.
pub(crate) async fn run(
    scope: &mut Scope<'_>,
    session: &mut Session,
    statement: &Normalised,
    binds: &Arc<Binds>,
    answer: &mut Answer<'_>,
    watch: &mut Watch,
) -> Result<Box<ResultEnd>, ErrorBody> {
    let (end, values) = run_apart(scope, session, statement, binds, answer, watch).await?;
    if let Some(values) = values {
        keep(session, &values)?;
    }
    Ok(end)
}

/// Evaluates an expression, with its binds, as `SET @x = expression` does; the text of a literal.
pub(crate) async fn evaluate(
    scope: &mut Scope<'_>,
    session: &mut Session,
    (expression, binds): (&str, &Arc<Binds>),
    answer: &mut Answer<'_>,
    watch: &mut Watch,
) -> Result<String, ErrorBody> {
    // A name that nobody would choose.
    const RESULT: &str = "vitrail: a value";
    let sql = format!("SELECT {expression} INTO {}", user_variable::quoted(RESULT));
    let statement = planning::normalise(sql.into(), session)?;
    // What reads no table is no statement of a transaction.
    scope.calling.apart = !expression.to_ascii_lowercase().contains("select");
    let outcome = run_apart(scope, session, &statement, binds, answer, watch).await;
    scope.calling.apart = false;
    let (_, values) = outcome?;
    let mut values = values.ok_or_else(lost_values)?;
    let result = values.user_variables.iter().position(|(name, _)| name == RESULT).ok_or_else(lost_values)?;
    let (_, literal) = values.user_variables.swap_remove(result);
    keep(session, &values)?;
    Ok(literal)
}

/// Takes over what a statement has left.
fn keep(session: &mut Session, values: &SessionValues) -> Result<(), ErrorBody> {
    if let Some(id) = values.last_insert_id {
        session.last_insert_id = id;
    }
    if let Some(rows) = values.found_rows {
        session.found_rows = rows;
    }
    for (name, literal) in &values.user_variables {
        session.hold(|held| held.set_user_variable(name, literal))?;
    }
    Ok(())
}

async fn run_apart(
    scope: &mut Scope<'_>,
    session: &mut Session,
    statement: &Normalised,
    binds: &Arc<Binds>,
    answer: &mut Answer<'_>,
    watch: &mut Watch,
) -> Result<(Box<ResultEnd>, Option<Box<SessionValues>>), ErrorBody> {
    let own = statement.kind == StatementKind::Select
        && OwnSelect::of(statement, scope.target.keyspace.is_some(), scope.gate.is_mariadb()).is_some();
    if own {
        return Ok((run_plan(scope, session, statement, (binds, binds), None, answer, watch).await?, None));
    }
    let substituted = substitute::facts(scope, session, statement)?;
    let statement = &match substituted {
        Some(text) => planning::normalise(text.into(), session)?,
        None => statement.clone(),
    };
    let mut named = named(statement)?;
    let clause = match statement.kind {
        StatementKind::Select if statement.mentions.user_variables => into::clause(statement)?,
        _ => None,
    };
    let (statement, clause) = match clause {
        Some(range) => {
            named.assigns = true;
            let (marked, clause) = into::marked(statement, range)?;
            (planning::normalise(marked.into(), session)?, Some(clause))
        }
        None => (statement.clone(), None),
    };
    let values = SessionValues {
        user_variables: named
            .user_variables
            .iter()
            .map(|name| (name.clone(), session.holdings().user_variable(name).to_owned()))
            .collect(),
        last_insert_id: named.last_insert_id.then_some(session.last_insert_id),
        found_rows: named.found_rows.then_some(0),
        back: named.assigns,
        whole: false,
    };
    let all_binds = with_values(binds, &values);
    let back = values.back;
    if values != SessionValues::default() {
        scope.calling.values = Some(Arc::new(values));
    }
    let outcome = run_plan(scope, session, &statement, (binds, &all_binds), clause.as_deref(), answer, watch).await;
    scope.calling.values = None;
    let mut end = outcome?;
    let values = end.values.take();
    match values {
        // A cap ended the statement, and with it what it could count.
        None if back && named.found_rows && end.capped.is_some() => Ok((end, None)),
        None if back => Err(ErrorBody { executed: Executed::Unknown, ..lost_values() }),
        values => Ok((end, values.filter(|_| back))),
    }
}

/// What stored code may see goes along with a statement that may run some: all variables of the session, and no others.
pub(crate) fn for_stored_code(session: &Session, named: Option<Arc<SessionValues>>) -> Arc<SessionValues> {
    let mut values = named.map(|named| (*named).clone()).unwrap_or_default();
    values.whole = true;
    for (name, literal) in session.holdings().user_variables() {
        if !values.user_variables.iter().any(|(known, _)| known == name) {
            values.user_variables.push((name.clone(), literal.clone()));
        }
    }
    Arc::new(values)
}

/// Reads what a statement names, one pass over its tokens.
fn named(statement: &Normalised) -> Result<Named, ErrorBody> {
    let text = &*statement.text;
    let mut named = Named { assigns: statement.kind == StatementKind::Call, ..Named::default() };
    let mut lexer = Lexer::expanding(&text.as_bytes()[..statement.body.end], statement.mode);
    lexer.seek(statement.body.start);
    // How far `LAST_INSERT_ID (` has been read.
    let mut call = 0;
    while let Some(token) = lexer.next_token()? {
        let source = &text[token.start..token.end];
        let is = |word: &str| source.trim_matches(['`', '"']).eq_ignore_ascii_case(word);
        match token.kind {
            TokenKind::Comment | TokenKind::Hint => continue,
            TokenKind::UserVariable => {
                let name = user_variable::name(source)?;
                if !named.user_variables.contains(&name) {
                    named.user_variables.push(name);
                }
            }
            TokenKind::Operator if source == ":=" => named.assigns = true,
            TokenKind::SystemVariable => {
                let name = source.rsplit(['@', '.']).next().unwrap_or_default().trim_matches('`');
                named.last_insert_id |=
                    name.eq_ignore_ascii_case("last_insert_id") || name.eq_ignore_ascii_case("identity");
            }
            TokenKind::Word | TokenKind::QuotedName if is("last_insert_id") => {
                call = 1;
                continue;
            }
            TokenKind::Word if is("sql_calc_found_rows") => (named.found_rows, named.assigns) = (true, true),
            TokenKind::Open if call == 1 => {
                (named.last_insert_id, call) = (true, 2);
                continue;
            }
            // An argument: it sets the value.
            kind if call == 2 && kind != TokenKind::Close => named.assigns = true,
            _ => {}
        }
        call = 0;
    }
    Ok(named)
}

/// The binds with the values under names that only the planner uses.
fn with_values(binds: &Arc<Binds>, values: &SessionValues) -> Arc<Binds> {
    if values.user_variables.is_empty() && values.last_insert_id.is_none() {
        return Arc::clone(binds);
    }
    let mut all = (**binds).clone();
    for (name, literal) in &values.user_variables {
        all.set(format!("@{name}"), holdings::value_of(literal));
    }
    if let Some(id) = values.last_insert_id {
        all.set(LAST_INSERT_ID, i64::try_from(id).map_or(Value::UInt(id), Value::Int));
    }
    Arc::new(all)
}

fn lost_values() -> ErrorBody {
    ErrorBody::new(
        Code::Unavailable,
        "the statement ran, but what it assigned to the session could not be read: its connection was lost, or a value is too long",
    )
}

/// The statement's text for its shard, with its INTO clause again.
pub(crate) fn with_clause(sql: &str, clause: &str) -> Result<Arc<str>, ErrorBody> {
    into::unmarked(sql, clause)
        .map(Arc::from)
        .ok_or_else(|| failure::unsupported(format!("the comment {} in a SELECT … INTO is not supported", into::MARK)))
}
