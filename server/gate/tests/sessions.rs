//! What a session keeps, over tablets whose shards are databases of a real server, with one MySQL as the judge: the same statements give the
//! same answers, columns included.

mod support;

use std::collections::HashSet;

use support::{Way, World, column, joined, settings};
use vitrail_gate::Session;
use vitrail_harness::{Cluster as Databases, Connection, Flavour};
use vitrail_listener::service::Service;
use vitrail_mysql::{Response, RowsOrEnd};
use vitrail_proto::error::Code;
use vitrail_proto::message::SessionState;
use vitrail_proto::rows::columns;

const VSCHEMA: &str = r#"{
    "sharded": true,
    "vindexes": {"hash": {"type": "hash"}},
    "tables": {"item": {"column_vindexes": [{"column": "id", "name": "hash"}]}}
}"#;
const UNSHARDED: &str = r#"{"sharded": false, "tables": {}}"#;

const ITEM: &str = "item (id BIGINT PRIMARY KEY, name VARCHAR(20), price DECIMAL(10,2))";
const COUNTER: &str = "counter (id BIGINT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20), parent BIGINT)";

/// A gate over one MySQL, or over shards of `item`; and a connection to one MySQL with the same tables.
async fn world(flavour: Flavour, way: Way, shards: usize) -> (World, Session, Connection) {
    let databases = Databases::new(flavour, shards, "session").await;
    let mut oracle = databases.server.connect(&databases.oracle).await;
    let vschema = if shards > 1 { VSCHEMA } else { UNSHARDED };
    let world = World::over(databases, way, "shop", vschema, |_| {}).await;
    let mut session = world.open();
    world.run(&mut session, "USE shop").await.expect("a keyspace");
    world.run(&mut session, "SET vitrail_allow_full_writes = 1").await.expect("a variable");
    for table in [ITEM, COUNTER].into_iter().take(if shards > 1 { 1 } else { 2 }) {
        oracle.execute(&format!("CREATE TABLE {table}")).await.expect("created");
        world.run(&mut session, &format!("CREATE TABLE {table}")).await.expect("created");
    }
    for sql in [
        "INSERT INTO item VALUES (1, 'apple', 1.50), (2, 'pear', 2), (3, 'plum', 0.25), (4, 'fig', 4), (5, NULL, NULL)",
    ] {
        oracle.execute(sql).await.expect("written");
        world.run(&mut session, sql).await.expect("written");
    }
    (world, session, oracle)
}

/// The columns and rows that one MySQL answers, or its error's number.
async fn judge(oracle: &mut Connection, sql: &str) -> Result<(Vec<String>, Vec<String>), u16> {
    let errno = |error: vitrail_mysql::Error| error.server().map_or(0, |server| server.errno);
    match oracle.query(sql.as_bytes()).await.map_err(errno)? {
        Response::Ok(_) => Ok((Vec::new(), Vec::new())),
        Response::Columns(found) => {
            let fields = columns(&found.packed).map(|field| column(&field.expect("well formed"))).collect();
            let mut rows = Vec::new();
            while let RowsOrEnd::Rows(batch) = oracle.next_rows(1 << 20).await.map_err(errno)? {
                for row in batch.rows() {
                    let text = |cell: &[u8]| String::from_utf8_lossy(cell).into_owned();
                    let cells = row.expect("well formed").cells().map(|cell| cell.expect("well formed").map(text));
                    rows.push(joined(cells));
                }
            }
            Ok((fields, rows))
        }
    }
}

/// Runs each statement on both; answers, columns and errors have to be equal. What the gate answers itself has columns of its own
/// types: there only their names count.
async fn compare(world: &World, session: &mut Session, oracle: &mut Connection, script: &[&str]) {
    let mut differences = Vec::new();
    for sql in script {
        let expected = judge(oracle, sql).await;
        let found = world.table(session, sql).await.map_err(|error| (error.errno, error.message));
        let equal = match (&expected, &found) {
            (Ok((wanted, rows)), Ok((columns, found))) => {
                let answered = ["()", "@@", "SHOW ", "EXECUTE"].iter().any(|word| sql.contains(word));
                let name = |column: &String| column.split(" type ").next().unwrap_or_default().to_owned();
                let names = |columns: &[String]| columns.iter().map(name).collect::<Vec<_>>();
                rows == found && if answered { names(wanted) == names(columns) } else { wanted == columns }
            }
            (Err(expected), Err((errno, _))) => errno == expected,
            _ => false,
        };
        if !equal {
            differences.push(format!("{sql}\n    one MySQL: {expected:?}\n    the gate:  {found:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Types, collations and coercibility of user variables, read and assigned in every way.
#[tokio::test]
async fn user_variables_are_as_on_one_mysql() {
    for (flavour, way) in settings() {
        let (world, mut session, mut oracle) = world(flavour, way, 1).await;
        compare(
            &world,
            &mut session,
            &mut oracle,
            &[
                "SET @a = 5, @B = -7, @`c d` := 3",
                "SELECT @a, @b, @'c d', @A + 1",
                "SET @a = 6, @b = @a + 1",
                "SELECT @a, @b",
                "SET @s = 'it''s', @d = 1.50, @f = 1.5e-7, @u = 18446744073709551615, @x = x'00ff', @t = TRUE, @g = 2e0",
                "SELECT @s, @d, @f, @u, HEX(@x), @t, @g",
                "SELECT COLLATION(@s), COERCIBILITY(@s), COLLATION(@d), COLLATION(@x), CHARSET(@u)",
                "SET @l = _latin1 x'e9' COLLATE latin1_german1_ci, @n = DATE '2020-02-29', @e = ''",
                "SELECT @l, COLLATION(@l), @n, COLLATION(@n), @e, LENGTH(@e)",
                "SELECT @s = 'IT''S', CONCAT(@s, @a), @d * 2, @u - 1",
                "SET @sum = (SELECT SUM(price) FROM item WHERE id < 3)",
                "SELECT @sum",
                "SET @missing = (SELECT nothing FROM item LIMIT 1)",
                "SELECT @missing, @sum",
                "SELECT id, name, @a AS six FROM item WHERE id > @none OR id = @a - 4 ORDER BY id",
                "SELECT name, price FROM item WHERE id = 2 INTO @name, @price",
                "SELECT @name, @price, COLLATION(@name)",
                "SELECT id INTO @name FROM item WHERE id = -1",
                "SELECT @name",
                "SELECT id FROM item INTO @id",
                "SELECT id, name INTO @id FROM item WHERE id = 1",
                "SELECT MAX(id) FROM item FOR UPDATE INTO @id",
                "SELECT @id",
                "SET @row = 0",
                "SELECT @row := @row + 1 AS row_number_, name FROM item ORDER BY id",
                "SELECT @row",
                "UPDATE item SET price = (@old := price) + 1 WHERE id = 1",
                "SELECT @old, price FROM item WHERE id = 1",
                "INSERT INTO item VALUES (@a, @name, @d)",
                "SELECT * FROM item WHERE id = @a",
                "DELETE FROM item WHERE id IN (@a, @nothing)",
                "SELECT COUNT(*) FROM item",
                "DO @a := 9",
                "SELECT @a",
                "SET @a = @a + (SELECT COUNT(*) FROM item), @never := IFNULL(@never, 0) + 1",
                "SELECT @a, @never",
                "SET @m = @@sql_mode, sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES', @v = 'a\\b'",
                "SELECT \"id\", @v FROM item WHERE id = 1",
                "SET sql_mode = @m",
                "SELECT @@sql_mode = @m, \"x\"",
                "/*!40101 SET @saved = @@time_zone, time_zone = '+03:00' */",
                "SELECT @@time_zone, @saved",
                "/*!40101 SET time_zone = @saved */",
                "SELECT @@time_zone",
            ],
        )
        .await;
        for refused in ["SET @ä = 1", "SELECT @ä", "SELECT id INTO OUTFILE '/tmp/x' FROM item"] {
            assert_eq!(world.run(&mut session, refused).await.expect_err(refused).code, Code::Unsupported, "{refused}");
        }
    }
}

/// Stored code reads variables that no statement names: those of its session, and never another's.
#[tokio::test]
async fn stored_code_sees_the_variables_of_its_session() {
    for (flavour, way) in settings() {
        let (world, mut anna, _oracle) = world(flavour, way, 1).await;
        let mut bert = world.open();
        world.run(&mut bert, "USE shop").await.expect("a keyspace");
        let mut admin = world.databases.server.connect(&world.databases.shards[0]).await;
        for sql in [
            "CREATE TRIGGER who BEFORE INSERT ON counter FOR EACH ROW SET NEW.name = @who, @seen = NEW.parent",
            "CREATE FUNCTION who() RETURNS VARCHAR(20) READS SQL DATA RETURN @who",
            "CREATE PROCEDURE greet() BEGIN SET @greeting = CONCAT('hello ', @who); SELECT @greeting AS said; END",
        ] {
            admin.execute(sql).await.expect(sql);
        }
        world.gate.refresh().await;
        world.run(&mut anna, "SET @who = 'anna', @greeting = ''").await.expect("set");
        for _ in 0..2 {
            let insert = "INSERT INTO counter (parent) VALUES (1)";
            world.run(&mut anna, insert).await.expect("written");
            world.run(&mut bert, insert).await.expect("written");
            assert_eq!(world.run(&mut anna, "SELECT who()").await.expect("called").1, ["anna"]);
            assert_eq!(world.run(&mut bert, "SELECT who()").await.expect("called").1, ["NULL"]);
            assert_eq!(world.run(&mut bert, "SELECT @seen, @who").await.expect("read").1, ["NULL|NULL"]);
            assert_eq!(world.run(&mut anna, "CALL greet()").await.expect("called").1, ["hello anna"]);
            assert_eq!(world.run(&mut anna, "SELECT @greeting").await.expect("read").1, ["hello anna"]);
            assert_eq!(world.run(&mut bert, "CALL greet()").await.expect("called").1, ["NULL"]);
        }
        let names = world.run(&mut anna, "SELECT name FROM counter ORDER BY id").await.expect("read").1;
        assert_eq!(names, ["anna", "NULL", "anna", "NULL"]);
    }
}

/// Locks, handlers and temporary tables see the session's variables, and assign them.
#[tokio::test]
async fn a_pinned_session_has_its_variables() {
    for (flavour, way) in settings() {
        let (world, mut session, mut oracle) = world(flavour, way, 1).await;
        let name = format!("variables-{}", std::process::id());
        let script = [
            // Both are on one server, and locks are the server's: each has its own.
            format!("SET @name = CONCAT('{name}-{way:?}-', DATABASE()), @v = 7, @id = 3"),
            "SELECT GET_LOCK(@name, 1) INTO @got".into(),
            "SELECT @got, IS_FREE_LOCK(@name)".into(),
            "DO RELEASE_LOCK(@name), @done := 1".into(),
            "SELECT @done, IS_FREE_LOCK(@name)".into(),
            "SELECT @again := GET_LOCK(@name, 1)".into(),
            "SELECT @again, RELEASE_ALL_LOCKS()".into(),
            "CREATE TEMPORARY TABLE seen (id BIGINT AUTO_INCREMENT PRIMARY KEY, v INT)".into(),
            "INSERT INTO seen (v) VALUES (@v), (@v + 1)".into(),
            "SELECT LAST_INSERT_ID()".into(),
            "PREPARE p FROM 'SELECT id, v FROM seen WHERE v >= ? ORDER BY id'".into(),
            "EXECUTE p USING @v".into(),
            "SELECT COUNT(*) FROM seen INTO @count".into(),
            "SELECT @count".into(),
            "UPDATE seen SET v = @v := @v + 10 WHERE id > 0".into(),
            "SELECT @v, SUM(v) FROM seen".into(),
            "DROP TEMPORARY TABLE seen".into(),
            "SELECT @v, @count, @got".into(),
        ];
        let script: Vec<&str> = script.iter().map(String::as_str).collect();
        compare(&world, &mut session, &mut oracle, &script).await;
    }
}

/// Two sessions share the connections of a pool and never see each other's variables.
#[tokio::test]
async fn user_variables_do_not_leak() {
    for (flavour, way) in settings() {
        let databases = Databases::new(flavour, 1, "session").await;
        let world = World::over(databases, way, "shop", UNSHARDED, |config| config.pool.size = 1).await;
        let (mut one, mut two) = (world.open(), world.open());
        for session in [&mut one, &mut two] {
            world.run(session, "USE shop").await.expect("a keyspace");
        }
        world.run(&mut one, "SET @a = 'secret', @b = 1").await.expect("set");
        assert_eq!(world.run(&mut one, "SELECT @a, @b").await.expect("read").1, ["secret|1"]);
        assert_eq!(world.run(&mut two, "SELECT @a, @b").await.expect("read").1, ["NULL|NULL"]);
        world.run(&mut two, "SELECT @a := 'other'").await.expect("set");
        assert_eq!(world.run(&mut one, "SELECT @a").await.expect("read").1, ["secret"]);
        assert_eq!(world.run(&mut two, "SELECT @a").await.expect("read").1, ["other"]);
        // A statement that fails may have assigned; the session keeps what it had, and so does the other.
        world
            .run(&mut two, "SELECT @a := 'third', nothing FROM information_schema.tables")
            .await
            .expect_err("no such column");
        assert_eq!(world.run(&mut two, "SELECT @a").await.expect("read").1, ["other"]);
        // As many names as a session may have, and not one more.
        for number in 0..254 {
            world.run(&mut one, &format!("SET @v{number} = 1")).await.expect("fits");
        }
        let full = world.run(&mut one, "SET @one_more = 1").await.expect_err("full");
        assert_eq!(full.code, Code::Exhausted);
    }
}

/// Over several shards every shard sees the same variables; what would assign them differently on each is refused.
#[tokio::test]
async fn user_variables_work_over_shards() {
    for (flavour, way) in settings() {
        let (world, mut session, mut oracle) = world(flavour, way, 2).await;
        compare(
            &world,
            &mut session,
            &mut oracle,
            &[
                "SET @id = 3, @limit = 2.5, @word = 'FIG'",
                "SELECT name FROM item WHERE id = @id",
                "SELECT id, @word FROM item WHERE price < @limit ORDER BY id",
                "SELECT id FROM item WHERE name = @word",
                "SELECT COUNT(*) FROM item WHERE id IN (@id, 4, 5)",
                "SELECT name INTO @word FROM item WHERE id = @id",
                "SELECT @word",
                "SET @found = (SELECT price FROM item WHERE id = 2)",
                "SELECT @found",
                "SET @more = @id + 10",
                "INSERT INTO item (id, name) VALUES (@more, 'x')",
                "UPDATE item SET name = @word WHERE id = 1",
                "SELECT id, name FROM item ORDER BY id",
                "SELECT @n := price FROM item WHERE id = 4",
                "SELECT @n",
            ],
        )
        .await;
        for refused in
            ["SELECT @n := id FROM item", "SELECT name INTO @word FROM item", "UPDATE item SET price = (@n := 1)"]
        {
            let error = world.run(&mut session, refused).await.expect_err(refused);
            assert_eq!(error.code, Code::Unsupported, "{refused}");
            assert!(error.message.contains("shard"), "{}", error.message);
        }
        world.run(&mut session, "BEGIN").await.expect("begun");
        world.run(&mut session, "SELECT name INTO @word FROM item WHERE id = 2 FOR UPDATE").await.expect("assigned");
        world.run(&mut session, "ROLLBACK").await.expect("rolled back");
        assert_eq!(world.run(&mut session, "SELECT @word").await.expect("kept").1, ["pear"]);
    }
}

#[tokio::test]
async fn prepared_statements_are_as_on_one_mysql() {
    for (flavour, way) in settings() {
        for shards in [1, 2] {
            let (world, mut session, mut oracle) = world(flavour, way, shards).await;
            compare(
                &world,
                &mut session,
                &mut oracle,
                &[
                    "PREPARE s FROM 'SELECT name, ? AS given FROM item WHERE id = ?'",
                    "SET @id = 2, @text = 'it''s'",
                    "EXECUTE s USING @id, @id",
                    "PREPARE t FROM 'SELECT name, ? AS given FROM item WHERE id = ?'",
                    "EXECUTE T USING @text, @id",
                    "DEALLOCATE PREPARE t",
                    "EXECUTE s",
                    "EXECUTE s USING @id",
                    "EXECUTE t",
                    "SET @sql = 'UPDATE item SET price = ? WHERE id = 2'",
                    "PREPARE `s` FROM @sql",
                    "SET @price = 7.25",
                    "EXECUTE s USING @price",
                    "SELECT ROW_COUNT()",
                    "SELECT price FROM item WHERE id = 2",
                    "DEALLOCATE PREPARE s",
                    "EXECUTE s USING @price",
                    "DROP PREPARE s",
                    "PREPARE s FROM @nothing",
                    "PREPARE s FROM ''",
                    "PREPARE s FROM 'SELECT 1'",
                    "PREPARE s FROM 'PREPARE t FROM \"SELECT 1\"'",
                    "EXECUTE s",
                    "PREPARE s FROM 'SET @z = 4'",
                    "EXECUTE s",
                    "SELECT @z",
                ],
            )
            .await;
            // Another gate rebuilds the session from what the client was told.
            world.run(&mut session, "PREPARE p FROM 'SELECT id + ? FROM item WHERE id = 1'").await.expect("prepared");
            let (end, _) = world.run(&mut session, "SET @plus = 41").await.expect("set");
            let told = end.state.expect("news");
            assert_eq!(told.user_variables, [("plus".to_owned(), "41".to_owned())]);
            let state = SessionState {
                prepared: vec![("p".into(), "SELECT id + ? FROM item WHERE id = 1".into())],
                last_insert_id: Some(17),
                ..told
            };
            let mut moved = world.gate.open(&world.peer, state).expect("opened");
            world.run(&mut moved, "USE shop").await.expect("a keyspace");
            assert_eq!(world.run(&mut moved, "EXECUTE p USING @plus").await.expect("run").1, ["42"]);
            assert_eq!(world.run(&mut moved, "SELECT LAST_INSERT_ID()").await.expect("run").1, ["17"]);
            world.gate.reset(&mut moved).await.expect("reset");
        }
    }
}

/// `LAST_INSERT_ID()` anywhere, `LAST_INSERT_ID(expr)`, `ROW_COUNT()` and `FOUND_ROWS()`.
#[tokio::test]
async fn facts_of_the_last_statement_are_as_on_one_mysql() {
    for (flavour, way) in settings() {
        let (world, mut session, mut oracle) = world(flavour, way, 1).await;
        compare(
            &world,
            &mut session,
            &mut oracle,
            &[
                "SELECT LAST_INSERT_ID()",
                "INSERT INTO counter (name) VALUES ('a'), ('b')",
                "SELECT LAST_INSERT_ID(), @@last_insert_id, @@identity",
                "INSERT INTO counter (name, parent) VALUES ('child', LAST_INSERT_ID())",
                "SELECT * FROM counter WHERE id = LAST_INSERT_ID()",
                "SELECT id, LAST_INSERT_ID() AS last, LAST_INSERT_ID() - 1 FROM counter ORDER BY id",
                "INSERT INTO counter (id, name) VALUES (50, 'explicit')",
                "SELECT LAST_INSERT_ID()",
                "INSERT INTO counter VALUES (60, 'explicit', 0)",
                "SELECT LAST_INSERT_ID()",
                "INSERT INTO counter VALUES (NULL, 'generated', 0)",
                "SELECT LAST_INSERT_ID()",
                "UPDATE counter SET parent = LAST_INSERT_ID(parent + 100) WHERE id = 3",
                "SELECT LAST_INSERT_ID()",
                "SELECT LAST_INSERT_ID(77)",
                "SELECT LAST_INSERT_ID()",
                "SET last_insert_id = 5",
                "SELECT LAST_INSERT_ID()",
                "SET @id = LAST_INSERT_ID(), @twice = LAST_INSERT_ID() * 2",
                "SELECT @id, @twice",
                "UPDATE item SET price = price + 1 WHERE id < 3",
                "SELECT ROW_COUNT()",
                "SELECT ROW_COUNT()",
                "DELETE FROM item WHERE id = -1",
                "SET @n = ROW_COUNT() + 3",
                "SELECT @n, ROW_COUNT()",
                "SELECT ROW_COUNT() + 0, 1",
                "INSERT INTO item (id) VALUES (1)",
                "SELECT ROW_COUNT()",
                "BEGIN",
                "SELECT ROW_COUNT()",
                "COMMIT",
                "SELECT id FROM item ORDER BY id LIMIT 2",
                "SELECT FOUND_ROWS()",
                "SELECT FOUND_ROWS()",
                "SELECT id FROM item WHERE id = -1",
                "SELECT FOUND_ROWS(), FOUND_ROWS() + 1 AS more",
                "SELECT SQL_CALC_FOUND_ROWS id FROM item ORDER BY id LIMIT 2",
                "SELECT FOUND_ROWS() AS total",
                "SELECT SQL_CALC_FOUND_ROWS id FROM item WHERE id > 1 ORDER BY id LIMIT 1, 1",
                "SET @total = FOUND_ROWS()",
                "SELECT @total",
                "SELECT id FROM item WHERE id = 2 INTO @x",
                "SELECT ROW_COUNT(), FOUND_ROWS()",
                "SELECT ROW_COUNT(), id FROM item WHERE id = 1",
            ],
        )
        .await;
    }
}

/// Over shards: `LAST_INSERT_ID()` leads to the shard, rows that are counted are added up, and what cannot be is refused.
#[tokio::test]
async fn facts_of_the_last_statement_work_over_shards() {
    for (flavour, way) in settings() {
        let (world, mut session, mut oracle) = world(flavour, way, 2).await;
        compare(
            &world,
            &mut session,
            &mut oracle,
            &[
                "SET last_insert_id = 3",
                "SELECT name FROM item WHERE id = LAST_INSERT_ID()",
                "SET @id = LAST_INSERT_ID() + 3",
                "INSERT INTO item (id, name) VALUES (@id, 'six')",
                "SET last_insert_id = 7",
                "INSERT INTO item (id, name) VALUES (LAST_INSERT_ID(), 'seven'), (8, LAST_INSERT_ID())",
                "SET last_insert_id = 3",
                "UPDATE item SET name = CONCAT(name, LAST_INSERT_ID()) WHERE id = LAST_INSERT_ID()",
                "SELECT id, name, LAST_INSERT_ID() FROM item ORDER BY id",
                "SELECT SQL_CALC_FOUND_ROWS id FROM item ORDER BY id LIMIT 2",
                "SELECT FOUND_ROWS()",
                "SELECT SQL_CALC_FOUND_ROWS id FROM item WHERE id > 1 ORDER BY id LIMIT 1",
                "SELECT FOUND_ROWS()",
                "SELECT SQL_CALC_FOUND_ROWS id FROM item WHERE id = 1 LIMIT 5",
                "SELECT FOUND_ROWS()",
                "SELECT id FROM item ORDER BY id LIMIT 3",
                "SELECT FOUND_ROWS()",
                "UPDATE item SET price = 1",
                "SELECT ROW_COUNT()",
                "SET sql_select_limit = 2",
                "SELECT id FROM item ORDER BY id",
                "SELECT id FROM item ORDER BY id LIMIT 3",
                "SELECT COUNT(*) FROM item",
                "SET sql_select_limit = DEFAULT",
                "SELECT id FROM item ORDER BY id",
            ],
        )
        .await;
        for refused in ["UPDATE item SET price = LAST_INSERT_ID(id)", "SELECT SQL_CALC_FOUND_ROWS COUNT(*) FROM item"] {
            assert_eq!(world.run(&mut session, refused).await.expect_err(refused).code, Code::Unsupported, "{refused}");
        }
    }
}

/// The texts of warnings and errors, without asking for them beforehand.
#[tokio::test]
async fn warnings_are_shown_after_any_statement() {
    for (flavour, way) in settings() {
        let (world, mut session, mut oracle) = world(flavour, way, 1).await;
        compare(
            &world,
            &mut session,
            &mut oracle,
            &[
                "SHOW WARNINGS",
                "SELECT 1 / 0, CAST('x' AS SIGNED)",
                "SHOW WARNINGS",
                "SHOW WARNINGS LIMIT 1, 1",
                "SHOW ERRORS",
                "SHOW COUNT(*) WARNINGS",
                "SELECT @@warning_count, @@error_count",
                "SELECT 1",
                "SHOW COUNT(*) WARNINGS",
                "INSERT IGNORE INTO item (id) VALUES (1), (1)",
                "SHOW WARNINGS",
                "SHOW COUNT(*) ERRORS",
                "UPDATE item SET name = 'x'",
                "SHOW WARNINGS",
                "SELECT CAST('y' AS SIGNED)",
                "SELECT @@warning_count",
            ],
        )
        .await;
        let failed = world.run(&mut session, "INSERT INTO item (id) VALUES (1)").await.expect_err("a duplicate");
        let shown = world.run(&mut session, "SHOW WARNINGS").await.expect("shown").1;
        assert_eq!(shown, [format!("Error|1062|{}", failed.message)]);
        assert_eq!(world.run(&mut session, "SHOW ERRORS").await.expect("shown").1.len(), 1);
        assert_eq!(world.run(&mut session, "SELECT @@error_count").await.expect("read").1, ["1"]);
        let refused = world.run(&mut session, "GET DIAGNOSTICS @n = NUMBER").await.expect_err("refused");
        assert!(
            refused.code == Code::Unsupported && refused.message.contains("GET DIAGNOSTICS"),
            "{}",
            refused.message
        );
    }
}

/// Every session variable of the live server is either settable, to the same effect as on one MySQL, or refused by name.
#[tokio::test]
async fn every_system_variable_is_settable_or_refused_by_name() {
    for (flavour, way) in settings() {
        if way == Way::Remote {
            continue;
        }
        let (world, mut session, mut oracle) = world(flavour, way, 1).await;
        let listed = oracle.fetch_all("SHOW SESSION VARIABLES").await.expect("listed");
        let names: Vec<String> = listed.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect();
        assert!(names.len() > 500, "{}", names.len());
        let mut kept = HashSet::new();
        for name in names {
            let Ok((_, current)) = judge(&mut oracle, &format!("SELECT @@session.`{name}`")).await else {
                // A global variable.
                let error = world.run(&mut session, &format!("SET SESSION {name} = 1")).await.expect_err(&name);
                assert!(error.message.contains(&name), "{name}: {}", error.message);
                continue;
            };
            let value = &current[0];
            let literal = match value.as_str() {
                "NULL" => "NULL".to_owned(),
                number if number.parse::<f64>().is_ok() => number.to_owned(),
                text => format!("'{text}'"),
            };
            let sql = format!("SET SESSION {name} = {literal}");
            match world.run(&mut session, &sql).await {
                Ok(_) => {
                    kept.insert(name.clone());
                    oracle.execute(&sql).await.unwrap_or_else(|error| panic!("only the gate takes {sql}: {error}"));
                    let read = format!("SELECT @@session.`{name}`");
                    let (_, expected) = judge(&mut oracle, &read).await.expect("read");
                    let found =
                        world.run(&mut session, &read).await.unwrap_or_else(|error| panic!("{read}: {error}")).1;
                    assert_eq!(found, expected, "{sql}");
                }
                Err(error) => {
                    assert!(error.message.contains(&name), "{sql}: {}", error.message);
                    assert!(matches!(error.errno, 1193 | 1227 | 1231 | 1235 | 1238 | 1621 | 1229), "{sql}: {error:?}");
                }
            }
        }
        for expected in [
            "sql_mode",
            "time_zone",
            "foreign_key_checks",
            "optimizer_switch",
            "timestamp",
            "lc_time_names",
            "autocommit",
        ] {
            assert!(kept.contains(expected), "{expected} cannot be set");
        }
        assert!(kept.len() > 90, "{flavour:?}: only {}", kept.len());
    }
}

/// Values and expressions of SET, and what answers from them.
#[tokio::test]
async fn settings_are_as_on_one_mysql() {
    for (flavour, way) in settings() {
        let (world, mut session, mut oracle) = world(flavour, way, 1).await;
        compare(
            &world,
            &mut session,
            &mut oracle,
            &[
                "SET timestamp = 1000000000",
                "SET time_zone = '+00:00'",
                "SELECT NOW(), UNIX_TIMESTAMP()",
                "SET timestamp = DEFAULT",
                "SELECT NOW() > '2020-01-01'",
                "SET sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')",
                "SELECT @@sql_mode LIKE '%ANSI_QUOTES%' AS ansi",
                "SET SESSION sql_mode = DEFAULT, LOCAL div_precision_increment = 2, @@session.group_concat_max_len = 1 + 9",
                "SELECT 1 / 3, GROUP_CONCAT(name ORDER BY id) FROM item",
                "SELECT @@div_precision_increment + 1 AS three, @@session.group_concat_max_len, @@global.div_precision_increment",
                "SET @keep = @@div_precision_increment, div_precision_increment = DEFAULT",
                "SELECT @@div_precision_increment, @keep",
                "SET lc_time_names = 'de_DE'",
                "SELECT DATE_FORMAT('2020-10-05', '%W %M')",
                "SET sql_mode = 'no such mode'",
                "SET div_precision_increment = 'x'",
                "SET lc_time_names = 'xx_YY', time_zone = 'nowhere'",
                "SELECT @@lc_time_names, @@time_zone",
                "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
                "SELECT @@collation_connection, 'a' = 'A', COLLATION('a')",
                "SET NAMES utf8mb4",
                "SELECT @@collation_connection, 'a' = 'A', COLLATION('a')",
                "SET CHARACTER SET utf8mb4",
                "SET autocommit = 0",
                "SELECT @@autocommit + 1 AS a, IF(@@autocommit, 'on', 'off') AS b",
                "SET autocommit = @@global.autocommit",
                "SELECT @@autocommit + 1 AS a",
                "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
                "SET @nothing = 'uses it up'",
                "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY",
                "INSERT INTO item (id) VALUES (99)",
                "SET SESSION TRANSACTION READ WRITE",
                "INSERT INTO item (id) VALUES (99)",
            ],
        )
        .await;
        let physical = if flavour == Flavour::MariaDb { "tx" } else { "transaction" };
        let read = format!("SELECT CONCAT(@@{physical}_isolation) AS level");
        compare(&world, &mut session, &mut oracle, &[&read]).await;
        // What only the gate knows keeps its column's name, wherever it stands.
        let (fields, rows) = world
            .table(
                &mut session,
                "SELECT CONCAT(DATABASE(), '!'), id, CONNECTION_ID() + 0 AS me, USER() FROM item WHERE id = 1",
            )
            .await
            .expect("read");
        assert_eq!(rows, ["shop!|1|7|anna@%"]);
        let names: Vec<&str> = fields.iter().map(|field| field.split(" type ").next().unwrap_or_default()).collect();
        assert_eq!((names[0], names[3]), ("CONCAT(DATABASE(), '!')", "USER()"), "{fields:?}");
        let refused =
            world.run(&mut session, "SET STATEMENT max_statement_time = 1 FOR SELECT 1").await.expect_err("refused");
        assert!(refused.message.contains("SET STATEMENT"), "{}", refused.message);
    }
}

/// What drivers and tools send when they connect.
#[tokio::test]
async fn what_drivers_send_at_connect_works() {
    for (flavour, way) in settings() {
        let (world, mut session, _) = world(flavour, way, 2).await;
        let isolation = if flavour == Flavour::MariaDb { "tx_isolation" } else { "transaction_isolation" };
        for sql in [
            // Connector/J
            "/* mysql-connector-j-8.4.0 */SELECT  @@session.auto_increment_increment AS auto_increment_increment, @@character_set_client AS character_set_client, @@character_set_connection AS character_set_connection, @@character_set_results AS character_set_results, @@character_set_server AS character_set_server, @@collation_server AS collation_server, @@collation_connection AS collation_connection, @@init_connect AS init_connect, @@interactive_timeout AS interactive_timeout, @@license AS license, @@lower_case_table_names AS lower_case_table_names, @@max_allowed_packet AS max_allowed_packet, @@net_write_timeout AS net_write_timeout, @@performance_schema AS performance_schema, @@sql_mode AS sql_mode, @@system_time_zone AS system_time_zone, @@time_zone AS time_zone, @@wait_timeout AS wait_timeout",
            "SET character_set_results = utf8mb4",
            "SET sql_mode='STRICT_TRANS_TABLES'",
            "SET autocommit=1",
            "SET SESSION TRANSACTION READ WRITE",
            // mysql-connector-python
            "SET NAMES 'utf8mb4' COLLATE 'utf8mb4_general_ci'",
            "SET @@session.autocommit = OFF",
            "SELECT DATABASE()",
            "SET @@session.autocommit = ON",
            // PDO, mysqlnd
            "SET NAMES utf8mb4",
            "SET SESSION sql_mode = 'TRADITIONAL'",
            // Rails
            "SET NAMES utf8mb4,  @@SESSION.sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'),  @@SESSION.wait_timeout = 2147483",
            "SET  @@SESSION.sql_auto_is_null = 0, @@SESSION.wait_timeout = 2147483, @@SESSION.sql_mode = 'STRICT_ALL_TABLES'",
            // Django
            "SET SQL_AUTO_IS_NULL = 0",
            "SELECT VERSION(), @@sql_mode, @@default_storage_engine, @@sql_auto_is_null, @@lower_case_table_names, CONVERT_TZ('2001-01-01 01:00:00', 'UTC', 'UTC') IS NOT NULL",
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            // Sequelize, SQLAlchemy
            "SET time_zone = '+00:00'",
            "SELECT @@version_comment LIMIT 1",
            "ROLLBACK",
            // sqlx
            "SET sql_mode=(SELECT CONCAT(@@sql_mode, ',PIPES_AS_CONCAT,NO_ENGINE_SUBSTITUTION')),time_zone='+00:00',NAMES utf8mb4 COLLATE utf8mb4_unicode_ci",
            // go-sql-driver
            "SELECT @@max_allowed_packet",
            "SET innodb_lock_wait_timeout = 5, foreign_key_checks = OFF, unique_checks=0",
            // mysqldump
            "/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */",
            "/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */",
            "/*!40103 SET TIME_ZONE='+00:00' */",
            "/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */",
            "/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */",
            "/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */",
            "/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */",
            "/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */",
            "/*!40101 SET SQL_MODE=@OLD_SQL_MODE */",
            "/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */",
            "/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */",
            "/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */",
            &format!("SELECT @@session.{isolation}"),
        ] {
            world.run(&mut session, sql).await.unwrap_or_else(|error| panic!("{flavour:?}: {sql}: {error}"));
        }
        assert_eq!(world.run(&mut session, "SELECT COUNT(*) FROM item").await.expect("it still works").1, ["5"]);
    }
}

/// `CALL` where everything is on one MySQL: OUT parameters are user variables.
#[tokio::test]
async fn out_parameters_of_call_are_user_variables() {
    for (flavour, way) in settings() {
        let (world, mut session, mut oracle) = world(flavour, way, 1).await;
        let mut shard = world.databases.server.connect(&world.databases.shards[0]).await;
        let procedure = "CREATE PROCEDURE double_it(IN n INT, OUT twice INT, INOUT log VARCHAR(50)) \
                         BEGIN SET twice = 2 * n, log = CONCAT(log, '+', n), @leak = n; SELECT n; END";
        for connection in [&mut oracle, &mut shard] {
            connection.execute(procedure).await.expect("defined");
        }
        for sql in ["SET @log = 'log'", "CALL double_it(21, @twice, @log)"] {
            world.run(&mut session, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        assert_eq!(world.run(&mut session, "SELECT @twice, @log, @leak").await.expect("read").1, ["42|log+21|NULL"]);
        let (sharded, mut session, _) = self::world(flavour, way, 2).await;
        let refused = sharded.run(&mut session, "CALL p(@a)").await.expect_err("refused");
        assert!(refused.code == Code::Unsupported && refused.message.contains("CALL"), "{}", refused.message);
    }
}

/// autocommit, isolation, read only, snapshots and savepoints at their edges.
#[tokio::test]
async fn transactions_are_as_on_one_mysql() {
    for (flavour, way) in settings() {
        for shards in [1, 2] {
            let (world, mut session, mut oracle) = world(flavour, way, shards).await;
            compare(
                &world,
                &mut session,
                &mut oracle,
                &[
                    "SET autocommit = 0",
                    "UPDATE item SET price = 100 WHERE id = 1",
                    "SET autocommit = 1",
                    "ROLLBACK",
                    "SELECT price FROM item WHERE id = 1",
                    "SET autocommit = 0",
                    "SELECT id FROM item WHERE id = 1",
                    "SET TRANSACTION READ ONLY",
                    "UPDATE item SET price = 200 WHERE id = 1",
                    "ROLLBACK",
                    "SET autocommit = 1",
                    "SELECT price FROM item WHERE id = 1",
                    "SET TRANSACTION READ ONLY",
                    "START TRANSACTION",
                    "UPDATE item SET price = 1 WHERE id = 1",
                    "COMMIT",
                    "START TRANSACTION",
                    "UPDATE item SET price = 7 WHERE id = 1",
                    "COMMIT",
                    "START TRANSACTION READ ONLY",
                    "INSERT INTO item (id) VALUES (70)",
                    "SELECT price FROM item WHERE id = 1",
                    "COMMIT",
                    "SET SESSION TRANSACTION READ ONLY",
                    "DELETE FROM item WHERE id = 1",
                    "SET SESSION TRANSACTION READ WRITE",
                    "BEGIN",
                    "INSERT INTO item (id) VALUES (80), (81), (82), (83)",
                    "SAVEPOINT a",
                    "UPDATE item SET price = 9",
                    "SAVEPOINT b",
                    "DELETE FROM item",
                    "ROLLBACK TO b",
                    "SELECT COUNT(*), MIN(price), MAX(price) FROM item",
                    "ROLLBACK TO SAVEPOINT a",
                    "ROLLBACK TO b",
                    "RELEASE SAVEPOINT a",
                    "RELEASE SAVEPOINT a",
                    "SELECT COUNT(*) FROM item",
                    "BEGIN",
                    "ROLLBACK",
                    "SELECT COUNT(*) FROM item",
                    "START TRANSACTION WITH CONSISTENT SNAPSHOT",
                    "SELECT COUNT(*) FROM item",
                    "COMMIT AND CHAIN",
                    "DELETE FROM item WHERE id > 79",
                    "ROLLBACK AND CHAIN",
                    "SELECT COUNT(*) FROM item",
                    "ROLLBACK",
                ],
            )
            .await;
        }
    }
}
