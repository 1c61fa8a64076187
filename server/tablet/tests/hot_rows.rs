//! Rows that many write: those who want one stand in line, without a connection, and nobody else waits for them.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::time::Duration;

use support::{Answer, Subject, bound, call, call_with, collect_of, eventually, statement, subjects};
use tokio::task::JoinSet;
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::BeginOptions;
use vitrail_proto::value::Value;
use vitrail_service::call::{Call, Conclusion, ConnectionId, On, Statement};

const INCREMENT: &str = "UPDATE counter SET n = n + 1 WHERE id = 1";

fn keyed(sql: &str, key: &str) -> Statement {
    Statement { row_key: Some(key.into()), ..statement(sql, true) }
}

async fn counters(subject: &Subject) {
    subject.run("CREATE TABLE counter (id INT PRIMARY KEY, n INT NOT NULL) ENGINE=InnoDB").await;
    subject.run("INSERT INTO counter VALUES (1, 0), (2, 0)").await;
}

async fn begin(subject: &Subject, sql: &str, key: &str) -> Result<ConnectionId, ErrorBody> {
    let answer = subject.ask(call(), keyed(sql, key), On::Begin(BeginOptions::default())).await?;
    Ok(answer.connection.expect("a transaction has a connection"))
}

fn in_background(
    subject: &Subject,
    call: Call,
    statement: Statement,
    on: On,
) -> tokio::task::JoinHandle<Result<Answer, ErrorBody>> {
    let service = subject.service.clone();
    tokio::spawn(async move { collect_of(service.execute(call, statement, on).await).await })
}

#[tokio::test]
async fn who_waits_for_a_row_holds_no_connection() {
    for subject in subjects(|config| {
        // At most half of the smaller pool is at one row.
        config.pool.size = 2;
        config.transactions.size = 2;
    })
    .await
    {
        counters(&subject).await;
        let holder = begin(&subject, INCREMENT, "counter/0/1").await.unwrap();
        let mut waiting = Vec::new();
        for _ in 0..10 {
            waiting.push(in_background(&subject, call(), keyed(INCREMENT, "counter/0/1"), On::Pool));
        }
        let begins = in_background(
            &subject,
            call(),
            keyed("SELECT n FROM counter WHERE id = 1 FOR UPDATE", "counter/0/1"),
            On::Begin(BeginOptions::default()),
        );
        eventually("the line", async || subject.tablet.stats().hot_rows.waiting == 11).await;
        let stats = subject.tablet.stats();
        assert_eq!((stats.pool.in_use, stats.held_pool.in_use), (0, 1), "{}", subject.name);
        // Other rows and reads are not concerned.
        subject.ask(call(), keyed("UPDATE counter SET n = 7 WHERE id = 2", "counter/0/2"), On::Pool).await.unwrap();
        assert_eq!(subject.run("SELECT n FROM counter WHERE id = 1").await.cell(), "0");
        // In the transaction itself the row is free.
        subject.ask(call(), keyed(INCREMENT, "counter/0/1"), On::Connection(holder)).await.unwrap();
        subject.service.conclude(call(), holder, Conclusion::Commit).await.unwrap();
        for waiting in waiting {
            assert_eq!(waiting.await.unwrap().unwrap().end.affected, 1);
        }
        let last = begins.await.unwrap().unwrap();
        assert_eq!(last.cell(), "12");
        subject.service.conclude(call(), last.connection.unwrap(), Conclusion::Rollback).await.unwrap();
        eventually("the end of the lines", async || subject.tablet.stats().hot_rows.rows == 0).await;
    }
}

#[tokio::test]
async fn a_turn_ends_with_its_transaction_however_that_ends() {
    for subject in subjects(|config| {
        config.hot_rows.concurrent = 1;
        config.transactions.max_age = Duration::from_millis(600);
    })
    .await
    {
        counters(&subject).await;
        let mut admin = subject.admin().await;
        let free = async || {
            subject.ask(call(), keyed(INCREMENT, "counter/0/1"), On::Pool).await.unwrap();
            eventually("the end of the turns", async || subject.tablet.stats().hot_rows.rows == 0).await;
        };
        let rolled_back = begin(&subject, INCREMENT, "counter/0/1").await.unwrap();
        subject.service.conclude(call(), rolled_back, Conclusion::Rollback).await.unwrap();
        free().await;
        let released = begin(&subject, INCREMENT, "counter/0/1").await.unwrap();
        subject.service.release(released).await;
        free().await;
        let _too_old = begin(&subject, INCREMENT, "counter/0/1").await.unwrap();
        free().await;
        begin(&subject, "UPDATE nowhere SET n = 1 WHERE id = 1", "counter/0/1").await.unwrap_err();
        free().await;
        subject.ask(call(), keyed("UPDATE counter SET m = 1 WHERE id = 1", "counter/0/1"), On::Pool).await.unwrap_err();
        free().await;
        let lost =
            subject.ask(call(), keyed("SELECT CONNECTION_ID()", "counter/0/1"), On::Begin(BeginOptions::default()));
        let lost = lost.await.unwrap();
        admin.execute(&format!("KILL {}", lost.cell())).await.unwrap();
        let gone = subject.on("SELECT 1", On::Connection(lost.connection.unwrap())).await.unwrap_err();
        assert_eq!(gone.code, Code::TxLost);
        free().await;
        // Whoever is cancelled in the line leaves it.
        let holder = begin(&subject, INCREMENT, "counter/0/1").await.unwrap();
        let cancelled = call();
        let id = cancelled.id;
        let waiting = in_background(&subject, cancelled, keyed(INCREMENT, "counter/0/1"), On::Pool);
        eventually("the line", async || subject.tablet.stats().hot_rows.waiting == 1).await;
        subject.service.cancel(id).await;
        assert_eq!(waiting.await.unwrap().unwrap_err().code, Code::Cancelled);
        assert_eq!(subject.tablet.stats().hot_rows.waiting, 0);
        subject.service.conclude(call(), holder, Conclusion::Commit).await.unwrap();
        free().await;
    }
}

#[tokio::test]
async fn a_line_that_is_too_long_or_too_slow_says_so() {
    for subject in subjects(|config| {
        config.hot_rows.concurrent = 1;
        config.hot_rows.queue = 1;
    })
    .await
    {
        counters(&subject).await;
        let holder = begin(&subject, INCREMENT, "counter/0/1").await.unwrap();
        let waiting = in_background(&subject, call(), keyed(INCREMENT, "counter/0/1"), On::Pool);
        eventually("the line", async || subject.tablet.stats().hot_rows.waiting == 1).await;
        let full = subject.ask(call(), keyed(INCREMENT, "counter/0/1"), On::Pool).await.unwrap_err();
        assert_eq!((full.code.clone(), full.retryable), (Code::Exhausted, true), "{}: {full}", subject.name);
        subject.service.conclude(call(), holder, Conclusion::Commit).await.unwrap();
        waiting.await.unwrap().unwrap();
        let holder = begin(&subject, INCREMENT, "counter/0/1").await.unwrap();
        let impatient = call_with(&[("innodb_lock_wait_timeout", "1")], false);
        let late = subject.ask(impatient, keyed(INCREMENT, "counter/0/1"), On::Pool).await.unwrap_err();
        assert_eq!((late.code.clone(), late.errno, late.retryable), (Code::Conflict, 1205, true), "{late}");
        subject.service.conclude(call(), holder, Conclusion::Rollback).await.unwrap();
        assert_eq!(subject.run("SELECT n FROM counter WHERE id = 1").await.cell(), "2");
    }
}

/// Nothing is lost and nothing is done twice, in autocommit and in transactions over two hot rows in any order.
#[tokio::test]
async fn many_writers_of_few_rows_all_come_through() {
    for subject in subjects(|_| {}).await {
        counters(&subject).await;
        let mut writers = JoinSet::new();
        for number in 0..40_i64 {
            let service = subject.service.clone();
            writers.spawn(async move {
                let mut done = [0_u64; 2];
                for round in 0..5 {
                    let first = ((number + round) % 2 + 1) as usize;
                    let update = |id: usize| Statement {
                        row_key: Some(format!("counter/0/{id}").into()),
                        ..bound("UPDATE counter SET n = n + 1 WHERE id = :id", [("id", Value::Int(id as i64))], true)
                    };
                    if number % 2 == 0 {
                        collect_of(service.execute(call(), update(first), On::Pool).await).await.unwrap();
                        done[first - 1] += 1;
                        continue;
                    }
                    let begun = service.execute(call(), update(first), On::Begin(BeginOptions::default())).await;
                    let connection = collect_of(begun).await.unwrap().connection.unwrap();
                    let second = service.execute(call(), update(3 - first), On::Connection(connection)).await;
                    match collect_of(second).await {
                        Ok(_) => {
                            service.conclude(call(), connection, Conclusion::Commit).await.unwrap();
                            done = [done[0] + 1, done[1] + 1];
                        }
                        // InnoDB's own deadlocks stay: two rows in two orders.
                        Err(error) => {
                            assert_eq!(error.code, Code::Conflict, "{error}");
                            service.release(connection).await;
                        }
                    }
                }
                done
            });
        }
        let done = writers.join_all().await.into_iter().fold([0, 0], |sum, done| [sum[0] + done[0], sum[1] + done[1]]);
        let rows = subject.run("SELECT n FROM counter ORDER BY id").await.text().concat();
        assert_eq!(rows, done.map(|n| n.to_string()), "{}", subject.name);
        assert_eq!(subject.tablet.stats().hot_rows.waiting, 0);
        eventually("the end of the turns", async || subject.tablet.stats().hot_rows.rows == 0).await;
    }
}
