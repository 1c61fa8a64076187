//! The text forms of typed values: what is checked before a text may stand in for a literal.
//!
//! These checks keep anything that is not a literal of its type out of SQL. Whether a date exists is MySQL's business, by
//! its sql_mode.

/// One to twenty digits.
pub fn is_digits(text: &str) -> bool {
    (1..=20).contains(&text.len()) && all_digits(text)
}

/// `[+-]digits[.digits]` with at most 65 digits; one side of the point may be empty.
pub fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = whole.len() + fraction.len();
    (1..=65).contains(&digits) && all_digits(whole) && all_digits(fraction)
}

/// `YYYY-MM-DD`; months to 12 and days to 31, zeros allowed.
pub fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 10
        && bytes[4] == b'-'
        && bytes[7] == b'-'
        && number(&bytes[..4]).is_some()
        && number(&bytes[5..7]).is_some_and(|month| month <= 12)
        && number(&bytes[8..]).is_some_and(|day| day <= 31)
}

/// `[-]HH:MM:SS[.ffffff]` with two or three digits of hours, to 838.
pub fn is_time(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    match unsigned.split_once(':') {
        Some((hours, rest)) => {
            (2..=3).contains(&hours.len())
                && number(hours.as_bytes()).is_some_and(|hours| hours <= 838)
                && is_minutes(rest.as_bytes())
        }
        None => false,
    }
}

/// `YYYY-MM-DD HH:MM:SS[.ffffff]`.
pub fn is_datetime(text: &str) -> bool {
    match text.split_once(' ') {
        Some((date, time)) => {
            let time = time.as_bytes();
            is_date(date)
                && time.len() > 3
                && time[2] == b':'
                && number(&time[..2]).is_some_and(|hours| hours <= 23)
                && is_minutes(&time[3..])
        }
        None => false,
    }
}

/// 1 to 64 ASCII letters, digits or `_`.
pub fn is_charset(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// `MM:SS[.ffffff]`.
fn is_minutes(text: &[u8]) -> bool {
    let (seconds, fraction) = match text.iter().position(|byte| *byte == b'.') {
        Some(point) => (&text[..point], Some(&text[point + 1..])),
        None => (text, None),
    };
    seconds.len() == 5
        && seconds[2] == b':'
        && number(&seconds[..2]).is_some_and(|minutes| minutes <= 59)
        && number(&seconds[3..]).is_some_and(|seconds| seconds <= 59)
        && fraction.is_none_or(|fraction| (1..=6).contains(&fraction.len()) && number(fraction).is_some())
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The number that a few digits mean.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_told_from_other_text() {
        type Case = (fn(&str) -> bool, &'static [&'static str], &'static [&'static str]);
        let cases: [Case; 5] = [
            (is_digits, &["0", "18446744073709551615"], &["", "-1", "1e3", "٣", "000000000000000000000"]),
            (is_decimal, &["0", "-1.50", ".5", "5.", "+7"], &["", ".", "-", "1e3", "1.2.3", "0x1", " 1", "NaN"]),
            (is_date, &["2026-11-24", "0000-00-00", "2026-02-31"], &["", "26-11-24", "2026-13-01", "2026-1-01x"]),
            (
                is_time,
                &["00:00:00", "-838:59:59.999999", "100:00:00"],
                &["", "1:00:00", "839:00:00", "00:60:00", "00:00:00."],
            ),
            (
                is_datetime,
                &["2026-11-24 00:00:00", "0000-00-00 00:00:00.000001"],
                &["2026-11-24", "2026-11-24T00:00:00", "2026-11-24 24:00:00", "2026-11-24 00:00:00Z"],
            ),
        ];
        for (check, good, bad) in cases {
            good.iter().for_each(|text| assert!(check(text), "{text}"));
            bad.iter().for_each(|text| assert!(!check(text), "{text}"));
        }
    }
}
