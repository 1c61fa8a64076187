//! What one user may do, compiled from its grants.

use std::sync::Arc;

use vitrail_planner::access::{Needs, Right, TableNeed, WideNeed};
use vitrail_proto::error::{Code, ErrorBody};

/// A right on the tables that two patterns choose. In them `*` stands for any characters, `?` for one; letter case counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Which right; it includes the lower ones.
    pub right: Right,
    /// Names of keyspaces.
    pub keyspace: Box<str>,
    /// Names of tables and views in them.
    pub tables: Box<str>,
}

/// All grants of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    user: Arc<str>,
    grants: Vec<Grant>,
    /// The highest right on every table of every keyspace.
    everywhere: Option<Right>,
}

impl Grant {
    /// The right on every table of every keyspace.
    pub fn everything(right: Right) -> Grant {
        Grant { right, keyspace: "*".into(), tables: "*".into() }
    }

    fn is_of_keyspace(&self, name: &str) -> bool {
        matches(&self.keyspace, name)
    }

    fn has_all_tables(&self) -> bool {
        is_all(&self.tables)
    }

    fn has_all(&self) -> bool {
        is_all(&self.keyspace) && self.has_all_tables()
    }
}

impl Permit {
    /// The permit of `user`.
    pub fn new(user: Arc<str>, grants: Vec<Grant>) -> Permit {
        let everywhere = grants.iter().filter(|grant| grant.has_all()).map(|grant| grant.right).max();
        Permit { user, grants, everywhere }
    }

    /// Whose it is.
    pub fn user(&self) -> &Arc<str> {
        &self.user
    }

    /// The grants, as they were given.
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// Everything is allowed: an administrator of all keyspaces, who also sees and ends what others do.
    pub fn is_unlimited(&self) -> bool {
        self.everywhere == Some(Right::Admin)
    }

    /// Some right on something in every keyspace.
    pub fn sees_all_keyspaces(&self) -> bool {
        self.grants.iter().any(|grant| is_all(&grant.keyspace))
    }

    /// Some right on something in the keyspace.
    pub fn sees_keyspace(&self, keyspace: &str) -> bool {
        self.grants.iter().any(|grant| grant.is_of_keyspace(keyspace))
    }

    /// Some right on the table.
    pub fn sees_table(&self, keyspace: &str, table: &str) -> bool {
        self.has(Right::Read, keyspace, table)
    }

    /// Some right on every table of the keyspace.
    pub fn sees_all_tables(&self, keyspace: &str) -> bool {
        self.has_all_of(Right::Read, keyspace)
    }

    /// Lets a statement with these needs pass that goes to `keyspace`.
    ///
    /// # Errors
    ///
    /// `denied`, with MySQL's number, which names what the statement names and nothing else.
    pub fn allow(&self, needs: &Needs, keyspace: Option<&str>) -> Result<(), ErrorBody> {
        if needs.highest() <= self.everywhere {
            return Ok(());
        }
        if let Some(WideNeed { right, command }) = needs.everything
            && self.everywhere < Some(right)
        {
            return Err(self.lacks_everything(right, command));
        }
        for need in &needs.tables {
            // Without a keyspace it goes nowhere, and whoever runs it says so.
            let Some(keyspace) = need.keyspace.as_deref().or(keyspace) else { continue };
            if !self.has(need.right, keyspace, &need.table) {
                return Err(self.lacks_table(need, keyspace));
            }
        }
        match (needs.keyspace, keyspace) {
            (None, _) => Ok(()),
            (Some(WideNeed { right, command }), Some(keyspace)) if !self.has_all_of(right, keyspace) => {
                Err(self.lacks_keyspace(right, command, keyspace))
            }
            (Some(_), Some(_)) => Ok(()),
            (Some(WideNeed { right, command }), None) if self.everywhere < Some(right) => {
                Err(self.lacks_everything(right, command))
            }
            (Some(_), None) => Ok(()),
        }
    }

    /// The refusal of a keyspace of which the user sees nothing, whether or not there is one.
    pub(crate) fn no_keyspace(&self, keyspace: &str) -> ErrorBody {
        denied(format!("access denied for user '{}' to keyspace '{keyspace}'", self.user)).with_errno(1044, "42000")
    }

    fn has(&self, right: Right, keyspace: &str, table: &str) -> bool {
        let gives =
            |grant: &Grant| grant.right >= right && grant.is_of_keyspace(keyspace) && matches(&grant.tables, table);
        self.grants.iter().any(gives)
    }

    fn has_all_of(&self, right: Right, keyspace: &str) -> bool {
        let gives = |grant: &Grant| grant.right >= right && grant.has_all_tables() && grant.is_of_keyspace(keyspace);
        self.grants.iter().any(gives)
    }

    fn lacks_table(&self, need: &TableNeed, keyspace: &str) -> ErrorBody {
        let TableNeed { table, command, right, .. } = need;
        denied(format!(
            "{command} command denied to user '{}' for table '{keyspace}.{table}'; it needs role {} on it",
            self.user,
            role(*right)
        ))
    }

    fn lacks_keyspace(&self, right: Right, command: &str, keyspace: &str) -> ErrorBody {
        denied(format!(
            "{command} command denied to user '{}': the statement needs role {} on all tables of keyspace '{keyspace}'",
            self.user,
            role(right)
        ))
        .with_errno(1044, "42000")
    }

    fn lacks_everything(&self, right: Right, command: &str) -> ErrorBody {
        denied(format!(
            "{command} command denied to user '{}': the statement needs role {} on all tables of all keyspaces",
            self.user,
            role(right)
        ))
        .with_errno(1227, "42000")
    }
}

/// The role that gives a right, as the configuration calls it.
pub(crate) fn role(right: Right) -> &'static str {
    match right {
        Right::Read => "reader",
        Right::Write => "writer",
        Right::Admin => "admin",
    }
}

fn denied(message: String) -> ErrorBody {
    ErrorBody::new(Code::Denied, message)
}

/// The pattern chooses every name.
fn is_all(pattern: &str) -> bool {
    !pattern.is_empty() && pattern.bytes().all(|byte| byte == b'*')
}

/// Whether a pattern chooses a name. Goes back to the last `*` only: at most pattern times name steps.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    let mut resume: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                p += 1;
                resume = Some((p, n));
                continue;
            }
            // One character: its first byte and those that continue it.
            Some(b'?') => {
                p += 1;
                n += 1;
                while name.get(n).is_some_and(|byte| byte & 0xc0 == 0x80) {
                    n += 1;
                }
                continue;
            }
            Some(byte) if *byte == name[n] => {
                p += 1;
                n += 1;
                continue;
            }
            _ => {}
        }
        let Some((after, from)) = resume.as_mut() else { return false };
        *from += 1;
        (p, n) = (*after, *from);
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitrail_sql::lexer::LexMode;
    use vitrail_sql::normalise::normalise;

    fn grant(right: Right, keyspace: &str, tables: &str) -> Grant {
        Grant { right, keyspace: keyspace.into(), tables: tables.into() }
    }

    #[test]
    fn patterns_choose_names() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*", "a", true),
            ("order*", "orders", true),
            ("order*", "Orders", false),
            ("order*", "old_orders", false),
            ("*_log", "order_log", true),
            ("*_log", "order_logs", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a?c", "aéc", true),
            ("?", "日", true),
            ("?", "日本", false),
            ("*本", "日本", true),
            ("", "a", false),
            ("", "", true),
            ("a", "a", true),
            ("a", "ab", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
        let long = "a*".repeat(50);
        assert!(!matches(&format!("{long}b"), &"a".repeat(2_000)), "takes no exponential time");
    }

    #[test]
    fn needs_are_held_against_grants() {
        let permit = Permit::new(
            "anna".into(),
            vec![
                grant(Right::Read, "shop", "*"),
                grant(Right::Write, "shop", "order*"),
                grant(Right::Read, "log?", "event"),
                grant(Right::Admin, "own", "*"),
            ],
        );
        let errno = |sql: &str, keyspace: Option<&str>| {
            let needs = Needs::of(&normalise(sql.into(), LexMode::default()).expect(sql));
            permit.allow(&needs, keyspace).map_or_else(|error| error.errno, |()| 0)
        };
        for (sql, keyspace, expected) in [
            ("SELECT * FROM item", "shop", 0),
            ("SELECT * FROM item", "hr", 1142),
            ("SELECT * FROM hr.item", "shop", 1142),
            ("INSERT INTO orders SELECT * FROM item", "shop", 0),
            ("INSERT INTO item SELECT * FROM orders", "shop", 1142),
            ("SELECT * FROM item FOR UPDATE", "shop", 1142),
            ("DROP TABLE orders", "shop", 1142),
            ("DROP TABLE anything", "own", 0),
            ("TABLE item", "shop", 0),
            ("TABLE event", "log1", 1044),
            ("SELECT * FROM event", "log1", 0),
            ("SELECT * FROM event", "log10", 1142),
            ("CALL p()", "shop", 1044),
            ("CALL p()", "own", 0),
            ("SELECT * FROM mysql.user", "own", 1227),
            ("SELECT 1", "hr", 0),
        ] {
            assert_eq!(errno(sql, Some(keyspace)), expected, "{sql} in {keyspace}");
        }
        assert_eq!(errno("CALL p()", None), 1227, "it could go anywhere");
        assert!(permit.sees_keyspace("log2") && !permit.sees_keyspace("hr") && !permit.sees_all_keyspaces());
        assert!(permit.sees_table("log2", "event") && !permit.sees_table("log2", "other"));
        assert!(!permit.is_unlimited());
        let administrator = Permit::new("root".into(), vec![Grant::everything(Right::Admin)]);
        assert!(administrator.is_unlimited() && administrator.sees_all_keyspaces());
    }
}
