//! Writes in steps over real servers: many batches of rows, what may not move, and the transactions that hold the steps together.

mod support;

use support::{World, settings};
use vitrail_gate::Session;
use vitrail_harness::Cluster as Databases;
use vitrail_proto::error::{Code, Executed};

const VSCHEMA: &str = r#"{
    "sharded": true,
    "vindexes": {"hash": {"type": "hash"}},
    "tables": {"parcel": {"column_vindexes": [{"column": "depot", "name": "hash"}]}}
}"#;

const TABLE: &str = "CREATE TABLE parcel (depot BIGINT NOT NULL, id INT NOT NULL, n INT NOT NULL DEFAULT 0, data JSON, PRIMARY KEY (depot, id))";

/// More than two batches of rows, over both shards.
const ROWS: usize = 1_200;

/// Two shards, and the same table on one MySQL.
async fn world(flavour: vitrail_harness::Flavour, way: support::Way) -> (World, Session) {
    let world = World::over(Databases::new(flavour, 2, "steps").await, way, "depots", VSCHEMA, |_| {}).await;
    let mut session = world.open();
    let rows: Vec<String> = (0..ROWS).map(|row| format!("({}, {row}, {})", row % 7, row % 100)).collect();
    let mut oracle = world.databases.server.connect(&world.databases.oracle).await;
    for sql in [TABLE.to_owned(), format!("INSERT INTO parcel (depot, id, n) VALUES {}", rows.join(", "))] {
        oracle.execute(&sql).await.expect("made");
        if sql == TABLE {
            world.run(&mut session, "USE depots").await.expect("a keyspace");
        }
        world.run(&mut session, &sql).await.expect("made");
    }
    oracle.quit().await;
    (world, session)
}

#[tokio::test]
async fn many_rows_go_in_batches() {
    for (flavour, way) in settings() {
        let (world, mut session) = world(flavour, way).await;
        let mut oracle = world.databases.server.connect(&world.databases.oracle).await;
        for sql in [
            "UPDATE parcel SET n = n + 1000 ORDER BY n, id LIMIT 1100",
            // All of them, to one shard.
            "UPDATE parcel SET depot = 77 WHERE depot IN (1, 2, 3, 4)",
            "INSERT INTO parcel (depot, id, n) SELECT depot + 100, id, n * 2 FROM parcel ORDER BY depot, id",
            "DELETE FROM parcel WHERE n > 1050 ORDER BY n DESC, depot, id LIMIT 1001",
        ] {
            let expected = oracle.execute(sql).await.expect(sql);
            let (end, _) = world.run(&mut session, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
            assert_eq!((end.affected, end.in_transaction), (expected.affected, false), "{sql}");
            let look = "SELECT depot, COUNT(*), SUM(id), SUM(n) FROM parcel GROUP BY depot ORDER BY depot";
            let rows = oracle.fetch_all(look).await.expect("rows").into_iter().map(support::joined);
            assert_eq!(world.run(&mut session, look).await.expect("rows").1, rows.collect::<Vec<_>>(), "after {sql}");
        }
        oracle.quit().await;
    }
}

#[tokio::test]
async fn a_failure_in_a_later_batch_undoes_all() {
    for (flavour, way) in settings() {
        let (world, mut session) = world(flavour, way).await;
        let look = "SELECT COUNT(*), SUM(n), COUNT(DISTINCT depot), SUM(id) FROM parcel";
        let before = world.run(&mut session, look).await.expect("rows").1;
        for begin in ["", "BEGIN", "SET autocommit = 0"] {
            if !begin.is_empty() {
                world.run(&mut session, begin).await.expect("begun");
                world.run(&mut session, "UPDATE parcel SET n = n WHERE depot = 1").await.expect("written");
            }
            for sql in [
                "INSERT INTO parcel (depot, id) SELECT 500, CASE id WHEN 1199 THEN 0 ELSE id END FROM parcel ORDER BY id",
                "UPDATE parcel SET n = CASE id WHEN 1199 THEN 99999999999 ELSE 5 END ORDER BY id LIMIT 1200",
            ] {
                let error = world.run(&mut session, sql).await.expect_err("the last row does not fit");
                assert!(matches!(error.errno, 1062 | 1264), "{sql}: {error:?}");
                assert_eq!(error.executed, Executed::No, "{sql}: {error:?}");
                assert_eq!(world.run(&mut session, look).await.expect("rows").1, before, "{begin} {sql}");
            }
            if !begin.is_empty() {
                let (end, _) =
                    world.run(&mut session, "UPDATE parcel SET n = 7 ORDER BY id LIMIT 900").await.expect("it");
                assert!(end.in_transaction, "{begin}");
                world.run(&mut session, "ROLLBACK").await.expect("rolled back");
                assert_eq!(world.run(&mut session, look).await.expect("rows").1, before, "after ROLLBACK of {begin}");
            }
        }
    }
}

#[tokio::test]
async fn what_would_not_arrive_as_it_was_does_not_leave() {
    for (flavour, way) in settings() {
        let (world, mut session) = world(flavour, way).await;
        let mysql = flavour == vitrail_harness::Flavour::MySql;
        let moves = "UPDATE parcel SET depot = 78 WHERE depot = 1";
        let look = "SELECT COUNT(*) FROM parcel WHERE depot = 1";
        let before = world.run(&mut session, look).await.expect("rows").1;
        world
            .run(&mut session, "UPDATE parcel SET data = '{\"a\": [1, 2.5, \"x\"]}' WHERE depot = 1")
            .await
            .expect("set");
        if mysql {
            let dated = "UPDATE parcel SET data = JSON_OBJECT('day', DATE '2020-01-01') WHERE depot = 1 AND id = 8";
            world.run(&mut session, dated).await.expect("set");
            let error = world.run(&mut session, moves).await.expect_err("a date in JSON");
            assert_eq!(error.code, Code::Unsupported);
            assert!(error.message.contains("JSON"), "{}", error.message);
            world.run(&mut session, "UPDATE parcel SET data = NULL WHERE depot = 1 AND id = 8").await.expect("set");
        }
        for shard in &world.databases.shards {
            let mut connection = world.databases.server.connect(shard).await;
            let trigger = "CREATE TRIGGER gone BEFORE DELETE ON parcel FOR EACH ROW SET @gone = OLD.id";
            connection.execute(trigger).await.expect("a trigger");
            connection.quit().await;
        }
        let error = world.run(&mut session, moves).await.expect_err("a trigger");
        assert_eq!(error.code, Code::Unsupported);
        assert!(error.message.contains("triggers"), "{}", error.message);
        assert_eq!(world.run(&mut session, look).await.expect("rows").1, before);
        for shard in &world.databases.shards {
            let mut connection = world.databases.server.connect(shard).await;
            connection.execute("DROP TRIGGER gone").await.expect("no trigger");
            connection.quit().await;
        }
        let (end, _) = world.run(&mut session, moves).await.expect("moved");
        assert_eq!(format!("{}", end.affected), before[0]);
        let document =
            "SELECT DISTINCT JSON_EXTRACT(data, '$.a[1]') + 0 FROM parcel WHERE depot = 78 AND data IS NOT NULL";
        assert_eq!(world.run(&mut session, document).await.expect("rows").1, ["2.5"]);
    }
}
