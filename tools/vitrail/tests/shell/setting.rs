//! What the tests run against: a sharded keyspace `shop` and an unsharded one, `agency`, behind `vitrail serve`.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use vitrail_harness::{Cluster, Connection, Flavour};

pub const VITRAIL: &str = env!("CARGO_BIN_EXE_vitrail");

const VSCHEMA: &str = r#"{"sharded": true, "vindexes": {"hash": {"type": "hash"}},
    "tables": {"users": {"column_vindexes": [{"column": "id", "name": "hash"}]}}}"#;

/// A serving process over databases of its own.
pub struct Setting {
    pub cluster: Cluster,
    pub folder: tempfile::TempDir,
    child: Child,
    pub address: String,
}

impl Setting {
    /// Twenty users over two shards.
    pub async fn new(flavour: Flavour) -> Setting {
        let cluster = Cluster::new(flavour, 2, "shell").await;
        cluster
            .execute_everywhere(&[
                "CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(40), picture VARBINARY(40), KEY by_name (name))",
            ])
            .await;
        let mut unsharded = cluster.server.connect(&cluster.unsharded).await;
        unsharded.execute("CREATE TABLE booking (id INT PRIMARY KEY, note TEXT)").await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("shop.json"), VSCHEMA).unwrap();
        std::fs::create_dir(folder.path().join("home")).unwrap();
        let socket = cluster.server.socket().display().to_string();
        let shard = |keyspace: &str, name: &str, database: &str| {
            format!(
                "[[keyspaces.{keyspace}.shards]]\nname = \"{name}\"\ndatabase = \"{database}\"\nmysql = {{ socket = \"{socket}\", user = \"root\" }}\n"
            )
        };
        let config = format!(
            "[listen]\naddress = \"ADDRESS\"\nhttp = \"127.0.0.1:0\"\npasswordless_loopback = true\ndrain = \"1s\"\n\n[users.demo]\n\n\
             [keyspaces.shop]\nvschema = \"shop.json\"\n{}{}\n[keyspaces.agency]\n{}",
            shard("shop", "-80", &cluster.shards[0]),
            shard("shop", "80-", &cluster.shards[1]),
            shard("agency", "0", &cluster.unsharded),
        );
        std::fs::write(folder.path().join("config"), config).unwrap();
        let (child, address) = serve(folder.path(), "127.0.0.1:0");
        let setting = Setting { cluster, folder, child, address };
        let values: Vec<String> = (1..=20).map(|id| format!("({id}, 'user {id}', x'00{id:02}')")).collect();
        let insert = format!("INSERT INTO users (id, name, picture) VALUES {}", values.join(", "));
        assert!(setting.run(&["-e", &insert], None).status.success());
        setting
    }

    /// The URL of a target.
    pub fn url(&self, target: &str) -> String {
        format!("vitrail://demo@{}/{target}", self.address)
    }

    /// The folder of the shell's files.
    pub fn home(&self) -> std::path::PathBuf {
        self.folder.path().join("home")
    }

    /// Kills the gate, and starts another at the same address.
    pub fn restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let (child, _) = serve(self.folder.path(), &self.address);
        self.child = child;
    }

    /// Runs `vitrail sql` on `shop` without a terminal.
    pub fn run(&self, arguments: &[&str], input: Option<&str>) -> Output {
        let mut command = Command::new(VITRAIL);
        command.arg("sql").arg(self.url("shop")).args(arguments).current_dir(self.folder.path());
        command.env("HOME", self.home()).env_remove("VITRAIL_URL");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A shell that leaves early reads no more.
        let _ = stdin.write_all(input.unwrap_or_default().as_bytes());
        drop(stdin);
        child.wait_with_output().unwrap()
    }

    /// How many of MySQL's connections run a statement that has `text`.
    pub async fn running(&self, admin: &mut Connection, text: &str) -> u64 {
        let sql = format!(
            "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%{text}%' AND info NOT LIKE '%processlist%'"
        );
        let count = admin.fetch_cell(&sql).await.unwrap().unwrap();
        count.parse().unwrap()
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(folder: &Path, address: &str) -> (Child, String) {
    let config = std::fs::read_to_string(folder.join("config")).unwrap().replace("ADDRESS", address);
    let path = folder.join("vitrail.toml");
    std::fs::write(&path, config).unwrap();
    let mut child = Command::new(VITRAIL)
        .args(["serve", "--log", "error", "--config"])
        .arg(&path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        if let Some(rest) = line.unwrap().strip_prefix("vitrail: serving on ") {
            return (child, rest.split(' ').next().unwrap().to_owned());
        }
    }
    panic!("`vitrail serve` ended before it served");
}
