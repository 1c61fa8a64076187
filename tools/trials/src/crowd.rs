//! Crowds: many connections of one session each, and many sessions on few connections, over few connections to MySQL.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::Rng;
use rand::seq::SliceRandom;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use vitrail_client::{BeginOptions, Client, Error, Session, params};

use crate::chance;
use crate::ledger::{Fate, Ledger};
use crate::rig::{self, BALANCE, Rig, account};

/// Connections that are being opened at a time: below what a listener lets in unauthenticated from one address.
const OPENING: usize = 200;

/// How long a crowd waited, and what went wrong. What it costs is measured by `vitrail bench sessions`.
#[derive(Debug, Default, Clone)]
pub struct Report {
    /// Connections, or sessions.
    pub size: usize,
    /// Statements and transactions that were run.
    pub done: usize,
    /// The errors.
    pub errors: Vec<String>,
    /// How long it took to get there.
    pub arriving: Duration,
    /// How long the work took.
    pub working: Duration,
    /// Kind of work → median and 99th percentile.
    pub waits: Vec<(&'static str, Duration, Duration)>,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} there after {:.1?}, {} done in {:.1?} ({:.0} a second), {} errors",
            self.size,
            self.arriving,
            self.done,
            self.working,
            self.done as f64 / self.working.as_secs_f64(),
            self.errors.len()
        )?;
        for (kind, median, late) in &self.waits {
            write!(f, "; {kind} p50 {median:.1?} p99 {late:.1?}")?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Waits(Mutex<Vec<(&'static str, Duration)>>);

impl Waits {
    async fn measure<T>(&self, kind: &'static str, work: impl Future<Output = Result<T, Error>>) -> Result<T, String> {
        let started = Instant::now();
        let outcome = work.await;
        self.0.lock().push((kind, started.elapsed()));
        outcome.map_err(|error| format!("{kind}: {error:?}"))
    }

    fn percentiles(&self) -> Vec<(&'static str, Duration, Duration)> {
        let all = self.0.lock();
        let mut kinds: Vec<&'static str> = all.iter().map(|(kind, _)| *kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let of = |kind: &'static str| {
            let mut waits: Vec<Duration> =
                all.iter().filter(|(other, _)| *other == kind).map(|(_, wait)| *wait).collect();
            waits.sort_unstable();
            (kind, waits[waits.len() / 2], waits[waits.len() * 99 / 100])
        };
        kinds.into_iter().map(of).collect()
    }
}

/// As many clients as `count`, each with a connection of its own, and each reads, writes, and moves an amount between accounts of both shards
/// in a transaction. Compares the books at the end.
pub async fn connections(rig: &Rig, count: usize, seed: u64) -> Report {
    let mut report = Report { size: count, ..Report::default() };
    let started = Instant::now();
    let clients = arrive(rig, count).await;
    report.arriving = started.elapsed();

    let (waits, ledger) = (Arc::new(Waits::default()), Arc::new(Ledger::default()));
    let started = Instant::now();
    let mut working = JoinSet::new();
    for (number, client) in clients.iter().enumerate() {
        let (client, waits, ledger) = (client.clone(), waits.clone(), ledger.clone());
        working.spawn(async move { work(&client, number as u64, seed, &waits, &ledger).await });
    }
    while let Some(worker) = working.join_next().await {
        match worker.expect("a worker does not panic") {
            Ok(done) => report.done += done,
            Err(error) => report.errors.push(error),
        }
    }
    report.working = started.elapsed();
    report.waits = waits.percentiles();
    ledger.check(rig).await;
    assert_eq!(rig.total().await, rig::ACCOUNTS * BALANCE, "money was made or lost");
    for client in clients {
        client.close();
    }
    report
}

/// Opens connections, some at a time.
async fn arrive(rig: &Rig, count: usize) -> Vec<Client> {
    let turns = Arc::new(Semaphore::new(OPENING));
    let config = rig.client_config();
    let mut arriving = JoinSet::new();
    for _ in 0..count {
        let (turns, mut config) = (turns.clone(), config.clone());
        config.connect_timeout = Duration::from_secs(60);
        arriving.spawn(async move {
            let _turn = turns.acquire().await.expect("it is never closed");
            Client::connect_with(config).await.expect("the gate has room for all")
        });
    }
    arriving.join_all().await
}

async fn work(client: &Client, number: u64, seed: u64, waits: &Waits, ledger: &Ledger) -> Result<usize, String> {
    let mut dice = chance::dice(seed, number);
    let mut session = client.session();
    let mine = account(dice.random_range(0..2), dice.random_range(0..rig::ACCOUNTS));
    let sql = "SELECT id FROM account WHERE id = :id";
    let found = waits.measure("read", session.query_scalar::<i64>(sql, params! { "id" => mine })).await?;
    if found != mine {
        return Err(format!("account {found} in place of {mine}"));
    }
    let entry = ledger.begin(&[mine]);
    let sql = "INSERT INTO ledger (account, entry, amount) VALUES (:account, :entry, 1)";
    let written = waits.measure("write", session.execute(sql, params! { "account" => mine, "entry" => entry })).await;
    ledger.note(entry, if written.is_ok() { Fate::Done } else { Fate::Unknown });
    written?;

    // All in one order, as for locks: who holds one shard's connection and waits for the other's must not wait for who does the opposite.
    let pair = [account(0, dice.random_range(0..rig::ACCOUNTS)), account(1, dice.random_range(0..rig::ACCOUNTS))];
    waits.measure("transaction", transfer(&mut session, pair)).await?;
    Ok(3)
}

/// Moves an amount; again where another transaction was in the way, as applications do.
async fn transfer(session: &mut Session, pair: [i64; 2]) -> Result<(), Error> {
    let mut attempts = 0;
    loop {
        match try_transfer(session, pair).await {
            Err(error) if error.code().as_str() == "conflict" && error.is_retryable() && attempts < 20 => attempts += 1,
            outcome => return outcome,
        }
    }
}

async fn try_transfer(session: &mut Session, [from, to]: [i64; 2]) -> Result<(), Error> {
    let mut transaction = session.begin_with(BeginOptions::default()).await?;
    let sql = "UPDATE account SET balance = balance + :amount WHERE id = :id";
    transaction.execute(sql, params! { "amount" => -1, "id" => from }).await?;
    transaction.execute(sql, params! { "amount" => 1, "id" => to }).await?;
    transaction.commit().await.map(drop)
}

/// As many sessions as `count`, evenly on `over` connections. Each sets its time zone and runs a statement in it; at the end, in another
/// order, each must still have its own.
pub async fn sessions(rig: &Rig, count: usize, over: usize, seed: u64) -> Report {
    let mut report = Report { size: count, ..Report::default() };
    let clients = arrive(rig, over).await;
    let waits = Arc::new(Waits::default());
    let started = Instant::now();
    let mut arriving = JoinSet::new();
    for (number, client) in clients.iter().enumerate() {
        let (client, waits) = (client.clone(), waits.clone());
        let mine = count / over + usize::from(number < count % over);
        arriving.spawn(async move {
            let mut sessions = Vec::with_capacity(mine);
            let mut errors = Vec::new();
            for index in 0..mine {
                let mut session = client.session();
                let zone = zone_of(number * 7 + index);
                let set = session.execute(format!("SET time_zone = '{}'", zone.0), ());
                let outcome = match waits.measure("set", set).await {
                    Ok(_) => look(&mut session, zone, &waits).await,
                    Err(error) => Err(error),
                };
                errors.extend(outcome.err());
                sessions.push((session, zone));
            }
            (sessions, errors)
        });
    }
    let mut sessions = Vec::with_capacity(count);
    while let Some(arrived) = arriving.join_next().await {
        let (some, errors) = arrived.expect("a worker does not panic");
        sessions.extend(some);
        report.errors.extend(errors);
    }
    report.arriving = started.elapsed();
    assert_eq!(rig.gate.metrics().await.sum("sessions"), count as u64, "all sessions are open");

    let started = Instant::now();
    sessions.shuffle(&mut chance::dice(seed, 0));
    let mut working = JoinSet::new();
    let share = sessions.len().div_ceil(over.max(1));
    while !sessions.is_empty() {
        let mut some = sessions.split_off(sessions.len().saturating_sub(share));
        let waits = waits.clone();
        working.spawn(async move {
            let mut errors = Vec::new();
            for (session, zone) in &mut some {
                errors.extend(look(session, *zone, &waits).await.err());
            }
            (some, errors)
        });
    }
    let mut kept = Vec::new();
    while let Some(worked) = working.join_next().await {
        let (some, errors) = worked.expect("a worker does not panic");
        kept.extend(some);
        report.errors.extend(errors);
    }
    report.working = started.elapsed();
    report.done = count;
    report.waits = waits.percentiles();
    drop(kept);
    for client in clients {
        client.close();
    }
    report
}

/// A time zone, and what the beginning of time is called in it.
type Zone = (&'static str, &'static str);

const ZONES: [Zone; 8] = [
    ("+00:00", "1970-01-01 00:00"),
    ("+01:00", "1970-01-01 01:00"),
    ("+05:30", "1970-01-01 05:30"),
    ("+09:00", "1970-01-01 09:00"),
    ("+12:45", "1970-01-01 12:45"),
    ("-03:00", "1969-12-31 21:00"),
    ("-08:00", "1969-12-31 16:00"),
    ("-11:00", "1969-12-31 13:00"),
];

fn zone_of(number: usize) -> Zone {
    ZONES[number % ZONES.len()]
}

/// Whether a session has its own time zone.
async fn look(session: &mut Session, zone: Zone, waits: &Waits) -> Result<(), String> {
    let sql = "SELECT DATE_FORMAT(FROM_UNIXTIME(0), '%Y-%m-%d %H:%i') FROM account WHERE id = :id";
    let found: String = waits.measure("statement", session.query_scalar(sql, params! { "id" => 1 })).await?;
    if found == zone.1 { Ok(()) } else { Err(format!("{found} in the time zone {}", zone.0)) }
}
