//! The tablet itself: the query service over one MySQL.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{Instrument, Span};
use vitrail_mysql::{Connection, Error};
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::ResultEnd;
use vitrail_service::call::{Call, CallId, Conclusion, ConnectionId, On, Statement};
use vitrail_service::consolidation::Consolidation;
use vitrail_service::execution::{Execution, ServiceInfo};
use vitrail_service::schema::Schema;
use vitrail_service::{QueryService, Result};

use crate::conclude;
use crate::config::TabletConfig;
use crate::error::StartError;
use crate::guard::Place;
use crate::health;
use crate::held;
use crate::mysql_errors;
use crate::outbox::ended_early;
use crate::preflight::{self, Finding};
use crate::schema;
use crate::shared::Shared;
use crate::stats::Stats;

/// A query server in front of one MySQL. Dropped, it ends its background task; [`Tablet::close`] ends it in order.
pub struct Tablet {
    shared: Arc<Shared>,
    _background: DropGuard,
}

impl Tablet {
    /// Starts a tablet. A MySQL that cannot be reached is no error: the tablet is unhealthy, answers `unavailable`, and goes
    /// on trying. [`Tablet::preflight`] tells what is wrong.
    ///
    /// # Errors
    ///
    /// What is wrong with the configuration.
    pub async fn start(config: TabletConfig) -> std::result::Result<Arc<Tablet>, StartError> {
        let shared = Shared::new(config)?;
        if let Err(error) = shared.look_after().await {
            tracing::warn!(%error, keyspace = shared.config.keyspace, shard = shared.config.shard, "mysql is not there yet");
        }
        let stop = CancellationToken::new();
        tokio::spawn(health::roll_back_aged(shared.clone(), stop.clone()));
        tokio::spawn(health::watch_health(shared.clone(), stop.clone()));
        Ok(Arc::new(Tablet { shared, _background: stop.drop_guard() }))
    }

    /// Its configuration.
    pub fn config(&self) -> &TabletConfig {
        &self.shared.config
    }

    /// Checks whether MySQL fits the configuration. Empty: it does.
    pub async fn preflight(&self) -> Vec<Finding> {
        let config = &self.shared.config;
        let looked = async {
            let mut connection = Connection::connect(self.shared.pool.connect_options()).await?;
            let findings = preflight::look(&mut connection, config).await?;
            connection.quit().await;
            Ok::<_, Error>(findings)
        };
        looked.await.unwrap_or_else(|error| vec![preflight::unreachable(&error, config)])
    }

    /// What it has done and what it holds.
    pub fn stats(&self) -> Stats {
        let shared = &self.shared;
        let held = shared.held.count();
        Stats {
            pool: shared.pool.stats(),
            held_pool: shared.held_pool.stats(),
            hot_rows: shared.hot_rows.stats(),
            transactions_open: held.transactions,
            reserved: held.reserved,
            consolidator: shared.consolidator.as_ref().map(|shared| shared.stats()).unwrap_or_default(),
            ..shared.counters.snapshot()
        }
    }

    /// Ends it: stops the statements under way, rolls back what is open, closes the pools. New calls are refused. Takes a few times
    /// `limits.kill_grace` at most.
    pub async fn close(&self) {
        if tokio::time::timeout(self.shared.config.limits.kill_grace * 3, self.shared.running.close()).await.is_err() {
            tracing::warn!("some statements did not end with their tablet");
        }
        for (lease, place) in self.shared.held.drain() {
            Shared::clean_up(&self.shared, lease, place).await;
        }
        self.shared.pool.close().await;
        self.shared.held_pool.close().await;
        self.shared.healthy.store(false, Ordering::Relaxed);
    }
}

#[async_trait]
impl QueryService for Tablet {
    async fn execute(&self, call: Call, statement: Statement, on: On) -> Result<Execution> {
        let registered = self.shared.running.register(call.id);
        Shared::execute(&self.shared, registered, call, statement, on).await
    }

    async fn conclude(&self, call: Call, connection: ConnectionId, conclusion: Conclusion) -> Result<ResultEnd> {
        let shared = self.shared.clone();
        let deadline = call.deadline;
        if conclusion == Conclusion::Commit && deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            let error = ErrorBody::new(Code::Deadline, "the deadline passed before COMMIT was sent; roll back");
            return Err(self.shared.refuse(ErrorBody { in_transaction: true, ..error }));
        }
        let span = shared.span(&call);
        let concluding = async move {
            Shared::conclude(&shared, call, connection, conclusion)
                .await
                .inspect_err(|error| vitrail_trace::failed(&Span::current(), error.code.as_str()))
        };
        let task = tokio::spawn(concluding.instrument(span));
        let outcome = match deadline {
            None => task.await,
            Some(deadline) => match tokio::time::timeout_at(deadline, task).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    if self.shared.held.place(connection) == Some(Place::Transaction) {
                        self.shared.held.lose(connection, held::unknown());
                    }
                    return Err(self.shared.refuse(conclude::overtaken(conclusion)));
                }
            },
        };
        outcome.unwrap_or_else(|_| Err(ended_early())).map_err(|error| self.shared.refuse(error))
    }

    async fn release(&self, connection: ConnectionId) {
        let shared = self.shared.clone();
        // Finished even if the caller loses interest; a panic inside has closed the connection.
        let _ = tokio::spawn(async move { Shared::release(&shared, connection).await }).await;
    }

    async fn cancel(&self, call: CallId) {
        self.shared.running.cancel(call);
    }

    async fn schema(&self, call: Call, tables: Vec<String>) -> Result<Schema> {
        let shared = self.shared.clone();
        let load = async move {
            let mut lease = shared.lease(Place::Shared, &call.caller, call.deadline).await?;
            lease.marked = true;
            let config = &shared.config;
            let schema = schema::load(lease.connection(), &tables, (&config.database, &config.keyspace))
                .await
                .map_err(|error| mysql_errors::to_body(&error, &shared.names, false))?;
            lease.marked = false;
            Ok(schema)
        };
        let outcome = match call.deadline {
            None => load.await,
            Some(deadline) => tokio::time::timeout_at(deadline, load).await.unwrap_or_else(|_| {
                Err(ErrorBody::new(Code::Deadline, "the schema could not be read before the deadline"))
            }),
        };
        outcome.map_err(|error| self.shared.refuse(error))
    }

    async fn consolidations(&self, _: Call) -> Result<Vec<Consolidation>> {
        Ok(self.shared.consolidator.as_ref().map(|consolidator| consolidator.top.list()).unwrap_or_default())
    }

    fn info(&self) -> ServiceInfo {
        let facts = self.shared.facts.read().clone();
        ServiceInfo {
            flavour: facts.as_ref().map_or("", |facts| facts.flavour).to_owned(),
            mysql_version: facts.map_or_else(String::new, |facts| facts.version.clone()),
            healthy: self.shared.healthy.load(Ordering::Relaxed),
        }
    }
}
