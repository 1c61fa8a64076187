//! When operations are due: in an open loop by a timetable whose rate may change while clients work, in a closed one at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// The clock of a slot.
#[derive(Debug)]
pub(super) struct Clock {
    /// What ends before is not measured.
    pub(super) from: Instant,
    plan: watch::Sender<Plan>,
}

/// What is due from now on. Every change wakes the clients that wait.
#[derive(Debug, Clone)]
struct Plan {
    until: Instant,
    pace: Pace,
    stopped: bool,
    changed: bool,
    /// Of timetables that hold no more.
    missed: u64,
}

#[derive(Debug, Clone)]
enum Pace {
    Closed,
    Open(Timetable),
}

/// How many operations are due by when: a line that goes on with another slope where the rate changes. An operation keeps its number over a change and is due
/// when the line reaches it, so that a change neither bunches operations nor leaves a gap.
#[derive(Debug, Clone)]
struct Timetable {
    counters: Arc<Counters>,
    /// Oldest first, and never empty: operations that are behind time are due by older ones.
    segments: Vec<Segment>,
}

#[derive(Debug, Default)]
struct Counters {
    given: AtomicU64,
    begun: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
struct Segment {
    from: Instant,
    /// How many are due before it, with the part of one that was under way.
    number: f64,
    rate: f64,
}

/// Changes a slot while it runs.
#[derive(Debug, Clone)]
pub struct Controls(Arc<Clock>);

/// A client's view of the clock.
pub(super) struct Turns {
    clock: Arc<Clock>,
    plan: watch::Receiver<Plan>,
}

/// An operation that is to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// When it was due; `None` in a closed loop.
    pub(super) due: Option<Instant>,
}

impl Clock {
    /// From now on: a warm-up, then time that is measured.
    pub(super) fn start(rate: Option<f64>, warmup: Duration, duration: Duration) -> Arc<Clock> {
        let begin = Instant::now();
        let from = begin + warmup;
        let pace = rate.map_or(Pace::Closed, |rate| Pace::Open(Timetable::new(begin, rate)));
        let plan = Plan { until: from + duration, pace, stopped: false, changed: false, missed: 0 };
        Arc::new(Clock { from, plan: watch::Sender::new(plan) })
    }

    /// When the slot ends, as it stands.
    pub(super) fn until(&self) -> Instant {
        self.plan.borrow().until
    }

    /// Waits until then, or until the slot ends if that is earlier, and says which it was.
    pub(super) async fn reach(&self, then: Instant) -> Instant {
        let mut plan = self.plan.subscribe();
        loop {
            let end = plan.borrow_and_update().until;
            let then = then.min(end);
            if Instant::now() >= then {
                return then;
            }
            tokio::select! {
                () = sleep_until(then) => {}
                _ = plan.changed() => {}
            }
        }
    }

    pub(super) fn controls(self: &Arc<Clock>) -> Controls {
        Controls(Arc::clone(self))
    }

    pub(super) fn turns(self: &Arc<Clock>) -> Turns {
        Turns { clock: Arc::clone(self), plan: self.plan.subscribe() }
    }

    /// Operations that were due and that nobody began.
    pub(super) fn missed(&self) -> u64 {
        let plan = self.plan.borrow();
        plan.missed
            + match &plan.pace {
                Pace::Closed => 0,
                Pace::Open(timetable) => timetable.missed(plan.until),
            }
    }
}

impl Controls {
    /// Operations that are due each second; `None` in a closed loop.
    pub fn rate(&self) -> Option<f64> {
        match &self.0.plan.borrow().pace {
            Pace::Closed => None,
            Pace::Open(timetable) => Some(timetable.rate()),
        }
    }

    /// Changes it from now on; the slot's report says so.
    pub fn set_rate(&self, rate: Option<f64>) {
        self.0.plan.send_modify(|plan| {
            let now = Instant::now();
            plan.changed = true;
            plan.pace = match (&plan.pace, rate) {
                (Pace::Open(timetable), Some(rate)) => Pace::Open(timetable.with_rate(now, rate)),
                (Pace::Closed, Some(rate)) => Pace::Open(Timetable::new(now, rate)),
                (Pace::Open(timetable), None) => {
                    plan.missed += timetable.missed(now);
                    Pace::Closed
                }
                (Pace::Closed, None) => Pace::Closed,
            };
        });
    }

    /// Ends the slot now. What was measured is kept.
    pub fn stop(&self) {
        self.0.plan.send_modify(|plan| {
            plan.until = plan.until.min(Instant::now());
            plan.stopped = true;
        });
    }

    /// The slot was ended before its time.
    pub fn is_stopped(&self) -> bool {
        self.0.plan.borrow().stopped
    }

    /// The rate was changed while the slot ran.
    pub fn is_changed(&self) -> bool {
        self.0.plan.borrow().changed
    }

    /// When its measured time began or begins, and when it ends.
    pub fn measured(&self) -> (Instant, Instant) {
        (self.0.from, self.0.until())
    }
}

impl Turns {
    /// Waits for the next operation to be due; `None` once there are no more.
    pub(super) async fn next(&mut self) -> Option<Turn> {
        let mut mine: Option<(Arc<Counters>, u64)> = None;
        loop {
            let wake = {
                let plan = self.plan.borrow_and_update();
                let now = Instant::now();
                let over = now >= plan.until;
                let Pace::Open(timetable) = &plan.pace else { return (!over).then_some(Turn { due: None }) };
                let number = match &mine {
                    Some((counters, number)) if Arc::ptr_eq(counters, &timetable.counters) => *number,
                    _ if over => return None,
                    _ => {
                        let number = timetable.counters.given.fetch_add(1, Ordering::Relaxed);
                        mine = Some((Arc::clone(&timetable.counters), number));
                        number
                    }
                };
                let due = timetable.due(number);
                // Who has waited for a turn takes it, though timers wake a little later than they should and the end may have come meanwhile.
                if due <= now && due < plan.until {
                    timetable.counters.begun.fetch_add(1, Ordering::Relaxed);
                    return Some(Turn { due: Some(due) });
                }
                if over {
                    return None;
                }
                // Not gone when its turn comes after the end: the rate may rise.
                due.min(plan.until)
            };
            tokio::select! {
                () = sleep_until(wake) => {}
                _ = self.plan.changed() => {}
            }
        }
    }

    /// Whether an operation is within the measured time: in a closed loop by its end, so that what straddles the edges counts once; in an open one by when it was
    /// due.
    pub(super) fn measures(&self, turn: Turn, ended: Instant) -> bool {
        match turn.due {
            None => (self.clock.from..=self.clock.until()).contains(&ended),
            Some(due) => due >= self.clock.from,
        }
    }

    /// There is nothing to do any more.
    pub(super) fn over(&self) -> bool {
        Instant::now() >= self.clock.until()
    }
}

impl Timetable {
    fn new(from: Instant, rate: f64) -> Timetable {
        Timetable { counters: Arc::default(), segments: vec![Segment { from, number: 0.0, rate }] }
    }

    fn with_rate(&self, now: Instant, rate: f64) -> Timetable {
        let mut segments = self.segments.clone();
        segments.push(Segment { from: now, number: self.reached(now), rate });
        Timetable { counters: Arc::clone(&self.counters), segments }
    }

    fn last(&self) -> &Segment {
        self.segments.last().expect("a timetable has a segment from its beginning on")
    }

    fn rate(&self) -> f64 {
        self.last().rate
    }

    /// How far the line is.
    fn reached(&self, now: Instant) -> f64 {
        let last = self.last();
        now.duration_since(last.from).as_secs_f64().mul_add(last.rate, last.number)
    }

    fn due(&self, number: u64) -> Instant {
        let number = number as f64;
        let segment = self.segments.iter().rev().find(|segment| segment.number <= number).unwrap_or(&self.segments[0]);
        segment.from + Duration::from_secs_f64((number - segment.number).max(0.0) / segment.rate)
    }

    /// The first has the number 0: those due before `now` are as many as the line says, rounded up, but not for what floating point adds.
    fn missed(&self, now: Instant) -> u64 {
        ((self.reached(now) - 1e-4).ceil() as u64).saturating_sub(self.counters.begun.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests;
