//! What a configured server must be: refused at start otherwise, with what to do.

use std::path::Path;
use std::sync::Arc;

use vitrail_harness::{Connection, Flavour, Server, flavours};
use vitrail_node::config;
use vitrail_node::error::StartError;
use vitrail_node::process::{Component, Process};
use vitrail_node::scratch::ScratchServer;
use vitrail_proto::error::Code;
use vitrail_service::QueryService;
use vitrail_service::call::On;
use vitrail_tablet::preflight::Severity;

use crate::{over, reserve, run};

/// The configuration of a scratch server for keyspace `plain`, which has one shard on a server of its flavour.
#[derive(Clone)]
struct Wanted {
    socket: String,
    user: &'static str,
    shared: bool,
    shard: String,
}

impl Wanted {
    async fn new(scratch: &Server) -> (Wanted, Arc<Server>) {
        let shards = vitrail_harness::server(scratch.flavour()).await;
        let database = shards.database("plain").await;
        let shard = format!(
            "[[keyspaces.plain.shards]]\nname = \"0\"\ndatabase = \"{database}\"\nmysql = {{ socket = \"{}\", user = \"root\" }}\n",
            shards.socket().display()
        );
        let socket = scratch.socket().display().to_string();
        (Wanted { socket, user: "root", shared: false, shard }, shards)
    }

    fn text(&self) -> String {
        let Wanted { socket, user, shared, shard } = self;
        format!(
            "[listen]\naddress = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\n[scratch]\nserver = \"configured\"\nshared = {shared}\n\
             statements = 2\n[scratch.mysql]\nsocket = \"{socket}\"\nuser = \"{user}\"\n{shard}"
        )
    }

    /// The errors that the preflight finds, each with its fix.
    async fn errors(&self) -> Vec<String> {
        let (scratch, tablet) = over(&self.text()).await;
        let findings = scratch.unwrap().preflight().await;
        tablet.close().await;
        let errors = findings.into_iter().filter(|finding| finding.severity == Severity::Error);
        errors.map(|error| format!("{} → {}", error.what, error.fix)).collect()
    }

    /// The only one, which must have these words.
    async fn refused(&self, words: &str) {
        let errors = self.errors().await;
        assert!(matches!(errors.as_slice(), [error] if error.contains(words)), "{words}: {errors:?}");
    }

    async fn accepted(&self) {
        assert_eq!(self.errors().await, [""; 0]);
    }
}

async fn execute(root: &mut Connection, statements: &[&str]) {
    for sql in statements {
        root.execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_server_is_used_and_others_are_refused() {
    for flavour in flavours() {
        let server = vitrail_harness::private_server(flavour).await;
        let (mut wanted, _shards) = Wanted::new(&server).await;
        let mut root = server.admin().await;
        wanted.accepted().await;

        execute(&mut root, &["CREATE DATABASE other"]).await;
        wanted
            .refused("the server holds other databases: other → take an empty server, or set scratch.shared = true")
            .await;
        let config = config::parse(&wanted.text(), Path::new("test")).unwrap();
        let started = Process::start(config, Component::Both).await.map(|_| ()).unwrap_err();
        assert!(matches!(started, StartError::Preflight(1)), "{started}");
        wanted.shared = true;
        wanted.accepted().await;

        for (make, name, drop) in [
            ("CREATE TABLE plain.t (id INT)", "`plain`.`t`", "DROP TABLE plain.t"),
            ("CREATE VIEW plain.v AS SELECT 1", "`plain`.`v`", "DROP VIEW plain.v"),
            ("CREATE TABLE vitrail_scratch.t (id INT)", "`vitrail_scratch`.`t`", "DROP TABLE vitrail_scratch.t"),
            ("CREATE TABLE `PLAIN`.t (id INT)", "`PLAIN`.`t`", "DROP TABLE `PLAIN`.t"),
        ] {
            execute(&mut root, &["CREATE DATABASE IF NOT EXISTS plain", "CREATE DATABASE IF NOT EXISTS `PLAIN`", make])
                .await;
            wanted.refused(&format!("hold tables or views: {name} → take a server without them")).await;
            execute(&mut root, &[drop]).await;
            wanted.accepted().await;
        }
        server.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_would_answer_otherwise_is_refused() {
    for flavour in flavours() {
        let server = vitrail_harness::private_server(flavour).await;
        let (mut wanted, _shards) = Wanted::new(&server).await;
        let mut root = server.admin().await;
        for (name, value) in [("sql_mode", "'ANSI'"), ("time_zone", "'+05:00'"), ("group_concat_max_len", "17")] {
            let before = root.fetch_cell(&format!("SELECT @@global.{name}")).await.unwrap().unwrap();
            execute(&mut root, &[&format!("SET GLOBAL {name} = {value}")]).await;
            wanted.refused(&format!("{name} is ")).await;
            let before = if before.parse::<u64>().is_ok() { before } else { format!("'{before}'") };
            execute(&mut root, &[&format!("SET GLOBAL {name} = {before}")]).await;
            wanted.accepted().await;
        }
        if flavour == Flavour::MariaDb {
            for shared in [false, true] {
                wanted.shared = shared;
                execute(&mut root, &["SET GLOBAL binlog_format = 'STATEMENT'"]).await;
                wanted
                    .refused("binlog_format is STATEMENT: MariaDB would write every temporary table to its binlog")
                    .await;
                execute(&mut root, &["SET GLOBAL binlog_format = 'ROW'"]).await;
                wanted.accepted().await;
            }
        }
        for other in flavours().into_iter().filter(|other| *other != flavour) {
            let other = vitrail_harness::server(other).await;
            let wanted = Wanted { socket: other.socket().display().to_string(), shared: true, ..wanted.clone() };
            let errors = wanted.errors().await;
            assert!(errors.iter().any(|error| error.contains("and 1 of 1 shards are not")), "{errors:?}");
        }
        wanted.socket = server.data().join("none.sock").display().to_string();
        wanted.refused("start the server, or correct").await;
        server.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_account_needs_little_and_that_is_enough() {
    for flavour in flavours() {
        let server = vitrail_harness::private_server(flavour).await;
        let (mut wanted, _shards) = Wanted::new(&server).await;
        let mut root = server.admin().await;
        execute(
            &mut root,
            &[
                "CREATE USER small@localhost",
                "GRANT SELECT, INSERT, CREATE, CREATE TEMPORARY TABLES ON `vitrail\\_scratch`.* TO small@localhost",
                "GRANT SELECT ON plain.* TO small@localhost",
            ],
        )
        .await;
        wanted.user = "small";
        let words =
            "user `small` lacks INSERT, CREATE, CREATE TEMPORARY TABLES on database `plain` → GRANT INSERT, CREATE";
        wanted.refused(words).await;
        execute(&mut root, &["GRANT INSERT, CREATE, CREATE TEMPORARY TABLES ON plain.* TO small@localhost"]).await;
        wanted.accepted().await;

        let (scratch, tablet) = over(&wanted.text()).await;
        let scratch = scratch.unwrap();
        let reads_files = async |scratch: &ScratchServer| {
            scratch.preflight().await.iter().any(|finding| finding.what.contains("may read files"))
        };
        assert!(!reads_files(&scratch).await);
        execute(&mut root, &["GRANT FILE ON *.* TO small@localhost"]).await;
        assert!(reads_files(&scratch).await);
        assert_eq!(scratch.info().flavour, "");
        let (connection, _) = reserve(&scratch, "CREATE DATABASE IF NOT EXISTS plain").await;
        let on = || On::Connection(connection);
        for sql in
            ["CREATE TEMPORARY TABLE plain.t (id INT PRIMARY KEY, KEY (id))", "INSERT INTO plain.t VALUES (1), (2)"]
        {
            run(&scratch, sql, on()).await.unwrap();
        }
        assert_eq!(run(&scratch, "SELECT SUM(id) FROM plain.t", on()).await.unwrap().1, ["3"]);
        assert_eq!((scratch.info().flavour.as_str(), scratch.process_id()), (flavour.as_str(), None));
        assert!(scratch.stats().running);
        scratch.release(connection).await;
        let (_, count) =
            reserve(&scratch, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'plain'").await;
        assert_eq!(count, ["0"]);
        scratch.close().await;

        // Who has made a table since the start is found by the first use.
        let (scratch, _) = over(&wanted.text()).await;
        let scratch = scratch.unwrap();
        execute(&mut root, &["CREATE TABLE plain.t (id INT)"]).await;
        let error = run(&scratch, "SELECT * FROM plain.t", On::Reserve).await.unwrap_err();
        assert_eq!((error.code, error.retryable), (Code::Unavailable, true));
        assert_eq!((scratch.stats().failed_starts, scratch.stats().starts), (1, 0));
        tablet.close().await;
        server.kill().await;
    }
}
