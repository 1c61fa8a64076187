//! When those who wait are too many, and who is refused then.
//!
//! The delay of a line is the age of its oldest waiter. Once it has been above the target for an interval, the line is
//! overloaded: those who would wait in it for longer than the target are refused at once, so that those who wait already are
//! served in time and every place goes on being used. How long they would wait is how many stand before them times the pace at which
//! the line moves; the age of the oldest tells of it a whole wait too late, and a line that is opened and closed by it swings between empty and full. A
//! line that refused nobody and whose delay was below the target for an interval is overloaded no more.

use std::time::Duration;

use tokio::time::Instant;

/// The pace of a line is measured so many times in the target of its delay.
const WINDOWS: u32 = 4;

/// When those who wait are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overload {
    /// A delay above this is too long. Zero: nobody is refused for it.
    pub target: Duration,
    /// It may be too long for so long.
    pub interval: Duration,
}

impl Default for Overload {
    /// A wait below a second is a burst that the pool works off; a line that stays behind by more for three seconds does not shrink.
    fn default() -> Overload {
        Overload { target: Duration::from_secs(1), interval: Duration::from_secs(3) }
    }
}

/// How long the delay of a line has been above the target, or below.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pressure {
    above_since: Option<Instant>,
    below_since: Option<Instant>,
    pub(super) overloaded: bool,
}

/// How fast a line moves, measured while somebody stands in it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    /// Between two who are served, when it was last measured.
    each: Duration,
    /// Since when it is measured anew, and how many were served since.
    measured: Option<(Instant, u32)>,
    /// When somebody was served last, or the line began.
    moved: Option<Instant>,
}

impl Pressure {
    /// Notes a delay that was seen.
    pub(super) fn note(&mut self, now: Instant, delay: Duration, overload: Overload) {
        if overload.target.is_zero() {
            return;
        }
        if delay >= overload.target {
            self.below_since = None;
            let crossed = *self.above_since.get_or_insert(now - (delay - overload.target));
            self.overloaded |= now - crossed >= overload.interval;
        } else {
            self.above_since = None;
            let since = *self.below_since.get_or_insert(now);
            self.overloaded &= now - since < overload.interval;
        }
    }

    /// Notes that somebody was refused: the line is short for that alone.
    pub(super) fn refused(&mut self) {
        self.below_since = None;
    }
}

impl Pace {
    /// The first one joins a line. How fast an earlier one moved says nothing of it: the last that was measured may have been a standstill.
    pub(super) fn begin(&mut self, now: Instant) {
        *self = Pace { each: Duration::ZERO, measured: Some((now, 0)), moved: Some(now) };
    }

    /// Somebody of the line was served.
    pub(super) fn note(&mut self, now: Instant, overload: Overload) {
        self.moved = Some(now);
        let (since, served) = self.measured.unwrap_or((now, 0));
        self.measured = Some((since, served + 1));
        // Connections come back in bursts: over some time they even out.
        if now - since >= overload.target / WINDOWS {
            self.each = (now - since) / (served + 1);
            self.measured = Some((now, 0));
        }
    }

    /// How long somebody waits with so many before; at least for as long as nobody has been served.
    pub(super) fn expected(&self, now: Instant, before: usize) -> Duration {
        if before == 0 {
            return Duration::ZERO;
        }
        let still = self.moved.map_or(Duration::ZERO, |moved| now - moved);
        self.each.saturating_mul(u32::try_from(before).unwrap_or(u32::MAX)).max(still)
    }
}
