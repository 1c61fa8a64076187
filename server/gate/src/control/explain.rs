//! EXPLAIN: the gate's own plan, or MySQL's of a statement that goes to one shard.

mod plan;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use vitrail_listener::responder::Responder;
use vitrail_planner::plan::{Node, Resolved, ShardStatement};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::ResultEnd;
use vitrail_proto::value::Binds;
use vitrail_sql::control::explain::{self, Explain};
use vitrail_sql::normalise::{Normalised, StatementKind};

use crate::answer::Answer;
use crate::columns::Own;
use crate::insight::watch::Watch;
use crate::measure::{Measure, OnShard, milliseconds};
use crate::planning::{self, Planned};
use crate::request::Scope;
use crate::session::Session;
use crate::{asked, failure, route, sequences, statement};

/// `EXPLAIN FORMAT=VITRAIL statement`, or MySQL's own forms.
pub(super) async fn run(
    scope: &Scope<'_>,
    session: &mut Session,
    statement: &Normalised,
    binds: &Arc<Binds>,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    let (prefix, inner) = match explain::parse(statement)? {
        // ANALYZE is run beside this, as the statement inside would be.
        Explain::Own { statement } | Explain::Analyze { statement } => {
            let inner = planning::normalise(statement.into(), session)?;
            let lines = plan::lines(scope, session, &inner, binds, &|_| Vec::new()).await?;
            return list_lines(lines, answer).await;
        }
        Explain::Server { prefix, statement } => (prefix, statement),
    };
    let normalised = planning::normalise(inner.into(), session)?;
    let planned = planning::plan(scope, session, &normalised)?;
    let Planned::Plan(planned) = &*planned else {
        return Err(failure::unsupported(
            "the gate answers this statement itself, or adds to it; EXPLAIN FORMAT=VITRAIL tells how",
        ));
    };
    let keyspace = scope.view.cluster.keyspace(planned.keyspace())?;
    // It inserts nothing, and takes no number of a sequence.
    let unfilled = planned.filling().map(|filling| sequences::unfilled(filling, binds));
    let binds = unfilled.as_ref().unwrap_or(binds);
    let answered = match planned.asked() {
        Some(asked) => Some(asked::ask(scope, session, keyspace, asked, &normalised, (binds, binds)).await?),
        None => None,
    };
    let binds = answered.as_ref().map_or(binds, |answered| &answered.all_binds);
    let resolved = planned.resolve(&normalised, binds, &keyspace.layout)?;
    let [ShardStatement { shard, sql, binds }] =
        (if resolved.exact.is_some() { &[] } else { &resolved.statements[..] })
    else {
        return Err(failure::unsupported(
            "MySQL can explain only a statement that goes to one shard; use EXPLAIN FORMAT=VITRAIL",
        ));
    };
    let explained = ShardStatement { shard: *shard, sql: format!("{prefix}{sql}").into(), binds: Arc::clone(binds) };
    // ANALYZE runs the statement.
    let resolved = Resolved { statements: vec![explained], shareable: false, ..resolved };
    route::run(session, keyspace, &resolved, scope.limits, &scope.calling, answer).await.map(|end| *end)
}

/// The statement inside, if it is to be run and measured.
///
/// # Errors
/// One that is neither query nor write.
pub(crate) fn analysed(statement: &Normalised, session: &Session) -> Result<Option<Normalised>, ErrorBody> {
    let Explain::Analyze { statement } = explain::parse(statement)? else { return Ok(None) };
    let inner = planning::normalise(statement.into(), session)?;
    match inner.kind {
        StatementKind::Select
        | StatementKind::Insert
        | StatementKind::Replace
        | StatementKind::Update
        | StatementKind::Delete => Ok(Some(inner)),
        kind => Err(failure::unsupported(format!(
            "EXPLAIN ANALYZE of a statement of kind '{}' is not supported; there are queries and writes",
            kind.as_str()
        ))),
    }
}

/// Runs a statement as it would run by itself, drops its rows, and lists its plan with what each part of it has done.
pub(crate) async fn analyse(
    scope: &mut Scope<'_>,
    session: &mut Session,
    statement: &Normalised,
    binds: &Arc<Binds>,
    answer: &mut Answer<'_>,
    watch: &mut Watch,
) -> Result<Box<ResultEnd>, ErrorBody> {
    let measure = Arc::new(Measure::default());
    let (mut responder, mut replies) = Responder::channel(1);
    let began = Instant::now();
    scope.calling.measure = Some(Arc::clone(&measure));
    let run = async {
        let mut inner = Answer::new(&mut responder, None, true);
        let end = Box::pin(statement::perform(scope, session, statement, binds, &mut inner, watch)).await;
        let rows = inner.rows_passed();
        drop(inner);
        drop(responder);
        end.map(|end| (end, rows))
    };
    let drain = async { while replies.recv().await.is_some() {} };
    let (done, ()) = tokio::join!(run, drain);
    let took = began.elapsed();
    scope.calling.measure = None;
    let (end, rows) = done?;
    let count = match statement.kind {
        StatementKind::Select => format!("{rows} rows"),
        _ => format!("{} rows affected", end.affected),
    };
    let notes = |node| match node {
        Node::Shards(_) | Node::Read | Node::Write => measure.on_shards(node).iter().map(done_on).collect(),
        Node::Merge => measure.of(node).map(|said| format!("{said}, {count} out")).into_iter().collect(),
        _ => measure.of(node).into_iter().collect(),
    };
    let mut lines = plan::lines(scope, session, statement, binds, &notes).await?;
    lines.push(format!("ran: {count} in {}", milliseconds(took)));
    let listed = list_lines(lines, answer).await?;
    Ok(Box::new(ResultEnd { rows: listed.rows, affected: 0, insert_id: 0, ..*end }))
}

/// What a shard has done, in one line.
fn done_on((shard, done): &(Arc<str>, OnShard)) -> String {
    let OnShard { text, statements, rows, took, wait_us, mysql_us } = done;
    let [wait, mysql] = [wait_us, mysql_us].map(|time| milliseconds(Duration::from_micros(*time)));
    let again = if *statements > 1 { format!(", {statements} statements") } else { String::new() };
    let took = milliseconds(*took);
    format!("on {shard}: {rows} rows{again}, {took} (waited {wait}, MySQL {mysql}): {}", plan::shown(text))
}

async fn list_lines(lines: Vec<String>, answer: &mut Answer<'_>) -> Result<ResultEnd, ErrorBody> {
    super::show::list(&[Own::Text("Plan")], lines.into_iter().map(|line| vec![Some(line)]).collect(), answer).await
}
