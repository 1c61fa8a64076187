//! A client that does not do as a good one would: handshakes by hand, over TCP and TLS.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use vitrail_proto::error::ErrorBody;
use vitrail_proto::frame::{Flags, HEADER_LEN, Header, Kind};
use vitrail_proto::message::{Auth, ClientHello, Mechanism, ServerHello};
use vitrail_proto::scram::{self, ClientBinding, ClientExchange};

/// Everything that a test waits for happens in this time, on a machine under any load.
pub const LONG: Duration = Duration::from_secs(60);

/// TLS settings that trust one authority.
pub fn tls(authority: &str, versions: &[&'static SupportedProtocolVersion], names: &[&[u8]]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = names.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

/// A TLS connection to `localhost`.
pub async fn connect(config: &Arc<ClientConfig>, port: u16) -> std::io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    TlsConnector::from(Arc::clone(config)).connect(ServerName::try_from("localhost").unwrap(), tcp).await
}

/// A TCP connection from an address of one's own in 127.0.0.0/8.
pub async fn connect_from(source: Ipv4Addr, port: u16) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((source, 0)))?;
    socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await
}

/// The whole of SCRAM. The server proves itself too. Gives the salt that the server showed.
pub async fn log_in<W: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut W,
    user: &str,
    password: &str,
    binding: ClientBinding,
) -> Result<(), ErrorBody> {
    let (mut exchange, first) = begin(wire, user, binding).await?;
    let (data, _) = exchange.respond(&first.challenge, password.as_bytes(), None).unwrap();
    let mut body = Vec::new();
    Auth { data, authenticated: false }.encode(&mut body);
    send(wire, Kind::Auth, &body).await;
    let (kind, body) = receive(wire).await.expect("an answer");
    if kind == Kind::Error {
        return Err(ErrorBody::decode(&body).unwrap());
    }
    exchange.finish(&Auth::decode(&body).unwrap().data).unwrap();
    Ok(())
}

/// HELLO, and what the server answers.
pub async fn begin<W: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut W,
    user: &str,
    binding: ClientBinding,
) -> Result<(ClientExchange, ServerHello), ErrorBody> {
    let mechanism = match binding {
        ClientBinding::EndPoint(_) => Mechanism::ScramSha256Plus,
        _ => Mechanism::ScramSha256,
    };
    let (exchange, initial) = ClientExchange::start(user, &scram::nonce(), binding);
    let hello = ClientHello {
        min_version: 1,
        max_version: 1,
        capabilities: Vec::new(),
        max_frame: 256 * 1024,
        max_message: 128 * 1024 * 1024,
        user: user.into(),
        mechanism,
        initial,
        driver: "test/1".into(),
        application: "tests".into(),
        instance: "1".into(),
    };
    let mut body = Vec::new();
    hello.encode(&mut body);
    send(wire, Kind::Hello, &body).await;
    let (kind, body) = receive(wire).await.expect("an answer");
    match kind {
        Kind::Error => Err(ErrorBody::decode(&body).unwrap()),
        _ => Ok((exchange, ServerHello::decode(&body).unwrap())),
    }
}

/// Waits until the server has closed the connection, and drops what it says before.
pub async fn closed<W: AsyncRead + Unpin>(wire: &mut W) {
    let mut rest = Vec::new();
    let read = tokio::time::timeout(LONG, wire.read_to_end(&mut rest)).await;
    assert!(read.is_ok(), "the server has not closed the connection");
}

async fn send<W: AsyncWrite + Unpin>(wire: &mut W, kind: Kind, body: &[u8]) {
    let header = Header { length: u32::try_from(body.len()).unwrap(), kind, flags: Flags::NONE, id: 0 };
    // A server that has closed already is found out when its answer is read.
    let _ = wire.write_all(&[&header.encode()[..], body].concat()).await;
    let _ = wire.flush().await;
}

async fn receive<W: AsyncRead + Unpin>(wire: &mut W) -> Option<(Kind, Vec<u8>)> {
    let read = async {
        let mut head = [0; HEADER_LEN];
        wire.read_exact(&mut head).await.ok()?;
        let header = Header::decode(&head).unwrap();
        let mut body = vec![0; header.length as usize];
        wire.read_exact(&mut body).await.ok()?;
        Some((header.kind, body))
    };
    tokio::time::timeout(LONG, read).await.expect("the server answers or closes")
}
