//! Errors: the one that travels in an ERROR message, and the one that decoding raises.

use std::borrow::Cow;

use crate::document::{Fields, Writer};
use crate::limits::{MAX_ERROR_MESSAGE, MAX_NAME};

pub use crate::fault::ProtocolError;

/// Meaning of an error, independent of MySQL's number. An open set on the wire; `Other` keeps an unknown one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// The request or the statement is malformed.
    Invalid,
    /// A value does not fit (out of range, too long, bad date).
    Data,
    /// A unique, foreign key or check constraint refused the change.
    Constraint,
    /// Table, column, keyspace or shard does not exist.
    NotFound,
    /// Understood, and not supported here; the message names the reason.
    Unsupported,
    /// Wrong credentials.
    Unauthenticated,
    /// The user may not do this.
    Denied,
    /// A frame, message, value or result is above its limit.
    TooLarge,
    /// A bounded resource (pool, queue, memory) is used up.
    Exhausted,
    /// Refused by rate.
    Throttled,
    /// MySQL or a tablet cannot be reached.
    Unavailable,
    /// The server is draining.
    Draining,
    /// The deadline has passed.
    Deadline,
    /// Cancelled on request.
    Cancelled,
    /// Not run, because the previous request of its chain failed.
    Skipped,
    /// Deadlock, lock wait or another conflict: the whole transaction may be tried again.
    Conflict,
    /// The transaction was lost; roll back or begin anew.
    TxLost,
    /// The session was lost.
    SessionLost,
    /// Nobody can say whether the statement was executed.
    OutcomeUnknown,
    /// The peer broke the protocol.
    Protocol,
    /// A bug or an unexpected state.
    Internal,
    /// A code that this version does not know.
    Other(Box<str>),
}

impl Code {
    /// All known codes.
    pub const ALL: [Code; 21] = [
        Code::Invalid,
        Code::Data,
        Code::Constraint,
        Code::NotFound,
        Code::Unsupported,
        Code::Unauthenticated,
        Code::Denied,
        Code::TooLarge,
        Code::Exhausted,
        Code::Throttled,
        Code::Unavailable,
        Code::Draining,
        Code::Deadline,
        Code::Cancelled,
        Code::Skipped,
        Code::Conflict,
        Code::TxLost,
        Code::SessionLost,
        Code::OutcomeUnknown,
        Code::Protocol,
        Code::Internal,
    ];

    /// The name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Code::Invalid => "invalid",
            Code::Data => "data",
            Code::Constraint => "constraint",
            Code::NotFound => "not_found",
            Code::Unsupported => "unsupported",
            Code::Unauthenticated => "unauthenticated",
            Code::Denied => "denied",
            Code::TooLarge => "too_large",
            Code::Exhausted => "exhausted",
            Code::Throttled => "throttled",
            Code::Unavailable => "unavailable",
            Code::Draining => "draining",
            Code::Deadline => "deadline",
            Code::Cancelled => "cancelled",
            Code::Skipped => "skipped",
            Code::Conflict => "conflict",
            Code::TxLost => "tx_lost",
            Code::SessionLost => "session_lost",
            Code::OutcomeUnknown => "outcome_unknown",
            Code::Protocol => "protocol",
            Code::Internal => "internal",
            Code::Other(name) => name,
        }
    }

    /// The code of a wire name.
    pub fn parse(name: &str) -> Code {
        Code::ALL.into_iter().find(|code| code.as_str() == name).unwrap_or_else(|| Code::Other(name.into()))
    }

    /// MySQL's errno and SQLSTATE where the meaning is equal, else Vitrail's own (61000 to 61999, `HY000` or `08S01`).
    /// Used when the error did not come from MySQL itself.
    pub fn default_errno(&self) -> (u16, &'static str) {
        match self {
            Code::Invalid => (1064, "42000"),
            Code::Data => (1366, "HY000"),
            Code::Constraint => (1062, "23000"),
            Code::NotFound => (1146, "42S02"),
            Code::Unsupported => (1235, "42000"),
            Code::Unauthenticated => (1045, "28000"),
            Code::Denied => (1142, "42000"),
            Code::TooLarge => (1153, "08S01"),
            Code::Exhausted => (1203, "42000"),
            Code::Throttled => (61001, "HY000"),
            Code::Unavailable => (61002, "08S01"),
            Code::Draining => (1053, "08S01"),
            Code::Deadline => (3024, "HY000"),
            Code::Cancelled => (1317, "70100"),
            Code::Skipped => (61003, "HY000"),
            Code::Conflict => (1213, "40001"),
            Code::TxLost => (61004, "40000"),
            Code::SessionLost => (61005, "08S01"),
            Code::OutcomeUnknown => (61006, "08007"),
            Code::Protocol => (61007, "08S01"),
            Code::Internal => (61000, "HY000"),
            Code::Other(_) => (61000, "HY000"),
        }
    }
}

/// Whether the statement had an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Executed {
    /// No effect remains.
    #[default]
    No,
    /// A part of it remains.
    Partial,
    /// Not known.
    Unknown,
}

impl Executed {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Executed::No => "no",
            Executed::Partial => "partial",
            Executed::Unknown => "unknown",
        }
    }

    /// The meaning of a name.
    pub fn parse(name: &str) -> Option<Executed> {
        [Executed::No, Executed::Partial, Executed::Unknown].into_iter().find(|known| known.as_str() == name)
    }
}

/// The error that travels: body of an ERROR message, and of everything on the server that fails towards a client.
///
/// `retryable` implies [`Executed::No`]; [`ErrorBody::normalise`] keeps that so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorBody {
    /// MySQL's errno, or Vitrail's own from 61000 to 61999.
    pub errno: u16,
    /// Five characters.
    pub sqlstate: Cow<'static, str>,
    /// What it means.
    pub code: Code,
    /// For people; says what happened and what to do. Never a physical database, host or another user's SQL.
    pub message: String,
    /// Whether an effect remains.
    pub executed: Executed,
    /// The same request may succeed when it is sent again (inside a transaction: all of the transaction).
    pub retryable: bool,
    /// The session is inside a transaction after this error.
    pub in_transaction: bool,
    /// Wait at least so long before a retry.
    pub retry_after_ms: Option<u32>,
    /// Another gate may serve this at once.
    pub elsewhere: bool,
    /// The shard that it concerns.
    pub shard: Option<String>,
    /// Index of the batch item that failed.
    pub item: Option<u32>,
}

impl ErrorBody {
    /// An error of `code` with its default errno and SQLSTATE, not executed; retryable where the code implies it.
    pub fn new(code: Code, message: impl Into<String>) -> ErrorBody {
        let (errno, sqlstate) = code.default_errno();
        let retryable = matches!(
            code,
            Code::Exhausted | Code::Throttled | Code::Unavailable | Code::Draining | Code::Conflict | Code::SessionLost
        );
        ErrorBody {
            errno,
            sqlstate: Cow::Borrowed(sqlstate),
            executed: if code == Code::OutcomeUnknown { Executed::Unknown } else { Executed::No },
            code,
            message: message.into(),
            retryable,
            in_transaction: false,
            retry_after_ms: None,
            elsewhere: false,
            shard: None,
            item: None,
        }
    }

    /// The same with another errno and SQLSTATE.
    pub fn with_errno(mut self, errno: u16, sqlstate: impl Into<Cow<'static, str>>) -> ErrorBody {
        self.errno = errno;
        self.sqlstate = sqlstate.into();
        self
    }

    /// The same with what remains of the statement's effects; anything but `No` clears `retryable`.
    pub fn with_executed(mut self, executed: Executed) -> ErrorBody {
        self.executed = executed;
        self.normalise();
        self
    }

    /// The same, concerning one shard.
    pub fn with_shard(mut self, shard: impl Into<String>) -> ErrorBody {
        self.shard = Some(shard.into());
        self
    }

    /// Appends the body of an ERROR. A text above [`MAX_ERROR_MESSAGE`] bytes is cut at a character.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut body = Writer::new(out);
        body.integer("errno", self.errno.into());
        body.text("sqlstate", &self.sqlstate);
        body.text("code", self.code.as_str());
        body.text("message", cut(&self.message, MAX_ERROR_MESSAGE));
        body.text("executed", self.executed.as_str());
        body.flag("retryable", self.retryable && self.executed == Executed::No);
        body.flag("in_tx", self.in_transaction);
        if let Some(wait) = self.retry_after_ms {
            body.integer("retry_after_ms", wait.into());
        }
        body.flag("elsewhere", self.elsewhere);
        if let Some(shard) = &self.shard {
            body.text("shard", shard);
        }
        if let Some(item) = self.item {
            body.integer("item", item.into());
        }
        body.finish();
    }

    /// Reads the body of an ERROR. An `executed` that is not known reads as [`Executed::Unknown`].
    pub fn decode(body: &[u8]) -> Result<ErrorBody, ProtocolError> {
        let (mut errno, mut sqlstate, mut code, mut message, mut executed) = (None, None, None, None, None);
        let (mut retryable, mut in_transaction, mut retry_after_ms) = (None, None, None);
        let (mut elsewhere, mut shard, mut item) = (None, None, None);
        for field in Fields::open(body)?.iter() {
            let field = field?;
            match field.name {
                "errno" => field.put(&mut errno, field.u16()?)?,
                "sqlstate" => {
                    let state = field.text()?;
                    if state.len() != 5 || !state.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                        return Err(field.error("must be five letters or digits"));
                    }
                    field.put(&mut sqlstate, state.to_owned())?
                }
                "code" => field.put(&mut code, Code::parse(field.text_within(MAX_NAME)?))?,
                "message" => field.put(&mut message, field.text()?.to_owned())?,
                "executed" => field.put(&mut executed, Executed::parse(field.text()?).unwrap_or(Executed::Unknown))?,
                "retryable" => field.put(&mut retryable, field.boolean()?)?,
                "in_tx" => field.put(&mut in_transaction, field.boolean()?)?,
                "retry_after_ms" => field.put(&mut retry_after_ms, field.u32()?)?,
                "elsewhere" => field.put(&mut elsewhere, field.boolean()?)?,
                "shard" => field.put(&mut shard, field.text()?.to_owned())?,
                "item" => field.put(&mut item, field.u32()?)?,
                _ => field.unknown()?,
            }
        }
        let mut error = ErrorBody {
            errno: errno.ok_or(ProtocolError::MissingField("errno"))?,
            sqlstate: Cow::Owned(sqlstate.ok_or(ProtocolError::MissingField("sqlstate"))?),
            code: code.ok_or(ProtocolError::MissingField("code"))?,
            message: message.unwrap_or_default(),
            executed: executed.unwrap_or(Executed::Unknown),
            retryable: retryable.unwrap_or(false),
            in_transaction: in_transaction.unwrap_or(false),
            retry_after_ms,
            elsewhere: elsewhere.unwrap_or(false),
            shard,
            item,
        };
        error.normalise();
        Ok(error)
    }

    /// Keeps the invariant: retryable implies not executed.
    pub fn normalise(&mut self) {
        if self.executed != Executed::No {
            self.retryable = false;
        }
    }
}

impl std::fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ERROR {} ({}) {}: {}", self.errno, self.sqlstate, self.code.as_str(), self.message)
    }
}

impl std::error::Error for ErrorBody {}

/// The first characters of `text` that fit `most` bytes.
fn cut(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    let mut end = most;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
