//! What the gate knows of tables: read anew when told to, compared between shards, and held against the vschema.

mod support;

use support::{Way, World, settings};
use vitrail_gate::Session;
use vitrail_harness::{Cluster as Databases, Flavour};

const VSCHEMA: &str = r#"{
    "sharded": true,
    "vindexes": {"hash": {"type": "hash"}, "text": {"type": "unicode_loose_xxhash"}},
    "tables": {
        "item": {"column_vindexes": [{"column": "id", "name": "hash"}]},
        "lacking": {"column_vindexes": [{"column": "shop_id", "name": "hash"}]},
        "misfit": {"column_vindexes": [{"column": "name", "name": "hash"}]},
        "absent": {"column_vindexes": [{"column": "id", "name": "hash"}]}
    }
}"#;

async fn stock(flavour: Flavour, way: Way) -> (World, Session) {
    let databases = Databases::new(flavour, 2, "schema").await;
    databases
        .execute_everywhere(&[
            "CREATE TABLE item (id BIGINT PRIMARY KEY, name VARCHAR(20))",
            "CREATE TABLE lacking (id BIGINT PRIMARY KEY)",
            "CREATE TABLE misfit (id BIGINT, name VARCHAR(20))",
            "CREATE TABLE stranger (id BIGINT)",
        ])
        .await;
    let world = World::over(databases, way, "stock", VSCHEMA, |_| {}).await;
    world.gate.refresh().await;
    let mut session = world.open();
    for sql in ["USE stock", "INSERT INTO item VALUES (1, 'd'), (2, 'c'), (4, 'b'), (5, 'a')"] {
        world.run(&mut session, sql).await.expect(sql);
    }
    (world, session)
}

/// Runs `sql` on the MySQL of these shards, past the gate.
async fn past_the_gate(world: &World, shards: &[usize], sql: &str) {
    for shard in shards {
        let mut connection = world.databases.server.connect(&world.databases.shards[*shard]).await;
        connection.execute(sql).await.expect(sql);
    }
}

#[tokio::test]
async fn definitions_changed_past_the_gate_are_known_after_a_refresh() {
    for (flavour, way) in settings() {
        let (world, mut session) = stock(flavour, way).await;
        let by_price = "SELECT * FROM item ORDER BY price, id";
        let star = "SELECT * FROM item ORDER BY name LIMIT 3";
        world.run(&mut session, by_price).await.expect_err("no such column");
        let rows = world.run(&mut session, star).await.expect("the plan is cached").1;
        assert_eq!(rows, ["5|a", "4|b", "2|c"]);

        // In front of the column that the cached plan sorts by.
        past_the_gate(&world, &[0, 1], "ALTER TABLE item ADD COLUMN price INT NOT NULL DEFAULT 7 AFTER id").await;
        // Columns that the gate does not know of must not be taken for the sort key.
        for sql in [star, "SELECT * FROM item ORDER BY id DESC"] {
            let outdated = world.run(&mut session, sql).await.expect_err("not planned anew yet");
            assert!(outdated.message.contains("REFRESH VITRAIL SCHEMA"), "{}", outdated.message);
        }
        for sql in ["REFRESH VITRAIL SCHEMA", "REFRESH VITRAIL SCHEMA stock"] {
            let version = world.gate.stats().version;
            world.run(&mut session, sql).await.expect(sql);
            assert_eq!(world.gate.stats().version, version + 1, "{sql}");
        }
        assert_eq!(world.run(&mut session, star).await.expect("planned anew").1, ["5|7|a", "4|7|b", "2|7|c"]);
        assert_eq!(world.run(&mut session, by_price).await.expect("known").1, ["1|7|d", "2|7|c", "4|7|b", "5|7|a"]);
        let plan = world.run(&mut session, &format!("EXPLAIN FORMAT=VITRAIL {by_price}")).await.expect("explained").1;
        assert!(plan[0].starts_with("merge sort by column 1 native, column 0 native"), "{plan:?}");
        assert_eq!(world.run(&mut session, "REFRESH VITRAIL SCHEMA nobody").await.expect_err("unknown").errno, 1049);
        assert_eq!(world.run(&mut session, "REFRESH VITRAIL SCHEMA a b").await.expect_err("wrong").errno, 1064);
    }
}

#[tokio::test]
async fn what_differs_between_shards_and_from_the_vschema_is_listed() {
    for (flavour, way) in settings() {
        let (world, mut session) = stock(flavour, way).await;
        let listed = world.run(&mut session, "SHOW VITRAIL SCHEMA").await.expect("listed").1;
        let expected = [
            "stock|absent|NULL|warning|it is in the vschema, and MySQL has no such table",
            "stock|lacking|NULL|error|MySQL has no column `shop_id`, by which it is sharded",
            "stock|misfit|NULL|error|the vindex `hash` does not take values of the column `name`",
            "stock|stranger|NULL|warning|it is not in the vschema, so statements cannot name it",
        ];
        for line in expected {
            assert!(listed.iter().any(|found| found.starts_with(line)), "{line}\n{}", listed.join("\n"));
        }
        assert_eq!(listed.len(), expected.len(), "{listed:?}");

        past_the_gate(&world, &[1], "ALTER TABLE item ADD COLUMN extra INT").await;
        past_the_gate(&world, &[1], "CREATE INDEX by_name ON misfit (name)").await;
        past_the_gate(&world, &[0], "DROP TABLE stranger").await;
        world.run(&mut session, "REFRESH VITRAIL SCHEMA").await.expect("refreshed");
        let listed = world.run(&mut session, "SHOW VITRAIL SCHEMA FROM stock").await.expect("listed").1;
        for line in [
            "stock|item|80-|warning|has another column 'extra' than on shard -80",
            "stock|misfit|80-|warning|has the key by_name (name), which shard -80 has not",
            "stock|stranger|80-|warning|is not on shard -80",
        ] {
            assert!(listed.iter().any(|found| found == line), "{line}\n{}", listed.join("\n"));
        }
        // What is repaired through the gate is gone from the list at once, and nothing else is.
        world.run(&mut session, "ALTER TABLE item ADD COLUMN extra INT").await.expect("completed");
        let now = world.run(&mut session, "SHOW VITRAIL SCHEMA").await.expect("listed").1;
        assert!(!now.iter().any(|found| found.contains("'extra'")), "{}", now.join("\n"));
        assert_eq!(now.len(), listed.len() - 1, "{}", now.join("\n"));
        world.run(&mut session, "INSERT INTO item (id, extra) VALUES (9, 9)").await.expect("both have it");
        assert_eq!(world.run(&mut session, "SHOW VITRAIL SCHEMA FROM nobody").await.expect_err("unknown").errno, 1049);
    }
}
