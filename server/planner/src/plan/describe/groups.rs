//! How groups are folded, and what is asked of them.

use std::fmt::Write;

use super::{describe_keys, describe_source, describe_window};
use crate::plan::{Aggregate, Comparator, Condition, Fold, Grouping, Operand, Source, WindowPlan};

pub(super) fn describe(grouping: &Grouping, values: &[Source], window: &WindowPlan) -> String {
    let folds: Vec<String> = grouping.folds.iter().map(|fold| describe_fold(fold, values)).collect();
    let mut out = format!("fold {}", folds.join(", "));
    let (group, within) = grouping.keys.split_at(grouping.group_keys);
    if !group.is_empty() {
        let _ = write!(out, ", groups by {}", describe_keys(group));
    }
    if !within.is_empty() {
        let _ = write!(out, ", within by {}", describe_keys(within));
    }
    if let Some(having) = &grouping.having {
        let _ = write!(out, ", having {}", describe_condition(having, values));
    }
    if !grouping.order.is_empty() {
        let _ = write!(out, ", sorted by {}", describe_keys(&grouping.order));
    }
    if grouping.hidden_columns > 0 {
        let _ = write!(out, ", hiding {}", grouping.hidden_columns);
    }
    out + &describe_window(window)
}

fn describe_fold(fold: &Fold, values: &[Source]) -> String {
    let text = match &fold.aggregate {
        Aggregate::Any => "any".to_owned(),
        Aggregate::Count => "count".to_owned(),
        Aggregate::Sum => "sum".to_owned(),
        Aggregate::Extreme(key) => {
            let name = if key.descending { "max" } else { "min" };
            match key.comparison.name() {
                "native" => name.to_owned(),
                other => format!("{name} by column {} {other}", key.column),
            }
        }
        Aggregate::BitAnd => "bit and".to_owned(),
        Aggregate::BitOr => "bit or".to_owned(),
        Aggregate::BitXor => "bit xor".to_owned(),
        Aggregate::Average { sum, count } => format!("average of columns {sum} and {count}"),
        Aggregate::Variance { count, sum, variance, sample, root } => {
            let name = if *root { "deviation" } else { "variance" };
            let of = if *sample { "sample" } else { "population" };
            format!("{name} of {of} of columns {count}, {sum} and {variance}")
        }
        Aggregate::Computed(operand) => describe_operand(operand, values),
        Aggregate::Concat { separator, limit } => format!("concat with {separator:?} up to column {limit}"),
    };
    if fold.distinct { format!("distinct {text}") } else { text }
}

fn describe_operand(operand: &Operand, values: &[Source]) -> String {
    let of = |operand: &Operand| describe_operand(operand, values);
    match operand {
        Operand::Column(column) => format!("column {column}"),
        Operand::Value(index) => values.get(*index).map(describe_source).unwrap_or_default(),
        Operand::Negate(inner) => format!("-({})", of(inner)),
        Operand::Add(left, right) => format!("({} + {})", of(left), of(right)),
        Operand::Subtract(left, right) => format!("({} - {})", of(left), of(right)),
        Operand::Multiply(left, right) => format!("({} * {})", of(left), of(right)),
        Operand::Divide { dividend, divisor, increment } => {
            format!("({} / {} by column {increment})", of(dividend), of(divisor))
        }
        Operand::Coalesce(first, second) => format!("({} or else {})", of(first), of(second)),
    }
}

pub(super) fn describe_condition(condition: &Condition, values: &[Source]) -> String {
    let inner = |condition: &Condition| describe_condition(condition, values);
    let operand = |operand: &Operand| describe_operand(operand, values);
    match condition {
        Condition::Compare(comparator, left, right) => {
            let sign = match comparator {
                Comparator::Equal => "=",
                Comparator::NotEqual => "<>",
                Comparator::Less => "<",
                Comparator::LessOrEqual => "<=",
                Comparator::Greater => ">",
                Comparator::GreaterOrEqual => ">=",
            };
            format!("{} {sign} {}", operand(left), operand(right))
        }
        Condition::IsNull(of) => format!("{} is null", operand(of)),
        Condition::Not(condition) => format!("not ({})", inner(condition)),
        Condition::And(left, right) => format!("({} and {})", inner(left), inner(right)),
        Condition::Or(left, right) => format!("({} or {})", inner(left), inner(right)),
    }
}
