//! Keyspace ids, ranges of them, and the shards that divide a keyspace.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A keyspace id: bytes, compared as bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyspaceId(pub Vec<u8>);

/// A range of keyspace ids: start included, end excluded; an empty bound is open.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct KeyRange {
    /// First keyspace id inside.
    pub start: Vec<u8>,
    /// First keyspace id beyond; empty: none is.
    pub end: Vec<u8>,
}

/// The shards of one keyspace, sorted by key range. Together they hold every keyspace id exactly once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shards {
    shards: Vec<Shard>,
}

/// One shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// Its name, as written in the configuration: `-80`, `80-`, `0`.
    pub name: String,
    /// What it holds.
    pub range: KeyRange,
}

/// Why a text is no key range, or a list of shards is no partition.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyRangeError {
    /// Not `start-end`.
    #[error("`{0}` is not a key range: write `start-end` in hexadecimal, such as `-80`, `40-80` or `-`")]
    Form(String),
    /// A bound that is not hexadecimal.
    #[error("`{bound}` in the key range `{range}` is not an even number of hexadecimal digits")]
    Bound {
        /// The text of the range.
        range: String,
        /// The bound that is wrong.
        bound: String,
    },
    /// End at or before start.
    #[error("the key range `{0}` is empty: its end is not above its start")]
    Empty(String),
    /// A keyspace without shards.
    #[error("a keyspace needs at least one shard")]
    NoShards,
    /// Two shards with one name.
    #[error("the shard `{0}` is named twice")]
    Twice(String),
    /// Keyspace ids that no shard holds.
    #[error("no shard holds the keyspace ids of {0}")]
    Gap(KeyRange),
    /// Keyspace ids that two shards hold.
    #[error("the shards `{0}` and `{1}` both hold the keyspace ids of {2}")]
    Overlap(String, String, KeyRange),
}

// === impl KeyspaceId ===

impl fmt::Display for KeyspaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

// === impl KeyRange ===

impl KeyRange {
    /// The range of everything.
    pub fn everything() -> KeyRange {
        KeyRange::default()
    }

    /// Whether `id` lies inside.
    pub fn contains(&self, id: &KeyspaceId) -> bool {
        self.start <= id.0 && (self.end.is_empty() || id.0 < self.end)
    }

    /// Whether some keyspace id lies in both.
    pub fn intersects(&self, other: &KeyRange) -> bool {
        (self.end.is_empty() || other.start < self.end) && (other.end.is_empty() || self.start < other.end)
    }
}

impl FromStr for KeyRange {
    type Err = KeyRangeError;

    /// Reads `start-end`, each an even number of hexadecimal digits or nothing. `0`, the name of an only shard, is everything.
    fn from_str(text: &str) -> Result<KeyRange, KeyRangeError> {
        if text == "0" {
            return Ok(KeyRange::everything());
        }
        let (start, end) = text.split_once('-').ok_or_else(|| KeyRangeError::Form(text.to_owned()))?;
        let bound = |bound: &str| {
            read_hex(bound).ok_or_else(|| KeyRangeError::Bound { range: text.to_owned(), bound: bound.to_owned() })
        };
        let range = KeyRange { start: bound(start)?, end: bound(end)? };
        if !range.end.is_empty() && range.start >= range.end {
            return Err(KeyRangeError::Empty(text.to_owned()));
        }
        Ok(range)
    }
}

impl fmt::Display for KeyRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.start)?;
        f.write_str("-")?;
        write_hex(f, &self.end)
    }
}

// === impl Shards ===

impl Shards {
    /// Sorts and checks shards by name; each name is its key range (`0` and `-` are everything).
    pub fn from_names<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> Result<Shards, KeyRangeError> {
        let named = names.into_iter().map(|name| {
            let name = name.as_ref();
            Ok(Shard { name: name.to_owned(), range: name.parse()? })
        });
        Shards::new(named.collect::<Result<Vec<_>, _>>()?)
    }

    /// Sorts `shards` and checks that they hold every keyspace id exactly once.
    pub fn new(mut shards: Vec<Shard>) -> Result<Shards, KeyRangeError> {
        shards.sort_by(|a, b| (&a.range.start, &a.name).cmp(&(&b.range.start, &b.name)));
        let (Some(first), Some(last)) = (shards.first(), shards.last()) else { return Err(KeyRangeError::NoShards) };
        if !first.range.start.is_empty() {
            return Err(KeyRangeError::Gap(KeyRange { start: Vec::new(), end: first.range.start.clone() }));
        }
        for pair in shards.windows(2) {
            let (left, right) = (&pair[0], &pair[1]);
            if left.name == right.name {
                return Err(KeyRangeError::Twice(left.name.clone()));
            }
            if left.range.intersects(&right.range) {
                let end = lower_end(&left.range.end, &right.range.end);
                let shared = KeyRange { start: right.range.start.clone(), end };
                return Err(KeyRangeError::Overlap(left.name.clone(), right.name.clone(), shared));
            }
            if left.range.end != right.range.start {
                let gap = KeyRange { start: left.range.end.clone(), end: right.range.start.clone() };
                return Err(KeyRangeError::Gap(gap));
            }
        }
        if !last.range.end.is_empty() {
            return Err(KeyRangeError::Gap(KeyRange { start: last.range.end.clone(), end: Vec::new() }));
        }
        Ok(Shards { shards })
    }

    /// The index of the shard that holds `id`.
    pub fn find(&self, id: &KeyspaceId) -> usize {
        // The first shard starts at the lowest id, so at least one starts at or below any id.
        self.shards.partition_point(|shard| shard.range.start <= id.0) - 1
    }

    /// The indices of the shards that may hold ids which begin with `prefix`.
    pub fn beginning_with(&self, prefix: &KeyspaceId) -> std::ops::RangeInclusive<usize> {
        let below = |shard: &Shard| shard.range.start <= prefix.0 || shard.range.start.starts_with(&prefix.0);
        self.find(prefix)..=self.shards.partition_point(below) - 1
    }

    /// The index of the shard with this name.
    pub fn by_name(&self, name: &str) -> Option<usize> {
        self.shards.iter().position(|shard| shard.name == name)
    }

    /// All, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Shard> {
        self.shards.iter()
    }

    /// How many; at least one.
    #[expect(clippy::len_without_is_empty, reason = "there is always a shard")]
    pub fn len(&self) -> usize {
        self.shards.len()
    }
}

fn lower_end(a: &[u8], b: &[u8]) -> Vec<u8> {
    match (a.is_empty(), b.is_empty()) {
        (true, _) => b.to_vec(),
        (_, true) => a.to_vec(),
        _ => a.min(b).to_vec(),
    }
}

fn read_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let nibble = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    digits.chunks_exact(2).map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?)).collect()
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> KeyRange {
        text.parse().expect(text)
    }

    #[test]
    fn ranges_are_read_and_written() {
        for text in ["-", "-80", "80-", "40-80", "-4000000000000000", "c0ff-"] {
            assert_eq!(range(text).to_string(), text);
        }
        assert_eq!(range("0"), KeyRange::everything());
        assert_eq!(range("C0-"), range("c0-"));
    }

    #[test]
    fn malformed_ranges_are_refused() {
        for (text, message) in [
            ("", "`` is not a key range: write `start-end` in hexadecimal, such as `-80`, `40-80` or `-`"),
            ("80", "`80` is not a key range: write `start-end` in hexadecimal, such as `-80`, `40-80` or `-`"),
            ("8-", "`8` in the key range `8-` is not an even number of hexadecimal digits"),
            ("-zz", "`zz` in the key range `-zz` is not an even number of hexadecimal digits"),
            ("-80-", "`80-` in the key range `-80-` is not an even number of hexadecimal digits"),
            ("-é", "`é` in the key range `-é` is not an even number of hexadecimal digits"),
            ("80-40", "the key range `80-40` is empty: its end is not above its start"),
            ("80-80", "the key range `80-80` is empty: its end is not above its start"),
        ] {
            assert_eq!(text.parse::<KeyRange>().expect_err(text).to_string(), message);
        }
    }

    #[test]
    fn ranges_hold_their_start_and_not_their_end() {
        let id = |bytes: &[u8]| KeyspaceId(bytes.to_vec());
        for (text, bytes, inside) in [
            ("40-80", &[0x40][..], true),
            ("40-80", &[0x3f, 0xff], false),
            ("40-80", &[0x7f, 0xff, 0xff], true),
            ("40-80", &[0x80], false),
            ("-80", &[], true),
            ("80-", &[0xff, 0xff], true),
            ("-", &[], true),
        ] {
            assert_eq!(range(text).contains(&id(bytes)), inside, "{text} {bytes:x?}");
        }
    }

    #[test]
    fn ranges_intersect_when_they_share_an_id() {
        for (a, b, shared) in [
            ("-80", "80-", false),
            ("-80", "40-", true),
            ("40-80", "-", true),
            ("40-80", "60-70", true),
            ("40-80", "-40", false),
            ("80-", "c0-", true),
        ] {
            assert_eq!(range(a).intersects(&range(b)), shared, "{a} {b}");
            assert_eq!(range(b).intersects(&range(a)), shared, "{b} {a}");
        }
    }

    #[test]
    fn shards_are_sorted_and_found() {
        let shards = Shards::from_names(["80-c0", "-40", "c0-", "40-80"]).expect("a partition");
        assert_eq!(shards.iter().map(|shard| &*shard.name).collect::<Vec<_>>(), ["-40", "40-80", "80-c0", "c0-"]);
        for (bytes, shard) in [
            (&[][..], 0),
            (&[0x3f, 0xff], 0),
            (&[0x40], 1),
            (&[0x7f, 0xff], 1),
            (&[0x80, 0, 0], 2),
            (&[0xc0], 3),
            (&[0xff; 16], 3),
        ] {
            assert_eq!(shards.find(&KeyspaceId(bytes.to_vec())), shard, "{bytes:x?}");
        }
        assert_eq!(shards.by_name("c0-"), Some(3));
        assert_eq!(shards.by_name("c0"), None);
        assert_eq!(Shards::from_names(["0"]).expect("one shard").find(&KeyspaceId(vec![0xff])), 0);
    }

    #[test]
    fn a_prefix_leads_to_all_shards_that_may_hold_it() {
        let shards = Shards::from_names(["-40", "40-4080", "4080-40c0", "40c0-80", "80-"]).expect("a partition");
        for (prefix, found) in [
            (&[][..], 0..=4),
            (&[0x3f][..], 0..=0),
            (&[0x40], 1..=3),
            (&[0x40, 0x80], 2..=2),
            (&[0x40, 0xc0, 0], 3..=3),
            (&[0x41], 3..=3),
            (&[0x80], 4..=4),
            (&[0xff], 4..=4),
        ] {
            assert_eq!(shards.beginning_with(&KeyspaceId(prefix.to_vec())), found, "{prefix:x?}");
        }
    }

    #[test]
    fn gaps_and_overlaps_are_named() {
        for (names, message) in [
            (&[][..], "a keyspace needs at least one shard"),
            (&["80-"], "no shard holds the keyspace ids of -80"),
            (&["-80"], "no shard holds the keyspace ids of 80-"),
            (&["-40", "80-"], "no shard holds the keyspace ids of 40-80"),
            (&["-80", "40-"], "the shards `-80` and `40-` both hold the keyspace ids of 40-80"),
            (&["-", "40-80"], "the shards `-` and `40-80` both hold the keyspace ids of 40-80"),
            (&["-80", "-80", "80-"], "the shard `-80` is named twice"),
            (&["-", "0"], "the shards `-` and `0` both hold the keyspace ids of -"),
        ] {
            assert_eq!(Shards::from_names(names).expect_err("not a partition").to_string(), message);
        }
    }
}
