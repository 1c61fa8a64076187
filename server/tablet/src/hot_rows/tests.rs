//! Lines alone, without MySQL: order, bounds, and that no turn is lost.

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::{JoinSet, yield_now};

use super::*;

fn rows(tune: impl Fn(&mut HotRowConfig)) -> Arc<HotRows> {
    let mut limits = HotRowConfig { concurrent: 1, ..HotRowConfig::default() };
    tune(&mut limits);
    HotRows::new(limits)
}

async fn turn(rows: &Arc<HotRows>, row: &str) -> Result<Turn, ErrorBody> {
    Ok(rows.turn(&row.into(), None, None).await?.expect("there are lines"))
}

#[tokio::test]
async fn turns_come_in_order_and_rows_do_not_wait_for_each_other() {
    let rows = rows(|_| {});
    let first = turn(&rows, "t/0/1").await.unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut waiting = JoinSet::new();
    for number in 0..20 {
        let (rows, order) = (Arc::clone(&rows), Arc::clone(&order));
        waiting.spawn({
            let rows = Arc::clone(&rows);
            async move {
                let turn = turn(&rows, "t/0/1").await.unwrap();
                order.lock().push(number);
                yield_now().await;
                drop(turn);
            }
        });
        while rows.stats().waiting <= number {
            yield_now().await;
        }
    }
    drop(turn(&rows, "t/0/2").await.unwrap());
    assert!(order.lock().is_empty());
    drop(first);
    waiting.join_all().await;
    assert_eq!(*order.lock(), (0..20).collect::<Vec<_>>());
    assert_eq!(rows.stats(), HotRowStats { waited_total: 20, ..HotRowStats::default() });
}

#[tokio::test]
async fn lines_are_bounded_in_length_and_time() {
    let rows = rows(|limits| {
        limits.queue = 2;
        limits.total = 3;
        limits.wait = Duration::from_millis(50);
    });
    let _held = [turn(&rows, "a").await.unwrap(), turn(&rows, "b").await.unwrap()];
    let waiting: Vec<_> =
        ["a", "a", "b"].map(|row| rows.enter(&row.into()).unwrap().expect("somebody is there")).into();
    for row in ["a", "b"] {
        let refused = turn(&rows, row).await.err().unwrap();
        assert_eq!((refused.code.clone(), refused.retryable), (Code::Exhausted, true), "{refused}");
    }
    drop(waiting);
    let late = turn(&rows, "a").await.err().unwrap();
    assert_eq!((late.code, late.errno, late.retryable), (Code::Conflict, 1205, true));
    let soon = Some(Instant::now() + Duration::from_millis(10));
    let late = rows.turn(&"a".into(), soon, None).await.err().unwrap();
    assert_eq!(late.code, Code::Deadline);
    // A session that waits for no lock waits for no turn.
    let late = rows.turn(&"a".into(), None, Some(Duration::ZERO)).await.err().unwrap();
    assert_eq!(late.errno, 1205);
    assert_eq!((rows.stats().waiting, rows.stats().refused_total), (0, 5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_turn_is_lost_and_none_is_doubled() {
    let rows = rows(|limits| limits.concurrent = 2);
    let inside: Arc<[AtomicUsize; 3]> = Arc::default();
    let mut tasks = JoinSet::new();
    for seed in 0..48_u64 {
        let (rows, inside) = (Arc::clone(&rows), Arc::clone(&inside));
        tasks.spawn(async move {
            let mut chance = StdRng::seed_from_u64(seed);
            for _ in 0..300 {
                let number = chance.random_range(0..3);
                let patience = chance.random_range(0..20);
                let turn = tokio::select! {
                    biased;
                    turn = turn(&rows, ["a", "b", "c"][number]) => turn.unwrap(),
                    // Some lose interest, at any moment.
                    () = async { for _ in 0..patience { yield_now().await } } => continue,
                };
                assert!(inside[number].fetch_add(1, Ordering::SeqCst) < 2, "seed {seed}: three at one row");
                yield_now().await;
                inside[number].fetch_sub(1, Ordering::SeqCst);
                drop(turn);
            }
        });
    }
    tasks.join_all().await;
    assert_eq!((rows.stats().rows, rows.stats().waiting), (0, 0));
}

/// What the lines cost a statement whose row nobody else wants.
///
/// `cargo test --release -p vitrail-tablet --lib cold_rows -- --ignored --nocapture`
#[tokio::test]
#[ignore = "a figure for docs/performance.md"]
async fn figures_of_cold_rows() {
    let rows = rows(|_| {});
    let names: Vec<Arc<str>> = (0..10_000).map(|number| format!("account/0/{number}").into()).collect();
    let start = Instant::now();
    for _ in 0..100 {
        for name in &names {
            drop(rows.turn(name, None, None).await.unwrap());
        }
    }
    println!("{:.0} ns for a turn at a row that is free", start.elapsed().as_nanos() as f64 / 1e6);
}
