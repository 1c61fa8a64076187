//! Whether a statement goes to one row by a unique key, so that tablets can let those who want the same row wait in line.
//!
//! This is no proof that anything depends on: of two statements that name one row in two ways, neither waits for the other in
//! the line, and both do in MySQL.

use std::collections::HashMap;
use std::sync::Arc;

use sqlparser::ast::{
    BinaryOperator, Expr, FromTable, LockType, Query, SetExpr, Statement, TableFactor, TableWithJoins,
};

use super::facts::conjuncts;
use super::names::idents;
use super::walk::Walk;
use crate::plan::{RowColumn, RowTemplate, Source};
use crate::schema::ColumnClass;

/// The row that an UPDATE, a DELETE or a SELECT … FOR UPDATE of one table goes to: its condition gives every column of a unique key a
/// value.
pub(super) fn find(walk: &Walk<'_>, statement: &Statement) -> Option<RowTemplate> {
    let (table, condition) = match statement {
        Statement::Update(update) => (&update.table, update.selection.as_ref()?),
        Statement::Delete(delete) => {
            let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
            match (from.as_slice(), &delete.using, delete.tables.as_slice()) {
                ([table], None, []) => (table, delete.selection.as_ref()?),
                _ => return None,
            }
        }
        Statement::Query(query) => locked(query)?,
        _ => return None,
    };
    let TableFactor::Table { name, args: None, .. } = &table.relation else { return None };
    if !table.joins.is_empty() || walk.text.loose_operators || walk.system {
        return None;
    }
    let table = &idents(name)?.last()?.value;
    let schema = walk.schema(&walk.keyspace.get()?.name, table)?;
    let mut values: HashMap<String, Source> = HashMap::new();
    for part in conjuncts(condition) {
        let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = part else { continue };
        let (column, value) = match (column(left), column(right)) {
            (Some(column), None) => (column, right),
            (None, Some(column)) => (column, left),
            _ => continue,
        };
        if let Some((source, _)) = walk.text.value(value) {
            values.entry(column.to_ascii_lowercase()).or_insert(source);
        }
    }
    schema.unique_keys.iter().enumerate().find_map(|(number, key)| {
        let columns = key.iter().map(|name| {
            let source = values.get(&name.to_ascii_lowercase())?.clone();
            Some(RowColumn { source, integer: schema.column(name)?.class == ColumnClass::Integer })
        });
        let columns = columns.collect::<Option<Vec<_>>>().filter(|columns| !columns.is_empty())?;
        Some(RowTemplate { table: Arc::from(table.as_str()), key: number, columns })
    })
}

/// The one table and the condition of a SELECT … FOR UPDATE that waits for locks.
fn locked(query: &Query) -> Option<(&TableWithJoins, &Expr)> {
    let [lock] = query.locks.as_slice() else { return None };
    if lock.lock_type != LockType::Update || lock.nonblock.is_some() || query.with.is_some() {
        return None;
    }
    match &*query.body {
        SetExpr::Select(select) => match select.from.as_slice() {
            [table] => Some((table, select.selection.as_ref()?)),
            _ => None,
        },
        _ => None,
    }
}

/// A column of the only table.
fn column(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Nested(inner) => column(inner),
        Expr::Identifier(name) => Some(&name.value),
        Expr::CompoundIdentifier(parts) => parts.last().map(|name| name.value.as_str()),
        _ => None,
    }
}
