//! Clients at work: a slot of time in which a target is under load.

mod client;
mod clock;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use clock::Controls;
pub use watch::{Moment, Observer, Second};

use crate::connection::{Connection, Failure};
use crate::process::{Process, Usage, Used};
use crate::record::{Record, Recorder};
use crate::target::Target;
use crate::workload::{Tally, Workload};
use client::Client;
use clock::Clock;

/// How hard, and how long.
#[derive(Debug, Clone)]
pub struct Load {
    /// Clients at work at a time, each with a session of its own.
    pub clients: usize,
    /// Sessions on each connection, where the protocol has sessions.
    pub per_connection: usize,
    /// Operations that are due each second, evenly; `None`: each client begins the next when one has ended.
    pub rate: Option<f64>,
    /// Not measured.
    pub warmup: Duration,
    /// Measured.
    pub duration: Duration,
    /// Of what clients draw; each slot and client has dice of its own.
    pub seed: u64,
}

/// A target with clients that wait for work.
pub struct Fleet {
    /// The target.
    pub target: Target,
    /// The processes behind it that can be watched.
    pub processes: Vec<Process>,
    connections: Vec<Connection>,
}

/// What a slot has shown.
#[derive(Debug, Clone)]
pub struct Slot {
    /// How long was measured: less than was asked for if it was stopped, and nothing if that was in its warm-up.
    pub elapsed: Duration,
    /// What the clients saw.
    pub record: Record,
    /// What was acknowledged, warm-up included.
    pub tally: Tally,
    /// What each process used while it was measured: CPU of the time, memory at its end.
    pub usage: Vec<Option<Usage>>,
    /// The same of this process.
    pub own: Usage,
    /// Operations that were due and never begun, because every client was busy.
    pub missed: u64,
    /// Each second of it.
    pub seconds: Vec<Second>,
    /// How late timers of this process woke, in microseconds.
    pub wakes: Histogram<u64>,
    /// It was ended by hand.
    pub stopped: bool,
    /// The rate that was set by hand, if one was; `None` in it is a closed loop.
    pub changed: Option<Option<f64>>,
}

impl Slot {
    /// Operations a second.
    pub fn rate(&self) -> f64 {
        if self.elapsed.is_zero() { 0.0 } else { self.record.done() as f64 / self.elapsed.as_secs_f64() }
    }
}

impl Fleet {
    /// Opens the clients' connections.
    ///
    /// # Errors
    ///
    /// The first that cannot be opened.
    pub async fn open(target: Target, load: &Load, processes: Vec<Process>) -> Result<Fleet, Failure> {
        let connections = target.open(load.clients, load.per_connection).await?;
        Ok(Fleet { target, processes, connections })
    }

    /// Its first connection, for what is done between slots.
    pub fn first(&mut self) -> Option<&mut Connection> {
        self.connections.first_mut()
    }

    /// All its connections.
    pub fn connections(&mut self) -> &mut [Connection] {
        &mut self.connections
    }

    /// Puts the target under load; `observer` is told of each second, and may change the rate or end the slot.
    pub async fn slot(
        &mut self,
        workload: &Arc<Workload>,
        load: &Load,
        number: u64,
        observer: &mut dyn Observer,
    ) -> Slot {
        let recorder = Arc::new(Recorder::new(workload.operations().len()));
        let clock = Clock::start(load.rate, load.warmup, load.duration);
        let controls = clock.controls();
        let mut working = JoinSet::new();
        for (index, connection) in self.connections.drain(..).enumerate() {
            let client = Client {
                index,
                target: self.target.clone(),
                connection,
                dice: SmallRng::seed_from_u64(load.seed ^ (number << 32) ^ index as u64),
                tally: Tally::default(),
            };
            working.spawn(client.work(Arc::clone(workload), clock.turns(), Arc::clone(&recorder)));
        }
        observer.begin(&controls);
        clock.reach(clock.from).await;
        let before = Used::now(&self.processes).await;
        let (watched, ended) = tokio::sync::oneshot::channel::<()>();
        let probe = tokio::spawn(watch::wakes(async move {
            // Either way it is over.
            let _ = ended.await;
        }));
        let mut record = Record::new(workload.operations().len());
        let mut added = record.clone();
        let mut seconds = Vec::new();
        let (mut at, mut used) = (clock.from, before.clone());
        while at < clock.until() {
            let now = clock.reach(next(at, clock.until())).await;
            recorder.take(&mut added);
            record.merge(&added);
            let usage = Used::now(&self.processes).await;
            let second = figures(&added, now - clock.from, now - at, controls.rate(), &used, &usage);
            observer.second(&second, &Moment { added: &added, total: &record });
            seconds.push(second);
            (at, used) = (now, usage);
        }
        drop(watched);
        let mut tally = Tally::default();
        let mut clients = working.join_all().await;
        clients.sort_by_key(|client| client.index);
        for client in clients {
            tally.merge(&client.tally);
            self.connections.push(client.connection);
        }
        // What was due in time and ended later.
        recorder.take(&mut added);
        record.merge(&added);
        let used = used.since(&before);
        Slot {
            elapsed: at.saturating_duration_since(clock.from),
            record,
            tally,
            usage: used.processes,
            own: used.own,
            missed: clock.missed(),
            seconds,
            wakes: probe.await.unwrap_or_else(|_| crate::record::histogram()),
            stopped: controls.is_stopped(),
            changed: controls.is_changed().then(|| controls.rate()),
        }
    }
}

/// When the second after `at` ends; what is left of the last one belongs to the one before.
fn next(at: Instant, until: Instant) -> Instant {
    const SECOND: Duration = Duration::from_secs(1);
    if until.saturating_duration_since(at) < SECOND + SECOND / 2 { until } else { at + SECOND }
}

fn figures(added: &Record, at: Duration, length: Duration, wanted: Option<f64>, before: &Used, after: &Used) -> Second {
    let latency = added.latency();
    let used = after.since(before);
    Second {
        at,
        length,
        wanted,
        done: added.done(),
        failed: added.failed(),
        statements: added.statements,
        late: added.late,
        p50: latency.value_at_quantile(0.5),
        p99: latency.value_at_quantile(0.99),
        max: latency.max(),
        usage: used.processes,
        own: used.own,
    }
}
