//! Rows of suites that are made rather than written: the same on every run.

mod flights;
mod shop;
mod tpcc;
mod tpch;

use anyhow::Result;

/// Where a suite's tables and rows come from, besides its folder.
pub struct Source {
    /// Schema and vschema, if they lie elsewhere.
    pub schema: Option<(&'static str, &'static str)>,
    /// Statements that bring rows, before those of the folder's `rows.sql`.
    pub rows: fn() -> Result<Vec<String>>,
}

/// The source of a suite.
pub fn source(suite: &str) -> Source {
    match suite {
        "flights" => Source { schema: Some((flights::SCHEMA, flights::VSCHEMA)), rows: flights::rows },
        "tpcc" => Source { schema: None, rows: tpcc::rows },
        "tpch" => Source { schema: None, rows: tpch::rows },
        "shop" => Source { schema: None, rows: shop::rows },
        _ => Source { schema: None, rows: || Ok(Vec::new()) },
    }
}

/// Rows of one INSERT.
const BATCH: usize = 500;

/// INSERT statements for rows that are written as `1, 'a'`.
fn inserts(table: &str, columns: &str, rows: &[String]) -> Vec<String> {
    let insert = |rows: &[String]| format!("INSERT INTO {table} ({columns}) VALUES ({})", rows.join("), ("));
    rows.chunks(BATCH).map(insert).collect()
}

/// A text as a literal.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
