//! What statements that run on the scratch server may take.

use std::time::Duration;

/// Bounds of the statements that a gate runs on its scratch server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScratchLimits {
    /// Most bytes of rows that one statement loads from the shards, all its tables together; above that it fails as `too_large`.
    pub statement_bytes: u64,
    /// Most bytes of rows that all statements under way have loaded together; one that would load more is refused as `exhausted`.
    pub total_bytes: u64,
    /// Statements that run at a time; further ones wait for their turn.
    pub statements: usize,
    /// How long a statement waits for its turn before it is refused as `exhausted`; its deadline may end it earlier.
    pub wait: Duration,
    /// How long a statement may take, from its turn to its last row; its deadline may end it earlier. Zero: no limit.
    pub time: Duration,
}

impl Default for ScratchLimits {
    /// 64 MiB for one statement and 256 MiB for all, 8 statements at a time, 10 s for a turn, 60 s in all.
    fn default() -> ScratchLimits {
        ScratchLimits {
            statement_bytes: 64 << 20,
            total_bytes: 256 << 20,
            statements: 8,
            wait: Duration::from_secs(10),
            time: Duration::from_secs(60),
        }
    }
}
