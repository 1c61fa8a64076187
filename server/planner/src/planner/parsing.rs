//! From a statement's text to its AST, whose spans lead back to bytes of the text.

use sqlparser::ast::Statement;
use sqlparser::dialect::MySqlDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer, Word};
use vitrail_sql::normalise::Normalised;

use crate::refusal::Refusal;

/// Deep enough for real statements, and shallow enough for a thread's stack.
const DEPTH: usize = 200;

/// An AST and the way from its spans to bytes.
pub(super) struct Parsed {
    pub(super) statement: Statement,
    base: usize,
    body: Box<str>,
    /// Where each line of the body begins.
    lines: Vec<usize>,
}

/// Parses the statement's body.
pub(super) fn parse(statement: &Normalised) -> Result<Parsed, Refusal> {
    let body = &statement.text[statement.body.clone()];
    let dialect = MySqlDialect {};
    let tokens = Tokenizer::new(&dialect, body)
        .with_unescape(false)
        .tokenize_with_location()
        .map_err(|error| syntax(&error.to_string()))?;
    let mut parser =
        Parser::new(&dialect).with_recursion_limit(DEPTH).with_tokens_with_locations(vitrail_forms(tokens));
    let mut statements = parser.parse_statements().map_err(|error| match error {
        ParserError::RecursionLimitExceeded => Refusal::unsupported("depth", "the statement is nested too deeply"),
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => syntax(&text),
    })?;
    match (statements.pop(), statements.is_empty()) {
        (Some(parsed), true) => {
            let breaks = body.match_indices('\n').map(|(at, _)| at + 1);
            let lines = std::iter::once(0).chain(breaks).collect();
            Ok(Parsed { statement: parsed, base: statement.body.start, body: body.into(), lines })
        }
        _ => Err(syntax("one statement is expected")),
    }
}

impl Parsed {
    /// The byte of the statement's text where a location of the AST is.
    pub(super) fn offset(&self, location: Location) -> usize {
        let line = usize::try_from(location.line).unwrap_or(0).saturating_sub(1);
        let column = usize::try_from(location.column).unwrap_or(0).saturating_sub(1);
        let start = self.lines.get(line).copied().unwrap_or(self.body.len());
        let rest = &self.body[start..];
        self.base + start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at)
    }
}

fn syntax(reason: &str) -> Refusal {
    Refusal::invalid(
        "syntax",
        format!("you have an error in your SQL syntax, or use a form that is not supported: {reason}"),
    )
}

/// `IN ::list` becomes `IN (::list)`, and LOCK IN SHARE MODE becomes FOR SHARE, which the parser knows.
fn vitrail_forms(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len() + 2);
    let is = |token: &TokenWithSpan, word: &str| matches!(&token.token, Token::Word(Word { value, quote_style: None, .. }) if value.eq_ignore_ascii_case(word));
    let meaningful: Vec<TokenWithSpan> =
        tokens.into_iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).collect();
    let mut at = 0;
    while let Some(token) = meaningful.get(at) {
        let next = meaningful.get(at + 1);
        if token.token == Token::DoubleColon
            && let Some(TokenWithSpan { token: Token::Word(name), span }) = next
        {
            let span = Span::new(token.span.start, span.end);
            let placeholder = Token::Placeholder(format!("::{}", name.value));
            let bare = out.last().is_some_and(|previous| is(previous, "IN"));
            if bare {
                out.push(TokenWithSpan::new(Token::LParen, span));
            }
            out.push(TokenWithSpan::new(placeholder, span));
            if bare {
                out.push(TokenWithSpan::new(Token::RParen, span));
            }
            at += 2;
        } else if is(token, "LOCK")
            && meaningful[at..].len() >= 4
            && ["IN", "SHARE", "MODE"].iter().enumerate().all(|(index, word)| is(&meaningful[at + 1 + index], word))
        {
            out.push(TokenWithSpan::new(Token::make_keyword("FOR"), token.span));
            out.push(TokenWithSpan::new(Token::make_keyword("SHARE"), token.span));
            at += 4;
        } else {
            out.push(token.clone());
            at += 1;
        }
    }
    out
}
