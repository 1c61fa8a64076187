//! The one walk over a statement's tokens that finds its key, its literals and its fingerprint.

use std::ops::Range;

use crate::fingerprint::Fingerprint;
use crate::lexer::{LexMode, Token, TokenKind};
use crate::normalise::{Literal, LiteralKind, Mentions, StatementKind};

/// Marks are control bytes: the lexer refuses them outside strings, names and comments, and those end by themselves.
const MARK: char = '\u{1}';
const MODE_MARK: char = '\u{2}';
const MAX_DEPTH: usize = 64;

/// Functions whose answer is the session's.
const SESSION_FUNCTIONS: [&str; 10] = [
    "last_insert_id",
    "found_rows",
    "row_count",
    "connection_id",
    "database",
    "schema",
    "user",
    "session_user",
    "system_user",
    "current_user",
];

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
pub(crate) struct Walk<'a> {
    text: &'a str,
    mode: LexMode,
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
    mentions: Mentions,
    end: usize,
}

impl<'a> Walk<'a> {
    /// Begins a body of `kind` at byte `start`.
    pub(crate) fn new(text: &'a str, mode: LexMode, kind: StatementKind, start: usize) -> Walk<'a> {
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
            mode,
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
            mentions: Mentions::default(),
            end: start,
        }
    }

    /// Takes the next token; all must come in order.
    pub(crate) fn token(&mut self, token: Token) {
        if token.kind == TokenKind::Comment {
            // Two strings with a comment between them, a list with one inside: kept as they stand.
            self.give_up();
            return;
        }
        self.end = token.end;
        self.fingerprint.token(self.text.as_bytes(), token, self.mode);
        self.mention(token);
        if self.parametrise && !self.pending_takes(token) {
            self.step(token);
        }
        self.before_previous = self.previous.replace(token);
    }

    /// Where the body ends, the key, the literals, the fingerprint, and what of the session is named.
    pub(crate) fn finish(mut self) -> (usize, String, Vec<Literal>, u64, Mentions) {
        self.settle();
        self.key.push_str(&self.text[self.copied..self.end]);
        let fingerprint = self.fingerprint.finish(self.text.as_bytes());
        (self.end, self.key, self.literals, fingerprint, self.mentions)
    }

    /// Notes what of the session is named.
    fn mention(&mut self, token: Token) {
        match token.kind {
            TokenKind::UserVariable => self.mentions.user_variables = true,
            TokenKind::SystemVariable => self.mentions.session = true,
            // What is inside was not looked at.
            TokenKind::VersionComment => self.mentions = Mentions { user_variables: true, session: true },
            TokenKind::Word if matches!(token.end - token.start, 12 | 19) => {
                let word = &self.text[token.start..token.end];
                self.mentions.session |=
                    word.eq_ignore_ascii_case("current_user") || word.eq_ignore_ascii_case("sql_calc_found_rows");
            }
            TokenKind::Open => {
                let Some(name) =
                    self.previous.filter(|previous| matches!(previous.kind, TokenKind::Word | TokenKind::QuotedName))
                else {
                    return;
                };
                let name = self.text[name.start..name.end].trim_matches(['`', '"']);
                self.mentions.session |=
                    SESSION_FUNCTIONS.iter().any(|known| known.len() == name.len() && known.eq_ignore_ascii_case(name));
            }
            _ => {}
        }
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
