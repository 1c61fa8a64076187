//! Runs a resolved statement on its shards: in autocommit, in the session's transaction, or in an implicit one.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use vitrail_planner::plan::{Merge, Resolved, Window};
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::{BeginOptions, Capped, ResultEnd, SessionValues, Share};
use vitrail_service::call::{ConnectionId, On, Statement};
use vitrail_service::execution::Part;

use crate::answer::Answer;
use crate::calling::Calling;
use crate::cluster::Keyspace;
use crate::pins::{Pin, Pins, hold};
use crate::position::Positions;
use crate::scatter::{self, Calls, Lane, Task};
use crate::session::{Session, TransactionState};
use crate::transaction::{Participant, Transaction, loses_transaction, lost_by};
use crate::{columns, facts, failure, merge};

/// What a request asks of its statement besides running it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    /// At most so many rows.
    pub(crate) max_rows: Option<u64>,
    /// Refuse what writes.
    pub(crate) read_only: bool,
}

/// Runs a statement for a session, and puts its rows into `answer`. The end is returned, for the session to add to.
///
/// Outside a transaction, a write over several shards runs in an implicit one. A failure has no effect on any shard, unless
/// its `executed` says otherwise.
///
/// On a shard that the session is pinned to, it runs on that connection. If that is lost, the error says so.
pub(crate) async fn run(
    session: &mut Session,
    keyspace: &Keyspace,
    resolved: Resolved,
    limits: Limits,
    calling: &Calling<'_>,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    let mut pins = session.pins.take();
    let outcome = dispatch(session, pins.as_deref_mut(), keyspace, resolved, limits, calling, answer).await;
    session.pins = pins;
    match outcome {
        Err(error) => Err(hold::after_failure(session, calling, error).await),
        done => done,
    }
}

async fn dispatch(
    session: &mut Session,
    pins: Option<&mut Pins>,
    keyspace: &Keyspace,
    resolved: Resolved,
    limits: Limits,
    calling: &Calling<'_>,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    if resolved.writes && limits.read_only {
        return Err(ErrorBody::new(Code::Denied, "the request is read only, and the statement writes or locks rows")
            .with_errno(1792, "25006"));
    }
    if matches!(session.transaction, TransactionState::Lost) {
        return Err(failure::transaction_lost());
    }
    if !session.now.autocommit && !session.in_transaction() && !calling.apart {
        let options = session.next.take().map(|options| *options).unwrap_or_default();
        session.transaction = TransactionState::Open(Box::new(Transaction::new(options)));
    }
    let mut work = Work { keyspace, resolved, limits, calling, pins: None };
    let together = session.in_transaction() || session.next.is_some() || work.writes_several();
    work.pins = match pins {
        Some(pins) => {
            Box::pin(hold::set_autocommit(pins, keyspace, !together, calling)).await?;
            Some(pins)
        }
        None => None,
    };
    if let TransactionState::Open(transaction) = &mut session.transaction {
        let outcome = work.in_transaction(transaction, answer).await;
        return match outcome {
            Err(error) if error.loses => {
                if let Some(transaction) = session.take_transaction() {
                    transaction.rollback(calling).await;
                }
                session.transaction = TransactionState::Lost;
                Err(lost_by(error.body))
            }
            outcome => outcome.map_err(|error| error.body),
        };
    }
    let next = if calling.apart { None } else { session.next.take() };
    if next.is_some() || work.writes_several() {
        let options = next.map(|options| *options).unwrap_or_default();
        return Box::pin(work.in_implicit_transaction(options, answer)).await;
    }
    work.in_autocommit(answer).await
}

/// A failure inside a transaction.
struct Failure {
    body: ErrorBody,
    /// The transaction is lost with it.
    loses: bool,
}

impl From<ErrorBody> for Failure {
    fn from(body: ErrorBody) -> Failure {
        Failure { body, loses: false }
    }
}

/// One statement on its way.
struct Work<'a> {
    keyspace: &'a Keyspace,
    resolved: Resolved,
    limits: Limits,
    calling: &'a Calling<'a>,
    /// The session's.
    pins: Option<&'a Pins>,
}

impl Work<'_> {
    fn writes_several(&self) -> bool {
        self.resolved.statements.len() > 1 && matches!(self.resolved.merge, Merge::Writes | Merge::Replicated)
    }

    async fn in_autocommit(self, answer: &mut Answer<'_>) -> Result<ResultEnd, ErrorBody> {
        let several = self.resolved.statements.len() > 1;
        let own = |index: usize| self.pin(self.resolved.statements[index].shard);
        let tasks = self.tasks(true, |index| own(index).map_or(On::Pool, |pin| On::Connection(pin.connection)));
        let waiting = several.then(Instant::now);
        let _place = if several { Some(self.calling.places.take(self.calling, &tasks[0]).await?) } else { None };
        let waited = waiting.map_or(Duration::ZERO, |waiting| waiting.elapsed());
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

    async fn in_implicit_transaction(
        self,
        options: BeginOptions,
        answer: &mut Answer<'_>,
    ) -> Result<ResultEnd, ErrorBody> {
        let calling = self.calling;
        let mut transaction = Transaction::new(options);
        match self.in_transaction(&mut transaction, answer).await {
            Ok(end) => {
                let committed = transaction.commit(calling).await?;
                let mut end = ResultEnd { position: committed.position, ..end };
                facts::and_also(&mut end.ran, Duration::ZERO, committed.ran.map_or(0, |ran| ran.mysql_us));
                Ok(end)
            }
            Err(error) => {
                transaction.rollback(calling).await;
                // All was rolled back: nothing remains, whatever a shard could say of itself.
                let executed = vitrail_proto::error::Executed::No;
                Err(ErrorBody { executed, ..error.body })
            }
        }
    }

    async fn in_transaction(
        self,
        transaction: &mut Transaction,
        answer: &mut Answer<'_>,
    ) -> Result<ResultEnd, Failure> {
        let names: Vec<Arc<str>> = self
            .resolved
            .statements
            .iter()
            .map(|statement| Arc::clone(&self.keyspace.shards[statement.shard].name))
            .collect();
        transaction.admit(&self.keyspace.name, names.iter().map(|name| &**name))?;
        let atomic = self.writes_several();
        if atomic {
            transaction.guard_statement(&self.keyspace.name, &names, self.calling).await.map_err(lost)?;
        }
        let mut fresh: Vec<Arc<str>> = Vec::new();
        let done = self.join_and_run(transaction, &mut fresh, answer).await;
        match done {
            Err(error) if atomic && !error.loses => {
                transaction.undo_statement(&self.keyspace.name, &names, &fresh, self.calling).await.map_err(lost)?;
                let executed = vitrail_proto::error::Executed::No;
                Err(Failure { body: ErrorBody { executed, ..error.body }, loses: false })
            }
            done => done,
        }
    }

    /// Shards that have not joined do so; `fresh` gets their names.
    async fn join_and_run(
        &self,
        transaction: &mut Transaction,
        fresh: &mut Vec<Arc<str>>,
        answer: &mut Answer<'_>,
    ) -> Result<ResultEnd, Failure> {
        let first = transaction.is_empty();
        let mut joined: Vec<Option<ConnectionId>> = Vec::with_capacity(self.resolved.statements.len());
        for statement in &self.resolved.statements {
            let shard = &self.keyspace.shards[statement.shard];
            let mut connection = transaction.connection(&self.keyspace.name, &shard.name);
            if connection.is_none() {
                let begin = self.begin(transaction, statement.shard);
                connection = transaction.join_savepoints(&shard.service, begin.clone(), self.calling).await?;
                if let (None, On::Connection(own)) = (connection, begin) {
                    connection = Some(own);
                }
                if let Some(connection) = connection {
                    fresh.push(Arc::clone(&shard.name));
                    transaction.join(self.participant(statement.shard, connection));
                }
            }
            joined.push(connection);
        }
        let tasks = self.tasks(first, |index| {
            let shard = self.resolved.statements[index].shard;
            joined[index].map_or_else(|| self.begin(transaction, shard), On::Connection)
        });
        let calls = Calls::of(self.calling.cancel, &tasks);
        let (mut lanes, mut errors, mut loses) = (Vec::with_capacity(tasks.len()), Vec::new(), false);
        for (index, started) in scatter::start(tasks, &calls).await.into_iter().enumerate() {
            match started {
                Ok(started) => {
                    let shard = self.resolved.statements[index].shard;
                    let taken = started.connection.or_else(|| self.pin(shard).map(|pin| pin.connection));
                    if let (None, Some(connection)) = (joined[index], taken) {
                        fresh.push(Arc::clone(&self.keyspace.shards[shard].name));
                        transaction.join(self.participant(shard, connection));
                    }
                    lanes.push(started.lane);
                }
                Err(error) => {
                    // A shard that could not begin has not joined; only a deadlock means more.
                    loses |= loses_transaction(&error) && (joined[index].is_some() || error.code == Code::Conflict);
                    errors.push(error);
                }
            }
        }
        let began = errors.is_empty();
        self.conduct(lanes, errors, &calls, true, answer).await.map_err(|body| {
            let loses = loses || began && loses_transaction(&body);
            Failure { body, loses }
        })
    }

    /// Brings started lanes to their end, as the merge says. If some did not start, all end here.
    async fn conduct(
        &self,
        mut lanes: Vec<Lane>,
        errors: Vec<ErrorBody>,
        calls: &Calls<'_>,
        in_transaction: bool,
        answer: &mut Answer<'_>,
    ) -> Result<ResultEnd, ErrorBody> {
        if let Some(error) = scatter::first_cause(errors) {
            scatter::abandon(&mut lanes, calls).await;
            return Err(error);
        }
        let done = match &self.resolved.merge {
            _ if lanes.len() == 1 => self.pass(&mut lanes[0], calls, in_transaction, answer).await,
            Merge::Writes | Merge::Replicated => self.writes(&mut lanes, calls).await,
            merge => merge::rows(&mut lanes, calls, &self.keyspace.name, merge, self.limits.max_rows, answer).await,
        };
        let end = match done {
            // Inside a transaction a kill could hit the connection's next statement: what is left is short, and is read.
            Ok(end) if in_transaction || self.counts_rows() => {
                scatter::drain(&mut lanes).await;
                Ok(end)
            }
            Ok(end) => {
                scatter::abandon(&mut lanes, calls).await;
                Ok(end)
            }
            Err(error) => {
                scatter::abandon(&mut lanes, calls).await;
                Err(error)
            }
        }?;
        let end = if self.counts_rows() && lanes.len() > 1 { with_found_rows(end, &lanes) } else { end };
        Ok(ResultEnd { ran: Some(scatter::ran(&lanes)), ..end })
    }

    /// The statement counts rows for `FOUND_ROWS()`: each shard does so at the end of its rows.
    fn counts_rows(&self) -> bool {
        self.calling.values.as_ref().is_some_and(|values| values.found_rows.is_some())
    }

    /// Hands the parts of one shard on. While the next one is awaited, what is there travels.
    async fn pass(
        &self,
        lane: &mut Lane,
        calls: &Calls<'_>,
        in_transaction: bool,
        answer: &mut Answer<'_>,
    ) -> Result<ResultEnd, ErrorBody> {
        let mut last: Option<ResultEnd> = None;
        loop {
            let part = {
                let next = pin!(lane.next());
                let mut next = pin!(calls.guard(next));
                match futures_util::poll!(&mut next) {
                    std::task::Poll::Ready(part) => part?,
                    std::task::Poll::Pending if answer.holds_rows() => {
                        let (sent, part) = tokio::join!(answer.flush(), next);
                        sent?;
                        part?
                    }
                    std::task::Poll::Pending => next.await?,
                }
            };
            if let (Some(end), Some(_)) = (last.take_if(|_| part.is_some()), &part) {
                answer.end(end).await?;
            }
            match part {
                Some(Part::Fields(fields)) => {
                    let fields = columns::name_keyspace(&fields, &self.keyspace.name)
                        .ok_or_else(|| failure::internal("a shard sent columns that cannot be read"))?;
                    answer.fields(fields).await?;
                }
                Some(Part::Rows(batch)) => answer.rows(batch).await?,
                Some(Part::End(mut end)) => {
                    end.in_transaction = in_transaction;
                    // The gate handed the request's cap on: it is the request's again.
                    if let (Some(limit), Some(capped)) = (self.limits.max_rows, &mut end.capped)
                        && capped.limit == limit
                    {
                        *capped = Capped { by: "request".into(), limit };
                    }
                    last = Some(*end);
                }
                None => return last.ok_or_else(|| failure::internal("an answer without an end")),
            }
        }
    }

    /// Adds the ends of a write over several shards up.
    async fn writes(&self, lanes: &mut [Lane], calls: &Calls<'_>) -> Result<ResultEnd, ErrorBody> {
        let mut ends = Vec::with_capacity(lanes.len());
        let mut errors = Vec::new();
        for end in scatter::finish_all(lanes, calls).await {
            match end {
                Ok(end) => ends.push(end),
                Err(error) => errors.push(error),
            }
        }
        if let Some(error) = scatter::first_cause(errors) {
            return Err(error);
        }
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

    fn participant(&self, shard: usize, connection: ConnectionId) -> Participant {
        let pinned = self.pin(shard).is_some_and(|pin| pin.connection == connection);
        Participant::new(self.keyspace, shard, connection, pinned)
    }

    /// The session's own connection to a shard.
    fn pin(&self, shard: usize) -> Option<&Pin> {
        self.pins?.get(&self.keyspace.name, &self.keyspace.shards[shard].name)
    }

    /// Where a shard that has not joined begins the transaction.
    fn begin(&self, transaction: &Transaction, shard: usize) -> On {
        match self.pin(shard) {
            // BEGIN would end LOCK TABLES; with autocommit off, MySQL begins by itself.
            Some(pin) if pin.autocommit_off => On::Connection(pin.connection),
            Some(pin) => On::BeginOn(pin.connection, transaction.options.clone()),
            None => On::Begin(transaction.options.clone()),
        }
    }

    /// The statements for the shards. Only if one is the `first` that its transaction, or a statement in autocommit, runs anywhere does it say
    /// which row it goes to: it may wait in a line for that row, and whoever waits there must hold no lock that another waits for.
    fn tasks(&self, first: bool, on: impl Fn(usize) -> On) -> Vec<Task> {
        let cap = self.shard_cap();
        let make = |(index, statement): (usize, &vitrail_planner::plan::ShardStatement)| {
            let on = on(index);
            // What sees values of its session is for that session alone.
            let may_share = self.resolved.shareable && matches!(on, On::Pool) && self.calling.values.is_none();
            Task {
                service: Arc::clone(&self.keyspace.shards[statement.shard].service),
                shard: self.keyspace.label(statement.shard),
                call: self.calling.call(cap),
                statement: Statement {
                    binds: Arc::clone(&statement.binds),
                    row_key: self.resolved.row_key.clone().filter(|_| first),
                    share: if may_share { self.calling.share() } else { Share::Off },
                    values: self.calling.values.clone(),
                    ..Statement::new(Arc::clone(&statement.sql), self.resolved.writes)
                },
                on,
            }
        };
        self.resolved.statements.iter().enumerate().map(make).collect()
    }

    /// How many rows each shard may have to give, so that the request's cap is filled after the offset is skipped.
    fn shard_cap(&self) -> Option<u64> {
        let window = match &self.resolved.merge {
            Merge::Concat(window) | Merge::Sort { window, .. } => *window,
            Merge::Pass => Window::default(),
            Merge::Aggregate(_) | Merge::Writes | Merge::Replicated => return None,
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

fn lost(body: ErrorBody) -> Failure {
    Failure { body, loses: true }
}

fn add_up(ends: Vec<ResultEnd>) -> ResultEnd {
    let mut total = ResultEnd::default();
    for end in ends {
        total.affected += end.affected;
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

#[cfg(test)]
mod tests;
