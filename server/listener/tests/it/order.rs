//! Sessions: order inside, none between; chains; what is refused.

use tokio::io::AsyncWriteExt;
use vitrail_proto::error::{Code, Executed};
use vitrail_proto::frame::{Flags, Kind};
use vitrail_proto::message::Op;

use crate::client::{body, execute, frame, op};
use crate::server::Server;

#[tokio::test]
async fn a_pipeline_is_answered_in_order() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let mut pipeline = vec![(1, op(Op::Open, 9))];
    pipeline.extend((2..=60).map(|id| (id, execute(9, "add 2"))));
    pipeline.push((61, op(Op::Reset, 9)));
    pipeline.push((62, execute(9, "add 5")));
    pipeline.push((63, op(Op::Close, 9)));
    client.requests(&pipeline).await;
    assert_eq!(client.answer().await.id, 1);
    for id in 2..=60 {
        let answer = client.answer().await;
        assert_eq!((answer.id, answer.text()), (id, (2 * (id - 1)).to_string().as_str()));
    }
    assert_eq!(client.answer().await.id, 61);
    assert_eq!(client.answer().await.text(), "5");
    assert_eq!(client.answer().await.id, 63);
    let stats = server.handle.stats();
    assert_eq!((stats.requests, stats.errors, stats.sessions), (63, 0, 0), "{stats:?}");
}

#[tokio::test]
async fn sessions_and_stateless_requests_run_side_by_side() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    client
        .requests(&[
            (1, op(Op::Open, 1)),
            (2, op(Op::Open, 2)),
            (3, execute(1, "hold a")),
            (4, execute(1, "echo later")),
        ])
        .await;
    assert_eq!((client.answer().await.id, client.answer().await.id), (1, 2));
    assert_eq!(server.event().await, "holding a");
    assert_eq!(client.ask(5, execute(2, "echo other")).await.text(), "other");
    assert_eq!(client.ask(6, execute(None, "echo stateless")).await.text(), "stateless");
    server.service.release("a");
    assert_eq!((client.answer().await.id, client.answer().await.id), (3, 4));
}

#[tokio::test]
async fn a_failure_skips_what_is_chained_to_it() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let chained = |command: &str| {
        let mut request = execute(1, command);
        request.chain = true;
        request
    };
    client
        .requests(&[
            (1, op(Op::Open, 1)),
            (2, execute(1, "add 1")),
            (3, chained("fail")),
            (4, chained("add 10")),
            (5, chained("add 100")),
            (6, execute(1, "add 1000")),
            (7, chained("add 10000")),
        ])
        .await;
    let mut seen = Vec::new();
    for _ in 0..7 {
        let answer = client.answer().await;
        seen.push(match &answer.error {
            Some(error) => format!("{} {} {}", answer.id, error.code.as_str(), error.executed == Executed::No),
            None => format!("{} {}", answer.id, answer.text_or_empty()),
        });
    }
    assert_eq!(seen, ["1 ", "2 1", "3 invalid true", "4 skipped true", "5 skipped true", "6 1001", "7 11001"]);
}

#[tokio::test]
async fn what_is_chained_behind_a_request_that_was_never_read_is_skipped() {
    use vitrail_proto::frame::{EMPTY_DOCUMENT, Flags, Kind};
    let server = Server::start().await;
    let mut client = server.client().await;
    assert!(client.ask(1, op(Op::Open, 1)).await.error.is_none());
    // Nobody knows the session of a request whose body makes no sense.
    client.send(Kind::Request, 2, Flags::NONE, &EMPTY_DOCUMENT).await;
    let mut chained = execute(1, "add 1");
    chained.chain = true;
    client.request(3, &chained).await;
    let refused = client.answer().await;
    assert_eq!((refused.id, refused.code()), (2, Code::Invalid));
    let skipped = client.answer().await;
    assert_eq!((skipped.id, skipped.code()), (3, Code::Skipped));
    assert_eq!(client.ask(4, execute(1, "add 1")).await.text(), "1");
}

#[tokio::test]
async fn wrong_uses_of_sessions_are_refused_and_the_connection_lives() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let mut chained_stateless = execute(None, "echo x");
    chained_stateless.chain = true;
    let mut chained_unknown = execute(5, "echo x");
    chained_unknown.chain = true;
    let mut begin = op(Op::Begin, 1);
    begin.session = None;
    for (id, request, code) in [
        (1, execute(5, "echo x"), Code::SessionLost),
        (2, chained_unknown, Code::Skipped),
        (3, chained_stateless, Code::Invalid),
        (4, begin, Code::Invalid),
        (5, op(Op::Close, 5), Code::SessionLost),
    ] {
        assert_eq!(client.ask(id, request).await.code(), code, "request {id}");
    }
    assert!(client.ask(6, op(Op::Open, 5)).await.error.is_none());
    assert_eq!(client.ask(7, op(Op::Open, 5)).await.code(), Code::Invalid, "opened twice");
    client.requests(&[(8, op(Op::Close, 5)), (9, op(Op::Open, 5)), (10, execute(5, "add 3"))]).await;
    assert!(client.answer().await.error.is_none());
    assert!(client.answer().await.error.is_none(), "opened anew behind its close");
    assert_eq!(client.answer().await.text(), "3");
}

#[tokio::test]
async fn a_panic_costs_the_session_and_nothing_else() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.requests(&[(1, op(Op::Open, 1)), (2, execute(1, "panic")), (3, execute(1, "echo x"))]).await;
    assert!(client.answer().await.error.is_none());
    assert_eq!(client.answer().await.code(), Code::Internal);
    assert_eq!(client.answer().await.code(), Code::SessionLost);
    assert_eq!(client.ask(4, execute(None, "panic")).await.code(), Code::Internal);
    assert_eq!(client.ask(5, execute(None, "echo x")).await.text(), "x");
    assert_eq!(server.handle.stats().sessions, 0);
}

#[tokio::test]
async fn request_ids_increase() {
    let server = Server::start().await;
    for second in [7, 6] {
        let mut client = server.client().await;
        assert_eq!(client.ask(7, execute(None, "echo x")).await.text(), "x");
        client.request(second, &execute(None, "echo y")).await;
        assert_eq!(client.refused().await.code, Code::Protocol);
    }
}

#[tokio::test]
async fn a_malformed_request_fails_its_own_session_and_no_other() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.requests(&[(1, op(Op::Open, 1)), (2, op(Op::Open, 2))]).await;
    assert_eq!((client.answer().await.id, client.answer().await.id), (1, 2));
    let mut malformed = body(&execute(1, "echo x"));
    let at = malformed.windows(7).position(|window| window == b"execute").unwrap();
    malformed[at..at + 7].copy_from_slice(b"unknown");
    client.wire.write_all(&frame(Kind::Request, 3, Flags::NONE, &malformed)).await.unwrap();
    assert_eq!(client.answer().await.id, 3);
    for (id, session, runs) in [(4, 2, true), (5, 1, false), (6, 2, true)] {
        let mut request = execute(session, "echo on");
        request.chain = true;
        let answer = client.ask(id, request).await;
        if runs {
            assert_eq!(answer.text(), "on");
        } else {
            assert_eq!(answer.code(), Code::Skipped);
        }
    }
}
