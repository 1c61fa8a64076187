//! Counters of a tablet, and a snapshot of them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use vitrail_mysql::PoolStats;
use vitrail_proto::error::{Code, ErrorBody};

use crate::consolidator::ConsolidatorStats;
use crate::guard::Place;
use crate::hot_rows::HotRowStats;

/// What a tablet has done and what it holds.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Connections for statements in autocommit.
    pub pool: PoolStats,
    /// Connections for transactions and reservations.
    pub held_pool: PoolStats,
    /// Lines before rows that many write.
    pub hot_rows: HotRowStats,
    /// Statements that were started.
    pub statements: u64,
    /// Failed calls by code; codes without a failure are left out.
    pub errors: Vec<(Code, u64)>,
    /// Rows handed on.
    pub rows: u64,
    /// Bytes of rows handed on.
    pub bytes: u64,
    /// Results that were cut at a row limit.
    pub capped: u64,
    /// Statements that were killed, for whatever reason.
    pub killed: u64,
    /// Stale connections that were replaced before a statement was sent.
    pub replaced: u64,
    /// Transactions open now.
    pub transactions_open: usize,
    /// Reservations now.
    pub reserved: usize,
    /// Transactions that were lost (deadlock, age, idle time, lost connection).
    pub transactions_lost: u64,
    /// What executions were shared.
    pub consolidator: ConsolidatorStats,
    /// Reservations that were lost (idle time, age of their transaction, lost connection).
    pub reservations_lost: u64,
}

/// The counters behind [`Stats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) statements: AtomicU64,
    errors: [AtomicU64; Code::ALL.len()],
    pub(crate) rows: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) capped: AtomicU64,
    pub(crate) killed: AtomicU64,
    pub(crate) replaced: AtomicU64,
    pub(crate) transactions_lost: AtomicU64,
    pub(crate) reservations_lost: AtomicU64,
}

impl Counters {
    /// Counts one failed call.
    pub(crate) fn error(&self, error: &ErrorBody) {
        if let Some(index) = Code::ALL.iter().position(|code| *code == error.code) {
            self.errors[index].fetch_add(1, Relaxed);
        }
    }

    /// Where the loss of such a connection is counted.
    pub(crate) fn lost(&self, place: Place) -> &AtomicU64 {
        if place == Place::Reserved { &self.reservations_lost } else { &self.transactions_lost }
    }

    /// The counters as they are.
    pub(crate) fn snapshot(&self) -> Stats {
        let errors = Code::ALL
            .into_iter()
            .zip(&self.errors)
            .map(|(code, count)| (code, count.load(Relaxed)))
            .filter(|(_, count)| *count > 0)
            .collect();
        Stats {
            statements: self.statements.load(Relaxed),
            errors,
            rows: self.rows.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            capped: self.capped.load(Relaxed),
            killed: self.killed.load(Relaxed),
            replaced: self.replaced.load(Relaxed),
            transactions_lost: self.transactions_lost.load(Relaxed),
            reservations_lost: self.reservations_lost.load(Relaxed),
            ..Stats::default()
        }
    }
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Relaxed);
}
