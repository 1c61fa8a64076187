//! How a statement ran, told by the tablet: waiting for a connection, and the time in MySQL.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::time::Duration;

use support::{call, eventually, subjects};
use tokio::time::Instant;
use vitrail_service::call::{Conclusion, On};

#[tokio::test]
async fn ends_tell_the_time_in_mysql() {
    for subject in subjects(|_| {}).await {
        let name = &subject.name;
        let slow = subject.run("DO SLEEP(0.2)").await.end.ran.expect("every end tells");
        assert!(slow.shards == 1 && slow.mysql_us >= 190_000 && !slow.shared, "{name}: {slow:?}");
        // A transaction that a statement begins, and its end.
        let begun = subject.on("SELECT SLEEP(0.1)", On::Begin(Default::default())).await.unwrap();
        assert!(begun.end.ran.unwrap().mysql_us >= 90_000, "{name}");
        let inside = subject.on("SELECT 1", On::Connection(begun.connection.unwrap())).await.unwrap().end.ran.unwrap();
        assert!(inside.mysql_us > 0 && inside.shards == 1, "{name}: {inside:?}");
        let end = subject.service.conclude(call(), begun.connection.unwrap(), Conclusion::Commit).await.unwrap();
        assert!(end.ran.unwrap().mysql_us > 0, "{name}");
    }
}

#[tokio::test]
async fn ends_tell_how_long_a_connection_was_waited_for() {
    for subject in subjects(|config| config.transactions.size = 1).await {
        let begin = || subject.on("SELECT 1", On::Begin(Default::default()));
        let holder = begin().await.unwrap();
        let freed = async {
            eventually("waiting", async || subject.tablet.stats().held_pool.waiting == 1).await;
            let began = Instant::now();
            tokio::time::sleep(Duration::from_millis(20)).await;
            let least = began.elapsed();
            subject.service.release(holder.connection.unwrap()).await;
            least
        };
        let (late, least) = tokio::join!(begin(), freed);
        let late = late.unwrap();
        let ran = late.end.ran.unwrap();
        assert!(u128::from(ran.wait_us) >= least.as_micros(), "{}: {ran:?} {least:?}", subject.name);
        subject.service.release(late.connection.unwrap()).await;
    }
}
