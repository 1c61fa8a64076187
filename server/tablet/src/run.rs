//! One statement on one connection: a task of its own, so that nobody who loses interest can leave the exchange half-done.
//!
//! The task owns the connection from the moment it is taken until it is clean again. It brings the session to the call's settings,
//! begins a transaction if told so, sends the statement, hands rows on as they arrived, and gives the connection back *before* the
//! last part leaves, so that whoever has the end may use the connection at once.

mod exchange;
mod giving_back;
mod leading;

use std::sync::Arc;

use tokio::time::Instant;
use vitrail_mysql::{End, Error, Response, RowsOrEnd};
use vitrail_proto::error::{Code, ErrorBody, Executed};
use vitrail_proto::message::{BeginOptions, Capped, ResultEnd, Warning};
use vitrail_proto::rows::RowBatch;
use vitrail_service::call::{Call, ConnectionId, Statement};
use vitrail_service::execution::Part;
use vitrail_sql::bind::substitute;
use vitrail_sql::lexer::LexMode;

use crate::begin;
use crate::clock::Clock;
use crate::comment;
use crate::guard::{Passed, Place};
use crate::lease::Lease;
use crate::mysql_errors::{self, RolledBack};
use crate::outbox::Outbox;
use crate::position;
use crate::running::{Executing, Registered};
use crate::stats::add;
use crate::stop::{Step, Stops, Why};
use crate::tablet::Shared;
use crate::values;

/// Errors of a CALL that did not begin: it cannot be read, there is no such routine, it takes other arguments, it is not allowed.
const NOT_BEGUN: [u16; 4] = [1064, 1305, 1318, 1370];

/// A statement, its connection, and everything between them.
pub(crate) struct Run {
    pub(crate) shared: Arc<Shared>,
    pub(crate) lease: Lease,
    pub(crate) place: Place,
    /// Its name, if it is held.
    pub(crate) id: Option<ConnectionId>,
    /// The connection was taken by this call: if the call fails, it goes back.
    pub(crate) taken_here: bool,
    /// Begin a transaction first.
    pub(crate) begin: Option<BeginOptions>,
    /// Begin it on a reserved connection: a failure must not leave it there.
    pub(crate) begins_on: bool,
    pub(crate) call: Call,
    pub(crate) statement: Statement,
    /// How MySQL will read the statement.
    pub(crate) mode: LexMode,
    pub(crate) passed: Passed,
    pub(crate) stops: Stops,
    pub(crate) outbox: Outbox,
    pub(crate) clock: Clock,
    /// Keeps the call cancellable while it runs; the calls that share an execution see to that themselves.
    pub(crate) registered: Option<Registered>,
    /// The tablet does not end before the execution has.
    pub(crate) executing: Executing,
    /// A stop has been acted upon: there is no second one.
    pub(crate) stopped: Option<Why>,
    /// MySQL may have begun to run the statement itself.
    pub(crate) sent: bool,
    /// A kill was sent: one that came late must not hit the next statement.
    pub(crate) killed: bool,
}

/// What is left of the connection after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// All of it.
    Kept,
    /// Its transaction is gone.
    RolledBack,
    /// Its transaction is over, and nobody knows how.
    Ended,
    /// It is lost.
    Lost,
}

struct Failure {
    body: Box<ErrorBody>,
    fate: Fate,
    /// Nothing of the statement can have reached MySQL: another connection may be tried.
    unsent: bool,
}

impl Run {
    /// What its work in MySQL is told under.
    pub(crate) fn span(&self) -> tracing::Span {
        let (config, call) = (&self.shared.config, &self.call);
        tracing::debug_span!(
            "mysql",
            keyspace = config.keyspace,
            shard = config.shard,
            call = call.id.0,
            traceparent = call.traceparent.as_deref(),
        )
    }

    /// Runs to the end, whoever listens.
    pub(crate) async fn run(mut self) {
        add(&self.shared.counters.statements, 1);
        let mut outcome = self.attempt().await;
        let again = Instant::now();
        if let Err(failure) = &outcome
            && failure.unsent
            && self.taken_here_or_shared()
            && self.stopped.is_none()
            && let Ok(lease) = self.shared.lease(self.place, &self.call.caller, self.stops.deadline).await
        {
            self.clock.waited_since(again);
            add(&self.shared.counters.replaced, 1);
            let turn = self.lease.turn.take();
            self.lease = lease;
            self.lease.turn = turn;
            outcome = self.attempt().await;
        }
        let outcome = self.give_back(outcome).await;
        if let Err(error) = &outcome {
            self.shared.counters.error(error);
        }
        let Run { shared, outbox, registered, executing, id, taken_here, .. } = self;
        drop((registered, executing));
        if !outbox.finish(outcome).await
            && taken_here
            && let Some(id) = id
        {
            // Nobody has learnt the connection's name.
            Shared::release(&shared, id).await;
        }
    }

    fn taken_here_or_shared(&self) -> bool {
        self.taken_here || self.place == Place::Shared
    }

    async fn attempt(&mut self) -> Result<(), Failure> {
        self.clock.send();
        self.apply_settings().await?;
        if let Some(options) = self.begin.clone() {
            let (isolation, start) = begin::statements(&options);
            self.lease.marked = true;
            for sql in isolation.into_iter().chain([start]) {
                self.prepare(&sql).await?;
            }
        }
        if self.place == Place::Reserved {
            self.lease.marked = true;
        }
        if self.passed.empty {
            let end = ResultEnd {
                status: self.lease.connection().status().0,
                in_transaction: self.lease.connection().status().in_transaction(),
                pinned: self.place == Place::Reserved,
                ran: Some(self.clock.ran()),
                ..ResultEnd::default()
            };
            self.outbox.push(Part::End(Box::new(end)));
            return Ok(());
        }
        let sql = self.text()?;
        if self.passed.reset_after {
            self.lease.marked = true;
        }
        if !self.outbox.write() {
            return Err(self.stop_failure(Why::Cancelled));
        }
        self.sent = true;
        let mut response = match self.query(&sql).await {
            Step::Done(response) => response.map_err(|error| self.failed(&error))?,
            Step::Stopped(why, outcome) => self.stopped_at_first(why, outcome).await?,
            Step::Stuck(why) => return Err(self.stuck(why)),
        };
        drop(sql);
        loop {
            let (end, more) = match response {
                Response::Ok(end) => (self.result_end(&end, 0, None), end.status.more_results()),
                Response::Columns(columns) => {
                    self.outbox.push(Part::Fields(self.shared.names.map_fields(columns.packed)));
                    self.rows().await?
                }
            };
            self.outbox.push(Part::End(Box::new(end)));
            if !more {
                break;
            }
            response = match self.next_result().await {
                Step::Done(response) => response.map_err(|error| self.failed(&error))?,
                Step::Stopped(why, outcome) => self.stopped_at_first(why, outcome).await?,
                Step::Stuck(why) => return Err(self.stuck(why)),
            };
        }
        if let Some(failure) = self.ended_unseen() {
            return Err(failure);
        }
        self.read_values_back().await;
        self.fetch_warnings().await;
        Ok(())
    }

    /// A statement that ended the transaction that it ran in, such as a `CALL` with a `COMMIT` inside. What the transaction did is
    /// committed or not, and what came after it in the same statement took effect by itself.
    fn ended_unseen(&mut self) -> Option<Failure> {
        if self.place != Place::Transaction || self.lease.connection().status().in_transaction() {
            return None;
        }
        let body = ErrorBody::new(
            Code::TxLost,
            "the statement ended the transaction that it ran in, by a COMMIT, a ROLLBACK or a definition inside a routine; \
             check what took effect, roll back, then begin anew",
        )
        .with_executed(Executed::Unknown);
        Some(Failure { body: body.into(), fate: Fate::Ended, unsent: false })
    }

    /// A routine that failed may have written before, and may have ended its transaction, of which MySQL says nothing by itself.
    async fn look_what_a_routine_left(&mut self, failure: &mut Failure) {
        if !self.passed.reset_after || !self.sent || failure.fate != Fate::Kept {
            return;
        }
        if self.statement.writes && !NOT_BEGUN.contains(&failure.body.errno) {
            failure.body.executed = Executed::Unknown;
            failure.body.retryable = false;
        }
        if self.place == Place::Transaction {
            let grace = self.shared.config.limits.kill_grace;
            let asked = tokio::time::timeout(grace, self.lease.connection().ping()).await;
            if !matches!(asked, Ok(Ok(()))) || !self.lease.connection().status().in_transaction() {
                failure.fate = Fate::Ended;
            }
        }
    }

    /// Brings the session to the call's settings, and to what the statement may see besides.
    async fn apply_settings(&mut self) -> Result<(), Failure> {
        let values = self.statement.values.clone();
        // What writes may run triggers.
        let whole = self.statement.writes || values.as_ref().is_some_and(|values| values.whole);
        let hides = values.as_ref().is_some_and(|values| self.lease.applied.user_variables.may_hide_others(values));
        if hides && self.place == Place::Shared {
            let grace = self.shared.config.limits.kill_grace;
            if !tokio::time::timeout(grace, self.lease.reset()).await.unwrap_or(false) {
                return Err(Failure { body: Box::new(lost_before_sent()), fate: Fate::Lost, unsent: true });
            }
        }
        let set = match self.lease.applied.difference(&self.call.settings, values.as_deref(), whole) {
            Ok(None) => {
                self.lease.applied.user_variables.reached(values.as_deref(), whole);
                return Ok(());
            }
            Ok(Some(set)) => set,
            Err(body) => return Err(Failure { body: body.into(), fate: Fate::Kept, unsent: false }),
        };
        match self.prepare(&set).await {
            Ok(()) => {
                self.lease.applied.reached(&self.call.settings);
                self.lease.applied.user_variables.reached(values.as_deref(), whole);
                Ok(())
            }
            Err(failure) => {
                // Some of the assignments may have been made. A held connection has more to lose than they are worth.
                if failure.fate == Fate::Kept && self.place == Place::Shared && !self.lease.reset().await {
                    return Err(Failure { fate: Fate::Lost, ..failure });
                }
                Err(failure)
            }
        }
    }

    /// Runs a statement that only prepares the connection; whatever happens to it, the call's own statement was not sent.
    async fn prepare(&mut self, sql: &str) -> Result<(), Failure> {
        match self.query(sql.as_bytes()).await {
            Step::Done(Ok(_)) => Ok(()),
            Step::Done(Err(error)) => {
                let lost = self.lease.connection().is_broken();
                let mut failure = self.failed(&error);
                if lost {
                    failure.unsent = true;
                    if failure.body.executed != Executed::No {
                        *failure.body = lost_before_sent();
                    }
                }
                Err(failure)
            }
            Step::Stopped(why, _) => Err(self.stop_failure(why)),
            Step::Stuck(why) => Err(Failure { body: why.error().into(), fate: Fate::Lost, unsent: false }),
        }
    }

    /// The statement's text with its binds, quoted as the connection itself reads strings, behind the comment that says whose it is.
    /// A text that has no room for the comment goes without.
    fn text(&mut self) -> Result<Vec<u8>, Failure> {
        let connection = self.lease.connection();
        let mode = LexMode { no_backslash_escapes: connection.status().no_backslash_escapes(), ..self.mode };
        let limit = self.shared.config.limits.statement_bytes.min(connection.max_allowed_packet().saturating_sub(2));
        let mut sql = Vec::with_capacity(self.statement.sql.len() + 128);
        if self.shared.config.comment {
            comment::write(&self.call.application, &self.call.caller, &mut sql);
        }
        let comment = sql.len();
        substitute(&self.statement.sql, &self.statement.binds, mode, limit as usize, &mut sql)
            .map_err(|error| Failure { body: Box::new(error.into()), fate: Fate::Kept, unsent: false })?;
        if sql.len() as u64 > limit {
            sql.drain(..comment);
        }
        Ok(sql)
    }

    /// Hands rows on until the end of this result. The end, and whether another result follows.
    async fn rows(&mut self) -> Result<(ResultEnd, bool), Failure> {
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
                return Err(self.too_large(most_bytes).await);
            }
            add(&self.shared.counters.rows, u64::from(batch.count));
            add(&self.shared.counters.bytes, batch.bytes.len() as u64);
            if bytes > self.shared.config.streams.after && self.place == Place::Shared {
                self.lease.stream();
            }
            if batch.count > 0 {
                if self.outbox.holds_rows()
                    && let Err(why) = self.flush().await
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

    async fn too_large(&mut self, limit: u64) -> Failure {
        let ended = if self.statement.writes {
            let grace = self.shared.config.limits.kill_grace;
            matches!(tokio::time::timeout(grace, self.lease.connection().drain()).await, Ok(Ok(_)))
        } else {
            self.kill_and_drain().await.is_ok()
        };
        let mut body = ErrorBody::new(
            Code::TooLarge,
            format!("the result is larger than {limit} bytes; select less, or fetch it in pieces"),
        );
        if self.statement.writes && self.place != Place::Transaction {
            body = body.with_executed(Executed::Unknown);
        }
        Failure { body: body.into(), fate: if ended { Fate::Kept } else { Fate::Lost }, unsent: false }
    }

    /// A statement was stopped before its answer began.
    async fn stopped_at_first(&mut self, why: Why, outcome: Result<Response, Error>) -> Result<Response, Failure> {
        match outcome {
            // Too late for the kill: a write has happened, and says so. MySQL also ends some reads "well" when they are killed
            // (SLEEP), with a wrong answer; nobody misses the answer of a read that was stopped.
            Ok(response) if self.statement.writes && why != Why::Abandoned => Ok(response),
            Ok(Response::Ok(end)) if !end.status.more_results() => Err(self.stop_failure(why)),
            Ok(_) => match self.kill_and_drain().await {
                Ok(()) => Err(self.stop_failure(why)),
                Err(()) => Err(self.stuck(why)),
            },
            Err(Error::Server(error)) if error.errno == 1317 => Err(self.stop_failure(why)),
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn note<T>(&mut self, step: &Step<T>) {
        if let Step::Stopped(why, _) | Step::Stuck(why) = step {
            self.stopped = Some(*why);
            self.killed = true;
            add(&self.shared.counters.killed, 1);
        }
    }

    fn stop_failure(&mut self, why: Why) -> Failure {
        let fate = match why {
            _ if self.lease.connection().is_broken() => Fate::Lost,
            Why::Expired | Why::Closing => Fate::RolledBack,
            _ => Fate::Kept,
        };
        Failure { body: why.error().into(), fate, unsent: false }
    }

    fn stuck(&self, why: Why) -> Failure {
        let mut body = why.error();
        if self.statement.writes && self.place != Place::Transaction {
            body.message.push_str("; MySQL did not say whether it took effect");
            body = body.with_executed(Executed::Unknown);
        }
        Failure { body: body.into(), fate: Fate::Lost, unsent: false }
    }

    fn failed(&mut self, error: &Error) -> Failure {
        let unsent = error.is_stale();
        let mut body = mysql_errors::to_body(error, &self.shared.names, self.statement.writes);
        let fate = match error {
            _ if self.lease.connection().is_broken() => Fate::Lost,
            Error::Server(server) if mysql_errors::rolled_back(server) == RolledBack::Transaction => Fate::RolledBack,
            _ => Fate::Kept,
        };
        if let (Some(why), Some(1317)) = (self.stopped, error.server().map(|server| server.errno)) {
            body = why.error();
        }
        Failure { body: body.into(), fate, unsent }
    }

    fn result_end(&mut self, end: &End, rows: u64, capped: Option<Capped>) -> ResultEnd {
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

    /// Reads what the statement left in the values that were sent with it. Where that fails the end has none, and the caller knows
    /// that they are lost.
    async fn read_values_back(&mut self) {
        let Some(wanted) = self.statement.values.clone().filter(|values| values.back) else { return };
        let grace = self.shared.config.limits.kill_grace;
        match tokio::time::timeout(grace, values::read_back(self.lease.connection(), &wanted)).await {
            Ok(Ok(read)) => {
                self.lease.applied.user_variables.read(&read);
                if let Some(end) = self.outbox.last_end() {
                    end.values = Some(Box::new(read));
                }
            }
            Ok(Err(error)) => tracing::debug!(%error, "what a statement assigned is lost"),
            Err(_) => tracing::debug!("reading what a statement assigned took too long"),
        }
    }

    /// Fetches the texts of warnings before the connection can be used by anybody else.
    async fn fetch_warnings(&mut self) {
        let (wanted, names) = (self.call.warnings, self.shared.names.clone());
        let grace = self.shared.config.limits.kill_grace;
        let Some(end) = self.outbox.last_end() else { return };
        if wanted == 0 || end.warnings == 0 {
            return;
        }
        let sql = format!("SHOW WARNINGS LIMIT {wanted}");
        match tokio::time::timeout(grace, self.lease.connection().fetch_all(&sql)).await {
            Ok(Ok(rows)) => end.warning_texts = rows.into_iter().filter_map(|row| warning(row, &names)).collect(),
            Ok(Err(error)) => tracing::debug!(%error, "the texts of warnings are lost"),
            Err(_) => tracing::debug!("the texts of warnings took too long"),
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

/// A row of SHOW WARNINGS.
fn warning(row: Vec<Option<String>>, names: &crate::names::Names) -> Option<Warning> {
    let [level, errno, message] = <[Option<String>; 3]>::try_from(row).ok()?;
    let errno = errno?.parse().ok()?;
    Some(Warning { level: level?, errno, message: names.map_text(errno, &message?).into_owned() })
}

fn lost_before_sent() -> ErrorBody {
    ErrorBody::new(Code::Unavailable, "the connection to MySQL was lost before the statement was sent; send it again")
}
