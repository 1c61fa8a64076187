//! The scratch server: started by its first use, one for all, clean for the next, started again, and never left behind.
#![expect(clippy::unwrap_used, reason = "a panic in a test is the report")]

mod support;

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use support::{SHAPES, Shape, Vitrail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{Instant, interval, timeout};
use vitrail_harness::{Server, flavours};
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

fn runs(process: u32) -> bool {
    // A process that has ended and was not waited for is still listed, with nothing mapped.
    std::fs::read_to_string(format!("/proc/{process}/maps")).is_ok_and(|maps| !maps.is_empty())
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let mut tick = interval(Duration::from_millis(10));
    let waited = timeout(LONG, async {
        while !holds() {
            tick.tick().await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("waited in vain until {what}"));
}

async fn kill(process: u32) {
    assert!(Command::new("kill").args(["-9", &process.to_string()]).status().await.unwrap().success());
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

/// Waits until so many statements with these words run there.
async fn until_running(scratch: &ScratchServer, on: ConnectionId, words: &str, count: &str) {
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%{words}%' AND id <> CONNECTION_ID()"
    );
    let asked = timeout(LONG, async {
        while run(scratch, &sql, On::Connection(on)).await.unwrap().1 != [count] {
            tokio::task::yield_now().await;
        }
    });
    asked.await.expect("the statements begin");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_is_started_again() {
    for flavour in flavours() {
        let vitrail = Vitrail::start(flavour, 1, Shape::Together).await;
        let scratch = Arc::clone(vitrail.gate.scratch().unwrap());
        let (resting, _) = reserve(&scratch, "CREATE DATABASE IF NOT EXISTS shop").await;
        let statements = ["SELECT 1, SLEEP(600)", "INSERT INTO shop.t SELECT SLEEP(600)"];
        let mut under_way = Vec::new();
        for sql in statements {
            let (id, _) = reserve(&scratch, "CREATE TEMPORARY TABLE shop.t (id INT)").await;
            let server = Arc::clone(&scratch);
            under_way.push(tokio::spawn(async move { run(&server, sql, On::Connection(id)).await }));
        }
        until_running(&scratch, resting, "SLEEP(600)", "2").await;
        let process = scratch.process_id().unwrap();
        kill(process).await;
        let is_lost = |error: ErrorBody| {
            assert_eq!(
                (&error.code, error.executed, error.retryable),
                (&Code::Unavailable, Executed::No, true),
                "{error}"
            );
        };
        for statement in under_way {
            is_lost(statement.await.unwrap().unwrap_err());
        }

        // At once, whether or not the news of the end has come.
        let (first, _) = reserve(&scratch, "CREATE DATABASE IF NOT EXISTS shop").await;
        assert_ne!(scratch.process_id().unwrap(), process);
        assert_eq!((scratch.stats().starts, scratch.stats().reserved), (2, 1));
        // What was reserved on the old one has gone with it, and is not taken for what is reserved on the new one.
        is_lost(run(&scratch, "SELECT 1", On::Connection(resting)).await.unwrap_err());
        scratch.release(resting).await;
        assert_eq!(scratch.stats().reserved, 1);
        assert_eq!(run(&scratch, "SELECT 1", On::Connection(first)).await.unwrap().1, ["1"]);

        // Again, with all connections at rest.
        kill(scratch.process_id().unwrap()).await;
        assert_eq!(reserve(&scratch, "SELECT 2").await.1, ["2"]);
        assert_eq!(scratch.stats().starts, 3);
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
async fn an_own_server_answers_like_the_shards() {
    for flavour in flavours() {
        let arguments = [
            "--sql-mode=ANSI",
            "--group-concat-max-len=17",
            "--default-time-zone=+03:00",
            "--div-precision-increment=9",
        ];
        let server = Server::start(flavour, arguments.map(str::to_owned).to_vec()).await;
        let database = server.database("alike").await;
        let config = format!(
            "[[keyspaces.plain.shards]]\nname = \"0\"\ndatabase = \"{database}\"\nmysql = {{ socket = \"{}\", user = \"root\" }}\n",
            server.socket().display()
        );
        let (scratch, shard) = over(&config).await;
        let scratch = scratch.unwrap();
        let sql = "SELECT @@sql_mode, @@group_concat_max_len, @@time_zone, @@div_precision_increment, @@lower_case_table_names, \
                   VERSION(), @@collation_connection, 1/3, 'a' || 'b'";
        let there =
            read(shard.execute(call(9), Statement::new(sql, false), On::Pool).await.unwrap().parts).await.unwrap();
        assert_eq!(there[1..4], ["17", "+03:00", "9"]);
        // MariaDB tells in its version whether it writes a binlog.
        let here = |cells: Vec<String>| cells.into_iter().map(|cell| cell.replace("-log", "")).collect::<Vec<_>>();
        assert_eq!(here(reserve(&scratch, sql).await.1), here(there));
        let alone = "SELECT @@skip_networking, @@log_bin, @@max_allowed_packet >= 64 << 20";
        assert_eq!(reserve(&scratch, alone).await.1, ["1", "0", "1"]);
        scratch.close().await;
        shard.close().await;
        server.kill().await;
    }
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

/// Started by the test below as a process of its own; does nothing by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the other half of no_server_is_left_behind"]
async fn use_a_scratch_server_and_wait_to_be_killed() {
    let vitrail = Vitrail::start(flavours()[0], 1, Shape::Together).await;
    let scratch = vitrail.gate.scratch().unwrap();
    let (_, cells) = reserve(scratch, "SELECT @@datadir").await;
    println!("server {} {}", scratch.process_id().unwrap(), cells[0]);
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn no_server_is_left_behind() {
    for flavour in flavours() {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "use_a_scratch_server_and_wait_to_be_killed", "--ignored", "--nocapture"])
            .env("VITRAIL_FLAVOURS", flavour.as_str())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (process, data) = loop {
            let line = lines.next_line().await.unwrap().expect("the child tells of its server");
            if let Some((_, rest)) = line.split_once("server ")
                && let Some((process, data)) = rest.split_once(' ')
            {
                break (process.parse::<u32>().unwrap(), data.to_owned());
            }
        };
        assert!(runs(process) && Path::new(&data).is_dir());
        child.kill().await.unwrap();
        until("the server is gone", || !runs(process)).await;
        until("its data is gone", || !Path::new(&data).exists()).await;
    }
}
