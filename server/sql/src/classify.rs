//! What kind of statement a text is, told by its first words.

use crate::error::SqlError;
use crate::lexer::{LexMode, Lexer, TokenKind};
use crate::normalise::StatementKind;

/// The kind of the statement whose first token is at `start`. What stands in version comments counts as if it were bare.
///
/// # Errors
/// What the lexer refuses.
pub fn classify(bytes: &[u8], start: usize, mode: LexMode) -> Result<StatementKind, SqlError> {
    let mut lexer = Lexer::expanding(bytes, mode);
    lexer.seek(start);
    let mut words = Words { lexer, bytes };
    let Some(first) = words.next_behind_parentheses()? else { return Ok(StatementKind::Empty) };
    Ok(match first.as_str() {
        "select" | "values" | "table" => StatementKind::Select,
        "with" => words.verb_of_with()?,
        "insert" => StatementKind::Insert,
        "replace" => StatementKind::Replace,
        "update" => StatementKind::Update,
        "delete" => StatementKind::Delete,
        "begin" => match words.next()?.as_deref() {
            None => StatementKind::Begin,
            Some("work") if words.next()?.is_none() => StatementKind::Begin,
            // `BEGIN NOT ATOMIC` opens a block of statements.
            Some(_) => StatementKind::Other,
        },
        "start" => match words.next()?.as_deref() {
            Some("transaction") => StatementKind::Begin,
            _ => StatementKind::Other,
        },
        "commit" => StatementKind::Commit,
        "rollback" => match words.next()?.as_deref() {
            Some("to") => StatementKind::Savepoint,
            Some("work") if words.next()?.as_deref() == Some("to") => StatementKind::Savepoint,
            _ => StatementKind::Rollback,
        },
        "savepoint" => StatementKind::Savepoint,
        "release" => StatementKind::Savepoint,
        "set" => match words.next()?.as_deref() {
            // MariaDB's `SET STATEMENT … FOR …` runs the statement inside.
            Some("statement") => StatementKind::Other,
            _ => StatementKind::Set,
        },
        "use" => StatementKind::Use,
        "show" => StatementKind::Show,
        "explain" | "describe" | "desc" => match words.next()?.as_deref() {
            Some(
                "select" | "with" | "insert" | "replace" | "update" | "delete" | "values" | "table" | "(" | "format"
                | "analyze" | "extended" | "partitions" | "for" | "into",
            ) => StatementKind::Explain,
            _ => StatementKind::Show,
        },
        // MariaDB's; `ANALYZE TABLE` is none.
        "analyze" => match words.next()?.as_deref() {
            Some("select" | "with" | "insert" | "replace" | "update" | "delete" | "(" | "format") => {
                StatementKind::Explain
            }
            _ => StatementKind::Other,
        },
        // DROP PREPARE drops what the session has, no table.
        "drop" if words.next()?.as_deref() == Some("prepare") => StatementKind::Other,
        "create" | "alter" | "drop" | "truncate" | "rename" => StatementKind::Ddl,
        "call" => StatementKind::Call,
        "kill" => StatementKind::Kill,
        _ => StatementKind::Other,
    })
}

struct Words<'a> {
    lexer: Lexer<'a>,
    bytes: &'a [u8],
}

impl Words<'_> {
    /// The next token in lower case; anything that is no word gives its first character. Comments and `;` are skipped.
    fn next(&mut self) -> Result<Option<String>, SqlError> {
        while let Some(token) = self.lexer.next_token()? {
            return Ok(Some(match token.kind {
                TokenKind::Comment | TokenKind::Hint | TokenKind::Semicolon => continue,
                TokenKind::Word => String::from_utf8_lossy(&self.bytes[token.start..token.end.min(token.start + 32)])
                    .to_ascii_lowercase(),
                _ => char::from(self.bytes[token.start]).to_string(),
            }));
        }
        Ok(None)
    }

    fn next_behind_parentheses(&mut self) -> Result<Option<String>, SqlError> {
        loop {
            match self.next()? {
                Some(word) if word == "(" => {}
                other => return Ok(other),
            }
        }
    }

    /// The verb behind the common table expressions.
    fn verb_of_with(&mut self) -> Result<StatementKind, SqlError> {
        let mut depth = 0usize;
        while let Some(word) = self.next()? {
            match word.as_str() {
                "(" => depth += 1,
                ")" => depth = depth.saturating_sub(1),
                "select" | "values" | "table" if depth == 0 => return Ok(StatementKind::Select),
                "insert" if depth == 0 => return Ok(StatementKind::Insert),
                "replace" if depth == 0 => return Ok(StatementKind::Replace),
                "update" if depth == 0 => return Ok(StatementKind::Update),
                "delete" if depth == 0 => return Ok(StatementKind::Delete),
                _ => {}
            }
        }
        Ok(StatementKind::Select)
    }
}
