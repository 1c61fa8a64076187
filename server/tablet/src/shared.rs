//! What the calls of a tablet share: pools, held connections, and what MySQL is known to be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;
use tokio::time::Instant;
use tracing::field::Empty;
use vitrail_mysql::{Connector, Error, Killer, Overload, Pool, PoolOptions, Pooled};
use vitrail_proto::error::ErrorBody;
use vitrail_service::Result;
use vitrail_service::call::{Call, Statement};
use vitrail_sql::lexer::LexMode;

use crate::config::{HotRowConfig, TabletConfig};
use crate::connect;
use crate::consolidator::Consolidator;
use crate::error::StartError;
use crate::guard::Place;
use crate::held::{Ages, Held};
use crate::hot_rows::HotRows;
use crate::lease::Lease;
use crate::mysql_errors;
use crate::names::Names;
use crate::reading::Readings;
use crate::running::Running;
use crate::settings;
use crate::stats::Counters;

/// What the calls of a tablet share.
pub(crate) struct Shared {
    pub(crate) config: TabletConfig,
    pub(crate) names: Names,
    pub(crate) readings: Readings,
    /// Opens the connections of both pools.
    pub(crate) connector: Arc<Connector>,
    /// For statements in autocommit.
    pub(crate) pool: Pool,
    /// For transactions and reservations.
    pub(crate) held_pool: Pool,
    pub(crate) hot_rows: Arc<HotRows>,
    pub(crate) killer: Killer,
    pub(crate) held: Held,
    pub(crate) running: Arc<Running>,
    /// Absent if executions are not shared.
    pub(crate) consolidator: Option<Arc<Consolidator>>,
    pub(crate) counters: Counters,
    /// What the server said of itself; written by whoever connects first and by the background task.
    pub(crate) facts: RwLock<Option<Arc<Facts>>>,
    /// The last contact with MySQL succeeded.
    pub(crate) healthy: AtomicBool,
}

/// What a server says of itself.
pub(crate) struct Facts {
    pub(crate) flavour: &'static str,
    pub(crate) version: String,
    /// How it reads statements of a session without settings.
    pub(crate) mode: LexMode,
}

impl Shared {
    /// Pools without connections yet. Errors: what is wrong with the configuration.
    pub(crate) fn new(config: TabletConfig) -> std::result::Result<Arc<Shared>, StartError> {
        let options = connect::options(&config)?;
        let connector = Connector::new(options.clone());
        let overload = Overload { target: config.overload.target, interval: config.overload.interval };
        let pool = Pool::over(
            connector.clone(),
            PoolOptions {
                size: config.pool.size,
                per_user: config.pool.per_user,
                streams: config.streams.size,
                max_waiters: config.pool.queue,
                wait_limit: config.pool.wait,
                overload,
                max_idle: config.pool.idle,
                ..PoolOptions::default()
            },
        );
        let held_pool = Pool::over(
            connector.clone(),
            PoolOptions {
                size: config.transactions.size,
                per_user: config.transactions.per_user,
                max_waiters: config.transactions.queue,
                wait_limit: config.transactions.wait,
                overload,
                max_idle: config.pool.idle,
                ..PoolOptions::default()
            },
        );
        let ages = Ages { max_age: config.transactions.max_age, max_idle: config.transactions.max_idle };
        Ok(Arc::new(Shared {
            names: Names::new(config.database.as_str(), config.keyspace.as_str()),
            readings: Readings::default(),
            killer: Killer::new(Arc::new(options)),
            held: Held::new(ages),
            running: Arc::new(Running::default()),
            consolidator: config
                .consolidator
                .enabled
                .then(|| Arc::new(Consolidator::new(config.consolidator.clone(), config.limits.batch_bytes))),
            counters: Counters::default(),
            facts: RwLock::new(None),
            healthy: AtomicBool::new(false),
            hot_rows: HotRows::new(HotRowConfig { concurrent: at_one_row(&config), ..config.hot_rows.clone() }),
            connector,
            pool,
            held_pool,
            config,
        }))
    }

    /// What the work of a call in MySQL is told under. A failure is noted by [`vitrail_trace::failed`].
    pub(crate) fn span(&self, call: &Call) -> tracing::Span {
        tracing::debug_span!(
            "mysql",
            otel.kind = "client",
            otel.status_code = Empty,
            db.system.name = "mysql",
            keyspace = self.config.keyspace,
            shard = self.config.shard,
            call = call.id.0,
            error.type = Empty,
        )
    }

    /// Counts an error that a call is answered with before or beside a run.
    pub(crate) fn refuse(&self, error: ErrorBody) -> ErrorBody {
        self.counters.error(&error);
        error
    }

    /// A connection for a statement that runs in autocommit or begins, once it is its turn at the row that it writes.
    pub(crate) async fn lease_in_turn(
        &self,
        place: Place,
        call: &Call,
        statement: &Statement,
        deadline: Option<Instant>,
    ) -> Result<Lease> {
        let turn = match &statement.row_key {
            // A reservation may hold locks from before.
            Some(row) if place != Place::Reserved => {
                Box::pin(self.hot_rows.turn(row, deadline, settings::lock_wait(call))).await?
            }
            _ => None,
        };
        let mut lease = self.lease(place, &call.caller, deadline).await?;
        lease.turn = turn;
        Ok(lease)
    }

    /// A connection for a place, for a user.
    pub(crate) async fn lease(&self, place: Place, user: &Arc<str>, deadline: Option<Instant>) -> Result<Lease> {
        let pool = if place == Place::Shared { &self.pool } else { &self.held_pool };
        self.leased(pool.get_for(user, deadline).await)
    }

    /// Notes whether MySQL can be reached.
    pub(crate) fn leased(&self, connection: std::result::Result<Pooled, Error>) -> Result<Lease> {
        match connection {
            Ok(connection) => {
                self.healthy.store(true, Ordering::Relaxed);
                Ok(Lease::new(connection))
            }
            Err(error) => {
                if matches!(error.cause(), Error::Unreachable { .. } | Error::ConnectTimeout { .. }) {
                    self.healthy.store(false, Ordering::Relaxed);
                }
                tracing::debug!(%error, "no connection for a call");
                Err(mysql_errors::to_body(&error, &self.names, false))
            }
        }
    }

    /// How MySQL will read a call's statement.
    pub(crate) async fn lex_mode(&self, call: &Call) -> Result<LexMode> {
        let sql_mode = call.settings.variables.iter().find(|(name, _)| name == "sql_mode");
        if let Some((_, value)) = sql_mode
            && !value.eq_ignore_ascii_case("DEFAULT")
        {
            return Ok(LexMode::from_sql_mode(value.trim_matches('\'')));
        }
        let known = self.facts.read().as_ref().map(|facts| facts.mode);
        match known {
            Some(mode) => Ok(mode),
            // Boxed, as it happens once.
            None => {
                Box::pin(self.look_after()).await.map_err(|error| mysql_errors::to_body(&error, &self.names, false))
            }
        }
    }

    /// Asks the server what it is, and notes whether it answers.
    pub(crate) async fn look_after(&self) -> std::result::Result<LexMode, Error> {
        let asked = async {
            let mut connection = self.pool.get(None).await?;
            // A server that is frozen keeps its connections, and is not there all the same.
            let (address, limit) = (self.config.mysql.host.clone(), self.config.mysql.connect_timeout);
            let sql_mode = tokio::time::timeout(limit, connection.fetch_cell("SELECT @@global.sql_mode"))
                .await
                .unwrap_or(Err(Error::ConnectTimeout { address, limit }))?
                .unwrap_or_default();
            let facts = Facts {
                flavour: connection.flavour().as_str(),
                version: connection.server_version().to_owned(),
                mode: LexMode::from_sql_mode(&sql_mode),
            };
            let mode = facts.mode;
            *self.facts.write() = Some(Arc::new(facts));
            Ok(mode)
        };
        let outcome = asked.await;
        match &outcome {
            // A full pool says nothing of the server.
            Err(Error::QueueFull { .. } | Error::WaitTimeout { .. } | Error::Overloaded { .. }) => {}
            outcome => self.healthy.store(outcome.is_ok(), Ordering::Relaxed),
        }
        outcome
    }
}

/// Turns at one row: a row must not keep a whole pool.
fn at_one_row(config: &TabletConfig) -> usize {
    let half = config.pool.size.min(config.transactions.size) / 2;
    config.hot_rows.concurrent.min(half.max(1))
}
