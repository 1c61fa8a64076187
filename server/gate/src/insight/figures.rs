//! What is known of one fingerprint, and what of it is shown.

use std::sync::Arc;
use std::time::SystemTime;

use vitrail_proto::error::Code;
use vitrail_proto::message::Ran;
use vitrail_sql::control::queries::QueryOrder;
use vitrail_sql::normalise::StatementKind;

use super::Tier;
use super::histogram::Histogram;

/// The figures of all statements with one fingerprint in one keyspace.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueryFigures {
    /// `None`: of all that had no room of their own.
    pub fingerprint: Option<u64>,
    /// The statement without literals, binds and comments; bounded.
    pub text: Arc<str>,
    /// Where it ran; empty: nowhere in particular.
    pub keyspace: Arc<str>,
    /// What it is: `select`, `insert`.
    pub kind: &'static str,
    /// How it was last run: `own`, `single`, `scatter`, `exact`; `none` if it never came so far.
    pub plan: &'static str,
    /// How often it was run, failures included.
    pub calls: u64,
    /// How often it failed.
    pub errors: u64,
    /// Failures by code, most frequent first.
    pub error_codes: Vec<(Code, u64)>,
    /// Rows handed to clients.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Rows affected.
    pub affected: u64,
    /// Microseconds from its begin to its end at the gate, added up.
    pub total_us: u64,
    /// The same of the longest run.
    pub max_us: u64,
    /// Quantiles of it, within 3.2 %.
    pub p50_us: u64,
    /// See `p50_us`.
    pub p95_us: u64,
    /// See `p50_us`.
    pub p99_us: u64,
    /// Microseconds of waiting for MySQL connections, of each run on the shard that waited longest.
    pub wait_us: u64,
    /// Microseconds in MySQL, over all shards.
    pub mysql_us: u64,
    /// Shards that took part, added up.
    pub shards: u64,
    /// Most shards of one run.
    pub most_shards: u32,
    /// Runs that were answered by another one's execution.
    pub shared: u64,
    /// What would make it cheaper, where something would.
    pub advice: Option<Arc<str>>,
    /// When it first ran.
    pub first_seen: SystemTime,
    /// When it last ended.
    pub last_seen: SystemTime,
}

impl QueryFigures {
    /// Microseconds of the average run.
    pub fn mean_us(&self) -> u64 {
        self.total_us.checked_div(self.calls).unwrap_or(0)
    }

    /// What it is ordered by.
    pub(crate) fn rank(&self, order: QueryOrder) -> u64 {
        let millis = |time: SystemTime| super::millis(time);
        match order {
            QueryOrder::Calls => self.calls,
            QueryOrder::Errors => self.errors,
            QueryOrder::Rows => self.rows,
            QueryOrder::Bytes => self.bytes,
            QueryOrder::Affected => self.affected,
            QueryOrder::Total => self.total_us,
            QueryOrder::Mean => self.mean_us(),
            QueryOrder::Max => self.max_us,
            QueryOrder::P50 => self.p50_us,
            QueryOrder::P95 => self.p95_us,
            QueryOrder::P99 => self.p99_us,
            QueryOrder::Wait => self.wait_us,
            QueryOrder::Mysql => self.mysql_us,
            QueryOrder::Shards => self.shards,
            QueryOrder::Shared => self.shared,
            QueryOrder::FirstSeen => millis(self.first_seen),
            QueryOrder::LastSeen => millis(self.last_seen),
        }
    }
}

/// One run, as it is counted.
#[derive(Debug, Clone)]
pub(crate) struct Run<'a> {
    pub(crate) fingerprint: u64,
    pub(crate) keyspace: &'a str,
    pub(crate) kind: StatementKind,
    pub(crate) tier: Tier,
    pub(crate) took_us: u64,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) affected: u64,
    /// Shards that it was sent to, if nothing says how many took part.
    pub(crate) shards: u32,
    pub(crate) ran: Option<&'a Ran>,
    pub(crate) advice: Option<&'a Arc<str>>,
    pub(crate) error: Option<&'a Code>,
    pub(crate) ended: SystemTime,
}

/// The running figures behind [`QueryFigures`].
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) keyspace: Arc<str>,
    text: Arc<str>,
    kind: StatementKind,
    tier: Tier,
    /// Calls, halved from time to time: what is used least makes room.
    pub(crate) heat: u64,
    calls: u64,
    errors: u64,
    error_codes: Vec<(Code, u64)>,
    rows: u64,
    bytes: u64,
    affected: u64,
    total_us: u64,
    max_us: u64,
    wait_us: u64,
    mysql_us: u64,
    shards: u64,
    most_shards: u32,
    shared: u64,
    advice: Option<Arc<str>>,
    first_seen: SystemTime,
    last_seen: SystemTime,
    took: Histogram,
}

impl Entry {
    pub(crate) fn new(text: String, run: &Run<'_>) -> Entry {
        Entry {
            keyspace: run.keyspace.into(),
            text: text.into(),
            kind: run.kind,
            tier: run.tier,
            heat: 0,
            calls: 0,
            errors: 0,
            error_codes: Vec::new(),
            rows: 0,
            bytes: 0,
            affected: 0,
            total_us: 0,
            max_us: 0,
            wait_us: 0,
            mysql_us: 0,
            shards: 0,
            most_shards: 0,
            shared: 0,
            advice: None,
            first_seen: run.ended,
            last_seen: run.ended,
            took: Histogram::default(),
        }
    }

    /// Counts a run.
    pub(crate) fn add(&mut self, run: &Run<'_>) {
        self.heat += 1;
        self.calls += 1;
        self.tier = run.tier;
        if self.advice.as_ref() != run.advice {
            self.advice = run.advice.cloned();
        }
        self.rows = self.rows.saturating_add(run.rows);
        self.bytes = self.bytes.saturating_add(run.bytes);
        self.affected = self.affected.saturating_add(run.affected);
        self.total_us = self.total_us.saturating_add(run.took_us);
        self.max_us = self.max_us.max(run.took_us);
        self.took.add(run.took_us);
        let mut shards = run.shards;
        if let Some(ran) = run.ran {
            self.wait_us = self.wait_us.saturating_add(ran.wait_us);
            self.mysql_us = self.mysql_us.saturating_add(ran.mysql_us);
            self.shared += u64::from(ran.shared);
            shards = ran.shards;
        }
        self.shards = self.shards.saturating_add(u64::from(shards));
        self.most_shards = self.most_shards.max(shards);
        self.last_seen = self.last_seen.max(run.ended);
        if let Some(code) = run.error {
            self.count_errors(code, 1);
        }
    }

    /// Takes the figures of another entry in.
    pub(crate) fn merge(&mut self, other: &Entry) {
        self.calls += other.calls;
        self.rows = self.rows.saturating_add(other.rows);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.affected = self.affected.saturating_add(other.affected);
        self.total_us = self.total_us.saturating_add(other.total_us);
        self.max_us = self.max_us.max(other.max_us);
        self.wait_us = self.wait_us.saturating_add(other.wait_us);
        self.mysql_us = self.mysql_us.saturating_add(other.mysql_us);
        self.shards = self.shards.saturating_add(other.shards);
        self.most_shards = self.most_shards.max(other.most_shards);
        self.shared += other.shared;
        self.first_seen = self.first_seen.min(other.first_seen);
        self.last_seen = self.last_seen.max(other.last_seen);
        self.took.merge(&other.took);
        for (code, count) in &other.error_codes {
            self.count_errors(code, *count);
        }
    }

    fn count_errors(&mut self, code: &Code, count: u64) {
        self.errors += count;
        match self.error_codes.iter_mut().find(|(known, _)| known == code) {
            Some((_, counted)) => *counted += count,
            None => self.error_codes.push((code.clone(), count)),
        }
    }

    /// For whoever looks. `fingerprint`: `None` for the entry of those without room.
    pub(crate) fn figures(&self, fingerprint: Option<u64>) -> QueryFigures {
        let [p50_us, p95_us, p99_us] = self.took.quantiles([500, 950, 990]).map(|micros| micros.min(self.max_us));
        let mut error_codes = self.error_codes.clone();
        error_codes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        QueryFigures {
            fingerprint,
            text: Arc::clone(&self.text),
            keyspace: Arc::clone(&self.keyspace),
            kind: if fingerprint.is_some() { self.kind.as_str() } else { "" },
            plan: if fingerprint.is_some() { self.tier.as_str() } else { "" },
            calls: self.calls,
            errors: self.errors,
            error_codes,
            rows: self.rows,
            bytes: self.bytes,
            affected: self.affected,
            total_us: self.total_us,
            max_us: self.max_us,
            p50_us,
            p95_us,
            p99_us,
            wait_us: self.wait_us,
            mysql_us: self.mysql_us,
            shards: self.shards,
            most_shards: self.most_shards,
            shared: self.shared,
            advice: self.advice.clone().filter(|_| fingerprint.is_some()),
            first_seen: self.first_seen,
            last_seen: self.last_seen,
        }
    }
}
