//! A real MySQL behind Vitrail and beside it, for the commands of `vitrail bench`.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use vitrail_harness::Lasting;
use vitrail_mysql::Flavour;
use vitrail_trials::process::Process;

/// The binary under test.
pub const VITRAIL: &str = env!("CARGO_BIN_EXE_vitrail");

/// Two databases of one server: one behind Vitrail, one alone.
pub struct Stage {
    pub server: Lasting,
    pub gate: Process,
    _folder: TempDir,
}

impl Stage {
    /// Starts both.
    pub async fn start(flavour: Flavour) -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let server = Lasting::start(flavour, &[]).await;
        let mut admin = server.connect("").await;
        for database in ["load_vitrail", "load_direct"] {
            admin.execute(&format!("CREATE DATABASE {database}")).await.unwrap();
        }
        admin.quit().await;
        let gate = Process::start(Path::new(VITRAIL), "serve", &config(&server, folder.path()), &[]).await;
        Stage { server, gate, _folder: folder }
    }

    /// Vitrail.
    pub fn vitrail(&self) -> String {
        format!("vitrail://app@{}/load?tls=disable", self.gate.address())
    }

    /// The same MySQL without it.
    pub fn direct(&self) -> String {
        format!("direct=mysql://root@localhost/load_direct?socket={}", self.server.socket().display())
    }

    /// Ends both.
    pub async fn stop(self) {
        self.gate.stop().await;
        self.server.crash().await;
    }
}

fn config(server: &Lasting, folder: &Path) -> PathBuf {
    let path = folder.join("bench.toml");
    let text = format!(
        "[listen]\naddress = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\npasswordless_loopback = true\n\n\
         [users.app]\nrole = \"application\"\ngrants = [{{ role = \"admin\" }}]\n\n[keyspaces.load]\n\n[[keyspaces.load.shards]]\nname = \"-\"\n\
         database = \"load_vitrail\"\nmysql = {{ socket = \"{}\", user = \"root\" }}\n",
        server.socket().display()
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// The report of `vitrail bench COMMAND --json - …`, whether the exit status was 0, and what it told.
pub async fn bench(command: &str, arguments: &[&str]) -> (Value, bool, String) {
    let output = Command::new(VITRAIL).args(["bench", command, "--json", "-"]).args(arguments).output().await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {told}"));
    (report, output.status.success(), told)
}
