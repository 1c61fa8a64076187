//! What is measured: a MySQL, and a `vitrail serve` in front of it.

use std::path::PathBuf;

use vitrail_harness::{Flavour, PASSWORD, Server, USER};

use super::tool::Tool;
use crate::process::Process;

/// Bytes.
pub const MIB: f64 = 1_048_576.0;

/// The most connections of clients, beside the other files of a process that may have 20,000.
const CONNECTIONS: usize = 19_000;

/// A MySQL for the whole table.
pub struct MySql {
    server: Server,
}

impl MySql {
    /// Starts one that lets enough connections in for those who come to it directly.
    pub async fn start(flavour: Flavour) -> MySql {
        let arguments = ["--max-connections=5000", "--back-log=2000", "--innodb-flush-log-at-trx-commit=2"];
        let server = Server::start(flavour, arguments.map(str::to_owned).to_vec()).await;
        let mut admin = server.admin().await;
        for database in ["goals_vitrail", "goals_direct"] {
            admin.execute(&format!("CREATE DATABASE {database}")).await.expect("root can create databases");
        }
        admin.quit().await;
        MySql { server }
    }

    /// The target `direct` of the tool.
    pub fn target(&self) -> String {
        format!("direct=mysql://{USER}:{PASSWORD}@127.0.0.1:{}/goals_direct", self.server.port())
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// A configuration of the one shard that is served over it, with further tables before it. Ports are free ones.
    pub fn config(&self, listen: &str, tables: &str) -> String {
        format!(
            "[listen]\naddress = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\npasswordless_loopback = true\nmax_connections = {CONNECTIONS}\n{listen}\n\
             [users.app]\nrole = \"application\"\ngrants = [{{ role = \"admin\" }}]\n\n{tables}\n[keyspaces.goals]\n\n\
             [[keyspaces.goals.shards]]\nname = \"-\"\ndatabase = \"goals_vitrail\"\nmysql = {{ socket = \"{}\", user = \"root\" }}\n",
            self.server.socket().display()
        )
    }

    /// Ends it.
    pub async fn stop(self) {
        self.server.kill().await;
    }
}

/// A `vitrail serve` in front of it.
pub struct Vitrail {
    process: Process,
    folder: tempfile::TempDir,
    tls: bool,
}

impl Vitrail {
    /// Starts one with further tables in its configuration.
    pub async fn start(tool: &Tool, mysql: &MySql, tables: &str) -> Vitrail {
        Vitrail::serve(tool, folder(), mysql.config("", tables), false).await
    }

    /// Starts one whose clients come over TLS.
    pub async fn start_tls(tool: &Tool, mysql: &MySql) -> Vitrail {
        let folder = folder();
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate can be made");
        for (name, text) in [("server.pem", pair.cert.pem()), ("server.key", pair.signing_key.serialize_pem())] {
            std::fs::write(folder.path().join(name), text).expect("the folder can be written");
        }
        let listen = "[listen.tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\n";
        Vitrail::serve(tool, folder, mysql.config(listen, ""), true).await
    }

    async fn serve(tool: &Tool, folder: tempfile::TempDir, text: String, tls: bool) -> Vitrail {
        let config = folder.path().join("vitrail.toml");
        std::fs::write(&config, text).expect("the folder can be written");
        let process = Process::start(&tool.vitrail, "serve", &config, &[]).await;
        Vitrail { process, folder, tls }
    }

    /// The target `vitrail` of the tool.
    pub fn target(&self) -> String {
        let port = self.process.address().port();
        if self.tls {
            let ca = self.folder.path().join("server.pem");
            return format!("vitrail=vitrail://app@localhost:{port}/goals?tls=verify-full&ca={}", ca.display());
        }
        format!("vitrail={}", self.url())
    }

    /// Where clients without TLS find it.
    pub fn url(&self) -> String {
        format!("vitrail://app@127.0.0.1:{}/goals?tls=disable", self.process.address().port())
    }

    /// Runs `work`; the resident bytes of the server before it, and the most of them while it ran.
    pub async fn peak<T>(&self, work: impl Future<Output = T>) -> (T, u64, u64) {
        let before = self.process.reset_peak();
        let done = work.await;
        (done, before, self.process.peak())
    }

    /// Waits until it gives no more memory back.
    pub async fn settle(&self) {
        let mut least = self.process.memory();
        let mut since = 0;
        let mut look = tokio::time::interval(std::time::Duration::from_millis(100));
        look.tick().await;
        while since < 20 {
            look.tick().await;
            let now = self.process.memory();
            since = if now + (64 << 10) < least { 0 } else { since + 1 };
            least = least.min(now);
        }
    }

    /// A file in its folder.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("the folder can be written");
        path
    }

    /// Ends it in order.
    pub async fn stop(self) {
        self.process.stop().await;
    }
}

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("vitrail-goals-").tempdir().expect("a folder can be made")
}
