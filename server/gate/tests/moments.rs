//! The moment of a write over several shards: one for all of its rows, and nobody else's.

mod support;

use support::{World, settings};
use vitrail_gate::Session;
use vitrail_harness::Cluster as Databases;
use vitrail_proto::error::Code;

const VSCHEMA: &str = r#"{
    "sharded": true,
    "vindexes": {"hash": {"type": "hash"}},
    "tables": {"visit": {"column_vindexes": [{"column": "id", "name": "hash"}]}, "kind": {"type": "reference"}}
}"#;

const TABLES: [&str; 2] = [
    "CREATE TABLE visit (id BIGINT PRIMARY KEY, n INT, at DATETIME(6), made DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6), \
     changed DATETIME(6) NULL ON UPDATE CURRENT_TIMESTAMP(6))",
    "CREATE TABLE kind (id INT PRIMARY KEY, at DATETIME(6), made DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6))",
];

const SHARDS: [&str; 2] = ["-80", "80-"];

async fn rows(world: &World, session: &mut Session, sql: &str) -> Vec<String> {
    world.run(session, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}")).1
}

/// The clocks of the connections that serve others go on.
async fn clocks_go_on(world: &World, after: &str) {
    let mut session = world.open();
    for shard in SHARDS {
        rows(world, &mut session, &format!("USE travel:{shard}")).await;
        let ask = "SELECT NOW(6), @@timestamp";
        let (first, second) = (rows(world, &mut session, ask).await, rows(world, &mut session, ask).await);
        assert_ne!(first, second, "the clock of {shard} stands still after {after}");
    }
}

#[tokio::test]
async fn all_shards_of_a_write_have_one_moment() {
    for (flavour, way) in settings() {
        let world = World::over(Databases::new(flavour, 2, "moments").await, way, "travel", VSCHEMA, |_| {}).await;
        let mut session = world.open();
        rows(&world, &mut session, "USE travel").await;
        for sql in TABLES {
            rows(&world, &mut session, sql).await;
        }
        let same = "SELECT DISTINCT at, at = made FROM visit";
        for (sql, look, expected) in [
            (
                "INSERT INTO visit (id, n, at) VALUES (1, 1, NOW(6)), (2, 1, NOW(6)), (3, 1, NOW(6)), (4, 1, CURRENT_TIMESTAMP(6)), (5, 1, NOW(6))",
                same,
                "|1",
            ),
            (
                "UPDATE visit SET n = 2, at = NOW(6) WHERE n = 1",
                "SELECT DISTINCT at, at = changed AND at > made FROM visit",
                "|1",
            ),
            // The default alone.
            ("UPDATE visit SET n = 3 WHERE id > 0", "SELECT DISTINCT changed, changed > at FROM visit", "|1"),
            // In steps.
            (
                "UPDATE visit SET n = 4, at = NOW(6) WHERE at < NOW(6) ORDER BY id DESC LIMIT 4",
                "SELECT DISTINCT at, at = changed FROM visit WHERE n = 4",
                "|1",
            ),
            (
                "INSERT INTO visit (id, n, at) SELECT id + 10, 5, NOW(6) FROM visit ORDER BY n, id",
                "SELECT DISTINCT at, at = made FROM visit WHERE n = 5",
                "|1",
            ),
            ("DELETE FROM visit WHERE at < NOW(6) - INTERVAL 0 SECOND AND n = 5", "SELECT COUNT(*) FROM visit", "5"),
        ] {
            rows(&world, &mut session, sql).await;
            let found = rows(&world, &mut session, look).await;
            assert!(found.len() == 1 && found[0].ends_with(expected), "{flavour}: {sql}: {found:?}");
            clocks_go_on(&world, sql).await;
        }
        let twice = "INSERT INTO visit (id, at) VALUES (6, NOW(6)), (1, NOW(6)), (2, NOW(6)), (3, NOW(6))";
        assert_eq!(world.run(&mut session, twice).await.expect_err("keys that are there").errno, 1062);
        clocks_go_on(&world, twice).await;
        for sql in
            ["INSERT INTO kind (id, at) VALUES (1, NOW(6)), (2, NULL)", "UPDATE kind SET at = NOW(6) WHERE id = 2"]
        {
            rows(&world, &mut session, sql).await;
            let mut copies = Vec::new();
            for shard in SHARDS {
                rows(&world, &mut session, &format!("USE travel:{shard}")).await;
                copies.push(rows(&world, &mut session, "SELECT * FROM kind ORDER BY id").await);
            }
            assert_eq!(copies[0], copies[1], "{flavour}: {sql}");
            rows(&world, &mut session, "USE travel").await;
        }
        for sql in [
            "UPDATE visit SET n = RAND(3) WHERE id > 0",
            "UPDATE kind SET id = RAND() * 100 WHERE id > 0",
            "UPDATE kind SET at = SYSDATE() WHERE id > 0",
            "INSERT INTO kind (id, at) VALUES (UUID_SHORT(), NOW())",
        ] {
            let error = world.run(&mut session, sql).await.expect_err(sql);
            assert_eq!(error.code, Code::Unsupported, "{sql}: {error:?}");
        }
        clocks_go_on(&world, "refusals").await;
    }
}

#[tokio::test]
async fn a_session_with_a_clock_of_its_own_keeps_it() {
    for (flavour, way) in settings() {
        let world = World::over(Databases::new(flavour, 2, "moments").await, way, "travel", VSCHEMA, |_| {}).await;
        let mut session = world.open();
        for sql in ["USE travel", TABLES[0], "SET time_zone = '+00:00'", "SET timestamp = 1000000000.25"] {
            rows(&world, &mut session, sql).await;
        }
        let insert = "INSERT INTO visit (id, at) VALUES (1, NOW(6)), (2, NOW(6)), (3, NOW(6)), (4, NOW(6))";
        rows(&world, &mut session, insert).await;
        let look = "SELECT DISTINCT at, made FROM visit";
        let then = "2001-09-09 01:46:40.250000";
        assert_eq!(rows(&world, &mut session, look).await, [format!("{then}|{then}")], "{flavour}");
        clocks_go_on(&world, insert).await;
        rows(&world, &mut session, "SET timestamp = DEFAULT").await;
        for begin in ["SELECT 1", "BEGIN"] {
            rows(&world, &mut session, begin).await;
            rows(&world, &mut session, "UPDATE visit SET at = NOW(6) WHERE id > 0").await;
            let now = format!("SELECT DISTINCT at > '{then}' FROM visit");
            assert_eq!(rows(&world, &mut session, &now).await, ["1"], "{flavour}");
            // Within the transaction, too, the next statement has a moment of its own.
            let ask = "SELECT NOW(6) FROM visit WHERE id = 1";
            let (first, second) = (rows(&world, &mut session, ask).await, rows(&world, &mut session, ask).await);
            assert_ne!(first, second, "{flavour} {begin}");
        }
        rows(&world, &mut session, "COMMIT").await;
        clocks_go_on(&world, "a transaction").await;
    }
}
