//! Columns that a sequence fills, over real servers: numbers that never come twice, and what one MySQL says of its own AUTO_INCREMENT.

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use support::{Way, World, settings};
use tokio_util::sync::CancellationToken;
use vitrail_gate::{Gate, GateConfig, Session};
use vitrail_harness::{Cluster as Databases, Flavour};
use vitrail_listener::responder::Responder;
use vitrail_listener::service::{RequestContext, Service};
use vitrail_proto::error::Code;
use vitrail_proto::message::{Op, Request, SessionState};
use vitrail_proto::value::Value;

const SHOP: &str = r#"{
    "sharded": true,
    "vindexes": {"hash": {"type": "hash"}},
    "tables": {
        "member": {
            "column_vindexes": [{"column": "id", "name": "hash"}],
            "auto_increment": {"column": "id", "sequence": "main.member_seq"}
        },
        "cart": {
            "column_vindexes": [{"column": "member", "name": "hash"}],
            "auto_increment": {"column": "id", "sequence": "cart_seq"}
        }
    }
}"#;

const MAIN: &str = r#"{"tables": {"member_seq": {"type": "sequence"}, "cart_seq": {"type": "sequence"}}}"#;

/// A gate over two shards, beside the keyspace of the sequences, which give out `cache` numbers at a time.
async fn shop(flavour: Flavour, way: Way, cache: u32) -> World {
    let databases = Databases::new(flavour, 2, "seq").await;
    let world = World::beside(databases, way, ("shop", SHOP), Some(("main", MAIN)), |_| {}).await;
    let mut session = world.open();
    for sql in [
        "USE main",
        "CREATE TABLE member_seq (id INT PRIMARY KEY, next_id BIGINT NOT NULL, cache BIGINT NOT NULL)",
        "CREATE TABLE cart_seq (id INT PRIMARY KEY, next_id BIGINT NOT NULL, cache BIGINT NOT NULL)",
        &format!("INSERT INTO member_seq VALUES (0, 1, {cache})"),
        "USE shop",
        "CREATE TABLE member (id BIGINT PRIMARY KEY, name VARCHAR(20))",
        "CREATE TABLE cart (id BIGINT, member BIGINT, PRIMARY KEY (member, id))",
    ] {
        world.run(&mut session, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    world
}

async fn open(world: &World) -> Session {
    let mut session = world.open();
    world.run(&mut session, "USE shop").await.expect("a keyspace");
    session
}

/// Affected rows and insert id, `LAST_INSERT_ID()` and all rows after each statement, on one MySQL with AUTO_INCREMENT and through two shards
/// with a sequence that gives out one number at a time.
#[tokio::test]
async fn it_is_as_auto_increment_on_one_mysql() {
    for (flavour, way) in settings() {
        let world = shop(flavour, way, 1).await;
        let mut session = open(&world).await;
        let mut oracle = world.databases.server.connect(&world.databases.oracle).await;
        oracle
            .execute("CREATE TABLE member (id BIGINT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(20))")
            .await
            .expect("made");
        for sql in [
            "INSERT INTO member (name) VALUES ('a')",
            "INSERT INTO member (name) VALUES ('b'), ('c'), ('d')",
            "INSERT INTO member VALUES (NULL, 'e'), (0, 'f'), (DEFAULT, 'g')",
            "INSERT INTO member SET name = 'h'",
            "INSERT INTO member SET name = 'i', id = NULL",
            "INSERT INTO member () VALUES ()",
            "INSERT INTO member VALUES (), (), ()",
            "INSERT INTO member (name) VALUES (CONCAT('j', LAST_INSERT_ID()))",
            "REPLACE INTO member (name) VALUES ('k')",
            "REPLACE INTO member (id, name) VALUES (3, 'l')",
            "INSERT INTO member (name) VALUES ('m') ON DUPLICATE KEY UPDATE name = 'n'",
        ] {
            let expected = oracle.execute(sql).await.expect(sql);
            let (end, _) = world.run(&mut session, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
            assert_eq!(end.affected, expected.affected, "{sql}");
            if !sql.contains("(3,") {
                // Of given values MySQL tells the one that was given.
                assert_eq!(end.insert_id, expected.insert_id, "{sql}");
            }
            for look in ["SELECT LAST_INSERT_ID()", "SELECT COUNT(*), SUM(id) FROM member"] {
                let cells = oracle.fetch_row(look).await.expect(look);
                let expected = support::joined(cells);
                assert_eq!(world.run(&mut session, look).await.expect(look).1, [expected], "{look} after {sql}");
            }
        }
        let all = "SELECT id, name FROM member ORDER BY id";
        let rows = oracle.fetch_all(all).await.expect("rows").into_iter().map(support::joined);
        assert_eq!(world.run(&mut session, all).await.expect("rows").1, rows.collect::<Vec<_>>());
        if flavour == Flavour::MariaDb {
            let sql = "INSERT INTO member (name) VALUES ('o'), ('p'), ('q') RETURNING id, name";
            let rows = oracle.fetch_all(sql).await.expect(sql).into_iter().map(support::joined);
            let mut found = world.run(&mut session, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}")).1;
            found.sort();
            assert_eq!(found, rows.collect::<Vec<_>>(), "{sql}");
            let look = "SELECT LAST_INSERT_ID()";
            let expected = support::joined(oracle.fetch_row(look).await.expect(look));
            assert_eq!(world.run(&mut session, look).await.expect(look).1, [expected], "{look} after {sql}");
        }
        // What a SELECT gives is numbered in its order. One MySQL takes more numbers than it needs for it.
        for sql in [
            "INSERT INTO member (name) SELECT name FROM member WHERE id < 4 ORDER BY id DESC",
            "INSERT INTO member (id, name) SELECT CASE id WHEN 2 THEN NULL WHEN 3 THEN 0 ELSE 1000 + id END, 'o' FROM member WHERE id < 4 ORDER BY id",
        ] {
            let names = "SELECT name FROM member ORDER BY id";
            let expected = oracle.execute(sql).await.expect(sql);
            let (end, _) = world.run(&mut session, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
            assert_eq!(end.affected, expected.affected, "{sql}");
            let first = world.run(&mut session, "SELECT LAST_INSERT_ID()").await.expect("a number").1;
            assert_eq!(first, [end.insert_id.to_string()], "{sql}");
            let rows = oracle.fetch_all(names).await.expect("rows").into_iter().map(support::joined);
            assert_eq!(world.run(&mut session, names).await.expect("rows").1, rows.collect::<Vec<_>>(), "{sql}");
        }
    }
}

#[tokio::test]
async fn what_is_given_stays_and_what_was_taken_stays_taken() {
    for (flavour, way) in settings() {
        let world = shop(flavour, way, 10).await;
        let mut session = open(&world).await;
        // A bind decides when it is known; the sharding column is another one.
        world.run(&mut session, "USE main").await.expect("a keyspace");
        world.run(&mut session, "INSERT INTO cart_seq VALUES (0, 500, 100)").await.expect("a row");
        world.run(&mut session, "USE shop").await.expect("a keyspace");
        for (id, expected) in
            [(Value::Null, 500), (Value::Int(7), 0), (Value::Int(0), 501), (Value::Text("0".into()), 502)]
        {
            let mut request = Request::new(Op::Execute);
            request.sql = Some("INSERT INTO cart (id, member) VALUES (:id, 4)".into());
            request.binds.set("id", id.clone());
            assert_eq!(world.request(&mut session, request).await.expect("inserted").0.insert_id, expected, "{id:?}");
        }
        let rows = world.run(&mut session, "SELECT id FROM cart WHERE member = 4 ORDER BY id").await.expect("rows").1;
        assert_eq!(rows, ["7", "500", "501", "502"]);

        // A transaction that is rolled back gives no number back.
        world.run(&mut session, "BEGIN").await.expect("begun");
        let (end, _) = world.run(&mut session, "INSERT INTO member (name) VALUES ('a')").await.expect("inserted");
        assert_eq!(end.insert_id, 1);
        world.run(&mut session, "ROLLBACK").await.expect("rolled back");
        let (end, _) = world.run(&mut session, "INSERT INTO member (name) VALUES ('b')").await.expect("inserted");
        assert_eq!(end.insert_id, 2);

        // More rows than a block has.
        let many = vec!["('x')"; 25].join(", ");
        let (end, _) =
            world.run(&mut session, &format!("INSERT INTO member (name) VALUES {many}")).await.expect("inserted");
        assert_eq!((end.affected, end.insert_id), (25, 3));
        let rows = world.run(&mut session, "SELECT COUNT(*), MIN(id), MAX(id) FROM member").await.expect("rows").1;
        assert_eq!(rows, ["26|2|27"]);

        // With this sql_mode a 0 is a value.
        world.run(&mut session, "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'").await.expect("set");
        let (end, _) =
            world.run(&mut session, "INSERT INTO member (id, name) VALUES (0, 'zero')").await.expect("inserted");
        assert_eq!((end.affected, end.insert_id), (1, 0));
        let explained = world.run(&mut session, "EXPLAIN INSERT INTO member (name) VALUES ('c')").await;
        explained.expect("explained");
        let rows = world.run(&mut session, "SELECT name FROM member WHERE id = 0").await.expect("rows").1;
        assert_eq!(rows, ["zero"]);
    }
}

/// Two gates that insert at the same time, one of which comes back three times without its block, as after a crash.
#[tokio::test]
async fn no_number_comes_twice() {
    const INSERT: &str = "INSERT INTO member (name) VALUES ('a'), ('b'), ('c')";
    for flavour in vitrail_harness::flavours() {
        let world = Arc::new(shop(flavour, Way::Direct, 7).await);
        for _ in 0..3 {
            let other = Gate::new((*world.gate.cluster()).clone(), GateConfig::default());
            other.refresh().await;
            let other = Arc::new(other);
            let mut tasks = tokio::task::JoinSet::new();
            for number in 0..8 {
                let (world, other) = (Arc::clone(&world), Arc::clone(&other));
                tasks.spawn(async move {
                    let gate = if number % 2 == 0 { &world.gate } else { &*other };
                    let target = Some("shop".parse().expect("a target"));
                    let state = SessionState { target, ..SessionState::default() };
                    let mut session = gate.open(&world.peer, state).expect("a session");
                    let cancel = CancellationToken::new();
                    let context = RequestContext { peer: Arc::clone(&world.peer), cancel, deadline: None };
                    for _ in 0..20 {
                        let mut request = Request::new(Op::Execute);
                        request.sql = Some(INSERT.into());
                        let (mut responder, _replies) = Responder::channel(4);
                        gate.handle(&mut session, Box::new(request), &context, &mut responder).await.expect("inserted");
                    }
                });
            }
            tasks.join_all().await;
        }
        let mut session = open(&world).await;
        let rows = world.run(&mut session, "SELECT id FROM member").await.expect("rows").1;
        assert_eq!(rows.len(), 3 * 8 * 20 * 3);
        assert_eq!(rows.iter().collect::<BTreeSet<_>>().len(), rows.len());
    }
}

#[tokio::test]
async fn a_sequence_that_cannot_count_says_what_it_lacks() {
    for (flavour, way) in settings() {
        let world = shop(flavour, way, 10).await;
        let mut session = open(&world).await;
        let empty = world.run(&mut session, "INSERT INTO cart (member) VALUES (1)").await.expect_err("no row");
        assert_eq!(empty.code, Code::NotFound);
        assert!(empty.message.contains("INSERT INTO `main`.`cart_seq` (id, next_id, cache)"), "{}", empty.message);
        world.run(&mut session, "USE main").await.expect("a keyspace");
        world.run(&mut session, "DROP TABLE cart_seq").await.expect("dropped");
        world.run(&mut session, "USE shop").await.expect("a keyspace");
        let gone = world.run(&mut session, "INSERT INTO cart (member) VALUES (1)").await.expect_err("no table");
        assert_eq!(gone.errno, 1146);
        assert!(gone.message.contains("the sequence `main.cart_seq`"), "{}", gone.message);
        let rows = world.run(&mut session, "SELECT COUNT(*) FROM cart").await.expect("rows").1;
        assert_eq!(rows, ["0"]);
    }
}
