//! Rows that a write in steps gives back: they are kept until all of it is done, and go to the client then.

use std::collections::HashMap;

use vitrail_planner::plan::{Keyed, ShardStatement, Window, Write};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::{Capped, ResultEnd};

use super::keyed::bytes_of;
use super::rows::{Rows, cells, malformed};
use super::{Done, Stepping};
use crate::answer::Answer;
use crate::merge::Gauge;
use crate::merge::row::Packer;
use crate::session::Session;

/// See the module.
pub(super) struct Returned {
    pub(super) rows: Rows,
    /// Where the rows of these keys come; empty: in any order.
    pub(super) places: HashMap<Vec<u8>, usize>,
}

impl Stepping<'_> {
    /// Asks for the columns of the rows that are given back, where none was written that tells them.
    pub(super) async fn tell_columns(&self, session: &mut Session, done: &mut Done) -> Result<(), ErrorBody> {
        if done.returned.as_ref().is_none_or(|returned| returned.rows.columns.is_some()) {
            return Ok(());
        }
        let Some(sql) = self.steps.columns_text() else { return Ok(()) };
        let statement = ShardStatement { shard: 0, sql: sql.into(), binds: self.with([]) };
        let end = self.write(session, vec![statement], &self.scope.calling, done).await?;
        done.add(end);
        Ok(())
    }

    /// Hands them on to the client. Gives the end of the whole.
    pub(super) async fn hand_on(
        &self,
        returned: Returned,
        end: ResultEnd,
        answer: &mut Answer<'_>,
    ) -> Result<ResultEnd, ErrorBody> {
        let Returned { rows, places } = returned;
        let hidden = match self.steps.write() {
            Write::Keyed(tables) => tables.iter().map(Keyed::hidden).sum(),
            _ => 0,
        };
        let columns = rows.columns.ok_or_else(malformed)?;
        let count = columns.list.len();
        let shown = count.checked_sub(hidden).ok_or_else(malformed)?;
        let mut list = Vec::with_capacity(rows.list.len());
        for row in &rows.list {
            let cells = cells(row, count)?;
            let place = if hidden == 0 { 0 } else { *places.get(&bytes_of(&cells[shown..])).ok_or_else(malformed)? };
            list.push((place, cells));
        }
        list.sort_by_key(|(place, _)| *place);
        let mut gauge = Gauge::new(Window::default(), self.scope.limits.max_rows);
        let (_, kept) = gauge.take(list.len() as u64);
        answer.fields(columns.without_last(hidden).packed).await?;
        let mut packer = Packer::default();
        for (_, cells) in list.into_iter().take(usize::try_from(kept).unwrap_or(usize::MAX)) {
            packer.push_values(cells.into_iter().take(shown));
            if packer.is_full() {
                answer.rows(packer.take().unwrap_or_default()).await?;
            }
        }
        if let Some(batch) = packer.take() {
            answer.rows(batch).await?;
        }
        let capped = gauge.cut().map(|limit| Capped { by: "request".into(), limit });
        Ok(ResultEnd { rows: gauge.passed(), capped, ..end })
    }
}
