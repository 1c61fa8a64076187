//! Bounds that are neither credit nor memory.

use std::time::Duration;

use vitrail_proto::error::Code;
use vitrail_proto::frame::{EMPTY_DOCUMENT, Flags, Kind};
use vitrail_proto::message::Op;

use crate::client::{Client, execute, op};
use crate::server::Server;

#[tokio::test]
async fn queue_of_a_session_and_requests_in_flight() {
    let mut server = Server::with(|config| {
        config.limits.session_queue = 2;
        config.limits.requests_in_flight = 4;
        config.limits.sessions = 2;
    })
    .await;
    let mut client = server.client().await;
    client.requests(&[(1, op(Op::Open, 1)), (2, op(Op::Open, 2)), (3, op(Op::Open, 3))]).await;
    assert!(client.answer().await.error.is_none());
    assert!(client.answer().await.error.is_none());
    assert_eq!(client.answer().await.code(), Code::Exhausted, "a third session");
    client.request(4, &execute(1, "hold a")).await;
    assert_eq!(server.event().await, "holding a");
    client.requests(&[(5, execute(1, "add 1")), (6, execute(1, "add 1")), (7, execute(1, "add 1"))]).await;
    let refused = client.answer().await;
    assert_eq!((refused.id, refused.code()), (7, Code::Exhausted), "a third that waits");
    client.requests(&[(8, execute(2, "hold b")), (9, execute(None, "echo x"))]).await;
    let refused = client.answer().await;
    assert_eq!((refused.id, refused.code()), (9, Code::Exhausted), "a fifth in flight");
    server.service.release("a");
    for id in [4, 5, 6] {
        assert_eq!(client.answer().await.id, id);
    }
    server.service.release("b");
    assert_eq!(client.answer().await.text(), "b");
    assert_eq!(client.ask(10, execute(None, "echo x")).await.text(), "x");
}

#[tokio::test]
async fn pings_are_answered_and_control_frames_are_counted() {
    let server = Server::with(|config| config.limits.control_frames_per_second = 20).await;
    let mut client = server.client().await;
    for _ in 1..=10 {
        client.send(Kind::Ping, 0, Flags::NONE, &EMPTY_DOCUMENT).await;
        let pong = client.message().await;
        assert_eq!((pong.kind, pong.id, pong.end), (Kind::Ping, 0, true));
    }
    client.send(Kind::Extension(200), 99, Flags::NONE, &[]).await;
    assert_eq!(client.ask(1, execute(None, "echo x")).await.text(), "x", "unknown kinds are skipped");
    for _ in 0..10 {
        client.send(Kind::Extension(255), 0, Flags::NONE, b"anything").await;
    }
    assert_eq!(client.refused().await.code, Code::Throttled);
}

#[tokio::test(start_paused = true)]
async fn strangers_have_ten_seconds_and_limited_room() {
    let server = Server::with(|config| config.limits.unauthenticated_per_address = 2).await;
    let since = tokio::time::Instant::now();
    let mut first = Client::connect(server.address).await;
    let mut second = Client::connect(server.address).await;
    while server.handle.stats().unauthenticated < 2 {
        tokio::task::yield_now().await;
    }
    let mut third = Client::connect(server.address).await;
    third.closed().await;
    assert_eq!(server.handle.stats().refused, 1);
    first.closed().await;
    second.closed().await;
    assert_eq!(since.elapsed().as_secs(), 10);
    assert_eq!(server.client().await.ask(1, execute(None, "echo x")).await.text(), "x");
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_stalls_is_closed() {
    let mut server = Server::with(|config| config.limits.stall = Duration::from_secs(30)).await;
    let mut client = server.client().await;
    let mut flood = execute(None, "stream 100000 30000");
    flood.credit = i32::MAX as u32;
    client.request(1, &flood).await;
    while !server.event().await.ends_with("cancelled") {}
    assert_eq!(server.handle.stats().stalled, 1);
    drop(client);
}

#[tokio::test]
async fn a_peer_that_pings_and_never_reads_is_cut_off() {
    let server = Server::with(|config| config.limits.control_frames_per_second = u32::MAX).await;
    let mut client = server.client().await;
    let pings = crate::client::frame(Kind::Ping, 0, Flags::NONE, &EMPTY_DOCUMENT).repeat(1_000);
    loop {
        use tokio::io::AsyncWriteExt;
        if client.wire.write_all(&pings).await.is_err() {
            break;
        }
    }
    assert_eq!(server.handle.stats().stalled, 1);
}
