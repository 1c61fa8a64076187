//! Bind values: what a client may send in place of `:name` and `::list`.

mod convert;
mod literal;
mod wire;

use std::collections::HashMap;

/// One bind value. Text that MySQL reads as a literal travels as text, so that no client rounds it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// A signed integer. `bool` arrives as 1 or 0.
    Int(i64),
    /// An unsigned integer, mostly above `i64::MAX`.
    UInt(u64),
    /// A finite double.
    Double(f64),
    /// utf8mb4 text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// An exact decimal in MySQL's text form.
    Decimal(String),
    /// `YYYY-MM-DD`, zero dates allowed.
    Date(String),
    /// `[-]HHH:MM:SS[.ffffff]`, beyond 24 hours allowed.
    Time(String),
    /// `YYYY-MM-DD HH:MM:SS[.ffffff]` without a zone.
    DateTime(String),
    /// A JSON document as text.
    Json(String),
    /// A bit string, big-endian.
    Bit(Vec<u8>),
    /// SRID (4 bytes, little-endian) and WKB, as MySQL stores it.
    Geometry(Vec<u8>),
    /// Text in a named MySQL character set.
    CharsetText {
        /// MySQL's name of the character set, letters, digits and `_` only.
        charset: String,
        /// The text in that character set.
        bytes: Vec<u8>,
    },
    /// A list for `::name`; never empty on the wire.
    List(Vec<Value>),
    /// A tuple inside a list.
    Tuple(Vec<Value>),
}

/// Named bind values of one statement, in the order of the wire. Names are unique.
#[derive(Debug, Clone, Default)]
pub struct Binds {
    entries: Vec<(Box<str>, Value)>,
    /// Where each name stands, once there are more than [`INDEXED`]: a statement with 65,535 binds looks up each of them.
    index: HashMap<Box<str>, u32>,
}

/// So few names are found faster by looking at each.
const INDEXED: usize = 32;

impl PartialEq for Binds {
    fn eq(&self, other: &Binds) -> bool {
        self.entries == other.entries
    }
}

impl Binds {
    /// No binds.
    pub fn new() -> Binds {
        Binds::default()
    }

    /// Sets `name`, replacing what it had.
    pub fn set(&mut self, name: impl Into<Box<str>>, value: Value) {
        let name = name.into();
        match self.position(&name) {
            Some(position) => self.entries[position].1 = value,
            None => self.push_unique(name, value),
        }
    }

    /// Appends without looking for duplicates: the caller has checked that `name` is new.
    pub fn push_unique(&mut self, name: Box<str>, value: Value) {
        let position = self.entries.len();
        if position > INDEXED {
            self.index.insert(name.clone(), position as u32);
        } else if position == INDEXED {
            let known = self.entries.iter().map(|(name, _)| name).chain([&name]);
            self.index = known.zip(0u32..).map(|(name, position)| (name.clone(), position)).collect();
        }
        self.entries.push((name, value));
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.position(name).map(|position| &self.entries[position].1)
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(name, value)| (&**name, value))
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn position(&self, name: &str) -> Option<usize> {
        if self.index.is_empty() {
            return self.entries.iter().position(|(known, _)| &**known == name);
        }
        self.index.get(name).map(|position| *position as usize)
    }
}

impl<N: Into<Box<str>>> FromIterator<(N, Value)> for Binds {
    fn from_iter<T: IntoIterator<Item = (N, Value)>>(iter: T) -> Binds {
        let mut binds = Binds::new();
        for (name, value) in iter {
            binds.set(name, value);
        }
        binds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_names_are_found_alike() {
        for count in [0i64, 1, 31, 32, 33, 34, 1_000] {
            let mut binds: Binds = (0..count).map(|n| (format!("v{n}"), Value::Int(n))).collect();
            assert_eq!(binds.len() as i64, count);
            for n in 0..count {
                assert_eq!(binds.get(&format!("v{n}")), Some(&Value::Int(n)), "v{n} of {count}");
            }
            assert_eq!(binds.get("v"), None);
            if count > 0 {
                binds.set("v0", Value::Null);
                assert_eq!((binds.get("v0"), binds.len() as i64), (Some(&Value::Null), count));
            }
        }
    }
}
