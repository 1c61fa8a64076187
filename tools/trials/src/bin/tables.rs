//! `make tables`: a keyspace of many tables: how long its schema takes, what it costs, and what a refresh does to statements meanwhile.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Parser;
use tokio::time::Instant;
use vitrail_client::{Client, params};
use vitrail_harness::{Cluster, Flavour};
use vitrail_trials::process::Process;
use vitrail_trials::rig;

/// Many tables over two shards.
#[derive(Debug, Parser)]
struct Options {
    /// The binary to try
    #[arg(long)]
    vitrail: PathBuf,
    /// Tables of the keyspace
    #[arg(long, default_value_t = 10_000)]
    tables: usize,
    /// Clients that read one row after the other
    #[arg(long, default_value_t = 4)]
    clients: usize,
}

/// Ten columns of the kinds that tables have.
const COLUMNS: &str = "id BIGINT NOT NULL PRIMARY KEY, owner BIGINT NOT NULL, name VARCHAR(100) NOT NULL, note TEXT, amount DECIMAL(12,2), \
    price DOUBLE, made DATETIME NOT NULL, changed TIMESTAMP NULL, state ENUM('new','open','done') NOT NULL, flags INT UNSIGNED, KEY by_owner (owner)";

/// How long statements are timed, with and without a refresh.
const SPAN: Duration = Duration::from_secs(5);

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the figures are this command's data")]
async fn main() {
    let options = Options::parse();
    for flavour in vitrail_harness::flavours() {
        println!("{flavour}, {} tables of 10 columns over 2 shards:", options.tables);
        for line in figures(&options, flavour).await {
            println!("  {line}");
        }
    }
}

async fn figures(options: &Options, flavour: Flavour) -> Vec<String> {
    let mut lines = Vec::new();
    let databases = Cluster::new(flavour, 2, "tables").await;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (_, empty) = start(options, &databases, folder.path(), 1).await;
    let before = empty.memory();
    empty.kill().await;
    let made = Instant::now();
    let mut making = tokio::task::JoinSet::new();
    for database in databases.shards.clone() {
        let (server, tables) = (Arc::clone(&databases.server), options.tables);
        making.spawn(async move {
            let mut connection = server.connect(&database).await;
            for number in 0..tables {
                let sql = format!("CREATE TABLE t{number} ({COLUMNS})");
                connection.execute(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
            }
        });
    }
    making.join_all().await;
    lines.push(format!("made in {:.1} s", made.elapsed().as_secs_f64()));

    let (took, process) = start(options, &databases, folder.path(), options.tables).await;
    let memory = process.memory();
    lines.push(format!("serves after {:.2} s", took.as_secs_f64()));
    lines.push(format!(
        "memory: {} MiB, of which {} MiB for the tables",
        memory >> 20,
        memory.saturating_sub(before) >> 20
    ));

    let url = rig::url(process.address()).replace("/bank", "/many");
    let client = Client::connect_with(rig::client_config(&url)).await.expect("the gate takes connections");
    let insert = "INSERT INTO t7 (id, owner, name, made, state) VALUES (:id, 1, 'x', '2026-01-01', 'new')";
    for id in 1..=100 {
        client.execute(insert, params! { "id" => id }).await.expect("a row is inserted");
    }
    let timed = async |sql: &str| {
        let began = Instant::now();
        client.execute(sql, ()).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        began.elapsed()
    };
    let mut alters = Vec::new();
    for number in 0..5 {
        alters.push(timed(&format!("ALTER TABLE t{} ADD COLUMN more{number} INT", options.tables / 2)).await);
    }
    alters.sort_unstable();
    let mut past = Vec::new();
    for number in 0..5 {
        let mut connection = databases.server.connect(&databases.shards[0]).await;
        let began = Instant::now();
        let sql = format!("ALTER TABLE t1 ADD COLUMN more{number} INT");
        connection.execute(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        past.push(began.elapsed());
    }
    past.sort_unstable();
    lines.push(format!(
        "a DDL with its refresh: {:.1} ms; on MySQL alone: {:.1} ms",
        millis(alters[2]),
        millis(past[2])
    ));

    let (alone, _) = reads(options, &url, async { tokio::time::sleep(SPAN).await }).await;
    let mut refreshes = Vec::new();
    let (during, ()) = reads(options, &url, async {
        let end = Instant::now() + SPAN;
        while Instant::now() < end {
            refreshes.push(timed("REFRESH VITRAIL SCHEMA").await);
        }
    })
    .await;
    refreshes.sort_unstable();
    lines.push(format!("a refresh of all: {:.2} s", refreshes[refreshes.len() / 2].as_secs_f64()));
    lines.push(format!("reads alone: {alone}; during refreshes: {during}"));
    lines.push(format!("memory afterwards: {} MiB", process.memory() >> 20));
    process.kill().await;
    lines
}

/// Reads by its clients until `work` has ended; their percentiles.
async fn reads<T>(options: &Options, url: &str, work: impl Future<Output = T>) -> (String, T) {
    let stop = Arc::new(AtomicBool::new(false));
    let mut readers = tokio::task::JoinSet::new();
    for reader in 0..options.clients {
        let (stop, config) = (Arc::clone(&stop), rig::client_config(url));
        readers.spawn(async move {
            let client = Client::connect_with(config).await.expect("the gate takes connections");
            let mut times = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let id = ((times.len() + reader) % 100 + 1) as i64;
                let began = Instant::now();
                let mut session = client.session();
                let found = session.query_scalar::<i64>("SELECT id FROM t7 WHERE id = :id", params! { "id" => id });
                assert_eq!(found.await.expect("a row is read"), id);
                times.push(began.elapsed());
            }
            times
        });
    }
    let done = work.await;
    stop.store(true, Ordering::Relaxed);
    let mut times: Vec<Duration> = readers.join_all().await.into_iter().flatten().collect();
    times.sort_unstable();
    let at = |share: usize| millis(times[(times.len() * share / 1000).min(times.len() - 1)]);
    (format!("p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms", at(500), at(990), at(999)), done)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Starts `vitrail serve` over the shards with so many tables in the vschema; how long it took to serve.
async fn start(options: &Options, databases: &Cluster, folder: &Path, tables: usize) -> (Duration, Process) {
    let mut vschema = "{\"sharded\": true, \"vindexes\": {\"hash\": {\"type\": \"hash\"}}, \"tables\": {".to_owned();
    for number in 0..tables {
        let comma = if number == 0 { "" } else { ", " };
        let _ = write!(
            vschema,
            "{comma}\"t{number}\": {{\"column_vindexes\": [{{\"column\": \"id\", \"name\": \"hash\"}}]}}"
        );
    }
    vschema += "}}";
    std::fs::write(folder.join("many.json"), vschema).expect("the folder can be written");
    let mut text = "[listen]\naddress = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\npasswordless_loopback = true\n\n\
        [users.app]\ngrants = [{ role = \"admin\" }]\n\n[keyspaces.many]\nvschema = \"many.json\"\n"
        .to_owned();
    for (name, database) in rig::SHARDS.iter().zip(&databases.shards) {
        let socket = databases.server.socket().display();
        let _ = write!(
            text,
            "\n[[keyspaces.many.shards]]\nname = \"{name}\"\ndatabase = \"{database}\"\nmysql = {{ socket = \"{socket}\", user = \"root\" }}\n"
        );
    }
    let config = folder.join("vitrail.toml");
    std::fs::write(&config, text).expect("the folder can be written");
    let began = Instant::now();
    let process = Process::start(&options.vitrail, "serve", &config, &[]).await;
    (began.elapsed(), process)
}
