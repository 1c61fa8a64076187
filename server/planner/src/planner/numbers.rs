//! Which expressions are proved to be exact numbers, or doubles.

use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator, Value as SqlValue,
};

use super::columns::class;
use super::walk::{Scope, Walk};
use crate::plan::Comparator;
use crate::schema::ColumnClass;

/// Whether an expression is proved to be an integer or an exact decimal, whose sum does not depend on the order of adding.
/// Division may be rounded later than it is shown, so it proves nothing. A product has all its digits, unless they are as many as
/// MySQL keeps at most, which the gate sees in the answer.
pub(super) fn number(walk: &Walk<'_>, expr: &Expr, scope: &Scope<'_>) -> Option<ColumnClass> {
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
            BinaryOperator::Plus | BinaryOperator::Minus | BinaryOperator::Multiply => {
                Some(wider(number(left)?, number(right)?))
            }
            BinaryOperator::MyIntegerDivide => match (number(left)?, number(right)?) {
                (Integer, Integer) => Some(Integer),
                _ => None,
            },
            BinaryOperator::Modulo => Some(wider(number(left)?, number(right)?)),
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

/// How an operator compares two numbers; `None`: it does not.
pub(super) fn comparator(operator: &BinaryOperator) -> Option<Comparator> {
    Some(match operator {
        BinaryOperator::Eq => Comparator::Equal,
        BinaryOperator::NotEq => Comparator::NotEqual,
        BinaryOperator::Lt => Comparator::Less,
        BinaryOperator::LtEq => Comparator::LessOrEqual,
        BinaryOperator::Gt => Comparator::Greater,
        BinaryOperator::GtEq => Comparator::GreaterOrEqual,
        _ => return None,
    })
}

/// Whether an expression is proved to be a double.
pub(super) fn is_double(walk: &Walk<'_>, expr: &Expr, scope: &Scope<'_>) -> bool {
    let double = |expr: &Expr| is_double(walk, expr, scope);
    match expr {
        _ if walk.text.loose_operators => {
            matches!(class(expr, scope), Some(ColumnClass::Double | ColumnClass::Float))
        }
        Expr::Nested(inner) => double(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => double(expr),
        Expr::Value(value) => matches!(&value.value, SqlValue::Number(text, _) if text.contains(['e', 'E'])),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Plus | BinaryOperator::Minus | BinaryOperator::Multiply | BinaryOperator::Divide,
            right,
        } => double(left) || double(right),
        _ => matches!(class(expr, scope), Some(ColumnClass::Double | ColumnClass::Float)),
    }
}

/// What the answers of an aggregate are, of whatever block: numbers that compare by their own type.
pub(super) fn result_class(walk: &Walk<'_>, expr: &Expr, scope: &Scope<'_>) -> Option<ColumnClass> {
    let Expr::Function(function) = expr else { return None };
    let exact = |class| match class {
        ColumnClass::Integer | ColumnClass::Decimal => Some(ColumnClass::Decimal),
        _ => None,
    };
    match &*function.name.to_string().to_ascii_uppercase() {
        "COUNT" => Some(ColumnClass::Integer),
        "ROW_NUMBER" | "RANK" | "DENSE_RANK" | "NTILE" if function.over.is_some() => Some(ColumnClass::Integer),
        "SUM" | "AVG" => exact(number(walk, single_argument(function)?, scope)?),
        "MIN" | "MAX" => class(single_argument(function)?, scope).filter(|class| {
            !matches!(class, ColumnClass::Text(_) | ColumnClass::Float | ColumnClass::Label | ColumnClass::Other)
        }),
        _ => None,
    }
}

fn single_argument(function: &Function) -> Option<&Expr> {
    let FunctionArguments::List(list) = &function.args else { return None };
    match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))] => Some(expr),
        _ => None,
    }
}
