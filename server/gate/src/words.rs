//! Words of the statements that the gate answers itself. Not for statements that MySQL runs as they are.

use std::borrow::Cow;
use std::ops::Range;

use vitrail_proto::error::{Code, ErrorBody};

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// A keyword or a plain name.
    Word(&'a str),
    /// A name in backticks, without them.
    Name(Cow<'a, str>),
    /// A string literal with its quotes.
    Text(&'a str),
    /// A number.
    Number(&'a str),
    /// `@name`, or `@@name` and `@@session.name` with the `@@`.
    Variable(&'a str),
    /// Anything else, one character.
    Symbol(char),
}

/// Reads tokens one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Words<'a> {
    text: &'a str,
    tokens: Vec<(Token<'a>, Range<usize>)>,
    at: usize,
}

impl<'a> Words<'a> {
    /// Splits a statement's text. Comments are blanks.
    ///
    /// # Errors
    ///
    /// `invalid` for a quote or comment that does not end, `unsupported` for comments that MySQL would run.
    pub(crate) fn new(text: &'a str) -> Result<Words<'a>, ErrorBody> {
        let mut tokens = Vec::new();
        let mut at = 0;
        while let Some(first) = text[at..].chars().next() {
            let rest = &text[at..];
            let length = match first {
                _ if first.is_whitespace() => {
                    at += first.len_utf8();
                    continue;
                }
                '#' => {
                    at += line(rest);
                    continue;
                }
                '-' if rest.starts_with("--") && rest[2..].chars().next().is_none_or(char::is_whitespace) => {
                    at += line(rest);
                    continue;
                }
                '/' if rest.starts_with("/*!") || rest.starts_with("/*M!") => {
                    return Err(crate::failure::unsupported(
                        "comments that MySQL runs (/*! … */) are not supported in this statement",
                    ));
                }
                '/' if rest.starts_with("/*") => {
                    at += rest.find("*/").ok_or_else(|| syntax(rest))? + 2;
                    continue;
                }
                '\'' | '"' | '`' => quoted(rest, first).ok_or_else(|| syntax(rest))?,
                '@' => variable(rest),
                '0'..='9' => span(rest, |c| c.is_ascii_alphanumeric() || c == '.' || c == '_' || c == '$'),
                _ if is_name(first) => span(rest, is_name),
                _ => first.len_utf8(),
            };
            let token = &rest[..length];
            let token = match first {
                '`' => Token::Name(unquote(token)),
                '\'' | '"' => Token::Text(token),
                '@' => Token::Variable(token),
                '0'..='9' if token.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') => Token::Number(token),
                _ if is_name(first) => Token::Word(token),
                _ => Token::Symbol(first),
            };
            tokens.push((token, at..at + length));
            at += length;
        }
        Ok(Words { text, tokens, at: 0 })
    }

    /// The next token, without taking it.
    pub(crate) fn peek(&self) -> Option<&Token<'a>> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    /// Takes the next token.
    pub(crate) fn next(&mut self) -> Option<Token<'a>> {
        let (token, _) = self.tokens.get(self.at)?;
        self.at += 1;
        Some(token.clone())
    }

    /// Takes these words if they come next, in any letter case.
    pub(crate) fn take(&mut self, words: &[&str]) -> bool {
        let found = words.iter().enumerate().all(|(offset, word)| match self.tokens.get(self.at + offset) {
            Some((Token::Word(found), _)) => found.eq_ignore_ascii_case(word),
            _ => false,
        });
        if found {
            self.at += words.len();
        }
        found
    }

    /// Takes this symbol if it comes next.
    pub(crate) fn take_symbol(&mut self, symbol: char) -> bool {
        let found = self.peek() == Some(&Token::Symbol(symbol));
        self.at += usize::from(found);
        found
    }

    /// Takes a name: a word or one in backticks.
    pub(crate) fn name(&mut self) -> Result<Cow<'a, str>, ErrorBody> {
        let name = match self.peek() {
            Some(Token::Word(word)) => Cow::Borrowed(*word),
            Some(Token::Name(name)) => name.clone(),
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok(name)
    }

    /// Takes `name` or `keyspace.name`.
    pub(crate) fn qualified(&mut self) -> Result<(Option<Cow<'a, str>>, Cow<'a, str>), ErrorBody> {
        let first = self.name()?;
        Ok(if self.take_symbol('.') { (Some(first), self.name()?) } else { (None, first) })
    }

    /// Takes a string literal, if one comes next: with its quotes.
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let Some(Token::Text(text)) = self.peek() else { return None };
        let text = *text;
        self.at += 1;
        Some(text)
    }

    /// Everything that is left, as it is written.
    pub(crate) fn rest(&self) -> &'a str {
        self.tokens.get(self.at).map_or("", |(_, span)| &self.text[span.start..])
    }

    /// Nothing is left.
    pub(crate) fn is_done(&self) -> bool {
        self.at >= self.tokens.len()
    }

    /// Fails if something is left.
    pub(crate) fn end(&self) -> Result<(), ErrorBody> {
        if self.is_done() { Ok(()) } else { Err(self.unexpected()) }
    }

    /// All tokens with their positions.
    pub(crate) fn tokens(&self) -> &[(Token<'a>, Range<usize>)] {
        &self.tokens
    }

    /// MySQL's syntax error at the next token.
    pub(crate) fn unexpected(&self) -> ErrorBody {
        syntax(self.rest())
    }
}

/// The characters of a string literal, with its quotes taken off and doubled quotes made single. `None` if it has escapes,
/// whose meaning depends on the sql_mode.
pub(crate) fn plain_text(literal: &str) -> Option<String> {
    let quote = literal.chars().next()?;
    let inside = literal.get(1..literal.len().checked_sub(1)?)?;
    (!inside.contains('\\')).then(|| inside.replace(&format!("{quote}{quote}"), &quote.to_string()))
}

fn syntax(near: &str) -> ErrorBody {
    let near: String = near.chars().take(40).collect();
    ErrorBody::new(Code::Invalid, format!("syntax error near '{near}'"))
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$' || c as u32 >= 0x80
}

fn span(text: &str, inside: impl Fn(char) -> bool) -> usize {
    text.find(|c| !inside(c)).unwrap_or(text.len())
}

fn line(text: &str) -> usize {
    text.find('\n').map_or(text.len(), |end| end + 1)
}

fn variable(text: &str) -> usize {
    let marks = span(text, |c| c == '@');
    marks + span(&text[marks..], |c| is_name(c) || c == '.')
}

/// Length of a quoted token with its quotes; backslashes escape except in backticks.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quote != '`' => at += 2,
            byte if byte == quote as u8 && bytes.get(at + 1) == Some(&byte) => at += 2,
            byte if byte == quote as u8 => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

fn unquote(name: &str) -> Cow<'_, str> {
    let inside = &name[1..name.len() - 1];
    if inside.contains('`') { Cow::Owned(inside.replace("``", "`")) } else { Cow::Borrowed(inside) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_split() {
        let mut words = Words::new("rollback /* x */ TO\n`a``b` -- end").expect("well formed");
        assert!(words.take(&["ROLLBACK", "TO"]));
        assert_eq!(words.name().expect("a name"), "a`b");
        assert!(words.end().is_ok());

        let mut words = Words::new("SET @@session.time_zone = '+00:00', x=1.5").expect("well formed");
        assert!(words.take(&["SET"]) && !words.take(&["x"]));
        assert_eq!(words.next(), Some(Token::Variable("@@session.time_zone")));
        assert!(words.take_symbol('='));
        assert_eq!(words.rest(), "'+00:00', x=1.5");
        assert_eq!(words.text(), Some("'+00:00'"));
        assert!(words.take_symbol(','));
        assert_eq!(words.qualified().expect("a name"), (None, "x".into()));
        assert!(words.take_symbol('='));
        assert_eq!(words.next(), Some(Token::Number("1.5")));
        assert!(words.is_done());
    }

    #[test]
    fn malformed_statements_are_refused() {
        for (text, errno) in
            [("SET 'a", 1064), ("SET `a", 1064), ("SET /* a", 1064), ("SET /*!40101 x */ = 1", 1235), ("'\\", 1064)]
        {
            assert_eq!(Words::new(text).expect_err(text).errno, errno, "{text}");
        }
        assert_eq!(plain_text("'it''s'").as_deref(), Some("it's"));
        assert_eq!(plain_text("'a\\n'"), None);
    }
}
