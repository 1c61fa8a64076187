//! How a statement fails, and what is left of its connection then.

use vitrail_mysql::{Error, Response};
use vitrail_proto::error::{Code, ErrorBody, Executed};

use super::Run;
use crate::guard::Place;
use crate::mysql_errors::{self, RolledBack};
use crate::stats::add;
use crate::stop::{Step, Why};

/// Errors of a CALL that did not begin: it cannot be read, there is no such routine, it takes other arguments, it is not allowed.
const NOT_BEGUN: [u16; 4] = [1064, 1305, 1318, 1370];

/// What is left of the connection after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// All of it.
    Kept,
    /// Its transaction is gone.
    RolledBack,
    /// Its transaction is over, and nobody knows how.
    Ended,
    /// It is lost.
    Lost,
}

pub(super) struct Failure {
    pub(super) body: Box<ErrorBody>,
    pub(super) fate: Fate,
    pub(super) again: Again,
}

/// Whether a statement that failed runs again by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    No,
    /// Nothing of it can have reached MySQL.
    OnAnotherConnection,
    /// It is a read that others should not have followed.
    Alone,
}

impl Failure {
    /// One that is the statement's outcome.
    pub(super) fn new(body: impl Into<Box<ErrorBody>>, fate: Fate) -> Failure {
        Failure { body: body.into(), fate, again: Again::No }
    }
}

impl Run {
    /// A statement that ended the transaction that it ran in, such as a `CALL` with a `COMMIT` inside. What the transaction did is
    /// committed or not, and what came after it in the same statement took effect by itself.
    pub(super) fn ended_unseen(&mut self) -> Option<Failure> {
        if self.place != Place::Transaction || self.lease.connection().status().in_transaction() {
            return None;
        }
        let body = ErrorBody::new(
            Code::TxLost,
            "the statement ended the transaction that it ran in, by a COMMIT, a ROLLBACK or a definition inside a routine; \
             check what took effect, roll back, then begin anew",
        )
        .with_executed(Executed::Unknown);
        Some(Failure::new(body, Fate::Ended))
    }

    /// A routine that failed may have written before, and may have ended its transaction, of which MySQL says nothing by itself.
    pub(super) async fn look_what_a_routine_left(&mut self, failure: &mut Failure) {
        if !self.reading.passed.reset_after || !self.sent || failure.fate != Fate::Kept {
            return;
        }
        if self.statement.writes && !NOT_BEGUN.contains(&failure.body.errno) {
            failure.body.executed = Executed::Unknown;
            failure.body.retryable = false;
        }
        if self.place == Place::Transaction {
            let grace = self.shared.config.limits.kill_grace;
            let asked = tokio::time::timeout(grace, self.lease.connection().ping()).await;
            if !matches!(asked, Ok(Ok(()))) || !self.lease.connection().status().in_transaction() {
                failure.fate = Fate::Ended;
            }
        }
    }

    pub(super) async fn too_large(&mut self, limit: u64) -> Failure {
        let ended = if self.statement.writes {
            let grace = self.shared.config.limits.kill_grace;
            matches!(tokio::time::timeout(grace, self.lease.connection().drain()).await, Ok(Ok(_)))
        } else {
            self.kill_and_drain().await.is_ok()
        };
        let mut body = ErrorBody::new(
            Code::TooLarge,
            format!("the result is larger than {limit} bytes; select less, or fetch it in pieces"),
        );
        if self.statement.writes && self.place != Place::Transaction {
            body = body.with_executed(Executed::Unknown);
        }
        Failure::new(body, if ended { Fate::Kept } else { Fate::Lost })
    }

    /// A statement was stopped before its answer began.
    pub(super) async fn stopped_at_first(
        &mut self,
        why: Why,
        outcome: Result<Response, Error>,
    ) -> Result<Response, Failure> {
        match outcome {
            // Too late for the kill: a write has happened, and says so. MySQL also ends some reads "well" when they are killed
            // (SLEEP), with a wrong answer; nobody misses the answer of a read that was stopped.
            Ok(response) if self.statement.writes && why != Why::Abandoned => Ok(response),
            Ok(Response::Ok(end)) if !end.status.more_results() => Err(self.stop_failure(why)),
            Ok(_) => match self.kill_and_drain().await {
                Ok(()) => Err(self.stop_failure(why)),
                Err(()) => Err(self.stuck(why)),
            },
            Err(Error::Server(error)) if error.errno == 1317 => Err(self.stop_failure(why)),
            Err(error) => Err(self.failed(&error)),
        }
    }

    pub(super) fn note<T>(&mut self, step: &Step<T>) {
        if let Step::Stopped(why, _) | Step::Stuck(why) = step {
            self.stopped = Some(*why);
            self.killed = true;
            add(&self.shared.counters.killed, 1);
        }
    }

    pub(super) fn stop_failure(&mut self, why: Why) -> Failure {
        let fate = match why {
            _ if self.lease.connection().is_broken() => Fate::Lost,
            Why::Expired | Why::Closing => Fate::RolledBack,
            _ => Fate::Kept,
        };
        Failure::new(why.error(), fate)
    }

    pub(super) fn stuck(&self, why: Why) -> Failure {
        let mut body = why.error();
        if self.statement.writes && self.place != Place::Transaction {
            body.message.push_str("; MySQL did not say whether it took effect");
            body = body.with_executed(Executed::Unknown);
        }
        Failure::new(body, Fate::Lost)
    }

    pub(super) fn failed(&mut self, error: &Error) -> Failure {
        let mut body = mysql_errors::to_body(error, &self.shared.names, self.statement.writes);
        let fate = match error {
            _ if self.lease.connection().is_broken() => Fate::Lost,
            Error::Server(server) if mysql_errors::rolled_back(server) == RolledBack::Transaction => Fate::RolledBack,
            _ => Fate::Kept,
        };
        if let (Some(why), Some(1317)) = (self.stopped, error.server().map(|server| server.errno)) {
            body = why.error();
        }
        let again = if error.is_stale() { Again::OnAnotherConnection } else { Again::No };
        Failure { again, ..Failure::new(body, fate) }
    }
}
