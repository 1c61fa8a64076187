//! What operators see of statements: figures in SQL, JSON and metrics, the log, and MySQL's process list.
#![expect(clippy::unwrap_used, reason = "a panic in a test is the report")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use support::{SHAPES, Shape, Vitrail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use vitrail_client::{Client, ClientConfig, Query, params};
use vitrail_node::process::Process;

/// Stands in every place of a statement that nobody else may see.
const SECRET: &str = "hunter2";

/// Longest that a single event may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The body of an answer; panics unless its status is `status`.
async fn get(process: &Process, path: &str, status: u16) -> String {
    let mut stream = TcpStream::connect(process.http()).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {head}");
    body.to_owned()
}

async fn client(vitrail: &Vitrail, application: &str) -> Client {
    let mut config = ClientConfig::from_url(&vitrail.url()).unwrap();
    config.application = application.into();
    Client::connect_with(config).await.unwrap()
}

/// A row of SHOW VITRAIL QUERIES by the names of its columns.
type Shown = BTreeMap<String, String>;

async fn shown(client: &Client, rest: &str) -> Vec<Shown> {
    let rows = client.query_all(format!("SHOW VITRAIL QUERIES {rest}"), ()).await.unwrap();
    let cells = |row: &vitrail_client::Row| -> Shown {
        let names = row.columns().iter().map(|column| column.name.to_string());
        let values = (0..row.columns().len()).map(|index| row.get::<Option<String>>(index).unwrap());
        names.zip(values.map(Option::unwrap_or_default)).collect()
    };
    rows.iter().map(cells).collect()
}

fn number(row: &Shown, column: &str) -> u64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column} of {row:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_see_what_ran_and_nothing_else() {
    for flavour in vitrail_harness::flavours() {
        for shape in SHAPES {
            let folder = tempfile::tempdir().unwrap();
            let log = folder.path().join("statements.log");
            let more = format!("[log]\nsample = 1.0\nerrors = true\nslow = \"100ms\"\nfile = \"{}\"\n", log.display());
            let vitrail = Vitrail::start_with(flavour, 2, shape, &more).await;
            let client = client(&vitrail, "shop*/ DROP").await;
            run(&client).await;
            figures(&vitrail, &client).await;
            logged(&client, &log, shape).await;
            listed(&vitrail, &client).await;
            if shape == Shape::Together {
                documented(&get(&vitrail.gate, "/metrics", 200).await);
            }
            client.close();
            vitrail.stop().await;
            let text = std::fs::read_to_string(&log).unwrap();
            assert!(!text.contains(SECRET), "{text}");
            assert!(
                text.lines().last().is_some_and(|line| line.contains("SHOW VITRAIL QUERIES")),
                "the end is written"
            );
        }
    }
}

/// Statements with secrets in all places.
async fn run(client: &Client) {
    for id in 1..=5 {
        let sql = format!("INSERT INTO users VALUES ({id}, '{SECRET}', '{SECRET}{id}'), ({}, 'x', 'y{id}')", id + 100);
        client.execute(format!("/* {SECRET} */ {sql} -- {SECRET}"), ()).await.unwrap();
    }
    for id in 1..=7 {
        let one = params! { "id" => id, "name" => SECRET };
        client.query_all("SELECT name FROM users WHERE id = :id AND name <> :name", one).await.unwrap();
    }
    client.query_all(format!("SELECT id, name FROM users WHERE name = \"{SECRET}\" ORDER BY id"), ()).await.unwrap();
    client.query_all("SELECT SLEEP(0.15) FROM users WHERE id = 1", ()).await.unwrap();
    let insert = format!("INSERT INTO users VALUES (1, '{SECRET}', 'z')");
    for _ in 0..2 {
        assert_eq!(client.execute(insert.as_str(), ()).await.unwrap_err().errno(), 1062);
    }
    client.execute(format!("SELECT '{SECRET}"), ()).await.unwrap_err();
    client.execute(format!("SELECT `other`.* FROM users WHERE name = '{SECRET}'"), ()).await.unwrap_err();
    let mut transaction = client.begin().await.unwrap();
    transaction.execute("UPDATE users SET name = 'z' WHERE id > 0", ()).await.unwrap();
    transaction.commit().await.unwrap();
}

async fn figures(vitrail: &Vitrail, client: &Client) {
    let rows = shown(client, "").await;
    assert!(!format!("{rows:?}").contains(SECRET), "{rows:?}");
    let of =
        |query: &str| rows.iter().find(|row| row["Query"] == query).unwrap_or_else(|| panic!("{query}: {rows:#?}"));

    let insert = of("INSERT INTO users VALUES (?)");
    assert_eq!((insert["Kind"].as_str(), insert["Keyspace"].as_str()), ("insert", "shop"));
    assert_eq!((number(insert, "Calls"), number(insert, "Errors"), number(insert, "Affected")), (7, 2, 10));
    assert_eq!(insert["Error_codes"], "constraint:2");

    let select = of("SELECT name FROM users WHERE id = ? AND name <> ?");
    assert_eq!((select["Kind"].as_str(), select["Plan"].as_str()), ("select", "single"));
    let counts = ["Calls", "Errors", "Shards", "Most_shards", "Shared"].map(|column| number(select, column));
    assert_eq!(counts, [7, 0, 7, 1, 0]);
    assert!(number(select, "Mysql_us") > 0 && number(select, "Mysql_us") <= number(select, "Total_us"), "{select:?}");
    assert!(
        number(select, "P50_us") <= number(select, "P99_us") && number(select, "P99_us") <= number(select, "Max_us")
    );

    let scatter = of("SELECT id, name FROM users WHERE name = ? ORDER BY id");
    assert_eq!((scatter["Plan"].as_str(), number(scatter, "Shards"), number(scatter, "Rows")), ("scatter", 2, 5));
    assert!(number(scatter, "Bytes") > 5 * SECRET.len() as u64);

    let slow = of("SELECT SLEEP(?) FROM users WHERE id = ?");
    assert!(number(slow, "Mysql_us") >= 140_000 && number(slow, "P50_us") >= 140_000, "{slow:?}");
    assert_eq!((of("COMMIT")["Plan"].as_str(), number(of("COMMIT"), "Shards")), ("scatter", 2));
    assert_eq!(of("(unreadable)")["Errors"], "1");
    assert_eq!(number(of("BEGIN"), "Calls"), 1);

    let first = shown(client, "ORDER BY p50 LIMIT 3").await;
    let order: Vec<u64> = first.iter().map(|row| number(row, "P50_us")).collect();
    assert!(order.len() == 3 && order.is_sorted_by(|a, b| a >= b) && order[0] >= 140_000, "{order:?}");
    let like = shown(client, "LIKE 'select id%order by%' ORDER BY calls ASC").await;
    assert_eq!(like.len(), 1, "{like:?}");

    // The same as JSON.
    let json = async |path| serde_json::from_str::<Value>(&get(&vitrail.gate, path, 200).await).unwrap();
    let top = json("/queries?sort=p50_us&limit=2").await;
    let top = top["queries"].as_array().unwrap();
    assert!(top.len() == 2 && top[0]["p50_us"].as_u64() >= top[1]["p50_us"].as_u64(), "{top:?}");
    let all = json("/queries").await;
    let same = |row: &&Value| row["fingerprint"].as_str() == Some(&slow["Fingerprint"]);
    let row = all["queries"].as_array().unwrap().iter().find(same).unwrap();
    assert_eq!((row["query"].as_str(), row["calls"].as_u64()), (Some(slow["Query"].as_str()), Some(1)));
    assert_eq!(row["total_us"].as_u64(), Some(number(slow, "Total_us")));
    let all = get(&vitrail.gate, "/queries", 200).await;
    assert!(!all.contains(SECRET) && all.contains("\"error_codes\":{\"constraint\":2}"), "{all}");
    assert!(get(&vitrail.gate, "/queries?sort=colour", 400).await.contains("p99_us"));
    if let Some(tablet) = vitrail.tablets.first() {
        get(tablet, "/queries", 404).await;
    }

    // And as metrics.
    let metrics = get(&vitrail.gate, "/metrics", 200).await;
    assert!(!metrics.contains(SECRET));
    for expected in [
        "vitrail_gate_statement_seconds_count{kind=\"insert\",plan=\"".to_owned(),
        "vitrail_gate_statement_seconds_bucket{le=\"+Inf\",kind=\"select\",plan=\"scatter\"} ".to_owned(),
        "vitrail_gate_statement_errors_total{code=\"constraint\"} 2".to_owned(),
        format!("vitrail_query_calls_total{{fingerprint=\"{}\"}} 7", select["Fingerprint"]),
    ] {
        assert!(metrics.contains(&expected), "{expected}: {metrics}");
    }

    client.execute("RESET VITRAIL QUERIES", ()).await.unwrap();
    let rows = shown(client, "").await;
    assert!(rows.iter().all(|row| row["Kind"] == "other" || row["Kind"] == "show") && rows.len() <= 2, "{rows:?}");
}

/// Waits until the log has a line that `wanted` accepts.
async fn until_logged(log: &Path, wanted: impl Fn(&Value) -> bool) -> Value {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut lines = complete.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        if let Some(found) = lines.find(&wanted) {
            return found;
        }
        assert!(Instant::now() < give_up, "{text}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn logged(client: &Client, log: &Path, shape: Shape) {
    let slow =
        until_logged(log, |line| line["reason"] == "slow" && line["query"].as_str().unwrap().contains("SLEEP")).await;
    assert_eq!(slow["query"], "SELECT SLEEP(?) FROM users WHERE id = ?");
    assert!(
        slow["took_us"].as_u64() >= slow["mysql_us"].as_u64() && slow["mysql_us"].as_u64() >= Some(140_000),
        "{slow}"
    );
    assert_eq!((slow["user"].as_str(), slow["application"].as_str()), (Some("app"), Some("shop*/ DROP")));
    assert_eq!((slow["keyspace"].as_str(), slow["plan"].as_str()), (Some("shop"), Some("single")));
    let failed = until_logged(log, |line| line["reason"] == "error" && line["kind"] == "insert").await;
    assert_eq!((failed["code"].as_str(), failed["errno"].as_u64()), (Some("constraint"), Some(1062)));
    let inside = until_logged(log, |line| line["kind"] == "update").await;
    assert_eq!((inside["in_transaction"].as_bool(), inside["shards"].as_u64()), (Some(true), Some(2)));
    assert!(inside["session"].as_u64().is_some() && inside["affected"].as_u64() == Some(10), "{inside} {shape:?}");

    let traced =
        Query::new("SELECT COUNT(*) FROM users").traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    client.execute(traced, ()).await.unwrap();
    let traced = until_logged(log, |line| line["traceparent"].is_string()).await;
    assert_eq!(traced["traceparent"], "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");

    // Rotated: what comes later is in a new file.
    let moved = log.with_extension("1");
    std::fs::rename(log, &moved).unwrap();
    let give_up = Instant::now() + PATIENCE;
    while !log.exists() {
        client.execute("SELECT 1", ()).await.unwrap();
        assert!(Instant::now() < give_up, "the log was not opened anew");
    }
    assert!(!std::fs::read_to_string(moved).unwrap().contains(SECRET));
    shown(client, "LIMIT 1").await;
}

/// MySQL's process list says whose a statement is, and has its comments.
async fn listed(vitrail: &Vitrail, client: &Client) {
    let mut admin = vitrail.databases.server.admin().await;
    let sql = "/* before */ SELECT /*+ MAX_EXECUTION_TIME(100000) */ SLEEP(300) FROM users WHERE id = 1 /* behind */";
    let session = client.session();
    let cancel = session.cancel_handle();
    let running = tokio::spawn({
        let mut session = session;
        async move { session.execute(sql, ()).await }
    });
    let give_up = Instant::now() + PATIENCE;
    let info = loop {
        let list = admin.fetch_all("SHOW FULL PROCESSLIST").await.unwrap();
        let found =
            list.into_iter().flatten().flatten().find(|cell| cell.contains("SLEEP(300)") && cell.contains("shop"));
        if let Some(info) = found {
            break info;
        }
        assert!(Instant::now() < give_up, "the statement never ran");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(info, format!("/*application='shop%2A%2F DROP',user='app'*/ {sql}"));
    cancel.cancel();
    running.await.unwrap().unwrap_err();
    admin.quit().await;
    shown(client, "LIMIT 1").await;
}

/// The documentation names every metric that there is, and no other.
fn documented(metrics: &str) {
    let operation = include_str!("../../../docs/operation.md");
    let rows =
        operation.lines().filter(|line| ["| `vitrail_", "| `process_"].iter().any(|start| line.starts_with(start)));
    let words =
        rows.flat_map(|row| row.split('`')).filter(|word| word.starts_with("vitrail_") || word.starts_with("process_"));
    let written: BTreeSet<&str> = words.collect();
    let types = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let given: BTreeSet<String> =
        types.map(|(name, kind)| if kind == "counter" { format!("{name}_total") } else { name.to_owned() }).collect();
    let given: BTreeSet<&str> = given.iter().map(String::as_str).collect();
    let unwritten: Vec<_> = given.difference(&written).collect();
    let unknown: Vec<_> = written.difference(&given).collect();
    assert!(
        unwritten.is_empty() && unknown.is_empty(),
        "not in docs/operation.md: {unwritten:?}; not a metric: {unknown:?}"
    );
}
