//! Session settings: which system variables a session may set, and one copy of equal settings for all sessions.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_service::call::Settings;

use crate::failure;
use crate::system_variables::VARIABLES;

/// What the gate does with a system variable that a session sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Held by the gate itself.
    Autocommit,
    /// Expected of every MySQL connection that serves the session.
    Kept,
    /// The isolation level, whose name depends on the flavour.
    Isolation,
    /// Whether transactions are read only, likewise.
    ReadOnly,
    /// Only what the protocol has anyway: setting it to utf8mb4 changes nothing.
    Utf8mb4,
    /// Accepted without effect, because it concerns a MySQL connection that the session does not have.
    Moot,
    /// Only this value, which it has anyway.
    Only(&'static str),
    /// What `LAST_INSERT_ID()` gives, which the gate knows.
    LastInsertId,
    /// It is no session's business; why.
    Refused(&'static str),
}

/// The rule of a variable, by its lower-case name.
///
/// # Errors
///
/// `unsupported` for a variable that sessions cannot set.
pub(crate) fn rule(name: &str) -> Result<Rule, ErrorBody> {
    match VARIABLES.binary_search_by_key(&name, |(known, _)| known) {
        Ok(index) => match VARIABLES[index].1 {
            Rule::Refused(why) => {
                Err(failure::unsupported(format!("SET {name} is not supported: {why}")).with_errno(1238, "HY000"))
            }
            rule => Ok(rule),
        },
        Err(_) => {
            let hint = failure::nearest(name, VARIABLES.iter().map(|(known, _)| *known))
                .map(|near| format!("; did you mean '{near}'?"))
                .unwrap_or_default();
            let message =
                format!("SET {name} is not supported: sessions cannot set it, or there is no such variable{hint}");
            Err(failure::unsupported(message).with_errno(1193, "HY000"))
        }
    }
}

/// Checks the text of an SQL literal: a number, a string, or one of a few words; nothing that could go on as SQL.
///
/// # Errors
///
/// `unsupported` if it is anything else.
pub(crate) fn check_literal(name: &str, text: &str) -> Result<(), ErrorBody> {
    let bytes = text.as_bytes();
    let number = !bytes.is_empty()
        && bytes.strip_prefix(b"-").unwrap_or(bytes).iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    let word = bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let string = bytes.len() >= 2 && bytes[0] == b'\'' && bytes[bytes.len() - 1] == b'\'' && {
        let inside = &bytes[1..bytes.len() - 1];
        !inside.iter().any(|byte| matches!(byte, b'\'' | b'\\' | 0)) && text.len() <= 4096
    };
    if number && bytes != b"-" || word || string {
        return Ok(());
    }
    Err(failure::unsupported(format!(
        "SET {name} takes a number, a plain string or a word such as ON or DEFAULT here; not an expression"
    )))
}

/// Whether the text of a literal says utf8mb4, or leaves the choice.
pub(crate) fn is_utf8mb4(text: &str) -> bool {
    let name = text.trim_matches(|c| c == '\'' || c == '"');
    name.eq_ignore_ascii_case("utf8mb4") || name.eq_ignore_ascii_case("default")
}

/// An isolation level, a switch and so on, as a refusal that names the value.
pub(crate) fn wrong_value(name: &str, value: &str) -> ErrorBody {
    ErrorBody::new(Code::Invalid, format!("variable '{name}' cannot be set to {value}")).with_errno(1231, "42000")
}

/// Keeps one copy of equal settings, so that idle sessions share it and tablets compare pointers.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    hasher: RandomState,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// By hash; entries whose sessions are gone are dropped when the map has doubled.
    by_hash: HashMap<u64, Vec<Weak<Settings>>>,
    /// Live entries after the last clean-up.
    kept: usize,
    entries: usize,
}

/// Entries below which a clean-up is not worth while.
const FEW: usize = 1024;

impl Interner {
    /// The one copy of `settings`, if some session has them.
    pub(crate) fn find(&self, settings: &Settings) -> Option<Arc<Settings>> {
        let hash = self.hasher.hash_one(settings);
        let known = self.known.lock();
        known.by_hash.get(&hash)?.iter().filter_map(Weak::upgrade).find(|found| **found == *settings)
    }

    /// The one copy of `settings`.
    pub(crate) fn intern(&self, settings: Settings) -> Arc<Settings> {
        let hash = self.hasher.hash_one(&settings);
        let mut known = self.known.lock();
        if let Some(bucket) = known.by_hash.get(&hash)
            && let Some(found) = bucket.iter().filter_map(Weak::upgrade).find(|found| **found == settings)
        {
            return found;
        }
        if known.entries >= (2 * known.kept).max(FEW) {
            known.clean();
        }
        let settings = Arc::new(settings);
        known.by_hash.entry(hash).or_default().push(Arc::downgrade(&settings));
        known.entries += 1;
        settings
    }
}

impl Known {
    fn clean(&mut self) {
        self.by_hash.retain(|_, bucket| {
            bucket.retain(|entry| entry.strong_count() > 0);
            !bucket.is_empty()
        });
        self.entries = self.by_hash.values().map(Vec::len).sum();
        self.kept = self.entries;
    }
}

/// `settings` with one variable set.
pub(crate) fn with(settings: &Settings, name: &str, value: &str) -> Settings {
    let mut changed = settings.clone();
    match changed.variables.binary_search_by(|(known, _)| known.as_str().cmp(name)) {
        Ok(index) => value.clone_into(&mut changed.variables[index].1),
        Err(index) => changed.variables.insert(index, (name.to_owned(), value.to_owned())),
    }
    changed
}

/// `settings` without one variable: as MySQL has it.
pub(crate) fn without(settings: &Settings, name: &str) -> Settings {
    let mut changed = settings.clone();
    changed.variables.retain(|(known, _)| known != name);
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(VARIABLES.is_sorted_by_key(|(name, _)| *name));
        assert_eq!(rule("time_zone").expect("known"), Rule::Kept);
        assert_eq!(rule("tyme_zone").expect_err("unknown").errno, 1193);
        let refused = rule("sql_log_bin").expect_err("not a session's");
        assert!(refused.errno == 1238 && refused.message.contains("sql_log_bin"), "{}", refused.message);
    }

    #[test]
    fn literals_cannot_go_on_as_sql() {
        for good in ["1", "-1", "1.5", "ON", "default", "''", "'+00:00'", "'ANSI_QUOTES,STRICT_ALL_TABLES'"] {
            assert!(check_literal("v", good).is_ok(), "{good}");
        }
        for bad in ["", "-", "'", "'a' + 'b'", "'a\\'", "@@x", "(SELECT 1)", "1; DROP", "'a''b'"] {
            assert!(check_literal("v", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn equal_settings_are_one() {
        let interner = Interner::default();
        let plain = interner.intern(Settings::default());
        let zone = interner.intern(with(&plain, "time_zone", "'+00:00'"));
        assert!(!Arc::ptr_eq(&plain, &zone));
        assert!(Arc::ptr_eq(&plain, &interner.intern(without(&zone, "time_zone"))));
        for number in 0..5 * FEW {
            interner.intern(with(&plain, "div_precision_increment", &number.to_string()));
        }
        assert!(interner.known.lock().entries <= 2 * FEW);
        assert!(Arc::ptr_eq(&zone, &interner.intern(with(&plain, "time_zone", "'+00:00'"))));
        assert!(interner.find(&zone).is_some_and(|found| Arc::ptr_eq(&found, &zone)));
        assert!(interner.find(&with(&plain, "time_zone", "'+07:00'")).is_none());
    }
}
