//! The way of a result from the task that owns the connection to whoever pulls it: bounded, and one hand-over for a small result.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use vitrail_proto::error::{Code, ErrorBody, Executed};
use vitrail_proto::message::ResultEnd;
use vitrail_service::call::ConnectionId;
use vitrail_service::execution::{Part, PartStream};

use crate::consolidator::Consolidator;
use crate::consolidator::round::Round;
use crate::late::Late;

/// Batches that wait for a slow reader. With the one being read from MySQL and the one in the reader's hands, a stream holds
/// about four batches.
const QUEUE: usize = 2;

type Parcel = Result<Vec<Part>, ErrorBody>;

/// What a call is answered with first.
pub(crate) struct Opening {
    /// The connection that the call took.
    pub(crate) connection: Option<ConnectionId>,
    /// The parts that are there.
    pub(crate) parts: Parts,
}

/// The sending side.
pub(crate) struct Outbox {
    /// Until the first parcel has left.
    opening: Option<oneshot::Sender<Result<Opening, ErrorBody>>>,
    /// After it.
    stream: Option<mpsc::Sender<Parcel>>,
    /// Where all goes instead if several calls may share the answer.
    round: Option<Writer>,
    /// Parts that wait to leave together.
    pending: Vec<Part>,
    /// Goes with the first parcel.
    pub(crate) connection: Option<ConnectionId>,
    /// The first parcel has arrived.
    delivered: bool,
}

impl Outbox {
    /// An outbox, and where its opening arrives.
    pub(crate) fn new() -> (Outbox, oneshot::Receiver<Result<Opening, ErrorBody>>) {
        let (opening, receiver) = oneshot::channel();
        (
            Outbox {
                opening: Some(opening),
                stream: None,
                round: None,
                pending: Vec::with_capacity(3),
                connection: None,
                delivered: false,
            },
            receiver,
        )
    }

    /// An outbox for the calls of a round.
    pub(crate) fn shared(round: Arc<Round>, consolidator: Arc<Consolidator>) -> Outbox {
        Outbox {
            opening: None,
            stream: None,
            round: Some(Writer { round, consolidator, finished: false }),
            pending: Vec::with_capacity(3),
            connection: None,
            delivered: false,
        }
    }

    /// The statement is about to go to MySQL. `false`: nobody waits for it any more.
    pub(crate) fn write(&self) -> bool {
        self.round.as_ref().is_none_or(|writer| writer.consolidator.write(&writer.round))
    }

    /// Adds a part; it leaves with the next flush.
    pub(crate) fn push(&mut self, part: Part) {
        self.pending.push(part);
    }

    /// Nothing has left yet: a failure is the failure of the call.
    pub(crate) fn is_unopened(&self) -> bool {
        self.opening.is_some() || self.round.as_ref().is_some_and(|writer| writer.round.is_unopened())
    }

    /// The caller has the opening, and knows the connection.
    pub(crate) fn is_delivered(&self) -> bool {
        self.delivered
    }

    /// The end that leaves last, if it has not left.
    pub(crate) fn last_end(&mut self) -> Option<&mut ResultEnd> {
        match self.pending.last_mut() {
            Some(Part::End(end)) => Some(end),
            _ => None,
        }
    }

    /// Rows wait to leave.
    pub(crate) fn holds_rows(&self) -> bool {
        self.pending.iter().any(|part| matches!(part, Part::Rows(_)))
    }

    /// Forgets what has not left: the result is void.
    pub(crate) fn discard(&mut self) {
        self.pending.clear();
    }

    /// Resolves when nobody waits any more.
    pub(crate) async fn abandoned(&mut self) {
        if self.round.is_some() {
            // Whoever leaves a round last stops its execution by a cancel.
            return std::future::pending().await;
        }
        match (&mut self.opening, &self.stream) {
            (Some(opening), _) => opening.closed().await,
            (None, Some(stream)) => stream.closed().await,
            (None, None) => {}
        }
    }

    /// Sends what is pending, and waits for space if the reader is slow. `false`: nobody waits any more.
    pub(crate) async fn flush(&mut self) -> bool {
        let parts = std::mem::replace(&mut self.pending, Vec::with_capacity(1));
        if let Some(writer) = &self.round {
            return writer.round.push(parts).await;
        }
        if let Some(opening) = self.opening.take() {
            let (sender, receiver) = mpsc::channel(QUEUE);
            self.stream = Some(sender);
            let parts = Parts { ready: parts.into_iter(), rest: Some(receiver), late: None };
            self.delivered = opening.send(Ok(Opening { connection: self.connection, parts })).is_ok();
            return self.delivered;
        }
        match &self.stream {
            Some(stream) => stream.send(Ok(parts)).await.is_ok(),
            None => false,
        }
    }

    /// Sends what is pending and ends the stream, with an error if there is one.
    /// `false`: the caller was gone before it had the opening.
    pub(crate) async fn finish(&mut self, outcome: Result<(), ErrorBody>) -> bool {
        let parts = std::mem::take(&mut self.pending);
        if let Some(mut writer) = self.round.take() {
            writer.finished = true;
            writer.round.finish(parts, outcome);
            return true;
        }
        // A receiver that is gone wants no answer.
        match (self.opening.take(), self.stream.take(), outcome) {
            (Some(opening), _, Ok(())) => {
                let parts = Parts { ready: parts.into_iter(), rest: None, late: None };
                return opening.send(Ok(Opening { connection: self.connection, parts })).is_ok();
            }
            (Some(opening), _, Err(error)) => {
                let _ = opening.send(Err(error));
            }
            (None, Some(stream), Ok(())) => {
                let _ = stream.send(Ok(parts)).await;
            }
            (None, Some(stream), Err(error)) => {
                let _ = stream.send(Err(error)).await;
            }
            (None, None, _) => {}
        }
        self.delivered
    }
}

/// The run's hold on a round: whatever happens to the run, those who wait get an end.
struct Writer {
    round: Arc<Round>,
    consolidator: Arc<Consolidator>,
    finished: bool,
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.finished {
            self.round.finish(Vec::new(), Err(ended_early()));
        }
    }
}

/// What a call reads whose task has panicked.
pub(crate) fn ended_early() -> ErrorBody {
    ErrorBody::new(Code::Internal, "the tablet's task for this call ended without an answer")
        .with_executed(Executed::Unknown)
}

/// The receiving side: the parts of one answer.
pub(crate) struct Parts {
    ready: std::vec::IntoIter<Part>,
    rest: Option<mpsc::Receiver<Parcel>>,
    /// How long the rest is awaited; `None`: as long as it takes.
    pub(crate) late: Option<Late>,
}

impl Parts {
    /// More may come than what is here.
    pub(crate) fn goes_on(&self) -> bool {
        self.rest.is_some()
    }
}

#[async_trait]
impl PartStream for Parts {
    async fn next(&mut self) -> Result<Option<Part>, ErrorBody> {
        loop {
            if let Some(part) = self.ready.next() {
                return Ok(Some(part));
            }
            let Some(rest) = &mut self.rest else { return Ok(None) };
            let parcel = match &self.late {
                None => rest.recv().await,
                Some(late) => late.wait(rest.recv()).await.unwrap_or_else(|error| Some(Err(error))),
            };
            match parcel {
                Some(Ok(parts)) => self.ready = parts.into_iter(),
                Some(Err(error)) => {
                    self.rest = None;
                    return Err(error);
                }
                None => self.rest = None,
            }
        }
    }
}
