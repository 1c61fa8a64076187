//! One statement on its way to its shards and back.

use std::sync::Arc;

use tokio::time::Instant;
use vitrail_planner::plan::{Merge, Resolved, Window};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::{ResultEnd, SessionValues, Share};
use vitrail_service::call::{On, Statement};

use super::Limits;
use crate::answer::Answer;
use crate::calling::Calling;
use crate::cluster::Keyspace;
use crate::pins::{Pin, Pins};
use crate::scatter::{self, Calls, Lane, Task};
use crate::{facts, merge};

/// One statement on its way.
pub(super) struct Work<'a> {
    pub(super) keyspace: &'a Keyspace,
    pub(super) resolved: &'a Resolved,
    pub(super) limits: Limits,
    pub(super) calling: &'a Calling<'a>,
    /// The session's.
    pub(super) pins: Option<&'a Pins>,
}

impl Work<'_> {
    pub(super) fn writes_several(&self) -> bool {
        self.resolved.writes_several()
    }

    /// Without a transaction.
    pub(super) async fn in_autocommit(&self, answer: &mut Answer<'_>) -> Result<Box<ResultEnd>, ErrorBody> {
        if self.resolved.statements.len() > 1 {
            return Box::pin(self.in_autocommit_on_several(answer)).await;
        }
        let task = self.task(0, true, self.without_transaction(0));
        let calls = Calls::of(self.calling.cancel, std::slice::from_ref(&task));
        let mut lane = scatter::start_alone(task, &calls).await?.lane;
        self.alone(&mut lane, &calls, false, answer).await
    }

    async fn in_autocommit_on_several(&self, answer: &mut Answer<'_>) -> Result<Box<ResultEnd>, ErrorBody> {
        let tasks = self.tasks(true, |index| self.without_transaction(index));
        let waiting = Instant::now();
        let _place = self.calling.places.take(self.calling, &tasks[0]).await?;
        let waited = waiting.elapsed();
        let calls = Calls::of(self.calling.cancel, &tasks);
        let mut lanes = Vec::with_capacity(tasks.len());
        let mut errors = Vec::new();
        for started in scatter::start(tasks, &calls).await {
            match started {
                Ok(started) => lanes.push(started.lane),
                Err(error) => errors.push(error),
            }
        }
        let mut end = self.conduct(lanes, errors, &calls, false, answer).await?;
        facts::and_also(&mut end.ran, waited, 0);
        Ok(end)
    }

    /// Brings started lanes to their end, as the merge says. If some did not start, all end here.
    pub(super) async fn conduct(
        &self,
        mut lanes: Vec<Lane>,
        errors: Vec<ErrorBody>,
        calls: &Calls<'_>,
        in_transaction: bool,
        answer: &mut Answer<'_>,
    ) -> Result<Box<ResultEnd>, ErrorBody> {
        if let Some(error) = scatter::first_cause(errors) {
            scatter::abandon(&mut lanes, calls).await;
            return Err(error);
        }
        let done = match &self.resolved.merge {
            _ if lanes.len() == 1 => return self.alone(&mut lanes[0], calls, in_transaction, answer).await,
            Merge::Writes | Merge::Replicated => self.writes(&mut lanes, calls, answer).await,
            merge => merge::rows(&mut lanes, calls, &self.keyspace.name, merge, self.limits.max_rows, answer).await,
        };
        let late = match done {
            // Inside a transaction a kill could hit the connection's next statement: what is left is short, and is read.
            Ok(_) if in_transaction || self.counts_rows() => scatter::drain(&mut lanes).await,
            _ => {
                scatter::abandon(&mut lanes, calls).await;
                Vec::new()
            }
        };
        let mut end = if self.counts_rows() { with_found_rows(done?, &lanes) } else { done? };
        for late in late {
            end.warnings = end.warnings.saturating_add(late.warnings);
            end.warning_texts.extend(late.warning_texts);
        }
        Ok(Box::new(ResultEnd { ran: Some(scatter::ran(&lanes)), ..end }))
    }

    /// Brings the only lane to its end, which needs no merge.
    async fn alone(
        &self,
        lane: &mut Lane,
        calls: &Calls<'_>,
        in_transaction: bool,
        answer: &mut Answer<'_>,
    ) -> Result<Box<ResultEnd>, ErrorBody> {
        let done = self.pass(lane, calls, in_transaction, answer).await;
        let lanes = std::slice::from_mut(lane);
        match done {
            Ok(mut end) => {
                end.ran = Some(scatter::ran(lanes));
                Ok(end)
            }
            Err(error) => {
                Box::pin(scatter::abandon(lanes, calls)).await;
                Err(error)
            }
        }
    }

    /// The statement counts rows for `FOUND_ROWS()`: each shard does so at the end of its rows.
    fn counts_rows(&self) -> bool {
        self.calling.values.as_ref().is_some_and(|values| values.found_rows.is_some())
    }

    /// The session's own connection to a shard.
    pub(super) fn pin(&self, shard: usize) -> Option<&Pin> {
        self.pins?.get(&self.keyspace.name, &self.keyspace.shards[shard].name)
    }

    /// Where a statement without a transaction runs.
    fn without_transaction(&self, index: usize) -> On {
        let shard = self.resolved.statements[index].shard;
        self.pin(shard).map_or(On::Pool, |pin| On::Connection(pin.connection))
    }

    /// The statements for the shards; see [`Work::task`].
    pub(super) fn tasks(&self, first: bool, on: impl Fn(usize) -> On) -> Vec<Task> {
        (0..self.resolved.statements.len()).map(|index| self.task(index, first, on(index))).collect()
    }

    /// One of the statements for the shards. Only if it is the `first` that its transaction, or a statement in autocommit, runs anywhere does it
    /// say which row it goes to: it may wait in a line for that row, and whoever waits there must hold no lock that another waits for.
    fn task(&self, index: usize, first: bool, on: On) -> Task {
        let statement = &self.resolved.statements[index];
        // What sees values of its session is for that session alone.
        let may_share = self.resolved.shareable && matches!(on, On::Pool) && self.calling.values.is_none();
        Task {
            service: self.calling.service(&self.keyspace.shards[statement.shard]),
            shard: self.keyspace.label(statement.shard),
            call: self.calling.call(self.shard_cap()),
            statement: Statement {
                binds: Arc::clone(&statement.binds),
                row_key: self.resolved.row_key.clone().filter(|_| first),
                share: if may_share { self.calling.share() } else { Share::Off },
                values: self.calling.values.clone(),
                ..Statement::new(Arc::clone(&statement.sql), self.resolved.writes)
            },
            on,
        }
    }

    /// How many rows each shard may have to give, so that the request's cap is filled after the offset is skipped.
    fn shard_cap(&self) -> Option<u64> {
        let window = match &self.resolved.merge {
            Merge::Concat(window) | Merge::Sort { window, .. } => *window,
            Merge::Pass => Window::default(),
            Merge::Group { .. } | Merge::Writes | Merge::Replicated => return None,
        };
        // One more shows that there were more.
        let more = u64::from(self.resolved.statements.len() > 1);
        self.limits.max_rows.map(|cap| cap.saturating_add(window.offset).saturating_add(more))
    }
}

/// The rows that the shards have found, added up; nothing if one of them has not told.
fn with_found_rows(end: ResultEnd, lanes: &[Lane]) -> ResultEnd {
    let found: Option<u64> = lanes.iter().map(Lane::found_rows).sum();
    let values = found.map(|rows| Box::new(SessionValues { found_rows: Some(rows), ..SessionValues::default() }));
    ResultEnd { values, ..end }
}
