//! `SHOW VITRAIL QUERIES` and `RESET VITRAIL QUERIES`: the figures that a gate keeps of the statements it has run.

use super::show::{Like, like};
use super::words::{Token, Words};
use crate::error::SqlError;
use crate::normalise::Normalised;

/// Which figures, in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queries {
    /// `LIKE`, of the statement's text.
    pub like: Option<Like>,
    /// `ORDER BY`; the time that statements took in all, if it is left out.
    pub order: QueryOrder,
    /// Highest first: unless `ASC` is written.
    pub descending: bool,
    /// `LIMIT`
    pub limit: Option<u64>,
}

/// What figures are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QueryOrder {
    /// How often it was run.
    Calls,
    /// How often it failed.
    Errors,
    /// Rows handed to clients.
    Rows,
    /// Their bytes.
    Bytes,
    /// Rows affected.
    Affected,
    /// Time, added up.
    Total,
    /// Time of the average run.
    Mean,
    /// Time of the longest run.
    Max,
    /// Time that half of the runs stay below.
    P50,
    /// Time that 95 % of the runs stay below.
    P95,
    /// Time that 99 % of the runs stay below.
    P99,
    /// Waiting for connections.
    Wait,
    /// Time in MySQL.
    Mysql,
    /// Shards that took part.
    Shards,
    /// Runs answered by another one's execution.
    Shared,
    /// When it first ran.
    FirstSeen,
    /// When it last ran.
    LastSeen,
}

impl QueryOrder {
    /// All, by the names of the columns.
    pub const ALL: [(QueryOrder, &'static str); 17] = [
        (QueryOrder::Calls, "calls"),
        (QueryOrder::Errors, "errors"),
        (QueryOrder::Rows, "rows"),
        (QueryOrder::Bytes, "bytes"),
        (QueryOrder::Affected, "affected"),
        (QueryOrder::Total, "total_us"),
        (QueryOrder::Mean, "mean_us"),
        (QueryOrder::Max, "max_us"),
        (QueryOrder::P50, "p50_us"),
        (QueryOrder::P95, "p95_us"),
        (QueryOrder::P99, "p99_us"),
        (QueryOrder::Wait, "wait_us"),
        (QueryOrder::Mysql, "mysql_us"),
        (QueryOrder::Shards, "shards"),
        (QueryOrder::Shared, "shared"),
        (QueryOrder::FirstSeen, "first_seen"),
        (QueryOrder::LastSeen, "last_seen"),
    ];

    /// The order of a column's name in any letter case; times also as `total_time` and `total`.
    pub fn parse(name: &str) -> Option<QueryOrder> {
        let name = name.to_ascii_lowercase();
        let short = |name: &str| name.trim_end_matches("_us").trim_end_matches("_time").to_owned();
        QueryOrder::ALL.iter().find(|(_, known)| short(known) == short(&name)).map(|(order, _)| *order)
    }
}

/// `[LIKE 'pattern'] [ORDER BY column [ASC|DESC]] [LIMIT n]`
pub(super) fn queries(words: &mut Words<'_>) -> Result<Queries, SqlError> {
    let like = like(words)?;
    let mut queries = Queries { like, order: QueryOrder::Total, descending: true, limit: None };
    if words.take(&["ORDER", "BY"]) {
        let before = words.clone();
        queries.order = QueryOrder::parse(&words.name()?).ok_or_else(|| before.unexpected())?;
        queries.descending = !words.take(&["ASC"]);
        if queries.descending {
            words.take(&["DESC"]);
        }
    }
    if words.take(&["LIMIT"]) {
        let before = words.clone();
        let limit = match words.next() {
            Some(Token::Number(number)) => number.parse().ok(),
            _ => None,
        };
        queries.limit = Some(limit.ok_or_else(|| before.unexpected())?);
    }
    words.end()?;
    Ok(queries)
}

/// Whether a statement is `RESET VITRAIL QUERIES`.
///
/// # Errors
/// What the lexer refuses; something behind it.
pub fn is_reset(statement: &Normalised) -> Result<bool, SqlError> {
    if !statement.body_text().get(..5).is_some_and(|word| word.eq_ignore_ascii_case("RESET")) {
        return Ok(false);
    }
    let mut words = Words::of(statement)?;
    let found = words.take(&["RESET", "VITRAIL", "QUERIES"]);
    if found {
        words.end()?;
    }
    Ok(found)
}
