//! What is told while a run goes on, and what is done to it by hand.

use std::sync::Arc;

use anyhow::{Context, Result};
use parking_lot::Mutex;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::drive::{Controls, Load, Moment, Observer, Second};
use crate::process::Process;
use crate::report::{count, time};

/// Whoever is told how a run goes on.
pub trait Progress: Observer {
    /// Something that happens before or between rounds.
    fn note(&mut self, line: &str);

    /// The next target has its turn.
    fn turn(&mut self, turn: &Turn<'_>);

    /// All rounds are over; what follows takes no time worth watching.
    fn over(&mut self) {}
}

/// A target's turn in a round.
#[derive(Debug, Clone, Copy)]
pub struct Turn<'a> {
    /// What clients do.
    pub workload: &'a str,
    /// The target.
    pub target: &'a str,
    /// Its place on the command line, from 0.
    pub index: usize,
    /// How many targets there are.
    pub targets: usize,
    /// The round, from 1.
    pub round: usize,
    /// How many there are.
    pub rounds: usize,
    /// Turns of all targets before this one.
    pub number: usize,
    /// Those that are watched.
    pub processes: &'a [Process],
    /// How hard, and how long.
    pub load: &'a Load,
}

/// What holds the run's controls: it ends early when told to, at once or as soon as a slot begins.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hand(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    controls: Option<Controls>,
    stop: bool,
}

impl Hand {
    /// Takes the controls of the slot that begins.
    pub(crate) fn take(&self, controls: &Controls) {
        let mut held = self.0.lock();
        if held.stop {
            controls.stop();
        }
        held.controls = Some(controls.clone());
    }

    /// The controls of the slot that goes on.
    pub(crate) fn controls(&self) -> Option<Controls> {
        self.0.lock().controls.clone().filter(|controls| Instant::now() < controls.measured().1)
    }

    /// Ends the run early. False if that was asked for before, or if no slot has begun yet: then there is nothing to report.
    pub(crate) fn stop(&self) -> bool {
        let mut held = self.0.lock();
        let first = !held.stop;
        held.stop = true;
        match &held.controls {
            Some(controls) => controls.stop(),
            None => return false,
        }
        first
    }

    /// SIGINT and SIGTERM end the run early and let it report; a second one ends the process.
    pub(crate) fn obey_signals(&self) -> Result<JoinHandle<()>> {
        let hand = self.clone();
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        Ok(tokio::spawn(async move {
            loop {
                let code = tokio::select! {
                    _ = interrupt.recv() => 130,
                    _ = terminate.recv() => 143,
                };
                if !hand.stop() {
                    crate::view::restore();
                    std::process::exit(code);
                }
            }
        }))
    }
}

/// A line for each second.
pub(super) struct Lines {
    hand: Hand,
    label: String,
}

impl Lines {
    pub(super) fn new(hand: Hand) -> Lines {
        Lines { hand, label: String::new() }
    }
}

impl Progress for Lines {
    fn note(&mut self, line: &str) {
        super::note(line);
    }

    fn turn(&mut self, turn: &Turn<'_>) {
        self.label = format!("round {} of {}, {}", turn.round, turn.rounds, turn.target);
    }
}

impl Observer for Lines {
    fn begin(&mut self, controls: &Controls) {
        self.hand.take(controls);
    }

    fn second(&mut self, second: &Second, _: &Moment<'_>) {
        super::note(&line(&self.label, second));
    }
}

fn line(label: &str, second: &Second) -> String {
    let mut line = format!(
        "{label}: {:.1} s, {} a second, p50 {}, p99 {}",
        second.at.as_secs_f64(),
        count(second.rate()),
        time(second.p50),
        time(second.p99),
    );
    for (number, what) in [(second.late, "late"), (second.failed, "errors")] {
        if number > 0 {
            line += &format!(", {} {what}", count(number as f64));
        }
    }
    line
}
