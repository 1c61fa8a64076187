//! A gate over tablets in this process and over tablets behind listeners, whose shards are databases of a real server: explicit targets, transactions over two
//! shards, savepoints, DDL and what the gate answers itself.

mod support;

use std::sync::Arc;
use std::time::Duration;

use support::{Way, World, joined, settings};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vitrail_harness::{Cluster as Databases, Flavour};
use vitrail_listener::service::Service;
use vitrail_proto::error::Code;
use vitrail_proto::message::{BatchItem, Op, Request};
use vitrail_tablet::TabletConfig;

const VSCHEMA: &str = r#"{
    "sharded": true,
    "vindexes": {"hash": {"type": "hash"}},
    "tables": {"account": {"column_vindexes": [{"column": "id", "name": "hash"}]}}
}"#;

const ACCOUNT: &str = "account (id BIGINT PRIMARY KEY, owner VARCHAR(20) NOT NULL DEFAULT '', balance BIGINT)";

/// A gate over `count` shards of keyspace `bank`, with an oracle that has the same table.
async fn bank(flavour: Flavour, way: Way, count: usize) -> World {
    bank_with_pools(flavour, way, count, TabletConfig::default().pool.size).await
}

/// The tablets' pools have `size` connections each.
async fn bank_with_pools(flavour: Flavour, way: Way, count: usize, size: usize) -> World {
    let databases = Databases::new(flavour, count, "gate").await;
    let mut oracle = databases.server.connect(&databases.oracle).await;
    oracle.execute(&format!("CREATE TABLE {ACCOUNT}")).await.expect("created");
    let world = World::over(databases, way, "bank", VSCHEMA, |config| config.pool.size = size).await;
    let mut session = world.open();
    world.run(&mut session, "USE bank").await.expect("a keyspace");
    world.run(&mut session, &format!("CREATE TABLE bank.{ACCOUNT}")).await.expect("created");
    world
}

/// Runs `sql` on one shard in a session of its own.
async fn look(world: &World, shard: &str, sql: &str) -> Vec<String> {
    let mut session = world.open();
    world.run(&mut session, &format!("USE `bank:{shard}`")).await.expect("a shard");
    world.run(&mut session, sql).await.expect(sql).1
}

#[tokio::test]
async fn the_gate_answers_what_only_it_knows() {
    for (flavour, way) in settings() {
        let world = bank(flavour, way, 2).await;
        let mut session = world.open();
        assert_eq!(world.run(&mut session, "SHOW TABLES").await.expect_err("no keyspace").errno, 1046);
        let unknown = world.run(&mut session, "USE bnak").await.expect_err("unknown");
        assert_eq!((unknown.errno, unknown.code), (1049, Code::NotFound));
        assert!(unknown.message.contains("did you mean 'bank'?"), "{}", unknown.message);

        let (end, _) = world.run(&mut session, "USE bank").await.expect("known");
        assert_eq!(
            end.state.and_then(|state| state.target).and_then(|target| target.keyspace).as_deref(),
            Some("bank")
        );
        for (sql, expected) in [
            ("SHOW DATABASES", vec!["bank"]),
            ("SHOW TABLES LIKE 'acc%'", vec!["account"]),
            ("SHOW TABLES LIKE 'ACC%'", vec![]),
            ("SELECT DATABASE(), @@autocommit", vec!["bank|1"]),
        ] {
            assert_eq!(world.run(&mut session, sql).await.expect(sql).1, expected, "{sql}");
        }
        assert_eq!(world.run(&mut session, "SHOW VITRAIL SHARDS").await.expect("shards").1.len(), 2);
        let columns = world.run(&mut session, "DESCRIBE account").await.expect("columns").1;
        assert!(columns.len() == 3 && columns[0].starts_with("id|bigint"), "{columns:?}");
        let text = world.run(&mut session, "SHOW CREATE TABLE bank.account").await.expect("a text").1;
        assert!(text[0].starts_with("account|CREATE TABLE"), "{text:?}");
        assert_eq!(world.run(&mut session, "DESCRIBE nothing").await.expect_err("unknown table").errno, 1146);
        for refused in [
            "SET GLOBAL x = 1",
            "SET NAMES latin1",
            "FLUSH TABLES WITH READ LOCK",
            "CREATE TABLE t (id INT)",
            "SHOW SLAVE STATUS",
        ] {
            assert_eq!(world.run(&mut session, refused).await.expect_err(refused).code, Code::Unsupported, "{refused}");
        }
    }
}

/// What drivers ask when they connect, before a keyspace is chosen and after.
#[tokio::test]
async fn drivers_learn_of_the_session() {
    for (flavour, way) in settings() {
        let world = bank(flavour, way, 2).await;
        let databases = &world.databases;
        let mut oracle = databases.server.connect(&databases.oracle).await;
        let mut session = world.open();
        for keyspace in ["NULL", "bank"] {
            if keyspace != "NULL" {
                world.run(&mut session, "USE bank").await.expect("a keyspace");
            }
            for sql in [
                "SELECT @@time_zone",
                "SELECT @@sql_mode, @@version_comment",
                "SELECT @@session.max_allowed_packet AS `packet`, @@global.lower_case_table_names",
                "SELECT VERSION()",
                "SELECT @@autocommit, @@version LIMIT 1",
            ] {
                let found = world.run(&mut session, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}")).1;
                let cells = oracle.fetch_row(sql).await.expect("the oracle answers");
                let expected = joined(cells);
                assert_eq!(found, [expected], "{sql}");
            }
            let mixed =
                world.run(&mut session, "SELECT DATABASE(), USER(), CONNECTION_ID(), @@autocommit, @@sql_notes");
            let mixed = mixed.await.expect("mixed").1;
            let id = world.run(&mut session, "SELECT CONNECTION_ID() AS id").await.expect("an id").1;
            assert_eq!(mixed, [format!("{keyspace}|anna@%|{}|1|1", id[0])]);
        }
        world.run(&mut session, "SET time_zone = '+02:00', transaction_isolation = 'SERIALIZABLE'").await.expect("set");
        let changed =
            world.run(&mut session, "SELECT @@time_zone, @@transaction_isolation, @@tx_isolation, DATABASE()");
        assert_eq!(changed.await.expect("changed").1, ["+02:00|SERIALIZABLE|SERIALIZABLE|bank"]);

        world.run(&mut session, "INSERT INTO account (id) VALUES (1), (2), (3), (4), (5)").await.expect("written");
        for expected in ["5", "-1"] {
            assert_eq!(world.run(&mut session, "SELECT ROW_COUNT()").await.expect("counted").1, [expected]);
        }
        for refused in ["SELECT @@insert_id", "SELECT id, GET_LOCK('a', 1) FROM account", "SELECT @@rand_seed1"] {
            assert_eq!(world.run(&mut session, refused).await.expect_err(refused).code, Code::Unsupported, "{refused}");
        }
    }
}

#[tokio::test]
async fn settings_reach_every_shard() {
    for (flavour, way) in settings() {
        let world = bank(flavour, way, 2).await;
        let mut session = world.open();
        let (end, _) = world
            .run(&mut session, "SET time_zone = '+02:00', SESSION TRANSACTION_ISOLATION = 'SERIALIZABLE'")
            .await
            .expect("set");
        assert_eq!(end.state.expect("news").variables.len(), 2);
        for shard in ["-80", "80-"] {
            world.run(&mut session, &format!("USE bank:{shard}")).await.expect("a shard");
            assert_eq!(
                world.run(&mut session, "SHOW VARIABLES LIKE 'time_zone'").await.expect("one").1,
                ["time_zone|+02:00"]
            );
            let level = world.run(&mut session, "SHOW VARIABLES LIKE 't%isolation'").await.expect("one").1;
            assert!(!level.is_empty() && level.iter().all(|row| row.ends_with("|SERIALIZABLE")), "{level:?}");
        }
        let reset = world.gate.reset(&mut session).await.expect("reset").end.and_then(|end| end.state).expect("news");
        assert!(reset.variables.iter().all(|(_, value)| value == "DEFAULT"), "{reset:?}");
    }
}

#[tokio::test]
async fn a_transaction_stays_on_its_shard_until_it_ends() {
    for (flavour, way) in settings() {
        let world = bank(flavour, way, 2).await;
        let mut session = world.open();
        world.run(&mut session, "USE `bank:-80`").await.expect("a shard");
        let (end, _) = world.run(&mut session, "BEGIN").await.expect("begun");
        assert!(end.in_transaction);
        world.run(&mut session, "INSERT INTO account (id, balance) VALUES (1, 10)").await.expect("written");
        world.run(&mut session, "SAVEPOINT a").await.expect("set");
        world.run(&mut session, "INSERT INTO account (id, balance) VALUES (2, 20)").await.expect("written");
        let (end, _) = world.run(&mut session, "ROLLBACK TO SAVEPOINT a").await.expect("back");
        assert!(end.in_transaction);
        assert_eq!(world.run(&mut session, "RELEASE SAVEPOINT b").await.expect_err("unknown").errno, 1305);
        let duplicate =
            world.run(&mut session, "INSERT INTO account (id, balance) VALUES (1, 30)").await.expect_err("duplicate");
        assert_eq!((duplicate.errno, duplicate.in_transaction, duplicate.shard.as_deref()), (1062, true, Some("-80")));
        assert_eq!(look(&world, "-80", "SELECT id FROM account").await, Vec::<String>::new());
        let (end, _) = world.run(&mut session, "COMMIT").await.expect("committed");
        assert!(!end.in_transaction);
        assert_eq!(look(&world, "-80", "SELECT id, balance FROM account").await, ["1|10"]);
        assert_eq!(look(&world, "80-", "SELECT id FROM account").await, Vec::<String>::new());

        world.run(&mut session, "SET autocommit = 0").await.expect("set");
        world.run(&mut session, "DELETE FROM account WHERE id > 0").await.expect("deleted");
        assert!(world.gate.is_busy(&session));
        world.gate.close(session).await;
        assert_eq!(look(&world, "-80", "SELECT id FROM account").await, ["1"]);
    }
}

/// The same statements on one MySQL and over shards give the same answers.
#[tokio::test]
async fn shards_answer_as_one_mysql() {
    for (flavour, way) in settings() {
        for count in [1, 2, 4] {
            let world = bank(flavour, way, count).await;
            let databases = &world.databases;
            let mut oracle = databases.server.connect(&databases.oracle).await;
            let mut session = world.open();
            world.run(&mut session, "USE bank").await.expect("a keyspace");
            let owner = |id: i64| ["'anna'", "'Bob '", "'bob'", "'zoe'", "''"][id as usize % 5];
            let balance = |id: i64| {
                if id % 7 == 0 {
                    "NULL".to_owned()
                } else {
                    (id * 7_777_777_777_777_777 % 9_000_000_000_000_000_000).to_string()
                }
            };
            let values: Vec<String> = (1..=40).map(|id| format!("({id}, {}, {})", owner(id), balance(id))).collect();
            for sql in [
                format!("INSERT INTO account (id, owner, balance) VALUES {}", values.join(", ")),
                "UPDATE account SET balance = balance + 1 WHERE id = 3".into(),
                "UPDATE account SET owner = 'eve' WHERE balance IS NULL".into(),
                "DELETE FROM account WHERE id IN (5, 6)".into(),
            ] {
                let affected = world
                    .run(&mut session, &sql)
                    .await
                    .unwrap_or_else(|error| panic!("{count}: {sql}: {error}"))
                    .0
                    .affected;
                let expected = oracle.execute(&sql).await.expect("the oracle takes it");
                assert_eq!(affected, expected.affected, "{count} shards: {sql}");
            }
            for sql in [
                "SELECT id, owner, balance FROM account WHERE id = 17",
                "SELECT id, balance FROM account ORDER BY id",
                "SELECT id FROM account ORDER BY id DESC LIMIT 7 OFFSET 3",
                "SELECT balance, id FROM account ORDER BY balance, id LIMIT 12",
                "SELECT owner, id FROM account ORDER BY owner DESC, id",
                "SELECT COUNT(*) FROM account",
                "SELECT COUNT(balance), SUM(balance), MIN(balance), MAX(id) FROM account",
                "SELECT SUM(balance) FROM account WHERE id < 0",
                "SELECT id FROM account WHERE id IN (1, 2, 3, 900) ORDER BY id",
                "SELECT 1 + 1",
            ] {
                let found =
                    world.run(&mut session, sql).await.unwrap_or_else(|error| panic!("{count}: {sql}: {error}")).1;
                let rows = oracle.fetch_all(sql).await.expect("the oracle answers");
                let expected: Vec<String> = rows.into_iter().map(joined).collect();
                assert_eq!(found, expected, "{count} shards: {sql}");
            }
        }
    }
}

#[tokio::test]
async fn a_shard_that_the_target_names_answers_as_one_mysql() {
    for (flavour, way) in settings() {
        let world = bank(flavour, way, 2).await;
        let mut oracle = world.databases.server.connect(&world.databases.oracle).await;
        let mut session = world.open();
        world.run(&mut session, "USE `bank:-80`").await.expect("a shard");
        for sql in ["SELECT CHAR(77, 121 USING utf8mb4), INTERVAL(23, 1, 15, 30)", "SELECT 1 FROM", "SELEC 1"] {
            let actual = world.run(&mut session, sql).await.map(|(_, rows)| rows).map_err(|error| error.errno);
            match (actual, oracle.fetch_all(sql).await) {
                (Ok(actual), Ok(expected)) => {
                    assert_eq!(actual, expected.into_iter().map(joined).collect::<Vec<_>>(), "{sql}");
                }
                (Err(errno), Err(_)) => assert_eq!(errno, 1064, "{sql}"),
                (actual, expected) => panic!("{sql}: {actual:?} and {expected:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_statement_over_shards_fails_on_all_or_none() {
    for (flavour, way) in settings() {
        let world = bank(flavour, way, 2).await;
        let mut session = world.open();
        world.run(&mut session, "USE bank").await.expect("a keyspace");
        world.run(&mut session, "INSERT INTO account (id) VALUES (1), (2), (3), (4)").await.expect("written");
        for begin in [false, true] {
            if begin {
                world.run(&mut session, "BEGIN").await.expect("begun");
            }
            // One of the new rows is a duplicate; the others belong to both shards.
            let sql = "INSERT INTO account (id) VALUES (11), (12), (13), (14), (4), (15), (16), (17)";
            let failed = world.run(&mut session, sql).await.expect_err("a duplicate");
            assert_eq!((failed.errno, failed.in_transaction), (1062, begin));
            let left = world.run(&mut session, "SELECT id FROM account ORDER BY id").await.expect("read").1;
            assert_eq!(left, ["1", "2", "3", "4"], "in a transaction: {begin}");
        }
        world.run(&mut session, "UPDATE account SET balance = id WHERE id > 0").await.expect("written");
        world.run(&mut session, "ROLLBACK").await.expect("rolled back");
        assert_eq!(world.run(&mut session, "SELECT COUNT(balance) FROM account").await.expect("read").1, ["0"]);
    }
}

/// Pools smaller than the number of readers: whoever waits for a shard must not keep another from it for good.
#[tokio::test(flavor = "multi_thread")]
async fn many_large_reads_share_small_pools() {
    for (flavour, way) in settings() {
        let world = Arc::new(bank_with_pools(flavour, way, 2, 2).await);
        let mut session = world.open();
        world.run(&mut session, "USE bank").await.expect("a keyspace");
        for chunk in 0..40 {
            let rows: Vec<String> = (0..500).map(|row| format!("({}, REPEAT('x', 20))", chunk * 500 + row)).collect();
            let sql = format!("INSERT INTO account (id, owner) VALUES {}", rows.join(", "));
            world.run(&mut session, &sql).await.expect("written");
        }
        let deadline = Some(Instant::now() + Duration::from_secs(60));
        let readers: Vec<_> = (0..8)
            .map(|reader| {
                let world = Arc::clone(&world);
                tokio::spawn(async move {
                    let mut session = world.open();
                    world.run(&mut session, "USE bank").await.expect("a keyspace");
                    let order = if reader % 2 == 0 { "ORDER BY a.id, b.id" } else { "" };
                    let mut request = Request::new(Op::Execute);
                    request.sql = Some(format!(
                        "SELECT a.id, a.owner, b.id FROM account AS a JOIN account AS b ON b.id = a.id {order}"
                    ));
                    let outcome = world.request_until(&mut session, request, CancellationToken::new(), deadline).await;
                    outcome.map(|(_, rows)| rows.len())
                })
            })
            .collect();
        for reader in readers {
            let outcome = reader.await.expect("no panic");
            assert_eq!(outcome.map_err(|error| error.message), Ok(20_000));
        }
    }
}

#[tokio::test]
async fn a_batch_is_a_chain_or_atomic() {
    for (flavour, way) in settings() {
        let world = bank(flavour, way, 2).await;
        let mut session = world.open();
        world.run(&mut session, "USE bank").await.expect("a keyspace");
        let batch = |atomic: bool| {
            let mut request = Request::new(Op::Batch);
            request.atomic = atomic;
            request.items = ["(1), (2)", "(3)", "(1)", "(4)"]
                .map(|values| BatchItem {
                    sql: Some(format!("INSERT INTO account (id) VALUES {values}")),
                    ..BatchItem::default()
                })
                .into();
            request
        };
        for (atomic, left) in [(true, &[][..]), (false, &["1", "2", "3"][..])] {
            let failed = world.request(&mut session, batch(atomic)).await.expect_err("a duplicate");
            assert_eq!((failed.errno, failed.item, failed.in_transaction), (1062, Some(2), false));
            assert_eq!(world.run(&mut session, "SELECT id FROM account ORDER BY id").await.expect("read").1, left);
        }
    }
}

#[tokio::test]
async fn requests_end_when_cancelled_or_late() {
    for (flavour, way) in settings() {
        let world = bank(flavour, way, 2).await;
        let databases = &world.databases;
        let mut admin = databases.server.admin().await;
        let mut session = world.open();
        world.run(&mut session, "USE `bank:-80`").await.expect("a shard");
        world.run(&mut session, "INSERT INTO account (id) VALUES (1)").await.expect("written");
        let slow = || {
            let mut request = Request::new(Op::Execute);
            request.sql = Some("SELECT SLEEP(600) FROM account".into());
            request
        };
        let cancel = CancellationToken::new();
        let trigger = cancel.clone();
        let (cancelled, ()) = tokio::join!(world.request_until(&mut session, slow(), cancel, None), async {
            // Once the shard runs it.
            let running = format!(
                "SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{}' AND info LIKE '%SLEEP(600)%'",
                databases.shards[0]
            );
            while admin.fetch_cell(&running).await.expect("listed").as_deref() == Some("0") {}
            trigger.cancel();
        });
        assert_eq!(cancelled.expect_err("cancelled").code, Code::Cancelled);
        let deadline = Some(Instant::now() + Duration::from_millis(200));
        let late = world.request_until(&mut session, slow(), CancellationToken::new(), deadline).await;
        assert_eq!(late.expect_err("late").code, Code::Deadline);
        assert_eq!(world.run(&mut session, "SELECT id FROM account").await.expect("goes on").1, ["1"]);
    }
}

/// A transaction over two shards loses the MySQL connection of one.
#[tokio::test]
async fn a_killed_connection_loses_the_transaction() {
    for (flavour, way) in settings() {
        let world = bank(flavour, way, 2).await;
        let databases = &world.databases;
        let mut admin = databases.server.admin().await;
        let mut session = world.open();
        world.run(&mut session, "USE bank").await.expect("a keyspace");
        world.run(&mut session, "BEGIN").await.expect("begun");
        world.run(&mut session, "INSERT INTO account (id) VALUES (1), (2), (3), (4)").await.expect("written");
        let own = "SELECT p.id FROM information_schema.innodb_trx t JOIN information_schema.processlist p \
                   ON p.id = t.trx_mysql_thread_id WHERE p.db =";
        let own = format!("{own} '{}'", databases.shards[0]);
        let give_up = Instant::now() + Duration::from_secs(20);
        let thread = loop {
            if let Some(thread) = admin.fetch_cell(&own).await.expect("listed") {
                break thread;
            }
            assert!(Instant::now() < give_up, "{flavour:?} {way:?}: the shard has no transaction");
            // InnoDB lists anew only when nobody has read the list for 100 ms.
            tokio::time::sleep(Duration::from_millis(150)).await;
        };
        admin.execute(&format!("KILL {thread}")).await.expect("killed");
        let lost = world.run(&mut session, "SELECT COUNT(*) FROM account").await.expect_err("lost");
        assert_eq!((lost.code, lost.in_transaction), (Code::TxLost, true));
        for refused in ["SELECT 1", "INSERT INTO account (id) VALUES (9)"] {
            assert_eq!(world.run(&mut session, refused).await.expect_err(refused).code, Code::TxLost);
        }
        world.run(&mut session, "ROLLBACK").await.expect("taken notice");
        assert_eq!(world.run(&mut session, "SELECT COUNT(*) FROM account").await.expect("read").1, ["0"]);
    }
}
