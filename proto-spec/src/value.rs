//! Bind values: what a client may send in place of `:name` and `::list`.

mod convert;
mod literal;
mod wire;

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
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Binds {
    entries: Vec<(Box<str>, Value)>,
}

impl Binds {
    /// No binds.
    pub fn new() -> Binds {
        Binds::default()
    }

    /// Sets `name`, replacing what it had.
    pub fn set(&mut self, name: impl Into<Box<str>>, value: Value) {
        let name = name.into();
        match self.entries.iter_mut().find(|(known, _)| *known == name) {
            Some((_, slot)) => *slot = value,
            None => self.entries.push((name, value)),
        }
    }

    /// Appends without looking for duplicates: the caller has checked that `name` is new.
    pub fn push_unique(&mut self, name: Box<str>, value: Value) {
        self.entries.push((name, value));
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.entries.iter().find(|(known, _)| &**known == name).map(|(_, value)| value)
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
