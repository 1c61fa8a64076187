//! A network that misbehaves at each message of a conversation, on each of the three legs.
//!
//! The short form takes a seeded sample of the places, `VITRAIL_TRIALS=300` a sample of that size; `VITRAIL_TRIALS=full` takes all of
//! them, until the conversation ends before the fault is reached, and `VITRAIL_TRIALS=2/4` the second of four parts of them. `VITRAIL_FAULT=kind,direction,index` runs one place alone, as a failure names it.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use rand::seq::SliceRandom;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use vitrail_harness::{Flavour, flavours};
use vitrail_trials::chance;
use vitrail_trials::ledger::Ledger;
use vitrail_trials::proxy::{Direction, Fault, Framing, Kind, Proxy};
use vitrail_trials::rig::{Plan, Rig};
use vitrail_trials::script::{Report, Script};

/// Of each statement.
const DEADLINE: Duration = Duration::from_secs(2);
/// Conversations at a time, where each has a connection of its own.
const TOGETHER: usize = 16;

/// Which places to try of those that there are, by their order.
fn sample_of(all: usize, short: usize) -> Range<usize> {
    let Ok(form) = std::env::var("VITRAIL_TRIALS") else { return 0..short.min(all) };
    let number = |text: &str| text.parse::<usize>().expect("VITRAIL_TRIALS is full, a number, or a part such as 2/4");
    match form.split_once('/') {
        Some((part, parts)) => {
            let (part, parts) = (number(part), number(parts));
            assert!((1..=parts).contains(&part), "VITRAIL_TRIALS names a part from 1 on");
            all * (part - 1) / parts..all * part / parts
        }
        None if form == "full" => 0..all,
        None => 0..number(&form).min(all),
    }
}

/// Whether to look closely after each place.
fn thorough() -> bool {
    std::env::var("VITRAIL_TRIALS").is_ok() || chosen().is_some()
}

/// The one place that `VITRAIL_FAULT` names.
fn chosen() -> Option<Fault> {
    let text = std::env::var("VITRAIL_FAULT").ok()?;
    let [kind, direction, at] = text.split(',').collect::<Vec<_>>()[..] else {
        panic!("VITRAIL_FAULT is kind,direction,index")
    };
    let kind = Kind::ALL.into_iter().find(|known| format!("{known:?}").eq_ignore_ascii_case(kind));
    let direction = if direction.eq_ignore_ascii_case("up") { Direction::Up } else { Direction::Down };
    Some(Fault { kind: kind.expect("a kind of fault"), direction, at: at.parse().expect("an index") })
}

/// The places to try on a conversation with so many messages up and down: all of them and one behind the end, or a sample.
fn places(kinds: &[Kind], messages: [u64; 2], sample: usize) -> Vec<Fault> {
    if let Some(fault) = chosen() {
        return vec![fault];
    }
    let mut all = Vec::new();
    for kind in kinds {
        for (direction, count) in [Direction::Up, Direction::Down].into_iter().zip(messages) {
            all.extend((0..=count).map(|at| Fault { kind: *kind, direction, at }));
        }
    }
    let seed = chance::seed(20_261_125);
    let chosen = sample_of(all.len(), sample);
    eprintln!("places {chosen:?} of {}, seed {seed}", all.len());
    all.shuffle(&mut chance::dice(seed, 1));
    all.drain(chosen).collect()
}

fn corrupts(kind: Kind) -> bool {
    !Kind::HONEST.contains(&kind)
}

/// Runs the conversation with one fault on a leg that it shares with nobody; whether the fault was reached.
async fn disturbed(proxy: &Proxy, fault: Fault, script: &Script<'_>) -> (bool, Report) {
    proxy.arm(fault);
    let report = script.run().await;
    (proxy.disarm(), report)
}

/// Tells what came of one place; panics if an untouched conversation had errors.
fn judge(fault: Fault, reached: bool, report: &Report) {
    let bad: Vec<String> = report.bad.iter().map(|(step, error)| format!("{step}: {error}")).collect();
    if thorough() {
        eprintln!("{fault:?}, reached: {reached}, {} steps went well; {}", report.good, bad.join("; "));
    }
    assert!(reached || report.bad.is_empty(), "{fault:?} was not reached, and there were errors: {bad:?}");
    assert!(report.good >= 3, "{fault:?}: one fault spoiled nearly everything: {bad:?}");
    report.check(corrupts(fault.kind));
}

/// The books are right, nothing is left, and the server serves.
async fn settle(rig: &mut Rig, ledger: &Ledger, corrupted: bool) {
    rig.settle().await;
    if corrupted {
        ledger.check_once(rig).await;
    } else {
        ledger.check(rig).await;
    }
    let script = Script { address: rig.gate.address(), ledger, deadline: DEADLINE * 4, number: 0, corrupted: false };
    let report = script.run().await;
    assert!(report.bad.is_empty(), "the next client is not served well: {:?}", report.bad);
}

/// Between client and gate: each conversation has a proxy of its own, and many run together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn between_client_and_gate() {
    for kinds in [&Kind::HONEST[..], &[Kind::CorruptHeader, Kind::CorruptBody]] {
        let corrupted = corrupts(kinds[0]);
        let mut rig = super::start(Plan { pool: TOGETHER, transactions: TOGETHER, ..Plan::new(flavours()[0]) }).await;
        let ledger = Arc::new(Ledger::default());
        let address = rig.gate.address();
        let proxy = Proxy::to_address(address, Framing::Vitrail).await;
        let script = Script { address: proxy.address(), ledger: &ledger, deadline: DEADLINE * 4, number: 0, corrupted };
        let report = script.run().await;
        assert!(report.bad.is_empty(), "{:?}", report.bad);
        let messages = proxy.messages();
        let turns = Arc::new(Semaphore::new(TOGETHER));
        let mut trials = JoinSet::new();
        for (number, fault) in places(kinds, messages, 60).into_iter().enumerate() {
            let (turns, ledger) = (turns.clone(), ledger.clone());
            trials.spawn(async move {
                let _turn = turns.acquire_owned().await.unwrap();
                let proxy = Proxy::to_address(address, Framing::Vitrail).await;
                let address = proxy.address();
                let script = Script { address, ledger: &ledger, deadline: DEADLINE, number: number as i64, corrupted };
                let (reached, report) = disturbed(&proxy, fault, &script).await;
                judge(fault, reached, &report);
            });
        }
        while let Some(trial) = trials.join_next().await {
            trial.unwrap();
        }
        settle(&mut rig, &ledger, corrupted).await;
        rig.stop().await;
    }
}

/// Between two servers: one fault after the other, on a leg that all statements share.
async fn between_servers(plan: Plan, sample: usize, leg: impl Fn(&Rig) -> &Proxy) {
    for kinds in [&Kind::HONEST[..], &[Kind::CorruptHeader, Kind::CorruptBody]] {
        let corrupted = corrupts(kinds[0]);
        let mut rig = super::start(plan.clone()).await;
        let ledger = Ledger::default();
        let address = rig.gate.address();
        let script = |number| Script { address, ledger: &ledger, deadline: DEADLINE, number, corrupted };
        // Once for the connections that are kept, once to count.
        for _ in 0..2 {
            leg(&rig).disarm();
            let report = Script { deadline: DEADLINE * 4, ..script(0) }.run().await;
            assert!(report.bad.is_empty(), "{:?}", report.bad);
        }
        let messages = leg(&rig).messages();
        for (number, fault) in places(kinds, messages, sample).into_iter().enumerate() {
            let (reached, report) = disturbed(leg(&rig), fault, &script(number as i64)).await;
            judge(fault, reached, &report);
            if thorough() {
                rig.settle().await;
            }
        }
        settle(&mut rig, &ledger, corrupted).await;
        rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn between_gate_and_tablet() {
    let plan = Plan { apart: true, tablet_proxy: true, max_idle: Duration::from_secs(4), ..Plan::new(flavours()[0]) };
    between_servers(plan, 10, |rig| &rig.tablet_proxies[0]).await;
}

async fn between_tablet_and(flavour: Flavour) {
    let plan = Plan { mysql_proxy: true, pool: 3, transactions: 3, ..Plan::new(flavour) };
    between_servers(plan, 10, |rig| &rig.mysql_proxies[0]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn between_tablet_and_mysql() {
    for flavour in flavours() {
        eprintln!("{flavour}");
        between_tablet_and(flavour).await;
    }
}
