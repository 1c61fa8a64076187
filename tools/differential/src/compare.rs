//! Whether an answer is the one that one MySQL gives.
//!
//! Pure: what has to be asked of a server (the classes of a collation, the answer without LIMIT) comes as a value.

mod cells;
mod columns;
mod order;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

pub use columns::{JUSTIFIED, Justified};

use crate::answer::{Answer, Done, Row, Rows};
use crate::case::View;
use cells::Canonical;

/// Rows of each answer that a difference shows.
const SHOWN: usize = 4;

/// What the comparison has to know besides the two answers.
#[derive(Debug, Clone, Copy)]
pub struct Knowledge<'a> {
    /// How the case wants to be compared.
    pub view: &'a View,
    /// One MySQL's answer without LIMIT, if the view is limited.
    pub unlimited: Option<&'a [Row]>,
    /// The class of each text in columns of classes.
    pub classes: &'a HashMap<Vec<u8>, u64>,
    /// Rows of several shards became one answer.
    pub merged: bool,
    /// How the number of warnings of rows is compared.
    pub warnings: Warnings,
}

/// How the number of warnings is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warnings {
    /// Exactly.
    Exact,
    /// Whether there are any. A statement over several shards has the warnings of each: those of rows add up, but what the statement's text
    /// alone is warned of, every shard says again, and a number does not tell the two apart.
    AnyOrNone,
    /// Not at all. A merge under LIMIT ends when it has its rows, and asks no shard for the rest.
    Open,
}

/// How an answer differs from what one MySQL says; `None` if it doesn't. Lines for people.
pub fn difference(found: &Answer, expected: &Answer, knowledge: &Knowledge<'_>) -> Option<String> {
    match (found, expected) {
        (Answer::Rows(found), Answer::Rows(expected)) => rows(found, expected, knowledge),
        (Answer::Done(found), Answer::Done(expected)) => done(found, expected, knowledge.warnings),
        (Answer::Failed(found), Answer::Failed(expected)) if found.errno == expected.errno => None,
        (found, expected) => Some(format!("{} instead of {}", found.summary(), expected.summary())),
    }
}

/// Whether the texts of two errors are the same. `merged`: over several shards, the one that is first to fail is heard, and counts its own rows.
pub fn same_text(found: &str, expected: &str, merged: bool) -> bool {
    found == expected || merged && without_row(found).is_some_and(|found| Some(found) == without_row(expected))
}

/// The text of an error that ends with the number of a row, without it.
fn without_row(text: &str) -> Option<&str> {
    let (text, row) = text.rsplit_once(" at row ")?;
    row.parse::<u64>().is_ok().then_some(text)
}

impl Warnings {
    fn agree(self, found: u32, expected: u32) -> bool {
        match self {
            Warnings::Exact => found == expected,
            Warnings::AnyOrNone => (found > 0) == (expected > 0),
            Warnings::Open => true,
        }
    }
}

fn done(found: &Done, expected: &Done, warnings: Warnings) -> Option<String> {
    let parts = [
        ("affected rows", found.affected, expected.affected),
        ("as insert id", found.insert_id, expected.insert_id),
        ("transactions open", found.in_transaction.into(), expected.in_transaction.into()),
    ];
    let text = |(what, found, expected): &(&str, u64, u64)| format!("{found} {what} instead of {expected}");
    let mut differ: Vec<String> = parts.iter().filter(|(_, found, expected)| found != expected).map(text).collect();
    if !warnings.agree(found.warnings, expected.warnings) {
        differ.push(text(&("warnings", found.warnings.into(), expected.warnings.into())));
    }
    (!differ.is_empty()).then(|| differ.join(", "))
}

fn rows(found: &Rows, expected: &Rows, knowledge: &Knowledge<'_>) -> Option<String> {
    if let Some(difference) = columns::difference(found, expected, knowledge.merged, knowledge.view.expressions) {
        return Some(difference);
    }
    let kinds = &knowledge.view.columns;
    if !kinds.is_empty() && kinds.len() != expected.columns.len() {
        return Some(format!("the case names {} column types, the answer has {}", kinds.len(), expected.columns.len()));
    }
    let canonical = |rows: &[Row]| -> Vec<Vec<Canonical>> {
        rows.iter().map(|row| cells::canonical(row, kinds, knowledge.classes)).collect()
    };
    let (left, right) = (canonical(&found.rows), canonical(&expected.rows));
    let unlimited = knowledge.unlimited.map(canonical);
    if let Some(reason) = order::difference(&left, &right, unlimited.as_deref(), knowledge.view) {
        let at = left.iter().zip(&right).position(|(left, right)| !cells::same_row(left, right));
        let at = at.unwrap_or_else(|| left.len().min(right.len()));
        return Some(format!("{reason}\n{}", side_by_side(&found.rows, &expected.rows, at)));
    }
    if !knowledge.warnings.agree(found.warnings, expected.warnings) {
        return Some(format!("{} warnings instead of {}", found.warnings, expected.warnings));
    }
    if found.in_transaction != expected.in_transaction {
        return Some(format!("in a transaction: {} instead of {}", found.in_transaction, expected.in_transaction));
    }
    None
}

/// The rows of both answers from the first that differs.
fn side_by_side(found: &[Row], expected: &[Row], at: usize) -> String {
    let show = |rows: &[Row]| -> String {
        let shown = rows.iter().skip(at).take(SHOWN).map(|row| format!("\n      {}", cells::show(row)));
        let text: String = shown.collect();
        if text.is_empty() { "\n      (no more rows)".into() } else { text }
    };
    format!("    from row {}, Vitrail:{}\n    one MySQL:{}", at + 1, show(found), show(expected))
}
