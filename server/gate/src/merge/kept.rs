//! Rows of groups and joins that are sorted once all are there, in bounded memory.

use std::cmp::Ordering;

use vitrail_planner::plan::Window;
use vitrail_proto::error::{Code, ErrorBody};

use super::heads::Head;
use super::malformed;
use super::order::Key;
use super::row::{Packer, Row, take_row};

/// Bytes of groups that are kept to be sorted.
const MOST_BYTES: usize = 64 << 20;

/// Groups beyond those that LIMIT asks for which are kept before they are sorted and dropped.
const SPARE_GROUPS: usize = 1024;

/// Groups that are sorted once all are there.
pub(crate) struct Kept {
    /// Each with all columns, hidden ones too.
    pub(crate) rows: Vec<Head>,
    bytes: usize,
    /// How many of them are wanted.
    most: Option<u64>,
    limit: usize,
}

impl Kept {
    /// None yet, for an answer of this window.
    pub(crate) fn new(window: Window) -> Kept {
        let most = window.limit.map(|limit| limit.saturating_add(window.offset));
        Kept { rows: Vec::new(), bytes: 0, most, limit: MOST_BYTES }
    }

    /// Keeps a row of so many columns. Fails if that is more than may be kept.
    pub(crate) fn push<'c>(
        &mut self,
        cells: impl Iterator<Item = Option<&'c [u8]>>,
        columns: usize,
        order: &[Key],
    ) -> Result<(), ErrorBody> {
        let mut packer = Packer::default();
        packer.push_values(cells);
        let batch = packer.take().ok_or_else(malformed)?;
        let row = take_row(&mut { batch.bytes }).ok_or_else(malformed)?;
        let mut spans = Vec::new();
        row.find_cells(columns, &mut spans).ok_or_else(malformed)?;
        self.bytes += size(&row, columns);
        self.rows.push(Head { row, cells: spans });
        if let Some(most) = self.most.and_then(|most| usize::try_from(most).ok())
            && self.rows.len() >= most.saturating_mul(2).saturating_add(SPARE_GROUPS)
        {
            self.sort(order)?;
            self.rows.truncate(most);
            self.bytes = self.rows.iter().map(|head| size(&head.row, columns)).sum();
        }
        if self.bytes > self.limit {
            let message = format!(
                "the rows take more than {} MiB, and all of them are needed to sort them; order by the keys of GROUP BY, add LIMIT, or \
                 read fewer rows",
                self.limit >> 20
            );
            return Err(ErrorBody::new(Code::Exhausted, message).with_errno(1038, "HY001"));
        }
        Ok(())
    }

    /// Sorts; equal rows keep their order.
    pub(crate) fn sort(&mut self, order: &[Key]) -> Result<(), ErrorBody> {
        let mut failed = false;
        self.rows.sort_by(|left, right| {
            left.compare(right, order).unwrap_or_else(|| {
                failed = true;
                Ordering::Equal
            })
        });
        if failed { Err(malformed()) } else { Ok(()) }
    }
}

/// What a kept row takes, about.
fn size(row: &Row, columns: usize) -> usize {
    row.text().len() + columns * size_of::<Option<std::ops::Range<usize>>>() + size_of::<Head>()
}

#[cfg(test)]
mod tests {
    use vitrail_planner::plan::{Comparison, SortKey};

    use super::*;
    use crate::columns::{Columns, Own, pack};

    fn order() -> Vec<Key> {
        let columns = Columns::read(&pack(&[Own::Integer("n")]), "k").expect("well formed");
        let key = SortKey { column: 0, descending: false, comparison: Comparison::Native };
        super::super::order::bind(&[key], &columns.list).expect("numbers")
    }

    fn push(kept: &mut Kept, number: u64, order: &[Key]) -> Result<(), ErrorBody> {
        kept.push([Some(number.to_string().as_bytes())].into_iter(), 1, order)
    }

    #[test]
    fn too_many_groups_are_refused() {
        let order = order();
        let mut kept = Kept { limit: 10_000, ..Kept::new(Window::default()) };
        let failed = (0..1000).find_map(|number| push(&mut kept, number, &order).err()).expect("above the limit");
        assert_eq!((failed.code, failed.errno), (Code::Exhausted, 1038));
        assert!(kept.rows.len() > 50, "{}", kept.rows.len());
    }

    /// With LIMIT, those that it cannot want make room for others.
    #[test]
    fn a_limit_keeps_memory_small() {
        let order = order();
        let mut kept = Kept { limit: 500_000, ..Kept::new(Window { offset: 1, limit: Some(2) }) };
        for number in (0..100_000).rev() {
            push(&mut kept, number, &order).expect("dropped in time");
        }
        kept.sort(&order).expect("numbers");
        let first: Vec<Option<&[u8]>> = kept.rows[..3].iter().map(|row| row.value(0)).collect();
        assert_eq!(first, [Some(&b"0"[..]), Some(b"1"), Some(b"2")]);
    }
}
