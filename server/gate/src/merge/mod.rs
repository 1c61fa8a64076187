//! Makes one answer of the answers of several shards, with no more in memory than a few batches of each.

pub(crate) mod row;

mod arithmetic;
pub(crate) mod condition;
mod decimal;
mod double;
mod exact_sum;
mod fold;
mod group;
pub(crate) mod heads;
pub(crate) mod kept;
mod moments;
pub(crate) mod order;
mod sort;

use std::collections::VecDeque;
use std::pin::pin;

use bytes::Bytes;
use vitrail_planner::plan::{Merge, Window};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::{Capped, ResultEnd};
use vitrail_service::execution::Part;

pub(crate) use self::order::bind;
use crate::answer::Answer;
use crate::columns::{self, Columns};
use crate::failure;
use crate::scatter::{Calls, Lane};

/// Merges the rows of `lanes` into `answer`, up to `cap` rows. On failure the lanes are left as they are: abandon them.
pub(crate) async fn rows(
    lanes: &mut [Lane],
    calls: &Calls<'_>,
    keyspace: &str,
    merge: &Merge,
    cap: Option<u64>,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    let columns = common_columns(lanes, calls, keyspace).await?;
    match merge {
        Merge::Concat(window) => {
            answer.fields(columns.packed.clone()).await?;
            concat(lanes, calls, *window, cap, answer).await
        }
        Merge::Sort { columns: expected, .. } if columns.list.len() != *expected => Err(failure::outdated(keyspace)),
        Merge::Sort { keys, window, hidden_columns, .. } => {
            let sort = sort::Sort::new(keys, &columns, *hidden_columns)?;
            answer.fields(columns.without_last(*hidden_columns).packed).await?;
            sort.run(lanes, calls, *window, cap, answer).await
        }
        Merge::Group { grouping, values, window } => {
            let groups = group::Groups::new(grouping, values, &columns)?;
            answer.fields(columns.without_last(grouping.hidden_columns).packed).await?;
            groups.run(lanes, calls, *window, cap, answer).await
        }
        Merge::Pass | Merge::Writes | Merge::Replicated => {
            Err(failure::internal("rows from a statement that has none to merge"))
        }
    }
}

/// Adds the ends of several shards up: what they say of warnings, and where the answer was cut.
#[derive(Default)]
struct Ends {
    end: ResultEnd,
}

impl Ends {
    fn add(&mut self, end: ResultEnd) {
        self.end.warnings = self.end.warnings.saturating_add(end.warnings);
        self.end.warning_texts.extend(end.warning_texts);
        self.end.status |= end.status & !ResultEnd::MORE_RESULTS;
        if let Some(capped) = end.capped {
            self.end.capped.get_or_insert(capped);
        }
    }

    /// `rows` were handed on; `cut` says that there were more than the request wanted.
    fn into_end(mut self, rows: u64, cut: Option<u64>) -> ResultEnd {
        self.end.rows = rows;
        if let Some(limit) = cut {
            self.end.capped = Some(Capped { by: "request".into(), limit });
        }
        self.end
    }
}

/// How many rows still pass: first the offset is skipped, then the limit and the request's cap count down.
pub(crate) struct Gauge {
    skip: u64,
    limit: Option<u64>,
    cap: Option<u64>,
    passed: u64,
    /// A row was held back by the cap alone.
    cut: bool,
}

impl Gauge {
    pub(crate) fn new(window: Window, cap: Option<u64>) -> Gauge {
        Gauge { skip: window.offset, limit: window.limit, cap, passed: 0, cut: false }
    }

    /// Whether the next row is beyond the statement's own limit.
    fn is_exhausted(&self) -> bool {
        self.cut || self.limit.is_some_and(|limit| self.passed >= limit)
    }

    /// Decides about `count` rows at once: how many to skip and then how many to hand on.
    pub(crate) fn take(&mut self, count: u64) -> (u64, u64) {
        let skipped = self.skip.min(count);
        self.skip -= skipped;
        let mut kept = count - skipped;
        if let Some(limit) = self.limit {
            kept = kept.min(limit - self.passed);
        }
        if let Some(cap) = self.cap
            && kept > cap - self.passed
        {
            kept = cap - self.passed;
            self.cut = true;
        }
        self.passed += kept;
        (skipped, kept)
    }

    /// The end of an answer whose lanes ended so.
    fn end(&self, ends: Ends) -> ResultEnd {
        let cut = self.cut();
        let mut end = ends.into_end(self.passed, cut);
        if self.is_exhausted() && cut.is_none() {
            // The statement's own limit was reached: what a tablet cut beyond it does not matter.
            end.capped = None;
        }
        end
    }

    /// How many rows were handed on.
    pub(crate) fn passed(&self) -> u64 {
        self.passed
    }

    /// The cap, if it cut.
    pub(crate) fn cut(&self) -> Option<u64> {
        self.cap.filter(|_| self.cut)
    }
}

/// Takes the columns of every lane; all must have the same.
async fn common_columns(lanes: &mut [Lane], calls: &Calls<'_>, keyspace: &str) -> Result<Columns, ErrorBody> {
    let first_shard = lanes.first().map(|lane| lane.shard().to_owned()).unwrap_or_default();
    let mut common: Option<Columns> = None;
    for lane in lanes.iter_mut() {
        let Some(Part::Fields(packed)) = calls.guard(pin!(lane.next())).await? else {
            return Err(failure::internal("a shard answered a read without columns").with_shard(lane.shard()));
        };
        let columns = Columns::read(&packed, keyspace).ok_or_else(malformed)?;
        match &common {
            None => common = Some(columns),
            Some(first) if columns::agree(first, &columns) => {}
            Some(_) => {
                let message = format!(
                    "shards '{first_shard}' and '{}' of keyspace '{keyspace}' answer with different columns; bring their table definitions in line",
                    lane.shard()
                );
                return Err(failure::internal(message));
            }
        }
    }
    common.ok_or_else(|| failure::internal("a merge of no shards"))
}

/// One answer after the other.
async fn concat(
    lanes: &mut [Lane],
    calls: &Calls<'_>,
    window: Window,
    cap: Option<u64>,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    let (mut gauge, mut ends) = (Gauge::new(window, cap), Ends::default());
    for lane in lanes.iter_mut() {
        while !gauge.is_exhausted() {
            match calls.guard(pin!(lane.next())).await? {
                Some(Part::Rows(batch)) => {
                    let (skipped, kept) = gauge.take(batch.count.into());
                    if kept > 0 {
                        answer.rows(row::cut(batch, skipped, Some(kept)).ok_or_else(malformed)?).await?;
                    }
                }
                Some(Part::End(end)) => ends.add(*end),
                Some(Part::Fields(_)) => return Err(failure::internal("a second result to merge")),
                None => break,
            }
        }
    }
    let cut = gauge.cut();
    Ok(ends.into_end(gauge.passed, cut))
}

/// The rows of one lane, one by one.
struct Cursor<'a> {
    lane: &'a mut Lane,
    batch: Bytes,
    ended: VecDeque<ResultEnd>,
}

impl<'a> Cursor<'a> {
    fn new(lane: &'a mut Lane) -> Cursor<'a> {
        Cursor { lane, batch: Bytes::new(), ended: VecDeque::new() }
    }

    /// The next row; `None` at the end.
    async fn next(&mut self, calls: &Calls<'_>) -> Result<Option<row::Row>, ErrorBody> {
        while self.batch.is_empty() {
            match calls.guard(pin!(self.lane.next())).await? {
                Some(Part::Rows(batch)) => self.batch = batch.bytes,
                Some(Part::End(end)) => self.ended.push_back(*end),
                Some(Part::Fields(_)) => return Err(failure::internal("a second result to merge")),
                None => return Ok(None),
            }
        }
        row::take_row(&mut self.batch).map(Some).ok_or_else(malformed)
    }

    /// The lane's rows were cut by a limit of the tablet: what follows is not known.
    fn is_capped(&self) -> bool {
        self.ended.iter().any(|end| end.capped.is_some())
    }
}

fn malformed() -> ErrorBody {
    failure::internal("a shard sent rows or columns that cannot be read")
}
