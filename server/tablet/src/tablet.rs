//! The tablet itself: pools, calls under way and held connections over one MySQL.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::RwLock;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument;
use vitrail_mysql::{
    Address, ConnectOptions, Connection, Connector, Error, Killer, Overload, Pool, PoolOptions, Sent, Tls,
};
use vitrail_proto::error::{Code, ErrorBody, Executed};
use vitrail_proto::message::{ResultEnd, Share};
use vitrail_service::call::{Call, CallId, Conclusion, ConnectionId, On, Statement};
use vitrail_service::consolidation::Consolidation;
use vitrail_service::execution::{Execution, ServiceInfo};
use vitrail_service::overdue::{Overdue, TABLET_PATIENCE};
use vitrail_service::schema::Schema;
use vitrail_service::{QueryService, Result};
use vitrail_sql::lexer::LexMode;

use crate::clock::Clock;
use crate::config::{HotRowConfig, TabletConfig, TlsMode};
use crate::consolidator::Consolidator;
use crate::consolidator::entering::Asked;
use crate::error::StartError;
use crate::guard::{self, Place};
use crate::held::{self, Ages, Held};
use crate::hot_rows::HotRows;
use crate::late::Late;
use crate::lease::Lease;
use crate::mysql_errors::{self, RolledBack};
use crate::names::Names;
use crate::outbox::{Outbox, ended_early};
use crate::position;
use crate::preflight::{self, Finding};
use crate::run::Run;
use crate::running::{Registered, Running};
use crate::schema;
use crate::settings;
use crate::stats::{Counters, Stats, add};
use crate::stop::{self, Stops, Why};

/// How often the tablet looks after its MySQL while nobody asks.
const HEALTH_INTERVAL: Duration = Duration::from_secs(5);

/// A query server in front of one MySQL. Dropped, it ends its background task; [`Tablet::close`] ends it in order.
pub struct Tablet {
    shared: Arc<Shared>,
    _background: DropGuard,
}

/// What the calls of a tablet share.
pub(crate) struct Shared {
    pub(crate) config: TabletConfig,
    pub(crate) names: Names,
    /// Opens the connections of both pools.
    connector: Arc<Connector>,
    /// For statements in autocommit.
    pool: Pool,
    /// For transactions and reservations.
    held_pool: Pool,
    hot_rows: Arc<HotRows>,
    pub(crate) killer: Killer,
    pub(crate) held: Held,
    pub(crate) running: Arc<Running>,
    /// Absent if executions are not shared.
    pub(crate) consolidator: Option<Arc<Consolidator>>,
    pub(crate) counters: Counters,
    /// What the server said of itself; written by whoever connects first and by the background task.
    facts: RwLock<Option<Arc<Facts>>>,
    /// The last contact with MySQL succeeded.
    healthy: AtomicBool,
}

/// What a server says of itself.
struct Facts {
    flavour: &'static str,
    version: String,
    /// How it reads statements of a session without settings.
    mode: LexMode,
}

impl Tablet {
    /// Starts a tablet. A MySQL that cannot be reached is no error: the tablet is unhealthy, answers `unavailable`, and goes
    /// on trying. [`Tablet::preflight`] tells what is wrong.
    ///
    /// # Errors
    ///
    /// What is wrong with the configuration.
    pub async fn start(config: TabletConfig) -> std::result::Result<Arc<Tablet>, StartError> {
        let options = connect_options(&config)?;
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
        let shared = Arc::new(Shared {
            names: Names::new(config.database.as_str(), config.keyspace.as_str()),
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
        });
        if let Err(error) = shared.look_after().await {
            tracing::warn!(%error, keyspace = shared.config.keyspace, shard = shared.config.shard, "mysql is not there yet");
        }
        let stop = CancellationToken::new();
        tokio::spawn(background(shared.clone(), stop.clone()));
        tokio::spawn(health(shared.clone(), stop.clone()));
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
        let task = tokio::spawn(async move { Shared::conclude(&shared, call, connection, conclusion).await });
        let outcome = match deadline {
            None => task.await,
            Some(deadline) => match tokio::time::timeout_at(deadline, task).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    if self.shared.held.place(connection) == Some(Place::Transaction) {
                        self.shared.held.lose(connection, held::unknown());
                    }
                    return Err(self.shared.refuse(overtaken(conclusion)));
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

    async fn schema(&self, call: Call) -> Result<Schema> {
        let shared = self.shared.clone();
        let load = async move {
            let mut lease = shared.lease(Place::Shared, &call.caller, call.deadline).await?;
            lease.marked = true;
            let schema = schema::load(lease.connection())
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

impl Shared {
    /// Counts an error that a call is answered with before or beside a run.
    pub(crate) fn refuse(&self, error: ErrorBody) -> ErrorBody {
        self.counters.error(&error);
        error
    }

    /// A connection for a statement that runs in autocommit or begins, once it is its turn at the row that it writes.
    async fn lease_in_turn(
        &self,
        place: Place,
        call: &Call,
        statement: &Statement,
        deadline: Option<Instant>,
    ) -> Result<Lease> {
        let turn = match &statement.row_key {
            // A reservation may hold locks from before.
            Some(row) if place != Place::Reserved => {
                self.hot_rows.turn(row, deadline, settings::lock_wait(call)).await?
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
        match pool.get_for(user, deadline).await {
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

    /// Runs a statement, or lets it share the execution of another one.
    pub(crate) async fn execute(
        shared: &Arc<Shared>,
        registered: Registered,
        call: Call,
        statement: Statement,
        on: On,
    ) -> Result<Execution> {
        let cancel = registered.cancel.clone();
        let deadline = call.deadline.or_else(|| {
            let limit = shared.config.limits.statement_timeout;
            (!limit.is_zero()).then(|| Instant::now() + limit)
        });
        let place = match &on {
            On::Pool => Place::Shared,
            On::Begin(_) => Place::Transaction,
            On::Reserve | On::BeginOn(..) => Place::Reserved,
            On::Connection(id) => shared.held.place(*id).ok_or_else(|| shared.refuse(held::unknown()))?,
            On::Keep(id) => shared.held.keep(*id).map_err(|error| shared.refuse(error))?,
        };
        let mode = shared.lex_mode(&call).await.map_err(|error| shared.refuse(error))?;
        let passed = guard::check(&statement.sql, place, mode, statement.values.as_deref()).map_err(|error| {
            shared.refuse(ErrorBody {
                in_transaction: matches!(on, On::Connection(_)) && place == Place::Transaction,
                ..error
            })
        })?;
        if passed.empty && matches!(on, On::Pool) {
            return Err(
                shared.refuse(ErrorBody::new(Code::Invalid, "the statement is empty").with_errno(1065, "42000"))
            );
        }
        if matches!(on, On::Pool)
            && statement.share != Share::Off
            && !statement.writes
            && !passed.reset_after
            && let Some(consolidator) = &shared.consolidator
        {
            let asked = Asked { registered, call, statement, mode, passed, deadline };
            return consolidator.execute(shared, asked).await;
        }
        let mut overdue = Overdue::new(&call, TABLET_PATIENCE, &statement, &on);
        let (outbox, opening) = Outbox::new();
        let mut run = Run {
            shared: shared.clone(),
            lease: Lease::none(),
            place,
            id: None,
            taken_here: false,
            begin: None,
            begins_on: matches!(on, On::BeginOn(..)),
            mode,
            stops: Stops {
                cancel: cancel.clone(),
                expire: CancellationToken::new(),
                closing: shared.running.closing.clone(),
                deadline,
            },
            call,
            statement,
            passed,
            outbox,
            clock: Clock::default(),
            registered: Some(registered),
            executing: shared.running.execute(),
            stopped: None,
            sent: false,
            killed: false,
        };
        match on {
            On::Connection(id) | On::Keep(id) | On::BeginOn(id, _) => {
                let taken = shared.held.take(id).map_err(|error| shared.refuse(error))?;
                run.id = Some(id);
                run.lease = taken.lease;
                run.stops.expire = taken.expire;
                if let On::BeginOn(_, options) = on {
                    shared.held.limit(id, options.max_ms.map(|millis| Duration::from_millis(u64::from(millis))));
                    run.begin = Some(options);
                }
            }
            on => {
                let waiting = Instant::now();
                run.lease = tokio::select! {
                    biased;
                    () = run.stops.closing.cancelled() => Err(Why::Closing.error()),
                    lease = shared.lease_in_turn(place, &run.call, &run.statement, deadline) => lease,
                    () = cancel.cancelled() => Err(ErrorBody::new(Code::Cancelled, "the statement was cancelled before it began")),
                }
                .map_err(|error| shared.refuse(error))?;
                run.clock.waited_since(waiting);
                let max_age = match &on {
                    On::Begin(options) => options.max_ms.map(|millis| Duration::from_millis(u64::from(millis))),
                    _ => None,
                };
                if place != Place::Shared {
                    let (id, expire) = shared.held.begin(place, max_age);
                    run.id = Some(id);
                    run.taken_here = true;
                    run.outbox.connection = Some(id);
                    run.stops.expire = expire;
                }
                if let On::Begin(options) = on {
                    run.begin = Some(options);
                }
            }
        }
        overdue.until = run.stops.deadline.map(|deadline| deadline + TABLET_PATIENCE);
        let mut late = Late { shared: shared.clone(), overdue, id: run.id };
        let span = run.span();
        tokio::spawn(run.run().instrument(span));
        let mut opening = late.wait(opening).await?.unwrap_or_else(|_| Err(ended_early()))?;
        if opening.parts.goes_on() {
            late.overdue.held = late.id.is_some();
            opening.parts.late = Some(late);
        }
        Ok(Execution { connection: opening.connection, parts: Box::new(opening.parts) })
    }

    /// How MySQL will read a call's statement.
    async fn lex_mode(&self, call: &Call) -> Result<LexMode> {
        let sql_mode = call.settings.variables.iter().find(|(name, _)| name == "sql_mode");
        if let Some((_, value)) = sql_mode
            && !value.eq_ignore_ascii_case("DEFAULT")
        {
            return Ok(LexMode::from_sql_mode(value.trim_matches('\'')));
        }
        let known = self.facts.read().as_ref().map(|facts| facts.mode);
        match known {
            Some(mode) => Ok(mode),
            None => self.look_after().await.map_err(|error| mysql_errors::to_body(&error, &self.names, false)),
        }
    }

    /// Asks the server what it is, and notes whether it answers.
    async fn look_after(&self) -> std::result::Result<LexMode, Error> {
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

    async fn conclude(shared: &Arc<Shared>, call: Call, id: ConnectionId, conclusion: Conclusion) -> Result<ResultEnd> {
        let taken = match shared.held.take(id) {
            Ok(taken) => taken,
            // What is lost is rolled back.
            Err(error) if conclusion == Conclusion::Rollback && error.code == Code::TxLost => {
                shared.held.remove(id);
                return Ok(ResultEnd::default());
            }
            Err(error) => return Err(error),
        };
        let mut lease = taken.lease;
        let sql = match conclusion {
            Conclusion::Commit => "COMMIT",
            Conclusion::Rollback => "ROLLBACK",
        };
        let mut clock = Clock::default();
        clock.send();
        let thread = lease.thread();
        let concluding = lease.connection().execute(sql);
        let outcome = match call.deadline {
            None => concluding.await,
            // Nobody waits any more, and a server that does not answer by then never will: its connection is given up. It may never
            // hear of that where a network stands still, and would keep the locks.
            Some(deadline) => {
                let grace = shared.config.limits.kill_grace;
                let until = deadline.max(Instant::now()) + grace;
                let silent = || Error::Io {
                    source: std::io::ErrorKind::TimedOut.into(),
                    sent: Sent::Something,
                    doing: "reading",
                };
                match tokio::time::timeout_at(until, concluding).await {
                    Ok(outcome) => outcome,
                    Err(_) => {
                        stop::end_connection(&shared.killer, thread, grace).await;
                        Err(silent())
                    }
                }
            }
        };
        match outcome {
            Ok(end) => {
                let position =
                    end.gtids().map(|gtids| position::token(&shared.config.keyspace, &shared.config.shard, gtids));
                let pinned = taken.place == Place::Reserved;
                let answer = ResultEnd {
                    status: end.status.0,
                    in_transaction: end.status.in_transaction(),
                    pinned,
                    position,
                    ran: Some(clock.ran()),
                    ..ResultEnd::default()
                };
                if pinned {
                    if let Err(lease) = shared.held.put(id, lease) {
                        Shared::clean_up(shared, lease, taken.place).await;
                    }
                } else {
                    shared.held.remove(id);
                    lease.marked = false;
                }
                Ok(answer)
            }
            Err(error) => {
                let broken = !lease.connection().is_clean();
                let rolled_back =
                    error.server().is_some_and(|server| mysql_errors::rolled_back(server) == RolledBack::Transaction);
                let mut body = mysql_errors::to_body(&error, &shared.names, conclusion == Conclusion::Commit);
                if conclusion == Conclusion::Rollback && broken {
                    // MySQL rolls back what a lost connection leaves.
                    shared.held.remove(id);
                    lease.discard();
                    return Ok(ResultEnd::default());
                }
                if broken {
                    add(shared.counters.lost(taken.place), 1);
                    shared.held.lose(id, held::gone(taken.place));
                    lease.discard();
                    if body.executed == Executed::Unknown {
                        body.message =
                            "the connection to MySQL was lost during COMMIT; check whether it took effect".into();
                    }
                } else if taken.place == Place::Reserved {
                    body.in_transaction = !rolled_back;
                    if let Err(lease) = shared.held.put(id, lease) {
                        Shared::clean_up(shared, lease, taken.place).await;
                    }
                } else {
                    // MySQL may have kept the transaction; a commit that failed ends it here all the same.
                    add(&shared.counters.transactions_lost, 1);
                    shared.held.lose(id, held::unknown());
                    Shared::clean_up(shared, lease, taken.place).await;
                }
                Err(body)
            }
        }
    }

    /// Gives a held connection back.
    pub(crate) async fn release(shared: &Arc<Shared>, id: ConnectionId) {
        if let Some((lease, place)) = shared.held.remove(id) {
            Shared::clean_up(shared, lease, place).await;
        }
    }

    /// Takes a connection's state off and gives it back to its pool, or closes it.
    pub(crate) async fn clean_up(shared: &Arc<Shared>, mut lease: Lease, place: Place) {
        let dirty = lease.marked || lease.connection().status().in_transaction();
        let clean = async {
            match place {
                _ if !lease.connection().is_clean() => false,
                Place::Shared if !dirty => true,
                Place::Transaction => lease.roll_back().await,
                Place::Shared | Place::Reserved => lease.reset().await,
            }
        };
        match tokio::time::timeout(shared.config.limits.kill_grace, clean).await {
            Ok(true) => drop(lease),
            _ => lease.discard(),
        }
    }
}

/// Rolls back what is too old.
async fn background(shared: Arc<Shared>, stop: CancellationToken) {
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
async fn health(shared: Arc<Shared>, stop: CancellationToken) {
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

/// Turns at one row: a row must not keep a whole pool.
fn at_one_row(config: &TabletConfig) -> usize {
    let half = config.pool.size.min(config.transactions.size) / 2;
    config.hot_rows.concurrent.min(half.max(1))
}

fn connect_options(config: &TabletConfig) -> std::result::Result<ConnectOptions, StartError> {
    for (key, value) in [("keyspace", &config.keyspace), ("shard", &config.shard), ("database", &config.database)] {
        if value.is_empty() {
            return Err(StartError::Missing { key });
        }
    }
    for (key, size) in [("pool.size", config.pool.size), ("transactions.size", config.transactions.size)] {
        if size == 0 {
            return Err(StartError::Wrong { key, problem: "must be at least 1" });
        }
    }
    let mysql = &config.mysql;
    let read = |key, path: &std::path::PathBuf| {
        std::fs::read(path).map_err(|source| StartError::File { key, path: path.clone(), source })
    };
    let password = match &mysql.password_file {
        None => mysql.password.clone(),
        Some(path) => {
            let text = String::from_utf8(read("mysql.password_file", path)?)
                .map_err(|_| StartError::Wrong { key: "mysql.password_file", problem: "is not UTF-8" })?;
            text.trim_end_matches(['\r', '\n']).to_owned()
        }
    };
    let address = match &mysql.socket {
        Some(socket) => Address::unix(socket),
        None => Address::tcp(&mysql.host, mysql.port),
    };
    let authorities = mysql.tls_ca.as_ref().map(|path| read("mysql.tls_ca", path)).transpose()?;
    let mode = match mysql.tls {
        TlsMode::Disable => vitrail_mysql::TlsMode::Disable,
        TlsMode::Prefer => vitrail_mysql::TlsMode::Prefer,
        TlsMode::Require => vitrail_mysql::TlsMode::Require,
        TlsMode::VerifyCa => vitrail_mysql::TlsMode::VerifyCa,
        TlsMode::VerifyFull => vitrail_mysql::TlsMode::VerifyFull,
    };
    let tls = Tls::new(mode, authorities.as_deref(), None).map_err(StartError::Tls)?;
    Ok(ConnectOptions::new(address, mysql.user.as_str())
        .with_password(password)
        .with_database(config.database.as_str())
        .with_tls(tls)
        .with_connect_timeout(mysql.connect_timeout))
}

fn overtaken(conclusion: Conclusion) -> ErrorBody {
    match conclusion {
        Conclusion::Commit => ErrorBody::new(
            Code::OutcomeUnknown,
            "the deadline passed during COMMIT, which goes on; check whether it took effect",
        ),
        Conclusion::Rollback => ErrorBody::new(Code::Deadline, "the deadline passed during ROLLBACK, which goes on"),
    }
}
