//! What it means to a client that the scratch server, or a connection to it, was lost: nothing but time.

use async_trait::async_trait;
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_service::Result;
use vitrail_service::execution::{Part, PartStream};

/// Why a statement failed on the scratch server.
pub(super) enum LostOr {
    /// Because the server, or a connection to it, is not there.
    Lost(ErrorBody),
    /// For another reason, which the client reads as it is.
    Other(ErrorBody),
}

impl LostOr {
    pub(super) fn new(error: ErrorBody) -> LostOr {
        match error.code {
            // A connection that is gone took its tables along; one that cannot be had never had any.
            Code::Unavailable | Code::Draining | Code::SessionLost | Code::TxLost | Code::OutcomeUnknown => {
                LostOr::Lost(error)
            }
            _ => LostOr::Other(error),
        }
    }

    /// What the client reads.
    pub(super) fn told(self) -> ErrorBody {
        match self {
            LostOr::Lost(error) => {
                tracing::debug!(%error, "a statement was lost on the scratch server");
                lost()
            }
            LostOr::Other(error) if NO_SPACE.contains(&error.errno) => {
                tracing::debug!(%error, "a statement had no space on the scratch server");
                no_space()
            }
            LostOr::Other(error) => error,
        }
    }
}

/// MySQL's numbers for a table or a disk that is full, and for a temporary file that cannot be written.
const NO_SPACE: [u16; 5] = [3, 20, 1021, 1026, 1114];

/// The same in one step.
pub(super) fn told(error: ErrorBody) -> ErrorBody {
    LostOr::new(error).told()
}

/// The error of a statement whose tables are gone. Temporary ones were all that it had written.
pub(super) fn lost() -> ErrorBody {
    ErrorBody::new(
        Code::Unavailable,
        "the scratch server of the gate was lost while the statement needed it; no shard was changed: send it again",
    )
}

/// The error of a statement that has used up what it may take; MySQL's own names files of the server.
fn no_space() -> ErrorBody {
    let message =
        "the statement needs more temporary space on the scratch server than it may take: let it read fewer rows";
    ErrorBody::new(Code::TooLarge, message).with_errno(1114, "HY000")
}

/// An answer whose errors are worded likewise.
pub(super) struct Answer(pub(super) Box<dyn PartStream>);

#[async_trait]
impl PartStream for Answer {
    async fn next(&mut self) -> Result<Option<Part>> {
        self.0.next().await.map_err(told)
    }
}

#[cfg(test)]
mod tests {
    use vitrail_proto::error::Executed;

    use super::*;

    #[test]
    fn what_is_lost_was_not_executed_and_may_be_sent_again() {
        for code in [Code::Unavailable, Code::Draining, Code::SessionLost, Code::TxLost, Code::OutcomeUnknown] {
            let error = told(ErrorBody::new(code.clone(), "x"));
            assert_eq!(
                (error.code, error.executed, error.retryable),
                (Code::Unavailable, Executed::No, true),
                "{code:?}"
            );
        }
        for code in [Code::Invalid, Code::NotFound, Code::Deadline, Code::Cancelled, Code::Exhausted, Code::TooLarge] {
            assert_eq!(told(ErrorBody::new(code.clone(), "x")), ErrorBody::new(code, "x"));
        }
        let full = ErrorBody::new(Code::Internal, "The table '/a/b' is full").with_errno(1114, "HY000");
        assert_eq!((told(full.clone()).code, told(full).message.contains('/')), (Code::TooLarge, false));
    }
}
