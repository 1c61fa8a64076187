//! The client against a real listener: statements, streams, cancel, deadlines, and what happens when a gate goes away.

#![allow(clippy::unwrap_used, reason = "a panic is the report of a test")]

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use support::{PASSWORD, Server, TestService, config};
use vitrail_client::{Batch, Client, Code, Executed, Query, SessionState, Target, params};

/// Waits until `count` statements block in the service.
async fn until_waiting(server: &Server, count: usize) {
    server.service.waiting.subscribe().wait_for(|waiting| *waiting == count).await.unwrap();
}

#[tokio::test]
async fn statements_bring_rows_and_outcomes() {
    let server = Server::start().await;
    let client = Client::connect_with(config(&[&server])).await.unwrap();
    let row = client.query_one("echo", params! { "a" => "Zürich" }).await.unwrap();
    assert_eq!(row.get::<&str>("a").unwrap(), "Zürich");
    assert_eq!(client.query_scalar::<Option<String>>("echo", ()).await.unwrap(), None);
    assert_eq!(client.execute("write", ()).await.unwrap().affected, 1);
    assert_eq!(client.query_all("rows 1000 10", ()).await.unwrap().len(), 1000);
    assert_eq!(client.server().await.unwrap().flavour, "MariaDB");
    let mut session = client.session();
    let described = session.describe("echo").await.unwrap();
    assert_eq!((described.parameters, &*described.columns[0].name), (2, "a"));
    let outcomes = session.execute_many("write", [params! { "a" => 1 }, params! { "a" => 2 }]).await.unwrap();
    assert_eq!(outcomes.len(), 2);
    assert!(session.batch(Batch::new()).await.unwrap().is_empty());
    let error = session.query_one("rows 2 1", ()).await.unwrap_err();
    assert_eq!(error.to_string(), "one row was asked for, the statement returned more");
    assert_eq!(client.connections(), 1);
}

#[tokio::test]
async fn columns_come_once_per_statement() {
    let server = Server::start().await;
    let client = Client::connect_with(config(&[&server])).await.unwrap();
    let mut session = client.session();
    for number in 0..5 {
        let stateless = client.query_one("echo", params! { "a" => number }).await.unwrap();
        let in_session = session.query_one("echo", params! { "a" => number }).await.unwrap();
        for row in [stateless, in_session] {
            assert_eq!((&*row.columns()[0].name, row.get::<i32>("a").unwrap()), ("a", number));
        }
    }
    assert_eq!(server.service.fields_sent.load(Ordering::SeqCst), 1);
    let user = client.query_one("whoami", ()).await.unwrap();
    assert_eq!((&*user.columns()[0].name, user.get::<&str>(0).unwrap()), ("a", "app"));
    assert_eq!(server.service.fields_sent.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_stalled_reader_bounds_memory_and_stops_nobody() {
    let server = Server::start().await;
    let client = Client::connect_with(config(&[&server])).await.unwrap();
    // 64 MiB, of which no more than the window and a few frames may leave the service.
    let mut stalled = client.query("rows 65536 1024", ()).await.unwrap();
    stalled.next().await.unwrap().unwrap();
    for number in 0..50 {
        assert_eq!(client.query_scalar::<i64>("echo", params! { "a" => number }).await.unwrap(), number);
    }
    let ahead = server.service.sent.load(Ordering::SeqCst);
    assert!(ahead <= 32, "{ahead} batches of 32 KiB were sent ahead of the reader");
    let mut rows = 1;
    while let Some(row) = stalled.next().await.unwrap() {
        assert_eq!(row.raw(0).unwrap().len(), 1024);
        rows += 1;
    }
    assert_eq!(rows, 65536);
    assert_eq!(stalled.finish().await.unwrap().rows, 65536);
}

#[tokio::test]
async fn rows_dropped_early_leave_the_session_usable() {
    let server = Server::start().await;
    let client = Client::connect_with(config(&[&server])).await.unwrap();
    let mut session = client.session();
    for _ in 0..5 {
        let mut rows = session.query("rows 100000 1000", ()).await.unwrap();
        rows.next().await.unwrap().unwrap();
        drop(rows);
        assert_eq!(session.query_scalar::<i64>("echo", params! { "a" => 7 }).await.unwrap(), 7);
    }
    assert_eq!(client.connections(), 1);
}

#[tokio::test]
async fn tiny_windows_and_large_values_get_through() {
    let server = Server::start().await;
    let client = Client::connect_with(config(&[&server])).await.unwrap();
    let rows = client.query(Query::new("rows 200 1000").window(1), ()).await.unwrap().collect().await.unwrap();
    assert_eq!(rows.len(), 200);
    // Up in many frames after a grant, down in many frames above the window.
    let blob: Vec<u8> = (0..5_000_000u32).map(|number| (number * 31 % 251) as u8).collect();
    let mut session = client.session();
    let (large, small) = tokio::join!(
        session.query_scalar::<Vec<u8>>("echo", params! { "a" => blob.as_slice() }),
        client.query_scalar::<i64>("echo", params! { "a" => 1 }),
    );
    assert!(large.unwrap() == blob);
    assert_eq!(small.unwrap(), 1);
    let error = client.execute("write", params! { "a" => vec![0u8; 129 << 20] }).await.unwrap_err();
    assert_eq!((error.code(), error.executed()), (&Code::TooLarge, Executed::No));
}

#[tokio::test]
async fn many_sessions_share_few_connections() {
    let server = Server::start().await;
    let client = Client::connect_with(config(&[&server])).await.unwrap();
    let tasks: Vec<_> = (0..500)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move {
                let mut session = client.session();
                for _ in 0..3 {
                    assert_eq!(session.query_scalar::<i64>("echo", params! { "a" => number }).await.unwrap(), number);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(client.connections() <= client.config().pool_max);
}

#[tokio::test]
async fn a_running_statement_is_cancelled() {
    let server = Server::start().await;
    let client = Client::connect_with(config(&[&server])).await.unwrap();
    let mut session = client.session();
    let cancel = session.cancel_handle();
    let (error, ()) = tokio::join!(session.execute("wait", ()), async {
        until_waiting(&server, 1).await;
        cancel.cancel();
    });
    assert_eq!(*error.unwrap_err().code(), Code::Cancelled);
    // Dropping the future does the same.
    tokio::select! {
        _ = session.execute("wait", ()) => panic!("nothing ends it"),
        () = until_waiting(&server, 1) => {}
    }
    until_waiting(&server, 0).await;
    assert_eq!(session.query_scalar::<i64>("echo", params! { "a" => 7 }).await.unwrap(), 7);
}

#[tokio::test]
async fn a_deadline_ends_the_statement_at_the_server() {
    let server = Server::start().await;
    let client = Client::connect_with(config(&[&server])).await.unwrap();
    let error = client.execute(Query::new("wait").deadline(Duration::from_millis(30)), ()).await.unwrap_err();
    assert_eq!((error.code(), error.errno()), (&Code::Deadline, 3024));
    until_waiting(&server, 0).await;
    assert_eq!(client.connections(), 1);
}

#[tokio::test]
async fn errors_arrive_with_all_that_they_say() {
    let server = Server::start().await;
    let client = Client::connect_with(config(&[&server])).await.unwrap();
    let error = client.execute("fail constraint", ()).await.unwrap_err();
    assert_eq!((error.code(), error.errno(), error.sqlstate()), (&Code::Constraint, 1062, "23000"));
    assert_eq!(error.to_string(), "ERROR 1062 (23000) constraint: as asked");
    assert!(error.as_server_error().is_some() && !error.is_retryable() && !error.is_closed());
    // Retryable ones are tried again before they are told: once, and as often as configured.
    let before = server.service.started.load(Ordering::SeqCst);
    let error = client.execute("fail unavailable", ()).await.unwrap_err();
    assert!(error.is_retryable());
    assert_eq!(server.service.started.load(Ordering::SeqCst) - before, 1 + client.config().retries as usize);
    // But not inside a transaction.
    let mut transaction = client.begin().await.unwrap();
    let before = server.service.started.load(Ordering::SeqCst);
    let error = transaction.execute("fail conflict", ()).await.unwrap_err();
    assert!(error.is_retryable() && error.in_transaction());
    assert_eq!(server.service.started.load(Ordering::SeqCst) - before, 1);
}

#[tokio::test]
async fn an_unknown_keyspace_is_named_and_the_statement_not_run() {
    let server = Server::start().await;
    let client = Client::connect_with(config(&[&server])).await.unwrap();
    let target = Target { keyspace: Some("nowhere".into()), ..Target::default() };
    let mut session = client.session_with(SessionState { target: Some(target), ..SessionState::default() });
    for _ in 0..2 {
        let error = session.execute("write", ()).await.unwrap_err();
        assert_eq!((error.code(), error.errno()), (&Code::NotFound, 1049), "{error}");
    }
    assert_eq!(server.service.written.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn wrong_credentials_and_wrong_ports_are_told_apart() {
    let server = Server::start().await;
    for (user, password) in [("app", "wrong"), ("nobody", PASSWORD), ("unknown", PASSWORD)] {
        let mut config = config(&[&server]);
        config.user = user.into();
        config.password = Some(password.into());
        let error = Client::connect_with(config).await.unwrap_err();
        assert_eq!((error.code(), error.errno(), error.sqlstate()), (&Code::Unauthenticated, 1045, "28000"), "{error}");
    }
    let mut config = config(&[&server]);
    config.password = None;
    config.user = "nobody".into();
    assert!(Client::connect_with(config.clone()).await.is_ok(), "trusted on the loopback");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    config.endpoints = vec![vitrail_client::Endpoint::Tcp { host: closed.ip().to_string(), port: closed.port() }];
    let error = Client::connect_with(config).await.unwrap_err();
    assert!(error.is_connect());
    assert!(error.to_string().contains("nothing listens there"), "{error}");
}

#[tokio::test]
async fn transactions_commit_roll_back_and_roll_back_when_dropped() {
    let server = Server::start().await;
    let client = Client::connect_with(config(&[&server])).await.unwrap();
    let mut session = client.session();
    let mut transaction = session.begin().await.unwrap();
    transaction.execute("write", ()).await.unwrap();
    assert!(transaction.is_in_transaction());
    transaction.commit().await.unwrap();
    session.begin().await.unwrap().rollback().await.unwrap();
    drop(session.begin().await.unwrap());
    session.execute("write", ()).await.unwrap();
    assert!(!session.is_in_transaction());
    assert_eq!(server.service.rolled_back.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_drained_gate_is_left_without_an_error() {
    let mut servers = [Server::start().await, Server::start().await];
    let client = Client::connect_with(config(&[&servers[0], &servers[1]])).await.unwrap();
    let mut idle = client.session();
    idle.execute("set time_zone '+02:00'", ()).await.unwrap();
    let before = idle.query_scalar::<String>("state", ()).await.unwrap();
    let mut busy = client.session();
    let mut transaction = busy.begin().await.unwrap();
    let first = servers.iter().position(|server| server.service.started.load(Ordering::SeqCst) > 0).unwrap();
    servers[first].drain();
    // The transaction ends where it began; the other session goes on elsewhere, with its settings.
    transaction.execute("write", ()).await.unwrap();
    assert_eq!(idle.query_scalar::<String>("state", ()).await.unwrap(), before);
    transaction.commit().await.unwrap();
    busy.execute("write", ()).await.unwrap();
    let written = servers.each_ref().map(|server| server.service.written.load(Ordering::SeqCst));
    assert_eq!((written[first], written[1 - first]), (1, 1));
    let [one, other] = servers;
    let drained = if first == 0 { one } else { other };
    drained.ended().await;
}

#[tokio::test]
async fn a_killed_gate_is_left_behind_outside_transactions() {
    let servers = [support::Proxy::start().await, support::Proxy::start().await];
    let mut config = config(&[]);
    config.endpoints = servers.iter().map(support::Proxy::endpoint).collect();
    let client = Client::connect_with(config).await.unwrap();
    let mut session = client.session();
    session.execute("set sql_mode ''", ()).await.unwrap();
    let mut in_transaction = client.session();
    let mut transaction = in_transaction.begin().await.unwrap();
    transaction.execute("write", ()).await.unwrap();
    let mut pinned = client.session();
    pinned.execute("pin", ()).await.unwrap();
    let home = servers.iter().position(|proxy| proxy.server.service.started.load(Ordering::SeqCst) > 0).unwrap();

    // A write under way has an unknown outcome; a read is run again elsewhere.
    let mut writer = client.session();
    let mut reader = client.session();
    let survivor = &servers[1 - home];
    let ((), write, read) = tokio::join!(
        async {
            until_waiting(&servers[home].server, 2).await;
            servers[home].kill();
            until_waiting(&survivor.server, 1).await;
        },
        writer.execute("wait", ()),
        async {
            let read = reader.execute(Query::new("wait").read_only().deadline(Duration::from_secs(2)), ()).await;
            read.map(drop)
        },
    );
    let write = write.unwrap_err();
    assert_eq!(
        (write.code(), write.executed(), write.is_retryable()),
        (&Code::OutcomeUnknown, Executed::Unknown, false)
    );
    assert_eq!(*read.unwrap_err().code(), Code::Deadline, "it reached the other gate");

    let state = session.query_scalar::<String>("state", ()).await.unwrap();
    assert!(state.contains("sql_mode"), "{state}");
    for _ in 0..2 {
        let error = transaction.execute("write", ()).await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), (&Code::TxLost, true));
    }
    transaction.rollback().await.unwrap();
    in_transaction.begin().await.unwrap().commit().await.unwrap();
    assert_eq!(*pinned.execute("write", ()).await.unwrap_err().code(), Code::SessionLost);
    pinned.reset().await.unwrap();
    pinned.execute("write", ()).await.unwrap();
    assert_eq!(survivor.server.service.written.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn other_gates_are_learned_from_hello() {
    let second = Server::start().await;
    let first =
        Server::start_with(TestService { gates: vec![second.address().to_string()], ..TestService::default() }).await;
    let client = Client::connect_with(config(&[&first])).await.unwrap();
    let mut session = client.session();
    session.execute("write", ()).await.unwrap();
    let mut first = first;
    first.drain();
    first.ended().await;
    session.execute("write", ()).await.unwrap();
    assert_eq!(second.service.written.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_closed_client_says_so() {
    let server = Server::start().await;
    let client = Client::connect_with(config(&[&server])).await.unwrap();
    client.close();
    let error = client.execute("write", ()).await.unwrap_err();
    assert_eq!(error.to_string(), "the client was closed");
}
