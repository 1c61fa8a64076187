//! CANCEL in every phase of a request, deadlines, and what a lost connection leaves behind.

use vitrail_proto::error::Code;
use vitrail_proto::message::Op;

use crate::client::{execute, fragments, op};
use crate::server::Server;

#[tokio::test]
async fn a_running_request_is_stopped() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    client.request(1, &execute(None, "hold a")).await;
    assert_eq!(server.event().await, "holding a");
    client.cancel(1).await;
    assert_eq!(client.answer().await.code(), Code::Cancelled);
}

#[tokio::test]
async fn a_queued_request_is_answered_at_once_and_never_runs() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    let mut chained = execute(1, "add 10");
    chained.chain = true;
    client
        .requests(&[
            (1, op(Op::Open, 1)),
            (2, execute(1, "hold a")),
            (3, execute(1, "add 1")),
            (4, chained),
            (5, execute(1, "add 100")),
        ])
        .await;
    assert!(client.answer().await.error.is_none());
    assert_eq!(server.event().await, "holding a");
    client.cancel(3).await;
    let cancelled = client.answer().await;
    assert_eq!((cancelled.id, cancelled.code()), (3, Code::Cancelled));
    server.service.release("a");
    assert_eq!(client.answer().await.text(), "a");
    assert_eq!(client.answer().await.code(), Code::Skipped, "chained to a cancelled request");
    assert_eq!(client.answer().await.text(), "100");
}

#[tokio::test]
async fn a_finished_request_cannot_be_cancelled_and_an_unknown_one_is_a_violation() {
    let server = Server::start().await;
    let mut client = server.client().await;
    assert_eq!(client.ask(1, execute(None, "echo x")).await.text(), "x");
    client.cancel(1).await;
    assert_eq!(client.ask(2, execute(None, "echo y")).await.text(), "y");
    client.cancel(3).await;
    assert_eq!(client.refused().await.code, Code::Protocol);
}

#[tokio::test]
async fn an_upload_is_cancelled_and_its_fragments_are_dropped() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let parts = fragments(1, &execute(None, &format!("echo {}", "x".repeat(20_000))), 8_000);
    client.write(&parts[0]).await;
    client.cancel(1).await;
    client.write(&parts[1]).await;
    client.write(&parts[2]).await;
    let answer = client.answer().await;
    assert_eq!((answer.id, answer.code()), (1, Code::Cancelled));
    assert_eq!(client.ask(2, execute(None, "echo x")).await.text(), "x");
    assert_eq!(server.handle.stats().request_memory, 0);
}

#[tokio::test(start_paused = true)]
async fn deadlines_end_running_queued_and_parked_requests() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let within = |ms, mut request: vitrail_proto::message::Request| {
        request.deadline_ms = Some(ms);
        request
    };
    let mut parked = execute(None, "stream 1 10");
    parked.credit = 0;
    client
        .requests(&[
            (1, op(Op::Open, 1)),
            (2, within(300, execute(1, "hold a"))),
            (3, within(100, execute(1, "add 1"))),
            (4, within(200, parked)),
            (5, execute(1, "add 5")),
        ])
        .await;
    assert!(client.answer().await.error.is_none());
    for id in [3, 4, 2] {
        let answer = client.answer().await;
        assert_eq!((answer.id, answer.code()), (id, Code::Deadline));
    }
    assert_eq!(client.answer().await.text(), "5");
}

#[tokio::test]
async fn a_lost_connection_stops_what_runs_and_rolls_back() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    client
        .requests(&[
            (1, op(Op::Open, 1)),
            (2, op(Op::Begin, 1)),
            (3, op(Op::Open, 2)),
            (4, op(Op::Begin, 2)),
            (5, execute(2, "hold a")),
            (6, execute(2, "echo never")),
        ])
        .await;
    server.event_like("holding a").await;
    drop(client);
    let mut events = vec![server.event().await, server.event().await, server.event().await];
    events.sort();
    assert_eq!(events, ["held a", "rolled back", "rolled back"]);
    let handle = server.handle.clone();
    server.stop().await;
    let stats = handle.stats();
    assert_eq!((stats.connections, stats.sessions, stats.in_flight, stats.request_memory), (0, 0, 0, 0), "{stats:?}");
}
