//! `SHOW VITRAIL CONSOLIDATIONS`: which statements shared executions, on every shard of the target's keyspace, or of all.

use futures_util::future::join_all;
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::ResultEnd;

use super::show;
use crate::answer::Answer;
use crate::columns::Own;
use crate::request::Scope;
use crate::scatter::at_shard;

/// Most saved first within each shard.
pub(super) async fn list(scope: &Scope<'_>, answer: &mut Answer<'_>) -> Result<ResultEnd, ErrorBody> {
    let target = &scope.target;
    let wanted = |name: &str, of: &Option<String>| of.as_deref().is_none_or(|of| of == name);
    let mut asked = Vec::new();
    for keyspace in scope.view.cluster.keyspaces().filter(|keyspace| wanted(&keyspace.name, &target.keyspace)) {
        for (index, shard) in keyspace.shards.iter().enumerate() {
            if wanted(&shard.name, &target.shard) {
                asked.push(async move {
                    let list = shard.service.consolidations(scope.calling.call(None)).await;
                    list.map(|list| (keyspace, shard, list)).map_err(|error| at_shard(error, &keyspace.label(index)))
                });
            }
        }
    }
    let mut rows = Vec::new();
    for outcome in join_all(asked).await {
        let (keyspace, shard, list) = outcome?;
        for entry in list {
            let figures = [entry.shared, entry.saved, entry.largest, entry.waiting].map(|figure| figure.to_string());
            let names = [keyspace.name.to_string(), shard.name.to_string(), entry.statement];
            rows.push(names.into_iter().chain(figures).map(Some).collect());
        }
    }
    let columns = [
        Own::Text("Keyspace"),
        Own::Text("Shard"),
        Own::Text("Statement"),
        Own::Unsigned("Shared"),
        Own::Unsigned("Saved"),
        Own::Unsigned("Largest"),
        Own::Unsigned("Waiting"),
    ];
    show::list(&columns, rows, answer).await
}
