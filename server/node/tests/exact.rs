//! Statements on the scratch server under what can go wrong: writers beside them, bounds, a server that dies, and what others have left there.
#![expect(clippy::unwrap_used, reason = "a panic in a test is the report")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use support::{Shape, Vitrail, everywhere_with};
use tokio::time::{Instant, interval, timeout};
use vitrail_client::{Client, Code, Error, Executed, Query};
use vitrail_harness::flavours;
use vitrail_service::QueryService;
use vitrail_service::call::{Call, CallId, On, Statement};

/// Everything that a test waits for happens in this time, on a machine under any load.
const LONG: Duration = Duration::from_secs(120);

/// One fragment of each table.
const BOTH: &str =
    "SELECT u.id, (SELECT COUNT(*) FROM orders o WHERE o.total > u.id) AS n FROM users u ORDER BY u.id FOR UPDATE";

async fn fill(client: &Client) {
    let users: Vec<String> = (1..=20).map(|id| format!("({id}, 'u{id}', 'e{id}')")).collect();
    client.execute(format!("INSERT INTO users (id, name, email) VALUES {}", users.join(", ")), ()).await.unwrap();
    let orders: Vec<String> = (1..=20).flat_map(|user| (1..=2).map(move |id| format!("({id}, {user}, 100)"))).collect();
    client.execute(format!("INSERT INTO orders (id, user_id, total) VALUES {}", orders.join(", ")), ()).await.unwrap();
}

fn call() -> Call {
    Call {
        id: CallId(u64::MAX),
        caller: Arc::from("anna"),
        application: Arc::default(),
        deadline: Some(Instant::now() + LONG),
        settings: Arc::default(),
        max_rows: None,
        warnings: 0,
        traceparent: None,
    }
}

/// A statement waits on a shard for a lock, and has its connection to the scratch server already.
async fn waits_for_a_lock(vitrail: &Vitrail) {
    let mut admin = vitrail.databases.server.admin().await;
    let waiting =
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%FOR UPDATE' AND ID <> CONNECTION_ID()";
    let mut tick = interval(Duration::from_millis(20));
    let until = Instant::now() + LONG;
    while admin.fetch_all(waiting).await.unwrap()[0][0].as_deref() == Some("0") {
        assert!(Instant::now() < until, "no statement waits");
        tick.tick().await;
    }
    admin.quit().await;
}

/// Nothing that the statements have reserved is held any more.
async fn is_free(vitrail: &Vitrail) {
    let until = Instant::now() + LONG;
    let mut tick = interval(Duration::from_millis(20));
    while vitrail.gate.scratch().unwrap().stats().reserved > 0 {
        assert!(Instant::now() < until, "a connection to the scratch server was not released");
        tick.tick().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_sees_one_moment_of_each_shard() {
    everywhere_with(2, "", async |vitrail| {
        let client = vitrail.client().await;
        fill(&client).await;
        let stop = Arc::new(AtomicBool::new(false));
        let (writer, stopped) = (vitrail.client().await, Arc::clone(&stop));
        // Amounts move between two orders of one user, which lie on one shard.
        let writing = tokio::spawn(async move {
            let mut moved = 0_u64;
            while !stopped.load(Ordering::Relaxed) {
                let user = moved % 20 + 1;
                let mut transaction = writer.begin().await.unwrap();
                for (id, amount) in [(1, -1), (2, 1)] {
                    let sql = format!("UPDATE orders SET total = total + {amount} WHERE user_id = {user} AND id = {id}");
                    transaction.execute(sql, ()).await.unwrap();
                }
                transaction.commit().await.unwrap();
                moved += 1;
            }
            moved
        });
        let sums = "SELECT (SELECT SUM(total) FROM orders WHERE id = 1) AS a, (SELECT SUM(total) FROM orders WHERE id = 2) AS b";
        for _ in 0..40 {
            let row = client.query_one(sums, ()).await.unwrap();
            let sum = |name: &str| row.get::<String>(name).unwrap().parse::<f64>().unwrap();
            assert_eq!(sum("a") + sum("b"), 4000.0);
        }
        stop.store(true, Ordering::Relaxed);
        assert!(writing.await.unwrap() > 0, "somebody has written meanwhile");
        client.close();
        vitrail.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_reads_several_keyspaces() {
    everywhere_with(2, "", async |vitrail| {
        let client = vitrail.client().await;
        fill(&client).await;
        client.execute("INSERT INTO plain.setting VALUES ('a', 'u3'), ('b', 'u17'), ('c', 'nobody')", ()).await.unwrap();
        let joined = "SELECT s.name, u.id, (SELECT SUM(total) FROM orders o WHERE o.user_id = u.id) AS total FROM plain.setting s \
                      LEFT JOIN users u ON u.name = s.value COLLATE utf8mb4_general_ci ORDER BY s.name";
        let rows = client.query_all(joined, ()).await.unwrap();
        let cell = |row: &vitrail_client::Row, column| row.raw(column).map(|cell| String::from_utf8_lossy(cell).into_owned());
        let texts: Vec<Vec<_>> = rows.iter().map(|row| (0..3).map(|column| cell(row, column)).collect()).collect();
        let some = |text: &str| Some(text.to_owned());
        let expected =
            [[some("a"), some("3"), some("200.00")], [some("b"), some("17"), some("200.00")], [some("c"), None, None]];
        assert_eq!(texts, expected);
        // Found by a name that only one keyspace has, and in one that is not the session's.
        let found = "SELECT COUNT(*) FROM setting WHERE value COLLATE utf8mb4_general_ci IN (SELECT name FROM shop.users)";
        assert_eq!(client.query_scalar::<i64>(found, ()).await.unwrap(), 2);
        let mut plain = client.session();
        plain.execute("USE plain", ()).await.unwrap();
        let found = "SELECT COUNT(*) FROM setting s JOIN shop.users u ON u.name = s.value COLLATE utf8mb4_general_ci";
        assert_eq!(plain.query_scalar::<i64>(found, ()).await.unwrap(), 2);
        client.close();
        vitrail.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_names_its_table() {
    everywhere_with(2, "[scratch]\nstatement_bytes = \"64KiB\"\n", async |vitrail| {
        let client = vitrail.client().await;
        fill(&client).await;
        client.execute(format!("UPDATE orders SET note = REPEAT('x', {}) WHERE id = 2", 5_000), ()).await.unwrap();
        let large = "SELECT user_id, RANK() OVER (ORDER BY note, user_id) AS r FROM orders WHERE total > 5";
        let error = client.query_all(large, ()).await.unwrap_err();
        assert_eq!((error.code(), error.executed()), (&Code::TooLarge, Executed::No), "{error}");
        assert!(error.message().contains("`orders`") && error.message().contains("scratch.statement_bytes"), "{error}");
        is_free(&vitrail).await;
        // Conditions, and columns that are not needed, bring it below.
        for small in [format!("{large} AND id = 1"), large.replace("note", "total")] {
            assert!(!client.query_all(small.as_str(), ()).await.unwrap().is_empty(), "{small}");
        }
        client.close();
        vitrail.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn turns_and_time_are_bounded() {
    let bounds = "[scratch]\nstatements = 1\nwait = \"300ms\"\ntime = \"2s\"\n";
    everywhere_with(2, bounds, async |vitrail| {
        let client = vitrail.client().await;
        fill(&client).await;
        // The start of the server is no part of what is measured.
        vitrail.gate.scratch().unwrap().execute(call(), Statement::new("DO 0", false), On::Pool).await.unwrap();
        let mut locking = client.begin().await.unwrap();
        locking.execute("UPDATE users SET name = 'locked' WHERE id = 7", ()).await.unwrap();
        let (first, second) = tokio::join!(client.query_all(BOTH, ()), async {
            waits_for_a_lock(&vitrail).await;
            client.query_all(BOTH, ()).await
        });
        let (first, second) = (first.unwrap_err(), second.unwrap_err());
        assert_eq!(first.code(), &Code::Deadline, "{first}");
        assert!(first.message().contains("scratch.time"), "{first}");
        assert_eq!((second.code(), second.is_retryable()), (&Code::Exhausted, true), "{second}");
        assert!(second.message().contains("scratch.statements"), "{second}");
        is_free(&vitrail).await;

        // A request's own deadline is its own, and it leaves no lock.
        let query = Query::new(BOTH).deadline(Duration::from_millis(200));
        let error = client.query_all(query, ()).await.unwrap_err();
        assert_eq!(error.code(), &Code::Deadline, "{error}");
        assert!(!error.message().contains("scratch.time"), "{error}");
        is_free(&vitrail).await;
        locking.rollback().await.unwrap();
        assert_eq!(client.query_all(BOTH, ()).await.unwrap().len(), 20);
        client.execute("UPDATE users SET name = 'free' WHERE id = 8", ()).await.unwrap();
        client.close();
        vitrail.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_costs_one_statement() {
    for flavour in flavours() {
        let vitrail = Vitrail::start(flavour, 2, Shape::Together).await;
        let client = vitrail.client().await;
        fill(&client).await;
        client.query_all(BOTH, ()).await.unwrap();
        let process = vitrail.gate.scratch().unwrap().process_id().unwrap();
        let mut locking = client.begin().await.unwrap();
        locking.execute("UPDATE users SET name = 'locked' WHERE id = 7", ()).await.unwrap();
        let mut session = client.session();
        let mut transaction = session.begin().await.unwrap();
        transaction.execute("UPDATE users SET name = 'mine' WHERE id = 8", ()).await.unwrap();
        let (outcome, ()) = tokio::join!(transaction.query_all(BOTH, ()), async {
            waits_for_a_lock(&vitrail).await;
            kill(process);
            locking.rollback().await.unwrap();
        });
        let error: Error = outcome.unwrap_err();
        assert_eq!(
            (error.code(), error.executed(), error.is_retryable()),
            (&Code::Unavailable, Executed::No, true),
            "{error}"
        );
        // The session's transaction is as it was.
        assert_eq!(timeout(LONG, transaction.query_all(BOTH, ())).await.unwrap().unwrap().len(), 20);
        transaction.commit().await.unwrap();
        let name: String = client.query_scalar("SELECT name FROM users WHERE id = 8", ()).await.unwrap();
        assert_eq!(name, "mine");
        client.close();
        vitrail.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_statement_is_left_for_the_next() {
    // One connection for all.
    everywhere_with(2, "[scratch]\nstatements = 1\n", async |vitrail| {
        let client = vitrail.client().await;
        fill(&client).await;
        let mut odd = client.session();
        for setting in ["sql_mode = 'PIPES_AS_CONCAT'", "time_zone = '+07:00'", "@v = 5", "sql_select_limit = 1", "group_concat_max_len = 4"] {
            odd.execute(format!("SET {setting}"), ()).await.unwrap();
        }
        let sees = "SELECT @@sql_mode LIKE 'PIPES%' AS m, @@time_zone AS z, @v AS v, GROUP_CONCAT(u.id ORDER BY u.id) AS c, \
                    (SELECT COUNT(*) FROM orders o WHERE o.total > MIN(u.id)) AS n FROM users u";
        let text = |row: &vitrail_client::Row| -> Vec<Option<String>> {
            (0..5).map(|column| row.raw(column).map(|cell| String::from_utf8_lossy(cell).into_owned())).collect()
        };
        let some = |text: &str| Some(text.to_owned());
        for _ in 0..3 {
            let row = odd.query_one(sees, ()).await.unwrap();
            assert_eq!(text(&row), [some("1"), some("+07:00"), some("5"), some("1,2,"), some("40")]);
            let plain = text(&client.query_one(sees, ()).await.unwrap());
            assert_eq!((&plain[0], &plain[2], &plain[4]), (&some("0"), &None, &some("40")));
            assert_eq!(plain[3].as_deref().map(|ids| ids.split(',').count()), Some(20));
            assert_ne!(plain[1], some("+07:00"));
            // One that fails in the middle leaves nothing either.
            let error = odd.query_all("SELECT id, (SELECT id FROM orders) AS n FROM users", ()).await.unwrap_err();
            assert_eq!(error.errno(), 1242, "{error}");
        }
        is_free(&vitrail).await;
        // What was not loaded is not there, for whoever names it.
        let scratch = vitrail.gate.scratch().unwrap();
        for table in ["users", "orders", "vitrail_copy_1"] {
            let outcome = scratch.execute(call(), Statement::new(format!("SELECT * FROM shop.{table}"), false), On::Pool).await;
            assert_eq!(outcome.err().map(|error| error.errno), Some(1146), "{table}");
        }
        client.close();
        vitrail.stop().await;
    })
    .await;
}

fn kill(process: u32) {
    assert!(std::process::Command::new("kill").args(["-KILL", &process.to_string()]).status().unwrap().success());
}
