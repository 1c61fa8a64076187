//! The columns of a result, decoded once from MySQL's packed `ColumnDefinition41`s.

use std::sync::Arc;

use vitrail_proto::rows;

use crate::error::Error;

/// One column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Column {
    /// Its name or alias.
    pub name: Box<str>,
    /// The table's name or alias; empty for an expression.
    pub table: Box<str>,
    /// The keyspace of the table; empty for an expression.
    pub keyspace: Box<str>,
    /// MySQL's type code (`3` INT, `8` BIGINT, `253` VARCHAR, …).
    pub type_code: u8,
    /// MySQL's collation number; 63 is binary.
    pub charset: u16,
    /// MySQL's flags (`1` NOT NULL, `32` UNSIGNED, …).
    pub flags: u16,
    /// Display length in bytes.
    pub length: u32,
    /// Digits after the decimal point; 31: none given.
    pub decimals: u8,
}

impl Column {
    /// A column of an expression, without flags, length and decimals; for tests of what is made of rows.
    pub fn new(name: impl Into<Box<str>>, type_code: u8, charset: u16) -> Column {
        Column {
            name: name.into(),
            table: "".into(),
            keyspace: "".into(),
            type_code,
            charset,
            flags: 0,
            length: 0,
            decimals: 31,
        }
    }

    /// A BIT column: its cells are big-endian bytes.
    pub fn is_bit(&self) -> bool {
        self.type_code == 16
    }

    /// An unsigned number.
    pub fn is_unsigned(&self) -> bool {
        self.flags & 32 != 0
    }

    /// Its cells are bytes without a character set (BINARY, BLOB, BIT, GEOMETRY).
    pub fn is_binary(&self) -> bool {
        match self.type_code {
            16 | 255 => true,
            249..=254 | 15 => self.charset == 63,
            _ => false,
        }
    }

    /// Its cells are numbers, whose text needs no quotes.
    pub fn is_number(&self) -> bool {
        matches!(self.type_code, 0..=5 | 8 | 9 | 13 | 246)
    }
}

/// All columns of a result.
#[derive(Debug, Default)]
pub struct Columns {
    list: Vec<Column>,
}

impl Columns {
    /// In order.
    pub fn as_slice(&self) -> &[Column] {
        &self.list
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The first of that name; exactly so written, else without regard to ASCII case.
    pub fn position(&self, name: &str) -> Option<usize> {
        let exact = self.list.iter().position(|column| &*column.name == name);
        exact.or_else(|| self.list.iter().position(|column| column.name.eq_ignore_ascii_case(name)))
    }

    /// Decodes the fields of a reply.
    pub(crate) fn decode(packed: &[u8]) -> Result<Arc<Columns>, Error> {
        let columns = rows::columns(packed).map(|column| column.map(Column::from));
        let list = columns
            .collect::<Result<_, _>>()
            .map_err(|error| Error::protocol("a column definition is broken").with_source(error))?;
        Ok(Arc::new(Columns { list }))
    }
}

impl From<rows::Column<'_>> for Column {
    fn from(column: rows::Column<'_>) -> Column {
        Column {
            name: column.name.into(),
            table: column.table.into(),
            keyspace: column.schema.into(),
            type_code: column.column_type.0,
            charset: column.charset,
            flags: column.flags,
            length: column.length,
            decimals: column.decimals,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use bytes::Bytes;

    use super::*;

    /// Packed definitions of columns with these names and types.
    pub(crate) fn packed(columns: &[(&str, u8)]) -> Bytes {
        let columns: Vec<rows::Column<'_>> = columns
            .iter()
            .map(|(name, type_code)| rows::Column {
                schema: "flights".into(),
                table: "flight".into(),
                org_table: "flight".into(),
                name: (*name).into(),
                org_name: (*name).into(),
                charset: 255,
                length: 20,
                column_type: rows::ColumnType(*type_code),
                flags: rows::Column::UNSIGNED,
                decimals: 0,
            })
            .collect();
        rows::pack_columns(&columns)
    }

    pub(crate) fn columns(columns: &[(&str, u8)]) -> Arc<Columns> {
        Columns::decode(&packed(columns)).unwrap()
    }

    #[test]
    fn definitions_are_decoded() {
        let columns = columns(&[("Id", 8), ("name", 253)]);
        assert_eq!(columns.len(), 2);
        assert_eq!(columns.position("id"), Some(0));
        assert_eq!(&*columns.as_slice()[1].table, "flight");
        assert!(columns.as_slice()[0].is_unsigned());
    }

    #[test]
    fn every_cut_is_refused() {
        let packed = packed(&[("id", 8)]);
        for end in 1..packed.len() {
            assert!(Columns::decode(&packed[..end]).is_err(), "cut at {end}");
        }
    }
}
