//! Titles of columns: MySQL calls a column without an alias by its text, which may hold names of tables that are others on the scratch server.

use std::ops::Range;

use super::references::Change;
use crate::planner::clauses::listed;
use crate::planner::text::Text;

/// Words that end a select list, if they stand outside of parentheses.
const ENDS: [&str; 14] = [
    "FROM",
    "INTO",
    "WHERE",
    "GROUP",
    "HAVING",
    "WINDOW",
    "ORDER",
    "LIMIT",
    "FOR",
    "LOCK",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "PROCEDURE",
];

/// The bytes of those columns of the first list behind `word` that have other names inside.
pub(super) fn changed(text: &Text<'_>, word: &str, changes: &[Change]) -> Vec<Range<usize>> {
    let depths = || {
        let mut depth = 0;
        text.tokens.iter().enumerate().filter_map(move |(index, token)| {
            depth += text.nesting(token);
            (depth == 0).then_some((index, token))
        })
    };
    let Some((select, _)) = depths().find(|(_, token)| text.is_word(token, word)) else { return Vec::new() };
    let ends = |token| ENDS.iter().any(|word| text.is_word(token, word));
    let end =
        depths().find(|(index, token)| *index > select && ends(*token)).map_or(text.tokens.len(), |(index, _)| index);
    let holds = |column: &Range<usize>| {
        changes.iter().any(|change| column.start <= change.bytes.start && change.bytes.end <= column.end)
    };
    listed(text, select, end).into_iter().filter(holds).collect()
}
