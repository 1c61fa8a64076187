//! Guards on what hurts: writes that name no rows, results that are too long, statements that take too long.

mod support;

use std::time::Duration;

use support::{Way, World, settings};
use vitrail_harness::{Cluster as Databases, Flavour};
use vitrail_proto::error::{Code, Executed};
use vitrail_proto::message::{Capped, Op, Request};
use vitrail_tablet::TabletConfig;

const VSCHEMA: &str = r#"{
    "sharded": true,
    "vindexes": {"hash": {"type": "hash"}},
    "tables": {"account": {"column_vindexes": [{"column": "id", "name": "hash"}]}}
}"#;

/// A gate over two shards of keyspace `bank`, with eight accounts.
async fn bank(flavour: Flavour, way: Way, tune: impl Fn(&mut TabletConfig)) -> World {
    let databases = Databases::new(flavour, 2, "protect").await;
    let world = World::over(databases, way, "bank", VSCHEMA, tune).await;
    let mut session = world.open();
    for sql in [
        "USE bank",
        "CREATE TABLE account (id BIGINT PRIMARY KEY, balance BIGINT NOT NULL DEFAULT 0)",
        "INSERT INTO account (id) VALUES (1), (2), (3), (4), (5), (6), (7), (8)",
    ] {
        world.run(&mut session, sql).await.expect(sql);
    }
    world
}

#[tokio::test]
async fn writes_to_every_row_need_to_be_allowed() {
    for (flavour, way) in settings() {
        let world = bank(flavour, way, |_| {}).await;
        let mut session = world.open();
        world.run(&mut session, "USE bank").await.expect("a keyspace");
        for sql in
            ["DELETE FROM account", "UPDATE account SET balance = 1 WHERE 1 = 1", "DELETE FROM bank.account WHERE TRUE"]
        {
            let refused = world.run(&mut session, sql).await.expect_err(sql);
            assert_eq!(
                (refused.code.clone(), refused.errno, refused.executed),
                (Code::Denied, 1175, Executed::No),
                "{sql}"
            );
            assert!(refused.message.contains("vitrail_allow_full_writes"), "{refused}");
        }
        // In a transaction, which goes on.
        world.run(&mut session, "BEGIN").await.expect("begun");
        world.run(&mut session, "UPDATE account SET balance = 5 WHERE id = 1").await.expect("one row");
        let refused = world.run(&mut session, "DELETE FROM account").await.expect_err("refused");
        assert!(refused.in_transaction, "{refused}");
        world.run(&mut session, "COMMIT").await.expect("committed");
        let sum = "SELECT SUM(balance) FROM account";
        assert_eq!(world.run(&mut session, sum).await.expect("read").1, ["5"]);

        // Allowed for one statement, and for a session.
        let directed = "/*vitrail allow_full_writes=1 */ UPDATE account SET balance = 2";
        assert_eq!(world.run(&mut session, directed).await.expect("allowed").0.affected, 8);
        world.run(&mut session, "DELETE FROM account").await.expect_err("for one statement only");
        world.run(&mut session, "SET vitrail_allow_full_writes = 1").await.expect("set");
        assert_eq!(world.run(&mut session, "DELETE FROM account").await.expect("allowed").0.affected, 8);
        let mut other = world.open();
        world.run(&mut other, "DELETE FROM bank.account").await.expect_err("for one session only");
    }
}

#[tokio::test]
async fn results_and_statements_are_bounded() {
    for (flavour, way) in settings() {
        let world = bank(flavour, way, |config| {
            config.limits.result_rows = 3;
            config.limits.result_bytes = 64 << 10;
            config.limits.statement_timeout = Duration::from_millis(300);
        })
        .await;
        let mut session = world.open();
        world.run(&mut session, "USE bank:-80").await.expect("a shard");
        let many = "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4";
        let (end, rows) = world.run(&mut session, many).await.expect("rows");
        assert_eq!((rows.len(), end.capped), (3, Some(Capped { by: "tablet".into(), limit: 3 })), "{flavour} {way:?}");
        // The request's own, which is lower.
        let mut request = Request::new(Op::Execute);
        request.sql = Some(many.into());
        request.max_rows = Some(2);
        let (end, rows) = world.request(&mut session, request).await.expect("rows");
        assert_eq!((rows.len(), end.capped), (2, Some(Capped { by: "request".into(), limit: 2 })));
        let long = world.run(&mut session, "SELECT REPEAT('x', 100000)").await.expect_err("too long");
        assert_eq!((long.code.clone(), long.executed), (Code::TooLarge, Executed::No), "{long}");
        assert!(long.message.contains("65536 bytes"), "{long}");
        let slow = world.run(&mut session, "SELECT SLEEP(60)").await.expect_err("too slow");
        assert_eq!(slow.code, Code::Deadline, "{slow}");
        assert_eq!(world.run(&mut session, "SELECT 1").await.expect("it goes on").1, ["1"]);
    }
}
