//! Statements on `information_schema`: planned for one keyspace, with what its shards have to tell first.
//!
//! They are planned anew each time: the plan depends on what the statement compares with, and on the server's columns.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use vitrail_planner::PlanContext;
use vitrail_planner::access::Needs;
use vitrail_planner::catalog::{self, About, Catalog, SystemColumn, Wanted};
use vitrail_planner::plan::Plan;
use vitrail_planner::vschema::Placement;
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::ResultEnd;
use vitrail_proto::value::{Binds, Value};
use vitrail_service::call::On;
use vitrail_sql::normalise::{Normalised, StatementKind};

use self::sums::Summed;
use crate::answer::Answer;
use crate::cluster::Keyspace;
use crate::request::Scope;
use crate::scatter::{Task, fetch_one};
use crate::session::Session;
use crate::{access, calling, failure, planning, route, substitute};

mod sums;

/// The plan of one statement, and what its text needs besides the client's binds.
pub(crate) struct Catalogued {
    pub(crate) plan: Plan,
    /// What it is the plan of: the client's statement, whose columns keep their titles.
    pub(crate) statement: Normalised,
    /// The client's, and what was added up over shards.
    pub(crate) binds: Arc<Binds>,
    /// The same with what the session has.
    pub(crate) all_binds: Arc<Binds>,
}

/// Plans a statement that names `information_schema`, for the keyspace that it asks about.
///
/// # Errors
/// `several-catalogs`, `system-tables`, what the planner refuses, what the user may not read, shards that do not answer.
pub(crate) async fn plan(
    scope: &Scope<'_>,
    session: &Session,
    statement: &Normalised,
    (binds, all_binds): (&Arc<Binds>, &Arc<Binds>),
) -> Result<Catalogued, ErrorBody> {
    let default = scope.target.keyspace.as_deref();
    let is_seen = |name: &str| scope.view.cluster.keyspace(name).is_ok() && scope.permit.sees_keyspace(name);
    let first = || scope.view.cluster.keyspaces().find(|known| scope.permit.sees_keyspace(&known.name));
    let keyspace = match catalog::about(statement, all_binds, default, is_seen)? {
        About::Named(name) => scope.view.keyspace(&name, &scope.permit)?,
        About::Default => match default {
            Some(name) => scope.view.keyspace(name, &scope.permit)?,
            None => first().ok_or_else(failure::no_keyspace)?,
        },
    };
    access::allow(scope, &Needs::of(statement), Some(&keyspace.name))?;
    let statement = match statement.kind {
        StatementKind::Select => match substitute::with_titles(statement, "information_schema")? {
            Some(text) => planning::normalise(text.into(), session)?,
            None => statement.clone(),
        },
        _ => statement.clone(),
    };
    plan_for(scope, statement, keyspace, (binds, all_binds)).await
}

/// Runs a SELECT of the gate's own for `keyspace`.
pub(crate) async fn select(
    scope: &Scope<'_>,
    session: &mut Session,
    keyspace: &Keyspace,
    sql: String,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    let statement = planning::normalise(sql.into(), session)?;
    let none = Arc::default();
    let made = plan_for(scope, statement, keyspace, (&none, &none)).await?;
    let resolved = made.plan.resolve(&made.statement, &made.all_binds, &keyspace.layout)?;
    route::run(session, keyspace, &resolved, scope.limits, &scope.calling, answer).await.map(|end| *end)
}

async fn plan_for(
    scope: &Scope<'_>,
    statement: Normalised,
    keyspace: &Keyspace,
    (binds, all_binds): (&Arc<Binds>, &Arc<Binds>),
) -> Result<Catalogued, ErrorBody> {
    if let Some(table) = catalog::strangers(&statement).first() {
        known_to_the_server(scope, keyspace, table).await?;
    }
    let wanted = catalog::wanted(&statement)?;
    let columns = columns(scope, keyspace, &wanted).await?;
    let catalog = Catalog::new(&statement, &keyspace.name, &wanted, &columns, scope.gate.is_mariadb())?;
    let context = planning::context(scope, &[]);
    let of_target = context.keyspace == Some(&*keyspace.name);
    let context = PlanContext {
        keyspace: Some(&keyspace.name),
        shard: context.shard.filter(|_| of_target),
        catalog: Some(&catalog),
        scratch: None,
        ..context
    };
    let plan = vitrail_planner::plan(&statement, &context)?;
    let mut added = Vec::new();
    for sums in wanted.iter().filter_map(|wanted| wanted.sums) {
        let loaded =
            join_all(shards(scope, keyspace)?.into_iter().map(|shard| fetch(scope, keyspace, shard, sums.query())));
        let mut summed = Summed::new(sums);
        for cells in loaded.await {
            let is_reference = |table: &str| is_reference(scope, keyspace, table);
            summed.add(&cells?, is_reference);
        }
        added.push((sums.bind, Value::Text(summed.into_json())));
    }
    let with = |binds: &Arc<Binds>| {
        let mut all = (**binds).clone();
        added.iter().for_each(|(name, value)| all.set(*name, value.clone()));
        Arc::new(all)
    };
    Ok(Catalogued { plan, statement, binds: with(binds), all_binds: with(all_binds) })
}

/// Fails as MySQL does if its `information_schema` has no such table.
async fn known_to_the_server(scope: &Scope<'_>, keyspace: &Keyspace, table: &str) -> Result<(), ErrorBody> {
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'information_schema' AND TABLE_NAME = {}",
        substitute::text_literal(&table.to_ascii_uppercase())
    );
    let shard = shards(scope, keyspace)?.first().copied().unwrap_or_default();
    let count = fetch(scope, keyspace, shard, sql).await?.into_iter().next().flatten();
    // MySQL writes these names in upper case, MariaDB as they came.
    let shown = if scope.gate.is_mariadb() { table.to_owned() } else { table.to_ascii_uppercase() };
    if count.as_deref() == Some(b"0") { Err(catalog::unknown(&shown).into()) } else { Ok(()) }
}

/// The columns of the tables whose rows belong to databases, as a shard's MySQL has them.
async fn columns(
    scope: &Scope<'_>,
    keyspace: &Keyspace,
    wanted: &[Wanted],
) -> Result<BTreeMap<String, Vec<SystemColumn>>, ErrorBody> {
    // The names are those of a fixed list.
    let names: Vec<String> = wanted.iter().map(|wanted| format!("'{}'", wanted.table)).collect();
    let sql = format!(
        "SELECT TABLE_NAME, COLUMN_NAME, IS_NULLABLE FROM information_schema.COLUMNS \
         WHERE TABLE_SCHEMA = 'information_schema' AND TABLE_NAME IN ({}) ORDER BY TABLE_NAME, ORDINAL_POSITION",
        names.join(", ")
    );
    let shard = shards(scope, keyspace)?.first().copied().unwrap_or_default();
    let cells = fetch(scope, keyspace, shard, sql).await?;
    let mut columns: BTreeMap<String, Vec<SystemColumn>> = BTreeMap::new();
    for row in cells.chunks_exact(3) {
        let text = |index: usize| row[index].as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        let column = SystemColumn { name: text(1).into_owned(), nullable: text(2) == "YES" };
        columns.entry(text(0).to_ascii_uppercase()).or_default().push(column);
    }
    Ok(columns)
}

/// The shards that the answer is about: the target's, or all.
fn shards(scope: &Scope<'_>, keyspace: &Keyspace) -> Result<Vec<usize>, ErrorBody> {
    Ok(match scope.only_shard(keyspace)? {
        Some(only) => vec![only],
        None => (0..keyspace.shards.len()).collect(),
    })
}

/// Whether every shard has the whole table.
fn is_reference(scope: &Scope<'_>, keyspace: &Keyspace, table: &str) -> bool {
    let vschema = scope.view.cluster.vschema().keyspace(&keyspace.name);
    vschema.and_then(|vschema| vschema.table(table)).is_some_and(|table| table.placement == Placement::Reference)
}

/// The cells of all rows of a statement of the gate's own on one shard, apart from the session's transaction.
pub(crate) async fn fetch(
    scope: &Scope<'_>,
    keyspace: &Keyspace,
    shard: usize,
    sql: String,
) -> Result<Vec<Option<Vec<u8>>>, ErrorBody> {
    let task = Task {
        service: Arc::clone(&keyspace.shards[shard].service),
        shard: keyspace.label(shard),
        call: scope.calling.call(None),
        statement: calling::statement(sql, false),
        on: On::Pool,
    };
    let cells = fetch_one(task).await?;
    if cells.iter().flatten().map(Vec::len).sum::<usize>() > MOST_BYTES {
        return Err(ErrorBody::new(Code::Exhausted, "the keyspace has too many tables for this; ask for it by shard"));
    }
    Ok(cells)
}

/// Of what a shard tells.
const MOST_BYTES: usize = 16 << 20;
