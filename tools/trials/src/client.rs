//! Statements with limits, and what an error may say.

use std::time::Duration;

use tokio::time::timeout;
use vitrail_client::{Client, Code, Error, Executed, Query, Session, params};

use crate::ledger::{Fate, Ledger};

/// How long after its deadline an answer may come, at most: the client's own second, the server's grace, and a loaded machine.
pub const MARGIN: Duration = Duration::from_secs(15);

/// What a statement of the trials may fail with; anything else is a fault.
const EXPECTED: [&str; 11] = [
    "unavailable",
    "outcome_unknown",
    "tx_lost",
    "session_lost",
    "deadline",
    "cancelled",
    "exhausted",
    "conflict",
    "draining",
    "protocol",
    "throttled",
];

/// Panics if an error contradicts itself, or has a code that the trials give no cause for.
pub fn check_error(error: &Error) {
    assert!(EXPECTED.contains(&error.code().as_str()), "nothing gives cause for this error: {error:?}");
    check_consistent(error);
}

/// Panics if an error contradicts itself.
pub fn check_consistent(error: &Error) {
    assert!(!error.is_retryable() || error.executed() == Executed::No, "retryable, and perhaps executed: {error:?}");
    if *error.code() == Code::OutcomeUnknown {
        assert_ne!(error.executed(), Executed::No, "an unknown outcome that is known: {error:?}");
    }
    for secret in ["/tmp/", "mysqld.sock", "bank_0", "bank_1", "root@"] {
        assert!(!error.message().contains(secret), "an error tells {secret}: {error:?}");
    }
}

/// Waits for an answer until `deadline` and the margin have passed; panics if none has come by then.
pub async fn in_time<T>(what: &str, deadline: Duration, answer: impl Future<Output = T>) -> T {
    match timeout(deadline + MARGIN, answer).await {
        Ok(answer) => answer,
        Err(_) => panic!("{what}: no answer {MARGIN:?} after its deadline of {deadline:?}"),
    }
}

/// Writes one row, in autocommit. What the client was told goes into the books.
pub async fn write_one(session: &mut Session, ledger: &Ledger, account: i64, deadline: Duration) -> Result<(), Error> {
    let entry = ledger.begin(&[account]);
    let query =
        Query::new("INSERT INTO ledger (account, entry, amount) VALUES (:account, :entry, 1)").deadline(deadline);
    let writing = session.execute(query, params! { "account" => account, "entry" => entry });
    let answer = in_time("a write", deadline, writing).await;
    ledger.note(entry, Fate::of(&answer));
    answer.map(drop)
}

/// Writes a row on each account, in one transaction, and moves an amount from the first to the last.
pub async fn write_all(client: &Client, ledger: &Ledger, accounts: &[i64], deadline: Duration) -> Result<(), Error> {
    let entry = ledger.begin(accounts);
    let insert =
        Query::new("INSERT INTO ledger (account, entry, amount) VALUES (:account, :entry, 1)").deadline(deadline);
    let mut transaction = match in_time("BEGIN", deadline, client.begin()).await {
        Ok(transaction) => transaction,
        Err(error) => {
            ledger.note(entry, Fate::Not);
            return Err(error);
        }
    };
    for account in accounts {
        let writing = transaction.execute(&insert, params! { "account" => *account, "entry" => entry });
        if let Err(error) = in_time("a write in a transaction", deadline, writing).await {
            // Nothing was committed, whatever became of the statement.
            ledger.note(entry, Fate::Not);
            return Err(error);
        }
    }
    let answer = in_time("COMMIT", deadline, transaction.commit()).await;
    ledger.note(entry, Fate::of(&answer));
    answer.map(drop)
}
