//! A request under way, seen from its two sides: the application that pulls replies, and the reader that delivers them.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use vitrail_proto::message::Reply;

use super::shared::Shared;
use super::{Connection, Observer};
use crate::error::Error;

/// A request under way. Dropping it before its end cancels the request; what still arrives is dropped.
pub struct Pending {
    connection: Connection,
    slot: Arc<Slot>,
    /// Taken to its end, or given up on purpose: dropping it does nothing.
    settled: bool,
}

impl Pending {
    pub(super) fn new(connection: Connection, slot: Arc<Slot>) -> Pending {
        Pending { connection, slot, settled: false }
    }

    /// The next reply; `None` after the last. Credit for its bytes is given as it is taken. An error ends the request and
    /// voids the replies before it.
    pub async fn next(&mut self) -> Result<Option<Reply>, Error> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// As [`Pending::next`].
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Reply>, Error>> {
        let (answer, credit) = self.slot.take(context);
        if let Some(bytes) = credit {
            self.connection.shared().credit(&self.slot, bytes);
        }
        if matches!(answer, Poll::Ready(Ok(None) | Err(_))) {
            self.settled = true;
        }
        answer
    }

    /// The first reply. An answer without any is an error.
    pub async fn first(&mut self) -> Result<Reply, Error> {
        self.next().await?.ok_or_else(|| Error::protocol("a request ended without a reply"))
    }

    /// Waits for the end and returns the last reply; for requests that have one reply only.
    pub async fn last(mut self) -> Result<Reply, Error> {
        let mut last = None;
        while let Some(reply) = self.next().await? {
            last = Some(reply);
        }
        last.ok_or_else(|| Error::protocol("a request ended without a reply"))
    }

    /// Asks the server to stop. The request still ends by itself: with an error, or with its result if the cancel was late.
    pub fn cancel(&self) {
        self.connection.shared().cancel(&self.slot);
    }

    /// Cancels from elsewhere.
    pub fn canceller(&self) -> Canceller {
        Canceller { shared: self.connection.shared().clone(), slot: self.slot.clone() }
    }

    /// Lets the request run to its end with nobody waiting.
    pub fn detach(mut self) {
        self.settled = true;
        self.release_inbox();
    }

    /// The connection that carries it.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    fn release_inbox(&self) {
        if let Some(bytes) = self.slot.abandon() {
            self.connection.shared().credit(&self.slot, bytes);
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.settled {
            self.connection.shared().cancel(&self.slot);
            self.release_inbox();
        }
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").field("id", &self.slot.id()).finish_non_exhaustive()
    }
}

/// Cancels one request; harmless once that has ended.
#[derive(Clone)]
pub struct Canceller {
    shared: Arc<Shared>,
    slot: Arc<Slot>,
}

impl Canceller {
    /// Asks the server to stop the request.
    pub fn cancel(&self) {
        self.shared.cancel(&self.slot);
    }
}

impl std::fmt::Debug for Canceller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Canceller").field("id", &self.slot.id()).finish_non_exhaustive()
    }
}

/// A request's place in the connection.
pub(crate) struct Slot {
    /// Its id on the wire; 0 until it is started.
    id: AtomicU64,
    /// Its session.
    pub(super) session: Option<u64>,
    /// Position in the output stream of the end of its last frame; `u64::MAX` until that is known.
    end_offset: AtomicU64,
    /// Told of every end.
    observer: Option<Arc<dyn Observer>>,
    /// What has arrived.
    inbox: Mutex<Inbox>,
}

struct Inbox {
    /// Replies with the bytes that each is worth in credit.
    replies: VecDeque<(Reply, u32)>,
    /// Set once the END has arrived.
    end: Option<Result<(), Option<Error>>>,
    /// The task that waits in `next`.
    waker: Option<Waker>,
    /// Nobody will take what arrives.
    abandoned: bool,
    /// Credit that is due and not yet sent.
    owed: u32,
    /// Credit is sent when so much is due: half of the window, so that control frames stay few.
    threshold: u32,
    /// The request began with a window of 0 and nobody has asked for a reply yet: the first who does grants a byte, and
    /// with it one frame at a time.
    unasked: bool,
}

impl Slot {
    pub(super) fn new(session: Option<u64>, window: u32, observer: Option<Arc<dyn Observer>>) -> Slot {
        Slot {
            id: AtomicU64::new(0),
            session,
            end_offset: AtomicU64::new(u64::MAX),
            observer,
            inbox: Mutex::new(Inbox {
                replies: VecDeque::new(),
                end: None,
                waker: None,
                abandoned: false,
                owed: 0,
                threshold: (window / 2).max(1),
                unasked: window == 0,
            }),
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.id.load(Ordering::Acquire)
    }

    pub(super) fn start(&self, id: u64) {
        self.id.store(id, Ordering::Release);
    }

    pub(super) fn set_end_offset(&self, offset: u64) {
        self.end_offset.store(offset, Ordering::Release);
    }

    pub(super) fn wholly_sent(&self, written: u64) -> bool {
        self.end_offset.load(Ordering::Acquire) <= written
    }

    /// A fragment that is not its message's last has arrived: returns the credit to send now, if any.
    pub(super) fn fragment(&self, bytes: u32) -> Option<u32> {
        self.inbox.lock().owe(bytes)
    }

    /// A reply has arrived, worth `bytes` of credit: returns the credit to send now, if any.
    pub(super) fn deliver(&self, reply: Reply, bytes: u32, last: bool) -> Option<u32> {
        if let (Some(observer), Some(end)) = (&self.observer, &reply.end) {
            observer.ended(end);
        }
        let mut inbox = self.inbox.lock();
        let credit = if inbox.abandoned {
            inbox.owe(bytes)
        } else {
            // Most answers are one reply.
            if inbox.replies.capacity() == 0 {
                inbox.replies.reserve_exact(1);
            }
            inbox.replies.push_back((reply, bytes));
            None
        };
        if last {
            inbox.end = Some(Ok(()));
        }
        let waker = inbox.waker.take();
        drop(inbox);
        if let Some(waker) = waker {
            waker.wake();
        }
        if last { None } else { credit }
    }

    /// The request ends with an error.
    pub(super) fn fail(&self, error: Error) {
        // Only the reader and `close` end a slot, and both take it out of the connection's table first: this runs once.
        if let Some(observer) = &self.observer {
            observer.failed(&error);
        }
        let mut inbox = self.inbox.lock();
        inbox.replies.clear();
        inbox.end = Some(Err(Some(error)));
        let waker = inbox.waker.take();
        drop(inbox);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn take(&self, context: &mut Context<'_>) -> (Poll<Result<Option<Reply>, Error>>, Option<u32>) {
        let mut inbox = self.inbox.lock();
        if let Some((reply, bytes)) = inbox.replies.pop_front() {
            let credit = inbox.owe(bytes);
            return (Poll::Ready(Ok(Some(reply))), credit);
        }
        match &mut inbox.end {
            Some(Ok(())) => (Poll::Ready(Ok(None)), None),
            Some(Err(error)) => {
                let answer = error.take().map_or(Ok(None), Err);
                (Poll::Ready(answer), None)
            }
            None => {
                if !inbox.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                    inbox.waker = Some(context.waker().clone());
                }
                (Poll::Pending, std::mem::take(&mut inbox.unasked).then_some(1))
            }
        }
    }

    /// Drops what has arrived and will arrive; returns the credit to send now, so that the server reaches its END.
    fn abandon(&self) -> Option<u32> {
        let mut inbox = self.inbox.lock();
        inbox.abandoned = true;
        inbox.waker = None;
        let parked: u32 = inbox.replies.drain(..).map(|(_, bytes)| bytes).sum();
        let first = u32::from(std::mem::take(&mut inbox.unasked));
        inbox.owe(parked.saturating_add(first))
    }

    /// Keeps credit until the request has started.
    pub(super) fn defer(&self, bytes: u32) {
        let mut inbox = self.inbox.lock();
        inbox.owed = inbox.owed.saturating_add(bytes);
    }

    /// The credit to send now, if any.
    pub(super) fn due(&self) -> Option<u32> {
        self.inbox.lock().owe(0)
    }
}

impl Inbox {
    fn owe(&mut self, bytes: u32) -> Option<u32> {
        self.owed = self.owed.saturating_add(bytes);
        if self.end.is_some() || self.owed < self.threshold {
            return None;
        }
        Some(std::mem::take(&mut self.owed))
    }
}
