//! Writes in steps, where no shard can decide by itself: the keys of the rows are read over all shards, with locks, and the rows are then written by
//! them. Which rows a LIMIT takes and which ones a join over shards finds is so decided once, and a row may go to another shard.

mod allotment;
mod assigned;
mod completion;
mod duplicates;
mod insertion;
mod keys;
mod lossless;
mod one_table;
pub(super) mod rehearsal;
mod written;

use std::ops::Range;
use std::sync::Arc;

use sqlparser::ast::{Assignment, Expr, OrderByExpr, TableWithJoins};

pub(super) use self::assigned::is_constant;
pub(super) use self::completion::completion;
pub(super) use self::insertion::insertion;
pub(super) use self::keys::survives;
pub(super) use self::one_table::factor;
use super::clauses::{self, Clause, Clauses};
use super::text::Text;
use super::walk::{Scope, Walk};
use super::{PlanContext, Scratch, why_alone};
use crate::plan::{
    Home, KeyedPlan, MergePlan, Part, Placed, Reading, Replacement, Route, StepsPlan, WritePlan, reading_text,
};
use crate::refusal::Refusal;
use crate::vschema::Placement;

/// A table of a sharded keyspace whose rows are read and written whole.
///
/// # Errors
/// A table that is not known, or has a column whose values cannot be carried.
pub fn placed(context: &PlanContext<'_>, keyspace: &str, table: &str) -> Result<Placed, Refusal> {
    let schema = context.schemas.get(keyspace).and_then(|schema| schema.table(table));
    let schema = schema.ok_or_else(|| refuse(&format!("a table whose columns are not known (`{table}`)")))?;
    let known = context.keyspace(keyspace)?.table(table);
    let sharding = match known.map(|known| &known.placement) {
        Some(Placement::Sharded(sharding)) => Some(sharding),
        _ => None,
    };
    keys::placed(schema, table, sharding, &[])
}

/// An UPDATE or DELETE whose rows are to be found first.
pub(super) struct Target<'t, 'a> {
    pub(super) scope: &'t Scope<'a>,
    /// Which of the scope's items it writes, each once.
    pub(super) items: Vec<usize>,
    /// FROM, as the syntax tree has it.
    pub(super) tables: &'t [TableWithJoins],
    /// What UPDATE sets; nothing for DELETE.
    pub(super) assignments: &'t [Assignment],
    /// WHERE.
    pub(super) condition: Option<&'t Expr>,
    pub(super) order_by: &'t [OrderByExpr],
    /// Subqueries are proved to find what they read on the row's shard.
    pub(super) together: bool,
    /// RETURNING: it gives the rows back.
    pub(super) returns: bool,
    /// It writes a table by several names.
    pub(super) twice: bool,
    /// Items of which values of others are made, as they were.
    pub(super) read: &'t [usize],
}

/// Plans such a write. `Err`: what cannot be read, or is not known.
pub(super) fn keyed<'a>(walk: &mut Walk<'a>, target: &Target<'_, 'a>) -> Result<(Route, MergePlan), Refusal> {
    let text = walk.text;
    let updates = !target.assignments.is_empty();
    let clauses = Clauses::of(text).ok_or_else(|| refuse("clauses that cannot be told apart"))?;
    // A column may be called so where the word is free.
    if clauses.get(Clause::Returning).is_some() != target.returns {
        return Err(refuse("clauses that cannot be told apart"));
    }
    let keyless = target.items.iter().any(|item| !keys::has_key(&target.scope.items[*item]));
    if keyless && let Some(planned) = allotment::allotment(walk, target, &clauses) {
        return planned;
    }
    let mut written = Vec::with_capacity(target.items.len());
    for item in &target.items {
        written.push(one_table::one_table(walk, target, &clauses, *item)?);
    }
    let mut list = Vec::new();
    for column in written.iter().flat_map(|written| &written.read) {
        list.push(phrase(if list.is_empty() { "" } else { ", " }));
        list.extend(column.iter().cloned());
    }
    let from = from(text, &clauses, updates).ok_or_else(|| refuse("tables whose place in the text is not known"))?;
    let slice = |bytes: Range<usize>| Part::Slice(text.anchor(bytes.start), text.anchor(bytes.end));
    let bytes = |range: Range<usize>| text.tokens[range.start].start..text.tokens[range.end - 1].end;
    let mut read = vec![phrase("SELECT ")];
    read.extend(list);
    read.extend([phrase(" FROM "), slice(from)]);
    for clause in [Clause::Where, Clause::OrderBy, Clause::Limit] {
        if let Some(range) = clauses.get(clause) {
            read.extend([phrase(" "), slice(bytes(range))]);
        }
    }
    if clauses.get(Clause::Limit).is_none() {
        // `sql_select_limit` would cut.
        read.push(Part::Text(format!(" LIMIT {}", u64::MAX).into()));
    }
    read.push(phrase(" FOR UPDATE"));
    let read = reading(walk, read)?;
    if !matches!(read.plan.merge, MergePlan::Pass | MergePlan::Concat(_) | MergePlan::Sort { .. }) {
        return Err(refuse("rows that have to be folded first"));
    }
    let hidden = written.first().map(|written| written.hidden.as_str()).unwrap_or_default();
    let returning = returning(walk, target, &clauses, hidden)?;
    let plans: Vec<KeyedPlan> = written.into_iter().map(|written| written.plan).collect();
    let everywhere = plans.iter().all(|plan| matches!(plan.home, Home::Everywhere));
    let merge = if everywhere { MergePlan::Replicated } else { MergePlan::Writes };
    walk.edits.retain(|edit| !matches!(edit.replacement, Replacement::WindowEnd));
    let (write, ignores) = (WritePlan::Keyed(plans), text.ignores());
    walk.steps = Some(Arc::new(StepsPlan { read, write, ignores, returning }));
    Ok((Route::AllShards, merge))
}

/// The text that tells the columns of rows that a DELETE gives back, and of what is added behind them; `None`: it gives none.
fn returning(
    walk: &Walk<'_>,
    target: &Target<'_, '_>,
    clauses: &Clauses,
    hidden: &str,
) -> Result<Option<Vec<Part>>, Refusal> {
    let Some(range) = clauses.get(Clause::Returning) else { return Ok(None) };
    let text = walk.text;
    let slice = |bytes: Range<usize>| Part::Slice(text.anchor(bytes.start), text.anchor(bytes.end));
    let list =
        clauses::bytes(text, &(range.start + 1..range.end)).ok_or_else(|| refuse("an empty list of RETURNING"))?;
    let from = from(text, clauses, !target.assignments.is_empty());
    let from = from.ok_or_else(|| refuse("tables whose place in the text is not known"))?;
    Ok(Some(vec![phrase("SELECT "), slice(list), phrase(hidden), phrase(" FROM "), slice(from), phrase(" LIMIT 0")]))
}

/// Plans what reads the rows.
fn reading(walk: &Walk<'_>, text: Vec<Part>) -> Result<Reading, Refusal> {
    let statement = reading_text(&text, walk.text.statement)?;
    let scratch = walk.context.scratch.map(|scratch| Scratch { for_write: true, ..scratch });
    let plan = super::choose(&statement, &PlanContext { scratch, ..*walk.context })?;
    if let Some(reason) = why_alone(&Text::new(&statement), &plan.merge) {
        return Err(Refusal::unsupported("one-shard-only", reason));
    }
    Ok(Reading { text, plan, key: statement.key })
}

/// The bytes of the tables that the statement reads.
fn from(text: &Text<'_>, clauses: &Clauses, updates: bool) -> Option<Range<usize>> {
    let tokens = if updates {
        text.modifiers()..clauses.get(Clause::Set)?.start
    } else {
        let from = clauses.get(Clause::From)?;
        let mut depth = 0;
        let using = from.clone().find(|index| {
            depth += text.nesting(&text.tokens[*index]);
            depth == 0 && text.is_word(&text.tokens[*index], "USING")
        });
        // DELETE FROM t USING tables; behind JOIN, USING has columns.
        let own = using.filter(|index| !(from.start..*index).any(|at| text.is_word(&text.tokens[at], "JOIN")));
        own.unwrap_or(from.start) + 1..from.end
    };
    (!tokens.is_empty()).then(|| text.tokens[tokens.start].start..text.tokens[tokens.end - 1].end)
}

fn phrase(text: &str) -> Part {
    Part::Text(text.into())
}

fn refuse(what: &str) -> Refusal {
    Refusal::unsupported(
        "write-in-steps",
        format!(
            "over several shards, the rows of this statement are found first, and then written by their keys; that is not supported with {what}; \
             pin it by the sharding column, or name the rows by their keys"
        ),
    )
}
