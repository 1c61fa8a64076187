//! What is made of one column of a group's rows.

use vitrail_planner::plan::{Aggregate, Operand};
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::rows::ColumnType;

use super::condition::{Number, compute};
use super::exact_sum::ExactSum;
use super::heads::Head;
use super::moments::Moments;
use super::order::{Key, Native, bind};
use super::{decimal, double, malformed};
use crate::columns::Column;
use crate::failure;

/// From so many decimals on, MySQL may have cut products (30 on MySQL, 38 on MariaDB).
const CUT_DECIMALS: u8 = 30;

/// Most digits of a DECIMAL.
const MOST_DIGITS: usize = 65;

/// Bytes that a text may lack of `group_concat_max_len` when it was cut between characters.
const LONGEST_CHARACTER: usize = 4;

/// A column under way.
pub(super) struct State {
    how: How,
    column: usize,
    decimals: u8,
    /// The column is one of integers.
    integer: bool,
}

enum How {
    Any,
    /// COUNT, whose sum of nothing is 0.
    Count(ExactSum),
    Sum(ExactSum),
    DoubleSum(Option<f64>),
    Extreme {
        key: Key,
        found: bool,
        value: Vec<u8>,
        compared: Vec<u8>,
    },
    Bits {
        merge: fn(u64, u64) -> u64,
        none: u64,
        bits: u64,
    },
    Average {
        sum: usize,
        count: usize,
    },
    Variance {
        columns: [usize; 3],
        sample: bool,
        root: bool,
        moments: Moments,
    },
    Computed {
        operand: Operand,
        unsigned: bool,
    },
    Concat {
        separator: Vec<u8>,
        limit: usize,
        parts: usize,
        text: Vec<u8>,
    },
}

impl State {
    pub(super) fn new(aggregate: &Aggregate, at: usize, columns: &[Column]) -> Result<State, ErrorBody> {
        let column = columns.get(at).ok_or_else(malformed)?;
        let order = Native::of(column);
        let bits = |merge, none| How::Bits { merge, none, bits: none };
        let how = match (aggregate, order) {
            (Aggregate::Any, _) => How::Any,
            (Aggregate::Count, Some(Native::Exact)) => How::Count(ExactSum::default()),
            (Aggregate::Sum, Some(Native::Exact)) if column.decimals >= CUT_DECIMALS => {
                return Err(failure::unsupported(format!(
                    "the sum in column '{}' has as many decimals as MySQL keeps, so that it may have been cut on each shard; cast its \
                     argument to fewer decimals",
                    column.name
                )));
            }
            (Aggregate::Sum, Some(Native::Exact)) => How::Sum(ExactSum::default()),
            (Aggregate::Sum, Some(Native::Double)) => How::DoubleSum(None),
            (Aggregate::Extreme(key), _) => {
                let key = bind(std::slice::from_ref(key), columns)?.remove(0);
                How::Extreme { key, found: false, value: Vec::new(), compared: Vec::new() }
            }
            (Aggregate::BitAnd, Some(Native::Exact)) => bits(|a, b| a & b, u64::MAX),
            (Aggregate::BitOr, Some(Native::Exact)) => bits(|a, b| a | b, 0),
            (Aggregate::BitXor, Some(Native::Exact)) => bits(|a, b| a ^ b, 0),
            (&Aggregate::Average { sum, count }, Some(Native::Exact | Native::Double)) => How::Average { sum, count },
            (&Aggregate::Variance { count, sum, variance, sample, root }, Some(Native::Double)) => {
                How::Variance { columns: [count, sum, variance], sample, root, moments: Moments::default() }
            }
            (Aggregate::Computed(operand), Some(Native::Exact)) => {
                How::Computed { operand: operand.clone(), unsigned: column.unsigned }
            }
            (Aggregate::Concat { separator, limit }, _) => {
                How::Concat { separator: separator.as_bytes().to_vec(), limit: *limit, parts: 0, text: Vec::new() }
            }
            _ => {
                return Err(failure::internal(format!(
                    "column {} has a type that cannot be folded over shards",
                    column.name
                )));
            }
        };
        let is_double = matches!(column.column_type, ColumnType::FLOAT | ColumnType::DOUBLE);
        let is_derived = matches!(how, How::Average { .. } | How::Computed { .. });
        let integer =
            order == Some(Native::Exact) && !matches!(column.column_type, ColumnType::DECIMAL | ColumnType::NEWDECIMAL);
        Ok(State { how, column: at, decimals: if is_double || is_derived { column.decimals } else { 0 }, integer })
    }

    /// Forgets the rows of the group before.
    pub(super) fn clear(&mut self) {
        match &mut self.how {
            How::Any | How::Average { .. } | How::Computed { .. } => {}
            How::Count(sum) | How::Sum(sum) => sum.clear(),
            How::DoubleSum(sum) => *sum = None,
            How::Extreme { found, .. } => *found = false,
            How::Bits { none, bits, .. } => *bits = *none,
            How::Variance { moments, .. } => *moments = Moments::default(),
            How::Concat { parts, text, .. } => {
                *parts = 0;
                text.clear();
            }
        }
    }

    /// Takes a row; `None` if a value is not of its column's type.
    pub(super) fn add(&mut self, row: &Head) -> Option<()> {
        if let How::Variance { columns: [count, sum, variance], moments, .. } = &mut self.how {
            // One value alone has no VAR_SAMP, but a place among others.
            let (Some(count), Some(sum), Some(variance)) = (row.value(*count), row.value(*sum), row.value(*variance))
            else {
                return Some(());
            };
            return moments.add(count, sum, variance);
        }
        let Some(cell) = row.value(self.column) else { return Some(()) };
        match &mut self.how {
            How::Any | How::Average { .. } | How::Variance { .. } | How::Computed { .. } => {}
            How::Count(sum) | How::Sum(sum) => sum.add(cell)?,
            How::DoubleSum(sum) => *sum = Some(sum.unwrap_or(0.0) + number(cell)?),
            How::Extreme { key, found, value, compared } => {
                let candidate = row.value(key.column)?;
                if !*found || key.compare(Some(candidate), Some(compared))?.is_lt() {
                    value.clear();
                    value.extend_from_slice(cell);
                    compared.clear();
                    compared.extend_from_slice(candidate);
                    *found = true;
                }
            }
            How::Bits { merge, bits, .. } => *bits = merge(*bits, std::str::from_utf8(cell).ok()?.parse().ok()?),
            How::Concat { separator, parts, text, .. } => {
                if *parts > 0 {
                    text.extend_from_slice(separator);
                }
                text.extend_from_slice(cell);
                *parts += 1;
            }
        }
        Some(())
    }

    /// Whether the value is made of those of other columns, which have to be finished before.
    pub(super) fn is_derived(&self) -> bool {
        matches!(self.how, How::Average { .. } | How::Computed { .. })
    }

    /// Whether the value is that of any row.
    pub(super) fn is_any(&self) -> bool {
        matches!(self.how, How::Any)
    }

    /// Writes the value to `out`, which is empty; false if it is NULL. `finished` gives the values of other columns.
    pub(super) fn finish<'f>(
        &self,
        out: &mut Vec<u8>,
        numbers: &'f [Number<'_>],
        finished: impl Fn(usize) -> Option<&'f [u8]>,
    ) -> Result<bool, ErrorBody> {
        match &self.how {
            How::Any => Ok(false),
            How::Count(sum) => {
                if !sum.write(out) {
                    out.push(b'0');
                }
                Ok(true)
            }
            How::Sum(sum) => {
                let found = sum.write(out);
                if out.iter().filter(|byte| byte.is_ascii_digit()).count() > MOST_DIGITS {
                    return Err(failure::unsupported("a sum over several shards has more digits than a DECIMAL holds"));
                }
                Ok(found)
            }
            How::DoubleSum(sum) => write_double(*sum, self.decimals, out),
            How::Extreme { found, value, .. } => {
                if *found {
                    out.extend_from_slice(value);
                }
                Ok(*found)
            }
            How::Bits { bits, .. } => {
                out.extend_from_slice(bits.to_string().as_bytes());
                Ok(true)
            }
            How::Average { sum, count } => {
                let (Some(sum), Some(count)) = (finished(*sum), finished(*count)) else { return Ok(false) };
                if sum.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'.')) && self.decimals < double::NOT_FIXED
                {
                    let quotient = quotient(sum, count, usize::from(self.decimals)).ok_or_else(malformed)?;
                    *out = decimal::round(&quotient, usize::from(self.decimals)).ok_or_else(malformed)?;
                    return Ok(true);
                }
                let average = number(sum).zip(number(count)).map(|(sum, count)| sum / count).ok_or_else(malformed)?;
                write_double(Some(average), self.decimals, out)
            }
            How::Variance { sample, root, moments, .. } => {
                let variance = moments.variance(*sample);
                write_double(
                    variance.map(|variance| if *root { variance.sqrt() } else { variance }),
                    self.decimals,
                    out,
                )
            }
            How::Computed { operand, unsigned } => {
                let Some(number) = compute(operand, numbers, &finished)? else { return Ok(false) };
                *out = decimal::round(&number, usize::from(self.decimals)).ok_or_else(malformed)?;
                if self.integer && !fits(out, *unsigned) {
                    let message = "a number that is computed over several shards is out of the range of BIGINT";
                    return Err(ErrorBody::new(Code::Data, message).with_errno(1690, "22003"));
                }
                Ok(true)
            }
            How::Concat { limit, parts, text, .. } => {
                let limit = finished(*limit).and_then(|limit| std::str::from_utf8(limit).ok()?.parse::<usize>().ok());
                let limit = limit.unwrap_or(usize::MAX);
                // What one shard alone has given is cut, and warned of, as MySQL does it.
                if *parts > 1 && text.len() > limit.saturating_sub(LONGEST_CHARACTER) {
                    return Err(failure::unsupported(format!(
                        "GROUP_CONCAT over several shards would be cut at group_concat_max_len ({limit} bytes), and which of its parts \
                         MySQL would keep is not known; raise group_concat_max_len"
                    )));
                }
                out.extend_from_slice(text);
                Ok(*parts > 0)
            }
        }
    }

    /// For AVG of exact numbers: the value before it is rounded, which MySQL may compare in its place.
    pub(super) fn unrounded<'f>(&self, finished: impl Fn(usize) -> Option<&'f [u8]>) -> Option<Vec<u8>> {
        let How::Average { sum, count } = self.how else { return None };
        quotient(finished(sum)?, finished(count)?, usize::from(self.decimals))
    }
}

/// The quotient as MySQL has it before it rounds: in whole groups of nine digits behind the point.
fn quotient(sum: &[u8], count: &[u8], decimals: usize) -> Option<Vec<u8>> {
    let groups = |digits: usize| digits.div_ceil(9) * 9;
    let scale = decimal::scale(sum);
    let whole = groups(scale);
    let more = decimals.saturating_sub(scale).saturating_sub(whole - scale);
    decimal::divide(sum, count, groups(whole + more))
}

/// Whether an integer is one of 64 bits.
fn fits(text: &[u8], unsigned: bool) -> bool {
    let text = std::str::from_utf8(text).unwrap_or_default();
    if unsigned { text.parse::<u64>().is_ok() } else { text.parse::<i64>().is_ok() }
}

fn number(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn write_double(value: Option<f64>, decimals: u8, out: &mut Vec<u8>) -> Result<bool, ErrorBody> {
    match value {
        Some(value) if !value.is_finite() => {
            Err(failure::unsupported("a sum of doubles over several shards is out of range"))
        }
        Some(value) => {
            *out = double::write(value, decimals);
            Ok(true)
        }
        None => Ok(false),
    }
}
