//! Who comes in, and how everybody else is told.

use tokio::net::UnixStream;
use vitrail_listener::config::Endpoint;
use vitrail_proto::error::Code;
use vitrail_proto::frame::{Flags, Kind};
use vitrail_proto::message::Mechanism;
use vitrail_proto::scram::ClientBinding;

use crate::client::{Client, body, execute, frame, hello};
use crate::server::Server;

#[tokio::test]
async fn bytes_of_other_protocols_are_refused() {
    let server = Server::start().await;
    for (name, bytes) in [
        ("http", &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..]),
        ("tls", &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03, 1, 2, 3, 4, 5, 6, 7, 8][..]),
    ] {
        let mut client = Client::connect(server.address).await;
        client.write(bytes).await;
        let error = client.refused().await;
        assert!(matches!(error.code, Code::Protocol | Code::TooLarge), "{name}: {error}");
    }
    assert_eq!(server.handle.stats().violations, 2);
}

#[tokio::test]
async fn passwords_are_proved_and_nobody_learns_who_exists() {
    let server = Server::start().await;
    let mut errors = Vec::new();
    for (user, password, admitted) in
        [("ann", "secret", true), ("ann", "wrong", false), ("nobody", "secret", false), ("bob", "", false)]
    {
        let mut client = Client::connect(server.address).await;
        match client.scram(user, password, ClientBinding::Unsupported).await {
            Ok(()) => {
                assert!(admitted, "{user} {password}");
                assert_eq!(client.ask(1, execute(None, "whoami")).await.text(), user);
            }
            Err(error) => {
                assert!(!admitted, "{user} {password}: {error}");
                assert_eq!((error.code.clone(), error.errno), (Code::Unauthenticated, 1045));
                errors.push(error.message.replace(user, "?"));
                client.closed().await;
            }
        }
    }
    errors.dedup();
    assert_eq!(errors.len(), 1, "wrong password, unknown user and user without password look the same: {errors:?}");
    assert_eq!(server.handle.stats().unauthorised, 3);
}

#[tokio::test]
async fn versions_that_do_not_meet_are_refused_with_the_range() {
    let server = Server::start().await;
    for (min, max) in [(2, 3), (7, 7)] {
        let mut client = Client::connect(server.address).await;
        let mut hello = hello("ann", Mechanism::None, Vec::new());
        (hello.min_version, hello.max_version) = (min, max);
        client.hello(&hello).await;
        let error = client.refused().await;
        assert!(error.message.contains("1 to 1"), "{error}");
    }
    let mut client = Client::connect(server.address).await;
    let mut future = hello("ann", Mechanism::None, Vec::new());
    (future.min_version, future.max_version) = (1, 9);
    assert_eq!(client.log_in(future).await.version, 1);
}

#[tokio::test]
async fn no_request_before_the_handshake_has_ended() {
    let server = Server::start().await;
    let request = frame(Kind::Request, 1, Flags::NONE, &body(&execute(None, "echo x")));
    let mut client = Client::connect(server.address).await;
    client.write(&request).await;
    assert_eq!(client.refused().await.code, Code::Protocol, "in place of HELLO");

    let mut greeting = Vec::new();
    hello("ann", Mechanism::None, Vec::new()).encode(&mut greeting);
    let mut client = Client::connect(server.address).await;
    client.write(&[frame(Kind::Hello, 0, Flags::NONE, &greeting), request].concat()).await;
    assert_eq!(client.refused().await.code, Code::Protocol, "together with HELLO");
    assert_eq!(server.handle.stats().requests, 0);
}

#[tokio::test]
async fn none_is_for_configured_local_connections_and_known_users() {
    for (trust, user) in [(false, "ann"), (true, "nobody")] {
        let server = Server::with(|config| config.trust_local = trust).await;
        let mut client = Client::connect(server.address).await;
        client.hello(&hello(user, Mechanism::None, Vec::new())).await;
        assert_eq!(client.refused().await.code, Code::Unauthenticated, "{user}");
        assert_eq!(server.handle.stats().unauthorised, 1);
    }
}

#[tokio::test]
async fn a_unix_socket_serves_and_is_removed_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vitrail.sock");
    for _ in 0..2 {
        let server = Server::with(|config| config.endpoints = vec![Endpoint::Unix(path.clone())]).await;
        let mut client = Client { wire: Box::new(UnixStream::connect(&path).await.unwrap()) };
        client.log_in(hello("ann", Mechanism::None, Vec::new())).await;
        assert_eq!(client.ask(1, execute(None, "echo x")).await.text(), "x");
        drop(client);
        server.stop().await;
        assert!(!path.exists());
    }
}
