//! SHOW VITRAIL SCHEMA and REFRESH VITRAIL SCHEMA: what is wrong with schemas, and reading them anew.

use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::ResultEnd;
use vitrail_sql::control::refresh;
use vitrail_sql::normalise::Normalised;

use super::show::list;
use crate::answer::Answer;
use crate::columns::Own;
use crate::request::Scope;
use crate::view::Wanted;

/// Lists what an operator should look at, of what the user sees.
pub(super) async fn show(
    scope: &Scope<'_>,
    keyspace: Option<&str>,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    if let Some(name) = keyspace {
        scope.view.keyspace(name, &scope.permit)?;
    }
    let columns = ["Keyspace", "Table", "Shard", "Level", "Finding"].map(Own::Text);
    let seen = |keyspace: &str, table: Option<&String>| match table {
        Some(table) => scope.permit.sees_table(keyspace, table),
        None => scope.permit.sees_keyspace(keyspace),
    };
    let chosen = scope.view.findings().filter(|finding| {
        keyspace.is_none_or(|name| finding.keyspace() == name) && seen(finding.keyspace(), finding.table())
    });
    let rows = chosen.map(|finding| {
        vec![
            Some(finding.keyspace().to_owned()),
            finding.table().cloned(),
            finding.shard().map(str::to_owned),
            Some(finding.level().as_str().to_owned()),
            Some(finding.what()),
        ]
    });
    list(&columns, rows.collect(), answer).await
}

/// Reads schemas anew, if the statement says so, and answers when statements are planned by them; `None`: it says something else.
pub(super) async fn refresh(scope: &Scope<'_>, statement: &Normalised) -> Option<Result<ResultEnd, ErrorBody>> {
    let wanted = match refresh::parse(statement) {
        Ok(wanted) => wanted?,
        Err(error) => return Some(Err(error.into())),
    };
    let names: Vec<_> = match &wanted.keyspace {
        Some(name) => match scope.view.keyspace(name, &scope.permit) {
            Ok(keyspace) => vec![keyspace.name.clone()],
            Err(error) => return Some(Err(error)),
        },
        None => scope.view.cluster.keyspaces().map(|keyspace| keyspace.name.clone()).collect(),
    };
    scope.gate.refresh_some(Wanted::Keyspaces(&names)).await;
    Some(Ok(ResultEnd::default()))
}
