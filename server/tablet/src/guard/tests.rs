//! Statements and the places where they may run.

use super::*;

/// Without values of the session.
fn check(sql: &str, place: Place, mode: LexMode) -> Result<Passed, ErrorBody> {
    super::check(sql, place, mode, None)
}

const S: Place = Place::Shared;
const T: Place = Place::Transaction;
const R: Place = Place::Reserved;

/// Statement, and the places that run it.
const CASES: &[(&str, &[Place])] = &[
    ("SELECT 1", &[S, T, R]),
    ("(SELECT 1) UNION (SELECT 2)", &[S, T, R]),
    ("with a as (select 1) select * from a", &[S, T, R]),
    ("/* c */ INSERT INTO t VALUES (:a, '@x', \"@y\", `@z`)", &[S, T, R]),
    ("UPDATE t SET a = LAST_INSERT_ID(a + 1)", &[S, T, R]),
    ("SELECT LAST_INSERT_ID()", &[T, R]),
    ("SELECT last_insert_id ( )", &[T, R]),
    ("SELECT FOUND_ROWS()", &[T, R]),
    ("SELECT @@version, @@session.sql_mode", &[S, T, R]),
    ("SELECT @a", &[R]),
    ("SELECT @'a b'", &[R]),
    ("SELECT a INTO @x FROM t", &[R]),
    ("SELECT @a := 1", &[R]),
    ("SELECT a INTO OUTFILE '/tmp/x' FROM t", &[]),
    ("SELECT a INTO/**/dumpfile '/tmp/x' FROM t", &[]),
    ("SET sql_mode = ''", &[]),
    ("SET @a = 1", &[R]),
    ("SET @a = (SELECT f(1, 2)), @b = 2", &[R]),
    ("SET @a = 1, sql_mode = ''", &[]),
    ("SET autocommit = 0", &[R]),
    ("SET autocommit = 0, sql_mode = ''", &[]),
    ("SET autocommit = DEFAULT", &[]),
    ("SET GLOBAL max_connections = 1", &[]),
    ("SET STATEMENT max_statement_time = 1 FOR SELECT 1", &[]),
    ("/*!50000 SET sql_mode = '' */", &[]),
    ("/*M! SET sql_mode = '' */", &[]),
    ("SELECT 1 /*! , @a */", &[R]),
    ("SELECT 1 /* , @a */", &[S, T, R]),
    ("SELECT 1 -- @a", &[S, T, R]),
    ("SELECT 1 --@a", &[R]),
    ("SELECT 1 # @a", &[S, T, R]),
    ("USE other", &[]),
    ("LOCK TABLES t WRITE", &[R]),
    ("UNLOCK TABLES", &[R]),
    ("SELECT GET_LOCK('a', 1)", &[R]),
    ("SELECT get_lock ('a', 1)", &[R]),
    ("SELECT `get_lock`('a', 1)", &[R]),
    ("SELECT get_lock FROM t", &[S, T, R]),
    ("DO RELEASE_ALL_LOCKS()", &[R]),
    ("CREATE TABLE t (a int)", &[S, R]),
    ("CREATE TEMPORARY TABLE t (a int)", &[R]),
    ("create or replace temporary table t (a int)", &[R]),
    ("DROP TEMPORARY TABLE t", &[R]),
    ("CREATE TABLE temporary (a int)", &[S, R]),
    ("TRUNCATE t", &[S, R]),
    ("CREATE PROCEDURE p() BEGIN SET @a = 1; SELECT 1; END", &[S, R]),
    ("CREATE TABLE t (a int); CREATE PROCEDURE p() SELECT 1", &[]),
    ("CREATE TABLE procedure (a int); SET @a = 1", &[]),
    ("ANALYZE TABLE t", &[S, R]),
    ("ANALYZE FORMAT=JSON SELECT 1", &[S, T, R]),
    ("PREPARE s FROM 'SELECT 1'", &[R]),
    ("EXECUTE s", &[R]),
    ("HANDLER t OPEN", &[R]),
    ("LOAD DATA LOCAL INFILE 'x' INTO TABLE t", &[]),
    ("BEGIN", &[R]),
    ("START TRANSACTION READ ONLY", &[R]),
    ("COMMIT", &[R]),
    ("ROLLBACK", &[R]),
    ("ROLLBACK WORK TO SAVEPOINT a", &[T, R]),
    ("rollback to a", &[T, R]),
    ("SAVEPOINT a", &[T, R]),
    ("RELEASE SAVEPOINT a", &[T, R]),
    ("XA START 'x'", &[]),
    ("KILL 1", &[]),
    ("SHUTDOWN", &[]),
    ("FLUSH TABLES WITH READ LOCK", &[]),
    ("SHOW TABLES", &[S, T, R]),
    ("SHOW WARNINGS", &[T, R]),
    ("SHOW COUNT(*) WARNINGS", &[T, R]),
    ("SHOW TABLES LIKE 'warnings'", &[S, T, R]),
    ("CALL p()", &[S, T, R]),
    ("SELECT 1;", &[S, T, R]),
    ("SELECT 1; SELECT 2", &[]),
    ("SELECT ';' , 'it''s', 'a\\'b@c'", &[S, T, R]),
    ("", &[S, T, R]),
    (" /* nothing */ -- here", &[S, T, R]),
    ("BEGIN NOT ATOMIC SELECT 1; END", &[]),
    ("IF 1 THEN SELECT 1; END IF", &[]),
];

#[test]
fn statements_run_where_they_may() {
    for (sql, places) in CASES {
        for place in [S, T, R] {
            let result = check(sql, place, LexMode::default());
            assert_eq!(result.is_ok(), places.contains(&place), "{sql} at {place:?}: {result:?}");
            if let Err(error) = result {
                assert_eq!(error.code, Code::Unsupported, "{sql}");
            }
        }
    }
}

#[test]
fn what_is_sent_with_a_statement_may_be_named() {
    let values = SessionValues {
        user_variables: vec![("a b".into(), "1".into()), ("c".into(), "NULL".into())],
        last_insert_id: Some(1),
        ..SessionValues::default()
    };
    for (sql, passes) in [
        ("SELECT @`A b`, @C, LAST_INSERT_ID()", true),
        ("SELECT 1 INTO @c", true),
        ("SELECT @d", false),
        ("SELECT @c, FOUND_ROWS()", false),
        ("SET @c = 1", false),
    ] {
        let result = super::check(sql, S, LexMode::default(), Some(&values));
        assert_eq!(result.is_ok(), passes, "{sql}: {result:?}");
    }
}

#[test]
fn the_server_s_way_of_reading_counts() {
    let ansi = LexMode::from_sql_mode("ANSI_QUOTES,STRICT_TRANS_TABLES");
    let plain = LexMode::from_sql_mode("NO_BACKSLASH_ESCAPES");
    // A trailing backslash ends the literal only where it is an ordinary character: the variable is code there.
    for (sql, mode, passes) in [
        (r"SELECT '\', @a, '", LexMode::default(), true),
        (r"SELECT '\', @a, '", plain, false),
        (r#"SELECT "\", @a, ""#, LexMode::default(), true),
        (r#"SELECT "\", @a, ""#, ansi, false),
        (r#"SELECT "get_lock"('a', 1)"#, ansi, false),
    ] {
        assert_eq!(check(sql, S, mode).is_ok(), passes, "{sql} {mode:?}");
    }
    assert!(LexMode::from_sql_mode("ansi").ansi_quotes);
    assert!(!LexMode::from_sql_mode("STRICT_ALL_TABLES").ansi_quotes);
}

#[test]
fn what_cannot_be_read_to_its_end_is_refused() {
    for sql in ["SELECT 'a", "SELECT 1 /* a", "'a", "SELECT `a", "SELECT 1 /*!99999 ' */ , @a /* ' */"] {
        for place in [S, T, R] {
            assert!(check(sql, place, LexMode::default()).is_err(), "{sql} at {place:?}");
        }
    }
}

#[test]
fn refusals_say_what_and_why() {
    for (sql, place, message) in [
        ("set x = 1", S, "SET is refused by tablets; session variables are part of the session's settings"),
        ("SELECT @a", S, "a user variable has to be named with the statement, or needs a reserved connection"),
        ("drop table t", T, "DROP would commit the open transaction; commit or roll back first"),
        ("select get_lock('a',1)", S, "GET_LOCK needs a reserved connection"),
        ("flush logs", R, "FLUSH is not a statement that tablets run"),
    ] {
        assert_eq!(check(sql, place, LexMode::default()).unwrap_err().message, message);
    }
}

#[test]
fn any_bytes_are_read_to_their_end() {
    let seed = rand_seed();
    let mut state = seed;
    let alphabet: Vec<char> = "'\"`@/*!M-# \n();:\\aSETé0,".chars().collect();
    for _ in 0..20_000 {
        let text: String = (0..24)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                alphabet[(state >> 33) as usize % alphabet.len()]
            })
            .collect();
        for place in [S, T, R] {
            let _ = check(
                &text,
                place,
                LexMode { no_backslash_escapes: state & 1 == 0, ansi_quotes: state & 2 == 0, ..LexMode::default() },
            );
        }
    }
    println!("seed {seed}");
}

fn rand_seed() -> u64 {
    let started = tokio::time::Instant::now();
    let address = std::ptr::from_ref(&started) as u64;
    address ^ u64::from(std::process::id())
}
