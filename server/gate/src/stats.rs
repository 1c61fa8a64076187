//! What the gate counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// A snapshot of what a gate has done since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Sessions that were opened, stateless requests included.
    pub sessions_opened: u64,
    /// Sessions that were closed.
    pub sessions_closed: u64,
    /// Sessions that are open, with the stateless requests that run.
    pub open_sessions: usize,
    /// Those of them that are pinned to a MySQL connection.
    pub pinned_sessions: usize,
    /// MySQL connections that sessions were pinned to.
    pub pins: u64,
    /// Sessions that were killed, and statements.
    pub kills: u64,
    /// Statements that were begun.
    pub statements: u64,
    /// Those that failed.
    pub errors: u64,
    /// Those that went to more than one shard.
    pub scatters: u64,
    /// Transactions that committed, implicit ones included.
    pub commits: u64,
    /// Transactions that rolled back on request.
    pub rollbacks: u64,
    /// Transactions that were lost.
    pub lost_transactions: u64,
    /// Plans in the cache.
    pub cached_plans: usize,
    /// Their size and that of texts that are read once, about, in bytes.
    pub cached_plan_bytes: usize,
    /// Statements whose plan was in the cache.
    pub plan_hits: u64,
    /// Statements that were planned anew.
    pub plan_misses: u64,
    /// Statements that their user may not run.
    pub denied: u64,
    /// The version of the cluster and its schemas; grows with every change.
    pub version: u64,
}

/// The running counts.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) sessions_opened: AtomicU64,
    pub(crate) sessions_closed: AtomicU64,
    pub(crate) statements: AtomicU64,
    pub(crate) errors: AtomicU64,
    pub(crate) scatters: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) rollbacks: AtomicU64,
    pub(crate) lost_transactions: AtomicU64,
    pub(crate) denied: AtomicU64,
    pub(crate) pins: AtomicU64,
    pub(crate) kills: AtomicU64,
}

impl Counters {
    /// Adds one.
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            sessions_opened: read(&self.sessions_opened),
            sessions_closed: read(&self.sessions_closed),
            statements: read(&self.statements),
            errors: read(&self.errors),
            scatters: read(&self.scatters),
            commits: read(&self.commits),
            rollbacks: read(&self.rollbacks),
            lost_transactions: read(&self.lost_transactions),
            denied: read(&self.denied),
            pins: read(&self.pins),
            kills: read(&self.kills),
            ..Stats::default()
        }
    }
}
