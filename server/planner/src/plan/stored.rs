//! What a value is to a sharding column: what MySQL stores of it there, and what it is equal to.
//!
//! A row's shard follows from what is stored, not from what the statement says. A value that a strict `sql_mode` refuses is taken as a lax
//! one stores it: its row goes where it would lie, and the MySQL there judges it, with its own error.

use vitrail_proto::value::Value;

use crate::refusal::Refusal;
use crate::schema::{ColumnClass, ColumnSchema, Domain};
use crate::vindex::{VindexError, type_name};

/// The value as the column holds it.
///
/// # Errors
/// A conversion that is not proved.
pub(super) fn stored(value: Value, column: &ColumnSchema) -> Result<Value, Refusal> {
    match (&column.class, value) {
        // A column that is never NULL has the default of its type in place of it, with IGNORE or without a strict `sql_mode`; otherwise MySQL
        // refuses it, there as anywhere.
        (class, Value::Null) => Ok(match class {
            _ if column.nullable || column.auto_increment || column.domain == Domain::Years => Value::Null,
            ColumnClass::Integer => Value::Int(0),
            ColumnClass::Binary => fitted_bytes(Vec::new(), column.domain).map_or(Value::Null, Value::Bytes),
            ColumnClass::Text(_) => Value::Text(String::new()),
            _ => Value::Null,
        }),
        (ColumnClass::Integer, value) => integer(&value, column.domain).ok_or_else(|| unproved(&value, column)),
        (ColumnClass::Binary, value) => {
            let bytes = bytes(&value).and_then(|bytes| fitted_bytes(bytes, column.domain));
            bytes.map(Value::Bytes).ok_or_else(|| unproved(&value, column))
        }
        (ColumnClass::Text(collation), value) => {
            let text = text(&value, collation).and_then(|text| fitted_text(text, column.domain));
            text.map(Value::Text).ok_or_else(|| unproved(&value, column))
        }
        (_, value) => Ok(value),
    }
}

/// The integer of 64 bits that a value is equal to in MySQL's comparison with a column of integers; NULL: none.
///
/// # Errors
/// A number that MySQL compares with less than its digits.
pub(super) fn equal_integer(value: Value) -> Result<Value, VindexError> {
    let number = match &value {
        Value::Decimal(text) => {
            let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
            let integer = whole.parse().map(Value::Int).or_else(|_| whole.parse().map(Value::UInt));
            let integral = fraction.bytes().all(|digit| digit == b'0');
            return Ok(integer.ok().filter(|_| integral).unwrap_or(Value::Null));
        }
        Value::Text(text) if is_integer(text) => return Ok(value),
        // MySQL compares texts and doubles as doubles.
        Value::Text(text) => number_at_start(text).parse().unwrap_or(0.0),
        Value::Double(number) => *number,
        _ => return Ok(value),
    };
    #[expect(clippy::cast_possible_truncation, reason = "it is an integer that a double holds exactly")]
    match number {
        number if number.abs() >= EXACT => Err(VindexError::Inexact),
        number if number.fract() == 0.0 => Ok(Value::Int(number as i64)),
        _ => Ok(Value::Null),
    }
}

/// From here on, two integers may be one double.
const EXACT: f64 = 9_007_199_254_740_992.0;

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The refusal of a value that MySQL would convert in a way that is not proved.
pub(super) fn unproved(value: &Value, column: &ColumnSchema) -> Refusal {
    Refusal::unsupported(
        "sharding-value",
        format!(
            "MySQL would convert {} to the type of the sharding column `{}`, and what it would store is not proved; give a plain value \
             of its type",
            type_name(value),
            column.name
        ),
    )
}

fn integer(value: &Value, domain: Domain) -> Option<Value> {
    let number = match value {
        Value::Int(value) => i128::from(*value),
        Value::UInt(value) => i128::from(*value),
        // MySQL rounds doubles to even, and the decimals and texts to the farther from zero.
        #[expect(clippy::cast_possible_truncation, reason = "beyond the range the nearest is taken, as it is below")]
        Value::Double(value) => value.round_ties_even() as i128,
        Value::Decimal(text) | Value::Text(text) => rounded(text),
        _ => return None,
    };
    let (least, most) = match domain {
        Domain::Integers { least, most } => (i128::from(least), i128::from(most)),
        Domain::Years => return (1901..=2155).contains(&number).then(|| i64::try_from(number).ok().map(Value::Int))?,
        _ => (i128::from(i64::MIN), i128::from(u64::MAX)),
    };
    let number = number.clamp(least, most);
    i64::try_from(number).map(Value::Int).or_else(|_| u64::try_from(number).map(Value::UInt)).ok()
}

/// The number at the beginning of a text, as MySQL finds it; without one, nothing.
fn number_at_start(text: &str) -> &str {
    let text = text.trim_start_matches([' ', '\t', '\n', '\u{b}', '\u{c}', '\r']);
    let digits = |from: usize| text.bytes().skip(from).take_while(u8::is_ascii_digit).count();
    let sign = |from: usize| usize::from(text.get(from..).is_some_and(|rest| rest.starts_with(['-', '+'])));
    let start = sign(0);
    let whole = digits(start);
    let mut end = start + whole;
    let point = text.get(end..).is_some_and(|rest| rest.starts_with('.'));
    let fraction = if point { digits(end + 1) } else { 0 };
    if whole + fraction == 0 {
        return "";
    }
    end += usize::from(point) + fraction;
    if text.get(end..).is_some_and(|rest| rest.starts_with(['e', 'E'])) {
        let exponent = end + 1 + sign(end + 1);
        let length = digits(exponent);
        if length > 0 {
            end = exponent + length;
        }
    }
    text.get(..end).unwrap_or_default()
}

/// The number at the beginning of a text, rounded; 0 without one. Beyond 38 digits it is the largest.
fn rounded(text: &str) -> i128 {
    let number = number_at_start(text);
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    // What does not fit is far beyond every range.
    let limit = if exponent.starts_with('-') { i64::MIN } else { i64::MAX };
    let exponent: i64 = exponent.parse().unwrap_or(limit);
    let (negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0');
    // Where the point stands, counted from the first digit that is not 0.
    let leading = digits.len() - significant.len();
    let point = i64::try_from(whole.len()).unwrap_or(i64::MAX) - i64::try_from(leading).unwrap_or(i64::MAX);
    let magnitude = match usize::try_from(point.saturating_add(exponent)) {
        Err(_) => 0,
        Ok(_) if significant.is_empty() => 0,
        Ok(point) if point > 38 => i128::MAX,
        Ok(point) => {
            let whole = significant.bytes().chain(std::iter::repeat(b'0')).take(point);
            let number = whole.fold(0_i128, |number, digit| number * 10 + i128::from(digit - b'0'));
            number + i128::from(significant.as_bytes().get(point).is_some_and(|digit| *digit >= b'5'))
        }
    };
    if negative { -magnitude } else { magnitude }
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Int(value) => Some(value.to_string().into_bytes()),
        Value::UInt(value) => Some(value.to_string().into_bytes()),
        Value::Text(text) => Some(text.clone().into_bytes()),
        Value::Bytes(bytes) => Some(bytes.clone()),
        _ => None,
    }
}

fn fitted_bytes(mut bytes: Vec<u8>, domain: Domain) -> Option<Vec<u8>> {
    if let Domain::Bytes { most, filled } = domain {
        let most = usize::try_from(most).ok()?;
        bytes.truncate(most);
        if filled {
            bytes.resize(most, 0);
        }
    }
    Some(bytes)
}

/// The text, if the column's character set has all of its characters.
fn text(value: &Value, collation: &str) -> Option<String> {
    let charset = collation.split_once('_').map_or(collation, |(charset, _)| charset);
    let bytes_are_text = matches!(charset, "utf8mb4" | "utf8mb3" | "utf8");
    let text = match value {
        Value::Bytes(bytes) => {
            std::str::from_utf8(bytes).ok().filter(|text| bytes_are_text || text.is_ascii())?.to_owned()
        }
        value => String::from_utf8(bytes(value)?).ok()?,
    };
    let has = |character: char| match charset {
        "utf8mb4" => true,
        "utf8mb3" | "utf8" => u32::from(character) <= 0xffff,
        "latin1" => character.is_ascii() || ('\u{a0}'..='\u{ff}').contains(&character),
        _ => character.is_ascii(),
    };
    text.chars().all(has).then_some(text)
}

fn fitted_text(mut text: String, domain: Domain) -> Option<String> {
    match domain {
        Domain::Characters { most, trimmed } => {
            if let Some((end, _)) = text.char_indices().nth(usize::try_from(most).ok()?) {
                text.truncate(end);
            }
            if trimmed {
                text.truncate(text.trim_end_matches(' ').len());
            }
            Some(text)
        }
        Domain::Bytes { most, .. } => (u64::try_from(text.len()).ok()? <= most).then_some(text),
        _ => Some(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(column_type: &str, collation: Option<&str>) -> ColumnSchema {
        ColumnSchema::of("c", column_type, collation)
    }

    #[test]
    fn integers_are_what_mysql_rounds_and_cuts_them_to() {
        let text = |text: &str| Value::Text(text.into());
        for (column_type, value, expected) in [
            ("bigint", text("122"), Value::Int(122)),
            ("bigint", text(" \t-12.5abc"), Value::Int(-13)),
            ("bigint", text("1.25e1"), Value::Int(13)),
            ("bigint", text("123456e-3"), Value::Int(123)),
            ("bigint", text(".5"), Value::Int(1)),
            ("bigint", text("0.0049e2"), Value::Int(0)),
            ("bigint", text("5e-1"), Value::Int(1)),
            ("bigint", text("5e-2"), Value::Int(0)),
            ("bigint", text("3e"), Value::Int(3)),
            ("bigint", text("abc"), Value::Int(0)),
            ("bigint", text("0x10"), Value::Int(0)),
            ("bigint", text("1e99999999999999999999"), Value::Int(i64::MAX)),
            ("bigint", text("-99999999999999999999"), Value::Int(i64::MIN)),
            ("bigint unsigned", text("18446744073709551615.4"), Value::UInt(u64::MAX)),
            ("bigint unsigned", Value::Int(-1), Value::Int(0)),
            ("tinyint", Value::Int(300), Value::Int(127)),
            ("int", Value::Decimal("123.5".into()), Value::Int(124)),
            ("int", Value::Decimal("-123.5".into()), Value::Int(-124)),
            ("int", Value::Double(2.5), Value::Int(2)),
            ("int", Value::Double(1e300), Value::Int(2_147_483_647)),
            ("year", Value::Int(2001), Value::Int(2001)),
        ] {
            assert_eq!(
                stored(value.clone(), &column(column_type, None)).ok(),
                Some(expected),
                "{column_type} {value:?}"
            );
        }
        for (column_type, value) in
            [("int", Value::Bytes(b"1".to_vec())), ("int", Value::Date("2001-01-01".into())), ("year", Value::Int(99))]
        {
            assert_eq!(stored(value, &column(column_type, None)).unwrap_err().reason, "sharding-value");
        }
    }

    #[test]
    fn what_an_integer_is_compared_with_is_an_integer_or_equal_to_none() {
        let text = |text: &str| Value::Text(text.into());
        let decimal = |text: &str| Value::Decimal(text.into());
        for (value, expected) in [
            (Value::UInt(7), Some(Value::UInt(7))),
            (decimal("123.000"), Some(Value::Int(123))),
            (decimal("-9223372036854775808.0"), Some(Value::Int(i64::MIN))),
            (decimal("18446744073709551616"), Some(Value::Null)),
            (decimal("0.5"), Some(Value::Null)),
            (text("9223372036854775807"), Some(text("9223372036854775807"))),
            (text(" 3x"), Some(Value::Int(3))),
            (text("3.0e1"), Some(Value::Int(30))),
            (text("3.00000000000000000001"), Some(Value::Int(3))),
            (text("x"), Some(Value::Int(0))),
            (text("2.5"), Some(Value::Null)),
            (text(" 9007199254740992"), None),
            (Value::Double(-4.0), Some(Value::Int(-4))),
            (Value::Double(1e16), None),
        ] {
            assert_eq!(equal_integer(value.clone()).ok(), expected, "{value:?}");
        }
    }

    #[test]
    fn what_is_never_null_has_its_types_default() {
        for (column_type, collation, expected) in [
            ("bigint", None, Value::Int(0)),
            ("varchar(3)", Some("utf8mb4_bin"), Value::Text(String::new())),
            ("binary(2)", None, Value::Bytes(vec![0, 0])),
            ("year", None, Value::Null),
        ] {
            let column = column(column_type, collation);
            assert_eq!(stored(Value::Null, &column).ok(), Some(expected), "{column_type}");
            for open in [
                ColumnSchema { nullable: true, ..column.clone() },
                ColumnSchema { auto_increment: true, ..column.clone() },
            ] {
                assert_eq!(stored(Value::Null, &open).ok(), Some(Value::Null), "{column_type}");
            }
        }
    }

    #[test]
    fn texts_and_bytes_are_cut_trimmed_and_filled() {
        let utf8 = Some("utf8mb4_0900_bin");
        for (column_type, collation, value, expected) in [
            ("varchar(3)", utf8, Value::Text("äöüß".into()), Value::Text("äöü".into())),
            ("varchar(3)", utf8, Value::Text("a  ".into()), Value::Text("a  ".into())),
            ("char(3)", utf8, Value::Text("a  ".into()), Value::Text("a".into())),
            ("varchar(3)", utf8, Value::Int(77), Value::Text("77".into())),
            ("varchar(3)", utf8, Value::Bytes(b"AB".to_vec()), Value::Text("AB".into())),
            ("text", utf8, Value::Text("abc".into()), Value::Text("abc".into())),
            ("binary(4)", None, Value::Text("ab".into()), Value::Bytes(b"ab\0\0".to_vec())),
            ("varbinary(2)", None, Value::Bytes(b"abc".to_vec()), Value::Bytes(b"ab".to_vec())),
        ] {
            let column = column(column_type, collation);
            assert_eq!(stored(value.clone(), &column).ok(), Some(expected), "{column_type} {value:?}");
        }
        for (collation, value) in [
            ("latin1_bin", Value::Text("łódź".into())),
            ("latin1_bin", Value::Bytes(vec![0xfc])),
            ("utf8mb3_bin", Value::Text("😀".into())),
            ("utf8mb4_bin", Value::Bytes(vec![0xff])),
            ("utf8mb4_bin", Value::Decimal("1.50".into())),
        ] {
            let refusal = stored(value, &column("varchar(20)", Some(collation))).unwrap_err();
            assert_eq!(refusal.reason, "sharding-value", "{collation}");
        }
    }
}
