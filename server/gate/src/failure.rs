//! Errors that the gate itself raises, with the numbers MySQL has for them.

use vitrail_proto::error::{Code, ErrorBody, Executed};

/// The request was cancelled.
pub(crate) fn cancelled() -> ErrorBody {
    ErrorBody::new(Code::Cancelled, "cancelled on request")
}

/// Understood and not supported; `reason` says why, or what to do instead.
pub(crate) fn unsupported(reason: impl Into<String>) -> ErrorBody {
    ErrorBody::new(Code::Unsupported, reason)
}

/// A statement that needs a keyspace, and the session has none.
pub(crate) fn no_keyspace() -> ErrorBody {
    ErrorBody::new(Code::NotFound, "no keyspace selected; name one in the URL or say USE keyspace")
        .with_errno(1046, "3D000")
}

/// A keyspace that does not exist; names the one that was probably meant.
pub(crate) fn unknown_keyspace<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> ErrorBody {
    let hint = nearest(name, known).map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
    ErrorBody::new(Code::NotFound, format!("unknown keyspace '{name}'{hint}")).with_errno(1049, "42000")
}

/// A shard that does not exist; lists those that do.
pub(crate) fn unknown_shard<'a>(keyspace: &str, shard: &str, known: impl Iterator<Item = &'a str>) -> ErrorBody {
    let known: Vec<&str> = known.take(16).collect();
    let message = format!("keyspace '{keyspace}' has no shard '{shard}'; its shards are {}", known.join(", "));
    ErrorBody::new(Code::NotFound, message).with_errno(1049, "42000")
}

/// A statement over shards that names a table which is a temporary one on one of them.
pub(crate) fn hidden_by_temporary(keyspace: &str, table: &str) -> ErrorBody {
    unsupported(format!(
        "`{table}` is a temporary table of this session on one shard of keyspace '{keyspace}': name that shard in the target, or drop the table"
    ))
}

/// A table that does not exist.
pub(crate) fn unknown_table(keyspace: &str, table: &str) -> ErrorBody {
    ErrorBody::new(Code::NotFound, format!("Table '{keyspace}.{table}' doesn't exist")).with_errno(1146, "42S02")
}

/// An answer with other columns than the plan has been made for.
pub(crate) fn outdated(keyspace: &str) -> ErrorBody {
    unsupported(format!(
        "a table of keyspace '{keyspace}' has other columns than the gate knows, because it was changed on MySQL itself: say REFRESH VITRAIL \
         SCHEMA, and send the statement again"
    ))
}

/// A write that does not say which rows it means; MySQL's own number for it, as with `sql_safe_updates`.
pub(crate) fn full_write(verb: &str) -> ErrorBody {
    let message = format!(
        "this {verb} has no LIMIT and no WHERE that names a column, so it may change every row of its table, and was refused; name the \
         rows, or allow it by /*vitrail allow_full_writes=1 */ before the statement or SET vitrail_allow_full_writes = 1"
    );
    ErrorBody::new(Code::Denied, message).with_errno(1175, "HY000")
}

/// A write in a request that is read only.
pub(crate) fn read_only() -> ErrorBody {
    ErrorBody::new(Code::Denied, "the request is read only, and the statement writes or locks rows")
        .with_errno(1792, "25006")
}

/// A transaction of this session was lost, and the client has not taken notice yet.
pub(crate) fn transaction_lost() -> ErrorBody {
    ErrorBody::new(
        Code::TxLost,
        "the transaction was lost and everything in it rolled back; send ROLLBACK, then run it again",
    )
}

/// The session was ended by KILL.
pub(crate) fn session_killed() -> ErrorBody {
    let mut killed = ErrorBody::new(
        Code::SessionLost,
        "the session was killed: its transaction is rolled back, its locks and temporary tables are gone; reset it, or open another",
    )
    .with_errno(1927, "70100");
    killed.retryable = false;
    killed
}

/// The error of a statement of which nothing remains on any shard, whatever one of them could say of itself.
pub(crate) fn undone(error: ErrorBody) -> ErrorBody {
    if error.code != Code::OutcomeUnknown {
        return ErrorBody { executed: Executed::No, ..error };
    }
    let message = "the connection to MySQL was lost while the statement ran, and all of it is undone; send it again";
    ErrorBody { executed: Executed::No, shard: error.shard, ..ErrorBody::new(Code::Unavailable, message) }
}

/// A service or client broke an expectation of the gate.
pub(crate) fn internal(what: impl Into<String>) -> ErrorBody {
    ErrorBody::new(Code::Internal, what)
}

/// The known name that differs from `name` by the fewest edits, if that is at most a third of it.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).max(1);
    known
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .filter(|(edits, _)| *edits <= limit)
        .min()
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_suggest_the_nearest() {
        let keyspaces = || ["flights", "main"].into_iter();
        assert!(unknown_keyspace("flihgts", keyspaces()).message.contains("did you mean 'flights'?"));
        assert_eq!(unknown_keyspace("weather", keyspaces()).message, "unknown keyspace 'weather'");
        assert_eq!(unknown_keyspace("weather", keyspaces()).errno, 1049);
    }
}
