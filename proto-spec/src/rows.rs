//! Packed rows and fields: MySQL's own text rows, each behind a u32 little-endian length.
//!
//! A MySQL packet is a u24 length, a sequence byte and a payload. With the sequence byte zeroed its first four bytes are
//! the u32 length of a packed row, so rows go through without being looked at.

mod column;
mod lenenc;

use bytes::Bytes;
use twox_hash::XxHash64;

pub use column::{Column, ColumnType, columns, pack_columns, schemas};
pub use lenenc::put_lenenc;

use crate::error::ProtocolError;
use crate::limits::ROW_BATCH;

/// A batch of packed rows: consecutive (u32 length, text row).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowBatch {
    /// The packed bytes.
    pub bytes: Bytes,
    /// How many rows they hold.
    pub count: u32,
}

impl RowBatch {
    /// The rows. A batch whose lengths do not fit ends with an error.
    pub fn rows(&self) -> Rows<'_> {
        Rows { bytes: &self.bytes, expected: self.count }
    }
}

/// The rows of a batch. See [`RowBatch::rows`].
#[derive(Debug, Clone)]
pub struct Rows<'a> {
    bytes: &'a [u8],
    expected: u32,
}

impl<'a> Iterator for Rows<'a> {
    type Item = Result<Row<'a>, ProtocolError>;

    fn next(&mut self) -> Option<Result<Row<'a>, ProtocolError>> {
        if self.bytes.is_empty() && self.expected == 0 {
            return None;
        }
        let part = if self.expected == 0 { None } else { take_part(&mut self.bytes) };
        self.expected = self.expected.saturating_sub(1);
        Some(match part {
            Some(row) => Ok(Row(row)),
            None => {
                (self.bytes, self.expected) = (&[], 0);
                Err(ProtocolError::BadPacking("rows"))
            }
        })
    }
}

/// One text row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a>(&'a [u8]);

impl<'a> Row<'a> {
    /// A row of the payload of a MySQL packet.
    pub fn new(payload: &'a [u8]) -> Row<'a> {
        Row(payload)
    }

    /// Its bytes.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// Its cells in order; `None` is NULL. A cell that does not fit ends the row with an error.
    pub fn cells(self) -> Cells<'a> {
        Cells(self.0)
    }
}

/// The cells of a row. See [`Row::cells`].
#[derive(Debug, Clone)]
pub struct Cells<'a>(&'a [u8]);

impl<'a> Iterator for Cells<'a> {
    type Item = Result<Option<&'a [u8]>, ProtocolError>;

    #[inline]
    fn next(&mut self) -> Option<Result<Option<&'a [u8]>, ProtocolError>> {
        if self.0.is_empty() {
            return None;
        }
        let cell = lenenc::take_cell(&mut self.0);
        if cell.is_none() {
            self.0 = &[];
        }
        Some(cell.ok_or(ProtocolError::BadPacking("rows")))
    }
}

/// Packs rows into a batch.
#[derive(Debug, Default)]
pub struct RowBuilder {
    bytes: Vec<u8>,
    count: u32,
}

impl RowBuilder {
    /// An empty batch.
    pub fn new() -> RowBuilder {
        RowBuilder::default()
    }

    /// Appends a whole MySQL packet, header included: `[length: 3][sequence: 1][payload]`. Rows of 16 MiB - 1 and above
    /// come as several packets and must be joined before: see [`RowBuilder::push_row`].
    pub fn push_packet(&mut self, packet: &[u8]) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(packet);
        self.bytes[at + 3] = 0;
        self.count += 1;
    }

    /// Appends the payload of a row of any length.
    pub fn push_row(&mut self, payload: &[u8]) {
        self.bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(payload);
        self.count += 1;
    }

    /// Appends a row made of cells.
    pub fn push_cells<'c>(&mut self, cells: impl IntoIterator<Item = Option<&'c [u8]>>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        for cell in cells {
            lenenc::put_cell(&mut self.bytes, cell);
        }
        let length = (self.bytes.len() - start - 4) as u32;
        self.bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
        self.count += 1;
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Rows so far.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether it has the size that a batch is sent at.
    pub fn is_full(&self) -> bool {
        self.bytes.len() >= ROW_BATCH
    }

    /// The batch; the builder is empty again.
    pub fn finish(&mut self) -> RowBatch {
        RowBatch { bytes: Bytes::from(std::mem::take(&mut self.bytes)), count: std::mem::take(&mut self.count) }
    }
}

/// The hash by which both sides know that fields are equal: xxHash64 with seed 0 of the packed fields.
pub fn fields_hash(packed: &[u8]) -> u64 {
    XxHash64::oneshot(0, packed)
}

/// Takes one (u32 length, bytes) off the front.
fn take_part<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    if length > rest.len() {
        return None;
    }
    let (part, rest) = rest.split_at(length);
    *bytes = rest;
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_rows_and_cells_pack_alike() {
        let mut builder = RowBuilder::new();
        builder.push_packet(&[4, 0, 0, 9, 1, b'7', 0xfb, 0]);
        builder.push_row(&[1, b'7', 0xfb, 0]);
        builder.push_cells([Some(&b"7"[..]), None, Some(b"")]);
        let batch = builder.finish();
        assert!(builder.is_empty());
        assert_eq!(batch.count, 3);
        for row in batch.rows() {
            let cells: Vec<_> = row.unwrap().cells().map(Result::unwrap).collect();
            assert_eq!(cells, [Some(&b"7"[..]), None, Some(b"")]);
        }
        assert_eq!(batch.rows().count(), 3);
    }

    #[test]
    fn counts_and_lengths_must_agree() {
        let bytes = Bytes::from_static(&[1, 0, 0, 0, 0xfb]);
        for (bytes, count) in [(bytes.clone(), 0), (bytes.clone(), 2), (bytes.slice(..4), 1), (bytes.slice(..2), 1)] {
            assert!(RowBatch { bytes, count }.rows().any(|row| row.is_err()));
        }
    }

    #[test]
    fn long_cells_use_the_wider_lengths() {
        for length in [0, 250, 251, 65_535, 65_536, 16_777_216] {
            let cell = vec![b'x'; length];
            let mut builder = RowBuilder::new();
            builder.push_cells([Some(&cell[..]), None]);
            let batch = builder.finish();
            let row = batch.rows().next().unwrap().unwrap();
            let cells: Vec<_> = row.cells().map(Result::unwrap).collect();
            assert_eq!(cells.len(), 2);
            assert_eq!(cells[0].map(<[u8]>::len), Some(length));
        }
    }
}
