//! Rows that a write over several shards gives back: RETURNING.

use std::pin::pin;

use vitrail_planner::plan::{Merge, Window};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::{Capped, ResultEnd};
use vitrail_service::execution::Part;

use super::work::Work;
use crate::answer::Answer;
use crate::merge::{Gauge, row};
use crate::scatter::{Calls, Lane};
use crate::{columns, failure};

impl Work<'_> {
    /// Hands on what each shard gives of its own rows, one shard after the other; of a reference table, what the first gives: the others give the same.
    /// Gives the end of each.
    pub(super) async fn returned(
        &self,
        lanes: &mut [Lane],
        calls: &Calls<'_>,
        answer: &mut Answer<'_>,
    ) -> Result<Vec<ResultEnd>, ErrorBody> {
        let once = matches!(self.resolved.merge, Merge::Replicated);
        let mut gauge = Gauge::new(Window::default(), self.limits.max_rows);
        let mut ends: Vec<ResultEnd> = Vec::with_capacity(lanes.len());
        for (number, lane) in lanes.iter_mut().enumerate() {
            let mut last = None;
            while let Some(part) = calls.guard(pin!(lane.next())).await? {
                match part {
                    Part::Fields(fields) if number == 0 => {
                        let named = columns::name_keyspace(&fields, &self.keyspace.name);
                        answer.fields(named.ok_or_else(malformed)?).await?;
                    }
                    Part::Rows(batch) if number == 0 || !once => {
                        let (skipped, kept) = gauge.take(batch.count.into());
                        if kept > 0 {
                            answer.rows(row::cut(batch, skipped, Some(kept)).ok_or_else(malformed)?).await?;
                        }
                    }
                    Part::Fields(_) | Part::Rows(_) => {}
                    Part::End(end) => last = Some(*end),
                }
            }
            ends.push(last.ok_or_else(|| failure::internal("an answer without an end"))?);
        }
        let (rows, cut) = (gauge.passed(), gauge.cut());
        for (number, end) in ends.iter_mut().enumerate() {
            end.rows = if number == 0 { rows } else { 0 };
            if let Some(limit) = cut {
                end.capped = Some(Capped { by: "request".into(), limit });
            }
        }
        Ok(ends)
    }
}

fn malformed() -> ErrorBody {
    failure::internal("a shard sent rows or columns that cannot be read")
}
