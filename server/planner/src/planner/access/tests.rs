//! Which rights statements need, as a table.

use vitrail_sql::lexer::LexMode;
use vitrail_sql::normalise::normalise;

use super::*;

/// `r:t` reads t, `w:` writes, `a:` administers; `r:*` all tables of the keyspace, `r:**` of all keyspaces.
fn needs(sql: &str) -> String {
    let statement = normalise(sql.into(), LexMode::default()).expect(sql);
    let needs = Needs::of(&statement);
    let letter = |right: Right| match right {
        Right::Read => 'r',
        Right::Write => 'w',
        Right::Admin => 'a',
    };
    let mut all: Vec<String> = needs
        .tables
        .iter()
        .map(|need| match &need.keyspace {
            Some(keyspace) => format!("{}:{keyspace}.{}", letter(need.right), need.table),
            None => format!("{}:{}", letter(need.right), need.table),
        })
        .collect();
    all.sort();
    all.extend(needs.keyspace.map(|wide| format!("{}:*", letter(wide.right))));
    all.extend(needs.everything.map(|wide| format!("{}:**", letter(wide.right))));
    all.join(" ")
}

fn check(cases: &[(&str, &str)]) {
    for (sql, expected) in cases {
        assert_eq!(needs(sql), *expected, "{sql}");
    }
}

#[test]
fn reads_need_each_table_wherever_it_stands() {
    check(&[
        ("SELECT 1", ""),
        ("SELECT * FROM a", "r:a"),
        ("SELECT * FROM `a b`, k.c AS x JOIN d USING (id)", "r:a b r:d r:k.c"),
        (
            "SELECT (SELECT MAX(x) FROM b) FROM a WHERE EXISTS (SELECT 1 FROM c) ORDER BY (SELECT 1 FROM d)",
            "r:a r:b r:c r:d",
        ),
        ("SELECT * FROM (SELECT * FROM a UNION ALL SELECT * FROM b) AS t", "r:a r:b"),
        ("(SELECT * FROM a) UNION (SELECT * FROM b) ORDER BY 1", "r:a r:b"),
        ("SELECT a.x FROM a LEFT JOIN (b CROSS JOIN c) ON a.x = b.x", "r:a r:b r:c"),
        (
            "SELECT * FROM a WHERE x IN (SELECT y FROM k.b) GROUP BY x HAVING COUNT(*) > (SELECT 1 FROM c)",
            "r:a r:c r:k.b",
        ),
        ("SELECT /*!40001 SQL_NO_CACHE */ * FROM a", "r:a"),
    ]);
}

#[test]
fn a_common_table_expression_hides_a_table_only_where_it_is_one() {
    check(&[
        ("WITH c AS (SELECT * FROM a) SELECT * FROM c", "r:a"),
        // Inside itself, if it is not recursive, the name is the table's.
        ("WITH secret AS (SELECT * FROM secret) SELECT * FROM secret", "r:secret"),
        ("WITH RECURSIVE c AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM c WHERE n < 9) SELECT * FROM c", ""),
        ("WITH b AS (SELECT * FROM secret), secret AS (SELECT 1) SELECT * FROM b, secret", "r:secret"),
        ("WITH RECURSIVE b AS (SELECT * FROM secret), secret AS (SELECT 1) SELECT * FROM b", "r:secret"),
        ("WITH b AS (SELECT 1), c AS (SELECT * FROM b) SELECT * FROM c", ""),
        // Beside the query that has it, it is unknown.
        ("SELECT * FROM secret WHERE EXISTS (WITH secret AS (SELECT 1) SELECT * FROM secret)", "r:secret"),
        ("SELECT * FROM (WITH secret AS (SELECT 1) SELECT * FROM secret) t JOIN secret", "r:secret"),
        ("WITH secret AS (SELECT 1) SELECT * FROM k.secret", "r:k.secret"),
        ("WITH secret AS (SELECT 1) SELECT (SELECT MAX(x) FROM secret) FROM a", "r:a"),
    ]);
}

#[test]
fn writes_need_their_target_and_reads_their_sources() {
    check(&[
        ("INSERT INTO a (x) VALUES (1)", "w:a"),
        ("INSERT INTO k.a SELECT * FROM b ON DUPLICATE KEY UPDATE x = (SELECT 1 FROM c)", "r:b r:c w:k.a"),
        ("REPLACE INTO a (x) VALUES (1)", "w:a"),
        ("UPDATE a SET x = (SELECT MAX(y) FROM b) WHERE id = 1", "r:b w:a"),
        ("UPDATE a JOIN b ON a.id = b.id SET a.x = b.x", "r:b w:a"),
        ("UPDATE a AS t JOIN b ON t.id = b.id SET t.x = 1, b.y = 2", "w:a w:b"),
        // A column without a qualifier may be either's.
        ("UPDATE a JOIN b USING (id) SET x = 1", "w:a w:b"),
        ("DELETE FROM a WHERE id IN (SELECT id FROM b)", "r:b w:a"),
        ("DELETE t FROM a AS t JOIN b ON t.id = b.id", "r:b w:a"),
        ("DELETE b FROM a AS t JOIN b ON t.id = b.id", "r:a w:b"),
        ("DELETE k.t FROM k.a AS t JOIN b ON t.id = b.id", "r:b w:k.a"),
        // A name that fits none in this letter case may be any of them.
        ("DELETE T FROM a AS t JOIN b ON t.id = b.id", "w:T w:a w:b"),
        ("SELECT * FROM a JOIN b USING (id) FOR UPDATE", "w:a w:b"),
        ("SELECT * FROM a LOCK IN SHARE MODE", "w:a"),
    ]);
}

#[test]
fn what_is_not_read_wholly_needs_the_whole_keyspace() {
    check(&[
        ("TABLE a", "r:*"),
        ("SELECT * FROM a PROCEDURE ANALYSE()", "a:*"),
        ("SELECT * FROM a UNION TABLE b", "r:*"),
        ("INSERT INTO a TABLE b", "w:*"),
        ("SELECT NEXT VALUE FOR s", "w:*"),
        ("SELECT NEXTVAL(s)", "w:*"),
        ("DELETE HISTORY FROM a", "w:HISTORY w:a"),
        // One server runs what another skips.
        ("SELECT * FROM /*M! a AS */ secret", "a:*"),
        ("/*!99999 SELECT 1 AS */ DELETE FROM a", "a:*"),
    ]);
}

#[test]
fn stored_code_files_and_the_servers_own_databases_are_the_administrators() {
    check(&[
        ("SELECT f(1) FROM a", "r:a a:*"),
        ("SELECT k.f(1)", "a:*"),
        ("SELECT `count`(1)", "a:*"),
        ("SELECT COUNT(*), NOW(), JSON_EXTRACT(x, '$.a'), GET_LOCK('a', 1), CAST(x AS CHAR(3)) FROM a", "r:a"),
        ("TABLE a ORDER BY f(1)", "a:*"),
        ("INSERT INTO a (x) TABLE b", "w:*"),
        ("WITH c (x) AS (SELECT 1), d (y) AS (TABLE e) SELECT * FROM c JOIN d", "r:*"),
        ("CALL p()", "a:*"),
        ("SELECT LOAD_FILE('/etc/passwd')", "a:**"),
        ("SELECT * FROM a INTO OUTFILE '/tmp/x'", "r:* a:**"),
        ("LOAD DATA INFILE 'x' INTO TABLE a", "a:**"),
        ("SELECT * FROM mysql.user", "a:**"),
        ("SELECT * FROM Sys . x", "a:**"),
        ("TABLE performance_schema.threads", "r:* a:**"),
        ("SELECT * FROM information_schema.tables", "r:*"),
        ("TABLE INFORMATION_SCHEMA.tables", "r:*"),
    ]);
}

#[test]
fn definitions_need_admin_on_what_they_name() {
    check(&[
        ("CREATE TABLE a (id INT, connection INT)", "a:a"),
        ("CREATE TABLE IF NOT EXISTS k.a (id INT)", "a:k.a"),
        ("ALTER TABLE a ADD COLUMN x INT", "a:a"),
        ("DROP TABLE a, b", "a:a a:b"),
        ("TRUNCATE a", "a:a"),
        ("CREATE INDEX i ON a (x)", "a:a"),
        ("CREATE TABLE a AS SELECT * FROM b", "a:a a:*"),
        ("CREATE TABLE a LIKE b", "a:a a:*"),
        ("CREATE TABLE a TABLE b", "a:a a:*"),
        ("CREATE TABLE a (b INT REFERENCES b (id))", "a:a a:*"),
        ("CREATE VIEW v AS SELECT * FROM a", "a:v a:*"),
        ("CREATE TABLE a (id INT) DATA DIRECTORY = '/x'", "a:a a:**"),
        ("CREATE TABLE a (id INT) ENGINE=FEDERATED CONNECTION='x'", "a:a a:**"),
        ("CREATE TABLE a (id INT) ENGINE = 'Spider' COMMENT = 'x'", "a:a a:**"),
        ("CREATE DATABASE d", "a:**"),
        ("CREATE USER u", "a:**"),
        ("CREATE FUNCTION f() RETURNS INT RETURN 1", "a:**"),
        ("RENAME TABLE a TO k.b", "a:a a:k.b"),
        ("ALTER TABLE a RENAME b", "a:a a:b"),
        ("RENAME USER a TO b", "a:**"),
        // A table of the session's own.
        ("CREATE TEMPORARY TABLE a (id INT)", "w:a"),
        ("DROP TEMPORARY TABLE IF EXISTS a, b", "w:a w:b"),
        ("CREATE TEMPORARY TABLE a SELECT * FROM b", "w:a w:*"),
        ("CREATE TEMPORARY TABLE a SELECT f(1)", "w:a a:*"),
        ("CREATE TEMPORARY TABLE a SELECT * FROM mysql.user", "w:a w:* a:**"),
    ]);
}

#[test]
fn statements_of_the_session_need_what_they_read() {
    check(&[
        ("BEGIN", ""),
        ("COMMIT", ""),
        ("SAVEPOINT a", ""),
        ("USE k", ""),
        ("KILL 1", ""),
        ("SET autocommit = 0, @x = CONCAT(@y, 'a'), NAMES utf8mb4", ""),
        // Evaluated by SELECT, which is looked at by itself.
        ("SET @x = (SELECT MAX(id) FROM a), @y = f()", ""),
        ("SELECT (SELECT MAX(id) FROM a) INTO @x", "r:a"),
        ("SELECT f() INTO @x", "a:*"),
        ("SET GLOBAL x = 1", "a:**"),
        ("SET @@global.x = 1", "a:**"),
        ("SET PASSWORD = 'x'", "a:**"),
        ("SHOW DATABASES", ""),
        ("SHOW TABLES", ""),
        ("SHOW VITRAIL SHARDS", ""),
        ("SHOW VITRAIL CONSOLIDATIONS", "r:**"),
        ("SHOW COLUMNS FROM a", "r:a"),
        ("SHOW COLUMNS FROM a FROM k", "r:k.a"),
        ("SHOW COLUMNS FROM a WHERE Field IN (SELECT x FROM secret)", "r:a r:*"),
        ("SHOW VARIABLES WHERE Value = f()", "a:*"),
        ("SHOW VARIABLES LIKE 'x'", ""),
        ("SHOW CREATE TABLE a", "r:a"),
        ("DESCRIBE k.a", "r:k.a"),
        ("SHOW GRANTS FOR x", "a:**"),
        ("EXPLAIN SELECT * FROM a", "r:a"),
        ("EXPLAIN FORMAT=VITRAIL UPDATE a SET x = 1", "w:a"),
        ("EXPLAIN FORMAT=JSON FOR CONNECTION 5", "a:**"),
        ("DO SLEEP(1)", ""),
        ("DO (SELECT 1 FROM a)", "r:*"),
        ("HANDLER a OPEN", "r:*"),
        ("LOCK TABLES a READ", "w:*"),
        ("UNLOCK TABLES", ""),
        ("PREPARE s FROM 'DROP TABLE a'", ""),
        ("OPTIMIZE TABLE a", "a:*"),
        ("FLUSH TABLES", "a:**"),
        ("SET STATEMENT max_statement_time = 1 FOR SELECT 1", "a:**"),
        ("XA START 'x'", "a:**"),
        ("SELEC 1", ""),
    ]);
}

#[test]
fn the_highest_right_is_told() {
    let highest = |sql: &str| Needs::of(&normalise(sql.into(), LexMode::default()).expect(sql)).highest();
    assert_eq!(highest("SELECT 1"), None);
    assert_eq!(highest("SELECT * FROM a"), Some(Right::Read));
    assert_eq!(highest("INSERT INTO a SELECT * FROM b"), Some(Right::Write));
    assert_eq!(highest("SELECT f(x) FROM a"), Some(Right::Admin));
}
