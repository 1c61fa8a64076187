//! The log of statements that were refused.

use vitrail_listener::audit::LineLimit;

use crate::stats::Counters;

/// Writes refusals under target `vitrail::audit`, bounded: a client that repeats what it may not do fills no disk.
#[derive(Default)]
pub(crate) struct Audit {
    limit: LineLimit,
}

impl Audit {
    /// A statement was refused.
    pub(crate) fn denied(&self, counters: &Counters, user: &str, connection: u64, why: &str) {
        Counters::count(&counters.denied);
        if self.limit.admits() {
            tracing::warn!(target: "vitrail::audit", user, connection, why, "statement denied");
        }
    }
}
