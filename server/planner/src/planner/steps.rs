//! Writes in steps, where no shard can decide by itself: the keys of the rows are read over all shards, with locks, and the rows are then written by
//! them. Which rows a LIMIT takes and which ones a join over shards finds is so decided once, and a row may go to another shard.

mod assigned;
mod completion;
mod duplicates;
mod insertion;
mod keys;
mod lossless;

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use sqlparser::ast::{Assignment, Expr, ObjectName, TableFactor, TableWithJoins, visit_expressions};

pub(super) use self::completion::completion;
pub(super) use self::insertion::insertion;
pub(super) use self::keys::survives;
use super::calls::contains_query;
use super::clauses::{Clause, Clauses};
use super::names::idents;
use super::order::quoted;
use super::text::Text;
use super::walk::{Scope, Walk};
use super::write::{assigned, last};
use super::{PlanContext, Scratch, targets, why_alone};
use crate::plan::{Home, KeyedPlan, MergePlan, Part, Reading, Replacement, Route, StepsPlan, WritePlan, reading_text};
use crate::refusal::Refusal;
use crate::schema::ColumnSchema;

/// An UPDATE or DELETE whose rows are to be found first.
pub(super) struct Target<'t, 'a> {
    pub(super) scope: &'t Scope<'a>,
    /// Which of the scope's items it writes.
    pub(super) item: usize,
    /// FROM, as the syntax tree has it.
    pub(super) tables: &'t [TableWithJoins],
    /// What UPDATE sets; nothing for DELETE.
    pub(super) assignments: &'t [Assignment],
    /// WHERE.
    pub(super) condition: Option<&'t Expr>,
    /// Subqueries are proved to find what they read on the row's shard.
    pub(super) together: bool,
    /// RETURNING: it gives the rows back.
    pub(super) returns: bool,
}

/// Plans such a write. `Err`: what cannot be read, or is not known.
pub(super) fn keyed<'a>(walk: &mut Walk<'a>, target: &Target<'_, 'a>) -> Result<(Route, MergePlan), Refusal> {
    let text = walk.text;
    let (scope, item) = (target.scope, &target.scope.items[target.item]);
    let joined = scope.items.len() > 1;
    let updates = !target.assignments.is_empty();
    let clauses = Clauses::of(text).ok_or_else(|| refuse("clauses that cannot be told apart"))?;
    let (factor, name) = factor(target.tables, target.item, scope.items.len())
        .ok_or_else(|| refuse("joins in parentheses and other forms of tables"))?;
    // A column may be called so where the word is free.
    if clauses.get(Clause::Returning).is_some() != target.returns {
        return Err(refuse("clauses that cannot be told apart"));
    }
    let asks =
        (joined || !target.together) && target.assignments.iter().any(|assignment| contains_query(&assignment.value));
    let table = last(name);
    let key = keys::choose(item, &table)?;
    let moving = keys::moving(walk, item, &table, &key, target.assignments)?;
    let moved: Vec<&str> =
        moving.iter().flat_map(|moving| &moving.read).map(|place| &*key.columns[*place].name).collect();
    let worked_out = match asks || !moved.is_empty() || (joined && updates && !reads_its_own(target)) {
        true => Some(assigned::assigned(text, &clauses, target.assignments, item, joined, &moved)?),
        false => None,
    };
    if walk.context.scratch.is_some_and(|scratch| !scratch.reopens) {
        target.assignments.iter().try_for_each(|assignment| assigned::read_and_written(&assignment.value, &table))?;
        if let Some(condition) = target.condition {
            assigned::read_and_written(condition, &table)?;
        }
    }
    if item.sharded.is_none() {
        super::write::replicated(walk)?;
    }
    let named = if updates || !joined { &item.alias } else { &table };
    let names = keys::names(named, &key.columns);
    let bytes = |range: Range<usize>| text.tokens[range.start].start..text.tokens[range.end - 1].end;
    let slice = |bytes: Range<usize>| Part::Slice(text.anchor(bytes.start), text.anchor(bytes.end));
    let order = clauses.get(Clause::OrderBy).map(|range| slice(bytes(range)));
    let place = || place_of(text, factor).ok_or_else(|| refuse("a table whose place in the text is not known"));
    let ignores = text.ignores();
    if ignores && moving.is_some() {
        return Err(refuse("IGNORE and a new value of the sharding column"));
    }
    let verb = if updates { "UPDATE" } else { "DELETE" };
    let ignore = if ignores { " IGNORE" } else { "" };
    let (mut before, mut after) = (vec![Part::Text(format!("{verb}{ignore} ").into())], Vec::new());
    match (clauses.get(Clause::Set), &worked_out) {
        (Some(_), Some(assigned)) => {
            before.extend([slice(place()?), phrase(" SET ")]);
            before.extend(assigned.set.iter().cloned());
        }
        (Some(set), None) if updates => {
            before.extend([slice(place()?), phrase(" "), slice(bytes(set))]);
        }
        _ if joined => before.push(Part::Text(format!("FROM {}", keys::quote(&table)).into())),
        _ => before.extend([phrase("FROM "), slice(place()?)]),
    }
    // MySQL itself judges the condition of the rows, as that of a write. What another reading could answer in another way is read once; the clock is
    // the same for both.
    let assigns = (0..text.tokens.len()).any(|index| text.assigns(index));
    let judged = !joined && target.together && walk.chance.is_none() && !assigns && worked_out.is_none();
    if judged && let Some(range) = clauses.get(Clause::Where) {
        after.extend([phrase(" AND ("), slice(bytes(range.start + 1..range.end)), phrase(")")]);
    }
    // Of rows whose unique keys change, the first ones make room for the next.
    after.extend(order.iter().filter(|_| !joined && updates).flat_map(|order| [phrase(" "), order.clone()]));
    // Rows come in the order in which they were found, by their keys.
    let ordered = target.returns && order.is_some();
    if let Some(returning) = clauses.get(Clause::Returning) {
        after.extend([phrase(" "), slice(bytes(returning))]);
        let hidden = |column: &&ColumnSchema| format!(", {}", quoted(&(named.clone(), column.name.clone())));
        let hidden: String = if ordered { key.columns.iter().map(hidden).collect() } else { String::new() };
        after.push(phrase(&hidden));
    }
    let from = from(text, &clauses, updates).ok_or_else(|| refuse("tables whose place in the text is not known"))?;
    let columns: Vec<String> =
        key.columns.iter().map(|column| quoted(&(item.alias.clone(), column.name.clone()))).collect();
    let mut read = vec![Part::Text(format!("SELECT {}", columns.join(", ")).into())];
    for value in worked_out.iter().flat_map(|assigned| &assigned.read) {
        read.push(phrase(", "));
        read.extend(value.iter().cloned());
    }
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
    let (home, alone) = (key.home(), key.is_alone(item));
    let merge = if matches!(home, Home::Everywhere) { MergePlan::Replicated } else { MergePlan::Writes };
    let columns = key.columns.into_iter().cloned().collect();
    let write = WritePlan::Keyed(KeyedPlan {
        before,
        after,
        names: names.into(),
        columns,
        assigned: worked_out.map(|assigned| assigned.columns).unwrap_or_default(),
        home,
        repeats: joined,
        updates,
        judged,
        moving,
        alone,
        ordered,
    });
    walk.edits.retain(|edit| !matches!(edit.replacement, Replacement::WindowEnd));
    walk.steps = Some(Arc::new(StepsPlan { read, write, ignores, returns: target.returns }));
    Ok((Route::AllShards, merge))
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

/// An UPDATE of joined tables becomes one of a single table, which knows its own columns only, and sets them from left to right. Whether its values
/// are none but such as that one can work out.
fn reads_its_own(target: &Target<'_, '_>) -> bool {
    let names = assigned(target.assignments);
    for assignment in target.assignments {
        let flow = visit_expressions(&assignment.value, |expr| {
            let name = match expr {
                Expr::Identifier(name) => ObjectName::from(vec![name.clone()]),
                Expr::CompoundIdentifier(parts) => ObjectName::from(parts.clone()),
                _ => return ControlFlow::Continue(()),
            };
            let own = targets::of_columns(target.scope, std::slice::from_ref(&name)) == Some(vec![target.item]);
            let column = last(&name);
            let set = |other: &ObjectName| last(other).eq_ignore_ascii_case(&column);
            let by_another = names.iter().any(set)
                && !matches!(&assignment.target, sqlparser::ast::AssignmentTarget::ColumnName(own) if set(own));
            if own && !by_another { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        if flow.is_break() {
            return false;
        }
    }
    true
}

/// A table of FROM, and its name.
fn factor(tables: &[TableWithJoins], item: usize, items: usize) -> Option<(&TableFactor, &ObjectName)> {
    let factors: Vec<&TableFactor> = tables
        .iter()
        .flat_map(|table| std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation)))
        .collect();
    let nested = |factor: &&TableFactor| matches!(factor, TableFactor::NestedJoin { .. });
    if factors.len() != items || factors.iter().any(nested) {
        return None;
    }
    match factors[item] {
        TableFactor::Table { name, args: None, .. } => Some((factors[item], name)),
        _ => None,
    }
}

/// The bytes of a table's name and alias.
fn place_of(text: &Text<'_>, factor: &TableFactor) -> Option<Range<usize>> {
    let TableFactor::Table { name, alias, .. } = factor else { return None };
    let parts = idents(name)?;
    let end = alias.as_ref().map_or(parts.last().copied(), |alias| Some(&alias.name));
    Some(text.start(parts.first()?)?..text.end(end?)?)
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
