//! Rows that many write, through the gate: who waits in a line of its tablet, and who must not.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use support::{Way, World, settings};
use tokio::task::JoinSet;
use tokio::time::Instant;
use vitrail_harness::{Cluster as Databases, Flavour};
use vitrail_proto::error::Code;
use vitrail_tablet::TabletConfig;

const VSCHEMA: &str = r#"{
    "sharded": true,
    "vindexes": {"hash": {"type": "hash"}},
    "tables": {"account": {"column_vindexes": [{"column": "id", "name": "hash"}]}}
}"#;

/// A gate over shards of keyspace `bank`: accounts 1 to 3 lie on the first of two shards, 4 on the second.
async fn bank(flavour: Flavour, way: Way, shards: usize, tune: impl Fn(&mut TabletConfig)) -> World {
    let databases = Databases::new(flavour, shards, "hot").await;
    let world = World::over(databases, way, "bank", VSCHEMA, tune).await;
    let mut session = world.open();
    let ids: Vec<String> = (1..=400).map(|id| format!("({id})")).collect();
    for sql in [
        "USE bank",
        "CREATE TABLE account (id BIGINT PRIMARY KEY, balance BIGINT NOT NULL DEFAULT 0)",
        &format!("INSERT INTO account (id) VALUES {}", ids.join(", ")),
    ] {
        world.run(&mut session, sql).await.expect(sql);
    }
    world
}

async fn run(world: &World, session: &mut vitrail_gate::Session, sql: &str) -> Vec<String> {
    world.run(session, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}")).1
}

fn waiting(world: &World) -> usize {
    world.tablets.iter().map(|tablet| tablet.stats().hot_rows.waiting).sum()
}

#[tokio::test]
async fn writers_of_one_row_wait_in_line() {
    for (flavour, way) in settings() {
        let world = Arc::new(bank(flavour, way, 2, |config| config.hot_rows.concurrent = 1).await);
        let mut first = world.open();
        run(&world, &mut first, "BEGIN").await;
        run(&world, &mut first, "UPDATE bank.account SET balance = 1 WHERE id = 1").await;
        let mut others = JoinSet::new();
        for _ in 0..5 {
            let world = Arc::clone(&world);
            others.spawn(async move {
                let mut session = world.open();
                run(&world, &mut session, "UPDATE bank.account SET balance = balance + 1 WHERE id = 1").await;
            });
        }
        let give_up = Instant::now() + Duration::from_secs(20);
        while waiting(&world) < 5 {
            assert!(Instant::now() < give_up, "{flavour} {way:?}: nobody is in line");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        // Another row of the same table, and the row itself for whoever has it.
        let mut other = world.open();
        run(&world, &mut other, "UPDATE bank.account SET balance = 9 WHERE id = 2").await;
        run(&world, &mut first, "UPDATE bank.account SET balance = balance + 1 WHERE id = 1").await;
        run(&world, &mut first, "COMMIT").await;
        others.join_all().await;
        assert_eq!(run(&world, &mut other, "SELECT balance FROM bank.account WHERE id = 1").await, ["7"]);
        assert_eq!(waiting(&world), 0);
    }
}

/// Two transactions over two shards, each of which wants what the other has: InnoDB's limit ends that, and no line is in the way.
#[tokio::test]
async fn who_holds_locks_on_a_shard_stands_in_no_line_of_another() {
    for (flavour, way) in settings() {
        let world = bank(flavour, way, 2, |_| {}).await;
        let (mut left, mut right) = (world.open(), world.open());
        for session in [&mut left, &mut right] {
            run(&world, session, "USE bank").await;
            run(&world, session, "SET innodb_lock_wait_timeout = 1").await;
            run(&world, session, "BEGIN").await;
        }
        run(&world, &mut left, "UPDATE account SET balance = 1 WHERE id = 1").await;
        run(&world, &mut right, "UPDATE account SET balance = 2 WHERE id = 4").await;
        let crossed = tokio::join!(
            world.run(&mut left, "UPDATE account SET balance = 3 WHERE id = 4"),
            world.run(&mut right, "UPDATE account SET balance = 4 WHERE id = 1"),
        );
        let errors: Vec<_> = [crossed.0.err(), crossed.1.err()].into_iter().flatten().collect();
        assert!(!errors.is_empty(), "{flavour} {way:?}: both got both rows");
        assert!(errors.iter().all(|error| (error.code.clone(), error.errno) == (Code::Conflict, 1205)), "{errors:?}");
        let waited: u64 = world.tablets.iter().map(|tablet| tablet.stats().hot_rows.waited_total).sum();
        assert_eq!(waited, 0, "{flavour} {way:?}");
        for session in [&mut left, &mut right] {
            run(&world, session, "ROLLBACK").await;
        }
    }
}

/// Latencies of one kind of client.
#[derive(Default)]
struct Latencies(Vec<Duration>);

impl Latencies {
    fn line(&mut self, seconds: f64) -> String {
        self.0.sort_unstable();
        let at =
            |part: f64| self.0.get((self.0.len() as f64 * part) as usize).map_or(0.0, |d| d.as_secs_f64() * 1000.0);
        format!("{:8.0}/s  p50 {:7.2} ms  p99 {:7.2} ms", self.0.len() as f64 / seconds, at(0.50), at(0.99))
    }
}

/// Clients that run these statements one after the other until `stop`; how long each round took.
fn clients(
    world: &Arc<World>,
    stop: &Arc<AtomicBool>,
    count: usize,
    statements: impl Fn(usize) -> Vec<String>,
) -> JoinSet<(usize, Vec<Duration>)> {
    let mut tasks = JoinSet::new();
    for number in 0..count {
        let (world, stop, statements) = (Arc::clone(world), Arc::clone(stop), statements(number));
        tasks.spawn(async move {
            let mut session = world.open();
            let (mut took, mut failed) = (Vec::new(), 0);
            while !stop.load(Ordering::Relaxed) {
                let start = Instant::now();
                let mut ok = true;
                for sql in &statements {
                    ok &= world.run(&mut session, sql).await.is_ok();
                }
                if ok {
                    took.push(start.elapsed());
                } else {
                    failed += 1;
                }
            }
            (failed, took)
        });
    }
    tasks
}

/// 200 clients that increment one row, beside 16 that read others, with and without lines.
///
/// `cargo test --release -p vitrail-gate --test hot_rows -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "figures for docs/performance.md; takes half a minute for each flavour"]
async fn figures_of_a_hot_row() {
    const SECONDS: u64 = 3;
    for flavour in vitrail_harness::flavours() {
        for (kind, transaction, others) in
            [("autocommit", false, 0), ("autocommit", false, 16), ("transaction", true, 0), ("transaction", true, 16)]
        {
            for concurrent in [0, 1, 2, 4, 8] {
                let world =
                    Arc::new(bank(flavour, Way::Direct, 1, |config| config.hot_rows.concurrent = concurrent).await);
                let stop = Arc::new(AtomicBool::new(false));
                let hot = clients(&world, &stop, 200, |_| {
                    let write = "UPDATE bank.account SET balance = balance + 1 WHERE id = 1".to_owned();
                    if transaction { vec!["BEGIN".into(), write, "COMMIT".into()] } else { vec![write] }
                });
                let cold = clients(&world, &stop, others, |number| {
                    vec![format!("SELECT balance FROM bank.account WHERE id = {}", number + 2)]
                });
                let begin = Instant::now();
                tokio::time::sleep(Duration::from_secs(SECONDS)).await;
                stop.store(true, Ordering::Relaxed);
                let seconds = begin.elapsed().as_secs_f64();
                let (mut writes, mut reads, mut failed) = (Latencies::default(), Latencies::default(), 0);
                for (misses, took) in hot.join_all().await {
                    failed += misses;
                    writes.0.extend(took);
                }
                for (misses, took) in cold.join_all().await {
                    failed += misses;
                    reads.0.extend(took);
                }
                let mut session = world.open();
                let sum = run(&world, &mut session, "SELECT balance FROM bank.account WHERE id = 1").await;
                assert_eq!(sum, [writes.0.len().to_string()], "every increment counts once");
                println!(
                    "{flavour:8} {kind:11} {others:2} others, {concurrent} at a time: hot {}, {failed} failed",
                    writes.line(seconds)
                );
                if others > 0 {
                    println!("{:43} cold {}", "", reads.line(seconds));
                }
            }
        }
    }
}
