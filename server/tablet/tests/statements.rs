//! Single statements: what they answer, and what they are refused with.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::time::Duration;

use support::{Way, bound, call, call_with, collect, contains, listen, remote, statement, subjects, subjects_by};
use tokio::time::Instant;
use vitrail_proto::error::{Code, Executed};
use vitrail_proto::message::{Capped, Op, Request};
use vitrail_proto::value::Value;
use vitrail_service::QueryService;
use vitrail_service::call::{Call, On};
use vitrail_service::execution::Part;

#[tokio::test]
async fn metadata_and_errors_name_the_keyspace() {
    for subject in subjects(|_| {}).await {
        subject.run("CREATE TABLE cart (id INT PRIMARY KEY, name VARCHAR(20))").await;
        subject.run("INSERT INTO cart VALUES (1, 'one'), (2, NULL)").await;
        let answer = subject.run("SELECT id, name FROM cart ORDER BY id").await;
        assert_eq!(answer.text(), [["1", "one"], ["2", "NULL"]]);
        assert_eq!(answer.end.rows, 2);
        assert!(contains(&answer.fields, "shop") && contains(&answer.fields, "cart"), "{}", subject.name);
        assert!(!contains(&answer.fields, &subject.database), "{}", subject.name);

        let error = subject.fail("SELECT * FROM nowhere", On::Pool).await;
        assert_eq!(error.message, "Table 'shop.nowhere' doesn't exist");
    }
}

#[tokio::test]
async fn user_errors_have_code_number_and_text() {
    for subject in subjects(|_| {}).await {
        subject.run("CREATE TABLE p (id INT PRIMARY KEY, n TINYINT NOT NULL, s VARCHAR(2))").await;
        subject.run("CREATE TABLE c (p INT, FOREIGN KEY (p) REFERENCES p (id))").await;
        subject.run("INSERT INTO p VALUES (1, 1, 'a')").await;
        for (sql, code, errno) in [
            ("INSERT INTO p VALUES (1, 1, 'a')", Code::Constraint, 1062),
            ("INSERT INTO p VALUES (2, NULL, 'a')", Code::Constraint, 1048),
            ("INSERT INTO c VALUES (7)", Code::Constraint, 1452),
            ("INSERT INTO p VALUES (2, 1000, 'a')", Code::Data, 1264),
            ("INSERT INTO p VALUES (2, 1, 'abc')", Code::Data, 1406),
            ("INSERT INTO p VALUES ('x', 1, 'a')", Code::Data, 1366),
            ("SELECT nothing FROM p", Code::NotFound, 1054),
            ("SELECT * FROM nothing", Code::NotFound, 1146),
            ("SELEC 1", Code::Unsupported, 1235),
            ("SELECT FROM WHERE", Code::Invalid, 1064),
            ("SET sql_mode = ''", Code::Unsupported, 1235),
            ("SELECT @a", Code::Unsupported, 1235),
            ("", Code::Invalid, 1065),
        ] {
            let error = subject.fail(sql, On::Pool).await;
            assert_eq!((error.code.clone(), error.errno), (code, errno), "{}: {sql}: {error}", subject.name);
            assert_eq!(error.executed, Executed::No, "{sql}");
            assert!(!error.message.contains(&subject.database), "{error}");
            assert!(!error.in_transaction);
        }
        assert_eq!(subject.run("SELECT COUNT(*) FROM p").await.cell(), "1");
    }
}

#[tokio::test]
async fn writes_tell_what_they_did() {
    for subject in subjects(|_| {}).await {
        subject.run("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT)").await;
        let insert = subject.run("INSERT INTO t (v) VALUES (1), (1), (2)").await.end;
        assert_eq!((insert.affected, insert.insert_id, insert.rows), (3, 1, 0));
        assert_eq!(insert.info.as_deref(), Some("Records: 3  Duplicates: 0  Warnings: 0"));
        let position = insert.position.expect("a write has a position");
        assert!(vitrail_tablet::position::gtid_of(&position, "shop", "-80").is_some());
        assert_eq!(subject.run("SELECT 1").await.end.position, None);

        let sql = "UPDATE t SET v = 2";
        let changed = subject.run(sql).await.end;
        assert_eq!((changed.affected, changed.matched), (2, Some(3)));
        let found = subject.ask(call_with(&[], true), statement(sql, true), On::Pool).await.unwrap().end;
        assert_eq!((found.affected, found.matched), (3, Some(3)));
        assert!(!found.in_transaction && !found.pinned);
    }
}

#[tokio::test]
async fn warnings_are_fetched_before_they_are_lost() {
    for subject in subjects(|_| {}).await {
        let asking = Call { warnings: 1, ..call_with(&[("sql_mode", "''")], false) };
        subject.run("CREATE TABLE t (n TINYINT)").await;
        let end =
            subject.ask(asking, statement("INSERT INTO t VALUES (1000), (2000)", true), On::Pool).await.unwrap().end;
        assert_eq!(end.warnings, 2);
        assert_eq!(end.warning_texts.len(), 1);
        assert_eq!((end.warning_texts[0].level.as_str(), end.warning_texts[0].errno), ("Warning", 1264));
    }
}

#[tokio::test]
async fn settings_are_those_of_the_call_and_of_no_other() {
    for subject in subjects(|config| config.pool.size = 1).await {
        let ask = async |variables: &[(&str, &str)]| {
            let sql = "SELECT @@session.time_zone, @@session.sql_mode = '', @@session.sql_select_limit < 1000";
            subject.ask(call_with(variables, false), statement(sql, false), On::Pool).await.map(|answer| answer.text())
        };
        let fresh = ask(&[]).await.unwrap();
        assert_eq!(ask(&[("time_zone", "'+03:00'")]).await.unwrap()[0][0], "+03:00");
        let both = ask(&[("sql_mode", "''"), ("sql_select_limit", "10")]).await.unwrap();
        assert_eq!(both, [[fresh[0][0].as_str(), "1", "1"]]);
        assert_eq!(ask(&[]).await.unwrap(), fresh);

        let error = ask(&[("time_zone", "'nowhere'")]).await.unwrap_err();
        assert_eq!((error.code, error.errno), (Code::Invalid, 1298), "{}", subject.name);
        let error = ask(&[("no_such_variable", "1")]).await.unwrap_err();
        assert_eq!(error.code, Code::NotFound, "{}", subject.name);
        assert_eq!(ask(&[]).await.unwrap(), fresh);
    }
}

#[tokio::test]
async fn binds_are_safe_in_every_sql_mode() {
    let nasty = r#"\' OR 1=1 -- "\\ ` ;"#;
    for subject in subjects(|config| config.pool.size = 1).await {
        for mode in ["''", "'NO_BACKSLASH_ESCAPES'", "'ANSI_QUOTES'", "'NO_BACKSLASH_ESCAPES,ANSI_QUOTES'", "''"] {
            let ask = bound(
                "SELECT :s, LENGTH(:b), :n + 1, 2 IN ::list",
                [
                    ("s", Value::Text(nasty.into())),
                    ("b", Value::Bytes(vec![0, 39, 92, 255])),
                    ("n", Value::Int(-5)),
                    ("list", Value::List(vec![Value::Int(1), Value::Int(2)])),
                ],
                false,
            );
            let answer = subject.ask(call_with(&[("sql_mode", mode)], false), ask, On::Pool).await.unwrap();
            assert_eq!(answer.text(), [[nasty, "4", "-4", "1"]], "{} {mode}", subject.name);
        }
        let error = subject.ask(call(), statement("SELECT :absent", false), On::Pool).await.unwrap_err();
        assert_eq!(error.code, Code::Invalid, "{error}");
    }
}

#[tokio::test]
async fn capped_results_say_so() {
    for subject in subjects(|config| config.limits.result_rows = 100).await {
        subject.run("CREATE TABLE t (a INT)").await;
        subject.run("INSERT INTO t WITH RECURSIVE n AS (SELECT 1 a UNION ALL SELECT a + 1 FROM n WHERE a < 500) SELECT a FROM n").await;
        for (sql, max_rows, rows, capped) in [
            ("SELECT a FROM t", Some(7), 7, Some(("request", 7))),
            ("SELECT a FROM t", Some(0), 0, Some(("request", 0))),
            ("SELECT a FROM t LIMIT 7", Some(7), 7, None),
            ("SELECT a FROM t", None, 100, Some(("tablet", 100))),
            ("SELECT a FROM t", Some(1000), 100, Some(("tablet", 100))),
            ("SELECT a FROM t LIMIT 100", None, 100, None),
            ("SELECT /*+ NO_BNL() */ x.a FROM t x, t y, t z", Some(3), 3, Some(("request", 3))),
        ] {
            let started = Instant::now();
            let answer = subject.ask(Call { max_rows, ..call() }, statement(sql, false), On::Pool).await.unwrap();
            let expected = capped.map(|(by, limit)| Capped { by: by.into(), limit });
            assert_eq!((answer.rows.len(), answer.end.rows), (rows, rows as u64), "{} {sql}", subject.name);
            assert_eq!(answer.end.capped, expected, "{} {sql}", subject.name);
            assert!(started.elapsed() < Duration::from_secs(5), "{} {sql}", subject.name);
        }
        // A locking read that is capped keeps what it locked, and the connection is good.
        let begun = subject.on("SELECT a FROM t", On::Begin(Default::default())).await.unwrap();
        let connection = begun.connection.unwrap();
        let capped = subject
            .ask(
                Call { max_rows: Some(2), ..call() },
                statement("SELECT a FROM t FOR UPDATE", true),
                On::Connection(connection),
            )
            .await
            .unwrap();
        assert_eq!((capped.rows.len(), capped.end.in_transaction), (2, true));
        assert_eq!(subject.on("SELECT 5", On::Connection(connection)).await.unwrap().cell(), "5");
        subject.service.release(connection).await;
        assert_eq!(subject.run("SELECT 6").await.cell(), "6");
    }
}

#[tokio::test]
async fn too_large_results_and_statements_are_refused() {
    for subject in subjects(|config| {
        config.limits.result_bytes = 100_000;
        config.limits.statement_bytes = 1_000;
    })
    .await
    {
        let error = subject.ask(call(), statement("SELECT REPEAT('x', 200000)", false), On::Pool).await.unwrap_err();
        assert_eq!(error.code, Code::TooLarge, "{error}");
        let error = subject.fail(&format!("SELECT '{}'", "x".repeat(1_000)), On::Pool).await;
        assert_eq!(error.code, Code::TooLarge, "{error}");
        assert_eq!(subject.run("SELECT 1").await.cell(), "1");
    }
}

#[tokio::test]
async fn calls_give_several_results() {
    for subject in subjects(|config| config.pool.size = 1).await {
        subject.run("CREATE PROCEDURE two() BEGIN SELECT 1; SET @left = 5; SELECT 2; END").await;
        let mut execution = subject.service.execute(call(), statement("CALL two()", true), On::Pool).await.unwrap();
        let mut shape = String::new();
        while let Some(part) = execution.parts.next().await.unwrap() {
            shape.push(match part {
                Part::Fields(_) => 'f',
                Part::Rows(_) => 'r',
                Part::End(end) if end.status & 8 != 0 => 'e',
                Part::End(_) => 'E',
            });
        }
        assert_eq!(shape, "frefreE", "{}", subject.name);
        // What the procedure left on the connection is gone.
        let reserved = subject.on("SELECT @left", On::Reserve).await.unwrap();
        assert_eq!(reserved.cell(), "NULL");
        subject.service.release(reserved.connection.unwrap()).await;
    }
}

#[tokio::test]
async fn the_schema_is_loaded_whole() {
    for subject in subjects(|_| {}).await {
        for sql in [
            "CREATE TABLE item (id BIGINT UNSIGNED AUTO_INCREMENT, a INT, b VARCHAR(10) CHARACTER SET latin1, \
             g INT GENERATED ALWAYS AS (a + 1) VIRTUAL, d TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, i INT INVISIBLE DEFAULT 1, \
             PRIMARY KEY (id), UNIQUE KEY two (b, a), UNIQUE KEY part (b(3)))",
            "CREATE VIEW v AS SELECT a FROM item",
        ] {
            subject.run(sql).await;
        }
        let schema = subject.service.schema(call(), Vec::new()).await.unwrap();
        let names: Vec<(&str, bool)> = schema.tables.iter().map(|table| (table.name.as_str(), table.view)).collect();
        assert_eq!(names, [("item", false), ("v", true)]);
        let item = &schema.tables[0];
        assert_eq!(item.unique_keys, [vec!["id".to_owned()], vec!["b".into(), "a".into()]]);
        assert_eq!(item.keys, ["PRIMARY (id)", "unique part (b(3))", "unique two (b, a)"]);
        for (wanted, found) in [(vec!["v", "nothing", "odd '`\\"], vec!["v"]), (vec!["item"], vec!["item"])] {
            let wanted = wanted.into_iter().map(str::to_owned).collect();
            let part = subject.service.schema(call(), wanted).await.unwrap();
            assert_eq!(part.tables.iter().map(|table| table.name.as_str()).collect::<Vec<_>>(), found);
            assert!(part.tables.iter().all(|table| schema.tables.contains(table)));
        }
        let columns: Vec<String> = item
            .columns
            .iter()
            .map(|column| {
                let mut flags = String::new();
                for (flag, set) in [
                    ('n', column.nullable),
                    ('a', column.auto_increment),
                    ('i', column.invisible),
                    ('g', column.generated),
                    ('c', column.collation.as_deref().is_some_and(|name| name.starts_with("latin1"))),
                ] {
                    if set {
                        flags.push(flag);
                    }
                }
                format!("{} {} {flags}", column.name, column.data_type)
            })
            .collect();
        assert_eq!(columns, ["id bigint a", "a int n", "b varchar nc", "g int ng", "d timestamp ", "i int ni"]);
    }
}

#[tokio::test]
async fn the_preflight_names_every_fix() {
    for subject in subjects(|config| config.pool.size = 5_000).await {
        let findings = subject.tablet.preflight().await;
        let connections =
            findings.iter().find(|finding| finding.what.starts_with("max_connections")).expect("a finding");
        assert!(connections.fix.starts_with("SET GLOBAL max_connections = "), "{connections:?}");
        assert!(findings.iter().all(|finding| !finding.fix.is_empty()));

        let mut config = subject.tablet.config().clone();
        config.database = "vt_absent".into();
        let absent = vitrail_tablet::Tablet::start(config.clone()).await.unwrap();
        let findings = absent.preflight().await;
        assert!(findings[0].what.starts_with("database `vt_absent` does not exist"), "{findings:?}");

        config.mysql.socket = Some("/nowhere/mysqld.sock".into());
        let unreachable = vitrail_tablet::Tablet::start(config).await.unwrap();
        assert!(unreachable.preflight().await[0].fix.starts_with("start the server"));
        assert!(!unreachable.info().healthy);
        let error = unreachable.execute(call(), statement("SELECT 1", false), On::Pool).await;
        let error = error.err().expect("nothing answers");
        assert_eq!((error.code.clone(), error.retryable), (Code::Unavailable, true), "{error}");
        assert!(!error.message.contains("nowhere"));
    }
}

#[tokio::test]
async fn a_user_without_the_role_gate_is_refused() {
    for subject in subjects_by(Way::Direct, |_| {}).await {
        let (endpoint, _listener) = listen(&subject.tablet).await;
        subject.run("CREATE TABLE t (a INT)").await;
        let client = vitrail_client::config::ClientConfig::from_url("vitrail://app@localhost/?tls=disable").unwrap();
        let options = vitrail_client::connection::ConnectOptions::from_config(&client).unwrap();
        let connection = vitrail_client::connection::Connection::connect(&endpoint, &options).await.unwrap();
        for (op, session) in
            [(Op::Execute, None), (Op::TabletSchema, None), (Op::TabletHealth, None), (Op::Open, Some(1))]
        {
            let mut request = Request::new(op);
            request.session = session;
            request.sql = (op == Op::Execute).then(|| "INSERT INTO t VALUES (1)".to_owned());
            let error = connection.request(&request).last().await.unwrap_err();
            assert_eq!((error.code(), error.executed()), (&Code::Denied, Executed::No), "{op:?}");
        }
        assert_eq!(subject.run("SELECT COUNT(*) FROM t").await.cell(), "0");
        let gate = remote(endpoint, "gate");
        let execution = gate.execute(call(), statement("SELECT 1", false), On::Pool).await.unwrap();
        assert_eq!(collect(execution).await.unwrap().cell(), "1");
    }
}
