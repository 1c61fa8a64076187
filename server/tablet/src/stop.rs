//! Why a running statement has to end before its time, and how it is ended without losing its connection.
//!
//! A MySQL connection whose answer was not read to the end gives that answer to the next statement. So nothing here drops a
//! half-done exchange: on a stop the statement is killed from the side and its answer is awaited, for a bounded time.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vitrail_mysql::Killer;
use vitrail_proto::error::{Code, ErrorBody};

use crate::running::Running;

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// Its caller cancelled it.
    Cancelled,
    /// Its deadline has passed.
    Deadline,
    /// Nobody waits for its answer any more.
    Abandoned,
    /// Its transaction is too old, or was released.
    Expired,
    /// The tablet ends.
    Closing,
}

impl Why {
    /// What the cancel of a call means.
    pub(crate) fn of_cancel(running: &Running) -> Why {
        if running.is_closing() { Why::Closing } else { Why::Cancelled }
    }

    /// What its caller reads.
    pub(crate) fn error(self) -> ErrorBody {
        match self {
            Why::Cancelled | Why::Abandoned => ErrorBody::new(Code::Cancelled, "the statement was cancelled"),
            Why::Deadline => ErrorBody::new(
                Code::Deadline,
                "the statement was stopped because its deadline had passed; allow it more time",
            ),
            Why::Expired => {
                ErrorBody::new(Code::TxLost, "the transaction took longer than allowed and was rolled back")
            }
            Why::Closing => ErrorBody::new(
                Code::Unavailable,
                "the statement was stopped because the tablet shuts down; send it again",
            ),
        }
    }
}

/// What may stop one call.
#[derive(Debug, Clone)]
pub(crate) struct Stops {
    /// Fired by `QueryService::cancel`, and at the end of the tablet.
    pub(crate) cancel: CancellationToken,
    /// Knows which of them it was.
    pub(crate) running: Arc<Running>,
    /// Fired when the held connection has to be given back; `None`: none is held.
    pub(crate) expire: Option<CancellationToken>,
    /// When the call must have ended.
    pub(crate) deadline: Option<Instant>,
}

impl Stops {
    /// Does what comes before the statement, and knows the deadline itself, unless the call is cancelled or the tablet ends.
    ///
    /// # Errors
    /// Which of them it is.
    pub(crate) async fn unless_fired<T>(&self, work: Pin<&mut impl Future<Output = T>>) -> Result<T, Why> {
        if self.cancel.is_cancelled() {
            return Err(Why::of_cancel(&self.running));
        }
        tokio::select! {
            biased;
            // Mostly done at once: nothing else has to be waited for then.
            done = work => Ok(done),
            () = self.cancel.cancelled() => Err(Why::of_cancel(&self.running)),
        }
    }

    /// Waits for the first of them.
    pub(crate) async fn fired(&self) -> Why {
        let deadline = async {
            match self.deadline {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let expired = async {
            match &self.expire {
                Some(expire) => expire.cancelled().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Why::of_cancel(&self.running),
            () = expired => Why::Expired,
            () = deadline => Why::Deadline,
        }
    }
}

/// How one exchange with MySQL ended.
#[derive(Debug)]
pub(crate) enum Step<T> {
    /// By itself.
    Done(T),
    /// Killed, and then it ended.
    Stopped(Why, T),
    /// Killed, and it did not end in time: the connection cannot be used again.
    Stuck(Why),
}

/// A statement that a kill has not ended is killed again after so long: both servers lose a kill that meets the beginning of a
/// statement (2 % of those that the process list shows, half of those just sent, on a busy machine).
const KILL_AGAIN: Duration = Duration::from_millis(50);

/// The pauses grow up to this.
const KILL_PAUSE: Duration = Duration::from_secs(1);

/// Awaits `exchange`; when `stop` comes first, kills the statement of `thread` and goes on awaiting it, for `grace` at most.
///
/// Both are pinned by the caller, who would otherwise hold them, and move them, several times over.
pub(crate) async fn guarded<T>(
    mut exchange: Pin<&mut (impl Future<Output = T> + Send)>,
    stop: Pin<&mut impl Future<Output = Why>>,
    killer: &Killer,
    thread: u64,
    grace: Duration,
) -> Step<T> {
    let why = tokio::select! {
        biased;
        outcome = &mut exchange => return Step::Done(outcome),
        why = stop => why,
    };
    Box::pin(put_an_end(exchange, why, killer, thread, grace)).await
}

async fn put_an_end<T>(
    mut exchange: Pin<&mut (impl Future<Output = T> + Send)>,
    why: Why,
    killer: &Killer,
    thread: u64,
    grace: Duration,
) -> Step<T> {
    let done = CancellationToken::new();
    let settled = async {
        let ending = async {
            let outcome = (&mut exchange).await;
            done.cancel();
            outcome
        };
        // Sent again until one is heeded. One that is under way is waited for, so that it cannot hit what comes next.
        let killing = async {
            let mut pause = KILL_AGAIN;
            while !done.is_cancelled() {
                if let Err(error) = killer.kill_query(thread).await {
                    tracing::warn!(thread, %error, "could not kill a statement");
                }
                let _ = tokio::time::timeout(pause, done.cancelled()).await;
                pause = (pause * 2).min(KILL_PAUSE);
            }
        };
        tokio::join!(ending, killing).0
    };
    match tokio::time::timeout(grace, settled).await {
        Ok(outcome) => Step::Stopped(why, outcome),
        Err(_) => {
            end_connection(killer, thread, grace).await;
            Step::Stuck(why)
        }
    }
}

/// Ends a connection whose statement heeds no kill, or that does not answer: one that waits for a network that takes nothing does not
/// look up before that.
pub(crate) async fn end_connection(killer: &Killer, thread: u64, grace: Duration) {
    match tokio::time::timeout(grace, killer.kill_connection(thread)).await {
        Ok(Ok(())) => tracing::warn!(thread, "a connection did not answer in time, and was killed"),
        Ok(Err(error)) => {
            tracing::warn!(thread, %error, "could not kill a connection that does not answer")
        }
        Err(_) => {
            tracing::warn!(thread, "a connection that does not answer could not be killed in time")
        }
    }
}
