//! Vindexes: pure functions from a column's value to a keyspace id. They give Vitess's ids, so that its data can be brought along.
//!
//! A value is refused, never guessed at, when MySQL's comparison with the column could mean more than one stored form.

mod binary;
mod hash;
mod numeric;
mod part;
mod unicode_loose;
mod xxhash;

pub use part::Part;
use thiserror::Error;
use vitrail_proto::value::Value;

use crate::key_range::KeyspaceId;
use crate::schema::ColumnClass;

/// A functional unique vindex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Vindex {
    /// DES under a zero key over the big-endian 64-bit integer.
    Hash,
    /// xxHash64 of the value's text, little-endian.
    XxHash,
    /// The value's bytes.
    Binary,
    /// The 64-bit integer, big-endian.
    Numeric,
    /// The 64-bit integer with its bits in reverse order, big-endian.
    ReverseBits,
    /// MD5 of the value's bytes.
    BinaryMd5,
    /// xxHash64 of the text's primary collation weights.
    UnicodeLooseXxHash,
    /// MD5 of the text's primary collation weights.
    UnicodeLooseMd5,
}

/// Why a value has no keyspace id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VindexError {
    /// NULL.
    #[error("NULL has no keyspace id")]
    Null,
    /// A type that the vindex does not take.
    #[error("the vindex `{vindex}` takes {takes}, not {given}")]
    Type {
        /// Name of the vindex type.
        vindex: &'static str,
        /// What it takes.
        takes: &'static str,
        /// What it was given.
        given: &'static str,
    },
    /// Text that is not the one form of an integer.
    #[error("a text is no integer of 64 bits, as the vindex `{0}` takes them")]
    NotInteger(&'static str),
    /// A number beyond what a double tells apart, in a comparison as doubles.
    #[error("MySQL compares this as a double, which is as good for several integers")]
    Inexact,
    /// Bytes that are no text.
    #[error("the vindex `{0}` takes text, and the bytes given are not UTF-8")]
    NotText(&'static str),
    /// A character whose weight is not known for certain.
    #[error("the vindex `{vindex}` has no proven weight for the character U+{character:04X}")]
    Character {
        /// Name of the vindex type.
        vindex: &'static str,
        /// Its code point.
        character: u32,
    },
}

impl Vindex {
    /// All of them.
    pub const ALL: [Vindex; 8] = [
        Vindex::Hash,
        Vindex::XxHash,
        Vindex::Binary,
        Vindex::Numeric,
        Vindex::ReverseBits,
        Vindex::BinaryMd5,
        Vindex::UnicodeLooseXxHash,
        Vindex::UnicodeLooseMd5,
    ];

    /// The name of its type in a vschema.
    pub fn name(self) -> &'static str {
        match self {
            Vindex::Hash => "hash",
            Vindex::XxHash => "xxhash",
            Vindex::Binary => "binary",
            Vindex::Numeric => "numeric",
            Vindex::ReverseBits => "reverse_bits",
            Vindex::BinaryMd5 => "binary_md5",
            Vindex::UnicodeLooseXxHash => "unicode_loose_xxhash",
            Vindex::UnicodeLooseMd5 => "unicode_loose_md5",
        }
    }

    /// The vindex of a type's name.
    pub fn from_name(name: &str) -> Option<Vindex> {
        Vindex::ALL.into_iter().find(|vindex| vindex.name() == name)
    }

    /// The keyspace id of `value` in a column of `class` (`None`: not known, the value is taken as it is).
    pub fn keyspace_id(self, value: &Value, class: Option<&ColumnClass>) -> Result<KeyspaceId, VindexError> {
        let bytes = match self {
            Vindex::Hash => hash::hash(integer(self, value)?).to_vec(),
            Vindex::Numeric => numeric::numeric(integer(self, value)?).to_vec(),
            Vindex::ReverseBits => numeric::reverse_bits(integer(self, value)?).to_vec(),
            Vindex::XxHash => xxhash::xxhash(&self.bytes(value, class)?).to_vec(),
            Vindex::Binary => self.bytes(value, class)?,
            Vindex::BinaryMd5 => binary::md5(&self.bytes(value, class)?).to_vec(),
            Vindex::UnicodeLooseXxHash => xxhash::xxhash(&self.weights(value, class)?).to_vec(),
            Vindex::UnicodeLooseMd5 => binary::md5(&self.weights(value, class)?).to_vec(),
        };
        Ok(KeyspaceId(bytes))
    }

    /// Whether two values that are equal in a column of `class` always have one keyspace id, whatever the values are.
    /// Without this, equality does not pin a row to a shard.
    pub fn follows_equality(self, class: &ColumnClass) -> bool {
        match (self, class) {
            (_, ColumnClass::Integer) => true,
            (Vindex::Hash | Vindex::Numeric | Vindex::ReverseBits, _) => false,
            (_, ColumnClass::Binary) => true,
            (Vindex::UnicodeLooseXxHash | Vindex::UnicodeLooseMd5, ColumnClass::Text(collation)) => {
                is_bytewise(collation) || is_compared(collation)
            }
            (_, ColumnClass::Text(collation)) => {
                // Every other collation takes texts for equal that differ in bytes, if only in trailing spaces.
                collation == "utf8mb4_0900_bin" || collation.ends_with("_nopad_bin")
            }
            _ => false,
        }
    }

    fn weights(self, value: &Value, class: Option<&ColumnClass>) -> Result<Vec<u8>, VindexError> {
        let bytes = self.bytes(value, class)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| VindexError::NotText(self.name()))?;
        let refuse = |character| VindexError::Character { vindex: self.name(), character };
        if let Some(ColumnClass::Text(collation)) = class
            && !is_bytewise(collation)
            && let Some(character) = text.chars().find(|character| unicode_loose::differs_in_mysql(*character))
        {
            return Err(refuse(u32::from(character)));
        }
        unicode_loose::weights(text).map_err(refuse)
    }

    /// The value's text form as the column stores it.
    fn bytes(self, value: &Value, class: Option<&ColumnClass>) -> Result<Vec<u8>, VindexError> {
        if class == Some(&ColumnClass::Integer) {
            return Ok(match integer(self, value)? {
                Integer::Signed(value) => value.to_string(),
                Integer::Unsigned(value) => value.to_string(),
            }
            .into_bytes());
        }
        let numeric_form = class.is_none();
        match value {
            Value::Int(value) if numeric_form => Ok(value.to_string().into_bytes()),
            Value::UInt(value) if numeric_form => Ok(value.to_string().into_bytes()),
            Value::Text(text) => Ok(text.clone().into_bytes()),
            Value::Bytes(bytes) => Ok(bytes.clone()),
            other => {
                Err(self.wrong_type(other, if numeric_form { "text, bytes or an integer" } else { "text or bytes" }))
            }
        }
    }

    fn wrong_type(self, value: &Value, takes: &'static str) -> VindexError {
        match value {
            Value::Null => VindexError::Null,
            other => VindexError::Type { vindex: self.name(), takes, given: type_name(other) },
        }
    }
}

/// Equal texts have equal bytes, but for trailing spaces.
fn is_bytewise(collation: &str) -> bool {
    collation.ends_with("_bin")
}

/// Collations whose every character was compared with the weights of `unicode_loose_*` on real servers, and those that tell
/// more texts apart than these. Tailored ones (`swedish_ci` has `ü` = `y`) are not among them.
fn is_compared(collation: &str) -> bool {
    let Some((charset, rest)) = collation.split_once('_') else { return false };
    let rest = rest.replace("nopad_", "");
    match charset {
        "ascii" => rest == "general_ci",
        "utf8mb4" | "utf8mb3" | "utf8" => matches!(
            rest.as_str(),
            "general_ci"
                | "unicode_ci"
                | "unicode_520_ci"
                | "0900_ai_ci"
                | "0900_as_ci"
                | "0900_as_cs"
                | "uca1400_ai_ci"
                | "uca1400_ai_cs"
                | "uca1400_as_ci"
                | "uca1400_as_cs"
        ),
        _ => false,
    }
}

/// A 64-bit integer of either sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Integer {
    Signed(i64),
    Unsigned(u64),
}

impl Integer {
    /// The 64 bits; -1 and 2^64-1 are the same.
    fn bits(self) -> u64 {
        match self {
            Integer::Signed(value) => value.cast_unsigned(),
            Integer::Unsigned(value) => value,
        }
    }
}

fn integer(vindex: Vindex, value: &Value) -> Result<Integer, VindexError> {
    match value {
        Value::Int(value) => Ok(Integer::Signed(*value)),
        Value::UInt(value) => Ok(Integer::Unsigned(*value)),
        // `12 `, `12abc` and `1.2e1` are all equal to 12 in MySQL. Only plain digits are taken.
        Value::Text(text) => parse_integer(text).ok_or(VindexError::NotInteger(vindex.name())),
        other => Err(vindex.wrong_type(other, "an integer")),
    }
}

fn parse_integer(text: &str) -> Option<Integer> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if let Ok(value) = text.parse() {
        return Some(Integer::Signed(value));
    }
    text.parse().ok().map(Integer::Unsigned)
}

/// What a value is, for messages.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL",
        Value::Int(_) | Value::UInt(_) => "an integer",
        Value::Double(_) => "a double",
        Value::Text(_) => "text",
        Value::Bytes(_) => "bytes",
        Value::Decimal(_) => "a decimal",
        Value::Date(_) => "a date",
        Value::Time(_) => "a time",
        Value::DateTime(_) => "a datetime",
        Value::Json(_) => "JSON",
        Value::Bit(_) => "a bit string",
        Value::Geometry(_) => "a geometry",
        Value::CharsetText { .. } => "text of another character set",
        Value::List(_) => "a list",
        Value::Tuple(_) => "a tuple",
    }
}

#[cfg(test)]
mod tests;
