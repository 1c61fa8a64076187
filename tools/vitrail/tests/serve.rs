//! `vitrail serve`, `gate` and `tablet` as operators run them: real processes, real signals, two gates and a client on both.
#![expect(clippy::unwrap_used, clippy::zombie_processes, reason = "a panic in a test is the report")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use vitrail_client::{Client, Query};
use vitrail_harness::Cluster;
use vitrail_mysql::Flavour;

const VITRAIL: &str = env!("CARGO_BIN_EXE_vitrail");

const VSCHEMA: &str = r#"{"sharded": true, "vindexes": {"hash": {"type": "hash"}},
    "tables": {"users": {"column_vindexes": [{"column": "id", "name": "hash"}]}}}"#;

/// A process of Vitrail, ended by its process id.
struct Process {
    child: Child,
    address: String,
    http: String,
}

impl Process {
    fn start(command: &str, config: &Path) -> Process {
        let mut child =
            Command::new(VITRAIL).args([command, "--config"]).arg(config).stdout(Stdio::piped()).spawn().unwrap();
        let mut address = None;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some(rest) = line.strip_prefix("vitrail: serving on ") {
                address = rest.split(' ').next().map(str::to_owned);
            }
            if let Some(http) = line.strip_prefix("vitrail: health and metrics on ") {
                return Process { child, address: address.unwrap(), http: http.to_owned() };
            }
        }
        panic!("`vitrail {command}` ended before it served");
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }

    fn ready(&self) -> String {
        let address = self.http.trim_start_matches("http://");
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        std::io::read_to_string(stream).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Setting {
    cluster: Cluster,
    folder: tempfile::TempDir,
}

impl Setting {
    async fn new(flavour: Flavour) -> Setting {
        let cluster = Cluster::new(flavour, 2, "serve").await;
        cluster.execute_everywhere(&["CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(40))"]).await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("shop.json"), VSCHEMA).unwrap();
        Setting { cluster, folder }
    }

    /// A configuration with one body per shard.
    fn config(&self, name: &str, listen: &str, shards: &[(&str, String)]) -> std::path::PathBuf {
        let mut text = format!(
            "[listen]\naddress = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\ndrain = \"20s\"\n{listen}\n[keyspaces.shop]\nvschema = \"shop.json\"\n"
        );
        for (shard, body) in shards {
            text.push_str(&format!("\n[[keyspaces.shop.shards]]\nname = \"{shard}\"\n{body}\n"));
        }
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn local(&self, shard: usize) -> String {
        format!(
            "database = \"{}\"\nmysql = {{ socket = \"{}\", user = \"root\" }}",
            self.cluster.shards[shard],
            self.cluster.server.socket().display()
        )
    }

    fn both(&self) -> [(&'static str, String); 2] {
        [("-80", self.local(0)), ("80-", self.local(1))]
    }
}

fn run(arguments: &[&str]) -> Output {
    Command::new(VITRAIL).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// The entry that `vitrail user` prints.
fn user(folder: &Path, name: &str, password: &str) -> String {
    let file = folder.join(format!("{name}.password"));
    std::fs::write(&file, format!("{password}\n")).unwrap();
    let output = run(&["user", name, "--password-file", file.to_str().unwrap()]);
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gates_come_and_go_and_tablets_serve_them() {
    for flavour in vitrail_harness::flavours() {
        let setting = Setting::new(flavour).await;
        let folder = setting.folder.path();
        // Tablets behind passwords; the gates' users are made by `vitrail user`.
        let gate_user = user(folder, "gate", "between us").replace("scram", "role = \"gate\"\nscram");
        let mut shards = Vec::new();
        let mut tablets = Vec::new();
        for (number, (shard, body)) in setting.both().into_iter().enumerate() {
            let config = setting.config(&format!("tablet{number}.toml"), &gate_user, &[(shard, body)]);
            let tablet = Process::start("tablet", &config);
            let body =
                format!("tablet = \"vitrail://gate@{}\"\ntablet_password_file = \"gate.password\"", tablet.address);
            shards.push((shard, body));
            tablets.push(tablet);
        }
        let config = setting.config("gate.toml", &user(folder, "app", "s3cret"), &shards);
        let (first, second) = (Process::start("gate", &config), Process::start("gate", &config));

        let url = format!("vitrail://app:s3cret@{},{}/shop", first.address, second.address);
        let client = Client::connect(&url).await.unwrap();
        let values: Vec<String> = (1..=30).map(|id| format!("({id}, 'u{id}')")).collect();
        client.execute(format!("INSERT INTO users (id, name) VALUES {}", values.join(", ")), ()).await.unwrap();
        let mut sessions: Vec<_> = (0..10).map(|_| client.session()).collect();
        for session in &mut sessions {
            session.execute("SET time_zone = '+05:00'", ()).await.unwrap();
        }

        // One gate is killed: idle sessions go on at the other one, with their settings.
        first.signal("-KILL");
        for session in &mut sessions {
            let read = |sql: &str| Query::new(sql).read_only();
            let zone: String = session.query_scalar(read("SELECT @@time_zone"), ()).await.unwrap();
            assert_eq!(zone, "+05:00");
            assert_eq!(session.query_scalar::<i64>(read("SELECT COUNT(*) FROM users"), ()).await.unwrap(), 30);
        }

        // A third one takes over while the second drains on SIGTERM, which ends in order.
        let third = Process::start("gate", &config);
        let more =
            Client::connect(&format!("vitrail://app:s3cret@{},{}/shop", second.address, third.address)).await.unwrap();
        let mut session = more.session();
        session.execute("SET time_zone = '-02:00'", ()).await.unwrap();
        assert!(second.ready().contains("200 OK"));
        let mut second = second;
        second.signal("-TERM");
        for _ in 0..20 {
            let zone: String = session.query_scalar("SELECT @@time_zone", ()).await.unwrap();
            assert_eq!(zone, "-02:00");
        }
        assert!(tokio::task::spawn_blocking(move || second.child.wait().unwrap().success()).await.unwrap());
        assert_eq!(session.query_scalar::<i64>("SELECT COUNT(*) FROM users", ()).await.unwrap(), 30);
        session.close().await.unwrap();
        client.close();
        more.close();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_preflight_names_each_fix() {
    for flavour in vitrail_harness::flavours() {
        let setting = Setting::new(flavour).await;
        let good = setting.config("good.toml", "", &setting.both());
        let check = |config: &Path| run(&["serve", "--check", "--config", config.to_str().unwrap()]);
        let output = check(&good);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

        let missing = [("-80", setting.local(0).replace("serve_shard0", "nowhere")), ("80-", setting.local(1))];
        let mut admin = setting.cluster.server.admin().await;
        admin.execute("CREATE USER 'reader'@'localhost' IDENTIFIED BY ''").await.unwrap();
        admin
            .execute(&format!("GRANT SELECT ON `{}`.* TO 'reader'@'localhost'", setting.cluster.shards[0]))
            .await
            .unwrap();
        let reader = [("-80", setting.local(0).replace("root", "reader")), ("80-", setting.local(1))];
        let nobody = [("-80", setting.local(0).replace("mysqld.sock", "nobody.sock")), ("80-", setting.local(1))];
        let gap = [("-80", setting.local(0)), ("c0-", setting.local(1))];
        let cases = [
            ("a database that is not there", &missing, "does not exist"),
            ("an account without rights", &reader, "GRANT"),
            ("a server that does not answer", &nobody, "nobody.sock"),
            ("a gap between the shards", &gap, "no shard holds"),
        ];
        for (what, shards, says) in cases {
            let output = check(&setting.config("bad.toml", "", shards));
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success() && text.contains(says), "{what}: `{says}` is not in\n{text}");
        }
        admin.execute("DROP USER 'reader'@'localhost'").await.unwrap();

        // A column more on one shard: a warning that names the table.
        let mut shard = setting.cluster.server.connect(&setting.cluster.shards[1]).await;
        shard.execute("ALTER TABLE users ADD COLUMN age INT").await.unwrap();
        let output = check(&good);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains("users") && text.contains("80-"), "{text}");
    }
}

#[test]
fn wrong_configurations_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vitrail.toml");
    let cases = [
        ("[listen]\nadress = \"x\"", "did you mean `address`?"),
        (
            "[listen]\naddress = \"0.0.0.0:0\"\n[[keyspaces.a.shards]]\nname = \"0\"\ndatabase = \"d\"\nmysql = {}",
            "plaintext = true",
        ),
        ("", "nothing to serve"),
    ];
    for (text, says) in cases {
        std::fs::write(&path, text).unwrap();
        let output = run(&["serve", "--config", path.to_str().unwrap()]);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && message.contains(says), "`{says}` is not in\n{message}");
    }
    let output = run(&["serve", "--config", "/nowhere/vitrail.toml"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot read /nowhere/vitrail.toml"));
}
