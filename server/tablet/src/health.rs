//! What a tablet does while nobody asks.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::shared::Shared;
use crate::stats::add;

/// How often the tablet looks after its MySQL while nobody asks.
const HEALTH_INTERVAL: Duration = Duration::from_secs(5);

/// Rolls back what is too old.
pub(crate) async fn roll_back_aged(shared: Arc<Shared>, stop: CancellationToken) {
    let mut reap = tokio::time::interval(shared.held.reap_interval());
    reap.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = reap.tick() => {
                for (lease, place) in shared.held.reap() {
                    add(shared.counters.lost(place), 1);
                    Shared::clean_up(&shared, lease, place).await;
                }
            }
        }
    }
}

/// Looks whether MySQL is there: now and then, and more often while it is away. Closes what was idle for too long. A task of its own,
/// because it waits for a connection like everybody.
pub(crate) async fn watch_health(shared: Arc<Shared>, stop: CancellationToken) {
    let mut tick = tokio::time::interval_at(Instant::now() + HEALTH_INTERVAL, HEALTH_INTERVAL);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {
                shared.pool.reap().await;
                shared.held_pool.reap().await;
            }
            () = shared.connector.probe_due() => {
                // Not by the pool: one of its connections that is still open says nothing of new ones.
                match shared.connector.open(None).await {
                    Ok(connection) => connection.quit().await,
                    Err(_) => continue,
                }
            }
        }
        let looked = tokio::select! {
            () = stop.cancelled() => return,
            looked = shared.look_after() => looked,
        };
        if let Err(error) = looked {
            tracing::debug!(%error, "mysql does not answer");
        }
    }
}
