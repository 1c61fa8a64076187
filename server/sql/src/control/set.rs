//! `SET`: of session variables, of transaction characteristics, of names.

use vitrail_proto::message::{BeginOptions, Isolation};

use super::unsupported;
use super::words::{Token, Words};
use crate::error::SqlError;
use crate::normalise::Normalised;
use crate::user_variable;

/// What is assigned to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variable {
    /// A system variable of the session.
    System {
        /// Lower case; `names` for `SET NAMES`.
        name: String,
        /// `@@name` without a scope: for the next transaction only, if it is one of transactions.
        next_only: bool,
    },
    /// A user variable, by its name in lower case.
    User(String),
}

/// What is assigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// A number, a word, or a string in single quotes that needs no escapes.
    Literal(String),
    /// Anything else, as it is written.
    Expression(String),
}

/// One assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// To what.
    pub variable: Variable,
    /// What.
    pub given: Given,
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
/// [`SqlError::Unsupported`] for global variables and for what is no variable, [`SqlError::Syntax`].
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
    for (word, remedy) in
        [("PASSWORD", "ask the server's administrator"), ("ROLE", "users and their rights are Vitrail's own")]
    {
        if words.take(&[word]) || words.take(&["DEFAULT", word]) {
            return Err(unsupported(format!("SET {word}"), remedy));
        }
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
    let system = |name: &str| Variable::System { name: name.to_owned(), next_only: false };
    if words.take(&["NAMES"]) {
        let names = literal(words)?;
        if words.take(&["COLLATE"]) {
            let collation = self::literal(words)?;
            if !collation.trim_matches('\'').to_ascii_lowercase().starts_with("utf8mb4_") {
                return Err(unsupported(
                    format!("SET NAMES with collation {collation}"),
                    "text travels as utf8mb4 only",
                ));
            }
            return Ok(Assignment { variable: system("collation_connection"), given: Given::Literal(collation) });
        }
        return Ok(Assignment { variable: system("names"), given: Given::Literal(names) });
    }
    if words.take(&["CHARACTER", "SET"]) || words.take(&["CHARSET"]) {
        return Ok(Assignment { variable: system("names"), given: Given::Literal(literal(words)?) });
    }
    let scoped = words.take(&["SESSION"]) || words.take(&["LOCAL"]);
    let variable = match words.peek() {
        Some(Token::Word(name)) => system(&name.to_ascii_lowercase()),
        Some(Token::Name(name)) => system(&name.to_ascii_lowercase()),
        Some(Token::Variable(variable)) if !scoped && !variable.starts_with("@@") => {
            Variable::User(user_variable::name(variable)?)
        }
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
    let given = given(words, matches!(variable, Variable::User(_)))?;
    Ok(Assignment { variable, given })
}

/// `@@name`, `@@session.name`, `@@local.name`.
fn system_variable(written: &str) -> Result<Variable, SqlError> {
    let name = written.trim_start_matches('@').to_ascii_lowercase();
    match name.split_once('.') {
        None => Ok(Variable::System { name, next_only: true }),
        Some(("session" | "local", name)) => Ok(Variable::System { name: name.to_owned(), next_only: false }),
        Some(_) => Err(global()),
    }
}

/// What stands up to the next comma outside parentheses. The literals of a user variable are integers and NULL only: what a string is
/// depends on the connection.
fn given(words: &mut Words<'_>, user: bool) -> Result<Given, SqlError> {
    let mut ahead = words.clone();
    if let Ok(text) = literal(&mut ahead)
        && matches!(ahead.peek(), None | Some(Token::Symbol(",")))
        && (!user || is_plain(&text))
    {
        *words = ahead;
        return Ok(Given::Literal(text));
    }
    let start = words.clone();
    let mut depth = 0_usize;
    loop {
        match words.peek() {
            None => break,
            Some(Token::Symbol(",")) if depth == 0 => break,
            Some(Token::Symbol("(")) => depth += 1,
            Some(Token::Symbol(")")) => depth = depth.saturating_sub(1),
            Some(_) => {}
        }
        words.next();
    }
    let text = words.since(&start);
    if text.is_empty() {
        return Err(words.unexpected());
    }
    // A version comment could begin or end inside.
    if text.contains("/*!") || text.contains("/*M!") || text.contains("*/") {
        return Err(unsupported("a comment inside a value of SET", "leave it out"));
    }
    Ok(Given::Expression(text.to_owned()))
}

/// Whether a literal means the same on every connection.
fn is_plain(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    text.eq_ignore_ascii_case("null")
        || (!digits.is_empty() && digits.len() < 19 && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// One literal; more than one token is an expression.
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
    unsupported("an expression here", "use a name or a plain string")
}

fn global() -> SqlError {
    unsupported("SET GLOBAL and PERSIST", "they would change one server of many; ask its administrator")
}
