//! The last line of defence: refuses statements that would leave their mark on a connection that others use.
//!
//! Gates classify statements long before. What comes through here was sent by a gate with a hole, or by a peer that is no gate,
//! so the guard lets pass what it knows and refuses everything else by name. It reads tokens, not grammar: one pass over the
//! text, without allocation. Text inside version comments counts as code, because MySQL runs it.

use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::SessionValues;
use vitrail_sql::error::SqlError;
use vitrail_sql::lexer::{LexMode, Lexer, TokenKind};
use vitrail_sql::user_variable;

/// Whose connection a statement would run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Anybody's next.
    Shared,
    /// Held by a transaction; returns to the pool at its end.
    Transaction,
    /// Held by one session; reset when it is released.
    Reserved,
}

/// What the tablet needs to know of a statement that passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Passed {
    /// No statement at all: only blanks and comments.
    pub empty: bool,
    /// It may leave session state behind that nobody can list (`CALL`): reset the connection before anybody else uses it.
    pub reset_after: bool,
}

/// Statements that a shared connection runs, by their first word.
const SHARED: &[&str] = &[
    "SELECT", "WITH", "VALUES", "TABLE", "INSERT", "REPLACE", "UPDATE", "DELETE", "SHOW", "DESCRIBE", "DESC",
    "EXPLAIN", "DO", "CHECK", "CHECKSUM", "CALL", "HELP",
];

/// Statements that end a transaction in MySQL before they run.
const IMPLICIT_COMMIT: &[&str] = &["CREATE", "ALTER", "DROP", "TRUNCATE", "RENAME", "ANALYZE", "OPTIMIZE", "REPAIR"];

/// Further statements that a reserved connection runs.
const RESERVED: &[&str] = &[
    "BEGIN",
    "START",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT",
    "RELEASE",
    "PREPARE",
    "EXECUTE",
    "DEALLOCATE",
    "HANDLER",
    "LOCK",
    "UNLOCK",
    "SET",
];

/// Functions that take or give back a lock of the connection.
const LOCK_FUNCTIONS: &[&str] = &["GET_LOCK", "RELEASE_LOCK", "RELEASE_ALL_LOCKS"];

/// Functions that read what the connection's previous statement left.
const STATE_FUNCTIONS: &[&str] = &["FOUND_ROWS", "ROW_COUNT"];

/// Checks one statement, which sees `values` of its session: user variables and `LAST_INSERT_ID()` are what it names there.
///
/// # Errors
///
/// [`Code::Unsupported`], with the construct's name and the way around it; [`Code::Invalid`] if a literal or comment has no end.
pub fn check(sql: &str, place: Place, mode: LexMode, values: Option<&SessionValues>) -> Result<Passed, ErrorBody> {
    let text = sql.as_bytes();
    let read = |run_versions: bool| {
        let lexer = if run_versions { Lexer::expanding(text, mode) } else { Lexer::new(text, mode) };
        check_reading(Tokens { text, lexer, error: None }, place, values)
    };
    let passed = read(true)?;
    if sql.contains("/*!") || sql.contains("/*M!") {
        // Which version comments run is the server's business: the statement has to pass either way.
        read(false)?;
    }
    Ok(passed)
}

fn check_reading(mut tokens: Tokens<'_>, place: Place, values: Option<&SessionValues>) -> Result<Passed, ErrorBody> {
    let mut first = tokens.next();
    while matches!(first, Some(Token::Symbol(b'('))) {
        first = tokens.next();
    }
    let Some(Token::Word(verb)) = first else {
        return match first {
            None if tokens.error.is_some() => Err(tokens.error.expect("just seen").into()),
            None | Some(Token::Symbol(b';')) => Ok(Passed { empty: true, reset_after: false }),
            // Not a statement: MySQL words the error better.
            Some(_) => Ok(Passed::default()),
        };
    };
    let is = |words: &[&str]| words.iter().any(|word| verb.eq_ignore_ascii_case(word.as_bytes()));
    let second = tokens.clone().next().and_then(Token::word).unwrap_or_default();
    let second_is = |word: &str| second.eq_ignore_ascii_case(word.as_bytes());

    if is(IMPLICIT_COMMIT) {
        if place == Place::Transaction && !temporary(&tokens) {
            // MariaDB's ANALYZE of a statement commits nothing.
            let of_statement = is(&["ANALYZE"]) && !["TABLE", "LOCAL", "NO_WRITE_TO_BINLOG"].into_iter().any(second_is);
            if !of_statement {
                return Err(refused(verb, "would commit the open transaction; commit or roll back first"));
            }
        }
        if place != Place::Reserved && temporary(&tokens) {
            return Err(refused(b"a temporary table", "needs a reserved connection"));
        }
        if defines_program(&tokens) {
            // Its body is stored, not run.
            return Ok(Passed::default());
        }
    } else if is(&["SAVEPOINT", "RELEASE"]) || (is(&["ROLLBACK"]) && rolls_back_to(&tokens)) {
        if place == Place::Shared {
            return Err(refused(verb, "needs a transaction"));
        }
    } else if is(&["BEGIN", "START", "COMMIT", "ROLLBACK"]) && place != Place::Reserved {
        return Err(refused(verb, "is not a statement here; use the begin, commit and rollback requests"));
    } else if is(&["SET"])
        && !(place == Place::Reserved && (sets_user_variables_only(&tokens) || sets_autocommit(&tokens)))
    {
        return Err(refused(verb, "is refused by tablets; session variables are part of the session's settings"));
    } else if is(&["USE"]) {
        return Err(refused(verb, "is refused by tablets; the session's target names the keyspace"));
    } else if !is(SHARED) && is(RESERVED) && place != Place::Reserved {
        return Err(refused(verb, "needs a reserved connection"));
    } else if !is(SHARED) && !is(RESERVED) {
        return Err(refused(verb, "is not a statement that tablets run"));
    } else if is(&["SHOW"]) && place == Place::Shared && shows_diagnostics(&tokens) {
        return Err(refused(
            b"SHOW WARNINGS",
            "on a shared connection tells of somebody else; ask for warnings with the request",
        ));
    }

    let mut ended = false;
    let mut previous: Option<Token<'_>> = first;
    let mut depth_of_call: Option<&[u8]> = None;
    for token in tokens.by_ref() {
        if ended {
            return Err(refused(b"several statements in one text", "are refused; send them one by one"));
        }
        match token {
            Token::Symbol(b';') => ended = true,
            Token::UserVariable(variable) if place != Place::Reserved && !is_named(variable, values) => {
                return Err(refused(
                    b"a user variable",
                    "has to be named with the statement, or needs a reserved connection",
                ));
            }
            Token::Symbol(b'(') => {
                if let Some(function) = previous.and_then(Token::word) {
                    let named =
                        |names: &[&str]| names.iter().any(|name| function.eq_ignore_ascii_case(name.as_bytes()));
                    if place != Place::Reserved && named(LOCK_FUNCTIONS) {
                        return Err(refused(function, "needs a reserved connection"));
                    }
                    if place == Place::Shared && named(STATE_FUNCTIONS) {
                        return Err(refused(function, "on a shared connection tells of somebody else's statement"));
                    }
                    let told = values.is_some_and(|values| values.last_insert_id.is_some());
                    if place == Place::Shared && !told && named(&["LAST_INSERT_ID"]) {
                        depth_of_call = Some(function);
                    }
                }
            }
            Token::Symbol(b')') if depth_of_call.is_some() => {
                return Err(refused(b"LAST_INSERT_ID()", "on a shared connection tells of somebody else's statement"));
            }
            Token::Word(word)
                if (word.eq_ignore_ascii_case(b"OUTFILE") || word.eq_ignore_ascii_case(b"DUMPFILE"))
                    && previous.and_then(Token::word).is_some_and(|before| before.eq_ignore_ascii_case(b"INTO")) =>
            {
                return Err(refused(word, "writes to the server's disk and is refused"));
            }
            _ => {}
        }
        if !matches!(token, Token::Symbol(b'(')) {
            depth_of_call = None;
        }
        previous = Some(token);
    }
    if let Some(error) = tokens.error {
        return Err(error.into());
    }
    Ok(Passed { empty: false, reset_after: is(&["CALL"]) && place != Place::Reserved })
}

fn refused(what: &[u8], why: &str) -> ErrorBody {
    let what = String::from_utf8_lossy(&what[..what.len().min(40)]);
    // A description has blanks; a keyword or function is written as SQL writes it.
    let name = if what.contains(' ') { what.into_owned() } else { what.to_uppercase() };
    ErrorBody::new(Code::Unsupported, format!("{name} {why}"))
}

/// The statement was sent with the value of this variable.
fn is_named(variable: &[u8], values: Option<&SessionValues>) -> bool {
    let name = std::str::from_utf8(variable).ok().and_then(|token| user_variable::name(token).ok());
    name.is_some_and(|name| values.is_some_and(|values| values.user_variables.iter().any(|(known, _)| *known == name)))
}

/// `CREATE [OR REPLACE] TEMPORARY`, `DROP TEMPORARY`.
fn temporary(after_verb: &Tokens<'_>) -> bool {
    after_verb
        .clone()
        .map_while(Token::word)
        .take(3)
        .take_while(|word| [&b"OR"[..], b"REPLACE", b"TEMPORARY"].iter().any(|known| word.eq_ignore_ascii_case(known)))
        .any(|word| word.eq_ignore_ascii_case(b"TEMPORARY"))
}

/// `CREATE … PROCEDURE`, `FUNCTION`, `TRIGGER`, `EVENT`: one of them stands among the first words, before any parenthesis.
fn defines_program(after_verb: &Tokens<'_>) -> bool {
    after_verb
        .clone()
        .take(10)
        .take_while(|token| *token != Token::Symbol(b'('))
        .take_while(|token| token.word().is_none_or(|word| !word.eq_ignore_ascii_case(b"TABLE")))
        .filter_map(Token::word)
        .any(|word| {
            ["PROCEDURE", "FUNCTION", "TRIGGER", "EVENT"].iter().any(|kind| word.eq_ignore_ascii_case(kind.as_bytes()))
        })
}

/// `ROLLBACK [WORK] TO`.
fn rolls_back_to(after_verb: &Tokens<'_>) -> bool {
    after_verb.clone().take(2).filter_map(Token::word).any(|word| word.eq_ignore_ascii_case(b"TO"))
}

/// `SHOW [COUNT(*)] WARNINGS`, `SHOW ERRORS`: the diagnostics of the connection's previous statement.
fn shows_diagnostics(after_verb: &Tokens<'_>) -> bool {
    let mut words = after_verb.clone().filter_map(Token::word);
    let diagnostics = |word: &[u8]| word.eq_ignore_ascii_case(b"WARNINGS") || word.eq_ignore_ascii_case(b"ERRORS");
    match words.next() {
        Some(word) if word.eq_ignore_ascii_case(b"COUNT") => words.next().is_some_and(diagnostics),
        Some(word) => diagnostics(word),
        None => false,
    }
}

/// `SET autocommit = …` alone: the only way to be in a transaction without ending LOCK TABLES.
fn sets_autocommit(after_verb: &Tokens<'_>) -> bool {
    let mut tokens = after_verb.clone();
    tokens.next().and_then(Token::word).is_some_and(|word| word.eq_ignore_ascii_case(b"AUTOCOMMIT"))
        && tokens.next() == Some(Token::Symbol(b'='))
        && tokens.next() == Some(Token::Value)
        && tokens.next().is_none_or(|token| token == Token::Symbol(b';'))
}

/// `SET @a = …, @b = …`.
fn sets_user_variables_only(after_verb: &Tokens<'_>) -> bool {
    let mut depth = 0_u32;
    let mut starts = true;
    for token in after_verb.clone() {
        if starts && !matches!(token, Token::UserVariable(_)) {
            return false;
        }
        starts = false;
        match token {
            Token::Symbol(b'(') => depth += 1,
            Token::Symbol(b')') => depth = depth.saturating_sub(1),
            Token::Symbol(b',') if depth == 0 => starts = true,
            _ => {}
        }
    }
    !starts
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    /// A keyword or identifier; backticks taken off (doubled ones inside are left).
    Word(&'a [u8]),
    /// `@name`, as it is written; not `@@name`.
    UserVariable(&'a [u8]),
    /// A string, number, system variable or bind: whatever cannot change a connection.
    Value,
    /// Any other byte.
    Symbol(u8),
}

impl<'a> Token<'a> {
    fn word(self) -> Option<&'a [u8]> {
        match self {
            Token::Word(word) => Some(word),
            _ => None,
        }
    }
}

/// The tokens of the workspace's lexer, as the guard sees them.
#[derive(Clone)]
struct Tokens<'a> {
    text: &'a [u8],
    lexer: Lexer<'a>,
    /// Why the tokens ended before the text.
    error: Option<SqlError>,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        while self.error.is_none() {
            let token = match self.lexer.next_token() {
                Ok(token) => token?,
                Err(error) => {
                    self.error = Some(error);
                    return None;
                }
            };
            let text = &self.text[token.start..token.end];
            return Some(match token.kind {
                TokenKind::Comment | TokenKind::Hint | TokenKind::VersionComment => continue,
                TokenKind::Word => Token::Word(text),
                TokenKind::QuotedName => Token::Word(&text[1..text.len() - 1]),
                TokenKind::UserVariable => Token::UserVariable(text),
                TokenKind::Open
                | TokenKind::Close
                | TokenKind::Comma
                | TokenKind::Semicolon
                | TokenKind::Dot
                | TokenKind::Operator => Token::Symbol(text[0]),
                TokenKind::String
                | TokenKind::National
                | TokenKind::Hex
                | TokenKind::Bits
                | TokenKind::Integer
                | TokenKind::Decimal
                | TokenKind::Float
                | TokenKind::SystemVariable
                | TokenKind::Bind
                | TokenKind::ListBind => Token::Value,
            });
        }
        None
    }
}

#[cfg(test)]
mod tests;
