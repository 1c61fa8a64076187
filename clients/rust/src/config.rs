//! Where to connect, as whom, and how the client behaves.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use vitrail_proto::target::Target;

use crate::error::Error;

/// Default port of BSON-RPC.
pub const DEFAULT_PORT: u16 = 15300;

/// One place to connect to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// A host name or address, and a port.
    Tcp {
        /// Name, IPv4 or IPv6 address without brackets.
        host: String,
        /// Its port.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Endpoint::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Endpoint::Tcp { host, port } => write!(f, "{host}:{port}"),
            Endpoint::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Whether TLS is used, and what is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum TlsMode {
    /// Plain text.
    Disable,
    /// TLS; the certificate is not checked, which protects from listeners only.
    Require,
    /// TLS; the certificate is signed by a trusted authority.
    VerifyCa,
    /// TLS; signed, and for the name that was connected to.
    #[default]
    VerifyFull,
}

/// TLS settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// Whether, and what is checked.
    pub mode: TlsMode,
    /// PEM file of the authorities to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// PEM file of the client's certificate chain.
    pub certificate: Option<PathBuf>,
    /// PEM file of its key.
    pub key: Option<PathBuf>,
}

/// Everything a client is made from. [`FromStr`] reads a URL:
///
/// `vitrail://user:password@host:15300,host2/keyspace:-80@replica?tls=verify-full&app_name=billing`
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientConfig {
    /// Tried in random order, the next one on failure.
    pub endpoints: Vec<Endpoint>,
    /// The user; empty where the server asks for none or the certificate names it.
    pub user: String,
    /// The password; `None` where there is none.
    pub password: Option<String>,
    /// Where statements of a session go.
    pub target: Option<Target>,
    /// TLS; not used on Unix sockets.
    pub tls: Tls,
    /// Bound of connecting and authenticating, all endpoints included.
    pub connect_timeout: Duration,
    /// Deadline of statements that name none.
    pub query_timeout: Option<Duration>,
    /// Told to the server, for people and for MySQL's process list.
    pub application: String,
    /// Tells instances of the application apart.
    pub instance: String,
    /// Connections that are opened at once and kept.
    pub pool_min: usize,
    /// Most connections.
    pub pool_max: usize,
    /// Above so many sessions or requests on each connection a further one is opened, up to `pool_max`.
    pub sessions_per_connection: usize,
    /// How often a statement is tried again that was not executed and may be repeated.
    pub retries: u32,
    /// A connection on which nothing came for so long is pinged; if nothing comes for as long again, it is closed.
    pub keepalive: Duration,
}

impl Default for ClientConfig {
    fn default() -> ClientConfig {
        ClientConfig {
            endpoints: Vec::new(),
            user: String::new(),
            password: None,
            target: None,
            tls: Tls::default(),
            connect_timeout: Duration::from_secs(10),
            query_timeout: None,
            application: String::new(),
            instance: String::new(),
            pool_min: 0,
            pool_max: 4,
            sessions_per_connection: 64,
            retries: 3,
            keepalive: Duration::from_secs(30),
        }
    }
}

impl ClientConfig {
    /// The configuration that a URL describes; an error names what is wrong with it.
    pub fn from_url(url: &str) -> Result<ClientConfig, Error> {
        crate::url::parse(url)
    }
}

impl FromStr for ClientConfig {
    type Err = Error;

    fn from_str(url: &str) -> Result<ClientConfig, Error> {
        ClientConfig::from_url(url)
    }
}
