//! From a text to a plan: normalised in one pass, found in the cache, planned only on a miss.

use std::sync::Arc;

use vitrail_planner::PlanContext;
use vitrail_planner::plan::Plan;
use vitrail_proto::error::ErrorBody;
use vitrail_sql::lexer::LexMode;
use vitrail_sql::normalise::{Normalised, StatementKind};

use crate::control::functions::OwnSelect;
use crate::plan_cache::Key;
use crate::request::Scope;
use crate::session::Session;

/// What the plan cache holds.
#[derive(Debug)]
pub(crate) enum Planned {
    /// It runs on shards.
    Plan(Box<Plan>),
    /// The gate answers it.
    Own(OwnSelect),
}

/// One pass over a text, under the session's sql_mode.
pub(crate) fn normalise(text: Arc<str>, session: &Session) -> Result<Normalised, ErrorBody> {
    Ok(vitrail_sql::normalise::normalise(text, lex_mode(session))?)
}

/// The plan of a statement that the planner decides about.
pub(crate) fn plan(scope: &Scope<'_>, session: &Session, normalised: &Normalised) -> Result<Arc<Planned>, ErrorBody> {
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
    let own = (normalised.kind == StatementKind::Select)
        .then(|| OwnSelect::of(normalised, target.keyspace.is_some(), scope.gate.is_mariadb()))
        .flatten();
    let planned = match own {
        Some(own) => Planned::Own(own),
        None => {
            let context = PlanContext {
                vschema: scope.view.cluster.vschema(),
                schemas: &scope.view.schemas,
                keyspace: target.keyspace.as_deref(),
                shard: target.shard.as_deref(),
            };
            Planned::Plan(Box::new(vitrail_planner::plan(normalised, &context)?))
        }
    };
    let planned = Arc::new(planned);
    scope.gate.plans.put(&key, Arc::clone(&planned), PLAN_BYTES);
    Ok(planned)
}

/// What a plan takes in memory, about, beyond its key. Plans hold no syntax tree, so that they differ little.
const PLAN_BYTES: usize = 1024;

fn lex_mode(session: &Session) -> LexMode {
    let modes = &session.now.settings.variables;
    match modes.binary_search_by(|(name, _)| name.as_str().cmp("sql_mode")) {
        Ok(index) => LexMode::from_sql_mode(modes[index].1.trim_matches('\'')),
        Err(_) => LexMode::default(),
    }
}
