//! One MySQL alone, behind Vitrail, and as two shards behind Vitrail.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::process::Command;
use vitrail_harness::{Flavour, Lasting};
use vitrail_trials::process::Process;

const VITRAIL: &str = env!("CARGO_BIN_EXE_vitrail");

const DATABASES: [&str; 4] = ["direct", "whole", "half_0", "half_1"];

pub(crate) struct Stage {
    pub(crate) server: Lasting,
    pub(crate) folder: tempfile::TempDir,
    gate: Process,
}

impl Stage {
    pub(crate) async fn start(flavour: Flavour, mysqld: &[&str]) -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let server = Lasting::start(flavour, mysqld).await;
        let config = config(&server, folder.path()).await;
        let gate = Process::start(Path::new(VITRAIL), "serve", &config, &[]).await;
        Stage { server, folder, gate }
    }

    /// `direct`, `whole` and `halves`.
    pub(crate) fn targets(&self) -> [String; 3] {
        [
            format!("direct=mysql://root@localhost/direct?socket={}", self.server.socket().display()),
            format!("whole=vitrail://app@{}/whole?tls=disable", self.gate.address()),
            format!("halves=vitrail://app@{}/halves?tls=disable", self.gate.address()),
        ]
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

/// `vitrail bench run`: the report if there is one, whether the exit status was 0, and what was said.
pub(crate) async fn bench(arguments: &[&str], targets: &[String]) -> (Value, bool, String) {
    let mut command = Command::new(VITRAIL);
    command.args(["bench", "run", "--json", "-"]).args(arguments);
    for target in targets {
        command.args(["--target", target]);
    }
    let output = command.output().await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    (serde_json::from_slice(&output.stdout).unwrap_or(Value::Null), output.status.success(), told)
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
