//! `make fragments`: what statements cost that run on the scratch server, beside the same statements and rows on one MySQL.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use tokio::time::Instant;
use vitrail_client::{Client, Row};
use vitrail_harness::{Cluster, Flavour};
use vitrail_mysql::Connection;
use vitrail_trials::process::Process;
use vitrail_trials::rig;

/// Two shards and one MySQL with the same rows.
#[derive(Debug, Parser)]
struct Options {
    /// The binary to try
    #[arg(long)]
    vitrail: PathBuf,
    /// Times that each statement runs, in turns
    #[arg(long, default_value_t = 21)]
    rounds: usize,
}

/// Rows that a statement needs, and the statement. `{n}`: so many rows.
const CASES: [(&str, usize, &str); 6] = [
    ("point select, for the round trip", 1, "SELECT amount FROM a WHERE id = 7"),
    (
        "correlated subquery over 100 rows",
        100,
        "SELECT a.id, a.amount FROM a WHERE a.id <= {n} AND a.amount >= (SELECT AVG(b.amount) FROM b WHERE b.peer = a.peer) ORDER BY a.id",
    ),
    (
        "join of three tables, 10,000 rows",
        3_334,
        "SELECT a.grp, COUNT(*), SUM(b.amount), MAX(c.amount), RANK() OVER (ORDER BY a.grp) FROM a JOIN b ON b.peer = a.peer JOIN c ON c.peer = b.peer \
         WHERE a.id <= {n} AND b.id <= {n} AND c.id <= {n} GROUP BY a.grp",
    ),
    ("window over 1,000 rows", 1_000, WINDOW),
    ("window over 10,000 rows", 10_000, WINDOW),
    ("window over 100,000 rows", 100_000, WINDOW),
];

const WINDOW: &str =
    "SELECT MAX(r) FROM (SELECT RANK() OVER (ORDER BY a.amount) AS r FROM a JOIN b ON b.id = a.id WHERE a.id <= {n}) x";

/// Rows of each table.
const ROWS: usize = 100_000;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the figures are this command's data")]
async fn main() {
    let options = Options::parse();
    for flavour in vitrail_harness::flavours() {
        println!("{flavour}, tables of {ROWS} rows over 2 shards, medians of {} rounds:", options.rounds);
        for line in figures(&options, flavour).await {
            println!("  {line}");
        }
    }
}

async fn figures(options: &Options, flavour: Flavour) -> Vec<String> {
    let databases = Cluster::new(flavour, 2, "fragments").await;
    let mut one = databases.server.connect(&databases.oracle).await;
    for database in databases.shards.iter().chain([&databases.oracle]) {
        let mut connection = databases.server.connect(database).await;
        for table in ["a", "b", "c"] {
            let sql = format!(
                "CREATE TABLE {table} (id BIGINT NOT NULL PRIMARY KEY, peer BIGINT NOT NULL, grp INT NOT NULL, amount DECIMAL(10,2) NOT NULL, note \
                 VARCHAR(40) NOT NULL, KEY peer (peer))"
            );
            execute(&mut connection, &sql).await;
        }
        connection.quit().await;
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let process = start(options, &databases, folder.path()).await;
    let url = rig::url(process.address()).replace("/bank", "/fragments");
    let client = Client::connect_with(rig::client_config(&url)).await.expect("the gate takes connections");
    fill(&client, &mut one).await;

    let mut lines = Vec::new();
    for (what, rows, sql) in CASES {
        let sql = sql.replace("{n}", &rows.to_string());
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        // The first one starts the scratch server, and warms what there is to warm.
        for round in 0..=options.rounds {
            let began = Instant::now();
            let found = client.query_all(sql.as_str(), ()).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
            let took = began.elapsed();
            let began = Instant::now();
            let expected = one.fetch_all(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
            let direct = began.elapsed();
            assert_eq!(texts(&found), expected, "{sql}");
            if round > 0 {
                ours.push(took);
                theirs.push(direct);
            }
        }
        let (ours, theirs) = (median(ours), median(theirs));
        lines.push(format!(
            "{what}: {:.2} ms, one MySQL {:.2} ms, ratio {:.2}",
            millis(ours),
            millis(theirs),
            ours.as_secs_f64() / theirs.as_secs_f64()
        ));
    }
    process.kill().await;
    lines
}

/// The same rows through Vitrail and on one MySQL.
async fn fill(client: &Client, one: &mut Connection) {
    const BATCH: usize = 5_000;
    for table in ["a", "b", "c"] {
        for first in (1..=ROWS).step_by(BATCH) {
            let row = |id: usize| format!("({id},{},{},{}.25,'{table} {id}')", id / 3, id % 50, id % 997);
            let rows: Vec<String> = (first..first + BATCH).map(row).collect();
            let sql = format!("INSERT INTO {table} (id, peer, grp, amount, note) VALUES {}", rows.join(","));
            client.execute(sql.as_str(), ()).await.unwrap_or_else(|error| panic!("{table}: {error}"));
            execute(one, &sql).await;
        }
        execute(one, &format!("ANALYZE TABLE {table}")).await;
    }
}

async fn execute(connection: &mut Connection, sql: &str) {
    connection.fetch_all(sql).await.unwrap_or_else(|error| panic!("{}: {error}", &sql[..sql.len().min(80)]));
}

fn texts(rows: &[Row]) -> Vec<Vec<Option<String>>> {
    let cell = |row: &Row, column| row.raw(column).map(|cell| String::from_utf8_lossy(cell).into_owned());
    rows.iter().map(|row| (0..row.len()).map(|column| cell(row, column)).collect()).collect()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Starts `vitrail serve` over the shards.
async fn start(options: &Options, databases: &Cluster, folder: &Path) -> Process {
    let table = |name| format!("\"{name}\": {{\"column_vindexes\": [{{\"column\": \"id\", \"name\": \"hash\"}}]}}");
    let tables = ["a", "b", "c"].map(table).join(", ");
    let vschema =
        format!("{{\"sharded\": true, \"vindexes\": {{\"hash\": {{\"type\": \"hash\"}}}}, \"tables\": {{{tables}}}}}");
    std::fs::write(folder.join("fragments.json"), vschema).expect("the folder can be written");
    let mut text = "[listen]\naddress = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\npasswordless_loopback = true\n\n\
        [users.app]\ngrants = [{ role = \"admin\" }]\n\n[keyspaces.fragments]\nvschema = \"fragments.json\"\n"
        .to_owned();
    for (name, database) in rig::SHARDS.iter().zip(&databases.shards) {
        let socket = databases.server.socket().display();
        let _ = write!(
            text,
            "\n[[keyspaces.fragments.shards]]\nname = \"{name}\"\ndatabase = \"{database}\"\nmysql = {{ socket = \"{socket}\", user = \"root\" }}\n"
        );
    }
    let config = folder.join("vitrail.toml");
    std::fs::write(&config, text).expect("the folder can be written");
    Process::start(&options.vitrail, "serve", &config, &[]).await
}
