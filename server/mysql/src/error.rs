//! What can go wrong between us and a MySQL server.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use vitrail_proto::error::{Code, ErrorBody, Executed};

use crate::flavour;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whether the server can have seen the command during which a connection was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Not one byte of it was handed to the socket: it was not executed.
    Nothing,
    /// Some or all of it: nobody can say whether it was executed.
    Something,
}

/// An error packet of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    /// The server's number.
    pub errno: u16,
    /// Five characters; `HY000` where the server sent none.
    pub sqlstate: String,
    /// The server's text, which may name physical databases.
    pub message: String,
}

/// Everything that fails in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server refused the statement. The connection is usable unless [`ServerError::is_fatal`].
    #[error("server error {} ({}): {}", .0.errno, .0.sqlstate, .0.message)]
    Server(ServerError),
    /// The connection was lost.
    #[error("connection to mysql lost while {doing}: {source}")]
    Io {
        /// What the socket said.
        source: io::Error,
        /// Whether the server can have seen the command.
        sent: Sent,
        /// What was under way.
        doing: &'static str,
    },
    /// Nobody answers at the address.
    #[error("cannot connect to mysql at {address}: {source}")]
    Unreachable {
        /// As configured; not for clients.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// Connecting and logging in took longer than allowed.
    #[error("no connection to mysql at {address} within {limit:?}")]
    ConnectTimeout {
        /// As configured; not for clients.
        address: String,
        /// `ConnectOptions::connect_timeout`, or what the caller's deadline left of it.
        limit: Duration,
    },
    /// The server's TLS is absent or wrong.
    #[error("tls to mysql: {0}")]
    Tls(String),
    /// The server refuses the login: wrong password, unknown database, too many connections.
    #[error("mysql refuses the login: {} ({})", .0.message, .0.errno)]
    Login(ServerError),
    /// Logging in is impossible for a reason on our side (the server's own refusal is [`Error::Login`]).
    #[error("cannot log in to mysql: {0}")]
    Authentication(String),
    /// The peer does not speak the MySQL protocol as we know it; the connection is broken.
    #[error("mysql protocol violation: {0}")]
    Protocol(&'static str),
    /// A packet is above its limit. Nothing was sent if it is ours; the connection is broken if it is the server's.
    #[error("{what} of {size} bytes is above the limit of {limit} bytes")]
    TooLarge {
        /// Statement or row.
        what: &'static str,
        /// At least so large.
        size: u64,
        /// `max_allowed_packet` or `ConnectOptions::max_packet`.
        limit: u64,
    },
    /// A command on a connection that is broken, or whose previous result was not read to its end.
    #[error("the connection is not ready for a command: {0}")]
    NotReady(&'static str),
    /// The pool's queue of waiters is full.
    #[error("all {size} connections are in use and {waiting} callers wait already")]
    QueueFull {
        /// Connections of the pool.
        size: usize,
        /// Callers in the queue.
        waiting: usize,
    },
    /// The wait limit or the caller's deadline passed in the queue.
    #[error("no free connection within {waited:?}")]
    WaitTimeout {
        /// How long the caller waited.
        waited: Duration,
        /// The caller's own deadline passed, rather than the pool's wait limit.
        deadline: bool,
    },
    /// Those who wait for a connection have waited for too long already.
    #[error("the pool is overloaded: others wait for {delay:?} already")]
    Overloaded {
        /// How long the oldest of them waits.
        delay: Duration,
    },
    /// The last attempt to connect failed, and nobody tries again yet.
    #[error("mysql is away: {cause}")]
    Away {
        /// What that attempt failed with.
        cause: Arc<Error>,
        /// When the next attempt is due, about.
        retry_after: Duration,
    },
    /// The pool was closed.
    #[error("the connection pool is closed")]
    PoolClosed,
    /// A server process of ours could not be found, initialised, started or stopped.
    #[error("{0}")]
    Mysqld(String),
}

impl Error {
    /// What failed at the bottom of it.
    pub fn cause(&self) -> &Error {
        match self {
            Error::Away { cause, .. } => cause,
            error => error,
        }
    }

    /// The server's own error, if it is one.
    pub fn server(&self) -> Option<&ServerError> {
        match self.cause() {
            Error::Server(error) | Error::Login(error) => Some(error),
            _ => None,
        }
    }

    /// Whether the statement can have been executed in spite of this error.
    pub fn executed(&self) -> Executed {
        match self {
            Error::Io { sent: Sent::Something, .. } | Error::Protocol(_) => Executed::Unknown,
            Error::TooLarge { what: "row", .. } => Executed::Unknown,
            Error::Server(error) if error.is_fatal() && error.errno != 1153 => Executed::Unknown,
            _ => Executed::No,
        }
    }

    /// What this means to a client.
    pub fn code(&self) -> Code {
        match self {
            Error::Server(error) => error.code(),
            // Full: another moment may do. Anything else is our own configuration, not the client's password.
            Error::Login(error) if error.code() == Code::Exhausted => Code::Exhausted,
            Error::Login(_) => Code::Unavailable,
            Error::Io { sent: Sent::Something, .. } => Code::OutcomeUnknown,
            Error::Io { .. } | Error::Unreachable { .. } | Error::ConnectTimeout { .. } | Error::PoolClosed => {
                Code::Unavailable
            }
            Error::Tls(_) | Error::Authentication(_) => Code::Unavailable,
            Error::Protocol(_) => Code::OutcomeUnknown,
            Error::TooLarge { .. } => Code::TooLarge,
            Error::QueueFull { .. } => Code::Exhausted,
            Error::Overloaded { .. } => Code::Throttled,
            // Whatever went wrong, no statement was sent.
            Error::Away { cause, .. } if cause.executed() != Executed::No => Code::Unavailable,
            Error::Away { cause, .. } => cause.code(),
            Error::WaitTimeout { deadline, .. } => {
                if *deadline {
                    Code::Deadline
                } else {
                    Code::Exhausted
                }
            }
            Error::NotReady(_) | Error::Mysqld(_) => Code::Internal,
        }
    }

    /// The error as it may travel to a client: no address, no configuration. The text of [`Error::Server`] is the server's own and
    /// may name physical databases: who knows their names replaces them.
    pub fn to_body(&self) -> ErrorBody {
        let code = self.code();
        let body = match self {
            Error::Server(error) => {
                let mut body =
                    ErrorBody::new(code, error.message.clone()).with_errno(error.errno, error.sqlstate.clone());
                body.retryable = error.is_retryable();
                body
            }
            Error::Io { sent: Sent::Something, .. } | Error::Protocol(_) => ErrorBody::new(
                code,
                "the connection to MySQL was lost while the statement ran; check whether it took effect before sending it again",
            ),
            Error::Io { .. } => {
                ErrorBody::new(code, "the connection to MySQL was lost before the statement was sent; send it again")
            }
            Error::Unreachable { .. } | Error::ConnectTimeout { .. } => {
                ErrorBody::new(code, "MySQL cannot be reached; the statement was not sent, try again later")
            }
            Error::Away { cause, retry_after } => {
                let body = if cause.executed() == Executed::No {
                    cause.to_body()
                } else {
                    ErrorBody::new(code, "MySQL takes no connection; the statement was not sent, try again later")
                };
                ErrorBody { retry_after_ms: Some(millis(*retry_after)), ..body }
            }
            Error::Login(_) if code == Code::Exhausted => {
                ErrorBody::new(code, "MySQL takes no more connections; the statement was not sent, try again later")
            }
            Error::Tls(_) | Error::Authentication(_) | Error::Login(_) => {
                ErrorBody::new(code, "MySQL refuses the server's own login; the operator finds the reason in the log")
            }
            Error::PoolClosed => ErrorBody::new(code, "the server is shutting down; the statement was not sent"),
            Error::TooLarge { .. } => ErrorBody::new(code, self.to_string()),
            Error::QueueFull { .. } => ErrorBody::new(
                code,
                "too many statements wait for a MySQL connection; the statement was not sent, try again later",
            ),
            Error::Overloaded { delay } => {
                let body = ErrorBody::new(
                    code,
                    "MySQL does not keep up: statements wait for too long already, so this one was refused at once; try again later",
                );
                ErrorBody { retry_after_ms: Some(millis(*delay)), ..body }
            }
            Error::WaitTimeout { deadline: true, .. } => ErrorBody::new(
                code,
                "the deadline passed while the statement waited for a MySQL connection; it was not sent",
            ),
            Error::WaitTimeout { .. } => ErrorBody::new(
                code,
                "no MySQL connection became free in time; the statement was not sent, try again later",
            ),
            Error::NotReady(_) | Error::Mysqld(_) => {
                ErrorBody::new(code, "the server met an unexpected state; see its log")
            }
        };
        body.with_executed(self.executed())
    }
}

/// At least 1.
fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX).max(1)
}

impl ServerError {
    /// The connection does not survive this error.
    pub fn is_fatal(&self) -> bool {
        flavour::FATAL_ERRNOS.contains(&self.errno)
    }

    /// The same transaction may succeed when it is run again: deadlocks, lock waits, a server that is full.
    pub fn is_retryable(&self) -> bool {
        matches!(self.code(), Code::Conflict | Code::Exhausted) && !self.is_fatal()
    }

    /// What the number means, independent of the server.
    pub fn code(&self) -> Code {
        match self.errno {
            // Access: wrong password; host, plugin or account refused; privileges.
            1045 | 1130 | 1698 | 1820 | 1862 | 3118 | 3955 | 4151 => Code::Unauthenticated,
            1044 | 1142 | 1143 | 1227 | 1370 | 1410 | 1419 | 3530 => Code::Denied,
            // Read-only servers: another one takes writes.
            1290 | 1792 | 1836 | 3100 => Code::Denied,
            // Constraints.
            1022 | 1048 | 1062 | 1169 | 1216 | 1217 | 1364 | 1451 | 1452 | 1557 | 1586 | 1761 | 1762 | 3819 | 4025 => {
                Code::Constraint
            }
            // Values.
            1264 | 1265 | 1292 | 1366 | 1367 | 1406 | 1411 | 1416 | 1690 | 3140 | 3141 | 3156 | 3903 => Code::Data,
            // Names.
            1049 | 1051 | 1054 | 1072 | 1091 | 1109 | 1146 | 1193 | 1305 | 1360 | 1508 => Code::NotFound,
            1235 | 1286 | 1289 | 4161 => Code::Unsupported,
            1153 | 1162 | 1301 => Code::TooLarge,
            // Too many connections, out of memory or threads, table full, too many user connections.
            1037 | 1038 | 1040 | 1041 | 1114 | 1135 | 1203 | 1226 | 1461 | 3168 => Code::Exhausted,
            // Lock wait, deadlock, NOWAIT, changed under us, group conflict.
            1020 | 1205 | 1213 | 1412 | 1614 | 3058 | 3101 | 3132 | 3572 => Code::Conflict,
            1317 => Code::Cancelled,
            // MAX_EXECUTION_TIME of MySQL, max_statement_time of MariaDB.
            3024 | 1969 => Code::Deadline,
            1053 | 1077 | 1079 => Code::Unavailable,
            1152 | 1156..=1161 | 1184 | 1927 | 3169 | 4031 => Code::OutcomeUnknown,
            errno => match self.sqlstate.get(..2) {
                Some("08") => Code::OutcomeUnknown,
                Some("21" | "42" | "0A") => Code::Invalid,
                Some("22") => Code::Data,
                Some("23") => Code::Constraint,
                Some("28") => Code::Unauthenticated,
                Some("40") => Code::Conflict,
                _ if errno < 1000 => Code::Internal,
                _ => Code::Invalid,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_both_flavours_get_their_meaning() {
        let table = [
            (1062, "23000", Code::Constraint, false),
            (1146, "42S02", Code::NotFound, false),
            (1213, "40001", Code::Conflict, true),
            (1205, "HY000", Code::Conflict, true),
            (1317, "70100", Code::Cancelled, false),
            (1969, "70100", Code::Deadline, false),
            (3024, "HY000", Code::Deadline, false),
            (1064, "42000", Code::Invalid, false),
            (1040, "08004", Code::Exhausted, true),
            (1053, "08S01", Code::Unavailable, false),
            (1927, "70100", Code::OutcomeUnknown, false),
            (1644, "45000", Code::Invalid, false),
        ];
        for (errno, sqlstate, code, retryable) in table {
            let error = ServerError { errno, sqlstate: sqlstate.into(), message: String::new() };
            assert_eq!(error.code(), code, "{errno}");
            assert_eq!(error.is_retryable(), retryable, "{errno}");
        }
    }

    #[test]
    fn bodies_name_no_address_and_retryable_means_not_executed() {
        let lost = || io::Error::from(io::ErrorKind::ConnectionReset);
        let errors = [
            Error::Unreachable { address: "db7.internal:3306".into(), source: lost() },
            Error::ConnectTimeout { address: "db7.internal:3306".into(), limit: Duration::from_secs(1) },
            Error::Io { source: lost(), sent: Sent::Something, doing: "reading" },
            Error::Io { source: lost(), sent: Sent::Nothing, doing: "writing" },
            Error::Tls("certificate of db7.internal".into()),
        ];
        for error in errors {
            let body = error.to_body();
            assert!(!body.message.contains("db7"), "{body}");
            assert!(!body.retryable || body.executed == Executed::No, "{body}");
        }
    }
}
