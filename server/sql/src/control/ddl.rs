//! DDL: which tables a statement changes and how, and its text as a shard's database takes it.

mod text;

pub use self::text::{of_what_is_left, on_copy, without_qualifiers};
use super::words::{Token, Words};
use super::{TableName, unsupported};
use crate::error::SqlError;
use crate::normalise::Normalised;

/// What it means to run a DDL statement where it has been run already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Again {
    /// It does the same once more: TRUNCATE, OR REPLACE, IF [NOT] EXISTS of tables, views.
    #[default]
    Same,
    /// It finds its table: CREATE TABLE.
    Exists,
    /// It lacks a table: DROP TABLE.
    Lacks,
    /// It may fail, or change its table once more: ALTER TABLE, CREATE and DROP INDEX.
    Changes,
}

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
    /// What it means to run it again.
    pub again: Again,
    /// Gives tables other names.
    pub renames: bool,
    /// Leaves definitions as they are: TRUNCATE.
    pub empties: bool,
    /// Every table that it changes.
    pub tables: Vec<TableName<'a>>,
}

/// Reads CREATE, ALTER, DROP, RENAME and TRUNCATE of tables, indexes and views.
///
/// # Errors
/// [`SqlError::Unsupported`] for other DDL, [`SqlError::Syntax`].
pub fn parse(statement: &Normalised) -> Result<Change<'_>, SqlError> {
    let mut words = Words::of(statement)?;
    let mut change = Change::default();
    if words.take(&["CREATE"]) {
        let replaces = words.take(&["OR", "REPLACE"]);
        let temporary = words.take(&["TEMPORARY"]);
        if words.take(&["TABLE"]) {
            let same = words.take(&["IF", "NOT", "EXISTS"]) || replaces;
            change.tables.push(words.table()?);
            let again = if same { Again::Same } else { Again::Exists };
            return Ok(Change { creates: true, selects: has_word(&words, "select"), temporary, again, ..change });
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
            words.take(&["IF", "EXISTS"]);
            change.tables.push(words.table()?);
            change.again = Again::Changes;
            let names = new_names(words)?;
            change.renames = !names.is_empty();
            change.tables.extend(names);
            return Ok(change);
        }
    } else if words.take(&["DROP"]) {
        let temporary = words.take(&["TEMPORARY"]);
        let view = !temporary && words.take(&["VIEW"]);
        if view || words.take(&["TABLE"]) || words.take(&["TABLES"]) {
            let same = words.take(&["IF", "EXISTS"]) || view;
            loop {
                change.tables.push(words.table()?);
                if !words.take_symbol(",") {
                    let again = if same { Again::Same } else { Again::Lacks };
                    return Ok(Change { view, temporary, drops: true, again, ..change });
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
        return Ok(Change { empties: true, ..change });
    } else if words.take(&["RENAME"]) && (words.take(&["TABLE"]) || words.take(&["TABLES"])) {
        words.take(&["IF", "EXISTS"]);
        loop {
            change.tables.push(words.table()?);
            // MariaDB has `WAIT seconds` and `NOWAIT` there.
            while !words.take(&["TO"]) {
                words.next().ok_or_else(|| words.unexpected())?;
            }
            change.tables.push(words.table()?);
            if !words.take_symbol(",") {
                words.end()?;
                return Ok(Change { renames: true, again: Again::Lacks, ..change });
            }
        }
    }
    Err(unsupported(
        "this DDL",
        "there are CREATE, ALTER, DROP and TRUNCATE TABLE, CREATE and DROP INDEX, and RENAME TABLE and views in unsharded keyspaces",
    ))
}

/// `[IF [NOT] EXISTS] name … ON table`
fn index<'a>(mut words: Words<'a>, mut change: Change<'a>) -> Result<Change<'a>, SqlError> {
    let _ = words.take(&["IF", "NOT", "EXISTS"]) || words.take(&["IF", "EXISTS"]);
    words.name()?;
    while !words.take(&["ON"]) {
        words.next().ok_or_else(|| words.unexpected())?;
    }
    change.tables.push(words.table()?);
    Ok(Change { again: Again::Changes, ..change })
}

/// The names of `RENAME [TO | AS | =] name` among an ALTER TABLE's changes. RENAME is a reserved word: elsewhere it stands only behind a dot.
fn new_names(mut words: Words<'_>) -> Result<Vec<TableName<'_>>, SqlError> {
    let (mut names, mut qualified) = (Vec::new(), false);
    loop {
        if !qualified && words.take(&["RENAME"]) && !["COLUMN", "INDEX", "KEY"].iter().any(|what| words.take(&[what])) {
            let _ = words.take(&["TO"]) || words.take(&["AS"]) || words.take_symbol("=");
            names.push(words.table()?);
        }
        let Some(token) = words.next() else { return Ok(names) };
        qualified = token == Token::Symbol(".");
    }
}

fn has_word(words: &Words<'_>, wanted: &str) -> bool {
    words.tokens().iter().any(|(token, _)| matches!(token, Token::Word(word) if word.eq_ignore_ascii_case(wanted)))
}
