//! What a statement did.

use vitrail_proto::message::{Capped, Ran, ResultEnd, Warning};

/// The end of a result, as the application sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Outcome {
    /// Rows affected: changed ones, or matched ones if the session was opened with `found_rows`.
    pub affected: u64,
    /// `LAST_INSERT_ID` of this statement; `None` if it generated none.
    pub insert_id: Option<u64>,
    /// Rows returned.
    pub rows: u64,
    /// How many warnings there are.
    pub warnings: u32,
    /// Their texts, at most as many as [`crate::Query::warnings`] asked for.
    pub warning_texts: Vec<Warning>,
    /// Rows matched, where MySQL says so.
    pub matched: Option<u64>,
    /// MySQL's info text (`Rows matched: 1  Changed: 0  Warnings: 0`).
    pub info: Option<String>,
    /// There were more rows than a limit allows.
    pub capped: Option<Capped>,
    /// Token of a write or commit, for [`crate::Query::not_older_than`].
    pub position: Option<Vec<u8>>,
    /// The session is inside a transaction.
    pub in_transaction: bool,
    /// The session is pinned to one MySQL connection.
    pub pinned: bool,
    /// How the statement ran, if [`crate::Query::facts`] or [`crate::Session::ask_facts`] asked.
    pub ran: Option<Ran>,
}

impl From<ResultEnd> for Outcome {
    fn from(end: ResultEnd) -> Outcome {
        Outcome {
            affected: end.affected,
            insert_id: (end.insert_id != 0).then_some(end.insert_id),
            rows: end.rows,
            warnings: end.warnings,
            warning_texts: end.warning_texts,
            matched: end.matched,
            info: end.info,
            capped: end.capped,
            position: end.position,
            in_transaction: end.in_transaction,
            pinned: end.pinned,
            ran: end.ran,
        }
    }
}
