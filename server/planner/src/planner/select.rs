//! Plans for queries: to one place, or to all shards with a merge that is exact.

use std::sync::Arc;

use sqlparser::ast::{Distinct, Expr, Function, LimitClause, OrderByExpr, OrderByKind, Query, SetExpr, Visit, Visitor};

use super::functions::{self, Nature};
use super::placement::Spread;
use super::walk::{Scope, Walk};
use super::{aggregate, groups, order};
use crate::plan::{Edit, MergePlan, Replacement, Route, WindowPlan};
use crate::refusal::Refusal;

/// Where a query over sharded tables goes, and how its answers are merged.
pub(super) fn route(walk: &mut Walk<'_>, query: &Query, scope: &Scope<'_>) -> Result<(Route, MergePlan), Refusal> {
    match walk.placements.spread() {
        Spread::Nowhere => Ok((Route::AnyShard, MergePlan::Pass)),
        Spread::Pinned(pins) => Ok((Route::Pinned(pins), MergePlan::Pass)),
        Spread::Listed(pin) => Ok((Route::Listed(pin), merge(walk, query, scope)?)),
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

fn merge(walk: &mut Walk<'_>, query: &Query, scope: &Scope<'_>) -> Result<MergePlan, Refusal> {
    let over_shards = |reason, what: &str| {
        Err(Refusal::unsupported(
            reason,
            format!(
                "{what} over several shards is not supported yet; pin the statement to one shard by its sharding column"
            ),
        ))
    };
    let SetExpr::Select(select) = &*query.body else { return over_shards("query-form", "this form of a query") };
    if !groups::rows_have_shards(select, scope) {
        return Err(Refusal::unsupported(
            "reference-rows",
            "every shard would give the rows of the reference table anew; read the sharded table first, or pin it to one \
             value of its sharding column",
        ));
    }
    let grouped = groups::is_grouped(select);
    let distinct = matches!(select.distinct, Some(Distinct::Distinct | Distinct::On(_)));
    if distinct && !groups::duplicates_stay(walk, select, scope) {
        return over_shards("distinct", "DISTINCT without the sharding column");
    }
    if grouped && !groups::groups_stay(walk, select, scope) {
        return over_shards("group-by", "GROUP BY without the sharding column");
    }
    if select.having.is_some() && !grouped {
        return over_shards("having", "HAVING without GROUP BY");
    }
    let mut calls = Calls::default();
    let _ = select.projection.visit(&mut calls);
    let _ = query.order_by.visit(&mut calls);
    if calls.window || !select.named_window.is_empty() {
        return over_shards("window", "a window function");
    }
    let order: &[OrderByExpr] = match &query.order_by {
        None => &[],
        Some(order) => match &order.kind {
            OrderByKind::Expressions(keys) => keys,
            OrderByKind::All(_) => return over_shards("order-by", "ORDER BY ALL"),
        },
    };
    let window = window(walk, query)?;
    if calls.aggregate && !grouped {
        return aggregate::fold_all(walk, select, scope, window);
    }
    if order.is_empty() {
        return Ok(MergePlan::Concat(window));
    }
    order::sort(walk, select, scope, order, window)
}

/// LIMIT and OFFSET of the whole; each shard is asked for their sum.
fn window(walk: &mut Walk<'_>, query: &Query) -> Result<WindowPlan, Refusal> {
    let (limit, offset) = match &query.limit_clause {
        None => return Ok(WindowPlan::default()),
        Some(LimitClause::LimitOffset { limit, offset, .. }) => {
            (limit.as_ref(), offset.as_ref().map(|offset| &offset.value))
        }
        Some(LimitClause::OffsetCommaLimit { offset, limit }) => (Some(limit), Some(offset)),
    };
    let mut source = |expr: &Expr| match walk.text.value(expr) {
        Some((source, _)) => Ok(source),
        None => Err(Refusal::invalid("limit", "LIMIT takes numbers and bind variables")),
    };
    let window =
        WindowPlan { limit: limit.map(&mut source).transpose()?, offset: offset.map(&mut source).transpose()? };
    if offset.is_some() {
        // From the first number to behind the second: `20, 10` and `10 OFFSET 20` become `30`.
        let tokens = &walk.text.tokens;
        let mut depth = 0;
        let mut found = None;
        for (index, token) in tokens.iter().enumerate() {
            depth += walk.text.nesting(token);
            if depth == 0 && walk.text.is_word(token, "LIMIT") {
                found = Some(index);
            }
        }
        let numbers = found.and_then(|index| Some((tokens.get(index + 1)?, tokens.get(index + 3)?)));
        let Some((first, last)) = numbers else {
            return Err(Refusal::invalid("limit", "LIMIT is not where it is expected"));
        };
        walk.edits.push(Edit {
            start: walk.text.anchor(first.start),
            end: walk.text.anchor(last.end),
            replacement: Replacement::WindowEnd,
            scatter_only: true,
        });
    }
    Ok(window)
}

/// Aggregates and windows of a block itself, not of its subqueries.
#[derive(Default)]
struct Calls {
    depth: usize,
    aggregate: bool,
    window: bool,
}

impl Calls {
    fn see(&mut self, function: &Function) {
        let name = function.name.to_string();
        match functions::nature(&name) {
            _ if function.over.is_some() => self.window = true,
            Nature::Window => self.window = true,
            Nature::Aggregate => self.aggregate = true,
            _ => {}
        }
    }
}

impl Visitor for Calls {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> std::ops::ControlFlow<()> {
        self.depth += 1;
        std::ops::ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> std::ops::ControlFlow<()> {
        self.depth -= 1;
        std::ops::ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> std::ops::ControlFlow<()> {
        if self.depth == 0
            && let Expr::Function(function) = expr
        {
            self.see(function);
        }
        std::ops::ControlFlow::Continue(())
    }
}
