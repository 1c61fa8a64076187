//! HAVING on folded groups: comparisons of numbers with the three truth values of SQL.

use std::borrow::Cow;
use std::cmp::Ordering;

use vitrail_planner::plan::{Comparator, Condition, Operand};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::value::Value;

use super::{decimal, malformed};

/// A value of the statement as the text of a number; `None` is NULL.
pub(super) type Number<'v> = Option<Cow<'v, [u8]>>;

/// Makes numbers of a merge's values.
pub(super) fn numbers(values: &[Value]) -> Result<Vec<Number<'_>>, ErrorBody> {
    let number = |value| match value {
        &Value::Null => Ok(None),
        &Value::Int(number) => Ok(Some(number.to_string().into_bytes().into())),
        &Value::UInt(number) => Ok(Some(number.to_string().into_bytes().into())),
        Value::Decimal(text) => Ok(Some(text.as_bytes().into())),
        _ => Err(malformed()),
    };
    values.iter().map(number).collect()
}

/// Whether a group fulfils a condition; `None` is unknown. `column` gives a folded column's value.
pub(super) fn holds<'c>(
    condition: &Condition,
    numbers: &'c [Number<'_>],
    column: &impl Fn(usize) -> Option<&'c [u8]>,
) -> Result<Option<bool>, ErrorBody> {
    let value = |operand: &Operand| match *operand {
        Operand::Column(index) => column(index),
        Operand::Value(index) => numbers[index].as_deref(),
    };
    Ok(match condition {
        Condition::Compare(comparator, left, right) => match (value(left), value(right)) {
            (Some(left), Some(right)) => {
                Some(fulfils(*comparator, decimal::compare(left, right).ok_or_else(malformed)?))
            }
            _ => None,
        },
        Condition::IsNull(operand) => Some(value(operand).is_none()),
        Condition::Not(inner) => holds(inner, numbers, column)?.map(|truth| !truth),
        Condition::And(left, right) => match (holds(left, numbers, column)?, holds(right, numbers, column)?) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        },
        Condition::Or(left, right) => match (holds(left, numbers, column)?, holds(right, numbers, column)?) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        },
    })
}

fn fulfils(comparator: Comparator, order: Ordering) -> bool {
    match comparator {
        Comparator::Equal => order.is_eq(),
        Comparator::NotEqual => order.is_ne(),
        Comparator::Less => order.is_lt(),
        Comparator::LessOrEqual => order.is_le(),
        Comparator::Greater => order.is_gt(),
        Comparator::GreaterOrEqual => order.is_ge(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_neither_true_nor_false() {
        let values = [Value::Int(5), Value::Null, Value::Decimal("5.0".into())];
        let numbers = numbers(&values).expect("numbers");
        let compare = |comparator, left, right| Condition::Compare(comparator, left, right);
        let (five, null, point) = (Operand::Value(0), Operand::Value(1), Operand::Value(2));
        let column = Operand::Column(0);
        let not = |condition| Condition::Not(Box::new(condition));
        let and = |left, right| Condition::And(Box::new(left), Box::new(right));
        let or = |left, right| Condition::Or(Box::new(left), Box::new(right));
        let yes = compare(Comparator::Equal, five.clone(), point.clone());
        let no = compare(Comparator::Less, five.clone(), point);
        let unknown = compare(Comparator::NotEqual, five.clone(), null.clone());
        for (condition, truth) in [
            (yes.clone(), Some(true)),
            (no.clone(), Some(false)),
            (unknown.clone(), None),
            (not(unknown.clone()), None),
            (and(unknown.clone(), no.clone()), Some(false)),
            (and(unknown.clone(), yes.clone()), None),
            (or(unknown.clone(), yes.clone()), Some(true)),
            (or(no, unknown), None),
            (Condition::IsNull(null), Some(true)),
            (not(Condition::IsNull(five.clone())), Some(true)),
            (compare(Comparator::Greater, column.clone(), five.clone()), Some(true)),
            (compare(Comparator::LessOrEqual, column, five), Some(false)),
        ] {
            let found = holds(&condition, &numbers, &|_| Some(b"10".as_slice())).expect("numbers");
            assert_eq!(found, truth, "{condition:?}");
        }
    }
}
