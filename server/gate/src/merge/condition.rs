//! HAVING on folded groups, and what is computed from them: exact numbers, and the three truth values of SQL.

use std::borrow::Cow;
use std::cmp::Ordering;

use vitrail_planner::plan::{Comparator, Condition, Operand};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::value::Value;

use super::arithmetic::{self, Fault};
use super::{decimal, malformed};
use crate::failure;

/// MySQL's own `div_precision_increment`, for a shard that has not told it.
const DIV_PRECISION_INCREMENT: usize = 4;

/// A value of the statement as the text of a number; `None` is NULL.
pub(crate) type Number<'v> = Option<Cow<'v, [u8]>>;

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
pub(crate) fn holds<'c>(
    condition: &Condition,
    numbers: &'c [Number<'_>],
    column: &impl Fn(usize) -> Option<&'c [u8]>,
) -> Result<Option<bool>, ErrorBody> {
    let value = |operand: &Operand| compute(operand, numbers, column);
    Ok(match condition {
        Condition::Compare(comparator, left, right) => match (value(left)?, value(right)?) {
            (Some(left), Some(right)) => {
                Some(fulfils(*comparator, decimal::compare(&left, &right).ok_or_else(malformed)?))
            }
            _ => None,
        },
        // Of a column that may be anything.
        Condition::IsNull(Operand::Column(index)) => Some(column(*index).is_none()),
        Condition::IsNull(operand) => Some(value(operand)?.is_none()),
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

/// The number that an operand is; `None` is NULL.
pub(super) fn compute<'c>(
    operand: &Operand,
    numbers: &'c [Number<'_>],
    column: &impl Fn(usize) -> Option<&'c [u8]>,
) -> Result<Option<Cow<'c, [u8]>>, ErrorBody> {
    let value = |operand: &Operand| compute(operand, numbers, column);
    let both = |left: &Operand, right: &Operand| Ok::<_, ErrorBody>(value(left)?.zip(value(right)?));
    let sum = |left: &[u8], right: &[u8]| decimal::add(left, right).ok_or(Fault::Malformed);
    let computed = match operand {
        Operand::Column(index) => return Ok(column(*index).map(Cow::Borrowed)),
        Operand::Value(index) => return Ok(numbers[*index].as_deref().map(Cow::Borrowed)),
        Operand::Coalesce(first, second) => {
            return match value(first)? {
                None => value(second),
                found => Ok(found),
            };
        }
        Operand::Negate(inner) => value(inner)?.map(|number| arithmetic::negate(&number)),
        Operand::Add(left, right) => both(left, right)?.map(|(left, right)| sum(&left, &right)),
        Operand::Subtract(left, right) => {
            both(left, right)?.map(|(left, right)| sum(&left, &arithmetic::negate(&right)?))
        }
        Operand::Multiply(left, right) => both(left, right)?.map(|(left, right)| arithmetic::multiply(&left, &right)),
        Operand::Divide { dividend, divisor, increment } => {
            let increment = column(*increment).and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
            let increment = increment.unwrap_or(DIV_PRECISION_INCREMENT);
            both(dividend, divisor)?.map(|(left, right)| arithmetic::divide(&left, &right, increment))
        }
    };
    computed.transpose().map(|number| number.map(Cow::Owned)).map_err(refuse)
}

fn refuse(fault: Fault) -> ErrorBody {
    match fault {
        Fault::Malformed => malformed(),
        Fault::ZeroDivisor => failure::unsupported(
            "a division by 0 over several shards, of which MySQL would warn; divide by NULLIF(…, 0) of what you have read yourself",
        ),
        Fault::TooLong => failure::unsupported(
            "a number that is computed over several shards has so many digits that MySQL would cut some; compute with fewer decimals",
        ),
    }
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
