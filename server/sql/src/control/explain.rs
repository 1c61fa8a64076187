//! `EXPLAIN` of a statement: whose plan, and of what.

use super::words::{Token, Words};
use crate::error::SqlError;
use crate::normalise::Normalised;

/// What is to be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Explain<'a> {
    /// `EXPLAIN FORMAT=VITRAIL …`: the plan of Vitrail.
    Own {
        /// The statement.
        statement: &'a str,
    },
    /// `EXPLAIN ANALYZE FORMAT=VITRAIL …`, `ANALYZE FORMAT=VITRAIL …`: runs it, and tells what each part of Vitrail's plan has done.
    Analyze {
        /// The statement.
        statement: &'a str,
    },
    /// MySQL's plan, of the statement as a shard gets it.
    Server {
        /// What stands before the statement, blanks included: `EXPLAIN FORMAT=JSON `.
        prefix: &'a str,
        /// The statement.
        statement: &'a str,
    },
}

/// Reads EXPLAIN, DESCRIBE or ANALYZE of a statement.
///
/// # Errors
/// [`SqlError::Syntax`] if it is none of them; version comments.
pub fn parse(statement: &Normalised) -> Result<Explain<'_>, SqlError> {
    let mut words = Words::of(statement)?;
    let explains = words.take(&["EXPLAIN"]) || words.take(&["DESCRIBE"]) || words.take(&["DESC"]);
    let mut ahead = words.clone();
    let analyzes = ahead.take(&["ANALYZE"]);
    if !explains && !analyzes {
        return Err(words.unexpected());
    }
    if ahead.take(&["FORMAT"]) && ahead.take_symbol("=") && ahead.take(&["VITRAIL"]) {
        let statement = ahead.rest()?;
        return Ok(if analyzes { Explain::Analyze { statement } } else { Explain::Own { statement } });
    }
    while words.peek().is_some_and(|token| !begins(token)) {
        words.next();
    }
    let inner = words.rest()?;
    Ok(Explain::Server { prefix: &words.text()[..words.text().len() - inner.len()], statement: inner })
}

fn begins(token: &Token<'_>) -> bool {
    const VERBS: [&str; 8] = ["SELECT", "INSERT", "REPLACE", "UPDATE", "DELETE", "WITH", "TABLE", "VALUES"];
    match token {
        Token::Word(word) => VERBS.iter().any(|verb| word.eq_ignore_ascii_case(verb)),
        token => *token == Token::Symbol("("),
    }
}
