//! One statement from text to rows: normalised, answered by the gate or planned, resolved, run on shards.

use std::sync::Arc;

use tracing::Instrument;
use vitrail_planner::plan::{Asked, InsertId, Merge, Plan, Resolved, Write};
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::{ResultEnd, SessionValues};
use vitrail_proto::value::Binds;
use vitrail_sql::control::prepare;
use vitrail_sql::normalise::{Normalised, StatementKind};

use crate::answer::Answer;
use crate::cluster::Keyspace;
use crate::exact::Exacting;
use crate::insight::watch::Watch;
use crate::join::Joining;
use crate::pins::{hold, locks};
use crate::planning::{self, Planned};
use crate::request::Scope;
use crate::session::{Session, TransactionState};
use crate::stats::Counters;
use crate::steps::Stepping;
use crate::{access, asked, catalog, control, diagnostics, failure, moment, route, routines, sequences, values};

/// Runs one statement for a session.
pub(crate) async fn execute(
    scope: &mut Scope<'_>,
    session: &mut Session,
    sql: &str,
    binds: Arc<Binds>,
    answer: &mut Answer<'_>,
) -> Result<Box<ResultEnd>, ErrorBody> {
    let mut watch = Watch::begin(session, answer);
    let (normalised, outcome) = match planning::read(scope.gate, sql, session) {
        Ok(normalised) => {
            let fingerprint = normalised.fingerprint;
            let kind = normalised.kind.as_str();
            let span = tracing::debug_span!("statement", kind, fingerprint = format_args!("{fingerprint:016x}"));
            // Boxed where it is traced: it would be held, and moved, twice where it is not.
            let outcome = if span.is_disabled() {
                run(scope, session, &normalised, &binds, answer, &mut watch).await
            } else {
                Box::pin(run(scope, session, &normalised, &binds, answer, &mut watch)).instrument(span).await
            };
            (Some(normalised), outcome)
        }
        Err(error) => (None, Err(error)),
    };
    watch.end(scope, normalised.as_deref(), sql, outcome.as_deref(), answer);
    outcome
}

async fn run(
    scope: &mut Scope<'_>,
    session: &mut Session,
    statement: &Normalised,
    binds: &Arc<Binds>,
    answer: &mut Answer<'_>,
    watch: &mut Watch,
) -> Result<Box<ResultEnd>, ErrorBody> {
    session.seat.entry.runs(&statement.text, statement.mode, session.open_transaction(), session.pins.as_deref());
    scope.begin_statement(session, statement)?;
    let lost = matches!(session.transaction, TransactionState::Lost);
    if lost && !matches!(statement.kind, StatementKind::Begin | StatementKind::Commit | StatementKind::Rollback) {
        return Err(failure::transaction_lost());
    }
    let mut outcome = match admit(scope, session, statement).await {
        Ok(()) => perform(scope, session, statement, binds, answer, watch).await,
        Err(error) => Err(error),
    };
    if !lost && matches!(session.transaction, TransactionState::Lost) {
        Counters::count(&scope.gate.counters.lost_transactions);
    }
    // The statement inside has left word itself.
    if !watch.is_left_to_another() {
        diagnostics::note(scope, session, statement, outcome.as_deref());
    }
    if let Ok(end) = &mut outcome {
        scope.cut_warnings(end);
    }
    outcome
}

/// Whether the session's user may run it, and the session is whole.
async fn admit(scope: &Scope<'_>, session: &mut Session, statement: &Normalised) -> Result<(), ErrorBody> {
    access::check(scope, statement)?;
    // ROLLBACK must not fail; the next statement tells.
    if statement.kind != StatementKind::Rollback {
        hold::refresh(session, &scope.calling).await?;
    }
    Ok(())
}

/// Runs a statement that its user may run.
pub(crate) async fn perform(
    scope: &mut Scope<'_>,
    session: &mut Session,
    statement: &Normalised,
    binds: &Arc<Binds>,
    answer: &mut Answer<'_>,
    watch: &mut Watch,
) -> Result<Box<ResultEnd>, ErrorBody> {
    // What is rare is boxed: it would make the request of every other statement larger.
    if statement.kind == StatementKind::Set {
        return Box::pin(control::set::run(scope, session, (statement, binds), answer, watch)).await.map(Box::new);
    }
    if statement.kind == StatementKind::Explain
        && let Some(inner) = control::explain::analysed(statement, session)?
    {
        return Box::pin(control::explain::analyse(scope, session, &inner, binds, answer, watch)).await;
    }
    if statement.kind == StatementKind::Other
        && let Some(prepared) = prepare::parse(statement)?
    {
        return Box::pin(control::prepare::run(scope, session, prepared, answer, watch)).await.map(Box::new);
    }
    match control::answer(scope, session, statement, binds, answer).await {
        Some(outcome) => outcome.map(Box::new),
        None if values::concern(session, statement) => {
            Box::pin(values::run(scope, session, statement, binds, answer, watch)).await
        }
        None => run_plan(scope, session, statement, (binds, binds), None, answer, watch).await,
    }
}

/// Runs a statement by its plan. Binds: those of the client, and those that the plan may use. `clause`: the INTO that stands where
/// the statement has its mark.
pub(crate) async fn run_plan(
    scope: &mut Scope<'_>,
    session: &mut Session,
    statement: &Normalised,
    (binds, all_binds): (&Arc<Binds>, &Arc<Binds>),
    clause: Option<&str>,
    answer: &mut Answer<'_>,
    watch: &mut Watch,
) -> Result<Box<ResultEnd>, ErrorBody> {
    let expanded = planning::expanded(scope, session, statement)?;
    let (statement, planned) = match &expanded {
        Some((expanded, planned)) => (expanded, Arc::clone(planned)),
        None => match tracing::debug_span!("plan").in_scope(|| planning::plan(scope, session, statement)) {
            Ok(planned) => (statement, planned),
            Err(error) => return Err(Box::pin(routines::judge(scope, statement, all_binds, error)).await),
        },
    };
    let values = scope.calling.values.clone();
    let outcome = run_planned(scope, session, statement, &planned, (binds, all_binds), clause, answer, watch).await;
    let error = match outcome {
        Err(error) if may_be_shards_alone(&error) && scope.gate.scratch.is_some() => error,
        outcome => return outcome,
    };
    // What turned out not to be proved for these values may be exact all the same.
    let again = match &*planned {
        Planned::Plan(plan) if plan.may_be_exact() && answer.restart() => {
            planning::exact(scope, session, statement, &error, (expanded.is_some(), false))
        }
        Planned::Plan(plan) if plan.may_be_rehearsed() && answer.restart() => {
            planning::rehearsal(scope, session, statement, &error)
        }
        _ => None,
    };
    let Some(planned) = again else { return Err(error) };
    scope.calling.values = values;
    Box::pin(run_planned(scope, session, statement, &planned, (binds, all_binds), clause, answer, watch)).await
}

/// Whether the statement itself may be right: shards were asked for more than it says, and refuse that (ER_WRONG_FIELD_WITH_GROUP), or the gate
/// cannot merge what they gave.
fn may_be_shards_alone(error: &ErrorBody) -> bool {
    error.code == Code::Unsupported || error.errno == 1055
}

#[expect(clippy::too_many_arguments, reason = "those of a statement, and its plan")]
async fn run_planned(
    scope: &mut Scope<'_>,
    session: &mut Session,
    statement: &Normalised,
    planned: &Planned,
    (binds, all_binds): (&Arc<Binds>, &Arc<Binds>),
    clause: Option<&str>,
    answer: &mut Answer<'_>,
    watch: &mut Watch,
) -> Result<Box<ResultEnd>, ErrorBody> {
    let catalogued;
    let (plan, of_locks, statement, (binds, all_binds)) = match planned {
        Planned::Own(select) => {
            watch.own();
            return Box::pin(select.run(scope, session, answer)).await.map(Box::new);
        }
        Planned::Catalog => {
            catalogued = Box::new(Box::pin(catalog::plan(scope, session, statement, (binds, all_binds))).await?);
            (&catalogued.plan, false, &catalogued.statement, (&catalogued.binds, &catalogued.all_binds))
        }
        Planned::Locks(plan) => (&**plan, true, statement, (binds, all_binds)),
        Planned::Plan(plan) => (&**plan, false, statement, (binds, all_binds)),
    };
    if let Some(verb) = plan.full_write()
        && !scope.gate.config.allow_full_writes
        && !scope.calling.preferences.allow_full_writes
    {
        return Err(failure::full_write(verb));
    }
    let view = Arc::clone(&scope.view);
    let keyspace = view.cluster.keyspace(plan.keyspace())?;
    // What is stored is of the same moment as what is asked for before.
    if plan.asked().is_some_and(Asked::replaces) {
        scope.calling.settings = moment::hold(&session.now.settings);
    }
    let prepared;
    let (mut resolved, (binds, all_binds)) = match (plan.filling(), plan.asked()) {
        (None, None) => (plan.resolve(statement, all_binds, &keyspace.layout)?, (binds, all_binds)),
        _ => {
            let own = (binds, all_binds);
            prepared = Box::pin(prepare(scope, session, keyspace, plan, statement, own)).await?;
            (prepared.resolved, (&prepared.binds, &prepared.all_binds))
        }
    };
    if (resolved.writes_several() || resolved.steps.is_some())
        && Arc::ptr_eq(&scope.calling.settings, &session.now.settings)
    {
        scope.calling.settings = moment::hold(&session.now.settings);
    }
    match &resolved.exact {
        Some(_) => watch.goes_to_scratch(&keyspace.name, plan.advice()),
        None => watch.goes_to(&keyspace.name, resolved.statements.len(), plan.advice()),
    }
    for of_shard in &mut resolved.statements {
        if Arc::ptr_eq(&of_shard.binds, all_binds) {
            of_shard.binds = Arc::clone(binds);
        }
    }
    if let Some(clause) = clause {
        let [only] = &mut resolved.statements[..] else {
            return Err(failure::unsupported(
                "SELECT … INTO over several shards is not supported: which of them gives the row cannot be known; pin it to one shard",
            ));
        };
        only.sql = values::with_clause(&only.sql, clause)?;
    }
    if of_locks {
        return Box::pin(locks::run(scope, session, statement, binds, (keyspace, resolved), answer)).await;
    }
    if resolved.statements.len() > 1 {
        Counters::count(&scope.gate.counters.scatters);
        if statement.kind == StatementKind::Select {
            limit_select(session, &mut resolved);
            refuse_short_sorting(session, &resolved)?;
        }
    }
    let (insert_id, one) = (resolved.insert_id, resolved.statements.len() == 1);
    let asked = scope.calling.values.as_ref().is_some_and(|values| values.back && values.last_insert_id.is_some());
    let asks = insert_id == InsertId::Unknown && one && scope.calling.values.is_none();
    if asks {
        // MySQL tells an id that was given to it as well: only the server knows whether it has made one up.
        let values =
            SessionValues { last_insert_id: Some(session.last_insert_id), back: true, ..SessionValues::default() };
        scope.calling.values = Some(Arc::new(values));
    }
    let calls = plan.needs().may_run_stored_code();
    // A tablet knows by itself what a write of a session without variables may see.
    if calls || (resolved.writes && !session.holdings().user_variables().is_empty()) {
        scope.calling.values = Some(values::for_stored_code(session, scope.calling.values.take()));
    }
    // What reads no table is no statement of a transaction.
    let apart = scope.calling.apart;
    scope.calling.apart |= statement.kind == StatementKind::Select && plan.needs().is_empty();
    // Boxed: each level above would move it.
    let mut insert_id = insert_id;
    let outcome = match (&resolved.join, &resolved.steps) {
        _ if resolved.exact.is_some() => {
            let exacting = Exacting { scope, resolved: &resolved, binds: all_binds };
            Box::pin(exacting.run(session, answer)).await
        }
        (None, None) => Box::pin(route::run(session, keyspace, &resolved, scope.limits, &scope.calling, answer)).await,
        (Some(join), _) => {
            let (limits, calling, binds) = (scope.limits, &scope.calling, all_binds);
            let shards = &keyspace.layout;
            let joining = Joining { keyspace, shards, resolved: &resolved, join, binds, limits, calling };
            Box::pin(joining.run(session, answer)).await
        }
        (None, Some(steps)) => {
            let stepping = Stepping { scope, keyspace, resolved: &resolved, steps, binds: all_binds };
            Box::pin(stepping.run(session, answer)).await.map(|(end, first)| {
                insert_id = match first {
                    Some(first) => InsertId::Sequence(first),
                    // Rows that would be numbered are refused.
                    None if matches!(steps.write(), Write::Rehearse(_)) => InsertId::Given,
                    None => insert_id,
                };
                end
            })
        }
    };
    (scope.calling.values, scope.calling.apart) = (None, apart);
    scope.calling.settings = Arc::clone(&session.now.settings);
    let mut end = outcome?;
    if let InsertId::Sequence(first) = insert_id
        && let Some(filling) = plan.filling().or_else(|| resolved.steps.as_ref()?.filling())
        && let Some(first) = sequences::insert_id(first, filling, &end)
    {
        end.insert_id = first;
        session.last_insert_id = first;
        if let Some(values) = &mut end.values {
            values.last_insert_id = Some(first);
        }
    } else if asks {
        let told = end.values.take().and_then(|values| values.last_insert_id);
        session.last_insert_id = told.unwrap_or(session.last_insert_id);
    } else if end.insert_id != 0 && !asked && insert_id != InsertId::Given {
        session.last_insert_id = end.insert_id;
    }
    Ok(end)
}

/// A statement with the values that it has to have before it is divided.
pub(crate) struct Prepared {
    pub(crate) resolved: Resolved,
    /// What shards are sent.
    pub(crate) binds: Arc<Binds>,
    /// What the plan may use.
    pub(crate) all_binds: Arc<Binds>,
}

/// Gives an INSERT what a sequence fills and what tells where its rows go, and resolves it.
///
/// # Errors
/// Those of sequences, of MySQL for expressions, and of the plan. Nothing is done then.
pub(crate) async fn prepare(
    scope: &Scope<'_>,
    session: &Session,
    keyspace: &Keyspace,
    plan: &Plan,
    statement: &Normalised,
    (binds, all_binds): (&Arc<Binds>, &Arc<Binds>),
) -> Result<Prepared, ErrorBody> {
    let (mut binds, mut all_binds) = (Arc::clone(binds), Arc::clone(all_binds));
    // No number is spent on what will not run.
    if scope.limits.read_only && (plan.filling().is_some() || plan.asked().is_some()) {
        return Err(failure::read_only());
    }
    let mut first = None;
    if let Some(filling) = plan.filling() {
        // Before anything else is done: it may fail.
        let filled = sequences::fill(scope, session, filling, statement, (&binds, &all_binds)).await?;
        (binds, all_binds, first) = (filled.binds, filled.all_binds, filled.first);
    }
    if let Some(asked) = plan.asked() {
        let answered = asked::ask(scope, session, keyspace, asked, statement, (&binds, &all_binds)).await?;
        (binds, all_binds) = (answered.binds, answered.all_binds);
    }
    let mut resolved = plan.resolve(statement, &all_binds, &keyspace.layout)?;
    resolved.insert_id = first.map_or(resolved.insert_id, InsertId::Sequence);
    Ok(Prepared { resolved, binds, all_binds })
}

/// With a smaller `max_sort_length` than MySQL's own, shards may sort and group by parts of values.
fn refuse_short_sorting(session: &Session, resolved: &Resolved) -> Result<(), ErrorBody> {
    let sorts = match &resolved.merge {
        Merge::Sort { keys, .. } => !keys.is_empty(),
        Merge::Group { grouping, .. } => !grouping.keys.is_empty(),
        _ => false,
    };
    let variables = &session.now.settings.variables;
    let set = variables.iter().find(|(name, _)| name == "max_sort_length");
    match set.and_then(|(_, literal)| literal.parse::<u64>().ok()) {
        Some(length) if sorts && length < 1024 => Err(failure::unsupported(
            "ORDER BY, GROUP BY and DISTINCT over several shards need a max_sort_length of 1024 or more; SET max_sort_length = DEFAULT",
        )),
        _ => Ok(()),
    }
}

/// `sql_select_limit` holds for the whole answer, where the statement has no LIMIT of its own.
fn limit_select(session: &Session, resolved: &mut Resolved) {
    let variables = &session.now.settings.variables;
    let Some((_, literal)) = variables.iter().find(|(name, _)| name == "sql_select_limit") else { return };
    let Ok(limit) = literal.parse::<u64>() else { return };
    match &mut resolved.merge {
        Merge::Concat(window) | Merge::Sort { window, .. } | Merge::Group { window, .. } if window.limit.is_none() => {
            window.limit = Some(limit);
        }
        _ => {}
    }
}
