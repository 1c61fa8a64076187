//! TPC-C by `vitrail bench run`: on MySQL, through Vitrail with one shard, and over two shards by warehouse; and what it says of a spoilt table.
#![expect(clippy::unwrap_used, reason = "a panic in a test is the report")]

use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::process::Command;
use vitrail_harness::{Lasting, flavours};
use vitrail_trials::process::Process;

const VITRAIL: &str = env!("CARGO_BIN_EXE_vitrail");

const DATABASES: [&str; 4] = ["direct", "whole", "half_0", "half_1"];

/// A keyspace of one shard, and one of two by the vschema that the tool prints.
async fn config(server: &Lasting, folder: &Path) -> PathBuf {
    let mut admin = server.connect("").await;
    for database in DATABASES {
        admin.execute(&format!("CREATE DATABASE {database}")).await.unwrap();
    }
    admin.quit().await;
    let vschema = folder.join("tpcc.vschema.json");
    let printed = Command::new(VITRAIL).args(["bench", "vschema", "tpcc"]).output().await.unwrap();
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

/// The report, and whether the exit status was 0.
async fn bench(more: &[&str], targets: &[String]) -> (Value, bool, String) {
    let mut command = Command::new(VITRAIL);
    command.args(["bench", "run", "--json", "-", "--workload", "tpcc", "--scale", "warehouses=2"]);
    command.args(["--scale", "customers=30", "--scale", "items=200", "--clients", "8", "--rounds", "2"]).args(more);
    for target in targets {
        command.args(["--target", target]);
    }
    let output = command.output().await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {told}"));
    (report, output.status.success(), told)
}

async fn number(server: &Lasting, database: &str, sql: &str) -> i64 {
    let mut connection = server.connect(database).await;
    let number = connection.fetch_cell(sql).await.unwrap().unwrap().parse().unwrap();
    connection.quit().await;
    number
}

#[tokio::test]
async fn tpcc_runs_and_stays_consistent_on_mysql_and_over_shards() {
    for flavour in flavours() {
        let folder = tempfile::tempdir().unwrap();
        let server = Lasting::start(flavour, &[]).await;
        let gate = Process::start(Path::new(VITRAIL), "serve", &config(&server, folder.path()).await, &[]).await;
        let targets = [
            format!("direct=mysql://root@localhost/direct?socket={}", server.socket().display()),
            format!("whole=vitrail://app@{}/whole?tls=disable", gate.address()),
            format!("halves=vitrail://app@{}/halves?tls=disable", gate.address()),
        ];
        let (report, good, told) = bench(&["--prepare", "--duration", "4s", "--warmup", "200ms"], &targets).await;
        assert!(good, "{flavour}: {told}\n{report:#}");
        for target in report["targets"].as_array().unwrap() {
            assert_eq!(target["wrong"], Value::Array(Vec::new()), "{flavour} {target:#}");
            assert_eq!(target["errors"], Value::Object(serde_json::Map::new()), "{flavour} {target:#}");
            let operations = target["operations"].as_array().unwrap();
            assert!(
                operations.iter().all(|operation| operation["latency"]["count"].as_u64().unwrap() > 0),
                "{target:#}"
            );
            assert!(target["figures"]["new orders a minute"].as_f64().unwrap() > 60.0, "{target:#}");
        }
        // Each shard has its own warehouse, all items, and has given stock to orders of the other.
        for (database, warehouse) in [("half_0", 2), ("half_1", 1)] {
            assert_eq!(number(&server, database, "SELECT SUM(w_id) FROM warehouse").await, warehouse);
            assert_eq!(number(&server, database, "SELECT COUNT(*) FROM item").await, 200);
            assert!(number(&server, database, "SELECT SUM(s_remote_cnt) FROM stock").await > 0);
        }
        // A spoilt balance, a lost order line and a lost new order are found, each on its target.
        for (database, sql) in [
            ("direct", "UPDATE warehouse SET w_ytd = w_ytd + 1 WHERE w_id = 2"),
            ("whole", "DELETE FROM order_line WHERE ol_w_id = 1 AND ol_d_id = 3 AND ol_o_id = 5 AND ol_number = 1"),
            ("half_1", "DELETE FROM new_order WHERE no_d_id = 4 ORDER BY no_o_id DESC LIMIT 1"),
        ] {
            let mut connection = server.connect(database).await;
            connection.execute(sql).await.unwrap();
            connection.quit().await;
        }
        let (report, good, _) = bench(&["--duration", "200ms", "--warmup", "0s", "--rate", "5"], &targets).await;
        assert!(!good, "{report:#}");
        for (target, says) in [
            (0, "warehouse 2: W_YTD is"),
            (1, "district 3 of warehouse 1: the sum of O_OL_CNT is"),
            (2, "district 4 of warehouse 1: D_NEXT_O_ID - 1 is"),
        ] {
            let wrong = report["targets"][target]["wrong"].to_string();
            assert!(wrong.contains(says), "{flavour}: {wrong}");
        }
        gate.stop().await;
        server.crash().await;
    }
}
