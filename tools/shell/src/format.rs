//! How a result is written: one writer per format, fed row by row.

mod delimited;
mod insert;
mod json;
mod layout;
mod markdown;
mod table;
mod vertical;

use std::io::{self, Write};

use vitrail_client::Column;

use crate::terminal::{dim, painted};

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
    /// A table for Markdown.
    Markdown,
    /// INSERT statements that make the rows again.
    SqlInsert,
}

/// When a table is turned into one column a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Expanded {
    /// When it does not fit the terminal.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// How formats for people look.
#[derive(Debug, Clone)]
pub struct Look {
    /// Columns of the terminal; `None`: not a terminal, nothing is cut.
    pub width: Option<usize>,
    /// Colours are welcome.
    pub colour: bool,
    /// Frames of Unicode lines; else of `+`, `-` and `|`.
    pub unicode: bool,
    /// How NULL is written.
    pub null: String,
    /// When a table is turned.
    pub expanded: Expanded,
}

impl Format {
    /// A writer for one result.
    pub fn writer(self, look: &Look) -> Box<dyn ResultWriter> {
        match self {
            Format::Table if look.expanded == Expanded::On => Box::new(vertical::VerticalWriter::new(look)),
            Format::Table => Box::new(table::TableWriter::new(look)),
            Format::Vertical => Box::new(vertical::VerticalWriter::new(look)),
            Format::Json => Box::new(json::JsonWriter::array()),
            Format::Jsonl => Box::new(json::JsonWriter::lines()),
            Format::Csv => Box::new(delimited::CsvWriter::default()),
            Format::Tsv => Box::new(delimited::TsvWriter::default()),
            Format::Markdown => Box::new(markdown::MarkdownWriter::new(look)),
            Format::SqlInsert => Box::new(insert::InsertWriter::default()),
        }
    }

    /// Made for people: a terminal may page it.
    pub fn is_for_people(self) -> bool {
        matches!(self, Format::Table | Format::Vertical | Format::Markdown)
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
    /// What the reader should know of how it was written.
    fn note(&self) -> Option<String> {
        None
    }
}

/// What a column's values are, for alignment and JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Integers and doubles.
    Number,
    /// Exact decimals: a number to the eye, a string in JSON.
    Decimal,
    /// Dates and times: a part of one would mislead.
    Moment,
    /// A JSON document.
    Json,
    /// Bytes.
    Binary,
    /// Everything else.
    Text,
}

/// What the values of a column are.
pub fn kind(column: &Column) -> Kind {
    match column.type_code {
        _ if column.is_binary() => Kind::Binary,
        0 | 246 => Kind::Decimal,
        245 => Kind::Json,
        7 | 10..=12 => Kind::Moment,
        _ if column.is_number() => Kind::Number,
        _ => Kind::Text,
    }
}

/// A cell as it is written: text as it is, bytes as `0x…`.
fn display(cell: &[u8], kind: Kind) -> String {
    match (kind, std::str::from_utf8(cell)) {
        (Kind::Binary, _) | (_, Err(_)) => hex(cell),
        (_, Ok(text)) => text.to_owned(),
    }
}

/// Bytes as SQL writes them.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(2 + bytes.len() * 2);
    out.push_str("0x");
    for byte in bytes {
        write!(out, "{byte:02X}").expect("writing to a String cannot fail");
    }
    out
}

/// A cell for people: control characters are shown escaped, because they would break the drawing and could command the
/// terminal; a text that looks like NULL is quoted. Line breaks stay.
fn visible(cell: Cell<'_>, kind: Kind, null: &str, keep_tabs: bool) -> String {
    let Some(bytes) = cell else { return null.to_owned() };
    let text = display(bytes, kind);
    if text == null {
        return format!("'{text}'");
    }
    let stays = |c: char| !c.is_control() || c == '\n' || (c == '\t' && keep_tabs);
    if text.chars().all(stays) {
        return text;
    }
    text.chars().flat_map(|c| if stays(c) { vec![c] } else { c.escape_default().collect() }).collect()
}

/// NULL recedes.
fn shaded(text: &str, is_null: bool, colour: bool) -> String {
    if is_null { painted(text, dim(), colour) } else { text.to_owned() }
}

#[cfg(test)]
mod tests;
