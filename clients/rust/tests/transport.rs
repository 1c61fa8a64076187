//! Where a URL leads: TLS as strict as it says, client certificates, Unix sockets, and servers that speak another transport.

#![allow(clippy::unwrap_used, reason = "a panic is the report of a test")]

mod support;

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use support::{PASSWORD, Server, TestService, users};
use tokio::net::{TcpListener, TcpStream};
use vitrail_client::{Client, ClientConfig, Code, Error};
use vitrail_listener::config::{Config, Endpoint};
use vitrail_listener::tls::TlsIdentity;

/// Certificates and keys as files, made for one test.
struct Files {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Files {
    /// `ca.pem`, and `other.pem` of an authority that has signed nothing.
    fn new() -> Files {
        let folder = tempfile::tempdir().unwrap();
        let authority = |name: &str| {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.distinguished_name.push(DnType::CommonName, name);
            let key = KeyPair::generate().unwrap();
            std::fs::write(folder.path().join(format!("{name}.pem")), params.self_signed(&key).unwrap().pem()).unwrap();
            Issuer::new(params, key)
        };
        let issuer = authority("ca");
        authority("other");
        Files { folder, issuer }
    }

    /// `NAME.pem` and `NAME.key`, for one DNS name; returns both texts.
    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let texts = (certificate.pem(), key.serialize_pem());
        std::fs::write(self.path(&format!("{name}.pem")), &texts.0).unwrap();
        std::fs::write(self.path(&format!("{name}.key")), &texts.1).unwrap();
        texts
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// A server that speaks TLS as `localhost` and trusts nobody without a proof.
    async fn server(&self) -> Server {
        let (chain, key) = self.issue("localhost");
        let authorities = std::fs::read(self.path("ca.pem")).unwrap();
        let identity = TlsIdentity::from_pem(chain.as_bytes(), key.as_bytes(), Some(&authorities)).unwrap();
        let mut config = Config::new(vec![Endpoint::Tls("127.0.0.1:0".parse().unwrap())], Arc::new(users()));
        config.tls = Some(Arc::new(identity));
        Server::listen(TestService::default(), config).await
    }
}

async fn plain_server() -> Server {
    let mut config = Config::new(vec![Endpoint::Plain("127.0.0.1:0".parse().unwrap())], Arc::new(users()));
    config.trust_local = true;
    Server::listen(TestService::default(), config).await
}

async fn whoami(url: &str) -> Result<String, Error> {
    let client = Client::connect(url).await?;
    client.query_scalar("whoami", ()).await
}

#[tokio::test]
async fn tls_is_as_strict_as_the_url_says() {
    let files = Files::new();
    files.issue("gate-1");
    files.issue("stranger");
    let server = files.server().await;
    let port = server.address().port();
    let password = PASSWORD.replace(' ', "%20").replace(',', "%2C");
    let options = |text: &str| {
        ["ca", "other", "gate-1", "stranger"].iter().fold(text.to_owned(), |text, name| {
            text.replace(&format!("<{name}>"), &files.path(&format!("{name}.pem")))
                .replace(&format!("<{name}.key>"), &files.path(&format!("{name}.key")))
        })
    };
    let app = format!("app:{password}");
    // User, host, options, and who one is or what the refusal says.
    let cases: &[(&str, &str, &str, Result<&str, &str>)] = &[
        (&app, "localhost", "tls=verify-full&ca=<ca>", Ok("app")),
        (&app, "127.0.0.1", "tls=verify-full&ca=<ca>", Err("check less by `tls=verify-ca`")),
        (&app, "localhost", "tls=verify-full&ca=<other>", Err("name the authority to trust by `ca=`")),
        (&app, "127.0.0.1", "tls=verify-ca&ca=<ca>", Ok("app")),
        (&app, "127.0.0.1", "tls=verify-ca&ca=<other>", Err("name the authority to trust by `ca=`")),
        (&app, "127.0.0.1", "tls=require", Ok("app")),
        (&app, "127.0.0.1", "tls=prefer", Ok("app")),
        ("app:wrong", "127.0.0.1", "tls=require", Err("1045")),
        // A certificate instead of a password; its name is the user's.
        ("", "localhost", "tls=verify-full&ca=<ca>&cert=<gate-1>&key=<gate-1.key>", Ok("gate-1")),
        ("gate-1", "127.0.0.1", "tls=require&cert=<gate-1>&key=<gate-1.key>", Ok("gate-1")),
        ("gate-1", "127.0.0.1", "tls=require&cert=<stranger>&key=<stranger.key>", Err("1045")),
        ("", "127.0.0.1", "tls=require&cert=<gate-1>", Err("needs both `cert` and `key`")),
        ("", "127.0.0.1", "tls=require&ca=/nowhere.pem&cert=/nowhere.pem&key=<ca>", Err("`/nowhere.pem`")),
        // Plain text is what the loopback gets by default.
        (&app, "127.0.0.1", "app_name=test", Err("`tls=verify-full`")),
        (&app, "127.0.0.1", "tls=disable", Err("`tls=verify-full`")),
    ];
    for (user, host, text, expected) in cases {
        let url = format!("vitrail://{user}@{host}:{port}/?{}", options(text));
        match (whoami(&url).await, expected) {
            (Ok(user), Ok(expected)) => assert_eq!(user, *expected, "{user} {host} {text}"),
            (Err(error), Err(says)) => assert!(error.to_string().contains(says), "{user} {host} {text}: {error}"),
            (found, _) => panic!("{user} {host} {text}: {found:?}"),
        }
    }
    let url = format!("vitrail://{app}@127.0.0.1:{port}/?tls=require");
    assert!(Client::connect(&url).await.unwrap().is_encrypted().await.unwrap());
}

/// As `openssl req -x509` makes it unless it is told otherwise.
#[tokio::test]
async fn a_server_that_shows_an_authority_is_told_what_is_wrong() {
    let files = Files::new();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let chain = params.self_signed(&key).unwrap().pem();
    std::fs::write(files.path("self.pem"), &chain).unwrap();
    let mut config = Config::new(vec![Endpoint::Tls("127.0.0.1:0".parse().unwrap())], Arc::new(users()));
    config.tls = Some(Arc::new(TlsIdentity::from_pem(chain.as_bytes(), key.serialize_pem().as_bytes(), None).unwrap()));
    let server = Server::listen(TestService::default(), config).await;
    let url =
        format!("vitrail://app@localhost:{}/?tls=verify-full&ca={}", server.address().port(), files.path("self.pem"));
    let error = whoami(&url).await.unwrap_err();
    assert!(error.to_string().contains("basicConstraints=CA:FALSE"), "{error}");
}

#[tokio::test]
async fn a_server_of_plain_text_is_told_from_one_of_tls() {
    let server = plain_server().await;
    let port = server.address().port();
    let client = Client::connect(&format!("vitrail://nobody@127.0.0.1:{port}/")).await.unwrap();
    assert!(!client.is_encrypted().await.unwrap());
    let cases: &[(&str, Result<&str, &str>)] = &[
        ("", Ok("nobody")),
        ("?tls=disable", Ok("nobody")),
        ("?tls=prefer", Ok("nobody")),
        (
            "?tls=require",
            Err("does not answer in TLS: is the port right? If it speaks plain text, say so by `tls=disable`"),
        ),
    ];
    for (options, expected) in cases {
        match (whoami(&format!("vitrail://nobody@127.0.0.1:{port}{options}")).await, expected) {
            (Ok(user), Ok(expected)) => assert_eq!(user, *expected),
            (Err(error), Err(says)) => {
                assert!(error.to_string().contains(says), "{options}: {error}");
                assert_eq!((error.code(), error.is_connect()), (&Code::Unavailable, true));
            }
            (found, _) => panic!("{options}: {found:?}"),
        }
    }
}

/// Somebody between with a certificate of their own, whom `tls=require` does not notice: SCRAM does, for the proof is bound to
/// the certificate that the client saw.
#[tokio::test]
async fn scram_is_bound_to_the_channel() {
    let files = Files::new();
    let server = files.server().await;
    let (chain, key) = files.issue("between");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut inward = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        )
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(files.path("ca.pem")).unwrap()).unwrap();
    let mut outward = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    inward.alpn_protocols = vec![vitrail_proto::limits::ALPN.to_vec()];
    outward.alpn_protocols = inward.alpn_protocols.clone();

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let between = listener.local_addr().unwrap();
    let target = server.address();
    let pipe = tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let mut client = tokio_rustls::TlsAcceptor::from(Arc::new(inward)).accept(client).await.unwrap();
        let stream = TcpStream::connect(target).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut server = tokio_rustls::TlsConnector::from(Arc::new(outward)).connect(name, stream).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    });
    let password = PASSWORD.replace(' ', "%20").replace(',', "%2C");
    let error = whoami(&format!("vitrail://app:{password}@{between}?tls=require")).await.unwrap_err();
    assert_eq!((error.code(), error.errno()), (&Code::Unauthenticated, 1045), "{error}");
    pipe.abort();
}

#[tokio::test]
async fn a_unix_socket_needs_no_tls() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vitrail.sock");
    let mut config = Config::new(vec![Endpoint::Unix(path.clone())], Arc::new(users()));
    config.trust_local = true;
    let _server = Server::listen(TestService::default(), config).await;
    let path = path.display().to_string();
    let encoded = path.replace('/', "%2F");
    for url in [
        format!("vitrail://nobody@{encoded}/k"),
        format!("vitrail://nobody@/k?socket={path}"),
        format!("vitrail://nobody@{encoded}?tls=verify-full"),
    ] {
        assert_eq!(whoami(&url).await.unwrap(), "nobody", "{url}");
    }
    let error = whoami(&format!("vitrail://nobody@{encoded}.gone")).await.unwrap_err();
    assert!(error.to_string().contains("there is no such socket"), "{error}");
}

#[tokio::test]
async fn connections_come_from_the_address_that_was_asked_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config =
        ClientConfig::from_url(&format!("vitrail://localhost:{}", listener.local_addr().unwrap().port())).unwrap();
    config.local_address = Some([127, 0, 0, 9].into());
    let (refused, peer) = tokio::join!(Client::connect_with(config.clone()), async {
        // It greets nobody: all that is wanted is where it comes from.
        listener.accept().await.unwrap().1
    });
    assert!(refused.is_err());
    assert_eq!(peer.ip().to_string(), "127.0.0.9");
    for (address, says) in
        [("::1", "127.0.0.1:1 has no address that can be reached from ::1"), ("192.0.2.1", "no such address")]
    {
        config.endpoints = ClientConfig::from_url("vitrail://127.0.0.1:1").unwrap().endpoints;
        config.local_address = Some(address.parse().unwrap());
        let error = Client::connect_with(config.clone()).await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}
