//! Looking on while a target is under load.

use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::Instant;

use super::Controls;
use crate::process::Usage;
use crate::record::{Record, histogram};

/// Whoever looks on while a slot runs. `()` does not.
pub trait Observer: Send {
    /// A slot begins with its warm-up; `controls` change it.
    fn begin(&mut self, controls: &Controls) {
        let _ = controls;
    }

    /// A second of the measured time is over; the last of a slot may be shorter or longer.
    fn second(&mut self, second: &Second, moment: &Moment<'_>) {
        let _ = (second, moment);
    }
}

impl Observer for () {}

/// The records behind a second.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// What this second added.
    pub added: &'a Record,
    /// All of the slot so far.
    pub total: &'a Record,
}

/// The figures of a second.
#[derive(Debug, Clone, PartialEq)]
pub struct Second {
    /// When it ended, from the beginning of the measured time.
    pub at: Duration,
    /// How long it was.
    pub length: Duration,
    /// Operations that were due each second, at its end; `None` in a closed loop.
    pub wanted: Option<f64>,
    /// Operations that worked.
    pub done: u64,
    /// Operations that did not.
    pub failed: u64,
    /// Statements of those that worked.
    pub statements: u64,
    /// Operations that began late.
    pub late: u64,
    /// Median of the latency in microseconds; 0 if nothing was done.
    pub p50: u64,
    /// 99 of 100 were not longer.
    pub p99: u64,
    /// The longest.
    pub max: u64,
    /// What each process used: CPU of this second, memory at its end.
    pub usage: Vec<Option<Usage>>,
    /// The same of this process.
    pub own: Usage,
}

impl Second {
    /// Operations a second.
    pub fn rate(&self) -> f64 {
        self.done as f64 / self.length.as_secs_f64()
    }
}

/// How late timers of this process wake, in microseconds, of one that is set to a millisecond again and again, until it is dropped: what the tool's own clients
/// suffer before they can begin an operation or see an answer. The timers' grain of a millisecond is part of it.
pub(super) async fn wakes(until: impl Future<Output = ()>) -> Histogram<u64> {
    const SLEEP: Duration = Duration::from_millis(1);
    let mut late = histogram();
    let mut until = std::pin::pin!(until);
    loop {
        let begin = Instant::now();
        tokio::select! {
            () = &mut until => return late,
            () = tokio::time::sleep(SLEEP) => {}
        }
        let over = begin.elapsed().saturating_sub(SLEEP);
        late.saturating_record(u64::try_from(over.as_micros()).unwrap_or(u64::MAX));
    }
}
