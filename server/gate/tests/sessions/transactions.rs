//! Transactions, savepoints and autocommit.

use crate::compare_everywhere;

/// autocommit, isolation, read only, snapshots and savepoints at their edges.
#[tokio::test]
async fn transactions_are_as_on_one_mysql() {
    compare_everywhere(
        [1, 2],
        &[
            "SET autocommit = 0",
            "UPDATE item SET price = 100 WHERE id = 1",
            "SET autocommit = 1",
            "ROLLBACK",
            "SELECT price FROM item WHERE id = 1",
            "SET autocommit = 0",
            "SELECT id FROM item WHERE id = 1",
            "SET TRANSACTION READ ONLY",
            "UPDATE item SET price = 200 WHERE id = 1",
            "ROLLBACK",
            "SET autocommit = 1",
            "SELECT price FROM item WHERE id = 1",
            "SET TRANSACTION READ ONLY",
            "START TRANSACTION",
            "UPDATE item SET price = 1 WHERE id = 1",
            "COMMIT",
            "START TRANSACTION",
            "UPDATE item SET price = 7 WHERE id = 1",
            "COMMIT",
            "START TRANSACTION READ ONLY",
            "INSERT INTO item (id) VALUES (70)",
            "SELECT price FROM item WHERE id = 1",
            "COMMIT",
            "SET SESSION TRANSACTION READ ONLY",
            "DELETE FROM item WHERE id = 1",
            "SET SESSION TRANSACTION READ WRITE",
            "BEGIN",
            "INSERT INTO item (id) VALUES (80), (81), (82), (83)",
            "SAVEPOINT a",
            "UPDATE item SET price = 9",
            "SAVEPOINT b",
            "DELETE FROM item",
            "ROLLBACK TO b",
            "SELECT COUNT(*), MIN(price), MAX(price) FROM item",
            "ROLLBACK TO SAVEPOINT a",
            "ROLLBACK TO b",
            "RELEASE SAVEPOINT a",
            "RELEASE SAVEPOINT a",
            "SELECT COUNT(*) FROM item",
            "BEGIN",
            "ROLLBACK",
            "SELECT COUNT(*) FROM item",
            "START TRANSACTION WITH CONSISTENT SNAPSHOT",
            "SELECT COUNT(*) FROM item",
            "COMMIT AND CHAIN",
            "DELETE FROM item WHERE id > 79",
            "ROLLBACK AND CHAIN",
            "SELECT COUNT(*) FROM item",
            "ROLLBACK",
        ],
    )
    .await;
}
