//! Lines before hot rows: whoever writes a row that others write, too, waits here rather than on InnoDB's lock.
//!
//! A statement that waits for a row lock holds a connection of the pool, and a few rows that everybody wants keep everybody else waiting.
//! Here those who want one row by its unique key stand in a line, first come, first served, without a connection.
//!
//! **No deadlock.** A statement waits here only before it has anything that another could wait for: it runs in autocommit or is
//! the first of its transaction on any shard (gates name the row of no other), so it holds no lock, and it waits before it takes a
//! connection. A turn is held by a statement or by a transaction, from before its connection is taken until its end. Whoever has one may
//! wait for a connection, which somebody holds who stands in no line, or for a lock of InnoDB, likewise. So every wait here is for
//! somebody whom InnoDB and the limits of pools and transactions bring to an end.
//!
//! A line is an aid: two statements that name one row by different keys stand in different lines, and InnoDB orders them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use vitrail_proto::error::{Code, ErrorBody};

use crate::config::HotRowConfig;

/// The lines of a tablet.
pub(crate) struct HotRows {
    limits: HotRowConfig,
    /// The rows that somebody is at.
    rows: DashMap<Arc<str>, Row>,
    /// In all lines.
    waiting: AtomicUsize,
    tickets: AtomicU64,
    waited: AtomicU64,
    refused: AtomicU64,
}

/// What the lines are at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HotRowStats {
    /// Rows that somebody is at, hot or not.
    pub rows: usize,
    /// Statements that wait for their turn.
    pub waiting: usize,
    /// Statements that ever waited.
    pub waited_total: u64,
    /// Statements that were refused because a line was too long, or their turn did not come in time.
    pub refused_total: u64,
}

/// One row. There is one as long as somebody is at it; all who are there may be in the middle of being served.
#[derive(Default)]
struct Row {
    /// Turns that are held.
    turns: usize,
    /// By ticket: the oldest first.
    line: BTreeMap<u64, oneshot::Sender<()>>,
}

/// A turn at a row; the next one's when dropped.
pub(crate) struct Turn {
    rows: Arc<HotRows>,
    row: Arc<str>,
}

/// Somebody in a line. Dropped, it leaves, with its turn if it had come.
struct Waiting {
    rows: Arc<HotRows>,
    row: Arc<str>,
    ticket: u64,
    come: oneshot::Receiver<()>,
    /// The turn went on as a [`Turn`].
    taken: bool,
}

impl HotRows {
    pub(crate) fn new(limits: HotRowConfig) -> Arc<HotRows> {
        Arc::new(HotRows {
            limits,
            rows: DashMap::new(),
            waiting: AtomicUsize::new(0),
            tickets: AtomicU64::new(0),
            waited: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    /// A turn at `row`, waited for until `deadline`, or for as long as the configuration and `patience` allow. `None`: there are no lines.
    ///
    /// # Errors
    ///
    /// `exhausted` at once if the line is full; `conflict`, as for a lock that was not had in time; `deadline`.
    pub(crate) async fn turn(
        self: &Arc<Self>,
        row: &Arc<str>,
        deadline: Option<Instant>,
        patience: Option<Duration>,
    ) -> Result<Option<Turn>, ErrorBody> {
        if self.limits.concurrent == 0 {
            return Ok(None);
        }
        let Some(mut waiting) = self.enter(row)? else {
            return Ok(Some(Turn { rows: Arc::clone(self), row: Arc::clone(row) }));
        };
        let limit = Instant::now() + patience.map_or(self.limits.wait, |patience| patience.min(self.limits.wait));
        let until = deadline.map_or(limit, |deadline| deadline.min(limit));
        match timeout_at(until, &mut waiting.come).await {
            Ok(_) => Ok(Some(waiting.into_turn())),
            Err(_) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                Err(if until < limit { late() } else { timed_out() })
            }
        }
    }

    pub(crate) fn stats(&self) -> HotRowStats {
        HotRowStats {
            rows: self.rows.len(),
            waiting: self.waiting.load(Ordering::Relaxed),
            waited_total: self.waited.load(Ordering::Relaxed),
            refused_total: self.refused.load(Ordering::Relaxed),
        }
    }

    /// A place in the line of a row; `None`: it is the caller's turn.
    fn enter(self: &Arc<Self>, row: &Arc<str>) -> Result<Option<Waiting>, ErrorBody> {
        let mut entry = self.rows.entry(Arc::clone(row)).or_default();
        if entry.turns < self.limits.concurrent {
            entry.turns += 1;
            return Ok(None);
        }
        let all = self.waiting.load(Ordering::Relaxed);
        let full = if entry.line.len() >= self.limits.queue {
            Some("for the same row")
        } else {
            (all >= self.limits.total).then_some("for rows that others write")
        };
        if let Some(what) = full {
            drop(entry);
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(refusal(what));
        }
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        let (sender, come) = oneshot::channel();
        entry.line.insert(ticket, sender);
        drop(entry);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.waited.fetch_add(1, Ordering::Relaxed);
        Ok(Some(Waiting { rows: Arc::clone(self), row: Arc::clone(row), ticket, come, taken: false }))
    }

    /// A turn is over: it is the next one's, or nobody's.
    fn pass_on(&self, row: &Arc<str>) {
        let Entry::Occupied(mut entry) = self.rows.entry(Arc::clone(row)) else { return };
        match entry.get_mut().line.pop_first() {
            Some((_, next)) => {
                drop(entry);
                // Whoever it is stands in no line any more, and takes the turn or passes it on.
                let _ = next.send(());
            }
            None => {
                entry.get_mut().turns -= 1;
                if entry.get().turns == 0 {
                    entry.remove();
                }
            }
        }
    }
}

impl Waiting {
    fn into_turn(mut self) -> Turn {
        self.taken = true;
        self.rows.waiting.fetch_sub(1, Ordering::Relaxed);
        Turn { rows: Arc::clone(&self.rows), row: Arc::clone(&self.row) }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        self.rows.waiting.fetch_sub(1, Ordering::Relaxed);
        // Whoever has a line has somebody's turn before it, so the row is there.
        let left = self.rows.rows.get_mut(&self.row).and_then(|mut row| row.line.remove(&self.ticket));
        if left.is_none() {
            self.rows.pass_on(&self.row);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.rows.pass_on(&self.row);
    }
}

fn refusal(what: &str) -> ErrorBody {
    let message = format!("too many statements wait {what}; nothing was executed, try again later");
    ErrorBody { retry_after_ms: Some(100), ..ErrorBody::new(Code::Exhausted, message) }
}

fn timed_out() -> ErrorBody {
    ErrorBody::new(
        Code::Conflict,
        "Lock wait timeout exceeded; try restarting transaction (others write the same row; nothing was executed)",
    )
    .with_errno(1205, "HY000")
}

fn late() -> ErrorBody {
    ErrorBody::new(
        Code::Deadline,
        "the deadline passed while the statement waited for others that write the same row; it was not sent",
    )
}

#[cfg(test)]
mod tests;
