//! The statement's text beside its AST: from spans to anchors, from literals to their numbers, and tokens.

use std::ops::Range;
use std::sync::Arc;

use sqlparser::ast::{Expr, FunctionArguments, Ident, UnaryOperator, Value as SqlValue, ValueWithSpan};
use sqlparser::tokenizer::Location;
use vitrail_proto::value::Value;
use vitrail_sql::lexer::{Lexer, Token, TokenKind};
use vitrail_sql::normalise::{Anchor, Literal, LiteralKind, Normalised, StatementKind};
use vitrail_sql::parse::SourceMap;
use vitrail_sql::user_variable;

use crate::plan::Source;

/// A statement's text, and the tokens of its body.
pub(super) struct Text<'a> {
    pub(super) statement: &'a Normalised,
    pub(super) tokens: Vec<Token>,
    /// It has operators that MySQL binds looser than the AST shows (`||` as OR, XOR): conditions prove nothing.
    pub(super) loose_operators: bool,
}

/// What kind of value a source gives, as far as the key tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    Integer,
    Text,
    Bytes,
    Null,
    /// A decimal or a double.
    Fraction,
    /// A bind: known when it is resolved.
    Bind,
}

impl<'a> Text<'a> {
    pub(super) fn new(statement: &'a Normalised) -> Text<'a> {
        let tokens = tokens(statement);
        let loose = |token: &Token| match &statement.text[token.start..token.end] {
            "||" => !statement.mode.pipes_as_concat,
            word => token.kind == TokenKind::Word && word.eq_ignore_ascii_case("XOR"),
        };
        let loose_operators = tokens.iter().any(loose);
        Text { statement, tokens, loose_operators }
    }

    /// The byte of a location; `None` if the parser gave it no place.
    pub(super) fn byte(&self, location: Location) -> Option<usize> {
        SourceMap::new(self.statement).byte(location)
    }

    pub(super) fn anchor(&self, byte: usize) -> Anchor {
        self.statement.anchor(byte)
    }

    pub(super) fn str(&self, token: &Token) -> &'a str {
        &self.statement.text[token.start..token.end]
    }

    pub(super) fn is_word(&self, token: &Token, word: &str) -> bool {
        token.kind == TokenKind::Word && self.str(token).eq_ignore_ascii_case(word)
    }

    /// The start of a name.
    pub(super) fn start(&self, ident: &Ident) -> Option<usize> {
        self.byte(ident.span.start)
    }

    /// The end of a name.
    pub(super) fn end(&self, ident: &Ident) -> Option<usize> {
        let start = self.start(ident)?;
        self.tokens.iter().find(|token| token.start == start).map(|token| token.end)
    }

    /// The value of an expression, if it is a literal or a bind.
    pub(super) fn value(&self, expr: &Expr) -> Option<(Source, Given)> {
        match expr {
            Expr::Nested(inner) => self.value(inner),
            Expr::Value(value) => self.literal(value, false),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match &**expr {
                Expr::Value(value) if matches!(value.value, SqlValue::Number(..)) => self.literal(value, true),
                _ => None,
            },
            Expr::UnaryOp { op: UnaryOperator::Plus, expr } => match &**expr {
                Expr::Value(value) if matches!(value.value, SqlValue::Number(..)) => self.literal(value, false),
                _ => None,
            },
            other => self.session_value(other),
        }
    }

    /// Whether the token at `index` assigns the user variable before it.
    pub(super) fn assigns(&self, index: usize) -> bool {
        let before = index.checked_sub(1).and_then(|before| self.tokens.get(before));
        self.str(&self.tokens[index]) == ":=" && before.is_some_and(|token| token.kind == TokenKind::UserVariable)
    }

    /// A value of the session, which comes as a bind of the gate's: `@x` by its name with `@`, `LAST_INSERT_ID()` as it is here.
    fn session_value(&self, expr: &Expr) -> Option<(Source, Given)> {
        let name = match expr {
            Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.starts_with('@') => {
                let assigned = (0..self.tokens.len()).any(|index| self.assigns(index));
                if assigned || ident.value.starts_with("@@") {
                    return None;
                }
                format!("@{}", user_variable::name(&ident.value).ok()?)
            }
            Expr::Function(function) => {
                let name = function.name.to_string();
                let plain = matches!(&function.args, FunctionArguments::List(list) if list.args.is_empty());
                if !plain || !name.eq_ignore_ascii_case("last_insert_id") {
                    return None;
                }
                "last_insert_id()".to_owned()
            }
            _ => return None,
        };
        Some((Source::Bind(Arc::from(name)), Given::Bind))
    }

    fn literal(&self, value: &ValueWithSpan, negated: bool) -> Option<(Source, Given)> {
        match &value.value {
            SqlValue::Placeholder(name) => {
                let name = name.strip_prefix(':').filter(|name| !name.starts_with(':'))?;
                return Some((Source::Bind(Arc::from(name)), Given::Bind));
            }
            SqlValue::Null => return Some((Source::Constant(Value::Null), Given::Null)),
            SqlValue::Boolean(value) => return Some((Source::Constant(Value::Int(i64::from(*value))), Given::Integer)),
            _ => {}
        }
        let start = self.byte(value.span.start)?;
        if let Ok(index) = self.statement.literals.binary_search_by_key(&start, |literal| literal.span.start) {
            let given = given(self.statement.literals[index].kind)?;
            return Some((Source::Literal { index, negated }, given));
        }
        // A literal that the key holds.
        match &value.value {
            SqlValue::Number(text, _) => {
                let text = if negated { format!("-{text}") } else { text.clone() };
                match text.parse().map(Value::Int).or_else(|_| text.parse().map(Value::UInt)) {
                    Ok(value) => Some((Source::Constant(value), Given::Integer)),
                    Err(_) => Some((Source::Constant(Value::Decimal(text)), Given::Fraction)),
                }
            }
            _ => None,
        }
    }

    /// The values of IN's list.
    pub(super) fn list(&self, list: &[Expr]) -> Option<(Source, Vec<Given>)> {
        if let [Expr::Value(ValueWithSpan { value: SqlValue::Placeholder(name), .. })] = list
            && let Some(name) = name.strip_prefix("::")
        {
            return Some((Source::Bind(Arc::from(name)), vec![Given::Bind]));
        }
        if let Some(Expr::Value(first)) = list.first() {
            let byte = self.byte(first.span.start)?;
            let covers = |literal: &Literal| {
                literal.kind == LiteralKind::List && literal.span.start <= byte && byte < literal.span.end
            };
            if let Some(index) = self.statement.literals.iter().position(covers) {
                let items = &self.statement.literals[index].items;
                let given = items.iter().map(|(_, kind)| given(*kind)).collect::<Option<Vec<_>>>()?;
                return Some((Source::Literal { index, negated: false }, given));
            }
        }
        let (sources, given): (Vec<_>, Vec<_>) =
            list.iter().map(|item| self.value(item)).collect::<Option<Vec<_>>>()?.into_iter().unzip();
        Some((Source::Several(sources), given))
    }

    /// 1 for an opening parenthesis, -1 for a closing one.
    pub(super) fn nesting(&self, token: &Token) -> i32 {
        match token.kind {
            TokenKind::Open => 1,
            TokenKind::Close => -1,
            _ => 0,
        }
    }

    /// UPDATE IGNORE, DELETE IGNORE: what does not fit is a warning.
    pub(super) fn ignores(&self) -> bool {
        let modifiers = self.modifiers();
        self.tokens[1..modifiers].iter().any(|token| self.is_word(token, "IGNORE"))
    }

    /// Behind the modifiers of UPDATE or DELETE, by its index among the tokens.
    pub(super) fn modifiers(&self) -> usize {
        let deletes = self.statement.kind == StatementKind::Delete;
        let is_modifier = |index: usize| {
            let is = |word: &str| self.is_word(&self.tokens[index], word);
            // A table may be called so as well.
            let follows = || self.tokens.get(index + 1).is_some_and(|next| next.kind == TokenKind::Word);
            is("LOW_PRIORITY") || is("IGNORE") || deletes && is("QUICK") && follows()
        };
        (1..self.tokens.len()).find(|index| !is_modifier(*index)).unwrap_or(1)
    }

    /// Where the FROM of the outermost SELECT begins.
    pub(super) fn top_level_from(&self) -> Option<usize> {
        let mut depth = 0;
        self.tokens
            .iter()
            .find(|token| {
                depth += self.nesting(token);
                depth == 0 && self.is_word(token, "FROM")
            })
            .map(|token| token.start)
    }

    /// The rows behind VALUES, each from its opening to behind its closing parenthesis.
    pub(super) fn rows(&self) -> Vec<Range<usize>> {
        let (mut depth, mut inside, mut start) = (0, false, 0);
        let mut rows = Vec::new();
        for token in &self.tokens {
            if depth == 0 && !inside {
                inside = self.is_word(token, "VALUES") || self.is_word(token, "VALUE");
            } else if inside && depth == 0 && token.kind == TokenKind::Word && !self.is_word(token, "ROW") {
                break;
            }
            if inside && depth == 0 && token.kind == TokenKind::Open {
                start = token.start;
            }
            depth += self.nesting(token);
            if inside && depth == 0 && token.kind == TokenKind::Close {
                rows.push(start..token.end);
            }
        }
        rows
    }
}

fn given(kind: LiteralKind) -> Option<Given> {
    match kind {
        LiteralKind::Integer => Some(Given::Integer),
        LiteralKind::Decimal | LiteralKind::Float => Some(Given::Fraction),
        LiteralKind::String => Some(Given::Text),
        LiteralKind::Hex | LiteralKind::Bits => Some(Given::Bytes),
        _ => None,
    }
}

/// The tokens of the body, comments left out. The text has passed the lexer before, so it ends only at its end.
pub(super) fn tokens(statement: &Normalised) -> Vec<Token> {
    let mut lexer = Lexer::expanding(&statement.text.as_bytes()[..statement.body.end], statement.mode);
    lexer.seek(statement.body.start);
    let mut tokens = Vec::new();
    while let Ok(Some(token)) = lexer.next_token() {
        if !matches!(token.kind, TokenKind::Comment | TokenKind::Hint | TokenKind::VersionComment) {
            tokens.push(token);
        }
    }
    tokens
}

/// Whether the body has a comment that some servers run and others skip.
pub(super) fn has_version_comment(statement: &Normalised) -> bool {
    let mut lexer = Lexer::new(&statement.text.as_bytes()[..statement.body.end], statement.mode);
    lexer.seek(statement.body.start);
    while let Ok(Some(token)) = lexer.next_token() {
        if token.kind == TokenKind::VersionComment {
            return true;
        }
    }
    false
}
