//! EXPLAIN: the gate's own plan, or MySQL's of a statement that goes to one shard.

use std::sync::Arc;

use vitrail_planner::plan::{Resolved, ShardStatement};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::ResultEnd;
use vitrail_proto::value::Binds;
use vitrail_sql::control::explain::{self, Explain};
use vitrail_sql::normalise::Normalised;

use crate::answer::Answer;
use crate::columns::Own;
use crate::planning::{self, Planned};
use crate::request::Scope;
use crate::session::Session;
use crate::{catalog, failure, route, sequences};

/// `EXPLAIN FORMAT=VITRAIL statement`, or MySQL's own forms.
pub(super) async fn run(
    scope: &Scope<'_>,
    session: &mut Session,
    statement: &Normalised,
    binds: &Arc<Binds>,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    let (prefix, inner) = match explain::parse(statement)? {
        Explain::Own { statement } => return describe(scope, session, statement, binds, answer).await,
        Explain::Server { prefix, statement } => (prefix, statement),
    };
    let normalised = planning::normalise(inner.into(), session)?;
    let planned = planning::plan(scope, session, &normalised)?;
    let Planned::Plan(plan) = &*planned else {
        return Err(failure::unsupported(
            "the gate answers this statement itself, or adds to it; EXPLAIN FORMAT=VITRAIL tells how",
        ));
    };
    let keyspace = scope.view.cluster.keyspace(plan.keyspace())?;
    // It inserts nothing, and takes no number of a sequence.
    let unfilled = plan.filling().map(|filling| sequences::unfilled(filling, binds));
    let resolved = plan.resolve(&normalised, unfilled.as_ref().unwrap_or(binds), &keyspace.layout)?;
    let [ShardStatement { shard, sql, binds }] = &resolved.statements[..] else {
        return Err(failure::unsupported(
            "MySQL can explain only a statement that goes to one shard; use EXPLAIN FORMAT=VITRAIL",
        ));
    };
    let explained = ShardStatement { shard: *shard, sql: format!("{prefix}{sql}").into(), binds: Arc::clone(binds) };
    // ANALYZE runs the statement.
    let resolved = Resolved { statements: vec![explained], shareable: false, ..resolved };
    route::run(session, keyspace, &resolved, scope.limits, &scope.calling, answer).await.map(|end| *end)
}

async fn describe(
    scope: &Scope<'_>,
    session: &Session,
    inner: &str,
    binds: &Arc<Binds>,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    let normalised = planning::normalise(inner.into(), session)?;
    let planned = planning::plan(scope, session, &normalised)?;
    let text = match &*planned {
        Planned::Plan(plan) | Planned::Locks(plan) => plan.describe(),
        Planned::Catalog => catalog::plan(scope, session, &normalised, (binds, binds)).await?.plan.describe(),
        Planned::Own(_) => "answered by the gate\n".to_owned(),
    };
    super::show::list(&[Own::Text("Plan")], text.lines().map(|line| vec![Some(line.to_owned())]).collect(), answer)
        .await
}
