//! One authenticated connection: its task, which alone waits for the socket, its timers, its drain and its end.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use foldhash::fast::RandomState;
use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::time::Instant;
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::GoAway;

use crate::budget::Budget;
use crate::flight::Flight;
use crate::listener::{Presence, Shared};
use crate::outgoing::{CONNECTION, Outgoing};
use crate::output::Output;
use crate::reader::{Reader, Violation};
use crate::service::{Peer, Service};
use crate::sessions::Sessions;

/// Bytes read at once, into a buffer that belongs to the thread: an idle connection holds none.
const READ_BYTES: usize = 64 * 1024;
/// Reads before other connections of the thread have their turn.
const READS_PER_TURN: usize = 8;
/// For so long, requests that a drain stops are waited for. And after an error on the connection, what the peer still sends is read and dropped for so long: a close with unread
/// bytes would reset the connection and could lose the error.
const LINGER: Duration = Duration::from_secs(1);
/// Sessions of a lost connection that are closed side by side.
const CLOSE_AT_ONCE: usize = 16;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// What the connection's task and the tasks of its requests share.
pub(crate) struct Connection<S: Service> {
    pub(crate) service: Arc<S>,
    pub(crate) shared: Arc<Shared>,
    _presence: Presence,
    pub(crate) peer: Arc<Peer>,
    pub(crate) output: Arc<Output>,
    /// Memory of this connection's requests.
    pub(crate) memory: Arc<Budget>,
    /// Largest frame body that the peer accepts.
    pub(crate) max_frame: u32,
    /// Largest message that the peer accepts.
    pub(crate) max_message: u32,
    pub(crate) state: Mutex<State<S::Session>>,
}

/// Sessions and requests of a connection. The lock is never held across an await or a call of the service that could
/// take long.
pub(crate) struct State<T> {
    pub(crate) sessions: Sessions<T>,
    /// Requests that CREDIT and CANCEL may name; an entry may outlive its END by a moment.
    pub(crate) flights: HashMap<u64, Arc<Flight>, RandomState>,
    pub(crate) drain: Option<Drain>,
    /// The connection has ended: tasks close the sessions that they own.
    pub(crate) closed: bool,
}

/// A drain under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drain {
    /// Until then requests that crossed the GOAWAY are answered.
    pub(crate) farewell: Instant,
    /// Until then sessions may finish what they hold.
    pub(crate) until: Instant,
}

/// Why a connection ends.
enum Ending {
    /// The peer has closed it, or the socket failed, or it stalled.
    Lost,
    /// The drain is complete, or its time is over.
    Drained,
    /// The peer broke the protocol: it is told, then left.
    Violation(Violation),
}

impl<S: Service> Connection<S> {
    pub(crate) fn new(
        service: Arc<S>,
        presence: Presence,
        peer: Arc<Peer>,
        output: Arc<Output>,
        (max_frame, max_message): (u32, u32),
    ) -> Connection<S> {
        let shared = presence.shared.clone();
        let limits = &shared.limits;
        Connection {
            memory: Budget::new(limits.connection_memory),
            state: Mutex::new(State {
                sessions: Sessions::new(limits.session_queue),
                flights: HashMap::default(),
                drain: None,
                closed: false,
            }),
            service,
            shared,
            _presence: presence,
            peer,
            output,
            max_frame,
            max_message,
        }
    }

    /// Serves the connection until it ends.
    pub(crate) async fn run(self: Arc<Self>) {
        let ending = self.drive().await;
        Box::pin(self.end(ending)).await;
    }

    async fn drive(self: &Arc<Self>) -> Ending {
        let mut reader = Reader::new(&self.shared.limits);
        let mut age = self.shared.age();
        let mut full_since: Option<Instant> = None;
        let timer = tokio::time::sleep_until(far_away());
        tokio::pin!(timer);
        let mut armed: Option<Instant> = None;
        loop {
            if self.output.closed.is_cancelled() {
                return Ending::Lost;
            }
            let now = Instant::now();
            if self.output.dismissed.load(Ordering::Acquire) {
                self.drain(Duration::ZERO, "the user may not connect any more", now);
                return Ending::Drained;
            }
            if let Some(order) = self.shared.drain_order() {
                self.drain(order.duration, order.reason, now);
            } else if age.is_some_and(|at| at <= now) {
                age = None;
                self.drain(self.shared.age_drain, "the connection has reached its age", now);
            }
            self.expire(&mut reader, now);
            self.output.flush();
            let full = self.output.is_full();
            full_since = full.then(|| full_since.unwrap_or(now));
            let mut next = [age, reader.expiries.first(), full_since.map(|since| since + self.shared.limits.stall)];
            if full_since.is_some_and(|since| now >= since + self.shared.limits.stall) {
                self.shared.counters.stalled.add(1);
                return Ending::Lost;
            }
            let drain = self.state.lock().drain;
            if let Some(drain) = drain {
                let idle = self.is_settled();
                if now >= drain.until || idle && now >= drain.farewell {
                    return Ending::Drained;
                }
                next[0] = Some(if idle { drain.farewell } else { drain.until });
            }
            let next = next.into_iter().flatten().min();
            if next != armed {
                armed = next;
                timer.as_mut().reset(next.unwrap_or_else(far_away));
            }
            tokio::select! {
                () = self.output.wake.notified() => {
                    if self.output.gathers() {
                        // All that is ready has its turn first: its frames share the write.
                        tokio::task::yield_now().await;
                        self.output.end_gathering();
                    }
                }
                ready = self.output.socket().readable() => {
                    if ready.is_err() {
                        return Ending::Lost;
                    }
                    match self.read(&mut reader) {
                        Ok(false) => {}
                        Ok(true) => tokio::task::yield_now().await,
                        Err(ending) => return ending,
                    }
                }
                ready = self.output.socket().writable(), if full => {
                    if ready.is_err() {
                        return Ending::Lost;
                    }
                    if self.output.resume() {
                        full_since = None;
                    }
                }
                () = &mut timer => {}
            }
        }
    }

    /// Takes in what is there. `Ok(true)`: more may be there.
    fn read(self: &Arc<Self>, reader: &mut Reader) -> Result<bool, Ending> {
        SCRATCH.with_borrow_mut(|scratch| {
            for _ in 0..READS_PER_TURN {
                match self.output.socket().try_read(scratch) {
                    Ok(0) => return Err(Ending::Lost),
                    Ok(read) => {
                        self.shared.counters.received.add(read as u64);
                        self.receive(reader, &scratch[..read]).map_err(Ending::Violation)?;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                    Err(_) => return Err(Ending::Lost),
                }
            }
            Ok(true)
        })
    }

    /// Announces a drain, once.
    fn drain(&self, duration: Duration, reason: &str, now: Instant) {
        {
            let mut state = self.state.lock();
            if state.drain.is_some() {
                return;
            }
            let farewell = now + duration.min(self.shared.limits.farewell);
            state.drain = Some(Drain { farewell, until: now + duration });
        }
        let drain_ms = u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
        self.push(Outgoing::go_away(&GoAway { drain_ms, reason: reason.into() }));
    }

    /// No request is under way, no session holds a transaction or a pin, and all is written.
    fn is_settled(&self) -> bool {
        let state = self.state.lock();
        state.flights.is_empty()
            && !state.sessions.all_idle().any(|session| self.service.is_busy(session))
            && self.output.is_empty()
    }

    /// Requests without END.
    pub(crate) fn in_flight(&self) -> usize {
        self.output.in_flight.load(Ordering::Acquire)
    }

    /// A request is on its way.
    pub(crate) fn depart(&self, state: &mut State<S::Session>, flight: &Arc<Flight>) {
        state.flights.insert(flight.id, flight.clone());
        self.output.in_flight.fetch_add(1, Ordering::AcqRel);
        self.shared.counters.in_flight.add(1);
    }

    /// Queues a message of the connection's own.
    pub(crate) fn push(&self, message: Outgoing) {
        for frame in message.into_frames(self.max_frame) {
            self.output.push(frame);
        }
    }

    /// The error of whatever is not run because the server drains.
    pub(crate) fn draining(&self) -> ErrorBody {
        let mut error =
            ErrorBody::new(Code::Draining, "the server is draining this connection; connect anew and repeat");
        error.elsewhere = !self.service.identity().gates.is_empty();
        error
    }

    async fn end(self: &Arc<Self>, ending: Ending) {
        let idle = {
            let mut state = self.state.lock();
            state.closed = true;
            for flight in state.flights.values() {
                flight.cancel.cancel();
            }
            // They are never run, and nobody is there to be told.
            let waiting = state.sessions.withdraw_all();
            self.output.in_flight.fetch_sub(waiting.len(), Ordering::AcqRel);
            self.shared.counters.in_flight.subtract(waiting.len() as u64);
            let idle = state.sessions.take_idle();
            self.shared.counters.sessions.subtract(idle.len() as u64);
            idle
        };
        match ending {
            Ending::Lost => self.output.close(),
            Ending::Drained => {
                let answered = async {
                    while !self.state.lock().flights.is_empty() {
                        self.output.wake.notified().await;
                    }
                };
                // What ran until the end of the drain is stopped now, and its answer still sent.
                let _ = tokio::time::timeout(LINGER, answered).await;
                self.output.flush();
                self.linger().await;
            }
            Ending::Violation(violation) => {
                self.shared.counters.violations.add(1);
                tracing::debug!(connection = self.peer.connection_id, reason = %violation.0.message, "protocol violation");
                self.push(Outgoing::error(CONNECTION, violation.0));
                self.output.flush();
                self.linger().await;
            }
        }
        futures_util::stream::iter(idle)
            .for_each_concurrent(CLOSE_AT_ONCE, |session| self.service.close(*session))
            .await;
    }

    /// Sends FIN and waits a moment for the peer's, so that the last frames are not lost.
    async fn linger(&self) {
        self.output.socket().finish();
        let peer_closes = async {
            while self.output.socket().readable().await.is_ok() {
                let end = SCRATCH.with_borrow_mut(|scratch| {
                    loop {
                        match self.output.socket().try_read(scratch) {
                            Ok(0) => return true,
                            Ok(_) => {}
                            Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
                        }
                    }
                });
                if end {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(LINGER, peer_closes).await;
        self.output.close();
    }
}

/// A moment that does not come.
fn far_away() -> Instant {
    Instant::now() + Duration::from_secs(365 * 24 * 3600)
}
