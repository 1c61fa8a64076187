//! Prepared statements in SQL: `PREPARE`, `EXECUTE`, `DEALLOCATE PREPARE`.

use super::unsupported;
use super::words::{Token, Words};
use crate::error::SqlError;
use crate::lexer::{LexMode, Lexer, TokenKind};
use crate::normalise::Normalised;
use crate::user_variable;

/// Where the text of a statement comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A string.
    Text(String),
    /// A user variable, by name.
    Variable(String),
}

/// One of these statements; names are in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prepared {
    /// `PREPARE name FROM source`
    Prepare {
        /// Its name.
        name: String,
        /// Its text.
        source: Source,
    },
    /// `EXECUTE name [USING @a, @b]`
    Execute {
        /// Its name.
        name: String,
        /// User variables, by name.
        using: Vec<String>,
    },
    /// MariaDB's `EXECUTE IMMEDIATE source [USING @a]`
    Immediate {
        /// Its text.
        source: Source,
        /// User variables, by name.
        using: Vec<String>,
    },
    /// `DEALLOCATE PREPARE name`, `DROP PREPARE name`
    Deallocate {
        /// Its name.
        name: String,
    },
}

/// Reads one of them; `None` if the statement is none.
///
/// # Errors
/// [`SqlError::Syntax`]; [`SqlError::Unsupported`] for values that are no user variables.
pub fn parse(statement: &Normalised) -> Result<Option<Prepared>, SqlError> {
    let mut words = Words::of(statement)?;
    let parsed = if words.take(&["PREPARE"]) {
        let name = words.name()?.to_lowercase();
        if !words.take(&["FROM"]) {
            return Err(words.unexpected());
        }
        Prepared::Prepare { name, source: source(&mut words)? }
    } else if words.take(&["EXECUTE", "IMMEDIATE"]) {
        Prepared::Immediate { source: source(&mut words)?, using: using(&mut words)? }
    } else if words.take(&["EXECUTE"]) {
        Prepared::Execute { name: words.name()?.to_lowercase(), using: using(&mut words)? }
    } else if words.take(&["DEALLOCATE", "PREPARE"]) || words.take(&["DROP", "PREPARE"]) {
        Prepared::Deallocate { name: words.name()?.to_lowercase() }
    } else {
        return Ok(None);
    };
    words.end()?;
    Ok(Some(parsed))
}

/// A statement's text with each `?` as the bind `:name(index)`, and how many there are.
///
/// # Errors
/// What the lexer refuses.
pub fn name_parameters(text: &str, mode: LexMode, name: impl Fn(usize) -> String) -> Result<(String, usize), SqlError> {
    let mut lexer = Lexer::expanding(text.as_bytes(), mode);
    let (mut out, mut copied, mut count) = (String::with_capacity(text.len() + 16), 0, 0);
    while let Some(token) = lexer.next_token()? {
        if token.kind == TokenKind::Operator && &text[token.start..token.end] == "?" {
            out.push_str(&text[copied..token.start]);
            out.push(':');
            out.push_str(&name(count));
            copied = token.end;
            count += 1;
        }
    }
    out.push_str(&text[copied..]);
    Ok((out, count))
}

fn source(words: &mut Words<'_>) -> Result<Source, SqlError> {
    if let Some(text) = words.string()? {
        return Ok(Source::Text(text));
    }
    match words.next() {
        Some(Token::Variable(variable)) if !variable.starts_with("@@") => {
            Ok(Source::Variable(user_variable::name(variable)?))
        }
        _ => Err(unsupported("PREPARE from an expression", "write the text as a string, or set a user variable to it")),
    }
}

fn using(words: &mut Words<'_>) -> Result<Vec<String>, SqlError> {
    let mut names = Vec::new();
    if words.take(&["USING"]) {
        loop {
            match words.next() {
                Some(Token::Variable(variable)) if !variable.starts_with("@@") => {
                    names.push(user_variable::name(variable)?);
                }
                _ => return Err(unsupported("EXECUTE … USING of what is no user variable", "set one to the value")),
            }
            if !words.take_symbol(",") {
                break;
            }
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalise::normalise;

    fn read(sql: &str) -> Result<Option<Prepared>, SqlError> {
        parse(&normalise(sql.into(), LexMode::default()).expect(sql))
    }

    #[test]
    fn all_forms_are_read() {
        let text = |text: &str| Source::Text(text.into());
        for (sql, expected) in [
            ("PREPARE S FROM 'SELECT ''x'''", Prepared::Prepare { name: "s".into(), source: text("SELECT 'x'") }),
            ("prepare `a b` from @V", Prepared::Prepare { name: "a b".into(), source: Source::Variable("v".into()) }),
            ("EXECUTE s", Prepared::Execute { name: "s".into(), using: vec![] }),
            (
                "EXECUTE s USING @a, @`B c`",
                Prepared::Execute { name: "s".into(), using: vec!["a".into(), "b c".into()] },
            ),
            (
                "EXECUTE IMMEDIATE 'DO 1' USING @a",
                Prepared::Immediate { source: text("DO 1"), using: vec!["a".into()] },
            ),
            ("DEALLOCATE PREPARE s", Prepared::Deallocate { name: "s".into() }),
            ("DROP PREPARE s", Prepared::Deallocate { name: "s".into() }),
        ] {
            assert_eq!(read(sql), Ok(Some(expected)), "{sql}");
        }
        assert_eq!(read("DO 1"), Ok(None));
        for sql in
            ["PREPARE s", "PREPARE s FROM 1", "EXECUTE s USING 1", "EXECUTE s USING", "DROP PREPARE s x", "EXECUTE s t"]
        {
            assert!(read(sql).is_err(), "{sql}");
        }
    }

    #[test]
    fn parameters_get_names() {
        let named = |sql| name_parameters(sql, LexMode::default(), |index| format!("p{index}")).expect("read");
        assert_eq!(named("SELECT ?, '?', `?`, ? /* ? */ -- ?"), ("SELECT :p0, '?', `?`, :p1 /* ? */ -- ?".into(), 2));
        assert_eq!(named("DO 1"), ("DO 1".into(), 0));
    }
}
