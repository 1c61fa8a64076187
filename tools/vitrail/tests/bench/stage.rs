//! One MySQL alone, behind Vitrail, and as two shards behind Vitrail; and `vitrail bench` as tests run it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::sync::{Semaphore, SemaphorePermit};
use vitrail_harness::{Flavour, Lasting};
use vitrail_trials::process::Process;

pub(crate) const VITRAIL: &str = env!("CARGO_BIN_EXE_vitrail");

const DATABASES: [&str; 4] = ["direct", "whole", "half_0", "half_1"];

/// A test has one of them, or all: then no other runs meanwhile.
const EVERYBODY: u32 = 1_000;
static TURNS: Semaphore = Semaphore::const_new(EVERYBODY as usize);

pub(crate) struct Stage {
    pub(crate) server: Lasting,
    pub(crate) folder: TempDir,
    pub(crate) gate: Process,
    _turn: SemaphorePermit<'static>,
}

impl Stage {
    pub(crate) async fn start(flavour: Flavour) -> Stage {
        Stage::with(flavour, 1).await
    }

    /// For a test that judges times or rates: other tests would be in their way.
    pub(crate) async fn alone(flavour: Flavour) -> Stage {
        Stage::with(flavour, EVERYBODY).await
    }

    async fn with(flavour: Flavour, turns: u32) -> Stage {
        let turn = turn(turns).await;
        let folder = tempfile::tempdir().unwrap();
        let server = Lasting::start(flavour, &[]).await;
        let config = config(&server, folder.path()).await;
        let gate = Process::start(Path::new(VITRAIL), "serve", &config, &[]).await;
        Stage { server, folder, gate, _turn: turn }
    }

    /// MySQL itself.
    pub(crate) fn direct(&self) -> String {
        format!("direct={}", self.mysql())
    }

    /// The same without a name.
    pub(crate) fn mysql(&self) -> String {
        format!("mysql://root@localhost/direct?socket={}", self.server.socket().display())
    }

    /// One shard behind Vitrail.
    pub(crate) fn whole(&self) -> String {
        format!("whole=vitrail://app@{}/whole?tls=disable", self.gate.address())
    }

    /// `direct`, `whole` and `halves`.
    pub(crate) fn targets(&self) -> [String; 3] {
        let halves = format!("halves=vitrail://app@{}/halves?tls=disable", self.gate.address());
        [self.direct(), self.whole(), halves]
    }

    /// Runs a statement in a database, past whatever stands before it.
    pub(crate) async fn execute(&self, database: &str, sql: &str) {
        let mut connection = self.server.connect(database).await;
        connection.execute(sql).await.unwrap();
        connection.quit().await;
    }

    /// The one number that a statement gives.
    pub(crate) async fn number(&self, database: &str, sql: &str) -> i64 {
        let mut connection = self.server.connect(database).await;
        let number = connection.fetch_cell(sql).await.unwrap().unwrap().parse().unwrap();
        connection.quit().await;
        number
    }

    pub(crate) async fn stop(self) {
        self.gate.stop().await;
        self.server.crash().await;
    }
}

/// For a test with a stage of its own that judges times or rates.
pub(crate) async fn turn_alone() -> SemaphorePermit<'static> {
    turn(EVERYBODY).await
}

async fn turn(turns: u32) -> SemaphorePermit<'static> {
    TURNS.acquire_many(turns).await.unwrap()
}

async fn config(server: &Lasting, folder: &Path) -> PathBuf {
    let mut admin = server.connect("").await;
    for database in DATABASES {
        admin.execute(&format!("CREATE DATABASE {database}")).await.unwrap();
    }
    admin.quit().await;
    let vschema = folder.join("load.vschema.json");
    let printed = Command::new(VITRAIL).args(["bench", "vschema"]).output().await.unwrap();
    std::fs::write(&vschema, printed.stdout).unwrap();
    let shard = |keyspace: &str, name: &str, database: &str| {
        format!(
            "[[keyspaces.{keyspace}.shards]]\nname = \"{name}\"\ndatabase = \"{database}\"\nmysql = {{ socket = \"{}\", user = \"root\" }}\n\n",
            server.socket().display()
        )
    };
    let text = format!(
        "[listen]\naddress = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\npasswordless_loopback = true\n\n\
         [users.app]\nrole = \"application\"\ngrants = [{{ role = \"admin\" }}]\n\n[keyspaces.whole]\n\n{}\
         [keyspaces.halves]\nvschema = \"{}\"\n\n{}{}",
        shard("whole", "-", "whole"),
        vschema.display(),
        shard("halves", "-80", "half_0"),
        shard("halves", "80-", "half_1"),
    );
    let path = folder.join("bench.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// What `vitrail bench …` prints, whether the exit status is 0, and what it tells whoever waits.
pub(crate) async fn output(arguments: &[&str]) -> (String, bool, String) {
    let output = Command::new(VITRAIL).arg("bench").args(arguments).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), output.status.success(), text(output.stderr))
}

/// The same of a command whose report is wanted, if there is one; it is held against its schema.
pub(crate) async fn bench(command: &str, arguments: &[&str]) -> (Value, bool, String) {
    let (printed, good, told) = output(&[&[command, "--json", "-"], arguments].concat()).await;
    let Ok(report) = serde_json::from_str(&printed) else { return (Value::Null, good, told) };
    assert_published(command, &report);
    (report, good, told)
}

/// A report of a command is as its published schema says.
pub(crate) fn assert_published(command: &str, report: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../docs/bench-schema/{command}.json"));
    let schema = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let broken: Vec<String> = schema.iter_errors(report).map(|error| error.to_string()).collect();
    assert!(broken.is_empty(), "{command}: {broken:?}");
}

/// Does something as soon as it tells a certain thing.
pub(crate) async fn bench_until(
    command: &str,
    arguments: &[&str],
    told: &str,
    then: impl Future<Output = ()>,
) -> (Value, bool) {
    let mut child = Command::new(VITRAIL);
    child.args(["bench", command, "--json", "-"]).args(arguments);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    while !lines.next_line().await.unwrap().unwrap().contains(told) {}
    then.await;
    let drained = tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let output = child.wait_with_output().await.unwrap();
    drained.await.unwrap();
    (serde_json::from_slice(&output.stdout).unwrap(), output.status.success())
}

/// `--target` before each.
pub(crate) fn towards(targets: &[String]) -> Vec<&str> {
    targets.iter().flat_map(|target| ["--target", target]).collect()
}

/// Nothing is wrong with any target, and nothing failed.
pub(crate) fn assert_right(report: &Value, told: &str) {
    let targets = report["targets"].as_array().unwrap_or_else(|| panic!("no report: {told}"));
    for target in targets {
        assert_eq!(target["wrong"], Value::Array(Vec::new()), "{target:#}");
        assert_eq!(target["errors"], Value::Object(serde_json::Map::new()), "{target:#}");
        let operations = target["operations"].as_array().unwrap();
        assert!(operations.iter().all(|operation| operation["latency"]["count"].as_u64().unwrap() > 0), "{target:#}");
    }
}
