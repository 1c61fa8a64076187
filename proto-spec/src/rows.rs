//! Packed rows and fields: MySQL's own text rows, each behind a u32 little-endian length.

use bytes::Bytes;

/// A batch of packed rows: consecutive (u32 length, text row).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowBatch {
    /// The packed bytes.
    pub bytes: Bytes,
    /// How many rows they hold.
    pub count: u32,
}
