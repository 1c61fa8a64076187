//! What must be seen over the wire, in both shapes and on both flavours.
#![expect(clippy::unwrap_used, reason = "a panic in a test is the report")]

mod support;

use std::time::Duration;

use support::{Shape, Vitrail, everywhere};
use tokio::time::{Instant, timeout};
use vitrail_client::{Client, Code, Query, list, params};

/// Longest that a single event may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Fills `users` and `orders` with ids 1 to `count`.
async fn fill(client: &Client, count: i64) {
    let users: Vec<String> = (1..=count).map(|id| format!("({id}, 'user {id}', 'u{id}@example.com')")).collect();
    let orders: Vec<String> = (1..=count).map(|id| format!("({}, {id}, {id}.50)", 1000 + id)).collect();
    client.execute(format!("INSERT INTO users (id, name, email) VALUES {}", users.join(", ")), ()).await.unwrap();
    client.execute(format!("INSERT INTO orders (id, user_id, total) VALUES {}", orders.join(", ")), ()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_reach_the_right_shards() {
    everywhere(2, async |vitrail| {
        let client = vitrail.client().await;
        fill(&client, 40).await;
        let mut counts = Vec::new();
        for shard in 0..2 {
            let mut connection = vitrail.shard(shard).await;
            counts.push(
                connection.fetch_cell("SELECT COUNT(*) FROM users").await.unwrap().unwrap().parse::<i64>().unwrap(),
            );
        }
        assert!(counts.iter().all(|count| *count > 5) && counts.iter().sum::<i64>() == 40, "{counts:?}");

        let row =
            client.query_one("SELECT name, email FROM users WHERE id = :id", params! { "id" => 7 }).await.unwrap();
        assert_eq!((row.get::<&str>("name").unwrap(), row.get::<&str>(1).unwrap()), ("user 7", "u7@example.com"));
        assert_eq!(client.query_scalar::<i64>("SELECT COUNT(*) FROM users", ()).await.unwrap(), 40);
        let sum: String = client.query_scalar("SELECT SUM(total) FROM orders", ()).await.unwrap();
        assert_eq!(sum, "840.00");
        let rows = client.query_all("SELECT id FROM users ORDER BY id DESC LIMIT 3 OFFSET 1", ()).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.get::<i64>(0).unwrap()).collect::<Vec<_>>(), [39, 38, 37]);
        let some = params! { "ids" => list([1, 5, 9, 999]) };
        let mut rows = client.query_all("SELECT id FROM users WHERE id IN ::ids", some).await.unwrap();
        rows.sort_by_key(|row| row.get::<i64>(0).unwrap());
        assert_eq!(rows.iter().map(|row| row.get::<i64>(0).unwrap()).collect::<Vec<_>>(), [1, 5, 9]);
        let join = "SELECT u.name, o.total FROM users u JOIN orders o ON o.user_id = u.id WHERE u.id = 3";
        assert_eq!(client.query_one(join, ()).await.unwrap().get::<String>("total").unwrap(), "3.50");

        // A reference table is written to every shard.
        let written = client.execute("INSERT INTO country VALUES ('FR', 'France'), ('JP', 'Japan')", ()).await.unwrap();
        assert_eq!(written.affected, 2);
        for shard in 0..2 {
            let count = vitrail.shard(shard).await.fetch_cell("SELECT COUNT(*) FROM country").await.unwrap();
            assert_eq!(count.as_deref(), Some("2"));
        }
        client.close();
        vitrail.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_span_shards_and_statements_are_atomic() {
    everywhere(2, async |vitrail| {
        let client = vitrail.client().await;
        fill(&client, 20).await;
        let total = async || client.query_scalar::<String>("SELECT SUM(total) FROM orders", ()).await.unwrap();
        assert_eq!(total().await, "220.00");

        let mut transaction = client.begin().await.unwrap();
        for id in 1..=20 {
            transaction
                .execute("UPDATE orders SET total = total + 1 WHERE user_id = :id", params! { "id" => id })
                .await
                .unwrap();
        }
        let inside: String = transaction.query_scalar("SELECT SUM(total) FROM orders", ()).await.unwrap();
        assert_eq!((inside.as_str(), total().await.as_str()), ("240.00", "220.00"));
        transaction.commit().await.unwrap();
        assert_eq!(total().await, "240.00");

        let mut transaction = client.begin().await.unwrap();
        transaction.execute("DELETE FROM orders WHERE id > 0", ()).await.unwrap();
        transaction.rollback().await.unwrap();
        assert_eq!(total().await, "240.00");

        // One of the rows is there already: none of the others may be, on any shard, in autocommit and in a transaction.
        let values: Vec<String> = (13..=60).map(|id| format!("({id}, 'n', 'n{id}')")).collect();
        let insert = format!("INSERT INTO users (id, name, email) VALUES {}", values.join(", "));
        let error = client.execute(insert.as_str(), ()).await.unwrap_err();
        assert_eq!((error.errno(), error.code()), (1062, &Code::Constraint), "{error}");
        assert_eq!(client.query_scalar::<i64>("SELECT COUNT(*) FROM users", ()).await.unwrap(), 20);
        let mut session = client.session();
        let mut transaction = session.begin().await.unwrap();
        transaction.execute("DELETE FROM users WHERE id = 1", ()).await.unwrap();
        let error = transaction.execute(insert.as_str(), ()).await.unwrap_err();
        assert!(error.errno() == 1062 && error.in_transaction(), "{error}");
        transaction.commit().await.unwrap();
        assert_eq!(client.query_scalar::<i64>("SELECT COUNT(*) FROM users", ()).await.unwrap(), 19);
        session.close().await.unwrap();
        client.close();
        vitrail.stop().await;
    })
    .await;
}

/// A statement that takes minutes, recognisable in the process list, on one shard.
fn slow(mark: &str) -> String {
    format!("SELECT SLEEP(300), '{mark}' FROM users WHERE id = 1")
}

/// Waits until `mark` is in the process list, or no longer.
async fn until_running(vitrail: &Vitrail, mark: &str, running: bool) {
    let mut admin = vitrail.databases.server.admin().await;
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%{mark}%' AND info NOT LIKE '%processlist%'"
    );
    let end = Instant::now() + PATIENCE;
    loop {
        let found = admin.fetch_cell(&sql).await.unwrap().unwrap() != "0";
        if found == running {
            return;
        }
        assert!(
            Instant::now() < end,
            "the statement {} in the process list",
            if running { "is not yet" } else { "is still" }
        );
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_ends_in_mysql() {
    everywhere(2, async |vitrail| {
        let client = vitrail.client().await;
        fill(&client, 3).await;
        let mut session = client.session();
        let handle = session.cancel_handle();
        let (answer, ()) = tokio::join!(session.query_all(slow("cancel-me"), ()), async {
            until_running(&vitrail, "cancel-me", true).await;
            handle.cancel();
        });
        let error = answer.unwrap_err();
        assert_eq!(error.code(), &Code::Cancelled, "{error}");
        until_running(&vitrail, "cancel-me", false).await;
        assert_eq!(
            session.query_scalar::<i64>("SELECT COUNT(*) FROM users", ()).await.unwrap(),
            3,
            "the session goes on"
        );
        session.close().await.unwrap();
        client.close();
        vitrail.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_ends_in_mysql() {
    everywhere(2, async |vitrail| {
        let client = vitrail.client().await;
        fill(&client, 3).await;
        let started = Instant::now();
        let query = Query::new(slow("too-late")).deadline(Duration::from_millis(700));
        let error = timeout(PATIENCE, client.query_all(query, ())).await.unwrap().unwrap_err();
        assert_eq!(error.code(), &Code::Deadline, "{error}");
        assert!(started.elapsed() >= Duration::from_millis(600), "not before it is due");
        until_running(&vitrail, "too-late", false).await;
        assert_eq!(client.query_scalar::<i64>("SELECT COUNT(*) FROM users", ()).await.unwrap(), 3);
        client.close();
        vitrail.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_gate_is_left_without_an_error() {
    for flavour in vitrail_harness::flavours() {
        let vitrail = Vitrail::start(flavour, 2, Shape::Together).await;
        let second = vitrail.another_gate().await;
        let first = vitrail.url();
        let both = first.replacen("/shop", &format!(",{}/shop", second.address().unwrap()), 1);
        let client = Client::connect(&both).await.unwrap();
        fill(&client, 10).await;
        let mut sessions: Vec<_> = (0..20).map(|_| client.session()).collect();
        for session in &mut sessions {
            session.execute("SET time_zone = '+03:00'", ()).await.unwrap();
        }
        let mut open = client.session();
        let mut transaction = open.begin().await.unwrap();
        transaction.execute("UPDATE orders SET total = 99 WHERE user_id = 1", ()).await.unwrap();

        // Whichever gate the client is on drains; the transaction is finished there, everybody else moves.
        vitrail.gate.drain();
        for _ in 0..5 {
            for session in &mut sessions {
                let zone: String = session.query_scalar("SELECT @@time_zone", ()).await.unwrap();
                assert_eq!(zone, "+03:00", "settings move along");
                assert_eq!(session.query_scalar::<i64>("SELECT COUNT(*) FROM users", ()).await.unwrap(), 10);
            }
        }
        transaction.commit().await.unwrap();
        let total: String = client.query_scalar("SELECT total FROM orders WHERE user_id = 1", ()).await.unwrap();
        assert_eq!(total, "99.00");
        for session in sessions {
            session.close().await.unwrap();
        }
        open.close().await.unwrap();
        client.close();
        vitrail.stop().await;
        second.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_values_go_in_and_out() {
    everywhere(2, async |vitrail| {
        let client = vitrail.client().await;
        for (id, size) in [(1i64, 17usize << 20), (2, 64 << 20)] {
            let blob: Vec<u8> = (0..size).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
            let insert = "INSERT INTO orders (id, user_id, total, note) VALUES (1, :user, 0, :note)";
            client.execute(insert, params! { "user" => id, "note" => blob.clone() }).await.unwrap();
            let row = client
                .query_one("SELECT note FROM orders WHERE user_id = :user", params! { "user" => id })
                .await
                .unwrap();
            let found: Vec<u8> = row.get(0).unwrap();
            assert!(found == blob, "{size} bytes came back as {} other ones", found.len());
        }
        client.close();
        vitrail.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_and_metrics_are_served() {
    for flavour in vitrail_harness::flavours() {
        let vitrail = Vitrail::start(flavour, 2, Shape::Together).await;
        let client = vitrail.client().await;
        fill(&client, 3).await;
        let (status, body) = get(&vitrail, "/readyz").await;
        assert_eq!((status, body.as_str()), (200, "ready\n"));
        assert_eq!(get(&vitrail, "/healthz").await.0, 200);
        let (_, metrics) = get(&vitrail, "/metrics").await;
        for expected in [
            "vitrail_connections 1",
            "vitrail_gate_statements_total 2",
            "vitrail_tablet_statements_total{keyspace=\"shop\",shard=\"-80\"}",
            "vitrail_consolidator_saved_total{keyspace=\"shop\",shard=\"-80\"} 0",
            "vitrail_consolidator_waiting{keyspace=\"plain\",shard=\"0\"} 0",
            "process_cpu_seconds_total ",
            "process_resident_memory_bytes ",
            "# EOF",
        ] {
            assert!(metrics.contains(expected), "{expected} in\n{metrics}");
        }
        client.close();
        vitrail.stop().await;
    }
}

async fn get(vitrail: &Vitrail, path: &str) -> (u16, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(vitrail.gate.http()).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variables_are_set_to_binds() {
    everywhere(2, async |vitrail| {
        let client = vitrail.client().await;
        let mut session = client.session();
        let set = "SET @a = :name, @b = CONCAT(:name, '!'), sql_select_limit = :most";
        session.execute(set, params! { "name" => "it's", "most" => 7 }).await.unwrap();
        let row = session.query_one("SELECT @a AS a, @b AS b, @@sql_select_limit AS n", ()).await.unwrap();
        assert_eq!(row.get::<String>("a").unwrap(), "it's");
        assert_eq!(row.get::<String>("b").unwrap(), "it's!");
        assert_eq!(row.get::<i64>("n").unwrap(), 7);
        client.close();
        vitrail.stop().await;
    })
    .await;
}
