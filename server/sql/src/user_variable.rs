//! User variables: their names, and the literals that their values are written as.
//!
//! A value is an integer, a decimal, a double, text with its collation, bytes, or NULL: [`is_value`] says how each is written, so that
//! it means the same on any connection, whatever its sql_mode and character sets.

use crate::error::SqlError;
use crate::lexer::{LexMode, Lexer, TokenKind};

/// Longest name, in characters, as in MySQL.
const MAX_NAME: usize = 64;

/// The name of `@x`, `` @`x` ``, `@'x'`, in lower case: letter case does not count.
///
/// # Errors
/// [`SqlError::Unsupported`] for names that are not ASCII, whose equality is a matter of collations, and for those above 64 characters.
pub fn name(token: &str) -> Result<String, SqlError> {
    let written = token.strip_prefix('@').unwrap_or(token);
    let name = match written.as_bytes().first() {
        Some(quote @ (b'`' | b'\'' | b'"')) if written.len() >= 2 => {
            let quote = char::from(*quote);
            let inside = &written[1..written.len() - 1];
            if quote != '`' && inside.contains('\\') {
                return Err(odd_name());
            }
            inside.replace(&[quote; 2].iter().collect::<String>(), &quote.to_string())
        }
        _ => written.to_owned(),
    };
    let fine = name.is_ascii()
        && !name.is_empty()
        && name.len() <= MAX_NAME
        && !name.bytes().any(|byte| byte.is_ascii_control());
    if fine { Ok(name.to_ascii_lowercase()) } else { Err(odd_name()) }
}

/// `` @`x` `` of a name that [`name`] gave.
pub fn quoted(name: &str) -> String {
    format!("@`{}`", name.replace('`', "``"))
}

/// The names that a statement reads or assigns, each once.
///
/// # Errors
/// What the lexer refuses; names as [`name`] does.
pub fn names(sql: &str, mode: LexMode) -> Result<Vec<String>, SqlError> {
    let mut names = Vec::new();
    let mut lexer = Lexer::expanding(sql.as_bytes(), mode);
    while let Some(token) = lexer.next_token()? {
        if token.kind == TokenKind::UserVariable {
            let name = name(&sql[token.start..token.end])?;
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    Ok(names)
}

/// Whether a text is the value of a user variable as a literal: `NULL`, `-5`, `CAST(5 AS UNSIGNED)`, `1.50`, `1.5e0`, `_utf8mb4 x'61' COLLATE utf8mb4_bin`, `x'00ff'`.
pub fn is_value(text: &str) -> bool {
    let unsigned = text.strip_prefix("CAST(").and_then(|rest| rest.strip_suffix(" AS UNSIGNED)"));
    if text == "NULL" || hex(text) || unsigned.is_some_and(digits) {
        return true;
    }
    if let Some(rest) = text.strip_prefix('_') {
        let mut parts = rest.split(' ');
        let (charset, bytes, collate, collation) = (parts.next(), parts.next(), parts.next(), parts.next());
        return charset.is_some_and(word)
            && bytes.is_some_and(hex)
            && collate == Some("COLLATE")
            && collation.is_some_and(word)
            && parts.next().is_none();
    }
    number(text)
}

fn number(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) =
        mantissa.split_once('.').map_or((mantissa, None), |(whole, fraction)| (whole, Some(fraction)));
    digits(whole)
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)))
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn word(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn hex(text: &str) -> bool {
    text.strip_prefix("x'")
        .and_then(|rest| rest.strip_suffix('\''))
        .is_some_and(|inside| inside.len() % 2 == 0 && inside.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn odd_name() -> SqlError {
    SqlError::Unsupported {
        what: "this name of a user variable".into(),
        remedy: "use 1 to 64 ASCII characters without backslashes",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_without_quotes_and_case() {
        for (token, expected) in [
            ("@a", "a"),
            ("@A.b$_1", "a.b$_1"),
            ("@`a ``b`", "a `b"),
            ("@'it''s'", "it's"),
            ("@\"x\"", "x"),
            ("@``", ""),
        ] {
            assert_eq!(name(token).unwrap_or_default(), expected, "{token}");
        }
        assert!(name("@ä").is_err() && name("@'a\\'b'").is_err() && name(&format!("@{}", "x".repeat(65))).is_err());
        assert_eq!(quoted("a`b"), "@`a``b`");
        let found = names("SELECT @a, '@b', @A, @@c /* @d */ -- @e\n, @`f g` /*! , @h */", LexMode::default());
        assert_eq!(found.expect("read"), ["a", "f g", "h"]);
    }

    #[test]
    fn values_are_one_literal() {
        for good in [
            "NULL",
            "0",
            "-5",
            "CAST(5 AS UNSIGNED)",
            "18446744073709551615",
            "1.50",
            "-0.5",
            "1e0",
            "1.5e-7",
            "2e+30",
            "x''",
            "x'00Ff'",
        ] {
            assert!(is_value(good), "{good}");
        }
        assert!(is_value("_utf8mb4 x'61' COLLATE utf8mb4_bin") && is_value("_latin1 x'' COLLATE latin1_german1_ci"));
        for bad in [
            "",
            "null",
            "-",
            "1.",
            ".5",
            "e5",
            "1e",
            "'a'",
            "x'0'",
            "x'0g'",
            "_utf8mb4 x'61'",
            "_utf8mb4 'a' COLLATE b",
            "1, @b=2",
            "1 ",
            "(SELECT 1)",
            "_a x'61' COLLATE b ",
            "DEFAULT",
            "x'00' , 1",
            "--1",
        ] {
            assert!(!is_value(bad), "{bad}");
        }
    }
}
