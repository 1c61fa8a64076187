//! The columns of a result, decoded once from MySQL's packed `ColumnDefinition41`s.

use std::sync::Arc;

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

    /// Decodes consecutive (u32 length, `ColumnDefinition41`).
    pub(crate) fn decode(packed: &[u8]) -> Result<Arc<Columns>, Error> {
        let mut list = Vec::new();
        let mut rest = packed;
        while !rest.is_empty() {
            let (length, tail) = rest.split_first_chunk::<4>().ok_or_else(broken)?;
            let length = u32::from_le_bytes(*length) as usize;
            let definition = tail.get(..length).ok_or_else(broken)?;
            list.push(definition_41(definition).ok_or_else(broken)?);
            rest = &tail[length..];
        }
        Ok(Arc::new(Columns { list }))
    }
}

/// Start and end of a length-encoded string at `at`; `None` if it is not wholly there.
pub(crate) fn length_encoded(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let (width, length) = match *bytes.get(at)? {
        0xFC => (3, u64::from(u16::from_le_bytes(bytes.get(at + 1..at + 3)?.try_into().ok()?))),
        0xFD => {
            let low: [u8; 3] = bytes.get(at + 1..at + 4)?.try_into().ok()?;
            (4, u64::from(u32::from_le_bytes([low[0], low[1], low[2], 0])))
        }
        0xFE => (9, u64::from_le_bytes(bytes.get(at + 1..at + 9)?.try_into().ok()?)),
        0xFB | 0xFF => return None,
        short => (1, u64::from(short)),
    };
    let start = at + width;
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    (end <= bytes.len()).then_some((start, end))
}

fn definition_41(bytes: &[u8]) -> Option<Column> {
    let mut at = 0;
    let mut texts = [""; 6];
    for text in &mut texts {
        let (start, end) = length_encoded(bytes, at)?;
        *text = std::str::from_utf8(&bytes[start..end]).ok()?;
        at = end;
    }
    let fixed = bytes.get(at + 1..at + 11)?;
    Some(Column {
        keyspace: texts[1].into(),
        table: texts[2].into(),
        name: texts[4].into(),
        charset: u16::from_le_bytes([fixed[0], fixed[1]]),
        length: u32::from_le_bytes([fixed[2], fixed[3], fixed[4], fixed[5]]),
        type_code: fixed[6],
        flags: u16::from_le_bytes([fixed[7], fixed[8]]),
        decimals: fixed[9],
    })
}

fn broken() -> Error {
    Error::protocol("a column definition is broken")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Packed definitions of columns with these names and types.
    pub(crate) fn packed(columns: &[(&str, u8)]) -> Vec<u8> {
        let mut packed = Vec::new();
        for (name, type_code) in columns {
            let mut definition = Vec::new();
            for text in ["def", "flights", "flight", "flight", name, name] {
                definition.push(text.len() as u8);
                definition.extend_from_slice(text.as_bytes());
            }
            definition.extend_from_slice(&[0x0C, 255, 0, 20, 0, 0, 0, *type_code, 32, 0, 0, 0, 0]);
            packed.extend_from_slice(&(definition.len() as u32).to_le_bytes());
            packed.extend_from_slice(&definition);
        }
        packed
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
        for end in 1..packed.len() - 2 {
            assert!(Columns::decode(&packed[..end]).is_err(), "cut at {end}");
        }
    }
}
