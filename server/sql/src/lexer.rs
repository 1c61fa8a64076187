//! MySQL's lexer over bytes: one pass, linear, no allocation for a token, any input.
//!
//! It agrees with the servers where they differ from other databases: backslash escapes by `sql_mode`, names that
//! begin with digits (`1a`), `--` that needs a blank, version comments that are run.

use memchr::{memchr2, memmem};

use crate::error::SqlError;

/// The longest text: positions are 32 bits wide.
pub const MAX_TEXT: usize = (1 << 31) - 1;

/// The bits of `sql_mode` that change how text is read. All off is the servers' default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct LexMode {
    /// `NO_BACKSLASH_ESCAPES`: a backslash in a string is a backslash.
    pub no_backslash_escapes: bool,
    /// `ANSI_QUOTES`: `"x"` is a name.
    pub ansi_quotes: bool,
    /// `PIPES_AS_CONCAT`: `||` concatenates and binds tighter; otherwise it is OR.
    pub pipes_as_concat: bool,
}

impl LexMode {
    /// From the text of `sql_mode`, in either letter case. The combination modes that switch these bits on count too.
    pub fn from_sql_mode(sql_mode: &str) -> LexMode {
        let mut mode = LexMode::default();
        for name in sql_mode.split(',').map(str::trim) {
            let is = |other: &str| name.eq_ignore_ascii_case(other);
            mode.no_backslash_escapes |= is("NO_BACKSLASH_ESCAPES");
            let ansi = ["ANSI", "DB2", "MAXDB", "MSSQL", "ORACLE", "POSTGRESQL"].into_iter().any(is);
            mode.ansi_quotes |= ansi || is("ANSI_QUOTES");
            mode.pipes_as_concat |= ansi || is("PIPES_AS_CONCAT");
        }
        mode
    }
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// A name or keyword without quotes; introducers (`_utf8mb4`) too.
    Word,
    /// `` `x` ``, and `"x"` under ANSI_QUOTES.
    QuotedName,
    /// `'x'`, and `"x"` without ANSI_QUOTES. Neighbours are tokens of their own.
    String,
    /// `N'x'`
    National,
    /// `x'…'`, `0x…`
    Hex,
    /// `b'…'`, `0b…`
    Bits,
    /// `12`
    Integer,
    /// `1.5`, `1.`, `.5`
    Decimal,
    /// `1e3`
    Float,
    /// `@x`, `` @`x` ``
    UserVariable,
    /// `@@x`, `@@global.x`
    SystemVariable,
    /// `:name`
    Bind,
    /// `::list`
    ListBind,
    /// `/* */`, `-- `, `#`
    Comment,
    /// `/*+ */`
    Hint,
    /// `/*! */` and `/*M! */`, whole. The lexer of [`Lexer::expanding`] gives what is inside instead.
    VersionComment,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// `.`
    Dot,
    /// Any other operator, `?` too.
    Operator,
}

/// A token: where it is and what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What.
    pub kind: TokenKind,
    /// First byte.
    pub start: usize,
    /// Behind the last byte.
    pub end: usize,
}

/// Gives the tokens of a text one by one; blanks are skipped.
#[derive(Debug, Clone)]
pub struct Lexer<'a> {
    bytes: &'a [u8],
    position: usize,
    mode: LexMode,
    expand: bool,
    inside_version: bool,
    after_name: usize,
    after_dot: usize,
    entered: bool,
    newest_version: u32,
}

const BLANK: u8 = 1;
const NAME: u8 = 2;
const DIGIT: u8 = 4;

static CLASS: [u8; 256] = {
    let mut table = [0u8; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = match b {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => BLANK,
            b'0'..=b'9' => NAME | DIGIT,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' | 0x80..=0xff => NAME,
            _ => 0,
        };
        byte += 1;
    }
    table
};

fn is(byte: u8, class: u8) -> bool {
    CLASS[byte as usize] & class != 0
}

impl<'a> Lexer<'a> {
    /// A lexer at the start of `bytes`, which may be anything.
    pub fn new(bytes: &'a [u8], mode: LexMode) -> Lexer<'a> {
        Lexer {
            bytes,
            position: 0,
            mode,
            expand: false,
            inside_version: false,
            after_name: usize::MAX,
            after_dot: usize::MAX,
            entered: false,
            newest_version: 0,
        }
    }

    /// A lexer that reads what is inside version comments as if it stood there bare, as a server that runs them does.
    pub fn expanding(bytes: &'a [u8], mode: LexMode) -> Lexer<'a> {
        Lexer { expand: true, ..Lexer::new(bytes, mode) }
    }

    /// The highest version of the version comments entered so far; `u32::MAX` for a `/*M! */`, which only MariaDB runs.
    pub fn newest_version(&self) -> u32 {
        self.newest_version
    }

    /// Whether a version comment was entered so far.
    pub fn entered_version_comment(&self) -> bool {
        self.entered
    }

    /// Goes on at byte `position`, which must be the boundary of a token.
    pub fn seek(&mut self, position: usize) {
        self.position = position.min(self.bytes.len());
        self.after_name = usize::MAX;
        self.after_dot = usize::MAX;
    }

    /// The next token, or `None` at the end.
    ///
    /// # Errors
    /// Something without an end, a control byte outside strings, an ambiguous version comment.
    pub fn next_token(&mut self) -> Result<Option<Token>, SqlError> {
        loop {
            while self.position < self.bytes.len() && is(self.bytes[self.position], BLANK) {
                self.position += 1;
            }
            let start = self.position;
            let Some(&first) = self.bytes.get(start) else {
                if self.inside_version {
                    return Err(SqlError::Unterminated { what: "a version comment", position: start });
                }
                return Ok(None);
            };
            if self.inside_version && first == b'*' && self.at(start + 1) == b'/' {
                self.inside_version = false;
                self.position = start + 2;
                continue;
            }
            if self.expand
                && first == b'/'
                && let Some(inside) = self.version_comment_inside(start)
            {
                if self.inside_version {
                    return Err(SqlError::AmbiguousComment { position: start });
                }
                self.version_comment(start)?;
                self.newest_version = self.newest_version.max(self.version_of(start, inside));
                self.inside_version = true;
                self.entered = true;
                self.position = inside;
                continue;
            }
            let (kind, end) = self.scan(first, start)?;
            self.position = end;
            self.after_name = if matches!(kind, TokenKind::Word | TokenKind::QuotedName) { end } else { usize::MAX };
            self.after_dot = if kind == TokenKind::Dot { end } else { usize::MAX };
            return Ok(Some(Token { kind, start, end }));
        }
    }

    fn at(&self, position: usize) -> u8 {
        self.bytes.get(position).copied().unwrap_or(0)
    }

    fn scan(&self, first: u8, start: usize) -> Result<(TokenKind, usize), SqlError> {
        let next = self.at(start + 1);
        Ok(match first {
            b'\'' => (TokenKind::String, self.quoted(start, b'\'')?),
            b'"' if self.mode.ansi_quotes => (TokenKind::QuotedName, self.quoted_name(start, b'"')?),
            b'"' => (TokenKind::String, self.quoted(start, b'"')?),
            b'`' => (TokenKind::QuotedName, self.quoted_name(start, b'`')?),
            b'x' | b'X' if next == b'\'' => (TokenKind::Hex, self.digits_in_quotes(start)?),
            b'b' | b'B' if next == b'\'' => (TokenKind::Bits, self.digits_in_quotes(start)?),
            b'n' | b'N' if next == b'\'' => (TokenKind::National, self.quoted(start + 1, b'\'')?),
            b'0'..=b'9' => self.number(start),
            b'.' if is(next, DIGIT) && self.after_name != start => self.fraction(start),
            b'.' => (TokenKind::Dot, start + 1),
            _ if is(first, NAME) => (TokenKind::Word, self.name_end(start)),
            b'(' => (TokenKind::Open, start + 1),
            b')' => (TokenKind::Close, start + 1),
            b',' => (TokenKind::Comma, start + 1),
            b';' => (TokenKind::Semicolon, start + 1),
            b'@' => self.variable(start)?,
            b':' if next == b':' && self.bind_end(start + 2) > start + 2 => {
                (TokenKind::ListBind, self.bind_end(start + 2))
            }
            b':' if self.bind_end(start + 1) > start + 1 => (TokenKind::Bind, self.bind_end(start + 1)),
            b'#' => (TokenKind::Comment, self.line_end(start)),
            b'-' if next == b'-' && self.ends_dashes(start + 2) => (TokenKind::Comment, self.line_end(start)),
            b'/' if next == b'*' => self.comment(start)?,
            0..=31 | 127 | b'\\' => return Err(SqlError::StrayByte { byte: first, position: start }),
            _ => (TokenKind::Operator, start + self.operator_length(start)),
        })
    }

    fn quoted(&self, start: usize, quote: u8) -> Result<usize, SqlError> {
        let mut position = start + 1;
        loop {
            let rest = self.bytes.get(position..).unwrap_or_default();
            let found =
                if self.mode.no_backslash_escapes { memchr::memchr(quote, rest) } else { memchr2(quote, b'\\', rest) };
            let Some(offset) = found else {
                return Err(SqlError::Unterminated { what: "a string", position: start });
            };
            position += offset;
            // An escape takes the next byte with it, and so does the first quote of a pair.
            if self.bytes[position] == b'\\' || self.at(position + 1) == quote {
                position += 2;
            } else {
                return Ok(position + 1);
            }
        }
    }

    fn quoted_name(&self, start: usize, quote: u8) -> Result<usize, SqlError> {
        let mut position = start + 1;
        loop {
            let rest = self.bytes.get(position..).unwrap_or_default();
            let Some(offset) = memchr::memchr(quote, rest) else {
                return Err(SqlError::Unterminated { what: "a quoted name", position: start });
            };
            position += offset + 1;
            if self.at(position) != quote {
                return Ok(position);
            }
            position += 1;
        }
    }

    /// `x'…'`: no escapes, no doubled quotes. What stands inside is judged when it is decoded.
    fn digits_in_quotes(&self, start: usize) -> Result<usize, SqlError> {
        let rest = self.bytes.get(start + 2..).unwrap_or_default();
        match memchr::memchr(b'\'', rest) {
            Some(offset) => Ok(start + 3 + offset),
            None => Err(SqlError::Unterminated { what: "a string", position: start }),
        }
    }

    fn number(&self, start: usize) -> (TokenKind, usize) {
        // `t.1`: behind a dot everything is a name.
        if self.after_dot == start {
            return (TokenKind::Word, self.name_end(start));
        }
        if self.bytes[start] == b'0' {
            let (kind, accepts): (_, fn(&u8) -> bool) = match self.at(start + 1) {
                b'x' => (TokenKind::Hex, u8::is_ascii_hexdigit),
                b'b' => (TokenKind::Bits, |byte| matches!(byte, b'0' | b'1')),
                _ => (TokenKind::Integer, |_| false),
            };
            let mut end = start + 2;
            while self.bytes.get(end).is_some_and(accepts) {
                end += 1;
            }
            if end > start + 2 && !is(self.at(end), NAME) {
                return (kind, end);
            }
        }
        let mut end = start;
        while is(self.at(end), DIGIT) {
            end += 1;
        }
        match self.at(end) {
            b'.' => self.fraction_from(end + 1),
            b'e' | b'E' => match self.exponent(end) {
                Some(end) => (TokenKind::Float, end),
                None => (TokenKind::Word, self.name_end(start)),
            },
            byte if is(byte, NAME) => (TokenKind::Word, self.name_end(start)),
            _ => (TokenKind::Integer, end),
        }
    }

    fn fraction(&self, start: usize) -> (TokenKind, usize) {
        self.fraction_from(start + 1)
    }

    fn fraction_from(&self, mut end: usize) -> (TokenKind, usize) {
        while is(self.at(end), DIGIT) {
            end += 1;
        }
        match self.exponent(end) {
            Some(end) => (TokenKind::Float, end),
            None => (TokenKind::Decimal, end),
        }
    }

    fn exponent(&self, mut end: usize) -> Option<usize> {
        if !matches!(self.at(end), b'e' | b'E') {
            return None;
        }
        end += 1;
        if matches!(self.at(end), b'+' | b'-') {
            end += 1;
        }
        let digits = end;
        while is(self.at(end), DIGIT) {
            end += 1;
        }
        (end > digits).then_some(end)
    }

    fn name_end(&self, mut end: usize) -> usize {
        while is(self.at(end), NAME) {
            end += 1;
        }
        end
    }

    fn bind_end(&self, mut end: usize) -> usize {
        while self.at(end).is_ascii_alphanumeric() || self.at(end) == b'_' {
            end += 1;
        }
        end
    }

    fn line_end(&self, start: usize) -> usize {
        memchr::memchr(b'\n', &self.bytes[start..]).map_or(self.bytes.len(), |offset| start + offset + 1)
    }

    fn ends_dashes(&self, position: usize) -> bool {
        self.bytes.get(position).is_none_or(|byte| is(*byte, BLANK) || byte.is_ascii_control())
    }

    fn variable(&self, start: usize) -> Result<(TokenKind, usize), SqlError> {
        let (kind, name) = match self.at(start + 1) {
            b'@' => (TokenKind::SystemVariable, start + 2),
            _ => (TokenKind::UserVariable, start + 1),
        };
        let end = match self.at(name) {
            b'`' => self.quoted_name(name, b'`')?,
            b'"' if self.mode.ansi_quotes => self.quoted_name(name, b'"')?,
            quote @ (b'\'' | b'"') if kind == TokenKind::UserVariable => self.quoted(name, quote)?,
            _ => {
                let mut end = name;
                while is(self.at(end), NAME) || self.at(end) == b'.' {
                    end += 1;
                }
                end
            }
        };
        Ok(if end == name { (TokenKind::Operator, start + 1) } else { (kind, end) })
    }

    fn comment(&self, start: usize) -> Result<(TokenKind, usize), SqlError> {
        if self.version_comment_inside(start).is_some() {
            return Ok((TokenKind::VersionComment, self.version_comment(start)?));
        }
        let kind = if self.at(start + 2) == b'+' { TokenKind::Hint } else { TokenKind::Comment };
        Ok((kind, self.comment_end(start)?))
    }

    fn comment_end(&self, start: usize) -> Result<usize, SqlError> {
        match memmem::find(&self.bytes[start + 2..], b"*/") {
            Some(offset) => Ok(start + offset + 4),
            None => Err(SqlError::Unterminated { what: "a comment", position: start }),
        }
    }

    /// Where the inside of a version comment at `start` begins, behind its version.
    fn version_comment_inside(&self, start: usize) -> Option<usize> {
        let rest = self.bytes.get(start..)?;
        let digits = if rest.starts_with(b"/*!") {
            start + 3
        } else if rest.starts_with(b"/*M!") {
            start + 4
        } else {
            return None;
        };
        let count = (0..6).take_while(|offset| is(self.at(digits + offset), DIGIT)).count();
        Some(if count >= 5 { digits + count } else { digits })
    }

    fn version_of(&self, start: usize, inside: usize) -> u32 {
        if self.at(start + 2) == b'M' {
            return u32::MAX;
        }
        self.bytes[start + 3..inside].iter().fold(0, |version, digit| version * 10 + u32::from(digit - b'0'))
    }

    /// The end of a version comment, if servers that skip it and servers that run it agree on it.
    fn version_comment(&self, start: usize) -> Result<usize, SqlError> {
        let end = self.comment_end(start)?;
        let inside = self.version_comment_inside(start).unwrap_or(start + 3);
        // `/*!50000*/`: the text between is empty.
        let content_end = end - 2;
        if inside > content_end {
            return Err(SqlError::AmbiguousComment { position: start });
        }
        let mut lexer = Lexer::new(&self.bytes[..content_end], self.mode);
        lexer.seek(inside);
        loop {
            match lexer.next_token() {
                Ok(None) => return Ok(end),
                Ok(Some(token)) => match token.kind {
                    TokenKind::Semicolon => return Err(SqlError::SeveralStatements { position: token.start }),
                    TokenKind::VersionComment => return Err(SqlError::AmbiguousComment { position: start }),
                    // A line comment would hide the `*/` from a server that runs this.
                    TokenKind::Comment
                        if !self.bytes[token.start..token.end].starts_with(b"/*")
                            && self.bytes[token.end - 1] != b'\n' =>
                    {
                        return Err(SqlError::AmbiguousComment { position: start });
                    }
                    _ => {}
                },
                Err(SqlError::Unterminated { .. }) => return Err(SqlError::AmbiguousComment { position: start }),
                Err(other) => return Err(other),
            }
        }
    }

    fn operator_length(&self, start: usize) -> usize {
        match (self.at(start), self.at(start + 1), self.at(start + 2)) {
            (b'<', b'=', b'>') | (b'-', b'>', b'>') => 3,
            (b'<', b'=' | b'>' | b'<', _)
            | (b'>', b'=' | b'>', _)
            | (b'!', b'=', _)
            | (b':', b'=', _)
            | (b'|', b'|', _)
            | (b'&', b'&', _)
            | (b'-', b'>', _) => 2,
            _ => 1,
        }
    }
}
