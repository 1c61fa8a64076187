//! The connection against a scripted server: what it writes, and what it makes of what it reads.

#![allow(clippy::unwrap_used, reason = "a panic is the report of a test")]

#[path = "support/hello.rs"]
mod hello;

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use vitrail_client::connection::{ConnectOptions, Connection, Pending};
use vitrail_client::{ClientConfig, Code, ErrorBody, Executed, TlsMode};
use vitrail_proto::frame::{Flags, HEADER_LEN, Header, Kind, Message, Reassembler, Received, Side, write_message};
use vitrail_proto::limits::Limits;
use vitrail_proto::message::{ClientHello, Credit, GoAway, Op, Reply, Request};
use vitrail_proto::rows::RowBatch;

use hello::server_hello;

/// A server that does what the test says.
struct Script {
    stream: DuplexStream,
    buffer: BytesMut,
    messages: Reassembler,
}

impl Script {
    /// Both ends of a connection, greeted without a proof.
    async fn start() -> (Script, Connection) {
        Script::start_with(Limits::default()).await
    }

    /// The same with a server of these limits.
    async fn start_with(limits: Limits) -> (Script, Connection) {
        let (client, server) = tokio::io::duplex(1 << 20);
        let mut config = ClientConfig::default();
        config.tls.mode = TlsMode::Disable;
        config.user = "anna".into();
        let options = ConnectOptions::from_config(&config).unwrap();
        let messages = Reassembler::new(Side::Server, limits);
        let mut script = Script { stream: server, buffer: BytesMut::new(), messages };
        let (connection, ()) = tokio::join!(Connection::connect_raw(client, None, &options), async {
            let hello = ClientHello::decode(&script.receive().await.body).unwrap();
            assert_eq!(hello.user, "anna");
            let mut body = Vec::new();
            server_hello(limits).encode(&mut body);
            script.send(Kind::Hello, Flags::NONE, 0, &body).await;
            script.messages.set_authenticated();
        });
        (script, connection.unwrap())
    }

    async fn receive(&mut self) -> Message {
        loop {
            if let Received::Message(message) = self.receive_part().await {
                return message;
            }
        }
    }

    async fn receive_part(&mut self) -> Received {
        loop {
            if let Some(head) = self.buffer.first_chunk::<HEADER_LEN>() {
                let header = Header::decode(head).unwrap();
                let total = HEADER_LEN + header.length as usize;
                if self.buffer.len() >= total {
                    self.buffer.advance(HEADER_LEN);
                    let body = self.buffer.split_to(total - HEADER_LEN).freeze();
                    return self.messages.push(header, body).unwrap();
                }
            }
            assert_ne!(self.stream.read_buf(&mut self.buffer).await.unwrap(), 0, "the client hung up");
        }
    }

    async fn receive_request(&mut self) -> (u64, Request) {
        let message = self.receive().await;
        assert_eq!(message.kind, Kind::Request);
        (message.id, Request::decode(&message.body).unwrap())
    }

    async fn send(&mut self, kind: Kind, flags: Flags, id: u64, body: &[u8]) {
        let mut out = Vec::new();
        write_message(&mut out, kind, flags, id, Limits::default().max_frame, body);
        self.stream.write_all(&out).await.unwrap();
    }

    async fn send_rows(&mut self, id: u64, bytes: usize, end: bool) {
        let reply = Reply {
            rows: Some(RowBatch { bytes: Bytes::from(vec![0; bytes]), count: 0 }),
            end: end.then(Box::default),
            ..Reply::default()
        };
        let mut body = Vec::new();
        reply.encode(&mut body);
        self.send(Kind::Reply, if end { Flags::END } else { Flags::NONE }, id, &body).await;
    }

    async fn send_error(&mut self, id: u64, error: ErrorBody) {
        let mut body = Vec::new();
        error.encode(&mut body);
        self.send(Kind::Error, Flags::END, id, &body).await;
    }
}

fn execute(session: Option<u64>) -> Request {
    let mut request = Request::new(Op::Execute);
    request.sql = Some("select 1".into());
    request.session = session;
    request
}

async fn fails_with(mut pending: Pending, code: Code, executed: Executed) {
    let error = loop {
        match pending.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("no error came"),
            Err(error) => break error,
        }
    };
    assert_eq!((error.code(), error.executed()), (&code, executed), "{error}");
}

#[tokio::test]
async fn requests_are_answered_in_any_order() {
    let (mut script, connection) = Script::start().await;
    let first = connection.request(&execute(None));
    let second = connection.request(&execute(Some(5)));
    let (a, request) = script.receive_request().await;
    assert_eq!((a, request.sql.as_deref()), (1, Some("select 1")));
    let (b, request) = script.receive_request().await;
    assert_eq!((b, request.session), (2, Some(5)));
    script.send(Kind::Extension(200), Flags::NONE, 77, b"skip").await;
    script.send_rows(b, 10, true).await;
    script.send_error(a, ErrorBody::new(Code::Constraint, "taken")).await;
    assert_eq!(second.last().await.unwrap().rows.unwrap().bytes.len(), 10);
    fails_with(first, Code::Constraint, Executed::No).await;
    assert_eq!(connection.in_flight(), 0);
}

#[tokio::test]
async fn credit_follows_what_was_taken() {
    let (mut script, connection) = Script::start().await;
    let mut request = execute(None);
    request.credit = 1000;
    let mut pending = connection.request(&request);
    let (id, request) = script.receive_request().await;
    assert_eq!(request.credit, 1000);
    script.send_rows(id, 700, false).await;
    script.send_rows(id, 700, false).await;
    pending.next().await.unwrap().unwrap();
    let message = script.receive().await;
    assert_eq!((message.kind, message.id), (Kind::Credit, id));
    let granted = Credit::decode(&message.body).unwrap().bytes;
    assert!((700..800).contains(&granted), "one reply was taken: {granted}");
    // A reply in several frames: its first frames are credited as they come, with nobody reading.
    script.send_rows(id, 600 * 1024, false).await;
    let granted = Credit::decode(&script.receive().await.body).unwrap().bytes;
    assert_eq!(granted, 256 * 1024);
    script.send_rows(id, 1, true).await;
    let mut replies = 0;
    while pending.next().await.unwrap().is_some() {
        replies += 1;
    }
    assert_eq!(replies, 3);
}

#[tokio::test]
async fn without_a_window_each_reply_is_asked_for() {
    let (mut script, connection) = Script::start().await;
    let mut request = execute(Some(1));
    request.credit = 0;
    let mut asked = connection.request(&request);
    let (id, _) = script.receive_request().await;
    let granted = async |script: &mut Script, id| {
        let message = script.receive().await;
        assert_eq!((message.kind, message.id), (Kind::Credit, id));
        Credit::decode(&message.body).unwrap().bytes
    };
    let (reply, ()) = tokio::join!(asked.next(), async {
        assert_eq!(granted(&mut script, id).await, 1);
        script.send_rows(id, 700, false).await;
    });
    assert_eq!(reply.unwrap().unwrap().rows.unwrap().bytes.len(), 700);
    // The balance is 1 again.
    assert!(granted(&mut script, id).await > 700);
    script.send_rows(id, 1, true).await;
    asked.last().await.unwrap();
    // Nobody will ask: the END may have rows.
    connection.request(&request).detach();
    let (id, _) = script.receive_request().await;
    assert_eq!(granted(&mut script, id).await, 1);
    script.send_rows(id, 1, true).await;
    // Asked for before it could be sent.
    let mut large = execute(Some(1));
    large.sql = Some("x".repeat(600 * 1024));
    let refused = connection.request(&large);
    let mut held = connection.request(&request);
    let (reply, ()) = tokio::join!(held.next(), async {
        let Received::Partial { id, .. } = script.receive_part().await else { panic!("the first 64 KiB come alone") };
        script.messages.give_up(id);
        script.send_error(id, ErrorBody::new(Code::Exhausted, "no memory")).await;
        let (id, _) = script.receive_request().await;
        assert_eq!(granted(&mut script, id).await, 1);
        script.send_rows(id, 1, true).await;
    });
    reply.unwrap().unwrap();
    fails_with(refused, Code::Exhausted, Executed::No).await;
}

#[tokio::test]
async fn a_request_of_several_free_frames_leaves_before_later_ones() {
    let (mut script, connection) = Script::start_with(Limits { max_frame: 16 * 1024, ..Limits::default() }).await;
    let mut long = execute(Some(1));
    long.sql = Some("x".repeat(40 * 1024));
    let first = connection.request(&long);
    let second = connection.request(&execute(Some(2)));
    // Ids must grow: the reassembler would refuse them in another order.
    let (a, request) = script.receive_request().await;
    assert_eq!((a, request.sql), (1, long.sql));
    let (b, _) = script.receive_request().await;
    for (id, pending) in [(a, first), (b, second)] {
        script.send_rows(id, 1, true).await;
        pending.last().await.unwrap();
    }
}

#[tokio::test]
async fn an_early_drop_cancels_and_drops_what_still_comes() {
    let (mut script, connection) = Script::start().await;
    let mut pending = connection.request(&execute(Some(1)));
    let (id, _) = script.receive_request().await;
    script.send_rows(id, 200 * 1024, false).await;
    pending.next().await.unwrap().unwrap();
    drop(pending);
    let mut kinds = Vec::new();
    while kinds.last() != Some(&Kind::Cancel) {
        kinds.push(script.receive().await.kind);
    }
    // The cancel was late: a whole result still comes, and needs credit without a reader.
    script.send_rows(id, 200 * 1024, false).await;
    assert_eq!(script.receive().await.kind, Kind::Credit);
    script.send_rows(id, 10, true).await;
    let next = connection.request(&execute(Some(1)));
    let (id, _) = script.receive_request().await;
    script.send_rows(id, 10, true).await;
    next.last().await.unwrap();
}

#[tokio::test]
async fn large_requests_wait_for_leave_and_hold_only_their_session() {
    let (mut script, connection) = Script::start().await;
    let mut large = execute(Some(1));
    large.sql = Some("x".repeat(600 * 1024));
    let refused = connection.request(&large);
    let behind = connection.request(&execute(Some(1)));
    let beside = connection.request(&execute(Some(2)));
    let Received::Partial { id, announced, received, .. } = script.receive_part().await else {
        panic!("the first 64 KiB come alone")
    };
    assert_eq!((id, received), (1, 64 * 1024));
    assert!(announced > 600 * 1024);
    let (id, request) = script.receive_request().await;
    assert_eq!((id, request.session), (2, Some(2)));
    script.send_rows(id, 1, true).await;
    beside.last().await.unwrap();
    // Refused: nothing more of it comes, and its session goes on.
    script.messages.give_up(1);
    script.send_error(1, ErrorBody::new(Code::Exhausted, "no memory")).await;
    let (id, request) = script.receive_request().await;
    assert_eq!((id, request.session), (3, Some(1)));
    script.send_rows(id, 1, true).await;
    behind.last().await.unwrap();
    fails_with(refused, Code::Exhausted, Executed::No).await;
    // Granted.
    let granted = connection.request(&large);
    let Received::Partial { id, announced, received, .. } = script.receive_part().await else { panic!("as before") };
    script.messages.grant(id);
    let mut body = Vec::new();
    Credit { bytes: announced - received }.encode(&mut body);
    script.send(Kind::Credit, Flags::NONE, id, &body).await;
    let (id, request) = script.receive_request().await;
    assert_eq!(request.sql.unwrap().len(), 600 * 1024);
    script.send_rows(id, 1, true).await;
    granted.last().await.unwrap();
}

#[tokio::test]
async fn a_lost_connection_tells_what_was_sent() {
    let (mut script, connection) = Script::start().await;
    let mut large = execute(Some(1));
    large.sql = Some("x".repeat(600 * 1024));
    let half_sent = connection.request(&large);
    let held_back = connection.request(&execute(Some(1)));
    let sent = connection.request(&execute(None));
    script.receive_request().await;
    drop(script);
    fails_with(half_sent, Code::Unavailable, Executed::No).await;
    fails_with(held_back, Code::Unavailable, Executed::No).await;
    fails_with(sent, Code::OutcomeUnknown, Executed::Unknown).await;
    connection.closed().await;
    fails_with(connection.request(&execute(None)), Code::Unavailable, Executed::No).await;
}

#[tokio::test]
async fn a_request_that_was_not_sent_is_cancelled_here() {
    let (mut script, connection) = Script::start().await;
    let mut large = execute(Some(1));
    large.sql = Some("x".repeat(600 * 1024));
    let _large = connection.request(&large);
    let held_back = connection.request(&execute(Some(1)));
    script.receive_part().await;
    held_back.cancel();
    fails_with(held_back, Code::Cancelled, Executed::No).await;
}

#[tokio::test]
async fn drains_are_noticed() {
    let (mut script, connection) = Script::start().await;
    let pending = connection.request(&execute(None));
    let (id, _) = script.receive_request().await;
    let mut body = Vec::new();
    GoAway { drain_ms: 1000, reason: "deploy".into() }.encode(&mut body);
    script.send(Kind::GoAway, Flags::NONE, 0, &body).await;
    script.send_rows(id, 1, true).await;
    pending.last().await.unwrap();
    assert!(connection.is_draining() && !connection.is_closed());
}

#[tokio::test(start_paused = true)]
async fn an_unanswered_deadline_closes_a_second_later() {
    let (mut script, connection) = Script::start().await;
    let started = tokio::time::Instant::now();
    let mut late = execute(None);
    late.deadline_ms = Some(500);
    let late = connection.request(&late);
    script.receive_request().await;
    fails_with(late, Code::OutcomeUnknown, Executed::Unknown).await;
    assert_eq!(started.elapsed().as_millis(), 1500);
    assert!(connection.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_pinged_and_given_up() {
    let (mut script, connection) = Script::start().await;
    let started = tokio::time::Instant::now();
    for _ in 0..3 {
        let message = script.receive().await;
        assert_eq!(message.kind, Kind::Ping);
        script.send(Kind::Ping, Flags::END, 0, &message.body).await;
    }
    connection.closed().await;
    assert_eq!(started.elapsed(), Duration::from_secs(3 * 30 + 30 + 30));
}

#[tokio::test]
async fn broken_servers_are_left() {
    let reply = |id| Header { length: 5, kind: Kind::Reply, flags: Flags::END, id }.encode();
    let empty = [5, 0, 0, 0, 0];
    let mut cases: Vec<(&str, Vec<u8>)> = vec![
        ("an answer to nothing", [&reply(9)[..], &empty].concat()),
        ("http", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        (
            "a request",
            [&Header { length: 5, kind: Kind::Request, flags: Flags::NONE, id: 1 }.encode()[..], &empty].concat(),
        ),
        ("a broken document", [&reply(1)[..], &[6, 0, 0, 0, 0]].concat()),
    ];
    let mut twice = [&reply(1)[..], &empty].concat();
    twice.extend_from_slice(&twice.clone());
    cases.push(("two ends", twice));
    for (name, bytes) in cases {
        let (mut script, connection) = Script::start().await;
        let pending = connection.request(&execute(None));
        script.receive_request().await;
        script.stream.write_all(&bytes).await.unwrap();
        connection.closed().await;
        drop(pending);
        assert!(connection.is_closed(), "{name}");
    }
}

#[tokio::test]
async fn dropping_the_last_handle_closes() {
    let (mut script, connection) = Script::start().await;
    let other = connection.clone();
    drop(connection);
    let pending = other.request(&execute(None));
    drop(other);
    let (id, _) = script.receive_request().await;
    script.send_rows(id, 1, true).await;
    pending.last().await.unwrap();
    let mut rest = Vec::new();
    script.stream.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty());
}
