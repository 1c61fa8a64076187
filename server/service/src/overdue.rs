//! Answers in place of somebody who owes one when the deadline has passed.
//!
//! A statement that is late is stopped, and its answer awaited. But a MySQL that is frozen heeds no kill, and a network that has gone
//! brings no answer. A client gives up its whole connection, with all its sessions, one second after a deadline that was not answered, so
//! each hop answers before in place of the next one: first the tablet, then the gate. What is not waited for any more
//! goes on to its end by itself.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tracing::Instrument;
use vitrail_proto::error::{Code, ErrorBody, Executed};

use crate::Result;
use crate::call::{Call, On, Statement};

/// How long after a deadline a tablet waits for its MySQL.
pub const TABLET_PATIENCE: Duration = Duration::from_millis(300);
/// How long after it a gate waits for its tablets.
pub const GATE_PATIENCE: Duration = Duration::from_millis(600);

/// Until when the answer to a statement is awaited, and what it means if none comes.
#[derive(Debug, Clone, Copy)]
pub struct Overdue {
    /// `None`: as long as it takes.
    pub until: Option<Instant>,
    /// An autocommit statement may have taken effect.
    pub writes: bool,
    /// It runs on a connection that a transaction or a reservation holds, which stays busy.
    pub held: bool,
}

impl Overdue {
    /// For a statement of a call.
    pub fn new(call: &Call, patience: Duration, statement: &Statement, on: &On) -> Overdue {
        Overdue {
            until: call.deadline.map(|deadline| deadline + patience),
            // What begins a transaction and is not answered leaves nothing behind.
            writes: statement.writes && !matches!(on, On::Begin(_)),
            held: matches!(on, On::Connection(_) | On::BeginOn(..) | On::Keep(_)),
        }
    }

    /// Awaits an answer for as long as that makes sense.
    pub async fn guard<T>(&self, answer: impl Future<Output = Result<T>>) -> Result<T> {
        self.wait(answer).await.unwrap_or_else(|| Err(self.error()))
    }

    /// The same; `None`: no answer came.
    pub async fn wait<T>(&self, answer: impl Future<Output = T>) -> Option<T> {
        match self.until {
            None => Some(answer.await),
            Some(until) => timeout_at(until, answer).await.ok(),
        }
    }

    /// What it means that no answer came.
    pub fn error(&self) -> ErrorBody {
        if self.held {
            let message = "the shard did not answer by the deadline, and what it ran is given up with its connection; roll back, then begin anew";
            return ErrorBody::new(Code::TxLost, message);
        }
        let body =
            ErrorBody::new(Code::Deadline, "the shard did not answer by the deadline; try again when it is well");
        if self.writes { body.with_executed(Executed::Unknown) } else { body }
    }
}

/// Awaits work that must be brought to its end, until `until`; then it goes on with nobody waiting. `None`: it does.
pub async fn or_detached<T: Send + 'static>(
    until: Option<Instant>,
    work: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let Some(until) = until else { return Some(work.await) };
    let mut work = Box::pin(work);
    match timeout_at(until, &mut work).await {
        Ok(done) => Some(done),
        Err(_) => {
            tokio::spawn(work.in_current_span());
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_come_says_what_is_known() {
        let until = Some(Instant::now() + Duration::from_secs(1));
        let never = || std::future::pending::<Result<()>>();
        for (writes, held, code, executed) in [
            (false, false, Code::Deadline, Executed::No),
            (true, false, Code::Deadline, Executed::Unknown),
            (true, true, Code::TxLost, Executed::No),
        ] {
            let error = Overdue { until, writes, held }.guard(never()).await.unwrap_err();
            assert_eq!((error.code, error.executed), (code, executed));
        }
        let there = Overdue { until, writes: true, held: false }.guard(async { Ok(1) }).await;
        assert_eq!(there.unwrap(), 1, "an answer that is there counts, however late");
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_waits_for_any_more_goes_on() {
        let (done, told) = tokio::sync::oneshot::channel();
        let work = async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            let _ = done.send(());
        };
        assert!(or_detached(Some(Instant::now() + Duration::from_secs(1)), work).await.is_none());
        told.await.unwrap();
        assert_eq!(or_detached(None, async { 1 }).await, Some(1));
    }
}
