//! Flow control: nobody gets more than they asked for, and nobody waits for somebody else's reader.

use vitrail_proto::error::{Code, Executed};
use vitrail_proto::frame::Kind;
use vitrail_proto::message::Reply;

use crate::client::execute;
use crate::server::Server;

#[tokio::test]
async fn without_credit_no_rows_and_with_one_byte_one_frame() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    let mut stream = execute(None, "stream 3 100");
    stream.credit = 0;
    client.request(1, &stream).await;
    // What needs no credit passes by.
    assert_eq!(client.ask(2, execute(None, "echo x")).await.text(), "x");
    server.event_like("closed").await;
    assert!(server.events.try_recv().is_err(), "nothing is sent without credit");
    for sent in 0..3 {
        client.credit(1, 1).await;
        let message = client.message().await;
        assert_eq!((message.kind, message.id, message.end), (Kind::Reply, 1, false));
        assert_eq!(server.event().await, format!("sent {sent}"));
        // The balance is below zero now, as the frame had more than the one byte; this takes it back to zero.
        client.credit(1, message.body.len() as u32 - 1).await;
        if sent == 2 {
            break;
        }
        assert_eq!(client.ask(10 + sent, execute(None, "echo x")).await.text(), "x");
        server.event_like("closed").await;
        assert!(server.events.try_recv().is_err(), "zero is not credit");
    }
    let answer = client.answer().await;
    assert_eq!((answer.id, answer.text()), (1, ""), "an END without rows needs no credit");
}

#[tokio::test]
async fn a_row_above_a_frame_comes_in_fragments_as_credit_allows() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let mut request = execute(None, "row 1000000");
    request.credit = 1;
    client.request(1, &request).await;
    let mut body = Vec::new();
    loop {
        let (header, fragment) = client.frame().await;
        assert!(fragment.len() <= 256 * 1024);
        client.credit(1, fragment.len() as u32).await;
        body.extend(fragment);
        assert!(header.flags.end(), "END is on each frame of the last message");
        if !header.flags.more() {
            break;
        }
    }
    let reply = Reply::decode(body.into()).unwrap();
    assert_eq!(reply.rows.unwrap().bytes.len(), 1_000_004);
}

#[tokio::test]
async fn fragments_of_two_requests_interleave() {
    let server = Server::with(|config| config.limits.output = 300 * 1024).await;
    let mut client = server.client().await;
    let mut request = execute(None, "row 8000000");
    request.credit = 16_000_000;
    client.requests(&[(1, request.clone()), (2, request)]).await;
    let (mut turns, mut before, mut left) = (0, 0, 2);
    while left > 0 {
        let (header, _) = client.frame().await;
        turns += usize::from(header.id != before);
        before = header.id;
        left -= usize::from(!header.flags.more());
    }
    assert!(turns > 10, "{turns} turns");
}

#[tokio::test]
async fn a_result_larger_than_the_client_accepts_is_an_error() {
    let server = Server::start().await;
    let mut client = crate::client::Client::connect(server.address).await;
    let mut hello = crate::client::hello("ann", vitrail_proto::message::Mechanism::None, Vec::new());
    hello.max_frame = 16 * 1024;
    hello.max_message = 64 * 1024;
    client.log_in(hello).await;
    let mut large = execute(None, "row 70000");
    large.read_only = true;
    let error = client.ask(1, large).await.error.unwrap();
    assert_eq!((error.code, error.executed), (Code::TooLarge, Executed::No));
    client.request(2, &execute(None, "row 60000")).await;
    let message = client.message().await;
    assert!(
        message.frames.len() == 4 && message.frames.iter().all(|length| *length <= 16 * 1024),
        "{:?}",
        message.frames
    );
}

#[tokio::test]
async fn rows_of_one_request_that_nobody_reads_stop_nobody_else() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let mut parked = execute(None, "stream 100000 30000");
    parked.credit = 100_000;
    client.request(1, &parked).await;
    // Its credit is used up after four frames; it waits, and others do not.
    for _ in 0..4 {
        assert_eq!(client.message().await.id, 1);
    }
    for id in 2..50 {
        assert_eq!(client.ask(id, execute(None, "echo x")).await.text(), "x");
    }
    client.cancel(1).await;
    let answer = client.answer().await;
    assert_eq!((answer.id, answer.code()), (1, Code::Cancelled));
}

#[tokio::test]
async fn a_reader_that_never_reads_costs_bounded_memory_and_stops_no_other_connection() {
    let mut server = Server::start().await;
    let mut deaf = server.client().await;
    let mut flood = execute(None, "stream 100000 30000");
    flood.credit = i32::MAX as u32;
    deaf.request(1, &flood).await;
    // The socket and the queue take a number of replies; then the service waits in `send`.
    let mut sent = 0;
    let mut other = server.client().await;
    let mut id = 0;
    loop {
        id += 1;
        assert_eq!(other.ask(id, execute(None, "echo x")).await.text(), "x");
        let before = sent;
        while let Ok(event) = server.events.try_recv() {
            sent += usize::from(event.starts_with("sent"));
        }
        if sent > 0 && sent == before && id > 200 {
            break;
        }
    }
    let queued = sent * 30_000 - server.handle.stats().sent as usize;
    assert!(queued <= 600 * 1024, "{queued} bytes are queued");
    drop(deaf);
    server.event_like(&format!("stopped after {sent}: cancelled")).await;
}

#[tokio::test]
async fn credit_out_of_range_or_for_nothing_ends_the_connection() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.credit(5, 1).await;
    assert_eq!(client.refused().await.code, Code::Protocol);

    let mut client = server.client().await;
    let mut parked = execute(None, "stream 1 1");
    parked.credit = 0;
    client.request(1, &parked).await;
    client.credit(1, i32::MAX as u32).await;
    let message = client.message().await;
    assert_eq!(message.id, 1);
    assert_eq!(client.answer().await.text(), "");
    client.credit(1, 1000).await;
    assert_eq!(client.ask(2, execute(None, "echo x")).await.text(), "x", "credit for a finished request is ignored");
}
