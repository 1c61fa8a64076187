//! Vitrail's own session variables and the directives that override them for one statement.

mod support;

use support::{World, settings};
use vitrail_harness::Cluster as Databases;
use vitrail_listener::service::Service;
use vitrail_proto::error::Code;
use vitrail_proto::message::{BatchItem, Op, Request, SessionState};

const VSCHEMA: &str = r#"{"sharded": false, "tables": {}}"#;

#[tokio::test]
async fn preferences_are_part_of_the_session() {
    for (flavour, way) in settings() {
        let databases = Databases::new(flavour, 1, "prefer").await;
        let world = World::over(databases, way, "main", VSCHEMA, |_| {}).await;
        let mut session = world.open();
        let set =
            "SET vitrail_share = 'next', SESSION vitrail_allow_full_writes = ON, @@vitrail_statement_timeout = 60000";
        let (end, _) = world.run(&mut session, set).await.expect("set");
        let told = end.state.expect("news").variables;
        assert_eq!(told.len(), 3, "{told:?}");
        let shown = world.run(&mut session, "SHOW VITRAIL VARIABLES LIKE '%share'").await.expect("shown").1;
        assert!(shown.len() == 1 && shown[0].starts_with("vitrail_share|next|default|"), "{shown:?}");
        let shown = world.run(&mut session, "SHOW VARIABLES LIKE 'vitrail%full%'").await.expect("shown").1;
        assert_eq!(shown, ["vitrail_allow_full_writes|1"]);
        let read = "SELECT @@vitrail_share, @@session.vitrail_statement_timeout, @@sql_notes";
        assert_eq!(world.run(&mut session, read).await.expect("read").1, ["next|60000|1"]);

        // Another gate rebuilds the session from what the client was told.
        let state = SessionState { variables: told, ..SessionState::default() };
        let mut moved = world.gate.open(&world.peer, state).expect("opened");
        assert_eq!(world.run(&mut moved, read).await.expect("read").1, ["next|60000|1"]);

        world.run(&mut session, "SET vitrail_share = DEFAULT").await.expect("set");
        assert_eq!(world.run(&mut session, "SELECT @@vitrail_share").await.expect("read").1, ["default"]);
        for (wrong, errno) in [
            ("SET vitrail_sahre = 1", 1193),
            ("SET vitrail_share = 'on'", 1231),
            ("SET vitrail_statement_timeout = -1", 1231),
            ("/*vitrail shares=off */ SELECT 1", 1193),
            ("/*vitrail share=maybe */ SELECT 1", 1231),
        ] {
            assert_eq!(world.run(&mut session, wrong).await.expect_err(wrong).errno, errno, "{wrong}");
        }
        world.gate.reset(&mut session).await.expect("reset");
        assert_eq!(world.run(&mut session, read).await.expect("read").1, ["default|0|1"]);
    }
}

#[tokio::test]
async fn a_timeout_ends_statements_without_a_deadline() {
    for (flavour, way) in settings() {
        let databases = Databases::new(flavour, 1, "prefer").await;
        let world = World::over(databases, way, "main", VSCHEMA, |_| {}).await;
        let mut session = world.open();
        world.run(&mut session, "USE main").await.expect("a keyspace");
        let slow = "/*vitrail statement_timeout=100 */ SELECT SLEEP(100)";
        assert_eq!(world.run(&mut session, slow).await.expect_err("late").code, Code::Deadline);
        world.run(&mut session, "SET vitrail_statement_timeout = 100").await.expect("set");
        assert_eq!(world.run(&mut session, "SELECT SLEEP(100)").await.expect_err("late").code, Code::Deadline);
        let lifted = "/*vitrail statement_timeout=0 */ SELECT SLEEP(0.2)";
        assert_eq!(world.run(&mut session, lifted).await.expect("no limit").1, ["0"]);
    }
}

/// What one item of a batch sets holds for the next.
#[tokio::test]
async fn items_of_a_batch_see_what_earlier_ones_set() {
    for (flavour, way) in settings() {
        let databases = Databases::new(flavour, 1, "prefer").await;
        let world = World::over(databases, way, "main", VSCHEMA, |_| {}).await;
        let mut session = world.open();
        let mut request = Request::new(Op::Batch);
        request.items = ["SET time_zone = '+03:00'", "USE main", "SELECT @@time_zone, DATABASE()"]
            .map(|sql| BatchItem { sql: Some(sql.into()), ..BatchItem::default() })
            .into();
        assert_eq!(world.request(&mut session, request).await.expect("run").1, ["+03:00|main"]);
    }
}
