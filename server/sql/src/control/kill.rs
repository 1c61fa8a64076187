//! `KILL`: which session is meant, and how much of it is to end.

use super::unsupported;
use super::words::{Token, Words};
use crate::error::SqlError;
use crate::normalise::Normalised;

/// What is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// `KILL QUERY`: what the session runs.
    Query,
    /// `KILL`, `KILL CONNECTION`: the session.
    Connection,
}

/// Whose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Victim<'a> {
    /// A number.
    Id(u64),
    /// `:name`, without the colon.
    Bind(&'a str),
    /// `CONNECTION_ID()`
    Own,
}

/// `KILL [HARD | SOFT] [CONNECTION | QUERY] id`
///
/// # Errors
/// [`SqlError::Unsupported`] for MariaDB's other ways to name a victim, [`SqlError::Syntax`].
pub fn parse(statement: &Normalised) -> Result<(Extent, Victim<'_>), SqlError> {
    let mut words = Words::of(statement)?;
    if !words.take(&["KILL"]) {
        return Err(words.unexpected());
    }
    let _ = words.take(&["HARD"]) || words.take(&["SOFT"]);
    let extent = if words.take(&["QUERY"]) {
        Extent::Query
    } else {
        words.take(&["CONNECTION"]);
        Extent::Connection
    };
    if words.take(&["USER"]) || words.take(&["ID"]) {
        return Err(unsupported("KILL of a user or by query id", "kill sessions by their ids, one by one"));
    }
    let before = words.clone();
    let victim = match words.next() {
        Some(Token::Number(number)) => Victim::Id(number.parse().map_err(|_| before.unexpected())?),
        Some(Token::Symbol(bind)) if bind.len() > 1 && !bind.starts_with("::") => match bind.strip_prefix(':') {
            Some(name) => Victim::Bind(name),
            None => return Err(before.unexpected()),
        },
        Some(Token::Word(name))
            if name.eq_ignore_ascii_case("CONNECTION_ID") && words.take_symbol("(") && words.take_symbol(")") =>
        {
            Victim::Own
        }
        _ => return Err(before.unexpected()),
    };
    words.end()?;
    Ok((extent, victim))
}
