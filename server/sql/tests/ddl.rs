//! DDL: the tables that it changes, and its text as a shard takes it.

mod support;

use support::{ANSI, DEFAULT, PLAIN_BACKSLASH, fault, read, read_as};
use vitrail_sql::control::ddl::{self, Again};

#[test]
fn tables_of_ddl_are_found() {
    for (sql, expected) in [
        ("CREATE TABLE t (id INT)", Ok(vec!["t"])),
        ("create table if not exists k.`t t` like u", Ok(vec!["k.t t"])),
        ("CREATE TABLE t (a INT) /*!50100 PARTITION BY KEY (a) */", Ok(vec!["t"])),
        ("ALTER TABLE k.t ADD COLUMN x INT", Ok(vec!["k.t"])),
        ("ALTER TABLE t RENAME COLUMN a TO b", Ok(vec!["t"])),
        ("DROP TABLE IF EXISTS a, k.b", Ok(vec!["a", "k.b"])),
        ("TRUNCATE t", Ok(vec!["t"])),
        ("CREATE UNIQUE INDEX i USING BTREE ON t (x)", Ok(vec!["t"])),
        ("DROP INDEX i ON k.t", Ok(vec!["k.t"])),
        ("ALTER TABLE t RENAME TO u", Ok(vec!["t", "u"])),
        ("ALTER TABLE t WAIT 5 RENAME = u, RENAME INDEX i TO j", Ok(vec!["t", "u"])),
        ("ALTER TABLE t ADD COLUMN x INT, /*!40000 RENAME k.`u`*/", Ok(vec!["t", "k.u"])),
        ("ALTER TABLE t ADD CHECK (t.rename > 0), RENAME AS u", Ok(vec!["t", "u"])),
        ("ALTER TABLE t ADD COLUMN `rename` INT", Ok(vec!["t"])),
        ("ALTER TABLE t RENAME", Err("syntax")),
        ("RENAME TABLE a TO b", Ok(vec!["a", "b"])),
        ("RENAME TABLES IF EXISTS a NOWAIT TO b, k.c TO k.d", Ok(vec!["a", "b", "k.c", "k.d"])),
        ("RENAME TABLE a TO b c", Err("syntax")),
        ("RENAME USER a TO b", Err("unsupported")),
        ("CREATE TEMPORARY TABLE t (id INT)", Ok(vec!["t"])),
        ("CREATE DATABASE d", Err("unsupported")),
        ("DROP INDEX i", Err("syntax")),
    ] {
        let statement = read(sql);
        let found = match ddl::parse(&statement) {
            Ok(change) => Ok(change
                .tables
                .iter()
                .map(|name| match &name.keyspace {
                    Some(keyspace) => format!("{keyspace}.{}", name.table),
                    None => name.table.to_string(),
                })
                .collect::<Vec<_>>()),
            error => Err(fault(error)),
        };
        assert_eq!(found, expected.map(|names| names.into_iter().map(String::from).collect()), "{sql}");
    }
    for (sql, renames) in [
        ("RENAME TABLE a TO b", true),
        ("ALTER TABLE t ENGINE = InnoDB, RENAME u", true),
        ("ALTER TABLE t RENAME COLUMN a TO b, RENAME INDEX i TO j", false),
    ] {
        assert_eq!(ddl::parse(&read(sql)).expect("read").renames, renames, "{sql}");
    }
    let selects = read("CREATE TABLE t AS SELECT 1");
    assert!(ddl::parse(&selects).expect("read").selects);
    assert!(!ddl::parse(&read("CREATE TABLE t (a INT COMMENT 'select')")).expect("read").selects);
}

#[test]
fn qualifiers_are_cut() {
    for (sql, mode, expected) in [
        ("DROP TABLE k.a, `k` . `b`, j.k", DEFAULT, "DROP TABLE a, `b`, j.k"),
        ("CREATE TABLE t (k INT DEFAULT 'k.t')", DEFAULT, "CREATE TABLE t (k INT DEFAULT 'k.t')"),
        ("ALTER TABLE k.k ADD CHECK (k.k.x > 0)", DEFAULT, "ALTER TABLE k ADD CHECK (k.x > 0)"),
        (r#"DROP TABLE "k"."a""#, ANSI, r#"DROP TABLE "a""#),
        (
            r"CREATE TABLE k.t (a CHAR(1) DEFAULT '\', b CHAR(9) DEFAULT 'k.t')",
            PLAIN_BACKSLASH,
            r"CREATE TABLE t (a CHAR(1) DEFAULT '\', b CHAR(9) DEFAULT 'k.t')",
        ),
    ] {
        assert_eq!(ddl::without_qualifiers(&read_as(sql, mode), "k").as_deref(), Ok(expected));
    }
}

#[test]
fn definitions_are_tried_on_copies() {
    for (sql, expected) in [
        ("ALTER TABLE k.t ADD COLUMN x INT", Some("ALTER TABLE `c` ADD COLUMN x INT")),
        ("alter ignore table `t` add x int, algorithm=inplace, LOCK NONE", Some("alter ignore table `c` add x int")),
        ("ALTER TABLE t LOCK=NONE, ALGORITHM=COPY, ADD lock INT", Some("ALTER TABLE `c`   ADD lock INT")),
        (
            "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES k.u (b)",
            Some("ALTER TABLE `c` ADD FOREIGN KEY (a) REFERENCES u (b)"),
        ),
        ("CREATE UNIQUE INDEX i ON k.t (x) ALGORITHM=INPLACE LOCK=NONE", Some("CREATE UNIQUE INDEX i ON `c` (x)  ")),
        ("DROP INDEX i ON t", Some("DROP INDEX i ON `c`")),
        ("DROP TABLE t", None),
    ] {
        assert_eq!(ddl::on_copy(&read(sql), "k", "c").ok().as_deref(), expected, "{sql}");
    }
    for (sql, expected) in [
        ("DROP TABLE k.a, b CASCADE", "DROP TABLE IF EXISTS a, b CASCADE"),
        ("drop tables a", "drop tables IF EXISTS a"),
    ] {
        assert_eq!(ddl::of_what_is_left(&read(sql), "k").as_deref(), Ok(expected));
    }
    for (sql, expected) in [
        ("CREATE TABLE a (id INT)", Again::Exists),
        ("CREATE TABLE IF NOT EXISTS a (id INT)", Again::Same),
        ("CREATE OR REPLACE TABLE a (id INT)", Again::Same),
        ("DROP TABLE a", Again::Lacks),
        ("DROP TABLE IF EXISTS a, b", Again::Same),
        ("ALTER TABLE IF EXISTS a ADD x INT", Again::Changes),
        ("CREATE INDEX i ON a (x)", Again::Changes),
        ("TRUNCATE a", Again::Same),
    ] {
        let statement = read(sql);
        let change = ddl::parse(&statement).unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!((change.again, &*change.tables[0].table), (expected, "a"), "{sql}");
    }
}

#[test]
fn temporary_tables_are_told_from_others() {
    for (sql, temporary, tables) in [
        ("CREATE TEMPORARY TABLE t (a INT)", true, 1),
        ("CREATE OR REPLACE TEMPORARY TABLE IF NOT EXISTS k.t SELECT 1", true, 1),
        ("DROP TEMPORARY TABLE IF EXISTS a, b", true, 2),
        ("DROP TABLE a", false, 1),
    ] {
        let statement = read(sql);
        let change = ddl::parse(&statement).unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!((change.temporary, change.tables.len()), (temporary, tables), "{sql}");
    }
    for (sql, wrong) in [("CREATE TEMPORARY SEQUENCE s", "unsupported"), ("DROP TEMPORARY VIEW v", "syntax")] {
        assert_eq!(fault(ddl::parse(&read(sql))), wrong, "{sql}");
    }
}
