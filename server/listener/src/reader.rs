//! What the peer's frames do: requests are placed, uploads put together, credit and cancels handed on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;
use vitrail_proto::document::Fields;
use vitrail_proto::error::{Code, ErrorBody, ProtocolError};
use vitrail_proto::frame::{Header, Kind};
use vitrail_proto::limits::{FREE_UPLOAD, MIN_FRAGMENT};
use vitrail_proto::message::{Credit, Op, Reply, Request, decode_empty};

use crate::budget::Reservation;
use crate::config::Limits;
use crate::connection::Connection;
use crate::flight::Flight;
use crate::input::Input;
use crate::outgoing::Outgoing;
use crate::responder::{cancelled, expired};
use crate::service::Service;
use crate::sessions::{Expiries, Placed, Received};
use crate::uploads::{Upload, Uploads};

/// Bytes of a request that come without credit.
const FREE: usize = FREE_UPLOAD as usize;

/// The peer broke the protocol: the error goes out on id 0, and the connection ends.
#[derive(Debug)]
pub(crate) struct Violation(pub(crate) ErrorBody);

impl Violation {
    fn new(message: impl Into<String>) -> Violation {
        Violation(ErrorBody::new(Code::Protocol, message))
    }
}

impl From<ProtocolError> for Violation {
    fn from(error: ProtocolError) -> Violation {
        Violation(error.into())
    }
}

/// The reading side of a connection; belongs to its task.
pub(crate) struct Reader {
    input: Input,
    uploads: Uploads,
    /// When queued requests and stalled uploads expire.
    pub(crate) expiries: Expiries,
    /// The highest request id seen.
    last: u64,
    control: ControlRate,
}

impl Reader {
    pub(crate) fn new(limits: &Limits) -> Reader {
        Reader {
            input: Input::new(limits.max_frame),
            uploads: Uploads::default(),
            expiries: Expiries::default(),
            last: 0,
            control: ControlRate { limit: limits.control_frames_per_second, since: Instant::now(), frames: 0 },
        }
    }
}

impl<S: Service> Connection<S> {
    /// Takes in bytes of the socket.
    pub(crate) fn receive(self: &Arc<Self>, reader: &mut Reader, bytes: &[u8]) -> Result<(), Violation> {
        let mut input = std::mem::replace(&mut reader.input, Input::new(0));
        let result = input.feed(bytes, |header, body| self.frame(reader, header, body));
        reader.input = input;
        result
    }

    /// Answers what has waited or stalled too long.
    pub(crate) fn expire(&self, reader: &mut Reader, now: Instant) {
        while let Some(id) = reader.expiries.pop(now) {
            if let Some(upload) = reader.uploads.open.get(&id) {
                let at = upload.progress + self.shared.limits.upload_stall;
                if at > now {
                    reader.expiries.add(at, id);
                } else {
                    self.drop_upload(
                        reader,
                        id,
                        ErrorBody::new(Code::Deadline, "the request stopped arriving half-way"),
                    );
                }
            } else if let Some(received) = self.withdraw(id) {
                self.answer_in(received.flight.session, id, expired());
                drop(received);
            }
        }
    }

    fn frame(self: &Arc<Self>, reader: &mut Reader, header: Header, body: &[u8]) -> Result<(), Violation> {
        let id = header.id;
        if header.kind == Kind::Request {
            return self.request_frame(reader, header, body);
        }
        let grants = header.kind == Kind::Credit && Credit::decode(body)?.bytes >= MIN_FRAGMENT;
        if !grants {
            reader.control.count()?;
        }
        match header.kind {
            Kind::Credit => {
                let credit = Credit::decode(body)?;
                known(reader, id, "CREDIT")?;
                let flight = self.state.lock().flights.get(&id).cloned();
                if flight.is_some_and(|flight| !flight.grant(credit.bytes)) {
                    return Err(Violation::new(format!("the credit of request {id} is above its limit of 2^31 bytes")));
                }
            }
            Kind::Cancel => {
                decode_empty(body)?;
                known(reader, id, "CANCEL")?;
                self.cancel(reader, id);
            }
            Kind::Ping if !header.flags.end() => {
                decode_empty(body)?;
                self.push(Outgoing::pong());
            }
            Kind::Extension(_) => {}
            other => return Err(ProtocolError::UnexpectedKind(other.number()).into()),
        }
        Ok(())
    }

    fn request_frame(self: &Arc<Self>, reader: &mut Reader, header: Header, body: &[u8]) -> Result<(), Violation> {
        let id = header.id;
        if header.flags.more() && body.len() < MIN_FRAGMENT as usize {
            return Err(Violation::new(format!(
                "a fragment of request {id} has {} bytes; all but the last have at least {MIN_FRAGMENT}",
                body.len()
            )));
        }
        if let Some(upload) = reader.uploads.open.get_mut(&id) {
            if upload.buffer.len() + body.len() > upload.total {
                return Err(Violation::new(format!("request {id} is longer than it announced")));
            }
            upload.buffer.extend_from_slice(body);
            upload.progress = Instant::now();
            if !header.flags.more()
                && let Some(upload) = reader.uploads.open.remove(&id)
            {
                if upload.buffer.len() < upload.total {
                    return Err(Violation::new(format!("request {id} is shorter than it announced")));
                }
                return self.request(reader, id, &upload.buffer, upload.received, upload.memory);
            }
            return Ok(());
        }
        if id <= reader.last {
            if reader.uploads.drops(id, body.len(), header.flags.more()) {
                return Ok(());
            }
            return Err(ProtocolError::IdNotIncreasing(id).into());
        }
        reader.last = id;
        if body.len() > FREE {
            return Err(ProtocolError::UploadWithoutCredit.into());
        }
        self.shared.counters.requests.add(1);
        let received = Instant::now();
        if !header.flags.more() {
            return match Reservation::take(&self.memory, &self.shared.memory, body.len()) {
                Some(memory) => self.request(reader, id, body, received, memory),
                None => {
                    self.refuse_unplaced(id, no_memory());
                    Ok(())
                }
            };
        }
        self.begin_upload(reader, id, body, received)
    }

    /// The first fragment decides: its BSON length announces the total.
    fn begin_upload(
        self: &Arc<Self>,
        reader: &mut Reader,
        id: u64,
        body: &[u8],
        received: Instant,
    ) -> Result<(), Violation> {
        let announced = body.first_chunk().map_or(0, |length| i32::from_le_bytes(*length));
        let total = usize::try_from(announced).unwrap_or(0);
        if total <= body.len() {
            return Err(Violation::new(format!(
                "request {id} announces {announced} bytes, and its first fragment has more"
            )));
        }
        let under_way = total.min(FREE) - body.len();
        if total > self.shared.limits.max_message as usize {
            reader.uploads.abandon(id, under_way);
            self.refuse_unplaced(
                id,
                ErrorBody::new(
                    Code::TooLarge,
                    format!(
                        "the request has {total} bytes, more than the {} that the server accepts; send less at once",
                        self.shared.limits.max_message
                    ),
                ),
            );
            return Ok(());
        }
        let room = self.in_flight() + reader.uploads.open.len() < self.shared.limits.requests_in_flight;
        let memory = Reservation::take(&self.memory, &self.shared.memory, total);
        let Some(memory) = memory.filter(|_| room) else {
            reader.uploads.abandon(id, under_way);
            self.refuse_unplaced(id, no_memory());
            return Ok(());
        };
        let upload = Upload { buffer: body.to_vec(), total, received, progress: received, memory };
        reader.uploads.open.insert(id, upload);
        reader.expiries.add(received + self.shared.limits.upload_stall, id);
        if total > FREE {
            self.push(Outgoing::credit(id, (total - FREE) as u32));
        }
        Ok(())
    }

    /// A whole request.
    fn request(
        self: &Arc<Self>,
        reader: &mut Reader,
        id: u64,
        body: &[u8],
        received: Instant,
        memory: Reservation,
    ) -> Result<(), Violation> {
        let request = match Request::decode(body) {
            Ok(request) => request,
            Err(error) if error.closes() => return Err(error.into()),
            Err(error) => {
                let session = session_of(body);
                match session {
                    // What is chained behind it in its session must not run.
                    Some(session) => self.state.lock().sessions.failed(session, id),
                    None => self.state.lock().sessions.failed_unplaced(id),
                }
                self.answer_in(session, id, error.into());
                return Ok(());
            }
        };
        let deadline = request.deadline_ms.map(|ms| received + Duration::from_millis(u64::from(ms)));
        let session = request.session;
        let flight = Arc::new(Flight::new(id, session, request.credit, deadline));
        let received = Received { request: Box::new(request), flight, after_failure: false, memory };
        if let Err(error) = self.place(reader, received) {
            self.answer_in(session, id, error);
        }
        Ok(())
    }

    /// Runs a request, queues it, or says why not.
    fn place(self: &Arc<Self>, reader: &mut Reader, received: Received) -> Result<(), ErrorBody> {
        let (id, op, chain) = (received.flight.id, received.request.op, received.request.chain);
        let limits = &self.shared.limits;
        let mut state = self.state.lock();
        let Some(session) = received.request.session else {
            if chain
                || matches!(op, Op::Open | Op::Close | Op::Reset | Op::Begin | Op::Commit | Op::Rollback | Op::Reserve)
            {
                return Err(ErrorBody::new(
                    Code::Invalid,
                    format!("op {} and chain need a session: set s", op.as_str()),
                ));
            }
            if state.drain.is_some() {
                return Err(self.draining());
            }
            if self.in_flight() >= limits.requests_in_flight {
                return Err(too_many(limits.requests_in_flight));
            }
            self.depart(&mut state, &received.flight);
            drop(state);
            self.shared.tasks.spawn(Box::pin(self.clone().run_stateless(received)));
            return Ok(());
        };
        if self.in_flight() >= limits.requests_in_flight {
            state.sessions.failed(session, id);
            return Err(too_many(limits.requests_in_flight));
        }
        if state.drain.is_some() {
            let refused = match state.sessions.idle(session) {
                Some(idle) => op != Op::Close && !self.service.is_busy(idle),
                None => !state.sessions.contains(session),
            };
            if refused {
                state.sessions.failed(session, id);
                return Err(self.draining());
            }
        }
        let (flight, deadline) = (received.flight.clone(), received.flight.deadline);
        match state.sessions.place(session, received) {
            Placed::Run(taken) => {
                self.depart(&mut state, &flight);
                drop(state);
                // Boxed: a task's future is moved several times on its way into the task.
                self.shared.tasks.spawn(Box::pin(self.clone().run_session(session, taken)));
                Ok(())
            }
            Placed::Queued => {
                self.depart(&mut state, &flight);
                if let Some(deadline) = deadline {
                    reader.expiries.add(deadline, id);
                }
                Ok(())
            }
            Placed::Unknown(received) if op == Op::Open && !chain => {
                if state.sessions.len() >= limits.sessions {
                    return Err(ErrorBody::new(
                        Code::Exhausted,
                        format!(
                            "the connection has {} sessions already; close some or open another connection",
                            limits.sessions
                        ),
                    ));
                }
                let opened = self.service.open(&self.peer, received.request.state.unwrap_or_default())?;
                state.sessions.insert(session, Box::new(opened), id);
                drop(state);
                self.shared.counters.sessions.add(1);
                self.push(Outgoing::reply(id, &ended(), true));
                Ok(())
            }
            Placed::Unknown(_) if chain => Err(skipped()),
            Placed::Unknown(_) => Err(no_session(session)),
            Placed::Full => Err(ErrorBody::new(
                Code::Exhausted,
                format!("{} requests wait in session {session} already; wait for answers", limits.session_queue),
            )),
            Placed::Late => Err(ErrorBody::new(
                Code::Invalid,
                format!(
                    "session {session} has seen a later request; send a request whole before the session's next one"
                ),
            )),
        }
    }

    fn cancel(&self, reader: &mut Reader, id: u64) {
        if reader.uploads.open.contains_key(&id) {
            self.drop_upload(reader, id, cancelled());
            return;
        }
        if let Some(received) = self.withdraw(id) {
            self.answer_in(received.flight.session, id, cancelled());
            drop(received);
            return;
        }
        if let Some(flight) = self.state.lock().flights.get(&id) {
            flight.cancel.cancel();
        }
    }

    /// Takes a request out of its session's queue, if it waits there.
    fn withdraw(&self, id: u64) -> Option<Received> {
        let mut state = self.state.lock();
        let session = state.flights.get(&id)?.session?;
        let received = state.sessions.withdraw(session, id)?;
        state.flights.remove(&id);
        self.output.in_flight.fetch_sub(1, Ordering::AcqRel);
        self.shared.counters.in_flight.subtract(1);
        Some(received)
    }

    fn drop_upload(&self, reader: &mut Reader, id: u64, error: ErrorBody) {
        if let Some(upload) = reader.uploads.open.remove(&id) {
            reader.uploads.abandon(id, upload.total - upload.buffer.len());
            self.refuse_unplaced(id, error);
        }
    }

    /// Answers a request whose session is not known: nothing chained behind it may run.
    fn refuse_unplaced(&self, id: u64, error: ErrorBody) {
        self.state.lock().sessions.failed_unplaced(id);
        self.answer(id, error);
    }

    /// Answers a request of a session that is not run, and so leaves a transaction there as it is.
    fn answer_in(&self, session: Option<u64>, id: u64, error: ErrorBody) {
        let in_transaction = session.is_some_and(|session| self.state.lock().sessions.in_transaction(session));
        self.answer(id, ErrorBody { in_transaction, ..error });
    }

    fn answer(&self, id: u64, error: ErrorBody) {
        self.shared.counters.errors.add(1);
        if error.code == Code::Exhausted {
            self.shared.counters.exhausted.add(1);
        }
        self.push(Outgoing::error(id, error));
    }
}

/// The END of an `open`, `close` or `reset`.
pub(crate) fn ended() -> Reply {
    Reply { end: Some(Box::default()), ..Reply::default() }
}

/// The answer to a request behind a failed one.
pub(crate) fn skipped() -> ErrorBody {
    ErrorBody::new(Code::Skipped, "not run, because the session's request before it did not succeed")
}

/// The answer to a request of a session that is not open.
pub(crate) fn no_session(session: u64) -> ErrorBody {
    ErrorBody::new(Code::SessionLost, format!("session {session} is not open; open it first"))
}

/// The session that a request names which cannot be decoded otherwise. Naming none may be what is wrong with it.
fn session_of(body: &[u8]) -> Option<u64> {
    let mut session = None;
    for field in Fields::open(body).ok()?.iter() {
        let field = field.ok()?;
        if field.name == "s" && session.replace(field.positive().ok()?).is_some() {
            return None;
        }
    }
    session
}

fn no_memory() -> ErrorBody {
    ErrorBody::new(Code::Exhausted, "the server has no memory for a request of this size now; try again later")
}

fn too_many(limit: usize) -> ErrorBody {
    ErrorBody::new(Code::Exhausted, format!("the connection has {limit} requests in flight already; wait for answers"))
}

fn known(reader: &Reader, id: u64, what: &str) -> Result<(), Violation> {
    if id == 0 || id > reader.last {
        return Err(Violation::new(format!("{what} names request {id}, which was never sent")));
    }
    Ok(())
}

/// Counts control frames in each second.
struct ControlRate {
    limit: u32,
    since: Instant,
    frames: u32,
}

impl ControlRate {
    fn count(&mut self) -> Result<(), Violation> {
        self.frames += 1;
        if self.frames <= self.limit {
            return Ok(());
        }
        let now = Instant::now();
        if now - self.since < Duration::from_secs(1) {
            return Err(Violation(ErrorBody::new(
                Code::Throttled,
                format!("more than {} control frames in one second", self.limit),
            )));
        }
        self.since = now;
        self.frames = 1;
        Ok(())
    }
}
