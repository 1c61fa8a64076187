//! SHOW VITRAIL QUERIES and RESET VITRAIL QUERIES: the figures of the statements that this gate has run.

use std::time::SystemTime;

use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::ResultEnd;
use vitrail_sql::control::queries::{self, Queries};
use vitrail_sql::normalise::Normalised;

use super::show::list;
use crate::answer::Answer;
use crate::columns::Own;
use crate::insight::QueryFigures;
use crate::request::Scope;

const COLUMNS: [Own<'_>; 25] = [
    Own::Text("Fingerprint"),
    Own::Text("Keyspace"),
    Own::Text("Kind"),
    Own::Text("Plan"),
    Own::Unsigned("Calls"),
    Own::Unsigned("Errors"),
    Own::Text("Error_codes"),
    Own::Unsigned("Rows"),
    Own::Unsigned("Bytes"),
    Own::Unsigned("Affected"),
    Own::Unsigned("Total_us"),
    Own::Unsigned("Mean_us"),
    Own::Unsigned("P50_us"),
    Own::Unsigned("P95_us"),
    Own::Unsigned("P99_us"),
    Own::Unsigned("Max_us"),
    Own::Unsigned("Wait_us"),
    Own::Unsigned("Mysql_us"),
    Own::Unsigned("Shards"),
    Own::Unsigned("Most_shards"),
    Own::Unsigned("Shared"),
    Own::Unsigned("First_seen"),
    Own::Unsigned("Last_seen"),
    Own::Text("Advice"),
    Own::Text("Query"),
];

/// Lists figures.
pub(super) async fn show(scope: &Scope<'_>, wanted: &Queries, answer: &mut Answer<'_>) -> Result<ResultEnd, ErrorBody> {
    let figures = scope.gate.insight.figures(wanted);
    list(&COLUMNS, figures.iter().map(row).collect(), answer).await
}

/// Forgets figures, if the statement says so; `None`: it says something else.
pub(super) fn reset(scope: &Scope<'_>, statement: &Normalised) -> Option<Result<ResultEnd, ErrorBody>> {
    match queries::is_reset(statement) {
        Ok(false) => None,
        Ok(true) => {
            scope.gate.insight.statistics.reset();
            Some(Ok(ResultEnd::default()))
        }
        Err(error) => Some(Err(error.into())),
    }
}

fn row(figures: &QueryFigures) -> Vec<Option<String>> {
    let codes = figures.error_codes.iter().map(|(code, count)| format!("{}:{count}", code.as_str()));
    let seconds =
        |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs()).to_string();
    let texts = [
        figures.fingerprint.map(|fingerprint| format!("{fingerprint:016x}")),
        Some(figures.keyspace.to_string()),
        Some(figures.kind.to_owned()),
        Some(figures.plan.to_owned()),
        Some(figures.calls.to_string()),
        Some(figures.errors.to_string()),
        Some(codes.collect::<Vec<_>>().join(",")),
    ];
    let numbers = [
        figures.rows,
        figures.bytes,
        figures.affected,
        figures.total_us,
        figures.mean_us(),
        figures.p50_us,
        figures.p95_us,
        figures.p99_us,
        figures.max_us,
        figures.wait_us,
        figures.mysql_us,
        figures.shards,
        u64::from(figures.most_shards),
        figures.shared,
    ];
    let last = [
        Some(seconds(figures.first_seen)),
        Some(seconds(figures.last_seen)),
        figures.advice.as_ref().map(ToString::to_string),
        Some(figures.text.to_string()),
    ];
    let numbers = numbers.into_iter().map(|number| Some(number.to_string()));
    texts.into_iter().chain(numbers).chain(last).collect()
}
