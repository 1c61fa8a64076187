//! What setting a system variable does to a session.

use std::borrow::Cow;

use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::Isolation;

use crate::preferences;
use crate::settings::{self, Rule};

/// The outcome of setting one variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect<'a> {
    /// Every MySQL connection of the session gets this variable with this literal.
    Keep(&'a str, Cow<'a, str>),
    /// It goes back to what the server has.
    Default(&'a str),
    /// `autocommit` is on or off.
    Autocommit(bool),
    /// `LAST_INSERT_ID()` is this.
    LastInsertId(u64),
    /// One of Vitrail's own, with this literal.
    Preference(&'a str, &'a str),
    /// It is so already, or concerns nothing that the session has.
    Nothing,
}

/// Decides about `SET SESSION name = literal`. `name` is lower case, `literal` the text of one SQL literal.
///
/// # Errors
///
/// `unsupported` for variables that sessions cannot set and for what is no literal, `invalid` (1231) for a wrong value.
pub(crate) fn decide<'a>(name: &'a str, literal: &'a str, mariadb: bool) -> Result<Effect<'a>, ErrorBody> {
    settings::check_literal(name, literal)?;
    if name.starts_with(preferences::PREFIX) {
        return Ok(Effect::Preference(name, literal));
    }
    let default = literal.eq_ignore_ascii_case("default");
    let wrong = || settings::wrong_value(name, literal);
    Ok(match settings::rule(name)? {
        Rule::Autocommit => Effect::Autocommit(default || switch(literal).ok_or_else(wrong)?),
        Rule::Moot => Effect::Nothing,
        // The collation goes back to the character set's own.
        Rule::Utf8mb4 if settings::is_utf8mb4(literal) && matches!(name, "names" | "character_set_connection") => {
            Effect::Default("collation_connection")
        }
        Rule::Utf8mb4 if settings::is_utf8mb4(literal) => Effect::Nothing,
        Rule::Utf8mb4 => {
            let message = format!("SET {name} to {literal} is not supported: text travels as utf8mb4 only");
            return Err(crate::failure::unsupported(message));
        }
        Rule::Only(value) if default || literal.trim_matches('\'').eq_ignore_ascii_case(value) => Effect::Nothing,
        Rule::Only("0") if switch(literal) == Some(false) => Effect::Nothing,
        Rule::Only(value) => {
            return Err(crate::failure::unsupported(format!("SET {name} is supported with the value {value} only")));
        }
        Rule::LastInsertId => Effect::LastInsertId(literal.parse().map_err(|_| wrong())?),
        Rule::Refused(_) => return Err(crate::failure::internal("a variable that its rule had refused")),
        Rule::Isolation if default => Effect::Default(physical(name, mariadb)),
        Rule::Isolation => {
            let level = literal.trim_matches('\'').replace('-', " ");
            let level = Isolation::parse(&level).ok_or_else(wrong)?;
            Effect::Keep(physical(name, mariadb), Cow::Owned(isolation_literal(level)))
        }
        Rule::ReadOnly if default => Effect::Default(physical(name, mariadb)),
        Rule::ReadOnly => {
            let on = switch(literal).ok_or_else(wrong)?;
            Effect::Keep(physical(name, mariadb), Cow::Borrowed(if on { "1" } else { "0" }))
        }
        Rule::Kept if default => Effect::Default(name),
        Rule::Kept => Effect::Keep(name, Cow::Borrowed(literal)),
    })
}

/// Whether a session may set the variable at all.
///
/// # Errors
/// As [`decide`].
pub(crate) fn is_settable(name: &str) -> Result<(), ErrorBody> {
    if name.starts_with(preferences::PREFIX) {
        return preferences::registered(name).map(drop);
    }
    settings::rule(name).map(drop)
}

/// The value of an isolation level as the system variable takes it.
pub(crate) fn isolation_literal(level: Isolation) -> String {
    format!("'{}'", level.as_str().replace(' ', "-"))
}

/// Whether a literal says on or off.
pub(crate) fn switch(literal: &str) -> Option<bool> {
    let word = literal.trim_matches('\'');
    if word == "1" || word.eq_ignore_ascii_case("on") || word.eq_ignore_ascii_case("true") {
        Some(true)
    } else if word == "0" || word.eq_ignore_ascii_case("off") || word.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// The name that the flavour gives to a transaction variable: MariaDB kept those that MySQL 8 dropped.
pub(crate) fn physical(name: &str, mariadb: bool) -> &'static str {
    match (name.ends_with("isolation"), mariadb) {
        (true, true) => "tx_isolation",
        (true, false) => "transaction_isolation",
        (false, true) => "tx_read_only",
        (false, false) => "transaction_read_only",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects() {
        let keep = |name, value: &'static str| Effect::Keep(name, Cow::Borrowed(value));
        for (name, literal, mariadb, effect) in [
            ("autocommit", "0", false, Effect::Autocommit(false)),
            ("autocommit", "DEFAULT", false, Effect::Autocommit(true)),
            ("time_zone", "'+02:00'", false, keep("time_zone", "'+02:00'")),
            ("time_zone", "default", false, Effect::Default("time_zone")),
            ("names", "utf8mb4", false, Effect::Default("collation_connection")),
            ("sql_select_limit", "10", false, keep("sql_select_limit", "10")),
            ("last_insert_id", "7", false, Effect::LastInsertId(7)),
            ("completion_type", "'no_chain'", false, Effect::Nothing),
            ("character_set_results", "'utf8mb4'", false, Effect::Nothing),
            ("wait_timeout", "28800", false, Effect::Nothing),
            ("sql_auto_is_null", "OFF", false, Effect::Nothing),
            ("tx_isolation", "'read-committed'", false, keep("transaction_isolation", "'READ-COMMITTED'")),
            ("transaction_isolation", "'SERIALIZABLE'", true, keep("tx_isolation", "'SERIALIZABLE'")),
            ("transaction_read_only", "ON", true, keep("tx_read_only", "1")),
        ] {
            assert_eq!(decide(name, literal, mariadb), Ok(effect), "{name} = {literal}");
        }
        for (name, literal, errno) in [
            ("names", "'latin1'", 1235),
            ("completion_type", "1", 1235),
            ("sql_log_bin", "0", 1238),
            ("max_connections", "1", 1193),
            ("autocommit", "2", 1231),
            ("tx_isolation", "'SNAPSHOT'", 1231),
            ("time_zone", "@@x", 1235),
        ] {
            assert_eq!(decide(name, literal, false).expect_err(name).errno, errno, "{name} = {literal}");
        }
    }
}
