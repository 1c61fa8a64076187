//! The gate: sessions on one side, the shards' services on the other.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use tokio::sync::Mutex;
use vitrail_listener::responder::Responder;
use vitrail_listener::service::{Identity, Peer, RequestContext, Service};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::{Reply, Request, ResultEnd, SessionState, Share};
use vitrail_proto::target::{TabletType, Target};
use vitrail_service::QueryService;
use vitrail_service::call::Settings;
use vitrail_sql::control::queries::QueryOrder;
use vitrail_sql::normalise::Normalised;

use crate::access::{Access, Audit, Permit};
use crate::cluster::Cluster;
use crate::exact::{Scratch, ScratchLimits};
use crate::failure;
use crate::holdings::Holdings;
use crate::insight::log::QueryLog;
use crate::insight::{Insight, QueryFigures, Totals};
use crate::pins::hold;
use crate::places::Places;
use crate::plan_cache::PlanCache;
use crate::planning::Planned;
use crate::preferences::Preferences;
use crate::registry::{Kill, Registry};
use crate::request;
use crate::sequences::Sequences;
use crate::session::{Basis, Session};
use crate::settings::{self, Interner};
use crate::stats::{Counters, Stats};
use crate::variables;
use crate::view::{Finding, Level, View, Wanted};

/// What a gate may be told besides its cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateConfig {
    /// Size of the plan cache, in bytes. A quarter of it is for texts that are read once.
    pub plan_cache_bytes: usize,
    /// Reads over several shards that run at a time, in autocommit. Over the tablets' pools, divided by the number of gates, they could wait
    /// for each other's connections; further ones wait for their turn.
    pub scatters: usize,
    /// UPDATE and DELETE that do not say which rows they mean are run for everybody; else only for sessions and statements that allow it.
    pub allow_full_writes: bool,
    /// Most rows of an answer when the request names no cap itself; `None`: no limit.
    pub max_rows: Option<u64>,
    /// Whether reads share executions with identical ones, when neither statement, request, session nor user says.
    pub share: Share,
    /// Fingerprints that figures are kept of; 0: none. One takes up to 3 KiB.
    pub query_statistics: usize,
    /// Addresses (`host:port`) of other gates of the cluster, told to clients.
    pub gates: Vec<String>,
    /// Changes with every start of the process, told to clients.
    pub incarnation: String,
}

impl Default for GateConfig {
    /// 64 MiB of plans, 16 reads over several shards at a time, no limit of rows, figures of 2000 fingerprints, no other gates.
    fn default() -> GateConfig {
        GateConfig {
            plan_cache_bytes: 64 << 20,
            scatters: 16,
            allow_full_writes: false,
            max_rows: None,
            share: Share::Next,
            query_statistics: 2000,
            gates: Vec::new(),
            incarnation: String::new(),
        }
    }
}

/// Serves sessions over a [`Cluster`].
pub struct Gate {
    pub(crate) config: GateConfig,
    /// Written by [`Gate::replace`], [`Gate::refresh`] and after DDL; requests take one view and keep it.
    pub(crate) view: ArcSwap<View>,
    /// Held while a view is being loaded, so that no newer one is overwritten.
    loading: Mutex<()>,
    pub(crate) plans: PlanCache<Planned>,
    /// Statements by their texts.
    pub(crate) texts: PlanCache<Normalised>,
    pub(crate) interner: Interner,
    pub(crate) sequences: Sequences,
    /// Where statements over several shards wait for their turn.
    pub(crate) places: Places,
    /// Written by [`Gate::set_access`]; each request looks its user up anew.
    pub(crate) access: ArcSwap<Access>,
    pub(crate) audit: Audit,
    /// Whether the reads of some users share executions; written by [`Gate::set_shares`].
    shares: ArcSwap<HashMap<Box<str>, Share>>,
    /// All sessions.
    pub(crate) registry: Arc<Registry>,
    pub(crate) counters: Counters,
    pub(crate) insight: Insight,
    /// Where statements run that shards cannot answer; `None`: they are refused.
    pub(crate) scratch: Option<Scratch>,
}

impl Gate {
    /// A gate over `cluster`, for users who may do everything until [`Gate::set_access`] says otherwise. It serves at once; until [`Gate::refresh`] has loaded the schemas, plans that need them are refused.
    pub fn new(cluster: Cluster, config: GateConfig) -> Gate {
        let view = View { cluster: Arc::new(cluster), ..View::default() };
        Gate {
            plans: PlanCache::new(config.plan_cache_bytes - config.plan_cache_bytes / 4),
            texts: PlanCache::new(config.plan_cache_bytes / 4),
            places: Places::new(config.scatters),
            shares: ArcSwap::default(),
            insight: Insight::new(config.query_statistics),
            config,
            view: ArcSwap::from_pointee(view),
            loading: Mutex::new(()),
            interner: Interner::default(),
            sequences: Sequences::default(),
            access: ArcSwap::from_pointee(Access::unrestricted()),
            audit: Audit::default(),
            registry: Arc::new(Registry::new()),
            counters: Counters::default(),
            scratch: None,
        }
    }

    /// With a log of statements.
    pub fn with_log(mut self, log: QueryLog) -> Gate {
        self.insight.log = Some(log);
        self
    }

    /// With a MySQL server that holds nobody's tables, for statements that shards cannot answer: their rows are loaded there, and the
    /// statement runs over them.
    pub fn with_scratch(mut self, service: Arc<dyn QueryService>, limits: ScratchLimits) -> Gate {
        self.scratch = Some(Scratch::new(service, limits));
        self
    }

    /// The figures of the statements that rank highest.
    pub fn queries(&self, order: QueryOrder, limit: usize) -> Vec<QueryFigures> {
        self.insight.top(order, limit)
    }

    /// How many fingerprints figures are kept of.
    pub fn known_queries(&self) -> usize {
        self.insight.statistics.len()
    }

    /// Totals over all statements.
    pub fn totals(&self) -> Totals {
        self.insight.statistics.totals()
    }

    /// Records that the log of statements had no room for.
    pub fn dropped_records(&self) -> u64 {
        self.insight.log.as_ref().map_or(0, QueryLog::dropped)
    }

    /// The cluster that is served now.
    pub fn cluster(&self) -> Arc<Cluster> {
        Arc::clone(&self.view.load().cluster)
    }

    /// Serves another cluster from now on, and loads its schemas. Requests under way end on the one they began with.
    /// Gives what an operator should look at.
    pub async fn replace(&self, cluster: Cluster) -> Vec<Finding> {
        let cluster = Arc::new(cluster);
        let all: Vec<Arc<str>> = cluster.keyspaces().map(|keyspace| Arc::clone(&keyspace.name)).collect();
        self.load(Some(cluster), Wanted::Keyspaces(&all)).await
    }

    /// Loads the schemas of all keyspaces anew. Gives what an operator should look at.
    pub async fn refresh(&self) -> Vec<Finding> {
        let all: Vec<Arc<str>> = self.cluster().keyspaces().map(|keyspace| Arc::clone(&keyspace.name)).collect();
        self.load(None, Wanted::Keyspaces(&all)).await
    }

    /// Loads the schemas of some keyspaces, or of some tables, anew.
    pub(crate) async fn refresh_some(&self, wanted: Wanted<'_>) -> Vec<Finding> {
        self.load(None, wanted).await
    }

    /// Who may do what from now on: sessions that are open have it with their next request.
    pub fn set_access(&self, access: Access) {
        self.access.store(Arc::new(access));
    }

    /// Whether a user may see and end what others do.
    pub fn may_see_all(&self, user: &str) -> bool {
        self.access.load().permit(user).is_ok_and(|permit| permit.is_unlimited())
    }

    /// From now on says for these users, and for no others, whether their reads share executions.
    pub fn set_shares<'a>(&self, shares: impl IntoIterator<Item = (&'a str, Share)>) {
        self.shares.store(Arc::new(shares.into_iter().map(|(user, share)| (user.into(), share)).collect()));
    }

    /// Whether reads of a user share executions, when neither statement, request nor session says.
    pub(crate) fn share_of(&self, user: &str) -> Share {
        self.shares.load().get(user).copied().unwrap_or(self.config.share)
    }

    /// What the gate has done so far.
    pub fn stats(&self) -> Stats {
        let (cached_plans, plan_bytes, plan_hits, plan_misses) = self.plans.figures();
        let cached_plan_bytes = plan_bytes + self.texts.figures().1;
        let version = self.view.load().version;
        let (open_sessions, pinned_sessions) = (self.registry.len(), self.registry.pinned());
        let counted = Stats { open_sessions, pinned_sessions, ..self.counters.snapshot() };
        Stats { cached_plans, cached_plan_bytes, plan_hits, plan_misses, version, ..counted }
    }

    async fn load(&self, cluster: Option<Arc<Cluster>>, wanted: Wanted<'_>) -> Vec<Finding> {
        let _one_at_a_time = self.loading.lock().await;
        let now = self.view.load_full();
        let cluster = cluster.unwrap_or_else(|| Arc::clone(&now.cluster));
        let next = now.load(cluster, wanted, &Arc::from("vitrail")).await;
        log_news(&now, &next);
        let findings = next.findings().cloned().collect();
        self.view.store(Arc::new(next));
        findings
    }

    /// Flavour and version of the MySQL behind the gate: of the first shard that knows.
    fn mysql(&self) -> (String, String) {
        let view = self.view.load();
        let mut services =
            view.cluster.keyspaces().flat_map(|keyspace| &keyspace.shards).map(|shard| shard.service.info());
        services
            .find(|info| !info.flavour.is_empty())
            .map(|info| (info.flavour, info.mysql_version))
            .unwrap_or_default()
    }

    /// The MySQL behind the gate is MariaDB.
    pub(crate) fn is_mariadb(&self) -> bool {
        self.mysql().0.eq_ignore_ascii_case("mariadb")
    }

    /// Checks a target against the cluster, as far as the user sees it.
    pub(crate) fn check_target(&self, target: &Target, permit: &Permit) -> Result<(), ErrorBody> {
        let view = self.view.load();
        match (&target.keyspace, &target.shard) {
            (Some(keyspace), Some(shard)) => view.keyspace(keyspace, permit)?.shard(shard).map(|_| ()),
            (Some(keyspace), None) => view.keyspace(keyspace, permit).map(|_| ()),
            (None, Some(shard)) => Err(failure::unsupported(format!(
                "the target names shard '{shard}' of no keyspace; write keyspace:{shard}"
            ))),
            (None, None) => Ok(()),
        }
    }

    fn basis(&self, state: SessionState, user: &str) -> Result<Basis, ErrorBody> {
        let target = state.target.unwrap_or_default();
        let permit = self.access.load().permit(user)?;
        self.check_target(&target, &permit)?;
        let mut kept = Settings { variables: Vec::new(), found_rows: state.found_rows.unwrap_or(false) };
        let mut autocommit = state.autocommit.unwrap_or(true);
        let mut preferences = Preferences::default();
        for (name, value) in &state.variables {
            let name = name.to_ascii_lowercase();
            match variables::decide(&name, value, self.is_mariadb())? {
                variables::Effect::Autocommit(on) => autocommit = on,
                variables::Effect::Keep(name, value) => kept = settings::with(&kept, name, &value),
                variables::Effect::Default(name) => kept = settings::without(&kept, name),
                variables::Effect::Preference(name, value) => preferences.set(name, value)?,
                variables::Effect::LastInsertId(_) | variables::Effect::Nothing => {}
            }
        }
        let mut held = Holdings::default();
        for (name, literal) in &state.user_variables {
            held.set_user_variable(&name.to_ascii_lowercase(), literal)?;
        }
        for (name, text) in &state.prepared {
            held.prepare(&name.to_lowercase(), text)?;
        }
        let holdings = (held != Holdings::default()).then(|| Arc::new(held));
        Ok(Basis { target: Arc::new(target), settings: self.interner.intern(kept), autocommit, preferences, holdings })
    }

    /// Gives up what a session at rest holds.
    async fn let_go(&self, session: &Session) {
        let held = session.seat.entry.take_held();
        hold::give_up(held, &session.user, &session.now.settings).await;
    }
}

#[async_trait]
impl Service for Gate {
    type Session = Session;

    fn identity(&self) -> Identity {
        let (flavour, mysql_version) = self.mysql();
        let GateConfig { gates, incarnation, .. } = &self.config;
        Identity { flavour, mysql_version, gates: gates.clone(), incarnation: incarnation.clone() }
    }

    fn open(&self, peer: &Arc<Peer>, state: SessionState) -> Result<Session, ErrorBody> {
        let last_insert_id = state.last_insert_id.unwrap_or(0);
        let basis = self.basis(state, &peer.user)?;
        Counters::count(&self.counters.sessions_opened);
        let seat = self.registry.enter(peer, &basis.target);
        Ok(Session::new(seat, basis, last_insert_id))
    }

    async fn handle(
        &self,
        session: &mut Session,
        request: Box<Request>,
        context: &RequestContext,
        responder: &mut Responder,
    ) -> Result<Reply, ErrorBody> {
        request::handle(self, session, request, context, responder).await
    }

    async fn reset(&self, session: &mut Session) -> Result<Reply, ErrorBody> {
        self.let_go(session).await;
        session.restore();
        if session.seat.entry.killed() == Some(Kill::Session) {
            session.seat = session.seat.again(&session.now.target);
        }
        let end = ResultEnd { state: session.news(), ..ResultEnd::default() };
        Ok(Reply { end: Some(Box::new(end)), ..Reply::default() })
    }

    async fn close(&self, session: Session) {
        self.let_go(&session).await;
        Counters::count(&self.counters.sessions_closed);
    }

    fn is_busy(&self, session: &Session) -> bool {
        session.seat.entry.is_bound()
    }
}

/// Logs what was not found before, as far as anybody would read it.
fn log_news(before: &View, now: &View) {
    const MOST: usize = 100;
    let known: HashSet<&Finding> = before.findings().collect();
    let mut news: Vec<&Finding> = now.findings().filter(|finding| !known.contains(finding)).collect();
    // A stable sort: what stops statements comes first.
    news.sort_by_key(|finding| std::cmp::Reverse(finding.level()));
    for finding in news.iter().take(MOST) {
        match finding.level() {
            Level::Error => tracing::error!(%finding, "schema"),
            Level::Warning => tracing::warn!(%finding, "schema"),
        }
    }
    if news.len() > MOST {
        tracing::warn!(more = news.len() - MOST, "SHOW VITRAIL SCHEMA lists all findings");
    }
}

/// Refuses targets that no tablet serves.
pub(crate) fn check_tablet_type(target: &Target) -> Result<(), ErrorBody> {
    let wanted = match target.tablet_type {
        TabletType::Primary => return Ok(()),
        TabletType::Replica => "replica",
        TabletType::Rdonly => "rdonly",
    };
    let keyspace = target.keyspace.as_deref().unwrap_or_default();
    let message = format!("keyspace '{keyspace}' has no {wanted} tablet; ask the primary (leave '@{wanted}' out)");
    let mut error = ErrorBody::new(vitrail_proto::error::Code::Unavailable, message);
    error.retryable = false;
    Err(error)
}
