//! BEGIN, COMMIT, ROLLBACK and savepoints, as MySQL writes them.

use vitrail_proto::message::BeginOptions;

use super::unsupported;
use super::words::Words;
use crate::error::SqlError;
use crate::normalise::Normalised;

/// What follows the end of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    /// Nothing.
    No,
    /// `AND CHAIN`: a new one with the same characteristics.
    Yes,
}

/// What becomes of a savepoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Savepoint {
    /// `SAVEPOINT a`
    Set(String),
    /// `ROLLBACK TO a`
    RollbackTo(String),
    /// `RELEASE SAVEPOINT a`
    Release(String),
}

/// `BEGIN [WORK]`, `START TRANSACTION [WITH CONSISTENT SNAPSHOT | READ WRITE | READ ONLY, …]`
///
/// # Errors
/// [`SqlError::Syntax`] for anything else.
pub fn begin(statement: &Normalised) -> Result<BeginOptions, SqlError> {
    let mut words = Words::of(statement)?;
    let mut options = BeginOptions::default();
    if words.take(&["BEGIN"]) {
        words.take(&["WORK"]);
    } else if words.take(&["START", "TRANSACTION"]) {
        while !words.is_done() {
            if words.take(&["WITH", "CONSISTENT", "SNAPSHOT"]) {
                options.snapshot = true;
            } else if words.take(&["READ", "ONLY"]) && options.read_only.is_none() {
                options.read_only = Some(true);
            } else if words.take(&["READ", "WRITE"]) && options.read_only.is_none() {
                options.read_only = Some(false);
            } else {
                return Err(words.unexpected());
            }
            if !words.take_symbol(",") {
                break;
            }
        }
    } else {
        return Err(words.unexpected());
    }
    words.end()?;
    Ok(options)
}

/// `COMMIT | ROLLBACK [WORK] [AND [NO] CHAIN] [[NO] RELEASE]`
///
/// # Errors
/// [`SqlError::Syntax`] for anything else.
pub fn ending(statement: &Normalised) -> Result<Chain, SqlError> {
    let mut words = Words::of(statement)?;
    if !words.take(&["COMMIT"]) && !words.take(&["ROLLBACK"]) {
        return Err(words.unexpected());
    }
    words.take(&["WORK"]);
    let chain = if words.take(&["AND", "CHAIN"]) {
        Chain::Yes
    } else {
        words.take(&["AND", "NO", "CHAIN"]);
        Chain::No
    };
    if words.take(&["RELEASE"]) {
        return Err(unsupported("RELEASE, which closes the connection", "close the session instead"));
    }
    words.take(&["NO", "RELEASE"]);
    words.end()?;
    Ok(chain)
}

/// `SAVEPOINT a`, `ROLLBACK [WORK] TO [SAVEPOINT] a`, `RELEASE SAVEPOINT a`
///
/// # Errors
/// [`SqlError::Syntax`] for anything else.
pub fn savepoint(statement: &Normalised) -> Result<Savepoint, SqlError> {
    let mut words = Words::of(statement)?;
    let make: fn(String) -> Savepoint = if words.take(&["SAVEPOINT"]) {
        Savepoint::Set
    } else if words.take(&["RELEASE", "SAVEPOINT"]) {
        Savepoint::Release
    } else if words.take(&["ROLLBACK", "TO"]) || words.take(&["ROLLBACK", "WORK", "TO"]) {
        words.take(&["SAVEPOINT"]);
        Savepoint::RollbackTo
    } else {
        return Err(words.unexpected());
    };
    let name = words.name()?.into_owned();
    words.end()?;
    Ok(make(name))
}
