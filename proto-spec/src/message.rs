//! The bodies of the messages, as owned values. Each has `encode` (appends one BSON document) and `decode`.

use bytes::Bytes;

use crate::rows::RowBatch;
use crate::target::Target;
use crate::value::Binds;

/// What a REQUEST asks for. Names on the wire are those of [`Op::as_str`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Op {
    /// Opens the session `s` with settings; may carry the whole `session` state of an earlier `end` to rebuild it.
    Open,
    /// Ends the session `s`; an open transaction is rolled back.
    Close,
    /// Takes the session back to how it was opened.
    Reset,
    /// Runs one statement.
    Execute,
    /// Runs `items` as a chain.
    Batch,
    /// Parameters and fields of a statement, not run.
    Describe,
    /// Begins a transaction.
    Begin,
    /// Commits.
    Commit,
    /// Rolls back.
    Rollback,
    /// Pins the session to one MySQL connection (tablets only).
    Reserve,
    /// The tablet's schema (tablets only).
    TabletSchema,
    /// The tablet's state (tablets only).
    TabletHealth,
}

impl Op {
    /// All, with their names on the wire.
    pub const ALL: [(Op, &'static str); 12] = [
        (Op::Open, "open"),
        (Op::Close, "close"),
        (Op::Reset, "reset"),
        (Op::Execute, "execute"),
        (Op::Batch, "batch"),
        (Op::Describe, "describe"),
        (Op::Begin, "begin"),
        (Op::Commit, "commit"),
        (Op::Rollback, "rollback"),
        (Op::Reserve, "reserve"),
        (Op::TabletSchema, "tablet.schema"),
        (Op::TabletHealth, "tablet.health"),
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        Op::ALL.iter().find(|(op, _)| *op == self).map(|(_, name)| *name).expect("ALL lists every op")
    }

    /// The op of a name.
    pub fn parse(name: &str) -> Option<Op> {
        Op::ALL.iter().find(|(_, known)| *known == name).map(|(op, _)| *op)
    }
}

/// How a peer proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// SCRAM-SHA-256 (RFC 7677).
    ScramSha256,
    /// SCRAM-SHA-256-PLUS, bound to the TLS server certificate by `tls-server-end-point` (RFC 5929).
    ScramSha256Plus,
    /// The TLS client certificate names the user.
    External,
    /// No proof; only on loopback or a Unix socket where the server is configured so.
    None,
}

impl Mechanism {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Mechanism::External => "EXTERNAL",
            Mechanism::None => "NONE",
        }
    }

    /// The mechanism of a name.
    pub fn parse(name: &str) -> Option<Mechanism> {
        [Mechanism::ScramSha256, Mechanism::ScramSha256Plus, Mechanism::External, Mechanism::None]
            .into_iter()
            .find(|mechanism| mechanism.as_str() == name)
    }
}

/// Client's HELLO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientHello {
    /// Lowest protocol version that the client speaks.
    pub min_version: u32,
    /// Highest.
    pub max_version: u32,
    /// Capabilities by name; unknown ones are ignored.
    pub capabilities: Vec<String>,
    /// Largest frame body that the client accepts, in bytes.
    pub max_frame: u32,
    /// Largest message that the client accepts, in bytes.
    pub max_message: u32,
    /// The user; empty with [`Mechanism::External`].
    pub user: String,
    /// How the user is proved.
    pub mechanism: Mechanism,
    /// First message of the mechanism; empty if it has none.
    pub initial: Vec<u8>,
    /// Driver name and version, for people.
    pub driver: String,
    /// Application name, for people and for MySQL's process list.
    pub application: String,
    /// Instance of the application, for people.
    pub instance: String,
}

/// Server's HELLO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerHello {
    /// The chosen protocol version.
    pub version: u32,
    /// The common capabilities.
    pub capabilities: Vec<String>,
    /// Largest frame body that the server accepts, in bytes.
    pub max_frame: u32,
    /// Largest message that the server accepts, in bytes.
    pub max_message: u32,
    /// The connection's number at this server.
    pub connection_id: u64,
    /// `MySQL` or `MariaDB`.
    pub flavour: String,
    /// The version of MySQL behind it, as MySQL says it.
    pub mysql_version: String,
    /// Other gates that serve the same cluster, as `host:port`.
    pub gates: Vec<String>,
    /// Changes whenever the gate's process starts anew.
    pub incarnation: String,
    /// The server will drain this connection after so many milliseconds; 0: never.
    pub max_age_ms: u64,
    /// The mechanism's answer to `initial`; empty if it has none.
    pub challenge: Vec<u8>,
    /// Authentication has ended: requests may follow.
    pub authenticated: bool,
}

/// AUTH, either way: one further message of the mechanism.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// The mechanism's bytes.
    pub data: Vec<u8>,
    /// Set by the server on its last: requests may follow.
    pub authenticated: bool,
}

/// What a session begins with, or what it has become. `open` accepts the whole of what an `end` reported.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionState {
    /// Where its statements go.
    pub target: Option<Target>,
    /// `@@autocommit`.
    pub autocommit: Option<bool>,
    /// "Affected" counts matched rows instead of changed ones.
    pub found_rows: Option<bool>,
    /// Settings by lower-case system variable name, each the text of an SQL literal (`'+00:00'`, `100`).
    pub variables: Vec<(String, String)>,
}

/// How a transaction begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BeginOptions {
    /// Isolation level of this transaction only.
    pub isolation: Option<Isolation>,
    /// `READ ONLY` or `READ WRITE`.
    pub read_only: Option<bool>,
    /// `WITH CONSISTENT SNAPSHOT`.
    pub snapshot: bool,
    /// How it may commit over shards.
    pub mode: Option<CommitMode>,
    /// Rolled back when it is older than this.
    pub max_ms: Option<u32>,
}

/// Isolation levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Isolation {
    /// `READ UNCOMMITTED`
    ReadUncommitted,
    /// `READ COMMITTED`
    ReadCommitted,
    /// `REPEATABLE READ`
    RepeatableRead,
    /// `SERIALIZABLE`
    Serializable,
}

impl Isolation {
    /// As SQL, and as the wire has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Isolation::ReadUncommitted => "READ UNCOMMITTED",
            Isolation::ReadCommitted => "READ COMMITTED",
            Isolation::RepeatableRead => "REPEATABLE READ",
            Isolation::Serializable => "SERIALIZABLE",
        }
    }

    /// The level of a name as SQL writes it.
    pub fn parse(name: &str) -> Option<Isolation> {
        [Isolation::ReadUncommitted, Isolation::ReadCommitted, Isolation::RepeatableRead, Isolation::Serializable]
            .into_iter()
            .find(|level| level.as_str().eq_ignore_ascii_case(name))
    }
}

/// How a transaction over several shards commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CommitMode {
    /// More than one shard is refused.
    Single,
    /// One shard after the other; a failure in between leaves a part committed and says so.
    #[default]
    Multi,
    /// Atomic.
    TwoPc,
}

impl CommitMode {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            CommitMode::Single => "single",
            CommitMode::Multi => "multi",
            CommitMode::TwoPc => "twopc",
        }
    }

    /// The mode of a name.
    pub fn parse(name: &str) -> Option<CommitMode> {
        [CommitMode::Single, CommitMode::Multi, CommitMode::TwoPc].into_iter().find(|mode| mode.as_str() == name)
    }
}

/// One item of a batch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BatchItem {
    /// The statement; `None` repeats the previous item's.
    pub sql: Option<String>,
    /// Its binds.
    pub binds: Binds,
}

/// A REQUEST.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What to do.
    pub op: Op,
    /// The session; `None` is a stateless execution.
    pub session: Option<u64>,
    /// Run only if the session's previous request succeeded.
    pub chain: bool,
    /// Initial credit in REPLY body bytes.
    pub credit: u32,
    /// Milliseconds from receipt of the first frame, queueing and streaming included.
    pub deadline_ms: Option<u32>,
    /// On whose behalf; believed only from a peer with role `gate`.
    pub caller: Option<String>,
    /// W3C `traceparent`.
    pub traceparent: Option<String>,
    /// `execute`, `describe`: the statement.
    pub sql: Option<String>,
    /// `execute`: its binds.
    pub binds: Binds,
    /// Overrides the session's target for this request (`!target`: critical).
    pub target: Option<Target>,
    /// At most so many rows; the answer says that it was capped (`!max_rows`: critical).
    pub max_rows: Option<u64>,
    /// Refuse anything that writes (`!read_only`: critical).
    pub read_only: bool,
    /// The field hash that the client holds; equal fields are left out of the reply.
    pub fields_hash: Option<u64>,
    /// Fetch the text of at most so many warnings.
    pub warnings: u32,
    /// Not older than this position (`!position`: critical).
    pub position: Option<Vec<u8>>,
    /// `open`: the session's settings; tablets take it on stateless executions as well.
    pub state: Option<SessionState>,
    /// `begin`.
    pub begin: Option<BeginOptions>,
    /// `batch`.
    pub items: Vec<BatchItem>,
    /// `batch`: in one transaction.
    pub atomic: bool,
}

/// Default initial credit of a request, in bytes.
pub const DEFAULT_CREDIT: u32 = 256 * 1024;

impl Request {
    /// A request of `op` with the defaults of the specification.
    pub fn new(op: Op) -> Request {
        Request {
            op,
            session: None,
            chain: false,
            credit: DEFAULT_CREDIT,
            deadline_ms: None,
            caller: None,
            traceparent: None,
            sql: None,
            binds: Binds::new(),
            target: None,
            max_rows: None,
            read_only: false,
            fields_hash: None,
            warnings: 0,
            position: None,
            state: None,
            begin: None,
            items: Vec::new(),
            atomic: false,
        }
    }
}

/// Why a result has fewer rows than the statement has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capped {
    /// Which limit: `request`, `tablet` or `gate`.
    pub by: String,
    /// Its value, in rows.
    pub limit: u64,
}

/// A warning, as `SHOW WARNINGS` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// `Note`, `Warning` or `Error`.
    pub level: String,
    /// MySQL's number.
    pub errno: u16,
    /// Its text.
    pub message: String,
}

/// The end of one result.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResultEnd {
    /// Rows returned.
    pub rows: u64,
    /// Rows affected, by the session's meaning of it.
    pub affected: u64,
    /// `LAST_INSERT_ID`; 0: none.
    pub insert_id: u64,
    /// How many warnings there are.
    pub warnings: u32,
    /// MySQL's status flags; `SERVER_MORE_RESULTS_EXISTS` (8): another result follows.
    pub status: u16,
    /// The session is inside a transaction.
    pub in_transaction: bool,
    /// The session is pinned to one MySQL connection.
    pub pinned: bool,
    /// Position token after a write or commit.
    pub position: Option<Vec<u8>>,
    /// Rows matched, where MySQL says so.
    pub matched: Option<u64>,
    /// MySQL's info text.
    pub info: Option<String>,
    /// The result was capped.
    pub capped: Option<Capped>,
    /// What changed in the session; `None`: nothing.
    pub state: Option<SessionState>,
    /// Texts of warnings, if the request asked.
    pub warning_texts: Vec<Warning>,
    /// Index of the batch item that this ends.
    pub item: Option<u32>,
}

impl ResultEnd {
    /// MySQL's `SERVER_MORE_RESULTS_EXISTS`.
    pub const MORE_RESULTS: u16 = 8;
}

/// A REPLY. May hold fields, rows and end together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// Packed `ColumnDefinition41`s; left out when the request's `fields_hash` was equal.
    pub fields: Option<Bytes>,
    /// Hash of the fields of the result that begins here, present with the first REPLY of each result that has columns.
    pub fields_hash: Option<u64>,
    /// `describe`: how many parameters the statement has.
    pub parameters: Option<u32>,
    /// An administrative answer as a JSON text (`tablet.schema`, `tablet.health`).
    pub json: Option<String>,
    /// The end of a result.
    pub end: Option<ResultEnd>,
    /// Packed rows; encoded last.
    pub rows: Option<RowBatch>,
}

/// CREDIT: more bytes for a request's REPLYs (client), or leave to upload the rest (server).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credit {
    /// Bytes.
    pub bytes: u32,
}

/// GOAWAY: the server drains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoAway {
    /// Transactions and pins may last so long.
    pub drain_ms: u32,
    /// For people.
    pub reason: String,
}
