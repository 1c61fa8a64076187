//! `/queries`: the figures of the statements that this process's gate has run, as JSON.

use std::time::SystemTime;

use serde_json::{Map, Value, json};
use vitrail_gate::{Gate, QueryFigures, QueryOrder};

/// Rows when `limit` is not given.
const LIMIT: usize = 100;

/// The answer to `/queries?sort=…&limit=…`.
///
/// # Errors
///
/// What is wrong with the query string.
pub(crate) fn answer(gate: &Gate, query: &str) -> Result<String, String> {
    let (mut order, mut limit) = (QueryOrder::Total, LIMIT);
    for (name, value) in
        query.split('&').filter(|part| !part.is_empty()).map(|part| part.split_once('=').unwrap_or((part, "")))
    {
        match name {
            "sort" => order = QueryOrder::parse(value).ok_or_else(unknown_order)?,
            "limit" => limit = value.parse().map_err(|_| "limit is a number of rows".to_owned())?,
            _ => return Err("there are sort and limit".to_owned()),
        }
    }
    let rows: Vec<Value> = gate.queries(order, limit).iter().map(row).collect();
    Ok(json!({ "queries": rows }).to_string())
}

fn unknown_order() -> String {
    let names: Vec<&str> = QueryOrder::ALL.iter().map(|(_, name)| *name).collect();
    format!("sort is one of {}", names.join(", "))
}

fn row(figures: &QueryFigures) -> Value {
    let errors: Map<String, Value> =
        figures.error_codes.iter().map(|(code, count)| (code.as_str().to_owned(), (*count).into())).collect();
    let seconds = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    json!({
        "fingerprint": figures.fingerprint.map(|fingerprint| format!("{fingerprint:016x}")),
        "query": &*figures.text,
        "keyspace": &*figures.keyspace,
        "kind": figures.kind,
        "plan": figures.plan,
        "calls": figures.calls,
        "errors": figures.errors,
        "error_codes": errors,
        "rows": figures.rows,
        "bytes": figures.bytes,
        "affected": figures.affected,
        "total_us": figures.total_us,
        "mean_us": figures.mean_us(),
        "p50_us": figures.p50_us,
        "p95_us": figures.p95_us,
        "p99_us": figures.p99_us,
        "max_us": figures.max_us,
        "wait_us": figures.wait_us,
        "mysql_us": figures.mysql_us,
        "shards": figures.shards,
        "most_shards": figures.most_shards,
        "shared": figures.shared,
        "advice": figures.advice.as_deref(),
        "first_seen": seconds(figures.first_seen),
        "last_seen": seconds(figures.last_seen),
    })
}
