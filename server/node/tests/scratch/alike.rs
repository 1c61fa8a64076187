//! A server of Vitrail's own answers as the shards' servers do.

use vitrail_harness::{Server, flavours};
use vitrail_proto::error::Code;
use vitrail_service::QueryService;
use vitrail_service::call::{On, Statement};
use vitrail_tablet::preflight::Severity;

use crate::{call, over, read, reserve, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_own_server_answers_like_the_shards() {
    for flavour in flavours() {
        let arguments = [
            "--sql-mode=ANSI",
            "--group-concat-max-len=17",
            "--default-time-zone=+03:00",
            "--div-precision-increment=9",
        ];
        let server = Server::start(flavour, arguments.map(str::to_owned).to_vec()).await;
        let config = shard_on(&server).await;
        let (scratch, shard) = over(&config).await;
        let scratch = scratch.unwrap();
        let sql = "SELECT @@sql_mode, @@group_concat_max_len, @@time_zone, @@div_precision_increment, @@lower_case_table_names, \
                   VERSION(), @@collation_connection, 1/3, 'a' || 'b'";
        let there =
            read(shard.execute(call(9), Statement::new(sql, false), On::Pool).await.unwrap().parts).await.unwrap();
        assert_eq!(there[1..4], ["17", "+03:00", "9"]);
        // MariaDB tells in its version whether it writes a binlog.
        let here = |cells: Vec<String>| cells.into_iter().map(|cell| cell.replace("-log", "")).collect::<Vec<_>>();
        assert_eq!(here(reserve(&scratch, sql).await.1), here(there));
        let alone = "SELECT @@skip_networking, @@log_bin, @@max_allowed_packet >= 64 << 20";
        assert_eq!(reserve(&scratch, alone).await.1, ["1", "0", "1"]);
        scratch.close().await;
        shard.close().await;
        server.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_made_alike_is_refused() {
    for flavour in flavours() {
        let server = Server::start(flavour, Vec::new()).await;
        let config = shard_on(&server).await;
        let mut root = server.admin().await;
        for zone in ZONES {
            root.execute(zone).await.unwrap();
        }
        root.execute("SET GLOBAL time_zone = 'Europe/Berlin'").await.unwrap();
        let (scratch, shard) = over(&config).await;
        let scratch = scratch.unwrap();
        for _ in 0..2 {
            let error = run(&scratch, "SELECT 1", On::Reserve).await.unwrap_err();
            assert_eq!((error.code, error.errno, error.retryable), (Code::Unsupported, 1235, false));
            assert!(
                error.message.contains("time_zone is 'SYSTEM', and 'Europe/Berlin' on the shards"),
                "{}",
                error.message
            );
        }
        assert_eq!((scratch.stats().failed_starts, scratch.process_id()), (1, None), "it is not tried again at once");
        scratch.close().await;
        shard.close().await;
        server.kill().await;
    }
}

/// A configuration with one shard on a server.
async fn shard_on(server: &Server) -> String {
    format!(
        "[[keyspaces.plain.shards]]\nname = \"0\"\ndatabase = \"{}\"\nmysql = {{ socket = \"{}\", user = \"root\" }}\n",
        server.database("alike").await,
        server.socket().display()
    )
}

/// Two time zones, one by two names.
const ZONES: &[&str] = &[
    "INSERT INTO mysql.time_zone (time_zone_id, use_leap_seconds) VALUES (1, 'N'), (2, 'N')",
    "INSERT INTO mysql.time_zone_name (name, time_zone_id) VALUES ('UTC', 1), ('Europe/Berlin', 2)",
    "INSERT INTO mysql.time_zone_transition_type (time_zone_id, transition_type_id, `offset`, is_dst, abbreviation) \
     VALUES (1, 0, 0, 0, 'UTC'), (2, 0, 3600, 0, 'CET')",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_time_zones_are_refused_where_only_the_shards_have_them() {
    for flavour in flavours() {
        let server = Server::start(flavour, Vec::new()).await;
        let config = shard_on(&server).await;
        let sql = "SELECT Convert_tz('2004-01-01 12:00:00', 'UTC', 'Europe/Berlin')";
        let (scratch, shard) = over(&config).await;
        let scratch = scratch.unwrap();
        // Neither has them.
        assert_eq!(reserve(&scratch, sql).await.1, ["NULL"]);
        scratch.close().await;
        shard.close().await;

        let mut root = server.admin().await;
        for statement in ZONES {
            root.execute(statement).await.unwrap();
        }
        assert_eq!(root.fetch_cell(sql).await.unwrap().as_deref(), Some("2004-01-01 13:00:00"));
        let (scratch, shard) = over(&config).await;
        let scratch = scratch.unwrap();
        let (connection, _) = reserve(&scratch, "SELECT 1").await;
        for sql in [sql.to_owned(), format!("({sql} FOR UPDATE)")] {
            let error = run(&scratch, &sql, On::Connection(connection)).await.unwrap_err();
            assert_eq!((error.code, error.errno), (Code::Unsupported, 1235), "{sql}");
        }
        // The word in a row is no call.
        run(&scratch, "CREATE DATABASE IF NOT EXISTS plain", On::Connection(connection)).await.unwrap();
        run(&scratch, "CREATE TEMPORARY TABLE plain.t (s VARCHAR(20))", On::Connection(connection)).await.unwrap();
        run(&scratch, "INSERT INTO plain.t VALUES ('CONVERT_TZ')", On::Connection(connection)).await.unwrap();
        assert_eq!(run(&scratch, "SELECT 2", On::Connection(connection)).await.unwrap().1, ["2"]);
        scratch.close().await;
        shard.close().await;

        // A configured one has to have them.
        let other = vitrail_harness::private_server(flavour).await;
        let configured = format!(
            "[scratch]\nserver = \"configured\"\n[scratch.mysql]\nsocket = \"{}\"\nuser = \"root\"\n{config}",
            other.socket().display()
        );
        let errors = async || {
            let (scratch, _shard) = over(&configured).await;
            let findings = scratch.unwrap().preflight().await;
            findings
                .into_iter()
                .filter(|finding| finding.severity == Severity::Error)
                .map(|finding| finding.what)
                .collect::<Vec<_>>()
        };
        let found = errors().await;
        assert!(matches!(found.as_slice(), [error] if error.contains("CONVERT_TZ() would give NULL")), "{found:?}");
        let mut root = other.admin().await;
        for statement in ZONES {
            root.execute(statement).await.unwrap();
        }
        assert_eq!(errors().await, [""; 0]);
        other.kill().await;
        server.kill().await;
    }
}
