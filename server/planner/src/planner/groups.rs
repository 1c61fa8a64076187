//! GROUP BY and DISTINCT over several shards: exact where no group has rows on two shards.
//!
//! A row of the answer comes from the shard of its sharding column's value. Equal values of that column lead to one shard if
//! the vindex follows the column's own equality. So rows that agree in it, and in whatever else, are all on that shard, which
//! folds them as a single MySQL does; the shards' answers have no group in common.

use sqlparser::ast::{Distinct, Expr, GroupByExpr, JoinOperator, Select, SelectItem, TableFactor, TableWithJoins};

use super::walk::{Scope, Walk};

/// Whether the block has GROUP BY.
pub(super) fn is_grouped(select: &Select) -> bool {
    !matches!(&select.group_by, GroupByExpr::Expressions(keys, modifiers) if keys.is_empty() && modifiers.is_empty())
}

/// Whether every group lies on one shard. WITH ROLLUP has groups of groups, which do not.
pub(super) fn groups_stay(walk: &Walk<'_>, select: &Select, scope: &Scope<'_>) -> bool {
    let GroupByExpr::Expressions(keys, modifiers) = &select.group_by else { return false };
    let dividers: Vec<_> = keys.iter().filter_map(|key| divider_of_key(walk, select, key, scope)).collect();
    modifiers.is_empty() && decide(walk, select, &dividers, scope)
}

/// Whether the block leaves out rows that are equal to others.
pub(super) fn is_distinct(select: &Select) -> bool {
    matches!(select.distinct, Some(Distinct::Distinct))
}

/// Whether rows that DISTINCT takes for equal lie on one shard.
pub(super) fn duplicates_stay(walk: &Walk<'_>, select: &Select, scope: &Scope<'_>) -> bool {
    is_distinct(select) && stay_together(walk, select, select.projection.iter().filter_map(expression), scope)
}

/// Whether every column of the answer is, as it is written, a key of the groups, and a column of a table.
pub(super) fn lists_keys(select: &Select) -> bool {
    let GroupByExpr::Expressions(keys, modifiers) = &select.group_by else { return false };
    let is_key = |item: &SelectItem| {
        expression(item).is_some_and(|expr| {
            matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) && keys.contains(expr)
        })
    };
    modifiers.is_empty() && select.projection.iter().all(is_key)
}

fn expression(item: &SelectItem) -> Option<&Expr> {
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    }
}

/// Whether rows with equal values of these lie on one shard.
pub(super) fn stay_together<'e>(
    walk: &Walk<'_>,
    select: &Select,
    exprs: impl Iterator<Item = &'e Expr>,
    scope: &Scope<'_>,
) -> bool {
    let dividers: Vec<_> = exprs.filter_map(|expr| walk.divider(expr, scope)).collect();
    decide(walk, select, &dividers, scope)
}

fn decide(walk: &Walk<'_>, select: &Select, dividers: &[(usize, usize)], scope: &Scope<'_>) -> bool {
    walk.decide_shard(dividers, scope, |item| never_null(select, item))
}

/// The sharding column that a key of GROUP BY is.
fn divider_of_key(walk: &Walk<'_>, select: &Select, key: &Expr, scope: &Scope<'_>) -> Option<(usize, usize)> {
    match key {
        Expr::Value(value) => {
            let position = value.value.to_string().parse::<usize>().ok().and_then(|position| position.checked_sub(1));
            let plain =
                |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
            let items = select.projection.get(..=position?).filter(|items| items.iter().all(plain))?;
            walk.divider(expression(items.last()?)?, scope)
        }
        Expr::Identifier(name) => {
            let aliased = select.projection.iter().find_map(|item| match item {
                SelectItem::ExprWithAlias { expr, alias } if alias.value.eq_ignore_ascii_case(&name.value) => {
                    Some(expr)
                }
                _ => None,
            });
            match aliased {
                None => walk.divider(key, scope),
                // A column of a table comes before an alias; either way only if it is clear which is meant.
                Some(expr) if names(expr, &name.value) => {
                    walk.divider(key, scope).filter(|divider| walk.divider(expr, scope) == Some(*divider))
                }
                Some(expr) => {
                    let lacks = |schema: &crate::schema::TableSchema| schema.column(&name.value).is_none();
                    let hides = scope.items.iter().all(|item| item.schema.is_some_and(lacks));
                    walk.divider(expr, scope).filter(|_| hides)
                }
            }
        }
        _ => walk.divider(key, scope),
    }
}

/// Whether the expression is a column of this name.
fn names(expr: &Expr, name: &str) -> bool {
    match expr {
        Expr::Identifier(ident) => ident.value.eq_ignore_ascii_case(name),
        Expr::CompoundIdentifier(parts) => parts.last().is_some_and(|ident| ident.value.eq_ignore_ascii_case(name)),
        _ => false,
    }
}

/// Whether no outer join fills the item's columns with NULL, which is the value of no shard.
pub(super) fn never_null(select: &Select, item: usize) -> bool {
    let mut nullable = Vec::new();
    for tables in &select.from {
        fill(tables, &mut nullable);
    }
    nullable.get(item) == Some(&false)
}

/// Whether each row of the block comes from the shard of a row of a sharded table. Rows that a reference table gives by itself
/// (before LEFT JOIN, or beside subqueries on sharded tables) would come from every shard.
pub(super) fn rows_have_shards(select: &Select, scope: &Scope<'_>) -> bool {
    let divided = |item: &super::walk::Item<'_>| item.sharded.is_some() || item.streams.is_some() || item.repeats;
    scope.items.iter().enumerate().any(|(index, item)| divided(item) && never_null(select, index))
}

/// Adds, for each table in order, whether an outer join may fill it with NULL.
fn fill(tables: &TableWithJoins, nullable: &mut Vec<bool>) {
    let first = nullable.len();
    let factor = |factor: &TableFactor, nullable: &mut Vec<bool>| match factor {
        TableFactor::NestedJoin { table_with_joins, .. } => fill(table_with_joins, nullable),
        _ => nullable.push(false),
    };
    factor(&tables.relation, nullable);
    for join in &tables.joins {
        let right = nullable.len();
        factor(&join.relation, nullable);
        match &join.join_operator {
            JoinOperator::Join(_)
            | JoinOperator::Inner(_)
            | JoinOperator::CrossJoin(_)
            | JoinOperator::StraightJoin(_) => {}
            JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => nullable[right..].fill(true),
            JoinOperator::Right(_) | JoinOperator::RightOuter(_) => nullable[first..right].fill(true),
            _ => nullable[first..].fill(true),
        }
    }
}
