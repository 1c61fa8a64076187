//! Exact decimal numbers of any length, in MySQL's text form: comparison and addition, digit by digit.

use std::cmp::Ordering;

/// A number taken apart: sign, digits before the point without leading zeros, digits behind it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) negative: bool,
    pub(super) whole: &'a [u8],
    pub(super) fraction: &'a [u8],
}

/// Compares two numbers by value: `-0.0` equals `0`, `1.50` equals `1.5`. `None` if one of them is not a number.
pub(crate) fn compare(left: &[u8], right: &[u8]) -> Option<Ordering> {
    let (left, right) = (take_apart(left)?, take_apart(right)?);
    Some(match (is_zero(left), is_zero(right)) {
        (true, true) => Ordering::Equal,
        (true, false) => {
            if right.negative {
                Ordering::Greater
            } else {
                Ordering::Less
            }
        }
        (false, true) => {
            if left.negative {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
        (false, false) => match (left.negative, right.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => magnitude(left, right),
            (true, true) => magnitude(right, left),
        },
    })
}

/// The exact sum, with as many digits behind the point as the operand that has more. `None` if one is not a number.
pub(crate) fn add(left: &[u8], right: &[u8]) -> Option<Vec<u8>> {
    let (left, right) = (take_apart(left)?, take_apart(right)?);
    let scale = left.fraction.len().max(right.fraction.len());
    let (negative, digits) = if left.negative == right.negative {
        (left.negative, add_magnitudes(left, right, scale))
    } else if magnitude(left, right) == Ordering::Less {
        (right.negative, subtract_magnitudes(right, left, scale))
    } else {
        (left.negative, subtract_magnitudes(left, right, scale))
    };
    Some(write(negative, &digits, scale))
}

/// The quotient with `scale` digits behind the point, further ones cut off. `None` if one is not a number, or the divisor no integer above 0.
pub(crate) fn divide(dividend: &[u8], divisor: &[u8], scale: usize) -> Option<Vec<u8>> {
    let dividend = take_apart(dividend)?;
    let divisor: u64 = std::str::from_utf8(divisor).ok()?.parse().ok().filter(|divisor| *divisor > 0)?;
    let mut digits = Vec::with_capacity(dividend.whole.len() + scale);
    let mut rest = 0;
    let fraction = dividend.fraction.iter().chain(std::iter::repeat(&b'0')).take(scale);
    for digit in dividend.whole.iter().chain(fraction) {
        rest = rest * 10 + u128::from(digit - b'0');
        digits.push((rest / u128::from(divisor)) as u8);
        rest %= u128::from(divisor);
    }
    digits.reverse();
    Some(write(dividend.negative, &digits, scale))
}

/// The number with `scale` digits behind the point: a half is rounded away from zero. `None` if it is not a number.
pub(crate) fn round(number: &[u8], scale: usize) -> Option<Vec<u8>> {
    let parts = take_apart(number)?;
    let digits =
        |parts: Parts<'_>| (0..scale + parts.whole.len()).map(|at| digit_at(parts, at, scale)).collect::<Vec<_>>();
    if parts.fraction.len() <= scale {
        return Some(write(parts.negative, &digits(parts), scale));
    }
    let kept = Parts { fraction: &parts.fraction[..scale], ..parts };
    if parts.fraction[scale] < b'5' {
        return Some(write(parts.negative, &digits(kept), scale));
    }
    let unit = vec![b'0'; scale.saturating_sub(1)].into_iter().chain([b'1']).collect::<Vec<_>>();
    let unit = match scale {
        0 => Parts { negative: false, whole: b"1", fraction: b"" },
        _ => Parts { negative: false, whole: b"", fraction: &unit },
    };
    Some(write(parts.negative, &add_magnitudes(kept, unit, scale), scale))
}

/// How many digits a number has behind its point.
pub(crate) fn scale(number: &[u8]) -> usize {
    number.iter().position(|byte| *byte == b'.').map_or(0, |point| number.len() - point - 1)
}

/// Accepts `[-+]digits[.digits]` with at least one digit.
pub(super) fn take_apart(text: &[u8]) -> Option<Parts<'_>> {
    let (negative, digits) = match text.first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = match digits.iter().position(|byte| *byte == b'.') {
        Some(point) => (&digits[..point], &digits[point + 1..]),
        None => (digits, &digits[..0]),
    };
    if whole.is_empty() && fraction.is_empty() || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
        return None;
    }
    let zeros = whole.iter().take_while(|digit| **digit == b'0').count();
    Some(Parts { negative, whole: &whole[zeros..], fraction })
}

fn is_zero(parts: Parts<'_>) -> bool {
    parts.whole.is_empty() && parts.fraction.iter().all(|digit| *digit == b'0')
}

/// Compares without the signs.
fn magnitude(left: Parts<'_>, right: Parts<'_>) -> Ordering {
    let scale = left.fraction.len().max(right.fraction.len());
    let digit = |fraction: &[u8], index: usize| fraction.get(index).copied().unwrap_or(b'0');
    left.whole.len().cmp(&right.whole.len()).then_with(|| left.whole.cmp(right.whole)).then_with(|| {
        (0..scale)
            .map(|index| digit(left.fraction, index).cmp(&digit(right.fraction, index)))
            .find(|o| o.is_ne())
            .unwrap_or(Ordering::Equal)
    })
}

/// The digit of 10^(position - scale), 0 beyond what is written.
fn digit_at(parts: Parts<'_>, position: usize, scale: usize) -> u8 {
    let byte = if position < scale {
        parts.fraction.get(scale - 1 - position)
    } else {
        parts.whole.len().checked_sub(position - scale + 1).map(|index| &parts.whole[index])
    };
    byte.map_or(0, |byte| byte - b'0')
}

/// Digits of the sum, least significant first.
fn add_magnitudes(left: Parts<'_>, right: Parts<'_>, scale: usize) -> Vec<u8> {
    let length = scale + left.whole.len().max(right.whole.len());
    let mut digits = Vec::with_capacity(length + 1);
    let mut carry = 0;
    for position in 0..length {
        let sum = digit_at(left, position, scale) + digit_at(right, position, scale) + carry;
        digits.push(sum % 10);
        carry = sum / 10;
    }
    if carry > 0 {
        digits.push(carry);
    }
    digits
}

/// Digits of `left - right`, least significant first; `left` is not smaller.
fn subtract_magnitudes(left: Parts<'_>, right: Parts<'_>, scale: usize) -> Vec<u8> {
    let length = scale + left.whole.len();
    let mut digits = Vec::with_capacity(length);
    let mut borrow = 0;
    for position in 0..length {
        let minuend = digit_at(left, position, scale) + 10 - borrow;
        let difference = minuend - digit_at(right, position, scale);
        digits.push(difference % 10);
        borrow = u8::from(difference < 10);
    }
    digits
}

/// The text of a number from its digits without the point, least significant first.
pub(super) fn write(negative: bool, digits: &[u8], scale: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(digits.len() + 3);
    if negative && digits.iter().any(|digit| *digit != 0) {
        text.push(b'-');
    }
    let significant = digits.iter().rposition(|digit| *digit != 0).map_or(0, |index| index + 1).max(scale + 1);
    for position in (0..significant).rev() {
        text.push(b'0' + digits.get(position).copied().unwrap_or(0));
        if position == scale && scale > 0 {
            text.push(b'.');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_by_value() {
        for (left, right, order) in [
            ("0", "-0.00", Ordering::Equal),
            ("1.50", "1.5", Ordering::Equal),
            ("007", "7", Ordering::Equal),
            ("-1", "0", Ordering::Less),
            ("0", "-0.1", Ordering::Greater),
            ("10", "9.999", Ordering::Greater),
            ("-10", "-9.999", Ordering::Less),
            ("1.05", "1.1", Ordering::Less),
            ("18446744073709551615", "18446744073709551614", Ordering::Greater),
            ("99999999999999999999999999999999999.1", "99999999999999999999999999999999999.2", Ordering::Less),
        ] {
            assert_eq!(compare(left.as_bytes(), right.as_bytes()), Some(order), "{left} and {right}");
            assert_eq!(compare(right.as_bytes(), left.as_bytes()), Some(order.reverse()), "{right} and {left}");
        }
        for bad in ["", "-", ".", "1e5", "x", "1.2.3"] {
            assert_eq!(compare(bad.as_bytes(), b"1"), None, "{bad}");
        }
    }

    #[test]
    fn adds_exactly() {
        for (left, right, sum) in [
            ("1", "2", "3"),
            ("0", "0", "0"),
            ("9", "1", "10"),
            ("1.50", "0.5", "2.00"),
            ("-1.5", "1.5", "0.0"),
            ("-1.5", "1.25", "-0.25"),
            ("100", "-1", "99"),
            ("1", "-100", "-99"),
            (".5", ".5", "1.0"),
            ("-0.05", "-0.05", "-0.10"),
            ("9223372036854775807", "9223372036854775807", "18446744073709551614"),
            ("99999999999999999999999999999999999999.99", "0.01", "100000000000000000000000000000000000000.00"),
        ] {
            for (a, b) in [(left, right), (right, left)] {
                let found = add(a.as_bytes(), b.as_bytes()).expect("two numbers");
                assert_eq!(String::from_utf8(found).expect("digits"), sum, "{a} + {b}");
            }
        }
        assert_eq!(add(b"1", b"NULL"), None);
    }

    #[test]
    fn divides_and_rounds() {
        for (dividend, divisor, scale, quotient) in [
            ("10", "4", 2, "2.50"),
            ("1", "3", 9, "0.333333333"),
            ("-2", "3", 4, "-0.6666"),
            ("0", "7", 3, "0.000"),
            ("12.34", "2", 4, "6.1700"),
            ("12.349", "1", 2, "12.34"),
            ("99999999999999999999999999999999999999", "18446744073709551615", 1, "5421010862427522170.3"),
        ] {
            let found = divide(dividend.as_bytes(), divisor.as_bytes(), scale).expect("two numbers");
            assert_eq!(String::from_utf8(found).expect("digits"), quotient, "{dividend} / {divisor}");
        }
        assert_eq!(divide(b"1", b"0", 2), None);
        for (number, scale, rounded) in [
            ("0.666666666", 4, "0.6667"),
            ("0.66664", 4, "0.6666"),
            ("-0.00005", 4, "-0.0001"),
            ("0.00005", 4, "0.0001"),
            ("-0.00004", 4, "0.0000"),
            ("9.99995", 4, "10.0000"),
            ("2.5", 0, "3"),
            ("-2.5", 0, "-3"),
            ("7", 2, "7.00"),
            ("0.5", 1, "0.5"),
        ] {
            let found = round(number.as_bytes(), scale).expect("a number");
            assert_eq!(String::from_utf8(found).expect("digits"), rounded, "{number} to {scale}");
        }
    }

    /// Small numbers against machine arithmetic.
    #[test]
    fn agrees_with_integers() {
        for a in -120i64..120 {
            for b in (-1050i64..1050).step_by(7) {
                let (left, right) = (a.to_string(), b.to_string());
                assert_eq!(add(left.as_bytes(), right.as_bytes()), Some((a + b).to_string().into_bytes()), "{a} + {b}");
                assert_eq!(compare(left.as_bytes(), right.as_bytes()), Some(a.cmp(&b)), "{a} and {b}");
            }
        }
    }
}
