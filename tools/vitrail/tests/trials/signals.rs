//! One shard's MySQL is killed, restarted, frozen and thawed under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use vitrail_client::{Client, Code, Query, params};
use vitrail_harness::flavours;
use vitrail_trials::client::{check_error, in_time, write_all, write_one};
use vitrail_trials::ledger::Ledger;
use vitrail_trials::quiet;
use vitrail_trials::rig::{Plan, Rig, account};

/// Workers: enough that all connections of the pools are busy and some wait.
const WORKERS: i64 = 24;
/// Each statement's.
const DEADLINE: Duration = Duration::from_secs(2);
/// How long any change may take to show.
const LIMIT: Duration = Duration::from_secs(60);

/// What the workers share.
#[derive(Default)]
struct Load {
    ledger: Ledger,
    stop: AtomicBool,
    /// Answers that were good, by shard.
    good: [AtomicU64; 2],
    /// Errors, by shard.
    bad: [AtomicU64; 2],
    /// Transactions over both shards that committed.
    both: AtomicU64,
    /// The longest wait for an answer, in milliseconds.
    slowest: AtomicU64,
}

impl Load {
    fn seen(&self, shard: usize) -> (u64, u64) {
        (self.good[shard].load(Ordering::Relaxed), self.bad[shard].load(Ordering::Relaxed))
    }

    /// Waits until a shard has given `count` more good answers.
    async fn until_good(&self, what: &str, shard: usize, count: u64) {
        let before = self.seen(shard).0;
        quiet::until(what, LIMIT, async || {
            let more = self.seen(shard).0 - before;
            (more < count).then(|| format!("{more} of {count} good answers"))
        })
        .await;
    }

    /// Waits until a shard has given `count` more errors.
    async fn until_bad(&self, what: &str, shard: usize, count: u64) {
        let before = self.seen(shard).1;
        quiet::until(what, LIMIT, async || {
            let more = self.seen(shard).1 - before;
            (more < count).then(|| format!("{more} of {count} errors"))
        })
        .await;
    }

    async fn until_both(&self, what: &str, count: u64) {
        let before = self.both.load(Ordering::Relaxed);
        quiet::until(what, LIMIT, async || {
            let more = self.both.load(Ordering::Relaxed) - before;
            (more < count).then(|| format!("{more} of {count} commits"))
        })
        .await;
    }
}

/// Reads and writes on one shard, or transactions over both, until told to stop.
async fn work(client: Client, load: Arc<Load>, number: i64) {
    let mut session = client.session();
    let shard = (number % 2) as usize;
    let mut round = 0;
    while !load.stop.load(Ordering::Relaxed) {
        round += 1;
        let started = Instant::now();
        let mine = account(shard, number / 2);
        if number % 3 == 2 {
            let both = [account(0, number), account(1, number)];
            match write_all(&client, &load.ledger, &both, DEADLINE).await {
                Ok(()) => drop(load.both.fetch_add(1, Ordering::Relaxed)),
                Err(error) => check_error(&error),
            }
        } else {
            let outcome = if round % 2 == 0 {
                write_one(&mut session, &load.ledger, mine, DEADLINE).await
            } else {
                let query = Query::new("SELECT id FROM account WHERE id = :id").deadline(DEADLINE);
                let reading = session.query_scalar::<i64>(query, params! { "id" => mine });
                in_time("a read", DEADLINE, reading).await.map(|found| assert_eq!(found, mine))
            };
            match outcome {
                Ok(()) => load.good[shard].fetch_add(1, Ordering::Relaxed),
                Err(error) => {
                    check_error(&error);
                    if error.code() == &Code::SessionLost {
                        session = client.session();
                    }
                    load.bad[shard].fetch_add(1, Ordering::Relaxed)
                }
            };
        }
        load.slowest.fetch_max(started.elapsed().as_millis() as u64, Ordering::Relaxed);
    }
}

async fn under_load(plan: Plan, trial: impl AsyncFnOnce(&Rig, &Load)) {
    let mut rig = super::start(plan).await;
    let load = Arc::new(Load::default());
    let mut workers = JoinSet::new();
    for number in 0..WORKERS {
        workers.spawn(work(rig.client().await, load.clone(), number));
    }
    load.until_good("all is well at first", 0, 50).await;
    load.until_good("all is well at first", 1, 50).await;
    let before = rig.gate.memory();
    trial(&rig, &load).await;
    load.stop.store(true, Ordering::Relaxed);
    while let Some(worker) = workers.join_next().await {
        worker.unwrap();
    }
    rig.settle().await;
    load.ledger.check(&rig).await;
    let grown = rig.gate.memory().saturating_sub(before);
    assert!(grown < 64 << 20, "memory grew by {grown} bytes");
    eprintln!(
        "fates {:?}, slowest answer {} ms, memory grew by {} KiB",
        load.ledger.counts(),
        load.slowest.load(Ordering::Relaxed),
        grown >> 10
    );
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_mysql_costs_only_what_it_had_and_comes_back_by_itself() {
    for flavour in flavours() {
        eprintln!("{flavour}");
        under_load(Plan::new(flavour), async |rig, load| {
            for round in 0..2 {
                rig.servers[0].crash().await;
                load.until_bad("the killed shard fails", 0, 20).await;
                load.until_good("the other shard goes on", 1, 50).await;
                rig.servers[0].restart().await;
                load.until_good("the killed shard is back", 0, 50).await;
                load.until_both(&format!("transactions over both go on after round {round}"), 5).await;
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_mysql_holds_nobody_beyond_the_deadline_and_the_other_shard_goes_on() {
    for flavour in flavours() {
        eprintln!("{flavour}");
        under_load(Plan::new(flavour), async |rig, load| {
            rig.servers[0].freeze().await;
            load.until_bad("the frozen shard's statements end at their deadline", 0, 20).await;
            load.until_good("the other shard goes on", 1, 50).await;
            rig.servers[0].thaw().await;
            load.until_good("the frozen shard is back", 0, 50).await;
            load.until_both("transactions over both go on", 5).await;
        })
        .await;
    }
}
