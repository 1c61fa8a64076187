//! The scratch server: started by its first use, one for all, clean for the next, started again, and never left behind.
#![expect(clippy::unwrap_used, reason = "a panic in a test is the report")]

#[path = "../support/mod.rs"]
mod support;

mod alike;
mod configured;
mod ends;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use support::{SHAPES, Shape, Vitrail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use vitrail_harness::flavours;
use vitrail_node::config;
use vitrail_node::scratch::ScratchServer;
use vitrail_proto::error::{Code, ErrorBody, Executed};
use vitrail_service::QueryService;
use vitrail_service::call::{Call, CallId, ConnectionId, On, Settings, Statement};
use vitrail_service::execution::{Execution, Part, PartStream};
use vitrail_tablet::{Tablet, TabletConfig};

/// Everything that a test waits for happens in this time, on a machine under any load.
const LONG: Duration = Duration::from_secs(120);

fn call(id: u64) -> Call {
    Call {
        id: CallId(id),
        caller: Arc::from("anna"),
        application: Arc::default(),
        deadline: Some(Instant::now() + LONG),
        settings: Arc::default(),
        max_rows: None,
        warnings: 0,
        traceparent: None,
    }
}

async fn read(mut parts: Box<dyn PartStream>) -> Result<Vec<String>, ErrorBody> {
    let mut cells = Vec::new();
    while let Some(part) = parts.next().await? {
        if let Part::Rows(batch) = part {
            for row in batch.rows() {
                let row = row
                    .unwrap()
                    .cells()
                    .map(|cell| cell.unwrap().map(String::from_utf8_lossy).unwrap_or("NULL".into()));
                cells.extend(row.map(|cell| cell.into_owned()));
            }
        }
    }
    Ok(cells)
}

async fn run_with(
    server: &ScratchServer,
    call: Call,
    sql: &str,
    on: On,
) -> Result<(Option<ConnectionId>, Vec<String>), ErrorBody> {
    let writes = !sql.starts_with("SELECT");
    let Execution { connection, parts } = server.execute(call, Statement::new(sql, writes), on).await?;
    Ok((connection, read(parts).await?))
}

async fn run(server: &ScratchServer, sql: &str, on: On) -> Result<(Option<ConnectionId>, Vec<String>), ErrorBody> {
    run_with(server, call(1), sql, on).await
}

/// On a connection that is reserved for it.
async fn reserve(server: &ScratchServer, sql: &str) -> (ConnectionId, Vec<String>) {
    let (connection, cells) = run(server, sql, On::Reserve).await.unwrap();
    (connection.unwrap(), cells)
}

/// A scratch server as a configuration with one shard has it, and a tablet over that shard.
async fn over(config: &str) -> (Option<ScratchServer>, Arc<Tablet>) {
    let config = config::parse(config, Path::new("test")).unwrap();
    let shard = &config.keyspaces["plain"].shards[0];
    let tablet = Tablet::start(TabletConfig {
        keyspace: "plain".into(),
        database: shard.database.clone().unwrap(),
        mysql: shard.mysql.clone().unwrap(),
        ..TabletConfig::default()
    });
    let tablet = tablet.await.unwrap();
    (ScratchServer::new(&config, vec![Arc::clone(&tablet) as Arc<dyn QueryService>]), tablet)
}

fn runs(process: u32) -> bool {
    // A process that has ended and was not waited for is still listed, with nothing mapped.
    std::fs::read_to_string(format!("/proc/{process}/maps")).is_ok_and(|maps| !maps.is_empty())
}

async fn metric(vitrail: &Vitrail, name: &str) -> u64 {
    let mut stream = TcpStream::connect(vitrail.gate.http()).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} in {text}")).trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_use_starts_one_server_for_all() {
    for (flavour, shape) in flavours().into_iter().flat_map(|flavour| SHAPES.map(|shape| (flavour, shape))) {
        let vitrail = Vitrail::start(flavour, 2, shape).await;
        let scratch = Arc::clone(vitrail.gate.scratch().unwrap());
        assert_eq!(scratch.info().flavour, "", "asking starts nothing");
        assert_eq!((scratch.process_id(), metric(&vitrail, "vitrail_scratch_running").await), (None, 0));

        let (a, b) = tokio::join!(reserve(&scratch, "SELECT @@datadir"), reserve(&scratch, "SELECT @@datadir"));
        assert_eq!(a.1, b.1);
        assert_ne!(a.0, b.0);
        let process = scratch.process_id().unwrap();
        assert!(runs(process));
        assert_eq!(scratch.info().flavour, flavour.as_str());
        for (name, expected) in [
            ("vitrail_scratch_running", 1),
            ("vitrail_scratch_starts_total", 1),
            ("vitrail_scratch_start_failures_total", 0),
            ("vitrail_scratch_reservations", 2),
        ] {
            assert_eq!(metric(&vitrail, name).await, expected, "{name}");
        }
        scratch.release(a.0).await;
        scratch.release(b.0).await;
        assert_eq!(metric(&vitrail, "vitrail_scratch_reservations").await, 0);

        let data = a.1[0].clone();
        assert!(Path::new(&data).is_dir());
        vitrail.stop().await;
        assert!(!runs(process) && !Path::new(&data).exists(), "it ends with the process, and its data too");
        let error = run(&scratch, "SELECT 1", On::Pool).await.unwrap_err();
        assert_eq!((error.code, error.retryable), (Code::Draining, true));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_released_connection_is_as_new() {
    for flavour in flavours() {
        let vitrail = Vitrail::start(flavour, 1, Shape::Together).await;
        let scratch = vitrail.gate.scratch().unwrap();
        let settings = Arc::new(Settings {
            variables: vec![("sql_mode".into(), "'ANSI_QUOTES'".into()), ("group_concat_max_len".into(), "17".into())],
            found_rows: false,
        });
        let set = || Call { settings: Arc::clone(&settings), ..call(1) };
        let (connection, _) =
            run_with(scratch, set(), "CREATE DATABASE IF NOT EXISTS shop", On::Reserve).await.unwrap();
        let connection = connection.unwrap();
        let on = || On::Connection(connection);
        for sql in [
            "CREATE TEMPORARY TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(20), KEY (name))",
            "INSERT INTO shop.users VALUES (1, 'a'), (2, 'b')",
            "SET @x = 7",
        ] {
            run_with(scratch, set(), sql, on()).await.unwrap();
        }
        let state = "SELECT CONNECTION_ID(), COUNT(*), @x, @@group_concat_max_len, \"name\" = 'name' FROM shop.users WHERE id > 1";
        let (_, before) = run_with(scratch, set(), state, on()).await.unwrap();
        assert_eq!(before[1..4], ["1", "7", "17"]);
        scratch.release(connection).await;

        let (again, after) =
            reserve(scratch, "SELECT CONNECTION_ID(), @x, @@group_concat_max_len, @@sql_mode LIKE '%ANSI%'").await;
        assert_eq!(after[0], before[0], "the same connection, or nothing is proved");
        assert_eq!((after[1].as_str(), after[3].as_str()), ("NULL", "0"));
        assert_ne!(after[2], "17");
        let error = run(scratch, "SELECT * FROM shop.users", On::Connection(again)).await.unwrap_err();
        assert_eq!(error.errno, 1146, "{error}");
        assert_eq!(error.message, "Table 'shop.users' doesn't exist");
        // Of its name there is no other connection.
        let error = run(scratch, "SELECT 1", On::Connection(connection)).await.unwrap_err();
        assert_eq!((error.code, error.executed, error.retryable), (Code::Unavailable, Executed::No, true));
        vitrail.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_see_no_file_and_no_database_of_the_server() {
    for flavour in flavours() {
        let vitrail = Vitrail::start(flavour, 1, Shape::Together).await;
        let scratch = vitrail.gate.scratch().unwrap();
        let (connection, _) = reserve(scratch, "CREATE DATABASE IF NOT EXISTS shop").await;
        let on = || On::Connection(connection);
        let file = vitrail.databases.server.data().join("secret.txt");
        std::fs::write(&file, "secret").unwrap();
        let sql = format!("SELECT LOAD_FILE('{}')", file.display());
        let loaded = run(scratch, &sql, on()).await;
        assert!(loaded.as_ref().map_or(true, |(_, cells)| cells == &["NULL"]), "{loaded:?}");
        for (sql, errno) in [("SELECT * FROM mysql.user", 1142), ("CREATE DATABASE other", 1044)] {
            let error = run(scratch, sql, on()).await.unwrap_err();
            assert_eq!(error.errno, errno, "{error}");
        }
        vitrail.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_for_the_start_may_leave_it_to_the_others() {
    for flavour in flavours() {
        let vitrail = Vitrail::start(flavour, 1, Shape::Together).await;
        let scratch = Arc::clone(vitrail.gate.scratch().unwrap());
        let late = Call { deadline: Some(Instant::now()), ..call(1) };
        let error = run_with(&scratch, late, "SELECT 1", On::Reserve).await.unwrap_err();
        assert_eq!(error.code, Code::Deadline, "{error}");

        let server = Arc::clone(&scratch);
        let waiting = tokio::spawn(async move { run_with(&server, call(2), "SELECT SLEEP(600)", On::Reserve).await });
        // Sooner or later it waits, for the start or in the server.
        let cancelled = timeout(LONG, async {
            while !waiting.is_finished() {
                scratch.cancel(CallId(2)).await;
                tokio::task::yield_now().await;
            }
        });
        cancelled.await.expect("a cancel ends it wherever it is");
        assert_eq!(waiting.await.unwrap().unwrap_err().code, Code::Cancelled);

        assert_eq!(reserve(&scratch, "SELECT 3").await.1, ["3"]);
        assert_eq!(scratch.stats().starts, 1, "the start went on");
        vitrail.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_scratch_server_statements_are_refused() {
    for (flavour, shape) in flavours().into_iter().flat_map(|flavour| SHAPES.map(|shape| (flavour, shape))) {
        let vitrail = Vitrail::start_with(flavour, 2, shape, "[scratch]\nserver = \"none\"").await;
        assert!(vitrail.gate.scratch().is_none());
        let client = vitrail.client().await;
        let sql = "SELECT id, RANK() OVER (ORDER BY name) FROM users";
        let error = client.query_all(sql, ()).await.unwrap_err();
        assert_eq!((error.code(), error.errno()), (&Code::Unsupported, 1235), "{error}");
        client.close();
        vitrail.stop().await;
    }
}
