//! Statements that end before their time: cancelled, too late, abandoned, or with their connection.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::time::Duration;

use support::{Subject, Way, call, collect, eventually, serve, statement, subjects};
use tokio::time::Instant;
use vitrail_proto::error::{Code, ErrorBody, Executed};
use vitrail_service::call::{Call, On};
use vitrail_service::execution::Part;

const SLOW_READ: &str = "SELECT SLEEP(60)";
const SLOW_WRITE: &str = "UPDATE t SET a = a + SLEEP(60)";
/// With nested loops, which stream: MySQL's hash joins read millions of rows before they give the first.
const ENDLESS: &str = "SELECT /*+ NO_BNL() */ x.a FROM t x, t y, t z, t u, t v";

async fn table(subject: &Subject) {
    subject.run("CREATE TABLE t (a INT)").await;
    subject.run("INSERT INTO t WITH RECURSIVE n AS (SELECT 1 a UNION ALL SELECT a + 1 FROM n WHERE a < 100) SELECT a FROM n").await;
}

/// The connections are good: each gives its own answers.
async fn assert_in_step(subject: &Subject) {
    for number in 0..8 {
        assert_eq!(subject.run(&format!("SELECT {number}")).await.cell(), number.to_string(), "{}", subject.name);
    }
    assert_eq!(subject.tablet.stats().pool.in_use, 0);
}

#[tokio::test]
async fn a_cancel_is_seen_to_end_in_mysql() {
    for subject in subjects(|config| config.pool.size = 2).await {
        table(&subject).await;
        let mut admin = subject.admin().await;
        for (sql, writes) in [(SLOW_READ, false), (SLOW_WRITE, true)] {
            let call = call();
            let id = call.id;
            let service = subject.service.clone();
            let running =
                tokio::spawn(async move { service.execute(call, statement(sql, writes), On::Pool).await.map(|_| ()) });
            subject.wait_until_running(&mut admin, "SLEEP(60)").await;
            subject.service.cancel(id).await;
            let error = running.await.unwrap().unwrap_err();
            assert_eq!((error.code, error.executed), (Code::Cancelled, Executed::No), "{} {sql}", subject.name);
            subject.assert_not_running(&mut admin, "SLEEP").await;
        }
        assert_eq!(subject.run("SELECT SUM(a) FROM t").await.cell(), "5050");
        // Late, and unknown.
        let late = call();
        let id = late.id;
        assert_eq!(subject.ask(late, statement("SELECT 1", false), On::Pool).await.unwrap().cell(), "1");
        subject.service.cancel(id).await;
        assert_in_step(&subject).await;
    }
}

#[tokio::test]
async fn a_deadline_stops_the_statement() {
    for subject in subjects(|config| config.pool.size = 2).await {
        table(&subject).await;
        let mut admin = subject.admin().await;
        for (sql, writes) in [(SLOW_READ, false), (SLOW_WRITE, true), (ENDLESS, false)] {
            let deadline = Some(Instant::now() + Duration::from_millis(150));
            let started = subject.ask(Call { deadline, ..call() }, statement(sql, writes), On::Pool);
            let error: ErrorBody = started.await.unwrap_err();
            // Nobody waits for long after the deadline: a kill that a busy machine settles later leaves a write unknown, and is not awaited.
            let known = error.executed == Executed::No || (writes && error.executed == Executed::Unknown);
            assert!(error.code == Code::Deadline && known, "{} {sql}: {error:?}", subject.name);
            subject.wait_until_gone(&mut admin, if sql == ENDLESS { "t u" } else { "SLEEP" }).await;
        }
        assert_eq!(subject.run("SELECT SUM(a) FROM t").await.cell(), "5050");
        assert_in_step(&subject).await;
    }
}

#[tokio::test]
async fn a_configured_limit_is_a_deadline() {
    for subject in subjects(|config| config.limits.statement_timeout = Duration::from_millis(100)).await {
        let error = subject.ask(call(), statement(SLOW_READ, false), On::Pool).await.unwrap_err();
        assert_eq!(error.code, Code::Deadline);
        assert_in_step(&subject).await;
    }
}

#[tokio::test]
async fn a_deadline_passes_in_the_queue_too() {
    for subject in subjects(|config| config.pool.size = 1).await {
        let first = call();
        let id = first.id;
        let service = subject.service.clone();
        let running =
            tokio::spawn(
                async move { service.execute(first, statement(SLOW_READ, false), On::Pool).await.map(|_| ()) },
            );
        eventually("the first statement", async || subject.tablet.stats().pool.in_use == 1).await;
        let deadline = Some(Instant::now() + Duration::from_millis(50));
        let error = subject.ask(Call { deadline, ..call() }, statement("SELECT 1", true), On::Pool).await.unwrap_err();
        assert_eq!((error.code, error.executed), (Code::Deadline, Executed::No));
        let second = call();
        let waiting = second.id;
        let service = subject.service.clone();
        let queued =
            tokio::spawn(
                async move { service.execute(second, statement("SELECT 1", true), On::Pool).await.map(|_| ()) },
            );
        eventually("the queue", async || subject.tablet.stats().pool.waiting == 1).await;
        subject.service.cancel(waiting).await;
        assert_eq!(queued.await.unwrap().unwrap_err().code, Code::Cancelled);
        subject.service.cancel(id).await;
        assert!(running.await.unwrap().is_err());
        assert_in_step(&subject).await;
    }
}

#[tokio::test]
async fn whoever_loses_interest_leaves_no_trace() {
    for subject in subjects(|config| config.pool.size = 1).await {
        table(&subject).await;
        let mut admin = subject.admin().await;
        // Before the first part.
        let service = subject.service.clone();
        let running =
            tokio::spawn(
                async move { service.execute(call(), statement(SLOW_READ, false), On::Pool).await.map(|_| ()) },
            );
        subject.wait_until_running(&mut admin, "SLEEP(60)").await;
        running.abort();
        assert_eq!(subject.run("SELECT 43").await.cell(), "43", "{}", subject.name);
        subject.assert_not_running(&mut admin, "SLEEP").await;
        // In the middle of a stream.
        let mut execution = subject.service.execute(call(), statement(ENDLESS, false), On::Pool).await.unwrap();
        for _ in 0..3 {
            assert!(execution.parts.next().await.unwrap().is_some());
        }
        drop(execution);
        assert_eq!(subject.run("SELECT 44").await.cell(), "44");
        subject.assert_not_running(&mut admin, "t u").await;
        assert_in_step(&subject).await;
        assert_eq!(subject.tablet.stats().pool.opened_total, 1, "{}", subject.name);
    }
}

#[tokio::test]
async fn a_slow_reader_holds_a_bounded_part() {
    for subject in subjects(|_| {}).await {
        table(&subject).await;
        let cancelled = call();
        let id = cancelled.id;
        let mut execution = subject.service.execute(cancelled, statement(ENDLESS, false), On::Pool).await.unwrap();
        eventually("the first rows", async || subject.tablet.stats().rows > 0).await;
        let mut before = 0;
        // The stream stands still once its queue is full.
        eventually("the stand-still", async || {
            tokio::time::sleep(Duration::from_millis(50)).await;
            subject.tablet.stats().bytes < 1 << 20
        })
        .await;
        subject.service.cancel(id).await;
        let error = loop {
            match execution.parts.next().await {
                Ok(Some(Part::Rows(rows))) => before += rows.count,
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream ended as if it were whole"),
                Err(error) => break error,
            }
        };
        assert!(before > 0);
        assert_eq!(error.code, Code::Cancelled);
        assert_in_step(&subject).await;
    }
}

#[tokio::test]
async fn a_lost_connection_is_told_apart() {
    for subject in subjects(|config| config.pool.size = 1).await {
        table(&subject).await;
        let mut admin = subject.admin().await;
        for (sql, writes, code, retryable, executed) in [
            (SLOW_READ, false, Code::Unavailable, true, Executed::No),
            (SLOW_WRITE, true, Code::OutcomeUnknown, false, Executed::Unknown),
        ] {
            let service = subject.service.clone();
            let running =
                tokio::spawn(
                    async move { service.execute(call(), statement(sql, writes), On::Pool).await.map(|_| ()) },
                );
            let thread = subject.wait_until_running(&mut admin, "SLEEP(60)").await;
            admin.execute(&format!("KILL {thread}")).await.unwrap();
            let error = running.await.unwrap().unwrap_err();
            assert_eq!(
                (error.code.clone(), error.retryable, error.executed),
                (code, retryable, executed),
                "{} {error}",
                subject.name
            );
            assert_in_step(&subject).await;
        }
    }
}

#[tokio::test]
async fn a_connection_that_died_idle_is_replaced_unseen() {
    for subject in subjects(|config| config.pool.size = 1).await {
        let mut admin = subject.admin().await;
        for _ in 0..5 {
            let thread = subject.run("SELECT CONNECTION_ID()").await.cell();
            admin.execute(&format!("KILL {thread}")).await.unwrap();
            eventually("the end of the thread", async || {
                let mut watcher = subject.admin().await;
                let sql = format!("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = {thread}");
                watcher.fetch_cell(&sql).await.unwrap().as_deref() == Some("0")
            })
            .await;
            let again = subject.on("SELECT CONNECTION_ID()", On::Pool).await.unwrap().cell();
            assert_ne!(again, thread);
        }
    }
}

#[tokio::test]
async fn a_million_rows_stream_in_bounded_memory() {
    for subject in subjects(|_| {}).await {
        table(&subject).await;
        let sql = "SELECT /*+ NO_BNL() */ x.a, y.a, z.a FROM t x, t y, t z";
        let mut execution = subject.service.execute(call(), statement(sql, false), On::Pool).await.unwrap();
        let (mut rows, mut largest) = (0_u64, 0);
        while let Some(part) = execution.parts.next().await.unwrap() {
            match part {
                Part::Rows(batch) => {
                    rows += u64::from(batch.count);
                    largest = largest.max(batch.bytes.len());
                    // What was read and not yet taken stays within the queue.
                    let ahead = subject.tablet.stats().rows - rows;
                    assert!(ahead < 100_000, "{ahead} rows ahead");
                }
                Part::End(end) => assert_eq!(end.rows, rows),
                Part::Fields(_) => {}
            }
        }
        assert_eq!(rows, 1_000_000);
        assert!(largest <= 64 << 10, "{largest}");
    }
}

#[tokio::test]
async fn large_values_go_in_and_out() {
    for subject in subjects(|_| {}).await {
        let mut admin = subject.admin().await;
        admin.execute("SET GLOBAL max_allowed_packet = 268435456").await.unwrap();
        subject.tablet.close().await;
        let tablet = vitrail_tablet::Tablet::start(subject.tablet.config().clone()).await.unwrap();
        let (service, listener) = serve(&tablet, subject.way).await;
        let subject = Subject { service, tablet, listener, ..subject };
        subject.run("CREATE TABLE b (id INT, v LONGBLOB) ENGINE = MyISAM").await;
        // Frames and rows change their form at 16 MiB.
        let sizes: &[usize] =
            if subject.way == Way::Direct { &[64 << 20] } else { &[(16 << 20) - 20, (16 << 20) + 20] };
        for &size in sizes {
            let value: Vec<u8> = (0..size).map(|at: usize| (at % 251) as u8).collect();
            let insert = support::bound(
                "INSERT INTO b VALUES (1, :v)",
                [("v", vitrail_proto::value::Value::Bytes(value.clone()))],
                true,
            );
            // Escaping may double the bytes: the limit counts what MySQL gets.
            let outcome = subject.ask(call(), insert, On::Pool).await;
            outcome.unwrap_or_else(|error| panic!("{} {size}: {error}", subject.name));
            let execution =
                subject.service.execute(call(), statement("SELECT v FROM b", false), On::Pool).await.unwrap();
            let answer = collect(execution).await.unwrap();
            assert!(answer.rows[0][0].as_deref() == Some(&value[..]), "{} {size}", subject.name);
            subject.run("TRUNCATE b").await;
        }
    }
}

#[tokio::test]
async fn a_tablet_ends_while_statements_run() {
    for subject in subjects(|config| config.pool.size = 2).await {
        table(&subject).await;
        subject.run("CREATE TABLE other (a INT)").await;
        let mut admin = subject.admin().await;
        let begun = subject.on("UPDATE t SET a = 0", On::Begin(Default::default())).await.unwrap();
        let resting = subject.on("INSERT INTO other VALUES (1)", On::Begin(Default::default())).await.unwrap();
        let held = On::Connection(begun.connection.unwrap());
        let start = |sql: &'static str, on: On| {
            let service = subject.service.clone();
            tokio::spawn(async move { collect(service.execute(call(), statement(sql, false), on).await?).await })
        };
        let mut calls: Vec<_> = [held, On::Pool, On::Pool].into_iter().map(|on| start(SLOW_READ, on)).collect();
        eventually("three running", async || subject.running(&mut subject.admin().await).await.len() == 3).await;
        calls.push(start("SELECT 1", On::Pool));
        eventually("the queue", async || subject.tablet.stats().pool.waiting == 1).await;
        let started = Instant::now();
        subject.tablet.close().await;
        assert!(started.elapsed() < Duration::from_secs(9), "{}: {:?}", subject.name, started.elapsed());
        for running in calls {
            let error = running.await.unwrap().unwrap_err();
            let expected = (Code::Unavailable, Executed::No, false);
            assert_eq!(
                (error.code.clone(), error.executed, error.in_transaction),
                expected,
                "{} {error}",
                subject.name
            );
        }
        subject.assert_not_running(&mut admin, "SLEEP").await;
        assert_eq!(
            admin
                .fetch_cell("SELECT SUM(a) + (SELECT COUNT(*) FROM other FOR UPDATE) FROM t FOR UPDATE")
                .await
                .unwrap()
                .as_deref(),
            Some("5050")
        );
        let refused = subject.fail("SELECT 1", On::Pool).await;
        assert_eq!(refused.code, Code::Unavailable, "{} {refused}", subject.name);
        subject.service.release(resting.connection.unwrap()).await;
    }
}
