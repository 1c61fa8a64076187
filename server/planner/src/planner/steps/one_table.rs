//! What is written of one table, by the keys of its rows.

use std::ops::{ControlFlow, Range};

use sqlparser::ast::{
    Assignment, AssignmentTarget, Expr, ObjectName, OrderByExpr, TableFactor, TableWithJoins, visit_expressions,
};

use super::super::calls::contains_query;
use super::super::clauses::{Clause, Clauses};
use super::super::names::idents;
use super::super::order::quoted;
use super::super::targets;
use super::super::text::Text;
use super::super::walk::Walk;
use super::super::write::{assigned, last, replicated};
use super::{Target, assigned as values, keys, phrase, refuse};
use crate::plan::{KeyedPlan, Part};
use crate::refusal::Refusal;
use crate::schema::{ColumnSchema, TableSchema};

/// A table that is written.
pub(super) struct OneTable {
    pub(super) plan: KeyedPlan,
    /// What is read of each of its rows: the key, and what the row is set to.
    pub(super) read: Vec<Vec<Part>>,
    /// What stands behind the list of RETURNING.
    pub(super) hidden: String,
}

/// Plans what is written of the item `number` of the scope.
pub(super) fn one_table(
    walk: &Walk<'_>,
    target: &Target<'_, '_>,
    clauses: &Clauses,
    number: usize,
) -> Result<OneTable, Refusal> {
    let text = walk.text;
    let (scope, item) = (target.scope, &target.scope.items[number]);
    let joined = scope.items.len() > 1;
    let updates = !target.assignments.is_empty();
    let (factor, name) = factor(target.tables, number, scope.items.len())
        .ok_or_else(|| refuse("joins in parentheses and other forms of tables"))?;
    let several = target.items.len() > 1;
    let is_own = |assignment: &&Assignment| !several || of_item(target, assignment) == Some(number);
    let assignments: Vec<&Assignment> = target.assignments.iter().filter(is_own).collect();
    let asks = (joined || !target.together) && assignments.iter().any(|assignment| contains_query(&assignment.value));
    let table = last(name);
    let key = keys::choose(item, &table)?;
    let moving = keys::moving(walk, item, &table, &key, &assignments)?;
    if target.twice && key.is_set(&assignments) {
        return Err(refuse("columns of a key that are set by one of several names of a table"));
    }
    let moved: Vec<&str> =
        moving.iter().flat_map(|moving| &moving.read).map(|place| &*key.columns[*place].name).collect();
    let foreign = several || joined && updates && !reads_its_own(target, number, &assignments);
    let worked_out = match updates && (asks || !moved.is_empty() || foreign) {
        true => {
            Some(values::assigned(text, clauses, (target.assignments, &assignments), (scope, item), joined, &moved)?)
        }
        false => None,
    };
    if walk.context.scratch.is_some_and(|scratch| !scratch.reopens) {
        assignments.iter().try_for_each(|assignment| values::read_and_written(&assignment.value, &table))?;
        if let Some(condition) = target.condition {
            values::read_and_written(condition, &table)?;
        }
    }
    if item.sharded.is_none() {
        replicated(walk)?;
    }
    let named = if updates || !joined { &item.alias } else { &table };
    let names = keys::names(named, &key.columns);
    let bytes = |range: Range<usize>| text.tokens[range.start].start..text.tokens[range.end - 1].end;
    let slice = |bytes: Range<usize>| Part::Slice(text.anchor(bytes.start), text.anchor(bytes.end));
    let order = clauses.get(Clause::OrderBy).map(|range| slice(bytes(range)));
    let place = || place_of(text, factor).ok_or_else(|| refuse("a table whose place in the text is not known"));
    let verb = if updates { "UPDATE" } else { "DELETE" };
    let ignore = if text.ignores() { " IGNORE" } else { "" };
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
    let mut added = String::new();
    if let Some(returning) = clauses.get(Clause::Returning) {
        after.extend([phrase(" "), slice(bytes(returning))]);
        let hidden = |column: &&ColumnSchema| format!(", {}", quoted(&(named.clone(), column.name.clone())));
        if ordered {
            added = key.columns.iter().map(hidden).collect();
        }
        after.push(phrase(&added));
    }
    let of_key = |column: &&ColumnSchema| vec![phrase(&quoted(&(item.alias.clone(), column.name.clone())))];
    let mut read: Vec<Vec<Part>> = key.columns.iter().map(of_key).collect();
    read.extend(worked_out.iter().flat_map(|assigned| assigned.read.iter().cloned()));
    let (home, alone) = (key.home(), key.is_alone(item));
    let in_order = updates && !joined && item.schema.is_some_and(|schema| in_order(target.order_by, schema));
    let plan = KeyedPlan {
        before,
        after,
        names: names.into(),
        columns: key.columns.into_iter().cloned().collect(),
        assigned: worked_out.map(|assigned| assigned.columns).unwrap_or_default(),
        home,
        repeats: joined,
        once: target.read.contains(&number),
        updates,
        judged,
        moving,
        alone,
        in_order,
        ordered,
    };
    Ok(OneTable { plan, read, hidden: added })
}

/// Whether ORDER BY tells the place of each row: it names all columns of a unique key without NULL.
pub(super) fn in_order(order_by: &[OrderByExpr], schema: &TableSchema) -> bool {
    let named = |expr: &OrderByExpr| match &expr.expr {
        Expr::Identifier(name) => Some(name.value.clone()),
        Expr::CompoundIdentifier(parts) => parts.last().map(|name| name.value.clone()),
        _ => None,
    };
    let names: Vec<String> = order_by.iter().filter_map(named).collect();
    let is_named = |column: &String| {
        let never_null = schema.column(column).is_some_and(|column| !column.nullable);
        never_null && names.iter().any(|name| name.eq_ignore_ascii_case(column))
    };
    schema.unique_keys.iter().any(|key| key.iter().all(is_named))
}

/// The item whose column it sets.
fn of_item(target: &Target<'_, '_>, assignment: &Assignment) -> Option<usize> {
    let AssignmentTarget::ColumnName(name) = &assignment.target else { return None };
    targets::of_columns(target.scope, std::slice::from_ref(name))?.first().copied()
}

/// An UPDATE of joined tables becomes one of a single table, which knows its own columns only, and sets them from left to right. Whether its values
/// are none but such as that one can work out.
fn reads_its_own(target: &Target<'_, '_>, item: usize, assignments: &[&Assignment]) -> bool {
    let names = assigned(target.assignments);
    for assignment in assignments {
        let flow = visit_expressions(&assignment.value, |expr| {
            let name = match expr {
                Expr::Identifier(name) => ObjectName::from(vec![name.clone()]),
                Expr::CompoundIdentifier(parts) => ObjectName::from(parts.clone()),
                _ => return ControlFlow::Continue(()),
            };
            let own = targets::of_columns(target.scope, std::slice::from_ref(&name)) == Some(vec![item]);
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
pub(in super::super) fn factor(
    tables: &[TableWithJoins],
    item: usize,
    items: usize,
) -> Option<(&TableFactor, &ObjectName)> {
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
