//! A drawn table, as wide as the terminal at most.
//!
//! The first rows are held to measure them; then the widths stand and rows are written as they come, so that a long result takes
//! no more memory than a short one.

use std::io::{self, Write};

use nu_ansi_term::Style;
use vitrail_client::Column;

use super::layout::{Measure, cut, fit, width};
use super::vertical::VerticalWriter;
use super::{Cell, Expanded, Kind, Look, ResultWriter, kind, shaded, visible};
use crate::terminal::{dim, painted};

/// Rows that are measured before the first is drawn, and how many bytes of them at most.
const MEASURED_ROWS: usize = 1000;
const MEASURED_BYTES: usize = 4 << 20;

/// Lines and corners: left, within, between columns, right.
struct Frame {
    top: [&'static str; 4],
    under: [&'static str; 4],
    bottom: [&'static str; 4],
    side: &'static str,
}

const UNICODE: Frame = Frame {
    top: ["┌─", "─", "─┬─", "─┐"],
    under: ["├─", "─", "─┼─", "─┤"],
    bottom: ["└─", "─", "─┴─", "─┘"],
    side: "│",
};

const ASCII: Frame = Frame {
    top: ["+-", "-", "-+-", "-+"],
    under: ["+-", "-", "-+-", "-+"],
    bottom: ["+-", "-", "-+-", "-+"],
    side: "|",
};

/// A cell as it will be shown, and whether it is NULL.
type Shown = (String, bool);

/// Draws rows in a frame.
pub struct TableWriter {
    look: Look,
    columns: Vec<Column>,
    kinds: Vec<Kind>,
    held: Vec<Vec<Option<Vec<u8>>>>,
    held_bytes: usize,
    /// Settled once enough rows were measured.
    widths: Option<Vec<usize>>,
    /// The table did not fit: it is turned.
    turned: Option<VerticalWriter>,
    /// Columns with a cell that was cut.
    cut: Vec<bool>,
    rows: usize,
}

impl TableWriter {
    /// A table with this look.
    pub fn new(look: &Look) -> TableWriter {
        TableWriter {
            look: look.clone(),
            columns: Vec::new(),
            kinds: Vec::new(),
            held: Vec::new(),
            held_bytes: 0,
            widths: None,
            turned: None,
            cut: Vec::new(),
            rows: 0,
        }
    }

    fn frame(&self) -> &'static Frame {
        if self.look.unicode { &UNICODE } else { &ASCII }
    }

    fn shown(&self, cell: Cell<'_>, kind: Kind) -> Shown {
        (visible(cell, kind, &self.look.null, false), cell.is_none())
    }

    /// Settles widths by what is held, and draws it.
    fn settle(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let held = std::mem::take(&mut self.held);
        let rows: Vec<Vec<Shown>> = held.iter().map(|row| self.show(row)).collect();
        let measures: Vec<Measure> = (0..self.columns.len())
            .map(|index| {
                let name = width(&self.columns[index].name);
                let cells = rows.iter().flat_map(|row| row[index].0.split('\n').map(width));
                Measure { natural: cells.max().unwrap_or(0).max(name), name, kind: self.kinds[index] }
            })
            .collect();
        let natural = || measures.iter().map(|measure| measure.natural).collect();
        let widths = match self.look.width {
            None => Some(natural()),
            Some(columns) => fit(&measures, columns),
        };
        match widths {
            Some(widths) => self.widths = Some(widths),
            None if self.look.expanded == Expanded::Off => self.widths = Some(natural()),
            None => {
                let mut turned = VerticalWriter::new(&self.look);
                turned.columns(&self.columns, out)?;
                for row in &held {
                    turned.row(&row.iter().map(Option::as_deref).collect::<Vec<_>>(), out)?;
                }
                self.turned = Some(turned);
                return Ok(());
            }
        }
        let frame = self.frame();
        self.line(&frame.top, out)?;
        let names: Vec<Shown> = self.columns.iter().map(|column| (column.name.to_string(), false)).collect();
        self.cells(&names, true, out)?;
        self.line(&frame.under, out)?;
        for row in &rows {
            self.cells(row, false, out)?;
        }
        Ok(())
    }

    fn show(&self, row: &[Option<Vec<u8>>]) -> Vec<Shown> {
        row.iter().zip(&self.kinds).map(|(cell, kind)| self.shown(cell.as_deref(), *kind)).collect()
    }

    fn line(&self, [left, within, between, right]: &[&str; 4], out: &mut dyn Write) -> io::Result<()> {
        let widths = self.widths.as_deref().unwrap_or_default();
        let middle: Vec<String> = widths.iter().map(|width| within.repeat(*width)).collect();
        let line = format!("{left}{}{right}", middle.join(between));
        writeln!(out, "{}", painted(&line, dim(), self.look.colour))
    }

    /// Draws one row: as many lines as its tallest cell has.
    fn cells(&mut self, row: &[Shown], header: bool, out: &mut dyn Write) -> io::Result<()> {
        let side = painted(self.frame().side, dim(), self.look.colour);
        let lines: Vec<Vec<&str>> = row.iter().map(|(text, _)| text.split('\n').collect()).collect();
        let height = lines.iter().map(Vec::len).max().unwrap_or(1);
        for line in 0..height {
            let mut drawn = side.clone();
            for (index, cell) in lines.iter().enumerate() {
                let column = self.widths.as_ref().map_or(0, |widths| widths[index]);
                let text = cell.get(line).copied().unwrap_or_default();
                // Elsewhere than on a terminal nothing is cut: a late long cell sticks out.
                let (text, was_cut) =
                    if self.look.width.is_some() { cut(text, column) } else { (text.to_owned(), false) };
                self.cut[index] |= was_cut && !header;
                let blank = " ".repeat(column.saturating_sub(width(&text)));
                let text = match header {
                    true => painted(&text, Style::new().bold(), self.look.colour),
                    false => shaded(&text, row[index].1, self.look.colour),
                };
                let right = matches!(self.kinds[index], Kind::Number | Kind::Decimal);
                drawn += &if right { format!(" {blank}{text} ") } else { format!(" {text}{blank} ") };
                drawn += &side;
            }
            writeln!(out, "{drawn}")?;
        }
        Ok(())
    }
}

impl ResultWriter for TableWriter {
    fn columns(&mut self, columns: &[Column], _out: &mut dyn Write) -> io::Result<()> {
        self.columns = columns.to_vec();
        self.kinds = columns.iter().map(kind).collect();
        self.cut = vec![false; columns.len()];
        Ok(())
    }

    fn row(&mut self, row: &[Cell<'_>], out: &mut dyn Write) -> io::Result<()> {
        self.rows += 1;
        if let Some(turned) = &mut self.turned {
            return turned.row(row, out);
        }
        if self.widths.is_some() {
            let shown: Vec<Shown> = row.iter().zip(&self.kinds).map(|(cell, kind)| self.shown(*cell, *kind)).collect();
            return self.cells(&shown, false, out);
        }
        self.held_bytes += row.iter().flatten().map(|cell| cell.len()).sum::<usize>();
        self.held.push(row.iter().map(|cell| cell.map(<[u8]>::to_vec)).collect());
        if self.held.len() >= MEASURED_ROWS || self.held_bytes >= MEASURED_BYTES { self.settle(out) } else { Ok(()) }
    }

    fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.turned.is_none() && self.widths.is_none() {
            self.settle(out)?;
        }
        match &mut self.turned {
            Some(turned) => turned.finish(out),
            None => self.line(&self.frame().bottom, out),
        }
    }

    fn note(&self) -> Option<String> {
        let names: Vec<&str> =
            self.columns.iter().zip(&self.cut).filter(|(_, cut)| **cut).map(|(column, _)| &*column.name).collect();
        let widths = match self.rows > MEASURED_ROWS {
            true => format!(" (widths are those of the first {MEASURED_ROWS} rows)"),
            false => String::new(),
        };
        (!names.is_empty()).then(|| format!("{} cut to fit{widths}: \\G shows cells whole", names.join(", ")))
    }
}
