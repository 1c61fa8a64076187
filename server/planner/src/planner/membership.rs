//! `x IN (SELECT y FROM …)`: only rows of the subquery where y equals x matter, so that it goes where x leads, if both are sharding columns.
//!
//! IN is not only TRUE or not: it is NULL, and not FALSE, beside a NULL among the y, and the row's answer would depend on other shards. So both
//! come from tables that no outer join fills with NULL; a sharding column itself is never NULL.

use sqlparser::ast::{Expr, Query, Select, SelectItem, SetExpr};

use super::facts::comparable;
use super::streams;
use super::walk::{Scope, Walk};

impl<'a> Walk<'a> {
    /// Ties the tables of a subquery, seen from inside as `inner`, to those of the blocks around it.
    pub(super) fn is_member(&mut self, expr: &Expr, subquery: &Query, inner: &Scope<'a>, around: &[Scope<'a>]) {
        let Some(select) = plain(subquery) else { return };
        let Some((scope, outer)) = around.split_first() else { return };
        if self.text.loose_operators
            || scope.outer_joins
            || inner.outer_joins
            || !streams::is_whole(self, select, inner)
        {
            return;
        }
        let left: Vec<&Expr> = match expr {
            Expr::Tuple(parts) => parts.iter().collect(),
            Expr::Nested(inner) => vec![inner],
            other => vec![other],
        };
        let right: Vec<Option<&Expr>> = select.projection.iter().map(expression).collect();
        if left.len() != right.len() {
            return;
        }
        for (left, right) in left.into_iter().zip(right) {
            let columns = (self.column(left, scope, outer), right.and_then(|right| self.column(right, inner, &[])));
            let (Some(leader), Some(follower)) = columns else { continue };
            let led_here = self.within(self.placements.root(follower.member), inner, &(0..inner.items.len()));
            if leader.depth == 0 && led_here && comparable(&leader, &follower) {
                self.placements.attach(follower.member, leader.member, follower.number);
            }
        }
    }
}

/// The SELECT that a subquery is.
fn plain(query: &Query) -> Option<&Select> {
    match &*query.body {
        SetExpr::Select(select) if query.limit_clause.is_none() && query.fetch.is_none() => Some(select),
        _ => None,
    }
}

fn expression(item: &SelectItem) -> Option<&Expr> {
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    }
}
