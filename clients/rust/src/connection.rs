//! One multiplexed connection: many sessions and many requests in flight over one stream.
//!
//! The level below [`crate::Client`], for those that must see requests and replies as they are (a gate towards its tablets).
//!
//! Two tasks serve a connection. The reader never waits for anything but the socket: each request's replies go to its own
//! inbox, whose size the request's credit bounds, so one slow consumer never stops the others. The writer sends what is
//! queued, and large requests fragment by fragment in turn.

mod handshake;
mod input;
mod pending;
mod reader;
mod state;
mod tls;
mod transport;
mod writer;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use vitrail_proto::message::{Request, ResultEnd, ServerHello};

use crate::config::{ClientConfig, Endpoint};
use crate::error::Error;
pub use handshake::KeyCache;
pub use pending::{Canceller, Pending};
pub use tls::TlsSetup;

use pending::Slot;
use state::{Queued, State};

/// Learns of every end and error of the requests it was given with, in their order, even when nobody waits for them.
pub trait Observer: Send + Sync + 'static {
    /// A result ended.
    fn ended(&self, end: &ResultEnd);

    /// The request failed.
    fn failed(&self, error: &Error);
}

/// What a connection needs besides its endpoint. Made once and shared by all connections of a client.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// The user; empty where none is needed.
    pub user: String,
    /// The password.
    pub password: Option<String>,
    /// TLS, prepared; `None`: plain text everywhere.
    pub tls: Option<Arc<TlsSetup>>,
    /// The address of this machine that TCP connections come from; `None`: the system chooses.
    pub local_address: Option<IpAddr>,
    /// For people.
    pub application: String,
    /// For people.
    pub instance: String,
    /// Bound of connecting and authenticating.
    pub timeout: Duration,
    /// Silence after which the server is pinged.
    pub keepalive: Duration,
    /// SCRAM keys, so that a burst of connections derives them once.
    pub keys: Arc<KeyCache>,
}

impl ConnectOptions {
    /// The options of a configuration; reads its certificate files.
    pub fn from_config(config: &ClientConfig) -> Result<ConnectOptions, Error> {
        Ok(ConnectOptions {
            user: config.user.clone(),
            password: config.password.clone(),
            tls: TlsSetup::load(&config.tls, &config.endpoints)?.map(Arc::new),
            local_address: config.local_address,
            application: config.application.clone(),
            instance: config.instance.clone(),
            timeout: config.connect_timeout,
            keepalive: config.keepalive,
            keys: Arc::default(),
        })
    }
}

/// A connection; clones are handles to the same one. It closes when the last handle and the last [`Pending`] are gone.
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
    _guard: Arc<Guard>,
}

impl Connection {
    /// Connects and authenticates.
    pub async fn connect(endpoint: &Endpoint, options: &ConnectOptions) -> Result<Connection, Error> {
        let attempt = async {
            match transport::open(endpoint, options).await? {
                transport::Opened::Tcp(stream) => Self::connect_raw(stream, None, options).await,
                transport::Opened::Unix(stream) => Self::connect_raw(stream, None, options).await,
                transport::Opened::Tls(stream, binding) => Self::connect_raw(stream, Some(binding), options).await,
            }
        };
        match tokio::time::timeout(options.timeout, attempt).await {
            Ok(result) => result,
            Err(_) => Err(Error::connect(format!("{endpoint} did not answer within {:?}", options.timeout))),
        }
    }

    /// Authenticates over any stream. `binding` is the `tls-server-end-point` channel binding if the stream is TLS.
    pub async fn connect_raw<S>(
        mut stream: S,
        binding: Option<Vec<u8>>,
        options: &ConnectOptions,
    ) -> Result<Connection, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let encrypted = binding.is_some();
        let greeted = handshake::run(&mut stream, binding, options).await?;
        let hello = greeted.hello.clone();
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(&hello)),
            wake_writer: Notify::new(),
            wake_timer: Notify::new(),
            closed: watch::Sender::new(false),
            draining: AtomicBool::new(false),
            sessions: AtomicUsize::new(0),
            next_session: AtomicU64::new(1),
            encrypted,
            hello,
        });
        let (read, write) = tokio::io::split(stream);
        tokio::spawn(writer::run(shared.clone(), write));
        tokio::spawn(reader::run(shared.clone(), read, greeted, options.keepalive));
        Ok(Connection { _guard: Arc::new(Guard(shared.clone())), shared })
    }

    /// Queues a request; never waits. Its id and its place on the wire follow the order of these calls. Problems are reported by [`Pending::next`].
    pub fn request(&self, request: &Request) -> Pending {
        self.requests([(request, None)]).pop().expect("one request makes one pending")
    }

    /// Queues several requests that leave in one write, each with an observer if one is given.
    pub fn requests<'a>(
        &self,
        requests: impl IntoIterator<Item = (&'a Request, Option<Arc<dyn Observer>>)>,
    ) -> Vec<Pending> {
        let now = Instant::now();
        let queued: Vec<Queued> =
            requests.into_iter().map(|(request, observer)| Queued::new(request, observer, now)).collect();
        let slots: Vec<Arc<Slot>> = queued.iter().map(|queued| queued.slot.clone()).collect();
        self.shared.submit(queued);
        slots.into_iter().map(|slot| Pending::new(self.clone(), slot)).collect()
    }

    /// A session id that this connection has not used.
    pub fn new_session_id(&self) -> u64 {
        self.shared.next_session.fetch_add(1, Ordering::Relaxed)
    }

    /// What the server said of itself.
    pub fn hello(&self) -> &ServerHello {
        &self.shared.hello
    }

    /// Whether it goes over TLS.
    pub fn is_encrypted(&self) -> bool {
        self.shared.encrypted
    }

    /// The server has announced that it drains: only transactions and pinned sessions should go on here.
    pub fn is_draining(&self) -> bool {
        self.shared.draining.load(Ordering::Acquire)
    }

    /// Nothing can be sent any more.
    pub fn is_closed(&self) -> bool {
        *self.shared.closed.borrow()
    }

    /// Returns once the connection is closed.
    pub async fn closed(&self) {
        self.shared.until_closed().await;
    }

    /// Requests without an END.
    pub fn in_flight(&self) -> usize {
        self.shared.state.lock().in_flight()
    }

    /// Closes at once; what is under way fails.
    pub fn close(&self) {
        self.shared.close("closed by the application");
    }

    /// The round trip to the server.
    pub async fn ping(&self) -> Result<Duration, Error> {
        let started = Instant::now();
        let mut pongs = self.shared.state.lock().ping(&self.shared)?;
        pongs.changed().await.map_err(|_| Error::lost("closed while waiting for a pong", false))?;
        Ok(started.elapsed())
    }

    /// The server has said so in an ERROR.
    pub(crate) fn mark_draining(&self) {
        self.shared.draining.store(true, Ordering::Release);
    }

    /// Counts a session that lives here; the pool spreads by it.
    pub(crate) fn count_session(&self) -> SessionCount {
        self.shared.sessions.fetch_add(1, Ordering::Relaxed);
        SessionCount(self.shared.clone())
    }

    /// How busy it is, for the pool.
    pub(crate) fn load(&self) -> usize {
        self.shared.sessions.load(Ordering::Relaxed) + self.in_flight()
    }

    /// Whether both are the same connection.
    pub fn same(&self, other: &Connection) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.shared.hello.connection_id)
            .field("closed", &self.is_closed())
            .field("draining", &self.is_draining())
            .finish_non_exhaustive()
    }
}

/// One session in a connection's count, until dropped.
#[derive(Debug)]
pub(crate) struct SessionCount(Arc<Shared>);

impl Drop for SessionCount {
    fn drop(&mut self) {
        self.0.sessions.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the handles and the two tasks share.
pub(crate) struct Shared {
    /// Everything that is queued or under way. Never held across an await.
    state: Mutex<State>,
    /// The writer waits here when nothing is queued.
    wake_writer: Notify,
    /// The reader waits here too: an earlier deadline has come up.
    wake_timer: Notify,
    /// True once closed.
    closed: watch::Sender<bool>,
    /// Set by GOAWAY.
    draining: AtomicBool,
    /// Sessions of clients that live here.
    sessions: AtomicUsize,
    /// The next session id.
    next_session: AtomicU64,
    /// From the handshake.
    /// The stream is TLS.
    encrypted: bool,
    hello: ServerHello,
}

impl Shared {
    /// Queues requests in order and wakes whoever must know.
    fn submit(&self, requests: Vec<Queued>) {
        let (wake_timer, rejected) = {
            let mut state = self.state.lock();
            let before = state.next_expiry();
            let mut rejected = Vec::new();
            for queued in requests {
                if let Err(rejection) = state.submit(queued) {
                    rejected.push(rejection);
                }
            }
            (state.next_expiry() != before, rejected)
        };
        // Outside the lock: failing a slot calls its observer.
        for (slot, error) in rejected {
            slot.fail(error);
        }
        self.wake_writer.notify_one();
        if wake_timer {
            self.wake_timer.notify_one();
        }
    }

    async fn until_closed(&self) {
        let mut closed = self.closed.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = closed.wait_for(|closed| *closed).await;
    }

    /// Ends the connection. Everything under way fails: as not executed if it had not wholly been sent, else as unknown.
    fn close(&self, reason: &str) {
        let slots = self.state.lock().close(reason);
        let Some(slots) = slots else { return };
        self.closed.send_replace(true);
        for (slot, sent) in slots {
            slot.fail(Error::lost(reason, sent));
        }
        self.wake_writer.notify_one();
        self.wake_timer.notify_one();
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("hello", &self.hello).finish_non_exhaustive()
    }
}

/// Closes the connection when the last handle goes.
struct Guard(Arc<Shared>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.close("closed by the application");
    }
}
