//! How a session gets a request answered: opening, moving and trying again where that is safe.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use tokio::time::Instant;
use vitrail_proto::error::{Code, Executed};
use vitrail_proto::message::{Op, Reply, Request};

use super::{Home, Session};
use crate::connection::{Observer, Pending};
use crate::error::Error;
use crate::query::millis;

impl Session {
    /// Sends a request and waits for its first reply.
    ///
    /// It is tried again only outside a transaction, before a reply was seen, and when it was surely not executed or only reads.
    pub(super) async fn run(&mut self, request: &mut Request) -> Result<(Pending, Reply), Error> {
        request.facts |= self.facts;
        let retry = Retry::new(request, self.pool.config.retries);
        let mut attempt = 0;
        loop {
            self.check_home()?;
            let bound = self.known.is_bound();
            let error = match self.attempt(request).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let moves = self.after_failure(&error);
            if bound && error.is_closed() {
                return Err(self.bound_loss(request, error));
            }
            match retry.pause(attempt, &error, bound, moves) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(error),
            }
            attempt += 1;
            request.deadline_ms = retry.remaining();
        }
    }

    /// Leaves a home that is gone or drains, unless a transaction or a pin holds it there.
    fn check_home(&mut self) -> Result<(), Error> {
        if let Some(home) = &self.home {
            if home.connection.is_closed() {
                self.known.lose();
                self.home = None;
            } else if home.connection.is_draining() && !self.known.is_bound() {
                self.leave();
            }
        }
        self.known.loss().map_or(Ok(()), Err)
    }

    async fn attempt(&mut self, request: &mut Request) -> Result<(Pending, Reply), Error> {
        let observer: Arc<dyn Observer> = self.known.clone();
        let mut pending = match &self.home {
            Some(home) => {
                request.session = Some(home.id);
                request.chain = false;
                let [pending] = home.connection.requests([(&*request, Some(observer))]);
                pending
            }
            None => self.open_with(request, observer).await?,
        };
        *self.current.lock() = Some(pending.canceller());
        let first = pending.next().await;
        let opening = self.home.as_mut().and_then(|home| home.opening.take());
        match first {
            Ok(Some(reply)) => {
                drop(opening);
                Ok((pending, reply))
            }
            Ok(None) => Err(Error::protocol("a request ended without a reply")),
            Err(error) => match opening {
                // Answers come in order, so the one to `open` is there. If that failed, it is the reason.
                Some(mut opening) => match opening.next().await {
                    Err(reason) => {
                        self.home = None;
                        Err(reason)
                    }
                    Ok(_) => Err(error),
                },
                None => Err(error),
            },
        }
    }

    /// Opens the session on a connection of the pool; the request goes out in the same write.
    async fn open_with(&mut self, request: &mut Request, observer: Arc<dyn Observer>) -> Result<Pending, Error> {
        let connection = self.pool.acquire().await?;
        let id = connection.new_session_id();
        let mut open = Request::new(Op::Open);
        open.session = Some(id);
        open.state = Some(self.known.state());
        request.session = Some(id);
        // Where the session could not be opened, the statement must not run.
        request.chain = true;
        let [opening, pending] = connection.requests([(&open, None), (&*request, Some(observer))]);
        self.home = Some(Home { opening: Some(opening), id, _count: connection.count_session(), connection });
        Ok(pending)
    }

    /// Whether the next attempt goes over another connection.
    fn after_failure(&mut self, error: &Error) -> bool {
        let Some(home) = &self.home else { return true };
        if home.connection.is_closed() {
            self.known.lose();
            self.home = None;
            return true;
        }
        if *error.code() == Code::Draining {
            home.connection.mark_draining();
        }
        let elsewhere = *error.code() == Code::Draining || *error.code() == Code::SessionLost;
        if elsewhere && !self.known.is_bound() {
            self.leave();
            return true;
        }
        false
    }

    /// The error of a request whose connection went away under a transaction or a pin.
    fn bound_loss(&self, request: &Request, error: Error) -> Error {
        let may_have_committed = error.executed() != Executed::No && may_commit(request);
        match self.known.loss() {
            Some(loss) if !may_have_committed => loss,
            _ => error,
        }
    }

    /// Ends the session where it lives, with nobody waiting; the next statement opens it anew.
    pub(super) fn leave(&mut self) {
        if let Some(home) = self.home.take()
            && !home.connection.is_closed()
        {
            let mut close = Request::new(Op::Close);
            close.session = Some(home.id);
            home.connection.request(&close).detach();
            if let Some(opening) = home.opening {
                opening.detach();
            }
        }
    }

    /// As just opened, without a home.
    pub(super) fn renew(&mut self) {
        self.known.restore(self.opened_with.clone());
    }
}

/// Whether and when a failed request is tried again.
pub(crate) struct Retry {
    attempts: u32,
    read_only: bool,
    until: Option<Instant>,
}

impl Retry {
    pub(crate) fn new(request: &Request, attempts: u32) -> Retry {
        let until = request.deadline_ms.map(|ms| Instant::now() + Duration::from_millis(ms.into()));
        Retry { attempts, read_only: request.read_only, until }
    }

    /// How long to wait before the next attempt; `None`: no further one. `bound`: in a transaction or pinned. `moves`: another connection is used.
    pub(crate) fn pause(&self, attempt: u32, error: &Error, bound: bool, moves: bool) -> Option<Duration> {
        let harmless = self.read_only && error.is_closed() && *error.code() == Code::OutcomeUnknown;
        // The pool has tried all hosts already, and waited if it was worth it.
        if bound || attempt >= self.attempts || error.is_connect() || !(error.is_retryable() || harmless) {
            return None;
        }
        let backoff = match moves && attempt == 0 {
            true => Duration::ZERO,
            false => Duration::from_millis(20 << attempt.min(6)).mul_f64(rand::rng().random_range(0.5..1.0)),
        };
        let asked = error.body().retry_after_ms.map_or(Duration::ZERO, |ms| Duration::from_millis(ms.into()));
        let pause = backoff.max(asked);
        let in_time = self.until.is_none_or(|until| Instant::now() + pause < until);
        in_time.then_some(pause)
    }

    /// What is left of the deadline, for the next attempt.
    pub(crate) fn remaining(&self) -> Option<u32> {
        self.until.map(|until| millis(until.saturating_duration_since(Instant::now())))
    }
}

/// Could the request have ended the transaction with its effects kept?
fn may_commit(request: &Request) -> bool {
    match (request.op, &request.sql) {
        (Op::Begin | Op::Rollback | Op::Describe | Op::Reserve, _) => false,
        (Op::Execute, Some(sql)) => {
            let word: String = sql.trim_start().chars().take_while(char::is_ascii_alphabetic).collect();
            let plain = ["select", "insert", "update", "delete", "replace", "with", "values", "table", "do"];
            !plain.iter().any(|known| known.eq_ignore_ascii_case(&word))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_committed() {
        let execute = |sql: &str| {
            let mut request = Request::new(Op::Execute);
            request.sql = Some(sql.to_owned());
            request
        };
        let cases = [
            (execute(" INSERT into t values (1)"), false),
            (execute("select 1"), false),
            (execute("commit"), true),
            (execute("/* x */ commit"), true),
            (execute("create table t (id int)"), true),
            (Request::new(Op::Commit), true),
            (Request::new(Op::Rollback), false),
        ];
        for (request, expected) in cases {
            assert_eq!(may_commit(&request), expected, "{request:?}");
        }
    }
}
