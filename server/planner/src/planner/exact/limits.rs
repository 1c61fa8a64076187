//! LIMIT of a block that reads one table, row by row: no more rows of the table are needed than it lets through.

use std::fmt::Write;

use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, LimitClause, OrderByExpr, OrderByKind, OrderBySort, Query, Select, SelectItem, Visit,
};
use vitrail_proto::value::Value;

use super::blocks::{Block, column};
use super::survey::Survey;
use crate::plan::{Source, quote};
use crate::planner::calls::{Calls, finds};
use crate::planner::facts::conjuncts;

/// Notes that only the first rows of the block's table are needed, if that is so.
pub(super) fn note(survey: &mut Survey<'_>, query: &Query, select: &Select, block: &Block) {
    let [item] = block.items.as_slice() else { return };
    let Some(reference) = item.reference else { return };
    if let Some(text) = first_rows(survey, query, select, block, reference) {
        survey.references[reference].first = Some(text.into());
    }
}

/// ORDER BY and LIMIT for the table.
fn first_rows(survey: &Survey<'_>, query: &Query, select: &Select, block: &Block, reference: usize) -> Option<String> {
    let (limit, offset) = match query.limit_clause.as_ref()? {
        LimitClause::LimitOffset { limit, offset, limit_by } if limit_by.is_empty() => {
            (limit.as_ref()?, offset.as_ref().map(|offset| &offset.value))
        }
        LimitClause::OffsetCommaLimit { offset, limit } => (limit, Some(offset)),
        LimitClause::LimitOffset { .. } => return None,
    };
    // All that filters rows does so where they are read.
    let asked = select.selection.as_ref().map_or(0, |condition| conjuncts(condition).len());
    let known = &survey.references[reference];
    let filtered = known.conditions.len() == asked && known.equalities.is_empty() && !survey.text.loose_operators;
    if !filtered || folds(query, select) || known.lock.is_some() {
        return None;
    }
    let mut text = String::new();
    let keys: &[OrderByExpr] = match &query.order_by {
        None => &[],
        Some(order) => match &order.kind {
            OrderByKind::Expressions(keys) => keys,
            OrderByKind::All(_) => return None,
        },
    };
    for (number, key) in keys.iter().enumerate() {
        let found = column(&key.expr, std::slice::from_ref(block), &survey.references)?;
        if key.options.nulls_first.is_some() || is_alias(&key.expr, select) {
            return None;
        }
        let direction = if matches!(key.options.sort, Some(OrderBySort::Desc)) { " DESC" } else { "" };
        let before = if number == 0 { " ORDER BY " } else { ", " };
        let _ = write!(text, "{before}{}{direction}", quote(&found.column.name));
    }
    let number = |expr: &Expr| match survey.text.value(expr)?.0 {
        Source::Constant(Value::Int(number)) => u64::try_from(number).ok(),
        _ => None,
    };
    match (survey.text.value(limit)?.0, offset) {
        (Source::Bind(name), None) if !name.starts_with('@') && !name.contains('(') => {
            let _ = write!(text, " LIMIT :{name}");
        }
        _ => {
            let rows = number(limit)?.checked_add(offset.map_or(Some(0), number)?)?;
            let _ = write!(text, " LIMIT {rows}");
        }
    }
    Some(text)
}

/// Whether rows of the answer are made of several, or of others.
fn folds(query: &Query, select: &Select) -> bool {
    let mut calls = Calls::default();
    let _ = select.projection.visit(&mut calls);
    let _ = query.order_by.visit(&mut calls);
    let nested = |expr: &Expr| matches!(expr, Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. });
    let counts = select.select_modifiers.is_some();
    calls.aggregate
        || calls.window
        || counts
        || finds(&select.projection, nested)
        || select.having.is_some()
        || matches!(select.distinct, Some(Distinct::Distinct | Distinct::On(_)))
        || !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty())
}

/// Whether a name is that of a column of the list, which MySQL looks at first.
fn is_alias(expr: &Expr, select: &Select) -> bool {
    let Expr::Identifier(name) = expr else { return !matches!(expr, Expr::CompoundIdentifier(_)) };
    select.projection.iter().any(
        |item| matches!(item, SelectItem::ExprWithAlias { alias, .. } if alias.value.eq_ignore_ascii_case(&name.value)),
    )
}
