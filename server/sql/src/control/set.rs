//! `SET`: of session variables, of transaction characteristics, of names.

use vitrail_proto::message::{BeginOptions, Isolation};

use super::unsupported;
use super::words::{Token, Words};
use crate::error::SqlError;
use crate::normalise::Normalised;

/// One assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Lower case; `names` for `SET NAMES`.
    pub name: String,
    /// A number, a word, or a string in single quotes that needs no escapes.
    pub literal: String,
    /// `@@name` without a scope: for the next transaction only, if it is one of transactions.
    pub next_only: bool,
}

/// What a SET statement asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Set {
    /// Variables, in order.
    Variables(Vec<Assignment>),
    /// `SET SESSION TRANSACTION`
    SessionTransaction(BeginOptions),
    /// `SET TRANSACTION`
    NextTransaction(BeginOptions),
}

/// Reads SET.
///
/// # Errors
/// [`SqlError::Unsupported`] for user variables, global ones and expressions, [`SqlError::Syntax`].
pub fn parse(statement: &Normalised) -> Result<Set, SqlError> {
    let mut words = Words::of(statement)?;
    if !words.take(&["SET"]) {
        return Err(words.unexpected());
    }
    if words.take(&["TRANSACTION"]) {
        return Ok(Set::NextTransaction(characteristics(words)?));
    }
    if words.take(&["SESSION", "TRANSACTION"]) || words.take(&["LOCAL", "TRANSACTION"]) {
        return Ok(Set::SessionTransaction(characteristics(words)?));
    }
    let mut assignments = Vec::new();
    loop {
        assignments.push(assignment(&mut words)?);
        if !words.take_symbol(",") {
            break;
        }
    }
    words.end()?;
    Ok(Set::Variables(assignments))
}

/// `ISOLATION LEVEL …`, `READ ONLY`, `READ WRITE`, each at most once.
fn characteristics(mut words: Words<'_>) -> Result<BeginOptions, SqlError> {
    const LEVELS: [(&[&str], Isolation); 4] = [
        (&["READ", "UNCOMMITTED"], Isolation::ReadUncommitted),
        (&["READ", "COMMITTED"], Isolation::ReadCommitted),
        (&["REPEATABLE", "READ"], Isolation::RepeatableRead),
        (&["SERIALIZABLE"], Isolation::Serializable),
    ];
    let mut options = BeginOptions::default();
    loop {
        if options.read_only.is_none() && words.take(&["READ", "ONLY"]) {
            options.read_only = Some(true);
        } else if options.read_only.is_none() && words.take(&["READ", "WRITE"]) {
            options.read_only = Some(false);
        } else if options.isolation.is_none() && words.take(&["ISOLATION", "LEVEL"]) {
            let level = LEVELS.into_iter().find(|(written, _)| words.take(written));
            options.isolation = Some(level.ok_or_else(|| words.unexpected())?.1);
        } else {
            return Err(words.unexpected());
        }
        if !words.take_symbol(",") {
            break;
        }
    }
    words.end()?;
    Ok(options)
}

fn assignment(words: &mut Words<'_>) -> Result<Assignment, SqlError> {
    if words.take(&["GLOBAL"]) || words.take(&["PERSIST"]) || words.take(&["PERSIST_ONLY"]) {
        return Err(global());
    }
    if words.take(&["NAMES"]) {
        let literal = literal(words)?;
        if words.take(&["COLLATE"]) {
            let collation = self::literal(words)?;
            if !collation.trim_matches('\'').to_ascii_lowercase().starts_with("utf8mb4_") {
                return Err(unsupported(
                    format!("SET NAMES with collation {collation}"),
                    "text travels as utf8mb4 only",
                ));
            }
            return Ok(Assignment { name: "collation_connection".into(), literal: collation, next_only: false });
        }
        return Ok(Assignment { name: "names".into(), literal, next_only: false });
    }
    if words.take(&["CHARACTER", "SET"]) || words.take(&["CHARSET"]) {
        return Ok(Assignment { name: "names".into(), literal: literal(words)?, next_only: false });
    }
    let scoped = words.take(&["SESSION"]) || words.take(&["LOCAL"]);
    let (name, next_only) = match words.peek() {
        Some(Token::Word(name)) => (name.to_ascii_lowercase(), false),
        Some(Token::Name(name)) => (name.to_ascii_lowercase(), false),
        Some(Token::Variable(variable)) if !scoped => system_variable(variable)?,
        _ => return Err(words.unexpected()),
    };
    words.next();
    if words.take_symbol(".") {
        return Err(global());
    }
    if !words.take_symbol("=") && !words.take_symbol(":=") {
        return Err(words.unexpected());
    }
    Ok(Assignment { literal: literal(words)?, name, next_only })
}

/// `@@name`, `@@session.name`, `@@local.name`; also whether it lacks a scope.
fn system_variable(written: &str) -> Result<(String, bool), SqlError> {
    let Some(name) = written.strip_prefix("@@") else {
        return Err(unsupported(
            "SET of a user variable (@name)",
            "it would live in one MySQL connection, and sessions share those; bind the value instead",
        ));
    };
    let name = name.to_ascii_lowercase();
    match name.split_once('.') {
        None => Ok((name, true)),
        Some(("session" | "local", name)) => Ok((name.to_owned(), false)),
        Some(_) => Err(global()),
    }
}

/// One literal, up to the next comma; more than one token is an expression.
fn literal(words: &mut Words<'_>) -> Result<String, SqlError> {
    let negative = words.take_symbol("-");
    let text = match words.string()? {
        Some(text) if negative || text.contains(['\'', '\\', '\0']) => return Err(expression()),
        Some(text) => format!("'{text}'"),
        None => match words.next() {
            Some(Token::Number(number)) if negative => format!("-{number}"),
            Some(Token::Number(number)) => number.to_owned(),
            Some(Token::Word(word)) if !negative => word.to_owned(),
            Some(_) => return Err(expression()),
            None => return Err(words.unexpected()),
        },
    };
    match words.peek() {
        None => Ok(text),
        Some(token) if *token == Token::Symbol(",") => Ok(text),
        Some(Token::Word(word)) if word.eq_ignore_ascii_case("collate") => Ok(text),
        Some(_) => Err(expression()),
    }
}

fn expression() -> SqlError {
    unsupported("SET of an expression", "use a number, a plain string or a word such as ON")
}

fn global() -> SqlError {
    unsupported("SET GLOBAL and PERSIST", "they would change one server of many; ask its administrator")
}
