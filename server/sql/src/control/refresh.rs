//! `REFRESH VITRAIL SCHEMA [keyspace]`: for definitions that were changed on MySQL, past the gate.

use std::borrow::Cow;

use super::words::Words;
use crate::error::SqlError;
use crate::normalise::Normalised;

/// What is to be read anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refresh<'a> {
    /// The schema of this keyspace; `None`: those of all.
    pub keyspace: Option<Cow<'a, str>>,
}

/// Reads the statement; `None`: it is another one.
///
/// # Errors
/// What the lexer refuses; something behind it.
pub fn parse(statement: &Normalised) -> Result<Option<Refresh<'_>>, SqlError> {
    if !statement.body_text().get(..7).is_some_and(|word| word.eq_ignore_ascii_case("REFRESH")) {
        return Ok(None);
    }
    let mut words = Words::of(statement)?;
    if !words.take(&["REFRESH", "VITRAIL", "SCHEMA"]) {
        return Ok(None);
    }
    let keyspace = if words.is_done() { None } else { Some(words.name()?) };
    words.end()?;
    Ok(Some(Refresh { keyspace }))
}
