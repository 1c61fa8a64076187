//! Bind values put into SQL as literals that mean the same under utf8mb4, whatever they hold.

use std::fmt::Display;
use std::io::Write;
use std::sync::Arc;

use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::value::{Binds, Value};

use crate::error::SqlError;
use crate::lexer::{LexMode, Lexer, TokenKind};

/// A subquery without rows: what an empty list becomes. Unlike `(NULL)` it makes NOT IN true.
const NO_ROWS: &str = "SELECT NULL FROM DUAL WHERE 1 = 0";

/// Why binds are not put into a statement.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The statement cannot be read.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// The statement names a bind that was not sent.
    #[error("the statement needs a bind named '{name}', which was not sent")]
    Missing {
        /// Its name.
        name: String,
    },
    /// `:name` was given a list, or `::name` a single value.
    #[error("bind '{name}' {reason}")]
    Shape {
        /// Its name.
        name: String,
        /// What does not fit.
        reason: &'static str,
    },
    /// A value is not what its type says.
    #[error("bind '{name}' is no valid {wanted}")]
    Value {
        /// Its name.
        name: String,
        /// The type.
        wanted: &'static str,
    },
    /// The statement would be longer than allowed.
    #[error("the statement with its binds is above {limit} bytes; send less at once")]
    TooLarge {
        /// The limit, bytes.
        limit: usize,
    },
}

impl From<BindError> for ErrorBody {
    fn from(error: BindError) -> ErrorBody {
        let code = match &error {
            BindError::Sql(error) => error.code(),
            BindError::Missing { .. } | BindError::Shape { .. } => Code::Invalid,
            BindError::Value { .. } => Code::Data,
            BindError::TooLarge { .. } => Code::TooLarge,
        };
        let body = ErrorBody::new(code, error.to_string());
        // MySQL's ER_WRONG_ARGUMENTS, as for a prepared statement that lacks a parameter.
        if matches!(error, BindError::Missing { .. }) { body.with_errno(1210, "HY000") } else { body }
    }
}

/// A statement's text, and where its binds stand: read once, written with many values.
#[derive(Debug, Clone)]
pub struct Template {
    sql: Arc<str>,
    mode: LexMode,
    sites: Box<[Site]>,
}

/// Where a bind stands.
#[derive(Debug, Clone, Copy)]
struct Site {
    /// Of its first colon.
    start: usize,
    /// Of its name.
    name: usize,
    end: usize,
}

impl Template {
    /// Finds every `:name` and `::list` outside strings, names and comments.
    ///
    /// `mode` is that of the connection the text will be run on.
    ///
    /// # Errors
    /// A literal or comment without an end.
    pub fn read(sql: Arc<str>, mode: LexMode) -> Result<Template, SqlError> {
        let sites = sites(&sql, mode)?.into_boxed_slice();
        Ok(Template { sql, mode, sites })
    }

    /// The text as it was read.
    pub fn sql(&self) -> &Arc<str> {
        &self.sql
    }

    /// How it was read.
    pub fn mode(&self) -> LexMode {
        self.mode
    }

    /// Appends the text to `out` with its binds replaced by literals. `limit` bounds what is appended, in bytes. Binds that the
    /// text does not name are ignored. On an error `out` is as it was.
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn write(&self, binds: &Binds, limit: usize, out: &mut Vec<u8>) -> Result<(), BindError> {
        Text { sql: &self.sql, sites: &self.sites, mode: self.mode }.write(binds, limit, out)
    }
}

/// Appends `sql` to `out` with every `:name` and `::list` outside strings, names and comments replaced by literals: a [`Template`]
/// that is used once.
///
/// # Errors
/// See [`BindError`].
pub fn substitute(sql: &str, binds: &Binds, mode: LexMode, limit: usize, out: &mut Vec<u8>) -> Result<(), BindError> {
    Text { sql, sites: &sites(sql, mode)?, mode }.write(binds, limit, out)
}

fn sites(sql: &str, mode: LexMode) -> Result<Vec<Site>, SqlError> {
    let bytes = sql.as_bytes();
    let mut sites = Vec::new();
    if memchr::memchr(b':', bytes).is_none() {
        return Ok(sites);
    }
    let mut lexer = Lexer::expanding(bytes, mode);
    while let Some(token) = lexer.next_token()? {
        let colons = match token.kind {
            TokenKind::Bind => 1,
            TokenKind::ListBind => 2,
            _ => continue,
        };
        sites.push(Site { start: token.start, name: token.start + colons, end: token.end });
    }
    Ok(sites)
}

/// A text that was read.
struct Text<'a> {
    sql: &'a str,
    sites: &'a [Site],
    mode: LexMode,
}

impl Text<'_> {
    fn write(&self, binds: &Binds, limit: usize, out: &mut Vec<u8>) -> Result<(), BindError> {
        let begin = out.len();
        let result = self.write_all(binds, limit, out);
        if result.is_err() {
            out.truncate(begin);
        }
        result
    }

    fn write_all(&self, binds: &Binds, limit: usize, out: &mut Vec<u8>) -> Result<(), BindError> {
        let Text { sql, sites, mode } = *self;
        let bytes = sql.as_bytes();
        let end = out.len().saturating_add(limit);
        let mut copied = 0;
        for site in sites {
            let name = &sql[site.name..site.end];
            let value = binds.get(name).ok_or_else(|| BindError::Missing { name: name.to_owned() })?;
            let mut writer = Writer { name, mode, end, limit, out };
            writer.raw(&bytes[copied..site.start])?;
            copied = site.end;
            // A sign before, a name behind: blanks keep the literal a token of its own.
            if site.start > 0
                && matches!(bytes[site.start - 1], b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' | b'\'' | b'"' | 0x80..)
            {
                writer.raw(b" ")?;
            }
            match (site.name - site.start, value) {
                (2, Value::List(items)) => writer.list(items)?,
                (2, _) => return Err(writer.shape("is a single value; write ':' before its name")),
                (_, Value::List(_)) => return Err(writer.shape("is a list; write '::' before its name")),
                (_, value) => writer.value(value)?,
            }
            if bytes.get(site.end).is_some_and(|byte| matches!(byte, b'$' | b'\'' | b'"' | 0x80.. | b'.')) {
                writer.raw(b" ")?;
            }
        }
        Writer { name: "", mode, end, limit, out }.raw(&bytes[copied..])
    }
}

struct Writer<'a> {
    name: &'a str,
    mode: LexMode,
    end: usize,
    limit: usize,
    out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    fn value(&mut self, value: &Value) -> Result<(), BindError> {
        match value {
            Value::Null => self.raw(b"NULL"),
            Value::Int(number) => self.signed(*number < 0, number),
            Value::UInt(number) => self.signed(false, number),
            Value::Double(number) if number.is_finite() => {
                self.signed(number.is_sign_negative(), format_args!("{number:e}"))
            }
            Value::Double(_) => Err(self.invalid("finite double")),
            Value::Text(text) => self.text(text),
            Value::Bytes(bytes) | Value::Geometry(bytes) => self.hex(b"_binary x'", bytes),
            Value::Bit(bytes) => self.bits(bytes),
            Value::Decimal(text) if is_decimal(text) => self.signed(text.starts_with('-'), text),
            Value::Decimal(_) => Err(self.invalid("decimal")),
            Value::Date(text) if is_date(text) => self.plain_text(text),
            Value::Date(_) => Err(self.invalid("date")),
            Value::Time(text) if is_time(text) => self.plain_text(text),
            Value::Time(_) => Err(self.invalid("time")),
            Value::DateTime(text) if is_date_time(text) => self.plain_text(text),
            Value::DateTime(_) => Err(self.invalid("datetime")),
            // Both flavours read JSON out of a utf8mb4 string; MariaDB has no CAST to JSON.
            Value::Json(text) => self.text(text),
            Value::CharsetText { charset, bytes } => {
                if charset.is_empty()
                    || charset.len() > 32
                    || !charset.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                {
                    return Err(self.invalid("character set name"));
                }
                self.raw(format!("_{charset} x'").as_bytes())?;
                self.hex(b"", bytes)
            }
            Value::List(_) => Err(self.shape("holds a list inside a value")),
            Value::Tuple(_) => Err(self.shape("is a tuple; tuples stand in lists only")),
        }
    }

    /// In parentheses; an empty one as a subquery without rows.
    fn list(&mut self, items: &[Value]) -> Result<(), BindError> {
        if items.is_empty() {
            return self.raw(format!("({NO_ROWS})").as_bytes());
        }
        self.raw(b"(")?;
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.raw(b", ")?;
            }
            match item {
                Value::Tuple(parts) if parts.is_empty() => return Err(self.shape("holds an empty tuple")),
                Value::Tuple(parts) => {
                    self.raw(b"(")?;
                    for (index, part) in parts.iter().enumerate() {
                        if index > 0 {
                            self.raw(b", ")?;
                        }
                        self.value(part)?;
                    }
                    self.raw(b")")?;
                }
                other => self.value(other)?,
            }
        }
        self.raw(b")")
    }

    /// A negative number in parentheses, so that an operator before it stays what it is (`a--1` is a comment to some).
    fn signed(&mut self, negative: bool, number: impl Display) -> Result<(), BindError> {
        let written = match negative {
            true => write!(self.out, "({number})"),
            false => write!(self.out, "{number}"),
        };
        written.expect("a vector takes all");
        // A number is short.
        self.reserve(0)
    }

    fn text(&mut self, text: &str) -> Result<(), BindError> {
        self.raw(b"'")?;
        let bytes = text.as_bytes();
        let mut copied = 0;
        for (index, byte) in bytes.iter().enumerate() {
            let escape: &[u8] = match byte {
                b'\'' => b"''",
                b'\\' if !self.mode.no_backslash_escapes => b"\\\\",
                _ => continue,
            };
            self.raw(&bytes[copied..index])?;
            self.raw(escape)?;
            copied = index + 1;
        }
        self.raw(&bytes[copied..])?;
        self.raw(b"'")
    }

    /// Text that was checked to hold nothing that needs an escape.
    fn plain_text(&mut self, text: &str) -> Result<(), BindError> {
        self.raw(b"'")?;
        self.raw(text.as_bytes())?;
        self.raw(b"'")
    }

    fn hex(&mut self, prefix: &[u8], bytes: &[u8]) -> Result<(), BindError> {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        self.reserve(prefix.len() + bytes.len().saturating_mul(2) + 1)?;
        self.out.extend_from_slice(prefix);
        for byte in bytes {
            self.out.push(DIGITS[usize::from(byte >> 4)]);
            self.out.push(DIGITS[usize::from(byte & 15)]);
        }
        self.out.push(b'\'');
        Ok(())
    }

    fn bits(&mut self, bytes: &[u8]) -> Result<(), BindError> {
        if bytes.len() > 8 {
            return Err(self.invalid("bit string of up to 64 bits"));
        }
        self.raw(b"b'")?;
        for byte in bytes {
            self.raw(format!("{byte:08b}").as_bytes())?;
        }
        self.raw(b"'")
    }

    fn raw(&mut self, bytes: &[u8]) -> Result<(), BindError> {
        self.reserve(bytes.len())?;
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    /// Refuses before anything is allocated.
    fn reserve(&mut self, more: usize) -> Result<(), BindError> {
        if self.out.len().saturating_add(more) > self.end {
            return Err(BindError::TooLarge { limit: self.limit });
        }
        self.out.reserve(more);
        Ok(())
    }

    fn shape(&self, reason: &'static str) -> BindError {
        BindError::Shape { name: self.name.to_owned(), reason }
    }

    fn invalid(&self, wanted: &'static str) -> BindError {
        BindError::Value { name: self.name.to_owned(), wanted }
    }
}

fn is_digits(text: &str, lengths: std::ops::RangeInclusive<usize>) -> bool {
    lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    is_digits(whole, 0..=81) && is_digits(fraction, 0..=81) && whole.len() + fraction.len() > 0
}

fn is_date(text: &str) -> bool {
    let mut parts = text.split('-');
    let shape = [4, 2, 2].into_iter().all(|length| parts.next().is_some_and(|part| is_digits(part, length..=length)));
    shape && parts.next().is_none()
}

fn is_time(text: &str) -> bool {
    let clock = text.strip_prefix('-').unwrap_or(text);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = clock.split(':');
    parts.next().is_some_and(|hours| is_digits(hours, 1..=3))
        && parts.next().is_some_and(|minutes| is_digits(minutes, 2..=2))
        && parts.next().is_some_and(|seconds| is_digits(seconds, 2..=2))
        && parts.next().is_none()
        && is_digits(fraction, 1..=6)
}

fn is_date_time(text: &str) -> bool {
    text.split_once(' ').is_some_and(|(date, time)| is_date(date) && !time.starts_with('-') && is_time(time))
}
