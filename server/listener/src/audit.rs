//! Who came in, and who did not: lines under target `vitrail::audit`, bounded where strangers can cause them.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::service::Peer;

/// Lines that strangers can cause in one [`WINDOW`]; further ones are counted.
const LINES: u32 = 20;
const WINDOW: Duration = Duration::from_secs(1);

/// Bounds lines of the log that clients cause, so that none fills the disk.
#[derive(Debug)]
pub struct LineLimit {
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    since: Instant,
    written: u32,
    withheld: u64,
}

impl Default for LineLimit {
    fn default() -> LineLimit {
        LineLimit { window: Mutex::new(Window { since: Instant::now(), written: 0, withheld: 0 }) }
    }
}

impl LineLimit {
    /// Whether a line may be written now. Tells of those that were not.
    pub fn admits(&self) -> bool {
        match self.take(Instant::now()) {
            Some(0) => true,
            Some(withheld) => {
                tracing::warn!(target: "vitrail::audit", withheld, "further lines like the next one were not written");
                true
            }
            None => false,
        }
    }

    /// How many lines were withheld since the last one, if one may be written now.
    fn take(&self, now: Instant) -> Option<u64> {
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

/// A user has logged in.
pub(crate) fn login(peer: &Peer, mechanism: &'static str) {
    let Peer { user, address, application, connection_id, .. } = peer;
    tracing::info!(target: "vitrail::audit", %user, %address, mechanism, %application, connection = connection_id, "login");
}

/// Somebody has not. The name is a stranger's: it is written in quotes, and cut.
pub(crate) fn refused(limit: &LineLimit, user: &str, address: &str, mechanism: &'static str, why: &str) {
    if limit.admits() {
        let user: String = user.chars().take(64).collect();
        tracing::warn!(target: "vitrail::audit", ?user, address, mechanism, why, "login refused");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_what_is_withheld_is_told() {
        let limit = LineLimit::default();
        let now = limit.window.lock().since;
        let written = (0..100).filter(|_| limit.take(now).is_some()).count();
        assert_eq!(written, LINES as usize);
        assert_eq!(limit.take(now + WINDOW), Some(100 - u64::from(LINES)));
        assert_eq!(limit.take(now + WINDOW), Some(0));
    }
}
