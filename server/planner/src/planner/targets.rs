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

/// Whether a value may read a column that the statement writes in another table. MySQL decides by the order of its join whether that is the old
/// value or the new one, and shards with other rows choose other orders.
pub(super) fn read_what_they_write(scope: &Scope<'_>, assignments: &[Assignment]) -> bool {
    let written: Option<Vec<(usize, &Ident)>> = assignments
        .iter()
        .map(|assignment| match &assignment.target {
            AssignmentTarget::ColumnName(name) => Some((of_column(scope, name)?, *idents(name)?.last()?)),
            AssignmentTarget::Tuple(_) => None,
        })
        .collect();
    let Some(written) = written else { return true };
    assignments.iter().zip(&written).any(|(assignment, (target, _))| {
        visit_expressions(&assignment.value, |expr| {
            let name = match expr {
                Expr::Identifier(name) => name,
                Expr::CompoundIdentifier(parts) => match parts.last() {
                    Some(name) => name,
                    None => return ControlFlow::Continue(()),
                },
                _ => return ControlFlow::Continue(()),
            };
            let elsewhere =
                |(item, column): &(usize, &Ident)| item != target && column.value.eq_ignore_ascii_case(&name.value);
            if written.iter().any(elsewhere) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .is_break()
    })
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
