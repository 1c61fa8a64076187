//! How a result is written to standard output: one writer per format, fed row by row.

mod delimited;
mod json;
mod table;
mod vertical;

use std::io::{self, Write};

use vitrail_client::Column;

/// One cell: NULL, or MySQL's text form of the value.
pub type Cell<'a> = Option<&'a [u8]>;

/// Output formats of the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A drawn table, for people.
    Table,
    /// One column a line, for wide rows.
    Vertical,
    /// One JSON array of objects.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated, RFC 4180; NULL is an empty unquoted field.
    Csv,
    /// Tab-separated with `\t`, `\n`, `\\` escaped; NULL is `\N`.
    Tsv,
}

impl Format {
    /// A writer for one result.
    pub fn writer(self, width: Option<u16>) -> Box<dyn ResultWriter> {
        match self {
            Format::Table => Box::new(table::TableWriter::new(width)),
            Format::Vertical => Box::new(vertical::VerticalWriter::default()),
            Format::Json => Box::new(json::JsonWriter::array()),
            Format::Jsonl => Box::new(json::JsonWriter::lines()),
            Format::Csv => Box::new(delimited::CsvWriter::default()),
            Format::Tsv => Box::new(delimited::TsvWriter::default()),
        }
    }
}

/// Writes one result: columns once, then rows, then the end.
pub trait ResultWriter: Send {
    /// The columns of the result.
    fn columns(&mut self, columns: &[Column], out: &mut dyn Write) -> io::Result<()>;
    /// One row.
    fn row(&mut self, row: &[Cell<'_>], out: &mut dyn Write) -> io::Result<()>;
    /// No more rows.
    fn finish(&mut self, out: &mut dyn Write) -> io::Result<()>;
}

/// What a column's values are, for alignment and JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Integers and doubles.
    Number,
    /// Exact decimals: a number to the eye, a string in JSON.
    Decimal,
    /// A JSON document.
    Json,
    /// Bytes.
    Binary,
    /// Everything else.
    Text,
}

/// What the values of a column are.
fn kind(column: &Column) -> Kind {
    match column.type_code {
        _ if column.is_binary() => Kind::Binary,
        0 | 246 => Kind::Decimal,
        245 => Kind::Json,
        _ if column.is_number() => Kind::Number,
        _ => Kind::Text,
    }
}

/// A cell as people read it: text as it is with control characters shown, bytes as `0x…`.
fn display(cell: &[u8], kind: Kind) -> String {
    match (kind, std::str::from_utf8(cell)) {
        (Kind::Binary, _) | (_, Err(_)) => hex(cell),
        (_, Ok(text)) => text.to_owned(),
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(2 + bytes.len() * 2);
    out.push_str("0x");
    for byte in bytes {
        write!(out, "{byte:02X}").expect("writing to a String cannot fail");
    }
    out
}

#[cfg(test)]
mod tests;
