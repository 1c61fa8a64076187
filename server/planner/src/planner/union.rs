//! UNION, INTERSECT and EXCEPT over several shards: each shard runs all of it over its own rows.
//!
//! Where equal rows may come from several shards, and UNION takes them once, the shards sort by all columns and the gate folds what is equal.
//! Columns are compared by their type in the answer, which is that of all branches together; for texts the statement becomes a derived table,
//! `SELECT *, WEIGHT_STRING(…) FROM (…)`, so that they are weighed under the collation that they have there.

mod keys;
mod trailing;

use std::sync::Arc;

use sqlparser::ast::{
    Expr, OrderBy, OrderByExpr, OrderByKind, OrderBySort, Query, SelectItem, SetExpr, SetOperator, SetQuantifier,
};

use self::keys::Keys;
use self::trailing::Trailing;
use super::answer::Column;
use super::group_order::is_constant;
use super::row_limit;
use super::streams::Rows;
use super::walk::{Scope, Walk};
use crate::plan::{Aggregate, Fold, Grouping, MergePlan, SortKey};
use crate::refusal::Refusal;

/// The name of the derived table.
const WRAPPED: &str = "vitrail";

/// The merge of a query that is no plain SELECT.
pub(super) fn merge<'a>(walk: &mut Walk<'a>, query: &Query, scope: &Scope<'a>) -> Result<MergePlan, Refusal> {
    if !query.locks.is_empty() {
        return Err(refuse("query-form", "locks behind UNION"));
    }
    let body = body(query)?;
    if let Some(uneven) = uneven(body) {
        return Err(uneven);
    }
    let window = row_limit::window(walk, query)?;
    let once = match (scope.rows, body) {
        (Rows::Divided, _) => false,
        (Rows::Distinct, SetExpr::SetOperation { op: SetOperator::Union, set_quantifier, .. })
            if *set_quantifier != SetQuantifier::All =>
        {
            true
        }
        (Rows::Repeated, SetExpr::SetOperation { .. }) => {
            return Err(Refusal::unsupported(
                "union-rows",
                "UNION ALL over several shards would keep rows that each of them gives: constants, rows of reference tables, and what DISTINCT \
                 and UNION leave; pin each part by one value of its sharding column",
            ));
        }
        _ => return Err(refuse("query-form", "this form of a query")),
    };
    let order = order(&query.order_by)?;
    let sorted: Vec<&OrderByExpr> = order.iter().filter(|key| !is_constant(&key.expr)).collect();
    let clauses = Trailing::of(walk.text);
    if !once && sorted.is_empty() {
        clauses.limit(walk, &window)?;
        return Ok(MergePlan::Concat(window));
    }
    let unknown = || {
        Refusal::unsupported(
            "unknown-columns",
            "UNION over several shards needs to know the columns of the answer; write them in place of `*`",
        )
    };
    let columns = scope.columns.as_ref().ok_or_else(unknown)?;
    let mut keys = Keys::of(columns);
    for key in sorted {
        let column = named(&key.expr, columns, matches!(body, SetExpr::SetOperation { .. }))?;
        keys.add(column, matches!(key.options.sort, Some(OrderBySort::Desc)))?;
    }
    if once {
        (0..columns.len()).try_for_each(|column| keys.add(column, false))?;
    }
    let Keys { added, sorted, .. } = keys;
    clauses.edit(walk, &added, &sorted)?;
    clauses.limit(walk, &window)?;
    let hidden = added.len();
    let keys: Vec<SortKey> = sorted.into_iter().map(|(_, key)| key).collect();
    Ok(if once {
        let any = Fold { aggregate: Aggregate::Any, distinct: false };
        let grouping = Grouping {
            group_keys: keys.len(),
            keys,
            whole: false,
            folds: vec![any; columns.len() + hidden],
            having: None,
            order: Vec::new(),
            hidden_columns: hidden,
        };
        MergePlan::Group { grouping: Arc::new(grouping), values: Vec::new(), window }
    } else {
        MergePlan::Sort { keys, window, hidden, columns: columns.len() + hidden }
    })
}

/// What the statement's own ORDER BY and LIMIT belong to: parentheses around it left out.
fn body(query: &Query) -> Result<&SetExpr, Refusal> {
    match &*query.body {
        SetExpr::Query(inner) => {
            if inner.order_by.is_some() || inner.limit_clause.is_some() || inner.fetch.is_some() || inner.with.is_some()
            {
                return Err(refuse("query-form", "a query in parentheses with clauses of its own"));
            }
            body(inner)
        }
        other => Ok(other),
    }
}

/// MySQL's error, if two branches list different numbers of columns.
fn uneven(body: &SetExpr) -> Option<Refusal> {
    match body {
        SetExpr::SetOperation { left, right, .. } => {
            if let Some(found) = uneven(left).or_else(|| uneven(right)) {
                return Some(found);
            }
            let (left, right) = (listed(left)?, listed(right)?);
            let message = "The used SELECT statements have a different number of columns";
            (left != right).then(|| Refusal::invalid("union-columns", message).with_errno(1222, "21000"))
        }
        SetExpr::Query(query) => uneven(&query.body),
        _ => None,
    }
}

/// How many columns a body lists; `None`: it has `*`.
fn listed(body: &SetExpr) -> Option<usize> {
    match body {
        SetExpr::Select(select) => {
            let plain =
                |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
            select.projection.iter().all(plain).then_some(select.projection.len())
        }
        SetExpr::Query(query) => listed(&query.body),
        SetExpr::SetOperation { left, .. } => listed(left),
        _ => None,
    }
}

fn order(order: &Option<OrderBy>) -> Result<&[OrderByExpr], Refusal> {
    match order.as_ref().map(|order| &order.kind) {
        None => Ok(&[]),
        Some(OrderByKind::Expressions(keys)) => Ok(keys),
        Some(OrderByKind::All(_)) => Err(refuse("order-by", "ORDER BY ALL")),
    }
}

/// The column of the answer that ORDER BY means.
fn named(expr: &Expr, columns: &[Column<'_>], united: bool) -> Result<usize, Refusal> {
    let unknown = |what: &str| {
        Refusal::invalid("order-by", format!("Unknown column '{what}' in 'order clause'")).with_errno(1054, "42S22")
    };
    match expr {
        Expr::Value(value) => {
            let position = value.value.to_string().parse::<usize>().ok();
            let index = position.and_then(|position| position.checked_sub(1)).filter(|index| *index < columns.len());
            index.ok_or_else(|| unknown(&value.value.to_string()))
        }
        Expr::Identifier(name) => {
            let same = |column: &Column<'_>| column.name.as_ref().map(|known| known.eq_ignore_ascii_case(&name.value));
            let mut found = columns.iter().enumerate().filter(|(_, column)| same(column) == Some(true));
            match (found.next(), found.next()) {
                (Some((index, _)), None) => Ok(index),
                (None, _) if columns.iter().all(|column| column.name.is_some()) => Err(unknown(&name.value)),
                _ => Err(Refusal::unsupported(
                    "union-order",
                    format!(
                        "ORDER BY `{}` behind UNION over several shards does not tell which column is meant; give each column a name \
                         of its own in the first SELECT",
                        name.value
                    ),
                )),
            }
        }
        Expr::CompoundIdentifier(parts) if united => {
            let table = parts.first().map(|table| table.value.clone()).unwrap_or_default();
            let message = format!("Table '{table}' from one of the SELECTs cannot be used in global ORDER clause");
            Err(Refusal::invalid("order-by", message).with_errno(1250, "42000"))
        }
        _ => Err(Refusal::unsupported(
            "union-order",
            "behind UNION over several shards, ORDER BY takes names and numbers of columns of the answer",
        )),
    }
}

fn refuse(reason: &'static str, what: &str) -> Refusal {
    Refusal::unsupported(
        reason,
        format!(
            "{what} over several shards is not supported yet; pin the statement to one shard by its sharding column"
        ),
    )
}
