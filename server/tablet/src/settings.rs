//! Brings a connection's session variables to what a call expects, by the difference to what it has.

use std::sync::Arc;
use std::time::Duration;

use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::SessionValues;
use vitrail_service::call::{Call, Settings};

use crate::values::UserVariables;

/// Variables that are the tablet's own business: they would change how it reads answers, or what it replicates.
const OWNED: &[&str] = &[
    "autocommit",
    "character_set_client",
    "character_set_connection",
    "character_set_results",
    "gtid_domain_id",
    "gtid_next",
    "gtid_seq_no",
    "init_connect",
    "interactive_timeout",
    "net_read_timeout",
    "net_write_timeout",
    "pseudo_slave_mode",
    "pseudo_thread_id",
    "resultset_metadata",
    "server_id",
    "session_track_gtids",
    "session_track_schema",
    "session_track_state_change",
    "session_track_system_variables",
    "session_track_transaction_info",
    "skip_replication",
    "sql_log_bin",
    "wait_timeout",
];

/// How long a call's session waits for a lock of InnoDB, if it says so.
pub(crate) fn lock_wait(call: &Call) -> Option<Duration> {
    let (_, value) = call.settings.variables.iter().find(|(name, _)| name == "innodb_lock_wait_timeout")?;
    value.parse().ok().map(Duration::from_secs)
}

/// What a connection's session variables are, beyond those of a fresh connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Applied {
    /// Sorted by name.
    variables: Vec<(String, String)>,
    /// The settings of the last call, for a look at the pointer alone.
    source: Option<Arc<Settings>>,
    /// Which user variables are on it.
    pub(crate) user_variables: UserVariables,
}

impl Applied {
    /// The statement that brings the connection to `wanted` and `values`; `None` if it is there. System variables that `wanted` does
    /// not name go back to the server's default; user variables that `values` does not name go back to NULL if `whole`, and are
    /// nobody's business otherwise.
    ///
    /// # Errors
    ///
    /// [`Code::Invalid`] for a name or a value that is not the text of one literal, [`Code::Denied`] for variables of the
    /// tablet's own.
    pub(crate) fn difference(
        &self,
        wanted: &Arc<Settings>,
        values: Option<&SessionValues>,
        whole: bool,
    ) -> Result<Option<String>, ErrorBody> {
        let mut set = String::new();
        let mut add = |name: &str, value: &str| {
            set.push_str(if set.is_empty() { "SET " } else { ", " });
            set.push_str(name);
            set.push('=');
            set.push_str(value);
        };
        self.user_variables.difference(values, whole, &mut add)?;
        let same = self.source.as_ref().is_some_and(|source| Arc::ptr_eq(source, wanted))
            || self.variables == wanted.variables;
        if same {
            return Ok((!set.is_empty()).then_some(set));
        }
        let mut set_names = false;
        let mut assign = |name: &str, value: &str| add(&format!("SESSION {name}"), value);
        for (name, value) in &wanted.variables {
            if self.variables.iter().any(|(known, has)| known == name && has == value) {
                continue;
            }
            check(name, value)?;
            assign(name, value);
        }
        for (name, _) in &self.variables {
            if wanted.variables.iter().any(|(kept, _)| kept == name) {
                continue;
            }
            match name.as_str() {
                // The default is the server's, which may be of another character set: this is how connections begin.
                "collation_connection" => set_names = true,
                // MySQL takes DEFAULT of these two for OFF.
                "foreign_key_checks" | "unique_checks" => assign(name, &format!("@@GLOBAL.{name}")),
                name => assign(name, "DEFAULT"),
            }
        }
        if set_names {
            set.push_str(if set.is_empty() { "SET NAMES utf8mb4" } else { ", NAMES utf8mb4" });
        }
        Ok((!set.is_empty()).then_some(set))
    }

    /// Notes that the connection is at `settings` now.
    pub(crate) fn reached(&mut self, settings: &Arc<Settings>) {
        if self.variables != settings.variables {
            self.variables.clone_from(&settings.variables);
        }
        self.source = Some(settings.clone());
    }

    /// The connection has no variable beyond those of a fresh one.
    pub(crate) fn is_fresh(&self) -> bool {
        self.variables.is_empty() && self.user_variables.is_empty()
    }

    /// Notes that the connection is as fresh again.
    pub(crate) fn reset(&mut self) {
        *self = Applied::default();
    }
}

fn check(name: &str, value: &str) -> Result<(), ErrorBody> {
    let well_named =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if !well_named {
        return Err(ErrorBody::new(Code::Invalid, format!("`{name}` is not the name of a session variable"))
            .with_errno(1193, "HY000"));
    }
    if OWNED.contains(&name) {
        return Err(ErrorBody::new(
            Code::Denied,
            format!("session variable `{name}` belongs to the tablet and cannot be set by a session"),
        )
        .with_errno(1238, "HY000"));
    }
    if !is_literal(value) {
        return Err(ErrorBody::new(
            Code::Invalid,
            format!("the value of session variable `{name}` is not one SQL literal"),
        )
        .with_errno(1231, "42000"));
    }
    Ok(())
}

/// A quoted string without backslashes, a number, or a word (`ON`, `DEFAULT`, `READ`…): nothing that could end the assignment
/// in any sql_mode.
fn is_literal(text: &str) -> bool {
    let bytes = text.as_bytes();
    match bytes.first() {
        Some(b'\'') => {
            let Some(inner) = bytes.get(1..bytes.len() - 1) else { return false };
            bytes.len() >= 2
                && bytes.ends_with(b"'")
                && !inner.contains(&b'\\')
                && !text[1..text.len() - 1].replace("''", "").contains('\'')
        }
        Some(_) => {
            bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'+'))
                && !text.contains("--")
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Arc<Settings> {
        Arc::new(Settings {
            variables: variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
            found_rows: false,
        })
    }

    #[test]
    fn only_differences_are_set() {
        let mut applied = Applied::default();
        let plain = settings(&[]);
        assert_eq!(applied.difference(&plain, None, false), Ok(None));

        let utc = settings(&[("sql_mode", "'ANSI'"), ("time_zone", "'+00:00'")]);
        assert_eq!(
            applied.difference(&utc, None, false).unwrap().as_deref(),
            Some("SET SESSION sql_mode='ANSI', SESSION time_zone='+00:00'")
        );
        applied.reached(&utc);
        assert_eq!(applied.difference(&utc, None, false), Ok(None));
        assert_eq!(
            applied.difference(&settings(&[("sql_mode", "'ANSI'"), ("time_zone", "'+00:00'")]), None, false),
            Ok(None)
        );

        let other = settings(&[("sql_mode", "'ANSI'"), ("sql_select_limit", "10")]);
        assert_eq!(
            applied.difference(&other, None, false).unwrap().as_deref(),
            Some("SET SESSION sql_select_limit=10, SESSION time_zone=DEFAULT")
        );
        applied.reset();
        assert_eq!(applied.difference(&plain, None, false), Ok(None));

        applied.reached(&settings(&[("foreign_key_checks", "0")]));
        assert_eq!(
            applied.difference(&plain, None, false).unwrap().as_deref(),
            Some("SET SESSION foreign_key_checks=@@GLOBAL.foreign_key_checks")
        );
    }

    #[test]
    fn values_are_one_literal() {
        for good in ["'+00:00'", "''", "10", "-1", "1.5", "ON", "DEFAULT", "'it''s'", "utf8mb4_0900_ai_ci"] {
            assert!(is_literal(good), "{good}");
        }
        for bad in ["", "'", "'''", "'a', x=1", "1, y=2", "'a\\'", "(SELECT 1)", "1--2", "@x", "'a'b'", "1;"] {
            assert!(!is_literal(bad), "{bad}");
        }
    }

    #[test]
    fn the_tablets_own_variables_are_refused() {
        for (name, code) in [
            ("autocommit", Code::Denied),
            ("sql_log_bin", Code::Denied),
            ("a b", Code::Invalid),
            ("", Code::Invalid),
            ("global.x", Code::Invalid),
        ] {
            let error = Applied::default().difference(&settings(&[(name, "1")]), None, false).unwrap_err();
            assert_eq!(error.code, code, "{name}");
        }
    }
}
