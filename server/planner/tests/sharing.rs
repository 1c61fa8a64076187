//! Which statements may share an execution with identical ones: reads whose answer is the same for all who ask at the same time.

mod fixture;

use std::sync::Arc;

use fixture::Fixture;
use vitrail_proto::value::Binds;
use vitrail_sql::{LexMode, normalise};

fn is_shareable(fixture: &Fixture, sql: &str, target: &str) -> bool {
    let statement = normalise(Arc::from(sql), LexMode::default()).expect("lexes");
    let plan = fixture.plan(&statement, target).unwrap_or_else(|refusal| panic!("{sql}: {}", refusal.message));
    let binds = Arc::new(Binds::new());
    let resolved = plan.resolve(&statement, &binds, fixture.shards(plan.keyspace()));
    resolved.unwrap_or_else(|refusal| panic!("{sql}: {}", refusal.message)).shareable
}

#[test]
fn reads_of_known_tables_and_functions_are() {
    let fixture = Fixture::load();
    for (target, sql) in [
        ("shop", "SELECT * FROM orders WHERE user_id = 1"),
        ("shop", "SELECT COUNT(*) FROM orders"),
        ("shop", "SELECT name FROM countries ORDER BY id LIMIT 3"),
        ("shop", "SELECT id FROM orders WHERE user_id = 1 AND at > NOW() - INTERVAL 1 DAY"),
        ("shop", "SELECT CURRENT_DATE, SYSDATE(), UNIX_TIMESTAMP() FROM countries"),
        ("shop:-80", "SELECT UPPER(name) FROM users"),
        ("main", "SELECT text, ROW_NUMBER() OVER (ORDER BY id) FROM notes"),
        ("main", "WITH n AS (SELECT id FROM notes) SELECT COUNT(*) FROM n"),
        ("main", "SELECT /*+ MAX_EXECUTION_TIME(100) */ id FROM notes WHERE id IN (SELECT id FROM notes)"),
        ("main", "SELECT 1"),
    ] {
        assert!(is_shareable(&fixture, sql, target), "{target}: {sql}");
    }
}

#[test]
fn nothing_else_is() {
    let fixture = Fixture::load();
    for (target, sql) in [
        // They write or lock.
        ("shop", "INSERT INTO countries VALUES (1, 'x')"),
        ("shop", "UPDATE orders SET amount = 1 WHERE user_id = 1"),
        ("shop", "SELECT * FROM orders WHERE user_id = 1 FOR UPDATE"),
        ("main", "SELECT * FROM notes FOR SHARE"),
        ("main", "SELECT * FROM notes LOCK IN SHARE MODE"),
        ("main", "SELECT id FROM notes WHERE id IN (SELECT id FROM notes FOR UPDATE)"),
        ("main", "CREATE TABLE a (b INT)"),
        // By chance, or to wait.
        ("shop", "SELECT RAND() FROM orders WHERE user_id = 1"),
        ("main", "SELECT UUID()"),
        ("main", "SELECT id FROM notes ORDER BY RAND()"),
        ("main", "SELECT SLEEP(1)"),
        ("main", "SELECT id FROM notes WHERE id = (SELECT uuid_short())"),
        ("main", "WITH n AS (SELECT RANDOM_BYTES(4) AS b) SELECT b FROM n"),
        // A stored function may do anything, whatever it is called.
        ("main", "SELECT our_own(id) FROM notes"),
        ("main", "SELECT main.abs(id) FROM notes"),
        // Of the session or the server.
        ("main", "SELECT @@sql_mode"),
        ("main", "SELECT id FROM notes LIMIT 1 /*!99999 , 1 */"),
        ("main", "SELECT * FROM information_schema.processlist"),
        // Nobody knows what is behind it.
        ("main", "SELECT * FROM a_view_or_a_table"),
        // Nobody has read it but MySQL.
        ("main", "TABLE notes"),
        ("main", "SELECT id FROM notes PROCEDURE ANALYSE()"),
    ] {
        assert!(!is_shareable(&fixture, sql, target), "{target}: {sql}");
    }
}

#[test]
fn a_view_is_not() {
    let mut fixture = Fixture::load();
    let main = fixture.schemas.get_mut("main").expect("the keyspace");
    let notes = main.table("notes").expect("the table").clone();
    let view = vitrail_planner::schema::TableSchema { view: true, ..notes.clone() };
    *main = Arc::new(vitrail_planner::schema::KeyspaceSchema::new([("notes".into(), notes), ("v".into(), view)]));
    assert!(is_shareable(&fixture, "SELECT * FROM notes", "main"));
    assert!(!is_shareable(&fixture, "SELECT * FROM v", "main"));
    assert!(!is_shareable(&fixture, "SELECT * FROM notes WHERE id IN (SELECT id FROM v)", "main"));
}
