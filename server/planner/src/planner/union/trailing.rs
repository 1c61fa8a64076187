//! ORDER BY and LIMIT behind the last SELECT of a UNION, by their tokens, and how the shards' statement has them.

use std::ops::Range;

use super::{WRAPPED, refuse};
use crate::plan::{Edit, Replacement, SortKey, WindowPlan};
use crate::planner::clauses::{Clause, begins};
use crate::planner::row_limit;
use crate::planner::text::Text;
use crate::planner::walk::Walk;
use crate::refusal::Refusal;

/// The clauses behind the last branch, by their tokens.
pub(super) struct Trailing {
    /// Behind the last token of the branches.
    end: usize,
    order: Option<Range<usize>>,
    limit: Option<Range<usize>>,
}

impl Trailing {
    pub(super) fn of(text: &Text<'_>) -> Trailing {
        let count = text.tokens.len();
        let (mut depth, mut found) = (0, Trailing { end: count, order: None, limit: None });
        for (index, token) in text.tokens.iter().enumerate() {
            depth += text.nesting(token);
            if depth != 0 {
                continue;
            }
            match begins(text, index) {
                Some(Clause::OrderBy) if found.limit.is_none() => found.order = Some(index..count),
                Some(Clause::Limit) => {
                    if let Some(order) = &mut found.order {
                        order.end = index;
                    }
                    found.limit = Some(index..count);
                }
                _ => continue,
            }
            found.end = found.end.min(index);
        }
        found
    }

    /// Has the shards sort, and give what is compared.
    pub(super) fn edit(
        &self,
        walk: &mut Walk<'_>,
        added: &[String],
        sorted: &[(usize, SortKey)],
    ) -> Result<(), Refusal> {
        let text = walk.text;
        let counts = text.tokens.iter().any(|token| text.is_word(token, "SQL_CALC_FOUND_ROWS"));
        if counts {
            return Err(refuse("query-form", "SQL_CALC_FOUND_ROWS beside UNION"));
        }
        let (Some(first), Some(last)) = (text.tokens.first(), text.tokens.get(self.end.wrapping_sub(1))) else {
            return Err(refuse("query-form", "this form of a query"));
        };
        let mut closing = String::new();
        if !added.is_empty() {
            let hidden: Vec<String> =
                added.iter().enumerate().map(|(index, text)| format!(", {text} AS `vitrail${index}`")).collect();
            edit(walk, first.start..first.start, format!("SELECT *{} FROM (", hidden.concat()));
            closing = format!(") AS `{WRAPPED}`");
        }
        let direct =
            |(column, key): &(usize, SortKey)| format!("{}{}", column + 1, if key.descending { " DESC" } else { "" });
        let keys: Vec<String> = sorted.iter().map(direct).collect();
        let order = format!("ORDER BY {}", keys.join(", "));
        match &self.order {
            None => edit(walk, last.end..last.end, format!("{closing} {order}")),
            Some(range) => {
                edit(walk, last.end..last.end, closing);
                edit(walk, text.tokens[range.start].start..text.tokens[range.end - 1].end, order);
            }
        }
        Ok(())
    }

    /// Asks the shards for the sum of LIMIT and OFFSET.
    pub(super) fn limit(&self, walk: &mut Walk<'_>, window: &WindowPlan) -> Result<(), Refusal> {
        row_limit::ask_in(walk, self.limit.clone(), window)
    }
}

fn edit(walk: &mut Walk<'_>, bytes: Range<usize>, text: String) {
    if text.is_empty() && bytes.is_empty() {
        return;
    }
    let (start, end) = (walk.text.anchor(bytes.start), walk.text.anchor(bytes.end));
    walk.edits.push(Edit { start, end, replacement: Replacement::Text(text.into()), scatter_only: true });
}
