//! What the handles and the two tasks of a connection share.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use tokio::sync::{Notify, watch};
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::ServerHello;

use super::pending::Slot;
use super::state::{Queued, State, Wake};
use crate::error::Error;

pub(crate) struct Shared {
    /// Everything that is queued or under way. Never held across an await.
    pub(super) state: Mutex<State>,
    /// Where frames go; `None` once it is closed. Taken with the lock of `state` or without, never the other way round.
    pub(super) stream: Mutex<Option<Pin<Box<dyn AsyncWrite + Send>>>>,
    /// The writer waits here when nothing is queued.
    pub(super) wake_writer: Notify,
    /// The reader waits here too: an earlier deadline has come up.
    pub(super) wake_timer: Notify,
    /// True once closed.
    pub(super) closed: watch::Sender<bool>,
    /// Set by GOAWAY.
    pub(super) draining: AtomicBool,
    /// Sessions of clients that live here.
    pub(super) sessions: AtomicUsize,
    /// The next session id.
    pub(super) next_session: AtomicU64,
    /// The stream is TLS.
    pub(super) encrypted: bool,
    /// From the handshake.
    pub(super) hello: ServerHello,
}

impl Shared {
    pub(super) fn new(stream: impl AsyncWrite + Send + 'static, hello: ServerHello, encrypted: bool) -> Shared {
        Shared {
            state: Mutex::new(State::new(&hello)),
            stream: Mutex::new(Some(Box::pin(stream))),
            wake_writer: Notify::new(),
            wake_timer: Notify::new(),
            closed: watch::Sender::new(false),
            draining: AtomicBool::new(false),
            sessions: AtomicUsize::new(0),
            next_session: AtomicU64::new(1),
            encrypted,
            hello,
        }
    }

    /// Takes requests in order, and writes them if nothing else is under way; else the writer gathers them with what is.
    pub(super) fn submit(&self, requests: impl IntoIterator<Item = Queued>) {
        let mut rejected = Vec::new();
        let wake = {
            let mut state = self.state.lock();
            let quiet = state.is_quiet();
            for queued in requests {
                if let Err(rejection) = state.submit(queued) {
                    rejected.push(rejection);
                }
            }
            if quiet {
                self.write_at_once(&mut state);
            }
            state.wake()
        };
        // Outside the lock: failing a slot calls its observer.
        for (slot, error) in rejected {
            slot.fail(error);
        }
        self.wake(wake);
    }

    /// Writes what the socket takes without waiting. The writer goes on with the rest, and meets again what failed.
    fn write_at_once(&self, state: &mut State) {
        let mut guard = self.stream.lock();
        let Some(stream) = guard.as_mut() else { return };
        let mut context = Context::from_waker(Waker::noop());
        while !state.output().is_empty() {
            match stream.as_mut().poll_write(&mut context, state.output()) {
                Poll::Ready(Ok(taken)) if taken > 0 => state.written(taken),
                _ => return,
            }
        }
        if !matches!(stream.as_mut().poll_flush(&mut context), Poll::Ready(Ok(()))) {
            state.owe_flush();
        }
    }

    /// Tells the tasks what a change of the state has made their business.
    pub(super) fn wake(&self, wake: Wake) {
        if wake.writer {
            self.wake_writer.notify_one();
        }
        if wake.timer {
            self.wake_timer.notify_one();
        }
    }

    /// Sends a PING; the receiver changes with the next pong.
    pub(super) fn ping(&self) -> Result<watch::Receiver<u64>, Error> {
        let (pongs, wake) = {
            let mut state = self.state.lock();
            (state.ping()?, state.wake())
        };
        self.wake(wake);
        Ok(pongs)
    }

    /// Grants the server more bytes for a request; one that waits for its turn takes them along when it starts.
    pub(super) fn credit(&self, slot: &Slot, bytes: u32) {
        let wake = {
            let mut state = self.state.lock();
            state.credit(slot, bytes);
            state.wake()
        };
        self.wake(wake);
    }

    /// Cancels a request: at the server if it was started, else here.
    pub(super) fn cancel(&self, slot: &Arc<Slot>) {
        let (withdrawn, wake) = {
            let mut state = self.state.lock();
            (state.cancel(slot), state.wake())
        };
        if withdrawn {
            slot.fail(Error::server(ErrorBody::new(Code::Cancelled, "cancelled before it was sent")));
        }
        self.wake(wake);
    }

    pub(super) async fn until_closed(&self) {
        let mut closed = self.closed.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = closed.wait_for(|closed| *closed).await;
    }

    /// Ends the connection. Everything under way fails: as not executed if it had not wholly been sent, else as unknown.
    pub(super) fn close(&self, reason: &str) {
        let slots = self.state.lock().close(reason);
        let Some(slots) = slots else { return };
        self.closed.send_replace(true);
        for (slot, sent) in slots {
            slot.fail(Error::lost(reason, sent));
        }
        self.wake_writer.notify_one();
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("hello", &self.hello).finish_non_exhaustive()
    }
}
