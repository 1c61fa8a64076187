//! A cursor over the tokens of one statement, with what version comments hold as if it stood there bare.

use std::borrow::Cow;
use std::ops::Range;

use vitrail_proto::value::Value;

use super::{TableName, unsupported};
use crate::error::SqlError;
use crate::lexer::{LexMode, Lexer, TokenKind};
use crate::literal::{self, unquote_name};
use crate::normalise::{LiteralKind, Normalised};
use crate::parse::refuse_disputed_versions;

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A keyword or a plain name.
    Word(&'a str),
    /// A quoted name, without its quotes.
    Name(Cow<'a, str>),
    /// A string, as it is written.
    Text(&'a str),
    /// A number.
    Number(&'a str),
    /// `@name`, `@@name`, `@@session.name`, as it is written.
    Variable(&'a str),
    /// Anything else, as it is written.
    Symbol(&'a str),
}

/// Gives the tokens one after the other. A clone looks ahead.
#[derive(Debug, Clone)]
pub(super) struct Words<'a> {
    text: &'a str,
    mode: LexMode,
    tokens: Vec<(Token<'a>, Range<usize>)>,
    at: usize,
    /// Where version comments are, the rest of a text is no text of its own.
    versions: bool,
}

impl<'a> Words<'a> {
    /// The tokens of a statement's body.
    ///
    /// # Errors
    /// What the lexer refuses; version comments that only some servers run.
    pub(super) fn of(statement: &'a Normalised) -> Result<Words<'a>, SqlError> {
        Words::new(statement.body_text(), statement.mode)
    }

    fn new(text: &'a str, mode: LexMode) -> Result<Words<'a>, SqlError> {
        let mut lexer = Lexer::expanding(text.as_bytes(), mode);
        let mut tokens = Vec::new();
        while let Some(token) = lexer.next_token()? {
            refuse_disputed_versions(&lexer)?;
            let source = &text[token.start..token.end];
            let read = match token.kind {
                TokenKind::Comment | TokenKind::Hint => continue,
                TokenKind::Word => Token::Word(source),
                TokenKind::QuotedName => Token::Name(unquote_name(source)),
                TokenKind::String => Token::Text(source),
                TokenKind::Integer | TokenKind::Decimal | TokenKind::Float => Token::Number(source),
                TokenKind::UserVariable | TokenKind::SystemVariable => Token::Variable(source),
                _ => Token::Symbol(source),
            };
            tokens.push((read, token.start..token.end));
        }
        Ok(Words { text, mode, tokens, at: 0, versions: lexer.entered_version_comment() })
    }

    /// How the text is read.
    pub(super) fn mode(&self) -> LexMode {
        self.mode
    }

    /// The next token, without taking it.
    pub(super) fn peek(&self) -> Option<&Token<'a>> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    /// Takes the next token.
    pub(super) fn next(&mut self) -> Option<Token<'a>> {
        let (token, _) = self.tokens.get(self.at)?;
        self.at += 1;
        Some(token.clone())
    }

    /// Takes these words if they come next, in any letter case.
    pub(super) fn take(&mut self, words: &[&str]) -> bool {
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
    pub(super) fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Symbol(next)) if *next == symbol);
        self.at += usize::from(found);
        found
    }

    /// Takes a name, quoted or not.
    pub(super) fn name(&mut self) -> Result<Cow<'a, str>, SqlError> {
        let name = match self.peek() {
            Some(Token::Word(word)) => Cow::Borrowed(*word),
            Some(Token::Name(name)) => name.clone(),
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok(name)
    }

    /// Takes `table` or `keyspace.table`.
    pub(super) fn table(&mut self) -> Result<TableName<'a>, SqlError> {
        let first = self.name()?;
        Ok(if self.take_symbol(".") {
            TableName { keyspace: Some(first), table: self.name()? }
        } else {
            TableName { keyspace: None, table: first }
        })
    }

    /// Takes a string and decodes it; `None` if none comes next.
    ///
    /// # Errors
    /// Escapes that make it no UTF-8.
    pub(super) fn string(&mut self) -> Result<Option<String>, SqlError> {
        let Some((Token::Text(_), span)) = self.tokens.get(self.at) else { return Ok(None) };
        match literal::decode(self.text, span.clone(), LiteralKind::String, self.mode)? {
            Value::Text(text) => {
                self.at += 1;
                Ok(Some(text))
            }
            _ => Err(SqlError::Literal { position: span.start, reason: "it is no UTF-8" }),
        }
    }

    /// Everything that is left, as it is written.
    ///
    /// # Errors
    /// Version comments, which the rest might end without having begun.
    pub(super) fn rest(&self) -> Result<&'a str, SqlError> {
        let Some((_, span)) = self.tokens.get(self.at) else { return Ok("") };
        if self.versions {
            return Err(unsupported("a version comment in this statement", "write what is inside it bare"));
        }
        Ok(&self.text[span.start..])
    }

    /// What is written from `earlier` up to the last token taken.
    pub(super) fn since(&self, earlier: &Words<'a>) -> &'a str {
        match (self.tokens.get(earlier.at), self.at.checked_sub(1).and_then(|last| self.tokens.get(last))) {
            (Some((_, first)), Some((_, last))) if first.start < last.end => &self.text[first.start..last.end],
            _ => "",
        }
    }

    /// Where the next token stands, by its number among [`Words::tokens`].
    pub(super) fn place(&self) -> usize {
        self.at
    }

    /// Nothing is left.
    pub(super) fn is_done(&self) -> bool {
        self.at >= self.tokens.len()
    }

    /// Fails if something is left.
    pub(super) fn end(&self) -> Result<(), SqlError> {
        if self.is_done() { Ok(()) } else { Err(self.unexpected()) }
    }

    /// All tokens with their places in [`Words::text`], taken or not.
    pub(super) fn tokens(&self) -> &[(Token<'a>, Range<usize>)] {
        &self.tokens
    }

    /// The whole text.
    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// A syntax error at the next token.
    pub(super) fn unexpected(&self) -> SqlError {
        let position = self.tokens.get(self.at).map_or(self.text.len(), |(_, span)| span.start);
        SqlError::syntax(self.text, position, if self.is_done() { "it ends too early" } else { "not expected here" })
    }
}
