//! One shard's MySQL is killed, restarted, frozen and thawed under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use vitrail_client::{Client, Code, Executed, Query, params};
use vitrail_harness::flavours;
use vitrail_trials::client::{check_error, in_time, write_all, write_one};
use vitrail_trials::ledger::{Fate, Ledger};
use vitrail_trials::quiet;
use vitrail_trials::rig::{Plan, Rig, account};

/// Workers: enough that all connections of the pools are busy and some wait.
const WORKERS: i64 = 24;
/// Each statement's.
const DEADLINE: Duration = Duration::from_secs(2);
/// What statements are told while MySQL does not answer: that it took too long, or at once that nobody answers there.
const STOOD_STILL: [&str; 2] = ["deadline", "unavailable"];
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

/// What runs on the frozen shard ends by its deadline, and the connection and the other sessions on it go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_mysql_costs_a_client_only_the_statements_that_need_it() {
    for (flavour, apart) in flavours().into_iter().flat_map(|flavour| [(flavour, false), (flavour, true)]) {
        eprintln!("{flavour}, apart: {apart}");
        let mut rig = super::start(Plan { apart, ..Plan::new(flavour) }).await;
        let mut config = rig.client_config();
        config.query_timeout = Some(DEADLINE);
        config.retries = 0;
        let client = Client::connect_with(config).await.unwrap();
        let (frozen, well) = (account(0, 5), account(1, 5));
        let insert = "INSERT INTO ledger (account, entry, amount) VALUES (:account, :entry, 1)";
        let ledger = Ledger::default();
        let begin = async |accounts: &[i64]| {
            let mut transaction = client.begin().await.unwrap();
            let entry = ledger.begin(accounts);
            for account in accounts {
                transaction.execute(insert, params! { "account" => *account, "entry" => entry }).await.unwrap();
            }
            (transaction, entry)
        };
        let (mut stuck, stuck_entry) = begin(&[frozen]).await;
        let (mut mixed, mixed_entry) = begin(&[frozen, well]).await;
        let (undone, undone_entry) = begin(&[frozen, well]).await;
        let (dropped, dropped_entry) = begin(&[well, frozen]).await;
        let (committed, committed_entry) = begin(&[frozen, well]).await;
        // A gate may open a further connection to a tablet that is busy.
        let given_up = async |rig: &Rig| {
            let mut all = Vec::new();
            for process in [&rig.gate].into_iter().chain(&rig.tablets) {
                let metrics = process.metrics().await;
                all.push(metrics.sum("connections_accepted_total") - metrics.sum("connections"));
            }
            all
        };
        let before = given_up(&rig).await;
        rig.servers[0].freeze().await;

        let done = AtomicBool::new(false);
        let read = async {
            let answer = client.query_all("SELECT id FROM account WHERE id = :id", params! { "id" => frozen }).await;
            let error = answer.expect_err("the server is frozen");
            assert!(STOOD_STILL.contains(&error.code().as_str()) && error.executed() == Executed::No, "{error:?}");
        };
        let write = async {
            let entry = ledger.begin(&[frozen]);
            let answer = client.execute(insert, params! { "account" => frozen, "entry" => entry }).await;
            let error = answer.expect_err("the server is frozen");
            assert!(STOOD_STILL.contains(&error.code().as_str()), "{error:?}");
            ledger.note(entry, Fate::of(&Err::<(), _>(error)));
        };
        let scatter = async {
            client.query_all("SELECT COUNT(*) FROM account", ()).await.expect_err("one of its servers is frozen");
        };
        let statement = async {
            let answer = stuck.execute(insert, params! { "account" => frozen, "entry" => stuck_entry }).await;
            assert_eq!(answer.expect_err("the server is frozen").code().as_str(), "tx_lost");
            ledger.note(stuck_entry, Fate::Not);
            stuck.rollback().await.unwrap();
        };
        // A failure on the shard that is well; the rest must be rolled back on the one that is not.
        let failure = async {
            let sql = "INSERT INTO account (id, balance) VALUES (:id, 0)";
            let answer = mixed.execute(sql, params! { "id" => well }).await;
            assert_eq!(answer.expect_err("the account is there").code().as_str(), "constraint");
            ledger.note(mixed_entry, Fate::Not);
            mixed.rollback().await.unwrap();
        };
        let rollback = async {
            ledger.note(undone_entry, Fate::Not);
            undone.rollback().await.unwrap();
        };
        let commit = async {
            let error = committed.commit().await.expect_err("the server is frozen");
            assert_eq!(error.code().as_str(), "outcome_unknown", "{error:?}");
            ledger.note(committed_entry, Fate::Unknown);
        };
        ledger.note(dropped_entry, Fate::Not);
        drop(dropped);
        let all = async {
            // On the heap: side by side and unoptimised they would fill a test's stack.
            let (read, write, scatter) = (Box::pin(read), Box::pin(write), Box::pin(scatter));
            let (statement, failure) = (Box::pin(statement), Box::pin(failure));
            let (rollback, commit) = (Box::pin(rollback), Box::pin(commit));
            let answers = async { tokio::join!(read, write, scatter, statement, failure, rollback, commit) };
            in_time("everything that meets the frozen server", DEADLINE, answers).await;
            done.store(true, Ordering::Relaxed);
        };
        // Over the same connection.
        let others = async {
            let mut session = client.session();
            let mut round = 0;
            while !done.load(Ordering::Relaxed) {
                let id = account(1, round);
                let query = Query::new("SELECT id FROM account WHERE id = :id").deadline(LIMIT);
                assert_eq!(session.query_scalar::<i64>(query, params! { "id" => id }).await.unwrap(), id);
                round += 1;
            }
            assert!(round > 20, "{round} reads beside the frozen server");
        };
        tokio::join!(Box::pin(all), Box::pin(others));
        assert_eq!(given_up(&rig).await, before, "no connection was given up");
        rig.servers[0].thaw().await;
        rig.settle().await;
        ledger.check(&rig).await;
        rig.stop().await;
    }
}
