//! Fields: MySQL's `ColumnDefinition41`, read, written and packed.

use std::borrow::Cow;

use bytes::Bytes;

use super::{lenenc, take_part};
use crate::error::ProtocolError;

/// MySQL's type of a column, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ColumnType(pub u8);

macro_rules! column_types {
    ($($name:ident = $number:literal, $text:literal;)*) => {
        impl ColumnType {
            $(#[doc = concat!("`", $text, "`")] pub const $name: ColumnType = ColumnType($number);)*

            /// MySQL's name of the type in lower case; `unknown` for a number without one.
            pub fn name(self) -> &'static str {
                match self.0 {
                    $($number => $text,)*
                    _ => "unknown",
                }
            }
        }
    };
}

column_types! {
    DECIMAL = 0x00, "decimal";
    TINY = 0x01, "tinyint";
    SHORT = 0x02, "smallint";
    LONG = 0x03, "int";
    FLOAT = 0x04, "float";
    DOUBLE = 0x05, "double";
    NULL = 0x06, "null";
    TIMESTAMP = 0x07, "timestamp";
    LONGLONG = 0x08, "bigint";
    INT24 = 0x09, "mediumint";
    DATE = 0x0a, "date";
    TIME = 0x0b, "time";
    DATETIME = 0x0c, "datetime";
    YEAR = 0x0d, "year";
    VARCHAR = 0x0f, "varchar";
    BIT = 0x10, "bit";
    VECTOR = 0xf2, "vector";
    JSON = 0xf5, "json";
    NEWDECIMAL = 0xf6, "decimal";
    ENUM = 0xf7, "enum";
    SET = 0xf8, "set";
    TINY_BLOB = 0xf9, "tinyblob";
    MEDIUM_BLOB = 0xfa, "mediumblob";
    LONG_BLOB = 0xfb, "longblob";
    BLOB = 0xfc, "blob";
    VAR_STRING = 0xfd, "varchar";
    STRING = 0xfe, "char";
    GEOMETRY = 0xff, "geometry";
}

/// One column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column<'a> {
    /// The keyspace (on a tablet's MySQL connection: the database); empty for an expression.
    pub schema: Cow<'a, str>,
    /// The table's alias; empty for an expression.
    pub table: Cow<'a, str>,
    /// The table; empty for an expression.
    pub org_table: Cow<'a, str>,
    /// The column's alias.
    pub name: Cow<'a, str>,
    /// The column; empty for an expression.
    pub org_name: Cow<'a, str>,
    /// Number of the collation; 63 is binary.
    pub charset: u16,
    /// Widest display, in bytes.
    pub length: u32,
    /// The type.
    pub column_type: ColumnType,
    /// MySQL's flags: NOT_NULL 1, PRI_KEY 2, UNIQUE_KEY 4, BLOB 16, UNSIGNED 32, BINARY 128, ENUM 256, SET 2048.
    pub flags: u16,
    /// Digits after the point; 31 means any.
    pub decimals: u8,
}

impl<'a> Column<'a> {
    /// The column does not take NULL.
    pub const NOT_NULL: u16 = 1;
    /// Numbers have no sign.
    pub const UNSIGNED: u16 = 32;
    /// Text compares by its bytes.
    pub const BINARY: u16 = 128;
    /// The collation number of bytes that are no text.
    pub const BINARY_CHARSET: u16 = 63;

    /// Reads a `ColumnDefinition41`.
    pub fn decode(definition: &'a [u8]) -> Result<Column<'a>, ProtocolError> {
        read(definition).ok_or(ProtocolError::BadPacking("fields"))
    }

    /// Appends the `ColumnDefinition41`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        lenenc::put_lenenc(out, b"def");
        for name in [&self.schema, &self.table, &self.org_table, &self.name, &self.org_name] {
            lenenc::put_lenenc(out, name.as_bytes());
        }
        out.push(0x0c);
        out.extend_from_slice(&self.charset.to_le_bytes());
        out.extend_from_slice(&self.length.to_le_bytes());
        out.push(self.column_type.0);
        out.extend_from_slice(&self.flags.to_le_bytes());
        out.push(self.decimals);
        out.extend_from_slice(&[0; 2]);
    }

    /// Numbers have no sign.
    pub fn is_unsigned(&self) -> bool {
        self.flags & Column::UNSIGNED != 0
    }

    /// Cells are bytes, not text: the collation is `binary`.
    pub fn is_binary(&self) -> bool {
        self.charset == Column::BINARY_CHARSET
    }

    /// The same without borrowing.
    pub fn into_owned(self) -> Column<'static> {
        let own = |text: Cow<'a, str>| Cow::Owned(text.into_owned());
        Column {
            schema: own(self.schema),
            table: own(self.table),
            org_table: own(self.org_table),
            name: own(self.name),
            org_name: own(self.org_name),
            charset: self.charset,
            length: self.length,
            column_type: self.column_type,
            flags: self.flags,
            decimals: self.decimals,
        }
    }
}

/// The columns of packed fields. Lengths that do not fit end it with an error.
pub fn columns(packed: &[u8]) -> impl Iterator<Item = Result<Column<'_>, ProtocolError>> {
    let mut rest = packed;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        Some(match take_part(&mut rest) {
            Some(definition) => Column::decode(definition),
            None => {
                rest = &[];
                Err(ProtocolError::BadPacking("fields"))
            }
        })
    })
}

/// The schema names in packed fields, as they are: of each column, or the error of what cannot be read as one.
pub fn schemas(packed: &[u8]) -> impl Iterator<Item = Result<&[u8], ProtocolError>> {
    let mut rest = packed;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let schema = take_part(&mut rest).and_then(|mut definition| take_schema(&mut definition));
        if schema.is_none() {
            rest = &[];
        }
        Some(schema.ok_or(ProtocolError::BadPacking("fields")))
    })
}

/// Packs columns: consecutive (u32 length, `ColumnDefinition41`).
pub fn pack_columns<'a, 'c: 'a>(columns: impl IntoIterator<Item = &'a Column<'c>>) -> Bytes {
    let mut out = Vec::new();
    for column in columns {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        column.encode(&mut out);
        let length = (out.len() - start - 4) as u32;
        out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    }
    Bytes::from(out)
}

/// Takes the catalog, which is always `def`, and the schema off the front.
fn take_schema<'a>(definition: &mut &'a [u8]) -> Option<&'a [u8]> {
    if lenenc::take_string(definition)? != b"def" {
        return None;
    }
    lenenc::take_string(definition)
}

fn read(mut rest: &[u8]) -> Option<Column<'_>> {
    let schema = String::from_utf8_lossy(take_schema(&mut rest)?);
    let table = take_text(&mut rest)?;
    let org_table = take_text(&mut rest)?;
    let name = take_text(&mut rest)?;
    let org_name = take_text(&mut rest)?;
    if lenenc::take_length(&mut rest)? != 0x0c {
        return None;
    }
    let fixed: &[u8; 12] = rest.try_into().ok()?;
    Some(Column {
        schema,
        table,
        org_table,
        name,
        org_name,
        charset: u16::from_le_bytes([fixed[0], fixed[1]]),
        length: u32::from_le_bytes([fixed[2], fixed[3], fixed[4], fixed[5]]),
        column_type: ColumnType(fixed[6]),
        flags: u16::from_le_bytes([fixed[7], fixed[8]]),
        decimals: fixed[9],
    })
}

/// Names are utf8mb4 on our connections. An alias that a statement spelled in other bytes is shown as well as it can be.
fn take_text<'a>(bytes: &mut &'a [u8]) -> Option<Cow<'a, str>> {
    lenenc::take_string(bytes).map(String::from_utf8_lossy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_pack_and_unpack() {
        let column = Column {
            schema: "flights".into(),
            table: "f".into(),
            org_table: "flight".into(),
            name: "Entfernung".into(),
            org_name: "distance".into(),
            charset: 63,
            length: 10,
            column_type: ColumnType::LONG,
            flags: Column::UNSIGNED,
            decimals: 0,
        };
        let packed = pack_columns([&column, &column]);
        let read: Vec<_> = columns(&packed).map(Result::unwrap).collect();
        assert_eq!(read, [column.clone(), column]);
        for cut in 1..packed.len() / 2 {
            assert!(columns(&packed[..cut]).any(|column| column.is_err()));
        }
    }
}
