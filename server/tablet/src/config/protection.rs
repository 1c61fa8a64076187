//! What keeps MySQL working under load: long results apart from short ones, short reads behind one another, refusals in time, and lines before
//! hot rows.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units;

/// Connections for long results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StreamConfig {
    /// Most long results at a time, beyond the connections of `pool`. While there are so many, further ones stay in `pool`. 0: all do.
    pub size: usize,
    /// A result that has become longer than so many bytes is a long one, and so is one whose reader takes nothing for half a second.
    #[serde(with = "units::bytes")]
    pub after: u64,
}

impl Default for StreamConfig {
    fn default() -> Self {
        StreamConfig { size: 4, after: 1 << 20 }
    }
}

/// Short reads that go to MySQL behind one another, on one connection, while all connections are in use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PipelineConfig {
    /// Most reads that go behind another one, if so many wait. 0: each waits for a connection.
    pub depth: usize,
    /// A read is short if its statement took no longer of late, as a mean.
    #[serde(with = "units::duration")]
    pub quick: Duration,
    /// When one takes longer than this, those behind it wait for a connection after all.
    #[serde(with = "units::duration")]
    pub patience: Duration,
}

impl Default for PipelineConfig {
    /// MySQL on a busy machine takes some milliseconds for what it does in a fraction of one otherwise.
    fn default() -> Self {
        PipelineConfig { depth: 7, quick: Duration::from_millis(4), patience: Duration::from_millis(20) }
    }
}

/// When calls are refused because those before them wait for too long already.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OverloadConfig {
    /// A user's calls may wait for so long for a connection. `0s`: nobody is refused for it.
    #[serde(with = "units::duration")]
    pub target: Duration,
    /// When they have waited for longer than `target` for so long, the newest are refused at once as `throttled`, until the wait is
    /// below `target` again.
    #[serde(with = "units::duration")]
    pub interval: Duration,
}

impl Default for OverloadConfig {
    fn default() -> Self {
        let vitrail_mysql::Overload { target, interval } = vitrail_mysql::Overload::default();
        OverloadConfig { target, interval }
    }
}

/// Lines before rows that many write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HotRowConfig {
    /// Statements or transactions that write one row by a unique key at a time; further ones wait in line, without a connection. Never
    /// more than half of the connections of `pool`, and of `transactions`. 0: there are no lines.
    pub concurrent: usize,
    /// Most statements in the line of one row; one more is refused at once as `exhausted`.
    pub queue: usize,
    /// Most statements in all lines.
    pub total: usize,
    /// How long a statement waits in line before it fails as one that waited too long for a lock; its deadline and the session's
    /// `innodb_lock_wait_timeout` may end it earlier.
    #[serde(with = "units::duration")]
    pub wait: Duration,
}

impl Default for HotRowConfig {
    /// A few at a time, because MySQL hands the row's lock on while the next statement is on its way; one alone would leave it idle.
    fn default() -> Self {
        HotRowConfig { concurrent: 4, queue: 1_000, total: 5_000, wait: Duration::from_secs(10) }
    }
}
