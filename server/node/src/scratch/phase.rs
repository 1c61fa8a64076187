//! Whether the scratch server is there, on its way, or not: one start for all who wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_service::{QueryService, Result};
use vitrail_tablet::config::{
    ConsolidatorConfig, HotRowConfig, LimitConfig, MysqlConfig, OverloadConfig, PoolConfig, StreamConfig,
    TransactionConfig,
};
use vitrail_tablet::preflight::{Finding, Severity};
use vitrail_tablet::{Tablet, TabletConfig};

use super::own::{Own, Started};
use super::preflight::Expected;
use super::running::Running;
use super::{DATABASE, ScratchStats};
use crate::config::{Config, ScratchKind};

/// A start that failed is not tried again for so long.
const PAUSE: Duration = Duration::from_secs(5);

/// Connections beyond one for each statement: those of statements that have ended are being reset meanwhile.
const SPARE_CONNECTIONS: usize = 4;

/// How long a reservation may rest while shards are read for it, where statements have no limit.
const LONGEST_REST: Duration = Duration::from_secs(24 * 3600);

/// The one scratch server of a process, through its starts and ends.
pub(super) struct Phases {
    source: Source,
    /// But for how MySQL is reached.
    tablet: TabletConfig,
    /// Written by whoever starts a start, by the start at its end, and by [`Phases::close`].
    phase: Mutex<Phase>,
    starts: AtomicU64,
    failed_starts: AtomicU64,
    /// Ends a start that is under way.
    closing: CancellationToken,
}

enum Source {
    Own(Own),
    Configured(Expected),
}

enum Phase {
    /// Nobody has needed it.
    Off,
    /// Whoever waits is told through this.
    Starting(watch::Receiver<Option<Result<Arc<Running>>>>),
    On(Arc<Running>),
    Failed {
        error: ErrorBody,
        until: Instant,
    },
    Closed,
}

impl Phases {
    /// `None`: the configuration wants none.
    pub(super) fn new(config: &Config, shards: Vec<Arc<dyn QueryService>>) -> Option<Phases> {
        let tablet = tablet(config);
        let source = match config.scratch.server {
            ScratchKind::Own => Source::Own(Own::new(config, &tablet, shards)),
            ScratchKind::Configured => Source::Configured(Expected::new(config, shards)),
            ScratchKind::None => return None,
        };
        Some(Phases {
            source,
            tablet,
            phase: Mutex::new(Phase::Off),
            starts: AtomicU64::new(0),
            failed_starts: AtomicU64::new(0),
            closing: CancellationToken::new(),
        })
    }

    /// Checks a configured server; of one of Vitrail's own, whether its programs are there.
    pub(super) async fn preflight(&self) -> Vec<Finding> {
        match &self.source {
            Source::Own(own) => own.preflight().await,
            Source::Configured(expected) => expected.look(&self.tablet).await,
        }
    }

    /// The server, started if need be. Whoever stops waiting leaves the start to the others.
    pub(super) async fn ready(self: &Arc<Self>) -> Result<Arc<Running>> {
        let mut coming = {
            let mut phase = self.phase.lock();
            match &*phase {
                Phase::On(running) if running.lives() => return Ok(Arc::clone(running)),
                // Its sender goes only with a start that has told its end, or has panicked.
                Phase::Starting(coming) if coming.has_changed().is_ok() => coming.clone(),
                Phase::Failed { error, until } if Instant::now() < *until => return Err(error.clone()),
                Phase::Closed => return Err(closed()),
                _ => {
                    let (tell, coming) = watch::channel(None);
                    *phase = Phase::Starting(coming.clone());
                    tokio::spawn(Arc::clone(self).start(tell));
                    coming
                }
            }
        };
        match coming.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or_else(|| Err(closed())),
            Err(_) => Err(ErrorBody::new(Code::Internal, "the start of the scratch server ended early")),
        }
    }

    async fn start(self: Arc<Self>, tell: watch::Sender<Option<Result<Arc<Running>>>>) {
        let started = tokio::select! {
            started = self.try_start() => started,
            () = self.closing.cancelled() => Err(closed()),
        };
        {
            let mut phase = self.phase.lock();
            if !matches!(*phase, Phase::Closed) {
                *phase = match &started {
                    Ok(running) => Phase::On(Arc::clone(running)),
                    Err(error) => {
                        self.failed_starts.fetch_add(1, Ordering::Relaxed);
                        Phase::Failed { error: error.clone(), until: Instant::now() + PAUSE }
                    }
                };
            }
        }
        tell.send_replace(Some(started));
    }

    async fn try_start(&self) -> Result<Arc<Running>> {
        let (server, mysql, lacks_zones) = match &self.source {
            Source::Own(own) => {
                let Started { server, mysql, lacks_zones } = own.start().await?;
                (Some(server), mysql, lacks_zones)
            }
            Source::Configured(expected) => {
                // Again, for it is not Vitrail's alone, and shards may have been away at the start of the process.
                refuse_errors(self.preflight().await)?;
                (None, expected.mysql.clone(), false)
            }
        };
        let config = TabletConfig { mysql, ..self.tablet.clone() };
        let tablet = Tablet::start(config).await.map_err(|error| cannot_start(&error))?;
        let start = self.starts.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(Running::new(start, tablet, server, lacks_zones)))
    }

    /// The server that runs or has run last; starts none.
    pub(super) fn running(&self) -> Option<Arc<Running>> {
        match &*self.phase.lock() {
            Phase::On(running) => Some(Arc::clone(running)),
            _ => None,
        }
    }

    pub(super) fn stats(&self) -> ScratchStats {
        let running = self.running().filter(|running| running.lives());
        ScratchStats {
            running: running.is_some(),
            starts: self.starts.load(Ordering::Relaxed),
            failed_starts: self.failed_starts.load(Ordering::Relaxed),
            reserved: running.map_or(0, |running| running.tablet.stats().reserved as u64),
        }
    }

    pub(super) async fn close(&self) {
        self.closing.cancel();
        let before = std::mem::replace(&mut *self.phase.lock(), Phase::Closed);
        match before {
            Phase::On(running) => running.close().await,
            Phase::Starting(mut coming) => {
                // It may have been ready at the same moment.
                let running = coming.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
                if let Some(Ok(running)) = running {
                    running.close().await;
                }
            }
            _ => {}
        }
    }
}

/// The tablet over the server, but for how that is reached.
fn tablet(config: &Config) -> TabletConfig {
    let limits = config.scratch.limits();
    let connections = limits.statements + SPARE_CONNECTIONS;
    let rest = if limits.time.is_zero() { LONGEST_REST } else { limits.time };
    let common = &config.tablet;
    TabletConfig {
        keyspace: DATABASE.to_owned(),
        shard: "0".to_owned(),
        database: DATABASE.to_owned(),
        mysql: MysqlConfig::default(),
        comment: common.comment,
        pool: PoolConfig { size: connections, per_user: 0, wait: limits.wait, ..common.pool.clone() },
        pipeline: common.pipeline.clone(),
        streams: StreamConfig { size: 0, ..common.streams.clone() },
        transactions: TransactionConfig {
            size: connections,
            per_user: 0,
            queue: common.transactions.queue,
            wait: limits.wait,
            max_age: rest,
            max_idle: rest,
        },
        // Gates give out turns.
        overload: OverloadConfig { target: Duration::ZERO, ..common.overload.clone() },
        hot_rows: HotRowConfig { concurrent: 0, ..common.hot_rows.clone() },
        limits: LimitConfig {
            result_rows: 0,
            result_bytes: 0,
            statement_timeout: limits.time,
            ..common.limits.clone()
        },
        consolidator: ConsolidatorConfig { enabled: false, ..common.consolidator.clone() },
    }
}

fn refuse_errors(findings: Vec<Finding>) -> Result<()> {
    match findings.into_iter().find(|finding| finding.severity == Severity::Error) {
        None => Ok(()),
        Some(Finding { what, fix, .. }) => {
            tracing::error!(fix, "the scratch server: {what}");
            Err(cannot_use())
        }
    }
}

fn closed() -> ErrorBody {
    ErrorBody::new(Code::Draining, "the process ends; send the statement to another gate")
}

fn cannot_use() -> ErrorBody {
    let message = "the scratch server of the gate cannot be used, and the gate's log says why; no shard was changed";
    ErrorBody { retry_after_ms: Some(PAUSE.as_millis() as u32), ..ErrorBody::new(Code::Unavailable, message) }
}

/// A start that failed for a reason that may pass. The reason is the operator's.
pub(super) fn cannot_start(error: &dyn std::fmt::Display) -> ErrorBody {
    tracing::error!(%error, "the scratch server cannot be started");
    cannot_use()
}
