//! How to reach a server, and as whom.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::address::Address;
use crate::tls::Tls;

/// Whether the server's RSA key may encrypt the password, where neither TLS nor a Unix socket protects it.
///
/// `caching_sha2_password` needs it for a user's first login after a server start. A key that is fetched from the server
/// proves nothing about who answers, so that by default it is fetched from this host alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PublicKey {
    /// Never: such a login is refused.
    Never,
    /// Fetch it from servers on loopback addresses.
    #[default]
    FetchFromLoopback,
    /// Fetch it from any server.
    Fetch,
    /// This one, as PEM (`public_key.pem` of the server's data directory).
    Known(String),
}

/// Everything that is needed to open a connection.
#[derive(Clone)]
pub struct ConnectOptions {
    /// Where the server is.
    pub address: Address,
    /// The MySQL user.
    pub user: String,
    /// Its password; empty for none. Never shown by `Debug`.
    pub password: String,
    /// The default database.
    pub database: Option<String>,
    /// TLS mode and certificates. A Unix socket uses TLS only in modes that require it.
    pub tls: Tls,
    /// The address of this host that TCP connections come from, where it has several. Unless given, the system chooses.
    pub local_address: Option<IpAddr>,
    /// RSA key of the server, for `caching_sha2_password` in the clear.
    pub public_key: PublicKey,
    /// Limit for connecting and logging in, all steps together. 5 s unless changed.
    pub connect_timeout: Duration,
    /// The largest row that is taken from the server, in bytes. 1 GiB (the most that MySQL sends) unless changed.
    pub max_packet: usize,
    /// Assignments that every connection starts with and that survive a reset, such as `("sql_mode", "'ANSI'")`. Names and values
    /// go into a SET statement as they are.
    pub variables: Vec<(String, String)>,
    /// Ask the server for EOF packets of the old form, as MySQL before 5.7 and some proxies send them.
    pub old_eof: bool,
}

impl ConnectOptions {
    /// `user` without password at `address`, TLS if the server has it (not verified).
    pub fn new(address: Address, user: impl Into<String>) -> ConnectOptions {
        ConnectOptions {
            address,
            user: user.into(),
            password: String::new(),
            database: None,
            tls: Tls::default(),
            local_address: None,
            public_key: PublicKey::default(),
            connect_timeout: Duration::from_secs(5),
            max_packet: 1 << 30,
            variables: Vec::new(),
            old_eof: false,
        }
    }

    /// The same with a password.
    pub fn with_password(mut self, password: impl Into<String>) -> ConnectOptions {
        self.password = password.into();
        self
    }

    /// The same with a default database.
    pub fn with_database(mut self, database: impl Into<String>) -> ConnectOptions {
        self.database = Some(database.into());
        self
    }

    /// The same with other TLS.
    pub fn with_tls(mut self, tls: Tls) -> ConnectOptions {
        self.tls = tls;
        self
    }

    /// The same with another limit for connecting.
    pub fn with_connect_timeout(mut self, limit: Duration) -> ConnectOptions {
        self.connect_timeout = limit;
        self
    }

    /// The same from an address of this host.
    pub fn with_local_address(mut self, address: IpAddr) -> ConnectOptions {
        self.local_address = Some(address);
        self
    }

    /// The same with one more variable that every connection starts with.
    pub fn with_variable(mut self, name: impl Into<String>, literal: impl Into<String>) -> ConnectOptions {
        self.variables.push((name.into(), literal.into()));
        self
    }
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("address", &self.address)
            .field("user", &self.user)
            .field("database", &self.database)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}
