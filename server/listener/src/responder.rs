//! Sends the REPLYs of one request, as credit and the connection's output queue allow.

use tokio::sync::mpsc;
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::Reply;

/// Sends REPLYs before the last one.
///
/// There is one per request, and no way to send an END through it: the END is what [`crate::service::Service::handle`]
/// returns, so that every request has exactly one.
pub struct Responder {
    replies: mpsc::Sender<Reply>,
}

impl Responder {
    /// A responder without a connection, for tests of a service: what it sends comes out of the receiver, and it waits
    /// while `capacity` replies are there.
    pub fn channel(capacity: usize) -> (Responder, mpsc::Receiver<Reply>) {
        let (replies, receiver) = mpsc::channel(capacity);
        (Responder { replies }, receiver)
    }

    /// Sends one REPLY that is not the last. Waits for the client's credit and for space in the connection's queue:
    /// pull the next part of a result only when this returns, and memory stays bounded.
    ///
    /// # Errors
    ///
    /// The request is over while the client grants no credit: cancelled, past its deadline, or its connection is lost;
    /// or the REPLY is larger than the client accepts. Stop what runs in MySQL and return the error.
    pub async fn send(&mut self, reply: Reply) -> Result<(), ErrorBody> {
        self.replies
            .send(reply)
            .await
            .map_err(|_| ErrorBody::new(Code::Cancelled, "the connection of the request is gone"))
    }
}
