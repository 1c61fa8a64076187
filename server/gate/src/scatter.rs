//! Statements under way on shards: started side by side, cancelled together, pulled to their end.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, iter};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::{Ran, ResultEnd};
use vitrail_service::QueryService;
use vitrail_service::call::{Call, CallId, ConnectionId, On, Statement};
use vitrail_service::execution::{Part, PartStream};
use vitrail_service::overdue::{GATE_PATIENCE, Overdue};

use crate::{facts, failure};

/// How many shards one statement is started on at the same time.
const CONCURRENCY: usize = 64;

/// Batches that a lane reads ahead, so that a small answer gives its MySQL connection back while other shards still start.
const READ_AHEAD: usize = 2;

/// One statement for one shard.
pub(crate) struct Task {
    pub(crate) service: Arc<dyn QueryService>,
    /// The shard's name, for errors; empty for an unsharded keyspace.
    pub(crate) shard: Arc<str>,
    pub(crate) call: Call,
    pub(crate) statement: Statement,
    pub(crate) on: On,
}

/// A statement that a shard has accepted.
pub(crate) struct Started {
    /// What [`On::Begin`] took.
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) lane: Lane,
}

/// Calls that are cancelled together: by the client, or because one of them failed.
pub(crate) struct Calls<'a> {
    client: &'a CancellationToken,
    list: Vec<(Arc<dyn QueryService>, CallId)>,
    cancelled: AtomicBool,
}

impl<'a> Calls<'a> {
    pub(crate) fn new(
        client: &'a CancellationToken,
        list: impl IntoIterator<Item = (Arc<dyn QueryService>, CallId)>,
    ) -> Calls<'a> {
        Calls { client, list: list.into_iter().collect(), cancelled: AtomicBool::new(false) }
    }

    /// Those of a list of tasks.
    pub(crate) fn of(client: &'a CancellationToken, tasks: &[Task]) -> Calls<'a> {
        Calls::new(client, tasks.iter().map(|task| (Arc::clone(&task.service), task.call.id)))
    }

    /// Runs `work` to its end; tells every service once when the client cancels meanwhile. It is pinned by the caller: a future that were handed
    /// over would be held, and moved, several times over.
    pub(crate) async fn guard<T>(&self, mut work: Pin<&mut impl Future<Output = T>>) -> T {
        if self.cancelled.load(Ordering::Relaxed) {
            return work.await;
        }
        tokio::select! {
            biased;
            done = &mut work => done,
            () = self.client.cancelled() => {
                // Side by side: the cancel itself may need the work to go on.
                let ((), done) = Box::pin(async { tokio::join!(self.cancel(), work) }).await;
                done
            }
        }
    }

    /// Stops what runs, once. The executions still have to be pulled to their end.
    pub(crate) async fn cancel(&self) {
        if !self.cancelled.swap(true, Ordering::Relaxed) {
            join_all(self.list.iter().map(|(service, call)| service.cancel(*call))).await;
        }
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed) || self.client.is_cancelled()
    }
}

/// Starts a task that is alone.
pub(crate) async fn start_alone(task: Task, calls: &Calls<'_>) -> Result<Started, ErrorBody> {
    if calls.is_cancelled() {
        return Err(failure::cancelled());
    }
    calls.guard(pin!(start_one(task, false))).await
}

/// Starts all tasks. The first failure cancels the others; the answer has an entry for each task, in order.
pub(crate) async fn start(tasks: Vec<Task>, calls: &Calls<'_>) -> Vec<Result<Started, ErrorBody>> {
    let count = tasks.len();
    if count == 1 {
        let mut started = Vec::with_capacity(1);
        for task in tasks {
            started.push(start_alone(task, calls).await);
        }
        return started;
    }
    let mut started: Vec<Option<Result<Started, ErrorBody>>> = (0..count).map(|_| None).collect();
    let mut running = iter(tasks.into_iter().enumerate())
        .map(|(index, task)| async move {
            if calls.is_cancelled() {
                return (index, Err(failure::cancelled()));
            }
            (index, start_one(task, count > 1).await)
        })
        .buffer_unordered(CONCURRENCY);
    while let Some((index, result)) = calls.guard(pin!(running.next())).await {
        let failed = result.is_err();
        started[index] = Some(result);
        if failed {
            // Polled on meanwhile, because a cancel is only settled by executions that go on.
            let rest = async {
                while let Some((index, result)) = running.next().await {
                    started[index] = Some(result);
                }
            };
            tokio::join!(calls.cancel(), rest);
            break;
        }
    }
    drop(running);
    started
        .into_iter()
        .map(|result| result.unwrap_or_else(|| Err(failure::internal("a shard gave no answer"))))
        .collect()
}

/// Runs one task to its end, dropping rows.
pub(crate) async fn run_one(task: Task) -> Result<Box<ResultEnd>, ErrorBody> {
    start_one(task, false).await?.lane.finish().await
}

/// Runs a task that takes a connection, to its end; the connection is the caller's to release.
pub(crate) async fn run_reserved(task: Task) -> Result<(ConnectionId, Result<Box<ResultEnd>, ErrorBody>), ErrorBody> {
    let Started { connection, mut lane } = start_one(task, false).await?;
    let connection = connection.ok_or_else(|| failure::internal("a reservation without a connection"))?;
    Ok((connection, lane.finish().await))
}

/// Runs one task to its end; gives the text of every cell of its rows.
pub(crate) async fn fetch_one(task: Task) -> Result<Vec<Option<Vec<u8>>>, ErrorBody> {
    let mut lane = start_one(task, false).await?.lane;
    let mut cells = Vec::new();
    while let Some(part) = lane.next().await? {
        if let Part::Rows(batch) = part {
            for row in batch.rows().flatten() {
                cells.extend(row.cells().flatten().map(|cell| cell.map(<[u8]>::to_vec)));
            }
        }
    }
    Ok(cells)
}

#[expect(clippy::manual_async_fn, reason = "an async fn would hold the task twice")]
fn start_one(task: Task, read_ahead: bool) -> impl Future<Output = Result<Started, ErrorBody>> + Send {
    async move {
        let overdue = Overdue::new(&task.call, GATE_PATIENCE, &task.statement, &task.on);
        let span = tracing::debug_span!("shard", otel.kind = "client", shard = &*task.shard);
        let executed = overdue.guard(task.service.execute(task.call, task.statement, task.on)).instrument(span).await;
        let execution = executed.map_err(|error| at_shard(error, &task.shard))?;
        // What it took is held from now on.
        let overdue = Overdue { held: overdue.held || execution.connection.is_some(), ..overdue };
        let mut lane = Lane {
            shard: task.shard,
            parts: Some(execution.parts),
            ahead: VecDeque::new(),
            ran: None,
            found_rows: None,
            overdue,
        };
        if read_ahead {
            Box::pin(lane.read_ahead()).await;
        }
        Ok(Started { connection: execution.connection, lane })
    }
}

/// The answer of one shard under way.
pub(crate) struct Lane {
    shard: Arc<str>,
    /// `None` once it has ended or failed.
    parts: Option<Box<dyn PartStream>>,
    ahead: VecDeque<Result<Part, ErrorBody>>,
    /// How it ran, once an end has said so.
    ran: Option<Ran>,
    /// `FOUND_ROWS()` of the shard, if the statement counts them and has ended.
    found_rows: Option<u64>,
    /// How long its parts are awaited.
    overdue: Overdue,
}

impl Lane {
    /// One whose parts the gate makes itself.
    pub(crate) fn of_gate(parts: Box<dyn PartStream>) -> Lane {
        let overdue = Overdue { until: None, writes: false, held: false };
        Lane { shard: Arc::default(), parts: Some(parts), ahead: VecDeque::new(), ran: None, found_rows: None, overdue }
    }

    /// The next part; `None` after the last end or an error.
    pub(crate) async fn next(&mut self) -> Result<Option<Part>, ErrorBody> {
        match self.ahead.pop_front() {
            Some(part) => part.map(Some),
            None => self.pull().await,
        }
    }

    /// Pulls to the end and gives the last one, dropping rows.
    pub(crate) async fn finish(&mut self) -> Result<Box<ResultEnd>, ErrorBody> {
        let mut last = None;
        while let Some(part) = self.next().await? {
            if let Part::End(end) = part {
                last = Some(end);
            }
        }
        last.ok_or_else(|| failure::internal("an answer without an end"))
    }

    /// Whether it begins with columns. Lanes that were started side by side have read that far.
    pub(crate) fn gives_rows(&self) -> bool {
        matches!(self.ahead.front(), Some(Ok(Part::Fields(_))))
    }

    /// The shard's name; empty for an unsharded keyspace.
    pub(crate) fn shard(&self) -> &str {
        &self.shard
    }

    /// What it has counted for `FOUND_ROWS()`.
    pub(crate) fn found_rows(&self) -> Option<u64> {
        self.found_rows
    }

    /// Buffers the first parts, to the end if that is near. Errors wait in the buffer for their turn.
    async fn read_ahead(&mut self) {
        let mut batches = 0;
        while batches < READ_AHEAD {
            match self.pull().await {
                Ok(Some(part)) => {
                    batches += usize::from(matches!(part, Part::Rows(_)));
                    self.ahead.push_back(Ok(part));
                }
                Ok(None) => return,
                Err(error) => return self.ahead.push_back(Err(error)),
            }
        }
    }

    async fn pull(&mut self) -> Result<Option<Part>, ErrorBody> {
        let Some(parts) = &mut self.parts else { return Ok(None) };
        match self.overdue.guard(parts.next()).await {
            Ok(Some(part)) => {
                if let Part::End(end) = &part {
                    if end.ran.is_some() {
                        self.ran.clone_from(&end.ran);
                    }
                    self.found_rows = end.values.as_ref().and_then(|values| values.found_rows).or(self.found_rows);
                }
                Ok(Some(part))
            }
            Ok(None) => {
                self.parts = None;
                Ok(None)
            }
            Err(error) => {
                self.parts = None;
                Err(at_shard(error, &self.shard))
            }
        }
    }
}

/// Pulls every lane to its end, side by side. Gives each one's last end, in order; the first failure cancels the others.
pub(crate) async fn finish_all(lanes: &mut [Lane], calls: &Calls<'_>) -> Vec<Result<Box<ResultEnd>, ErrorBody>> {
    let mut ends: Vec<Option<Result<Box<ResultEnd>, ErrorBody>>> = lanes.iter().map(|_| None).collect();
    let mut running: FuturesUnordered<_> =
        lanes.iter_mut().enumerate().map(|(index, lane)| async move { (index, lane.finish().await) }).collect();
    while let Some((index, end)) = calls.guard(pin!(running.next())).await {
        let failed = end.is_err();
        ends[index] = Some(end);
        if failed {
            let rest = async {
                while let Some((index, end)) = running.next().await {
                    ends[index] = Some(end);
                }
            };
            tokio::join!(calls.cancel(), rest);
            break;
        }
    }
    drop(running);
    ends.into_iter().map(|end| end.unwrap_or_else(|| Err(failure::internal("a shard gave no end")))).collect()
}

/// Cancels what runs, if anything does, and waits until every lane has ended. Errors are of no interest any more.
pub(crate) async fn abandon(lanes: &mut [Lane], calls: &Calls<'_>) {
    if lanes.iter().any(|lane| lane.parts.is_some()) {
        tokio::join!(calls.cancel(), drain(lanes));
    }
}

/// How a statement ran, as far as its lanes have ended.
pub(crate) fn ran(lanes: &[Lane]) -> Ran {
    facts::over_shards(lanes.iter().map(|lane| (&*lane.shard, lane.ran.as_ref())))
}

/// Waits until every lane has ended. Gives the ends that nobody has taken yet.
pub(crate) async fn drain(lanes: &mut [Lane]) -> Vec<Box<ResultEnd>> {
    let ends = join_all(lanes.iter_mut().map(|lane| async move {
        let mut last = None;
        while let Ok(Some(part)) = lane.next().await {
            if let Part::End(end) = part {
                last = Some(end);
            }
        }
        last
    }));
    ends.await.into_iter().flatten().collect()
}

/// Of several failures the one to report: the first that is not merely the echo of a cancel.
pub(crate) fn first_cause(errors: impl IntoIterator<Item = ErrorBody>) -> Option<ErrorBody> {
    use vitrail_proto::error::Code;
    let mut echo = None;
    for error in errors {
        if error.code != Code::Cancelled {
            return Some(error);
        }
        echo.get_or_insert(error);
    }
    echo
}

/// Names the shard in an error as clients know it, whatever the service called it; no name if the keyspace has only one.
pub(crate) fn at_shard(mut error: ErrorBody, shard: &str) -> ErrorBody {
    error.shard = (!shard.is_empty()).then(|| shard.to_owned());
    error
}
