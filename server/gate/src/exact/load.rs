//! Rows of a fragment on their way into its temporary table.
//!
//! They are written as literals, many in a statement. The settings of the connection are such that each value is stored as it was.

use bytes::Bytes;
use vitrail_planner::plan::{Carried, Form, Fragment};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::Ran;
use vitrail_proto::rows::{self, RowBatch};

use super::budget::Budget;
use super::definition::Body;
use super::server::Connection;
use crate::reading::Sink;
use crate::{facts, failure};

/// Bytes of one INSERT, about.
const STATEMENT: usize = 256 << 10;

/// What a row takes beside its values.
const ROW: u64 = 32;

/// Takes rows, and inserts them.
pub(super) struct Loader<'l, 'c> {
    fragment: &'l Fragment,
    body: &'l Body,
    connection: &'l mut Connection<'c>,
    budget: &'l mut Budget,
    start: String,
    text: String,
    /// Rows so far, and what they take.
    loaded: Loaded,
}

/// How much was loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Loaded {
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

impl<'l, 'c> Loader<'l, 'c> {
    pub(super) fn new(
        fragment: &'l Fragment,
        body: &'l Body,
        connection: &'l mut Connection<'c>,
        budget: &'l mut Budget,
    ) -> Loader<'l, 'c> {
        let name = |column: &Carried| format!("`{}`", column.name.replace('`', "``"));
        let names: Vec<String> = fragment.columns.iter().map(name).collect();
        let start = format!("INSERT INTO {} ({}) VALUES ", fragment.qualified(), names.join(", "));
        Loader { fragment, body, connection, budget, start, text: String::new(), loaded: Loaded::default() }
    }

    /// Notes how the rows were read.
    pub(super) fn note(&mut self, ran: Option<&Ran>) {
        facts::and_then(&mut self.connection.ran, ran);
    }

    /// Inserts what is left. Gives how much that was in all.
    pub(super) async fn finish(mut self) -> Result<Loaded, ErrorBody> {
        self.insert().await?;
        Ok(self.loaded)
    }

    async fn insert(&mut self) -> Result<(), ErrorBody> {
        if self.text.is_empty() {
            return Ok(());
        }
        let text = std::mem::take(&mut self.text);
        let warnings = self.connection.run(text).await.map_err(|error| match error.errno {
            1062 => failure::unsupported(format!(
                "rows of `{}` on different shards have the same unique key ({}): one MySQL could not hold them, so there is no answer that is \
                 right",
                self.fragment.table, error.message
            )),
            _ => error,
        })?;
        // A value is not stored as it was: the table has other types than the gate knows.
        if warnings > 0 { Err(failure::outdated(&self.fragment.keyspace)) } else { Ok(()) }
    }

    fn row<'r>(&mut self, mut cells: impl Iterator<Item = Option<&'r [u8]>>) -> Result<(), ErrorBody> {
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

impl Sink for Loader<'_, '_> {
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
            self.row(cells.into_iter())?;
            if self.text.len() >= STATEMENT {
                self.insert().await?;
            }
        }
        Ok(())
    }
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
