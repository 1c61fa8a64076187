//! Configuration of a process: one tree, read from one TOML file.
//!
//! `server/node/config.reference.toml` carries every key with its default; a test compares it with [`Config::default`].

mod load;
mod log;
pub(crate) mod scratch;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vitrail_proto::limits::{AUTHENTICATION_TIME, MAX_UNAUTHENTICATED, MAX_UNAUTHENTICATED_PER_ADDRESS};
use vitrail_proto::message::Share;
use vitrail_tablet::config::{
    ConsolidatorConfig, HotRowConfig, LimitConfig, MysqlConfig, OverloadConfig, PipelineConfig, PoolConfig,
    StreamConfig, TransactionConfig,
};
use vitrail_tablet::units;

pub use load::{ConfigError, load, parse};
pub use log::LogConfig;
pub use scratch::{ScratchConfig, ScratchKind};

/// Everything that a process is told.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where it listens.
    pub listen: ListenConfig,
    /// Who may connect, by user name.
    pub users: BTreeMap<String, UserConfig>,
    /// What concerns sessions and plans.
    pub gate: GateConfig,
    /// Which statements are written down.
    pub log: LogConfig,
    /// Where statements run that shards cannot answer.
    pub scratch: ScratchConfig,
    /// What all tablets of this process have in common.
    pub tablet: TabletDefaults,
    /// What is served, by keyspace name.
    pub keyspaces: BTreeMap<String, KeyspaceConfig>,
}

/// Where the process listens, and how it stops.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenConfig {
    /// Address of the BSON-RPC port; port 0 takes a free one.
    pub address: SocketAddr,
    /// Unix socket for BSON-RPC, beside the port.
    pub socket: Option<PathBuf>,
    /// Address of `/metrics`, `/healthz` and `/readyz`.
    pub http: SocketAddr,
    /// Clients on loopback addresses and on the Unix socket may name any configured user without a password.
    pub passwordless_loopback: bool,
    /// Plaintext connections from other than loopback addresses are accepted though `tls` is not set.
    pub plaintext: bool,
    /// Direct TLS; with it, plaintext connections are refused.
    pub tls: Option<TlsConfig>,
    /// Most connections at a time; one more is refused.
    pub max_connections: usize,
    /// Most connections at a time that have not logged in.
    pub max_unauthenticated: usize,
    /// The same, from one address. The Unix socket counts as one.
    pub max_unauthenticated_per_address: usize,
    /// How long a TLS handshake and a login may take together, at most 10 s.
    #[serde(with = "units::duration")]
    pub authentication: Duration,
    /// Failed logins of one address that are free; after each further one it has to pause, from 1 s doubling up to 60 s. 0: no pauses.
    pub login_failures: u32,
    /// How long transactions may go on after SIGTERM.
    #[serde(with = "units::duration")]
    pub drain: Duration,
    /// Addresses of other processes that serve the same keyspaces, as `host:port`; clients learn them and move there on drain.
    pub gates: Vec<String>,
}

impl Default for ListenConfig {
    fn default() -> Self {
        ListenConfig {
            address: SocketAddr::from(([127, 0, 0, 1], 15300)),
            socket: None,
            http: SocketAddr::from(([127, 0, 0, 1], 15380)),
            passwordless_loopback: false,
            plaintext: false,
            tls: None,
            max_connections: 20_000,
            max_unauthenticated: MAX_UNAUTHENTICATED,
            max_unauthenticated_per_address: MAX_UNAUTHENTICATED_PER_ADDRESS,
            authentication: AUTHENTICATION_TIME,
            login_failures: 10,
            drain: Duration::from_secs(30),
            gates: Vec::new(),
        }
    }
}

/// The server's certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// PEM file with the certificate chain.
    pub certificate: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
    /// PEM file with the authorities of client certificates; a client certificate's DNS name is then its user.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
}

impl fmt::Display for TlsConfig {
    /// The files, by their keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "certificate = {:?}, key = {:?}", self.certificate, self.key)?;
        match &self.client_ca {
            Some(authorities) => write!(f, ", client_ca = {authorities:?}"),
            None => Ok(()),
        }
    }
}

/// How a user proves who they are, and what they are for. Exactly one of the three proofs.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UserConfig {
    /// SCRAM keys as `vitrail user` prints them. Nobody can log in elsewhere with them.
    pub scram: Option<String>,
    /// File that holds the password; a final line break does not belong to it.
    pub password_file: Option<PathBuf>,
    /// The password itself, for trials.
    pub password: Option<String>,
    /// What the user may be.
    pub role: Role,
    /// What the user may do. Absent: `writer` on all tables of all keyspaces; empty: nothing.
    pub grants: Option<Vec<GrantConfig>>,
    /// Whether the user's reads share executions with identical ones, when neither statement, request nor session says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<Sharing>,
}

/// A role on some tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantConfig {
    /// How much.
    pub role: GrantRole,
    /// Names of keyspaces; `*` stands for any characters, `?` for one.
    #[serde(default = "all")]
    pub keyspace: String,
    /// Names of tables and views in them, likewise.
    #[serde(default = "all")]
    pub tables: String,
}

/// How much a grant allows; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GrantRole {
    /// Reads rows and definitions.
    Reader,
    /// Changes and locks rows.
    Writer,
    /// Changes definitions, and all else.
    Admin,
}

fn all() -> String {
    "*".to_owned()
}

impl std::fmt::Debug for UserConfig {
    /// Leaves password and keys out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserConfig")
            .field("password_file", &self.password_file)
            .field("role", &self.role)
            .field("grants", &self.grants)
            .finish_non_exhaustive()
    }
}

/// What a user may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Runs statements through a gate.
    #[default]
    Application,
    /// A gate: reaches tablets, and says on whose behalf.
    Gate,
}

/// Whether a read may share one execution with identical ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sharing {
    /// It runs by itself.
    Off,
    /// With those that were not sent to MySQL when it came.
    #[default]
    Next,
    /// Also with one that MySQL is running.
    Running,
}

impl From<Sharing> for Share {
    fn from(sharing: Sharing) -> Share {
        match sharing {
            Sharing::Off => Share::Off,
            Sharing::Next => Share::Next,
            Sharing::Running => Share::Running,
        }
    }
}

/// What concerns sessions and plans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GateConfig {
    /// Memory for plans, in bytes, a quarter of it for texts of statements that are read once; the least used ones make room.
    #[serde(with = "units::bytes")]
    pub plan_cache: u64,
    /// Reads over several shards that run at a time; further ones wait for their turn. At most `tablet.pool.size` divided by the
    /// number of gates, or they could wait for each other's connections.
    pub scatters: usize,
    /// What becomes of UPDATE and DELETE that have no LIMIT and no WHERE that names a column: `refuse` or `allow`.
    pub full_writes: FullWrites,
    /// Most rows of one answer when the request names no cap itself; it is cut there and says so. 0: no limit.
    pub max_rows: u64,
    /// Fingerprints of statements that figures are kept of, at up to 3 KiB each; the least used ones make room. 0: none.
    pub query_statistics: usize,
    /// Fingerprints with series of their own in `/metrics`: those that took the most time.
    pub query_metrics: usize,
    /// Whether reads share executions with identical ones, when neither statement, request, session nor user says: `off`,
    /// `next` or `running`.
    pub share: Sharing,
}

impl Default for GateConfig {
    fn default() -> Self {
        GateConfig {
            plan_cache: 64 << 20,
            scatters: 16,
            full_writes: FullWrites::Refuse,
            max_rows: 0,
            query_statistics: 2000,
            query_metrics: 20,
            share: Sharing::Next,
        }
    }
}

/// What becomes of writes that do not say which rows they mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FullWrites {
    /// They are refused, unless the session or the statement allows them.
    #[default]
    Refuse,
    /// They run.
    Allow,
}

/// What all tablets of this process have in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TabletDefaults {
    /// Application and user stand in a comment before each statement, where MySQL's process list shows them.
    pub comment: bool,
    /// Connections for statements in autocommit, per shard.
    pub pool: PoolConfig,
    /// Further connections for long results, per shard.
    pub streams: StreamConfig,
    /// Short reads that go to MySQL behind one another, per shard.
    pub pipeline: PipelineConfig,
    /// Connections for transactions and reservations, per shard.
    pub transactions: TransactionConfig,
    /// When calls are refused because those before them wait for too long already.
    pub overload: OverloadConfig,
    /// Lines before rows that many write.
    pub hot_rows: HotRowConfig,
    /// Bounds of statements and results.
    pub limits: LimitConfig,
    /// Sharing of identical reads.
    pub consolidator: ConsolidatorConfig,
}

impl Default for TabletDefaults {
    fn default() -> Self {
        TabletDefaults {
            comment: true,
            hot_rows: HotRowConfig::default(),
            pool: PoolConfig::default(),
            pipeline: PipelineConfig::default(),
            streams: StreamConfig::default(),
            transactions: TransactionConfig::default(),
            overload: OverloadConfig::default(),
            limits: LimitConfig::default(),
            consolidator: ConsolidatorConfig::default(),
        }
    }
}

/// One keyspace.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeyspaceConfig {
    /// File with its vschema in Vitess's JSON form, relative to the configuration file. None: unsharded, all tables.
    pub vschema: Option<PathBuf>,
    /// Its shards, which must cover the key space without overlap.
    pub shards: Vec<ShardConfig>,
}

/// One shard: a database on a MySQL server, or a tablet elsewhere.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShardConfig {
    /// Key range such as `-80`; `0` or `-` for the only shard of an unsharded keyspace.
    pub name: String,
    /// Database that holds the shard's tables. Two shards may be two databases of one server.
    pub database: Option<String>,
    /// The MySQL server of `database`.
    pub mysql: Option<MysqlConfig>,
    /// URL of a tablet that serves this shard in another process, in place of `database` and `mysql`.
    pub tablet: Option<String>,
    /// File that holds the password for `tablet`, so that it needn't stand in the URL.
    pub tablet_password_file: Option<PathBuf>,
}

#[cfg(test)]
mod tests;
