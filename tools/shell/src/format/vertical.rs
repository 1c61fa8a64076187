//! One column a line.

use std::io::{self, Write};

use vitrail_client::Column;

use super::{Cell, Kind, ResultWriter, display, kind};

/// Writes each row as a block of `name: value` lines.
#[derive(Default)]
pub struct VerticalWriter {
    columns: Vec<(String, Kind)>,
    width: usize,
    rows: u64,
}

impl ResultWriter for VerticalWriter {
    fn columns(&mut self, columns: &[Column], _out: &mut dyn Write) -> io::Result<()> {
        self.columns = columns.iter().map(|column| (column.name.to_string(), kind(column))).collect();
        self.width = columns.iter().map(|column| column.name.chars().count()).max().unwrap_or(0);
        Ok(())
    }

    fn row(&mut self, row: &[Cell<'_>], out: &mut dyn Write) -> io::Result<()> {
        self.rows += 1;
        let stars = "*".repeat(27);
        writeln!(out, "{stars} {}. row {stars}", self.rows)?;
        for (cell, (name, kind)) in row.iter().zip(&self.columns) {
            let value = cell.map_or_else(|| "NULL".to_owned(), |bytes| display(bytes, *kind));
            writeln!(out, "{name:>width$}: {value}", width = self.width)?;
        }
        Ok(())
    }

    fn finish(&mut self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}
