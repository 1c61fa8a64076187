//! Merges sorted answers into one sorted answer.

use vitrail_planner::plan::{SortKey, Window};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::ResultEnd;

use super::heads::{Head, Heads};
use super::order::{Key, bind};
use super::row::Packer;
use super::{Ends, Gauge};
use crate::answer::Answer;
use crate::columns::Columns;
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

impl Sort {
    /// Fails if a key's column has no order of its own.
    pub(super) fn new(keys: &[SortKey], columns: &Columns, hidden: usize) -> Result<Sort, ErrorBody> {
        let bound = bind(keys, &columns.list)?;
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
        let mut heads = Heads::new(&self.keys, self.read, lanes, calls).await?;
        while !gauge.is_exhausted() {
            let Some(head) = heads.next(calls).await? else { break };
            if let (_, 1) = gauge.take(1) {
                packer.push(self.shown_part(head));
                if packer.is_full()
                    && let Some(batch) = packer.take()
                {
                    answer.rows(batch).await?;
                }
            }
        }
        if let Some(batch) = packer.take() {
            answer.rows(batch).await?;
        }
        let mut ends = Ends::default();
        heads.into_ends().for_each(|end| ends.add(end));
        Ok(gauge.end(ends))
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
}
