//! `SHOW` and `DESCRIBE table`: what is to be listed.

use std::borrow::Cow;

use super::queries::{Queries, queries};
use super::words::{Token, Words};
use super::{TableName, unsupported};
use crate::error::SqlError;
use crate::normalise::Normalised;

/// What a statement wants to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Show<'a> {
    /// `SHOW DATABASES`, `SHOW KEYSPACES`
    Keyspaces {
        /// The column's name, less its pattern.
        title: &'static str,
        /// `LIKE`
        like: Option<Like>,
    },
    /// `SHOW VITRAIL SHARDS`
    Shards,
    /// `SHOW VITRAIL SCHEMA [FROM keyspace]`: what is wrong with schemas.
    Schema {
        /// Of which; else of all.
        keyspace: Option<Cow<'a, str>>,
    },
    /// `SHOW VITRAIL CONSOLIDATIONS`
    Consolidations,
    /// `SHOW VITRAIL QUERIES`
    Queries(Queries),
    /// `SHOW VITRAIL VARIABLES`, and `SHOW VARIABLES LIKE 'vitrail…'`
    Preferences {
        /// With default, values and meaning of each.
        full: bool,
        /// `LIKE`
        like: Option<Like>,
    },
    /// `SHOW VITRAIL SESSIONS`
    Sessions,
    /// `SHOW [FULL] PROCESSLIST`
    Processlist {
        /// With the whole of each statement.
        full: bool,
    },
    /// `SHOW [FULL] TABLES`
    Tables {
        /// With the kind of each.
        full: bool,
        /// Whose; else the session's.
        keyspace: Option<Cow<'a, str>>,
        /// `LIKE`
        like: Option<Like>,
    },
    /// A list of what a keyspace has, as MySQL filters it.
    Listed {
        /// Of what.
        list: Listed,
        /// Whose; else the session's.
        keyspace: Option<Cow<'a, str>>,
        /// `LIKE 'pattern'` or `WHERE condition` as it is written; empty: all.
        filter: &'a str,
    },
    /// `SHOW CREATE TABLE`, `SHOW CREATE VIEW`
    Create {
        /// Which.
        table: TableName<'a>,
    },
    /// `SHOW INDEX`
    Indexes {
        /// Of which.
        table: TableName<'a>,
        /// `WHERE condition` as it is written; empty: all.
        filter: &'a str,
    },
    /// `SHOW CREATE DATABASE`
    CreateKeyspace {
        /// Which.
        keyspace: Cow<'a, str>,
    },
    /// About one table: `before table after` is what MySQL gets.
    Table {
        /// `SHOW COLUMNS FROM`
        before: &'static str,
        /// Which.
        table: TableName<'a>,
        /// As it is written.
        after: &'a str,
    },
    /// `SHOW GRANTS`, of whoever asks.
    Grants,
    /// `SHOW WARNINGS [LIMIT [offset,] count]`, `SHOW ERRORS`
    Warnings {
        /// Errors only.
        errors: bool,
        /// Rows to skip.
        offset: usize,
        /// Rows to show at most.
        limit: usize,
    },
    /// `SHOW COUNT(*) WARNINGS`, `SHOW COUNT(*) ERRORS`
    WarningCount {
        /// Errors only.
        errors: bool,
    },
    /// A list that is the same on every server: `SHOW COLLATION`.
    Anywhere,
}

/// Lists that MySQL makes of `information_schema`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// `SHOW TABLES … WHERE`
    Tables {
        /// With the kind of each.
        full: bool,
    },
    /// `SHOW TABLE STATUS`
    TableStatus,
    /// `SHOW TRIGGERS`
    Triggers,
    /// `SHOW EVENTS`
    Events,
    /// `SHOW PROCEDURE STATUS`
    Procedures,
    /// `SHOW FUNCTION STATUS`
    Functions,
}

/// A LIKE pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Like {
    /// The pattern as it is written, decoded.
    pub pattern: String,
    /// A backslash takes the next character as it is: unless NO_BACKSLASH_ESCAPES.
    pub escapes: bool,
}

/// Reads SHOW, or DESCRIBE, DESC and EXPLAIN of a table.
///
/// # Errors
/// [`SqlError::Unsupported`] for other lists, [`SqlError::Syntax`].
pub fn parse(statement: &Normalised) -> Result<Show<'_>, SqlError> {
    let mut words = Words::of(statement)?;
    if words.take(&["DESCRIBE"]) || words.take(&["DESC"]) || words.take(&["EXPLAIN"]) {
        return Ok(Show::Table { before: "DESCRIBE", table: words.table()?, after: words.rest()? });
    }
    if !words.take(&["SHOW"]) {
        return Err(words.unexpected());
    }
    let full = words.take(&["FULL"]);
    words.take(&["EXTENDED"]);
    if words.take(&["DATABASES"]) || words.take(&["SCHEMAS"]) {
        return keyspaces("Database", words);
    }
    if words.take(&["KEYSPACES"]) || words.take(&["VITRAIL", "KEYSPACES"]) {
        return keyspaces("Keyspace", words);
    }
    if words.take(&["VITRAIL", "SHARDS"]) {
        words.end()?;
        return Ok(Show::Shards);
    }
    if words.take(&["VITRAIL", "SCHEMA"]) {
        let keyspace = of_keyspace(&mut words)?;
        words.end()?;
        return Ok(Show::Schema { keyspace });
    }
    if words.take(&["VITRAIL", "CONSOLIDATIONS"]) {
        words.end()?;
        return Ok(Show::Consolidations);
    }
    if words.take(&["VITRAIL", "QUERIES"]) {
        return queries(&mut words).map(Show::Queries);
    }
    if words.take(&["VITRAIL", "VARIABLES"]) {
        let like = like(&mut words)?;
        words.end()?;
        return Ok(Show::Preferences { full: true, like });
    }
    if let Some(like) = of_preferences(words.clone()) {
        return Ok(Show::Preferences { full: false, like: Some(like) });
    }
    if words.take(&["VITRAIL", "SESSIONS"]) {
        words.end()?;
        return Ok(Show::Sessions);
    }
    if words.take(&["PROCESSLIST"]) {
        words.end()?;
        return Ok(Show::Processlist { full });
    }
    if words.take(&["TABLES"]) {
        let keyspace = of_keyspace(&mut words)?;
        if matches!(words.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case("WHERE")) {
            return Ok(Show::Listed { list: Listed::Tables { full }, keyspace, filter: words.rest()? });
        }
        let like = like(&mut words)?;
        words.end()?;
        return Ok(Show::Tables { full, keyspace, like });
    }
    const LISTED: [(&[&str], Listed); 5] = [
        (&["TABLE", "STATUS"], Listed::TableStatus),
        (&["TRIGGERS"], Listed::Triggers),
        (&["EVENTS"], Listed::Events),
        (&["PROCEDURE", "STATUS"], Listed::Procedures),
        (&["FUNCTION", "STATUS"], Listed::Functions),
    ];
    if let Some((_, list)) = LISTED.iter().find(|(list, _)| words.take(list)) {
        let keyspace = of_keyspace(&mut words)?;
        return Ok(Show::Listed { list: *list, keyspace, filter: filter(&words)? });
    }
    if words.take(&["CREATE", "TABLE"]) || words.take(&["CREATE", "VIEW"]) {
        let table = words.table()?;
        words.end()?;
        return Ok(Show::Create { table });
    }
    if words.take(&["CREATE", "DATABASE"]) || words.take(&["CREATE", "SCHEMA"]) {
        words.take(&["IF", "NOT", "EXISTS"]);
        let keyspace = words.name()?;
        words.end()?;
        return Ok(Show::CreateKeyspace { keyspace });
    }
    if words.take(&["COLUMNS"]) || words.take(&["FIELDS"]) {
        return of_table(words, if full { "SHOW FULL COLUMNS FROM" } else { "SHOW COLUMNS FROM" });
    }
    if words.take(&["INDEX"]) || words.take(&["INDEXES"]) || words.take(&["KEYS"]) {
        return of_table(words, "").map(|show| match show {
            Show::Table { table, after, .. } => Show::Indexes { table, filter: after },
            show => show,
        });
    }
    if words.take(&["COUNT"]) {
        let star = words.take_symbol("(") && words.take_symbol("*") && words.take_symbol(")");
        let errors = words.take(&["ERRORS"]);
        if !star || !(errors || words.take(&["WARNINGS"])) {
            return Err(words.unexpected());
        }
        words.end()?;
        return Ok(Show::WarningCount { errors });
    }
    let errors = words.take(&["ERRORS"]);
    if errors || words.take(&["WARNINGS"]) {
        let (offset, limit) = if words.take(&["LIMIT"]) { window(&mut words)? } else { (0, usize::MAX) };
        words.end()?;
        return Ok(Show::Warnings { errors, offset, limit });
    }
    if words.take(&["GRANTS"]) {
        if words.take(&["FOR"]) {
            if !words.take(&["CURRENT_USER"]) {
                return Err(unsupported(
                    "SHOW GRANTS for another user",
                    "the configuration has the grants of all users",
                ));
            }
            if words.take_symbol("(") && !words.take_symbol(")") {
                return Err(words.unexpected());
            }
        }
        words.end()?;
        return Ok(Show::Grants);
    }
    const ANYWHERE: [&[&str]; 14] = [
        &["COLLATION"],
        &["CHARACTER", "SET"],
        &["CHARSET"],
        &["ENGINES"],
        &["STORAGE", "ENGINES"],
        &["VARIABLES"],
        &["SESSION", "VARIABLES"],
        &["GLOBAL", "VARIABLES"],
        &["LOCAL", "VARIABLES"],
        &["STATUS"],
        &["SESSION", "STATUS"],
        &["LOCAL", "STATUS"],
        &["GLOBAL", "STATUS"],
        &["PLUGINS"],
    ];
    if ANYWHERE.iter().any(|list| words.take(list)) {
        return Ok(Show::Anywhere);
    }
    Err(unsupported(
        "this SHOW",
        "there are SHOW DATABASES, TABLES, TABLE STATUS, COLUMNS, INDEX, CREATE TABLE, CREATE DATABASE, TRIGGERS, EVENTS, PROCEDURE \
         STATUS, FUNCTION STATUS, WARNINGS, GRANTS, VARIABLES, STATUS, COLLATION, CHARACTER SET, ENGINES, PLUGINS, PROCESSLIST, VITRAIL CONSOLIDATIONS, VITRAIL QUERIES, VITRAIL SCHEMA, VITRAIL SESSIONS, VITRAIL SHARDS and VITRAIL VARIABLES",
    ))
}

/// `[SESSION | LOCAL] VARIABLES LIKE 'vitrail…'`
fn of_preferences(mut words: Words<'_>) -> Option<Like> {
    let _ = words.take(&["SESSION"]) || words.take(&["LOCAL"]);
    if !words.take(&["VARIABLES"]) || !words.take(&["LIKE"]) {
        return None;
    }
    let pattern = words.string().ok()??;
    let begins = pattern.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("vitrail"));
    (begins && words.is_done()).then(|| Like { pattern, escapes: !words.mode().no_backslash_escapes })
}

fn keyspaces<'a>(title: &'static str, mut words: Words<'a>) -> Result<Show<'a>, SqlError> {
    let like = like(&mut words)?;
    words.end()?;
    Ok(Show::Keyspaces { title, like })
}

/// `[FROM keyspace]`
fn of_keyspace<'a>(words: &mut Words<'a>) -> Result<Option<Cow<'a, str>>, SqlError> {
    if words.take(&["FROM"]) || words.take(&["IN"]) { Ok(Some(words.name()?)) } else { Ok(None) }
}

/// `LIKE 'pattern'` or `WHERE condition`, or nothing.
fn filter<'a>(words: &Words<'a>) -> Result<&'a str, SqlError> {
    let begins = |word: &str| matches!(words.peek(), Some(Token::Word(found)) if found.eq_ignore_ascii_case(word));
    if words.is_done() || begins("LIKE") || begins("WHERE") { words.rest() } else { Err(words.unexpected()) }
}

/// `FROM table [FROM keyspace] …`
fn of_table<'a>(mut words: Words<'a>, before: &'static str) -> Result<Show<'a>, SqlError> {
    if !words.take(&["FROM"]) && !words.take(&["IN"]) {
        return Err(words.unexpected());
    }
    let mut table = words.table()?;
    if words.take(&["FROM"]) || words.take(&["IN"]) {
        table.keyspace = Some(words.name()?);
    }
    Ok(Show::Table { before, table, after: words.rest()? })
}

/// `[offset,] count`
fn window(words: &mut Words<'_>) -> Result<(usize, usize), SqlError> {
    let first = number(words)?;
    if words.take_symbol(",") { Ok((first, number(words)?)) } else { Ok((0, first)) }
}

fn number(words: &mut Words<'_>) -> Result<usize, SqlError> {
    match words.next() {
        Some(Token::Number(number)) => number.parse().map_err(|_| words.unexpected()),
        _ => Err(words.unexpected()),
    }
}

/// `[LIKE 'pattern']`
pub(super) fn like(words: &mut Words<'_>) -> Result<Option<Like>, SqlError> {
    if words.take(&["WHERE"]) {
        return Err(unsupported("WHERE in this SHOW", "use LIKE"));
    }
    if !words.take(&["LIKE"]) {
        return Ok(None);
    }
    let pattern = words.string()?.ok_or_else(|| words.unexpected())?;
    Ok(Some(Like { pattern, escapes: !words.mode().no_backslash_escapes }))
}

impl Like {
    /// Whether a name is like it, without regard to letter case.
    pub fn matches(&self, name: &str) -> bool {
        let lower = |text: &str| text.to_lowercase().chars().collect::<Vec<_>>();
        self.is_like(&lower(&self.pattern), &lower(name))
    }

    /// Goes back to the last `%` only, so that it takes at most pattern times name steps.
    fn is_like(&self, pattern: &[char], name: &[char]) -> bool {
        let (mut p, mut n, mut resume) = (0, 0, None);
        while n < name.len() {
            match pattern.get(p) {
                Some('%') => {
                    p += 1;
                    resume = Some((p, n));
                    continue;
                }
                Some('\\') if self.escapes && pattern.get(p + 1) == Some(&name[n]) => p += 2,
                Some('_') => p += 1,
                Some(c) if *c == name[n] => p += 1,
                _ => match &mut resume {
                    Some((after, from)) => {
                        *from += 1;
                        (p, n) = (*after, *from);
                        continue;
                    }
                    None => return false,
                },
            }
            n += 1;
        }
        pattern[p..].iter().all(|c| *c == '%')
    }
}
