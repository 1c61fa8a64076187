//! Packed column definitions: what the gate reads in them, maps in them and makes of its own.

use bytes::{BufMut, Bytes, BytesMut};
use vitrail_proto::rows::{self, ColumnType};

/// MySQL's column types that the gate tells apart, as `ColumnDefinition41` numbers them.
pub(crate) mod types {
    pub(crate) const DECIMAL: u8 = 0;
    pub(crate) const TINY: u8 = 1;
    pub(crate) const SHORT: u8 = 2;
    pub(crate) const LONG: u8 = 3;
    pub(crate) const FLOAT: u8 = 4;
    pub(crate) const DOUBLE: u8 = 5;
    pub(crate) const NULL: u8 = 6;
    pub(crate) const TIMESTAMP: u8 = 7;
    pub(crate) const LONGLONG: u8 = 8;
    pub(crate) const INT24: u8 = 9;
    pub(crate) const DATE: u8 = 10;
    pub(crate) const TIME: u8 = 11;
    pub(crate) const DATETIME: u8 = 12;
    pub(crate) const YEAR: u8 = 13;
    pub(crate) const BIT: u8 = 16;
    pub(crate) const NEWDECIMAL: u8 = 246;
    pub(crate) const TINY_BLOB: u8 = 249;
    pub(crate) const MEDIUM_BLOB: u8 = 250;
    pub(crate) const LONG_BLOB: u8 = 251;
    pub(crate) const BLOB: u8 = 252;
    pub(crate) const VAR_STRING: u8 = 253;
    pub(crate) const STRING: u8 = 254;
}

/// The character set number of bytes.
pub(crate) const BINARY: u16 = 63;
/// `utf8mb4_general_ci`
const UTF8MB4: u16 = 45;
/// Flags of `ColumnDefinition41`.
const NOT_NULL: u16 = 1;
const UNSIGNED: u16 = 32;
const ENUM: u16 = 256;
const SET: u16 = 2048;

/// What a merge needs to know of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its name in the result.
    pub(crate) name: Bytes,
    /// MySQL's type number.
    pub(crate) kind: u8,
    /// Its character set's number; 63 is bytes.
    pub(crate) charset: u16,
    /// Behind the point; 31: not fixed.
    pub(crate) decimals: u8,
    /// Values are never negative.
    pub(crate) unsigned: bool,
    /// ENUM or SET, which travel as strings.
    pub(crate) labels: bool,
}

/// Packed column definitions, read once.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    /// As they travel: database names are keyspaces.
    pub(crate) packed: Bytes,
    /// One per column.
    pub(crate) list: Vec<Column>,
    /// Where each column ends in `packed`.
    ends: Vec<usize>,
}

impl Columns {
    /// Reads what a shard sent, and puts `keyspace` wherever the database's name stands. `None` if it is malformed.
    pub(crate) fn read(packed: &Bytes, keyspace: &str) -> Option<Columns> {
        let packed = name_keyspace(packed, keyspace)?;
        let (mut list, mut ends, mut at) = (Vec::new(), Vec::new(), 0);
        while at < packed.len() {
            let (definition, end) = take_definition(&packed, at)?;
            let name = definition.strings[4].clone();
            let fixed = &packed[definition.fixed..end];
            let flags = u16::from_le_bytes([fixed[7], fixed[8]]);
            list.push(Column {
                name: packed.slice(name),
                kind: fixed[6],
                charset: u16::from_le_bytes([fixed[0], fixed[1]]),
                decimals: fixed[9],
                unsigned: flags & UNSIGNED != 0,
                labels: flags & (ENUM | SET) != 0,
            });
            ends.push(end);
            at = end;
        }
        Some(Columns { packed, list, ends })
    }

    /// Without the last `count` columns.
    pub(crate) fn without_last(mut self, count: usize) -> Columns {
        let kept = self.list.len().saturating_sub(count);
        let end = kept.checked_sub(1).map_or(0, |last| self.ends[last]);
        self.packed.truncate(end);
        self.list.truncate(kept);
        self.ends.truncate(kept);
        self
    }
}

/// Puts `keyspace` wherever a database's name stands in packed column definitions. System databases keep their names.
/// Copies only if there is something to change. `None` if they are malformed.
pub(crate) fn name_keyspace(packed: &Bytes, keyspace: &str) -> Option<Bytes> {
    let mut at = 0;
    let mut changed: Option<BytesMut> = None;
    while at < packed.len() {
        let (definition, end) = take_definition(packed, at)?;
        let schema = definition.strings[1].clone();
        if packed[schema.clone()].is_empty()
            || is_system(&packed[schema.clone()])
            || packed[schema.clone()] == *keyspace.as_bytes()
        {
            if let Some(copy) = &mut changed {
                copy.extend_from_slice(&packed[at..end]);
            }
        } else {
            let copy = changed.get_or_insert_with(|| {
                let mut copy = BytesMut::with_capacity(packed.len() + 64);
                copy.extend_from_slice(&packed[..at]);
                copy
            });
            let length_at = copy.len();
            copy.put_u32_le(0);
            copy.extend_from_slice(&packed[at + 4..definition.strings[0].end]);
            put_string(copy, keyspace.as_bytes());
            copy.extend_from_slice(&packed[schema.end..end]);
            let length = (copy.len() - length_at - 4) as u32;
            copy[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
        }
        at = end;
    }
    Some(changed.map_or_else(|| packed.clone(), BytesMut::freeze))
}

/// Whether two answers to the same statement have the same columns: names, types, character sets. Lengths may differ.
pub(crate) fn agree(left: &Columns, right: &Columns) -> bool {
    left.packed == right.packed || left.list == right.list
}

/// A column of an answer that the gate makes itself.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Own<'a> {
    /// utf8mb4 text.
    Text(&'a str),
    /// A BIGINT.
    Integer(&'a str),
    /// A BIGINT UNSIGNED.
    Unsigned(&'a str),
}

/// Packs column definitions of the gate's own.
pub(crate) fn pack(columns: &[Own<'_>]) -> Bytes {
    let columns: Vec<rows::Column<'_>> = columns.iter().map(Own::column).collect();
    rows::pack_columns(&columns)
}

impl<'a> Own<'a> {
    fn column(&self) -> rows::Column<'a> {
        let (name, charset, length, column_type, flags, decimals) = match *self {
            Own::Text(name) => (name, UTF8MB4, 1024, ColumnType::VAR_STRING, 0, 31),
            Own::Integer(name) => (name, BINARY, 20, ColumnType::LONGLONG, NOT_NULL, 0),
            Own::Unsigned(name) => (name, BINARY, 20, ColumnType::LONGLONG, NOT_NULL | UNSIGNED, 0),
        };
        rows::Column {
            schema: "".into(),
            table: "".into(),
            org_table: "".into(),
            name: name.into(),
            org_name: "".into(),
            charset,
            length,
            column_type,
            flags,
            decimals,
        }
    }
}

/// Appends a length-encoded string.
pub(crate) fn put_string(buffer: &mut BytesMut, bytes: &[u8]) {
    match bytes.len() {
        length @ 0..=250 => buffer.put_u8(length as u8),
        length @ 251..=0xffff => {
            buffer.put_u8(0xfc);
            buffer.put_u16_le(length as u16);
        }
        length @ 0x1_0000..=0xff_ffff => {
            buffer.put_u8(0xfd);
            buffer.put_uint_le(length as u64, 3);
        }
        length => {
            buffer.put_u8(0xfe);
            buffer.put_u64_le(length as u64);
        }
    }
    buffer.extend_from_slice(bytes);
}

/// Reads a length-encoded string at `at`: its span. `None` if it is malformed or beyond the end.
pub(crate) fn take_string(bytes: &[u8], at: usize) -> Option<std::ops::Range<usize>> {
    let number = |from: usize, size: usize| -> Option<usize> {
        let digits = bytes.get(from..from + size)?;
        usize::try_from(digits.iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte))).ok()
    };
    let (start, length) = match *bytes.get(at)? {
        length @ 0..=250 => (at + 1, usize::from(length)),
        0xfc => (at + 3, number(at + 1, 2)?),
        0xfd => (at + 4, number(at + 1, 3)?),
        0xfe => (at + 9, number(at + 1, 8)?),
        _ => return None,
    };
    let end = start.checked_add(length)?;
    (end <= bytes.len()).then_some(start..end)
}

/// Spans of one definition.
struct Definition {
    /// catalog, schema, table, org_table, name, org_name
    strings: [std::ops::Range<usize>; 6],
    /// Where the fixed part begins, behind its length byte.
    fixed: usize,
}

/// Reads the definition whose length prefix is at `at`; also where it ends.
fn take_definition(packed: &[u8], at: usize) -> Option<(Definition, usize)> {
    let length = packed.get(at..at + 4)?;
    let end = (at + 4).checked_add(u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize)?;
    let definition = packed.get(..end)?;
    let mut position = at + 4;
    let mut strings: [std::ops::Range<usize>; 6] = Default::default();
    for span in &mut strings {
        *span = take_string(definition, position)?;
        position = span.end;
    }
    // MariaDB's extended metadata is not negotiated, so that the fixed part follows at once.
    let fixed = position + 1;
    (definition.len() >= fixed + 10).then_some((Definition { strings, fixed }, end))
}

fn is_system(database: &[u8]) -> bool {
    [&b"information_schema"[..], b"performance_schema", b"mysql", b"sys"]
        .iter()
        .any(|name| database.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `SELECT id FROM db.t`, packed by hand.
    fn definition(schema: &str, name: &str) -> Vec<u8> {
        let mut body = BytesMut::new();
        for text in ["def", schema, "t", "t", name, name] {
            put_string(&mut body, text.as_bytes());
        }
        body.extend_from_slice(&[0x0c, 63, 0, 20, 0, 0, 0, 8, 0x23, 0, 0, 0, 0]);
        let mut packed = (body.len() as u32).to_le_bytes().to_vec();
        packed.extend_from_slice(&body);
        packed
    }

    #[test]
    fn database_names_become_keyspaces() {
        let shard =
            Bytes::from([definition("flights_0", "id"), definition("", "n"), definition("flights_0", "m")].concat());
        let expected = [definition("flights", "id"), definition("", "n"), definition("flights", "m")].concat();
        assert_eq!(name_keyspace(&shard, "flights").expect("well formed"), expected);
        let system = Bytes::from(definition("information_schema", "id"));
        assert_eq!(name_keyspace(&system, "flights").expect("well formed"), system);
        assert!(name_keyspace(&shard.slice(..shard.len() - 1), "flights").is_none());
    }

    #[test]
    fn columns_are_read_and_dropped() {
        let packed = Bytes::from([definition("d", "id"), definition("d", "weight")].concat());
        let columns = Columns::read(&packed, "k").expect("well formed");
        assert_eq!(columns.list.len(), 2);
        assert_eq!((columns.list[0].kind, columns.list[0].unsigned), (types::LONGLONG, true));
        let columns = columns.without_last(1);
        assert_eq!(columns.list.len(), 1);
        assert_eq!(columns.packed, definition("k", "id"));
        assert!(columns.without_last(1).packed.is_empty());
    }

    #[test]
    fn strings_of_every_width() {
        for length in [0, 250, 251, 0xffff, 0x1_0000] {
            let mut buffer = BytesMut::new();
            put_string(&mut buffer, &vec![7; length]);
            assert_eq!(take_string(&buffer, 0).map(|span| span.len()), Some(length));
            let short = take_string(&buffer[..buffer.len() - 1], 0);
            assert!(short.is_none_or(|span| span.len() != length), "{length}");
        }
    }
}
