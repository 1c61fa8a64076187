//! SHOW and DESCRIBE: from what the gate knows, or from one shard of the table's keyspace.

use std::sync::Arc;

use vitrail_planner::plan::{InsertId, Merge, Resolved, ShardStatement};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::ResultEnd;
use vitrail_proto::value::Binds;
use vitrail_sql::control::TableName;
use vitrail_sql::control::show::{self, Like, Show};
use vitrail_sql::normalise::Normalised;

use super::{consolidations, create, listed};
use crate::answer::Answer;
use crate::cluster::Keyspace;
use crate::columns::{self, Own};
use crate::merge::row::Packer;
use crate::preferences::REGISTRY;
use crate::request::Scope;
use crate::session::Session;
use crate::{access, failure, route};

/// Runs SHOW, DESCRIBE or DESC of a table.
pub(super) async fn run(
    scope: &Scope<'_>,
    session: &mut Session,
    statement: &Normalised,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    match show::parse(statement)? {
        Show::Keyspaces { title, like } => keyspaces(scope, title, like, answer).await,
        Show::Shards => shards(scope, answer).await,
        Show::Schema { keyspace } => super::schema::show(scope, keyspace.as_deref(), answer).await,
        Show::Consolidations => consolidations::list(scope, answer).await,
        Show::Queries(wanted) => super::queries::show(scope, &wanted, answer).await,
        Show::Sessions => super::sessions::list(scope, session, answer).await,
        Show::Processlist { full } => super::sessions::processlist(scope, session, full, answer).await,
        Show::Preferences { full, like } => preferences(session, full, like, answer).await,
        Show::Tables { full, keyspace, like } => {
            listed::tables(scope, session, full, keyspace.as_deref(), like.as_ref(), answer).await
        }
        Show::Table { before, table, after } => on_table(scope, session, before, &table, after, answer).await,
        Show::Listed { list, keyspace, filter } => {
            listed::run(scope, session, list, keyspace.as_deref(), filter, answer).await
        }
        Show::Create { table } => create::table(scope, session, &table, answer).await,
        Show::CreateKeyspace { keyspace } => create::keyspace(scope, session, &keyspace, answer).await,
        Show::Indexes { table, filter } => listed::indexes(scope, session, &table, filter, answer).await,
        Show::Warnings { errors, offset, limit } => warnings(session, errors, offset, limit, answer).await,
        Show::WarningCount { errors } => {
            let (title, count) = match errors {
                true => ("@@session.error_count", session.error_count() as u64),
                false => ("@@session.warning_count", u64::from(session.warning_count)),
            };
            list(&[Own::Unsigned(title)], vec![vec![Some(count.to_string())]], answer).await
        }
        Show::Grants => grants(scope, answer).await,
        Show::Anywhere => anywhere(scope, session, statement.body_text(), answer).await,
    }
}

/// Sends one text to the first shard of a keyspace, or to the target's.
pub(super) async fn on_one_shard(
    scope: &Scope<'_>,
    session: &mut Session,
    keyspace: &str,
    sql: String,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    let keyspace = scope.view.cluster.keyspace(keyspace)?;
    let shard = match &scope.target.shard {
        Some(shard) if scope.target.keyspace.as_deref() == Some(&*keyspace.name) => keyspace.shard(shard)?,
        _ => 0,
    };
    let statement = ShardStatement { shard, sql: sql.into(), binds: Arc::new(Binds::new()) };
    let resolved = Resolved {
        keyspace: Arc::clone(&keyspace.name),
        statements: vec![statement],
        merge: Merge::Pass,
        writes: false,
        row_key: None,
        shareable: false,
        insert_id: InsertId::Generated,
        join: None,
        steps: None,
        exact: None,
    };
    route::run(session, keyspace, &resolved, scope.limits, &scope.calling, answer).await.map(|end| *end)
}

async fn keyspaces(
    scope: &Scope<'_>,
    title: &str,
    like: Option<Like>,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    let title = with_pattern(title.to_owned(), like.as_ref());
    let names =
        scope.view.cluster.keyspaces().map(|keyspace| &*keyspace.name).filter(|name| is_like(like.as_ref(), name));
    let names = names.filter(|name| scope.permit.sees_keyspace(name));
    list(&[Own::Text(&title)], names.map(|name| vec![Some(name.to_owned())]).collect(), answer).await
}

async fn shards(scope: &Scope<'_>, answer: &mut Answer<'_>) -> Result<ResultEnd, ErrorBody> {
    let columns =
        [Own::Text("Keyspace"), Own::Text("Shard"), Own::Text("Key_range"), Own::Text("State"), Own::Text("Server")];
    let seen = scope.view.cluster.keyspaces().filter(|keyspace| scope.permit.sees_keyspace(&keyspace.name));
    let rows = seen.flat_map(|keyspace| {
        keyspace.shards.iter().map(|shard| {
            let info = shard.service.info();
            let state = if info.healthy { "serving" } else { "unreachable" };
            let server = format!("{} {}", info.flavour, info.mysql_version);
            [keyspace.name.to_string(), shard.name.to_string(), shard.key_range.to_string(), state.to_owned(), server]
                .into_iter()
                .map(Some)
                .collect()
        })
    });
    list(&columns, rows.collect(), answer).await
}

async fn preferences(
    session: &Session,
    full: bool,
    like: Option<Like>,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    let columns = ["Variable_name", "Value", "Default", "Values", "Meaning"].map(Own::Text);
    let rows = REGISTRY.iter().filter(|known| is_like(like.as_ref(), known.name)).map(|known| {
        let value = known.value(&session.now.preferences);
        let more = [known.default, known.values, known.meaning].map(|text| Some(text.to_owned()));
        let cells = [Some(known.name.to_owned()), Some(value)].into_iter().chain(more);
        cells.take(if full { 5 } else { 2 }).collect()
    });
    list(&columns[..if full { 5 } else { 2 }], rows.collect(), answer).await
}

/// Asks one shard about a table: what is the same on all.
pub(super) async fn on_table(
    scope: &Scope<'_>,
    session: &mut Session,
    before: &str,
    table: &TableName<'_>,
    after: &str,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    let (keyspace, _) = known(scope, session, table)?;
    let name = keyspace.name.to_string();
    let sql = format!("{before} `{}` {after}", table.table.replace('`', "``"));
    on_one_shard(scope, session, &name, sql.trim_end().to_owned(), answer).await
}

/// The keyspace of a table, and whether the table is a temporary one of the session.
pub(super) fn known<'s>(
    scope: &'s Scope<'_>,
    session: &Session,
    TableName { keyspace, table }: &TableName<'_>,
) -> Result<(&'s Keyspace, bool), ErrorBody> {
    let name = keyspace.as_deref().or(scope.target.keyspace.as_deref()).ok_or_else(failure::no_keyspace)?;
    let known = scope.view.keyspace(name, &scope.permit)?;
    let temporary = super::temporary::is_one(scope, session, known, table)?;
    if !temporary
        && let Some(schema) = scope.view.schemas.get(&known.name)
        && schema.table(table).is_none()
        && !schema.tables().any(|(known, _)| known.eq_ignore_ascii_case(table))
    {
        return Err(failure::unknown_table(name, table));
    }
    Ok((known, temporary))
}

/// A listing that is the same on every server.
async fn anywhere(
    scope: &Scope<'_>,
    session: &mut Session,
    body: &str,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    let first = || scope.view.cluster.keyspaces().next().map(|keyspace| keyspace.name.to_string());
    let keyspace = scope.target.keyspace.clone().or_else(first).ok_or_else(failure::no_keyspace)?;
    on_one_shard(scope, session, &keyspace, body.to_owned(), answer).await
}

async fn warnings(
    session: &Session,
    errors: bool,
    offset: usize,
    limit: usize,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    let texts = session.warnings.iter().flatten().filter(|warning| !errors || warning.level == "Error");
    let texts = texts.skip(offset).take(limit);
    let columns = [Own::Text("Level"), Own::Unsigned("Code"), Own::Text("Message")];
    let rows = texts.map(|warning| {
        vec![Some(warning.level.clone()), Some(warning.errno.to_string()), Some(warning.message.clone())]
    });
    list(&columns, rows.collect(), answer).await
}

/// The user's own grants, in the configuration's words.
async fn grants(scope: &Scope<'_>, answer: &mut Answer<'_>) -> Result<ResultEnd, ErrorBody> {
    let user = &scope.calling.caller;
    let title = format!("Grants for {user}@%");
    let rows = scope.permit.grants().iter().map(|grant| {
        let (role, keyspace, tables) = (access::role(grant.right), &grant.keyspace, &grant.tables);
        vec![Some(format!("GRANT {role} ON {keyspace}.{tables} TO '{user}'"))]
    });
    list(&[Own::Text(&title)], rows.collect(), answer).await
}

/// Puts a listing into `answer`.
pub(super) async fn list(
    columns: &[Own<'_>],
    rows: Vec<Vec<Option<String>>>,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    let mut packer = Packer::default();
    let count = rows.len() as u64;
    answer.fields(columns::pack(columns)).await?;
    for row in rows {
        packer.push_cells(row);
        if packer.is_full()
            && let Some(batch) = packer.take()
        {
            answer.rows(batch).await?;
        }
    }
    if let Some(batch) = packer.take() {
        answer.rows(batch).await?;
    }
    Ok(ResultEnd { rows: count, ..ResultEnd::default() })
}

fn is_like(like: Option<&Like>, name: &str) -> bool {
    like.is_none_or(|like| like.matches(name))
}

/// MySQL puts the pattern into the column's name.
pub(super) fn with_pattern(title: String, like: Option<&Like>) -> String {
    match like {
        Some(like) => format!("{title} ({})", like.pattern),
        None => title,
    }
}
