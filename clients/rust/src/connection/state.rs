//! What a connection has queued and under way, and the rules of who may be sent when. No I/O, no waiting.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use foldhash::{HashMap, HashMapExt};
use tokio::sync::watch;
use tokio::time::Instant;
use vitrail_proto::error::Code;
use vitrail_proto::frame::{EMPTY_DOCUMENT, Flags, Header, Kind};
use vitrail_proto::limits::{FREE_UPLOAD, MIN_FRAGMENT};
use vitrail_proto::message::{Credit, Request, ServerHello};

use super::Observer;
use super::pending::Slot;
use crate::error::Error;

/// Requests in flight per connection, below the protocol's 1,024; more wait here.
const MAX_IN_FLIGHT: usize = 1000;
/// Requests in flight per session; more wait here.
const MAX_SESSION_DEPTH: usize = 64;
/// How long after its deadline a request may stay unanswered before the connection is given up.
const EXPIRY_GRACE: Duration = Duration::from_secs(1);

/// A request that waits for its turn.
pub(super) struct Queued {
    pub(super) slot: Arc<Slot>,
    body: Vec<u8>,
    expires: Option<Instant>,
}

impl Queued {
    pub(super) fn new(request: &Request, observer: Option<Arc<dyn Observer>>, now: Instant) -> Queued {
        let slot = Arc::new(Slot::new(request.session, request.credit, observer));
        let expires = request.deadline_ms.map(|ms| now + Duration::from_millis(ms.into()) + EXPIRY_GRACE);
        let mut body = Vec::with_capacity(256 + request.sql.as_ref().map_or(0, String::len));
        request.encode(&mut body);
        Queued { slot, body, expires }
    }
}

/// A request that is started and has no END.
struct Started {
    slot: Arc<Slot>,
    /// When the connection is given up for it.
    expires: Option<Instant>,
}

/// A large request that is sent piece by piece.
struct Upload {
    slot: Arc<Slot>,
    rest: Bytes,
    /// So much of it needs no grant.
    free: usize,
}

/// What the connection knows of one session's order.
#[derive(Default)]
struct Lane {
    /// Requests without an END.
    in_flight: usize,
    /// One of them is not wholly sent: nothing may start after it.
    uploading: bool,
    /// Later ones, in order.
    held: VecDeque<Queued>,
}

/// What there is for the writer.
pub(super) enum Output {
    /// Frames to send and flush; none at all if only a flush is due.
    Frames(BytesMut),
    Nothing,
    Closed,
}

/// Whom a change concerns, to be told when the lock is free.
#[must_use]
pub(super) struct Wake {
    pub(super) writer: bool,
    pub(super) timer: bool,
}

pub(super) struct State {
    /// Frames to be written, in order.
    out: BytesMut,
    /// The writer has taken frames and comes back for more.
    writing: bool,
    /// Something was written that may not have left yet.
    flush_due: bool,
    /// Bytes that ever went into `out`.
    queued: u64,
    /// Granted uploads, sent in turn.
    ready: VecDeque<Upload>,
    /// Uploads that wait for the server's CREDIT, by id.
    waiting: HashMap<u64, Upload>,
    /// Requests that are started and without an END, by id.
    started: HashMap<u64, Started>,
    /// Sessions with requests in flight.
    lanes: HashMap<u64, Lane>,
    /// Beyond `MAX_IN_FLIGHT`, in order.
    overflow: VecDeque<Queued>,
    /// When the reader looks at deadlines again; not later than any of them.
    alarm: Instant,
    /// It has become earlier, which the reader does not know.
    alarm_moved: bool,
    next_id: u64,
    max_frame: usize,
    max_message: usize,
    /// Counts pongs for `ping`.
    pongs: watch::Sender<u64>,
    closed: Option<Box<str>>,
}

impl State {
    pub(super) fn new(hello: &ServerHello) -> State {
        State {
            out: BytesMut::new(),
            writing: false,
            flush_due: false,
            queued: 0,
            ready: VecDeque::new(),
            waiting: HashMap::new(),
            started: HashMap::new(),
            lanes: HashMap::new(),
            overflow: VecDeque::new(),
            alarm: Instant::now(),
            alarm_moved: false,
            next_id: 1,
            max_frame: hello.max_frame as usize,
            max_message: hello.max_message as usize,
            pongs: watch::Sender::new(0),
            closed: None,
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.started.len() + self.overflow.len()
    }

    /// Sends a request now, or holds it until its session and the connection have room.
    pub(super) fn submit(&mut self, queued: Queued) -> Result<(), (Arc<Slot>, Error)> {
        if let Some(reason) = &self.closed {
            return Err((queued.slot, Error::lost(reason, false)));
        }
        if queued.body.len() > self.max_message {
            let message = format!(
                "the request has {} bytes, the server accepts {}; send less at once",
                queued.body.len(),
                self.max_message
            );
            return Err((queued.slot, Error::invalid(message).with_code(Code::TooLarge)));
        }
        if self.started.len() >= MAX_IN_FLIGHT || !self.overflow.is_empty() {
            self.overflow.push_back(queued);
            return Ok(());
        }
        self.admit(queued);
        Ok(())
    }

    fn admit(&mut self, queued: Queued) {
        if let Some(session) = queued.slot.session {
            let lane = self.lanes.entry(session).or_default();
            if lane.uploading || lane.in_flight >= MAX_SESSION_DEPTH || !lane.held.is_empty() {
                return lane.held.push_back(queued);
            }
        }
        self.start(queued);
    }

    fn start(&mut self, queued: Queued) {
        let Queued { slot, body, expires } = queued;
        let id = self.next_id;
        self.next_id += 1;
        slot.start(id);
        if let Some(expires) = expires
            && expires < self.alarm
        {
            self.alarm = expires;
            self.alarm_moved = true;
        }
        let whole = body.len() <= FREE_UPLOAD as usize;
        if let Some(session) = slot.session {
            let lane = self.lanes.entry(session).or_default();
            lane.in_flight += 1;
            lane.uploading = !whole;
        }
        // At once, even in several frames: ids must grow on the wire, and a CANCEL or CREDIT must find its request there.
        if whole && body.len() <= self.max_frame {
            self.push(Kind::Request, Flags::NONE, id, &body);
            slot.set_end_offset(self.queued);
        } else {
            let mut upload = Upload { slot: slot.clone(), rest: body.into(), free: FREE_UPLOAD as usize };
            while upload.free > 0 && !upload.rest.is_empty() {
                self.push_fragment(&mut upload);
            }
            if whole {
                slot.set_end_offset(self.queued);
            } else {
                self.waiting.insert(id, upload);
            }
        }
        if let Some(bytes) = slot.due() {
            self.push_credit(id, bytes);
        }
        self.started.insert(id, Started { slot, expires });
    }

    /// Appends the next fragment of an upload, of its free part or of the granted rest.
    fn push_fragment(&mut self, upload: &mut Upload) {
        let piece = if upload.free > 0 { upload.rest.len().min(upload.free) } else { upload.rest.len() };
        // Only the last fragment of a message may be small.
        let length = match piece.checked_sub(self.max_frame) {
            None | Some(0) => piece,
            Some(left) if left < MIN_FRAGMENT as usize => self.max_frame - MIN_FRAGMENT as usize,
            Some(_) => self.max_frame,
        };
        let fragment = upload.rest.split_to(length);
        upload.free = upload.free.saturating_sub(length);
        let flags = Flags::NONE.with_more(!upload.rest.is_empty());
        self.push(Kind::Request, flags, upload.slot.id(), &fragment);
    }

    fn push_credit(&mut self, id: u64, bytes: u32) {
        let mut body = Vec::with_capacity(32);
        Credit { bytes }.encode(&mut body);
        self.push(Kind::Credit, Flags::NONE, id, &body);
    }

    /// Appends one frame for the writer.
    fn push(&mut self, kind: Kind, flags: Flags, id: u64, body: &[u8]) {
        let header = Header { length: body.len() as u32, kind, flags, id }.encode();
        self.out.reserve(header.len() + body.len());
        self.out.extend_from_slice(&header);
        self.out.extend_from_slice(body);
        self.queued += (header.len() + body.len()) as u64;
    }

    /// Nothing is under way, queued or being written.
    pub(super) fn is_quiet(&self) -> bool {
        self.started.is_empty() && self.out.is_empty() && !self.writing && !self.flush_due
    }

    /// What is to be written next.
    pub(super) fn output(&self) -> &[u8] {
        &self.out
    }

    /// So many bytes of [`State::output`] were written.
    pub(super) fn written(&mut self, bytes: usize) {
        self.out.advance(bytes);
    }

    /// What was written must still be flushed.
    pub(super) fn owe_flush(&mut self) {
        self.flush_due = true;
    }

    /// For the writer: small frames first, then one fragment of an upload. It has to come again after each answer that has
    /// frames.
    pub(super) fn next_output(&mut self) -> Output {
        if self.is_closed() {
            return Output::Closed;
        }
        if self.out.is_empty()
            && let Some(mut upload) = self.ready.pop_front()
        {
            self.push_fragment(&mut upload);
            if upload.rest.is_empty() {
                upload.slot.set_end_offset(self.queued);
                self.uploaded(upload.slot.session);
            } else {
                self.ready.push_back(upload);
            }
        }
        self.writing = !self.out.is_empty() || std::mem::take(&mut self.flush_due);
        match self.writing {
            true => Output::Frames(std::mem::take(&mut self.out)),
            false => Output::Nothing,
        }
    }

    /// Whom the changes since the last call concern.
    pub(super) fn wake(&mut self) -> Wake {
        let output = !self.out.is_empty() || !self.ready.is_empty() || self.flush_due;
        Wake { writer: output && !self.writing, timer: std::mem::take(&mut self.alarm_moved) }
    }

    /// The session's upload has ended: what was held back may go.
    fn uploaded(&mut self, session: Option<u64>) {
        let Some(session) = session else { return };
        if let Some(lane) = self.lanes.get_mut(&session) {
            lane.uploading = false;
        }
        self.release(session);
    }

    fn release(&mut self, session: u64) {
        while let Some(lane) = self.lanes.get_mut(&session) {
            if lane.uploading || lane.in_flight >= MAX_SESSION_DEPTH {
                return;
            }
            let Some(queued) = lane.held.pop_front() else {
                if lane.in_flight == 0 {
                    self.lanes.remove(&session);
                }
                return;
            };
            self.start(queued);
        }
    }

    /// The server has granted the rest of an upload.
    pub(super) fn granted(&mut self, id: u64) {
        if let Some(mut upload) = self.waiting.remove(&id) {
            upload.free = 0;
            self.ready.push_back(upload);
        }
    }

    pub(super) fn slot(&self, id: u64) -> Option<&Arc<Slot>> {
        self.started.get(&id).map(|started| &started.slot)
    }

    /// Whether `id` was ever used: a reply to another is the server's mistake.
    pub(super) fn was_used(&self, id: u64) -> bool {
        id < self.next_id
    }

    /// The END of a request has arrived: takes it out, and lets the next ones go.
    pub(super) fn finish(&mut self, id: u64) -> Option<Arc<Slot>> {
        let Started { slot, .. } = self.started.remove(&id)?;
        if !self.waiting.is_empty() {
            self.waiting.remove(&id);
        }
        self.ready.retain(|upload| upload.slot.id() != id);
        if let Some(session) = slot.session
            && let Some(lane) = self.lanes.get_mut(&session)
        {
            lane.in_flight -= 1;
            // An answer before the upload's end refuses it; no fragment of it will follow.
            if !slot.wholly_sent(u64::MAX - 1) {
                lane.uploading = false;
            }
            self.release(session);
        }
        while self.started.len() < MAX_IN_FLIGHT
            && let Some(queued) = self.overflow.pop_front()
        {
            self.admit(queued);
        }
        Some(slot)
    }

    /// Takes a request that has not been started out of the queues.
    fn withdraw(&mut self, slot: &Arc<Slot>) -> bool {
        let queue = match slot.session.and_then(|session| self.lanes.get_mut(&session)) {
            Some(lane) if lane.held.iter().any(|queued| Arc::ptr_eq(&queued.slot, slot)) => &mut lane.held,
            _ => &mut self.overflow,
        };
        let before = queue.len();
        queue.retain(|queued| !Arc::ptr_eq(&queued.slot, slot));
        queue.len() < before
    }

    /// Grants the server more bytes for a request; one that waits for its turn takes them along when it starts.
    pub(super) fn credit(&mut self, slot: &Slot, bytes: u32) {
        match slot.id() {
            0 => slot.defer(bytes),
            id if self.started.contains_key(&id) => self.push_credit(id, bytes),
            _ => {}
        }
    }

    /// Cancels a request: asks the server to, if it was started; else true, and it will not be sent.
    pub(super) fn cancel(&mut self, slot: &Arc<Slot>) -> bool {
        match slot.id() {
            0 => self.withdraw(slot),
            id => {
                if self.started.contains_key(&id) {
                    self.push(Kind::Cancel, Flags::NONE, id, &EMPTY_DOCUMENT);
                }
                false
            }
        }
    }

    /// When the first of the requests under way must have ended.
    pub(super) fn earliest_expiry(&self) -> Option<Instant> {
        self.started.values().filter_map(|started| started.expires).min()
    }

    /// The reader sleeps until `at`, or the first deadline: says which.
    pub(super) fn arm(&mut self, at: Instant) -> Instant {
        self.alarm = self.earliest_expiry().map_or(at, |expiry| expiry.min(at));
        self.alarm_moved = false;
        self.alarm
    }

    /// Queues a PING; the receiver changes with the next pong.
    pub(super) fn ping(&mut self) -> Result<watch::Receiver<u64>, Error> {
        if let Some(reason) = &self.closed {
            return Err(Error::lost(reason, false));
        }
        let pongs = self.pongs.subscribe();
        self.push(Kind::Ping, Flags::NONE, 0, &EMPTY_DOCUMENT);
        Ok(pongs)
    }

    pub(super) fn pong(&mut self) {
        self.pongs.send_modify(|count| *count += 1);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    /// Marks it closed and hands out everything that must fail; `None` if it was closed before.
    /// Each comes with whether the writer had taken all of it: only then may the server have seen it whole.
    pub(super) fn close(&mut self, reason: &str) -> Option<Vec<(Arc<Slot>, bool)>> {
        if self.closed.is_some() {
            return None;
        }
        self.closed = Some(reason.into());
        self.pongs = watch::Sender::new(0);
        self.ready.clear();
        self.waiting.clear();
        let started = std::mem::take(&mut self.started);
        let mut slots: Vec<Arc<Slot>> = started.into_values().map(|started| started.slot).collect();
        slots.sort_by_key(|slot| slot.id());
        for (_, lane) in std::mem::take(&mut self.lanes) {
            slots.extend(lane.held.into_iter().map(|queued| queued.slot));
        }
        slots.extend(std::mem::take(&mut self.overflow).into_iter().map(|queued| queued.slot));
        let taken = self.queued - self.out.len() as u64;
        Some(slots.into_iter().map(|slot| (slot.clone(), slot.wholly_sent(taken))).collect())
    }
}
