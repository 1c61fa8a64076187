//! A statement after one pass of the lexer.

use std::ops::Range;
use std::sync::Arc;

use vitrail_proto::value::Value;

use crate::error::SqlError;
use crate::fingerprint::Fingerprint;
use crate::lexer::{LexMode, Lexer, MAX_TEXT, TokenKind};
use crate::walk::Walk;
use crate::{classify, literal};

/// What a statement is, as its first words tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StatementKind {
    /// `SELECT`, `WITH … SELECT`, `VALUES`, `TABLE`, parenthesised ones.
    Select,
    /// `INSERT`
    Insert,
    /// `REPLACE`
    Replace,
    /// `UPDATE`
    Update,
    /// `DELETE`
    Delete,
    /// `BEGIN`, `START TRANSACTION`
    Begin,
    /// `COMMIT`
    Commit,
    /// `ROLLBACK` (without `TO`)
    Rollback,
    /// `SAVEPOINT`, `ROLLBACK TO`, `RELEASE SAVEPOINT`
    Savepoint,
    /// `SET`
    Set,
    /// `USE`
    Use,
    /// `SHOW`, `DESCRIBE table`
    Show,
    /// `EXPLAIN` of a statement
    Explain,
    /// `CREATE`, `ALTER`, `DROP`, `TRUNCATE`, `RENAME`
    Ddl,
    /// `CALL`
    Call,
    /// `KILL`
    Kill,
    /// Only comments and blanks.
    Empty,
    /// Anything else.
    Other,
}

impl StatementKind {
    /// In one word, lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            StatementKind::Select => "select",
            StatementKind::Insert => "insert",
            StatementKind::Replace => "replace",
            StatementKind::Update => "update",
            StatementKind::Delete => "delete",
            StatementKind::Begin => "begin",
            StatementKind::Commit => "commit",
            StatementKind::Rollback => "rollback",
            StatementKind::Savepoint => "savepoint",
            StatementKind::Set => "set",
            StatementKind::Use => "use",
            StatementKind::Show => "show",
            StatementKind::Explain => "explain",
            StatementKind::Ddl => "ddl",
            StatementKind::Call => "call",
            StatementKind::Kill => "kill",
            StatementKind::Empty => "empty",
            StatementKind::Other => "other",
        }
    }
}

/// What a literal is. Part of the key: the same text with a literal of another type is another statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LiteralKind {
    /// `12`
    Integer,
    /// `1.5`
    Decimal,
    /// `1e3`
    Float,
    /// `'…'`, or `"…"` without ANSI_QUOTES; adjacent ones are one literal.
    String,
    /// `x'…'`, `0x…`
    Hex,
    /// `b'…'`, `0b…`
    Bits,
    /// The inside of `IN (…)` where every item is a literal; the items are in `Literal::items`.
    List,
}

/// A literal that the key does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    /// Where it stands in the statement's text, bytes.
    pub span: Range<usize>,
    /// What it is.
    pub kind: LiteralKind,
    /// Items of a [`LiteralKind::List`]: span and kind of each.
    pub items: Vec<(Range<usize>, LiteralKind)>,
}

/// A position that holds in every statement with the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Anchor {
    /// Counted from the end of this literal, or from the start of the body (0), else literal index + 1.
    pub after: u32,
    /// Bytes from there.
    pub offset: u32,
}

/// What of its session a statement names: found in the same pass, so that most statements are asked no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mentions {
    /// `@x`
    pub user_variables: bool,
    /// `@@x`, or a function such as `LAST_INSERT_ID()` whose answer is the session's; may be true where there is none.
    pub session: bool,
}

/// A statement after one pass of the lexer: its text untouched, and what the plan cache needs to know of it.
#[derive(Debug, Clone)]
pub struct Normalised {
    /// The text as the client sent it.
    pub text: Arc<str>,
    /// How it was read.
    pub mode: LexMode,
    /// The statement without margin comments, blanks and a final `;`.
    pub body: Range<usize>,
    /// The body with every literal in [`Normalised::literals`] replaced by a mark of its kind. Equal keys have equal plans
    /// and equal [`Anchor`]s. Literals whose value means something (ORDER BY 1, LIMIT, select list, hints, DATE '…') stay in it.
    pub key: String,
    /// The literals that the key does not hold, in order.
    pub literals: Vec<Literal>,
    /// What it is.
    pub kind: StatementKind,
    /// 64-bit hash of a canonical form (blanks, letter case, literals and how many there are in a list do not count), for statistics
    /// and rules.
    pub fingerprint: u64,
    /// What of its session it names.
    pub mentions: Mentions,
}

/// Lexes `text` once and finds its key, its literals and its kind.
///
/// # Errors
/// What the lexer refuses ([`SqlError::Unterminated`], [`SqlError::StrayByte`], [`SqlError::AmbiguousComment`]), several
/// statements in one text, a text above [`MAX_TEXT`].
pub fn normalise(text: Arc<str>, mode: LexMode) -> Result<Normalised, SqlError> {
    if text.len() > MAX_TEXT {
        return Err(SqlError::TooLong { length: text.len(), limit: MAX_TEXT });
    }
    let mut lexer = Lexer::new(text.as_bytes(), mode);
    let first = loop {
        match lexer.next_token()? {
            Some(token) if token.kind == TokenKind::Comment => {}
            other => break other,
        }
    };
    let Some(first) = first else {
        let end = text.len();
        let (key, fingerprint) = (String::new(), Fingerprint::default().finish(&[]));
        return Ok(Normalised {
            text,
            mode,
            body: end..end,
            key,
            literals: Vec::new(),
            kind: StatementKind::Empty,
            fingerprint,
            mentions: Mentions::default(),
        });
    };
    let kind = classify::classify(text.as_bytes(), first.start, mode)?;
    let (body_end, key, literals, fingerprint, mentions) = {
        let mut walk = Walk::new(&text, mode, kind, first.start);
        let mut token = first;
        loop {
            walk.token(token);
            match lexer.next_token()? {
                Some(next) if next.kind == TokenKind::Semicolon => {
                    refuse_more(&mut lexer)?;
                    break;
                }
                Some(next) => token = next,
                None => break,
            }
        }
        walk.finish()
    };
    let body = first.start.min(body_end)..body_end;
    Ok(Normalised { text, mode, body, key, literals, kind, fingerprint, mentions })
}

impl Normalised {
    /// The statement without margin comments, blanks and a final `;`.
    pub fn body_text(&self) -> &str {
        &self.text[self.body.clone()]
    }

    /// Comments and blanks before the body, as they stand.
    pub fn leading_comments(&self) -> &str {
        &self.text[..self.body.start]
    }

    /// What follows the body: comments, blanks, a `;`.
    pub fn trailing_comments(&self) -> &str {
        &self.text[self.body.end..]
    }

    /// The anchor of byte `position` of the text. A position inside a literal of [`Normalised::literals`], which no other
    /// statement need have, is moved to the literal's end; one outside the body to the body's nearer end.
    pub fn anchor(&self, position: usize) -> Anchor {
        let position = position.clamp(self.body.start, self.body.end);
        let after = self.literals.partition_point(|literal| literal.span.start < position);
        let base = self.base(after).unwrap_or(self.body.start);
        Anchor { after: after as u32, offset: position.saturating_sub(base) as u32 }
    }

    /// The byte that `anchor` means in this statement; never outside the body. Valid for anchors of any statement with
    /// the same key.
    pub fn position(&self, anchor: Anchor) -> usize {
        let base = self.base(anchor.after as usize).unwrap_or(self.body.end);
        base.saturating_add(anchor.offset as usize).min(self.body.end)
    }

    /// The index of the literal that begins at byte `start`, or encloses it as a list.
    pub fn literal_at(&self, start: usize) -> Option<usize> {
        let index = self.literals.partition_point(|literal| literal.span.end <= start);
        let literal = self.literals.get(index)?;
        (literal.span.start <= start).then_some(index)
    }

    /// The decoded value of literal `index`; a list gives [`Value::List`].
    ///
    /// # Errors
    /// No such literal, or MySQL would not read it either (an odd number of hex digits in `x'…'`).
    pub fn literal_value(&self, index: usize) -> Result<Value, SqlError> {
        let missing = SqlError::Literal { position: self.body.end, reason: "the statement has no such literal" };
        let literal = self.literals.get(index).ok_or(missing)?;
        if literal.kind != LiteralKind::List {
            return self.value_of(literal.span.clone(), literal.kind);
        }
        let items = literal.items.iter().map(|(span, kind)| self.value_of(span.clone(), *kind));
        items.collect::<Result<Vec<_>, _>>().map(Value::List)
    }

    /// The decoded value of the literal that covers exactly `span` (a minus before a number may be in it), kept in the
    /// key or not. `None` if no literal stands there.
    ///
    /// # Errors
    /// A literal that MySQL would not read either.
    pub fn value_at(&self, span: Range<usize>) -> Result<Option<Value>, SqlError> {
        literal::whole_literal(&self.text, span.clone(), self.mode)?.map(|kind| self.value_of(span, kind)).transpose()
    }

    fn value_of(&self, span: Range<usize>, kind: LiteralKind) -> Result<Value, SqlError> {
        literal::decode(&self.text, span, kind, self.mode)
    }

    fn base(&self, after: usize) -> Option<usize> {
        match after.checked_sub(1) {
            None => Some(self.body.start),
            Some(index) => self.literals.get(index).map(|literal| literal.span.end),
        }
    }
}

fn refuse_more(lexer: &mut Lexer<'_>) -> Result<(), SqlError> {
    while let Some(token) = lexer.next_token()? {
        if !matches!(token.kind, TokenKind::Comment | TokenKind::Semicolon) {
            return Err(SqlError::SeveralStatements { position: token.start });
        }
    }
    Ok(())
}
