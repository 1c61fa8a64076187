//! The bounded output queue of one connection, and the writing of it.
//!
//! Whoever queues a frame writes it, together with all that others queued meanwhile: one at a time, as many frames as
//! fit into one vectored write. A small frame of a connection that has more requests under way is left to the connection's task, which
//! runs when all that is ready has had its turn, so that answers of the same moment share a write. The task takes over, too, when the
//! socket is full, as it alone waits for the socket. Frames of one lane (a session, or a request without one) keep their order; lanes take turns.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use bytes::{Buf, Bytes};
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use vitrail_proto::frame::HEADER_LEN;

use crate::socket::Socket;
use crate::stats::Counters;

/// Control frames may wait for a full socket up to this many bytes: a peer that sends and never reads is cut off.
const MAX_CONTROL: usize = 1024 * 1024;
/// A frame below this many bytes waits for others that are ready at the same moment, if the connection has more requests under way.
const GATHERED: usize = 4 * 1024;
/// Frames taken for one write, together at least as many bytes unless the queue has fewer.
const WRITE_BYTES: usize = 256 * 1024;
/// Slices of one vectored write.
const WRITE_SLICES: usize = 64;

/// Which frames must keep their order among themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Requests of a session.
    Session(u64),
    /// A request without a session.
    Request(u64),
}

/// One frame, ready for the wire: its header, and slices of its message's body. Empty pieces are left out.
#[derive(Debug)]
pub(crate) struct Frame(pub(crate) [Bytes; 4]);

impl Frame {
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// Without the header.
    pub(crate) fn body_len(&self) -> usize {
        self.len() - HEADER_LEN
    }
}

/// The output side of a connection.
pub(crate) struct Output {
    socket: Socket,
    counters: Arc<Counters>,
    queue: Mutex<Queue>,
    /// One permit per byte that may be queued; first come, first served.
    space: Semaphore,
    capacity: u32,
    /// Set when the socket takes no more; cleared by the connection's task when it does.
    full: AtomicBool,
    /// Small frames wait for the connection's task.
    gathering: AtomicBool,
    /// Bytes written.
    written: AtomicU64,
    /// Requests without END: counted here because the last frame of an END takes the request out, just before it goes.
    pub(crate) in_flight: AtomicUsize,
    /// The connection's user is gone: it is to be told and closed.
    pub(crate) dismissed: AtomicBool,
    /// Wakes the connection's task: the socket is full, or the connection is to be closed.
    pub(crate) wake: Notify,
    /// The connection is lost or being closed: nothing more is sent.
    pub(crate) closed: CancellationToken,
}

/// Leave to queue a frame; given back when the frame is written.
pub(crate) struct Space(u32);

/// The connection is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

impl Output {
    pub(crate) fn new(socket: Socket, capacity: u32, counters: Arc<Counters>) -> Output {
        Output {
            socket,
            counters,
            queue: Mutex::new(Queue::default()),
            space: Semaphore::new(capacity as usize),
            capacity,
            full: AtomicBool::new(false),
            gathering: AtomicBool::new(false),
            written: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            dismissed: AtomicBool::new(false),
            wake: Notify::new(),
            closed: CancellationToken::new(),
        }
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Waits for space for a frame, first come, first served. A frame larger than the queue waits for all of it.
    pub(crate) async fn space(&self, bytes: usize) -> Result<Space, Gone> {
        let cost = bytes.min(self.capacity as usize) as u32;
        match self.space.try_acquire_many(cost) {
            Ok(permit) => permit.forget(),
            Err(_) => self.space.acquire_many(cost).await.map_err(|_closed| Gone)?.forget(),
        }
        Ok(Space(cost))
    }

    /// Queues a frame of a lane, and writes. `others`: answers of more requests may come at the same moment.
    pub(crate) fn send(&self, lane: Lane, frame: Frame, space: Space, others: bool) {
        let small = frame.len() < GATHERED;
        self.queue.lock().push(lane, frame, space.0);
        if !others || !small {
            self.flush();
        } else if !self.gathering.swap(true, Ordering::AcqRel) {
            self.wake.notify_one();
        }
    }

    /// Small frames wait to be written.
    pub(crate) fn gathers(&self) -> bool {
        self.gathering.load(Ordering::Acquire)
    }

    /// They are about to be flushed.
    pub(crate) fn end_gathering(&self) {
        self.gathering.store(false, Ordering::Release);
    }

    /// Queues a control frame or a refusal ahead of all else, without waiting, and does not write yet: the reader
    /// flushes once for all that it read. A peer that lets too many pile up is not reading: the connection is closed.
    pub(crate) fn push(&self, frame: Frame) {
        let mut queue = self.queue.lock();
        if self.closed.is_cancelled() {
            return;
        }
        queue.control_bytes += frame.len();
        if queue.control_bytes > MAX_CONTROL {
            self.counters.stalled.add(1);
            self.close();
            return;
        }
        queue.control.push_back(frame);
    }

    /// Writes what is queued until nothing is left or the socket is full, unless someone else is writing.
    pub(crate) fn flush(&self) {
        let mut queue = self.queue.lock();
        if queue.writing || self.full.load(Ordering::Acquire) || self.closed.is_cancelled() {
            return;
        }
        queue.writing = true;
        loop {
            queue.select();
            let mut wire = std::mem::take(&mut queue.wire);
            drop(queue);
            let result = if wire.is_empty() { self.socket.try_flush() } else { self.write(&mut wire) };
            queue = self.queue.lock();
            let done = wire.is_empty();
            queue.restore(wire);
            match result {
                Ok(()) if done && queue.is_empty() => {
                    queue.writing = false;
                    queue.shrink();
                    return;
                }
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    queue.writing = false;
                    self.full.store(true, Ordering::Release);
                    self.wake.notify_one();
                    return;
                }
                Err(error) => {
                    tracing::debug!(%error, "the socket failed");
                    queue.writing = false;
                    drop(queue);
                    self.close();
                    return;
                }
            }
        }
    }

    /// The socket takes no more.
    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Ordering::Acquire)
    }

    /// The socket takes bytes again. Answers whether it took any.
    pub(crate) fn resume(&self) -> bool {
        let before = self.written.load(Ordering::Relaxed);
        self.full.store(false, Ordering::Release);
        self.flush();
        !self.is_full() || self.written.load(Ordering::Relaxed) != before
    }

    /// Nothing waits to be written.
    pub(crate) fn is_empty(&self) -> bool {
        let queue = self.queue.lock();
        queue.is_empty() && !queue.writing && !self.is_full()
    }

    /// Nothing more is sent; whoever waits for space is told.
    pub(crate) fn close(&self) {
        self.closed.cancel();
        self.space.close();
        self.wake.notify_one();
    }

    /// One vectored write.
    fn write(&self, wire: &mut VecDeque<Piece>) -> io::Result<()> {
        let mut slices = [IoSlice::new(&[]); WRITE_SLICES];
        let mut used = 0;
        for (slot, piece) in slices.iter_mut().zip(wire.iter()) {
            *slot = IoSlice::new(&piece.bytes);
            used += 1;
        }
        let written = self.socket.try_write(&slices[..used])?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.counters.writes.add(1);
        self.counters.sent.add(written as u64);
        let mut left = written;
        let mut freed = 0;
        while let Some(piece) = wire.front_mut() {
            if piece.bytes.len() > left {
                piece.bytes.advance(left);
                break;
            }
            left -= piece.bytes.len();
            freed += piece.cost as usize;
            wire.pop_front();
        }
        if freed > 0 {
            self.space.add_permits(freed);
        }
        self.written.fetch_add(written as u64, Ordering::Relaxed);
        Ok(())
    }
}

#[derive(Default)]
struct Queue {
    /// Control frames and refusals: written first.
    control: VecDeque<Frame>,
    /// Bytes of `control`.
    control_bytes: usize,
    /// Lanes with frames; the front one has its turn.
    lanes: VecDeque<Waiting>,
    /// Selected for the next write, the front possibly written in part.
    wire: VecDeque<Piece>,
    /// Someone is writing, and will look at the queue again before ending.
    writing: bool,
}

struct Waiting {
    lane: Lane,
    frames: VecDeque<(Frame, u32)>,
}

/// Bytes for the wire, and the space that they give back when written.
struct Piece {
    bytes: Bytes,
    cost: u32,
}

impl Queue {
    fn push(&mut self, lane: Lane, frame: Frame, cost: u32) {
        if self.is_empty() && !self.writing {
            self.stage(frame, cost);
        } else if let Some(waiting) = self.lanes.iter_mut().find(|waiting| waiting.lane == lane) {
            waiting.frames.push_back((frame, cost));
        } else {
            self.lanes.push_back(Waiting { lane, frames: VecDeque::from([(frame, cost)]) });
        }
    }

    fn stage(&mut self, frame: Frame, cost: u32) {
        self.wire.extend(frame.0.into_iter().filter(|bytes| !bytes.is_empty()).map(|bytes| Piece { bytes, cost: 0 }));
        if let Some(last) = self.wire.back_mut() {
            last.cost = cost;
        }
    }

    /// Takes frames for the next write: control first, then one of each lane in turn.
    fn select(&mut self) {
        let mut bytes: usize = self.wire.iter().map(|piece| piece.bytes.len()).sum();
        while bytes < WRITE_BYTES && self.wire.len() + 4 <= WRITE_SLICES {
            let (frame, cost) = if let Some(frame) = self.control.pop_front() {
                self.control_bytes -= frame.len();
                (frame, 0)
            } else if let Some(mut waiting) = self.lanes.pop_front() {
                let Some(next) = waiting.frames.pop_front() else { continue };
                if !waiting.frames.is_empty() {
                    self.lanes.push_back(waiting);
                }
                next
            } else {
                break;
            };
            bytes += frame.len();
            self.stage(frame, cost);
        }
    }

    /// Puts back what a write has left.
    fn restore(&mut self, mut rest: VecDeque<Piece>) {
        rest.append(&mut self.wire);
        self.wire = rest;
    }

    fn is_empty(&self) -> bool {
        self.control.is_empty() && self.lanes.is_empty() && self.wire.is_empty()
    }

    /// An idle connection keeps no large queue.
    fn shrink(&mut self) {
        if self.wire.capacity() > 8 {
            self.wire = VecDeque::new();
        }
        if self.control.capacity() > 8 {
            self.control = VecDeque::new();
        }
        if self.lanes.capacity() > 8 {
            self.lanes = VecDeque::new();
        }
    }
}
