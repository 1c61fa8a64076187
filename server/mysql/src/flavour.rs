//! Everything in which MariaDB and MySQL differ, as far as this crate and those above it care.

use std::fmt;

/// Errors after which the server closes the connection: shutdown, kill, idle time, packets that it cannot read.
pub(crate) const FATAL_ERRNOS: [u16; 15] =
    [1053, 1077, 1079, 1152, 1153, 1156, 1157, 1158, 1159, 1160, 1161, 1184, 1927, 3169, 4031];

/// Which family a server belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flavour {
    /// MySQL, and what calls itself neither.
    MySql,
    /// MariaDB.
    MariaDb,
}

/// A version, as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Version {
    /// 10 of 10.11.19.
    pub major: u16,
    /// 11 of 10.11.19.
    pub minor: u16,
    /// 19 of 10.11.19.
    pub patch: u16,
}

impl Flavour {
    /// Both.
    pub const ALL: [Flavour; 2] = [Flavour::MariaDb, Flavour::MySql];

    /// Flavour and version of the text that a server greets with.
    pub fn of_greeting(greeting: &str) -> (Flavour, Version) {
        let flavour = if greeting.contains("MariaDB") { Flavour::MariaDb } else { Flavour::MySql };
        // MariaDB before 11 pretends to be 5.5.5, for replicas that know one digit.
        let version = match flavour {
            Flavour::MariaDb => greeting.strip_prefix("5.5.5-").unwrap_or(greeting),
            Flavour::MySql => greeting,
        };
        (flavour, Version::parse(version))
    }

    /// `MySQL` or `MariaDB`.
    pub fn as_str(self) -> &'static str {
        match self {
            Flavour::MySql => "MySQL",
            Flavour::MariaDb => "MariaDB",
        }
    }

    /// The flavour of a name as configurations write it, in any case.
    pub fn parse(name: &str) -> Option<Flavour> {
        Flavour::ALL.into_iter().find(|flavour| flavour.as_str().eq_ignore_ascii_case(name))
    }

    /// The collation that the handshake announces: utf8mb4 in the server's own default as far as one byte can name it.
    /// [`Flavour::session_setup`] settles it.
    pub(crate) fn handshake_collation(self, version: Version) -> u8 {
        const UTF8MB4_GENERAL_CI: u8 = 45;
        const UTF8MB4_0900_AI_CI: u8 = 255;
        match self {
            Flavour::MySql if version.major >= 8 => UTF8MB4_0900_AI_CI,
            _ => UTF8MB4_GENERAL_CI,
        }
    }

    /// The statement that every session starts with, and starts anew with after a reset: utf8mb4 in the server's default collation,
    /// tracking of the schema, of the variables that others depend on, and of the GTIDs that are written.
    pub(crate) fn session_setup(self, version: Version, variables: &[(String, String)]) -> String {
        const TRACKED: &str = "autocommit,character_set_client,character_set_connection,character_set_results,\
                               sql_mode,time_zone";
        let mut sql = String::from("SET NAMES utf8mb4");
        match self {
            Flavour::MySql if version >= Version::new(5, 7, 6) => sql.push_str(&format!(
                ", session_track_schema=ON, session_track_state_change=ON, session_track_gtids=OWN_GTID, \
                 session_track_system_variables='{TRACKED},transaction_isolation'"
            )),
            Flavour::MySql => {}
            Flavour::MariaDb => {
                sql.push_str(", session_track_schema=ON, session_track_state_change=ON");
                sql.push_str(&format!(", session_track_system_variables='{TRACKED},tx_isolation"));
                sql.push_str(if version >= Version::new(10, 3, 0) { ",last_gtid'" } else { "'" });
            }
        }
        for (name, literal) in variables {
            sql.push_str(&format!(", SESSION {name}={literal}"));
        }
        sql
    }

    /// The statement that bounds the time of the statements after it, in milliseconds; 0: no bound. MySQL bounds SELECT alone.
    pub fn set_max_execution_time(self, milliseconds: u64) -> String {
        match self {
            Flavour::MySql => format!("SET SESSION max_execution_time={}", milliseconds.min(u64::from(u32::MAX))),
            Flavour::MariaDb => {
                format!("SET SESSION max_statement_time={}.{:03}", milliseconds / 1000, milliseconds % 1000)
            }
        }
    }

    /// The variable that holds the isolation level; literals are the same on both.
    pub fn isolation_variable(self, version: Version) -> &'static str {
        match self {
            Flavour::MariaDb if version < Version::new(11, 1, 0) => "tx_isolation",
            _ => "transaction_isolation",
        }
    }

    /// The variable that makes a session read-only.
    pub fn read_only_variable(self, version: Version) -> &'static str {
        match self {
            Flavour::MariaDb if version < Version::new(11, 1, 0) => "tx_read_only",
            _ => "transaction_read_only",
        }
    }

    /// The statement whose single row holds the GTIDs that the server has executed.
    pub fn executed_gtids(self) -> &'static str {
        match self {
            Flavour::MySql => "SELECT @@GLOBAL.gtid_executed",
            Flavour::MariaDb => "SELECT @@GLOBAL.gtid_current_pos",
        }
    }

    /// The statement that waits until a replica has applied `gtids`, at most `seconds`; see [`Flavour::waited`]. MariaDB counts only what
    /// it applied as a replica: on a primary the wait would end in vain. `gtids` is checked to hold
    /// nothing but what GTIDs are written with; `None` if it does not.
    pub fn wait_for_gtids(self, gtids: &str, seconds: f64) -> Option<String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-:,_".contains(&byte);
        if !gtids.bytes().all(plain) {
            return None;
        }
        Some(match self {
            Flavour::MySql => format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{gtids}', {seconds:.3})"),
            Flavour::MariaDb => format!("SELECT MASTER_GTID_WAIT('{gtids}', {seconds:.3})"),
        })
    }

    /// Whether the cell that [`Flavour::wait_for_gtids`] returned says that they are applied.
    pub fn waited(self, cell: Option<&str>) -> bool {
        cell == Some("0")
    }

    /// The statement that shows what a replica does.
    pub fn show_replica_status(self, version: Version) -> &'static str {
        match self {
            Flavour::MySql if version < Version::new(8, 0, 22) => "SHOW SLAVE STATUS",
            Flavour::MariaDb if version < Version::new(10, 5, 1) => "SHOW SLAVE STATUS",
            _ => "SHOW REPLICA STATUS",
        }
    }

    /// The statement that shows where the binlog stands.
    pub fn show_binlog_status(self, version: Version) -> &'static str {
        match self {
            Flavour::MySql if version >= Version::new(8, 2, 0) => "SHOW BINARY LOG STATUS",
            Flavour::MariaDb if version >= Version::new(10, 5, 2) => "SHOW BINLOG STATUS",
            _ => "SHOW MASTER STATUS",
        }
    }

    /// The number that a statement fails with when its time is up.
    pub fn timed_out_errno(self) -> u16 {
        match self {
            Flavour::MySql => 3024,
            Flavour::MariaDb => 1969,
        }
    }

    /// The number that a statement fails with when it was killed, on both.
    pub const KILLED_ERRNO: u16 = 1317;
    /// KILL names a thread that is gone, on both.
    pub const NO_SUCH_THREAD_ERRNO: u16 = 1094;
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Version {
    /// A version of its numbers.
    pub const fn new(major: u16, minor: u16, patch: u16) -> Version {
        Version { major, minor, patch }
    }

    /// The numbers at the beginning of a text; those that are missing are 0.
    pub fn parse(text: &str) -> Version {
        let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(|digits| digits.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        Version { major: next(), minor: next(), patch: next() }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings() {
        let table = [
            ("5.5.5-10.11.19-MariaDB-0+deb12u1", Flavour::MariaDb, Version::new(10, 11, 19)),
            ("11.8.2-MariaDB", Flavour::MariaDb, Version::new(11, 8, 2)),
            ("9.7.4-2", Flavour::MySql, Version::new(9, 7, 4)),
            ("8.4.0", Flavour::MySql, Version::new(8, 4, 0)),
            ("5.7.44-log", Flavour::MySql, Version::new(5, 7, 44)),
            ("", Flavour::MySql, Version::new(0, 0, 0)),
            ("99999999999.1", Flavour::MySql, Version::new(0, 1, 0)),
        ];
        for (greeting, flavour, version) in table {
            assert_eq!(Flavour::of_greeting(greeting), (flavour, version), "{greeting}");
        }
    }

    #[test]
    fn gtids_that_could_be_sql_are_refused() {
        assert!(Flavour::MariaDb.wait_for_gtids("0-1-17,1-2-3", 1.0).is_some());
        assert!(Flavour::MySql.wait_for_gtids("3e11fa47-71ca-11e1-9e33-c80aa9429562:tag:1-5", 1.0).is_some());
        assert!(Flavour::MySql.wait_for_gtids("x'); DROP TABLE t; --", 1.0).is_none());
    }
}
