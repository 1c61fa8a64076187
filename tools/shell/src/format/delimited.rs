//! CSV and TSV.

use std::io::{self, Write};

use vitrail_client::Column;

use super::{Cell, Kind, ResultWriter, display, kind};

/// RFC 4180 with `\n` line ends: quotes only where they are needed, and around empty text to tell it from NULL.
#[derive(Default)]
pub struct CsvWriter {
    kinds: Vec<Kind>,
}

impl ResultWriter for CsvWriter {
    fn columns(&mut self, columns: &[Column], out: &mut dyn Write) -> io::Result<()> {
        self.kinds = columns.iter().map(kind).collect();
        line(columns.iter().map(|column| csv_field(&column.name)), ",", out)
    }

    fn row(&mut self, row: &[Cell<'_>], out: &mut dyn Write) -> io::Result<()> {
        let fields = row.iter().zip(&self.kinds);
        line(
            fields.map(|(cell, &kind)| cell.map_or_else(String::new, |bytes| csv_field(&display(bytes, kind)))),
            ",",
            out,
        )
    }

    fn finish(&mut self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// Tab-separated, as `LOAD DATA` reads it back by default.
#[derive(Default)]
pub struct TsvWriter {
    kinds: Vec<Kind>,
}

impl ResultWriter for TsvWriter {
    fn columns(&mut self, columns: &[Column], out: &mut dyn Write) -> io::Result<()> {
        self.kinds = columns.iter().map(kind).collect();
        line(columns.iter().map(|column| tsv_field(&column.name)), "\t", out)
    }

    fn row(&mut self, row: &[Cell<'_>], out: &mut dyn Write) -> io::Result<()> {
        let fields = row.iter().zip(&self.kinds);
        line(
            fields.map(|(cell, &kind)| cell.map_or_else(|| "\\N".to_owned(), |bytes| tsv_field(&display(bytes, kind)))),
            "\t",
            out,
        )
    }

    fn finish(&mut self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

fn line(fields: impl Iterator<Item = String>, separator: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", fields.collect::<Vec<_>>().join(separator))
}

fn csv_field(text: &str) -> String {
    let quotes = text.is_empty() || text.contains([',', '"', '\n', '\r']);
    if quotes { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

fn tsv_field(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n")
}
