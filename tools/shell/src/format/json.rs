//! JSON, as one array or as one object a line.
//!
//! Integers and doubles are JSON numbers with MySQL's digits; exact decimals are strings, because most readers would round
//! them; bytes are `"0x…"`. A column name that occurs again gets `_2`, `_3`, so that no value is lost.

use std::collections::HashMap;
use std::io::{self, Write};

use vitrail_client::Column;

use super::{Cell, Kind, ResultWriter, display, kind};

/// Writes objects.
pub struct JsonWriter {
    lines: bool,
    /// Each column's key, quoted, and its kind.
    columns: Vec<(String, Kind)>,
    rows: u64,
}

impl JsonWriter {
    /// One array.
    pub fn array() -> JsonWriter {
        JsonWriter { lines: false, columns: Vec::new(), rows: 0 }
    }

    /// One object a line.
    pub fn lines() -> JsonWriter {
        JsonWriter { lines: true, ..JsonWriter::array() }
    }
}

impl ResultWriter for JsonWriter {
    fn columns(&mut self, columns: &[Column], out: &mut dyn Write) -> io::Result<()> {
        let mut seen: HashMap<&str, u32> = HashMap::new();
        self.columns = columns
            .iter()
            .map(|column| {
                let count = seen.entry(&column.name).and_modify(|n| *n += 1).or_insert(1);
                let key = if *count == 1 { column.name.to_string() } else { format!("{}_{count}", column.name) };
                (quote(&key), kind(column))
            })
            .collect();
        if self.lines { Ok(()) } else { write!(out, "[") }
    }

    fn row(&mut self, row: &[Cell<'_>], out: &mut dyn Write) -> io::Result<()> {
        if !self.lines {
            out.write_all(if self.rows == 0 { b"\n  " } else { b",\n  " })?;
        }
        self.rows += 1;
        out.write_all(b"{")?;
        for (index, (cell, (key, kind))) in row.iter().zip(&self.columns).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(out, "{comma}{key}: {}", cell.map_or_else(|| "null".to_owned(), |bytes| value(bytes, *kind)))?;
        }
        out.write_all(if self.lines { b"}\n" } else { b"}" })
    }

    fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        match (self.lines, self.rows) {
            (true, _) => Ok(()),
            (false, 0) => writeln!(out, "]"),
            (false, _) => writeln!(out, "\n]"),
        }
    }
}

fn value(bytes: &[u8], kind: Kind) -> String {
    let text = display(bytes, kind);
    let verbatim = match kind {
        Kind::Number | Kind::Json => serde_json::from_str::<serde_json::Value>(&text).is_ok(),
        Kind::Decimal | Kind::Moment | Kind::Binary | Kind::Text => false,
    };
    if verbatim { text.replace('\n', " ") } else { quote(&text) }
}

fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
