//! Totals over all statements, of a number of series that no client decides about.

use vitrail_proto::error::Code;
use vitrail_sql::normalise::StatementKind;

use super::Tier;
use super::figures::Run;

/// Upper bounds of the buckets of the time that statements take, in microseconds.
pub const BOUNDS_US: [u64; 15] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000,
    60_000_000,
];

/// What all statements have in common.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Totals {
    /// How long statements took, by kind and tier.
    pub took: Vec<Took>,
    /// Failures by code; codes without one are left out.
    pub errors: Vec<(Code, u64)>,
    /// Rows handed to clients.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Microseconds of waiting for MySQL connections.
    pub wait_us: u64,
    /// Microseconds in MySQL, over all shards.
    pub mysql_us: u64,
    /// Statements that were answered by another one's execution.
    pub shared: u64,
}

/// How long the statements of one kind and tier took.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Took {
    kind: StatementKind,
    tier: Tier,
    /// How many were at most as long as each of [`BOUNDS_US`] and longer than the bound before; the last: longer than all.
    pub buckets: [u64; BOUNDS_US.len() + 1],
    /// Microseconds, added up.
    pub sum_us: u64,
}

impl Took {
    /// `select`, `insert`
    pub fn kind(&self) -> &'static str {
        self.kind.as_str()
    }

    /// `own`, `single`, `scatter`, `none`
    pub fn tier(&self) -> &'static str {
        self.tier.as_str()
    }

    /// How many statements.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

impl Totals {
    /// How many statements there were.
    pub fn statements(&self) -> u64 {
        self.took.iter().map(Took::count).sum()
    }

    pub(crate) fn add(&mut self, run: &Run<'_>) {
        let took = self.of(run.kind, run.tier);
        took.sum_us = took.sum_us.saturating_add(run.took_us);
        took.buckets[BOUNDS_US.partition_point(|bound| *bound < run.took_us)] += 1;
        self.rows = self.rows.saturating_add(run.rows);
        self.bytes = self.bytes.saturating_add(run.bytes);
        if let Some(ran) = run.ran {
            self.wait_us = self.wait_us.saturating_add(ran.wait_us);
            self.mysql_us = self.mysql_us.saturating_add(ran.mysql_us);
            self.shared += u64::from(ran.shared);
        }
        if let Some(code) = run.error {
            self.count_errors(code, 1);
        }
    }

    pub(crate) fn merge(&mut self, other: &Totals) {
        for more in &other.took {
            let took = self.of(more.kind, more.tier);
            took.sum_us = took.sum_us.saturating_add(more.sum_us);
            took.buckets.iter_mut().zip(more.buckets).for_each(|(bucket, more)| *bucket += more);
        }
        for (code, count) in &other.errors {
            self.count_errors(code, *count);
        }
        self.rows = self.rows.saturating_add(other.rows);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.wait_us = self.wait_us.saturating_add(other.wait_us);
        self.mysql_us = self.mysql_us.saturating_add(other.mysql_us);
        self.shared += other.shared;
    }

    fn of(&mut self, kind: StatementKind, tier: Tier) -> &mut Took {
        let index = self.took.iter().position(|took| took.kind == kind && took.tier == tier);
        let index = index.unwrap_or_else(|| {
            self.took.push(Took { kind, tier, buckets: [0; BOUNDS_US.len() + 1], sum_us: 0 });
            self.took.len() - 1
        });
        &mut self.took[index]
    }

    fn count_errors(&mut self, code: &Code, count: u64) {
        match self.errors.iter_mut().find(|(known, _)| known == code) {
            Some((_, counted)) => *counted += count,
            None => self.errors.push((code.clone(), count)),
        }
    }
}
