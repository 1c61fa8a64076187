//! Which tables of its FROM an UPDATE or DELETE writes.

use sqlparser::ast::{Ident, ObjectName};

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
    items.iter().all(|item| scope.items[*item].sharded.is_some())
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
