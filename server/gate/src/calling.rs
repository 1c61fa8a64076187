//! Makes the calls of one request: ids, caller, deadline and settings.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vitrail_proto::message::{SessionValues, Share};
use vitrail_service::QueryService;
use vitrail_service::call::{Call, CallId, Settings, Statement};
use vitrail_service::overdue::GATE_PATIENCE;

use crate::cluster::Shard;
use crate::measure::Measure;
use crate::places::Places;
use crate::preferences::Preferences;

/// How long a rollback or release may take when nobody waits for it.
const CLEANUP: Duration = Duration::from_secs(10);

/// How long the schema of a shard may take.
const SCHEMA: Duration = Duration::from_secs(120);

/// How long one may take while a request waits whose deadline has passed.
const MOMENT: Duration = Duration::from_millis(200);

/// Numbers calls, over all gates of a process.
static NEXT_CALL: AtomicU64 = AtomicU64::new(1);

/// What all calls of one request have in common.
pub(crate) struct Calling<'a> {
    pub(crate) caller: Arc<str>,
    /// The client's application.
    pub(crate) application: Arc<str>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) settings: Arc<Settings>,
    /// Vitrail's own variables: of the session, overridden by the request and by the statement's directives.
    pub(crate) preferences: Preferences,
    /// What the statement under way sees of its session besides settings.
    pub(crate) values: Option<Arc<SessionValues>>,
    /// The statement under way reads no table, or is no statement of the client's: it neither begins a transaction nor uses `SET TRANSACTION` up.
    pub(crate) apart: bool,
    pub(crate) traceparent: Option<Arc<str>>,
    /// Whether reads share executions, when nobody says anything else.
    pub(crate) default_share: Share,
    /// Texts of warnings to fetch.
    pub(crate) warnings: u32,
    /// The client's cancel.
    pub(crate) cancel: &'a CancellationToken,
    /// What the statement under way does is measured here.
    pub(crate) measure: Option<Arc<Measure>>,
    /// Where statements over several shards wait for their turn.
    pub(crate) places: &'a Places,
}

impl<'a> Calling<'a> {
    /// The same under other settings.
    pub(crate) fn with_settings(&self, settings: Settings) -> Calling<'a> {
        Calling {
            caller: Arc::clone(&self.caller),
            application: Arc::clone(&self.application),
            settings: Arc::new(settings),
            values: None,
            measure: self.measure.clone(),
            traceparent: self.traceparent.clone(),
            ..*self
        }
    }

    /// Whether the statement may share an execution, if it can: directive, request and session come before user and gate.
    pub(crate) fn share(&self) -> Share {
        self.preferences.share.unwrap_or(self.default_share)
    }

    /// The service of a shard, for a statement of the client's.
    pub(crate) fn service(&self, shard: &Shard) -> Arc<dyn QueryService> {
        match &self.measure {
            Some(measure) => measure.watch(&shard.service, &shard.name),
            None => Arc::clone(&shard.service),
        }
    }

    /// A call of its own id.
    pub(crate) fn call(&self, max_rows: Option<u64>) -> Call {
        Call {
            id: next_id(),
            caller: Arc::clone(&self.caller),
            application: Arc::clone(&self.application),
            deadline: self.deadline,
            settings: Arc::clone(&self.settings),
            max_rows,
            warnings: self.warnings,
            traceparent: self.traceparent.clone(),
        }
    }

    /// A call that settles something while the request waits: it gets a moment of its own, so that an expired request still
    /// cleans up.
    pub(crate) fn settle(&self) -> Call {
        let now = Instant::now();
        let deadline = self.deadline.map_or(now + CLEANUP, |deadline| deadline.max(now + MOMENT).min(now + CLEANUP));
        Call { deadline: Some(deadline), max_rows: None, warnings: 0, ..self.call(None) }
    }

    /// Makes calls for what is brought to its end even if the request no longer waits for it.
    pub(crate) fn settler(&self) -> impl Fn() -> Call + Send + Sync + use<> {
        let template = Call { max_rows: None, warnings: 0, ..self.call(None) };
        move || Call { id: next_id(), deadline: Some(Instant::now() + CLEANUP), ..template.clone() }
    }

    /// Until when the request waits for what is brought to its end.
    pub(crate) fn settled_by(&self) -> Option<Instant> {
        self.deadline.map(|deadline| deadline.max(Instant::now()) + GATE_PATIENCE)
    }
}

/// A call that no request waits for.
pub(crate) fn background(caller: &Arc<str>, settings: &Arc<Settings>) -> Call {
    Call {
        id: next_id(),
        caller: Arc::clone(caller),
        application: Arc::default(),
        deadline: Some(Instant::now() + CLEANUP),
        settings: Arc::clone(settings),
        max_rows: None,
        warnings: 0,
        traceparent: None,
    }
}

/// A call for a schema, which may be that of thousands of tables.
pub(crate) fn of_schema(caller: &Arc<str>, settings: &Arc<Settings>) -> Call {
    Call { deadline: Some(Instant::now() + SCHEMA), ..background(caller, settings) }
}

/// A statement of the gate's own, without binds.
pub(crate) fn statement(sql: impl Into<Arc<str>>, writes: bool) -> Statement {
    Statement::new(sql, writes)
}

fn next_id() -> CallId {
    CallId(NEXT_CALL.fetch_add(1, Ordering::Relaxed))
}
