//! Two gates number rows from one sequence while gates, and the MySQL of the sequence, are killed: no number comes twice, and no row that was
//! acknowledged is lost.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rand::Rng;
use tokio::task::JoinSet;
use vitrail_client::{Client, Query, params};
use vitrail_harness::{Flavour, Lasting, flavours};
use vitrail_trials::chance;
use vitrail_trials::process::Process;
use vitrail_trials::quiet;
use vitrail_trials::rig;

const WORKERS: usize = 8;
/// Kills in a run.
const ROUNDS: usize = 6;
/// Acknowledged statements between two kills.
const BETWEEN: u64 = 60;
const DEADLINE: Duration = Duration::from_secs(2);
const LIMIT: Duration = Duration::from_secs(60);

const BANK: &str = r#"{"sharded": true, "vindexes": {"hash": {"type": "hash"}}, "tables": {
    "member": {"column_vindexes": [{"column": "id", "name": "hash"}], "auto_increment": {"column": "id", "sequence": "main.member_seq"}}}}"#;
const MAIN: &str = r#"{"tables": {"member_seq": {"type": "sequence"}}}"#;

/// What the workers share.
struct Shared {
    /// Where each gate is.
    gates: Mutex<[SocketAddr; 2]>,
    stop: AtomicBool,
    acknowledged: AtomicU64,
}

/// A statement that was acknowledged.
struct Told {
    worker: usize,
    number: u64,
    rows: u64,
    first: u64,
}

/// Inserts until told to stop, on a new connection after each error.
async fn work(shared: Arc<Shared>, worker: usize) -> Vec<Told> {
    let (mut told, mut number) = (Vec::new(), 0);
    let mut client: Option<Client> = None;
    while !shared.stop.load(Ordering::Relaxed) {
        let Some(open) = &client else {
            let address = shared.gates.lock()[worker % 2];
            let mut config = rig::client_config(&rig::url(address));
            (config.retries, config.connect_timeout) = (0, DEADLINE);
            client = Client::connect_with(config).await.ok();
            continue;
        };
        number += 1;
        let rows = 1 + number % 3;
        let row = "(:worker, :number)";
        let rows_text = vec![row; rows as usize].join(", ");
        let query = Query::new(format!("INSERT INTO member (worker, number) VALUES {rows_text}")).deadline(DEADLINE);
        let binds = params! { "worker" => worker as i64, "number" => number as i64 };
        match open.execute(query, binds).await {
            Ok(outcome) => {
                assert_eq!(outcome.affected, rows);
                told.push(Told { worker, number, rows, first: outcome.insert_id.expect("an id was made up") });
                shared.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => client = None,
        }
    }
    told
}

/// The folder of a gate's configuration, over these servers.
fn configure(folder: &std::path::Path, bank: &Lasting, main: &Lasting) -> std::path::PathBuf {
    std::fs::write(folder.join("bank.json"), BANK).unwrap();
    std::fs::write(folder.join("main.json"), MAIN).unwrap();
    let mut text = "[listen]\naddress = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\npasswordless_loopback = true\n\n[users.app]\nrole = \"application\"\n"
        .to_owned();
    for keyspace in ["bank", "main"] {
        write!(text, "\n[keyspaces.{keyspace}]\nvschema = \"{keyspace}.json\"\n").unwrap();
        let shards: &[(&str, &str, &Lasting)] = match keyspace {
            "bank" => &[("-80", "bank_0", bank), ("80-", "bank_1", bank)],
            _ => &[("-", "main_0", main)],
        };
        for (name, database, server) in shards {
            write!(
                text,
                "\n[[keyspaces.{keyspace}.shards]]\nname = \"{name}\"\ndatabase = \"{database}\"\nmysql = {{ socket = \"{}\", user = \"root\" }}\n",
                server.socket().display()
            )
            .unwrap();
        }
    }
    let path = folder.join("gate.toml");
    std::fs::write(&path, text).unwrap();
    path
}

async fn servers(flavour: Flavour) -> (Lasting, Lasting) {
    let (bank, main) = tokio::join!(Lasting::start(flavour, &[]), Lasting::start(flavour, &[]));
    let run = async |server: &Lasting, statements: &[&str]| {
        let mut connection = server.connect("").await;
        for sql in statements {
            connection.execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        connection.quit().await;
    };
    // Without a unique key: a number that comes twice is there twice.
    let table = "(id BIGINT NOT NULL, worker INT NOT NULL, number BIGINT NOT NULL)";
    let tables = ["bank_0", "bank_1"].map(|database| format!("CREATE TABLE {database}.member {table}"));
    run(&bank, &["CREATE DATABASE bank_0", "CREATE DATABASE bank_1", &tables[0], &tables[1]]).await;
    run(
        &main,
        &[
            "CREATE DATABASE main_0",
            "CREATE TABLE main_0.member_seq (id INT PRIMARY KEY, next_id BIGINT NOT NULL, cache BIGINT NOT NULL)",
            "INSERT INTO main_0.member_seq VALUES (0, 1, 7)",
        ],
    )
    .await;
    (bank, main)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_number_comes_twice_whoever_is_killed() {
    let seed = chance::seed(20_261_126);
    let mut dice = chance::dice(seed, 7);
    for flavour in flavours() {
        let (bank, main) = servers(flavour).await;
        let folder = tempfile::Builder::new().prefix("vitrail-trial-").tempdir().unwrap();
        let config = configure(folder.path(), &bank, &main);
        let start = || Process::start(super::vitrail(), "serve", &config, &[]);
        let (first, second) = tokio::join!(start(), start());
        let shared = Arc::new(Shared {
            gates: Mutex::new([first.address(), second.address()]),
            stop: AtomicBool::new(false),
            acknowledged: AtomicU64::new(0),
        });
        let mut gates = [first, second];
        let mut workers = JoinSet::new();
        for worker in 0..WORKERS {
            workers.spawn(work(shared.clone(), worker));
        }
        for round in 0..=ROUNDS {
            let wanted = shared.acknowledged.load(Ordering::Relaxed) + BETWEEN;
            quiet::until("rows are inserted", LIMIT, async || {
                let count = shared.acknowledged.load(Ordering::Relaxed);
                (count < wanted).then(|| format!("{count} of {wanted}, seed {seed}, round {round}"))
            })
            .await;
            match dice.random_range(0..3) {
                _ if round == ROUNDS => {}
                2 => {
                    main.crash().await;
                    main.restart().await;
                }
                gate => {
                    let next = start().await;
                    shared.gates.lock()[gate] = next.address();
                    std::mem::replace(&mut gates[gate], next).kill().await;
                }
            }
        }
        shared.stop.store(true, Ordering::Relaxed);
        let told: Vec<Told> = workers.join_all().await.into_iter().flatten().collect();
        for gate in gates {
            gate.stop().await;
        }
        check(&bank, &told).await;
        eprintln!("{flavour}: {} statements acknowledged, seed {seed}", told.len());
        bank.crash().await;
        main.crash().await;
    }
}

async fn check(bank: &Lasting, told: &[Told]) {
    let mut connection = bank.connect("").await;
    let all = "(SELECT * FROM bank_0.member UNION ALL SELECT * FROM bank_1.member) AS member";
    let twice = connection.fetch_all(&format!("SELECT id, COUNT(*) FROM {all} GROUP BY id HAVING COUNT(*) > 1")).await;
    assert_eq!(twice.unwrap(), Vec::<Vec<Option<String>>>::new(), "numbers that came twice");
    let sql = format!("SELECT worker, number, MIN(id), COUNT(*) FROM {all} GROUP BY worker, number");
    let rows = connection.fetch_all(&sql);
    let found: std::collections::HashMap<(u64, u64), (u64, u64)> = rows
        .await
        .unwrap()
        .into_iter()
        .map(|row| {
            let cells: Vec<u64> = row.into_iter().map(|cell| cell.unwrap().parse().unwrap()).collect();
            ((cells[0], cells[1]), (cells[2], cells[3]))
        })
        .collect();
    for Told { worker, number, rows, first } in told {
        let there = found.get(&(*worker as u64, *number));
        assert_eq!(there, Some(&(*first, *rows)), "statement {number} of worker {worker}");
    }
    connection.quit().await;
}
