//! SHOW VITRAIL SESSIONS, SHOW PROCESSLIST and KILL: who sees what, and that what a killed session held is given back.

mod support;

use std::sync::Arc;
use std::time::Duration;

use support::{Way, World, settings};
use tokio::time::Instant;
use vitrail_gate::Session;
use vitrail_gate::access::{Access, Grant, Right};
use vitrail_harness::{Cluster as Databases, Flavour};
use vitrail_listener::service::{Peer, Service};
use vitrail_proto::error::{Code, Executed};
use vitrail_proto::message::{Op, Request, SessionState};
use vitrail_proto::value::{Binds, Value};

const PATIENCE: Duration = Duration::from_secs(60);

const VSCHEMA: &str = r#"{
    "sharded": true,
    "vindexes": {"hash": {"type": "hash"}},
    "tables": {"account": {"column_vindexes": [{"column": "id", "name": "hash"}]}}
}"#;

async fn bank(flavour: Flavour, way: Way) -> World {
    let databases = Databases::new(flavour, 2, "kill").await;
    databases.execute_everywhere(&["CREATE TABLE account (id BIGINT PRIMARY KEY, balance BIGINT)"]).await;
    let world = World::over(databases, way, "bank", VSCHEMA, |_| ()).await;
    assert_eq!(world.gate.refresh().await, []);
    let mut session = open(&world).await;
    let all: Vec<String> = (1..=20).map(|id| format!("({id}, {id})")).collect();
    let insert = format!("INSERT INTO account (id, balance) VALUES {}", all.join(", "));
    rows(&world, &mut session, &insert).await;
    world.gate.close(session).await;
    world
}

async fn open(world: &World) -> Session {
    let mut session = world.open();
    rows(world, &mut session, "USE bank").await;
    session
}

async fn rows(world: &World, session: &mut Session, sql: &str) -> Vec<String> {
    world.run(session, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}")).1
}

/// What `CONNECTION_ID()` answers.
async fn id_of(world: &World, session: &mut Session) -> String {
    rows(world, session, "SELECT CONNECTION_ID()").await.remove(0)
}

/// The cells of the row that begins with an id.
fn row<'r>(listing: &'r [String], id: &str) -> Vec<&'r str> {
    let found = listing.iter().map(|row| row.split('|').collect::<Vec<_>>()).find(|cells| cells[0] == id);
    found.unwrap_or_else(|| panic!("{id} is not in {listing:?}"))
}

#[tokio::test]
async fn sessions_are_listed_with_what_they_do() {
    for (flavour, way) in settings() {
        let world = bank(flavour, way).await;
        let (mut idle, mut busy, mut looker) = (open(&world).await, open(&world).await, open(&world).await);
        let ids = [id_of(&world, &mut idle).await, id_of(&world, &mut busy).await, id_of(&world, &mut looker).await];
        rows(&world, &mut idle, "BEGIN").await;
        rows(&world, &mut idle, "UPDATE account SET balance = 0 WHERE id IN (1, 2, 3, 4, 5)").await;
        let lock = format!("SELECT GET_LOCK('{}', 0)", world.databases.oracle);
        rows(&world, &mut idle, &lock).await;
        rows(&world, &mut busy, "USE `bank:80-`").await;
        let sleep = "SELECT SLEEP(300), 'secret' -- confidential";
        let (stopped, listings) = tokio::join!(world.run(&mut busy, sleep), async {
            support::until_running(&world.databases, "SLEEP(300), 'secret'").await;
            let sessions = rows(&world, &mut looker, "SHOW VITRAIL SESSIONS").await;
            let short = rows(&world, &mut looker, "SHOW PROCESSLIST").await;
            let full = rows(&world, &mut looker, "SHOW FULL PROCESSLIST").await;
            rows(&world, &mut looker, &format!("KILL QUERY {}", ids[1])).await;
            (sessions, short, full)
        });
        let stopped = stopped.expect_err("stopped");
        assert_eq!((&stopped.code, stopped.errno), (&Code::Cancelled, 1317), "{flavour:?} {way:?}: {stopped}");
        let (sessions, short, full) = listings;
        assert_eq!((sessions.len(), short.len(), full.len()), (3, 3, 3));
        let pinned_by = format!("lock '{}'", world.databases.oracle);
        let first = row(&sessions, &ids[0]);
        assert_eq!(first[1..7], ["anna", "test", "unix", "bank", "in transaction", &pinned_by], "{sessions:?}");
        assert_eq!((first[8], first[10], first[11]), ("bank:-80, bank:80-", "5", "NULL"), "{sessions:?}");
        assert!(first[7].parse::<u64>().is_ok() && first[9].parse::<u64>().is_ok(), "{sessions:?}");
        let second = row(&sessions, &ids[1]);
        assert_eq!(second[4..6], ["bank:80-", "running"], "{sessions:?}");
        assert_eq!(second[6..], ["NULL", "NULL", "NULL", "NULL", "4", "SELECT SLEEP(?), ?"], "{sessions:?}");
        assert_eq!(row(&sessions, &ids[2])[11], "SHOW VITRAIL SESSIONS");
        for listing in [&short, &full] {
            let (first, second) = (row(listing, &ids[0]), row(listing, &ids[1]));
            assert_eq!(
                (first[1..5].to_vec(), first[6], first[7]),
                (vec!["anna", "unix", "bank", "Sleep"], "in transaction", "NULL")
            );
            assert_eq!((second[4], second[6], second[7]), ("Query", "executing", "SELECT SLEEP(?), ?"));
        }
        // It goes on, and so does the transaction of the other.
        assert_eq!(rows(&world, &mut busy, "SELECT 5").await, ["5"]);
        rows(&world, &mut idle, "COMMIT").await;
        for session in [idle, busy, looker] {
            world.gate.close(session).await;
        }
        assert_eq!(world.gate.stats().open_sessions, 0);
    }
}

#[tokio::test]
async fn a_killed_session_gives_everything_back_and_says_so() {
    for (flavour, way) in settings() {
        let world = bank(flavour, way).await;
        let (mut victim, mut killer) = (open(&world).await, open(&world).await);
        let id = id_of(&world, &mut victim).await;
        let name = world.databases.oracle.clone();
        assert_eq!(rows(&world, &mut victim, &format!("SELECT GET_LOCK('{name}', 0)")).await, ["1"]);
        rows(&world, &mut victim, "BEGIN").await;
        rows(&world, &mut victim, "UPDATE account SET balance = 0 WHERE id > 0").await;
        assert!(world.gate.is_busy(&victim));
        rows(&world, &mut killer, &format!("KILL {id}")).await;
        assert!(!world.gate.is_busy(&victim));
        // Nothing of it stays in MySQL: neither its rows' locks nor its named one.
        rows(&world, &mut killer, "SET innodb_lock_wait_timeout = 1").await;
        rows(&world, &mut killer, "UPDATE account SET balance = balance + 1 WHERE id > 0").await;
        assert_eq!(rows(&world, &mut killer, "SELECT SUM(balance) FROM account").await, ["230"]);
        assert_eq!(rows(&world, &mut killer, &format!("SELECT IS_FREE_LOCK('{name}')")).await, ["1"]);
        assert!(row(&rows(&world, &mut killer, "SHOW PROCESSLIST").await, &id)[4] == "Killed");
        for sql in ["SELECT 1", "COMMIT", "INSERT INTO account (id) VALUES (100)"] {
            let lost = world.run(&mut victim, sql).await.expect_err(sql);
            assert_eq!((&lost.code, lost.errno, &*lost.sqlstate), (&Code::SessionLost, 1927, "70100"), "{lost}");
            assert_eq!((lost.executed, lost.retryable, lost.in_transaction), (Executed::No, false, false), "{lost}");
        }
        // As opened, it is another session.
        world.gate.reset(&mut victim).await.expect("reset");
        assert_ne!(id_of(&world, &mut victim).await, id, "{flavour:?} {way:?}");
        assert_eq!(world.run(&mut killer, &format!("KILL {id}")).await.expect_err("gone").errno, 1094);

        // While it writes, in a transaction.
        let id = id_of(&world, &mut victim).await;
        rows(&world, &mut victim, "USE bank").await;
        rows(&world, &mut victim, "BEGIN").await;
        rows(&world, &mut victim, "DELETE FROM account WHERE id = 1").await;
        let slow = "UPDATE account SET balance = SLEEP(300) WHERE id = 2";
        let (killed, ()) = tokio::join!(world.run(&mut victim, slow), async {
            support::until_running(&world.databases, "balance = SLEEP(300)").await;
            let mut request = Request::new(Op::Execute);
            request.sql = Some("KILL CONNECTION :id".into());
            request.binds = Binds::from_iter([("id", Value::Int(id.parse().expect("a number")))]);
            world.request(&mut killer, request).await.expect("killed");
        });
        let killed = killed.expect_err("killed");
        assert_eq!((killed.errno, killed.in_transaction), (1927, false), "{flavour:?} {way:?}: {killed}");
        assert_eq!(rows(&world, &mut killer, "SELECT COUNT(*), SUM(balance) FROM account").await, ["20|230"]);
        assert_eq!(world.run(&mut victim, "SELECT 1").await.expect_err("dead").errno, 1927);
        world.gate.close(victim).await;

        // Whoever kills himself learns it at once.
        let id = id_of(&world, &mut killer).await;
        assert_eq!(world.run(&mut killer, &format!("KILL QUERY {id}")).await.expect_err("stopped").errno, 1317);
        assert_eq!(rows(&world, &mut killer, "SELECT 1").await, ["1"]);
        assert_eq!(world.run(&mut killer, "KILL CONNECTION_ID()").await.expect_err("killed").errno, 1927);
        world.gate.close(killer).await;
        assert_eq!(world.gate.stats().open_sessions, 0);
    }
}

#[tokio::test]
async fn others_sessions_are_nobodys_business() {
    for (flavour, way) in settings() {
        let world = bank(flavour, way).await;
        let users = [("anna", Right::Write), ("ben", Right::Write), ("root", Right::Admin)];
        world.gate.set_access(Access::of(users.map(|(user, right)| (user.into(), vec![Grant::everything(right)]))));
        let mut anna = open(&world).await;
        let id = id_of(&world, &mut anna).await;
        let of = |user: &str| {
            let peer = Arc::new(Peer { user: user.into(), ..(*world.peer).clone() });
            world.gate.open(&peer, SessionState::default()).expect("a session")
        };
        let (mut other, mut root) = (of("ben"), of("root"));
        for listing in ["SHOW VITRAIL SESSIONS", "SHOW PROCESSLIST"] {
            let seen = rows(&world, &mut other, listing).await;
            assert!(seen.len() == 1 && seen[0].contains("|ben|"), "{seen:?}");
        }
        for (sql, errno) in [
            (format!("KILL {id}"), 1095),
            (format!("KILL QUERY {id}"), 1095),
            ("KILL 1".to_owned(), 1094),
            ("KILL :id".to_owned(), 1210),
        ] {
            assert_eq!(world.run(&mut other, &sql).await.expect_err(&sql).errno, errno, "{flavour:?} {way:?}: {sql}");
        }
        assert_eq!(rows(&world, &mut anna, "SELECT 1").await, ["1"]);
        assert_eq!(rows(&world, &mut root, "SHOW PROCESSLIST").await.len(), 3);
        rows(&world, &mut root, &format!("KILL {id}")).await;
        assert_eq!(world.run(&mut anna, "SELECT 1").await.expect_err("killed").errno, 1927);
    }
}

/// DESIGN 6: what an idle session costs, with its place in the registry.
#[tokio::test]
async fn idle_sessions_cost_little() {
    let world = bank(vitrail_harness::flavours()[0], Way::Direct).await;
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/statm").expect("Linux");
        status.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("pages") * 4096
    };
    const COUNT: usize = 50_000;
    let warm: Vec<Box<Session>> = (0..COUNT).map(|_| Box::new(world.open())).collect();
    drop(warm);
    let before = resident();
    let sessions: Vec<Box<Session>> = (0..2 * COUNT).map(|_| Box::new(world.open())).collect();
    let each = (resident().saturating_sub(before)) / COUNT;
    assert_eq!(world.gate.stats().open_sessions, 2 * COUNT);
    // The first half found the memory of those before; the second half is measured.
    eprintln!("{each} bytes for an idle session");
    assert!(each < 1024, "{each} bytes for an idle session");
    let end = Instant::now() + PATIENCE;
    drop(sessions);
    assert!(world.gate.stats().open_sessions == 0 && Instant::now() < end);
}
