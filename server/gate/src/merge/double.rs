//! Doubles in MySQL's text form.

/// Digits before or behind the point up to which MySQL writes a double without an exponent (`DBL_DIG`).
const PLAIN_DIGITS: i32 = 15;

/// Decimals that a column announces when it has no fixed number of them (`NOT_FIXED_DEC`).
pub(crate) const NOT_FIXED: u8 = 31;

/// Writes a finite double as MySQL does: with the column's fixed decimals if it has them, else the shortest text that
/// reads back as the same double, with an exponent where the point lies more than 15 digits away.
pub(crate) fn write(value: f64, decimals: u8) -> Vec<u8> {
    if decimals < NOT_FIXED {
        return format!("{value:.*}", usize::from(decimals)).into_bytes();
    }
    if value == 0.0 {
        return if value.is_sign_negative() { b"-0".to_vec() } else { b"0".to_vec() };
    }
    let scientific = format!("{value:e}");
    let exponent: i32 = scientific.rsplit_once('e').and_then(|(_, digits)| digits.parse().ok()).unwrap_or(0);
    let point = exponent + 1;
    if (-PLAIN_DIGITS + 1..=PLAIN_DIGITS).contains(&point) {
        format!("{value}").into_bytes()
    } else {
        scientific.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts as `SELECT 1e15` and the like give them on MySQL and MariaDB.
    #[test]
    fn writes_as_mysql_does() {
        for (value, text) in [
            (0.0, "0"),
            (0.1, "0.1"),
            (-2.5, "-2.5"),
            (100.0, "100"),
            (1.0 / 3.0, "0.3333333333333333"),
            (1e14, "100000000000000"),
            (1e15, "1e15"),
            (1e-15, "0.000000000000001"),
            (1e-16, "1e-16"),
            (1.234_567_890_123_456_8e17, "1.2345678901234568e17"),
        ] {
            assert_eq!(String::from_utf8(write(value, NOT_FIXED)).expect("text"), text);
        }
        assert_eq!(write(2.5, 2), b"2.50");
    }
}
