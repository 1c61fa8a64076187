//! How values of a column compare across shards.

use std::cmp::Ordering;

use vitrail_planner::plan::{Comparison, SortKey};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::rows::ColumnType as T;

use super::decimal;
use crate::columns::Column;
use crate::failure;

/// Bytes of a value that MySQL sorts by for sure: its `max_sort_length` (1024 unless it is set), less what tells the length.
pub(crate) const SORTED_BYTES: usize = 1024 - 8;

/// The native order of a column's text values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Native {
    /// Integers and decimals.
    Exact,
    /// Floating point.
    Double,
    /// As bytes: dates, date-times, bit fields, binary strings.
    Bytes,
    /// `[-]HHH:MM:SS[.ffffff]`
    Time,
}

impl Native {
    /// The order of a column; `None` for those whose order depends on a collation or on labels.
    pub(crate) fn of(column: &Column) -> Option<Native> {
        match column.column_type {
            T::TINY | T::SHORT | T::LONG | T::LONGLONG | T::INT24 | T::YEAR | T::DECIMAL | T::NEWDECIMAL | T::NULL => {
                Some(Native::Exact)
            }
            T::FLOAT | T::DOUBLE => Some(Native::Double),
            T::DATE | T::DATETIME | T::TIMESTAMP | T::BIT => Some(Native::Bytes),
            T::TIME => Some(Native::Time),
            T::VAR_STRING | T::STRING | T::TINY_BLOB | T::MEDIUM_BLOB | T::LONG_BLOB | T::BLOB
                if column.binary && !column.labels =>
            {
                Some(Native::Bytes)
            }
            _ => None,
        }
    }

    /// Compares two values that are not NULL; `None` if one of them is not of the column's type.
    pub(crate) fn compare(self, left: &[u8], right: &[u8]) -> Option<Ordering> {
        match self {
            Native::Exact => decimal::compare(left, right),
            Native::Double => double(left)?.partial_cmp(&double(right)?),
            Native::Bytes => Some(left.cmp(right)),
            Native::Time => Some(microseconds(left)?.cmp(&microseconds(right)?)),
        }
    }
}

/// A sort key with the order of its column.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) column: usize,
    descending: bool,
    by: By,
}

#[derive(Debug, Clone)]
enum By {
    Native(Native),
    Weight(Vec<u8>),
}

impl Key {
    /// Binds a sort key to its column; `None` if the column is missing or has no native order.
    pub(crate) fn new(key: &SortKey, columns: &[Column]) -> Option<Key> {
        let column = columns.get(key.column)?;
        let by = match &key.comparison {
            Comparison::Native => By::Native(Native::of(column)?),
            Comparison::Discrete if is_discrete(column) => By::Native(Native::of(column)?),
            Comparison::Discrete => return None,
            Comparison::Weight(pad) => By::Weight(pad.clone()),
        };
        Some(Key { column: key.column, descending: key.descending, by })
    }

    /// Whether MySQL may have sorted and grouped by a part of the value only: it looks at `max_sort_length` bytes, some of which tell the length.
    pub(crate) fn is_cut(&self, value: Option<&[u8]>) -> bool {
        let whole = matches!(self.by, By::Weight(_) | By::Native(Native::Bytes));
        whole && value.is_some_and(|value| value.len() >= SORTED_BYTES)
    }

    /// Compares two values, NULL lowest, the other way round if descending. `None` if one is not of the column's type.
    pub(crate) fn compare(&self, left: Option<&[u8]>, right: Option<&[u8]>) -> Option<Ordering> {
        let order = match (left, right) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(left), Some(right)) => match &self.by {
                By::Native(native) => native.compare(left, right)?,
                By::Weight(pad) => compare_weights(left, right, pad),
            },
        };
        Some(if self.descending { order.reverse() } else { order })
    }
}

/// Binds sort keys to their columns.
pub(crate) fn bind(keys: &[SortKey], columns: &[Column]) -> Result<Vec<Key>, ErrorBody> {
    let bound = |key: &SortKey| {
        Key::new(key, columns).ok_or_else(|| {
            let name = columns.get(key.column).map_or("", |column| &*column.name);
            failure::unsupported(format!(
                "column {} ('{name}') of the answer is neither a number nor a date or time that can be compared over several shards; \
                 group and order by plain columns, or pin the statement to one shard by its sharding column",
                key.column + 1
            ))
        })
    };
    keys.iter().map(bound).collect()
}

/// Whether equal values have equal texts, and others have others, whatever expression they come from.
fn is_discrete(column: &Column) -> bool {
    matches!(
        column.column_type,
        T::TINY
            | T::SHORT
            | T::LONG
            | T::LONGLONG
            | T::INT24
            | T::YEAR
            | T::NULL
            | T::DATE
            | T::DATETIME
            | T::TIMESTAMP
            | T::TIME
    )
}

/// Compares weights as if the shorter one went on with the weight of spaces.
fn compare_weights(left: &[u8], right: &[u8], pad: &[u8]) -> Ordering {
    let common = left.len().min(right.len());
    let order = left[..common].cmp(&right[..common]);
    if order.is_ne() || left.len() == right.len() {
        return order;
    }
    if pad.is_empty() {
        return left.len().cmp(&right.len());
    }
    let (longer, turned) = if left.len() > common { (left, false) } else { (right, true) };
    // Weights are whole characters, so that the space's weight repeats from a multiple of its length on.
    let padding = pad.iter().cycle().skip(common % pad.len());
    let order = longer[common..]
        .iter()
        .zip(padding)
        .map(|(byte, space)| byte.cmp(space))
        .find(|o| o.is_ne())
        .unwrap_or(Ordering::Equal);
    if turned { order.reverse() } else { order }
}

fn double(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A TIME in microseconds.
fn microseconds(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut seconds = 0i64;
    for part in clock.split(':') {
        seconds = seconds.checked_mul(60)?.checked_add(part.parse::<u32>().ok()?.into())?;
    }
    let mut micros = 0;
    for index in 0..6 {
        let digit =
            fraction.as_bytes().get(index).map_or(Some(0), |byte| byte.is_ascii_digit().then(|| byte - b'0'))?;
        micros = micros * 10 + i64::from(digit);
    }
    let total = seconds.checked_mul(1_000_000)?.checked_add(micros)?;
    Some(if negative { -total } else { total })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn native_orders() {
        for (native, left, right, order) in [
            (Native::Exact, "-2", "-10", Ordering::Greater),
            (Native::Double, "1e16", "2", Ordering::Greater),
            (Native::Double, "-0", "0", Ordering::Equal),
            (Native::Bytes, "2020-01-31", "2020-02-01", Ordering::Less),
            (Native::Time, "-05:00:00", "-10:00:00", Ordering::Greater),
            (Native::Time, "100:00:00", "20:00:00.5", Ordering::Greater),
            (Native::Time, "00:00:00.000001", "00:00:00", Ordering::Greater),
        ] {
            assert_eq!(native.compare(left.as_bytes(), right.as_bytes()), Some(order), "{native:?} {left} {right}");
        }
        assert_eq!(Native::Double.compare(b"x", b"1"), None);
        assert_eq!(Native::Time.compare(b"x", b"00:00:01"), None);
    }

    /// Space weights of `FACTS`: 0020 for general_ci, 000020 for utf8mb4_bin.
    #[test]
    fn weights_are_padded() {
        let two: &[u8] = &[0, 0x20];
        for (left, right, pad, order) in [
            (&[0, 0x41][..], &[0, 0x41, 0, 0x20][..], two, Ordering::Equal),
            (&[0, 0x41], &[0, 0x41, 0, 9], two, Ordering::Greater),
            (&[], &[0, 9], two, Ordering::Greater),
            (&[], &[0, 0x41], two, Ordering::Less),
            (&[1], &[1, 0], &[], Ordering::Less),
            (&[0, 0, 0x41], &[0, 0, 0x41, 0, 0, 0x20], &[0, 0, 0x20], Ordering::Equal),
        ] {
            assert_eq!(compare_weights(left, right, pad), order, "{left:x?} {right:x?}");
            assert_eq!(compare_weights(right, left, pad), order.reverse(), "{right:x?} {left:x?}");
        }
    }
}
