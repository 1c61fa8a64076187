//! DDL: which tables a statement changes, and its text as a shard's database takes it.

use super::words::{Token, Words};
use super::{TableName, unsupported};
use crate::error::SqlError;
use crate::normalise::Normalised;

/// What a DDL statement does to which tables.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change<'a> {
    /// Makes new tables, so that a sharded keyspace must know where their rows go.
    pub creates: bool,
    /// `CREATE TABLE … SELECT`: reads.
    pub selects: bool,
    /// Makes or drops temporary tables, by that word.
    pub temporary: bool,
    /// Drops tables or views.
    pub drops: bool,
    /// Makes or drops a view.
    pub view: bool,
    /// Every table that it changes.
    pub tables: Vec<TableName<'a>>,
}

/// Reads CREATE, ALTER, DROP and TRUNCATE of tables, indexes and views.
///
/// # Errors
/// [`SqlError::Unsupported`] for renaming and for other DDL, [`SqlError::Syntax`].
pub fn parse(statement: &Normalised) -> Result<Change<'_>, SqlError> {
    let mut words = Words::of(statement)?;
    let mut change = Change::default();
    if words.take(&["CREATE"]) {
        words.take(&["OR", "REPLACE"]);
        let temporary = words.take(&["TEMPORARY"]);
        if words.take(&["TABLE"]) {
            words.take(&["IF", "NOT", "EXISTS"]);
            change.tables.push(words.table()?);
            return Ok(Change { creates: true, selects: has_word(&words, "select"), temporary, ..change });
        }
        if temporary {
            return Err(unsupported("a temporary object that is no table", "create a temporary table"));
        }
        if words.take(&["VIEW"]) {
            change.tables.push(words.table()?);
            return Ok(Change { view: true, ..change });
        }
        let _ = words.take(&["UNIQUE"]) || words.take(&["FULLTEXT"]) || words.take(&["SPATIAL"]);
        if words.take(&["INDEX"]) {
            return index(words, change);
        }
    } else if words.take(&["ALTER"]) {
        words.take(&["IGNORE"]);
        if words.take(&["TABLE"]) {
            change.tables.push(words.table()?);
            return if renames(&words) { Err(no_rename()) } else { Ok(change) };
        }
    } else if words.take(&["DROP"]) {
        let temporary = words.take(&["TEMPORARY"]);
        let view = !temporary && words.take(&["VIEW"]);
        if view || words.take(&["TABLE"]) || words.take(&["TABLES"]) {
            words.take(&["IF", "EXISTS"]);
            loop {
                change.tables.push(words.table()?);
                if !words.take_symbol(",") {
                    return Ok(Change { view, temporary, drops: true, ..change });
                }
            }
        }
        if temporary {
            return Err(words.unexpected());
        }
        if words.take(&["INDEX"]) {
            return index(words, change);
        }
    } else if words.take(&["TRUNCATE"]) {
        words.take(&["TABLE"]);
        change.tables.push(words.table()?);
        words.end()?;
        return Ok(change);
    } else if words.take(&["RENAME"]) {
        return Err(no_rename());
    }
    Err(unsupported(
        "this DDL",
        "there are CREATE, ALTER, DROP and TRUNCATE TABLE, CREATE and DROP INDEX, and views of unsharded keyspaces",
    ))
}

/// The statement's text with `keyspace.` cut off wherever it qualifies a name: on a shard the database has another name.
///
/// # Errors
/// What the lexer refuses.
pub fn without_qualifiers(statement: &Normalised, keyspace: &str) -> Result<String, SqlError> {
    let words = Words::of(statement)?;
    let text = words.text();
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    let tokens = words.tokens();
    let dot = Token::Symbol(".");
    for (index, window) in tokens.windows(3).enumerate() {
        let [(name, span), (middle, _), (after, next)] = window else { continue };
        let is_keyspace = match name {
            Token::Word(word) => *word == keyspace,
            Token::Name(name) => name == keyspace,
            _ => false,
        };
        let leads = index == 0 || tokens[index - 1].0 != dot;
        if is_keyspace && leads && *middle == dot && matches!(after, Token::Word(_) | Token::Name(_)) {
            out.push_str(&text[from..span.start]);
            from = next.start;
        }
    }
    out.push_str(&text[from..]);
    Ok(out)
}

/// `[IF [NOT] EXISTS] name … ON table`
fn index<'a>(mut words: Words<'a>, mut change: Change<'a>) -> Result<Change<'a>, SqlError> {
    let _ = words.take(&["IF", "NOT", "EXISTS"]) || words.take(&["IF", "EXISTS"]);
    words.name()?;
    while !words.take(&["ON"]) {
        words.next().ok_or_else(|| words.unexpected())?;
    }
    change.tables.push(words.table()?);
    Ok(change)
}

/// `RENAME` of anything but columns and indexes.
fn renames(words: &Words<'_>) -> bool {
    let is = |token: &Token<'_>, words: &[&str]| matches!(token, Token::Word(word) if words.iter().any(|known| word.eq_ignore_ascii_case(known)));
    words.tokens().windows(2).any(|pair| is(&pair[0].0, &["rename"]) && !is(&pair[1].0, &["column", "index", "key"]))
}

fn has_word(words: &Words<'_>, wanted: &str) -> bool {
    words.tokens().iter().any(|(token, _)| matches!(token, Token::Word(word) if word.eq_ignore_ascii_case(wanted)))
}

fn no_rename() -> SqlError {
    unsupported("renaming tables", "shards would not change at the same moment")
}
