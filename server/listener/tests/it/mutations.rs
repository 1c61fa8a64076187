//! A few thousand broken handshakes and conversations: no panic, and always a typed error, an answer or a close.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use vitrail_proto::error::ErrorBody;
use vitrail_proto::frame::{EMPTY_DOCUMENT, Flags, HEADER_LEN, Header, Kind};
use vitrail_proto::message::{Credit, Mechanism, Op};

use crate::client::{body, execute, fragments, frame, hello, op};
use crate::server::Server;

const ROUNDS: usize = 2_000;

#[tokio::test]
async fn mutated_conversations_end_in_a_typed_error_or_a_close() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let server = Server::start().await;
    let conversation = conversation();
    let mut refused = 0;
    for round in 0..ROUNDS {
        // Half of them leave the handshake alone.
        let first = if round % 2 == 0 { 0 } else { conversation[0].len() };
        let mut bytes: Vec<u8> = conversation.concat();
        for _ in 0..random.random_range(1..=4) {
            let at = random.random_range(first..bytes.len());
            match random.random_range(0..4) {
                0 => bytes[at] ^= 1 << random.random_range(0..8),
                1 => bytes[at] = random.random(),
                2 => bytes.truncate(at.max(first + 1)),
                _ => {
                    let until = (at + random.random_range(1..20)).min(bytes.len());
                    let copy = bytes[at..until].to_vec();
                    bytes.splice(at..at, copy);
                }
            }
            if bytes.len() <= first {
                break;
            }
        }
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        // The handshake is separate: nothing may follow it before it has ended.
        let handshake = conversation[0].len().min(bytes.len());
        stream.write_all(&bytes[..handshake]).await.unwrap();
        let mut seen = Vec::new();
        if first > 0 {
            let mut head = [0; HEADER_LEN];
            stream.read_exact(&mut head).await.unwrap();
            let header = Header::decode(&head).unwrap();
            stream.read_exact(&mut vec![0; header.length as usize]).await.unwrap();
        }
        // The server may have closed already.
        let _ = stream.write_all(&bytes[handshake..]).await;
        let _ = stream.shutdown().await;
        if stream.read_to_end(&mut seen).await.is_ok() {
            refused += usize::from(check(&seen, seed, round));
        }
    }
    assert!(refused > ROUNDS / 10, "{refused} of {ROUNDS} were refused by an error on id 0");
    let stats = server.handle.stats();
    assert_eq!(stats.accepted as usize, ROUNDS, "{stats:?}");
    let mut client = server.client().await;
    assert_eq!(client.ask(1, execute(None, "echo x")).await.text(), "x", "the server is well");
    server.stop().await;
}

/// Every frame that came back is whole and makes sense. Answers whether one of them was the connection's error.
fn check(mut seen: &[u8], seed: u64, round: usize) -> bool {
    let mut refused = false;
    while let Some(head) = seen.first_chunk::<HEADER_LEN>() {
        let header = Header::decode(head).unwrap_or_else(|error| panic!("{seed} {round}: {error}"));
        let total = HEADER_LEN + header.length as usize;
        if seen.len() < total {
            break;
        }
        if header.kind == Kind::Error {
            let error = ErrorBody::decode(&seen[HEADER_LEN..total]).unwrap();
            assert!(!error.message.is_empty(), "{seed} {round}");
            refused |= header.id == 0;
        }
        seen = &seen[total..];
    }
    refused
}

/// A handshake without a proof, then a little of everything.
fn conversation() -> Vec<Vec<u8>> {
    let mut hello_body = Vec::new();
    hello("ann", Mechanism::None, Vec::new()).encode(&mut hello_body);
    let mut credit = Vec::new();
    Credit { bytes: 1000 }.encode(&mut credit);
    let mut stream = execute(1, "stream 3 100");
    stream.credit = 0;
    let mut all = vec![
        frame(Kind::Hello, 0, Flags::NONE, &hello_body),
        frame(Kind::Request, 1, Flags::NONE, &body(&op(Op::Open, 1))),
        frame(Kind::Request, 2, Flags::NONE, &body(&execute(1, "echo x"))),
        frame(Kind::Request, 3, Flags::NONE, &body(&stream)),
        frame(Kind::Credit, 3, Flags::NONE, &credit),
        frame(Kind::Cancel, 3, Flags::NONE, &EMPTY_DOCUMENT),
        frame(Kind::Ping, 0, Flags::NONE, &EMPTY_DOCUMENT),
    ];
    all.extend(fragments(4, &execute(None, &format!("echo {}", "z".repeat(9_000))), 4_096));
    all.push(frame(Kind::Request, 5, Flags::NONE, &body(&op(Op::Begin, 1))));
    all.push(frame(Kind::Request, 6, Flags::NONE, &body(&op(Op::Close, 1))));
    all
}
