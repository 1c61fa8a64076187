//! Rows of a fragment on their way into its temporary table.
//!
//! They are written as literals, many in a statement. The settings of the connection are such that each value is stored as it was.

use bytes::Bytes;
use vitrail_planner::plan::{Carried, Form, Fragment};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::rows::{self, RowBatch};

use super::budget::Budget;
use super::definition::Body;
use super::feed::{Feed, Step};
use super::seen::Seen;
use crate::failure;
use crate::reading::Sink;

/// Bytes of one INSERT, about.
const STATEMENT: usize = 256 << 10;

/// What a row takes beside its values.
const ROW: u64 = 32;

/// Takes rows, and has them inserted.
pub(super) struct Loader<'l> {
    number: usize,
    fragment: &'l Fragment,
    body: &'l Body,
    feed: &'l Feed,
    budget: &'l mut Budget,
    start: String,
    text: String,
    /// Rows so far, and what they take.
    loaded: Loaded,
    seen: Seen,
}

/// How much was loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Loaded {
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

impl<'l> Loader<'l> {
    pub(super) fn new(
        number: usize,
        fragments: &'l [Fragment],
        body: &'l Body,
        feed: &'l Feed,
        budget: &'l mut Budget,
    ) -> Loader<'l> {
        let fragment = &fragments[number];
        let start = format!("INSERT INTO {} ({}) VALUES ", fragment.qualified(), names(fragment));
        let seen = Seen::of(number, fragments);
        Loader { number, fragment, body, feed, budget, start, text: String::new(), loaded: Loaded::default(), seen }
    }

    /// Has inserted what is left. Gives how much that was in all, and what was seen of it.
    pub(super) async fn finish(mut self) -> Result<(Loaded, Seen), ErrorBody> {
        self.insert().await?;
        Ok((self.loaded, self.seen))
    }

    async fn insert(&mut self) -> Result<(), ErrorBody> {
        if self.text.is_empty() {
            return Ok(());
        }
        let sql = std::mem::take(&mut self.text);
        self.feed.send(Step { fragment: self.number, sql }).await
    }

    fn row(&mut self, cells: &[Option<&[u8]>]) -> Result<(), ErrorBody> {
        self.seen.row(cells);
        let mut cells = cells.iter().copied();
        self.text.push_str(if self.text.is_empty() { &self.start } else { ", " });
        self.text.push('(');
        for (number, column) in self.fragment.columns.iter().enumerate() {
            if number > 0 {
                self.text.push_str(", ");
            }
            match cells.next().ok_or_else(malformed)? {
                None => self.text.push_str("NULL"),
                Some(cell) => write(&mut self.text, cell, column.form).ok_or_else(malformed)?,
            }
        }
        self.text.push(')');
        if self.fragment.checked && cells.next().ok_or_else(malformed)? != Some(b"1") {
            return Err(failure::unsupported(format!(
                "a JSON document of `{}` has values that text cannot carry (dates, decimals), so that this statement cannot run over rows of \
                 several shards",
                self.fragment.table
            )));
        }
        Ok(())
    }
}

impl Sink for Loader<'_> {
    fn fields(&mut self, packed: &Bytes) -> Result<(), ErrorBody> {
        for (read, column) in rows::columns(packed).zip(&self.fragment.columns) {
            let read = read.map_err(|_| malformed())?;
            if !self.body.holds(column, &read) {
                return Err(failure::outdated(&self.fragment.keyspace));
            }
        }
        Ok(())
    }

    async fn rows(&mut self, batch: RowBatch) -> Result<(), ErrorBody> {
        let bytes = batch.bytes.len() as u64 + ROW * u64::from(batch.count);
        self.budget.take(bytes, &self.fragment.table)?;
        self.loaded.rows += u64::from(batch.count);
        self.loaded.bytes += bytes;
        for row in batch.rows() {
            let row = row.map_err(|_| malformed())?;
            let cells: Vec<Option<&[u8]>> = row.cells().collect::<Result<_, _>>().map_err(|_| malformed())?;
            self.row(&cells)?;
            if self.text.len() >= STATEMENT {
                self.insert().await?;
            }
        }
        Ok(())
    }
}

/// The columns that are loaded of a fragment, as INSERT lists them.
pub(super) fn names(fragment: &Fragment) -> String {
    let name = |column: &Carried| format!("`{}`", column.name.replace('`', "``"));
    fragment.columns.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// Writes a value as a literal. `None`: it is not of this form.
fn write(text: &mut String, cell: &[u8], form: Form) -> Option<()> {
    match form {
        Form::Number => text.push_str(number(cell)?),
        Form::Quoted => quote(text, std::str::from_utf8(cell).ok()?),
        Form::Bytes => hex(text, cell),
        Form::Instant => {
            let seconds = number(cell)?;
            if seconds.bytes().all(|byte| matches!(byte, b'0' | b'.')) {
                text.push_str("'0000-00-00 00:00:00'");
            } else {
                text.push_str("FROM_UNIXTIME(");
                text.push_str(seconds);
                text.push(')');
            }
        }
        Form::Opaque => match std::str::from_utf8(cell) {
            Ok(plain) if plain.bytes().all(|byte| byte.is_ascii_graphic()) => quote(text, plain),
            _ => hex(text, cell),
        },
    }
    Some(())
}

fn number(cell: &[u8]) -> Option<&str> {
    let digits = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let text = std::str::from_utf8(cell).ok()?;
    (!cell.is_empty() && cell.iter().all(digits)).then_some(text)
}

fn quote(text: &mut String, value: &str) {
    text.push('\'');
    let mut rest = value;
    while let Some(at) = rest.find(['\'', '\\', '\0']) {
        text.push_str(&rest[..at]);
        text.push_str(match rest.as_bytes()[at] {
            b'\'' => "\\'",
            b'\\' => "\\\\",
            _ => "\\0",
        });
        rest = &rest[at + 1..];
    }
    text.push_str(rest);
    text.push('\'');
}

fn hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    text.push_str("x'");
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text.push('\'');
}

fn malformed() -> ErrorBody {
    failure::internal("a shard has sent rows that cannot be told")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_so_that_they_are_stored_as_they_were() {
        for (cell, form, expected) in [
            ("-12.50", Form::Number, Some("-12.50")),
            ("1; DROP", Form::Number, None),
            ("", Form::Number, None),
            ("it's a \\ \0 \u{1f600}", Form::Quoted, Some("'it\\'s a \\\\ \\0 \u{1f600}'")),
            ("1e308", Form::Quoted, Some("'1e308'")),
            ("\u{1}a", Form::Bytes, Some("x'0161'")),
            ("", Form::Bytes, Some("x''")),
            ("0.000000", Form::Instant, Some("'0000-00-00 00:00:00'")),
            ("1700000000.5", Form::Instant, Some("FROM_UNIXTIME(1700000000.5)")),
            ("550e8400-e29b", Form::Opaque, Some("'550e8400-e29b'")),
            ("\0\0", Form::Opaque, Some("x'0000'")),
        ] {
            let mut text = String::new();
            let written = write(&mut text, cell.as_bytes(), form);
            assert_eq!(written.map(|()| &*text), expected, "{cell:?}");
        }
    }
}
