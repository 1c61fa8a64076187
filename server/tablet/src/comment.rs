//! The comment before a statement that says on whose behalf it runs, for whoever looks at MySQL's process list or slow log.
//!
//! In sqlcommenter's form: `/*application='shop',user='anna'*/`. It is put on when the statement is sent, so that the text that
//! statements are known by stays free of it.

/// The longest value in a comment, in bytes: `SHOW PROCESSLIST` shows a hundred of the statement, comment included.
const LONGEST: usize = 32;

/// Appends the comment to `out`; nothing if there is nothing to say.
pub(crate) fn write(application: &str, user: &str, out: &mut Vec<u8>) {
    let mut separator: &[u8] = b"/*";
    for (key, value) in [("application", application), ("user", user)] {
        if value.is_empty() {
            continue;
        }
        out.extend_from_slice(separator);
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(b"='");
        write_value(value, out);
        out.push(b'\'');
        separator = b",";
    }
    if separator == b"," {
        out.extend_from_slice(b"*/ ");
    }
}

/// Letters, digits and a few harmless marks as they are, everything else in percent form: a value ends neither its quotes nor the comment.
fn write_value(value: &str, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut room = LONGEST;
    let mut utf8 = [0; 4];
    for character in value.chars() {
        let plain = character.is_ascii_alphanumeric() || matches!(character, ' ' | '.' | '_' | '-' | '@' | ':');
        let bytes = character.encode_utf8(&mut utf8).as_bytes();
        let needed = if plain { 1 } else { 3 * bytes.len() };
        if needed > room {
            return;
        }
        room -= needed;
        if plain {
            out.extend_from_slice(bytes);
            continue;
        }
        for byte in bytes {
            out.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use vitrail_sql::lexer::{LexMode, Lexer, TokenKind};

    use super::*;

    fn comment(application: &str, user: &str) -> String {
        let mut out = Vec::new();
        write(application, user, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn who_is_known_is_named() {
        assert_eq!(comment("shop", "anna"), "/*application='shop',user='anna'*/ ");
        assert_eq!(comment("", "anna"), "/*user='anna'*/ ");
        assert_eq!(comment("shop 2.0", ""), "/*application='shop 2.0'*/ ");
        assert_eq!(comment("", ""), "");
    }

    #[test]
    fn nothing_breaks_out_of_the_comment() {
        assert_eq!(comment("a*/ DROP TABLE t; --", ""), "/*application='a%2A%2F DROP TABLE t%3B --'*/ ");
        assert_eq!(comment("é'\\\n", "x"), "/*application='%C3%A9%27%5C%0A',user='x'*/ ");
        let nasty = [
            "*/",
            "*",
            "/",
            "!",
            "+",
            "'",
            "\"",
            "\0",
            "\u{7f}",
            "M!",
            "😀😀😀😀",
            &"x".repeat(1000),
            "*/*/*/*/*/*/*/*/*/",
        ];
        for value in nasty {
            let text = comment(value, value);
            assert!(text.len() <= 2 * LONGEST + 40, "{text}");
            let mut lexer = Lexer::new(text.as_bytes(), LexMode::default());
            let token = lexer.next_token().unwrap().unwrap();
            assert_eq!((token.kind, token.end), (TokenKind::Comment, text.trim_end().len()), "{text}");
            assert_eq!(lexer.next_token().unwrap(), None);
        }
    }
}
