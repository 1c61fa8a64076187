//! How many rows a query gives: LIMIT, and MariaDB's `OFFSET n ROWS FETCH FIRST m ROWS ONLY`. Shards are asked in the same words, so that a server which does not
//! know them says so.

use std::ops::Range;

use sqlparser::ast::{Expr, Fetch, LimitClause, Query};
use vitrail_proto::value::Value;

use super::clauses::{Clause, Clauses};
use super::text::Text;
use super::walk::Walk;
use crate::plan::{Edit, Replacement, Source, WindowPlan};
use crate::refusal::Refusal;

/// LIMIT and OFFSET of the whole.
pub(super) fn window(walk: &Walk<'_>, query: &Query) -> Result<WindowPlan, Refusal> {
    let (limit, offset) = match &query.limit_clause {
        None => (None, None),
        Some(LimitClause::LimitOffset { limit, offset, .. }) => {
            (limit.as_ref(), offset.as_ref().map(|offset| &offset.value))
        }
        Some(LimitClause::OffsetCommaLimit { offset, limit }) => (Some(limit), Some(offset)),
    };
    let source = |expr: &Expr| match walk.text.value(expr) {
        Some((source, _)) => Ok(source),
        None => Err(Refusal::invalid("limit", "LIMIT takes numbers and bind variables")),
    };
    let limit = match &query.fetch {
        None if limit.is_none() && offset.is_some() => return Err(unsupported("OFFSET without a number of rows")),
        None => limit.map(source).transpose()?,
        Some(Fetch { with_ties: true, .. }) => return Err(unsupported("FETCH … WITH TIES")),
        Some(Fetch { percent: true, .. }) => return Err(unsupported("FETCH … PERCENT")),
        Some(Fetch { quantity, .. }) => Some(match quantity {
            None => Source::Constant(Value::Int(1)),
            Some(quantity) => source(quantity)?,
        }),
    };
    Ok(WindowPlan { limit, offset: offset.map(source).transpose()? })
}

/// Each shard is asked for the sum of LIMIT and OFFSET: `20, 10` and `10 OFFSET 20` become `30`.
pub(super) fn ask_shards(walk: &mut Walk<'_>, window: &WindowPlan) -> Result<(), Refusal> {
    if walk.joined {
        return Ok(());
    }
    let clause = Clauses::of(walk.text).and_then(|clauses| clauses.get(Clause::Limit));
    ask_in(walk, clause, window)
}

/// The same where the clause is these tokens.
pub(super) fn ask_in(walk: &mut Walk<'_>, clause: Option<Range<usize>>, window: &WindowPlan) -> Result<(), Refusal> {
    if window.offset.is_none() {
        return Ok(());
    }
    let text = walk.text;
    let misplaced = || Refusal::invalid("limit", "LIMIT is not where it is expected");
    let clause = clause.filter(|clause| clause.len() > 1).ok_or_else(misplaced)?;
    let bytes = |first: usize, last: usize| text.tokens[first].start..text.tokens[last].end;
    if !fetches(text, &clause) {
        edit(walk, bytes(clause.start + 1, clause.end - 1), Replacement::WindowEnd);
        return Ok(());
    }
    // OFFSET n ROWS FETCH FIRST m ROWS ONLY; without m, one row.
    let first = clause.clone().find(|index| text.is_word(&text.tokens[*index], "FETCH")).ok_or_else(misplaced)? + 1;
    let number = text.tokens.get(first + 1).ok_or_else(misplaced)?;
    let one = is_row(text, first + 1);
    edit(walk, bytes(clause.start + 1, clause.start + 1), Replacement::Text("0".into()));
    match one {
        true => {
            let end = text.tokens[first].end;
            edit(walk, end..end, Replacement::Text(" ".into()));
            edit(walk, end..end, Replacement::WindowEnd);
        }
        false => edit(walk, number.start..number.end, Replacement::WindowEnd),
    }
    Ok(())
}

/// A clause that lets so many rows through, in the words of this one.
pub(super) fn words(text: &Text<'_>, clause: Option<Range<usize>>, rows: u64) -> String {
    match clause.is_some_and(|clause| fetches(text, &clause)) {
        true => format!(" FETCH FIRST {rows} ROWS ONLY"),
        false => format!(" LIMIT {rows}"),
    }
}

/// Whether the clause that begins at `index` is none of LIMIT's: `FETCH FIRST …`, `OFFSET n ROWS …`.
pub(super) fn begins_fetch(text: &Text<'_>, index: usize) -> bool {
    let word = |at: usize, words: &[&str]| {
        text.tokens.get(at).is_some_and(|token| words.iter().any(|word| text.is_word(token, word)))
    };
    let fetch = word(index, &["FETCH"]) && word(index + 1, &["FIRST", "NEXT"]);
    word(index, &["OFFSET"]) && is_row(text, index + 2) || fetch && !(index > 0 && is_row(text, index - 1))
}

fn is_row(text: &Text<'_>, index: usize) -> bool {
    text.tokens.get(index).is_some_and(|token| text.is_word(token, "ROW") || text.is_word(token, "ROWS"))
}

fn fetches(text: &Text<'_>, clause: &Range<usize>) -> bool {
    !text.is_word(&text.tokens[clause.start], "LIMIT")
}

fn edit(walk: &mut Walk<'_>, bytes: Range<usize>, replacement: Replacement) {
    let (start, end) = (walk.text.anchor(bytes.start), walk.text.anchor(bytes.end));
    walk.edits.push(Edit { start, end, replacement, scatter_only: true });
}

fn unsupported(what: &str) -> Refusal {
    Refusal::unsupported(
        "query-form",
        format!(
            "{what} over several shards is not supported yet; pin the statement to one shard by its sharding column"
        ),
    )
}
