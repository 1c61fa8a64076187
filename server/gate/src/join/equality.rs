//! When two values are equal as MySQL has it, and how a value is asked for.

use vitrail_planner::plan::Equality;
use vitrail_proto::error::ErrorBody;
use vitrail_proto::rows::ColumnType as T;
use vitrail_proto::value::Value;

use crate::columns::Column;
use crate::failure;

/// Appends a value in the form in which equal values are the same bytes, with its length. `None` if it is no such value.
pub(super) fn append(equality: &Equality, value: &[u8], into: &mut Vec<u8>) -> Option<()> {
    let start = into.len();
    into.extend_from_slice(&[0; 4]);
    match equality {
        Equality::Number => into.extend_from_slice(number(value)?.as_bytes()),
        Equality::Bytes => into.extend_from_slice(value),
        Equality::Weight(space) => {
            let mut weight = value;
            while let Some(rest) = weight.strip_suffix(space.as_slice()).filter(|_| !space.is_empty()) {
                weight = rest;
            }
            into.extend_from_slice(weight);
        }
    }
    let length = u32::try_from(into.len() - start - 4).ok()?;
    into[start..start + 4].copy_from_slice(&length.to_le_bytes());
    Some(())
}

/// The value that a side is asked for.
pub(super) fn asked(equality: &Equality, value: &[u8], column: &Column) -> Result<Value, ErrorBody> {
    let malformed = || failure::internal("a value to join by that is not of its column's type");
    Ok(match equality {
        Equality::Number => {
            let number = number(value).ok_or_else(malformed)?;
            match (number.parse::<i64>(), number.parse::<u64>()) {
                (Ok(number), _) => Value::Int(number),
                (_, Ok(number)) => Value::UInt(number),
                _ => Value::Decimal(number),
            }
        }
        Equality::Bytes if is_bytes(column) => Value::Bytes(value.to_vec()),
        _ => Value::Text(String::from_utf8(value.to_vec()).map_err(|_| malformed())?),
    })
}

/// Whether values of the two columns are compared as their equality has it: the planner does not see all of their types.
pub(super) fn check(equality: &Equality, left: &Column, right: &Column) -> Result<(), ErrorBody> {
    let year = |column: &Column| column.column_type == T::YEAR;
    let alike = match equality {
        Equality::Number => year(left) == year(right),
        Equality::Bytes if is_bytes(left) && is_bytes(right) => true,
        Equality::Bytes => (left.column_type, left.decimals) == (right.column_type, right.decimals),
        Equality::Weight(_) => true,
    };
    if alike {
        return Ok(());
    }
    Err(failure::unsupported(format!(
        "columns '{}' and '{}' are of different types, and rows over several shards cannot be joined by them; cast one of them in a table, or \
         pin the statement to one shard",
        left.name, right.name
    )))
}

fn is_bytes(column: &Column) -> bool {
    let temporal = matches!(column.column_type, T::DATE | T::DATETIME | T::TIME);
    column.binary && !temporal
}

/// A number without what does not matter: zeros at its ends, the sign of 0.
fn number(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !plain(whole) || !plain(fraction) {
        return None;
    }
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let mut out = String::with_capacity(text.len() + 1);
    if negative && whole.len() + fraction.len() > 0 {
        out.push('-');
    }
    out.push_str(if whole.is_empty() { "0" } else { whole });
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(equality: &Equality, value: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        append(equality, value, &mut out).map(|()| out)
    }

    #[test]
    fn equal_values_have_one_form() {
        let general = Equality::Weight(vec![0, 0x20]);
        for (equality, left, right, equal) in [
            (Equality::Number, &b"00042"[..], &b"42"[..], true),
            (Equality::Number, b"-0.00", b"0", true),
            (Equality::Number, b"1.50", b"1.5", true),
            (Equality::Number, b".5", b"0.50", true),
            (Equality::Number, b"-1", b"1", false),
            (Equality::Number, b"10", b"1", false),
            (Equality::Bytes, b"a", b"a ", false),
            (general.clone(), b"\0A\0 \0 ", b"\0A", true),
            (general, b"\0A\0 \0B", b"\0A\0B", false),
            (Equality::Weight(Vec::new()), b"\x1c", b"\x1c\x02", false),
        ] {
            assert_eq!(form(&equality, left) == form(&equality, right), equal, "{left:?} {right:?}");
        }
        for text in ["", "-", ".", "1e5", "x"] {
            assert_eq!(form(&Equality::Number, text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn forms_of_several_values_do_not_run_together() {
        let pair = |left: &[u8], right: &[u8]| {
            let mut out = Vec::new();
            append(&Equality::Bytes, left, &mut out)
                .and_then(|()| append(&Equality::Bytes, right, &mut out))
                .map(|()| out)
        };
        assert_ne!(pair(b"a", b"bc"), pair(b"ab", b"c"));
    }
}
