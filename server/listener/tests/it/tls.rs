//! Direct TLS: the protocol's name, certificates of clients, and SCRAM bound to the server's certificate.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest, Sha384};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use vitrail_listener::config::Endpoint;
use vitrail_listener::tls::TlsIdentity;
use vitrail_proto::error::Code;
use vitrail_proto::limits::ALPN;
use vitrail_proto::message::Mechanism;
use vitrail_proto::scram::ClientBinding;

use crate::client::{Client, execute, hello};
use crate::server::{Server, loopback};

const AUTHORITY: &[u8] = include_bytes!("../certs/authority.pem");
const SERVER: &[u8] = include_bytes!("../certs/server.pem");
const SERVER_KEY: &[u8] = include_bytes!("../certs/server.key");
const GATE: &[u8] = include_bytes!("../certs/gate-1.pem");
const GATE_KEY: &[u8] = include_bytes!("../certs/gate-1.key");

/// A TLS server; connections are not trusted for being local.
async fn server() -> Server {
    Server::with(|config| {
        config.endpoints = vec![Endpoint::Tls(loopback())];
        config.tls = Some(Arc::new(TlsIdentity::from_pem(SERVER, SERVER_KEY, Some(AUTHORITY)).unwrap()));
        config.trust_local = false;
    })
    .await
}

/// What `tls-server-end-point` is for this server.
fn end_point() -> Vec<u8> {
    let certificate = CertificateDer::from_pem_slice(SERVER).unwrap();
    Sha384::digest(&certificate).to_vec()
}

async fn connect(server: &Server, names: &[&[u8]], certificate: bool) -> std::io::Result<Client> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(AUTHORITY).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = if certificate {
        let chain = vec![CertificateDer::from_pem_slice(GATE).unwrap()];
        builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(GATE_KEY).unwrap()).unwrap()
    } else {
        builder.with_no_client_auth()
    };
    config.alpn_protocols = names.iter().map(|name| name.to_vec()).collect();
    let tcp = TcpStream::connect(server.address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
    Ok(Client { wire: Box::new(stream) })
}

#[tokio::test]
async fn only_clients_that_name_the_protocol_come_in() {
    let server = server().await;
    assert!(connect(&server, &[b"http/1.1"], false).await.is_err());
    let mut silent = connect(&server, &[], false).await.unwrap();
    silent.closed().await;
    assert!(connect(&server, &[ALPN], false).await.is_ok());
}

#[tokio::test]
async fn a_certificate_names_the_user() {
    let server = server().await;
    for (certificate, user, admitted) in
        [(true, "", true), (true, "gate-1", true), (true, "ann", false), (false, "gate-1", false), (false, "", false)]
    {
        let mut client = connect(&server, &[ALPN], certificate).await.unwrap();
        let greeting = hello(user, Mechanism::External, Vec::new());
        if admitted {
            client.log_in(greeting).await;
            assert_eq!(client.ask(1, execute(None, "whoami")).await.text(), "gate-1 gate");
        } else {
            client.hello(&greeting).await;
            assert_eq!(client.refused().await.code, Code::Unauthenticated, "{certificate} {user}");
        }
    }
}

#[tokio::test]
async fn scram_is_bound_to_the_servers_certificate() {
    let server = server().await;
    for (binding, password, admitted) in [
        (ClientBinding::EndPoint(end_point()), "secret", true),
        (ClientBinding::EndPoint(vec![0; 48]), "secret", false),
        (ClientBinding::EndPoint(end_point()), "wrong", false),
        (ClientBinding::Unsupported, "secret", true),
        // Somebody told the client that the server cannot bind.
        (ClientBinding::Unused, "secret", false),
    ] {
        let mut client = connect(&server, &[ALPN], false).await.unwrap();
        let outcome = client.scram("ann", password, binding.clone()).await;
        assert_eq!(outcome.is_ok(), admitted, "{binding:?} {password}");
        if admitted {
            assert_eq!(client.ask(1, execute(None, "whoami")).await.text(), "ann");
        } else {
            assert_eq!(outcome.unwrap_err().code, Code::Unauthenticated);
        }
    }
}

#[tokio::test]
async fn large_answers_and_uploads_pass_through_tls() {
    let server = server().await;
    let mut client = connect(&server, &[ALPN], true).await.unwrap();
    client.log_in(hello("", Mechanism::External, Vec::new())).await;
    let mut large = execute(None, "row 3000000");
    large.credit = 4_000_000;
    let answer = client.ask(1, large).await;
    assert_eq!(answer.replies[0].rows.as_ref().unwrap().bytes.len(), 3_000_004);
    let mut stream = execute(None, "stream 100 50000");
    stream.credit = 8_000_000;
    assert_eq!(client.ask(2, stream).await.replies.len(), 101);
}
