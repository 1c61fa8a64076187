//! Plain columns of a block's tables, and their classes.

use sqlparser::ast::Expr;

use super::walk::Scope;
use crate::schema::ColumnClass;

/// The table's alias and the column's own name, if the expression is a plain column of a table with a known schema.
pub(super) fn plain(expr: &Expr, scope: &Scope<'_>) -> Option<(String, String)> {
    let (table, name) = match expr {
        Expr::Identifier(name) => (None, name),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [table, name] | [_, table, name] => (Some(&table.value), name),
            _ => return None,
        },
        _ => return None,
    };
    let items = scope.items.iter().filter(|item| table.is_none_or(|table| *table == item.alias));
    let mut found = items.filter_map(|item| Some((&item.alias, item.schema?.column(&name.value)?)));
    match (found.next(), found.next()) {
        (Some((alias, column)), None) => Some((alias.clone(), column.name.clone())),
        _ => None,
    }
}

/// The class of a plain column.
pub(super) fn class(expr: &Expr, scope: &Scope<'_>) -> Option<ColumnClass> {
    let (table, name) = plain(expr, scope)?;
    let item = scope.items.iter().find(|item| item.alias == table)?;
    Some(item.schema?.column(&name)?.class.clone())
}
