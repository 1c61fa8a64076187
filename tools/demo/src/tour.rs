//! The tour: each statement through Vitrail and on one MySQL with the same data, answers compared.

use std::collections::BTreeMap;

use anyhow::Result;
use vitrail_client::{Error, Query, Session};
use vitrail_mysql::{Connection, Error as MysqlError, Response, RowsOrEnd};
use vitrail_proto::rows;

/// Rows read at a time from the one MySQL.
const BATCH_BYTES: usize = 64 << 10;

/// One stop of the tour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// What it shows.
    pub title: String,
    /// The statement.
    pub sql: String,
}

/// Reads a tour: paragraphs of comment lines (the title) and one statement.
pub fn stops(script: &str) -> Vec<Stop> {
    let paragraphs = script.split("\n\n").map(str::trim);
    let stops = paragraphs.filter_map(|paragraph| {
        let (title, sql): (Vec<&str>, Vec<&str>) = paragraph.lines().partition(|line| line.starts_with("--"));
        let sql = sql.join("\n").trim_end_matches(';').to_owned();
        let title: Vec<&str> = title.iter().map(|line| line.trim_start_matches("--").trim()).collect();
        (!sql.is_empty()).then(|| Stop { title: title.join(" "), sql })
    });
    stops.collect()
}

/// What a statement answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Rows.
    Rows {
        /// Column names.
        columns: Vec<String>,
        /// Cells as MySQL's text; NULL is `None`.
        rows: Vec<Vec<Option<String>>>,
    },
    /// A write: affected rows and insert id.
    Done(u64, u64),
    /// MySQL's error number.
    Error(u16, String),
}

impl Answer {
    /// How it differs from what one MySQL answered; `None` if it doesn't.
    pub fn difference(&self, expected: &Answer, ordered: bool) -> Option<String> {
        match (self, expected) {
            (Answer::Rows { columns, rows }, Answer::Rows { columns: expected_columns, rows: expected_rows }) => {
                if columns != expected_columns {
                    return Some(format!("columns {columns:?} instead of {expected_columns:?}"));
                }
                let same = if ordered { rows == expected_rows } else { counted(rows) == counted(expected_rows) };
                if same {
                    return None;
                }
                let first = rows.iter().zip(expected_rows).position(|(row, expected)| row != expected);
                let at = first.unwrap_or_else(|| rows.len().min(expected_rows.len()));
                Some(format!(
                    "{} rows instead of {}; row {}: {:?} instead of {:?}",
                    rows.len(),
                    expected_rows.len(),
                    at + 1,
                    rows.get(at),
                    expected_rows.get(at)
                ))
            }
            (Answer::Error(errno, _), Answer::Error(expected, _)) if errno == expected => None,
            (found, expected) if found == expected => None,
            (found, expected) => Some(format!("{} instead of {}", found.summary(), expected.summary())),
        }
    }

    /// One line.
    pub fn summary(&self) -> String {
        match self {
            Answer::Rows { rows, .. } if rows.len() == 1 => "1 row".into(),
            Answer::Rows { rows, .. } => format!("{} rows", rows.len()),
            Answer::Done(affected, 0) => format!("{affected} affected"),
            Answer::Done(affected, id) => format!("{affected} affected, insert id {id}"),
            Answer::Error(errno, message) => format!("error {errno}: {message}"),
        }
    }
}

fn counted(rows: &[Vec<Option<String>>]) -> BTreeMap<&[Option<String>], usize> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry(row.as_slice()).or_default() += 1;
    }
    counts
}

/// Whether the statement itself orders its rows (the last ORDER BY is outside of any parenthesis).
pub fn is_ordered(sql: &str) -> bool {
    let upper = sql.to_ascii_uppercase();
    upper.rfind("ORDER BY").is_some_and(|at| upper[at..].matches(')').count() <= upper[at..].matches('(').count())
}

/// Runs a statement through Vitrail.
pub async fn through_vitrail(session: &mut Session, sql: &str) -> Result<Answer, Error> {
    let answer = async {
        let mut rows = session.query(Query::new(sql), ()).await?;
        let columns: Vec<String> = rows.columns().iter().map(|column| column.name.to_string()).collect();
        let mut cells = Vec::new();
        while let Some(row) = rows.next().await? {
            cells.push((0..row.len()).map(|index| row.raw(index).map(text)).collect());
        }
        let outcome = rows.finish().await?;
        Ok(if columns.is_empty() {
            Answer::Done(outcome.affected, outcome.insert_id.unwrap_or(0))
        } else {
            Answer::Rows { columns, rows: cells }
        })
    };
    match answer.await {
        Err(error) => match Error::as_server_error(&error) {
            Some(body) => Ok(Answer::Error(body.errno, body.message.clone())),
            None => Err(error),
        },
        answer => answer,
    }
}

/// Runs a statement on one MySQL.
pub async fn on_mysql(connection: &mut Connection, sql: &str) -> Result<Answer> {
    let response = match connection.query(sql.as_bytes()).await {
        Err(MysqlError::Server(error)) => return Ok(Answer::Error(error.errno, error.message)),
        response => response?,
    };
    let packed = match response {
        Response::Ok(end) => return Ok(Answer::Done(end.affected, end.insert_id)),
        Response::Columns(columns) => columns.packed,
    };
    let columns = rows::columns(&packed).map(|column| Ok(column?.name.into_owned())).collect::<Result<_>>()?;
    let mut all = Vec::new();
    while let RowsOrEnd::Rows(batch) = connection.next_rows(BATCH_BYTES).await? {
        for row in batch.rows() {
            let cells = row?.cells().map(|cell| Ok(cell?.map(text))).collect::<Result<_>>()?;
            all.push(cells);
        }
    }
    Ok(Answer::Rows { columns, rows: all })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset;

    fn rows(rows: &[&[&str]]) -> Answer {
        let rows = rows.iter().map(|row| row.iter().map(|cell| Some(cell.to_string())).collect()).collect();
        Answer::Rows { columns: vec!["a".into()], rows }
    }

    #[test]
    fn the_comparison_finds_planted_faults() {
        let expected = rows(&[&["1"], &["2"], &["2"]]);
        let cases = [
            (rows(&[&["1"], &["2"], &["2"]]), true, false),
            (rows(&[&["2"], &["1"], &["2"]]), true, true),
            (rows(&[&["2"], &["1"], &["2"]]), false, false),
            (rows(&[&["2"], &["1"], &["1"]]), false, true),
            (rows(&[&["1"], &["2"]]), false, true),
            (Answer::Done(3, 0), false, true),
            (Answer::Error(1146, String::new()), false, true),
        ];
        for (found, ordered, differs) in cases {
            assert_eq!(found.difference(&expected, ordered).is_some(), differs, "{found:?}");
        }
        assert!(Answer::Done(1, 7).difference(&Answer::Done(1, 8), false).is_some());
        assert!(Answer::Error(1062, "x".into()).difference(&Answer::Error(1146, "x".into()), false).is_some());
        assert!(Answer::Error(1062, "x".into()).difference(&Answer::Error(1062, "y".into()), false).is_none());
    }

    #[test]
    fn the_tour_has_at_least_25_stops_with_titles() {
        let stops = stops(dataset::TOUR);
        assert!(stops.len() >= 25, "{}", stops.len());
        assert!(stops.iter().all(|stop| !stop.title.is_empty() && !stop.sql.ends_with(';')));
    }

    #[test]
    fn order_is_seen_outside_of_parentheses_only() {
        assert!(is_ordered("SELECT a FROM t ORDER BY a LIMIT 3"));
        assert!(!is_ordered("SELECT RANK() OVER (ORDER BY a) FROM t"));
        assert!(is_ordered("SELECT RANK() OVER (ORDER BY a) p FROM t ORDER BY (p)"));
        assert!(!is_ordered("SELECT a FROM t"));
    }
}
