//! The rows of one result, on their way from MySQL to whoever asked.

use vitrail_mysql::{End, RowsOrEnd};
use vitrail_proto::message::{Capped, ResultEnd};
use vitrail_proto::rows::RowBatch;
use vitrail_service::execution::Part;

use super::Run;
use super::failure::Failure;
use crate::guard::Place;
use crate::position;
use crate::stats::add;
use crate::stop::{Step, Why};

impl Run {
    /// Hands rows on until the end of this result. The end, and whether another result follows.
    pub(super) async fn rows(&mut self) -> Result<(ResultEnd, bool), Failure> {
        let limits = &self.shared.config.limits;
        let cap = match (self.call.max_rows, limits.result_rows) {
            (Some(request), tablet) if tablet == 0 || request <= tablet => Some(("request", request)),
            (_, 0) => None,
            (_, tablet) => Some(("tablet", tablet)),
        };
        let most_bytes = if limits.result_bytes == 0 { u64::MAX } else { limits.result_bytes };
        let (mut rows, mut bytes) = (0_u64, 0_u64);
        let mut capped = None;
        loop {
            let next = match self.next_rows().await {
                Step::Done(next) => next.map_err(|error| self.failed(&error))?,
                Step::Stopped(why, Ok(next)) if self.statement.writes && why != Why::Abandoned => next,
                Step::Stopped(why, Ok(_)) => {
                    if self.kill_and_drain().await.is_err() {
                        return Err(self.stuck(why));
                    }
                    return Err(self.stop_failure(why));
                }
                Step::Stopped(why, Err(_)) => return Err(self.stop_failure(why)),
                Step::Stuck(why) => return Err(self.stuck(why)),
            };
            let batch = match next {
                RowsOrEnd::End(end) => {
                    let more = end.status.more_results();
                    return Ok((self.result_end(&end, rows, capped), more));
                }
                RowsOrEnd::Rows(batch) => batch,
            };
            if capped.is_some() {
                continue;
            }
            let (batch, cut) = match cap {
                Some((_, limit)) if rows + u64::from(batch.count) > limit => (first_rows(&batch, limit - rows), true),
                _ => (batch, false),
            };
            rows += u64::from(batch.count);
            bytes += batch.bytes.len() as u64;
            if bytes > most_bytes {
                return Err(Box::pin(self.too_large(most_bytes)).await);
            }
            add(&self.shared.counters.rows, u64::from(batch.count));
            add(&self.shared.counters.bytes, batch.bytes.len() as u64);
            if bytes > self.shared.config.streams.after && self.place == Place::Shared {
                self.lease.stream();
            }
            if batch.count > 0 {
                if self.outbox.holds_rows() && self.lease.is_followed() {
                    return Err(self.not_behind_others());
                }
                if self.outbox.holds_rows()
                    && let Err(why) = Box::pin(self.flush()).await
                {
                    return Err(match self.kill_rest::<()>(why).await {
                        Step::Stuck(why) => self.stuck(why),
                        _ => self.stop_failure(why),
                    });
                }
                self.outbox.push(Part::Rows(batch));
            }
            if cut {
                add(&self.shared.counters.capped, 1);
                let (by, limit) = cap.expect("a cut has a limit");
                capped = Some(Capped { by: by.to_owned(), limit });
                // What a write has done stands: its rows are read and dropped. A read need not finish.
                if !self.statement.writes {
                    if self.kill_and_drain().await.is_err() {
                        return Err(self.stuck(Why::Deadline));
                    }
                    let end = End { status: self.lease.connection().status(), ..End::default() };
                    return Ok((self.result_end(&end, rows, capped), false));
                }
            }
        }
    }

    pub(super) fn result_end(&mut self, end: &End, rows: u64, capped: Option<Capped>) -> ResultEnd {
        let matched = end.matched();
        let affected = match matched {
            Some(matched) if self.call.settings.found_rows => matched,
            _ => end.affected,
        };
        let shared = &self.shared;
        ResultEnd {
            rows,
            affected,
            insert_id: end.insert_id,
            warnings: u32::from(end.warnings),
            status: end.status.0,
            in_transaction: end.status.in_transaction(),
            pinned: self.place == Place::Reserved,
            position: end.gtids().map(|gtids| position::token(&shared.config.keyspace, &shared.config.shard, gtids)),
            matched,
            info: (!end.info.is_empty()).then(|| end.info.clone()),
            capped,
            state: None,
            warning_texts: Vec::new(),
            item: None,
            ran: Some(self.clock.ran()),
            values: None,
        }
    }
}

/// The first `count` rows of a batch that has more.
fn first_rows(batch: &RowBatch, count: u64) -> RowBatch {
    let mut end = 0;
    for _ in 0..count {
        let Some(length) = batch.bytes.get(end..end + 4) else { break };
        end += 4 + u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
    }
    RowBatch { bytes: batch.bytes.slice(..end.min(batch.bytes.len())), count: count as u32 }
}
