//! Puts the keyspace's name in place of the physical database's, in column metadata and in MySQL's error texts.
//!
//! Clients address keyspaces; which database of which server holds a shard is nobody's business but the tablet's.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};

/// The two names.
#[derive(Debug, Clone)]
pub struct Names {
    /// What MySQL says.
    database: String,
    /// What clients read.
    keyspace: String,
}

/// Errors whose text quotes a user's value first, with the words after the value. Only what follows the last occurrence of
/// these words names tables, so that a value is never edited.
const VALUE_BEFORE: [(u16, &str); 6] = [
    (1062, "' for key "),
    (1264, "for column "),
    (1265, "for column "),
    (1292, "for column "),
    (1366, "for column "),
    (1406, "for column "),
];

impl Names {
    /// Maps `database` to `keyspace`.
    pub fn new(database: impl Into<String>, keyspace: impl Into<String>) -> Names {
        Names { database: database.into(), keyspace: keyspace.into() }
    }

    /// The same packed fields (u32 length, ColumnDefinition41) with the schema name of each mapped. Shares the bytes where no
    /// column names the database, else copies once.
    pub fn map_fields(&self, packed: Bytes) -> Bytes {
        if self.database == self.keyspace {
            return packed;
        }
        let mut mapped: Option<BytesMut> = None;
        let mut rest: &[u8] = &packed;
        while let Some((field, tail)) = split_packed(rest) {
            let position = packed.len() - rest.len();
            match schema_span(field) {
                Some((start, end)) if field[start..end] == *self.database.as_bytes() => {
                    let out = mapped.get_or_insert_with(|| {
                        let mut out = BytesMut::with_capacity(packed.len() + packed.len() / 4 + self.keyspace.len());
                        out.extend_from_slice(&packed[..position]);
                        out
                    });
                    let head = 1 + field[0] as usize;
                    let length = lenenc_width(self.keyspace.len()) + self.keyspace.len();
                    out.put_u32_le((head + length + (field.len() - end)) as u32);
                    out.extend_from_slice(&field[..head]);
                    put_lenenc(out, self.keyspace.len());
                    out.extend_from_slice(self.keyspace.as_bytes());
                    out.extend_from_slice(&field[end..]);
                }
                _ => {
                    if let Some(out) = &mut mapped {
                        out.put_u32_le(field.len() as u32);
                        out.extend_from_slice(field);
                    }
                }
            }
            rest = tail;
        }
        mapped.map_or(packed, BytesMut::freeze)
    }

    /// The same error text with database names mapped, and with MySQL's own accounts (`'user'@'host'`) left out.
    pub fn map_text<'a>(&self, errno: u16, text: &'a str) -> Cow<'a, str> {
        let start = VALUE_BEFORE
            .iter()
            .find(|(known, _)| *known == errno)
            .map_or(0, |(_, words)| text.rfind(words).map_or(text.len(), |at| at + words.len()));
        let (value, names) = text.split_at(start);
        let without_accounts = hide_accounts(names);
        let names = without_accounts.as_deref().unwrap_or(names);
        let mapped = self.map_names(names);
        match (mapped, &without_accounts) {
            (None, None) => Cow::Borrowed(text),
            (Some(mapped), _) => Cow::Owned(format!("{value}{mapped}")),
            (None, Some(names)) => Cow::Owned(format!("{value}{names}")),
        }
    }

    /// Maps `` `database` ``, `'database.`, `'database'` after the word database, and `database.` at the start of a word.
    fn map_names(&self, text: &str) -> Option<String> {
        if self.database.is_empty() || self.database == self.keyspace {
            return None;
        }
        let mut out: Option<String> = None;
        let mut copied = 0;
        for (at, _) in text.match_indices(self.database.as_str()) {
            let before = text[..at].chars().next_back();
            let after = text[at + self.database.len()..].chars().next();
            let is_name = match (before, after) {
                (Some('`'), Some('`')) | (Some('\''), Some('.')) => true,
                (Some('\''), Some('\'')) => text[..at - 1].to_ascii_lowercase().trim_end().ends_with("database"),
                (None | Some(' ' | '('), Some('.')) => true,
                _ => false,
            };
            if is_name {
                let out = out.get_or_insert_with(String::new);
                out.push_str(&text[copied..at]);
                out.push_str(&self.keyspace);
                copied = at + self.database.len();
            }
        }
        out.map(|mut out| {
            out.push_str(&text[copied..]);
            out
        })
    }
}

/// `user 'name'@'host'` becomes `this user`; `None` if there is no account in the text.
fn hide_accounts(text: &str) -> Option<String> {
    let at = text.find("'@'")?;
    let name_start = text[..at].rfind('\'')?;
    let host_end = at + 3 + text[at + 3..].find('\'')? + 1;
    let head = text[..name_start].strip_suffix("user ").unwrap_or(&text[..name_start]);
    let mut out = format!("{head}this user");
    let tail = &text[host_end..];
    out.push_str(hide_accounts(tail).as_deref().unwrap_or(tail));
    Some(out)
}

/// The first packed item and what follows it; `None` at the end or where the length is wrong.
fn split_packed(packed: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = packed.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

/// Where the schema name stands in a ColumnDefinition41: behind the catalog, which is always the short `def`.
fn schema_span(field: &[u8]) -> Option<(usize, usize)> {
    let catalog = *field.first()? as usize;
    let (length, width) = match *field.get(1 + catalog)? {
        short @ 0..=250 => (short as usize, 1),
        252 => (u16::from_le_bytes([*field.get(2 + catalog)?, *field.get(3 + catalog)?]) as usize, 3),
        _ => return None,
    };
    let start = 1 + catalog + width;
    (start + length <= field.len()).then_some((start, start + length))
}

/// Bytes that a length takes before its text.
fn lenenc_width(length: usize) -> usize {
    if length <= 250 { 1 } else { 3 }
}

fn put_lenenc(out: &mut BytesMut, length: usize) {
    if length <= 250 {
        out.put_u8(length as u8);
    } else {
        out.put_u8(252);
        out.put_u16_le(length as u16);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_texts_name_the_keyspace() {
        let names = Names::new("vt_shop_0", "shop");
        for (errno, text, expected) in [
            (1146, "Table 'vt_shop_0.cart' doesn't exist", "Table 'shop.cart' doesn't exist"),
            (1049, "Unknown database 'vt_shop_0'", "Unknown database 'shop'"),
            (1054, "Unknown column 'vt_shop_0' in 'field list'", "Unknown column 'vt_shop_0' in 'field list'"),
            (
                1452,
                "Cannot add or update a child row: a foreign key constraint fails (`vt_shop_0`.`child`, CONSTRAINT `c` FOREIGN KEY (`p`) REFERENCES `parent` (`id`))",
                "Cannot add or update a child row: a foreign key constraint fails (`shop`.`child`, CONSTRAINT `c` FOREIGN KEY (`p`) REFERENCES `parent` (`id`))",
            ),
            (
                1062,
                "Duplicate entry 'vt_shop_0.x' for key 'PRIMARY'",
                "Duplicate entry 'vt_shop_0.x' for key 'PRIMARY'",
            ),
            (
                1062,
                "Duplicate entry '`vt_shop_0`' for key 'vt_shop_0.k'",
                "Duplicate entry '`vt_shop_0`' for key 'shop.k'",
            ),
            (
                1366,
                "Incorrect integer value: '`vt_shop_0`' for column `vt_shop_0`.`t`.`a` at row 1",
                "Incorrect integer value: '`vt_shop_0`' for column `shop`.`t`.`a` at row 1",
            ),
            (
                1044,
                "Access denied for user 'app'@'10.0.0.7' to database 'vt_shop_0'",
                "Access denied for this user to database 'shop'",
            ),
            (
                1142,
                "SELECT command denied to user 'app'@'localhost' for table `vt_shop_0`.`t`",
                "SELECT command denied to this user for table `shop`.`t`",
            ),
            (1305, "FUNCTION vt_shop_0.f does not exist", "FUNCTION shop.f does not exist"),
            (1064, "You have an error near 'vt_shop_01 x'", "You have an error near 'vt_shop_01 x'"),
        ] {
            assert_eq!(names.map_text(errno, text), expected);
        }
        assert!(matches!(names.map_text(1146, "nothing to do"), Cow::Borrowed(_)));
    }

    #[test]
    fn fields_name_the_keyspace() {
        let names = Names::new("vt_shop_0", "shop");
        let field = |schema: &str, column: &str| {
            let mut field = BytesMut::new();
            for part in ["def", schema, "t", "t", column, column] {
                put_lenenc(&mut field, part.len());
                field.extend_from_slice(part.as_bytes());
            }
            field.extend_from_slice(&[0x0c, 45, 0, 1, 0, 0, 0, 253, 0, 0, 0, 0, 0]);
            field
        };
        let pack = |fields: &[BytesMut]| {
            let mut packed = BytesMut::new();
            for field in fields {
                packed.put_u32_le(field.len() as u32);
                packed.extend_from_slice(field);
            }
            packed.freeze()
        };
        let original = pack(&[field("", "1"), field("vt_shop_0", "a"), field("other", "b"), field("vt_shop_0", "c")]);
        let expected = pack(&[field("", "1"), field("shop", "a"), field("other", "b"), field("shop", "c")]);
        assert_eq!(names.map_fields(original), expected);

        let long = Names::new("vt_shop_0", "k".repeat(300));
        let mapped = long.map_fields(pack(&[field("vt_shop_0", "a")]));
        assert_eq!(mapped, pack(&[field(&"k".repeat(300), "a")]));

        let untouched = pack(&[field("", "1"), field("other", "b")]);
        assert_eq!(names.map_fields(untouched.clone()).as_ptr(), untouched.as_ptr());
        for cut in 0..untouched.len() {
            let _ = names.map_fields(untouched.slice(..cut));
        }
    }
}
