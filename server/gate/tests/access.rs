//! Access at the gate itself: whose it is when a gate asks on behalf of another, and what becomes of users who are gone.

mod support;

use std::sync::Arc;

use support::{Way, World};
use vitrail_gate::access::{Access, Grant, Right};
use vitrail_harness::Cluster;
use vitrail_listener::service::{Peer, Service};
use vitrail_proto::error::Code;
use vitrail_proto::message::{BatchItem, Op, Request, SessionState};
use vitrail_proto::target::Target;

const VSCHEMA: &str = r#"{
    "sharded": true,
    "vindexes": {"hash": {"type": "hash"}},
    "tables": {"account": {"column_vindexes": [{"column": "id", "name": "hash"}]}}
}"#;

async fn bank() -> World {
    let databases = Cluster::new(vitrail_harness::flavours()[0], 2, "access").await;
    let world = World::over(databases, Way::Direct, "bank", VSCHEMA, |_| {}).await;
    let mut session = world.open();
    world
        .run(&mut session, "CREATE TABLE bank.account (id BIGINT PRIMARY KEY, balance BIGINT)")
        .await
        .expect("created");
    world
}

fn access(users: &[(&str, Option<Right>)]) -> Access {
    let grants = |right: &Option<Right>| right.map(Grant::everything).into_iter().collect();
    Access::of(users.iter().map(|(user, right)| (Arc::from(*user), grants(right))))
}

fn execute(sql: &str, caller: Option<&str>) -> Request {
    let mut request = Request::new(Op::Execute);
    request.sql = Some(sql.into());
    request.caller = caller.map(str::to_owned);
    request.target = Some(Target { keyspace: Some("bank".into()), ..Target::default() });
    request
}

#[tokio::test]
async fn a_gate_asks_with_the_rights_of_its_caller() {
    let mut world = bank().await;
    world.gate.set_access(access(&[
        ("anna", Some(Right::Read)),
        ("gate", Some(Right::Admin)),
        ("writer", Some(Right::Write)),
        ("nobody", None),
    ]));
    let insert = |caller| execute("INSERT INTO account (id, balance) VALUES (1, 1)", caller);
    let mut session = world.open();
    // A claim is believed of gates only.
    let refused = world.request(&mut session, insert(Some("writer"))).await.expect_err("anna reads");
    assert_eq!((refused.code, refused.errno), (Code::Denied, 1142));
    world.peer = Arc::new(Peer { user: "gate".into(), gate: true, ..(*world.peer).clone() });
    let mut session = world.open();
    assert!(world.request(&mut session, insert(Some("writer"))).await.is_ok());
    let refused =
        world.request(&mut session, execute("DELETE FROM account", Some("anna"))).await.expect_err("anna reads");
    assert!(refused.message.contains("user 'anna'"), "{}", refused.message);
    let refused = world.request(&mut session, insert(Some("stranger"))).await.expect_err("unknown");
    assert_eq!((refused.code, refused.errno), (Code::Unauthenticated, 1045));
    let refused = world.request(&mut session, execute("SELECT 1", Some("nobody"))).await.expect_err("sees no keyspace");
    assert_eq!(refused.errno, 1044);
    assert!(world.gate.may_see_all("gate") && !world.gate.may_see_all("writer") && !world.gate.may_see_all("stranger"));
    assert_eq!(world.gate.stats().denied, 2, "statements that were looked at and refused");
}

#[tokio::test]
async fn a_user_who_is_gone_may_do_nothing_more() {
    let world = bank().await;
    world.gate.set_access(access(&[("anna", Some(Right::Write))]));
    let mut session = world.open();
    world.run(&mut session, "BEGIN").await.expect("a transaction");
    world.run(&mut session, "INSERT INTO bank.account (id, balance) VALUES (1, 1)").await.expect("written");
    world.gate.set_access(access(&[("bob", Some(Right::Write))]));
    for sql in ["COMMIT", "SELECT 1", "SELECT * FROM bank.account"] {
        let refused = world.run(&mut session, sql).await.expect_err(sql);
        assert_eq!((refused.code, refused.errno, refused.in_transaction), (Code::Unauthenticated, 1045, true), "{sql}");
    }
    assert_eq!(world.gate.open(&world.peer, SessionState::default()).err().map(|error| error.errno), Some(1045));
    world.gate.close(session).await;
    // What was open is rolled back.
    world.gate.set_access(access(&[("anna", Some(Right::Read))]));
    let mut session = world.open();
    assert_eq!(world.run(&mut session, "SELECT COUNT(*) FROM bank.account").await.expect("read").1, ["0"]);
}

#[tokio::test]
async fn a_batch_ends_at_the_item_that_is_refused() {
    let world = bank().await;
    let all = Grant { right: Right::Write, keyspace: "bank".into(), tables: "acc*".into() };
    world.gate.set_access(Access::of([(Arc::from("anna"), vec![all])]));
    let mut session = world.open();
    let mut batch = Request::new(Op::Batch);
    let item = |sql: &str| BatchItem { sql: Some(sql.into()), ..BatchItem::default() };
    batch.items = vec![
        item("INSERT INTO bank.account (id, balance) VALUES (1, 1)"),
        item("TRUNCATE bank.account"),
        item("INSERT INTO bank.account (id, balance) VALUES (2, 1)"),
    ];
    let refused = world.request(&mut session, batch).await.expect_err("no administrator");
    assert_eq!((refused.errno, refused.item), (1142, Some(1)));
    let rows = world.run(&mut session, "SELECT id FROM bank.account ORDER BY id").await.expect("read").1;
    assert_eq!(rows, ["1"]);
}

/// What reads a table is refused however it is written: evaluated by SET, prepared, or run on the way to a variable.
#[tokio::test]
async fn the_way_round_by_variables_and_prepared_statements_is_closed() {
    let world = bank().await;
    let some = Grant { right: Right::Write, keyspace: "bank".into(), tables: "other*".into() };
    world.gate.set_access(Access::of([(Arc::from("anna"), vec![some])]));
    let mut session = world.open();
    world.run(&mut session, "USE bank").await.expect("a keyspace");
    for sql in [
        "SET @a = (SELECT balance FROM account WHERE id = 1)",
        "SET sql_select_limit = (SELECT balance FROM account WHERE id = 1)",
        "SELECT balance FROM account WHERE id = 1 INTO @a",
        "PREPARE p FROM 'SELECT balance FROM account WHERE id = 1'",
        "EXECUTE IMMEDIATE 'DELETE FROM account WHERE id = 1'",
        "DO (SELECT balance FROM account WHERE id = 1)",
    ] {
        let refused = world.run(&mut session, sql).await.expect_err(sql);
        assert_eq!(refused.code, Code::Denied, "{sql}: {}", refused.message);
    }
    world.run(&mut session, "SET @text = 'TRUNCATE account'").await.expect("a text");
    let prepared = world.run(&mut session, "PREPARE p FROM @text").await;
    let refused = match prepared {
        Ok(_) => world.run(&mut session, "EXECUTE p").await.expect_err("no administrator"),
        Err(refused) => refused,
    };
    assert_eq!(refused.errno, 1142);
}
