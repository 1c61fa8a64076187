//! Statements of tests, and what is wrong with them.
#![allow(dead_code, reason = "each test binary uses its part")]

use vitrail_sql::{LexMode, Normalised, SqlError, normalise};

pub const DEFAULT: LexMode = LexMode { no_backslash_escapes: false, ansi_quotes: false, pipes_as_concat: false };
pub const PLAIN_BACKSLASH: LexMode = LexMode { no_backslash_escapes: true, ..DEFAULT };
pub const ANSI: LexMode = LexMode { ansi_quotes: true, ..DEFAULT };

pub fn read_as(sql: &str, mode: LexMode) -> Normalised {
    normalise(sql.into(), mode).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

pub fn read(sql: &str) -> Normalised {
    read_as(sql, DEFAULT)
}

/// `syntax`, `unsupported` or what else is wrong.
pub fn fault<T: std::fmt::Debug>(outcome: Result<T, SqlError>) -> &'static str {
    match outcome.expect_err("refused") {
        SqlError::Syntax { .. } => "syntax",
        SqlError::Unsupported { .. } => "unsupported",
        _ => "other",
    }
}
