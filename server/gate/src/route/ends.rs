//! The ends of a write over several shards become one.

use vitrail_planner::plan::Merge;
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::ResultEnd;

use super::work::Work;
use crate::answer::Answer;
use crate::failure;
use crate::position::Positions;
use crate::scatter::{self, Calls, Lane};

impl Work<'_> {
    /// Adds the ends of a write over several shards up. The rows that it gives back, if any, are handed on.
    pub(super) async fn writes(
        &self,
        lanes: &mut [Lane],
        calls: &Calls<'_>,
        answer: &mut Answer<'_>,
    ) -> Result<ResultEnd, ErrorBody> {
        let gives_rows = lanes.iter().any(Lane::gives_rows);
        let mut ends = match gives_rows {
            true => self.returned(lanes, calls, answer).await?,
            false => finished(lanes, calls).await?,
        };
        let mut positions = Positions::default();
        for end in &mut ends {
            positions.add(end.position.take());
        }
        let total = match self.resolved.merge {
            Merge::Replicated => self.same_everywhere(ends)?,
            _ => add_up(ends),
        };
        Ok(ResultEnd { position: positions.into_token(), ..total })
    }

    /// A write to a reference table did the same everywhere: its copies are equal.
    fn same_everywhere(&self, ends: Vec<ResultEnd>) -> Result<ResultEnd, ErrorBody> {
        let mut ends = ends.into_iter();
        let first = ends.next().unwrap_or_default();
        if ends.all(|end| end.affected == first.affected && end.matched == first.matched) {
            return Ok(first);
        }
        let message = format!(
            "the copies of a reference table of keyspace '{}' differ: the same write changed another number of rows on another shard; nothing was changed",
            self.keyspace.name
        );
        Err(failure::internal(message))
    }
}

/// The ends of lanes that give no rows.
async fn finished(lanes: &mut [Lane], calls: &Calls<'_>) -> Result<Vec<ResultEnd>, ErrorBody> {
    let mut ends = Vec::with_capacity(lanes.len());
    let mut errors = Vec::new();
    for end in scatter::finish_all(lanes, calls).await {
        match end {
            Ok(end) => ends.push(*end),
            Err(error) => errors.push(error),
        }
    }
    match scatter::first_cause(errors) {
        Some(error) => Err(error),
        None => Ok(ends),
    }
}

/// The end of a write that several have done their part of.
pub(crate) fn add_up(ends: Vec<ResultEnd>) -> ResultEnd {
    let mut total = ResultEnd::default();
    for end in ends {
        total.affected += end.affected;
        total.rows += end.rows;
        total.capped = total.capped.or(end.capped);
        total.warnings = total.warnings.saturating_add(end.warnings);
        total.warning_texts.extend(end.warning_texts);
        total.matched = match (total.matched, end.matched) {
            (Some(sum), Some(matched)) => Some(sum + matched),
            (sum, matched) => sum.or(matched),
        };
        total.status |= end.status & !ResultEnd::MORE_RESULTS;
        if total.insert_id == 0 {
            total.insert_id = end.insert_id;
        }
    }
    total
}
