//! RemoteService against a real listener.

#![allow(clippy::unwrap_used, reason = "a panic is the report of a test")]

#[path = "../../../clients/rust/tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use support::{Proxy, Server, config};
use tokio::time::Instant;
use vitrail_client::connection::ConnectOptions;
use vitrail_proto::error::{Code, Executed};
use vitrail_proto::message::BeginOptions;
use vitrail_service::QueryService;
use vitrail_service::call::{Call, CallId, Conclusion, On, Settings, Statement};
use vitrail_service::execution::{Execution, Part};
use vitrail_service::remote::{RemoteConfig, RemoteService};

fn remote(endpoint: vitrail_client::Endpoint) -> RemoteService {
    RemoteService::start(RemoteConfig {
        shard: "flights/-80".into(),
        endpoint,
        options: ConnectOptions::from_config(&config(&[])).unwrap(),
        connections: 2,
        health_interval: Duration::from_secs(60),
    })
}

fn call(id: u64) -> Call {
    Call {
        id: CallId(id),
        caller: "anna".into(),
        application: Arc::default(),
        deadline: None,
        settings: Arc::default(),
        max_rows: None,
        warnings: 0,
        traceparent: None,
    }
}

fn statement(sql: &str, writes: bool) -> Statement {
    Statement::new(sql, writes)
}

/// Rows and the end of an execution, pulled to its end.
async fn pull(mut execution: Execution) -> vitrail_service::Result<(u32, vitrail_proto::message::ResultEnd)> {
    let mut rows = 0;
    let mut end = None;
    while let Some(part) = execution.parts.next().await? {
        match part {
            Part::Fields(fields) => assert!(!fields.is_empty()),
            Part::Rows(batch) => rows += batch.count,
            Part::End(last) => end = Some(*last),
        }
    }
    Ok((rows, end.expect("a result has an end")))
}

#[tokio::test]
async fn pooled_statements_stream_and_carry_settings() {
    let server = Server::start().await;
    let remote = remote(server.endpoint());
    let execution = remote.execute(call(1), statement("rows 5000 100", false), On::Pool).await.unwrap();
    assert_eq!(pull(execution).await.unwrap().0, 5000);
    let settings = Settings { variables: vec![("time_zone".into(), "'+02:00'".into())], found_rows: false };
    let with_settings = Call { settings: Arc::new(settings), ..call(2) };
    let mut execution = remote.execute(with_settings, statement("state", false), On::Pool).await.unwrap();
    let mut text = String::new();
    while let Some(part) = execution.parts.next().await.unwrap() {
        if let Part::Rows(rows) = part {
            text = String::from_utf8_lossy(&rows.bytes).into_owned();
        }
    }
    assert!(text.contains("'+02:00'"), "{text}");
}

#[tokio::test]
async fn a_transaction_begins_with_its_first_statement_and_ends() {
    let server = Server::start().await;
    let remote = remote(server.endpoint());
    for conclusion in [Conclusion::Commit, Conclusion::Rollback] {
        let begin = On::Begin(BeginOptions::default());
        let execution = remote.execute(call(1), statement("write", true), begin).await.unwrap();
        let connection = execution.connection.unwrap();
        assert!(pull(execution).await.unwrap().1.in_transaction);
        let on = On::Connection(connection);
        pull(remote.execute(call(2), statement("write", true), on.clone()).await.unwrap()).await.unwrap();
        let end = remote.conclude(call(3), connection, conclusion).await.unwrap();
        assert!(!end.in_transaction);
        let error = remote.execute(call(4), statement("write", true), on).await.err().unwrap();
        assert_eq!(error.code, Code::TxLost);
    }
    assert_eq!(server.service.written.load(Ordering::SeqCst), 4);
    assert_eq!(server.service.rolled_back.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_failed_first_statement_leaves_no_connection_behind() {
    let server = Server::start().await;
    let remote = remote(server.endpoint());
    let begin = On::Begin(BeginOptions::default());
    let error = remote.execute(call(1), statement("fail constraint", true), begin).await.err().unwrap();
    assert_eq!((error.code, error.errno, error.shard.as_deref()), (Code::Constraint, 1062, Some("flights/-80")));
    // Its session is closed behind it; requests of another session may overtake that, so wait for the rollback itself.
    while server.service.rolled_back.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_reserved_connection_outlives_its_transactions() {
    let server = Server::start().await;
    let remote = remote(server.endpoint());
    let execution = remote.execute(call(1), statement("write", true), On::Reserve).await.unwrap();
    let connection = execution.connection.unwrap();
    assert!(pull(execution).await.unwrap().1.pinned);
    remote.conclude(call(2), connection, Conclusion::Commit).await.unwrap();
    let on = On::Connection(connection);
    pull(remote.execute(call(3), statement("write", true), on.clone()).await.unwrap()).await.unwrap();
    remote.release(connection).await;
    remote.release(connection).await;
    assert!(remote.execute(call(4), statement("write", true), on).await.is_err());
}

#[tokio::test]
async fn calls_are_cancelled_by_name_and_end_at_their_deadline() {
    let server = Server::start().await;
    let remote = remote(server.endpoint());
    let (result, ()) = tokio::join!(remote.execute(call(9), statement("wait", false), On::Pool), async {
        server.service.waiting.subscribe().wait_for(|waiting| *waiting == 1).await.unwrap();
        remote.cancel(CallId(8)).await;
        remote.cancel(CallId(9)).await;
    });
    assert_eq!(result.err().unwrap().code, Code::Cancelled);
    let late = Call { deadline: Some(Instant::now() + Duration::from_millis(30)), ..call(10) };
    let error = remote.execute(late, statement("wait", false), On::Pool).await.err().unwrap();
    assert_eq!(error.code, Code::Deadline);
}

#[tokio::test]
async fn a_lost_tablet_is_named_by_its_shard() {
    let proxy = Proxy::start().await;
    let remote = remote(proxy.endpoint());
    let begin = On::Begin(BeginOptions::default());
    let execution = remote.execute(call(1), statement("write", true), begin).await.unwrap();
    let connection = execution.connection.unwrap();
    pull(execution).await.unwrap();
    let beginning = On::Begin(BeginOptions::default());
    let write = remote.execute(call(2), statement("wait", true), On::Pool);
    let first = remote.execute(call(6), statement("wait", true), beginning);
    let (write, first, ()) = tokio::join!(write, first, async {
        proxy.server.service.waiting.subscribe().wait_for(|waiting| *waiting == 2).await.unwrap();
        proxy.kill();
    });
    let lost = remote.execute(call(3), statement("write", true), On::Connection(connection)).await.err().unwrap();
    let unreachable = remote.execute(call(4), statement("echo", false), On::Pool).await.err().unwrap();
    remote.conclude(call(5), connection, Conclusion::Rollback).await.err();
    let cases = [
        (write.err().unwrap(), Code::OutcomeUnknown, Executed::Unknown, false),
        // A transaction that has not begun leaves nothing behind.
        (first.err().unwrap(), Code::Unavailable, Executed::No, true),
        (lost, Code::TxLost, Executed::No, true),
        (unreachable, Code::Unavailable, Executed::No, true),
    ];
    for (error, code, executed, retryable) in cases {
        assert_eq!((&error.code, error.executed, error.retryable), (&code, executed, retryable), "{error}");
        assert_eq!(error.shard.as_deref(), Some("flights/-80"));
        assert!(!error.message.contains("127.0.0.1"), "{error}");
    }
}
