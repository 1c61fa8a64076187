//! Merges sorted answers into one sorted answer.

use std::cmp::Ordering;
use std::ops::Range;

use vitrail_planner::plan::{SortKey, Window};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::ResultEnd;

use super::order::Key;
use super::row::{Packer, Row};
use super::{Cursor, Ends, Gauge, malformed};
use crate::answer::Answer;
use crate::columns::Columns;
use crate::failure;
use crate::scatter::{Calls, Lane};

/// A merge sort, bound to its columns.
pub(super) struct Sort {
    keys: Vec<Key>,
    /// Columns up to the last key.
    read: usize,
    /// Columns that are handed on.
    shown: usize,
    /// All columns are handed on, so that rows pass untouched.
    whole: bool,
}

/// A row at the head of its lane, with the spans of its cells.
struct Head {
    row: Row,
    cells: Vec<Option<Range<usize>>>,
}

impl Sort {
    /// Fails if a key's column has no order of its own.
    pub(super) fn new(keys: &[SortKey], columns: &Columns, hidden: usize) -> Result<Sort, ErrorBody> {
        let bound = keys
            .iter()
            .map(|key| {
                Key::new(key, &columns.list).ok_or_else(|| {
                    failure::internal(format!("column {} cannot be compared over shards", key.column + 1))
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let shown = columns.list.len().saturating_sub(hidden);
        let read = keys.iter().map(|key| key.column + 1).max().unwrap_or(0).max(if hidden > 0 { shown } else { 0 });
        Ok(Sort { keys: bound, read, shown, whole: hidden == 0 })
    }

    /// Merges. Equal rows come in shard order.
    pub(super) async fn run(
        &self,
        lanes: &mut [Lane],
        calls: &Calls<'_>,
        window: Window,
        cap: Option<u64>,
        answer: &mut Answer<'_>,
    ) -> Result<ResultEnd, ErrorBody> {
        let (mut gauge, mut packer) = (Gauge::new(window, cap), Packer::default());
        let mut cursors: Vec<Cursor<'_>> = lanes.iter_mut().map(Cursor::new).collect();
        let mut heap = Heap::default();
        let mut open = true;
        for (index, cursor) in cursors.iter_mut().enumerate() {
            match self.advance(cursor, calls).await? {
                Some(head) => heap.push((index, head), self)?,
                None => open &= !cursor.is_capped(),
            }
        }
        // A lane that a tablet has cut hides rows that would come next: the answer ends where it does.
        while open && !gauge.is_exhausted() {
            let Some((index, head)) = heap.pop(self)? else { break };
            if let (_, 1) = gauge.take(1) {
                packer.push(self.shown_part(&head));
                if packer.is_full()
                    && let Some(batch) = packer.take()
                {
                    answer.rows(batch).await?;
                }
            }
            match self.advance(&mut cursors[index], calls).await? {
                Some(head) => heap.push((index, head), self)?,
                None => open = !cursors[index].is_capped(),
            }
        }
        if let Some(batch) = packer.take() {
            answer.rows(batch).await?;
        }
        let mut ends = Ends::default();
        cursors.into_iter().flat_map(|cursor| cursor.ended).for_each(|end| ends.add(end));
        let cut = gauge.cut();
        if !gauge.is_exhausted() || cut.is_some() {
            return Ok(ends.into_end(gauge.passed, cut));
        }
        // The statement's own limit was reached: what a tablet cut beyond it does not matter.
        let mut end = ends.into_end(gauge.passed, None);
        end.capped = None;
        Ok(end)
    }

    async fn advance(&self, cursor: &mut Cursor<'_>, calls: &Calls<'_>) -> Result<Option<Head>, ErrorBody> {
        let Some(row) = cursor.next(calls).await? else { return Ok(None) };
        let cells = row.cells(self.read).ok_or_else(malformed)?;
        Ok(Some(Head { row, cells }))
    }

    /// The bytes of the columns that are handed on: a prefix of the row's text.
    fn shown_part<'h>(&self, head: &'h Head) -> &'h [u8] {
        let text = head.row.text();
        if self.whole {
            return text;
        }
        // A NULL takes one byte behind the cell before it.
        let mut end = 0;
        for cell in &head.cells[..self.shown] {
            end = cell.as_ref().map_or(end + 1, |span| span.end);
        }
        &text[..end]
    }

    fn compare(&self, left: &(usize, Head), right: &(usize, Head)) -> Result<Ordering, ErrorBody> {
        for key in &self.keys {
            let order = key.compare(left.1.value(key.column), right.1.value(key.column)).ok_or_else(malformed)?;
            if order.is_ne() {
                return Ok(order);
            }
        }
        Ok(left.0.cmp(&right.0))
    }
}

impl Head {
    fn value(&self, column: usize) -> Option<&[u8]> {
        self.cells[column].clone().map(|span| &self.row.text()[span])
    }
}

/// A binary heap whose comparison may fail, least row on top.
#[derive(Default)]
struct Heap(Vec<(usize, Head)>);

impl Heap {
    fn push(&mut self, item: (usize, Head), sort: &Sort) -> Result<(), ErrorBody> {
        self.0.push(item);
        let mut child = self.0.len() - 1;
        while child > 0 {
            let parent = (child - 1) / 2;
            if sort.compare(&self.0[child], &self.0[parent])?.is_ge() {
                break;
            }
            self.0.swap(child, parent);
            child = parent;
        }
        Ok(())
    }

    fn pop(&mut self, sort: &Sort) -> Result<Option<(usize, Head)>, ErrorBody> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let top = self.0.swap_remove(0);
        let mut parent = 0;
        loop {
            let mut least = parent;
            for child in [2 * parent + 1, 2 * parent + 2] {
                if child < self.0.len() && sort.compare(&self.0[child], &self.0[least])?.is_lt() {
                    least = child;
                }
            }
            if least == parent {
                return Ok(Some(top));
            }
            self.0.swap(parent, least);
            parent = least;
        }
    }
}
