//! Products and quotients of exact decimals, with as many digits as MySQL has before it rounds.

use std::cmp::Ordering;

use super::decimal::{self, take_apart};

/// Digits behind the point that MySQL keeps of a product.
const MOST_DECIMALS: usize = 30;

/// Digits that MySQL has room for.
const MOST_DIGITS: usize = 72;

/// Why there is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// An operand is not a number.
    Malformed,
    /// The divisor is 0.
    ZeroDivisor,
    /// MySQL would cut digits off.
    TooLong,
}

/// A number without its point: digits, most significant first, and how many of them are behind the point.
struct Exact {
    negative: bool,
    digits: Vec<u8>,
    scale: usize,
}

impl Exact {
    fn read(text: &[u8]) -> Result<Exact, Fault> {
        let parts = take_apart(text).ok_or(Fault::Malformed)?;
        let digits = parts.whole.iter().chain(parts.fraction).map(|byte| byte - b'0').collect();
        Ok(Exact { negative: parts.negative, digits, scale: parts.fraction.len() })
    }
}

/// The opposite number.
pub(super) fn negate(number: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut number = Exact::read(number)?;
    number.digits.reverse();
    Ok(decimal::write(!number.negative, &number.digits, number.scale))
}

/// The product, with all its digits.
pub(super) fn multiply(left: &[u8], right: &[u8]) -> Result<Vec<u8>, Fault> {
    let (left, right) = (Exact::read(left)?, Exact::read(right)?);
    let scale = left.scale + right.scale;
    if scale > MOST_DECIMALS || left.digits.len() + right.digits.len() > MOST_DIGITS {
        return Err(Fault::TooLong);
    }
    // Least significant first.
    let mut digits = vec![0u32; left.digits.len() + right.digits.len() + 1];
    for (i, a) in left.digits.iter().rev().enumerate() {
        for (j, b) in right.digits.iter().rev().enumerate() {
            digits[i + j] += u32::from(*a) * u32::from(*b);
        }
    }
    let mut carry = 0;
    let digits: Vec<u8> = digits
        .into_iter()
        .map(|digit| {
            let sum = digit + carry;
            carry = sum / 10;
            (sum % 10) as u8
        })
        .collect();
    Ok(decimal::write(left.negative != right.negative, &digits, scale))
}

/// The quotient, cut to whole groups of nine digits behind the point, `increment` of them at least beyond those of the dividend.
pub(super) fn divide(dividend: &[u8], divisor: &[u8], increment: usize) -> Result<Vec<u8>, Fault> {
    let (dividend, divisor) = (Exact::read(dividend)?, Exact::read(divisor)?);
    let groups = |digits: usize| digits.div_ceil(9) * 9;
    let (left, right) = (groups(dividend.scale), groups(divisor.scale));
    let more = increment.saturating_sub(left - dividend.scale + right - divisor.scale);
    let scale = groups(left + right + more);
    let significant: Vec<u8> = divisor.digits.iter().copied().skip_while(|digit| *digit == 0).collect();
    if significant.is_empty() {
        return Err(Fault::ZeroDivisor);
    }
    // dividend * 10^(scale of the divisor + scale) / (divisor * 10^(scale of the dividend))
    let zeros = divisor.scale + scale;
    let numerator = dividend.digits.iter().copied().chain(std::iter::repeat_n(0, zeros));
    let mut by = significant;
    by.extend(std::iter::repeat_n(0, dividend.scale));
    let mut rest: Vec<u8> = Vec::with_capacity(by.len() + 1);
    let mut digits = Vec::with_capacity(dividend.digits.len() + zeros);
    for digit in numerator {
        if !rest.is_empty() || digit != 0 {
            rest.push(digit);
        }
        let mut count = 0;
        while compare(&rest, &by).is_ge() {
            subtract(&mut rest, &by);
            count += 1;
        }
        digits.push(count);
    }
    digits.reverse();
    let whole = digits.iter().rposition(|digit| *digit != 0).map_or(0, |last| last + 1).saturating_sub(scale);
    if groups(whole) + scale > MOST_DIGITS {
        return Err(Fault::TooLong);
    }
    Ok(decimal::write(dividend.negative != divisor.negative, &digits, scale))
}

/// Compares numbers without leading zeros.
fn compare(left: &[u8], right: &[u8]) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

/// Takes a number away that is not greater; leading zeros go.
fn subtract(from: &mut Vec<u8>, number: &[u8]) {
    let offset = from.len() - number.len();
    let mut borrow = 0;
    for index in (0..from.len()).rev() {
        let take = borrow + index.checked_sub(offset).map_or(0, |at| number[at]);
        borrow = u8::from(from[index] < take);
        from[index] = from[index] + 10 * borrow - take;
    }
    let zeros = from.iter().take_while(|digit| **digit == 0).count();
    from.drain(..zeros);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(found: Result<Vec<u8>, Fault>) -> Result<String, Fault> {
        found.map(|digits| String::from_utf8(digits).expect("digits"))
    }

    #[test]
    fn products_have_all_digits() {
        for (left, right, product) in [
            ("2", "3", "6"),
            ("-1.5", "0.2", "-0.30"),
            ("-0", "5", "0"),
            ("0.00", "-7", "0.00"),
            ("99999999999999999999", "99999999999999999999", "9999999999999999999800000000000000000001"),
            ("100.00", "0.123456789", "12.34567890000"),
        ] {
            for (a, b) in [(left, right), (right, left)] {
                assert_eq!(text(multiply(a.as_bytes(), b.as_bytes())).as_deref(), Ok(product), "{a} * {b}");
            }
        }
        let small = format!("0.{}", "1".repeat(16));
        assert_eq!(multiply(small.as_bytes(), small.as_bytes()), Err(Fault::TooLong));
        assert_eq!(multiply(b"x", b"1"), Err(Fault::Malformed));
        assert_eq!(text(negate(b"1.50")).as_deref(), Ok("-1.50"));
        assert_eq!(text(negate(b"0")).as_deref(), Ok("0"));
    }

    /// With groups of nine digits, as MySQL's own division has them.
    #[test]
    fn quotients_are_cut_after_whole_groups() {
        for (dividend, divisor, increment, quotient) in [
            ("1", "3", 4, "0.333333333"),
            ("-2", "3", 4, "-0.666666666"),
            ("1.00", "3", 4, "0.333333333"),
            ("1.00", "3.00", 4, "0.333333333333333333"),
            ("1.0000000", "3", 4, "0.333333333333333333"),
            ("0", "7", 4, "0.000000000"),
            ("10", "4", 0, "2"),
            ("7", "0.5", 4, "14.000000000"),
            ("123456789012345678901234567890", "-987654321098765432109876543210", 4, "-0.124999998"),
        ] {
            let found = text(divide(dividend.as_bytes(), divisor.as_bytes(), increment));
            assert_eq!(found.as_deref(), Ok(quotient), "{dividend} / {divisor}");
        }
        assert_eq!(divide(b"1", b"0.00", 4), Err(Fault::ZeroDivisor));
        assert_eq!(divide(format!("{}.5", "9".repeat(64)).as_bytes(), b"0.1", 4), Err(Fault::TooLong));
    }

    /// Small numbers against machine arithmetic.
    #[test]
    fn agrees_with_integers() {
        for a in (-5000i64..5000).step_by(37) {
            for b in (-77i64..77).filter(|b| *b != 0) {
                let (left, right) = (a.to_string(), b.to_string());
                let product = text(multiply(left.as_bytes(), right.as_bytes()));
                assert_eq!(product, Ok((a * b).to_string()));
                let quotient = text(divide(left.as_bytes(), right.as_bytes(), 0));
                assert_eq!(quotient, Ok((a / b).to_string()), "{a} / {b}");
            }
        }
    }
}
