//! Sends the REPLYs of one request, as credit and the connection's output queue allow.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt;
use futures_util::future::Either;
use tokio::sync::mpsc;
use vitrail_proto::error::{Code, ErrorBody, Executed};
use vitrail_proto::message::Reply;

use crate::flight::Flight;
use crate::outgoing::Outgoing;
use crate::output::Output;

/// Sends REPLYs before the last one.
///
/// There is one per request, and no way to send an END through it: the END is what [`crate::service::Service::handle`]
/// returns, so that every request has exactly one.
pub struct Responder {
    sink: Sink,
}

impl Responder {
    /// A responder without a connection, for tests of a service: what it sends comes out of the receiver, and it waits
    /// while `capacity` replies are there.
    pub fn channel(capacity: usize) -> (Responder, mpsc::Receiver<Reply>) {
        let (replies, receiver) = mpsc::channel(capacity);
        (Responder { sink: Sink::Channel(replies) }, receiver)
    }

    /// Sends one REPLY that is not the last. Waits for the client's credit and for space in the connection's queue:
    /// pull the next part of a result only when this returns, and memory stays bounded.
    ///
    /// # Errors
    ///
    /// The request is over while the client grants no credit: cancelled, past its deadline, or its connection is lost;
    /// or the REPLY is larger than the client accepts. Stop what runs in MySQL and return the error.
    pub fn send(&mut self, reply: Reply) -> impl Future<Output = Result<(), ErrorBody>> + Send {
        // Encoded before anything waits: the future holds the message, and not what it was made of.
        match &self.sink {
            Sink::Channel(replies) => {
                Either::Left(Box::pin(replies.send(reply)).map(|sent| sent.map_err(|_| connection_lost())))
            }
            Sink::Connection(channel) => {
                Either::Right(channel.transmit(Outgoing::reply(channel.flight.id, &reply, false), true))
            }
        }
    }
}

/// The way of one request's messages to its connection.
#[derive(Clone)]
pub(crate) struct Channel {
    pub(crate) output: Arc<Output>,
    pub(crate) flight: Arc<Flight>,
    /// Largest frame body that the peer accepts.
    pub(crate) max_frame: u32,
    /// Largest message that the peer accepts.
    pub(crate) max_message: u32,
}

impl Channel {
    pub(crate) fn responder(&self) -> Responder {
        Responder { sink: Sink::Connection(self.clone()) }
    }

    /// Sends the END: the reply, or an error in its place if rows could not be delivered. Answers whether it was a reply.
    pub(crate) async fn finish(self, outcome: Result<Reply, ErrorBody>, read_only: bool) -> bool {
        let error = match outcome {
            Ok(reply) => {
                let needs_credit = reply.rows.is_some();
                let in_transaction = reply.end.as_ref().is_some_and(|end| end.in_transaction);
                let message = Outgoing::reply(self.flight.id, &reply, true);
                drop(reply);
                let error = match self.transmit(message, needs_credit).await {
                    Ok(()) => return true,
                    // It has run; only its rows were not delivered.
                    Err(error) if !read_only => error.with_executed(Executed::Unknown),
                    Err(error) => error,
                };
                ErrorBody { in_transaction, ..error }
            }
            Err(error) => error,
        };
        // If the connection is gone, nobody waits for the answer.
        let _ = self.transmit(Outgoing::error(self.flight.id, error), false).await;
        false
    }

    async fn transmit(&self, message: Outgoing, needs_credit: bool) -> Result<(), ErrorBody> {
        let (length, end) = (message.body_len(), message.is_end());
        if length > self.max_message as usize {
            return Err(ErrorBody::new(
                Code::TooLarge,
                format!(
                    "an answer of {length} bytes is larger than the {} that the client accepts; select less, or raise its max_message",
                    self.max_message
                ),
            ));
        }
        let mut left = length;
        for frame in message.into_frames(self.max_frame) {
            let body = frame.body_len();
            if needs_credit {
                if !self.flight.has_credit() {
                    // Boxed, as most answers never wait.
                    Box::pin(self.wait_for_credit()).await?;
                }
                self.flight.spend(body);
            }
            let space = self.output.space(frame.len()).await.map_err(|_gone| connection_lost())?;
            left -= body;
            let under_way = if end && left == 0 {
                // Before the END is out, so that the client may send its next request as soon as it has it.
                self.output.in_flight.fetch_sub(1, Ordering::AcqRel)
            } else {
                self.output.in_flight.load(Ordering::Acquire)
            };
            self.output.send(self.flight.lane(), frame, space, under_way > 1);
        }
        Ok(())
    }

    async fn wait_for_credit(&self) -> Result<(), ErrorBody> {
        let deadline = self.flight.deadline;
        let out_of_time = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.output.closed.cancelled() => Err(connection_lost()),
            () = self.flight.cancel.cancelled() => Err(cancelled()),
            () = self.flight.credit() => Ok(()),
            () = out_of_time => Err(expired()),
        }
    }
}

/// The answer to a request that CANCEL stopped.
pub(crate) fn cancelled() -> ErrorBody {
    ErrorBody::new(Code::Cancelled, "the request was cancelled")
}

/// The answer to a request whose deadline has passed.
pub(crate) fn expired() -> ErrorBody {
    ErrorBody::new(Code::Deadline, "the deadline of the request has passed")
}

/// For services whose client is gone; it travels nowhere.
fn connection_lost() -> ErrorBody {
    ErrorBody::new(Code::Cancelled, "the connection of the request is gone")
}

enum Sink {
    Connection(Channel),
    Channel(mpsc::Sender<Reply>),
}
