//! Which tables of its FROM an UPDATE or DELETE writes.

use std::ops::ControlFlow;

use sqlparser::ast::{Assignment, AssignmentTarget, Expr, Ident, ObjectName, visit_expressions};

use super::names::idents;
use super::walk::Scope;

/// The items that these columns belong to, in the same order. `None`: some name could belong to another, or to none.
pub(super) fn of_columns(scope: &Scope<'_>, columns: &[ObjectName]) -> Option<Vec<usize>> {
    columns.iter().map(|column| of_column(scope, column)).collect()
}

/// The items that DELETE names. `None`: some name is not clear.
pub(super) fn of_tables(scope: &Scope<'_>, tables: &[ObjectName]) -> Option<Vec<usize>> {
    let of_table = |table: &ObjectName| {
        let parts = idents(table)?;
        // `t.*` is an old way to write `t`.
        named(scope, parts.iter().rev().find(|part| part.value != "*")?)
    };
    tables.iter().map(of_table).collect()
}

/// Whether these items are sharded tables: each of their rows is on one shard, and is written there alone.
pub(super) fn are_sharded(scope: &Scope<'_>, items: &[usize]) -> bool {
    items.iter().all(|item| scope.items[*item].sharded.is_some() && scope.items[*item].streams.is_none())
}

/// The items whose columns are read by what is set in tables before them: of a row of these, MySQL reads the old values if it finds the row once. `None`:
/// a table reads what is written before it, or it is not clear which, and MySQL's order of the join decides whether that is the old value or the new one.
pub(super) fn read_before_they_change(scope: &Scope<'_>, assignments: &[Assignment]) -> Option<Vec<usize>> {
    let written: Vec<(usize, &Ident)> = assignments
        .iter()
        .map(|assignment| match &assignment.target {
            AssignmentTarget::ColumnName(name) => Some((of_column(scope, name)?, *idents(name)?.last()?)),
            AssignmentTarget::Tuple(_) => None,
        })
        .collect::<Option<_>>()?;
    let mut read: Vec<usize> = Vec::new();
    for (assignment, (target, _)) in assignments.iter().zip(&written) {
        let flow = visit_expressions(&assignment.value, |expr| {
            let name = match expr {
                Expr::Identifier(name) => ObjectName::from(vec![name.clone()]),
                Expr::CompoundIdentifier(parts) => ObjectName::from(parts.clone()),
                _ => return ControlFlow::Continue(()),
            };
            let last = idents(&name).and_then(|parts| parts.last().map(|last| last.value.clone())).unwrap_or_default();
            if !written.iter().any(|(item, column)| item != target && column.value.eq_ignore_ascii_case(&last)) {
                return ControlFlow::Continue(());
            }
            match of_column(scope, &name) {
                Some(item) if item == *target => {}
                Some(item)
                    if !written.iter().any(|(of, column)| *of == item && column.value.eq_ignore_ascii_case(&last)) => {}
                Some(item) if item > *target => read.push(item),
                _ => return ControlFlow::Break(()),
            }
            ControlFlow::Continue(())
        });
        if flow.is_break() {
            return None;
        }
    }
    Some(read)
}

fn of_column(scope: &Scope<'_>, column: &ObjectName) -> Option<usize> {
    match idents(column)?.as_slice() {
        [.., table, _] => named(scope, table),
        [_] if scope.items.len() == 1 => Some(0),
        [name] => {
            let has =
                |item: &usize| scope.items[*item].schema.is_none_or(|schema| schema.column(&name.value).is_some());
            only((0..scope.items.len()).filter(has))
        }
        [] => None,
    }
}

fn named(scope: &Scope<'_>, table: &Ident) -> Option<usize> {
    only((0..scope.items.len()).filter(|item| scope.items[*item].alias.eq_ignore_ascii_case(&table.value)))
}

fn only(mut found: impl Iterator<Item = usize>) -> Option<usize> {
    found.next().filter(|_| found.next().is_none())
}
