//! Each error that a user may cause: its code, its number, and a text that says what to do.

mod support;

use std::time::Duration;

use support::{Shape, Vitrail};
use vitrail_client::{Client, Code, Error, Query};
use vitrail_harness::Cluster;

/// Code, errno, SQLSTATE and what the text must say.
type Expected = (Code, u16, &'static str, &'static [&'static str]);

fn check(what: &str, error: &Error, (code, errno, sqlstate, says): Expected) {
    assert_eq!((error.code(), error.errno(), error.sqlstate()), (&code, errno, sqlstate), "{what}: {error}");
    for part in says {
        assert!(error.message().contains(part), "{what}: `{part}` is not in `{}`", error.message());
    }
    // Nothing of the inside gets out.
    for secret in ["shop_shard", "/tmp/", "mysqld.sock"] {
        assert!(!error.message().contains(secret), "{what}: `{secret}` is in `{}`", error.message());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements() {
    let cases: &[(&str, &str, Expected)] = &[
        ("unknown table", "SELECT * FROM plain.nothing", (Code::NotFound, 1146, "42S02", &["nothing"])),
        ("unknown table, sharded", "SELECT * FROM nothing", (Code::NotFound, 1146, "42S02", &["nothing"])),
        ("unknown keyspace", "SELECT * FROM shopp.users", (Code::NotFound, 1049, "42000", &["shopp", "shop"])),
        ("unknown keyspace, USE", "USE shopp", (Code::NotFound, 1049, "42000", &["shopp", "shop"])),
        ("unknown column", "SELECT nam FROM users WHERE id = 1", (Code::NotFound, 1054, "42S22", &["nam"])),
        (
            "duplicate key",
            "INSERT INTO users (id, name, email) VALUES (1, 'a', 'b')",
            (Code::Constraint, 1062, "23000", &["Duplicate entry '1'"]),
        ),
        ("syntax", "SELEC 1", (Code::Invalid, 1064, "42000", &["SELEC"])),
        (
            "refused: no merge",
            "SELECT name, COUNT(*) FROM users GROUP BY name WITH ROLLUP",
            (Code::Unsupported, 1235, "42000", &["GROUP BY"]),
        ),
        (
            "refused: sharding column",
            "INSERT INTO users (id, name, email) VALUES (1, 'a', 'b') ON DUPLICATE KEY UPDATE id = 5",
            (Code::Unsupported, 1235, "42000", &["changing the sharding column `id`"]),
        ),
        ("several statements", "SELECT 1; SELECT 2", (Code::Invalid, 1064, "42000", &["one statement at a time"])),
        ("refused: SET GLOBAL", "SET GLOBAL max_connections = 1", (Code::Unsupported, 1235, "42000", &["GLOBAL"])),
        ("missing bind", "SELECT * FROM users WHERE id = :id", (Code::Invalid, 1210, "HY000", &["id"])),
        (
            // The shard of the value that a lenient `sql_mode` stores in its place refuses it.
            "null sharding key",
            "INSERT INTO users (id, name, email) VALUES (NULL, 'a', 'b')",
            (Code::Constraint, 1048, "23000", &["'id' cannot be null"]),
        ),
    ];
    for flavour in vitrail_harness::flavours() {
        for shape in support::SHAPES {
            // With a scratch server, what has no merge is answered there.
            let vitrail = Vitrail::start_with(flavour, 2, shape, "[scratch]\nserver = \"none\"\n").await;
            let client = vitrail.client().await;
            client.execute("INSERT INTO users (id, name, email) VALUES (1, 'one', 'e')", ()).await.unwrap();
            for (what, sql, expected) in cases {
                let error = client.execute(*sql, ()).await.expect_err(what);
                check(what, &error, expected.clone());
            }
            let query = Query::new("SELECT SLEEP(30) FROM users WHERE id = 1").deadline(Duration::from_millis(300));
            let error = client.execute(query, ()).await.unwrap_err();
            check("deadline", &error, (Code::Deadline, 3024, "HY000", &["deadline"]));
            client.close();
            vitrail.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_and_messages_have_limits() {
    let flavour = vitrail_harness::flavours()[0];
    let vitrail = Vitrail::start_with(
        flavour,
        2,
        Shape::Together,
        "\n[tablet.limits]\nresult_bytes = \"64KiB\"\nstatement_bytes = \"1MiB\"\n",
    )
    .await;
    let client = vitrail.client().await;
    let error = client
        .query_all("SELECT REPEAT('x', 100000) FROM plain.setting RIGHT JOIN (SELECT 1) d ON 1", ())
        .await
        .unwrap_err();
    check("too large result", &error, (Code::TooLarge, 1153, "08S01", &["result", "65536"]));
    let error = client.execute(format!("SELECT '{}' FROM plain.setting", "x".repeat(2 << 20)), ()).await.unwrap_err();
    check("too large statement", &error, (Code::TooLarge, 1153, "08S01", &["1048576"]));
    let error = client.execute("SELECT :v1 FROM plain.setting", (vec![0u8; 129 << 20],)).await.unwrap_err();
    check("too large message", &error, (Code::TooLarge, 1153, "08S01", &["134217728"]));
    assert_eq!(client.query_scalar::<i64>("SELECT COUNT(*) FROM users", ()).await.unwrap(), 0, "the client goes on");
    client.close();
    vitrail.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connecting() {
    let flavour = vitrail_harness::flavours()[0];
    let databases = Cluster::new(flavour, 1, "login").await;
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "[listen]\naddress = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\n\n[users.app]\npassword = \"right\"\n\n[keyspaces.plain]\n\n\
         [[keyspaces.plain.shards]]\nname = \"0\"\ndatabase = \"{}\"\nmysql = {{ socket = \"{}\", user = \"root\" }}\n",
        databases.oracle,
        databases.server.socket().display()
    );
    let path = folder.path().join("vitrail.toml");
    std::fs::write(&path, text).unwrap();
    let config = vitrail_node::config::load(&path).unwrap();
    let process = vitrail_node::process::Process::start(config, vitrail_node::process::Component::Both).await.unwrap();
    let address = process.address().unwrap();
    let connect = async |url: String| Client::connect(&url).await.err().unwrap_or_else(|| panic!("{url} connects"));

    for user in ["app:wrong", "app:", "nobody:right"] {
        let error = connect(format!("vitrail://{user}@{address}/plain?tls=disable")).await;
        check(user, &error, (Code::Unauthenticated, 1045, "28000", &["password"]));
    }
    let right = Client::connect(&format!("vitrail://app:right@{address}/plain?tls=disable")).await.unwrap();
    assert_eq!(right.query_scalar::<i64>("SELECT 1", ()).await.unwrap(), 1);
    right.close();

    let urls: &[(&str, &[&str])] = &[
        ("mysql://app@host/plain", &["vitrail://"]),
        ("vitrail://app@host/plain?tlss=disable", &["tlss", "tls"]),
        ("vitrail://app@host:99999/plain", &["byte 19", "65535"]),
        ("vitrail://app@host/plain?tls=maybe", &["`tls`", "verify-full"]),
        ("vitrail://one,,two/plain", &["host"]),
    ];
    for (url, says) in urls {
        check(url, &connect((*url).to_owned()).await, (Code::Invalid, 61009, "HY000", says));
    }
    let error = Client::connect(&format!("vitrail://app:right@{address}/nowhere?tls=disable")).await;
    let error = match error {
        Err(error) => error,
        Ok(client) => client.execute("SELECT 1", ()).await.unwrap_err(),
    };
    check("unknown keyspace in the URL", &error, (Code::NotFound, 1049, "42000", &["nowhere"]));

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = free.local_addr().unwrap();
    drop(free);
    let error = connect(format!("vitrail://app@{nobody}/plain?tls=disable&connect_timeout=2")).await;
    assert!(error.is_connect(), "{error}");
    check("nobody listens", &error, (Code::Unavailable, 61002, "08S01", &["127.0.0.1"]));
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql_that_goes_away_and_comes_not_back() {
    for flavour in vitrail_harness::flavours() {
        let server = vitrail_harness::private_server(flavour).await;
        let database = server.database("gone").await;
        let text = format!(
            "[listen]\naddress = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\npasswordless_loopback = true\n\n[users.app]\ngrants = [{{ role = \"admin\" }}]\n\n[keyspaces.shop]\n\n\
             [[keyspaces.shop.shards]]\nname = \"0\"\ndatabase = \"{database}\"\nmysql = {{ socket = \"{}\", user = \"root\" }}\n",
            server.socket().display()
        );
        let config = vitrail_node::config::parse(&text, std::path::Path::new("test")).unwrap();
        let process =
            vitrail_node::process::Process::start(config, vitrail_node::process::Component::Both).await.unwrap();
        let client = Client::connect(&support::url(&process)).await.unwrap();
        client.execute("CREATE TABLE t (a INT)", ()).await.unwrap();
        server.kill().await;
        let error = client.execute("SELECT * FROM t", ()).await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
        check("MySQL is gone", &error, (Code::Unavailable, 61002, "08S01", &["MySQL cannot be reached", "try again"]));
        client.close();
        process.stop().await;
    }
}
