//! A statement as others may read it: without literals, binds and comments.

use crate::canonical::{Canonical, Sink};
use crate::fingerprint::Hash;
use crate::lexer::{LexMode, Lexer, TokenKind};

/// What ends a text that was cut.
const CUT: char = '…';

/// A text that gives nothing away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    /// As [`redacted`] gives it.
    pub text: String,
    /// As [`crate::Normalised::fingerprint`].
    pub fingerprint: u64,
}

/// The canonical form of `text` as a text of at most about `limit` bytes: names and keywords as they are written, one blank where there were
/// blanks or comments, `?` for every literal and bind. Statements with the same fingerprint have the same but for letter case and blanks.
///
/// What the lexer refuses ends the text: nothing behind it is shown. A text that was cut ends in `…`.
pub fn redacted(text: &str, mode: LexMode, limit: usize) -> String {
    let mut out = Text::new(limit);
    walk(text, mode, &mut out, |out| out.cut);
    out.finish()
}

/// The same with the statement's fingerprint.
pub fn redact(text: &str, mode: LexMode, limit: usize) -> Redacted {
    let mut both = Both { text: Text::new(limit), hash: Hash::default() };
    walk(text, mode, &mut both, |_| false);
    Redacted { fingerprint: both.hash.value(), text: both.text.finish() }
}

/// Gives the canonical form to a sink, up to the statement's end, to what cannot be read, or to where the sink has enough.
fn walk<S: Sink + Cut>(text: &str, mode: LexMode, sink: &mut S, enough: impl Fn(&S) -> bool) {
    let bytes = text.as_bytes();
    let mut canonical = Canonical::default();
    let mut lexer = Lexer::new(bytes, mode);
    while !enough(sink) {
        match lexer.next_token() {
            Ok(Some(token)) if token.kind != TokenKind::Semicolon => canonical.token(bytes, token, mode, sink),
            Ok(_) => break,
            Err(_) => {
                canonical.finish(bytes, sink);
                return sink.cut();
            }
        }
    }
    canonical.finish(bytes, sink);
}

/// A sink that can be told that something is missing.
trait Cut {
    fn cut(&mut self);
}

struct Both {
    text: Text,
    hash: Hash,
}

impl Sink for Both {
    fn piece(&mut self, text: &[u8], kind: TokenKind, gap: bool) {
        self.text.piece(text, kind, gap);
        self.hash.piece(text, kind, gap);
    }
}

impl Cut for Both {
    fn cut(&mut self) {
        self.text.cut();
    }
}

struct Text {
    out: String,
    limit: usize,
    /// The kind of the piece before.
    before: Option<TokenKind>,
    cut: bool,
}

impl Text {
    fn new(limit: usize) -> Text {
        Text { out: String::new(), limit, before: None, cut: false }
    }

    fn finish(mut self) -> String {
        if self.cut {
            self.out.push(CUT);
        }
        self.out
    }
}

impl Cut for Text {
    fn cut(&mut self) {
        self.cut = true;
    }
}

impl Sink for Text {
    fn piece(&mut self, text: &[u8], kind: TokenKind, gap: bool) {
        if self.cut {
            return;
        }
        // Two words without anything between them would be one.
        let wordy = |kind| !matches!(kind, TokenKind::Open | TokenKind::Close | TokenKind::Dot | TokenKind::Operator);
        let blank = match (self.before, kind) {
            (None, _) | (_, TokenKind::Comma | TokenKind::Close | TokenKind::Dot) => false,
            (Some(TokenKind::Comma), _) => true,
            (Some(TokenKind::Open | TokenKind::Dot), _) => false,
            (Some(TokenKind::Close), kind) => gap || wordy(kind),
            (Some(before), kind) => gap || wordy(before) && wordy(kind),
        };
        self.before = Some(kind);
        let piece = String::from_utf8_lossy(text);
        if self.out.len() + usize::from(blank) + piece.len() > self.limit {
            self.cut = true;
            return;
        }
        if blank {
            self.out.push(' ');
        }
        self.out.push_str(&piece);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::normalise::normalise;

    const LIMIT: usize = 1024;

    fn shown(text: &str) -> String {
        redacted(text, LexMode::default(), LIMIT)
    }

    fn fingerprint(text: &str) -> u64 {
        normalise(Arc::from(text), LexMode::default()).unwrap_or_else(|error| panic!("{text}: {error}")).fingerprint
    }

    #[test]
    fn literals_are_marks() {
        for (text, expected) in [
            ("SELECT * FROM t WHERE id = 5", "SELECT * FROM t WHERE id = ?"),
            ("select a.b , count( * )from t", "select a.b, count(*) from t"),
            ("SELECT 'it''s', \"a\\\"b\", N'x', x'41', 0x41, b'1', 0b1, 1.5, .5, 1e3", "SELECT ?"),
            ("SELECT 'a' 'b' FROM t", "SELECT ? FROM t"),
            ("SELECT _utf8mb4'x' COLLATE utf8mb4_bin", "SELECT _utf8mb4 ? COLLATE utf8mb4_bin"),
            ("SELECT DATE'2020-01-01' + INTERVAL 1 DAY", "SELECT DATE ? + INTERVAL ? DAY"),
            ("SELECT * FROM t WHERE a IN (1, -2, +3, 'x') AND b = -4", "SELECT * FROM t WHERE a IN (?) AND b = ?"),
            ("SELECT a-1, a - b, -a, (-a)", "SELECT a-?, a - b, -a, (-a)"),
            ("SELECT * FROM t WHERE (a, b) IN ((1, 2), (3, 4), (5, 6))", "SELECT * FROM t WHERE (a, b) IN ((?))"),
            ("SELECT ((1),(a))", "SELECT ((?), (a))"),
            ("SELECT ((1),(2,a))", "SELECT ((?), (?, a))"),
            ("SELECT * FROM t WHERE a IN ::list AND b = :b", "SELECT * FROM t WHERE a IN ? AND b = ?"),
            (
                "INSERT INTO t (a, b) VALUES (1, NULL), (2, NOW()), (DEFAULT, 'x')",
                "INSERT INTO t (a, b) VALUES (?, NULL)",
            ),
            (
                "INSERT INTO t VALUES (1), (2) ON DUPLICATE KEY UPDATE a = VALUES(a), b = (1)",
                "INSERT INTO t VALUES (?) ON DUPLICATE KEY UPDATE a = VALUES(a), b = (?)",
            ),
            ("VALUES ROW(1, 2), ROW(3, 4) ORDER BY 1", "VALUES ROW(?) ORDER BY ?"),
            ("SELECT value, row FROM t", "SELECT value, row FROM t"),
            ("SELECT `a``b`, t.`c` FROM `t`;", "SELECT `a``b`, t.`c` FROM `t`"),
            (
                "CREATE TABLE t (a VARCHAR(20) DEFAULT 'x' COMMENT 'y')",
                "CREATE TABLE t (a VARCHAR(?) DEFAULT ? COMMENT ?)",
            ),
            ("CREATE USER u IDENTIFIED BY 'secret'", "CREATE USER u IDENTIFIED BY ?"),
            ("SELECT @a := 1, @@sql_mode", "SELECT @a := ?, @@sql_mode"),
            ("", ""),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn the_fingerprint_is_that_of_the_statement() {
        for sql in ["SELECT a FROM t WHERE b IN (1, 2, 3)", "/* x */ select 'a', b from t;", "VALUES (1), (2)"] {
            assert_eq!(redact(sql, LexMode::default(), 3).fingerprint, fingerprint(sql), "{sql}");
        }
        let unreadable = redact("SELECT a FROM t WHERE b = 'open", LexMode::default(), LIMIT);
        assert_eq!(unreadable.text, "SELECT a FROM t WHERE b =…");
    }

    #[test]
    fn texts_are_cut_between_pieces() {
        assert_eq!(redacted("SELECT äöü FROM t", LexMode::default(), 14), "SELECT äöü…");
        assert_eq!(redacted("SELECT äöü FROM t", LexMode::default(), 12), "SELECT…");
    }

    /// What must never be seen is SECRET, in whatever place a user may hide it.
    #[test]
    fn nothing_of_literals_and_comments_is_shown() {
        for text in [
            "SELECT 'SECRET'",
            "SELECT \"SECRET\"",
            "SELECT 'a\\'SECRET' FROM t",
            "SELECT 'a''SECRET' FROM t",
            "SELECT '-- SECRET' FROM t",
            "SELECT '/*' , 'SECRET', '*/'",
            "/* SECRET */ SELECT 1 /* SECRET */ FROM t -- SECRET",
            "SELECT 1 # SECRET\n FROM t",
            "SELECT 1 -- SECRET\n FROM t",
            "SELECT /*+ SECRET */ 1",
            "SELECT /*+ QB_NAME(SECRET) */ 1",
            "SELECT 1 /*! , 'SECRET' */ FROM t",
            "SELECT 1 /*!50000 , \"SECRET\" /* SECRET */ */ FROM t",
            "SELECT 1 /*M!100100 , 'SECRET' */ FROM t",
            "SELECT 1; /* SECRET */",
            "SELECT 1; SELECT 'SECRET'",
            "SELECT :SECRET, ::SECRET",
            "SELECT 'SECRET",
            "SELECT `a, 'SECRET'",
            "SELECT 1 /* SECRET",
            "SELECT N'SECRET', X'5EC4E7', _latin1'SECRET'",
            "INSERT INTO t VALUES (1, 'SECRET'), ('SECRET', 2), (3, \"SECRET\")",
            "SELECT * FROM t WHERE (a, b) IN (('SECRET', 1), (2, 'SECRET'))",
            "SET PASSWORD = 'SECRET'",
            "SELECT {d 'SECRET'}",
            "SELECT \u{1}'SECRET'",
        ] {
            let shown = shown(text);
            assert!(!shown.contains("SECRET") && !shown.contains("5EC4E7"), "{text}: {shown}");
        }
    }

    #[test]
    fn double_quotes_are_names_under_ansi_quotes_alone() {
        let ansi = LexMode { ansi_quotes: true, ..LexMode::default() };
        assert_eq!(redacted("SELECT \"name\", 'text'", ansi, LIMIT), "SELECT \"name\", ?");
        assert_eq!(shown("SELECT \"name\", 'text'"), "SELECT ?");
        let plain = LexMode { no_backslash_escapes: true, ..LexMode::default() };
        assert_eq!(redacted("SELECT 'a\\', b", plain, LIMIT), "SELECT ?, b");
    }

    #[test]
    fn the_same_statement_has_one_fingerprint() {
        let same: [&[&str]; 6] = [
            &[
                "SELECT a FROM t WHERE id = 1",
                "select  A from T where ID=-22 -- x",
                "/*x*/SELECT a/*y*/FROM t WHERE id = :id;",
            ],
            &["SELECT a FROM t WHERE id IN (1)", "SELECT a FROM t WHERE id IN (1,-2,'c')"],
            &[
                "INSERT INTO t VALUES (1,2)",
                "INSERT INTO t VALUES (1,2),(3,4)",
                "INSERT INTO t VALUES (1,2),(NULL,NOW())",
            ],
            &["SELECT a FROM t WHERE (a,b) IN ((1,2))", "SELECT a FROM t WHERE (a,b) IN ((1,2),(3,4),(5,6))"],
            &["SELECT a /*! FROM t */", "SELECT a FROM t", "SELECT a /*!50000 FROM */ t"],
            &["SELECT /*+ A */ 1", "SELECT /*+ B */ 2"],
        ];
        let mut seen = Vec::new();
        for group in same {
            let first = fingerprint(group[0]);
            for text in group {
                assert_eq!(fingerprint(text), first, "{text}");
                let squeezed = |text: &str| shown(text).to_lowercase().replace(' ', "");
                assert_eq!(squeezed(text), squeezed(group[0]), "{text}");
            }
            assert!(!seen.contains(&first), "{}", group[0]);
            seen.push(first);
        }
        for (left, right) in [
            ("SELECT a, b", "SELECT b, a"),
            ("SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = c"),
            ("SELECT a FROM t WHERE b IS NULL", "SELECT a FROM t WHERE b IS TRUE"),
            ("SELECT a - 1", "SELECT a + 1"),
            ("SELECT 1", "SELECT /*+ A */ 1"),
        ] {
            assert_ne!(fingerprint(left), fingerprint(right), "{left} / {right}");
        }
    }

    #[test]
    fn length_is_bounded() {
        let long = format!("SELECT {} FROM t", vec!["name"; 10_000].join(", "));
        let shown = shown(&long);
        assert!(shown.len() <= LIMIT + CUT.len_utf8() && shown.ends_with(CUT), "{} bytes", shown.len());
        let huge = format!("SELECT `{}`", "é".repeat(5_000));
        assert_eq!(redacted(&huge, LexMode::default(), LIMIT), "SELECT…");
    }
}
