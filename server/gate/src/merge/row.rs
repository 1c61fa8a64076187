//! Packed rows: one by one, and cell by cell.

use std::ops::Range;

use bytes::Bytes;
use vitrail_proto::rows::{self, RowBatch, RowBuilder};

/// One row with its length prefix, as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Row(Bytes);

impl Row {
    /// A row of whole cells.
    pub(crate) fn of(parts: [&[u8]; 2]) -> Row {
        let length = parts[0].len() + parts[1].len();
        let mut bytes = Vec::with_capacity(4 + length);
        bytes.extend_from_slice(&(length as u32).to_le_bytes());
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        Row(bytes.into())
    }

    /// The row without its length prefix.
    pub(crate) fn text(&self) -> &[u8] {
        &self.0[4..]
    }

    /// The span of each of `count` cells in [`Row::text`]; `None` inside is NULL. `None` if it has fewer, or is malformed.
    #[cfg(test)]
    pub(crate) fn cells(&self, count: usize) -> Option<Vec<Option<Range<usize>>>> {
        let mut spans = Vec::with_capacity(count);
        self.find_cells(count, &mut spans).map(|()| spans)
    }

    /// Puts the span of each of `count` cells in [`Row::text`] into `spans`, in place of what is there; `None` inside is NULL. `None` if
    /// it has fewer, or is malformed.
    pub(crate) fn find_cells(&self, count: usize, spans: &mut Vec<Option<Range<usize>>>) -> Option<()> {
        let text = self.text();
        let start = text.as_ptr().addr();
        spans.clear();
        for cell in rows::Row::new(text).cells().take(count) {
            // Cells are slices of the text, so that their addresses tell where in it they are.
            spans.push(cell.ok()?.map(|cell| {
                let at = cell.as_ptr().addr() - start;
                at..at + cell.len()
            }));
        }
        (spans.len() == count).then_some(())
    }
}

/// Takes the first row off `bytes`. `None` if they do not hold a whole one.
pub(crate) fn take_row(bytes: &mut Bytes) -> Option<Row> {
    let length = bytes.get(..4)?;
    let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
    (bytes.len() - 4 >= length).then(|| Row(bytes.split_to(4 + length)))
}

/// Skips rows at the start of a batch, and drops those above `limit`.
pub(crate) fn cut(batch: RowBatch, skip: u64, limit: Option<u64>) -> Option<RowBatch> {
    let (mut bytes, count) = (batch.bytes, u64::from(batch.count));
    let (skip, kept) =
        (skip.min(count), limit.map_or(count, |limit| limit.min(count - skip.min(count))).min(count - skip.min(count)));
    if skip == 0 && kept == count {
        return Some(RowBatch { bytes, count: batch.count });
    }
    for _ in 0..skip {
        take_row(&mut bytes)?;
    }
    let mut rest = bytes.clone();
    for _ in 0..kept {
        take_row(&mut rest)?;
    }
    let length = bytes.len() - rest.len();
    Some(RowBatch { bytes: bytes.split_to(length), count: kept as u32 })
}

/// Gathers rows into batches.
#[derive(Debug, Default)]
pub(crate) struct Packer(RowBuilder);

impl Packer {
    /// Appends a row's text, or a prefix of whole cells.
    pub(crate) fn push(&mut self, text: &[u8]) {
        self.0.push_row(text);
    }

    /// Appends a row of values; `None` is NULL.
    pub(crate) fn push_values<'v>(&mut self, values: impl IntoIterator<Item = Option<&'v [u8]>>) {
        self.0.push_cells(values);
    }

    /// Appends a row of `cells`; `None` is NULL.
    pub(crate) fn push_cells<C: AsRef<[u8]>>(&mut self, cells: impl IntoIterator<Item = Option<C>>) {
        let cells: Vec<Option<C>> = cells.into_iter().collect();
        self.0.push_cells(cells.iter().map(|cell| cell.as_ref().map(AsRef::as_ref)));
    }

    /// Whether the batch is large enough to travel.
    pub(crate) fn is_full(&self) -> bool {
        self.0.is_full()
    }

    /// Takes what was gathered; `None` if that is nothing.
    pub(crate) fn take(&mut self) -> Option<RowBatch> {
        (!self.0.is_empty()).then(|| self.0.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(rows: &[&str]) -> RowBatch {
        let mut packer = Packer::default();
        for row in rows {
            packer.push_cells([Some(*row), None]);
        }
        packer.take().unwrap_or_default()
    }

    #[test]
    fn cells_of_a_row() {
        let mut bytes = batch(&["abc"]).bytes;
        let row = take_row(&mut bytes).expect("one row");
        assert!(bytes.is_empty());
        assert_eq!(row.cells(2), Some(vec![Some(1..4), None]));
        assert_eq!(row.cells(3), None);
        assert_eq!(take_row(&mut Bytes::from_static(&[9, 0, 0, 0, 1])), None);
    }

    #[test]
    fn batches_are_cut() {
        let rows = ["a", "b", "c"];
        for (skip, limit, kept) in [
            (0, None, &rows[..]),
            (0, Some(5), &rows[..]),
            (1, None, &rows[1..]),
            (1, Some(1), &rows[1..2]),
            (0, Some(0), &rows[..0]),
            (7, Some(2), &rows[..0]),
            (2, Some(2), &rows[2..]),
        ] {
            assert_eq!(cut(batch(&rows), skip, limit), Some(batch(kept)), "{skip} {limit:?}");
        }
    }
}
