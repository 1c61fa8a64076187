//! The end of a server: killed, full, or with its process.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::{interval, timeout};
use vitrail_harness::flavours;
use vitrail_node::scratch::ScratchServer;
use vitrail_proto::error::{Code, ErrorBody, Executed};
use vitrail_service::QueryService;
use vitrail_service::call::{ConnectionId, On};

use crate::support::{Shape, Vitrail};
use crate::{LONG, reserve, run, runs};

async fn until(what: &str, holds: impl Fn() -> bool) {
    let mut tick = interval(Duration::from_millis(10));
    let waited = timeout(LONG, async {
        while !holds() {
            tick.tick().await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("waited in vain until {what}"));
}

async fn kill(process: u32) {
    assert!(Command::new("kill").args(["-9", &process.to_string()]).status().await.unwrap().success());
}

/// Waits until so many statements with these words run there.
async fn until_running(scratch: &ScratchServer, on: ConnectionId, words: &str, count: &str) {
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%{words}%' AND id <> CONNECTION_ID()"
    );
    let asked = timeout(LONG, async {
        while run(scratch, &sql, On::Connection(on)).await.unwrap().1 != [count] {
            tokio::task::yield_now().await;
        }
    });
    asked.await.expect("the statements begin");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_is_started_again() {
    for flavour in flavours() {
        let vitrail = Vitrail::start(flavour, 1, Shape::Together).await;
        let scratch = Arc::clone(vitrail.gate.scratch().unwrap());
        let (resting, _) = reserve(&scratch, "CREATE DATABASE IF NOT EXISTS shop").await;
        let statements = ["SELECT 1, SLEEP(600)", "INSERT INTO shop.t SELECT SLEEP(600)"];
        let mut under_way = Vec::new();
        for sql in statements {
            let (id, _) = reserve(&scratch, "CREATE TEMPORARY TABLE shop.t (id INT)").await;
            let server = Arc::clone(&scratch);
            under_way.push(tokio::spawn(async move { run(&server, sql, On::Connection(id)).await }));
        }
        until_running(&scratch, resting, "SLEEP(600)", "2").await;
        let process = scratch.process_id().unwrap();
        kill(process).await;
        let is_lost = |error: ErrorBody| {
            assert_eq!(
                (&error.code, error.executed, error.retryable),
                (&Code::Unavailable, Executed::No, true),
                "{error}"
            );
        };
        for statement in under_way {
            is_lost(statement.await.unwrap().unwrap_err());
        }

        // At once, whether or not the news of the end has come.
        let (first, _) = reserve(&scratch, "CREATE DATABASE IF NOT EXISTS shop").await;
        assert_ne!(scratch.process_id().unwrap(), process);
        assert_eq!((scratch.stats().starts, scratch.stats().reserved), (2, 1));
        // What was reserved on the old one has gone with it, and is not taken for what is reserved on the new one.
        is_lost(run(&scratch, "SELECT 1", On::Connection(resting)).await.unwrap_err());
        scratch.release(resting).await;
        assert_eq!(scratch.stats().reserved, 1);
        assert_eq!(run(&scratch, "SELECT 1", On::Connection(first)).await.unwrap().1, ["1"]);

        // Again, with all connections at rest.
        kill(scratch.process_id().unwrap()).await;
        assert_eq!(reserve(&scratch, "SELECT 2").await.1, ["2"]);
        assert_eq!(scratch.stats().starts, 3);
        vitrail.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_needs_too_much_space_fails_and_the_server_goes_on() {
    for flavour in flavours() {
        // The least that there can be is 128 MiB.
        let little = "[scratch]\nstatement_bytes = \"1MiB\"\ntotal_bytes = \"1MiB\"";
        let vitrail = Vitrail::start_with(flavour, 1, Shape::Together, little).await;
        let scratch = Arc::clone(vitrail.gate.scratch().unwrap());
        let (connection, _) = reserve(&scratch, "CREATE DATABASE IF NOT EXISTS shop").await;
        let on = || On::Connection(connection);
        let table = "CREATE TEMPORARY TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(1000) NOT NULL)";
        run(&scratch, table, on()).await.unwrap();
        let ten = (0..10).map(|_| "(REPEAT('x', 1000))").collect::<Vec<_>>().join(", ");
        run(&scratch, &format!("INSERT INTO shop.t (s) VALUES {ten}"), on()).await.unwrap();
        for (table, rows) in [
            ("ten", "VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)"),
            ("hundred", "SELECT a.n FROM shop.ten AS a, shop.ten_too AS b"),
            ("thousand", "SELECT a.n FROM shop.hundred AS a, shop.ten AS b"),
        ] {
            run(&scratch, &format!("CREATE TEMPORARY TABLE shop.{table} (n INT)"), on()).await.unwrap();
            run(&scratch, &format!("INSERT INTO shop.{table} {rows}"), on()).await.unwrap();
            if table == "ten" {
                // MySQL names a temporary table once in a statement.
                let copy = "CREATE TEMPORARY TABLE shop.ten_too SELECT n FROM shop.ten";
                run(&scratch, copy, on()).await.unwrap();
            }
        }
        // A million rows of a thousand bytes.
        let all = "shop.t AS t, shop.thousand AS a, shop.ten AS b, shop.ten_too AS c";
        let big = "CREATE TEMPORARY TABLE shop.big (id INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(1000))";
        run(&scratch, big, on()).await.unwrap();
        let loaded = run(&scratch, &format!("INSERT INTO shop.big (s) SELECT t.s FROM {all}"), on()).await;
        assert_eq!(loaded.unwrap_err().errno, 1114, "the table is full");
        // What the server makes for itself: rows that are kept to compare them, and sorted ones.
        for sql in [
            format!("SELECT COUNT(*) FROM (SELECT DISTINCT CONCAT(t.s, t.id, a.n, b.n, c.n, RAND()) FROM {all}) AS d"),
            format!("SELECT t.s, t.id FROM {all} ORDER BY CONCAT(a.n, t.s, b.n, RAND()) DESC LIMIT 999990, 1"),
        ] {
            let error = run(&scratch, &sql, on()).await.unwrap_err();
            assert!([3, 1021, 1026, 1114].contains(&error.errno), "{sql}: {error}");
        }
        assert_eq!(run(&scratch, "SELECT COUNT(*) FROM shop.t", on()).await.unwrap().1, ["10"]);
        assert_eq!(scratch.stats().starts, 1);
        vitrail.stop().await;
    }
}

/// Started by the test below as a process of its own; does nothing by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the other half of no_server_is_left_behind"]
async fn use_a_scratch_server_and_wait_to_be_killed() {
    let vitrail = Vitrail::start(flavours()[0], 1, Shape::Together).await;
    let scratch = vitrail.gate.scratch().unwrap();
    let (_, cells) = reserve(scratch, "SELECT @@datadir").await;
    println!("server {} {}", scratch.process_id().unwrap(), cells[0]);
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn no_server_is_left_behind() {
    for flavour in flavours() {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "ends::use_a_scratch_server_and_wait_to_be_killed", "--ignored", "--nocapture"])
            .env("VITRAIL_FLAVOURS", flavour.as_str())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (process, data) = loop {
            let line = lines.next_line().await.unwrap().expect("the child tells of its server");
            if let Some((_, rest)) = line.split_once("server ")
                && let Some((process, data)) = rest.split_once(' ')
            {
                break (process.parse::<u32>().unwrap(), data.to_owned());
            }
        };
        assert!(runs(process) && Path::new(&data).is_dir());
        child.kill().await.unwrap();
        until("the server is gone", || !runs(process)).await;
        until("its data is gone", || !Path::new(&data).exists()).await;
    }
}
