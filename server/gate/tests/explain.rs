//! EXPLAIN of Vitrail's own: what it says of a plan, and ANALYZE, which runs the statement and says what each part has done.

mod support;

use support::{Way, World, settings};
use vitrail_gate::Session;
use vitrail_harness::{Cluster as Databases, Flavour};
use vitrail_proto::error::Code;

const VSCHEMA: &str = r#"{
    "sharded": true,
    "vindexes": {"hash": {"type": "hash"}},
    "tables": {
        "guest": {"column_vindexes": [{"column": "id", "name": "hash"}]},
        "stay": {"column_vindexes": [{"column": "id", "name": "hash"}]},
        "country": {"type": "reference"}
    }
}"#;

/// Twenty guests with two stays each, which lie on shards of their own.
async fn hotel(flavour: Flavour, way: Way, shards: usize) -> World {
    let world = World::over(Databases::new(flavour, shards, "explain").await, way, "hotel", VSCHEMA, |_| {}).await;
    let mut session = world.open();
    for sql in [
        "USE hotel",
        "CREATE TABLE guest (id BIGINT PRIMARY KEY, name VARCHAR(20))",
        "CREATE TABLE stay (id BIGINT PRIMARY KEY, guest BIGINT NOT NULL, nights INT NOT NULL)",
        "CREATE TABLE country (id INT PRIMARY KEY)",
    ] {
        world.run(&mut session, sql).await.expect(sql);
    }
    let guests: Vec<String> = (1..=20).map(|id| format!("({id}, 'guest {id}')")).collect();
    let stays: Vec<String> = (1..=40).map(|id| format!("({id}, {}, {})", (id + 1) / 2, id % 7)).collect();
    for sql in [
        format!("INSERT INTO guest VALUES {}", guests.join(", ")),
        format!("INSERT INTO stay VALUES {}", stays.join(", ")),
    ] {
        world.run(&mut session, &sql).await.expect("inserted");
    }
    world
}

async fn lines(world: &World, session: &mut Session, sql: &str) -> String {
    world.run(session, sql).await.expect(sql).1.join("\n")
}

/// The only number behind `before` in each line that has it.
fn numbers(text: &str, before: &str) -> Vec<u64> {
    let behind = text.lines().filter_map(|line| line.split_once(before)).map(|(_, rest)| rest);
    behind
        .map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default().parse().unwrap_or(0))
        .collect()
}

#[tokio::test]
async fn explain_tells_tier_shards_statements_and_why() {
    for (flavour, way) in settings() {
        let world = hotel(flavour, way, 2).await;
        let mut session = world.open();
        world.run(&mut session, "USE hotel").await.expect("a keyspace");
        for (sql, expected) in [
            (
                "SELECT name FROM guest WHERE id = 1",
                vec![
                    "tier: one place",
                    "shards: -80 (1 of 2 of `hotel`)",
                    "why: every sharded table is pinned to one value of its sharding column (id)",
                    "send to -80: SELECT name FROM guest WHERE id = 1",
                ],
            ),
            (
                "SELECT name FROM guest ORDER BY id LIMIT 3",
                vec![
                    "tier: over shards",
                    "shards: -80, 80- (2 of 2 of `hotel`)",
                    "why: no condition gives the sharding column a value",
                    "send to -80, 80-: SELECT name , `guest`.`id` AS `vitrail$0` FROM guest ORDER BY id LIMIT 3",
                ],
            ),
            (
                "SELECT COUNT(*) FROM guest g JOIN stay s ON s.guest = g.id",
                vec![
                    "tier: joined in the gate",
                    "why: the tables are not joined by their sharding columns",
                    "side 1: look up in batches",
                    "send to -80, 80-: SELECT",
                    "    send: SELECT",
                ],
            ),
            ("SELECT * FROM country", vec!["tier: one place", "why: it reads no sharded table"]),
            (
                "INSERT INTO guest VALUES (101, 'a'), (102, 'b'), (103, 'c'), (104, 'd')",
                vec![
                    "tier: over shards",
                    "why: each row goes to the shard of its sharding column",
                    "send to 80-: INSERT",
                ],
            ),
            ("SELECT name FROM guest WHERE id = :nobody", vec!["shards: not known, "]),
            ("SELECT CONNECTION_ID()", vec!["answered by the gate"]),
        ] {
            let said = lines(&world, &mut session, &format!("EXPLAIN FORMAT=VITRAIL {sql}")).await;
            for part in expected {
                assert!(said.contains(part), "{sql}\n{part}\n{said}");
            }
        }
        let left = world.run(&mut session, "SELECT COUNT(*) FROM guest").await.expect("counted").1;
        assert_eq!(left, ["20"], "explained is not run");
    }
}

#[tokio::test]
async fn analyze_runs_the_statement_and_counts() {
    for (flavour, way) in settings() {
        let world = hotel(flavour, way, 2).await;
        let mut session = world.open();
        world.run(&mut session, "USE hotel").await.expect("a keyspace");
        let analyze = "EXPLAIN ANALYZE FORMAT=VITRAIL";

        let said = lines(&world, &mut session, &format!("{analyze} SELECT name FROM guest ORDER BY id LIMIT 3")).await;
        let each: Vec<u64> = ["on -80: ", "on 80-: "].iter().flat_map(|shard| numbers(&said, shard)).collect();
        assert_eq!(each, [3, 3], "{said}");
        assert!(said.contains("6 rows in, 3 rows out") && said.contains("ran: 3 rows in "), "{said}");
        assert!(said.contains(" ms (waited "), "{said}");

        let join = "SELECT g.name, s.nights FROM guest g JOIN stay s ON s.guest = g.id";
        let said = lines(&world, &mut session, &format!("{analyze} {join}")).await;
        assert!(said.contains("columns from the first: 40 rows") && said.contains("ran: 40 rows in "), "{said}");
        let sides: Vec<&str> = said.lines().filter(|line| line.contains("1 batch, ")).collect();
        let counts: Vec<u64> = sides.iter().flat_map(|line| numbers(line, "1 batch, ")).collect();
        assert_eq!((sides.len(), counts.iter().sum::<u64>()), (2, 60), "{said}");

        let said = lines(&world, &mut session, &format!("{analyze} SELECT name FROM guest WHERE id = 7")).await;
        assert!(said.contains("ran: 1 rows in ") && !said.contains("out"), "{said}");

        // A write is done, in the session's transaction if there is one.
        world.run(&mut session, "BEGIN").await.expect("begun");
        let said = lines(&world, &mut session, &format!("{analyze} UPDATE stay SET nights = 9 WHERE id <= 5")).await;
        assert!(said.contains("ran: 5 rows affected in ") && said.contains("on -80: 0 rows"), "{said}");
        let nines = "SELECT COUNT(*) FROM stay WHERE nights = 9";
        assert_eq!(world.run(&mut session, nines).await.expect("counted").1, ["5"]);
        world.run(&mut session, "ROLLBACK").await.expect("rolled back");
        assert_eq!(world.run(&mut session, nines).await.expect("counted").1, ["0"]);

        // What guards the statement itself guards it here.
        let all = world.run(&mut session, &format!("{analyze} DELETE FROM stay")).await.expect_err("no WHERE");
        let alone = world.run(&mut session, "DELETE FROM stay").await.expect_err("no WHERE");
        assert_eq!((all.errno, all.message), (alone.errno, alone.message));
        let twice = world.run(&mut session, &format!("{analyze} INSERT INTO stay VALUES (1, 1, 1)")).await;
        assert_eq!(twice.expect_err("there already").errno, 1062);
        let other = world.run(&mut session, &format!("{analyze} TRUNCATE stay")).await.expect_err("no query");
        assert_eq!(other.code, Code::Unsupported);
    }
}

/// A write in steps: what reads and what writes are told apart.
#[tokio::test]
async fn steps_are_shown_and_counted_each_by_itself() {
    for (flavour, way) in settings() {
        let world = hotel(flavour, way, 2).await;
        let mut session = world.open();
        world.run(&mut session, "USE hotel").await.expect("a keyspace");
        let write = "UPDATE stay SET nights = nights + 10 ORDER BY id LIMIT 7";
        let text = lines(&world, &mut session, &format!("EXPLAIN FORMAT=VITRAIL {write}")).await;
        assert!(text.contains("tier: in steps"), "{text}");
        assert!(text.contains("why: no shard can decide by itself"), "{text}");
        assert!(text.contains("send to -80, 80-: SELECT `stay`.`id` FROM stay"), "{text}");
        assert!(
            text.contains("send: UPDATE stay SET nights = nights + 10 WHERE `stay`.`id` IN ::vitrail_keys"),
            "{text}"
        );
        let text = lines(&world, &mut session, &format!("EXPLAIN ANALYZE FORMAT=VITRAIL {write}")).await;
        assert!(text.contains("ran: 7 rows affected"), "{text}");
        let (read, written): (Vec<&str>, Vec<&str>) =
            text.lines().filter(|line| line.contains(" rows, ")).partition(|line| line.contains(": SELECT"));
        assert_eq!((read.len(), written.len()), (2, 2), "{text}");
        assert!(written.iter().all(|line| line.contains(": UPDATE")), "{text}");
        let rows = world.run(&mut session, "SELECT COUNT(*) FROM stay WHERE nights > 9").await.expect("rows").1;
        assert_eq!(rows, ["7"]);
    }
}
