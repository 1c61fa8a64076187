//! Sharing of reads as configured by user and limited by tablet, and readers that stand still, through clients of whole processes.

mod support;

use std::time::Duration;

use support::Vitrail;
use tokio::time::Instant;
use vitrail_client::{Code, Query, Share};
use vitrail_tablet::ConsolidatorStats;

const READ: &str = "SELECT COUNT(*) FROM users";

fn stats(vitrail: &Vitrail) -> ConsolidatorStats {
    let tablets = vitrail.gate.tablets().iter().chain(vitrail.tablets.iter().flat_map(|tablet| tablet.tablets()));
    let first = tablets.into_iter().find(|tablet| tablet.config().keyspace == "shop").expect("a tablet");
    first.stats().consolidator
}

async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(30);
    while !condition().await {
        assert!(Instant::now() < give_up, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// How many reads wait in MySQL for the locked table.
async fn in_mysql(vitrail: &Vitrail) -> usize {
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = '{}' AND INFO LIKE '%COUNT(*) FROM users' AND ID <> CONNECTION_ID()",
        vitrail.databases.shards[0]
    );
    let mut admin = vitrail.shard(0).await;
    let count = admin.fetch_cell(&sql).await.expect("MySQL answers").expect("a count");
    count.parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_s_reads_share_as_configured_and_as_the_request_says() {
    for flavour in vitrail_harness::flavours() {
        for shape in support::SHAPES {
            let more = "share = \"off\"\n[tablet.consolidator]\nwaiters = 2\n";
            let vitrail = Vitrail::start_with(flavour, 1, shape, more).await;
            let client = vitrail.client().await;
            let mut lock = vitrail.shard(0).await;
            lock.execute("LOCK TABLES users WRITE").await.unwrap();
            let read = |query: Query| {
                let client = client.clone();
                tokio::spawn(async move { client.query_one(query, ()).await.map(|row| row.get::<i64>(0).unwrap()) })
            };
            // Off, as the user is configured: each for itself.
            let mut readers: Vec<_> = (0..2).map(|_| read(Query::new(READ))).collect();
            eventually("two by themselves", async || in_mysql(&vitrail).await == 2).await;
            readers.push(read(Query::new(READ).share(Share::Next)));
            eventually("a third", async || in_mysql(&vitrail).await == 3).await;
            // One waits for its turn, two share with it.
            readers.extend((0..3).map(|_| read(Query::new(READ).share(Share::Next))));
            eventually("two shares", async || stats(&vitrail).waiting == 2).await;
            let error = client.query_one(Query::new(READ).share(Share::Next), ()).await.unwrap_err();
            assert_eq!((error.code(), stats(&vitrail).refused > 0), (&Code::Exhausted, true), "{error}");
            assert_eq!(in_mysql(&vitrail).await, 3);
            lock.execute("UNLOCK TABLES").await.unwrap();
            for reader in readers {
                assert_eq!(reader.await.unwrap().unwrap(), 0);
            }
            client.close();
            vitrail.stop().await;
        }
    }
}

/// A client that takes rows and then stands still: it gets no more than its credit, and nobody waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stands_still_delays_no_other_and_gets_all_of_its_rows() {
    for flavour in vitrail_harness::flavours() {
        for shape in support::SHAPES {
            let more = "[tablet.consolidator]\nbacklog = \"128KiB\"\nstall = \"100ms\"\n";
            let vitrail = Vitrail::start_with(flavour, 1, shape, more).await;
            let mut admin = vitrail.shard(0).await;
            let insert = "INSERT INTO orders SELECT 0, n, 0, REPEAT('x', 10000) FROM \
                          (WITH RECURSIVE r AS (SELECT 1 n UNION ALL SELECT n + 1 FROM r WHERE n < 600) SELECT n FROM r) s";
            admin.execute(insert).await.unwrap();
            admin.execute("LOCK TABLES orders WRITE").await.unwrap();
            let client = vitrail.client().await;
            let read = || Query::new("SELECT user_id, note FROM orders ORDER BY user_id").share(Share::Running);
            let begin = || {
                let client = client.clone();
                tokio::spawn(async move { client.query(read(), ()).await.unwrap() })
            };
            let first = begin();
            let running = format!(
                "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = '{}' AND INFO LIKE '%SELECT user_id%' AND ID <> CONNECTION_ID()",
                vitrail.databases.shards[0]
            );
            eventually("the first in MySQL", async || {
                vitrail.shard(0).await.fetch_all(&running).await.unwrap()[0][0].as_deref() == Some("1")
            })
            .await;
            let others = [begin(), begin()];
            eventually("both share", async || stats(&vitrail).waiting == 2).await;
            admin.execute("UNLOCK TABLES").await.unwrap();
            let mut stalled = first.await.unwrap();
            assert_eq!(stalled.next().await.unwrap().unwrap().get::<u64>(0).unwrap(), 1);
            let others = others.map(|other| {
                tokio::spawn(async move {
                    let mut rows = other.await.unwrap();
                    let mut expected = 1..=600_u64;
                    while let Some(row) = rows.next().await.unwrap() {
                        assert_eq!(Some(row.get::<u64>(0).unwrap()), expected.next());
                    }
                    assert_eq!(expected.next(), None);
                })
            });
            for other in others {
                other.await.unwrap();
            }
            eventually("it is cut off", async || stats(&vitrail).cut_off >= 1).await;
            assert!(stats(&vitrail).bytes < 1 << 20);
            let mut expected = 2..=600_u64;
            while let Some(row) = stalled.next().await.unwrap() {
                assert_eq!(Some(row.get::<u64>(0).unwrap()), expected.next());
            }
            assert_eq!(expected.next(), None);
            drop(stalled);
            client.close();
            vitrail.stop().await;
        }
    }
}
