//! Statements that leave something on their connection: LOCK TABLES, HANDLER, functions on named locks; and which names a statement mentions.

use std::borrow::Cow;

use super::words::{Token, Words};
use super::{TableName, unsupported};
use crate::error::SqlError;
use crate::lexer::{Lexer, TokenKind};
use crate::literal::unquote_name;
use crate::normalise::Normalised;

/// A statement about the connection that it runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OfConnection<'a> {
    /// `LOCK TABLES …`
    LockTables,
    /// `UNLOCK TABLES`
    UnlockTables,
    /// `HANDLER table OPEN [AS alias]`: the name that later statements use.
    HandlerOpen(TableName<'a>, Option<Cow<'a, str>>),
    /// `HANDLER name READ …`
    HandlerRead(TableName<'a>),
    /// `HANDLER name CLOSE`
    HandlerClose(TableName<'a>),
}

/// Reads such a statement; `None` if it is another.
///
/// # Errors
/// [`SqlError::Unsupported`] for locks on a whole server, [`SqlError::Syntax`].
pub fn parse(statement: &Normalised) -> Result<Option<OfConnection<'_>>, SqlError> {
    let mut words = Words::of(statement)?;
    if words.take(&["FLUSH"]) {
        return Err(unsupported("FLUSH, which concerns everybody's sessions", "run it on the MySQL servers"));
    }
    if words.take(&["LOCK"]) {
        return match words.take(&["TABLES"]) || words.take(&["TABLE"]) {
            true => Ok(Some(OfConnection::LockTables)),
            false => Err(unsupported("LOCK of anything but tables", "run it on the MySQL servers")),
        };
    }
    if words.take(&["UNLOCK"]) {
        if !words.take(&["TABLES"]) && !words.take(&["TABLE"]) {
            return Err(words.unexpected());
        }
        words.end()?;
        return Ok(Some(OfConnection::UnlockTables));
    }
    if !words.take(&["HANDLER"]) {
        return Ok(None);
    }
    let table = words.table()?;
    if words.take(&["READ"]) {
        return Ok(Some(OfConnection::HandlerRead(table)));
    }
    if words.take(&["CLOSE"]) {
        words.end()?;
        return Ok(Some(OfConnection::HandlerClose(table)));
    }
    if !words.take(&["OPEN"]) {
        return Err(words.unexpected());
    }
    let alias = if words.take(&["AS"]) || !words.is_done() { Some(words.name()?) } else { None };
    words.end()?;
    Ok(Some(OfConnection::HandlerOpen(table, alias)))
}

/// Whether it is `DO …`.
pub fn is_do(statement: &Normalised) -> bool {
    Words::of(statement).is_ok_and(|mut words| words.take(&["DO"]))
}

/// What a statement does with named locks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Locks {
    /// It calls `GET_LOCK`.
    pub takes: bool,
    /// It calls `RELEASE_LOCK` or `RELEASE_ALL_LOCKS`.
    pub gives: bool,
    /// The names that it takes, where they are written.
    pub names: Vec<LockName>,
    /// It takes a name that is not written, but computed.
    pub computed: bool,
    /// It does nothing but `RELEASE_ALL_LOCKS()`.
    pub releases_all: bool,
}

/// The name of a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockName {
    /// Written.
    Text(String),
    /// The value of a bind.
    Bind(String),
}

const FUNCTIONS: [&str; 5] = ["GET_LOCK", "RELEASE_LOCK", "RELEASE_ALL_LOCKS", "IS_FREE_LOCK", "IS_USED_LOCK"];

/// The functions on named locks that a statement calls; `None` if it calls none.
///
/// # Errors
/// What the lexer refuses.
pub fn locks(statement: &Normalised) -> Result<Option<Locks>, SqlError> {
    // Most statements are known by this alone.
    if !statement.body_text().as_bytes().windows(5).any(|part| part.eq_ignore_ascii_case(b"_LOCK")) {
        return Ok(None);
    }
    let mut words = Words::of(statement)?;
    let (mut locks, mut found) = (Locks::default(), false);
    let mut alone = words.clone();
    locks.releases_all = (alone.take(&["SELECT"]) || alone.take(&["DO"]))
        && alone.take(&["RELEASE_ALL_LOCKS"])
        && alone.take_symbol("(")
        && alone.take_symbol(")")
        && (alone.is_done() || (alone.take(&["AS"]) && alone.name().is_ok() && alone.is_done()));
    let mut after_dot = false;
    while let Some(token) = words.next() {
        let qualified = std::mem::replace(&mut after_dot, token == Token::Symbol("."));
        let name = match &token {
            Token::Word(name) => *name,
            Token::Name(name) => name,
            _ => continue,
        };
        let Some(function) = FUNCTIONS.iter().position(|known| known.eq_ignore_ascii_case(name)) else { continue };
        if qualified || !words.take_symbol("(") {
            continue;
        }
        found = true;
        match function {
            0 => {
                locks.takes = true;
                match lock_name(words.clone()) {
                    Some(name) => locks.names.push(name),
                    None => locks.computed = true,
                }
            }
            1 | 2 => locks.gives = true,
            _ => {}
        }
    }
    Ok(found.then_some(locks))
}

/// The first argument of a call, if it is one literal or bind.
fn lock_name(mut words: Words<'_>) -> Option<LockName> {
    let name = match words.string().ok()? {
        Some(text) => LockName::Text(text),
        None => match words.next()? {
            Token::Number(number) => LockName::Text(number.to_owned()),
            Token::Symbol(bind) if !bind.starts_with("::") && bind.len() > 1 => {
                LockName::Bind(bind.strip_prefix(':')?.to_owned())
            }
            _ => return None,
        },
    };
    (words.peek() == Some(&Token::Symbol(","))).then_some(name)
}

/// Whether a name or word of the statement is one of these, in any letter case. What cannot be read may mention anything.
pub fn mentions<'n>(statement: &Normalised, mut names: impl Iterator<Item = &'n str> + Clone) -> bool {
    let text = statement.body_text();
    let mut lexer = Lexer::expanding(text.as_bytes(), statement.mode);
    loop {
        let token = match lexer.next_token() {
            Ok(Some(token)) => token,
            Ok(None) => return false,
            Err(_) => return names.next().is_some(),
        };
        let name = match token.kind {
            TokenKind::Word => Cow::Borrowed(&text[token.start..token.end]),
            TokenKind::QuotedName => unquote_name(&text[token.start..token.end]),
            _ => continue,
        };
        if names.clone().any(|known| known.eq_ignore_ascii_case(&name)) {
            return true;
        }
    }
}
