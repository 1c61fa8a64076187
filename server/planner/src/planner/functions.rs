//! Which functions a statement may call, and why others are refused.

mod catalogue;

use self::catalogue::{AGGREGATE, BARE, CONNECTION, CONNECTION_VARIABLES, LOCKS, OF_CLOCK, PURE, VOLATILE, WINDOW};
use crate::refusal::Refusal;

/// What a function's result depends on, besides its arguments and the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    /// Nothing.
    Pure,
    /// Time or chance: two shards give two answers.
    Volatile,
    /// Folds rows.
    Aggregate,
    /// A row's neighbours; only with OVER.
    Window,
    /// The connection, which is shared; or it would show what is behind the gate.
    Connection,
    /// Not a function of MySQL's: a stored one may read tables.
    Unknown,
}

/// The nature of a function by its name in any letter case.
pub(super) fn nature(name: &str) -> Nature {
    let name = name.to_ascii_lowercase();
    let listed = |list: &[&str]| list.contains(&name.as_str());
    if listed(CONNECTION) {
        Nature::Connection
    } else if listed(VOLATILE) {
        Nature::Volatile
    } else if listed(AGGREGATE) {
        Nature::Aggregate
    } else if listed(WINDOW) {
        Nature::Window
    } else if listed(PURE) || name.starts_with("st_") || name.starts_with("mbr") || name.starts_with("json_") {
        Nature::Pure
    } else {
        Nature::Unknown
    }
}

/// Whether a call tells the moment of its statement, which is one for all rows. `SYSDATE()` tells the moment of the call.
pub(super) fn is_of_clock(name: &str) -> bool {
    OF_CLOCK.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether a call gives the rows of a statement one series of values, which two shards would not share.
pub(super) fn is_series(name: &str, has_arguments: bool) -> bool {
    has_arguments && name.eq_ignore_ascii_case("rand")
}

/// Whether a call gives the same to all who ask at the same time. The clock does: an execution that begins after a request has
/// come tells that request no time that is past.
pub(super) fn is_same_for_all(name: &str) -> bool {
    match nature(name) {
        Nature::Pure | Nature::Aggregate | Nature::Window => true,
        Nature::Volatile => is_of_clock(name) || name.eq_ignore_ascii_case("sysdate"),
        Nature::Connection | Nature::Unknown => false,
    }
}

/// Whether a word without parentheses and quotes is a call; MySQL reserves these words.
pub(super) fn is_bare_call(word: &str) -> bool {
    BARE.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// Whether a function takes, gives back or looks at named locks.
pub(super) fn is_on_locks(name: &str) -> bool {
    LOCKS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The refusal of a function that depends on the connection.
pub(super) fn refuse_connection(name: &str) -> Refusal {
    if is_on_locks(name) {
        return Refusal::unsupported(
            "connection-function",
            format!(
                "{0}() takes effect on a connection of the session's own: use it in a SELECT or DO of one MySQL, such as SELECT {0}(…)",
                name.to_ascii_uppercase()
            ),
        );
    }
    Refusal::unsupported(
        "connection-function",
        format!(
            "the function {}() depends on a connection to MySQL, and connections are shared between sessions; \
             leave it out, or use what the client library offers instead",
            name.to_ascii_uppercase()
        ),
    )
}

/// Refuses the system variables that tell of a connection's past.
pub(super) fn check_variable(variable: &str) -> Result<(), Refusal> {
    let name = variable.rsplit(['@', '.']).next().unwrap_or_default().trim_matches('`');
    if !CONNECTION_VARIABLES.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return Ok(());
    }
    Err(Refusal::unsupported(
        "connection-variable",
        format!("the variable @@{name} tells of a connection to MySQL, and connections are shared; leave it out"),
    ))
}

/// The refusal of `SELECT … INTO`.
pub(super) fn refuse_into() -> Refusal {
    Refusal::unsupported("select-into", "SELECT … INTO is not supported; read the rows")
}
