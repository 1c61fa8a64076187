//! Authentication by password against a scripted server: proofs in both directions, and servers that have none.

#![allow(clippy::unwrap_used, reason = "a panic is the report of a test")]

#[path = "support/hello.rs"]
mod hello;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use vitrail_client::connection::{ConnectOptions, Connection};
use vitrail_client::{ClientConfig, Code, Error, TlsMode};
use vitrail_proto::frame::{Flags, HEADER_LEN, Header, Kind, write_message};
use vitrail_proto::limits::Limits;
use vitrail_proto::message::{Auth, ClientHello, Mechanism, ServerHello};
use vitrail_proto::scram::{ServerExchange, StoredKeys};

use hello::server_hello;

const PASSWORD: &str = "pässword, with = and ,";
const BINDING: &[u8] = b"a hash of some certificate";

/// What the server does wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Server {
    Honest,
    /// Signs with the keys of another password.
    OtherKeys,
    /// Asks for nothing.
    Trusting,
    /// Ends the exchange without a signature.
    Unsigned,
}

async fn receive(stream: &mut DuplexStream, kind: Kind) -> Bytes {
    let mut head = [0; HEADER_LEN];
    stream.read_exact(&mut head).await.unwrap();
    let header = Header::decode(&head).unwrap();
    assert_eq!(header.kind, kind);
    let mut body = vec![0; header.length as usize];
    stream.read_exact(&mut body).await.unwrap();
    body.into()
}

async fn send(stream: &mut DuplexStream, kind: Kind, body: &[u8]) {
    let mut out = Vec::new();
    write_message(&mut out, kind, Flags::NONE, 0, 16 * 1024, body);
    stream.write_all(&out).await.unwrap();
}

async fn serve(mut stream: DuplexStream, server: Server, binding: Option<&[u8]>) {
    let hello = ClientHello::decode(&receive(&mut stream, Kind::Hello).await).unwrap();
    let plus = hello.mechanism == Mechanism::ScramSha256Plus;
    assert_eq!(plus, binding.is_some());
    let password = if server == Server::OtherKeys { "another" } else { PASSWORD };
    let keys = StoredKeys::derive(password.as_bytes(), b"salt and pepper", 4096);
    let (exchange, challenge) =
        ServerExchange::start(&hello.initial, plus, binding, &hello.user, keys, "server-nonce").unwrap();
    let answer = ServerHello {
        challenge: if server == Server::Trusting { Vec::new() } else { challenge },
        authenticated: server == Server::Trusting,
        ..server_hello(Limits::default())
    };
    let mut body = Vec::new();
    answer.encode(&mut body);
    send(&mut stream, Kind::Hello, &body).await;
    if server != Server::Trusting {
        let proof = Auth::decode(&receive(&mut stream, Kind::Auth).await).unwrap();
        let data = match server {
            Server::Honest => exchange.finish(&proof.data).unwrap(),
            Server::OtherKeys => b"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_vec(),
            _ => Vec::new(),
        };
        body.clear();
        Auth { data, authenticated: true }.encode(&mut body);
        send(&mut stream, Kind::Auth, &body).await;
    }
    // Until the client hangs up.
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

async fn connect(server: Server, binding: Option<&'static [u8]>, options: &ConnectOptions) -> Result<(), Error> {
    let (client, other) = tokio::io::duplex(64 * 1024);
    let serving = tokio::spawn(serve(other, server, binding));
    let connected = Connection::connect_raw(client, binding.map(<[u8]>::to_vec), options).await.map(drop);
    serving.await.unwrap();
    connected
}

fn options() -> ConnectOptions {
    let mut config = ClientConfig::default();
    config.tls.mode = TlsMode::Disable;
    config.user = "a=user,of=sorts".into();
    config.password = Some(PASSWORD.into());
    ConnectOptions::from_config(&config).unwrap()
}

#[tokio::test]
async fn both_sides_prove_themselves() {
    let options = options();
    // The second connection uses the keys of the first.
    for binding in [None, Some(BINDING), None] {
        connect(Server::Honest, binding, &options).await.unwrap();
    }
}

#[tokio::test]
async fn servers_that_prove_nothing_are_left() {
    for server in [Server::OtherKeys, Server::Trusting, Server::Unsigned] {
        let error = connect(server, None, &options()).await.unwrap_err();
        assert_eq!(*error.code(), Code::Unauthenticated, "{server:?}: {error}");
    }
}
