//! TLS through a whole process: versions, the protocol's name, SCRAM bound to the certificate, certificates of clients, and a
//! certificate that is replaced under load.
#![expect(clippy::unwrap_used, reason = "a panic in a test is the report")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustls::HandshakeKind;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::{TLS12, TLS13};
use support::guarded::{Authority, Guarded};
use support::raw;
use vitrail_client::{Client, Code, Error};
use vitrail_proto::limits::ALPN;
use vitrail_proto::scram::{ClientBinding, server_end_point};

const LISTEN: &str = "[listen.tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\nclient_ca = \"clients.pem\"\n";
const USERS: &str = "[users.ann]\npassword = \"secret\"\n\n[users.robot]\ngrants = [{ role = \"reader\" }]\n";

struct Setting {
    guarded: Guarded,
    servers: Authority,
    clients: Authority,
}

impl Setting {
    async fn new() -> Setting {
        let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = servers.sign(&["localhost"]);
        for (name, text) in [
            ("server.pem", &certificate),
            ("server.key", &key),
            ("servers.pem", &servers.pem),
            ("clients.pem", &clients.pem),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Setting { guarded: Guarded::start(folder, LISTEN, USERS).await, servers, clients }
    }

    fn url(&self, user: &str, options: &str) -> String {
        let (port, ca) = (self.guarded.port(), self.guarded.path("servers.pem"));
        format!("vitrail://{user}@localhost:{port}/plain?tls=verify-full&ca={}{options}", ca.display())
    }

    /// The certificate that the process was given.
    fn certificate(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.guarded.path("server.pem")).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scram_is_bound_to_the_certificate_under_both_versions() {
    let setting = Setting::new().await;
    let port = setting.guarded.port();
    let end_point = server_end_point(&setting.certificate());
    for version in [&TLS12, &TLS13] {
        let tls = raw::tls(&setting.servers.pem, &[version], &[ALPN]);
        for (binding, password, admitted) in [
            (ClientBinding::EndPoint(end_point.clone()), "secret", true),
            (ClientBinding::EndPoint(end_point.clone()), "wrong", false),
            (ClientBinding::EndPoint(vec![0; 32]), "secret", false),
            (ClientBinding::Unsupported, "secret", true),
            // The client could bind, and was told that the server cannot.
            (ClientBinding::Unused, "secret", false),
        ] {
            let mut wire = raw::connect(&tls, port).await.unwrap();
            assert_eq!(wire.get_ref().1.protocol_version(), Some(version.version));
            assert_eq!(wire.get_ref().1.alpn_protocol(), Some(ALPN));
            let outcome = raw::log_in(&mut wire, "ann", password, binding.clone()).await;
            assert_eq!(outcome.is_ok(), admitted, "{version:?} {binding:?} {password}");
            if let Err(error) = outcome {
                assert_eq!((error.code, error.errno), (Code::Unauthenticated, 1045));
            }
        }
        // Another protocol's name, and none.
        assert!(raw::connect(&raw::tls(&setting.servers.pem, &[version], &[b"http/1.1"]), port).await.is_err());
        if let Ok(mut nameless) = raw::connect(&raw::tls(&setting.servers.pem, &[version], &[]), port).await {
            raw::closed(&mut nameless).await;
        }
    }
    setting.guarded.process.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plaintext_on_a_port_for_tls_is_told_so() {
    let setting = Setting::new().await;
    let url = format!("vitrail://ann:secret@localhost:{}/plain?tls=disable", setting.guarded.port());
    let error = Client::connect(&url).await.unwrap_err();
    assert!(error.message().contains("this port speaks TLS"), "{error}");
    let good = Client::connect(&setting.url("ann:secret", "")).await.unwrap();
    assert_eq!(good.query_scalar::<i64>("SELECT 1", ()).await.unwrap(), 1);
    good.close();
    setting.guarded.process.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_stands_for_its_user() {
    let setting = Setting::new().await;
    let others = Authority::new("others");
    let write = |name: &str, (certificate, key): (String, String)| {
        let (cert_path, key_path) =
            (setting.guarded.path(&format!("{name}.pem")), setting.guarded.path(&format!("{name}.key")));
        std::fs::write(&cert_path, certificate).unwrap();
        std::fs::write(&key_path, key).unwrap();
        format!("&cert={}&key={}", cert_path.display(), key_path.display())
    };
    let good = write("good", setting.clients.sign(&["robot"]));
    let several = write("several", setting.clients.sign(&["nobody", "robot"]));
    let expired = write("expired", setting.clients.sign_until(&["robot"], 2020));
    let foreign = write("foreign", others.sign(&["robot"]));
    let unknown = write("unknown", setting.clients.sign(&["stranger"]));
    let attempt = async |user: &str, options: &str| -> Result<String, Error> {
        let client = Client::connect(&setting.url(user, options)).await?;
        let user: String = client.query_scalar("SELECT CURRENT_USER()", ()).await?;
        client.close();
        Ok(user)
    };
    assert_eq!(attempt("robot", &good).await.unwrap(), "robot@%");
    assert_eq!(attempt("robot", &several).await.unwrap(), "robot@%");
    // A certificate stands for nobody else.
    for (user, options) in
        [("ann", &good), ("robot", &expired), ("robot", &foreign), ("robot", &unknown), ("stranger", &unknown)]
    {
        let error = attempt(user, options).await.unwrap_err();
        assert!(!error.is_retryable() || error.is_connect(), "{user} {options}: {error}");
    }
    assert!(attempt("robot", "").await.is_err(), "no certificate, no password");
    // Its grants are those of the user.
    let client = Client::connect(&setting.url("robot", &good)).await.unwrap();
    assert_eq!(client.execute("INSERT INTO note VALUES (1, 'x')", ()).await.unwrap_err().errno(), 1142);
    client.close();
    setting.guarded.process.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_replaced_under_load() {
    let setting = Setting::new().await;
    let port = setting.guarded.port();
    let client = Client::connect(&setting.url("ann:secret", "")).await.unwrap();
    let (stop, runs) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut load = Vec::new();
    for _ in 0..8 {
        let (client, stop, runs) = (client.clone(), Arc::clone(&stop), Arc::clone(&runs));
        load.push(tokio::spawn(async move {
            let mut session = client.session();
            session.execute("BEGIN", ()).await?;
            let connection: u64 = session.query_scalar("SELECT CONNECTION_ID()", ()).await?;
            while !stop.load(Ordering::Relaxed) {
                session.query_all("SELECT * FROM note WHERE id = 1", ()).await?;
                runs.fetch_add(1, Ordering::Relaxed);
            }
            // The transaction went on, on the same connection.
            assert_eq!(session.query_scalar::<u64>("SELECT CONNECTION_ID()", ()).await?, connection);
            session.execute("COMMIT", ()).await?;
            Ok::<(), Error>(())
        }));
    }
    let tls = raw::tls(&setting.servers.pem, &[&TLS13], &[ALPN]);
    let log_in = async || {
        let mut wire = raw::connect(&tls, port).await.unwrap();
        let session = wire.get_ref().1;
        let kind = session.handshake_kind().unwrap();
        let certificate = session.peer_certificates().unwrap()[0].clone().into_owned();
        let binding = ClientBinding::EndPoint(server_end_point(&certificate));
        raw::log_in(&mut wire, "ann", "secret", binding).await.unwrap();
        (kind, certificate)
    };
    let old = setting.certificate();
    assert_eq!(log_in().await, (HandshakeKind::Full, old.clone()));
    assert_eq!(log_in().await, (HandshakeKind::Resumed, old.clone()));

    // What cannot be used changes nothing.
    let (certificate, key) = setting.servers.sign(&["localhost"]);
    std::fs::write(setting.guarded.path("server.pem"), &certificate).unwrap();
    let config = setting.guarded.configure(LISTEN, USERS);
    let error = setting.guarded.process.reload(config).await.unwrap_err();
    assert!(error.to_string().contains("the certificate and its key"), "{error}");
    assert_eq!(log_in().await, (HandshakeKind::Resumed, old.clone()));

    std::fs::write(setting.guarded.path("server.key"), &key).unwrap();
    let before = runs.load(Ordering::Relaxed);
    let config = setting.guarded.configure(LISTEN, USERS);
    assert!(setting.guarded.process.reload(config).await.unwrap().is_empty());
    let new = setting.certificate();
    assert_ne!(new, old);
    assert_eq!(log_in().await, (HandshakeKind::Full, new.clone()), "nobody resumes under the old one");
    assert_eq!(log_in().await, (HandshakeKind::Resumed, new));
    while runs.load(Ordering::Relaxed) < before + 100 {
        tokio::task::yield_now().await;
    }
    stop.store(true, Ordering::Relaxed);
    for task in load {
        task.await.unwrap().unwrap();
    }
    // An authority that is gone is asked no more.
    let robot = setting.clients.sign(&["robot"]);
    for (name, text) in [("robot.pem", &robot.0), ("robot.key", &robot.1), ("clients.pem", &Authority::new("new").pem)]
    {
        std::fs::write(setting.guarded.path(name), text).unwrap();
    }
    let options = format!(
        "&cert={}&key={}",
        setting.guarded.path("robot.pem").display(),
        setting.guarded.path("robot.key").display()
    );
    let robot = Client::connect(&setting.url("robot", &options)).await.unwrap();
    assert_eq!(robot.query_scalar::<i64>("SELECT 1", ()).await.unwrap(), 1);
    setting.guarded.process.reload(setting.guarded.configure(LISTEN, USERS)).await.unwrap();
    assert_eq!(robot.query_scalar::<i64>("SELECT 1", ()).await.unwrap(), 1, "who is there stays");
    let refused = match Client::connect(&setting.url("robot", &options)).await {
        Ok(client) => client.query_scalar::<i64>("SELECT 1", ()).await,
        Err(error) => Err(error),
    };
    assert!(refused.is_err());
    robot.close();
    client.close();
    setting.guarded.process.stop().await;
}
