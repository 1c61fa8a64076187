//! Leaving: GOAWAY, transactions that finish, all else sent elsewhere, connections that grow old.

use std::time::Duration;

use tokio::net::TcpStream;
use vitrail_proto::error::Code;
use vitrail_proto::message::Op;

use crate::client::{execute, op};
use crate::server::Server;

#[tokio::test]
async fn a_transaction_finishes_and_all_else_is_sent_elsewhere() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    client
        .requests(&[(1, op(Op::Open, 1)), (2, op(Op::Begin, 1)), (3, op(Op::Open, 2)), (4, execute(None, "hold a"))])
        .await;
    for _ in 0..3 {
        assert!(client.answer().await.error.is_none());
    }
    server.event_like("holding a").await;
    server.handle.drain(Duration::from_secs(20));
    assert_eq!(client.go_away().await.drain_ms, 20_000);
    for (id, request) in [(5, execute(2, "echo x")), (6, execute(None, "echo x")), (7, op(Op::Open, 3))] {
        let error = client.ask(id, request).await.error.unwrap();
        assert_eq!((error.code, error.retryable, error.elsewhere), (Code::Draining, true, true), "request {id}");
    }
    assert!(TcpStream::connect(server.address).await.is_err() || server.handle.stats().refused > 0);
    assert_eq!(client.ask(8, execute(1, "add 1")).await.text(), "1", "inside the transaction");
    server.service.release("a");
    assert_eq!(client.answer().await.text(), "a", "what ran may end");
    client.requests(&[(9, execute(1, "add 1")), (10, op(Op::Commit, 1)), (11, execute(1, "add 1"))]).await;
    assert_eq!(client.answer().await.text(), "2");
    assert!(client.answer().await.error.is_none());
    assert_eq!(client.answer().await.code(), Code::Draining, "the transaction is over");
    client.closed().await;
    server.ended().await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_drain_ends_what_still_holds_on() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    client
        .requests(&[(1, op(Op::Open, 1)), (2, op(Op::Begin, 1)), (3, op(Op::Open, 2)), (4, execute(2, "hold a"))])
        .await;
    for _ in 0..3 {
        assert!(client.answer().await.error.is_none());
    }
    server.event_like("holding a").await;
    server.handle.drain(Duration::from_secs(5));
    assert_eq!(client.go_away().await.drain_ms, 5_000);
    let stopped = client.answer().await;
    assert_eq!((stopped.id, stopped.code()), (4, Code::Cancelled));
    client.closed().await;
    drop(client);
    let mut events = vec![server.event().await, server.event().await, server.event().await];
    events.sort();
    assert_eq!(events, ["closed", "held a", "rolled back"]);
    server.ended().await;
}

#[tokio::test(start_paused = true)]
async fn an_old_connection_drains_alone() {
    let server = Server::with(|config| config.max_age = Some(Duration::from_secs(3600))).await;
    let mut client = server.client().await;
    let since = tokio::time::Instant::now();
    client.go_away().await;
    let age = since.elapsed().as_secs();
    assert!((2880..=3600).contains(&age), "{age} s");
    client.closed().await;
    let mut next = server.client().await;
    assert_eq!(next.ask(1, execute(None, "echo x")).await.text(), "x");
}

#[tokio::test]
async fn a_shutdown_without_connections_ends_at_once() {
    Server::start().await.stop().await;
}
