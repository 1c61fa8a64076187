//! Sessions that are pinned to a MySQL connection: by temporary tables, named locks, LOCK TABLES and HANDLER. What they see is what
//! one MySQL shows; a pin ends with its last reason; a lost one is told.

mod support;

use std::time::Duration;

use support::{Way, World, joined, settings};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vitrail_gate::Session;
use vitrail_harness::{Cluster as Databases, Connection, Flavour};
use vitrail_listener::service::Service;
use vitrail_proto::error::{Code, Executed};
use vitrail_proto::message::{Op, Request};
use vitrail_tablet::TabletConfig;

const PATIENCE: Duration = Duration::from_secs(60);

const UNSHARDED: &str = r#"{ "sharded": false }"#;
const SHARDED: &str = r#"{
    "sharded": true,
    "vindexes": {"hash": {"type": "hash"}},
    "tables": {"account": {"column_vindexes": [{"column": "id", "name": "hash"}]}}
}"#;

const ACCOUNT: &str =
    "CREATE TABLE account (id BIGINT PRIMARY KEY, owner VARCHAR(20) NOT NULL DEFAULT '', balance BIGINT)";

/// A gate over keyspace `bank` with `count` shards; one is unsharded.
async fn bank(flavour: Flavour, way: Way, count: usize, tune: impl Fn(&mut TabletConfig)) -> World {
    let databases = Databases::new(flavour, count, "pins").await;
    databases.execute_everywhere(&[ACCOUNT]).await;
    let world = World::over(databases, way, "bank", if count == 1 { UNSHARDED } else { SHARDED }, tune).await;
    assert_eq!(world.gate.refresh().await, []);
    world
}

/// A session with keyspace `bank`.
async fn open(world: &World) -> Session {
    let mut session = world.open();
    world.run(&mut session, "USE bank").await.expect("a keyspace");
    session
}

/// The rows of a statement that succeeds.
async fn rows(world: &World, session: &mut Session, sql: &str) -> Vec<String> {
    world.run(session, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}")).1
}

/// Runs `sql` until it gives `expected`.
async fn until(world: &World, session: &mut Session, sql: &str, expected: &str) {
    let end = Instant::now() + PATIENCE;
    while rows(world, session, sql).await != [expected] {
        assert!(Instant::now() < end, "{sql} never gave {expected}");
        tokio::task::yield_now().await;
    }
}

/// Kills every connection to the shards' databases that rests.
async fn kill_connections(world: &World) {
    let mut admin = world.databases.server.admin().await;
    for database in &world.databases.shards {
        let sql = format!("SELECT ID FROM information_schema.PROCESSLIST WHERE DB = '{database}'");
        for row in admin.fetch_all(&sql).await.expect("a list") {
            // One may have left meanwhile.
            let _ = admin.execute(&format!("KILL {}", row[0].as_ref().expect("an id"))).await;
        }
    }
}

/// What one statement gave: its rows, or MySQL's number for its failure.
type Given = Result<Vec<String>, u16>;

async fn given_by_mysql(oracle: &mut Connection, sql: &str) -> Given {
    match oracle.fetch_all(sql).await {
        Ok(rows) => Ok(rows.into_iter().map(joined).collect()),
        Err(error) => Err(error.server().unwrap_or_else(|| panic!("{sql}: {error}")).errno),
    }
}

/// `LOCK` stands for a name that is this test's own.
const SCRIPT: &str = "
CREATE TEMPORARY TABLE tmp (id INT PRIMARY KEY, v VARCHAR(10))
INSERT INTO tmp VALUES (1, 'a'), (2, 'b')
SELECT * FROM tmp ORDER BY id
SELECT * FROM bank.tmp WHERE id = 2
INSERT INTO account (id, balance) VALUES (1, 10), (2, 20)
CREATE TEMPORARY TABLE account (id BIGINT PRIMARY KEY, other INT)
INSERT INTO account VALUES (9, 9)
SELECT * FROM account
UPDATE account SET other = 10 WHERE id = 9
SELECT t.v, a.other FROM tmp t JOIN account a ON a.id = 9 ORDER BY t.v
DESCRIBE account
ALTER TABLE tmp ADD COLUMN w INT
SHOW COLUMNS FROM tmp
SELECT COUNT(*) FROM account
TRUNCATE TABLE account
SELECT COUNT(*) FROM account
DROP TABLE account
SELECT id, balance FROM account ORDER BY id
CREATE TEMPORARY TABLE tmp (x INT)
CREATE TEMPORARY TABLE IF NOT EXISTS tmp (x INT)
DROP TEMPORARY TABLE nothing
CREATE TEMPORARY TABLE copy SELECT id, balance FROM account WHERE balance > 10
SELECT * FROM copy
CREATE TEMPORARY TABLE broken AS SELECT * FROM nowhere
BEGIN
INSERT INTO account (id) VALUES (50)
INSERT INTO copy VALUES (7, 7)
CREATE TEMPORARY TABLE t2 (a INT)
INSERT INTO t2 VALUES (1)
ROLLBACK
SELECT COUNT(*) FROM account WHERE id = 50
SELECT COUNT(*) FROM copy
SELECT COUNT(*) FROM t2
START TRANSACTION READ ONLY
INSERT INTO t2 VALUES (5)
UPDATE account SET balance = 0 WHERE id > 0
COMMIT
SELECT COUNT(*) FROM t2
BEGIN
INSERT INTO account (id) VALUES (51)
SAVEPOINT s
INSERT INTO t2 VALUES (1), (2)
ROLLBACK TO s
COMMIT
SELECT COUNT(*) FROM t2
SELECT COUNT(*) FROM account WHERE id = 51
SET autocommit = 0
INSERT INTO account (id) VALUES (52)
INSERT INTO t2 VALUES (52)
ROLLBACK
SET autocommit = 1
SELECT COUNT(*) FROM t2
SELECT COUNT(*) FROM account WHERE id = 52
DROP TEMPORARY TABLE IF EXISTS nothing, tmp, copy, t2
SELECT * FROM tmp
SELECT GET_LOCK('LOCK1', 1)
SELECT GET_LOCK('LOCK1', 1) AS again
SELECT RELEASE_LOCK('LOCK1')
SELECT IS_FREE_LOCK('LOCK1')
SELECT RELEASE_LOCK('LOCK1')
SELECT IS_FREE_LOCK('LOCK1')
SELECT RELEASE_LOCK('LOCK1')
SELECT IS_USED_LOCK('LOCK1')
SELECT GET_LOCK(CONCAT('LOCK', 2), 0), GET_LOCK('LOCK3', 0)
SELECT RELEASE_ALL_LOCKS()
DO GET_LOCK('LOCK1', 0)
SELECT IS_FREE_LOCK('LOCK1'), id FROM account WHERE id = 1
DO RELEASE_LOCK('LOCK1')
SELECT GET_LOCK('LOCK1', 0), (SELECT 1 UNION SELECT 2)
SELECT RELEASE_ALL_LOCKS()
BEGIN
INSERT INTO account (id) VALUES (55)
SELECT GET_LOCK('LOCK1', 0)
INSERT INTO account (id) VALUES (56)
ROLLBACK
SELECT COUNT(*) FROM account WHERE id IN (55, 56)
SELECT RELEASE_LOCK('LOCK1')
LOCK TABLES account WRITE
INSERT INTO account (id) VALUES (60)
SELECT COUNT(*) FROM account WHERE id = 60
ALTER TABLE account ADD COLUMN note VARCHAR(10)
UNLOCK TABLES
LOCK TABLES bank.account READ
UPDATE account SET balance = 1 WHERE id > 0
SELECT balance FROM account WHERE id = 2
BEGIN
UPDATE account SET balance = 21 WHERE id = 2
COMMIT
SET autocommit = 0
LOCK TABLES account WRITE
INSERT INTO account (id) VALUES (61)
ROLLBACK
INSERT INTO account (id) VALUES (62)
COMMIT
INSERT INTO account (id) VALUES (63)
UNLOCK TABLES
SET autocommit = 1
INSERT INTO account (id) VALUES (64)
ROLLBACK
SELECT id FROM account WHERE id > 60 ORDER BY id
LOCK TABLES nowhere READ
UNLOCK TABLES
HANDLER account OPEN AS h
HANDLER h READ `PRIMARY` FIRST
HANDLER h READ `PRIMARY` NEXT WHERE id > 2 LIMIT 1
HANDLER h CLOSE
HANDLER h READ FIRST
";

#[tokio::test]
async fn what_pins_a_session_is_as_on_one_mysql() {
    for (flavour, way) in settings() {
        let world = bank(flavour, way, 1, |_| ()).await;
        let database = world.databases.oracle.clone();
        let mut oracle = world.databases.server.connect(&database).await;
        let script = SCRIPT.replace("LOCK1", &format!("{database}1")).replace("LOCK2", &format!("{database}2"));
        let script = script.replace("LOCK3", &format!("{database}3")).replace("'LOCK'", &format!("'{database}'"));
        let lines: Vec<&str> = script.lines().filter(|line| !line.is_empty()).collect();
        // One after the other: named locks are the server's.
        let mut expected = Vec::new();
        for sql in &lines {
            expected.push(given_by_mysql(&mut oracle, &sql.replace("bank.", &format!("{database}."))).await);
        }
        oracle.quit().await;
        let mut session = open(&world).await;
        let mut pinned = Vec::new();
        for (sql, expected) in lines.iter().zip(expected) {
            let answered = world.run(&mut session, sql).await;
            pinned.push(answered.as_ref().is_ok_and(|(end, _)| end.pinned));
            let actual = answered.map(|(_, rows)| rows).map_err(|error| error.errno);
            assert_eq!(actual, expected, "{flavour:?} {way:?}: {sql}");
        }
        // With the last reason the pin is gone, and it was there in between.
        let is_pinned = |after: &str| {
            let at = lines.iter().rposition(|line| line.starts_with(after)).expect(after);
            pinned[at]
        };
        assert!(is_pinned("CREATE TEMPORARY TABLE tmp (id") && is_pinned("INSERT INTO account (id) VALUES (50)"));
        assert!(
            is_pinned("SELECT GET_LOCK(CONCAT") && is_pinned("LOCK TABLES account") && is_pinned("HANDLER account")
        );
        assert!(!is_pinned("DROP TEMPORARY TABLE IF EXISTS") && !is_pinned("DO RELEASE_LOCK"));
        assert!(!is_pinned("SET autocommit = 1") && !is_pinned("HANDLER h CLOSE"));
        assert_eq!(world.gate.stats().pinned_sessions, 0, "{flavour:?} {way:?}");
    }
}

#[tokio::test]
async fn a_pin_ends_with_its_last_reason_and_leaves_nothing_behind() {
    for (flavour, way) in settings() {
        let few = |config: &mut TabletConfig| {
            config.transactions.size = 1;
            config.transactions.queue = 0;
        };
        let world = bank(flavour, way, 1, few).await;
        let (mut first, mut second) = (open(&world).await, open(&world).await);
        let lock = format!("SELECT GET_LOCK('{}', 0)", world.databases.oracle);
        let free = format!("SELECT IS_FREE_LOCK('{}')", world.databases.oracle);
        let give = lock.replace("GET_LOCK", "RELEASE_LOCK").replace(", 0", "");
        assert_eq!(rows(&world, &mut first, &lock).await, ["1"]);
        rows(&world, &mut first, "CREATE TEMPORARY TABLE tmp (id INT)").await;
        let reasons = rows(&world, &mut second, "SHOW VITRAIL SESSIONS").await;
        let expected = format!("lock '{}', temporary table `tmp`", world.databases.oracle);
        assert!(reasons[0].contains(&expected) && reasons[0].contains("|pinned|"), "{reasons:?}");
        // The only connection is taken.
        let error = world.run(&mut second, "CREATE TEMPORARY TABLE tmp (id INT)").await.expect_err("none is left");
        assert_eq!((error.code, error.executed, error.retryable), (Code::Exhausted, Executed::No, true));
        assert!(world.run(&mut first, &give).await.expect("released").0.pinned);
        assert_eq!(rows(&world, &mut second, &free).await, ["1"]);
        let end = world.run(&mut first, "DROP TABLE tmp").await.expect("dropped").0;
        assert!(!end.pinned, "{flavour:?} {way:?}");

        // Now it is the other's, fresh.
        until_pinned(&world, &mut second, "CREATE TEMPORARY TABLE tmp (other INT)").await;
        rows(&world, &mut second, &lock).await;
        let end = world.gate.reset(&mut second).await.expect("reset").end.expect("an end");
        assert!(!end.pinned);
        until(&world, &mut first, &free, "1").await;
        rows(&world, &mut second, "USE bank").await;
        assert_eq!(world.run(&mut second, "SELECT * FROM tmp").await.expect_err("gone").errno, 1146);

        // A session that ends takes its state along.
        until_pinned(&world, &mut second, &lock).await;
        assert!(world.gate.is_busy(&second));
        world.gate.close(second).await;
        until(&world, &mut first, &free, "1").await;
        until_pinned(&world, &mut first, "CREATE TEMPORARY TABLE tmp (id INT)").await;
        world.gate.close(first).await;
    }
}

/// Runs a statement that pins as soon as the only connection is back.
async fn until_pinned(world: &World, session: &mut Session, sql: &str) {
    let end = Instant::now() + PATIENCE;
    loop {
        match world.run(session, sql).await {
            Ok((end, _)) => return assert!(end.pinned, "{sql}"),
            Err(error) => assert!(error.code == Code::Exhausted && Instant::now() < end, "{sql}: {error}"),
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn in_a_sharded_keyspace_a_pin_needs_a_place() {
    for (flavour, way) in settings() {
        let world = bank(flavour, way, 2, |_| ()).await;
        let (mut first, mut second) = (open(&world).await, open(&world).await);
        let name = world.databases.oracle.clone();
        for (sql, part) in [
            ("CREATE TEMPORARY TABLE tmp (id INT)", "name a shard in the target"),
            ("DROP TEMPORARY TABLE tmp", "name a shard in the target"),
            ("LOCK TABLES account READ", "name a shard in the target"),
            ("HANDLER account OPEN", "name a shard in the target"),
            ("SELECT GET_LOCK('a', 1) FROM account WHERE id = 1", "beside tables"),
            ("UPDATE account SET balance = GET_LOCK('a', 1) WHERE id = 1", "a connection of the session's own"),
            ("LOCK INSTANCE FOR BACKUP", "run it on the MySQL servers"),
        ] {
            let error = world.run(&mut first, sql).await.expect_err(sql);
            assert!(error.code == Code::Unsupported && error.message.contains(part), "{sql}: {error}");
        }
        // All sessions compete for the same lock.
        assert_eq!(rows(&world, &mut first, &format!("SELECT GET_LOCK('{name}', 0)")).await, ["1"]);
        assert_eq!(rows(&world, &mut second, &format!("SELECT GET_LOCK('{name}', 0)")).await, ["0"]);
        assert_eq!(rows(&world, &mut second, &format!("SELECT IS_FREE_LOCK('{name}')")).await, ["0"]);

        // A transaction over both shards runs on the pin where there is one.
        let all: Vec<String> = (1..=20).map(|id| format!("({id}, {id})")).collect();
        let insert = format!("INSERT INTO account (id, balance) VALUES {}", all.join(", "));
        assert!(world.run(&mut first, &insert).await.expect("written").0.pinned);
        rows(&world, &mut first, "BEGIN").await;
        rows(&world, &mut first, "UPDATE account SET balance = balance + 100 WHERE id > 0").await;
        assert_eq!(rows(&world, &mut first, "SELECT SUM(balance) FROM account").await, ["2210"]);
        assert_eq!(rows(&world, &mut second, "SELECT SUM(balance) FROM account").await, ["210"]);
        let duplicate = world.run(&mut first, &insert).await.expect_err("there already");
        assert!(duplicate.errno == 1062 && duplicate.in_transaction, "{duplicate}");
        rows(&world, &mut first, "ROLLBACK").await;
        assert_eq!(rows(&world, &mut first, "SELECT SUM(balance) FROM account").await, ["210"]);
        rows(&world, &mut first, "BEGIN").await;
        rows(&world, &mut first, "UPDATE account SET balance = balance + 1 WHERE id > 0").await;
        assert!(world.run(&mut first, "COMMIT").await.expect("committed").0.pinned);
        assert_eq!(rows(&world, &mut second, "SELECT SUM(balance) FROM account").await, ["230"]);

        // A temporary table that hides a table on one shard must not be mixed with the other shard's.
        rows(&world, &mut first, "USE `bank:-80`").await;
        let end = world.run(&mut first, "CREATE TEMPORARY TABLE account (id BIGINT PRIMARY KEY, v INT)").await;
        assert!(end.expect("created").0.pinned);
        assert_eq!(rows(&world, &mut first, "SELECT COUNT(*) FROM account").await, ["0"]);
        rows(&world, &mut first, "USE bank").await;
        for sql in [
            "SELECT COUNT(*) FROM account",
            "DELETE FROM account WHERE id = 1",
            "DESCRIBE account",
            "DROP TABLE account",
        ] {
            let error = world.run(&mut first, sql).await.expect_err(sql);
            assert!(error.message.contains("is a temporary table of this session"), "{sql}: {error}");
        }
        rows(&world, &mut first, "USE `bank:80-`").await;
        assert_ne!(rows(&world, &mut first, "SELECT COUNT(*) FROM account").await, ["0"]);
        rows(&world, &mut first, "USE `bank:-80`").await;
        rows(&world, &mut first, "DROP TEMPORARY TABLE account").await;
        rows(&world, &mut first, "USE bank").await;
        assert_eq!(rows(&world, &mut first, "SELECT COUNT(*) FROM account").await, ["20"]);
        assert_eq!(rows(&world, &mut first, &format!("SELECT RELEASE_LOCK('{name}')")).await, ["1"]);
        assert_eq!(world.gate.stats().pinned_sessions, 0);
        world.gate.close(first).await;
        world.gate.close(second).await;
    }
}

#[tokio::test]
async fn a_wait_for_a_lock_ends_by_deadline_cancel_and_kill() {
    for (flavour, way) in settings() {
        let world = bank(flavour, way, 1, |_| ()).await;
        let (mut holder, mut waiter) = (open(&world).await, open(&world).await);
        let name = world.databases.oracle.clone();
        assert_eq!(rows(&world, &mut holder, &format!("SELECT GET_LOCK('{name}', 0)")).await, ["1"]);
        let wait = || {
            let mut request = Request::new(Op::Execute);
            request.sql = Some(format!("SELECT GET_LOCK('{name}', 300)"));
            request
        };
        let deadline = Some(Instant::now() + Duration::from_millis(300));
        let late = world.request_until(&mut waiter, wait(), CancellationToken::new(), deadline).await;
        assert_eq!(late.expect_err("late").code, Code::Deadline, "{flavour:?} {way:?}");
        assert!(!world.gate.is_busy(&waiter), "it got nothing that would pin it");

        let cancel = CancellationToken::new();
        let waiting = format!("GET_LOCK('{name}', 300)");
        let (cancelled, ()) = tokio::join!(world.request_until(&mut waiter, wait(), cancel.clone(), None), async {
            support::until_running(&world.databases, &waiting).await;
            cancel.cancel();
        });
        assert_eq!(cancelled.expect_err("cancelled").code, Code::Cancelled);

        // Given back while somebody waits: the waiter has it.
        let (got, ()) = tokio::join!(world.request(&mut waiter, wait()), async {
            support::until_running(&world.databases, &waiting).await;
            assert_eq!(rows(&world, &mut holder, &format!("SELECT RELEASE_LOCK('{name}')")).await, ["1"]);
        });
        let (end, got) = got.expect("the lock");
        assert!(got == ["1"] && end.pinned && !world.gate.is_busy(&holder));
        assert_eq!(rows(&world, &mut holder, &format!("SELECT GET_LOCK('{name}', 0)")).await, ["0"]);
        world.gate.close(waiter).await;
        until(&world, &mut holder, &format!("SELECT IS_FREE_LOCK('{name}')"), "1").await;
    }
}

#[tokio::test]
async fn a_lost_pin_is_told_once() {
    for (flavour, way) in settings() {
        let world = bank(flavour, way, 1, |_| ()).await;
        let mut session = open(&world).await;
        rows(&world, &mut session, "CREATE TEMPORARY TABLE tmp (id INT)").await;
        kill_connections(&world).await;
        let lost = world.run(&mut session, "INSERT INTO tmp VALUES (1)").await.expect_err("its connection is gone");
        assert_eq!((&lost.code, lost.retryable, lost.in_transaction), (&Code::SessionLost, false, false), "{lost}");
        assert!(lost.message.contains("temporary table `tmp`"), "{lost}");
        let later = world.run(&mut session, "SELECT * FROM tmp").await.expect_err("nothing makes it anew");
        assert_eq!(later.errno, 1146, "{flavour:?} {way:?}: {later}");
        let (end, _) = world.run(&mut session, "SELECT COUNT(*) FROM account").await.expect("the session goes on");
        assert!(!end.pinned);

        // With a transaction on it, both are lost, and nothing slips into autocommit.
        rows(&world, &mut session, "CREATE TEMPORARY TABLE tmp (id INT)").await;
        rows(&world, &mut session, "BEGIN").await;
        rows(&world, &mut session, "INSERT INTO account (id) VALUES (1)").await;
        kill_connections(&world).await;
        let lost = world.run(&mut session, "INSERT INTO account (id) VALUES (2)").await.expect_err("gone");
        assert_eq!((&lost.code, lost.in_transaction), (&Code::SessionLost, true), "{lost}");
        let later = world.run(&mut session, "INSERT INTO account (id) VALUES (3)").await.expect_err("lost");
        assert_eq!((later.code, later.in_transaction), (Code::TxLost, true));
        rows(&world, &mut session, "ROLLBACK").await;
        assert_eq!(rows(&world, &mut session, "SELECT COUNT(*) FROM account").await, ["0"]);
        assert!(!world.gate.is_busy(&session));
    }
}

/// A lock that is lost while its session works on other shards must be told there, too.
#[tokio::test]
async fn a_lost_lock_is_told_on_other_shards() {
    for (flavour, way) in settings() {
        let world = bank(flavour, way, 2, |_| ()).await;
        let mut session = open(&world).await;
        let lock = format!("SELECT GET_LOCK('{}', 0)", world.databases.oracle);
        assert_eq!(rows(&world, &mut session, &lock).await, ["1"]);
        let mut admin = world.databases.server.admin().await;
        let used = admin.fetch_cell(&lock.replace("GET_LOCK", "IS_USED_LOCK").replace(", 0", "")).await;
        let thread = used.expect("a row").expect("it is held");
        admin.execute(&format!("KILL {thread}")).await.expect("killed");
        rows(&world, &mut session, "USE `bank:80-`").await;
        let end = Instant::now() + PATIENCE;
        let lost = loop {
            match world.run(&mut session, "SELECT COUNT(*) FROM account").await {
                Ok(_) => assert!(Instant::now() < end, "{flavour:?} {way:?}: it was never told"),
                Err(error) => break error,
            }
            tokio::task::yield_now().await;
        };
        assert_eq!((&lost.code, lost.executed), (&Code::SessionLost, Executed::No), "{lost}");
        assert!(lost.message.contains(&world.databases.oracle), "{lost}");
        assert_eq!(rows(&world, &mut session, "SELECT COUNT(*) FROM account").await, ["0"]);
    }
}

#[tokio::test]
async fn idle_pins_and_old_transactions_on_them_are_released() {
    for (flavour, way) in settings() {
        for (idle, age) in [(150, 600_000), (600_000, 150)] {
            let tune = |config: &mut TabletConfig| {
                config.transactions.max_idle = Duration::from_millis(idle);
                config.transactions.max_age = Duration::from_millis(age);
            };
            let world = bank(flavour, way, 1, tune).await;
            let (mut session, mut other) = (open(&world).await, open(&world).await);
            let lock = format!("SELECT GET_LOCK('{}', 0)", world.databases.oracle);
            let free = lock.replace("GET_LOCK", "IS_FREE_LOCK").replace(", 0", "");
            assert_eq!(rows(&world, &mut session, &lock).await, ["1"]);
            let begun = age < idle;
            if begun {
                rows(&world, &mut session, "BEGIN").await;
                rows(&world, &mut session, "INSERT INTO account (id) VALUES (1)").await;
            }
            until(&world, &mut other, &free, "1").await;
            let lost = world.run(&mut session, "SELECT COUNT(*) FROM account").await.expect_err("released");
            assert_eq!((&lost.code, lost.in_transaction), (&Code::SessionLost, begun), "{flavour:?} {way:?}: {lost}");
            if begun {
                rows(&world, &mut session, "ROLLBACK").await;
            }
            assert_eq!(rows(&world, &mut session, "SELECT COUNT(*) FROM account").await, ["0"]);
        }
    }
}
