//! One multiplexed connection: many sessions and many requests in flight over one stream.
//!
//! The level below [`crate::Client`], for those that must see requests and replies as they are (a gate towards its tablets).
//!
//! Two tasks serve a connection. The reader never waits for anything but the socket: each request's replies go to its own
//! inbox, whose size the request's credit bounds, so one slow consumer never stops the others. The writer sends what is
//! queued, and large requests fragment by fragment in turn. A request that finds the connection quiet is written by whoever
//! makes it: there is nothing to gather it with, and no task to wake.

mod handshake;
mod input;
mod pending;
mod reader;
mod shared;
mod state;
mod tls;
mod transport;
mod writer;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use vitrail_proto::message::{Request, ResultEnd, ServerHello};

use crate::config::{ClientConfig, Endpoint};
use crate::error::Error;
pub use handshake::KeyCache;
pub use pending::{Canceller, Pending};
pub use tls::TlsSetup;

use shared::Shared;
use state::Queued;

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
pub struct Connection(Arc<Guard>);

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
        let (read, write) = tokio::io::split(stream);
        let shared = Arc::new(Shared::new(write, hello, encrypted));
        tokio::spawn(writer::run(shared.clone()));
        tokio::spawn(reader::run(shared.clone(), read, greeted, options.keepalive));
        Ok(Connection(Arc::new(Guard(shared))))
    }

    /// Sends or queues a request; never waits. Its id and its place on the wire follow the order of these calls. Problems are
    /// reported by [`Pending::next`].
    pub fn request(&self, request: &Request) -> Pending {
        let [pending] = self.requests([(request, None)]);
        pending
    }

    /// Sends or queues several requests that leave in one write, each with an observer if one is given.
    pub fn requests<const N: usize>(&self, requests: [(&Request, Option<Arc<dyn Observer>>); N]) -> [Pending; N] {
        let now = Instant::now();
        let queued = requests.map(|(request, observer)| Queued::new(request, observer, now));
        let pending = queued.each_ref().map(|queued| Pending::new(self.clone(), queued.slot.clone()));
        self.shared().submit(queued);
        pending
    }

    /// A session id that this connection has not used.
    pub fn new_session_id(&self) -> u64 {
        self.shared().next_session.fetch_add(1, Ordering::Relaxed)
    }

    /// What the server said of itself.
    pub fn hello(&self) -> &ServerHello {
        &self.shared().hello
    }

    /// Whether it goes over TLS.
    pub fn is_encrypted(&self) -> bool {
        self.shared().encrypted
    }

    /// The server has announced that it drains: only transactions and pinned sessions should go on here.
    pub fn is_draining(&self) -> bool {
        self.shared().draining.load(Ordering::Acquire)
    }

    /// Nothing can be sent any more.
    pub fn is_closed(&self) -> bool {
        *self.shared().closed.borrow()
    }

    /// Returns once the connection is closed.
    pub async fn closed(&self) {
        self.shared().until_closed().await;
    }

    /// Requests without an END.
    pub fn in_flight(&self) -> usize {
        self.shared().state.lock().in_flight()
    }

    /// Closes at once; what is under way fails.
    pub fn close(&self) {
        self.shared().close("closed by the application");
    }

    /// The round trip to the server.
    pub async fn ping(&self) -> Result<Duration, Error> {
        let started = Instant::now();
        let mut pongs = self.shared().ping()?;
        pongs.changed().await.map_err(|_| Error::lost("closed while waiting for a pong", false))?;
        Ok(started.elapsed())
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.0.0
    }

    /// The server has said so in an ERROR.
    pub(crate) fn mark_draining(&self) {
        self.shared().draining.store(true, Ordering::Release);
    }

    /// Counts a session that lives here; the pool spreads by it.
    pub(crate) fn count_session(&self) -> SessionCount {
        self.shared().sessions.fetch_add(1, Ordering::Relaxed);
        SessionCount(self.shared().clone())
    }

    /// How busy it is, for the pool.
    pub(crate) fn load(&self) -> usize {
        self.shared().sessions.load(Ordering::Relaxed) + self.in_flight()
    }

    /// Whether both are the same connection.
    pub fn same(&self, other: &Connection) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.shared().hello.connection_id)
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

/// Closes the connection when the last handle goes.
struct Guard(Arc<Shared>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.close("closed by the application");
    }
}
