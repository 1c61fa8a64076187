//! Clients at work: a slot of time in which a target is under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::connection::{Connection, Failure};
use crate::process::{Process, Usage};
use crate::record::{Record, Recorder};
use crate::target::Target;
use crate::workload::{Tally, Workload};

/// An operation that begins so long after it was due is late: the timers are good for a millisecond.
const LATE: Duration = Duration::from_millis(2);

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
    /// How long was measured.
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
}

impl Slot {
    /// Operations a second.
    pub fn rate(&self) -> f64 {
        self.record.done() as f64 / self.elapsed.as_secs_f64()
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

    /// Puts the target under load; `observe` is called each second with what was measured so far.
    pub async fn slot(
        &mut self,
        workload: &Arc<Workload>,
        load: &Load,
        number: u64,
        mut observe: impl FnMut(&Recorder, Duration),
    ) -> Slot {
        let recorder = Arc::new(Recorder::new(workload.operations().len()));
        let begin = Instant::now();
        let clock = Arc::new(Clock {
            begin,
            from: begin + load.warmup,
            until: begin + load.warmup + load.duration,
            rate: load.rate,
            next: AtomicU64::new(0),
        });
        let mut working = JoinSet::new();
        for (index, connection) in self.connections.drain(..).enumerate() {
            let client = Client {
                index,
                target: self.target.clone(),
                connection,
                dice: SmallRng::seed_from_u64(load.seed ^ (number << 32) ^ index as u64),
                tally: Tally::default(),
            };
            working.spawn(client.work(Arc::clone(workload), Arc::clone(&clock), Arc::clone(&recorder)));
        }
        sleep_until(clock.from).await;
        let before = self.usage();
        let mut second = clock.from;
        while second < clock.until {
            second = (second + Duration::from_secs(1)).min(clock.until);
            sleep_until(second).await;
            observe(&recorder, second - clock.from);
        }
        let after = self.usage();
        let mut tally = Tally::default();
        let mut clients = working.join_all().await;
        clients.sort_by_key(|client| client.index);
        for client in clients {
            tally.merge(&client.tally);
            self.connections.push(client.connection);
        }
        let since =
            |before: &Usage, after: &Usage| Usage { cpu: after.cpu.saturating_sub(before.cpu), memory: after.memory };
        let usage = before.0.iter().zip(&after.0).map(|pair| match pair {
            (Some(before), Some(after)) => Some(since(before, after)),
            _ => None,
        });
        Slot {
            elapsed: load.duration,
            record: recorder.total(),
            tally,
            usage: usage.collect(),
            own: since(&before.1, &after.1),
            missed: clock.missed(),
        }
    }

    fn usage(&self) -> (Vec<Option<Usage>>, Usage) {
        (self.processes.iter().map(Process::usage).collect(), Process::this().usage().unwrap_or_default())
    }
}

/// When operations are due.
struct Clock {
    begin: Instant,
    /// What ends before is not measured.
    from: Instant,
    until: Instant,
    rate: Option<f64>,
    /// How many have been given out.
    next: AtomicU64,
}

impl Clock {
    /// When the next operation is due; `None` once there are no more.
    fn due(&self) -> Option<Instant> {
        let due = match self.rate {
            None => Instant::now(),
            Some(rate) => {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                self.begin + Duration::from_secs_f64(number as f64 / rate)
            }
        };
        (due < self.until).then_some(due)
    }

    /// Those of the measured time that nobody took.
    fn missed(&self) -> u64 {
        let Some(rate) = self.rate else { return 0 };
        let all = ((self.until - self.begin).as_secs_f64() * rate).ceil() as u64;
        all.saturating_sub(self.next.load(Ordering::Relaxed))
    }
}

struct Client {
    index: usize,
    target: Target,
    connection: Connection,
    dice: SmallRng,
    tally: Tally,
}

impl Client {
    async fn work(mut self, workload: Arc<Workload>, clock: Arc<Clock>, recorder: Arc<Recorder>) -> Client {
        while let Some(due) = clock.due() {
            if due > Instant::now() {
                sleep_until(due).await;
            } else if Instant::now() >= clock.until {
                // Due in time, and everybody was busy: what is left counts as missed.
                clock.next.fetch_sub(1, Ordering::Relaxed);
                break;
            }
            let operation = workload.choose(&mut self.dice);
            let started = Instant::now();
            let outcome = workload.operate(operation, &mut self.connection, &mut self.dice, &mut self.tally).await;
            let ended = Instant::now();
            // In a closed loop by its end, so that what straddles the edges counts once; in an open one by when it was due.
            let measured = match clock.rate {
                None => (clock.from..=clock.until).contains(&ended),
                Some(_) => due >= clock.from,
            };
            if measured {
                // A client that was free began as soon as its timer woke it: what that takes is not the target's.
                let busy = started.duration_since(due) > LATE;
                let from = if busy { due } else { started };
                recorder.with(self.index, |record| {
                    record.late += u64::from(busy);
                    match &outcome {
                        Ok(statements) => record.note(operation, ended - from, ended - started, *statements),
                        Err(failure) => record.note_failure(&failure.code, &failure.message, ended - from),
                    }
                });
            }
            if let Err(failure) = outcome
                && failure.lost
            {
                self.reconnect(&clock).await;
            }
        }
        self
    }

    /// Until it works, or there is nothing to do any more.
    async fn reconnect(&mut self, clock: &Clock) {
        while Instant::now() < clock.until {
            match self.target.open(1, 1).await {
                Ok(mut opened) => {
                    if let Some(connection) = opened.pop() {
                        self.connection = connection;
                    }
                    return;
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}
