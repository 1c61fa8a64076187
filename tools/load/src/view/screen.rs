//! What the view shows, and how it comes about.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::Instant;

use crate::drive::{Moment, Second};
use crate::record::{Errors, histogram};
use crate::report::Percentiles;
use crate::run::Turn;

/// As many seconds as a wide terminal has columns.
const SECONDS: usize = 300;

/// All that is drawn.
#[derive(Debug, Default)]
pub(super) struct Screen {
    pub(super) workload: String,
    pub(super) clients: usize,
    pub(super) round: usize,
    pub(super) rounds: usize,
    /// Which of the targets has its turn.
    pub(super) index: usize,
    pub(super) targets: Vec<TargetScreen>,
    pub(super) wanted: Option<f64>,
    /// When the measured time of this turn begins, and when it ends.
    pub(super) measured: Option<(Instant, Instant)>,
    /// Time of the turns that are over, and of all.
    pub(super) spent: Duration,
    pub(super) planned: Duration,
    /// What the last key has done.
    pub(super) message: String,
}

/// What is known of a target so far.
#[derive(Debug)]
pub(super) struct TargetScreen {
    pub(super) name: String,
    pub(super) processes: Vec<String>,
    /// The latest, oldest first.
    pub(super) rates: Vec<u64>,
    pub(super) p99s: Vec<u64>,
    pub(super) last: Option<Second>,
    pub(super) recent: Option<Percentiles>,
    pub(super) latency: Histogram<u64>,
    pub(super) errors: BTreeMap<String, Errors>,
    pub(super) done: u64,
    pub(super) late: u64,
    pub(super) time: Duration,
}

impl TargetScreen {
    fn new() -> TargetScreen {
        TargetScreen {
            name: String::new(),
            processes: Vec::new(),
            rates: Vec::new(),
            p99s: Vec::new(),
            last: None,
            recent: None,
            latency: histogram(),
            errors: BTreeMap::new(),
            done: 0,
            late: 0,
            time: Duration::ZERO,
        }
    }

    /// Operations a second so far.
    pub(super) fn rate(&self) -> Option<f64> {
        (!self.time.is_zero()).then(|| self.done as f64 / self.time.as_secs_f64())
    }

    pub(super) fn failed(&self) -> u64 {
        self.errors.values().map(|errors| errors.count).sum()
    }
}

impl Screen {
    pub(super) fn turn(&mut self, turn: &Turn<'_>) {
        let each = turn.load.warmup + turn.load.duration;
        self.workload = turn.workload.to_owned();
        self.clients = turn.load.clients;
        (self.round, self.rounds, self.index) = (turn.round, turn.rounds, turn.index);
        self.targets.resize_with(turn.targets, TargetScreen::new);
        self.wanted = turn.load.rate;
        self.measured = None;
        let turns = |number: usize| each * u32::try_from(number).unwrap_or(u32::MAX);
        self.spent = turns(turn.number);
        self.planned = turns(turn.rounds * turn.targets);
        let target = &mut self.targets[turn.index];
        turn.target.clone_into(&mut target.name);
        target.processes = turn.processes.iter().map(|process| process.name.clone()).collect();
    }

    pub(super) fn begin(&mut self, measured: (Instant, Instant), wanted: Option<f64>) {
        self.measured = Some(measured);
        self.wanted = wanted;
    }

    pub(super) fn second(&mut self, second: &Second, moment: &Moment<'_>) {
        let Some(target) = self.targets.get_mut(self.index) else { return };
        let added = moment.added.latency();
        push(&mut target.rates, second.rate() as u64);
        push(&mut target.p99s, second.p99);
        target.latency += &added;
        target.recent = Percentiles::of(&added);
        for (code, errors) in &moment.added.errors {
            let mine = target.errors.entry(code.clone());
            mine.or_insert_with(|| Errors { count: 0, example: errors.example.clone() }).count += errors.count;
        }
        target.done += second.done;
        target.late += second.late;
        target.time += second.length;
        target.last = Some(second.clone());
    }

    /// The rate is another one now.
    pub(super) fn paced(&mut self, wanted: Option<f64>, message: &str) {
        self.wanted = wanted;
        message.clone_into(&mut self.message);
    }

    /// The rate of the last second.
    pub(super) fn achieved(&self) -> Option<f64> {
        let last = self.targets.get(self.index)?.last.as_ref()?;
        Some(last.rate()).filter(|rate| *rate > 0.0)
    }

    /// How much of the run is over, and how long the rest takes.
    pub(super) fn progress(&self, now: Instant) -> (f64, Duration) {
        let planned = self.planned.as_secs_f64();
        let (Some((_, until)), true) = (self.measured, planned > 0.0) else { return (0.0, self.planned) };
        let each = self.planned / u32::try_from(self.rounds * self.targets.len()).unwrap_or(1).max(1);
        let left = self.planned.saturating_sub(self.spent + each) + until.saturating_duration_since(now);
        (1.0 - (left.as_secs_f64() / planned).min(1.0), left)
    }
}

fn push(series: &mut Vec<u64>, value: u64) {
    if series.len() == SECONDS {
        series.remove(0);
    }
    series.push(value);
}
