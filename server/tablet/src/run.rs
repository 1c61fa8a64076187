//! One statement on one connection. It is carried to its end, whoever loses interest (see `carried`), so that no exchange is left half-done.
//!
//! The run owns the connection from the moment it is taken until it is clean again. It brings the session to the call's settings,
//! begins a transaction if told so, sends the statement, hands rows on as they arrived, and gives the connection back *before* the
//! last part leaves, so that whoever has the end may use the connection at once.

mod around;
mod exchange;
mod failure;
mod giving_back;
mod leading;
mod rows;

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;
use tracing::Span;
use vitrail_mysql::Response;
use vitrail_proto::message::{BeginOptions, ResultEnd};
use vitrail_service::call::{Call, ConnectionId, Statement};
use vitrail_service::execution::Part;

use self::failure::{Again, Failure};
use crate::begin;
use crate::clock::Clock;
use crate::guard::Place;
use crate::lease::Lease;
use crate::outbox::Outbox;
use crate::reading::Reading;
use crate::running::{Executing, Registered};
use crate::shared::Shared;
use crate::stats::add;
use crate::stop::{Step, Stops, Why};

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
    /// What its text says.
    pub(crate) reading: Arc<Reading>,
    pub(crate) stops: Stops,
    pub(crate) outbox: Outbox,
    pub(crate) clock: Clock,
    /// Keeps the call cancellable while it runs; the calls that share an execution see to that themselves.
    pub(crate) registered: Option<Registered>,
    /// The tablet does not end before the execution has.
    pub(crate) executing: Option<Executing>,
    /// Its text, written before there is a connection; `None`: it goes alone, and is written on its connection.
    pub(crate) text: Option<Bytes>,
    /// It was sent behind another one: its answer is what comes next on its connection.
    pub(crate) answered: bool,
    /// A stop has been acted upon: there is no second one.
    pub(crate) stopped: Option<Why>,
    /// MySQL may have begun to run the statement itself.
    pub(crate) sent: bool,
    /// A kill was sent: one that came late must not hit the next statement.
    pub(crate) killed: bool,
}

impl Run {
    /// Runs to the end, whoever listens.
    pub(crate) async fn run(&mut self) {
        add(&self.shared.counters.statements, 1);
        let mut outcome = self.attempt().await;
        if let Err(failure) = &mut outcome
            && failure.again == Again::Alone
        {
            if Box::pin(self.clear()).await {
                outcome = Box::pin(self.attempt()).await;
            } else {
                failure.again = Again::OnAnotherConnection;
            }
        }
        let again = Instant::now();
        if let Err(failure) = &outcome
            && failure.again == Again::OnAnotherConnection
            && self.taken_here_or_shared()
            && self.stopped.is_none()
            && let Ok(lease) = Box::pin(self.shared.lease(self.place, &self.call.caller, self.stops.deadline)).await
        {
            self.clock.waited_since(again);
            add(&self.shared.counters.replaced, 1);
            let turn = self.lease.turn.take();
            self.lease = lease;
            self.lease.turn = turn;
            outcome = Box::pin(self.attempt()).await;
        }
        if outcome.is_ok() {
            self.reading.pace.note(self.clock.took);
        }
        let outcome = self.give_back(outcome).await;
        if let Err(error) = &outcome {
            self.shared.counters.error(error);
            vitrail_trace::failed(&Span::current(), error.code.as_str());
        }
        drop((self.registered.take(), self.executing.take()));
        if !self.outbox.finish(outcome).await
            && self.taken_here
            && let Some(id) = self.id
        {
            // Nobody has learnt the connection's name.
            Box::pin(Shared::release(&self.shared, id)).await;
        }
    }

    fn taken_here_or_shared(&self) -> bool {
        self.taken_here || self.place == Place::Shared
    }

    async fn attempt(&mut self) -> Result<(), Failure> {
        self.clock.send();
        if std::mem::take(&mut self.answered) {
            self.sent = true;
            return self.results(None).await;
        }
        self.apply_settings().await?;
        if let Some(options) = self.begin.clone() {
            let (isolation, start) = begin::statements(&options);
            self.lease.marked = true;
            for sql in isolation.into_iter().chain([start]) {
                Box::pin(self.prepare(&sql)).await?;
            }
        }
        if self.place == Place::Reserved {
            self.lease.marked = true;
        }
        if self.reading.passed.empty {
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
        if self.reading.passed.reset_after {
            self.lease.marked = true;
        }
        if !self.outbox.write() {
            return Err(self.stop_failure(Why::Cancelled));
        }
        self.sent = true;
        let others = self.board();
        self.results(Some((sql, others))).await
    }

    /// Sends the statement with those behind it, unless it was sent, and hands its results on.
    async fn results(&mut self, unsent: Option<(Bytes, Vec<Bytes>)>) -> Result<(), Failure> {
        let step = self.query(unsent.as_ref().map(|(sql, others)| (&**sql, &**others))).await;
        drop(unsent);
        let mut response = match step {
            Step::Done(response) => response.map_err(|error| self.failed(&error))?,
            Step::Stopped(why, outcome) => Box::pin(self.stopped_at_first(why, outcome)).await?,
            Step::Stuck(why) => return Err(self.stuck(why)),
        };
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
            response = match Box::pin(self.query(None)).await {
                Step::Done(response) => response.map_err(|error| self.failed(&error))?,
                Step::Stopped(why, outcome) => Box::pin(self.stopped_at_first(why, outcome)).await?,
                Step::Stuck(why) => return Err(self.stuck(why)),
            };
        }
        if let Some(failure) = self.ended_unseen() {
            return Err(failure);
        }
        self.read_values_back().await;
        if self.misses_warnings() && self.lease.is_followed() {
            return Err(self.not_behind_others());
        }
        self.fetch_warnings().await;
        Ok(())
    }
}
