//! Whether anything is left behind: in MySQL, asked there, and in the gauges of a process.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use vitrail_harness::Lasting;

use crate::process::Process;

/// How long what was given up may take to go.
const LIMIT: Duration = Duration::from_secs(30);

/// InnoDB shows what it last looked up until nobody has asked for 100 ms.
const TRANSACTIONS_AGE: Duration = Duration::from_millis(150);

/// Statements that run and transactions that are open, besides those of the asking connection.
const ACTIVITY: &str = "SELECT CONCAT('statement of ', id, ' (', command, ' ', time, ' s): ', COALESCE(info, '')) FROM information_schema.processlist \
    WHERE id <> CONNECTION_ID() AND command NOT IN ('Sleep', 'Daemon', 'Connect') \
    UNION ALL SELECT CONCAT('transaction of ', trx_mysql_thread_id, ': ', COALESCE(trx_query, 'idle')) FROM information_schema.innodb_trx \
    WHERE trx_mysql_thread_id <> CONNECTION_ID() AND trx_mysql_thread_id <> 0";

/// Waits until `holds` says `None`; panics with what it said last.
pub async fn until<F: AsyncFnMut() -> Option<String>>(what: &str, limit: Duration, holds: F) {
    until_every(Duration::from_millis(20), what, limit, holds).await;
}

async fn until_every<F: AsyncFnMut() -> Option<String>>(pause: Duration, what: &str, limit: Duration, mut holds: F) {
    let end = Instant::now() + limit;
    let mut tick = interval(pause);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let Some(problem) = holds().await else { return };
        assert!(Instant::now() < end, "waited {limit:?} in vain until {what}: {problem}");
    }
}

/// Waits until MySQL runs no statement and holds no transaction.
pub async fn mysql(server: &Lasting) {
    let mut connection = server.connect("").await;
    until_every(TRANSACTIONS_AGE, "MySQL has nothing left to do", LIMIT, async || {
        let rows = connection.fetch_all(ACTIVITY).await.expect("the process list can be read");
        let texts: Vec<String> = rows.into_iter().flatten().flatten().collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    })
    .await;
    connection.quit().await;
}

/// Client connections that a server has, besides the asking one.
pub async fn connections(server: &Lasting) -> usize {
    let mut connection = server.connect("").await;
    let sql = "SELECT COUNT(*) FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND command <> 'Daemon' AND user NOT IN ('system user', 'event_scheduler')";
    let count = connection.fetch_cell(sql).await.expect("the process list can be read");
    connection.quit().await;
    count.and_then(|text| text.parse().ok()).expect("a count is a number")
}

/// Waits until a process has no request in flight, no connection of its pools in use, and nobody who waits for one.
pub async fn process(process: &Process) {
    until("no request is in flight and every pool is at rest", LIMIT, async || {
        let metrics = process.metrics().await;
        let mut busy: Vec<String> = Vec::new();
        let gauges = [
            "requests_in_flight",
            "request_memory_bytes",
            "pool_in_use",
            "pool_waiting",
            "transaction_pool_in_use",
            "transaction_pool_waiting",
            "transactions_open",
        ];
        for gauge in gauges {
            let value = metrics.sum(gauge);
            if value > 0 {
                busy.push(format!("{gauge} {value}"));
            }
        }
        (!busy.is_empty()).then(|| busy.join(", "))
    })
    .await;
}
