//! What the gate knows of the statements that it has run: figures by fingerprint, totals, and records for a log.
//!
//! Layout: [`watch`] (one statement from begin to end) → [`statistics`] (by fingerprint, with [`figures`] and [`histogram`]) and
//! [`totals`]; [`log`] (which statements are written down, and what of them).
//!
//! Nothing of a literal, bind or comment is kept in figures; in records only if the operator has said so.

mod figures;
mod histogram;
pub(crate) mod log;
mod statistics;
mod totals;
pub(crate) mod watch;

use std::time::SystemTime;

use vitrail_sql::control::queries::{Queries, QueryOrder};

pub use figures::QueryFigures;
use log::QueryLog;
use statistics::Statistics;
pub use totals::{BOUNDS_US, Took, Totals};

/// How a statement was run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tier {
    /// It was refused, or failed before there was a plan.
    #[default]
    None,
    /// The gate answered it.
    Own,
    /// On one shard.
    Single,
    /// On several.
    Scatter,
    /// On the scratch server, over rows of several.
    Exact,
}

impl Tier {
    /// In one word, lower case.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Tier::None => "none",
            Tier::Own => "own",
            Tier::Single => "single",
            Tier::Scatter => "scatter",
            Tier::Exact => "exact",
        }
    }
}

/// Figures, and the log if there is one.
pub(crate) struct Insight {
    pub(crate) statistics: Statistics,
    pub(crate) log: Option<QueryLog>,
}

impl Insight {
    /// Room for about `entries` fingerprints.
    pub(crate) fn new(entries: usize) -> Insight {
        Insight { statistics: Statistics::new(entries), log: None }
    }

    /// What a `SHOW VITRAIL QUERIES` asks for.
    pub(crate) fn figures(&self, wanted: &Queries) -> Vec<QueryFigures> {
        let limit = wanted.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let like = |figures: &QueryFigures| wanted.like.as_ref().is_none_or(|like| like.matches(&figures.text));
        self.statistics.figures(wanted.order, wanted.descending, limit, like)
    }

    /// The highest by an order.
    pub(crate) fn top(&self, order: QueryOrder, limit: usize) -> Vec<QueryFigures> {
        self.statistics.figures(order, true, limit, |_| true)
    }
}

/// Milliseconds since 1970.
fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
