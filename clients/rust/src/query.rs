//! A statement's text with the options of one call.

use std::time::Duration;

use vitrail_proto::message::{Op, Request, Share};
use vitrail_proto::target::Target;
use vitrail_proto::value::Binds;

/// A statement and how it is to be run. Made from a string wherever one is expected; options are added by chaining.
///
/// ```
/// use std::time::Duration;
/// use vitrail_client::Query;
/// let query = Query::new("select * from flight").deadline(Duration::from_secs(2)).max_rows(100).read_only();
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    pub(crate) sql: String,
    pub(crate) deadline: Option<Duration>,
    pub(crate) max_rows: Option<u64>,
    pub(crate) warnings: u32,
    pub(crate) read_only: bool,
    pub(crate) target: Option<Target>,
    pub(crate) position: Option<Vec<u8>>,
    pub(crate) credit: Option<u32>,
    pub(crate) traceparent: Option<String>,
    pub(crate) facts: bool,
    pub(crate) share: Option<Share>,
}

impl Query {
    /// A statement with `:name` and `::list` for its parameters, and the client's default options.
    pub fn new(sql: impl Into<String>) -> Query {
        Query {
            sql: sql.into(),
            deadline: None,
            max_rows: None,
            warnings: 0,
            read_only: false,
            target: None,
            position: None,
            credit: None,
            traceparent: None,
            facts: false,
            share: None,
        }
    }

    /// Stopped in MySQL when it has not ended by then, queueing and streaming included.
    pub fn deadline(mut self, deadline: Duration) -> Query {
        self.deadline = Some(deadline);
        self
    }

    /// At most so many rows; [`crate::Outcome::capped`] says when there were more.
    pub fn max_rows(mut self, rows: u64) -> Query {
        self.max_rows = Some(rows);
        self
    }

    /// Brings the texts of at most so many warnings with the answer.
    pub fn warnings(mut self, count: u32) -> Query {
        self.warnings = count;
        self
    }

    /// Refused by the server if it writes. The client runs such a statement again when a connection is lost under it.
    pub fn read_only(mut self) -> Query {
        self.read_only = true;
        self
    }

    /// Goes there instead of to the session's target. Not inside a transaction.
    pub fn target(mut self, target: Target) -> Query {
        self.target = Some(target);
        self
    }

    /// Answers are not older than this position, which an earlier [`crate::Outcome::position`] gave.
    pub fn not_older_than(mut self, position: impl Into<Vec<u8>>) -> Query {
        self.position = Some(position.into());
        self
    }

    /// How many bytes of the answer may be under way or unread; default 256 KiB.
    pub fn window(mut self, bytes: u32) -> Query {
        self.credit = Some(bytes);
        self
    }

    /// W3C `traceparent` to hand on.
    pub fn traceparent(mut self, traceparent: impl Into<String>) -> Query {
        self.traceparent = Some(traceparent.into());
        self
    }

    /// Asks how it runs: [`crate::Outcome::ran`] has shards, waiting and the time in MySQL.
    pub fn facts(mut self) -> Query {
        self.facts = true;
        self
    }

    /// Whether it may share one execution with identical reads, whatever the session says.
    pub fn share(mut self, share: Share) -> Query {
        self.share = Some(share);
        self
    }

    /// The text.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    pub(crate) fn into_request(self, op: Op, binds: Binds, default_deadline: Option<Duration>) -> Request {
        let mut request = Request::new(op);
        request.sql = Some(self.sql);
        request.binds = binds;
        request.deadline_ms = self.deadline.or(default_deadline).map(millis);
        request.max_rows = self.max_rows;
        request.warnings = self.warnings;
        request.read_only = self.read_only;
        request.target = self.target;
        request.position = self.position;
        request.traceparent = self.traceparent;
        request.facts = self.facts;
        request.share = self.share;
        if let Some(credit) = self.credit {
            request.credit = credit.min(i32::MAX as u32);
        }
        request
    }
}

/// Whole milliseconds, at least 1: 0 would mean something else on the wire.
pub(crate) fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX).clamp(1, i32::MAX as u32)
}

impl From<&str> for Query {
    fn from(sql: &str) -> Query {
        Query::new(sql)
    }
}

impl From<String> for Query {
    fn from(sql: String) -> Query {
        Query::new(sql)
    }
}

impl From<&String> for Query {
    fn from(sql: &String) -> Query {
        Query::new(sql.as_str())
    }
}

impl From<&Query> for Query {
    fn from(query: &Query) -> Query {
        query.clone()
    }
}
