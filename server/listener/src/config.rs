//! Configuration of a listener: addresses, TLS, who may come in, and every bound.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use vitrail_proto::limits::{
    AUTHENTICATION_TIME, DEFAULT_MAX_FRAME, DEFAULT_MAX_MESSAGE, MAX_CONTROL_RATE, MAX_IN_FLIGHT, MAX_SESSION_DEPTH,
    MAX_SESSIONS, MAX_UNAUTHENTICATED, MAX_UNAUTHENTICATED_PER_ADDRESS, STALL_TIME,
};

use crate::tls::TlsIdentity;
use crate::users::Users;

/// One address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// Direct TLS with ALPN `vitrail/1`.
    Tls(SocketAddr),
    /// TCP without TLS: only where the operator asks for it.
    Plain(SocketAddr),
    /// A Unix socket; a stale file of that name is replaced.
    Unix(PathBuf),
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Endpoint::Tls(address) => write!(f, "{address} (tls)"),
            Endpoint::Plain(address) => write!(f, "{address} (plaintext)"),
            Endpoint::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// All that a listener needs besides its [`crate::service::Service`].
#[derive(Clone)]
pub struct Config {
    /// Where it listens.
    pub endpoints: Vec<Endpoint>,
    /// Certificate and key; needed by [`Endpoint::Tls`].
    pub tls: Option<Arc<TlsIdentity>>,
    /// Who may come in.
    pub users: Arc<Users>,
    /// Every known user may come in without a proof, by mechanism NONE, from a loopback address or a Unix socket.
    pub trust_local: bool,
    /// Every bound.
    pub limits: Limits,
    /// How long sessions may finish their transactions when a connection reaches its age or the listener shuts down.
    pub drain: Duration,
    /// Connections drain at this age, up to a fifth earlier by chance so that they do not come back all at once.
    pub max_age: Option<Duration>,
}

impl Config {
    /// A configuration with the defaults of the specification.
    pub fn new(endpoints: Vec<Endpoint>, users: Arc<Users>) -> Config {
        Config {
            endpoints,
            tls: None,
            users,
            trust_local: false,
            limits: Limits::default(),
            drain: Duration::from_secs(30),
            max_age: None,
        }
    }
}

/// The bounds of a listener (PROTOCOL 16). Bytes unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections of all kinds.
    pub connections: usize,
    /// Connections that have not authenticated.
    pub unauthenticated: usize,
    /// The same, from one address. Connections of a Unix socket share one address.
    pub unauthenticated_per_address: usize,
    /// TLS handshake and authentication together.
    pub authentication: Duration,
    /// Failed logins of one address that are free; each further one makes it pause, twice as long each time. 0: no pauses.
    pub login_failures: u32,
    /// Largest frame body accepted.
    pub max_frame: u32,
    /// Largest message accepted.
    pub max_message: u32,
    /// Requests of one connection that have no END yet.
    pub requests_in_flight: usize,
    /// Requests of one session that wait behind the one that runs.
    pub session_queue: usize,
    /// Sessions of one connection.
    pub sessions: usize,
    /// Requests of one connection in memory, from their first fragment until their END.
    pub connection_memory: usize,
    /// Requests of all connections in memory.
    pub request_memory: usize,
    /// Replies of one connection that wait for its socket.
    pub output: u32,
    /// A socket that accepts no byte for so long is closed.
    pub stall: Duration,
    /// An upload that makes no progress for so long is refused.
    pub upload_stall: Duration,
    /// CANCEL, PING, unknown kinds, and CREDIT below 4 KiB, of one connection in one second.
    pub control_frames_per_second: u32,
    /// An idle connection that drains is closed so long after its GOAWAY; requests that crossed it are still answered.
    pub farewell: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 100_000,
            unauthenticated: MAX_UNAUTHENTICATED,
            unauthenticated_per_address: MAX_UNAUTHENTICATED_PER_ADDRESS,
            authentication: AUTHENTICATION_TIME,
            login_failures: 10,
            max_frame: DEFAULT_MAX_FRAME,
            max_message: DEFAULT_MAX_MESSAGE,
            requests_in_flight: MAX_IN_FLIGHT,
            session_queue: MAX_SESSION_DEPTH,
            sessions: MAX_SESSIONS,
            connection_memory: 256 * 1024 * 1024,
            request_memory: 1024 * 1024 * 1024,
            output: 512 * 1024,
            stall: STALL_TIME,
            upload_stall: Duration::from_secs(30),
            control_frames_per_second: MAX_CONTROL_RATE,
            farewell: Duration::from_secs(1),
        }
    }
}
