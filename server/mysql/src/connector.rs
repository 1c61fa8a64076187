//! Opens connections to one server, and knows when there is no use in trying.
//!
//! When a server goes away, everybody who needs a connection finds out, and everybody would try at once again when it comes back.
//! So the first attempt that fails speaks for all: until the next one is due, nobody waits for an answer that is known. One caller at
//! a time tries, ever later up to half a second with some chance in it, and the first success opens the door to all. Connections that
//! are open are not concerned.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rand::Rng;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::options::ConnectOptions;

/// Before the second attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// Between later ones at most.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// A server that lets a caller wait for so long, until the caller gives up, counts as one that does not answer.
const SILENCE: Duration = Duration::from_secs(1);

/// Opens connections; shared by all pools over one server.
pub struct Connector {
    options: Arc<ConnectOptions>,
    /// Set while the server is known to be away.
    away: Mutex<Option<Away>>,
    went_away: Notify,
    opened: AtomicU64,
}

/// A server that could not be reached.
struct Away {
    /// What the last attempt failed with.
    cause: Arc<Error>,
    /// Doubles from attempt to attempt.
    pause: Duration,
    /// When the next attempt is due.
    next: Instant,
    /// Somebody tries.
    probing: bool,
}

/// The right to try while the server is away. Dropped without an outcome, it passes to the next caller.
struct Probe<'a>(&'a Connector);

impl Connector {
    /// A connector for the server of `options`.
    pub fn new(options: ConnectOptions) -> Arc<Connector> {
        Arc::new(Connector {
            options: Arc::new(options),
            away: Mutex::new(None),
            went_away: Notify::new(),
            opened: AtomicU64::new(0),
        })
    }

    /// What connections are made with.
    pub fn options(&self) -> &Arc<ConnectOptions> {
        &self.options
    }

    /// The last attempt to connect failed, and none has succeeded since.
    pub fn is_away(&self) -> bool {
        self.away.lock().is_some()
    }

    /// Resolves when the server is away and another attempt is due. For a task that looks after the server while nobody else does.
    pub async fn probe_due(&self) {
        loop {
            let next = self.away.lock().as_ref().map(|away| (away.next, away.probing));
            match next {
                None => self.went_away.notified().await,
                Some((next, false)) if next <= Instant::now() => return,
                Some((next, _)) => sleep_until(next.max(Instant::now() + FIRST_PAUSE)).await,
            }
        }
    }

    /// Opens a connection, by `deadline` if there is one.
    ///
    /// Errors: [`Error::Away`] at once, while another attempt than the last is not due; [`Error::WaitTimeout`]; and what connecting
    /// can fail with.
    pub async fn open(&self, deadline: Option<Instant>) -> Result<Connection> {
        let probe = self.admit()?;
        let start = Instant::now();
        let connecting = Connection::connect_shared(&self.options);
        let outcome = match deadline {
            None => connecting.await,
            Some(deadline) => match timeout_at(deadline, connecting).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    let waited = start.elapsed();
                    if waited >= SILENCE {
                        let address = self.options.address.to_string();
                        self.failed(Error::ConnectTimeout { address, limit: waited }, probe.is_some());
                    }
                    return Err(Error::WaitTimeout { waited, deadline: true });
                }
            },
        };
        match outcome {
            Ok(connection) => {
                *self.away.lock() = None;
                self.opened.fetch_add(1, Ordering::Relaxed);
                Ok(connection)
            }
            Err(error) => Err(self.failed(error, probe.is_some())),
        }
    }

    /// Connections ever opened.
    pub(crate) fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    fn admit(&self) -> Result<Option<Probe<'_>>> {
        let mut away = self.away.lock();
        let Some(away) = away.as_mut() else { return Ok(None) };
        let now = Instant::now();
        if away.probing || now < away.next {
            let retry_after = away.next.saturating_duration_since(now).max(FIRST_PAUSE);
            return Err(Error::Away { cause: Arc::clone(&away.cause), retry_after });
        }
        away.probing = true;
        Ok(Some(Probe(self)))
    }

    /// Notes a failure; the error that the caller gets.
    fn failed(&self, error: Error, probe: bool) -> Error {
        let cause = Arc::new(error);
        let mut away = self.away.lock();
        let pause = match away.as_ref() {
            None => FIRST_PAUSE,
            Some(known) if probe => (known.pause * 2).min(LONGEST_PAUSE),
            // An attempt that was under way when the server was found away says nothing new.
            Some(known) => return Error::Away { cause, retry_after: known.pause },
        };
        let retry_after = pause.mul_f64(rand::rng().random_range(0.5..1.0));
        let next = Instant::now() + retry_after;
        let first = away.replace(Away { cause: Arc::clone(&cause), pause, next, probing: false }).is_none();
        drop(away);
        if first {
            self.went_away.notify_one();
        }
        Error::Away { cause, retry_after }
    }
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        if let Some(away) = self.0.away.lock().as_mut() {
            away.probing = false;
        }
    }
}
