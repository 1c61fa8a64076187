//! SHOW and DESCRIBE: from what the gate knows, or from one shard of the table's keyspace.

use std::sync::Arc;

use vitrail_planner::plan::{Merge, Resolved, ShardStatement};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::ResultEnd;
use vitrail_proto::value::Binds;

use crate::answer::Answer;
use crate::columns::{self, Own};
use crate::merge::row::Packer;
use crate::request::Scope;
use crate::session::Session;
use crate::words::{Words, plain_text};
use crate::{failure, route};

/// Runs SHOW, DESCRIBE or DESC of a table.
pub(super) async fn run(
    scope: &Scope<'_>,
    session: &mut Session,
    body: &str,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    let mut words = Words::new(body)?;
    if words.take(&["DESCRIBE"]) || words.take(&["DESC"]) || words.take(&["EXPLAIN"]) {
        let (keyspace, table) = words.qualified()?;
        let rest = words.rest();
        return on_table(scope, session, keyspace.as_deref(), &table, "DESCRIBE", rest, answer).await;
    }
    if !words.take(&["SHOW"]) {
        return Err(words.unexpected());
    }
    let full = words.take(&["FULL"]);
    words.take(&["EXTENDED"]);
    if words.take(&["DATABASES"]) || words.take(&["SCHEMAS"]) {
        return keyspaces(scope, "Database", words, answer).await;
    }
    if words.take(&["KEYSPACES"]) || words.take(&["VITRAIL", "KEYSPACES"]) {
        return keyspaces(scope, "Keyspace", words, answer).await;
    }
    if words.take(&["VITRAIL", "SHARDS"]) {
        words.end()?;
        return shards(scope, answer).await;
    }
    if words.take(&["TABLES"]) {
        return tables(scope, full, words, answer).await;
    }
    if words.take(&["CREATE", "TABLE"]) || words.take(&["CREATE", "VIEW"]) {
        let (keyspace, table) = words.qualified()?;
        words.end()?;
        return on_table(scope, session, keyspace.as_deref(), &table, "SHOW CREATE TABLE", "", answer).await;
    }
    for (written, sent) in
        [("COLUMNS", "COLUMNS"), ("FIELDS", "COLUMNS"), ("INDEX", "INDEX"), ("INDEXES", "INDEX"), ("KEYS", "INDEX")]
    {
        if words.take(&[written]) {
            let full = if full { "FULL " } else { "" };
            return of_table(scope, session, words, &format!("SHOW {full}{sent} FROM"), answer).await;
        }
    }
    if words.take(&["WARNINGS"]) || words.take(&["ERRORS"]) {
        words.end()?;
        return warnings(session, answer).await;
    }
    for listing in [
        &["COLLATION"][..],
        &["CHARACTER", "SET"],
        &["CHARSET"],
        &["ENGINES"],
        &["STORAGE", "ENGINES"],
        &["VARIABLES"],
        &["SESSION", "VARIABLES"],
    ] {
        if words.take(listing) {
            return anywhere(scope, session, body, answer).await;
        }
    }
    Err(failure::unsupported(
        "this SHOW is not supported; there are SHOW DATABASES, TABLES, COLUMNS, INDEX, CREATE TABLE, WARNINGS, VARIABLES, COLLATION, CHARACTER SET, ENGINES and VITRAIL SHARDS",
    ))
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
    };
    route::run(session, keyspace, resolved, scope.limits, &scope.calling, answer).await
}

async fn keyspaces(
    scope: &Scope<'_>,
    title: &str,
    mut words: Words<'_>,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    let pattern = like(&mut words)?;
    words.end()?;
    let title = pattern.as_ref().map_or_else(|| title.to_owned(), |pattern| format!("{title} ({pattern})"));
    let names =
        scope.view.cluster.keyspaces().map(|keyspace| &*keyspace.name).filter(|name| matches(pattern.as_deref(), name));
    list(&[Own::Text(&title)], names.map(|name| vec![Some(name.to_owned())]).collect(), answer).await
}

async fn shards(scope: &Scope<'_>, answer: &mut Answer<'_>) -> Result<ResultEnd, ErrorBody> {
    let columns =
        [Own::Text("Keyspace"), Own::Text("Shard"), Own::Text("Key_range"), Own::Text("State"), Own::Text("Server")];
    let rows = scope.view.cluster.keyspaces().flat_map(|keyspace| {
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

async fn tables(
    scope: &Scope<'_>,
    full: bool,
    mut words: Words<'_>,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    let named = if words.take(&["FROM"]) || words.take(&["IN"]) {
        Some(words.name()?.into_owned())
    } else {
        scope.target.keyspace.clone()
    };
    let pattern = like(&mut words)?;
    words.end()?;
    let name = named.ok_or_else(failure::no_keyspace)?;
    let keyspace = scope.view.cluster.keyspace(&name)?;
    let Some(schema) = scope.view.tables.get(&keyspace.name) else {
        let message = format!("the schema of keyspace '{name}' could not be loaded yet; try again");
        return Err(ErrorBody::new(vitrail_proto::error::Code::Unavailable, message));
    };
    let title = match &pattern {
        Some(pattern) => format!("Tables_in_{name} ({pattern})"),
        None => format!("Tables_in_{name}"),
    };
    let columns = [Own::Text(&title), Own::Text("Table_type")];
    let rows = schema.tables.iter().filter(|table| matches(pattern.as_deref(), &table.name)).map(|table| {
        let kind = full.then(|| Some(if table.view { "VIEW" } else { "BASE TABLE" }.to_owned()));
        std::iter::once(Some(table.name.clone())).chain(kind).collect()
    });
    list(&columns[..1 + usize::from(full)], rows.collect(), answer).await
}

/// `FROM table [FROM keyspace] …`
async fn of_table(
    scope: &Scope<'_>,
    session: &mut Session,
    mut words: Words<'_>,
    before: &str,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    if !words.take(&["FROM"]) && !words.take(&["IN"]) {
        return Err(words.unexpected());
    }
    let (mut keyspace, table) = words.qualified()?;
    if words.take(&["FROM"]) || words.take(&["IN"]) {
        keyspace = Some(words.name()?);
    }
    let rest = words.rest();
    on_table(scope, session, keyspace.as_deref(), &table, before, rest, answer).await
}

async fn on_table(
    scope: &Scope<'_>,
    session: &mut Session,
    keyspace: Option<&str>,
    table: &str,
    before: &str,
    after: &str,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    let keyspace = keyspace.or(scope.target.keyspace.as_deref()).ok_or_else(failure::no_keyspace)?.to_owned();
    let known = scope.view.cluster.keyspace(&keyspace)?;
    if let Some(schema) = scope.view.tables.get(&known.name)
        && !schema.tables.iter().any(|known| known.name.eq_ignore_ascii_case(table))
    {
        return Err(failure::unknown_table(&keyspace, table));
    }
    let sql = format!("{before} `{}` {after}", table.replace('`', "``"));
    on_one_shard(scope, session, &keyspace, sql.trim_end().to_owned(), answer).await
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

async fn warnings(session: &Session, answer: &mut Answer<'_>) -> Result<ResultEnd, ErrorBody> {
    let texts = session.warnings.as_deref().unwrap_or_default();
    if texts.is_empty() && session.warning_count > 0 {
        return Err(failure::unsupported(
            "the texts of the last statement's warnings are gone, because sessions share MySQL connections; ask for them with the statement (request field 'warnings')",
        ));
    }
    let columns = [Own::Text("Level"), Own::Unsigned("Code"), Own::Text("Message")];
    let rows = texts.iter().map(|warning| {
        vec![Some(warning.level.clone()), Some(warning.errno.to_string()), Some(warning.message.clone())]
    });
    list(&columns, rows.collect(), answer).await
}

/// Puts a small listing into `answer`.
pub(super) async fn list(
    columns: &[Own<'_>],
    rows: Vec<Vec<Option<String>>>,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    let mut packer = Packer::default();
    let count = rows.len() as u64;
    for row in rows {
        packer.push_cells(row);
    }
    answer.fields(columns::pack(columns)).await?;
    if let Some(batch) = packer.take() {
        answer.rows(batch).await?;
    }
    Ok(ResultEnd { rows: count, ..ResultEnd::default() })
}

/// `[LIKE 'pattern']`
fn like(words: &mut Words<'_>) -> Result<Option<String>, ErrorBody> {
    if words.take(&["WHERE"]) {
        return Err(failure::unsupported("WHERE is not supported in this SHOW; use LIKE"));
    }
    if !words.take(&["LIKE"]) {
        return Ok(None);
    }
    let literal = words.text().ok_or_else(|| words.unexpected())?;
    // Only `\_` and `\%` mean something here, and mean the same in every sql_mode.
    let inside = &literal[1..literal.len() - 1];
    Ok(Some(plain_text(literal).unwrap_or_else(|| inside.to_owned())))
}

/// LIKE without regard to letter case.
fn matches(pattern: Option<&str>, name: &str) -> bool {
    pattern.is_none_or(|pattern| {
        is_like(&pattern.to_lowercase().chars().collect::<Vec<_>>(), &name.to_lowercase().chars().collect::<Vec<_>>())
    })
}

/// Goes back to the last `%` only, so that it takes at most pattern times name steps.
fn is_like(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n, mut resume) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some('%') => {
                p += 1;
                resume = Some((p, n));
                continue;
            }
            Some('\\') if pattern.get(p + 1) == Some(&name[n]) => p += 2,
            Some('_') => p += 1,
            Some(c) if *c == name[n] => p += 1,
            _ => match &mut resume {
                Some((after, from)) => {
                    *from += 1;
                    (p, n) = (*after, *from);
                    continue;
                }
                None => return false,
            },
        }
        n += 1;
    }
    pattern[p..].iter().all(|c| *c == '%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("%", "", true),
            ("fl%", "Flight", true),
            ("%rt", "airport", true),
            ("a_rport", "airport", true),
            ("a\\_b", "a_b", true),
            ("a\\_b", "axb", false),
            ("%a%b%", "xxaxxbxx", true),
            ("%a%b", "ba", false),
            ("", "x", false),
        ] {
            assert_eq!(matches(Some(pattern), name), expected, "{pattern} {name}");
        }
        assert!(matches(None, "x"));
    }
}
