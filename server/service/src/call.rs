//! The context of a call, and what it runs.

use std::sync::Arc;

use tokio::time::Instant;
use vitrail_proto::message::{BeginOptions, SessionValues, Share};
use vitrail_proto::value::Binds;

/// Names a call at a service, so that it can be cancelled. Unique per caller process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// A MySQL connection that a transaction or a reservation holds at a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// The settings that a statement expects of its MySQL connection.
///
/// Two calls with the same `Arc` have the same settings: services compare pointers before contents.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Settings {
    /// System variable (lower case) to the text of an SQL literal, sorted by name, names unique.
    pub variables: Vec<(String, String)>,
    /// "Affected" counts matched rows.
    pub found_rows: bool,
}

/// One context per call.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its name.
    pub id: CallId,
    /// The authenticated user on whose behalf it runs; access is checked by it.
    pub caller: Arc<str>,
    /// The application that its client named; empty if none. Tablets put it before the statement, where processlists show it.
    pub application: Arc<str>,
    /// When it must have ended; each hop hands on what remains.
    pub deadline: Option<Instant>,
    /// What the statement expects of its connection.
    pub settings: Arc<Settings>,
    /// At most so many rows; the end says that it was capped.
    pub max_rows: Option<u64>,
    /// Fetch the texts of at most so many warnings.
    pub warnings: u32,
    /// W3C `traceparent`.
    pub traceparent: Option<Arc<str>>,
}

/// One statement with its binds, as the shard gets it.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Text with `:name` and `::list` for the binds.
    pub sql: Arc<str>,
    /// The binds; names that the text does not use are ignored.
    pub binds: Arc<Binds>,
    /// May it change anything? Reads may be shared and retried.
    pub writes: bool,
    /// Whether the read may share an execution. `Off` for whatever is not the same for everybody: only the caller, who has
    /// planned the statement, can know.
    pub share: Share,
    /// The unique key that a write goes to: writes to one key run one after the other. `None`: it goes to several, or nobody knows.
    pub row_key: Option<Arc<str>>,
    /// What the statement sees of its session besides settings, and whether the end tells what became of it. Nearly always `None`.
    /// A read that has values is not the same for everybody: it is not shared.
    pub values: Option<Arc<SessionValues>>,
}

impl Statement {
    /// A statement without binds that runs by itself.
    pub fn new(sql: impl Into<Arc<str>>, writes: bool) -> Statement {
        Statement { sql: sql.into(), binds: Arc::default(), writes, share: Share::Off, row_key: None, values: None }
    }
}

/// Where a statement runs.
#[derive(Debug, Clone)]
pub enum On {
    /// On any pooled connection, in autocommit.
    Pool,
    /// Begins a transaction and runs there.
    Begin(BeginOptions),
    /// Takes a connection out of the pool until it is released, and runs there.
    Reserve,
    /// On the connection of an earlier `Begin` or `Reserve`.
    Connection(ConnectionId),
    /// Begins a transaction on a reserved connection and runs there. If the statement fails, no transaction stays behind.
    BeginOn(ConnectionId, BeginOptions),
    /// On the connection of an earlier `Begin`, which is reserved from now on: it keeps its transaction, and stays when that ends.
    Keep(ConnectionId),
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conclusion {
    /// `COMMIT`
    Commit,
    /// `ROLLBACK`
    Rollback,
}
