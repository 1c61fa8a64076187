//! Identical reads through sessions of a gate: which share executions, who says so, and what reaches MySQL.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use support::{Way, World, settings};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use vitrail_gate::Session;
use vitrail_harness::{Cluster as Databases, Connection, Flavour};
use vitrail_listener::service::Service;
use vitrail_proto::message::{Op, Request, Share};
use vitrail_tablet::Tablet;

const SHARDED: &str = r#"{
    "sharded": true,
    "vindexes": {"hash": {"type": "hash"}},
    "tables": {"item": {"column_vindexes": [{"column": "id", "name": "hash"}]}}
}"#;

const READ: &str = "SELECT v FROM item ORDER BY v";

/// Keyspace `k` on a server of its own, if `alone`, so that what it counts is ours.
async fn world(flavour: Flavour, way: Way, shards: usize, alone: bool) -> Arc<World> {
    let mut databases = if alone {
        let server = Arc::new(vitrail_harness::private_server(flavour).await);
        let mut names = Vec::new();
        for _ in 0..shards {
            names.push(server.database("sharing").await);
        }
        Databases { server, shards: names, unsharded: String::new(), oracle: String::new() }
    } else {
        Databases::new(flavour, shards, "sharing").await
    };
    for shard in &mut databases.shards {
        let mut connection = databases.server.connect(shard).await;
        connection.execute("CREATE TABLE item (id BIGINT PRIMARY KEY, v BIGINT)").await.unwrap();
    }
    let vschema = if shards == 1 { "{}" } else { SHARDED };
    let world = World::over(databases, way, "k", vschema, |_| {}).await;
    assert!(world.gate.refresh().await.is_empty());
    Arc::new(world)
}

async fn open(world: &World) -> Session {
    let mut session = world.open();
    world.run(&mut session, "USE k").await.unwrap();
    session
}

/// Runs `sql` in a session after `before`.
fn start(world: &Arc<World>, before: &'static str, sql: &str, share: Option<Share>) -> JoinHandle<Vec<String>> {
    let (world, sql) = (world.clone(), sql.to_owned());
    tokio::spawn(async move {
        let mut session = open(&world).await;
        if !before.is_empty() {
            world.run(&mut session, before).await.unwrap();
        }
        let mut request = Request::new(Op::Execute);
        request.sql = Some(sql);
        request.share = share;
        request.facts = true;
        let (end, mut rows) = world.request(&mut session, request).await.unwrap();
        rows.push(format!("shared: {}", end.ran.unwrap().shared));
        world.gate.close(session).await;
        rows
    })
}

/// How many statements were saved, by shard and statement.
async fn saved(world: &World) -> u64 {
    let mut session = open(world).await;
    let (_, rows) = world.run(&mut session, "SHOW VITRAIL CONSOLIDATIONS").await.unwrap();
    rows.iter().map(|row| row.split('|').nth(4).unwrap().parse::<u64>().unwrap()).sum()
}

/// How many reads wait in MySQL for the locked table.
async fn in_mysql(world: &World, admin: &mut Connection) -> usize {
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = '{}' AND COMMAND = 'Query' AND INFO LIKE '%FROM item ORDER%' \
         AND ID <> CONNECTION_ID()",
        world.databases.shards[0]
    );
    admin.fetch_all(&sql).await.unwrap()[0][0].as_ref().unwrap().parse().unwrap()
}

async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(30);
    while !condition().await {
        assert!(Instant::now() < give_up, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Three reads of a locked table: one waits for it in MySQL when the others come. Asserts that those share as is expected.
async fn assert_shares(world: &Arc<World>, before: &'static str, sql: &str, share: Option<Share>, expected: Share) {
    let what = format!("{} {before} {sql} {share:?}: {expected:?}", world.databases.server.flavour());
    let mut lock = world.databases.server.connect(&world.databases.shards[0]).await;
    lock.execute("LOCK TABLES item WRITE").await.unwrap();
    let saved_before = saved(world).await;
    let state = async || {
        let waiting = in_mysql(world, &mut world.databases.server.admin().await).await;
        (waiting, saved(world).await - saved_before)
    };
    let mut readers = vec![start(world, before, sql, share)];
    eventually(&what, async || state().await == (1, 0)).await;
    readers.extend((0..2).map(|_| start(world, before, sql, share)));
    let (waiting, shared) = match expected {
        Share::Off => (3, 0),
        // One waits for its turn, and one shares with it.
        Share::Next => (1, 1),
        Share::Running => (1, 2),
    };
    eventually(&what, async || state().await == (waiting, shared)).await;
    lock.execute("UNLOCK TABLES").await.unwrap();
    let mut told = 0;
    for reader in readers {
        let rows = reader.await.unwrap();
        assert!(rows[0].starts_with('1'), "{what}: {rows:?}");
        told += u64::from(rows[1] == "shared: true");
    }
    assert_eq!((told, saved(world).await - saved_before), (shared, shared), "{what}");
}

#[tokio::test]
async fn statement_request_session_user_and_gate_say_whether_in_this_order() {
    for (flavour, way) in settings().into_iter().filter(|(_, way)| *way == Way::Direct) {
        let world = world(flavour, way, 1, false).await;
        let mut session = open(&world).await;
        world.run(&mut session, "INSERT INTO item VALUES (1, 1)").await.unwrap();
        for (user, session, request, directive, expected) in [
            (None, "", None, "", Share::Next),
            (Some(Share::Off), "", None, "", Share::Off),
            (Some(Share::Off), "SET vitrail_share = 'running'", None, "", Share::Running),
            (Some(Share::Off), "SET vitrail_share = 'off'", Some(Share::Next), "", Share::Next),
            (None, "SET vitrail_share = 'next'", Some(Share::Next), "/*vitrail share=off */ ", Share::Off),
            (Some(Share::Running), "SET vitrail_share = default", None, "", Share::Running),
        ] {
            world.gate.set_shares(user.map(|share| ("anna", share)));
            assert_shares(&world, session, &format!("{directive}{READ}"), request, expected).await;
        }
        world.gate.set_shares([]);
        // Whatever they say: what belongs to one session, or is not the same for all, is not shared.
        for (session, sql) in [
            ("BEGIN", READ),
            ("SET autocommit = 0", READ),
            ("", "SELECT v + RAND() * 0 FROM item ORDER BY v"),
            ("", "SELECT v FROM item ORDER BY v FOR UPDATE"),
        ] {
            assert_shares(&world, session, sql, Some(Share::Running), Share::Off).await;
        }
    }
}

/// 500 sessions that come while their statement waits in MySQL: it is run at most four times on each shard, by MySQL's own log.
#[tokio::test]
async fn five_hundred_sessions_reach_mysql_at_most_four_times() {
    for flavour in vitrail_harness::flavours() {
        for shards in [1, 2] {
            let what = format!("{flavour}, {shards} shards");
            let way = if shards == 1 { Way::Remote } else { Way::Direct };
            let world = world(flavour, way, shards, true).await;
            let mut session = open(&world).await;
            let values: Vec<String> = (1..=240).map(|id| format!("({id}, {id})")).collect();
            world.run(&mut session, &format!("INSERT INTO item VALUES {}", values.join(", "))).await.unwrap();
            let mut locks = Vec::new();
            for shard in &world.databases.shards {
                let mut lock = world.databases.server.connect(shard).await;
                lock.execute("LOCK TABLES item WRITE").await.unwrap();
                locks.push(lock);
            }
            let mut admin = world.databases.server.admin().await;
            admin.execute("SET GLOBAL log_output = 'TABLE'").await.unwrap();
            admin.execute("SET GLOBAL general_log = 1").await.unwrap();
            // So slow that its table can be locked while it runs.
            let sql = "SELECT COUNT(*) AS five_hundred FROM item a JOIN item b ON a.id = b.id WHERE BIT_COUNT(a.v) >= 0 AND \
                       LENGTH(SHA2(REPEAT(CONCAT(a.v, b.v), 900000), 512)) > 0";
            let mut readers = vec![start(&world, "", sql, None)];
            let in_mysql = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE COMMAND = 'Query' AND INFO LIKE '%five_hundred%' \
                            AND ID <> CONNECTION_ID()";
            eventually(&what, async || {
                let running = world.databases.server.admin().await.fetch_cell(in_mysql).await.unwrap();
                running.unwrap().parse() == Ok(shards)
            })
            .await;
            readers.extend((1..500).map(|_| start(&world, "", sql, None)));
            // All are there: in a line for MySQL, or at the gate for their turn at several shards.
            eventually(&what, async || {
                let mut session = open(&world).await;
                let (_, sessions) = world.run(&mut session, "SHOW FULL PROCESSLIST").await.unwrap();
                world.gate.close(session).await;
                sessions.iter().filter(|session| session.contains("five_hundred")).count() == 500
            })
            .await;
            drop(locks);
            // Whatever runs next, the table is locked behind it until those have come to the tablets who may, however slowly they do: all of them, or
            // first as many as the gate has places for, and then the rest, who have waited for their turn together.
            let places = world.tablets[0].stats().pool.size;
            let waves = if shards == 1 { vec![498] } else { vec![places - 2, 500 - places - 3] };
            for wave in waves {
                eventually(&what, async || {
                    let waiting = format!("{in_mysql} AND STATE LIKE 'Waiting%'");
                    world.databases.server.admin().await.fetch_cell(&waiting).await.unwrap().as_deref() == Some("0")
                })
                .await;
                let mut locks = Vec::new();
                for shard in &world.databases.shards {
                    let mut lock = world.databases.server.connect(shard).await;
                    lock.execute("LOCK TABLES item WRITE").await.unwrap();
                    locks.push(lock);
                }
                eventually(&format!("{what}: the wave of {wave}"), async || {
                    let waiting = |tablet: &Arc<Tablet>| tablet.stats().consolidator.waiting;
                    world.tablets.iter().all(|tablet| waiting(tablet) >= wave)
                })
                .await;
            }
            let (mut answers, mut shared) = (Vec::new(), 0);
            for reader in readers {
                let rows = reader.await.unwrap();
                shared += u64::from(rows[1] == "shared: true");
                answers.push(rows[0].clone());
            }
            admin.execute("SET GLOBAL general_log = 0").await.unwrap();
            assert!(answers.iter().all(|answer| answer == "240"), "{what}");
            let log = "SELECT COUNT(*) FROM mysql.general_log WHERE argument LIKE '%five_hundred%' AND argument NOT LIKE '%general_log%' \
                       AND argument NOT LIKE '%PROCESSLIST%'";
            let reached: usize = admin.fetch_cell(log).await.unwrap().unwrap().parse().unwrap();
            assert!((shards..=4 * shards).contains(&reached), "{what}: {reached}");
            assert!(shared >= 496, "{what}: {shared}");
            assert_eq!(saved(&world).await, (500 * shards - reached) as u64, "{what}");
        }
    }
}

/// A writes, tells B, B reads: B sees what A wrote, on one shard and over both.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_was_told_of_a_write_reads_it() {
    for (flavour, way) in settings() {
        let world = world(flavour, way, 2, false).await;
        let mut writer = open(&world).await;
        for id in 1..=4 {
            world.run(&mut writer, &format!("INSERT INTO item VALUES ({id}, 0)")).await.unwrap();
        }
        let (written, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let readers: Vec<_> = (0..12)
            .map(|number| {
                let (world, written, over) = (world.clone(), written.clone(), over.clone());
                let sql = if number % 2 == 0 {
                    "SELECT v FROM item WHERE id = 1"
                } else {
                    "SELECT MIN(v), COUNT(*) FROM item"
                };
                tokio::spawn(async move {
                    let mut session = open(&world).await;
                    let mut reads = 0_u64;
                    while !over.load(Ordering::SeqCst) {
                        let told = written.load(Ordering::SeqCst);
                        let (_, rows) = world.run(&mut session, sql).await.unwrap();
                        let seen: u64 = rows[0].split('|').next().unwrap().parse().unwrap();
                        assert!(seen >= told, "{flavour} {way:?}: {sql} gave {seen} after {told} was committed");
                        reads += 1;
                    }
                    reads
                })
            })
            .collect();
        for number in 1..=250 {
            // On all shards in one transaction.
            world.run(&mut writer, &format!("UPDATE item SET v = {number} WHERE id > 0")).await.unwrap();
            written.store(number, Ordering::SeqCst);
        }
        over.store(true, Ordering::SeqCst);
        let mut reads = 0;
        for reader in readers {
            reads += reader.await.unwrap();
        }
        assert!(saved(&world).await > reads / 20, "{flavour} {way:?}: {} of {reads}", saved(&world).await);
    }
}

#[tokio::test]
async fn what_was_shared_is_shown_without_its_literals() {
    for (flavour, way) in settings() {
        let world = world(flavour, way, 2, false).await;
        let sql = "SELECT COUNT(*) FROM item WHERE v = 4711 OR LENGTH(REPEAT('secret', 5)) < 3";
        let mut lock = world.databases.server.connect(&world.databases.shards[0]).await;
        lock.execute(&format!("LOCK TABLES item WRITE, `{}`.item WRITE", world.databases.shards[1])).await.unwrap();
        let mut readers = vec![start(&world, "", sql, None)];
        for shard in &world.databases.shards {
            let sql = format!(
                "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = '{shard}' AND INFO LIKE '%4711%' AND ID <> CONNECTION_ID()"
            );
            eventually("the first in MySQL", async || {
                let mut admin = world.databases.server.admin().await;
                admin.fetch_all(&sql).await.unwrap()[0][0].as_deref() == Some("1")
            })
            .await;
        }
        readers.extend((1..6).map(|_| start(&world, "", sql, None)));
        eventually("sharing", async || saved(&world).await == 8).await;
        let mut session = open(&world).await;
        let (end, rows) = world.run(&mut session, "SHOW VITRAIL CONSOLIDATIONS").await.unwrap();
        assert_eq!(end.rows, 2, "{rows:?}");
        for (shard, row) in ["-80", "80-"].iter().zip(&rows) {
            let expected = format!("k|{shard}|SELECT COUNT(*) FROM item WHERE v = ? OR LENGTH(REPEAT(?)) < ?|1|4|5|4");
            assert_eq!(*row, expected, "{flavour} {way:?}");
        }
        lock.execute("UNLOCK TABLES").await.unwrap();
        for reader in readers {
            assert_eq!(reader.await.unwrap()[0], "0");
        }
        let mut other = world.open();
        world.run(&mut other, "USE `k:80-`").await.unwrap();
        let (_, rows) = world.run(&mut other, "SHOW VITRAIL CONSOLIDATIONS").await.unwrap();
        assert!(rows.len() == 1 && rows[0].starts_with("k|80-|") && rows[0].ends_with("|1|4|5|0"), "{rows:?}");
    }
}
