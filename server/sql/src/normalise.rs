//! A statement after one pass of the lexer.

use std::ops::Range;
use std::sync::Arc;

use vitrail_proto::value::Value;

use crate::error::SqlError;
use crate::fingerprint::Fingerprint;
use crate::lexer::{LexMode, Lexer, MAX_TEXT, Token, TokenKind};
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
    /// 64-bit hash of a canonical form (blanks and letter case of keywords do not count), for statistics and rules.
    pub fingerprint: u64,
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
        let (key, fingerprint) = (String::new(), Fingerprint::default().finish());
        return Ok(Normalised {
            text,
            mode,
            body: end..end,
            key,
            literals: Vec::new(),
            kind: StatementKind::Empty,
            fingerprint,
        });
    };
    let kind = classify::classify(text.as_bytes(), first.start, mode)?;
    let (body_end, key, literals, fingerprint) = {
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
    Ok(Normalised { text, mode, body, key, literals, kind, fingerprint })
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

/// Marks are control bytes: the lexer refuses them outside strings, names and comments, and those end by themselves.
const MARK: char = '\u{1}';
const MODE_MARK: char = '\u{2}';
const MAX_DEPTH: usize = 64;

fn refuse_more(lexer: &mut Lexer<'_>) -> Result<(), SqlError> {
    while let Some(token) = lexer.next_token()? {
        if !matches!(token.kind, TokenKind::Comment | TokenKind::Semicolon) {
            return Err(SqlError::SeveralStatements { position: token.start });
        }
    }
    Ok(())
}

/// Whether literals at one depth of parentheses are kept in the key.
#[derive(Clone, Copy, Default)]
struct Level {
    /// Kept from here to the next clause.
    verbatim: bool,
    /// Kept up to the closing parenthesis.
    forced: bool,
}

/// A run of tokens that may become one literal.
enum Pending {
    None,
    /// Adjacent strings.
    Strings(Range<usize>),
    /// `IN (` with the items so far.
    List {
        items: Vec<(Range<usize>, LiteralKind)>,
        inside: usize,
        sign: Option<usize>,
        item_expected: bool,
    },
}

/// Builds key, literals and fingerprint from the tokens of the body.
struct Walk<'a> {
    text: &'a str,
    kind: StatementKind,
    parametrise: bool,
    levels: [Level; MAX_DEPTH],
    depth: usize,
    previous: Option<Token>,
    before_previous: Option<Token>,
    pending: Pending,
    key: String,
    copied: usize,
    literals: Vec<Literal>,
    fingerprint: Fingerprint,
    end: usize,
}

impl<'a> Walk<'a> {
    fn new(text: &'a str, mode: LexMode, kind: StatementKind, start: usize) -> Walk<'a> {
        use StatementKind::{Delete, Insert, Replace, Select, Update};
        let mut key = String::with_capacity(text.len() - start + 2);
        let bits =
            u8::from(mode.no_backslash_escapes) | u8::from(mode.ansi_quotes) << 1 | u8::from(mode.pipes_as_concat) << 2;
        if bits != 0 {
            key.push(MODE_MARK);
            key.push(char::from(b'0' + bits));
        }
        Walk {
            text,
            kind,
            parametrise: matches!(kind, Select | Insert | Replace | Update | Delete),
            levels: [Level::default(); MAX_DEPTH],
            depth: 0,
            previous: None,
            before_previous: None,
            pending: Pending::None,
            key,
            copied: start,
            literals: Vec::new(),
            fingerprint: Fingerprint::default(),
            end: start,
        }
    }

    fn token(&mut self, token: Token) {
        if token.kind == TokenKind::Comment {
            // Two strings with a comment between them, a list with one inside: kept as they stand.
            self.give_up();
            return;
        }
        self.end = token.end;
        self.fingerprint.token(self.text.as_bytes(), token);
        if self.parametrise && !self.pending_takes(token) {
            self.step(token);
        }
        self.before_previous = self.previous.replace(token);
    }

    fn finish(mut self) -> (usize, String, Vec<Literal>, u64) {
        self.settle();
        self.key.push_str(&self.text[self.copied..self.end]);
        (self.end, self.key, self.literals, self.fingerprint.finish())
    }

    /// Feeds a pending run; false if the token is to be handled as usual.
    fn pending_takes(&mut self, token: Token) -> bool {
        match &mut self.pending {
            Pending::None => false,
            Pending::Strings(span) => {
                if token.kind == TokenKind::String {
                    span.end = token.end;
                    return true;
                }
                self.settle();
                false
            }
            Pending::List { items, inside, sign, item_expected } => {
                let kind = literal_kind(token.kind);
                match kind {
                    Some(kind) if *item_expected => {
                        if sign.is_some()
                            && !matches!(kind, LiteralKind::Integer | LiteralKind::Decimal | LiteralKind::Float)
                        {
                            self.give_up();
                            return false;
                        }
                        items.push((sign.take().unwrap_or(token.start)..token.end, kind));
                        *item_expected = false;
                        return true;
                    }
                    Some(LiteralKind::String) if items.last().is_some_and(|(_, kind)| *kind == LiteralKind::String) => {
                        if let Some((span, _)) = items.last_mut() {
                            span.end = token.end;
                        }
                        return true;
                    }
                    None if *item_expected
                        && sign.is_none()
                        && &self.text.as_bytes()[token.start..token.end] == b"-" =>
                    {
                        *sign = Some(token.start);
                        return true;
                    }
                    None if token.kind == TokenKind::Comma && !*item_expected => {
                        *item_expected = true;
                        return true;
                    }
                    None if token.kind == TokenKind::Close && !*item_expected => {
                        let span = *inside..token.start;
                        let items = std::mem::take(items);
                        self.pending = Pending::None;
                        self.replace(span, LiteralKind::List, items);
                        self.close();
                        return true;
                    }
                    _ => {}
                }
                self.give_up();
                false
            }
        }
    }

    /// Ends a pending run of strings as one literal; an unfinished list as separate ones.
    fn settle(&mut self) {
        match std::mem::replace(&mut self.pending, Pending::None) {
            Pending::Strings(span) => self.replace(span, LiteralKind::String, Vec::new()),
            Pending::List { .. } | Pending::None => {}
        }
    }

    /// Leaves a pending run in the key.
    fn give_up(&mut self) {
        self.pending = Pending::None;
    }

    fn step(&mut self, token: Token) {
        match token.kind {
            TokenKind::Open => self.open(token),
            TokenKind::Close => self.close(),
            TokenKind::Word => self.word(token),
            TokenKind::String if !self.keeps() => self.pending = Pending::Strings(token.start..token.end),
            kind => {
                if let Some(kind) = literal_kind(kind)
                    && !self.keeps()
                {
                    self.replace(token.start..token.end, kind, Vec::new());
                }
            }
        }
    }

    fn level(&mut self) -> &mut Level {
        &mut self.levels[self.depth.min(MAX_DEPTH - 1)]
    }

    /// Whether the literal that comes now stays in the key.
    fn keeps(&mut self) -> bool {
        let level = *self.level();
        level.verbatim
            || level.forced
            || self.depth >= MAX_DEPTH
            || self.previous.is_some_and(|previous| self.binds_tightly(previous))
    }

    /// Whether `previous` makes the literal behind it part of the syntax.
    fn binds_tightly(&self, previous: Token) -> bool {
        let text = &self.text.as_bytes()[previous.start..previous.end];
        match previous.kind {
            TokenKind::Word => {
                const WORDS: [&[u8]; 13] = [
                    b"date",
                    b"time",
                    b"timestamp",
                    b"datetime",
                    b"interval",
                    b"escape",
                    b"collate",
                    b"separator",
                    b"of",
                    b"as",
                    b"using",
                    b"binary",
                    b"path",
                ];
                text.first() == Some(&b'_') || WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
            }
            TokenKind::Operator => text.starts_with(b"->"),
            // `INTERVAL -1 DAY` is not told apart further; an adjacent string after N'…' continues it.
            // `t. 1`: a name to some servers.
            TokenKind::Dot | TokenKind::National | TokenKind::Hex | TokenKind::Bits | TokenKind::String => true,
            _ => false,
        }
    }

    fn open(&mut self, token: Token) {
        let outer = *self.level();
        let mut inner = Level { verbatim: false, forced: outer.verbatim || outer.forced };
        let mut list = false;
        if let Some(previous) = self.previous
            && previous.kind == TokenKind::Word
        {
            const FORCED: [&[u8]; 20] = [
                b"json_table",
                b"json_value",
                b"char",
                b"cast",
                b"convert",
                b"varchar",
                b"decimal",
                b"binary",
                b"varbinary",
                b"extract",
                b"nchar",
                b"interval",
                b"weight_string",
                b"date_add",
                b"date_sub",
                b"adddate",
                b"subdate",
                b"timestampadd",
                b"get_format",
                b"procedure",
            ];
            let text = &self.text.as_bytes()[previous.start..previous.end];
            inner.forced |= FORCED.iter().any(|word| text.eq_ignore_ascii_case(word));
            // `INSERT … PARTITION (p)`, `t.in (`: a name behind a dot is no keyword.
            let named = self.before_previous.is_some_and(|before| before.kind == TokenKind::Dot);
            list = text.eq_ignore_ascii_case(b"in") && !named;
        }
        self.depth += 1;
        if self.depth < MAX_DEPTH {
            self.levels[self.depth] = inner;
            if list && !inner.forced {
                let inside = token.end;
                self.pending = Pending::List { items: Vec::new(), inside, sign: None, item_expected: true };
            }
        }
    }

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    fn word(&mut self, token: Token) {
        if self.previous.is_some_and(|previous| previous.kind == TokenKind::Dot) {
            return;
        }
        let text = &self.text.as_bytes()[token.start..token.end];
        let is = |word: &str| text.eq_ignore_ascii_case(word.as_bytes());
        let verbatim = match text.first().map(u8::to_ascii_lowercase) {
            Some(b's') if is("select") => true,
            Some(b's') if is("set") => false,
            Some(b'b') if is("by") => true,
            Some(b'f') if is("from") => false,
            Some(b'f') if is("for") => true,
            Some(b'h') if is("having") => true,
            Some(b'i') if is("into") => true,
            Some(b'l') if is("limit") => true,
            Some(b'o') if is("offset") => true,
            Some(b'p') if is("procedure") => true,
            Some(b'r') if is("returning") || is("rows") => true,
            Some(b'v') if is("values") || is("value") => {
                self.depth > 0 || !matches!(self.kind, StatementKind::Insert | StatementKind::Replace)
            }
            _ => return,
        };
        self.level().verbatim = verbatim;
    }

    /// Takes `span` out of the key.
    fn replace(&mut self, span: Range<usize>, kind: LiteralKind, items: Vec<(Range<usize>, LiteralKind)>) {
        self.key.push_str(&self.text[self.copied..span.start]);
        self.key.push(MARK);
        self.key.push(mark_of(kind));
        if kind == LiteralKind::List {
            let kinds = items.iter().fold(0u8, |kinds, (_, kind)| kinds | 1 << (*kind as u8));
            self.key.push(char::from(0x40 | (kinds & 0x3f)));
        }
        self.copied = span.end;
        self.literals.push(Literal { span, kind, items });
    }
}

fn literal_kind(kind: TokenKind) -> Option<LiteralKind> {
    Some(match kind {
        TokenKind::Integer => LiteralKind::Integer,
        TokenKind::Decimal => LiteralKind::Decimal,
        TokenKind::Float => LiteralKind::Float,
        TokenKind::String => LiteralKind::String,
        TokenKind::Hex => LiteralKind::Hex,
        TokenKind::Bits => LiteralKind::Bits,
        _ => return None,
    })
}

fn mark_of(kind: LiteralKind) -> char {
    match kind {
        LiteralKind::Integer => 'i',
        LiteralKind::Decimal => 'd',
        LiteralKind::Float => 'f',
        LiteralKind::String => 's',
        LiteralKind::Hex => 'h',
        LiteralKind::Bits => 'b',
        LiteralKind::List => 'l',
    }
}
