//! Keyspace ids and ranges of them.

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
