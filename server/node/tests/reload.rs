//! Users and grants are replaced in a running process, and its sessions stay.
#![expect(clippy::unwrap_used, reason = "a panic in a test is the report")]

mod support;

use std::time::Duration;

use support::guarded::Guarded;
use support::raw;
use vitrail_client::{Client, Code};
use vitrail_proto::scram::ClientBinding;

const USERS: &str =
    "[users.ann]\npassword = \"secret\"\n\n[users.bob]\npassword = \"bob\"\n\n[users.zoe]\npassword = \"zoe\"\n";

async fn client(guarded: &Guarded, user: &str) -> Result<Client, vitrail_client::Error> {
    Client::connect(&format!("vitrail://{user}@127.0.0.1:{}/plain?tls=disable", guarded.port())).await
}

/// Waits until so many statements sleep in MySQL.
async fn sleepers(guarded: &Guarded, count: usize) {
    let mut root = guarded.server.admin().await;
    let wait = async {
        let sql = "SELECT id FROM information_schema.processlist WHERE info LIKE '%SELECT SLEEP(1000.5)%' AND info NOT LIKE '%processlist%'";
        while root.fetch_all(sql).await.unwrap().len() != count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(raw::LONG, wait).await.expect("as many statements sleep");
    root.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_have_new_grants_with_their_next_statement() {
    let guarded = Guarded::start(tempfile::tempdir().unwrap(), "", USERS).await;
    let ann = client(&guarded, "ann:secret").await.unwrap();
    let mut session = ann.session();
    session.execute("BEGIN", ()).await.unwrap();
    session.execute("INSERT INTO note VALUES (1, 'a')", ()).await.unwrap();
    let id: u64 = session.query_scalar("SELECT CONNECTION_ID()", ()).await.unwrap();
    let reload = async |users: &str| guarded.process.reload(guarded.configure("", users)).await;

    reload(&USERS.replace("\"secret\"", "\"secret\"\ngrants = [{ role = \"reader\" }]")).await.unwrap();
    let refused = session.execute("INSERT INTO note VALUES (2, 'b')", ()).await.unwrap_err();
    assert_eq!((refused.code(), refused.errno(), refused.in_transaction()), (&Code::Denied, 1142, true));
    assert_eq!(session.query_scalar::<i64>("SELECT COUNT(*) FROM note", ()).await.unwrap(), 1);

    // More than a writer, and another password: whoever is in stays, whoever comes needs the new one.
    reload(&USERS.replace("\"secret\"", "\"changed\"\ngrants = [{ role = \"admin\" }]")).await.unwrap();
    session.execute("COMMIT", ()).await.unwrap();
    session.execute("CREATE TABLE more (id INT PRIMARY KEY)", ()).await.unwrap();
    assert_eq!(
        session.query_scalar::<u64>("SELECT CONNECTION_ID()", ()).await.unwrap(),
        id,
        "the connection is the same"
    );
    assert_eq!(client(&guarded, "ann:secret").await.unwrap_err().code(), &Code::Unauthenticated);
    client(&guarded, "ann:changed").await.unwrap().close();

    // What needs a restart is named, and not done.
    let mut config = guarded.configure("max_connections = 3", USERS);
    config.gate.max_rows = 1;
    assert_eq!(guarded.process.reload(config).await.unwrap(), ["gate.max_rows", "listen.max_connections"]);
    assert_eq!(session.query_all("SELECT 1 UNION SELECT 2", ()).await.unwrap().len(), 2);

    // What cannot be used changes nothing.
    let mut config = guarded.configure("", "[users.eve]\npassword = \"eve\"\n\n[users.mallory]\n");
    config.users.get_mut("mallory").unwrap().password_file = Some("/nowhere/password".into());
    let error = guarded.process.reload(config).await.unwrap_err();
    assert!(error.to_string().contains("user `mallory`: cannot read password_file"), "{error}");
    assert_eq!(client(&guarded, "eve:eve").await.unwrap_err().code(), &Code::Unauthenticated);
    assert_eq!(session.query_scalar::<i64>("SELECT 1", ()).await.unwrap(), 1);
    session.close().await.unwrap();
    ann.close();
    guarded.process.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_is_gone_is_put_out_and_nobody_else() {
    let guarded = Guarded::start(tempfile::tempdir().unwrap(), "", USERS).await;
    let (ann, bob) = (client(&guarded, "ann:secret").await.unwrap(), client(&guarded, "bob:bob").await.unwrap());
    let mut idle = bob.session();
    idle.execute("BEGIN", ()).await.unwrap();
    idle.execute("INSERT INTO note VALUES (7, 'bob')", ()).await.unwrap();
    let mut other = ann.session();
    let id: u64 = other.query_scalar("SELECT CONNECTION_ID()", ()).await.unwrap();
    let sleeper = bob.clone();
    let sleeping = tokio::spawn(async move { sleeper.query_all("SELECT SLEEP(1000.5)", ()).await.map(|_| ()) });
    sleepers(&guarded, 1).await;

    let users =
        "[users.ann]\npassword = \"secret\"\n\n[users.zoe]\npassword = \"zoe\"\n\n[users.new]\npassword = \"new\"\n";
    guarded.process.reload(guarded.configure("", users)).await.unwrap();
    let ended = tokio::time::timeout(raw::LONG, sleeping).await.expect("what runs is ended").unwrap();
    assert!(ended.is_err());
    sleepers(&guarded, 0).await;
    assert!(idle.execute("COMMIT", ()).await.is_err());
    assert_eq!(client(&guarded, "bob:bob").await.unwrap_err().code(), &Code::Unauthenticated);
    // What was open is rolled back: its row is free.
    other.execute("INSERT INTO note VALUES (7, 'ann')", ()).await.unwrap();
    assert_eq!(other.query_scalar::<u64>("SELECT CONNECTION_ID()", ()).await.unwrap(), id);
    client(&guarded, "new:new").await.unwrap().close();
    // One who becomes a gate is asked again who it is.
    let zoe = client(&guarded, "zoe:zoe").await.unwrap();
    let mut session = zoe.session();
    let before: u64 = session.query_scalar("SELECT CONNECTION_ID()", ()).await.unwrap();
    guarded.process.reload(guarded.configure("", &users.replace("\"zoe\"", "\"zoe\"\nrole = \"gate\""))).await.unwrap();
    let after = tokio::time::timeout(raw::LONG, async {
        loop {
            match zoe.query_scalar::<u64>("SELECT CONNECTION_ID()", ()).await {
                Ok(after) if after != before => return after,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    });
    after.await.expect("it has connected anew");
    ann.close();
    bob.close();
    zoe.close();
    guarded.process.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_does_not_tell_who_exists() {
    let guarded = Guarded::start(tempfile::tempdir().unwrap(), "", USERS).await;
    let challenge = async |user: &str| {
        let mut wire = tokio::net::TcpStream::connect(guarded.process.address().unwrap()).await.unwrap();
        let (_, hello) = raw::begin(&mut wire, user, ClientBinding::Unsupported).await.unwrap();
        let text = String::from_utf8(hello.challenge).unwrap();
        // Behind the nonce: salt and iterations.
        text.split_once(",s=").unwrap().1.to_owned()
    };
    let (known, unknown) = (challenge("bob").await, challenge("nobody").await);
    assert_eq!(unknown, challenge("nobody").await);
    let users = format!("{USERS}\n[users.yet_another]\npassword = \"x\"\n").replace("\"secret\"", "\"changed\"");
    guarded.process.reload(guarded.configure("", &users)).await.unwrap();
    assert_eq!((known, unknown), (challenge("bob").await, challenge("nobody").await));
    guarded.process.stop().await;
}
