//! Plans for queries: to one place, or to all shards with a merge that is exact.

use std::sync::Arc;

use sqlparser::ast::{Distinct, Expr, OrderByExpr, OrderByKind, Query, SelectItem, SetExpr, Visit};

use super::calls::{Calls, finds, folds_twice};
use super::folding::{self, By};
use super::group_order::is_constant;
use super::placement::Spread;
use super::walk::{Scope, Walk};
use super::{groups, join, row_limit, sorting, union, windows};
use crate::plan::{MergePlan, Route};
use crate::refusal::Refusal;

/// Where a query over sharded tables goes, and how its answers are merged.
pub(super) fn route<'a>(walk: &mut Walk<'a>, query: &Query, scope: &Scope<'a>) -> Result<(Route, MergePlan), Refusal> {
    let edits = walk.edits.len();
    match together(walk, query, scope) {
        Err(refusal) if join::may_help(&refusal) => {
            walk.edits.truncate(edits);
            match join::plan(walk, query, scope) {
                Ok((merge, join)) => {
                    walk.join = Some(Arc::new(join));
                    Ok((Route::AllShards, merge))
                }
                // The plainer reason.
                Err(other) if other.reason == "join-across-shards" && refusal.reason != other.reason => Err(refusal),
                Err(other) => Err(other),
            }
        }
        done => done,
    }
}

/// The same where rows that belong together lie on one shard.
fn together<'a>(walk: &mut Walk<'a>, query: &Query, scope: &Scope<'a>) -> Result<(Route, MergePlan), Refusal> {
    match walk.placements.spread() {
        Spread::Nowhere => Ok((Route::AnyShard, MergePlan::Pass)),
        Spread::Pinned(pins) => Ok((Route::Pinned(pins), MergePlan::Pass)),
        Spread::Listed(pins) => {
            let edits = walk.edits.len();
            match merge(walk, query, scope) {
                // On the one shard that all of them lead to, if they do.
                Err(refusal) if walk.placements.is_gathered() => {
                    walk.edits.truncate(edits);
                    let each = pins.each().ok_or(refusal)?;
                    Ok((Route::Pinned(each), MergePlan::Pass))
                }
                merge => Ok((Route::Listed(pins), merge?)),
            }
        }
        Spread::Everywhere => Ok((Route::AllShards, merge(walk, query, scope)?)),
        Spread::Apart(tables) => Err(apart(&tables)),
        Spread::Sealed(table) => Err(Refusal::unsupported(
            "subquery-over-shards",
            format!(
                "a derived table, CTE or UNION reads `{table}` on several shards; add a condition there that its \
                 sharding column equals one value"
            ),
        )),
    }
}

/// The refusal of tables whose rows lie on different shards.
pub(super) fn apart(tables: &[Arc<str>]) -> Refusal {
    let tables: Vec<String> = tables.iter().map(|table| format!("`{table}`")).collect();
    Refusal::unsupported(
        "join-across-shards",
        format!(
            "rows of {} that belong together may lie on different shards; join them by equality of their sharding \
             columns, or pin each by one value",
            tables.join(" and ")
        ),
    )
}

/// How answers to a query over several shards are merged.
pub(super) fn merge<'a>(walk: &mut Walk<'a>, query: &Query, scope: &Scope<'a>) -> Result<MergePlan, Refusal> {
    let over_shards = |reason, what: &str| {
        Err(Refusal::unsupported(
            reason,
            format!(
                "{what} over several shards is not supported yet; pin the statement to one shard by its sharding column"
            ),
        ))
    };
    let SetExpr::Select(select) = &*query.body else { return union::merge(walk, query, scope) };
    if !walk.joined && !groups::rows_have_shards(select, scope) {
        return Err(Refusal::unsupported(
            "reference-rows",
            "every shard would give the rows of the reference table anew; read the sharded table first, or pin it to one \
             value of its sharding column",
        ));
    }
    let mut calls = Calls::default();
    let _ = select.projection.visit(&mut calls);
    let _ = query.order_by.visit(&mut calls);
    let _ = select.having.visit(&mut calls);
    if calls.aggregate
        && (folds_twice(&select.projection) || folds_twice(&select.having) || folds_twice(&query.order_by))
    {
        return Err(Refusal::invalid("aggregate-twice", "Invalid use of group function").with_errno(1111, "HY000"));
    }
    if calls.folds_outside(scope) {
        return over_shards(
            "aggregate-expression",
            "an aggregate in a subquery that folds rows of the query around it",
        );
    }
    let windows = calls.window || !select.named_window.is_empty();
    let stay = || {
        windows::stay(walk, select, &select.projection, scope) && windows::stay(walk, select, &query.order_by, scope)
    };
    if windows && !stay() {
        return over_shards("window", "a window whose PARTITION BY does not name the sharding column,");
    }
    let order: &[OrderByExpr] = match &query.order_by {
        None => &[],
        Some(order) => match &order.kind {
            OrderByKind::Expressions(keys) => keys,
            OrderByKind::All(_) => return over_shards("order-by", "ORDER BY ALL"),
        },
    };
    let window = row_limit::window(walk, query)?;
    let grouped = groups::is_grouped(select);
    let distinct = matches!(select.distinct, Some(Distinct::Distinct | Distinct::On(_)));
    // HAVING without aggregates and GROUP BY filters rows, as WHERE does.
    let of_all = !grouped && calls.aggregate;
    if windows && of_all {
        return over_shards("window", "a window over one group of all rows");
    }
    match select.distinct {
        // One row is distinct.
        _ if of_all => return folding::plan(walk, select, scope, order, window, By::Nothing),
        Some(Distinct::On(_)) => return over_shards("distinct", "DISTINCT ON"),
        _ => {}
    }
    let scattered = grouped && !groups::groups_stay(walk, select, scope);
    let repeated = distinct && !groups::duplicates_stay(walk, select, scope);
    if windows && (scattered || repeated) {
        return over_shards("window", "a window beside DISTINCT, or beside groups that do not stay on their shards,");
    }
    if distinct && scattered {
        // Rows that differ in nothing but their groups become one.
        if calls.aggregate || select.having.is_some() || !groups::lists_keys(select) {
            return over_shards("distinct", "DISTINCT beside aggregates of groups");
        }
        return folding::plan(walk, select, scope, order, window, By::AllColumns);
    }
    if scattered {
        return folding::plan(walk, select, scope, order, window, By::Keys);
    }
    if repeated && grouped && select.projection.iter().any(averages) {
        return over_shards("distinct", "DISTINCT beside averages of groups");
    }
    if repeated {
        return folding::plan(walk, select, scope, order, window, By::AllColumns);
    }
    if scope.items.iter().any(|item| item.repeats) {
        return folding::plan(walk, select, scope, order, window, By::Rows);
    }
    if order.iter().all(|key| is_constant(&key.expr)) {
        row_limit::ask_shards(walk, &window)?;
        return Ok(MergePlan::Concat(window));
    }
    match sorting::plan(walk, select, scope, order, window.clone()) {
        // Weights, which are compared, are not what DISTINCT looks at under collations that pad.
        Err(refusal) if refusal.reason == "order-by-distinct" && !grouped => {
            folding::plan(walk, select, scope, order, window, By::AllColumns)
        }
        Err(refusal) => Err(refusal),
        Ok(merge) => row_limit::ask_shards(walk, &window).map(|()| merge),
    }
}

/// Whether a column may have more digits than it shows.
fn averages(item: &SelectItem) -> bool {
    let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else { return true };
    finds(expr, |part| match part {
        Expr::Function(function) => {
            let name = function.name.to_string().to_ascii_uppercase();
            !matches!(&*name, "COUNT" | "SUM" | "MIN" | "MAX")
        }
        _ => false,
    })
}
