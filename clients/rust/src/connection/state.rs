//! What a connection has queued and under way, and the rules of who may be sent when. No I/O, no waiting.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::watch;
use tokio::time::Instant;
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::frame::{EMPTY_DOCUMENT, Flags, Header, Kind};
use vitrail_proto::limits::{FREE_UPLOAD, MIN_FRAGMENT};
use vitrail_proto::message::{Credit, Request, ServerHello};

use super::pending::Slot;
use super::{Observer, Shared};
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
    body: Bytes,
    expires: Option<Instant>,
}

impl Queued {
    pub(super) fn new(request: &Request, observer: Option<Arc<dyn Observer>>, now: Instant) -> Queued {
        let slot = Arc::new(Slot::new(request.session, request.credit, observer));
        let expires = request.deadline_ms.map(|ms| now + Duration::from_millis(ms.into()) + EXPIRY_GRACE);
        let mut body = Vec::with_capacity(256 + request.sql.as_ref().map_or(0, String::len));
        request.encode(&mut body);
        Queued { slot, body: body.into(), expires }
    }
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

pub(super) struct State {
    /// Frames for the writer, in order.
    out: BytesMut,
    /// Bytes that ever went into `out`.
    queued: u64,
    /// Granted uploads, sent in turn.
    ready: VecDeque<Upload>,
    /// Uploads that wait for the server's CREDIT, by id.
    waiting: HashMap<u64, Upload>,
    /// Requests that are started and without an END, by id.
    slots: HashMap<u64, Arc<Slot>>,
    /// Sessions with requests in flight.
    lanes: HashMap<u64, Lane>,
    /// Beyond `MAX_IN_FLIGHT`, in order.
    overflow: VecDeque<Queued>,
    /// When the connection is given up, by request.
    expiries: BTreeSet<(Instant, u64)>,
    /// The same, the other way round.
    expiry_of: HashMap<u64, Instant>,
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
            queued: 0,
            ready: VecDeque::new(),
            waiting: HashMap::new(),
            slots: HashMap::new(),
            lanes: HashMap::new(),
            overflow: VecDeque::new(),
            expiries: BTreeSet::new(),
            expiry_of: HashMap::new(),
            next_id: 1,
            max_frame: hello.max_frame as usize,
            max_message: hello.max_message as usize,
            pongs: watch::Sender::new(0),
            closed: None,
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.slots.len() + self.overflow.len()
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
        if self.slots.len() >= MAX_IN_FLIGHT || !self.overflow.is_empty() {
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
        self.slots.insert(id, slot.clone());
        if let Some(expires) = expires {
            self.expiries.insert((expires, id));
            self.expiry_of.insert(id, expires);
        }
        let whole = body.len() <= FREE_UPLOAD as usize;
        if let Some(session) = slot.session {
            let lane = self.lanes.entry(session).or_default();
            lane.in_flight += 1;
            lane.uploading = !whole;
        }
        // At once, even in several frames: ids must grow on the wire, and a CANCEL or CREDIT must find its request there.
        let mut upload = Upload { slot: slot.clone(), rest: body, free: FREE_UPLOAD as usize };
        while upload.free > 0 && !upload.rest.is_empty() {
            self.push_fragment(&mut upload);
        }
        if whole {
            slot.set_end_offset(self.queued);
        } else {
            self.waiting.insert(id, upload);
        }
        if let Some(bytes) = slot.due() {
            self.push_credit(id, bytes);
        }
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

    /// The next bytes to write; empty when there is nothing to do. Small frames first, then one fragment of an upload.
    pub(super) fn next_output(&mut self) -> BytesMut {
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
        std::mem::take(&mut self.out)
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
        self.slots.get(&id)
    }

    /// Whether `id` was ever used: a reply to another is the server's mistake.
    pub(super) fn was_used(&self, id: u64) -> bool {
        id < self.next_id
    }

    /// The END of a request has arrived: takes it out, and lets the next ones go.
    pub(super) fn finish(&mut self, id: u64) -> Option<Arc<Slot>> {
        let slot = self.slots.remove(&id)?;
        if let Some(expires) = self.expiry_of.remove(&id) {
            self.expiries.remove(&(expires, id));
        }
        self.waiting.remove(&id);
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
        while self.slots.len() < MAX_IN_FLIGHT
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

    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.expiries.first().map(|(expires, _)| *expires)
    }

    /// Queues a PING; the receiver changes with the next pong.
    pub(super) fn ping(&mut self, shared: &Shared) -> Result<watch::Receiver<u64>, Error> {
        if let Some(reason) = &self.closed {
            return Err(Error::lost(reason, false));
        }
        let pongs = self.pongs.subscribe();
        self.push(Kind::Ping, Flags::NONE, 0, &EMPTY_DOCUMENT);
        shared.wake_writer.notify_one();
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
        self.expiries.clear();
        self.expiry_of.clear();
        let mut slots: Vec<Arc<Slot>> = std::mem::take(&mut self.slots).into_values().collect();
        slots.sort_by_key(|slot| slot.id());
        for (_, lane) in std::mem::take(&mut self.lanes) {
            slots.extend(lane.held.into_iter().map(|queued| queued.slot));
        }
        slots.extend(std::mem::take(&mut self.overflow).into_iter().map(|queued| queued.slot));
        let taken = self.queued - self.out.len() as u64;
        Some(slots.into_iter().map(|slot| (slot.clone(), slot.wholly_sent(taken))).collect())
    }
}

impl Shared {
    /// Grants the server more bytes for a request; one that waits for its turn takes them along when it starts.
    pub(super) fn credit(&self, slot: &Slot, bytes: u32) {
        let mut state = self.state.lock();
        let id = slot.id();
        if id == 0 {
            return slot.defer(bytes);
        }
        if state.is_closed() || state.slot(id).is_none() {
            return;
        }
        state.push_credit(id, bytes);
        drop(state);
        self.wake_writer.notify_one();
    }

    /// Cancels a request: at the server if it was started, else here.
    pub(super) fn cancel(&self, slot: &Arc<Slot>) {
        let withdrawn = {
            let mut state = self.state.lock();
            if state.is_closed() {
                return;
            }
            match slot.id() {
                0 => state.withdraw(slot),
                id => {
                    if state.slot(id).is_some() {
                        state.push(Kind::Cancel, Flags::NONE, id, &EMPTY_DOCUMENT);
                    }
                    false
                }
            }
        };
        if withdrawn {
            slot.fail(Error::server(ErrorBody::new(Code::Cancelled, "cancelled before it was sent")));
        }
        self.wake_writer.notify_one();
    }
}
