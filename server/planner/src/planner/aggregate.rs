//! Aggregates over several shards: one row from each, folded into one row.

use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Select, SelectItem, UnaryOperator,
    Value as SqlValue,
};

use super::columns::class;
use super::groups;
use super::walk::{Scope, Walk};
use crate::plan::{Aggregate, MergePlan, WindowPlan};
use crate::refusal::Refusal;
use crate::schema::ColumnClass;

/// The merge of a select list of aggregates without GROUP BY. There is one row, so ORDER BY changes nothing, and neither does
/// LIMIT from 1 on: LIMIT 0 is refused once its value is known, for then there is no row.
pub(super) fn fold_all(
    walk: &Walk<'_>,
    select: &Select,
    scope: &Scope<'_>,
    window: WindowPlan,
) -> Result<MergePlan, Refusal> {
    if window.offset.is_some() {
        return Err(refuse_window());
    }
    let folds = select.projection.iter().map(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => fold(walk, select, expr, scope),
        _ => Err(mixed()),
    });
    Ok(MergePlan::Aggregate { folds: folds.collect::<Result<_, _>>()?, window })
}

/// What the answers of an aggregate are, of whatever block: numbers that compare by their own type.
pub(super) fn result_class(walk: &Walk<'_>, expr: &Expr, scope: &Scope<'_>) -> Option<ColumnClass> {
    let Expr::Function(function) = expr else { return None };
    let exact = |class| match class {
        ColumnClass::Integer | ColumnClass::Decimal => Some(ColumnClass::Decimal),
        _ => None,
    };
    match &*function.name.to_string().to_ascii_uppercase() {
        _ if function.over.is_some() => None,
        "COUNT" => Some(ColumnClass::Integer),
        "SUM" | "AVG" => exact(number(walk, single_argument(function)?, scope)?),
        "MIN" | "MAX" => class(single_argument(function)?, scope)
            .filter(|class| !matches!(class, ColumnClass::Text(_) | ColumnClass::Other)),
        _ => None,
    }
}

fn mixed() -> Refusal {
    Refusal::unsupported(
        "aggregate-expression",
        "over several shards a select list with aggregates may hold only COUNT, SUM, MIN and MAX by themselves",
    )
}

fn fold(walk: &Walk<'_>, select: &Select, expr: &Expr, scope: &Scope<'_>) -> Result<Aggregate, Refusal> {
    let Expr::Function(function) = expr else { return Err(mixed()) };
    let FunctionArguments::List(list) = &function.args else { return Err(mixed()) };
    let name = function.name.to_string().to_ascii_uppercase();
    // Equal values of the sharding column lie on one shard, so no value is counted on two.
    let counted_once = || {
        let argument = |arg: &FunctionArg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => groups::stays_together(walk, select, expr, scope),
            _ => false,
        };
        list.args.iter().any(argument)
    };
    if list.duplicate_treatment.is_some() && matches!(&*name, "COUNT" | "SUM") && !counted_once() {
        return Err(Refusal::unsupported(
            "aggregate-distinct",
            format!("{name}(DISTINCT) over several shards is not supported yet; pin the statement to one shard"),
        ));
    }
    let argument = match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))] => Some(expr),
        [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] => None,
        // COUNT(DISTINCT a, b)
        [_, _, ..] if name == "COUNT" && list.duplicate_treatment.is_some() => None,
        _ => return Err(mixed()),
    };
    let class = argument.and_then(|expr| class(expr, scope));
    let unproven = |what: &str| {
        Err(Refusal::unsupported(
            "aggregate-type",
            format!("{name} over several shards takes {what}, and its argument is not proved to be such"),
        ))
    };
    match &*name {
        "COUNT" => Ok(Aggregate::Count),
        "SUM" => match argument.and_then(|expr| number(walk, expr, scope)) {
            Some(ColumnClass::Integer | ColumnClass::Decimal) => Ok(Aggregate::Sum),
            _ => unproven("integers or decimals"),
        },
        "MIN" | "MAX" => match class {
            Some(ColumnClass::Text(_) | ColumnClass::Other) | None => {
                unproven("a column of numbers, dates, times or binary strings")
            }
            Some(_) if name == "MIN" => Ok(Aggregate::Min),
            Some(_) => Ok(Aggregate::Max),
        },
        _ => Err(mixed()),
    }
}

fn refuse_window() -> Refusal {
    Refusal::unsupported(
        "aggregate-window",
        "an aggregate over several shards gives one row; leave out OFFSET and LIMIT 0",
    )
}

fn single_argument(function: &Function) -> Option<&Expr> {
    let FunctionArguments::List(list) = &function.args else { return None };
    match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))] => Some(expr),
        _ => None,
    }
}

/// Whether an expression is proved to be an integer or an exact decimal, whose sum does not depend on the order of adding.
/// Division and products of two decimals may be rounded later than they are shown, so they prove nothing.
fn number(walk: &Walk<'_>, expr: &Expr, scope: &Scope<'_>) -> Option<ColumnClass> {
    use ColumnClass::{Decimal, Integer};
    let number = |expr: &Expr| number(walk, expr, scope);
    let wider = |a: ColumnClass, b: ColumnClass| if a == Integer && b == Integer { Integer } else { Decimal };
    match expr {
        // Then the tree does not show what binds to what.
        _ if walk.text.loose_operators => class(expr, scope),
        Expr::Nested(inner) => number(inner),
        Expr::Value(value) => match &value.value {
            SqlValue::Number(text, _) if text.bytes().all(|byte| byte.is_ascii_digit()) => Some(Integer),
            SqlValue::Number(text, _) if !text.contains(['e', 'E']) => Some(Decimal),
            SqlValue::Boolean(_) | SqlValue::Null => Some(Integer),
            _ => None,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => number(expr),
        Expr::BinaryOp { left, op, right } => match op {
            BinaryOperator::Plus | BinaryOperator::Minus => Some(wider(number(left)?, number(right)?)),
            BinaryOperator::Multiply => match (number(left)?, number(right)?) {
                (Decimal, Decimal) => None,
                (left, right) => Some(wider(left, right)),
            },
            BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
            | BinaryOperator::Spaceship
            | BinaryOperator::And
            | BinaryOperator::Or => Some(Integer),
            _ => None,
        },
        Expr::IsNull(_) | Expr::IsNotNull(_) | Expr::InList { .. } | Expr::Between { .. } | Expr::Like { .. } => {
            Some(Integer)
        }
        Expr::Case { conditions, else_result, .. } => {
            let branches = conditions.iter().map(|branch| &branch.result).chain(else_result.as_deref());
            branches.map(number).reduce(|a, b| Some(wider(a?, b?)))?
        }
        _ => class(expr, scope).filter(|class| matches!(class, Integer | Decimal)),
    }
}
