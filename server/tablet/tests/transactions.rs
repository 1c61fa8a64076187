//! Transactions and reservations: what they see, and how they are lost.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::time::Duration;

use support::{Subject, Way, call, eventually, statement, subjects};
use vitrail_proto::error::{Code, Executed};
use vitrail_proto::message::{BeginOptions, Isolation};
use vitrail_service::call::{Conclusion, ConnectionId, On};

async fn begin(subject: &Subject, sql: &str) -> ConnectionId {
    let answer = subject.on(sql, On::Begin(BeginOptions::default())).await.unwrap();
    assert!(answer.end.in_transaction && !answer.end.pinned);
    answer.connection.expect("a transaction has a connection")
}

async fn accounts(subject: &Subject) {
    subject.run("CREATE TABLE account (id INT PRIMARY KEY, v INT)").await;
    subject.run("INSERT INTO account VALUES (1, 10), (2, 20)").await;
}

#[tokio::test]
async fn transactions_commit_and_roll_back() {
    for subject in subjects(|config| config.transactions.size = 1).await {
        accounts(&subject).await;
        for (conclusion, sum) in [(Conclusion::Rollback, "30"), (Conclusion::Commit, "35")] {
            let connection = begin(&subject, "UPDATE account SET v = v + 5 WHERE id = 1").await;
            assert_eq!(subject.run("SELECT SUM(v) FROM account").await.cell(), "30");
            for sql in ["SAVEPOINT a", "DELETE FROM account", "ROLLBACK TO a"] {
                subject.on(sql, On::Connection(connection)).await.unwrap();
            }
            let end = subject.service.conclude(call(), connection, conclusion).await.unwrap();
            assert!(!end.in_transaction);
            assert_eq!(end.position.is_some(), conclusion == Conclusion::Commit, "{}", subject.name);
            assert_eq!(subject.run("SELECT SUM(v) FROM account").await.cell(), sum);
            // It is over: nothing slips into autocommit.
            assert_eq!(subject.fail("SELECT 1", On::Connection(connection)).await.code, Code::TxLost);
            assert_eq!(subject.tablet.stats().transactions_open, 0);
        }
    }
}

#[tokio::test]
async fn options_reach_mysql() {
    for subject in subjects(|_| {}).await {
        accounts(&subject).await;
        let options = BeginOptions {
            isolation: Some(Isolation::ReadCommitted),
            read_only: Some(true),
            ..BeginOptions::default()
        };
        let answer = subject.on("SELECT 1", On::Begin(options)).await.unwrap();
        let connection = answer.connection.unwrap();
        let error = subject.fail("UPDATE account SET v = 0", On::Connection(connection)).await;
        assert_eq!((error.errno, error.in_transaction), (1792, true), "{error}");
        subject.run("UPDATE account SET v = 11 WHERE id = 1").await;
        let seen = subject.on("SELECT v FROM account WHERE id = 1", On::Connection(connection)).await.unwrap();
        assert_eq!(seen.cell(), "11");
        subject.service.conclude(call(), connection, Conclusion::Rollback).await.unwrap();

        let options =
            BeginOptions { snapshot: true, isolation: Some(Isolation::RepeatableRead), ..BeginOptions::default() };
        let connection = subject.on("", On::Begin(options)).await.unwrap().connection.unwrap();
        subject.run("UPDATE account SET v = 12 WHERE id = 1").await;
        let seen = subject.on("SELECT v FROM account WHERE id = 1", On::Connection(connection)).await.unwrap();
        assert_eq!(seen.cell(), "11");
        subject.service.release(connection).await;
    }
}

#[tokio::test]
async fn a_failed_begin_leaves_nothing_behind() {
    for subject in subjects(|config| config.transactions.size = 1).await {
        for on in [On::Begin(BeginOptions::default()), On::Reserve] {
            for _ in 0..3 {
                assert_eq!(subject.fail("SELECT * FROM nowhere", on.clone()).await.errno, 1146);
            }
        }
        // A remote one is closed behind the answer.
        eventually("the end of all of them", async || {
            let stats = subject.tablet.stats();
            (stats.transactions_open, stats.reserved, stats.held_pool.in_use) == (0, 0, 0)
        })
        .await;
    }
}

#[tokio::test]
async fn what_belongs_elsewhere_is_refused_in_a_transaction() {
    for subject in subjects(|_| {}).await {
        accounts(&subject).await;
        let connection = begin(&subject, "SELECT 1").await;
        for sql in
            ["COMMIT", "DROP TABLE account", "SET autocommit = 1", "SELECT @a", "CREATE TEMPORARY TABLE t (a INT)"]
        {
            let error = subject.fail(sql, On::Connection(connection)).await;
            assert_eq!((error.code, error.in_transaction), (Code::Unsupported, true), "{sql}");
        }
        subject.service.conclude(call(), connection, Conclusion::Commit).await.unwrap();
    }
}

#[tokio::test]
async fn reservations_keep_their_state_and_take_it_with_them() {
    for subject in subjects(|config| config.transactions.size = 1).await {
        let reserved = subject.on("SET @a = 5", On::Reserve).await.unwrap();
        assert!(reserved.end.pinned);
        let connection = reserved.connection.unwrap();
        let thread = subject.on("SELECT CONNECTION_ID()", On::Connection(connection)).await.unwrap().cell().to_owned();
        for (sql, cell) in [
            ("CREATE TEMPORARY TABLE t AS SELECT 7 AS v", None),
            ("SELECT @a + v FROM t", Some("12")),
            ("SELECT GET_LOCK('vitrail', 0)", Some("1")),
            ("BEGIN", None),
            ("SELECT 2", Some("2")),
        ] {
            let answer = subject.on(sql, On::Connection(connection)).await.unwrap();
            if let Some(cell) = cell {
                assert_eq!(answer.cell(), cell, "{sql}");
            }
        }
        let end = subject.service.conclude(call(), connection, Conclusion::Commit).await.unwrap();
        assert!(end.pinned && !end.in_transaction);
        assert_eq!(subject.on("SELECT @a", On::Connection(connection)).await.unwrap().cell(), "5");
        subject.service.release(connection).await;
        subject.service.release(connection).await;

        // The same connection is fresh for the next.
        let next =
            subject.on("SELECT CONCAT(COALESCE(@a, 'none'), IS_FREE_LOCK('vitrail'))", On::Reserve).await.unwrap();
        assert_eq!(next.cell(), "none1");
        let same = subject.on("SELECT CONNECTION_ID()", On::Connection(next.connection.unwrap())).await.unwrap();
        assert_eq!(same.cell(), thread);
        subject.service.release(next.connection.unwrap()).await;
    }
}

#[tokio::test]
async fn a_transaction_begins_on_a_reserved_connection() {
    for subject in subjects(|config| config.transactions.size = 1).await {
        accounts(&subject).await;
        let connection = subject.on("CREATE TEMPORARY TABLE t (a INT)", On::Reserve).await.unwrap().connection.unwrap();
        let begin = || On::BeginOn(connection, BeginOptions::default());
        let answer = subject.on("UPDATE account SET v = 0", begin()).await.unwrap();
        assert!(answer.end.in_transaction && answer.end.pinned && answer.connection.is_none(), "{}", subject.name);
        subject.service.conclude(call(), connection, Conclusion::Rollback).await.unwrap();
        assert_eq!(subject.run("SELECT SUM(v) FROM account").await.cell(), "30");

        // A failure leaves no transaction there, and the reservation as it was.
        let error = subject.fail("INSERT INTO account VALUES (1, 1)", begin()).await;
        assert_eq!(error.errno, 1062);
        let answer = subject.on("UPDATE account SET v = v + 1 WHERE id = 1", On::Connection(connection)).await.unwrap();
        assert!(!answer.end.in_transaction, "{}: it is in autocommit", subject.name);
        assert_eq!(subject.run("SELECT SUM(v) FROM account").await.cell(), "31");
        assert_eq!(subject.on("SELECT COUNT(*) FROM t", On::Connection(connection)).await.unwrap().cell(), "0");
        subject.service.release(connection).await;
        assert_eq!(subject.tablet.stats().reserved, 0);
    }
}

#[tokio::test]
async fn a_transaction_becomes_a_reservation_and_goes_on() {
    for subject in subjects(|config| config.transactions.size = 1).await {
        accounts(&subject).await;
        let connection = begin(&subject, "UPDATE account SET v = v + 1 WHERE id = 1").await;
        let kept = subject.on("CREATE TEMPORARY TABLE t (a INT)", On::Keep(connection)).await.unwrap();
        assert!(kept.end.in_transaction && kept.end.pinned, "{}", subject.name);
        assert_eq!((subject.tablet.stats().transactions_open, subject.tablet.stats().reserved), (0, 1));
        let end = subject.service.conclude(call(), connection, Conclusion::Commit).await.unwrap();
        assert!(end.pinned && !end.in_transaction);
        assert_eq!(subject.on("SELECT COUNT(*) FROM t", On::Connection(connection)).await.unwrap().cell(), "0");
        assert_eq!(subject.run("SELECT SUM(v) FROM account").await.cell(), "31");
        subject.service.release(connection).await;
        let next = subject.on("SELECT 1", On::Reserve).await.unwrap().connection.unwrap();
        assert_eq!(subject.fail("SELECT * FROM t", On::Connection(next)).await.errno, 1146);
        subject.service.release(next).await;
        let gone = subject.fail("SELECT 1", On::Keep(next)).await;
        assert_eq!(gone.code, Code::TxLost);
    }
}

#[tokio::test]
async fn a_reservation_goes_with_its_connection_and_with_its_age() {
    for subject in subjects(|_| {}).await {
        accounts(&subject).await;
        let connection = subject.on("CREATE TEMPORARY TABLE t (a INT)", On::Reserve).await.unwrap().connection.unwrap();
        // A setting that MySQL refuses costs nothing of what is there.
        let wrong = support::call_with(&[("time_zone", "'nowhere'")], false);
        let error = subject.ask(wrong, statement("SELECT 1", false), On::Connection(connection)).await.unwrap_err();
        assert_eq!(error.errno, 1298, "{}", subject.name);
        assert_eq!(subject.on("SELECT COUNT(*) FROM t", On::Connection(connection)).await.unwrap().cell(), "0");
        let thread = subject.on("SELECT CONNECTION_ID()", On::Connection(connection)).await.unwrap().cell();
        subject.admin().await.execute(&format!("KILL {thread}")).await.unwrap();
        let lost = subject.fail("INSERT INTO t VALUES (1)", On::Connection(connection)).await;
        assert_eq!((&lost.code, lost.retryable), (&Code::SessionLost, false), "{}: {lost}", subject.name);
        assert_eq!(subject.fail("SELECT 1", On::Connection(connection)).await.code, Code::SessionLost);
        assert_eq!(subject.tablet.stats().reservations_lost, 1);
        subject.service.release(connection).await;
    }
    for subject in subjects(|config| config.transactions.max_age = Duration::from_millis(80)).await {
        accounts(&subject).await;
        let connection = subject.on("SELECT 1", On::Reserve).await.unwrap().connection.unwrap();
        subject.on("BEGIN", On::Connection(connection)).await.unwrap();
        subject.on("UPDATE account SET v = 0", On::Connection(connection)).await.unwrap();
        eventually("its release", async || subject.tablet.stats().reservations_lost == 1).await;
        assert_eq!(subject.fail("SELECT 1", On::Connection(connection)).await.code, Code::SessionLost);
        assert_eq!(subject.run("SELECT SUM(v) FROM account FOR UPDATE").await.cell(), "30");
        // Without a transaction it may be as old as it likes.
        let connection = subject.on("SELECT 1", On::Reserve).await.unwrap().connection.unwrap();
        let grown = tokio::time::Instant::now() + Duration::from_millis(300);
        while tokio::time::Instant::now() < grown {
            assert_eq!(subject.on("SELECT 2", On::Connection(connection)).await.unwrap().cell(), "2");
        }
        subject.service.release(connection).await;
    }
}

#[tokio::test]
async fn transactions_are_bounded() {
    for subject in subjects(|config| {
        config.transactions.size = 1;
        config.transactions.queue = 0;
    })
    .await
    {
        let connection = begin(&subject, "SELECT 1").await;
        let error = subject.fail("SELECT 1", On::Begin(BeginOptions::default())).await;
        assert_eq!((error.code, error.retryable, error.executed), (Code::Exhausted, true, Executed::No));
        subject.service.release(connection).await;
        let connection = begin(&subject, "SELECT 1").await;
        subject.service.release(connection).await;
    }
}

#[tokio::test]
async fn one_statement_at_a_time() {
    for subject in subjects(|_| {}).await {
        let connection = begin(&subject, "SELECT 1").await;
        let long = call();
        let id = long.id;
        let service = subject.service.clone();
        let running = tokio::spawn(async move {
            service.execute(long, statement("SELECT SLEEP(60)", false), On::Connection(connection)).await.map(|_| ())
        });
        subject.wait_until_running(&mut subject.admin().await, "SLEEP(60)").await;
        // The protocol queues the statements of a session instead.
        if subject.way == Way::Direct {
            let error = subject.fail("SELECT 1", On::Connection(connection)).await;
            assert_eq!((error.code, error.executed), (Code::Invalid, Executed::No));
        }
        subject.service.cancel(id).await;
        let error = running.await.unwrap().unwrap_err();
        assert_eq!((error.code, error.in_transaction), (Code::Cancelled, true));
        assert_eq!(subject.on("SELECT 3", On::Connection(connection)).await.unwrap().cell(), "3");
        subject.service.release(connection).await;
    }
}

#[tokio::test]
async fn a_deadlock_loses_the_transaction_and_a_lock_wait_does_not() {
    for subject in subjects(|_| {}).await {
        accounts(&subject).await;
        let update = |id: u32| format!("UPDATE account SET v = v + 1 WHERE id = {id}");
        let first = begin(&subject, &update(1)).await;
        let second = begin(&subject, &update(2)).await;
        let (service, sql) = (subject.service.clone(), update(2));
        let waiting = tokio::spawn(async move {
            let started = service.execute(call(), statement(&sql, true), On::Connection(first)).await?;
            support::collect(started).await
        });
        subject.wait_until_running(&mut subject.admin().await, "WHERE id = 2").await;
        let outcomes =
            [(second, subject.on(&update(1), On::Connection(second)).await), (first, waiting.await.unwrap())];
        for (connection, outcome) in outcomes {
            match outcome {
                Ok(_) => {
                    subject.service.conclude(call(), connection, Conclusion::Rollback).await.unwrap();
                }
                Err(error) => {
                    assert_eq!((error.errno, error.code, error.in_transaction), (1213, Code::Conflict, false));
                    let later = subject.fail("SELECT 1", On::Connection(connection)).await;
                    assert_eq!(later.code, Code::TxLost);
                    let commit = subject.service.conclude(call(), connection, Conclusion::Commit).await.unwrap_err();
                    assert_eq!(commit.code, Code::TxLost);
                    subject.service.conclude(call(), connection, Conclusion::Rollback).await.unwrap();
                }
            }
        }
        assert_eq!(subject.tablet.stats().transactions_lost, 1);

        let holder = begin(&subject, &update(1)).await;
        let waiter = begin(&subject, &update(2)).await;
        let impatient = support::call_with(&[("innodb_lock_wait_timeout", "1")], false);
        let error = subject.ask(impatient, statement(&update(1), true), On::Connection(waiter)).await.unwrap_err();
        assert_eq!((error.errno, error.code, error.in_transaction), (1205, Code::Conflict, true));
        subject.service.conclude(call(), waiter, Conclusion::Commit).await.unwrap();
        subject.service.conclude(call(), holder, Conclusion::Rollback).await.unwrap();
        assert_eq!(subject.run("SELECT v FROM account WHERE id = 2").await.cell(), "21");
    }
}

#[tokio::test]
async fn old_and_idle_transactions_are_rolled_back() {
    for (age, idle) in [(50, 60_000), (60_000, 50)] {
        for subject in subjects(|config| {
            config.transactions.max_age = Duration::from_millis(age);
            config.transactions.max_idle = Duration::from_millis(idle);
        })
        .await
        {
            accounts(&subject).await;
            let connection = begin(&subject, "UPDATE account SET v = 0").await;
            eventually("the rollback", async || subject.tablet.stats().transactions_lost == 1).await;
            let error = subject.fail("SELECT 1", On::Connection(connection)).await;
            assert_eq!(error.code, Code::TxLost, "{error}");
            subject.service.conclude(call(), connection, Conclusion::Rollback).await.unwrap();
            assert_eq!(subject.run("SELECT SUM(v) FROM account FOR UPDATE").await.cell(), "30");
        }
    }
}

#[tokio::test]
async fn a_transaction_that_grows_old_in_a_statement_is_stopped() {
    for subject in subjects(|config| config.transactions.max_age = Duration::from_millis(100)).await {
        accounts(&subject).await;
        let connection = begin(&subject, "UPDATE account SET v = 0").await;
        let error =
            subject.ask(call(), statement("SELECT SLEEP(60)", false), On::Connection(connection)).await.unwrap_err();
        assert_eq!((error.code, error.in_transaction), (Code::TxLost, false));
        subject.assert_not_running(&mut subject.admin().await, "SLEEP").await;
        assert_eq!(subject.fail("SELECT 1", On::Connection(connection)).await.code, Code::TxLost);
        eventually("the rollback", async || subject.tablet.stats().held_pool.in_use == 0).await;
        assert_eq!(subject.run("SELECT SUM(v) FROM account").await.cell(), "30");
    }
}

#[tokio::test]
async fn a_transaction_goes_with_its_connection() {
    for subject in subjects(|_| {}).await {
        accounts(&subject).await;
        let mut admin = subject.admin().await;
        // Killed while idle, and while a statement runs.
        for running in [false, true] {
            let connection = begin(&subject, "UPDATE account SET v = 0").await;
            let thread = subject.on("SELECT CONNECTION_ID()", On::Connection(connection)).await.unwrap().cell();
            let error = if running {
                let service = subject.service.clone();
                let sleeping = tokio::spawn(async move {
                    let asked = statement("UPDATE account SET v = SLEEP(60)", true);
                    service.execute(call(), asked, On::Connection(connection)).await.map(|_| ())
                });
                subject.wait_until_running(&mut admin, "SLEEP(60)").await;
                admin.execute(&format!("KILL {thread}")).await.unwrap();
                sleeping.await.unwrap().unwrap_err()
            } else {
                admin.execute(&format!("KILL {thread}")).await.unwrap();
                subject.fail("UPDATE account SET v = 1", On::Connection(connection)).await
            };
            assert_eq!((&error.code, error.in_transaction), (&Code::TxLost, false), "{}: {error}", subject.name);
            assert_eq!(subject.fail("SELECT 1", On::Connection(connection)).await.code, Code::TxLost);
            let commit = subject.service.conclude(call(), connection, Conclusion::Commit).await.unwrap_err();
            assert_eq!(commit.code, Code::TxLost);
            subject.service.conclude(call(), connection, Conclusion::Rollback).await.unwrap();
            assert_eq!(subject.run("SELECT SUM(v) FROM account FOR UPDATE").await.cell(), "30");
        }
    }
}

#[tokio::test]
async fn a_statement_that_ends_its_transaction_unseen_loses_it() {
    for subject in subjects(|config| config.transactions.size = 1).await {
        accounts(&subject).await;
        subject.run("CREATE TABLE log (id INT PRIMARY KEY)").await;
        for (name, body) in [
            ("commits", "COMMIT; INSERT INTO log VALUES (1);"),
            ("defines", "CREATE TABLE made (a INT); DROP TABLE made;"),
            ("gives_rows", "SELECT 1; COMMIT; SELECT 2;"),
            ("fails_later", "COMMIT; INSERT INTO log VALUES (2), (2);"),
            ("keeps", "INSERT INTO log VALUES (3); INSERT INTO log VALUES (3);"),
        ] {
            subject.run(&format!("CREATE PROCEDURE {name}() BEGIN {body} END")).await;
        }
        for (name, code) in [
            ("commits", Code::TxLost),
            ("defines", Code::TxLost),
            ("gives_rows", Code::TxLost),
            ("fails_later", Code::Constraint),
        ] {
            let what = format!("{}: {name}", subject.name);
            let connection = begin(&subject, "UPDATE account SET v = v + 1 WHERE id = 1").await;
            let error = subject.fail(&format!("CALL {name}()"), On::Connection(connection)).await;
            assert_eq!((&error.code, error.executed), (&code, Executed::Unknown), "{what}: {error}");
            assert!(!error.in_transaction && !error.retryable, "{what}: {error}");
            // Nothing slips into autocommit.
            let later = subject.fail("DELETE FROM account", On::Connection(connection)).await;
            assert_eq!((later.code, later.executed), (Code::TxLost, Executed::No), "{what}");
            subject.service.conclude(call(), connection, Conclusion::Rollback).await.unwrap();
        }
        assert_eq!(subject.run("SELECT v FROM account WHERE id = 1").await.cell(), "14");
        // In one call with its begin, nothing is left behind.
        let error = subject.fail("CALL defines()", On::Begin(BeginOptions::default())).await;
        assert_eq!((error.code, error.executed), (Code::TxLost, Executed::Unknown));
        // One that fails without ending it keeps it, with what it did before.
        let connection = begin(&subject, "UPDATE account SET v = 0").await;
        let error = subject.fail("CALL keeps()", On::Connection(connection)).await;
        assert_eq!((error.code, error.executed, error.in_transaction), (Code::Constraint, Executed::Unknown, true));
        let error = subject.fail("CALL nothing()", On::Connection(connection)).await;
        assert_eq!((error.code, error.executed, error.in_transaction), (Code::NotFound, Executed::No, true));
        subject.service.conclude(call(), connection, Conclusion::Rollback).await.unwrap();
        assert_eq!(subject.run("SELECT COUNT(*) FROM log WHERE id = 3").await.cell(), "0");
    }
}
