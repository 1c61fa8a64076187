//! Tokens of a text that may be half typed: what cannot be read is stepped over, never an error.

use vitrail_sql::error::SqlError;
use vitrail_sql::lexer::{LexMode, Lexer, Token, TokenKind};

/// The tokens of a text, as far as it can be read.
#[derive(Debug)]
pub struct Tokens<'a> {
    /// The text.
    pub text: &'a str,
    /// Its tokens, in order.
    pub list: Vec<Token>,
    /// Where something begins that has no end yet: a string, a quoted name, a comment.
    pub open: Option<usize>,
}

impl<'a> Tokens<'a> {
    /// Reads a text.
    pub fn of(text: &'a str) -> Tokens<'a> {
        let mut lexer = Lexer::new(text.as_bytes(), LexMode::default());
        let mut list = Vec::new();
        let mut open = None;
        loop {
            match lexer.next_token() {
                Ok(Some(token)) => list.push(token),
                Ok(None) => break,
                Err(SqlError::StrayByte { position, .. }) => lexer.seek(position + 1),
                Err(SqlError::Unterminated { position, .. }) => {
                    open = Some(position);
                    break;
                }
                Err(_) => {
                    open = Some(list.last().map_or(0, |token| token.end));
                    break;
                }
            }
        }
        Tokens { text, list, open }
    }

    /// The text of a token.
    pub fn source(&self, token: Token) -> &'a str {
        &self.text[token.start..token.end]
    }

    /// The tokens that mean something: no comments, no hints.
    pub fn meaningful(&self) -> impl Iterator<Item = Token> {
        self.list.iter().copied().filter(|token| !matches!(token.kind, TokenKind::Comment | TokenKind::Hint))
    }

    /// The bare words, upper-case, with everything else left out.
    pub fn words(&self) -> impl Iterator<Item = String> {
        self.meaningful()
            .filter(|token| token.kind == TokenKind::Word)
            .map(|token| self.source(token).to_ascii_uppercase())
    }
}

/// A name without its quotes.
pub fn unquoted(name: &str) -> String {
    match name.strip_prefix('`').map(|rest| rest.strip_suffix('`').unwrap_or(rest)) {
        Some(inside) => inside.replace("``", "`"),
        None => name.to_owned(),
    }
}

/// A name as SQL takes it: bare where that is the same, else in backticks.
pub fn quoted(name: &str) -> String {
    let bare = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !crate::keywords::is_reserved(name);
    if bare { name.to_owned() } else { format!("`{}`", name.replace('`', "``")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_typed_text_is_read_as_far_as_it_goes() {
        let tokens = Tokens::of("select \\ `a b`, 'it");
        assert_eq!(tokens.list.len(), 3);
        assert_eq!(tokens.open, Some(16));
        assert_eq!(Tokens::of("select 1 /* x").open, Some(9));
        assert_eq!(Tokens::of("drop /* all */ table t").words().collect::<Vec<_>>(), ["DROP", "TABLE", "T"]);
    }

    #[test]
    fn names_are_quoted_only_where_needed() {
        for (name, expected) in
            [("id", "id"), ("order", "`order`"), ("a b", "`a b`"), ("a`b", "`a``b`"), ("1a", "`1a`")]
        {
            assert_eq!(quoted(name), expected);
            assert_eq!(unquoted(expected), name);
        }
    }
}
