//! A statement's text for lists that operators read: without literals, binds, comments and hints, which may hold what is nobody's business.

use crate::fingerprint::Fingerprint;
use crate::lexer::{LexMode, Lexer, TokenKind};

/// A text that gives nothing away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    /// `?` stands for each literal and bind, and for each list of them.
    pub text: String,
    /// As [`crate::Normalised::fingerprint`].
    pub fingerprint: u64,
}

/// Redacts `sql`; above `limit` bytes the text is cut and ends in `…`. What cannot be read ends it as well.
pub fn redact(sql: &str, mode: LexMode, limit: usize) -> Redacted {
    let bytes = sql.as_bytes();
    let mut lexer = Lexer::new(bytes, mode);
    let mut fingerprint = Fingerprint::default();
    let mut text = Text { out: String::with_capacity(sql.len().min(limit)), limit, cut: false };
    let (mut previous_end, mut after_literal, mut comma) = (0, false, false);
    loop {
        let token = match lexer.next_token() {
            Ok(Some(token)) if token.kind != TokenKind::Semicolon => token,
            Ok(_) => break,
            Err(_) => {
                text.cut();
                break;
            }
        };
        fingerprint.token(bytes, token);
        let apart = token.start > previous_end && previous_end > 0;
        match token.kind {
            TokenKind::Comment | TokenKind::Hint | TokenKind::VersionComment => continue,
            TokenKind::String
            | TokenKind::National
            | TokenKind::Hex
            | TokenKind::Bits
            | TokenKind::Integer
            | TokenKind::Decimal
            | TokenKind::Float
            | TokenKind::Bind
            | TokenKind::ListBind => {
                if !after_literal && !comma {
                    text.add("?", apart);
                }
                (after_literal, comma) = (true, false);
            }
            // Whether it belongs to a list of literals shows behind it.
            TokenKind::Comma if after_literal => (after_literal, comma) = (false, true),
            _ => {
                if std::mem::take(&mut comma) {
                    text.add(",", false);
                }
                after_literal = false;
                text.add(&sql[token.start..token.end], apart);
            }
        }
        previous_end = token.end;
    }
    Redacted { text: text.out, fingerprint: fingerprint.finish() }
}

struct Text {
    out: String,
    limit: usize,
    cut: bool,
}

impl Text {
    fn add(&mut self, part: &str, apart: bool) {
        if self.cut {
            return;
        }
        if self.out.len() + part.len() + usize::from(apart) > self.limit {
            return self.cut();
        }
        if apart && !self.out.is_empty() {
            self.out.push(' ');
        }
        self.out.push_str(part);
    }

    fn cut(&mut self) {
        if !self.cut {
            self.out.push('…');
            self.cut = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalise;

    #[test]
    fn literals_and_comments_are_gone() {
        for (sql, expected) in [
            ("SELECT  a, 'x'\nFROM t -- secret\nWHERE b=:b;", "SELECT a, ? FROM t WHERE b=?"),
            (
                "select 1, 2, a from t where c in (1,2, 'three') and d = 4",
                "select ?, a from t where c in (?) and d = ?",
            ),
            ("/* who */ SELECT /*+ SET_VAR(x=1) */ `a` FROM t LIMIT 10, 20", "SELECT `a` FROM t LIMIT ?"),
            ("SELECT x'41', 0xff, N'n', 1e3, ::l FROM t", "SELECT ? FROM t"),
            ("SELECT f(1), g(2)", "SELECT f(?), g(?)"),
            ("SELECT a FROM t WHERE b = 'open", "SELECT a FROM t WHERE b =…"),
            ("", ""),
        ] {
            assert_eq!(redact(sql, LexMode::default(), 1024).text, expected, "{sql}");
        }
        assert_eq!(redact("SELECT äöü FROM t", LexMode::default(), 14).text, "SELECT äöü…");
        assert_eq!(redact("SELECT äöü FROM t", LexMode::default(), 12).text, "SELECT…");
    }

    #[test]
    fn the_fingerprint_is_that_of_the_gate() {
        for sql in ["SELECT a FROM t WHERE b IN (1, 2, 3)", "/* x */ select 'a', b from t;"] {
            let normalised = normalise(sql.into(), LexMode::default()).unwrap();
            assert_eq!(redact(sql, LexMode::default(), 64).fingerprint, normalised.fingerprint, "{sql}");
        }
    }
}
