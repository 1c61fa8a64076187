//! A table for Markdown: pipes escaped, line breaks as `<br>`, numbers right.

use std::io::{self, Write};

use vitrail_client::Column;

use super::{Cell, Kind, Look, ResultWriter, kind, visible};

/// Writes a row a line.
pub struct MarkdownWriter {
    null: String,
    kinds: Vec<Kind>,
}

impl MarkdownWriter {
    /// A table with this look's NULL.
    pub fn new(look: &Look) -> MarkdownWriter {
        MarkdownWriter { null: look.null.clone(), kinds: Vec::new() }
    }
}

impl ResultWriter for MarkdownWriter {
    fn columns(&mut self, columns: &[Column], out: &mut dyn Write) -> io::Result<()> {
        self.kinds = columns.iter().map(kind).collect();
        line(columns.iter().map(|column| escaped(&column.name)), out)?;
        let right = |kind: &Kind| matches!(kind, Kind::Number | Kind::Decimal);
        line(self.kinds.iter().map(|kind| if right(kind) { "---:" } else { "---" }.to_owned()), out)
    }

    fn row(&mut self, row: &[Cell<'_>], out: &mut dyn Write) -> io::Result<()> {
        let cells = row.iter().zip(&self.kinds);
        line(cells.map(|(cell, kind)| escaped(&visible(*cell, *kind, &self.null, false))), out)
    }

    fn finish(&mut self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

fn line(cells: impl Iterator<Item = String>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "| {} |", cells.collect::<Vec<_>>().join(" | "))
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('\n', "<br>")
}
