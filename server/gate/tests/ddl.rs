//! DDL over shards that differ: what an earlier failure has left open is completed, and nothing is done twice.

mod support;

use support::{Way, World, settings};
use vitrail_gate::Session;
use vitrail_harness::{Cluster as Databases, Flavour};
use vitrail_proto::error::{Code, ErrorBody, Executed};
use vitrail_proto::message::{Op, Request};
use vitrail_proto::value::Value;

const VSCHEMA: &str = r#"{
    "sharded": true,
    "vindexes": {"hash": {"type": "hash"}},
    "tables": {
        "item": {"column_vindexes": [{"column": "id", "name": "hash"}]},
        "other": {"column_vindexes": [{"column": "id", "name": "hash"}]},
        "country": {"type": "reference"}
    }
}"#;

/// A keyspace over two shards with a table whose rows 1 and 4 lie on shards of their own.
async fn stock(flavour: Flavour, way: Way) -> (World, Session) {
    let world = World::over(Databases::new(flavour, 2, "ddl").await, way, "stock", VSCHEMA, |_| {}).await;
    let mut session = world.open();
    for sql in [
        "USE stock",
        "CREATE TABLE item (id BIGINT PRIMARY KEY, name VARCHAR(20), price INT)",
        "INSERT INTO item VALUES (1, 'a', 10), (2, 'b', 20), (4, 'd', 40), (5, 'd', 50)",
    ] {
        world.run(&mut session, sql).await.expect(sql);
    }
    for shard in 0..2 {
        let count = on_shard(&world, shard, "SELECT COUNT(*) FROM item").await;
        assert_ne!(count, "0", "both shards have rows");
    }
    (world, session)
}

/// Runs `sql` on a shard's MySQL, past the gate; the first cell of the answer.
async fn on_shard(world: &World, shard: usize, sql: &str) -> String {
    let databases = &world.databases;
    let mut connection = databases.server.connect(&databases.shards[shard]).await;
    if !sql.starts_with("SELECT") && !sql.starts_with("SHOW") {
        connection.execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        return String::new();
    }
    let rows = connection.fetch_all(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    rows.first().and_then(|row| row.last().cloned()).flatten().unwrap_or_default()
}

/// The table's definition on both shards, which have to agree.
async fn definition(world: &World, table: &str) -> String {
    let sql = format!("SHOW CREATE TABLE {table}");
    let [first, second] = [on_shard(world, 0, &sql).await, on_shard(world, 1, &sql).await];
    assert_eq!(first, second);
    first
}

async fn fails(world: &World, session: &mut Session, sql: &str) -> ErrorBody {
    world.run(session, sql).await.expect_err(sql)
}

/// The texts of the warnings of a statement that has to succeed.
async fn warnings(world: &World, session: &mut Session, sql: &str) -> String {
    let (end, _) = world.run(session, sql).await.expect(sql);
    let shown = world.run(session, "SHOW WARNINGS").await.expect("shown").1.join("\n");
    assert_eq!(end.warnings > 0, !shown.is_empty(), "{sql}");
    shown
}

#[tokio::test]
async fn what_failed_on_a_shard_is_completed_by_the_same_statement() {
    for (flavour, way) in settings() {
        let (world, mut session) = stock(flavour, way).await;
        // Two equal values on one shard only.
        let twice = usize::from(on_shard(&world, 1, "SELECT COUNT(*) FROM item WHERE id IN (2, 5)").await == "2");
        on_shard(&world, twice, "UPDATE item SET price = 7").await;
        on_shard(&world, twice, "INSERT INTO item VALUES (1000, 'z', 7)").await;
        let (done, failed) = if twice == 1 { ("-80", "80-") } else { ("80-", "-80") };

        let sql = "ALTER TABLE item ADD UNIQUE KEY by_price (price)";
        for _ in 0..2 {
            let error = fails(&world, &mut session, sql).await;
            assert_eq!((error.errno, error.executed), (1062, Executed::Partial), "{}", error.message);
            let places = format!("(done on {done}; failed on {failed}: ");
            assert!(error.message.contains(&places), "{}", error.message);
        }
        on_shard(&world, twice, "UPDATE item SET price = id").await;
        let note = warnings(&world, &mut session, sql).await;
        assert!(note.contains(&format!("shards {done} had it already")), "{note}");
        assert!(definition(&world, "item").await.contains("by_price"));
        // A table where all have it is one MySQL's.
        let again = fails(&world, &mut session, sql).await;
        assert_eq!((again.errno, again.executed), (1061, Executed::No), "{}", again.message);
    }
}

#[tokio::test]
async fn nothing_is_done_twice() {
    for (flavour, way) in settings() {
        let (world, mut session) = stock(flavour, way).await;
        // Once more, each of these would go well, and do harm.
        for (sql, harm) in [
            (
                "ALTER TABLE item DROP COLUMN price, ADD COLUMN price BIGINT",
                "SELECT COUNT(*) FROM item WHERE price IS NULL",
            ),
            ("ALTER TABLE item ADD INDEX (name)", "SHOW INDEX FROM item WHERE Key_name = 'name_2'"),
            ("ALTER TABLE stock.item ADD COLUMN size INT, ALGORITHM=INPLACE, LOCK=NONE", ""),
            ("CREATE INDEX by_size ON stock.item (size) ALGORITHM=INPLACE", ""),
            ("ALTER TABLE item ADD CONSTRAINT sized CHECK (size < 1000)", ""),
            ("DROP INDEX by_size ON item", ""),
        ] {
            let direct = sql.replace("stock.", "");
            on_shard(&world, 1, &direct).await;
            on_shard(&world, 1, "UPDATE item SET price = 1").await;
            let note = warnings(&world, &mut session, sql).await;
            assert!(note.contains("shards 80- had it already"), "{flavour:?} {sql}: {note}");
            if !harm.is_empty() {
                let found = on_shard(&world, 1, harm).await;
                assert!(found.is_empty() || found == "0", "{sql}: {found}");
            }
            definition(&world, "item").await;
        }
    }
}

#[tokio::test]
async fn tables_are_made_and_dropped_where_they_are_missing_and_left() {
    for (flavour, way) in settings() {
        let (world, mut session) = stock(flavour, way).await;
        let create = "CREATE TABLE other (id BIGINT PRIMARY KEY, n INT)";
        on_shard(&world, 0, create).await;
        on_shard(&world, 0, "INSERT INTO other VALUES (7, 7)").await;
        let note = warnings(&world, &mut session, create).await;
        assert!(note.contains("shards -80 had it already"), "{note}");
        definition(&world, "other").await;
        assert_eq!(fails(&world, &mut session, create).await.errno, 1050);

        on_shard(&world, 1, "DROP TABLE other").await;
        let drop = "DROP TABLE other, country";
        world.run(&mut session, "CREATE TABLE country (id INT PRIMARY KEY)").await.expect("created");
        // The first shard has both, the second one is left with one.
        world.run(&mut session, drop).await.expect("dropped");
        assert_eq!(
            on_shard(&world, 0, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()").await,
            "1"
        );
        assert_eq!(fails(&world, &mut session, drop).await.errno, 1051);

        // What a shard has is another table.
        on_shard(&world, 0, "CREATE TABLE other (id BIGINT PRIMARY KEY, m INT)").await;
        let error = fails(&world, &mut session, create).await;
        assert_eq!((error.code.as_str(), error.executed), (Code::Unsupported.as_str(), Executed::Partial));
        assert!(
            error.message.contains("on -80 with `m` int") && error.message.contains("on 80- with `n` int"),
            "{}",
            error.message
        );
        let same = fails(&world, &mut session, "CREATE TABLE IF NOT EXISTS other (id BIGINT PRIMARY KEY, n INT)").await;
        assert_eq!(same.executed, Executed::Partial, "{}", same.message);
        world.run(&mut session, "TRUNCATE TABLE other").await.expect("rows are not its definition");
        world.run(&mut session, "DROP TABLE IF EXISTS other").await.expect("dropped");
    }
}

#[tokio::test]
async fn shards_that_differ_otherwise_are_not_touched() {
    for (flavour, way) in settings() {
        let (world, mut session) = stock(flavour, way).await;
        on_shard(&world, 0, "ALTER TABLE item MODIFY name VARCHAR(30)").await;
        let before = on_shard(&world, 1, "SHOW CREATE TABLE item").await;
        let error = fails(&world, &mut session, "ALTER TABLE item ADD COLUMN size INT").await;
        assert_eq!((error.code.as_str(), error.executed), (Code::Unsupported.as_str(), Executed::No));
        assert!(error.message.contains("on -80 with `name` varchar(30)"), "{}", error.message);
        assert_eq!(on_shard(&world, 1, "SHOW CREATE TABLE item").await, before);
        // What brings them in line is done everywhere.
        let note = warnings(&world, &mut session, "ALTER TABLE item MODIFY name VARCHAR(40)").await;
        assert_eq!(note, "");
        assert!(definition(&world, "item").await.contains("`name` varchar(40)"));
        world.run(&mut session, "ALTER TABLE item ADD COLUMN size INT").await.expect("they agree");

        // A shard can be named, and is alone then.
        world.run(&mut session, "USE `stock:-80`").await.expect("a shard");
        world.run(&mut session, "ALTER TABLE item ADD COLUMN more INT").await.expect("altered");
        world.run(&mut session, "USE stock").await.expect("a keyspace");
        let note = warnings(&world, &mut session, "ALTER TABLE item ADD COLUMN more INT").await;
        assert!(note.contains("shards -80 had it already"), "{note}");
        // Of a table that cannot be copied nothing is proved.
        for shard in 0..2 {
            on_shard(&world, shard, "CREATE TABLE other (id BIGINT PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 2")
                .await;
        }
        on_shard(&world, 1, "ALTER TABLE other ADD COLUMN x INT").await;
        let error = fails(&world, &mut session, "ALTER TABLE other ADD COLUMN x INT").await;
        assert!(error.message.contains("cannot be tried on an empty copy"), "{}", error.message);
        assert!(error.message.contains("table 'other' is on -80, on 80- with `x` int"), "{}", error.message);
    }
}

#[tokio::test]
async fn tables_of_an_unsharded_keyspace_are_renamed() {
    for (flavour, way) in settings() {
        let databases = Databases::new(flavour, 2, "rename").await;
        let world = World::beside(databases, way, ("stock", VSCHEMA), Some(("plain", "{}")), |_| {}).await;
        let mut session = world.open();
        for (sql, names) in [
            ("USE plain", ""),
            ("CREATE TABLE a (id INT PRIMARY KEY, name VARCHAR(20))", "a"),
            ("INSERT INTO a VALUES (1, 'one')", "a"),
            ("ALTER TABLE a ADD COLUMN n INT DEFAULT 7, RENAME TO plain.b", "b"),
            ("RENAME TABLE b TO c", "c"),
            ("CREATE TABLE d (id INT PRIMARY KEY)", "c\nd"),
            ("RENAME TABLE c TO e, plain.d TO c, e TO d", "c\nd"),
        ] {
            world.run(&mut session, sql).await.expect(sql);
            let (_, tables) = world.run(&mut session, "SHOW TABLES").await.expect("shown");
            assert_eq!(tables.join("\n"), names, "{sql}");
        }
        // Known at once, by their new names and columns.
        let (_, rows) =
            world.run(&mut session, "SELECT * FROM d UNION ALL SELECT id, 0, 0 FROM c").await.expect("read");
        assert_eq!(rows, ["1|one|7"]);
        let error = fails(&world, &mut session, "SELECT * FROM b").await;
        assert_eq!(error.errno, 1146, "{error:?}");
        for sql in ["RENAME TABLE stock.item TO stock.thing", "ALTER TABLE stock.item RENAME stock.thing"] {
            let error = fails(&world, &mut session, sql).await;
            assert_eq!((&error.code, error.errno), (&Code::Unsupported, 1235), "{sql}: {error:?}");
            assert!(error.message.contains("renaming tables in the sharded keyspace 'stock'"), "{error:?}");
        }
        world.run(&mut session, "CREATE TEMPORARY TABLE d (id INT)").await.expect("made");
        let error = fails(&world, &mut session, "RENAME TABLE d TO f").await;
        assert!(error.message.contains("renaming temporary tables"), "{error:?}");
    }
}

#[tokio::test]
async fn values_of_binds_are_in_the_text() {
    for (flavour, way) in settings() {
        let (world, mut session) = stock(flavour, way).await;
        let mut with = async |sql: &str, binds: &[(&str, Value)]| {
            let mut request = Request::new(Op::Execute);
            request.sql = Some(sql.into());
            request.binds = binds.iter().cloned().collect();
            world.request(&mut session, request).await
        };
        let (name, number) = (Value::Text("it's \\ \"so\"".into()), Value::Int(-7));
        with(
            "ALTER TABLE item ADD COLUMN note VARCHAR(20) NOT NULL DEFAULT :a, ALTER price SET DEFAULT :b",
            &[("a", name.clone()), ("b", number.clone())],
        )
        .await
        .expect("altered");
        with("INSERT INTO item (id, name) VALUES (:id, 'x')", &[("id", Value::Int(9))]).await.expect("inserted");
        let (_, rows) = with("SELECT price, note FROM item WHERE id IN (1, 9) ORDER BY id", &[]).await.expect("read");
        assert_eq!(rows, ["10|it's \\ \"so\"", "-7|it's \\ \"so\""]);
        with("CREATE TEMPORARY TABLE stock.kept (a INT) SELECT :a AS a", &[("a", number)])
            .await
            .expect_err("over shards");
        let error = with("ALTER TABLE item ALTER price SET DEFAULT :b", &[("a", name)]).await.expect_err("missing");
        assert_eq!(error.errno, 1210, "{error:?}");
        assert!(error.message.contains("'b'"), "{error:?}");
        definition(&world, "item").await;
    }
}
