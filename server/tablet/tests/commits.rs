//! Commits that wait in MySQL while their deadline passes or their connection is lost.
//!
//! `FLUSH TABLES WITH READ LOCK` of another connection makes a COMMIT wait; as it does so for the whole server, the server is this
//! test's own.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use support::{Subject, Way, call, eventually, subject_on};
use tokio::time::Instant;
use vitrail_harness::Connection;
use vitrail_proto::error::{Code, ErrorBody, Executed};
use vitrail_proto::message::{BeginOptions, ResultEnd};
use vitrail_service::call::{Call, Conclusion, ConnectionId, On};

/// How a commit is disturbed while it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disturbance {
    /// Its deadline passes.
    Deadline,
    /// Its connection to MySQL is killed.
    Killed,
}

#[tokio::test]
async fn a_disturbed_commit_is_of_unknown_outcome() {
    for flavour in vitrail_harness::flavours() {
        let server = Arc::new(vitrail_harness::private_server(flavour).await);
        for way in [Way::Direct, Way::Remote] {
            let subject = subject_on(server.clone(), way, |config| config.transactions.size = 1).await;
            subject.run("CREATE TABLE account (id INT PRIMARY KEY, v INT)").await;
            subject.run("INSERT INTO account VALUES (1, 0)").await;
            for disturbance in [Disturbance::Deadline, Disturbance::Killed] {
                disturb(&subject, disturbance).await;
            }
        }
    }
}

async fn disturb(subject: &Subject, disturbance: Disturbance) {
    let what = format!("{} {disturbance:?}", subject.name);
    let mut admin = subject.admin().await;
    let mut blocker = subject.admin().await;
    let begun = subject.on("UPDATE account SET v = v + 1", On::Begin(BeginOptions::default())).await.unwrap();
    let connection = begun.connection.unwrap();
    blocker.execute("FLUSH TABLES WITH READ LOCK").await.unwrap();

    let error = match disturbance {
        Disturbance::Deadline => {
            let deadline = Some(Instant::now() + Duration::from_millis(200));
            commit(subject, connection, deadline).await
        }
        Disturbance::Killed => {
            let (outcome, ()) = tokio::join!(commit(subject, connection, None), kill_commit(subject, &mut admin));
            outcome
        }
    }
    .expect_err("it waits");
    assert_eq!((&error.code, error.executed), (&Code::OutcomeUnknown, Executed::Unknown), "{what}: {error}");
    assert!(!error.retryable && !error.in_transaction, "{what}: {error}");

    if disturbance == Disturbance::Deadline {
        // It goes on; meanwhile nobody else gets its connection, and nothing slips into autocommit.
        assert_eq!(subject.tablet.stats().held_pool.in_use, 1, "{what}");
        let later = subject.fail("UPDATE account SET v = -1", On::Connection(connection)).await;
        assert_eq!((later.code, later.executed), (Code::TxLost, Executed::No), "{what}");
    }
    blocker.execute("UNLOCK TABLES").await.unwrap();
    eventually("the end of the commit", async || subject.tablet.stats().held_pool.in_use == 0).await;
    let value = subject.run("SELECT v FROM account FOR UPDATE").await.cell();
    assert!(["0", "1"].contains(&value.as_str()), "{what}: {value}");
    if disturbance == Disturbance::Deadline {
        assert_eq!(value, "1", "{what}: the commit stands");
    }
    subject.run("UPDATE account SET v = 0").await;
    let next = subject.on("SELECT 7", On::Begin(BeginOptions::default())).await.unwrap();
    assert_eq!(next.cell(), "7", "{what}");
    subject.service.release(next.connection.unwrap()).await;
}

async fn commit(
    subject: &Subject,
    connection: ConnectionId,
    deadline: Option<Instant>,
) -> Result<ResultEnd, ErrorBody> {
    subject.service.conclude(Call { deadline, ..call() }, connection, Conclusion::Commit).await
}

async fn kill_commit(subject: &Subject, admin: &mut Connection) {
    let thread = subject.wait_until_running(admin, "COMMIT").await;
    admin.execute(&format!("KILL {thread}")).await.unwrap();
}
