//! What a tablet is told: where its MySQL is, as what it serves it, and every limit.

mod protection;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units;

pub use protection::{HotRowConfig, OverloadConfig, PipelineConfig, StreamConfig};

/// Configuration of one tablet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TabletConfig {
    /// Keyspace that the tablet serves; column metadata and error texts name it in place of the database.
    pub keyspace: String,
    /// Shard of that keyspace: a key range such as `-80`, or `0` or `-` for an unsharded one.
    pub shard: String,
    /// Database on the MySQL server that holds the shard's tables.
    pub database: String,
    /// How the MySQL server is reached.
    pub mysql: MysqlConfig,
    /// Application and user stand in a comment before each statement, where MySQL's process list shows them.
    pub comment: bool,
    /// Connections for statements in autocommit, shared by everyone.
    pub pool: PoolConfig,
    /// Further connections for long results.
    pub streams: StreamConfig,
    /// Short reads behind one another.
    pub pipeline: PipelineConfig,
    /// Connections for transactions and reservations, each held by one session.
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

impl Default for TabletConfig {
    fn default() -> Self {
        TabletConfig {
            keyspace: String::new(),
            shard: "0".into(),
            database: String::new(),
            mysql: MysqlConfig::default(),
            comment: true,
            pool: PoolConfig::default(),
            streams: StreamConfig::default(),
            pipeline: PipelineConfig::default(),
            transactions: TransactionConfig::default(),
            overload: OverloadConfig::default(),
            hot_rows: HotRowConfig::default(),
            limits: LimitConfig::default(),
            consolidator: ConsolidatorConfig::default(),
        }
    }
}

/// How the MySQL server is reached.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MysqlConfig {
    /// Unix socket of the server; when set, `host`, `port` and `tls` are not used.
    pub socket: Option<PathBuf>,
    /// Host name or address of the server.
    pub host: String,
    /// TCP port of the server.
    pub port: u16,
    /// MySQL user that runs the statements of all Vitrail users.
    pub user: String,
    /// Password of that user; prefer `password_file`.
    pub password: String,
    /// File that holds the password; a final line break does not belong to it.
    pub password_file: Option<PathBuf>,
    /// Whether TCP connections are encrypted: `disable`, `prefer`, `require`, `verify-ca` or `verify-full`.
    pub tls: TlsMode,
    /// PEM file of the certificate authorities that the verifying modes trust; those of the operating system if absent.
    pub tls_ca: Option<PathBuf>,
    /// How long one attempt to connect may take.
    #[serde(with = "units::duration")]
    pub connect_timeout: Duration,
}

impl Default for MysqlConfig {
    fn default() -> Self {
        MysqlConfig {
            socket: None,
            host: "127.0.0.1".into(),
            port: 3306,
            user: "vitrail".into(),
            password: String::new(),
            password_file: None,
            tls: TlsMode::Prefer,
            tls_ca: None,
            connect_timeout: Duration::from_secs(5),
        }
    }
}

impl std::fmt::Debug for MysqlConfig {
    /// Leaves the password out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MysqlConfig")
            .field("socket", &self.socket)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .field("password_file", &self.password_file)
            .field("tls", &self.tls)
            .field("tls_ca", &self.tls_ca)
            .field("connect_timeout", &self.connect_timeout)
            .finish_non_exhaustive()
    }
}

/// Encryption of TCP connections to MySQL: MySQL's own modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// Never.
    Disable,
    /// If the server offers it; its certificate is not verified.
    #[default]
    Prefer,
    /// Always; its certificate is not verified.
    Require,
    /// Always; a trusted authority must have signed the certificate.
    VerifyCa,
    /// Always; and the certificate must name the host.
    VerifyFull,
}

/// Connections for statements in autocommit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PoolConfig {
    /// Most connections at a time.
    pub size: usize,
    /// Most connections of one user at a time. 0: as many as there are.
    pub per_user: usize,
    /// Most calls that wait for a connection; one more is refused at once as `exhausted`.
    pub queue: usize,
    /// How long a call waits for a connection before it is refused as `exhausted`; its deadline may end it earlier.
    #[serde(with = "units::duration")]
    pub wait: Duration,
    /// A connection that was idle for so long is closed.
    #[serde(with = "units::duration")]
    pub idle: Duration,
}

impl Default for PoolConfig {
    fn default() -> Self {
        PoolConfig {
            size: 16,
            per_user: 0,
            queue: 5_000,
            wait: Duration::from_secs(10),
            idle: Duration::from_secs(30 * 60),
        }
    }
}

/// Connections for transactions and reservations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TransactionConfig {
    /// Most transactions and reservations at a time.
    pub size: usize,
    /// Most of one user at a time. 0: as many as there are.
    pub per_user: usize,
    /// Most calls that wait to begin one; one more is refused at once as `exhausted`.
    pub queue: usize,
    /// How long a call waits to begin one before it is refused as `exhausted`.
    #[serde(with = "units::duration")]
    pub wait: Duration,
    /// A transaction older than this is rolled back; its later statements fail with `tx_lost`. A reservation that it ran on is released.
    #[serde(with = "units::duration")]
    pub max_age: Duration,
    /// A transaction without a statement for so long is rolled back, a reservation released.
    #[serde(with = "units::duration")]
    pub max_idle: Duration,
}

impl Default for TransactionConfig {
    fn default() -> Self {
        TransactionConfig {
            size: 20,
            per_user: 0,
            queue: 1_000,
            wait: Duration::from_secs(10),
            max_age: Duration::from_secs(5 * 60),
            max_idle: Duration::from_secs(60),
        }
    }
}

/// Bounds of statements and results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitConfig {
    /// Most rows of one result; it is cut there and says so (`capped`). 0: no limit.
    pub result_rows: u64,
    /// Most bytes of one result; above it the statement fails as `too_large`. 0: no limit.
    #[serde(with = "units::bytes")]
    pub result_bytes: u64,
    /// Most bytes of one statement with its binds as literals (bytes take two each); lowered to the server's `max_allowed_packet`.
    #[serde(with = "units::bytes")]
    pub statement_bytes: u64,
    /// How long a statement may take when its call has no deadline. `0s`: no limit.
    #[serde(with = "units::duration")]
    pub statement_timeout: Duration,
    /// How long a killed statement may take to end before its connection is closed.
    #[serde(with = "units::duration")]
    pub kill_grace: Duration,
    /// Rows travel in batches of about so many bytes.
    #[serde(with = "units::bytes")]
    pub batch_bytes: u64,
}

impl Default for LimitConfig {
    fn default() -> Self {
        LimitConfig {
            result_rows: 0,
            result_bytes: 0,
            statement_bytes: 512 << 20,
            statement_timeout: Duration::ZERO,
            kill_grace: Duration::from_secs(10),
            batch_bytes: 32 << 10,
        }
    }
}

/// Sharing of identical reads that arrive at the same time. Which ones may share, gates decide.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsolidatorConfig {
    /// Whether executions are shared at all.
    pub enabled: bool,
    /// Most requests that join one execution; one more is refused at once as `exhausted`.
    pub waiters: usize,
    /// Most requests that share the executions of others, in all; one more is refused at once as `exhausted`.
    pub total_waiters: usize,
    /// How many bytes of one answer the slowest of several readers may be behind before the others wait for it.
    #[serde(with = "units::bytes")]
    pub backlog: u64,
    /// Most bytes of answers in memory. At that, nobody joins any more (`exhausted`), and slow readers have no backlog.
    #[serde(with = "units::bytes")]
    pub bytes: u64,
    /// How long slower readers may make the others wait; then they go on by an execution of their own.
    #[serde(with = "units::duration")]
    pub stall: Duration,
}

impl Default for ConsolidatorConfig {
    fn default() -> Self {
        ConsolidatorConfig {
            enabled: true,
            waiters: 10_000,
            total_waiters: 50_000,
            backlog: 4 << 20,
            bytes: 128 << 20,
            stall: Duration::from_secs(1),
        }
    }
}
