//! How long a call waited for its connection, and how long MySQL took: the tablet's part of `ran`.

use std::time::Duration;

use tokio::time::Instant;
use vitrail_proto::message::Ran;

/// The times of one call.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// For connections, added up if a stale one was replaced.
    waited: Duration,
    /// When the first byte of the call went to MySQL; settings and the beginning of a transaction are part of it.
    sent: Option<Instant>,
    /// How long MySQL was at work, when it was asked last.
    pub(crate) took: Duration,
}

impl Clock {
    /// A connection is there that was waited for since `begin`.
    pub(crate) fn waited_since(&mut self, begin: Instant) {
        self.waited += begin.elapsed();
    }

    /// From now on MySQL is at work.
    pub(crate) fn send(&mut self) {
        self.sent = Some(Instant::now());
    }

    /// How it ran, when the last byte of a result has just been read.
    pub(crate) fn ran(&mut self) -> Ran {
        self.took = self.sent.map_or(Duration::ZERO, |sent| sent.elapsed());
        Ran { shards: 1, wait_us: micros(self.waited), mysql_us: micros(self.took), ..Ran::default() }
    }
}

/// Whole microseconds; `u64` has room for half a million years.
fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
