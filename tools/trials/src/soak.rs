//! The soak: every kind of client, and every kind of trouble, at random, for as long as one likes.
//!
//! Once a minute all pauses: the books are compared with the tables, nothing may be left in MySQL or in a pool, no money may be made or
//! lost, and memory and files are noted. At the end they must not have grown.

mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use tokio::sync::RwLock;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use vitrail_client::Client;
use vitrail_harness::Flavour;

use crate::chance;
use crate::ledger::Ledger;
use crate::proxy::{Direction, Fault, Framing, Kind, Proxy};
use crate::rig::{ACCOUNTS, BALANCE, Plan, Rig};
use worker::{Worker, client};

/// Of each statement.
const DEADLINE: Duration = Duration::from_secs(3);
/// Memory may be so much larger in the second half than in the first.
const GROWTH: u64 = 6 << 20;
/// Files may be so many more.
const FILES: usize = 16;

/// What to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The binary to try.
    pub vitrail: PathBuf,
    /// On which servers.
    pub flavour: Flavour,
    /// For how long.
    pub length: Duration,
    /// How often all pauses to be looked at.
    pub pause: Duration,
    /// Seed of everything.
    pub seed: u64,
    /// Clients.
    pub workers: u64,
}

/// Memory in bytes and open files of each process, in a pause.
#[derive(Debug, Clone)]
struct Sample {
    at: Duration,
    memory: Vec<u64>,
    files: Vec<usize>,
}

/// What workers and troublemaker share.
struct World {
    ledger: Ledger,
    /// Held for reading by whatever is under way, for writing in a pause.
    under_way: RwLock<()>,
    stop: AtomicBool,
    /// Of the clients, towards the gate.
    front: Proxy,
    good: AtomicU64,
    bad: AtomicU64,
    /// Statements that this build does not support yet.
    unsupported: AtomicU64,
}

/// Runs it. Panics if anything is wrong; tells what it saw, line by line, through `tell`.
pub async fn run(options: &Options, tell: impl Fn(String)) {
    let plan = Plan {
        apart: true,
        mysql_proxy: true,
        tablet_proxy: true,
        max_idle: Duration::from_secs(8),
        ..Plan::new(options.flavour)
    };
    let mut rig = Rig::start(&options.vitrail, plan).await;
    let front = Proxy::to_address(rig.gate.address(), Framing::Vitrail).await;
    let world = Arc::new(World {
        ledger: Ledger::default(),
        under_way: RwLock::new(()),
        stop: AtomicBool::new(false),
        front,
        good: AtomicU64::new(0),
        bad: AtomicU64::new(0),
        unsupported: AtomicU64::new(0),
    });
    let shared: Vec<Client> = (0..4).map(|_| client(&world)).collect();
    let mut workers = JoinSet::new();
    for number in 0..options.workers {
        let world = world.clone();
        let clients = [shared[(number % 4) as usize].clone(), client(&world)];
        workers.spawn(Worker { world, clients, number, dice: chance::dice(options.seed, number + 1) }.work());
    }
    let started = Instant::now();
    let mut dice = chance::dice(options.seed, 0);
    let mut samples = Vec::new();
    let mut next_pause = started + options.pause;
    while started.elapsed() < options.length {
        let left = options.length.saturating_sub(started.elapsed());
        // Processes restart in the first third only: afterwards their memory is watched.
        let restarts = left > options.length * 2 / 3;
        {
            let _going_on = world.under_way.read().await;
            let what = trouble(&mut rig, &world, &mut dice, restarts).await;
            tell(format!("{:>4} s: {what}", started.elapsed().as_secs()));
        }
        sleep(Duration::from_millis(dice.random_range(500..3_000))).await;
        if let Some(ended) = workers.try_join_next() {
            panic!("a worker ended early: {ended:?}");
        }
        if Instant::now() >= next_pause {
            next_pause = Instant::now() + options.pause;
            let sample = pause(&mut rig, &world, started).await;
            let counts = (world.good.load(Ordering::Relaxed), world.bad.load(Ordering::Relaxed));
            let unsupported = world.unsupported.load(Ordering::Relaxed);
            tell(format!(
                "{:>4} s: all is well; {} went well, {} failed as they may, {unsupported} are not supported; memory {:?} KiB, files {:?}",
                sample.at.as_secs(),
                counts.0,
                counts.1,
                sample.memory.iter().map(|bytes| bytes >> 10).collect::<Vec<_>>(),
                sample.files
            ));
            samples.push(sample);
        }
    }
    world.stop.store(true, Ordering::Relaxed);
    while let Some(worker) = workers.join_next().await {
        worker.expect("a worker does not panic");
    }
    samples.push(pause(&mut rig, &world, started).await);
    judge(&samples, options.length, &tell);
    for client in shared {
        client.close();
    }
    drop(world);
    rig.stop().await;
}

/// Memory and files after the first third, when processes no longer restart: the second half of that against the first.
fn judge(samples: &[Sample], length: Duration, tell: &impl Fn(String)) {
    let steady: Vec<&Sample> = samples.iter().filter(|sample| sample.at > length * 2 / 5).collect();
    if steady.len() < 4 {
        return tell("too short to judge memory".into());
    }
    let (first, second) = steady.split_at(steady.len() / 2);
    for process in 0..steady[0].memory.len() {
        let least = |samples: &[&Sample]| samples.iter().map(|sample| sample.memory[process]).min().unwrap_or(0);
        let files = |samples: &[&Sample]| samples.iter().map(|sample| sample.files[process]).min().unwrap_or(0);
        let (before, after) = (least(first), least(second));
        tell(format!(
            "process {process}: least memory {} KiB, then {} KiB; files {}, then {}",
            before >> 10,
            after >> 10,
            files(first),
            files(second)
        ));
        assert!(after < before + before / 10 + GROWTH, "process {process} grew from {before} to {after} bytes");
        assert!(
            files(second) <= files(first) + FILES,
            "process {process} has {} files, had {}",
            files(second),
            files(first)
        );
    }
}

/// Waits until nothing is under way, and looks at everything.
async fn pause(rig: &mut Rig, world: &World, started: Instant) -> Sample {
    world.front.disarm();
    for proxy in rig.mysql_proxies.iter().chain(&rig.tablet_proxies) {
        proxy.disarm();
    }
    let _alone = timeout(Duration::from_secs(120), world.under_way.write()).await.expect("whatever is under way ends");
    rig.settle().await;
    world.ledger.check(rig).await;
    assert_eq!(rig.total().await, ACCOUNTS * BALANCE, "money was made or lost");
    // A new page, so that the comparison stays quick.
    for index in 0..rig.servers.len() {
        let mut shard = rig.shard(index).await;
        shard.execute("DELETE FROM ledger").await.expect("the ledger can be emptied");
        shard.quit().await;
    }
    world.ledger.forget();
    Sample {
        at: started.elapsed(),
        memory: rig.processes().map(|process| process.memory()).collect(),
        files: rig.processes().map(|process| process.files()).collect(),
    }
}

/// Makes some trouble, and ends it. What it was.
async fn trouble(rig: &mut Rig, world: &World, dice: &mut StdRng, restarts: bool) -> String {
    let server = dice.random_range(0..2);
    match dice.random_range(0..if restarts { 12 } else { 9 }) {
        0 => {
            rig.servers[server].crash().await;
            sleep(Duration::from_millis(dice.random_range(0..2_000))).await;
            rig.servers[server].restart().await;
            format!("MySQL {server} was killed and restarted")
        }
        1 => {
            rig.servers[server].stop().await;
            rig.servers[server].restart().await;
            format!("MySQL {server} was restarted in order")
        }
        2 => {
            let length = Duration::from_millis(dice.random_range(200..6_000));
            rig.servers[server].freeze().await;
            sleep(length).await;
            rig.servers[server].thaw().await;
            format!("MySQL {server} was frozen for {length:?}")
        }
        3 => {
            rig.mysql_proxies[server].sever();
            format!("all connections to MySQL {server} were reset")
        }
        4 => {
            rig.tablet_proxies[server].sever();
            format!("all connections to tablet {server} were reset")
        }
        5 => {
            world.front.sever();
            "all connections of clients were reset".into()
        }
        6..9 => {
            let legs = [
                ("clients", &world.front),
                ("tablet", &rig.tablet_proxies[server]),
                ("MySQL", &rig.mysql_proxies[server]),
            ];
            let (name, proxy) = legs[dice.random_range(0..3)];
            let kind = Kind::HONEST[dice.random_range(0..Kind::HONEST.len())];
            let direction = if dice.random_bool(0.5) { Direction::Up } else { Direction::Down };
            let fault = Fault { kind, direction, at: dice.random_range(0..200) };
            proxy.arm(fault);
            sleep(Duration::from_secs(1)).await;
            let reached = proxy.disarm();
            format!("towards {name}: {fault:?}, reached: {reached}")
        }
        9 => {
            let killed = dice.random_bool(0.5);
            rig.restart_gate(killed).await;
            world.front.retarget(rig.gate.address());
            format!("the gate was restarted, killed: {killed}")
        }
        _ => {
            let killed = dice.random_bool(0.5);
            rig.restart_tablet(server, killed).await;
            format!("tablet {server} was restarted, killed: {killed}")
        }
    }
}
