//! Which statements are written down: the slow ones, a sample, and failures. Whoever takes the records writes them.
//!
//! A statement never waits for its record: when the queue is full, the record is dropped and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use vitrail_proto::error::Code;

/// Records that wait for their writer.
const QUEUE: usize = 1024;

/// Which statements are written down, and what of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct QueryLogConfig {
    /// Those that took at least so long; zero: none for that.
    pub slow: Duration,
    /// So many of all, from 0 to 1.
    pub sample: f64,
    /// All that failed.
    pub errors: bool,
    /// With the text as it was sent; otherwise without literals and comments.
    pub literals: bool,
    /// Which ones the sample takes: the same seed takes the same ones.
    pub seed: u64,
}

/// Why a statement is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It took long.
    Slow,
    /// It failed.
    Error,
    /// The sample took it.
    Sample,
}

impl Reason {
    /// In one word, lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Slow => "slow",
            Reason::Error => "error",
            Reason::Sample => "sample",
        }
    }
}

/// A statement that is written down.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Record {
    /// Why.
    pub reason: Reason,
    /// When it ended.
    pub time: SystemTime,
    /// The client's connection.
    pub connection: u64,
    /// Its session; `None`: stateless.
    pub session: Option<u64>,
    /// On whose behalf.
    pub user: Arc<str>,
    /// The client's application.
    pub application: Arc<str>,
    /// Where it ran; empty: nowhere in particular.
    pub keyspace: Box<str>,
    /// As the session has it.
    pub target: String,
    /// See [`vitrail_sql::Normalised::fingerprint`].
    pub fingerprint: u64,
    /// `select`, `insert`
    pub kind: &'static str,
    /// `own`, `single`, `scatter`, `none`
    pub plan: &'static str,
    /// The statement, by [`QueryLogConfig::literals`].
    pub text: String,
    /// Microseconds at the gate.
    pub took_us: u64,
    /// Microseconds of waiting for a connection, if known.
    pub wait_us: Option<u64>,
    /// Microseconds in MySQL, if known.
    pub mysql_us: Option<u64>,
    /// Rows handed on.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Rows affected.
    pub affected: u64,
    /// Shards that took part.
    pub shards: u32,
    /// Another request's execution gave the answer.
    pub shared: bool,
    /// Why it failed.
    pub code: Option<Code>,
    /// MySQL's number of it.
    pub errno: Option<u16>,
    /// It began inside a transaction.
    pub in_transaction: bool,
    /// W3C `traceparent` that came with the request.
    pub traceparent: Option<Arc<str>>,
}

/// Chooses statements and hands their records on.
#[derive(Debug)]
pub struct QueryLog {
    config: QueryLogConfig,
    /// A hash below it is taken; `None`: all are.
    below: Option<u64>,
    seen: AtomicU64,
    dropped: AtomicU64,
    sender: mpsc::Sender<Record>,
}

impl QueryLog {
    /// A log, and where its records arrive.
    pub fn new(config: QueryLogConfig) -> (QueryLog, mpsc::Receiver<Record>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        // 2^64 itself has no room: a rate of 1 takes all.
        let below = (config.sample < 1.0).then(|| (config.sample.max(0.0) * 2f64.powi(64)) as u64);
        (QueryLog { config, below, seen: AtomicU64::new(0), dropped: AtomicU64::new(0), sender }, receiver)
    }

    /// Whether a statement that took so long is written down, and why.
    pub(crate) fn wants(&self, took: Duration, failed: bool) -> Option<Reason> {
        if !self.config.slow.is_zero() && took >= self.config.slow {
            return Some(Reason::Slow);
        }
        if failed && self.config.errors {
            return Some(Reason::Error);
        }
        match self.below {
            None => Some(Reason::Sample),
            Some(0) => None,
            Some(below) => {
                let number = self.seen.fetch_add(1, Relaxed);
                (mixed(self.config.seed.wrapping_add(number)) < below).then_some(Reason::Sample)
            }
        }
    }

    pub(crate) fn shows_literals(&self) -> bool {
        self.config.literals
    }

    /// Hands a record on, or drops it.
    pub(crate) fn put(&self, record: Record) {
        if self.sender.try_send(record).is_err() {
            self.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Records that found the queue full.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}

/// SplitMix64.
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(config: QueryLogConfig) -> Vec<bool> {
        let (log, _records) = QueryLog::new(config);
        (0..10_000).map(|_| log.wants(Duration::from_millis(1), false).is_some()).collect()
    }

    #[test]
    fn a_sample_is_as_large_as_asked_and_repeatable() {
        let config = QueryLogConfig { sample: 0.1, seed: 7, ..QueryLogConfig::default() };
        let taken = wanted(config.clone());
        let count = taken.iter().filter(|taken| **taken).count();
        assert!((900..1100).contains(&count), "{count}");
        assert_eq!(wanted(config.clone()), taken);
        assert_ne!(wanted(QueryLogConfig { seed: 8, ..config }), taken);
        assert!(wanted(QueryLogConfig { sample: 1.0, ..QueryLogConfig::default() }).iter().all(|taken| *taken));
        assert!(!wanted(QueryLogConfig::default()).contains(&true));
    }

    #[test]
    fn slow_ones_and_failures_have_their_own_reasons() {
        let config = QueryLogConfig { slow: Duration::from_millis(100), errors: true, ..QueryLogConfig::default() };
        let (log, _records) = QueryLog::new(config);
        let (slow, fast) = (Duration::from_millis(100), Duration::from_millis(99));
        assert_eq!(log.wants(slow, false), Some(Reason::Slow));
        assert_eq!(log.wants(slow, true), Some(Reason::Slow));
        assert_eq!(log.wants(fast, true), Some(Reason::Error));
        assert_eq!(log.wants(fast, false), None);
    }
}
