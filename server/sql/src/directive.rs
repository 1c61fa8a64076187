//! Directives: a comment in front of a statement, `/*vitrail share=off, allow_full_writes=1 */`, that says how Vitrail is to run
//! this one statement. MySQL sees a comment.

use crate::error::SqlError;
use crate::normalise::Normalised;

/// How a directive begins.
const OPENING: &str = "/*vitrail";

/// The `key=value` pairs of all directives before the statement, in order. Most statements have none and cost one comparison.
///
/// # Errors
/// [`SqlError::Unsupported`] for what is no list of `key=value`: a misspelt directive must not be an ordinary comment.
pub fn parse(statement: &Normalised) -> Result<Vec<(&str, &str)>, SqlError> {
    let mut margin = statement.leading_comments();
    let mut pairs = Vec::new();
    while let Some((comment, rest)) = next_comment(margin) {
        margin = rest;
        let Some(inside) = comment.strip_prefix(OPENING).and_then(|rest| rest.strip_suffix("*/")) else { continue };
        // `/*vitrailing` is somebody else's.
        if !inside.is_empty() && !inside.starts_with(|c: char| c.is_ascii_whitespace()) {
            continue;
        }
        for pair in inside.split(',').map(str::trim) {
            pairs.push(pair_of(pair)?);
        }
    }
    Ok(pairs)
}

/// The first comment of a margin, which holds nothing but comments and blanks, and what follows it.
fn next_comment(margin: &str) -> Option<(&str, &str)> {
    let margin = margin.trim_start();
    let end = if margin.starts_with("/*") {
        margin.find("*/").map_or(margin.len(), |end| end + 2)
    } else {
        memchr::memchr(b'\n', margin.as_bytes()).map_or(margin.len(), |end| end + 1)
    };
    (!margin.is_empty()).then(|| margin.split_at(end))
}

fn pair_of(written: &str) -> Result<(&str, &str), SqlError> {
    let is_word =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match written.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
        Some((key, value)) if is_word(key) && is_word(value) => Ok((key, value)),
        _ => Err(SqlError::Unsupported {
            what: format!("the directive '{}'", written.chars().take(40).collect::<String>()),
            remedy: "write /*vitrail key=value, key=value */",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::lexer::LexMode;
    use crate::normalise::normalise;

    #[test]
    fn directives_stand_in_front() {
        for (sql, pairs) in [
            ("SELECT 1", &[][..]),
            ("/*vitrail share=off, allow_full_writes = 1 */ SELECT 1", &[("share", "off"), ("allow_full_writes", "1")]),
            ("-- one\n# two\n/* three */ /*vitrail a=b*/\n/*vitrail c=d*/SELECT 1", &[("a", "b"), ("c", "d")]),
            ("/*vitrailing a */ /* vitrail a */ SELECT 1 /*vitrail a=b */", &[]),
            ("SELECT /*vitrail a=b */ '/*vitrail a */'", &[]),
            ("-- /*vitrail a\nSELECT 1", &[]),
        ] {
            let statement = normalise(sql.into(), LexMode::default()).expect(sql);
            assert_eq!(parse(&statement).expect(sql), pairs, "{sql}");
        }
        for sql in
            ["/*vitrail*/ SELECT 1", "/*vitrail a */ SELECT 1", "/*vitrail a=b,*/ SELECT 1", "/*vitrail a='b' */ DO 1"]
        {
            let statement = normalise(sql.into(), LexMode::default()).expect(sql);
            assert!(parse(&statement).is_err(), "{sql}");
        }
    }
}
