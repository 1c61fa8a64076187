//! A statement after one pass of the lexer.

use std::ops::Range;
use std::sync::Arc;

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

/// A statement after one pass of the lexer: its text untouched, and what the plan cache needs to know of it.
#[derive(Debug, Clone)]
pub struct Normalised {
    /// The text as the client sent it.
    pub text: Arc<str>,
    /// The statement without margin comments, blanks and a final `;`.
    pub body: Range<usize>,
    /// The body with every literal in [`Normalised::literals`] replaced by a mark of its kind. Equal keys have equal plans
    /// and equal [`Anchor`]s. Literals whose value means something (ORDER BY 1, LIMIT, select list, hints, DATE '…') stay in it.
    pub key: String,
    /// The literals that the key does not hold, in order.
    pub literals: Vec<Literal>,
    /// What it is.
    pub kind: StatementKind,
    /// 64-bit hash of a canonical form (blanks and letter case of keywords do not count), for statistics and rules.
    pub fingerprint: u64,
}
