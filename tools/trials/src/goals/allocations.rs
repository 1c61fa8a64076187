//! How often a server allocates memory for a point select: a server of its own counts, and is asked before and after.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use vitrail_client::{Session, params};

use super::stage::MySql;
use super::table::Table;

/// The most that a point select may allocate on the server.
pub const BOUND: f64 = 60.0;

/// What one statement needs.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// Pieces of memory.
    pub allocated: f64,
    /// Pieces that were made larger or smaller.
    pub reallocated: f64,
}

/// Runs `statements` point selects one after the other on a server of the binary `counted`.
///
/// # Errors
///
/// What could not be measured.
pub async fn count(counted: &Path, mysql: &MySql, statements: u32) -> Result<Found, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let config = folder.path().join("vitrail.toml");
    std::fs::write(&config, mysql.config("", "")).map_err(|error| error.to_string())?;
    let mut server = Counted::start(counted, &config).await?;
    let client = crate::rig::client_config(&format!("vitrail://app@{}/goals?tls=disable", server.address));
    let client = vitrail_client::Client::connect_with(client).await.map_err(|error| error.to_string())?;
    let mut session = client.session();
    prepare(&mut session).await.map_err(|error| error.to_string())?;
    // Caches fill, buffers grow, the pool opens its connection.
    select(&mut session, 500).await?;
    let before = server.now().await?;
    select(&mut session, statements).await?;
    let after = server.now().await?;
    server.end().await?;
    let each = |index: usize| (after[index] - before[index]) as f64 / f64::from(statements);
    Ok(Found { allocated: each(0), reallocated: each(1) })
}

/// The rows of the table.
pub fn tell(table: &mut Table, found: Found) {
    table.at_most("allocations", "allocations per point select on the server", found.allocated, "", BOUND, 10.0);
    table.beside("reallocations", "  and pieces that grow or shrink", found.reallocated, "");
}

async fn prepare(session: &mut Session) -> Result<(), vitrail_client::Error> {
    for sql in [
        "DROP TABLE IF EXISTS counted",
        "CREATE TABLE counted (id BIGINT NOT NULL PRIMARY KEY, c VARCHAR(120) NOT NULL)",
        "INSERT INTO counted VALUES (1, REPEAT('a', 120)), (2, REPEAT('b', 120))",
    ] {
        session.execute(sql, params! {}).await?;
    }
    Ok(())
}

async fn select(session: &mut Session, times: u32) -> Result<(), String> {
    for turn in 0..times {
        let binds = params! { "id" => i64::from(turn % 2) + 1 };
        let rows = session.query("SELECT c FROM counted WHERE id = :id", binds).await;
        let mut rows = rows.map_err(|error| error.to_string())?;
        let mut found = 0;
        while rows.next().await.map_err(|error| error.to_string())?.is_some() {
            found += 1;
        }
        if found != 1 {
            return Err(format!("{found} rows came of a point select"));
        }
    }
    Ok(())
}

/// A running `counted`. Dropped, it is killed.
struct Counted {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    address: String,
}

impl Counted {
    async fn start(counted: &Path, config: &Path) -> Result<Counted, String> {
        let mut child = Command::new(counted)
            .arg(config)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot run {}: {error}", counted.display()))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("the server has no pipes".into());
        };
        let mut server = Counted { child, stdin, lines: BufReader::new(stdout).lines(), address: String::new() };
        server.address = server.line().await?;
        Ok(server)
    }

    /// Allocations and reallocations since it began.
    async fn now(&mut self) -> Result<[u64; 2], String> {
        self.stdin.write_all(b"\n").await.map_err(|error| error.to_string())?;
        let line = self.line().await?;
        let numbers: Vec<u64> = line.split(' ').filter_map(|number| number.parse().ok()).collect();
        <[u64; 2]>::try_from(numbers).map_err(|_| format!("the server says {line}"))
    }

    async fn line(&mut self) -> Result<String, String> {
        let line = self.lines.next_line().await.map_err(|error| error.to_string())?;
        line.ok_or_else(|| "the server that counts has ended".into())
    }

    async fn end(mut self) -> Result<(), String> {
        drop(self.stdin);
        let status = self.child.wait().await.map_err(|error| error.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("the server that counts ended with {status}")) }
    }
}
