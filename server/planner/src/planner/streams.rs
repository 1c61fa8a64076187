//! Blocks whose rows are divided over the shards as their tables' rows are: every shard gives its own, and all of them together are the
//! block's. Such a block may stand in FROM, or beside others in UNION ALL, without anybody seeing all of its rows at once.

use sqlparser::ast::{Query, Select, SetExpr, SetOperator, SetQuantifier, Visit};

use super::calls::Calls;
use super::groups;
use super::walk::{Scope, Walk};

/// Whether each row of the block comes from one row of a sharded table, with what belongs to it.
pub(super) fn select(select: &Select, scope: &Scope<'_>) -> bool {
    select.distinct.is_none() && is_plain(select, scope)
}

/// Likewise, but for rows that DISTINCT leaves out.
pub(super) fn is_plain(select: &Select, scope: &Scope<'_>) -> bool {
    !groups::is_grouped(select)
        && select.having.is_none()
        && !calls_of(select).aggregate
        && looks_at_rows(select, scope)
}

/// Whether each row of the block comes from one row of a sharded table, or from a group of them that lies on one shard.
pub(super) fn is_whole(walk: &Walk<'_>, select: &Select, scope: &Scope<'_>) -> bool {
    is_plain(select, scope) || groups::groups_stay(walk, select, scope) && looks_at_rows(select, scope)
}

/// Whether nothing looks at all rows or groups, or from the query around at those here.
fn looks_at_rows(select: &Select, scope: &Scope<'_>) -> bool {
    let calls = calls_of(select);
    select.qualify.is_none()
        && select.named_window.is_empty()
        && !calls.window
        && !calls.folds_outside(scope)
        && groups::rows_have_shards(select, scope)
}

fn calls_of(select: &Select) -> Calls {
    let mut calls = Calls::default();
    let _ = select.projection.visit(&mut calls);
    let _ = select.having.visit(&mut calls);
    calls
}

/// Whether a query in FROM, or in parentheses beside UNION ALL, adds nothing to its body that looks at all rows: its order means nothing
/// there.
pub(super) fn only_its_body(query: &Query) -> bool {
    query.with.is_none() && query.limit_clause.is_none() && query.fetch.is_none()
}

/// Whether two bodies are joined by UNION ALL.
pub(super) fn is_union_all(body: &SetExpr) -> bool {
    matches!(body, SetExpr::SetOperation { op: SetOperator::Union, set_quantifier: SetQuantifier::All, .. })
}
