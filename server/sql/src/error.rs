//! What can be wrong with a statement's text, before MySQL sees it.

use vitrail_proto::error::{Code, ErrorBody};

/// Why a statement is not lexed, parsed, edited or bound. Positions are bytes into the statement's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// A string, quoted name or comment has no end.
    #[error("{what} that begins at byte {position} has no end; close it")]
    Unterminated {
        /// `a string`, `a quoted name`, `a comment`.
        what: &'static str,
        /// Where it begins.
        position: usize,
    },
    /// A byte that MySQL's grammar has no use for, outside strings and comments.
    #[error("byte 0x{byte:02x} at byte {position} belongs to no SQL; remove it")]
    StrayByte {
        /// The byte.
        byte: u8,
        /// Where.
        position: usize,
    },
    /// A version comment that a server which skips it would end elsewhere than one which runs it.
    #[error(
        "the version comment at byte {position} ends at different places on different servers; write it without \
         quotes and comments around */"
    )]
    AmbiguousComment {
        /// Where it begins.
        position: usize,
    },
    /// Something follows a `;`.
    #[error("a second statement begins at byte {position}; send one statement at a time")]
    SeveralStatements {
        /// Where the second one begins.
        position: usize,
    },
    /// The text is longer than positions can count.
    #[error("the statement has {length} bytes, at most {limit} are possible; send less at once")]
    TooLong {
        /// Its length.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// The grammar does not allow it.
    #[error("syntax error near '{near}' at line {line}: {reason}")]
    Syntax {
        /// Where.
        position: usize,
        /// From 1, as MySQL counts.
        line: usize,
        /// The text from there, at most 80 characters, as in MySQL's error 1064.
        near: String,
        /// What was expected.
        reason: String,
    },
    /// Understood, but not handled.
    #[error("{what} is not supported; {remedy}")]
    Unsupported {
        /// What.
        what: String,
        /// What to do instead.
        remedy: &'static str,
    },
    /// A literal that cannot be decoded.
    #[error("the literal at byte {position} cannot be read: {reason}")]
    Literal {
        /// Where.
        position: usize,
        /// Why.
        reason: &'static str,
    },
    /// An anchor or span lies outside the statement, or edits overlap.
    #[error("edits of a statement do not fit it: {reason}")]
    Edit {
        /// Why.
        reason: &'static str,
    },
}

impl SqlError {
    /// The meaning on the wire.
    pub fn code(&self) -> Code {
        match self {
            SqlError::Unsupported { .. } => Code::Unsupported,
            SqlError::TooLong { .. } => Code::TooLarge,
            SqlError::Edit { .. } => Code::Internal,
            _ => Code::Invalid,
        }
    }

    /// A syntax error at `position` of `text`.
    pub(crate) fn syntax(text: &str, position: usize, reason: impl Into<String>) -> SqlError {
        let mut position = position.min(text.len());
        while !text.is_char_boundary(position) {
            position -= 1;
        }
        let line = 1 + memchr::memchr_iter(b'\n', &text.as_bytes()[..position]).count();
        let near = text[position..].chars().take(80).collect();
        SqlError::Syntax { position, line, near, reason: reason.into() }
    }
}

impl From<SqlError> for ErrorBody {
    fn from(error: SqlError) -> ErrorBody {
        ErrorBody::new(error.code(), error.to_string())
    }
}
