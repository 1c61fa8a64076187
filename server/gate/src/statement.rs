//! One statement: answered by the gate, or planned, resolved and run on shards.

use std::sync::Arc;

use tracing::Instrument;
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::ResultEnd;
use vitrail_proto::value::Binds;
use vitrail_sql::normalise::{Normalised, StatementKind};

use crate::answer::Answer;
use crate::insight::watch::Watch;
use crate::pins::{hold, locks};
use crate::planning::{self, Planned};
use crate::request::Scope;
use crate::session::{Session, TransactionState};
use crate::stats::Counters;
use crate::{access, control, failure, route};

/// Runs one statement for a session.
pub(crate) async fn execute(
    scope: &mut Scope<'_>,
    session: &mut Session,
    sql: Arc<str>,
    binds: Arc<Binds>,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    let mut watch = Watch::begin(session, answer);
    let (normalised, outcome) = match planning::normalise(Arc::clone(&sql), session) {
        Ok(normalised) => {
            let fingerprint = normalised.fingerprint;
            let kind = normalised.kind.as_str();
            let span = tracing::debug_span!("statement", kind, fingerprint = format_args!("{fingerprint:016x}"));
            let outcome = run(scope, session, &normalised, &binds, answer, &mut watch).instrument(span).await;
            (Some(normalised), outcome)
        }
        Err(error) => (None, Err(error)),
    };
    watch.end(scope, normalised.as_ref(), &sql, &outcome, answer);
    outcome
}

async fn run(
    scope: &mut Scope<'_>,
    session: &mut Session,
    normalised: &Normalised,
    binds: &Arc<Binds>,
    answer: &mut Answer<'_>,
    watch: &mut Watch,
) -> Result<ResultEnd, ErrorBody> {
    session.seat.entry.runs(&normalised.text, normalised.mode, session.open_transaction(), session.pins.as_deref());
    scope.begin_statement(session, normalised)?;
    let scope = &*scope;
    let lost = matches!(session.transaction, TransactionState::Lost);
    if lost && !matches!(normalised.kind, StatementKind::Begin | StatementKind::Commit | StatementKind::Rollback) {
        return Err(failure::transaction_lost());
    }
    access::check(scope, normalised)?;
    // ROLLBACK must not fail; the next statement tells.
    if normalised.kind != StatementKind::Rollback {
        hold::refresh(session, &scope.calling).await?;
    }
    let outcome = match control::answer(scope, session, normalised, binds, answer).await {
        Some(outcome) => outcome,
        None => run_planned(scope, session, normalised, binds, answer, watch).await,
    };
    if !lost && matches!(session.transaction, TransactionState::Lost) {
        Counters::count(&scope.gate.counters.lost_transactions);
    }
    let reads = matches!(normalised.kind, StatementKind::Select | StatementKind::Show | StatementKind::Explain);
    session.row_count = match &outcome {
        Ok(end) if !reads => i64::try_from(end.affected).unwrap_or(i64::MAX),
        _ => -1,
    };
    // SHOW WARNINGS leaves what it shows.
    if normalised.kind != StatementKind::Show {
        let end = outcome.as_ref().ok();
        session.warning_count = end.map_or(0, |end| end.warnings);
        session.warnings = end.filter(|end| !end.warning_texts.is_empty()).map(|end| end.warning_texts.clone().into());
    }
    outcome
}

async fn run_planned(
    scope: &Scope<'_>,
    session: &mut Session,
    normalised: &Normalised,
    binds: &Arc<Binds>,
    answer: &mut Answer<'_>,
    watch: &mut Watch,
) -> Result<ResultEnd, ErrorBody> {
    let planned = tracing::debug_span!("plan").in_scope(|| planning::plan(scope, session, normalised))?;
    let plan = match &*planned {
        Planned::Own(select) => {
            watch.own();
            return select.run(scope, session, answer).await;
        }
        Planned::Locks(plan) => return locks::run(scope, session, normalised, binds, plan, answer).await,
        Planned::Plan(plan) => plan,
    };
    if let Some(verb) = plan.full_write()
        && !scope.gate.config.allow_full_writes
        && !scope.calling.preferences.allow_full_writes
    {
        return Err(failure::full_write(verb));
    }
    let keyspace = scope.view.cluster.keyspace(plan.keyspace())?;
    let resolved = plan.resolve(normalised, binds, &keyspace.layout)?;
    watch.goes_to(&keyspace.name, resolved.statements.len());
    if resolved.statements.len() > 1 {
        Counters::count(&scope.gate.counters.scatters);
    }
    route::run(session, keyspace, resolved, scope.limits, &scope.calling, answer).await
}
