//! `information_schema` and SHOW over two keyspaces on one server: each is what its users see, nothing else on that server is, and no name of
//! a database gets out.

mod support;

use support::{Way, World, settings};
use vitrail_harness::{Cluster as Databases, Flavour};

const SHARDED: &str = r#"{
    "sharded": true,
    "vindexes": {"hash": {"type": "hash"}},
    "tables": {"account": {"column_vindexes": [{"column": "id", "name": "hash"}]}, "branch": {"type": "reference"}}
}"#;

async fn two_keyspaces(flavour: Flavour, way: Way) -> World {
    let databases = Databases::new(flavour, 2, "catalog").await;
    let unsharded = Some(("main", r#"{"tables": {"note": {}}}"#));
    let world = World::beside(databases, way, ("bank", SHARDED), unsharded, |_| {}).await;
    let mut session = world.open();
    for sql in [
        "USE bank",
        "CREATE TABLE account (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, owner VARCHAR(20)) ENGINE = InnoDB",
        "CREATE TABLE branch (id INT PRIMARY KEY)",
        "INSERT INTO account (id, owner) VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd'), (5, 'e'), (6, 'f'), (7, 'g'), (100, 'h')",
        "INSERT INTO branch (id) VALUES (1), (2), (3)",
        "USE main",
        "CREATE TABLE note (id INT PRIMARY KEY)",
        "CREATE VIEW notes AS SELECT id FROM note",
    ] {
        world.run(&mut session, sql).await.expect(sql);
    }
    for database in &world.databases.shards {
        let mut connection = world.databases.server.connect(database).await;
        connection.fetch_all("ANALYZE TABLE account, branch").await.expect("analysed");
        connection.quit().await;
    }
    world
}

#[tokio::test]
async fn a_statement_sees_the_keyspace_that_it_asks_about() {
    for (flavour, way) in settings() {
        let world = two_keyspaces(flavour, way).await;
        let mut session = world.open();
        let tables = "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES";
        let (bank, main) = (["bank|account", "bank|branch"].as_slice(), ["main|note", "main|notes"].as_slice());
        for (target, condition, expected) in [
            ("bank", "", bank),
            ("main", "", main),
            ("bank", "WHERE TABLE_SCHEMA = 'main'", main),
            ("main", "WHERE TABLE_SCHEMA LIKE 'bank'", bank),
            ("bank", "WHERE TABLE_SCHEMA = DATABASE()", bank),
            ("bank:-80", "WHERE TABLE_SCHEMA = 'bank'", bank),
            ("bank:-80", "WHERE TABLE_SCHEMA = 'main'", main),
            ("main", "WHERE TABLE_SCHEMA NOT IN ('mysql', 'sys')", main),
            ("main", "WHERE TABLE_SCHEMA IN ('mysql', 'information_schema')", &[]),
        ] {
            world.run(&mut session, &format!("USE `{target}`")).await.expect("a target");
            let sql = format!("{tables} {condition} ORDER BY 1, 2");
            assert_eq!(world.run(&mut session, &sql).await.expect(&sql).1, expected, "{target}: {sql}");
        }
        let sql = format!("{tables} WHERE TABLE_SCHEMA IN ('bank', 'main')");
        assert_eq!(world.run(&mut session, &sql).await.expect_err("two keyspaces").errno, 1235);
        let mut nowhere = world.open();
        let sql = format!("{tables} WHERE TABLE_SCHEMA = 'main' ORDER BY 1, 2");
        assert_eq!(world.run(&mut nowhere, &sql).await.expect(&sql).1, main);
    }
}

#[tokio::test]
async fn numbers_are_those_of_all_shards() {
    for (flavour, way) in settings() {
        let world = two_keyspaces(flavour, way).await;
        let mut session = world.open();
        world.run(&mut session, "USE bank").await.expect("a keyspace");
        let sql = "SELECT TABLE_NAME, TABLE_ROWS, AUTO_INCREMENT FROM information_schema.TABLES ORDER BY TABLE_NAME";
        world.run(&mut session, "SET information_schema_stats_expiry = 0").await.ok();
        let (_, rows) = world.run(&mut session, sql).await.expect(sql);
        assert_eq!(rows, ["account|8|101", "branch|3|NULL"], "a reference table counts once");
        let (_, rows) = world.run(&mut session, "SHOW TABLE STATUS LIKE 'account'").await.expect("a status");
        let cells: Vec<&str> = rows[0].split('|').collect();
        assert_eq!((cells[0], cells[4], cells[10]), ("account", "8", "101"));
        let (_, rows) = world.run(&mut session, "SHOW CREATE TABLE account").await.expect("a definition");
        assert!(rows[0].contains(" AUTO_INCREMENT=101 "), "{}", rows[0]);
        let (_, rows) = world.run(&mut session, "SHOW INDEX FROM account").await.expect("indexes");
        assert_eq!(rows[0].split('|').nth(6), Some("8"));
    }
}

#[tokio::test]
async fn no_name_of_a_database_gets_out() {
    for (flavour, way) in settings() {
        let world = two_keyspaces(flavour, way).await;
        let mut session = world.open();
        for target in ["bank", "main", "bank:-80"] {
            world.run(&mut session, &format!("USE `{target}`")).await.expect("a target");
            for sql in [
                "SELECT * FROM information_schema.TABLES",
                "SELECT * FROM information_schema.COLUMNS",
                "SELECT * FROM information_schema.STATISTICS",
                "SELECT * FROM information_schema.PARTITIONS",
                "SELECT * FROM information_schema.KEY_COLUMN_USAGE",
                "SELECT * FROM information_schema.TABLE_CONSTRAINTS",
                "SELECT * FROM information_schema.SCHEMATA",
                "SELECT * FROM information_schema.VIEWS",
                "SHOW TABLES",
                "SHOW FULL TABLES WHERE Table_type = 'VIEW'",
                "SHOW TABLE STATUS",
                "SHOW DATABASES",
                "SHOW TRIGGERS",
                "SHOW CREATE VIEW main.notes",
                "SHOW CREATE DATABASE main",
                "SHOW TABLES FROM main",
                "SHOW INDEX FROM main.note",
            ] {
                let (_, rows) = match world.run(&mut session, sql).await {
                    Ok(answer) => answer,
                    Err(error) => panic!("{target}: {sql}: {}", error.message),
                };
                let physical = |row: &&String| row.contains("_shard") || row.contains("_oracle");
                assert_eq!(rows.iter().find(physical), None, "{target}: {sql}");
            }
        }
    }
}
