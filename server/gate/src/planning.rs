//! From a text to a plan: normalised in one pass, found in the cache, planned only on a miss.

use std::sync::Arc;

use vitrail_planner::PlanContext;
use vitrail_planner::access::Needs;
use vitrail_planner::catalog;
use vitrail_planner::plan::Plan;
use vitrail_planner::vschema::VSchema;
use vitrail_proto::error::ErrorBody;
use vitrail_sql::control::pinned;
use vitrail_sql::lexer::LexMode;
use vitrail_sql::normalise::{Normalised, StatementKind};

use crate::access;
use crate::control::functions::OwnSelect;
use crate::failure;
use crate::gate::Gate;
use crate::pins::Pin;
use crate::plan_cache::Key;
use crate::request::Scope;
use crate::session::Session;

/// What the plan cache holds.
#[derive(Debug)]
pub(crate) enum Planned {
    /// It runs on shards.
    Plan(Box<Plan>),
    /// It runs on one shard, and concerns named locks.
    Locks(Box<Plan>),
    /// The gate answers it.
    Own(OwnSelect),
    /// It names `information_schema`: what it needs is known only when it runs.
    Catalog,
}

/// One pass over a text, under the session's sql_mode.
pub(crate) fn normalise(text: Arc<str>, session: &Session) -> Result<Normalised, ErrorBody> {
    Ok(vitrail_sql::normalise::normalise(text, lex_mode(session))?)
}

/// The same for what a client sent. A text that has no literals, as those with binds have none, is a statement that comes again: it is
/// read once.
pub(crate) fn read(gate: &Gate, text: &str, session: &Session) -> Result<Arc<Normalised>, ErrorBody> {
    let modes = lex_mode(session);
    let key = Key { statement: text, keyspace: "", shard: "", modes, version: 0 };
    if let Some(known) = gate.texts.get(&key) {
        return Ok(known);
    }
    let read = Arc::new(vitrail_sql::normalise::normalise(text.into(), modes)?);
    // Comments around it may differ each time.
    if read.literals.is_empty() && read.body == (0..text.len()) {
        gate.texts.put(&key, Arc::clone(&read), size_of::<Normalised>() + 2 * text.len());
    }
    Ok(read)
}

/// The plan of a statement that the planner decides about, if the session's user may run it.
///
/// A keyspace of which the user sees nothing does not exist for it: what was planned over one, or refused, is planned anew
/// without, so that no answer tells of what is in there.
pub(crate) fn plan(scope: &Scope<'_>, session: &Session, normalised: &Normalised) -> Result<Arc<Planned>, ErrorBody> {
    let planned = match with_temporary_tables(scope, session, normalised) {
        Ok(None) => cached(scope, session, normalised),
        Ok(Some(planned)) => Ok(Arc::new(planned)),
        Err(error) => Err(error),
    };
    if scope.permit.is_unlimited() {
        return planned;
    }
    match &planned {
        Ok(known) => match &**known {
            Planned::Own(_) | Planned::Catalog => planned,
            Planned::Plan(plan) | Planned::Locks(plan) => match scope.permit.allow(plan.needs(), Some(plan.keyspace()))
            {
                Ok(()) => planned,
                // It went elsewhere than its names say.
                Err(_) if scope.target.keyspace.as_deref() != Some(plan.keyspace()) && sees_some(scope) => {
                    within_sight(scope, normalised)
                }
                Err(_) => access::allow(scope, plan.needs(), Some(plan.keyspace())).and(planned),
            },
        },
        Err(_) if sees_some(scope) => within_sight(scope, normalised),
        Err(_) => {
            access::allow(scope, &Needs::of(normalised), scope.target.keyspace.as_deref())?;
            planned
        }
    }
}

/// A query that names views of sharded keyspaces, with what they select in their place, and its plan. Its user needs rights on the views, and not
/// on what lies behind them.
pub(crate) fn expanded(
    scope: &Scope<'_>,
    session: &Session,
    normalised: &Normalised,
) -> Result<Option<(Normalised, Arc<Planned>)>, ErrorBody> {
    if !scope.view.has_views {
        return Ok(None);
    }
    let context = context(scope, &[]);
    let Some(expanded) = vitrail_planner::views::expand(normalised, &context)? else { return Ok(None) };
    let planned = cached(scope, session, &expanded)?;
    if let Planned::Plan(plan) = &*planned {
        let needs = vitrail_planner::needs_of(normalised, plan.keyspace(), &context)?;
        access::allow(scope, &needs, Some(plan.keyspace()))?;
        return Ok(Some((expanded, planned)));
    }
    Ok(None)
}

fn cached(scope: &Scope<'_>, session: &Session, normalised: &Normalised) -> Result<Arc<Planned>, ErrorBody> {
    let target = &scope.target;
    let key = Key {
        statement: &normalised.key,
        keyspace: target.keyspace.as_deref().unwrap_or_default(),
        shard: target.shard.as_deref().unwrap_or_default(),
        modes: lex_mode(session),
        version: scope.view.version,
    };
    if let Some(planned) = scope.gate.plans.get(&key) {
        return Ok(planned);
    }
    let planned = Arc::new(make(scope, normalised, &context(scope, &[]))?);
    scope.gate.plans.put(&key, Arc::clone(&planned), PLAN_BYTES);
    Ok(planned)
}

/// The plan for the scratch server of a query whose other plan did not hold for its values; `None`: there is none. `allowed`: its user may run it,
/// whatever it needs. `for_write`: its rows tell what is written.
pub(crate) fn exact(
    scope: &Scope<'_>,
    session: &Session,
    normalised: &Normalised,
    error: &ErrorBody,
    (allowed, for_write): (bool, bool),
) -> Option<Arc<Planned>> {
    let target = &scope.target;
    let key = Key {
        statement: &normalised.key,
        keyspace: target.keyspace.as_deref().unwrap_or_default(),
        // No shard is called so.
        shard: if for_write { "exact plan for a write" } else { "exact plan" },
        modes: lex_mode(session),
        version: scope.view.version,
    };
    if let Some(planned) = scope.gate.plans.get(&key)
        && let Planned::Plan(plan) = &*planned
    {
        let may = allowed || scope.permit.allow(plan.needs(), Some(plan.keyspace())).is_ok();
        return may.then_some(planned);
    }
    let known = context(scope, &[]);
    let scratch = known.scratch.map(|scratch| vitrail_planner::Scratch { for_write, ..scratch });
    let known = PlanContext { scratch, ..known };
    let plan = vitrail_planner::plan_exact(normalised, &known, error.message.clone()).ok()?;
    // Names may mean other tables to a user who sees some keyspaces only.
    if !allowed {
        scope.permit.allow(plan.needs(), Some(plan.keyspace())).ok()?;
    }
    let planned = Arc::new(Planned::Plan(Box::new(plan)));
    scope.gate.plans.put(&key, Arc::clone(&planned), PLAN_BYTES);
    Some(planned)
}

/// The rehearsal of an INSERT or REPLACE whose other plan did not hold for its values; `None`: there is none.
pub(crate) fn rehearsal(
    scope: &Scope<'_>,
    session: &Session,
    normalised: &Normalised,
    error: &ErrorBody,
) -> Option<Arc<Planned>> {
    let target = &scope.target;
    let key = Key {
        statement: &normalised.key,
        keyspace: target.keyspace.as_deref().unwrap_or_default(),
        // No shard is called so.
        shard: "rehearsal",
        modes: lex_mode(session),
        version: scope.view.version,
    };
    let known = scope.gate.plans.get(&key);
    let planned = match known {
        Some(planned) => planned,
        None => {
            let plan = vitrail_planner::plan_rehearsal(normalised, &context(scope, &[]), error.message.clone()).ok()?;
            let planned = Arc::new(Planned::Plan(Box::new(plan)));
            scope.gate.plans.put(&key, Arc::clone(&planned), PLAN_BYTES);
            planned
        }
    };
    let Planned::Plan(plan) = &*planned else { return None };
    let may = scope.permit.is_unlimited() || scope.permit.allow(plan.needs(), Some(plan.keyspace())).is_ok();
    may.then_some(planned)
}

/// Some keyspaces are out of the user's sight.
fn sees_some(scope: &Scope<'_>) -> bool {
    !scope.permit.sees_all_keyspaces()
}

/// A plan over the keyspaces that the user sees. Not kept: such users name the tables that they may use, and others' plans hold.
fn within_sight(scope: &Scope<'_>, normalised: &Normalised) -> Result<Arc<Planned>, ErrorBody> {
    let mut seen = VSchema::new();
    for keyspace in scope.view.cluster.vschema().keyspaces().filter(|known| scope.permit.sees_keyspace(&known.name)) {
        seen.insert(keyspace.clone());
    }
    match make(scope, normalised, &PlanContext { vschema: &seen, ..context(scope, &[]) }) {
        Ok(planned) => {
            if let Planned::Plan(plan) | Planned::Locks(plan) = &planned {
                access::allow(scope, plan.needs(), Some(plan.keyspace()))?;
            }
            Ok(Arc::new(planned))
        }
        Err(error) => {
            access::allow(scope, &Needs::of(normalised), scope.target.keyspace.as_deref())?;
            Err(error)
        }
    }
}

/// What the planner is told of the target and of what is behind it.
pub(crate) fn context<'a>(scope: &'a Scope<'_>, temporary: &'a [&'a str]) -> PlanContext<'a> {
    PlanContext {
        vschema: scope.view.cluster.vschema(),
        schemas: &scope.view.schemas,
        keyspace: scope.target.keyspace.as_deref(),
        shard: scope.target.shard.as_deref(),
        temporary,
        catalog: None,
        scratch: scope
            .gate
            .scratch
            .as_ref()
            .map(|_| vitrail_planner::Scratch { reopens: scope.gate.is_mariadb(), for_write: false }),
    }
}

fn make(scope: &Scope<'_>, normalised: &Normalised, context: &PlanContext<'_>) -> Result<Planned, ErrorBody> {
    if normalised.kind == StatementKind::Select {
        let own = OwnSelect::of(normalised, context.keyspace.is_some(), scope.gate.is_mariadb());
        if let Some(own) = own {
            return Ok(Planned::Own(own));
        }
    }
    if catalog::is_named(normalised) {
        return Ok(Planned::Catalog);
    }
    let may_lock = normalised.kind == StatementKind::Select || pinned::is_do(normalised);
    if may_lock && pinned::locks(normalised)?.is_some() {
        return Ok(Planned::Locks(Box::new(vitrail_planner::plan_pinned(normalised, context)?)));
    }
    Ok(Planned::Plan(Box::new(vitrail_planner::plan(normalised, context)?)))
}

/// The plan of a statement that mentions a temporary table of the session, which is nobody else's plan; `None` if it mentions none.
fn with_temporary_tables(
    scope: &Scope<'_>,
    session: &Session,
    normalised: &Normalised,
) -> Result<Option<Planned>, ErrorBody> {
    let Some(pins) = &session.pins else { return Ok(None) };
    let all = pins.iter().flat_map(Pin::temporary_tables);
    if all.clone().next().is_none() || !pinned::mentions(normalised, all) {
        return Ok(None);
    }
    let keyspace = scope.target.keyspace.as_deref().unwrap_or_default();
    let here: Vec<&str> = pins.temporary_tables(keyspace).collect();
    let planned = make(scope, normalised, &context(scope, &here))?;
    if let Planned::Plan(plan) | Planned::Locks(plan) = &planned {
        let keyspace = scope.view.cluster.keyspace(plan.keyspace())?;
        if scope.only_shard(keyspace)?.is_none()
            && let Some(name) =
                pins.temporary_tables(&keyspace.name).find(|name| pinned::mentions(normalised, [*name].into_iter()))
        {
            return Err(failure::hidden_by_temporary(&keyspace.name, name));
        }
    }
    Ok(Some(planned))
}

/// What a plan takes in memory, about, beyond its key. Plans hold no syntax tree, so that they differ little.
const PLAN_BYTES: usize = 1024;

/// How the session's statements are read.
pub(crate) fn lex_mode(session: &Session) -> LexMode {
    let modes = &session.now.settings.variables;
    match modes.binary_search_by(|(name, _)| name.as_str().cmp("sql_mode")) {
        Ok(index) => LexMode::from_sql_mode(modes[index].1.trim_matches('\'')),
        Err(_) => LexMode::default(),
    }
}
