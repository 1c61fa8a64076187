//! One row, and how its cells become Rust values.

use std::sync::Arc;

use bytes::Bytes;
use vitrail_proto::rows;

use crate::column::{Column, Columns};
use crate::error::Error;

/// One row of a result: MySQL's own text form, decoded cell by cell when asked.
#[derive(Clone)]
pub struct Row {
    columns: Arc<Columns>,
    bytes: Bytes,
    /// Start and end of each cell in `bytes`; start above end: NULL.
    cells: Box<[(u32, u32)]>,
}

/// Marks NULL in `cells`.
const NULL: (u32, u32) = (1, 0);

impl Row {
    /// Cuts a text row into its cells.
    pub(crate) fn new(columns: Arc<Columns>, bytes: Bytes) -> Result<Row, Error> {
        let mut cells = Vec::with_capacity(columns.len());
        let base = bytes.as_ptr().addr();
        for cell in rows::Row::new(&bytes).cells() {
            let cell = cell.map_err(|_| Error::protocol("a row ends inside a cell"))?;
            if cells.len() == columns.len() {
                return Err(Error::protocol("a row has more cells than columns"));
            }
            // Cells are slices of the row, and a row is shorter than 4 GiB: its length came as a u32.
            cells.push(cell.map_or(NULL, |cell| {
                let start = cell.as_ptr().addr() - base;
                (start as u32, (start + cell.len()) as u32)
            }));
        }
        if cells.len() < columns.len() {
            return Err(Error::protocol("a row has fewer cells than columns"));
        }
        Ok(Row { columns, bytes, cells: cells.into_boxed_slice() })
    }

    /// The cell of a column, by name (`"id"`, the first of that name) or by index (`0`).
    ///
    /// Fails if there is no such column, if the cell is NULL and `T` is no `Option`, or if it does not fit `T`.
    pub fn get<'a, T: FromCell<'a>>(&'a self, column: impl ColumnIndex) -> Result<T, Error> {
        let index = column.index(&self.columns)?;
        let cell = self.cell(index).ok_or_else(|| Error::conversion(&index.to_string(), "a cell", "no such column"))?;
        T::from_cell(cell)
    }

    /// The bytes of a cell as MySQL sent them; `None` for NULL and for an index beyond the last.
    pub fn raw(&self, index: usize) -> Option<&[u8]> {
        self.cell(index)?.bytes
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[Column] {
        self.columns.as_slice()
    }

    /// How many cells.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether it has no cells; never so for a row that MySQL sent.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    fn cell(&self, index: usize) -> Option<Cell<'_>> {
        let (start, end) = *self.cells.get(index)?;
        let bytes = (start <= end).then(|| &self.bytes[start as usize..end as usize]);
        Some(Cell { bytes, column: &self.columns.as_slice()[index] })
    }
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut map = f.debug_map();
        for (index, column) in self.columns().iter().enumerate() {
            map.entry(&column.name, &self.raw(index).map(String::from_utf8_lossy));
        }
        map.finish()
    }
}

/// A cell on its way to a Rust value.
#[derive(Debug, Clone, Copy)]
pub struct Cell<'a> {
    /// MySQL's text form; `None` is NULL.
    pub bytes: Option<&'a [u8]>,
    /// Its column.
    pub column: &'a Column,
}

impl<'a> Cell<'a> {
    /// The bytes, or an error that names the column if the cell is NULL.
    pub fn not_null(&self, expected: &str) -> Result<&'a [u8], Error> {
        self.bytes.ok_or_else(|| Error::conversion(&self.column.name, expected, "it is NULL; ask for an Option"))
    }

    /// The text, or an error that names the column.
    pub fn text(&self, expected: &str) -> Result<&'a str, Error> {
        let bytes = self.not_null(expected)?;
        std::str::from_utf8(bytes).map_err(|_| self.mismatch(expected, "it is not UTF-8; ask for Vec<u8>"))
    }

    /// An error for this cell.
    pub fn mismatch(&self, expected: &str, found: impl std::fmt::Display) -> Error {
        Error::conversion(&self.column.name, expected, found)
    }
}

/// Names a column of a row.
pub trait ColumnIndex {
    /// Its index among `columns`.
    fn index(&self, columns: &Columns) -> Result<usize, Error>;
}

impl ColumnIndex for usize {
    fn index(&self, columns: &Columns) -> Result<usize, Error> {
        match *self < columns.len() {
            true => Ok(*self),
            false => {
                Err(Error::conversion(&self.to_string(), "a cell", format!("there are {} columns", columns.len())))
            }
        }
    }
}

impl ColumnIndex for &str {
    fn index(&self, columns: &Columns) -> Result<usize, Error> {
        columns.position(self).ok_or_else(|| {
            let names: Vec<&str> = columns.as_slice().iter().take(20).map(|column| &*column.name).collect();
            Error::conversion(self, "a cell", format!("no such column; there are: {}", names.join(", ")))
        })
    }
}

/// Made from one cell.
pub trait FromCell<'a>: Sized {
    /// The value, or an error that names the column.
    fn from_cell(cell: Cell<'a>) -> Result<Self, Error>;
}

impl<'a, T: FromCell<'a>> FromCell<'a> for Option<T> {
    fn from_cell(cell: Cell<'a>) -> Result<Self, Error> {
        match cell.bytes {
            None => Ok(None),
            Some(_) => T::from_cell(cell).map(Some),
        }
    }
}

macro_rules! integers {
    ($($type:ident),*) => { $(
        impl<'a> FromCell<'a> for $type {
            fn from_cell(cell: Cell<'a>) -> Result<Self, Error> {
                if cell.column.is_bit() {
                    let value = bits(&cell, stringify!($type))?;
                    return $type::try_from(value).map_err(|_| cell.mismatch(stringify!($type), "out of range"));
                }
                let text = cell.text(stringify!($type))?;
                text.parse().map_err(|_| cell.mismatch(stringify!($type), format_args!("found `{}`", clip(text))))
            }
        }
    )* };
}
integers!(i8, i16, i32, i64, u8, u16, u32, u64, usize);

macro_rules! floats {
    ($($type:ident),*) => { $(
        impl<'a> FromCell<'a> for $type {
            fn from_cell(cell: Cell<'a>) -> Result<Self, Error> {
                let text = cell.text(stringify!($type))?;
                text.parse().map_err(|_| cell.mismatch(stringify!($type), format_args!("found `{}`", clip(text))))
            }
        }
    )* };
}
floats!(f32, f64);

impl<'a> FromCell<'a> for bool {
    fn from_cell(cell: Cell<'a>) -> Result<Self, Error> {
        if cell.column.is_bit() {
            return Ok(bits(&cell, "bool")? != 0);
        }
        match cell.text("bool")? {
            "0" => Ok(false),
            "1" => Ok(true),
            other => Err(cell.mismatch("bool", format_args!("found `{}`", clip(other)))),
        }
    }
}

impl<'a> FromCell<'a> for &'a str {
    fn from_cell(cell: Cell<'a>) -> Result<Self, Error> {
        cell.text("text")
    }
}

impl<'a> FromCell<'a> for String {
    fn from_cell(cell: Cell<'a>) -> Result<Self, Error> {
        cell.text("text").map(str::to_owned)
    }
}

impl<'a> FromCell<'a> for &'a [u8] {
    fn from_cell(cell: Cell<'a>) -> Result<Self, Error> {
        cell.not_null("bytes")
    }
}

impl<'a> FromCell<'a> for Vec<u8> {
    fn from_cell(cell: Cell<'a>) -> Result<Self, Error> {
        cell.not_null("bytes").map(<[u8]>::to_vec)
    }
}

/// BIT columns come as big-endian bytes even in text rows.
fn bits(cell: &Cell<'_>, expected: &str) -> Result<u64, Error> {
    let bytes = cell.not_null(expected)?;
    if bytes.len() > 8 {
        return Err(cell.mismatch(expected, "more than 64 bits"));
    }
    Ok(bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

/// Keeps error messages short.
fn clip(text: &str) -> &str {
    match text.char_indices().nth(40) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::tests::columns;

    #[test]
    fn cells_become_values() {
        let columns = columns(&[("id", 8), ("name", 253), ("flags", 16)]);
        let row = Row::new(columns, Bytes::from_static(b"\x0242\xFB\x02\x01\x02")).unwrap();
        assert_eq!(row.get::<i64>("id").unwrap(), 42);
        assert_eq!(row.get::<&str>(0).unwrap(), "42");
        assert_eq!(row.get::<Option<String>>("name").unwrap(), None);
        assert_eq!(row.get::<u16>("flags").unwrap(), 0x0102);
        let cases = [
            (
                row.get::<String>("name").unwrap_err(),
                "column `name` cannot be read as text: it is NULL; ask for an Option",
            ),
            (row.get::<i8>("flags").unwrap_err(), "column `flags` cannot be read as i8: out of range"),
            (row.get::<bool>("id").unwrap_err(), "column `id` cannot be read as bool: found `42`"),
            (row.get::<i32>(3).unwrap_err(), "column `3` cannot be read as a cell: there are 3 columns"),
            (
                row.get::<i32>("nme").unwrap_err(),
                "column `nme` cannot be read as a cell: no such column; there are: id, name, flags",
            ),
        ];
        for (error, expected) in cases {
            assert_eq!(error.to_string(), expected);
            assert_eq!(error.code(), &vitrail_proto::error::Code::Data);
        }
    }

    #[test]
    fn broken_rows_are_refused() {
        for bytes in [&b""[..], b"\x05abc", b"\x01a\x01b", b"\xFC\x01", b"\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"] {
            assert!(Row::new(columns(&[("a", 253)]), Bytes::copy_from_slice(bytes)).is_err(), "{bytes:?}");
        }
    }
}
