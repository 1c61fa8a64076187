//! Binding, accepting, and draining: the life of a listener.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use dashmap::DashMap;
use parking_lot::Mutex;
use rand::Rng;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use vitrail_proto::limits::ALPN;

use crate::admission::{Admission, Guest, Stranger};
use crate::audit::{self, LineLimit};
use crate::budget::Budget;
use crate::config::{Config, Endpoint, Limits};
use crate::connection::Connection;
use crate::error::ListenerError;
use crate::handshake::{self, Established};
use crate::output::Output;
use crate::service::{Peer, Service};
use crate::socket::{self, Socket};
use crate::stats::{Counters, Stats};
use crate::throttle::Throttle;
use crate::tls::{self, TlsIdentity};
use crate::users::Users;

/// TLS handshakes under way; others wait their turn, first come, first served.
const HANDSHAKES_AT_ONCE: usize = 1_024;
/// After a failed accept (out of file descriptors, mostly) the next is tried so much later.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Tasks that are still stopping statements may outlast a drain by so much.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// Bound sockets that are ready to accept.
pub struct Listener {
    sockets: Vec<Bound>,
    addresses: Vec<Endpoint>,
    shared: Arc<Shared>,
}

/// Watches and drains a listener while it serves.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Listener {
    /// Binds every endpoint of the configuration; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// An address that cannot be bound, a TLS endpoint without a certificate, or no endpoint at all.
    pub async fn bind(config: Config) -> Result<Listener, ListenerError> {
        if config.endpoints.is_empty() {
            return Err(ListenerError::NoEndpoint);
        }
        let mut sockets = Vec::new();
        let mut addresses = Vec::new();
        for endpoint in &config.endpoints {
            let refused = |source| ListenerError::Bind { endpoint: endpoint.to_string(), source };
            match endpoint {
                Endpoint::Tls(address) => {
                    if config.tls.is_none() {
                        return Err(ListenerError::NoCertificate { endpoint: endpoint.to_string() });
                    }
                    let listener = TcpListener::bind(address).await.map_err(refused)?;
                    addresses.push(Endpoint::Tls(listener.local_addr().map_err(refused)?));
                    sockets.push(Bound::Tls(listener));
                }
                Endpoint::Plain(address) => {
                    let listener = TcpListener::bind(address).await.map_err(refused)?;
                    addresses.push(Endpoint::Plain(listener.local_addr().map_err(refused)?));
                    sockets.push(Bound::Plain(listener));
                }
                Endpoint::Unix(path) => {
                    remove_stale(path).await.map_err(refused)?;
                    sockets.push(Bound::Unix(UnixListener::bind(path).map_err(refused)?));
                    addresses.push(Endpoint::Unix(path.clone()));
                }
            }
        }
        let counters = Arc::new(Counters::default());
        let shared = Arc::new(Shared {
            admission: Admission::new(&config.limits, counters.clone()),
            memory: Budget::new(config.limits.request_memory),
            counters,
            throttle: Throttle::new(config.limits.login_failures),
            refusals: LineLimit::default(),
            users: ArcSwap::new(config.users),
            tls: ArcSwapOption::new(config.tls),
            trust_local: config.trust_local,
            limits: config.limits,
            max_age: config.max_age,
            age_drain: config.drain,
            tasks: TaskTracker::new(),
            handshakes: Semaphore::new(HANDSHAKES_AT_ONCE),
            connections: DashMap::new(),
            next_connection: AtomicU64::new(1),
            draining: AtomicBool::new(false),
            order: Mutex::new(None),
            drained: CancellationToken::new(),
        });
        Ok(Listener { sockets, addresses, shared })
    }

    /// What was bound, in the order of the configuration, with the ports that port 0 became.
    pub fn addresses(&self) -> &[Endpoint] {
        &self.addresses
    }

    /// For metrics and for a drain from elsewhere.
    pub fn handle(&self) -> Handle {
        Handle { shared: self.shared.clone() }
    }

    /// Serves until `shutdown` resolves or [`Handle::drain`] is called; then drains (for the configured time, or the one
    /// given there), and returns when every connection has ended and every session is closed.
    pub async fn serve<S: Service>(self, service: Arc<S>, shutdown: impl Future<Output = ()>) {
        let Listener { sockets, addresses, shared } = self;
        let accepting: Vec<_> =
            sockets.into_iter().map(|socket| tokio::spawn(accept(shared.clone(), service.clone(), socket))).collect();
        tokio::select! {
            () = shutdown => shared.drain(shared.age_drain, "the server shuts down"),
            () = shared.drained.cancelled() => {}
        }
        for task in accepting {
            // It ends by itself at a drain; the socket is closed when it has.
            let _ = task.await;
        }
        for address in addresses {
            if let Endpoint::Unix(path) = address {
                let _ = tokio::fs::remove_file(path).await;
            }
        }
        shared.tasks.close();
        let patience = shared.order.lock().map_or(Duration::ZERO, |order| order.duration) + SHUTDOWN_GRACE;
        if tokio::time::timeout(patience, shared.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = shared.tasks.len(), "requests outlast the drain");
        }
    }
}

impl Handle {
    /// Refuses new connections, and sends GOAWAY to all others: sessions may finish what they hold for `duration`,
    /// all else is answered `draining`. [`Listener::serve`] returns afterwards. The first drain counts.
    pub fn drain(&self, duration: Duration) {
        self.shared.drain(duration, "the server shuts down");
    }

    /// Who may come in from now on. Connections of users who are gone, or are a gate no more or only now, are told to go and
    /// closed at once, with what they run and hold; all others stay.
    pub fn replace_users(&self, users: Arc<Users>) {
        self.shared.users.store(Arc::clone(&users));
        for connection in &self.shared.connections {
            if !connection.peer.is_of(&users) {
                connection.dismiss();
            }
        }
    }

    /// The users who may come in now.
    pub fn users(&self) -> Arc<Users> {
        self.shared.users.load_full()
    }

    /// Shows another certificate from now on, and asks its authorities for clients'. Connections stay.
    pub fn replace_tls(&self, identity: Arc<TlsIdentity>) {
        self.shared.tls.store(Some(identity));
    }

    /// The counters now.
    pub fn stats(&self) -> Stats {
        self.shared.counters.snapshot(self.shared.memory.used())
    }
}

/// What all connections of a listener share.
pub(crate) struct Shared {
    pub(crate) counters: Arc<Counters>,
    /// Written by [`Handle::replace_users`]; each handshake takes one state and keeps it.
    pub(crate) users: ArcSwap<Users>,
    pub(crate) throttle: Throttle,
    /// Bounds what the log says of logins that were refused.
    pub(crate) refusals: LineLimit,
    /// Written by [`Handle::replace_tls`]; there is one if an endpoint speaks TLS.
    tls: ArcSwapOption<TlsIdentity>,
    pub(crate) trust_local: bool,
    pub(crate) limits: Limits,
    /// Memory of all connections' requests.
    pub(crate) memory: Arc<Budget>,
    /// How long a connection drains that has reached its age.
    pub(crate) age_drain: Duration,
    /// Every connection and every running request; a shutdown waits for them.
    pub(crate) tasks: TaskTracker,
    max_age: Option<Duration>,
    admission: Arc<Admission>,
    handshakes: Semaphore,
    /// Authenticated connections, to wake them for a drain, and to close those of users who are gone.
    connections: DashMap<u64, Listed>,
    next_connection: AtomicU64,
    /// `order` is set.
    draining: AtomicBool,
    order: Mutex<Option<Order>>,
    /// Cancelled when a drain begins: nothing is accepted any more.
    drained: CancellationToken,
}

/// An authenticated connection, as the listener knows it.
struct Listed {
    output: Weak<Output>,
    peer: Arc<Peer>,
}

impl Listed {
    /// Its user is gone.
    fn dismiss(&self) {
        if let Some(output) = self.output.upgrade() {
            output.dismissed.store(true, Ordering::Release);
            output.wake.notify_one();
        }
    }
}

/// A drain of the whole listener.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order {
    pub(crate) duration: Duration,
    pub(crate) reason: &'static str,
}

impl Shared {
    /// The drain under way, if any.
    pub(crate) fn drain_order(&self) -> Option<Order> {
        if !self.draining.load(Ordering::Acquire) {
            return None;
        }
        *self.order.lock()
    }

    /// When a connection that begins now has reached its age: up to a fifth earlier, by chance.
    pub(crate) fn age(&self) -> Option<Instant> {
        let max_age = self.max_age?;
        Some(Instant::now() + max_age.mul_f64(rand::rng().random_range(0.8..1.0)))
    }

    /// The age that HELLO announces, in milliseconds; 0: none.
    pub(crate) fn max_age_ms(&self) -> u64 {
        self.max_age.map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn new_connection_id(&self) -> u64 {
        self.next_connection.fetch_add(1, Ordering::Relaxed)
    }

    fn drain(&self, duration: Duration, reason: &'static str) {
        {
            let mut order = self.order.lock();
            if order.is_some() {
                return;
            }
            *order = Some(Order { duration, reason });
        }
        self.draining.store(true, Ordering::Release);
        self.drained.cancel();
        for connection in &self.connections {
            if let Some(output) = connection.output.upgrade() {
                output.wake.notify_one();
            }
        }
    }
}

/// One bound socket.
enum Bound {
    Tls(TcpListener),
    Plain(TcpListener),
    Unix(UnixListener),
}

/// A connection just accepted.
enum Accepted {
    Tls(TcpStream, SocketAddr),
    Plain(TcpStream, SocketAddr),
    Unix(UnixStream),
}

impl Bound {
    async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Bound::Tls(listener) => {
                let (stream, address) = listener.accept().await?;
                Ok(Accepted::Tls(stream, address))
            }
            Bound::Plain(listener) => {
                let (stream, address) = listener.accept().await?;
                Ok(Accepted::Plain(stream, address))
            }
            Bound::Unix(listener) => Ok(Accepted::Unix(listener.accept().await?.0)),
        }
    }
}

impl Accepted {
    fn address(&self) -> Option<IpAddr> {
        match self {
            Accepted::Tls(_, address) | Accepted::Plain(_, address) => Some(address.ip()),
            Accepted::Unix(_) => None,
        }
    }
}

async fn accept<S: Service>(shared: Arc<Shared>, service: Arc<S>, socket: Bound) {
    loop {
        let accepted = tokio::select! {
            () = shared.drained.cancelled() => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok(accepted) => {
                shared.counters.accepted.add(1);
                match shared.admission.admit(accepted.address()) {
                    Some(stranger) => {
                        shared.tasks.spawn(welcome(shared.clone(), service.clone(), accepted, stranger));
                    }
                    // Closed without a word: a flood gets no answers.
                    None => shared.counters.refused.add(1),
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// From an accepted socket to the end of its handshake.
async fn welcome<S: Service>(shared: Arc<Shared>, service: Arc<S>, accepted: Accepted, stranger: Stranger) {
    let limit = shared.limits.authentication;
    let greeting = async {
        let (socket, origin) = secure(&shared, accepted).await?;
        handshake::shake(&shared, &*service, socket, origin).await
    };
    let established = tokio::select! {
        established = tokio::time::timeout(limit, Box::pin(greeting)) => established,
        () = shared.drained.cancelled() => {
            shared.counters.refused.add(1);
            return;
        }
    };
    let established = match established {
        Ok(Some(established)) => established,
        Ok(None) => return,
        Err(_) => {
            shared.counters.unauthorised.add(1);
            return;
        }
    };
    attend(&shared, service, established, stranger.welcome());
}

/// Begins to serve a connection whose user is known.
fn attend<S: Service>(shared: &Arc<Shared>, service: Arc<S>, established: Established, guest: Guest) {
    let Established { socket, peer, max_frame, max_message } = established;
    let output = Arc::new(Output::new(socket, shared.limits.output, shared.counters.clone()));
    let id = peer.connection_id;
    let peer = Arc::new(peer);
    shared.connections.insert(id, Listed { output: Arc::downgrade(&output), peer: Arc::clone(&peer) });
    // Users may have been replaced during the handshake: whoever comes second, here or there, finds the other.
    if !peer.is_of(&shared.users.load()) {
        output.dismissed.store(true, Ordering::Release);
    }
    let presence = Presence { id, shared: shared.clone(), _guest: guest };
    let connection = Connection::new(service, presence, peer, output, (max_frame, max_message));
    // A task of its own: an idle connection does not carry the memory that its handshake took.
    shared.tasks.spawn(Arc::new(connection).run());
}

/// An authenticated connection is counted, and found by a drain, until this is dropped.
pub(crate) struct Presence {
    id: u64,
    pub(crate) shared: Arc<Shared>,
    _guest: Guest,
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.shared.connections.remove(&self.id);
    }
}

/// Where a connection comes from, and what its TLS says.
pub(crate) struct Origin {
    /// `None`: a Unix socket.
    pub(crate) address: Option<SocketAddr>,
    /// `tls-server-end-point` of our certificate, if this is TLS.
    pub(crate) end_point: Option<Box<[u8]>>,
    /// Names in the client's certificate.
    pub(crate) certificate_names: Vec<Box<str>>,
}

impl Origin {
    /// `None`: a Unix socket.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        self.address.map(|address| address.ip())
    }

    /// From this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.address.is_none_or(|address| address.ip().to_canonical().is_loopback())
    }
}

impl std::fmt::Display for Origin {
    /// `ip:port`, or `unix`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.address {
            Some(address) => address.fmt(f),
            None => f.write_str("unix"),
        }
    }
}

async fn secure(shared: &Shared, accepted: Accepted) -> Option<(Socket, Origin)> {
    match accepted {
        Accepted::Unix(stream) => {
            Some((Socket::unix(stream), Origin { address: None, end_point: None, certificate_names: Vec::new() }))
        }
        Accepted::Plain(stream, address) => Some((
            Socket::tcp(stream).ok()?,
            Origin { address: Some(address), end_point: None, certificate_names: Vec::new() },
        )),
        Accepted::Tls(stream, address) => {
            socket::prepare(&stream).ok()?;
            let refused = |why: &str| {
                shared.counters.unauthorised.add(1);
                audit::refused(&shared.refusals, "", &address.to_string(), "TLS", why);
            };
            if !tls::begins(&stream).await {
                refused("plaintext on a port for TLS");
                handshake::turn_away(stream).await;
                return None;
            }
            let identity = shared.tls.load_full()?;
            let _turn = shared.handshakes.acquire().await.ok()?;
            let stream = match TlsAcceptor::from(identity.config.clone()).accept(stream).await {
                Ok(stream) => stream,
                Err(error) => {
                    refused(&error.to_string());
                    return None;
                }
            };
            let (tcp, session) = stream.into_inner();
            if session.alpn_protocol() != Some(ALPN) {
                refused("TLS without the protocol's name");
                return None;
            }
            let origin = Origin {
                address: Some(address),
                end_point: Some(identity.end_point.clone()),
                certificate_names: tls::client_names(&session),
            };
            Some((Socket::tls(tcp, session), origin))
        }
    }
}

/// Removes what a listener that was killed has left, and nothing that is not a socket.
async fn remove_stale(path: &Path) -> io::Result<()> {
    match tokio::fs::symlink_metadata(path).await {
        Ok(metadata) if metadata.file_type().is_socket() => {
            if UnixStream::connect(path).await.is_ok() {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            tokio::fs::remove_file(path).await
        }
        Ok(_) | Err(_) => Ok(()),
    }
}
