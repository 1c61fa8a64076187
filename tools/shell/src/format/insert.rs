//! INSERT statements that make the rows again, several rows each.

use std::io::{self, Write};

use vitrail_client::Column;

use super::{Cell, Kind, ResultWriter, hex, kind};
use crate::lexing::quoted;

/// Rows and bytes of one statement.
const ROWS: usize = 500;
const BYTES: usize = 512 << 10;

/// Writes statements of many rows.
#[derive(Default)]
pub struct InsertWriter {
    /// `INSERT INTO t (a, b) VALUES`
    head: String,
    kinds: Vec<Kind>,
    /// Rows and bytes of the statement at hand.
    rows: usize,
    bytes: usize,
}

impl ResultWriter for InsertWriter {
    fn columns(&mut self, columns: &[Column], _out: &mut dyn Write) -> io::Result<()> {
        self.kinds = columns.iter().map(kind).collect();
        // A result of one table goes back there; anything else needs a name from whoever uses it.
        let first = columns.first().map(|column| &*column.table).unwrap_or_default();
        let one = !first.is_empty() && columns.iter().all(|column| &*column.table == first);
        let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
        self.head = format!("INSERT INTO {} ({}) VALUES", quoted(if one { first } else { "result" }), names.join(", "));
        Ok(())
    }

    fn row(&mut self, row: &[Cell<'_>], out: &mut dyn Write) -> io::Result<()> {
        let values: Vec<String> = row.iter().zip(&self.kinds).map(|(cell, kind)| literal(*cell, *kind)).collect();
        let values = format!("({})", values.join(", "));
        if self.rows > 0 && (self.rows == ROWS || self.bytes + values.len() > BYTES) {
            self.finish(out)?;
        }
        match self.rows {
            0 => write!(out, "{}\n  {values}", self.head)?,
            _ => write!(out, ",\n  {values}")?,
        }
        self.rows += 1;
        self.bytes += values.len();
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.rows > 0 {
            writeln!(out, ";")?;
        }
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}

/// A value as a literal for the default sql_mode.
fn literal(cell: Cell<'_>, kind: Kind) -> String {
    let Some(bytes) = cell else { return "NULL".into() };
    match (kind, std::str::from_utf8(bytes)) {
        (Kind::Number | Kind::Decimal, Ok(text)) => text.to_owned(),
        (Kind::Binary, _) | (_, Err(_)) if bytes.is_empty() => "''".into(),
        (Kind::Binary, _) | (_, Err(_)) => hex(bytes),
        (_, Ok(text)) => {
            let escaped = text.replace('\\', "\\\\").replace('\'', "''").replace('\n', "\\n").replace('\0', "\\0");
            format!("'{escaped}'")
        }
    }
}
