//! Connection URLs: `vitrail://user:password@host:15300,host2:15300/keyspace:-80@replica?tls=verify-full`.
//!
//! The grammar is chapter `urls.md`. Every part but the scheme may be left out. Nothing here resolves a name or opens a file.

mod parse;

use std::fmt;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::limits::DEFAULT_PORT;
use crate::target::Target;

pub use parse::{UrlError, UrlProblem};

/// How to reach a gate, as whom, and what to do there.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    /// The user; `None` leaves it to the client certificate, or to nobody.
    pub user: Option<String>,
    /// The password. Neither `Display` nor `Debug` shows it.
    pub password: Option<String>,
    /// Where gates listen, in the order to try them; never empty.
    pub hosts: Vec<Host>,
    /// Where statements go.
    pub target: Target,
    /// How strictly TLS is used, if the URL says so. See [`Url::tls`].
    pub tls: Option<Tls>,
    /// PEM file of the authorities that are trusted instead of the system's.
    pub ca: Option<String>,
    /// PEM file of the client's certificate chain.
    pub cert: Option<String>,
    /// PEM file of the client's key.
    pub key: Option<String>,
    /// Most time to connect and authenticate.
    pub connect_timeout: Option<Duration>,
    /// Deadline of each statement that has none of its own.
    pub query_timeout: Option<Duration>,
    /// Name of the application.
    pub app_name: Option<String>,
    /// Connections that a pool keeps open.
    pub pool_min: Option<u32>,
    /// Connections that a pool opens at most; at least 1.
    pub pool_max: Option<u32>,
}

/// One place where a gate listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A host name or address (IPv6 without brackets) and a port.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// Path of a Unix socket.
    Unix(String),
}

/// How strictly TLS is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tls {
    /// No TLS.
    Disable,
    /// TLS without verification, or none if the server has none. Stops no attacker.
    Prefer,
    /// TLS without verification.
    Require,
    /// TLS, and the certificate comes from a trusted authority.
    VerifyCa,
    /// The same, and the certificate names the host.
    VerifyFull,
}

impl Tls {
    /// All, with their names in URLs.
    pub const ALL: [(Tls, &'static str); 5] = [
        (Tls::Disable, "disable"),
        (Tls::Prefer, "prefer"),
        (Tls::Require, "require"),
        (Tls::VerifyCa, "verify-ca"),
        (Tls::VerifyFull, "verify-full"),
    ];

    /// The name in URLs.
    pub fn as_str(self) -> &'static str {
        Tls::ALL.iter().find(|(tls, _)| *tls == self).map(|(_, name)| *name).expect("ALL lists every level")
    }
}

impl Host {
    /// A Unix socket, `localhost`, `127.0.0.0/8` or `::1`.
    pub fn is_local(&self) -> bool {
        match self {
            Host::Unix(_) => true,
            Host::Tcp { host, .. } => {
                host.eq_ignore_ascii_case("localhost")
                    || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }
}

impl Default for Url {
    fn default() -> Url {
        Url {
            user: None,
            password: None,
            hosts: vec![Host::Tcp { host: "localhost".to_owned(), port: DEFAULT_PORT }],
            target: Target::default(),
            tls: None,
            ca: None,
            cert: None,
            key: None,
            connect_timeout: None,
            query_timeout: None,
            app_name: None,
            pool_min: None,
            pool_max: None,
        }
    }
}

impl Url {
    /// How strictly TLS is used at `host`: as the URL says, else none on this machine and `verify-full` elsewhere, so that
    /// a password never leaves the machine unprotected by default.
    pub fn tls(&self, host: &Host) -> Tls {
        match (self.tls, host) {
            (_, Host::Unix(_)) => Tls::Disable,
            (Some(tls), _) => tls,
            (None, host) if host.is_local() => Tls::Disable,
            (None, _) => Tls::VerifyFull,
        }
    }

    fn options(&self) -> Vec<(&'static str, String)> {
        let duration = |time: &Duration| format!("{}ms", time.as_millis());
        [
            ("tls", self.tls.map(|tls| tls.as_str().to_owned())),
            ("ca", self.ca.clone()),
            ("cert", self.cert.clone()),
            ("key", self.key.clone()),
            ("connect_timeout", self.connect_timeout.as_ref().map(duration)),
            ("query_timeout", self.query_timeout.as_ref().map(duration)),
            ("app_name", self.app_name.clone()),
            ("pool_min", self.pool_min.map(|count| count.to_string())),
            ("pool_max", self.pool_max.map(|count| count.to_string())),
        ]
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| (name, value)))
        .collect()
    }
}

/// What stays as it is in a written URL.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Unix(path) => write!(f, "{}", utf8_percent_encode(path, ESCAPED)),
            Host::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Host::Tcp { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// The URL in its full form, `***` in place of the password.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("vitrail://")?;
        if let Some(user) = &self.user {
            write!(f, "{}", utf8_percent_encode(user, ESCAPED))?;
        }
        if self.password.is_some() {
            f.write_str(":***")?;
        }
        if self.user.is_some() || self.password.is_some() {
            f.write_str("@")?;
        }
        for (at, host) in self.hosts.iter().enumerate() {
            write!(f, "{}{host}", if at == 0 { "" } else { "," })?;
        }
        write!(f, "/{}", self.target)?;
        for (at, (name, value)) in self.options().iter().enumerate() {
            write!(f, "{}{name}={}", if at == 0 { '?' } else { '&' }, utf8_percent_encode(value, ESCAPED))?;
        }
        Ok(())
    }
}

/// As [`fmt::Display`]: no password.
impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}
