//! Which tables an expression speaks of, and what it can be when one of them has no row.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, UnaryOperator, visit_expressions,
};

use crate::planner::aggregate;
use crate::planner::calls::contains_query;
use crate::planner::functions::is_bare_call;
use crate::planner::walk::Scope;

/// The items whose columns an expression names. Of a subquery's names, all that might be columns of the block around it. `None`: a name is
/// not known, or ambiguous.
pub(super) fn items(expr: &Expr, scope: &Scope<'_>) -> Option<BTreeSet<usize>> {
    let subquery = contains_query(expr);
    let mut found = BTreeSet::new();
    let mut unknown = false;
    let _ = visit_expressions(expr, |part| {
        let named = match part {
            Expr::Identifier(name) if is_variable(name) => return ControlFlow::Continue(()),
            Expr::Identifier(name) => of_column(&name.value, scope),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, _] | [_, table, _] => of_alias(&table.value, scope),
                _ => Vec::new(),
            },
            _ => return ControlFlow::<()>::Continue(()),
        };
        unknown |= named.len() != 1 && !subquery;
        found.extend(named);
        ControlFlow::Continue(())
    });
    (!unknown).then_some(found)
}

fn is_variable(name: &Ident) -> bool {
    name.quote_style.is_none() && (name.value.starts_with('@') || is_bare_call(&name.value))
}

fn of_column(name: &str, scope: &Scope<'_>) -> Vec<usize> {
    let has = |index: &usize| scope.items[*index].schema.is_none_or(|schema| schema.column(name).is_some());
    (0..scope.items.len()).filter(has).collect()
}

fn of_alias(alias: &str, scope: &Scope<'_>) -> Vec<usize> {
    (0..scope.items.len()).filter(|index| scope.items[*index].alias.eq_ignore_ascii_case(alias)).collect()
}

/// Whether a condition is not true where all columns of the item are NULL.
pub(super) fn rejects_null(condition: &Expr, item: usize, scope: &Scope<'_>) -> bool {
    use BinaryOperator::{And, Eq, Gt, GtEq, Lt, LtEq, NotEq, Or};
    let rejects = |part: &Expr| rejects_null(part, item, scope);
    let strict = |part: &Expr| is_strict(part, item, scope);
    match condition {
        Expr::Nested(inner) => rejects(inner),
        Expr::BinaryOp { left, op: And, right } => rejects(left) || rejects(right),
        Expr::BinaryOp { left, op: Or, right } => rejects(left) && rejects(right),
        Expr::BinaryOp { left, op: Eq | NotEq | Lt | LtEq | Gt | GtEq, right } => strict(left) || strict(right),
        Expr::IsNotNull(of) => strict(of),
        Expr::InList { expr, .. } | Expr::Between { expr, .. } | Expr::Like { expr, .. } => strict(expr),
        _ => false,
    }
}

/// Functions that are NULL if any argument is.
const STRICT: [&str; 22] = [
    "weight_string",
    "upper",
    "ucase",
    "lower",
    "lcase",
    "length",
    "char_length",
    "trim",
    "ltrim",
    "rtrim",
    "left",
    "right",
    "reverse",
    "concat",
    "abs",
    "round",
    "floor",
    "ceil",
    "ceiling",
    "year",
    "month",
    "date",
];

/// Whether an expression of one row, or an aggregate's argument, is NULL where all columns of these items are.
pub(super) fn is_null_without(expr: &Expr, of: &BTreeSet<usize>, scope: &Scope<'_>) -> bool {
    use BinaryOperator::{Divide, Eq, Gt, GtEq, Lt, LtEq, Minus, Multiply, NotEq, Plus};
    let null = |part: &Expr| is_null_without(part, of, scope);
    match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => {
            items(expr, scope).is_some_and(|items| !items.is_empty() && items.is_subset(of))
        }
        Expr::Nested(inner)
        | Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner }
        | Expr::Cast { expr: inner, .. } => null(inner),
        Expr::Substring { expr, .. } | Expr::Trim { expr, .. } => null(expr),
        Expr::BinaryOp { left, op: Plus | Minus | Multiply | Divide | Eq | NotEq | Lt | LtEq | Gt | GtEq, right } => {
            null(left) || null(right)
        }
        Expr::Function(function) => {
            let name = function.name.to_string().to_ascii_lowercase();
            let FunctionArguments::List(list) = &function.args else { return false };
            let first = match list.args.as_slice() {
                [FunctionArg::Unnamed(FunctionArgExpr::Expr(first)), ..] => first,
                _ => return false,
            };
            let strict = STRICT.contains(&name.as_str()) || (aggregate::is_one(function) && list.args.len() == 1);
            strict && null(first)
        }
        _ => false,
    }
}

/// Whether an expression is NULL where all columns of the item are.
fn is_strict(expr: &Expr, item: usize, scope: &Scope<'_>) -> bool {
    use BinaryOperator::{Minus, Multiply, Plus};
    let strict = |part: &Expr| is_strict(part, item, scope);
    match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => {
            items(expr, scope).is_some_and(|items| items == [item].into())
        }
        Expr::Nested(inner) | Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } => strict(inner),
        Expr::BinaryOp { left, op: Plus | Minus | Multiply, right } => strict(left) || strict(right),
        _ => false,
    }
}
