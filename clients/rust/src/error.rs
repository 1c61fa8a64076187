//! The client's error: opaque, with the questions that an application asks.

use std::borrow::Cow;
use std::fmt;

use vitrail_proto::error::{Code, ErrorBody, Executed};
use vitrail_proto::url::{UrlError, UrlProblem};

/// The errno of a URL or configuration that cannot be used.
const BAD_CONFIG: u16 = 61009;

/// What went wrong. One pointer wide; ask it, rather than match on it.
///
/// Every error has a [`code`](Error::code), an errno and an SQLSTATE, whether it came from the server or arose here, and
/// says whether the statement was [executed](Error::executed).
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    body: ErrorBody,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Where an error comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// URL or options.
    Config,
    /// No connection could be made.
    Connect,
    /// The connection is gone.
    Closed,
    /// The server answered with an ERROR.
    Server,
    /// The server broke the protocol.
    Protocol,
    /// A cell does not fit the type that was asked for.
    Conversion,
    /// Another number of rows than was asked for.
    RowCount,
}

impl Error {
    /// What it means, independent of MySQL's numbers.
    pub fn code(&self) -> &Code {
        &self.0.body.code
    }

    /// MySQL's error number where the meaning is equal, else Vitrail's own from 61000 to 61999.
    pub fn errno(&self) -> u16 {
        self.0.body.errno
    }

    /// Five characters.
    pub fn sqlstate(&self) -> &str {
        &self.0.body.sqlstate
    }

    /// What happened and what to do, without the numbers.
    pub fn message(&self) -> &str {
        &self.0.body.message
    }

    /// Whether an effect of the statement remains.
    pub fn executed(&self) -> Executed {
        self.0.body.executed
    }

    /// Nothing was executed and the same may succeed when tried again: the statement, or the whole transaction where
    /// [`in_transaction`](Error::in_transaction) is true or the statement was a part of one.
    pub fn is_retryable(&self) -> bool {
        self.0.body.retryable
    }

    /// The session is inside a transaction after this error.
    pub fn in_transaction(&self) -> bool {
        self.0.body.in_transaction
    }

    /// The connection that carried the request is gone. Sessions outside a transaction go on over another one.
    pub fn is_closed(&self) -> bool {
        self.0.kind == Kind::Closed
    }

    /// No connection could be made at all.
    pub fn is_connect(&self) -> bool {
        self.0.kind == Kind::Connect
    }

    /// The error as the server sent it; `None` if it arose in the client.
    pub fn as_server_error(&self) -> Option<&ErrorBody> {
        (self.0.kind == Kind::Server).then_some(&self.0.body)
    }

    /// The error in the form that travels, whatever its origin; for those that pass it on to a client of their own.
    pub fn into_body(self) -> ErrorBody {
        self.0.body
    }

    pub(crate) fn body(&self) -> &ErrorBody {
        &self.0.body
    }

    pub(crate) fn server(body: ErrorBody) -> Error {
        Error::build(Kind::Server, body)
    }

    /// The session lost something with an earlier connection.
    pub(crate) fn lost_state(body: ErrorBody) -> Error {
        Error::build(Kind::Closed, body)
    }

    pub(crate) fn config(message: impl Into<String>) -> Error {
        Error::build(Kind::Config, ErrorBody::new(Code::Invalid, message).with_errno(BAD_CONFIG, "HY000"))
    }

    /// Says what a URL should look like where it is not even close.
    pub(crate) fn url(error: UrlError) -> Error {
        let example = match error.problem {
            UrlProblem::Scheme => ", as in `vitrail://user:password@host:15300/keyspace`",
            _ => "",
        };
        Error::config(format!("{error}{example}")).with_source(error)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Error {
        Error::build(Kind::Config, ErrorBody::new(Code::Invalid, message))
    }

    pub(crate) fn connect(message: impl Into<String>) -> Error {
        Error::build(Kind::Connect, ErrorBody::new(Code::Unavailable, message))
    }

    pub(crate) fn protocol(message: impl Into<String>) -> Error {
        let body = ErrorBody::new(Code::Protocol, message).with_executed(Executed::Unknown);
        Error::build(Kind::Protocol, body)
    }

    /// The connection went away; `sent`: all of the request had been handed to it.
    pub(crate) fn lost(reason: &str, sent: bool) -> Error {
        let body = if sent {
            let message =
                format!("connection lost before the answer came: {reason}; the statement may have been executed");
            ErrorBody::new(Code::OutcomeUnknown, message)
        } else {
            ErrorBody::new(Code::Unavailable, format!("connection lost before the request was sent: {reason}"))
        };
        Error::build(Kind::Closed, body)
    }

    /// Fails here, without the server, with the meaning of `code`.
    pub(crate) fn local(code: Code, message: impl Into<String>) -> Error {
        Error::build(Kind::Closed, ErrorBody::new(code, message))
    }

    pub(crate) fn conversion(column: &str, expected: &str, found: impl fmt::Display) -> Error {
        let message = format!("column `{column}` cannot be read as {expected}: {found}");
        Error::build(Kind::Conversion, ErrorBody::new(Code::Data, message))
    }

    pub(crate) fn row_count(message: impl Into<String>) -> Error {
        Error::build(Kind::RowCount, ErrorBody::new(Code::NotFound, message).with_errno(1329, "02000"))
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn with_code(mut self, code: Code) -> Error {
        let (errno, sqlstate) = code.default_errno();
        self.0.body.errno = errno;
        self.0.body.sqlstate = Cow::Borrowed(sqlstate);
        self.0.body.code = code;
        self.0.body.retryable = false;
        self
    }

    fn build(kind: Kind, body: ErrorBody) -> Error {
        Error(Box::new(Inner { kind, body, source: None }))
    }
}

impl From<ErrorBody> for Error {
    /// As if the server had sent it.
    fn from(body: ErrorBody) -> Error {
        Error::server(body)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &self.0.kind).field("body", &self.0.body);
        if let Some(source) = &self.0.source {
            debug.field("source", source);
        }
        debug.finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind {
            Kind::Server => write!(f, "{}", self.0.body),
            _ => f.write_str(&self.0.body.message),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| &**source as &(dyn std::error::Error + 'static))
    }
}
