//! What MySQL's and MariaDB's errors become for a client of the tablet.
//!
//! Number, SQLSTATE and text pass through, the text with the keyspace's name. The meaning of a number is the `mysql` crate's
//! ([`ServerError::code`]); here stands what is different because the client is not the one who logged in to MySQL.

use vitrail_mysql::{Error, ServerError};
use vitrail_proto::error::{Code, ErrorBody, Executed};

use crate::names::Names;

/// Numbers that mean something else to a client of the tablet than to the tablet.
const OVERRIDES: &[(Code, &[u16])] = &[
    // Another client's business: the server has become read-only (a demoted primary), or goes away.
    (Code::Unavailable, &[1053, 1077, 1079, 1290, 1836, 3100]),
    // The tablet's own account, not the client's password.
    (Code::Denied, &[1045, 1130, 1698, 1820, 1862, 3118, 3955, 4151]),
];

/// What InnoDB rolled back with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolledBack {
    /// The statement alone.
    Statement,
    /// The whole transaction.
    Transaction,
}

/// What a failed statement took with it. InnoDB ends the transaction of a deadlock's victim; a lock wait timeout ends the
/// statement alone unless `innodb_rollback_on_timeout` says otherwise.
pub fn rolled_back(error: &ServerError) -> RolledBack {
    match error.errno {
        // Deadlock; certification or replication conflict; rollback during commit; a full lock table.
        1213 | 1614 | 3101 | 1180 | 1206 | 1402 => RolledBack::Transaction,
        _ => RolledBack::Statement,
    }
}

/// The error that travels. `writes` tells whether an unknown outcome matters: a read that was lost can simply be sent again.
pub fn to_body(error: &Error, names: &Names, writes: bool) -> ErrorBody {
    let mut body = error.to_body();
    if let Error::Server(server) = error {
        body.message = names.map_text(server.errno, &server.message).into_owned();
        if let Some((code, _)) = OVERRIDES.iter().find(|(_, numbers)| numbers.contains(&server.errno)) {
            body.retryable = *code == Code::Unavailable;
            body.code = code.clone();
        }
    }
    if !writes && (body.executed == Executed::Unknown || body.code == Code::OutcomeUnknown) {
        let mut lost =
            ErrorBody::new(Code::Unavailable, "the connection to MySQL was lost during the read; send it again");
        if let Error::Server(server) = error {
            lost = lost.with_errno(server.errno, server.sqlstate.clone());
        }
        return lost;
    }
    body.normalise();
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(errno: u16, sqlstate: &str, message: &str) -> Error {
        Error::Server(ServerError { errno, sqlstate: sqlstate.into(), message: message.into() })
    }

    #[test]
    fn numbers_have_their_codes() {
        let names = Names::new("vt_shop", "shop");
        for (errno, sqlstate, code, retryable) in [
            (1062, "23000", "constraint", false),
            (1451, "23000", "constraint", false),
            (1452, "23000", "constraint", false),
            (1048, "23000", "constraint", false),
            (4025, "23000", "constraint", false),
            (3819, "HY000", "constraint", false),
            (1146, "42S02", "not_found", false),
            (1054, "42S22", "not_found", false),
            (1049, "42000", "not_found", false),
            (1064, "42000", "invalid", false),
            (1213, "40001", "conflict", true),
            (1205, "HY000", "conflict", true),
            (1406, "22001", "data", false),
            (1264, "22003", "data", false),
            (1366, "22007", "data", false),
            (1292, "22007", "data", false),
            (1044, "42000", "denied", false),
            (1045, "28000", "denied", false),
            (1142, "42000", "denied", false),
            (1227, "42000", "denied", false),
            (1040, "08004", "exhausted", true),
            (1203, "42000", "exhausted", true),
            (1226, "42000", "exhausted", true),
            (1290, "HY000", "unavailable", true),
            (1836, "HY000", "unavailable", true),
            (3024, "HY000", "deadline", false),
            (1969, "70100", "deadline", false),
            (1317, "70100", "cancelled", false),
            (1235, "42000", "unsupported", false),
        ] {
            let body = to_body(&server(errno, sqlstate, "text"), &names, true);
            assert_eq!((body.errno, body.code.as_str(), body.retryable), (errno, code, retryable), "{errno}");
            assert_eq!(body.sqlstate, sqlstate);
        }
    }

    #[test]
    fn texts_name_the_keyspace() {
        let body =
            to_body(&server(1146, "42S02", "Table 'vt_shop.t' doesn't exist"), &Names::new("vt_shop", "shop"), false);
        assert_eq!(body.to_string(), "ERROR 1146 (42S02) not_found: Table 'shop.t' doesn't exist");
    }

    #[test]
    fn a_lost_read_is_retryable_and_a_lost_write_unknown() {
        let lost = || Error::Io {
            source: std::io::ErrorKind::ConnectionReset.into(),
            sent: vitrail_mysql::Sent::Something,
            doing: "reading",
        };
        let names = Names::new("vt_shop", "shop");
        let read = to_body(&lost(), &names, false);
        assert_eq!((read.code, read.executed, read.retryable), (Code::Unavailable, Executed::No, true));
        let write = to_body(&lost(), &names, true);
        assert_eq!((write.code, write.executed, write.retryable), (Code::OutcomeUnknown, Executed::Unknown, false));
    }

    #[test]
    fn a_deadlock_ends_the_transaction_and_a_lock_wait_does_not() {
        for (errno, expected) in [(1213, RolledBack::Transaction), (1205, RolledBack::Statement)] {
            let Error::Server(error) = server(errno, "40001", "") else { unreachable!() };
            assert_eq!(rolled_back(&error), expected);
        }
    }
}
