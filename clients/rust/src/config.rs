//! Where to connect, as whom, and how the client behaves.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

pub use vitrail_proto::limits::DEFAULT_PORT;
use vitrail_proto::target::Target;
use vitrail_proto::url::{self, Host, Url};

use crate::error::Error;

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

impl Endpoint {
    /// On this machine by its name: a Unix socket, `localhost`, `127.0.0.0/8` or `::1`.
    pub fn is_local(&self) -> bool {
        match self {
            Endpoint::Tcp { host, port } => Host::Tcp { host: host.clone(), port: *port }.is_local(),
            Endpoint::Unix(_) => true,
        }
    }
}

impl From<Host> for Endpoint {
    fn from(host: Host) -> Endpoint {
        match host {
            Host::Tcp { host, port } => Endpoint::Tcp { host, port },
            Host::Unix(path) => Endpoint::Unix(PathBuf::from(path)),
        }
    }
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
    /// Plain text to this machine (see [`Endpoint::is_local`]), [`TlsMode::VerifyFull`] to others: a password never leaves
    /// the machine unprotected by default.
    #[default]
    Auto,
    /// Plain text.
    Disable,
    /// As [`TlsMode::Require`], or plain text where the server has no TLS. Whoever sits between can take the TLS away: a
    /// warning in the log is all that shows it.
    Prefer,
    /// TLS; the certificate is not checked, which protects from listeners only.
    Require,
    /// TLS; the certificate is signed by a trusted authority.
    VerifyCa,
    /// TLS; signed, and for the name that was connected to.
    VerifyFull,
}

impl TlsMode {
    /// What it means for one endpoint; never [`TlsMode::Auto`].
    pub(crate) fn towards(self, endpoint: &Endpoint) -> TlsMode {
        match self {
            TlsMode::Auto if endpoint.is_local() => TlsMode::Disable,
            TlsMode::Auto => TlsMode::VerifyFull,
            _ if matches!(endpoint, Endpoint::Unix(_)) => TlsMode::Disable,
            mode => mode,
        }
    }
}

impl From<Option<url::Tls>> for TlsMode {
    fn from(tls: Option<url::Tls>) -> TlsMode {
        match tls {
            None => TlsMode::Auto,
            Some(url::Tls::Disable) => TlsMode::Disable,
            Some(url::Tls::Prefer) => TlsMode::Prefer,
            Some(url::Tls::Require) => TlsMode::Require,
            Some(url::Tls::VerifyCa) => TlsMode::VerifyCa,
            Some(url::Tls::VerifyFull) => TlsMode::VerifyFull,
        }
    }
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
    /// The address of this machine that TCP connections come from, where it has several: an interface of its own for the
    /// databases, or more ports than one address has. Host addresses of the other family are not tried. `None`: the
    /// system chooses.
    pub local_address: Option<IpAddr>,
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
            local_address: None,
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
    /// The configuration that a URL describes; an error names what is wrong with it, and where. The grammar is that of
    /// [`vitrail_proto::url`].
    pub fn from_url(url: &str) -> Result<ClientConfig, Error> {
        Ok(url.parse::<Url>().map_err(Error::url)?.into())
    }
}

impl From<Url> for ClientConfig {
    fn from(url: Url) -> ClientConfig {
        let default = ClientConfig::default();
        let path = |file: Option<String>| file.map(PathBuf::from);
        let count = |count: Option<u32>, default| count.map_or(default, |count| count as usize);
        ClientConfig {
            endpoints: url.hosts.into_iter().map(Endpoint::from).collect(),
            user: url.user.unwrap_or_default(),
            password: url.password,
            target: (url.target != Target::default()).then_some(url.target),
            tls: Tls { mode: url.tls.into(), ca: path(url.ca), certificate: path(url.cert), key: path(url.key) },
            connect_timeout: url.connect_timeout.unwrap_or(default.connect_timeout),
            query_timeout: url.query_timeout,
            application: url.app_name.unwrap_or_default(),
            pool_min: count(url.pool_min, default.pool_min),
            pool_max: count(url.pool_max, default.pool_max),
            ..default
        }
    }
}

impl FromStr for ClientConfig {
    type Err = Error;

    fn from_str(url: &str) -> Result<ClientConfig, Error> {
        ClientConfig::from_url(url)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn vectors(file: &str) -> Vec<serde_json::Value> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/urls").join(file);
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    #[test]
    fn urls_become_configurations() {
        for case in vectors("good.json") {
            let name = case["name"].as_str().unwrap();
            let config = ClientConfig::from_url(case["url"].as_str().unwrap()).unwrap();
            assert_eq!(config.user, case["user"].as_str().unwrap_or_default(), "{name}");
            assert_eq!(config.password.as_deref(), case["password"].as_str(), "{name}");
            let target = config.target.as_ref().map(Target::to_string).unwrap_or_default();
            assert_eq!(target, case["target"].as_str().unwrap_or_default(), "{name}");
            let hosts: Vec<String> = config.endpoints.iter().map(Endpoint::to_string).collect();
            let expected =
                case["hosts"].as_array().unwrap().iter().map(|host| host.as_str().unwrap().replace("%2F", "/"));
            assert_eq!(hosts, expected.collect::<Vec<_>>(), "{name}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_url_is_an_error_of_the_same_kind() {
        for case in vectors("bad.json") {
            let error = ClientConfig::from_url(case["url"].as_str().unwrap()).unwrap_err();
            assert_eq!(
                (error.code().as_str(), error.errno(), error.sqlstate()),
                ("invalid", 61009, "HY000"),
                "{}: {error}",
                case["name"]
            );
            if let Some(says) = case["says"].as_str() {
                assert!(error.message().contains(says), "{error}");
            }
        }
    }

    #[test]
    fn tls_depends_on_where_it_leads() {
        let cases = [
            ("vitrail://127.0.0.1", TlsMode::Disable),
            ("vitrail://127.9.9.9:1/k", TlsMode::Disable),
            ("vitrail://[::1]", TlsMode::Disable),
            ("vitrail://LocalHost", TlsMode::Disable),
            ("vitrail://%2Frun%2Fv.sock", TlsMode::Disable),
            ("vitrail://%2Frun%2Fv.sock?tls=require", TlsMode::Disable),
            ("vitrail://128.0.0.1", TlsMode::VerifyFull),
            ("vitrail://localhost.example.com", TlsMode::VerifyFull),
            ("vitrail://db?tls=disable", TlsMode::Disable),
            ("vitrail://db?tls=prefer", TlsMode::Prefer),
            ("vitrail://localhost?tls=verify-ca", TlsMode::VerifyCa),
        ];
        for (url, expected) in cases {
            let config = ClientConfig::from_url(url).unwrap();
            assert_eq!(config.tls.mode.towards(&config.endpoints[0]), expected, "{url}");
        }
    }
}
