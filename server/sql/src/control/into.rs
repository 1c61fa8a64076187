//! `SELECT … INTO @a, @b`: where the clause stands, so that the SELECT can be planned without it.

use std::ops::Range;

use crate::error::SqlError;
use crate::lexer::{Lexer, TokenKind};
use crate::normalise::Normalised;

/// Tells a statement whose clause was cut off from one that never had any.
pub const MARK: &str = "/*into*/";

/// The clause in the statement's text; `None` if it has none.
///
/// # Errors
/// What the lexer refuses.
pub fn clause(statement: &Normalised) -> Result<Option<Range<usize>>, SqlError> {
    let text = &*statement.text;
    let mut lexer = Lexer::new(&text.as_bytes()[..statement.body.end], statement.mode);
    lexer.seek(statement.body.start);
    let (mut depth, mut begin, mut end, mut wants) = (0_usize, None, None, false);
    while let Some(token) = lexer.next_token()? {
        match token.kind {
            TokenKind::Comment | TokenKind::Hint => {}
            TokenKind::UserVariable if wants => (end, wants) = (Some(token.end), false),
            TokenKind::Comma if end.is_some() && !wants => wants = true,
            // Something else: the clause is over, or was none.
            kind => {
                if let (Some(begin), Some(end)) = (begin, end) {
                    return Ok(Some(begin..end));
                }
                (begin, wants) = (None, false);
                match kind {
                    TokenKind::Open => depth += 1,
                    TokenKind::Close => depth = depth.saturating_sub(1),
                    TokenKind::Word if depth == 0 && text[token.start..token.end].eq_ignore_ascii_case("into") => {
                        (begin, wants) = (Some(token.start), true);
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(begin.zip(end).map(|(begin, end)| begin..end))
}

/// The body without the clause, with [`MARK`] behind its first token, so that it is a statement of its own; and the clause.
///
/// # Errors
/// What the lexer refuses.
pub fn marked(statement: &Normalised, clause: Range<usize>) -> Result<(String, String), SqlError> {
    let text = &*statement.text;
    let mut lexer = Lexer::new(text.as_bytes(), statement.mode);
    lexer.seek(statement.body.start);
    let first = lexer.next_token()?.map_or(statement.body.start, |token| token.end);
    let cut =
        [&text[statement.body.start..first], MARK, &text[first..clause.start], &text[clause.end..statement.body.end]];
    Ok((cut.concat(), text[clause].to_owned()))
}

/// A marked text with the clause at its end, where every server takes it; `None` if the mark is not there exactly once.
pub fn unmarked(text: &str, clause: &str) -> Option<String> {
    let (before, after) = text.split_once(MARK)?;
    (!after.contains(MARK)).then(|| format!("{before}{after} {clause}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexer::LexMode;
    use crate::normalise::normalise;

    #[test]
    fn clauses_are_found_and_put_back() {
        for (sql, expected) in [
            ("SELECT a INTO @x FROM t", Some("INTO @x")),
            ("SELECT a, b FROM t LIMIT 1 into @x , @`y z` FOR UPDATE", Some("into @x , @`y z`")),
            ("SELECT a FROM t INTO @x, @y", Some("INTO @x, @y")),
            ("SELECT a FROM t", None),
            ("SELECT (SELECT a INTO @x) FROM t", None),
            ("SELECT a INTO OUTFILE 'x' FROM t", None),
            ("INSERT INTO t SELECT @x", None),
            ("SELECT 'INTO @x', @y", None),
        ] {
            let statement = normalise(sql.into(), LexMode::default()).expect(sql);
            let found = clause(&statement).expect(sql);
            assert_eq!(found.clone().map(|range| &sql[range]), expected, "{sql}");
            if let Some(range) = found {
                let (marked, clause) = marked(&statement, range.clone()).expect(sql);
                let moved = format!("{}{} {}", &sql[..range.start], &sql[range.end..], &sql[range]);
                assert_eq!(unmarked(&marked, &clause), Some(moved));
            }
        }
        let statement = normalise("/* a */ SELECT 1 INTO @x -- b".into(), LexMode::default()).expect("read");
        let (marked, clause) = marked(&statement, 17..24).expect("read");
        assert_eq!((marked.as_str(), clause.as_str()), ("SELECT/*into*/ 1 ", "INTO @x"));
        assert_eq!(unmarked("SELECT 1", "INTO @x"), None);
    }
}
