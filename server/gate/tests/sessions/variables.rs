//! User variables.

use vitrail_harness::Cluster as Databases;
use vitrail_proto::error::Code;

use crate::support::{World, settings};
use crate::{UNSHARDED, agreeing, compare, world};

/// Types, collations and coercibility of user variables, read and assigned in every way.
#[tokio::test]
async fn user_variables_are_as_on_one_mysql() {
    for (flavour, way) in settings() {
        let (world, mut session, _) = agreeing(flavour, way, 1, &[
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
            ]).await;
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
        let (world, mut session, _) = agreeing(
            flavour,
            way,
            2,
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
        let absent = sharded.run(&mut session, "CALL p(@a)").await.expect_err("there is none");
        assert_eq!((absent.code, absent.errno), (Code::NotFound, 1305), "{}", absent.message);
        let mut shard = sharded.databases.server.connect(&sharded.databases.shards[1]).await;
        shard.execute("CREATE PROCEDURE p(OUT a INT) SET a = 1").await.expect("defined");
        let refused = sharded.run(&mut session, "CALL p(@a)").await.expect_err("refused");
        assert!(refused.code == Code::Unsupported && refused.message.contains("CALL"), "{}", refused.message);
    }
}
