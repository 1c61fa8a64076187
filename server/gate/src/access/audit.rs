//! The log of refusals, bounded: a client that repeats what it may not do fills no disk.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::stats::Counters;

/// Refusals that are written in one [`WINDOW`]; further ones are counted.
const LINES: u32 = 20;
const WINDOW: Duration = Duration::from_secs(1);

/// Writes refusals under target `vitrail::audit`.
pub(crate) struct Audit {
    window: Mutex<Window>,
}

struct Window {
    since: Instant,
    written: u32,
    withheld: u64,
}

impl Default for Audit {
    fn default() -> Audit {
        Audit { window: Mutex::new(Window { since: Instant::now(), written: 0, withheld: 0 }) }
    }
}

impl Audit {
    /// A statement was refused.
    pub(crate) fn denied(&self, counters: &Counters, user: &str, connection: u64, why: &str) {
        Counters::count(&counters.denied);
        let Some(withheld) = self.admit(Instant::now()) else { return };
        if withheld > 0 {
            tracing::warn!(target: "vitrail::audit", withheld, "refusals were not written one by one");
        }
        tracing::warn!(target: "vitrail::audit", user, connection, why, "statement denied");
    }

    /// Whether a line may be written now, and how many were not since the last one.
    fn admit(&self, now: Instant) -> Option<u64> {
        let mut window = self.window.lock();
        if now >= window.since + WINDOW {
            (window.since, window.written) = (now, 0);
        }
        if window.written == LINES {
            window.withheld += 1;
            return None;
        }
        window.written += 1;
        Some(std::mem::take(&mut window.withheld))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_what_is_withheld_is_told() {
        let audit = Audit::default();
        let now = audit.window.lock().since;
        let written = (0..100).filter(|_| audit.admit(now).is_some()).count();
        assert_eq!(written, LINES as usize);
        assert_eq!(audit.admit(now + WINDOW), Some(100 - u64::from(LINES)));
        assert_eq!(audit.admit(now + WINDOW), Some(0));
    }
}
