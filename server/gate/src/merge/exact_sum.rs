//! Exact sums of integers and decimals: in a machine word while they fit, digit by digit beyond.

use super::decimal;

/// A sum under way.
#[derive(Debug, Default)]
pub(super) struct ExactSum {
    /// The sum without its point, unless `large` has it.
    small: i128,
    /// Digits behind the point of `small`.
    scale: usize,
    large: Option<Vec<u8>>,
    /// Something was added.
    any: bool,
}

impl ExactSum {
    /// Begins anew.
    pub(super) fn clear(&mut self) {
        *self = ExactSum::default();
    }

    /// Adds a number in MySQL's text form; `None` if it is none.
    pub(super) fn add(&mut self, text: &[u8]) -> Option<()> {
        let first = !std::mem::replace(&mut self.any, true);
        if let Some(large) = &mut self.large {
            *large = decimal::add(large, text)?;
            return Some(());
        }
        if let Some((number, scale)) = parse(text)
            && (first || scale == self.scale)
            && let Some(sum) = self.small.checked_add(number)
        {
            (self.small, self.scale) = (sum, scale);
            return Some(());
        }
        let mut held = Vec::new();
        write(self.small, self.scale, &mut held);
        self.large = Some(decimal::add(&held, text)?);
        Some(())
    }

    /// Writes the sum behind `out`; false if nothing was added.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> bool {
        match &self.large {
            Some(large) => out.extend_from_slice(large),
            None if self.any => write(self.small, self.scale, out),
            None => {}
        }
        self.any
    }
}

/// A number without its point, and the digits behind it; `None` if it does not fit or is none.
pub(super) fn parse(text: &[u8]) -> Option<(i128, usize)> {
    let (negative, digits) = match text.first()? {
        b'-' => (true, &text[1..]),
        _ => (false, text),
    };
    let (mut number, mut scale, mut seen) = (0i128, None, false);
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                number = number.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
                seen = true;
                scale = scale.map(|scale: usize| scale + 1);
            }
            b'.' if scale.is_none() => scale = Some(0),
            _ => return None,
        }
    }
    seen.then_some((if negative { -number } else { number }, scale.unwrap_or(0)))
}

fn write(number: i128, scale: usize, out: &mut Vec<u8>) {
    if number < 0 {
        out.push(b'-');
    }
    let digits = number.unsigned_abs().to_string();
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(scale));
    out.extend_from_slice(if whole.is_empty() { b"0" } else { whole.as_bytes() });
    if scale > 0 {
        out.push(b'.');
        out.extend(std::iter::repeat_n(b'0', scale.saturating_sub(digits.len())));
        out.extend_from_slice(fraction.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(parts: &[&str]) -> Option<String> {
        let mut sum = ExactSum::default();
        for part in parts {
            sum.add(part.as_bytes()).expect("a number");
        }
        let mut out = Vec::new();
        sum.write(&mut out).then(|| String::from_utf8(out).expect("digits"))
    }

    #[test]
    fn sums_are_exact_at_any_size() {
        let most = "170141183460469231731687303715884105727";
        for (parts, total) in [
            (&[][..], None),
            (&["5"], Some("5")),
            (&["-3", "3"], Some("0")),
            (&["0.05", "-0.10"], Some("-0.05")),
            (&["-0.01", "0.01"], Some("0.00")),
            (&["18446744073709551615", "18446744073709551615"], Some("36893488147419103230")),
            (&[most, "1"], Some("170141183460469231731687303715884105728")),
            (&[most, most, "-1"], Some("340282366920938463463374607431768211453")),
            (&["1.5", "2.25"], Some("3.75")),
            (
                &["99999999999999999999999999999999999999999.5", "0.5"],
                Some("100000000000000000000000000000000000000000.0"),
            ),
        ] {
            assert_eq!(sum(parts).as_deref(), total, "{parts:?}");
        }
        for bad in ["", "-", "x", "1e3", "1.2.3", "."] {
            assert_eq!(ExactSum::default().add(bad.as_bytes()), None, "{bad}");
        }
    }
}
