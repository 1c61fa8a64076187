//! Logging in to real servers: plugins, TLS modes, refusals.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use vitrail_harness::{Flavour, PASSWORD, Server, USER, flavours, server};
use vitrail_mysql::{Address, ConnectOptions, Connection, Error, PublicKey, Tls, TlsMode};
use vitrail_proto::error::Code;

/// Whether TLS is spoken, or what the refusal says.
type Expected = Result<bool, &'static str>;

/// An account that has never logged in, so that no cache knows it.
async fn fresh_account(server: &Server, name: &str, password: &str) -> ConnectOptions {
    let mut root = server.admin().await;
    root.execute(&format!("CREATE USER '{name}'@'%' IDENTIFIED BY '{password}'")).await.expect("root makes accounts");
    let mut options = server.tcp_options("");
    options.user = name.to_owned();
    options.password = password.to_owned();
    options
}

async fn whoami(options: &ConnectOptions) -> String {
    let mut connection = Connection::connect(options).await.expect("the login succeeds");
    let user = connection.fetch_cell("SELECT CURRENT_USER()").await.expect("it answers").expect("it is somebody");
    connection.quit().await;
    user
}

#[tokio::test]
async fn passwords_are_checked_on_every_transport() {
    for flavour in flavours() {
        let server = server(flavour).await;
        let options = fresh_account(&server, "transport", "p\u{e4}ss word").await;
        // Twice each: MySQL's cache answers the second.
        for _ in 0..2 {
            assert_eq!(whoami(&options).await, "transport@%");
        }
        let mut socket = options.clone();
        socket.address = Address::unix(server.socket());
        assert_eq!(whoami(&socket).await, "transport@%");

        for password in ["wrong", "", "p\u{e4}ss wor"] {
            let error = Connection::connect(&options.clone().with_password(password)).await.err().expect("refused");
            assert!(matches!(&error, Error::Login(error) if error.errno == 1045), "{error}");
            assert_eq!(error.code(), Code::Unavailable, "our own password is not the client's");
            assert!(!error.to_body().message.contains("transport"));
        }
        let error = Connection::connect(&options.with_database("no_such_database")).await.err().expect("refused");
        assert!(matches!(&error, Error::Login(error) if matches!(error.errno, 1049 | 1044)), "{error}");

        let empty = fresh_account(&server, "empty", "").await;
        assert_eq!(whoami(&empty).await, "empty@%");
    }
}

#[tokio::test]
async fn the_servers_public_key_is_used_as_allowed() {
    if !flavours().contains(&Flavour::MySql) {
        return;
    }
    let server = server(Flavour::MySql).await;
    let mut options = fresh_account(&server, "keyed", "secret").await;
    options.public_key = PublicKey::Never;
    let error = Connection::connect(&options).await.err().expect("refused");
    assert!(matches!(&error, Error::Authentication(text) if text.contains("use TLS or a Unix socket")), "{error}");
    let pem = std::fs::read_to_string(server.data().join("public_key.pem")).expect("MySQL makes a key");
    options.public_key = PublicKey::Known(pem);
    assert_eq!(whoami(&options).await, "keyed@%");
    // Now the cache knows the user, and no key is needed.
    options.public_key = PublicKey::Never;
    assert_eq!(whoami(&options).await, "keyed@%");
}

#[tokio::test]
async fn a_server_may_switch_the_plugin() {
    if !flavours().contains(&Flavour::MySql) {
        return;
    }
    // It greets with a plugin that we do not know, and switches to the account's own.
    let server = Server::start(Flavour::MySql, vec!["--authentication-policy=sha256_password,,".into()]).await;
    let mut root = server.admin().await;
    let make = "CREATE USER switched@'%' IDENTIFIED WITH caching_sha2_password BY 'secret'";
    root.execute(make).await.expect("root makes accounts");
    let mut options = server.tcp_options("").with_password("secret");
    options.user = "switched".into();
    for _ in 0..2 {
        assert_eq!(whoami(&options).await, "switched@%");
    }
    server.kill().await;
}

#[tokio::test]
async fn an_unknown_plugin_is_named() {
    for flavour in flavours() {
        let server = server(flavour).await;
        let mut root = server.admin().await;
        let (make, plugin) = match flavour {
            Flavour::MariaDb => {
                // Of the others, only this one is built into the server.
                root.execute("SET GLOBAL secure_auth = 0").await.expect("root sets variables");
                (
                    "CREATE USER other@'%' IDENTIFIED VIA mysql_old_password USING '0123456789abcdef'",
                    "mysql_old_password",
                )
            }
            Flavour::MySql => ("CREATE USER other@'%' IDENTIFIED WITH sha256_password BY 'x'", "sha256_password"),
        };
        root.execute(make).await.expect("root makes accounts");
        let mut options = server.tcp_options("");
        options.user = "other".into();
        let error = Connection::connect(&options).await.err().expect("refused");
        assert!(matches!(&error, Error::Authentication(text) if text.contains(plugin)), "{error}");
    }
}

#[tokio::test]
async fn tls_modes_demand_what_they_say() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let authority = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        (pem, Issuer::new(params, key))
    };
    let (ca, issuer) = authority("ours");
    let (other_ca, _) = authority("another");
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(vec!["localhost".to_owned()])
        .and_then(|params| params.signed_by(&key, &issuer))
        .expect("a certificate");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("the folder can be written to");
        path.display().to_string()
    };
    let arguments = vec![
        format!("--ssl-ca={}", file("ca.pem", &ca)),
        format!("--ssl-cert={}", file("cert.pem", &certificate.pem())),
        format!("--ssl-key={}", file("key.pem", &key.serialize_pem())),
    ];
    // Mode, authority, host, and whether TLS is spoken or what the refusal says.
    let table: [(TlsMode, Option<&str>, &str, Expected); 9] = [
        (TlsMode::Disable, None, "127.0.0.1", Ok(false)),
        (TlsMode::Prefer, None, "127.0.0.1", Ok(true)),
        (TlsMode::Require, None, "127.0.0.1", Ok(true)),
        (TlsMode::VerifyCa, Some(&ca), "127.0.0.1", Ok(true)),
        (TlsMode::VerifyCa, Some(&other_ca), "127.0.0.1", Err("UnknownIssuer")),
        (TlsMode::VerifyFull, Some(&ca), "localhost", Ok(true)),
        (TlsMode::VerifyFull, Some(&ca), "127.0.0.1", Err("not valid for name")),
        (TlsMode::VerifyFull, Some(&other_ca), "localhost", Err("UnknownIssuer")),
        (TlsMode::VerifyCa, None, "127.0.0.1", Err("UnknownIssuer")),
    ];
    for flavour in flavours() {
        let server = Server::start(flavour, arguments.clone()).await;
        let port = server.port();
        for (mode, authority, host, expected) in table {
            let context = format!("{flavour} {mode:?} {host}");
            let tls = match Tls::new(mode, authority.map(str::as_bytes), None) {
                Ok(tls) => tls,
                // A host without any trusted certificate refuses before it connects.
                Err(Error::Tls(text)) if authority.is_none() && text.contains("no trusted certificate") => continue,
                Err(error) => panic!("{context}: {error}"),
            };
            let options = ConnectOptions::new(Address::tcp(host, port), USER).with_password(PASSWORD).with_tls(tls);
            match (Connection::connect(&options).await, expected) {
                (Ok(mut connection), Ok(encrypted)) => {
                    assert_eq!(connection.is_tls(), encrypted, "{context}");
                    let cell = connection.fetch_cell("SELECT LENGTH(REPEAT('x', 20000000))").await.expect("it answers");
                    assert_eq!(cell.as_deref(), Some("20000000"));
                    connection.query(b"SELECT REPEAT('x', 20000000)").await.expect("it answers");
                    connection.drain().await.expect("it comes to its end");
                    assert!(connection.is_clean());
                }
                (Err(Error::Tls(text)), Err(expected)) => assert!(text.contains(expected), "{context}: {text}"),
                (Ok(_), Err(expected)) => panic!("{context}: connected, {expected:?} expected"),
                (Err(error), expected) => panic!("{context}: {error}, {expected:?} expected"),
            }
        }
        server.kill().await;
    }
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_it_is_required() {
    for flavour in flavours() {
        let without = match flavour {
            Flavour::MariaDb => "--skip-ssl",
            Flavour::MySql => "--tls-version=",
        };
        let server = Server::start(flavour, vec![without.into()]).await;
        let require = Tls::new(TlsMode::Require, None, None).expect("no certificates are needed");
        let error = Connection::connect(&server.tcp_options("").with_tls(require)).await.err().expect("refused");
        assert!(matches!(&error, Error::Tls(text) if text.contains("does not offer it")), "{error}");
        let prefer = Tls::new(TlsMode::Prefer, None, None).expect("no certificates are needed");
        assert!(!Connection::connect(&server.tcp_options("").with_tls(prefer)).await.expect("in the clear").is_tls());
        server.kill().await;
    }
}
