//! One column a line.

use std::io::{self, Write};

use nu_ansi_term::Style;
use vitrail_client::Column;

use super::layout::width;
use super::{Cell, Kind, Look, ResultWriter, kind, shaded, visible};
use crate::terminal::{dim, painted};

/// Writes each row as a block of `name: value` lines.
pub struct VerticalWriter {
    look: Look,
    /// Each column's name, aligned, and what its cells are.
    columns: Vec<(String, Kind)>,
    /// Put before further lines of a cell.
    indent: String,
    rows: u64,
}

impl VerticalWriter {
    /// Blocks with this look.
    pub fn new(look: &Look) -> VerticalWriter {
        VerticalWriter { look: look.clone(), columns: Vec::new(), indent: String::new(), rows: 0 }
    }
}

impl ResultWriter for VerticalWriter {
    fn columns(&mut self, columns: &[Column], _out: &mut dyn Write) -> io::Result<()> {
        let widest = columns.iter().map(|column| width(&column.name)).max().unwrap_or(0);
        let aligned = columns.iter().map(|column| {
            let name = format!("{}{}", " ".repeat(widest - width(&column.name)), column.name);
            (painted(&name, Style::new().bold(), self.look.colour), kind(column))
        });
        self.columns = aligned.collect();
        // Elsewhere than on a terminal a cell is written as it is.
        self.indent = if self.look.width.is_some() { " ".repeat(widest + 2) } else { String::new() };
        Ok(())
    }

    fn row(&mut self, row: &[Cell<'_>], out: &mut dyn Write) -> io::Result<()> {
        self.rows += 1;
        let stars = "*".repeat(27);
        let head = format!("{stars} {}. row {stars}", self.rows);
        writeln!(out, "{}", painted(&head, dim(), self.look.colour))?;
        for (cell, (name, kind)) in row.iter().zip(&self.columns) {
            let value = visible(*cell, *kind, &self.look.null, true).replace('\n', &format!("\n{}", self.indent));
            writeln!(out, "{name}: {}", shaded(&value, cell.is_none(), self.look.colour))?;
        }
        Ok(())
    }

    fn finish(&mut self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}
