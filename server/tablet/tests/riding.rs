//! Short reads go to MySQL behind one another while all connections are in use: each gets its own answer, whoever goes before it is slow, is
//! stopped, fails, or loses the connection.
//!
//! A read of a table that another connection has locked stays in MySQL until it is unlocked.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use support::{Answer, Subject, call, collect, eventually};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use vitrail_harness::Connection;
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::Share;
use vitrail_proto::value::{Binds, Value};
use vitrail_service::call::{Call, On, Statement};
use vitrail_tablet::TabletConfig;

const READ: &str = "SELECT v, :n FROM t WHERE v >= :n";

/// Every read counts as a quick one, however slow this machine is.
async fn subjects(tune: impl Fn(&mut TabletConfig)) -> Vec<Subject> {
    support::subjects(|config| {
        config.pipeline.quick = Duration::from_secs(60);
        tune(config);
    })
    .await
}

fn read(number: i64) -> Statement {
    let mut binds = Binds::new();
    binds.set("n".to_owned(), Value::Int(number));
    Statement { binds: binds.into(), share: Share::Next, ..support::statement(READ, false) }
}

fn start(subject: &Subject, call: Call, number: i64) -> JoinHandle<Result<Answer, ErrorBody>> {
    let service = subject.service.clone();
    tokio::spawn(async move { collect(service.execute(call, read(number), On::Pool).await?).await })
}

/// A tablet with a table of the numbers from 0 to 99, where the read is known to be quick.
async fn prepare(subject: &Subject) {
    subject.run("CREATE TABLE t (v INT PRIMARY KEY)").await;
    let rows: Vec<String> = (0..100).map(|number| format!("({number})")).collect();
    subject.run(&format!("INSERT INTO t VALUES {}", rows.join(","))).await;
    for number in 0..20 {
        check(&subject.ask(call(), read(number), On::Pool).await.unwrap(), number);
    }
}

fn check(answer: &Answer, number: i64) {
    let expected: Vec<Vec<String>> = (number..100).map(|v| vec![v.to_string(), number.to_string()]).collect();
    assert_eq!(answer.text(), expected);
}

async fn lock(subject: &Subject) -> Connection {
    let mut lock = subject.admin().await;
    lock.execute("LOCK TABLES t WRITE").await.unwrap();
    lock
}

async fn waiting(subject: &Subject, count: usize) {
    eventually(&format!("{}: {count} wait", subject.name), async || subject.tablet.stats().pool.waiting == count).await;
}

async fn boarded(subject: &Subject, count: u64) {
    eventually(&format!("{}: {count} are aboard", subject.name), async || {
        subject.tablet.stats().pool.boarded_total == count
    })
    .await;
}

/// A statement that stays in MySQL until it is cancelled: it keeps a connection.
fn keep_busy(subject: &Subject) -> (Call, JoinHandle<()>) {
    let (call, service) = (call(), subject.service.clone());
    let mine = call.clone();
    let busy = tokio::spawn(async move {
        let statement = support::statement("SELECT SLEEP(300)", false);
        let outcome = async { collect(service.execute(mine, statement, On::Pool).await?).await }.await;
        assert_eq!(outcome.unwrap_err().code, Code::Cancelled);
    });
    (call, busy)
}

async fn assert_at_rest(subject: &Subject) {
    eventually(&format!("{}: rest", subject.name), async || {
        let pool = subject.tablet.stats().pool;
        (pool.in_use, pool.waiting) == (0, 0)
    })
    .await;
    for number in [0, 99] {
        check(&subject.ask(call(), read(number), On::Pool).await.unwrap(), number);
    }
}

#[tokio::test]
async fn each_gets_its_own_answer() {
    for subject in subjects(|config| config.pool.size = 2).await {
        prepare(&subject).await;
        let mut reads = JoinSet::new();
        for number in 0..400 {
            let (service, number) = (subject.service.clone(), number % 97);
            reads.spawn(async move {
                let answer = collect(service.execute(call(), read(number), On::Pool).await.unwrap()).await.unwrap();
                check(&answer, number);
            });
        }
        reads.join_all().await;
        let pool = subject.tablet.stats().pool;
        assert!(pool.boarded_total > 0, "{}: nobody went behind anybody: {pool:?}", subject.name);
        assert!(pool.opened_total <= 4, "{}: {pool:?}", subject.name);
        assert_at_rest(&subject).await;
    }
}

#[tokio::test]
async fn nobody_rides_if_that_is_switched_off() {
    for subject in subjects(|config| (config.pool.size, config.pipeline.depth) = (1, 0)).await {
        prepare(&subject).await;
        let held = lock(&subject).await;
        let reads: Vec<_> = (0..5).map(|number| start(&subject, call(), number)).collect();
        waiting(&subject, 4).await;
        drop(held);
        for (number, read) in (0..).zip(reads) {
            check(&read.await.unwrap().unwrap(), number);
        }
        assert_eq!(subject.tablet.stats().pool.boarded_total, 0, "{}", subject.name);
    }
}

#[tokio::test]
async fn warnings_and_long_answers_are_whole() {
    for subject in subjects(|config| {
        config.pool.size = 1;
        config.limits.batch_bytes = 1 << 10;
    })
    .await
    {
        prepare(&subject).await;
        // Of some values it warns, and of some it gives more than a batch.
        let statement = |number: i64| {
            let mut binds = Binds::new();
            binds.set("n".to_owned(), Value::Int(number));
            binds.set(
                "t".to_owned(),
                Value::Text(if number % 3 == 1 { format!("{number}x") } else { number.to_string() }),
            );
            let sql = "SELECT v, CAST(:t AS UNSIGNED), REPEAT('-', 20 * (:n % 3)) FROM t WHERE v >= :n - 2";
            Statement { binds: binds.into(), share: Share::Next, ..support::statement(sql, false) }
        };
        for _ in 0..5 {
            subject.ask(call(), statement(99), On::Pool).await.unwrap();
        }
        let boarded = subject.tablet.stats().pool.boarded_total;
        let busy = keep_busy(&subject);
        eventually("the connection", async || subject.tablet.stats().pool.in_use == 1).await;
        let reads: Vec<_> = (0..8)
            .map(|number| {
                let (service, statement) = (subject.service.clone(), statement(number));
                let call = Call { warnings: 64, ..call() };
                tokio::spawn(async move { collect(service.execute(call, statement, On::Pool).await?).await })
            })
            .collect();
        waiting(&subject, 8).await;
        subject.service.cancel(busy.0.id).await;
        busy.1.await.unwrap();
        for (number, read) in (0..8).zip(reads) {
            let answer = read.await.unwrap().unwrap();
            let from = (number - 2).max(0);
            let expected: Vec<Vec<String>> = (from..100)
                .map(|v| vec![v.to_string(), number.to_string(), "-".repeat(20 * (number as usize % 3))])
                .collect();
            assert_eq!(answer.text(), expected, "{}: {number}", subject.name);
            let texts: Vec<&str> = answer.end.warning_texts.iter().map(|warning| warning.message.as_str()).collect();
            assert_eq!(answer.end.warnings > 0, number % 3 == 1, "{}: {number}", subject.name);
            assert_eq!(texts.len(), answer.end.warnings.min(64) as usize, "{}: {number}", subject.name);
            assert!(texts.iter().all(|text| text.contains(&format!("'{number}x'"))), "{}: {texts:?}", subject.name);
        }
        assert!(subject.tablet.stats().pool.boarded_total > boarded, "{}", subject.name);
        assert_at_rest(&subject).await;
    }
}

#[tokio::test]
async fn whoever_is_behind_a_slow_one_goes_its_own_way() {
    for subject in subjects(|config| {
        config.pool.size = 2;
        config.pipeline.patience = Duration::from_millis(5);
    })
    .await
    {
        prepare(&subject).await;
        // Of a table that nobody locks.
        let quick = |number| {
            let binds = read(number).binds;
            Statement { binds, share: Share::Next, ..support::statement("SELECT :n", false) }
        };
        for number in 0..3 {
            subject.ask(call(), quick(number), On::Pool).await.unwrap();
        }
        let (busy, also_busy) = (keep_busy(&subject), keep_busy(&subject));
        eventually("both connections", async || subject.tablet.stats().pool.in_use == 2).await;
        let slow = call();
        let first = start(&subject, slow.clone(), 1);
        waiting(&subject, 1).await;
        let others: Vec<_> = (0..2)
            .map(|number| {
                let (service, statement) = (subject.service.clone(), quick(number));
                tokio::spawn(async move { collect(service.execute(call(), statement, On::Pool).await?).await })
            })
            .collect();
        waiting(&subject, 3).await;
        let held = lock(&subject).await;
        subject.service.cancel(busy.0.id).await;
        busy.1.await.unwrap();
        subject.service.cancel(also_busy.0.id).await;
        also_busy.1.await.unwrap();
        for (number, other) in others.into_iter().enumerate() {
            let answer = timeout(Duration::from_secs(60), other).await.expect("it is not held up").unwrap().unwrap();
            assert_eq!(answer.cell(), number.to_string());
        }
        assert!(!first.is_finished(), "{}: the table is locked", subject.name);
        assert!(subject.tablet.stats().pool.boarded_total > 0, "{}", subject.name);
        drop(held);
        check(&first.await.unwrap().unwrap(), 1);
        assert_at_rest(&subject).await;
    }
}

#[tokio::test]
async fn those_behind_one_that_is_stopped_are_answered() {
    for subject in subjects(|config| config.pool.size = 1).await {
        prepare(&subject).await;
        let busy = keep_busy(&subject);
        eventually("the connection", async || subject.tablet.stats().pool.in_use == 1).await;
        let first = call();
        let stopped = start(&subject, first.clone(), 1);
        waiting(&subject, 1).await;
        let gone = call();
        let behind = start(&subject, gone.clone(), 2);
        waiting(&subject, 2).await;
        let others: Vec<_> = (3..7).map(|number| start(&subject, call(), number)).collect();
        waiting(&subject, 6).await;
        let held = lock(&subject).await;
        subject.service.cancel(busy.0.id).await;
        busy.1.await.unwrap();
        boarded(&subject, 5).await;
        // It goes while it is aboard.
        subject.service.cancel(gone.id).await;
        assert_eq!(behind.await.unwrap().unwrap_err().code, Code::Cancelled, "{}", subject.name);
        subject.service.cancel(first.id).await;
        assert_eq!(stopped.await.unwrap().unwrap_err().code, Code::Cancelled, "{}", subject.name);
        drop(held);
        for (number, other) in (3..).zip(others) {
            check(&other.await.unwrap().unwrap(), number);
        }
        assert_at_rest(&subject).await;
    }
}

#[tokio::test]
async fn those_behind_one_whose_connection_is_lost_are_answered() {
    for subject in subjects(|config| config.pool.size = 1).await {
        prepare(&subject).await;
        let busy = keep_busy(&subject);
        eventually("the connection", async || subject.tablet.stats().pool.in_use == 1).await;
        let reads: Vec<_> = (0..6).map(|number| start(&subject, call(), number)).collect();
        waiting(&subject, 6).await;
        let held = lock(&subject).await;
        subject.service.cancel(busy.0.id).await;
        busy.1.await.unwrap();
        boarded(&subject, 5).await;
        let mut admin = subject.admin().await;
        let running = subject.wait_until_running(&mut admin, "FROM t").await;
        admin.execute(&format!("KILL CONNECTION {running}")).await.unwrap();
        drop(held);
        let mut lost = 0;
        for (number, read) in (0..).zip(reads) {
            match read.await.unwrap() {
                Ok(answer) => check(&answer, number),
                Err(error) => {
                    assert!(error.retryable, "{error}");
                    lost += 1;
                }
            }
        }
        assert!(lost <= 1, "{}: {lost} were lost with the connection of one", subject.name);
        assert_at_rest(&subject).await;
    }
}

#[tokio::test]
async fn a_failure_is_that_of_its_statement_alone() {
    for subject in subjects(|config| config.pool.size = 1).await {
        prepare(&subject).await;
        // A text that fails for some values.
        let failing = |number: i64| {
            let mut binds = Binds::new();
            binds.set("n".to_owned(), Value::Int(number));
            let sql = "SELECT :n, (SELECT v FROM t WHERE v < :n)";
            Statement { binds: binds.into(), share: Share::Next, ..support::statement(sql, false) }
        };
        for _ in 0..5 {
            subject.ask(call(), failing(1), On::Pool).await.unwrap();
        }
        let busy = keep_busy(&subject);
        eventually("the connection", async || subject.tablet.stats().pool.in_use == 1).await;
        let reads: Vec<_> = (0..8)
            .map(|number| {
                let (service, statement) = (subject.service.clone(), failing(number % 4));
                tokio::spawn(async move {
                    let call = Call { max_rows: Some(100 + number as u64), ..call() };
                    collect(service.execute(call, statement, On::Pool).await?).await
                })
            })
            .collect();
        waiting(&subject, 8).await;
        subject.service.cancel(busy.0.id).await;
        busy.1.await.unwrap();
        for (number, read) in (0..8).zip(reads) {
            match (number % 4, read.await.unwrap()) {
                (0 | 1, Ok(answer)) => assert_eq!(answer.cell(), (number % 4).to_string(), "{}", subject.name),
                (2 | 3, Err(error)) => assert_eq!(error.errno, 1242, "{}: {error}", subject.name),
                (_, other) => panic!("{}: {number}: {other:?}", subject.name),
            }
        }
        assert!(subject.tablet.stats().pool.boarded_total > 0, "{}", subject.name);
        assert_at_rest(&subject).await;
    }
}

#[tokio::test]
async fn nothing_is_mixed_up_while_many_are_stopped() {
    let seed = 20_261_128;
    println!("seed {seed}");
    for subject in subjects(|config| config.pool.size = 2).await {
        prepare(&subject).await;
        let mut chance = StdRng::seed_from_u64(seed);
        let mut reads = JoinSet::new();
        for round in 0..600_u64 {
            let number = chance.random_range(0..97);
            let mine = Call { deadline: None, ..call() };
            let (id, service, ask) = (mine.id, subject.service.clone(), subject.service.clone());
            let cancelled = chance.random_bool(0.3).then(|| Duration::from_micros(chance.random_range(0..4000)));
            reads.spawn(async move {
                let answer = async { collect(ask.execute(mine, read(number), On::Pool).await?).await };
                let cancel = async {
                    if let Some(after) = cancelled {
                        tokio::time::sleep(after).await;
                        service.cancel(id).await;
                    }
                };
                match tokio::join!(answer, cancel).0 {
                    Ok(answer) => check(&answer, number),
                    Err(error) => {
                        assert!(error.code == Code::Cancelled && cancelled.is_some(), "{round}: {error}");
                    }
                }
            });
            if round % 60 == 59 {
                while reads.len() > 20 {
                    reads.join_next().await.unwrap().unwrap();
                }
            }
        }
        reads.join_all().await;
        assert!(subject.tablet.stats().pool.boarded_total > 0, "{}", subject.name);
        assert_at_rest(&subject).await;
    }
}
