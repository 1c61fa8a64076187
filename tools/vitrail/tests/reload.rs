//! SIGHUP as an operator sends it: to a process that serves, with a configuration that is good, and one that is not.
#![expect(clippy::unwrap_used, reason = "a panic in a test is the report")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use vitrail_client::{Client, Session};

const VITRAIL: &str = env!("CARGO_BIN_EXE_vitrail");
/// Everything that a test waits for happens in this time, on a machine under any load.
const LONG: Duration = Duration::from_secs(60);

/// `vitrail serve`, ended by its process id.
struct Process {
    child: Child,
    config: PathBuf,
    address: String,
    http: String,
}

impl Process {
    fn start(config: &Path) -> Process {
        let log = std::fs::File::create(config.with_extension("log")).unwrap();
        let mut child = Command::new(VITRAIL)
            .args(["--log", "info", "--log-json", "serve", "--config"])
            .arg(config)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let address =
            lines.find_map(|line| Some(line.strip_prefix("vitrail: serving on ")?.split(' ').next()?.to_owned()));
        let http = lines.find_map(|line| Some(line.strip_prefix("vitrail: health and metrics on http://")?.to_owned()));
        Process { child, config: config.to_owned(), address: address.unwrap(), http: http.unwrap() }
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }

    fn get(&self, path: &str) -> String {
        let mut stream = std::net::TcpStream::connect(&self.http).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        std::io::read_to_string(stream).unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.config.with_extension("log")).unwrap()
    }

    /// Sends SIGHUP, and waits until the metric has grown.
    async fn reload(&self, metric: &str) {
        let figure = || {
            let text = self.get("/metrics");
            let line = text.lines().find(|line| line.starts_with(&format!("{metric} "))).map(str::to_owned);
            line.and_then(|line| line.split(' ').next_back().and_then(|figure| figure.parse::<u64>().ok())).unwrap()
        };
        let before = figure();
        self.signal("-HUP");
        let grows = async {
            while figure() == before {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let grown = tokio::time::timeout(LONG, grows).await;
        assert!(grown.is_ok(), "{metric} stays at {before}\n{}", self.log());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(arguments: &[&str]) -> Output {
    Command::new(VITRAIL).args(arguments).stdin(Stdio::null()).output().unwrap()
}

async fn errno(session: &mut Session, sql: &str) -> u16 {
    session.execute(sql, ()).await.map_or_else(|error| error.errno(), |_| 0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sighup_replaces_users_and_a_bad_file_changes_nothing() {
    for flavour in vitrail_harness::flavours() {
        let server = vitrail_harness::server(flavour).await;
        let database = server.database("reload").await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vitrail.toml");
        let write = |port: &str, users: &str| {
            let text = format!(
                "[listen]\naddress = \"127.0.0.1:{port}\"\nhttp = \"127.0.0.1:0\"\n\n{users}\n\n[keyspaces.shop]\n\n[[keyspaces.shop.shards]]\n\
                 name = \"0\"\ndatabase = \"{database}\"\nmysql = {{ socket = \"{}\", user = \"root\" }}\n",
                server.socket().display()
            );
            std::fs::write(&path, text).unwrap();
        };
        // The entry is made as an operator makes it.
        let password = folder.path().join("password");
        std::fs::write(&password, "s3cret\n").unwrap();
        let user = |grant: &str| {
            let output = run(&["user", "app", "--password-file", password.to_str().unwrap(), "--grant", grant]);
            assert!(output.status.success());
            String::from_utf8(output.stdout).unwrap()
        };
        write("0", &user("admin"));
        let process = Process::start(&path);
        let port = process.address.rsplit(':').next().unwrap().to_owned();
        let client = Client::connect(&format!("vitrail://app:s3cret@{}/shop", process.address)).await.unwrap();
        let mut session = client.session();
        assert_eq!(errno(&mut session, "CREATE TABLE item (id INT PRIMARY KEY)").await, 0);
        let id: u64 = session.query_scalar("SELECT CONNECTION_ID()", ()).await.unwrap();

        write(&port, &user("reader:sh*.item"));
        process.reload("vitrail_reloads_total").await;
        assert_eq!(errno(&mut session, "INSERT INTO item VALUES (1)").await, 1142);
        assert_eq!(errno(&mut session, "SELECT * FROM item").await, 0);
        let grants: String = session.query_scalar("SHOW GRANTS", ()).await.unwrap();
        assert_eq!(grants, "GRANT reader ON sh*.item TO 'app'");

        // A good file can be checked while the process has its port; a bad one changes nothing, and says what is wrong.
        let check = || run(&["serve", "--check", "--config", path.to_str().unwrap()]);
        let output = check();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        write(&port, &user("admin").replace("role = \"admin\"", "role = \"emperor\""));
        assert!(!check().status.success());
        process.reload("vitrail_reload_failures_total").await;
        assert!(process.log().contains("unknown variant `emperor`"));
        let ready = process.get("/readyz");
        assert!(ready.contains("200 OK") && ready.contains("the last reload failed"), "{ready}");
        assert_eq!(errno(&mut session, "INSERT INTO item VALUES (1)").await, 1142);

        write(&port, &user("writer"));
        process.reload("vitrail_reloads_total").await;
        assert!(!process.get("/readyz").contains("reload"));
        assert_eq!(errno(&mut session, "INSERT INTO item VALUES (1)").await, 0);
        assert_eq!(session.query_scalar::<u64>("SELECT CONNECTION_ID()", ()).await.unwrap(), id, "nobody was cut off");

        // Who came, and who was refused, is in the log; no password is.
        assert!(Client::connect(&format!("vitrail://app:wr0ng@{}/shop", process.address)).await.is_err());
        let log = process.log();
        let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for (message, field) in [("login", "address"), ("login refused", "address"), ("statement denied", "why")] {
            let found =
                lines.iter().find(|line| line["target"] == "vitrail::audit" && line["fields"]["message"] == message);
            let fields = &found.unwrap_or_else(|| panic!("`{message}` is not in\n{log}"))["fields"];
            assert!(
                fields["user"].as_str().unwrap().trim_matches('"') == "app" && fields[field].is_string(),
                "{fields}"
            );
        }
        assert!(!log.contains("s3cret") && !log.contains("wr0ng"));
        session.close().await.unwrap();
        client.close();
        let mut process = process;
        process.signal("-TERM");
        assert!(tokio::task::spawn_blocking(move || process.child.wait().unwrap().success()).await.unwrap());
    }
}

/// Its vschema is wrong about each table but the first.
const VSCHEMA: &str = r#"{"sharded": true, "vindexes": {"hash": {"type": "hash"}}, "tables": {
    "item": {"column_vindexes": [{"column": "id", "name": "hash"}]},
    "bill": {"column_vindexes": [{"column": "shop", "name": "hash"}]},
    "note": {"column_vindexes": [{"column": "text", "name": "hash"}]},
    "gone": {"column_vindexes": [{"column": "id", "name": "hash"}]}}}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemas_are_held_against_the_vschema_and_read_anew_on_sighup() {
    for flavour in vitrail_harness::flavours() {
        let databases = vitrail_harness::Cluster::new(flavour, 2, "reload").await;
        databases
            .execute_everywhere(&[
                "CREATE TABLE item (id BIGINT PRIMARY KEY, name VARCHAR(20))",
                "CREATE TABLE bill (id BIGINT PRIMARY KEY, shop_id BIGINT NOT NULL)",
                "CREATE TABLE note (id BIGINT PRIMARY KEY, text VARCHAR(20))",
            ])
            .await;
        let folder = tempfile::tempdir().unwrap();
        let (path, vschema) = (folder.path().join("vitrail.toml"), folder.path().join("shop.json"));
        std::fs::write(&vschema, VSCHEMA).unwrap();
        let mut text = "[listen]\naddress = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\npasswordless_loopback = true\n\n[users.app]\n\n\
             [keyspaces.shop]\nvschema = \"shop.json\"\n"
            .to_owned();
        for (name, database) in ["-80", "80-"].iter().zip(&databases.shards) {
            let socket = databases.server.socket().display().to_string();
            text += &format!(
                "[[keyspaces.shop.shards]]\nname = \"{name}\"\ndatabase = \"{database}\"\nmysql = {{ socket = \"{socket}\", user = \"root\" }}\n"
            );
        }
        std::fs::write(&path, text).unwrap();
        let process = Process::start(&path);
        let log = process.log();
        for (level, finding) in [
            (
                "ERROR",
                "the vschema of 'shop' does not fit its table `bill`: MySQL has no column `shop`, by which it is sharded",
            ),
            (
                "ERROR",
                "the vschema of 'shop' does not fit its table `note`: the vindex `hash` does not take values of the column `text`",
            ),
            (
                "WARN",
                "the vschema of 'shop' does not fit its table `gone`: it is in the vschema, and MySQL has no such table",
            ),
        ] {
            let line = log.lines().find(|line| line.contains(finding)).unwrap_or_else(|| panic!("{finding}\n{log}"));
            assert!(line.contains(&format!("\"level\":\"{level}\"")), "{line}");
        }

        let client = Client::connect(&format!("vitrail://app@{}/shop?tls=disable", process.address)).await.unwrap();
        let mut session = client.session();
        session.execute("INSERT INTO item VALUES (1, 'a'), (2, 'b'), (4, 'd')", ()).await.unwrap();
        let by_price = "SELECT * FROM item ORDER BY price DESC, id";
        session.execute(by_price, ()).await.expect_err("there is no such column yet");
        for database in &databases.shards {
            let mut connection = databases.server.connect(database).await;
            connection.execute("ALTER TABLE item ADD COLUMN price INT NOT NULL DEFAULT 3 FIRST").await.unwrap();
            connection.execute("UPDATE item SET price = id").await.unwrap();
        }
        process.reload("vitrail_reloads_total").await;
        let known = async {
            loop {
                match session.query_all(by_price, ()).await {
                    Ok(rows) => break rows,
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        let rows = tokio::time::timeout(LONG, known).await.unwrap_or_else(|_| panic!("{}", process.log()));
        let prices: Vec<&[u8]> = rows.iter().filter_map(|row| row.raw(0)).collect();
        assert_eq!(prices, [b"4", b"2", b"1"]);
        let mut findings: Vec<String> = session
            .query_all("SHOW VITRAIL SCHEMA", ())
            .await
            .unwrap()
            .iter()
            .map(|row| String::from_utf8_lossy(row.raw(1).unwrap_or_default()).into_owned())
            .collect();
        findings.dedup();
        assert_eq!(findings, ["bill", "gone", "note"]);
        session.close().await.unwrap();
        client.close();
    }
}

#[test]
fn grants_on_the_command_line_are_checked() {
    for (grant, expected) in [("owner", "no role"), ("reader:", "has no name"), ("reader:a.", "has no name")] {
        let output = run(&["user", "app", "--grant", grant]);
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && message.contains(expected), "{grant}: {message}");
    }
}
