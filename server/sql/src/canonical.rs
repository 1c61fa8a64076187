//! The canonical form of a statement, token by token: what statistics call the same statement.
//!
//! Fingerprint and redacted text are two sinks of this one machine, so that they cannot disagree. In the form, every literal and
//! bind is alike, with its sign; a run of them with commas is one; of a list of tuples of literals the first stands for all, and of
//! the rows of VALUES too. Comments are not in it, and what is inside a hint is not: it may be a comment by another name. What is inside
//! a version comment is in it as if it stood there bare.

use crate::lexer::{LexMode, Lexer, Token, TokenKind};

/// Takes the pieces of the canonical form, in order.
pub(crate) trait Sink {
    /// A word, name, operator or mark of punctuation; `gap`: something stood between it and the piece before.
    fn piece(&mut self, text: &[u8], kind: TokenKind, gap: bool);
}

/// What stands for any literal.
pub(crate) const LITERAL: &[u8] = b"?";
/// What stands for any hint.
pub(crate) const HINT: &[u8] = b"/*+ ? */";

/// Makes the canonical form of tokens.
#[derive(Debug, Clone, Default)]
pub(crate) struct Canonical {
    rows: Rows,
    run: Run,
    /// A sign that may belong to the literal behind it.
    sign: Option<Token>,
    /// The kind of the token before, as far as a sign depends on it.
    after: After,
    tuple: Tuple,
    /// Where the token before ended.
    end: usize,
}

/// Rows of VALUES: all but the first are left out.
#[derive(Debug, Clone, Copy, Default)]
enum Rows {
    #[default]
    No,
    /// VALUES was read.
    Expected,
    /// Inside the first, so deep in parentheses.
    First(u32),
    /// Behind a row.
    Behind,
    /// Behind a row and this comma.
    Comma(Token),
    /// Behind a row, a comma and the word ROW.
    Word(Token, Token),
    /// Inside a further one.
    Further(u32),
}

/// A run of literals and commas.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Run {
    #[default]
    No,
    Literal,
    Comma,
}

/// What a sign behind it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum After {
    /// An operator of two operands.
    #[default]
    Operand,
    /// A sign.
    Opening,
}

/// `((?), (?))`: how much of a tuple of literals was read, and how much of a further one is held back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Tuple {
    #[default]
    No,
    /// `(`
    Outer,
    /// `((`
    Open,
    /// `((?`
    Literal,
    /// `((?)`
    Closed,
    /// `,` is held back.
    Comma,
    /// `, (` is held back.
    NextOpen,
    /// `, (?` is held back.
    NextLiteral,
}

impl Canonical {
    /// Takes the next token of `bytes`; all must come in order.
    pub(crate) fn token(&mut self, bytes: &[u8], token: Token, mode: LexMode, sink: &mut impl Sink) {
        match token.kind {
            TokenKind::Comment => {}
            TokenKind::VersionComment => {
                let mut inside = Lexer::expanding(&bytes[token.start..token.end], mode);
                // The lexer has been through it before: it ends without an error.
                while let Ok(Some(inner)) = inside.next_token() {
                    if inner.kind != TokenKind::VersionComment {
                        let (start, end) = (token.start + inner.start, token.start + inner.end);
                        self.token(bytes, Token { kind: inner.kind, start, end }, mode, sink);
                    }
                }
            }
            _ => self.row(bytes, token, sink),
        }
    }

    /// Puts out what is held back.
    pub(crate) fn finish(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        match std::mem::take(&mut self.rows) {
            Rows::Comma(comma) => self.value(bytes, comma, sink),
            Rows::Word(comma, word) => {
                self.value(bytes, comma, sink);
                self.value(bytes, word, sink);
            }
            _ => {}
        }
        self.settle(bytes, sink);
        self.release(sink);
    }

    fn row(&mut self, bytes: &[u8], token: Token, sink: &mut impl Sink) {
        let word =
            |wanted: &[u8]| token.kind == TokenKind::Word && bytes[token.start..token.end].eq_ignore_ascii_case(wanted);
        let next = match (self.rows, token.kind) {
            (Rows::Expected, TokenKind::Open) => Rows::First(1),
            (Rows::Expected, _) if word(b"row") => Rows::Expected,
            (Rows::First(depth), TokenKind::Open) => Rows::First(depth + 1),
            (Rows::First(1), TokenKind::Close) => Rows::Behind,
            (Rows::First(depth), TokenKind::Close) => Rows::First(depth - 1),
            (Rows::First(depth), _) => Rows::First(depth),
            (Rows::Behind, TokenKind::Comma) => return self.rows = Rows::Comma(token),
            (Rows::Comma(_) | Rows::Word(..), TokenKind::Open) => return self.rows = Rows::Further(1),
            (Rows::Comma(comma), _) if word(b"row") => return self.rows = Rows::Word(comma, token),
            (Rows::Further(depth), TokenKind::Open) => return self.rows = Rows::Further(depth + 1),
            (Rows::Further(1), TokenKind::Close) => return self.rows = Rows::Behind,
            (Rows::Further(depth), TokenKind::Close) => return self.rows = Rows::Further(depth - 1),
            (Rows::Further(_), _) => return,
            (held, _) => {
                if let Rows::Comma(comma) | Rows::Word(comma, _) = held {
                    self.value(bytes, comma, sink);
                }
                if let Rows::Word(_, row) = held {
                    self.value(bytes, row, sink);
                }
                if word(b"values") || word(b"value") { Rows::Expected } else { Rows::No }
            }
        };
        self.rows = next;
        self.value(bytes, token, sink);
    }

    fn value(&mut self, bytes: &[u8], token: Token, sink: &mut impl Sink) {
        let after = self.after;
        self.after = match token.kind {
            TokenKind::Open | TokenKind::Comma | TokenKind::Operator => After::Opening,
            _ => After::Operand,
        };
        match token.kind {
            TokenKind::String
            | TokenKind::National
            | TokenKind::Hex
            | TokenKind::Bits
            | TokenKind::Integer
            | TokenKind::Decimal
            | TokenKind::Float
            | TokenKind::Bind
            | TokenKind::ListBind => {
                let start = self.sign.take().map_or(token.start, |sign| sign.start);
                if self.run == Run::No {
                    let gap = start > self.end;
                    self.put(LITERAL, TokenKind::String, gap, sink);
                }
                self.run = Run::Literal;
                self.end = token.end;
            }
            TokenKind::Comma if self.run == Run::Literal && self.sign.is_none() => {
                self.run = Run::Comma;
                self.end = token.end;
            }
            TokenKind::Operator
                if after == After::Opening
                    && self.sign.is_none()
                    && matches!(bytes[token.start..token.end], [b'-' | b'+']) =>
            {
                self.sign = Some(token);
            }
            kind => {
                self.settle(bytes, sink);
                let gap = token.start > self.end;
                self.end = token.end;
                let text = if kind == TokenKind::Hint { HINT } else { &bytes[token.start..token.end] };
                self.put(text, kind, gap, sink);
            }
        }
    }

    /// Puts out a comma and a sign that no literal followed.
    fn settle(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        if self.run == Run::Comma {
            self.put(b",", TokenKind::Comma, false, sink);
        }
        self.run = Run::No;
        if let Some(sign) = self.sign.take() {
            let gap = sign.start > self.end;
            self.end = sign.end;
            self.put(&bytes[sign.start..sign.end], TokenKind::Operator, gap, sink);
        }
    }

    fn put(&mut self, text: &[u8], kind: TokenKind, gap: bool, sink: &mut impl Sink) {
        self.tuple = match (self.tuple, kind) {
            (Tuple::Closed, TokenKind::Comma) => return self.tuple = Tuple::Comma,
            (Tuple::Comma, TokenKind::Open) => return self.tuple = Tuple::NextOpen,
            (Tuple::NextOpen, TokenKind::String) => return self.tuple = Tuple::NextLiteral,
            (Tuple::NextLiteral, TokenKind::Close) => return self.tuple = Tuple::Closed,
            (Tuple::Outer | Tuple::Open, TokenKind::Open) => Tuple::Open,
            (Tuple::Open, TokenKind::String) => Tuple::Literal,
            (Tuple::Literal, TokenKind::Close) => Tuple::Closed,
            (held, _) => {
                self.tuple = held;
                let opened = self.release(sink);
                match kind {
                    TokenKind::Open if opened => Tuple::Open,
                    TokenKind::Open => Tuple::Outer,
                    _ => Tuple::No,
                }
            }
        };
        sink.piece(text, kind, gap);
    }

    /// Puts out what is held back of a tuple that is none. Whether it ends with a parenthesis that opens.
    fn release(&mut self, sink: &mut impl Sink) -> bool {
        let held = std::mem::take(&mut self.tuple);
        if matches!(held, Tuple::Comma | Tuple::NextOpen | Tuple::NextLiteral) {
            sink.piece(b",", TokenKind::Comma, false);
        }
        if matches!(held, Tuple::NextOpen | Tuple::NextLiteral) {
            sink.piece(b"(", TokenKind::Open, true);
        }
        if held == Tuple::NextLiteral {
            sink.piece(LITERAL, TokenKind::String, false);
        }
        held == Tuple::NextOpen
    }
}
