//! The rows of several sorted answers in one order.

use std::cmp::Ordering;
use std::ops::Range;

use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::ResultEnd;

use super::order::Key;
use super::row::Row;
use super::{Cursor, malformed};
use crate::failure;
use crate::scatter::{Calls, Lane};

/// A row with the spans of its cells.
#[derive(Default)]
pub(crate) struct Head {
    pub(crate) row: Row,
    pub(crate) cells: Vec<Option<Range<usize>>>,
}

impl Head {
    /// The value of a column; `None` is NULL.
    pub(crate) fn value(&self, column: usize) -> Option<&[u8]> {
        self.cells[column].clone().map(|span| &self.row.text()[span])
    }

    /// Compares by `keys`; `None` if a value is not of its column's type.
    pub(super) fn compare(&self, other: &Head, keys: &[Key]) -> Option<Ordering> {
        for key in keys {
            let order = key.compare(self.value(key.column), other.value(key.column))?;
            if order.is_ne() {
                return Some(order);
            }
        }
        Some(Ordering::Equal)
    }
}

/// A row that is kept for a while, in the memory of the one before.
#[derive(Default)]
pub(super) struct Held {
    head: Head,
    full: bool,
}

impl Held {
    pub(super) fn get(&self) -> Option<&Head> {
        self.full.then_some(&self.head)
    }

    pub(super) fn set(&mut self, head: &Head) {
        self.head.row.clone_from(&head.row);
        self.head.cells.clone_from(&head.cells);
        self.full = true;
    }

    pub(super) fn clear(&mut self) {
        self.full = false;
    }
}

/// Takes the least row of all lanes again and again. Equal rows come in the order of the lanes.
///
/// It also sees that each lane is in order, and that no value is so long that MySQL sorts and groups by a part of it: such rows cannot be
/// merged.
pub(super) struct Heads<'a> {
    keys: &'a [Key],
    /// Columns whose cells are looked for.
    read: usize,
    cursors: Vec<Cursor<'a>>,
    heap: Vec<(usize, Head)>,
    /// The row handed out last, whose lane has not gone on yet.
    last: Option<(usize, Head)>,
    /// Room for the cells of the next row.
    spare: Vec<Option<Range<usize>>>,
    cut: bool,
}

impl<'a> Heads<'a> {
    /// Waits for the first row of each lane.
    pub(super) async fn new(
        keys: &'a [Key],
        read: usize,
        lanes: &'a mut [Lane],
        calls: &Calls<'_>,
    ) -> Result<Heads<'a>, ErrorBody> {
        let cursors: Vec<Cursor<'a>> = lanes.iter_mut().map(Cursor::new).collect();
        let heap = Vec::with_capacity(cursors.len());
        let mut heads = Heads { keys, read, cursors, heap, last: None, spare: Vec::new(), cut: false };
        for lane in 0..heads.cursors.len() {
            if let Some(head) = heads.advance(lane, Vec::new(), calls).await? {
                heads.push((lane, head))?;
            }
        }
        Ok(heads)
    }

    /// The next row. `None` at the end, or where a tablet has cut a lane: what comes next is not known then.
    pub(super) async fn next(&mut self, calls: &Calls<'_>) -> Result<Option<&Head>, ErrorBody> {
        if let Some((lane, last)) = self.last.take() {
            let cells = std::mem::take(&mut self.spare);
            if let Some(head) = self.advance(lane, cells, calls).await? {
                if last.compare(&head, self.keys).ok_or_else(malformed)?.is_gt() {
                    return Err(unsorted());
                }
                self.push((lane, head))?;
            }
            self.spare = last.cells;
        }
        if self.cut {
            return Ok(None);
        }
        self.last = self.pop()?;
        Ok(self.last.as_ref().map(|(_, head)| head))
    }

    /// Whether a tablet's limit ended the rows.
    pub(super) fn is_cut(&self) -> bool {
        self.cut
    }

    /// The ends of the lanes that have ended.
    pub(super) fn into_ends(self) -> impl Iterator<Item = ResultEnd> + use<'a> {
        self.cursors.into_iter().flat_map(|cursor| cursor.ended)
    }

    async fn advance(
        &mut self,
        lane: usize,
        mut cells: Vec<Option<Range<usize>>>,
        calls: &Calls<'_>,
    ) -> Result<Option<Head>, ErrorBody> {
        let cursor = &mut self.cursors[lane];
        let Some(row) = cursor.next(calls).await? else {
            self.cut |= cursor.is_capped();
            return Ok(None);
        };
        row.find_cells(self.read, &mut cells).ok_or_else(malformed)?;
        let head = Head { row, cells };
        if self.keys.iter().any(|key| key.is_cut(head.value(key.column))) {
            return Err(unsorted());
        }
        Ok(Some(head))
    }

    fn compare(&self, left: usize, right: usize) -> Result<Ordering, ErrorBody> {
        let (left, right) = (&self.heap[left], &self.heap[right]);
        let order = left.1.compare(&right.1, self.keys).ok_or_else(malformed)?;
        Ok(order.then(left.0.cmp(&right.0)))
    }

    fn push(&mut self, item: (usize, Head)) -> Result<(), ErrorBody> {
        self.heap.push(item);
        let mut child = self.heap.len() - 1;
        while child > 0 {
            let parent = (child - 1) / 2;
            if self.compare(child, parent)?.is_ge() {
                break;
            }
            self.heap.swap(child, parent);
            child = parent;
        }
        Ok(())
    }

    fn pop(&mut self) -> Result<Option<(usize, Head)>, ErrorBody> {
        if self.heap.is_empty() {
            return Ok(None);
        }
        let top = self.heap.swap_remove(0);
        let mut parent = 0;
        loop {
            let mut least = parent;
            for child in [2 * parent + 1, 2 * parent + 2] {
                if child < self.heap.len() && self.compare(child, least)?.is_lt() {
                    least = child;
                }
            }
            if least == parent {
                return Ok(Some(top));
            }
            self.heap.swap(parent, least);
            parent = least;
        }
    }
}

fn unsorted() -> ErrorBody {
    failure::unsupported(
        "over several shards, values are sorted and grouped by that are as long as max_sort_length, or in an order that is not that of their \
         collation; use a shorter expression, or pin the statement to one shard by its sharding column",
    )
}
