//! A drawn table, as wide as the terminal.

use std::io::{self, Write};

use comfy_table::{Cell as TableCell, CellAlignment, ContentArrangement, Table, presets};
use vitrail_client::Column;

use super::{Cell, Kind, ResultWriter, display, kind};

/// Rows per drawn table: column widths need the rows in memory, so a long result is drawn in pieces.
const PIECE: usize = 1000;

/// Collects rows and draws them.
pub struct TableWriter {
    width: Option<u16>,
    names: Vec<String>,
    kinds: Vec<Kind>,
    rows: Vec<Vec<TableCell>>,
    drawn: bool,
}

impl TableWriter {
    /// `width`: columns of the terminal; `None` never wraps.
    pub fn new(width: Option<u16>) -> TableWriter {
        TableWriter { width, names: Vec::new(), kinds: Vec::new(), rows: Vec::new(), drawn: false }
    }

    fn draw(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new();
        table.load_preset(presets::UTF8_FULL_CONDENSED).set_header(self.names.iter().map(TableCell::new));
        match self.width {
            Some(width) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width),
            None => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        for row in self.rows.drain(..) {
            table.add_row(row);
        }
        self.drawn = true;
        writeln!(out, "{table}")
    }
}

impl ResultWriter for TableWriter {
    fn columns(&mut self, columns: &[Column], _out: &mut dyn Write) -> io::Result<()> {
        self.names = columns.iter().map(|column| column.name.to_string()).collect();
        self.kinds = columns.iter().map(kind).collect();
        Ok(())
    }

    fn row(&mut self, row: &[Cell<'_>], out: &mut dyn Write) -> io::Result<()> {
        let cells = row.iter().zip(&self.kinds).map(|(cell, &kind)| {
            let text = cell.map_or_else(|| "NULL".to_owned(), |bytes| visible(&display(bytes, kind)));
            let right = matches!(kind, Kind::Number | Kind::Decimal);
            TableCell::new(text).set_alignment(if right { CellAlignment::Right } else { CellAlignment::Left })
        });
        self.rows.push(cells.collect());
        if self.rows.len() >= PIECE { self.draw(out) } else { Ok(()) }
    }

    fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.rows.is_empty() && (self.drawn || self.names.is_empty()) { Ok(()) } else { self.draw(out) }
    }
}

/// Control characters would break the drawing (and could command the terminal): they are shown escaped.
fn visible(text: &str) -> String {
    if !text.chars().any(|c| c.is_control() && c != '\n') {
        return text.to_owned();
    }
    text.chars()
        .flat_map(|c| if c.is_control() && c != '\n' { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect()
}
