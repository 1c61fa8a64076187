//! Why a statement is not run: a rule's id for statistics and tests, and a message that says what to do instead.

use vitrail_proto::error::{Code, ErrorBody};

/// A statement that the planner does not run, because its answer could not be proved right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The rule's id: lower case, words joined by `-`.
    pub reason: &'static str,
    /// What in the statement is refused, and what to do instead.
    pub message: String,
    /// Mostly [`Code::Unsupported`].
    pub code: Code,
    /// MySQL's number and SQLSTATE, where another than the code's own fits better.
    pub errno: Option<(u16, &'static str)>,
}

impl Refusal {
    /// Understood, and not supported.
    pub fn unsupported(reason: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { reason, message: message.into(), code: Code::Unsupported, errno: None }
    }

    /// A table, keyspace or shard that is not there.
    pub fn not_found(reason: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { reason, message: message.into(), code: Code::NotFound, errno: None }
    }

    /// A malformed statement.
    pub fn invalid(reason: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { reason, message: message.into(), code: Code::Invalid, errno: None }
    }

    /// A value that does not fit.
    pub fn data(reason: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { reason, message: message.into(), code: Code::Data, errno: None }
    }

    /// A value that the column's constraint forbids.
    pub fn constraint(reason: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { reason, message: message.into(), code: Code::Constraint, errno: None }
    }

    /// The same with another errno and SQLSTATE.
    pub fn with_errno(mut self, errno: u16, sqlstate: &'static str) -> Refusal {
        self.errno = Some((errno, sqlstate));
        self
    }
}

impl From<Refusal> for ErrorBody {
    fn from(refusal: Refusal) -> ErrorBody {
        let body = ErrorBody::new(refusal.code, refusal.message);
        match refusal.errno {
            Some((errno, sqlstate)) => body.with_errno(errno, sqlstate),
            None => body,
        }
    }
}
