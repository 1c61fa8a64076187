//! A request's seat in a round: reads the answer at its own pace, and leaves for its own reasons.

use std::pin::pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::Instant;
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::Ran;
use vitrail_service::call::{Call, Statement};
use vitrail_service::execution::{Part, PartStream};
use vitrail_service::overdue::{Overdue, TABLET_PATIENCE};

use super::Joined;
use super::alone;
use super::round::{Found, Left, Round};
use crate::running::Registered;
use crate::shared::Shared;
use crate::stop::Why;

/// See the module.
pub(crate) struct Seat {
    tablet: Arc<Shared>,
    round: Arc<Round>,
    /// The next part to read.
    at: usize,
    /// Another request's execution answers this one.
    joined: Option<Joined>,
    /// Keeps the call cancellable until it has its end.
    registered: Option<Registered>,
    deadline: Option<Instant>,
    /// What to run if it is too slow for the others.
    call: Call,
    statement: Statement,
    /// It wanted to leave and was the last: it waits until the execution has been stopped.
    stopping: Option<Why>,
    /// Nothing more is read from the round.
    done: bool,
    /// Read before it was asked for.
    first: Option<Part>,
    /// The columns that it has read.
    fields: Option<Bytes>,
    /// Its own execution, since it was cut off.
    alone: Option<Box<dyn PartStream>>,
}

impl Seat {
    /// A seat that has read nothing.
    pub(crate) fn new(
        tablet: Arc<Shared>,
        round: Arc<Round>,
        joined: Option<Joined>,
        registered: Registered,
        deadline: Option<Instant>,
        call: Call,
        statement: Statement,
    ) -> Seat {
        Seat {
            tablet,
            round,
            at: 0,
            joined,
            registered: Some(registered),
            deadline,
            call,
            statement,
            stopping: None,
            done: false,
            first: None,
            fields: None,
            alone: None,
        }
    }

    /// Waits until the answer begins.
    ///
    /// # Errors
    /// The failure of the execution, or the seat's own reason to leave.
    pub(crate) async fn begin(&mut self) -> Result<(), ErrorBody> {
        let round = Arc::clone(&self.round);
        let first = round.run.until(pin!(self.read())).await?;
        self.first = first;
        // A long answer goes on whether or not somebody reads it at the moment.
        round.run.let_go();
        Ok(())
    }

    async fn read(&mut self) -> Result<Option<Part>, ErrorBody> {
        if let Some(alone) = &mut self.alone {
            return alone.next().await;
        }
        let round = Arc::clone(&self.round);
        while !self.done {
            // Made before the look, so that nothing that comes after it is missed.
            let news = round.news();
            match round.read(&mut self.at) {
                Found::Part(part) => return Ok(Some(self.note(part))),
                Found::End(outcome) => {
                    let shared = self.joined.is_some();
                    self.end();
                    return outcome.map(|()| None).map_err(|error| {
                        let error = self.reason(error);
                        // The run has counted it once.
                        if shared { self.tablet.refuse(error) } else { error }
                    });
                }
                Found::CutOff(prefix) => {
                    self.end_reading();
                    let registered = self.registered.take().expect("it is there until the end");
                    let call = Call { deadline: self.deadline, ..self.call.clone() };
                    let statement = self.statement.clone();
                    let stream =
                        alone::go_on(Arc::clone(&self.tablet), registered, call, statement, self.fields.take(), prefix);
                    let mut stream = stream.await?;
                    let part = stream.next().await;
                    self.alone = Some(stream);
                    return part;
                }
                Found::Nothing => {}
            }
            if self.stopping.is_some() {
                let until = self.deadline.map(|deadline| deadline + TABLET_PATIENCE);
                let overdue = Overdue { until, writes: false, held: false };
                if overdue.wait(news).await.is_none() {
                    round.depart_for_good(self.at);
                    self.end();
                    return Err(self.tablet.refuse(overdue.error()));
                }
                continue;
            }
            let cancel = &self.registered.as_ref().expect("it is there until the end").cancel;
            let expired = async {
                match self.deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            let why = tokio::select! {
                biased;
                () = news => continue,
                () = cancel.cancelled() => Why::of_cancel(&self.tablet.running),
                () = expired => Why::Deadline,
            };
            if round.leave(self.at) == Left::Others {
                self.end();
                return Err(self.tablet.refuse(why.error()));
            }
            self.stopping = Some(why);
        }
        Ok(None)
    }

    /// What the caller reads when the execution was stopped because this seat, the last one, left.
    fn reason(&self, error: ErrorBody) -> ErrorBody {
        match self.stopping {
            Some(why) if error.code == Code::Cancelled => why.error(),
            _ => error,
        }
    }

    fn note(&mut self, mut part: Part) -> Part {
        match &mut part {
            Part::Fields(fields) => self.fields = Some(fields.clone()),
            Part::End(end) if self.joined.is_some() => end.ran.get_or_insert_with(Ran::default).shared = true,
            Part::Rows(_) | Part::End(_) => {}
        }
        part
    }

    fn end(&mut self) {
        self.end_reading();
        self.registered = None;
    }

    fn end_reading(&mut self) {
        if !self.done {
            self.done = true;
            self.joined = None;
        }
    }
}

#[async_trait]
impl PartStream for Seat {
    async fn next(&mut self) -> Result<Option<Part>, ErrorBody> {
        match self.first.take() {
            Some(part) => Ok(Some(part)),
            None => self.read().await,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if !self.done {
            self.round.depart_for_good(self.at);
        }
        // The run knows its round: carried on, they would keep each other for ever.
        self.round.run.let_go();
    }
}
