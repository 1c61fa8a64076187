//! Requests in fragments: credit for the large ones, refusal for those without room.

use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::frame::{Flags, Kind};
use vitrail_proto::message::{Credit, Op};

use crate::client::{Client, body, execute, fragments, frame, op};
use crate::server::Server;

async fn credit(client: &mut Client, id: u64) -> usize {
    let message = client.message().await;
    assert_eq!((message.kind, message.id), (Kind::Credit, id));
    Credit::decode(&message.body).unwrap().bytes as usize
}

#[tokio::test]
async fn a_large_request_waits_for_its_one_credit() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let text = "y".repeat(1_000_000);
    let mut request = execute(None, &format!("echo {text}"));
    request.credit = 2_000_000;
    let total = body(&request).len();
    let parts = fragments(1, &request, 65_536);
    client.write(&parts[0]).await;
    assert_eq!(credit(&mut client, 1).await, total - 65_536);
    assert_eq!(server.handle.stats().request_memory as usize, total);
    for part in &parts[1..] {
        client.write(part).await;
    }
    assert!(client.answer().await.text() == text);
}

#[tokio::test]
async fn half_sent_uploads_do_not_wait_for_each_other() {
    let server = Server::with(|config| config.limits.request_memory = 1_000_000).await;
    let mut client = server.client().await;
    let request = execute(None, &format!("echo {}", "z".repeat(600_000)));
    let first = fragments(1, &request, 65_536);
    let second = fragments(2, &request, 65_536);
    client.write(&first[0]).await;
    credit(&mut client, 1).await;
    client.write(&second[0]).await;
    let refused = client.answer().await;
    assert_eq!((refused.id, refused.code()), (2, Code::Exhausted));
    // Small requests still find room, and the first upload goes on.
    assert_eq!(client.ask(3, execute(None, "echo x")).await.text(), "x");
    for part in &first[1..] {
        client.write(part).await;
    }
    assert_eq!(client.answer().await.text().len(), 600_000);
    assert_eq!(server.handle.stats().exhausted, 1);
}

#[tokio::test]
async fn a_refused_upload_drops_its_fragments_under_way() {
    let server = Server::with(|config| config.limits.max_message = 100_000).await;
    let mut client = server.client().await;
    let parts = fragments(1, &execute(None, &format!("echo {}", "z".repeat(200_000))), 20_000);
    for part in &parts[..3] {
        client.write(part).await;
    }
    let refused = client.answer().await;
    assert_eq!((refused.id, refused.code()), (1, Code::TooLarge));
    assert_eq!(client.ask(2, execute(None, "echo x")).await.text(), "x");
}

#[tokio::test]
async fn fragments_interleave_with_other_requests() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let first = fragments(1, &execute(None, &format!("echo {}", "a".repeat(20_000))), 5_000);
    let second = fragments(2, &execute(None, &format!("echo {}", "b".repeat(10_000))), 5_000);
    for part in [&first[0], &second[0], &first[1], &second[1], &first[2], &first[3], &second[2], &first[4]] {
        client.write(part).await;
    }
    assert_eq!(client.two_lengths().await, [(2, 10_000), (1, 20_000)]);
}

#[tokio::test]
async fn broken_fragments_end_the_connection() {
    let server = Server::start().await;
    let text = format!("echo {}", "z".repeat(100_000));
    let large = body(&execute(None, &text));
    let cases: [(&str, Vec<Vec<u8>>); 4] = [
        ("a fragment below 4 KiB", vec![frame(Kind::Request, 1, Flags::MORE, &large[..4095])]),
        ("beyond 64 KiB without credit", vec![frame(Kind::Request, 1, Flags::MORE, &large[..70_000])]),
        (
            "shorter than announced",
            vec![
                frame(Kind::Request, 1, Flags::MORE, &large[..8192]),
                frame(Kind::Request, 1, Flags::NONE, &large[8192..9000]),
            ],
        ),
        (
            "longer than announced",
            vec![
                frame(Kind::Request, 1, Flags::MORE, &body(&execute(None, &text[..10_000]))[..8192]),
                frame(Kind::Request, 1, Flags::MORE, &large[..8192]),
            ],
        ),
    ];
    for (name, frames) in cases {
        let mut client = server.client().await;
        for bytes in frames {
            client.write(&bytes).await;
        }
        let error = loop {
            let message = client.message().await;
            if message.kind == Kind::Error {
                assert_eq!(message.id, 0, "{name}");
                break ErrorBody::decode(&message.body).unwrap();
            }
        };
        assert_eq!(error.code, Code::Protocol, "{name}");
        client.closed().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_stops_half_way_gives_its_memory_back() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let parts = fragments(1, &execute(None, &format!("echo {}", "z".repeat(200_000))), 20_000);
    client.write(&parts[0]).await;
    credit(&mut client, 1).await;
    assert_eq!(client.answer().await.code(), Code::Deadline);
    assert_eq!(server.handle.stats().request_memory, 0);
    assert!(client.ask(2, op(Op::Open, 1)).await.error.is_none());
}
