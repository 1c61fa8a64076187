//! Reads what arrives and hands it to whom it is for; also watches over deadlines and silence.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, ReadHalf};
use tokio::time::Instant;
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::frame::{Kind, Reassembler, Received};
use vitrail_proto::message::{GoAway, Reply};

use super::handshake::Greeted;
use super::input::{self, broken};
use super::pending::Slot;
use super::shared::Shared;
use crate::error::Error;

/// Room that is made for each read.
const READ_CHUNK: usize = 32 * 1024;

/// Runs until the connection closes, and closes it when the stream ends.
pub(super) async fn run<S: AsyncRead>(
    shared: Arc<Shared>,
    mut stream: ReadHalf<S>,
    greeted: Greeted,
    keepalive: Duration,
) {
    let Greeted { mut buffer, messages, .. } = greeted;
    let mut reader = Reader { shared: shared.clone(), messages };
    let mut silence = Silence { heard: Instant::now(), pinged: None, keepalive };
    let mut closed = pin!(shared.until_closed());
    // Left as it is while answers come: what it was set for has moved on when it ends, and then it is set again.
    let mut alarm = pin!(tokio::time::sleep_until(shared.state.lock().arm(silence.next())));
    loop {
        if let Err(error) = reader.take_frames(&mut buffer) {
            return shared.close(error.message());
        }
        if buffer.capacity() - buffer.len() < READ_CHUNK / 4 {
            buffer.reserve(READ_CHUNK);
        }
        tokio::select! {
            biased;
            read = stream.read_buf(&mut buffer) => match read {
                Ok(0) => return shared.close("the server closed the connection"),
                Ok(_) => silence = Silence { heard: Instant::now(), pinged: None, keepalive },
                Err(error) => return shared.close(&format!("reading failed: {error}")),
            },
            () = &mut closed => return,
            () = shared.wake_timer.notified() => alarm.as_mut().reset(shared.state.lock().arm(silence.next())),
            () = &mut alarm => {
                let now = Instant::now();
                let expiry = shared.state.lock().earliest_expiry();
                if expiry.is_some_and(|expiry| expiry <= now) {
                    return shared.close("a deadline passed and the server did not answer");
                }
                if !silence.act(&shared, now) {
                    return shared.close("the server does not answer pings");
                }
                alarm.as_mut().reset(shared.state.lock().arm(silence.next()));
            }
        }
    }
}

/// How long nothing has come.
struct Silence {
    heard: Instant,
    pinged: Option<Instant>,
    keepalive: Duration,
}

impl Silence {
    fn next(&self) -> Instant {
        self.pinged.unwrap_or(self.heard) + self.keepalive
    }

    /// Pings when it is time; false when the last ping was not answered.
    fn act(&mut self, shared: &Shared, now: Instant) -> bool {
        if now < self.next() {
            return true;
        }
        if self.pinged.is_some() {
            return false;
        }
        self.pinged = Some(now);
        // A closed connection is noticed by the loop.
        let _ = shared.ping();
        true
    }
}

struct Reader {
    shared: Arc<Shared>,
    messages: Reassembler,
}

impl Reader {
    fn take_frames(&mut self, buffer: &mut BytesMut) -> Result<(), Error> {
        while let Some((header, received)) = input::next(buffer, &mut self.messages)? {
            match received {
                Received::Skipped => {}
                // Credited at once: a message larger than the window could not arrive otherwise.
                Received::Partial { id, .. } => self.take_fragment(id, header.length),
                Received::Message(message) => match message.kind {
                    Kind::Reply => self.take_reply(message.id, &message.body, header.length, message.flags.end())?,
                    Kind::Error => self.take_error(message.id, &message.body)?,
                    Kind::Credit => {
                        let wake = {
                            let mut state = self.shared.state.lock();
                            state.granted(message.id);
                            state.wake()
                        };
                        self.shared.wake(wake);
                    }
                    Kind::GoAway => {
                        let notice = GoAway::decode(&message.body).map_err(broken)?;
                        tracing::debug!(reason = notice.reason, drain_ms = notice.drain_ms, "the server drains");
                        self.shared.draining.store(true, Ordering::Release);
                    }
                    Kind::Ping => self.shared.state.lock().pong(),
                    // The reassembler lets nothing else through.
                    _ => {}
                },
            }
        }
        Ok(())
    }

    fn take_fragment(&self, id: u64, bytes: u32) {
        let slot = self.shared.state.lock().slot(id).cloned();
        if let Some(slot) = slot
            && let Some(credit) = slot.fragment(bytes)
        {
            self.shared.credit(&slot, credit);
        }
    }

    /// `bytes`: of the last frame; the fragments before it were credited.
    fn take_reply(&self, id: u64, body: &Bytes, bytes: u32, end: bool) -> Result<(), Error> {
        let reply = Reply::decode(body.clone()).map_err(broken)?;
        let slot = match end {
            true => self.finish(id),
            false => self.shared.state.lock().slot(id).cloned(),
        };
        let Some(slot) = slot else { return self.stray(id) };
        if let Some(credit) = slot.deliver(reply, bytes, end) {
            self.shared.credit(&slot, credit);
        }
        Ok(())
    }

    fn take_error(&self, id: u64, body: &[u8]) -> Result<(), Error> {
        let body = ErrorBody::decode(body).map_err(broken)?;
        if id == 0 {
            return Err(Error::server(body));
        }
        let Some(slot) = self.finish(id) else { return self.stray(id) };
        if body.code == Code::Draining {
            self.shared.draining.store(true, Ordering::Release);
        }
        slot.fail(Error::server(body));
        Ok(())
    }

    /// Takes out a request whose END has come; others may go then.
    fn finish(&self, id: u64) -> Option<Arc<Slot>> {
        let (slot, wake) = {
            let mut state = self.shared.state.lock();
            (state.finish(id), state.wake())
        };
        self.shared.wake(wake);
        slot
    }

    fn stray(&self, id: u64) -> Result<(), Error> {
        let problem = match self.shared.state.lock().was_used(id) {
            true => format!("the server answered request {id} after its end"),
            false => format!("the server answered request {id}, which was never sent"),
        };
        Err(Error::protocol(problem))
    }
}
