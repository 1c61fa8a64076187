//! Tables of statements about session, transaction and schema, under the sql_modes that change how they are read.

mod support;

use support::{ANSI, DEFAULT, PLAIN_BACKSLASH, fault, read, read_as};
use vitrail_proto::message::{BeginOptions, Isolation};
use vitrail_proto::target::{TabletType, Target};
use vitrail_sql::control::explain::{self, Explain};
use vitrail_sql::control::kill::{self, Extent, Victim};
use vitrail_sql::control::pinned::{self, LockName, Locks, OfConnection};
use vitrail_sql::control::queries::{self, Queries, QueryOrder};
use vitrail_sql::control::refresh;
use vitrail_sql::control::select::{self, Fact};
use vitrail_sql::control::set::{self, Assignment, Given, Set, Variable};
use vitrail_sql::control::show::{self, Like, Listed, Show};
use vitrail_sql::control::transaction::{self, Chain, Savepoint};
use vitrail_sql::control::{TableName, use_target};

#[test]
fn begin_takes_options() {
    for (sql, snapshot, read_only) in [
        ("BEGIN", false, None),
        ("begin work;", false, None),
        ("/*!40000 START TRANSACTION */", false, None),
        ("START TRANSACTION READ ONLY", false, Some(true)),
        ("start transaction /* x */ with consistent snapshot, read write -- y", true, Some(false)),
    ] {
        let options = transaction::begin(&read(sql)).expect(sql);
        assert_eq!((options.snapshot, options.read_only), (snapshot, read_only), "{sql}");
    }
    for sql in [
        "BEGIN x",
        "START",
        "START TRANSACTION READ",
        "START TRANSACTION READ ONLY, READ WRITE",
        "START TRANSACTION READ ONLY x",
    ] {
        assert_eq!(fault(transaction::begin(&read(sql))), "syntax", "{sql}");
    }
}

#[test]
fn endings_chain_or_not() {
    for (sql, chain) in
        [("COMMIT", Chain::No), ("COMMIT WORK AND CHAIN", Chain::Yes), ("ROLLBACK AND NO CHAIN NO RELEASE", Chain::No)]
    {
        assert_eq!(transaction::ending(&read(sql)).expect(sql), chain, "{sql}");
    }
    assert_eq!(fault(transaction::ending(&read("COMMIT RELEASE"))), "unsupported");
    assert_eq!(fault(transaction::ending(&read("COMMIT AND"))), "syntax");
}

#[test]
fn savepoints_have_names() {
    for (sql, mode, expected) in [
        ("SAVEPOINT a", DEFAULT, Savepoint::Set("a".into())),
        ("ROLLBACK TO `b``c`", DEFAULT, Savepoint::RollbackTo("b`c".into())),
        (r#"SAVEPOINT "b c""#, ANSI, Savepoint::Set("b c".into())),
        ("rollback work to savepoint a", DEFAULT, Savepoint::RollbackTo("a".into())),
        ("RELEASE SAVEPOINT a", DEFAULT, Savepoint::Release("a".into())),
    ] {
        assert_eq!(transaction::savepoint(&read_as(sql, mode)).expect(sql), expected);
    }
    for sql in ["SAVEPOINT", "SAVEPOINT \"a\"", "SAVEPOINT a b"] {
        assert_eq!(fault(transaction::savepoint(&read(sql))), "syntax", "{sql}");
    }
}

fn one(name: &str, literal: &str, next_only: bool) -> Set {
    let variable = Variable::System { name: name.into(), next_only };
    Set::Variables(vec![Assignment { variable, given: Given::Literal(literal.into()) }])
}

#[test]
fn assignments_are_read() {
    for (sql, mode, wanted) in [
        ("SET autocommit=0", DEFAULT, one("autocommit", "0", false)),
        ("SET SESSION Time_Zone := '+00:00'", DEFAULT, one("time_zone", "'+00:00'", false)),
        ("set @@session.sql_mode = \"ANSI\"", DEFAULT, one("sql_mode", "'ANSI'", false)),
        ("SET @@tx_isolation = 'SERIALIZABLE'", DEFAULT, one("tx_isolation", "'SERIALIZABLE'", true)),
        ("SET NAMES utf8mb4", DEFAULT, one("names", "utf8mb4", false)),
        ("SET NAMES 'utf8mb4' COLLATE utf8mb4_bin", DEFAULT, one("collation_connection", "utf8mb4_bin", false)),
        ("SET CHARACTER SET utf8mb4", DEFAULT, one("names", "utf8mb4", false)),
        ("/*!40101 SET NAMES utf8mb4 */", DEFAULT, one("names", "utf8mb4", false)),
        ("SET x=-1", DEFAULT, one("x", "-1", false)),
        (r"SET x = 'a\-b'", DEFAULT, one("x", "'a-b'", false)),
        (r#"SET "x" = 'a'"#, ANSI, one("x", "'a'", false)),
    ] {
        assert_eq!(set::parse(&read_as(sql, mode)), Ok(wanted), "{sql}");
    }
    let several = set::parse(&read("SET a=1, SESSION b=ON")).expect("two");
    assert!(matches!(several, Set::Variables(list) if list.len() == 2));
}

#[test]
fn transactions_have_characteristics() {
    let options = |isolation, read_only| BeginOptions { isolation, read_only, ..BeginOptions::default() };
    let level = Some(Isolation::ReadCommitted);
    for (sql, wanted) in [
        ("SET TRANSACTION READ ONLY", Set::NextTransaction(options(None, Some(true)))),
        ("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", Set::SessionTransaction(options(level, None))),
        (
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE",
            Set::NextTransaction(options(level, Some(false))),
        ),
    ] {
        assert_eq!(set::parse(&read(sql)), Ok(wanted), "{sql}");
    }
}

#[test]
fn set_takes_expressions_and_user_variables() {
    let user = |name: &str| Variable::User(name.into());
    let system = |name: &str| Variable::System { name: name.into(), next_only: false };
    let literal = |text: &str| Given::Literal(text.into());
    let expression = |text: &str| Given::Expression(text.into());
    for (sql, mode, expected) in [
        ("SET x = 1 + 1", DEFAULT, vec![(system("x"), expression("1 + 1"))]),
        (
            "SET x = (SELECT 1, 2), y = @@z",
            DEFAULT,
            vec![(system("x"), expression("(SELECT 1, 2)")), (system("y"), expression("@@z"))],
        ),
        (r"SET x = 'a\'b'", DEFAULT, vec![(system("x"), expression(r"'a\'b'"))]),
        (r#"SET x = "a""#, ANSI, vec![(system("x"), expression(r#""a""#))]),
        (
            "SET @a = 5, @`B c` := -7, @c=null",
            DEFAULT,
            vec![(user("a"), literal("5")), (user("b c"), literal("-7")), (user("c"), literal("null"))],
        ),
        (
            "SET @a = 'x', @b = 1.5, @c = true",
            DEFAULT,
            vec![(user("a"), expression("'x'")), (user("b"), expression("1.5")), (user("c"), expression("true"))],
        ),
        (
            "/*!40101 SET @old = @@SQL_MODE, SQL_MODE = 'ANSI' */",
            DEFAULT,
            vec![(user("old"), expression("@@SQL_MODE")), (system("sql_mode"), literal("'ANSI'"))],
        ),
    ] {
        let wanted = expected.into_iter().map(|(variable, given)| Assignment { variable, given }).collect();
        assert_eq!(set::parse(&read_as(sql, mode)), Ok(Set::Variables(wanted)), "{sql}");
    }
}

#[test]
fn what_set_does_not_support_says_so() {
    for (sql, mode) in [
        ("SET @ä = 1", DEFAULT),
        ("SET PASSWORD = 'x'", DEFAULT),
        ("SET DEFAULT ROLE r", DEFAULT),
        ("SET NAMES CONCAT('utf8', 'mb4')", DEFAULT),
        ("SET GLOBAL x = 1", DEFAULT),
        ("SET @@global.x = 1", DEFAULT),
        ("SET NAMES utf8mb4 COLLATE latin1_bin", DEFAULT),
        ("SET /*!80000 x = */ 1", DEFAULT),
        ("SET x = 1 /*!40000 + */ 2", DEFAULT),
    ] {
        assert_eq!(fault(set::parse(&read_as(sql, mode))), "unsupported", "{sql}");
    }
    for sql in ["SET", "SET x", "SET x =", "SET TRANSACTION", "SET x = 1,"] {
        assert_eq!(fault(set::parse(&read(sql))), "syntax", "{sql}");
    }
}

#[test]
fn targets_are_read() {
    let target = |keyspace: &str, shard: Option<&str>, tablet_type| {
        Some(Target { keyspace: Some(keyspace.into()), shard: shard.map(Into::into), tablet_type })
    };
    for (sql, mode, expected) in [
        ("USE flights", DEFAULT, target("flights", None, TabletType::Primary)),
        ("USE flights:-80", DEFAULT, target("flights", Some("-80"), TabletType::Primary)),
        ("USE `flights:80-@replica`", DEFAULT, target("flights", Some("80-"), TabletType::Replica)),
        (r#"USE "flights:80-""#, ANSI, target("flights", Some("80-"), TabletType::Primary)),
        ("use flights@RDONLY ;", DEFAULT, target("flights", None, TabletType::Rdonly)),
        ("USE flights@spare", DEFAULT, None),
        ("USE :80-", DEFAULT, None),
        ("USE a b", DEFAULT, None),
        ("USE \"a\"", DEFAULT, None),
        ("USE", DEFAULT, None),
    ] {
        assert_eq!(use_target::parse(&read_as(sql, mode)).ok(), expected, "{sql}");
    }
}

#[test]
fn lists_are_told_apart() {
    let like = |pattern: &str, escapes| Some(Like { pattern: pattern.into(), escapes });
    for (sql, mode, expected) in [
        ("SHOW DATABASES", DEFAULT, Show::Keyspaces { title: "Database", like: None }),
        (r"SHOW KEYSPACES LIKE 'a\_b'", DEFAULT, Show::Keyspaces { title: "Keyspace", like: like(r"a\_b", true) }),
        (r"SHOW SCHEMAS LIKE 'a\'", PLAIN_BACKSLASH, Show::Keyspaces { title: "Database", like: like(r"a\", false) }),
        ("SHOW VITRAIL SHARDS", DEFAULT, Show::Shards),
        ("SHOW VITRAIL SCHEMA", DEFAULT, Show::Schema { keyspace: None }),
        ("SHOW VITRAIL SCHEMA FROM k", DEFAULT, Show::Schema { keyspace: Some("k".into()) }),
        ("show vitrail consolidations", DEFAULT, Show::Consolidations),
        (
            "SHOW FULL TABLES IN k LIKE 'x%'",
            DEFAULT,
            Show::Tables { full: true, keyspace: Some("k".into()), like: like("x%", true) },
        ),
        ("SHOW WARNINGS", DEFAULT, Show::Warnings { errors: false, offset: 0, limit: usize::MAX }),
        ("show errors limit 2, 5", DEFAULT, Show::Warnings { errors: true, offset: 2, limit: 5 }),
        ("SHOW COUNT(*) ERRORS", DEFAULT, Show::WarningCount { errors: true }),
        ("SHOW SESSION VARIABLES LIKE 'x'", DEFAULT, Show::Anywhere),
        ("SHOW GLOBAL STATUS", DEFAULT, Show::Anywhere),
        (
            "SHOW FULL TABLES IN k WHERE Table_type = 'VIEW'",
            DEFAULT,
            Show::Listed {
                list: Listed::Tables { full: true },
                keyspace: Some("k".into()),
                filter: "WHERE Table_type = 'VIEW'",
            },
        ),
        (
            "show table status like 'a%'",
            DEFAULT,
            Show::Listed { list: Listed::TableStatus, keyspace: None, filter: "like 'a%'" },
        ),
        ("SHOW CREATE DATABASE IF NOT EXISTS k", DEFAULT, Show::CreateKeyspace { keyspace: "k".into() }),
        ("SHOW CREATE VIEW `a``b`", DEFAULT, Show::Create { table: TableName { keyspace: None, table: "a`b".into() } }),
        (
            r#"SHOW KEYS IN "t" WHERE 1"#,
            ANSI,
            Show::Indexes { table: TableName { keyspace: None, table: "t".into() }, filter: "WHERE 1" },
        ),
    ] {
        assert_eq!(show::parse(&read_as(sql, mode)), Ok(expected), "{sql}");
    }
    for (sql, mode, expected) in [
        ("DESCRIBE k.t c", DEFAULT, ("DESCRIBE", Some("k"), "t", "c")),
        ("SHOW FULL FIELDS FROM t FROM k LIKE 'x'", DEFAULT, ("SHOW FULL COLUMNS FROM", Some("k"), "t", "LIKE 'x'")),
        (r#"SHOW FIELDS IN "t" WHERE 1"#, ANSI, ("SHOW COLUMNS FROM", None, "t", "WHERE 1")),
    ] {
        let statement = read_as(sql, mode);
        let Ok(Show::Table { before, table, after }) = show::parse(&statement) else { panic!("{sql}") };
        assert_eq!((before, table.keyspace.as_deref(), &*table.table, after), expected, "{sql}");
    }
    for (sql, expected) in [
        ("SHOW SLAVE STATUS", "unsupported"),
        ("SHOW TABLE STATUS x", "syntax"),
        ("SHOW ENGINE INNODB STATUS", "unsupported"),
        ("SHOW TABLES LIKE x", "syntax"),
        ("DESCRIBE t /*!40000 c */", "unsupported"),
    ] {
        assert_eq!(fault(show::parse(&read(sql))), expected, "{sql}");
    }
}

#[test]
fn queries_are_listed_and_reset() {
    let queries = |sql: &str| match show::parse(&read(sql)) {
        Ok(Show::Queries(queries)) => Ok(queries),
        Ok(other) => panic!("{sql}: {other:?}"),
        Err(error) => Err(fault::<()>(Err(error))),
    };
    let plain = Queries { like: None, order: QueryOrder::Total, descending: true, limit: None };
    assert_eq!(queries("show vitrail queries"), Ok(plain.clone()));
    let like = Some(Like { pattern: "%t%".into(), escapes: true });
    for (sql, expected) in [
        ("SHOW VITRAIL QUERIES LIKE '%t%'", Queries { like: like.clone(), ..plain.clone() }),
        (
            "SHOW VITRAIL QUERIES ORDER BY p99 LIMIT 5",
            Queries { order: QueryOrder::P99, limit: Some(5), ..plain.clone() },
        ),
        (
            "SHOW VITRAIL QUERIES LIKE '%t%' ORDER BY CALLS ASC",
            Queries { like, order: QueryOrder::Calls, descending: false, limit: None },
        ),
        ("SHOW VITRAIL QUERIES ORDER BY total_time DESC", plain.clone()),
        ("SHOW VITRAIL QUERIES ORDER BY total_us", plain),
    ] {
        assert_eq!(queries(sql), Ok(expected), "{sql}");
    }
    for sql in [
        "SHOW VITRAIL QUERIES ORDER BY colour",
        "SHOW VITRAIL QUERIES LIMIT x",
        "SHOW VITRAIL QUERIES LIMIT -1",
        "SHOW VITRAIL QUERIES 1",
    ] {
        assert_eq!(queries(sql), Err("syntax"), "{sql}");
    }
    for (sql, expected) in [
        ("reset vitrail queries", Ok(true)),
        ("RESET MASTER", Ok(false)),
        ("SELECT 1", Ok(false)),
        ("RESET VITRAIL QUERIES now", Err("syntax")),
    ] {
        assert_eq!(queries::is_reset(&read(sql)).map_err(|error| fault::<()>(Err(error))), expected, "{sql}");
    }
}

#[test]
fn schemas_are_refreshed() {
    for (sql, expected) in [
        ("REFRESH VITRAIL SCHEMA", Ok(Some(None))),
        ("refresh vitrail schema `a b`", Ok(Some(Some("a b")))),
        ("REFRESH TABLE a", Ok(None)),
        ("SELECT 1", Ok(None)),
        ("REFRESH VITRAIL SCHEMA a b", Err("syntax")),
    ] {
        let statement = read(sql);
        let found = refresh::parse(&statement);
        let keyspace = found.as_ref().map(|found| found.as_ref().map(|refresh| refresh.keyspace.as_deref()));
        assert_eq!(keyspace.map_err(|error| fault::<()>(Err(error.clone()))), expected, "{sql}");
    }
}

#[test]
fn patterns_match_names() {
    for (pattern, escapes, name, expected) in [
        ("%", true, "", true),
        ("fl%", true, "Flight", true),
        ("%rt", true, "airport", true),
        ("a_rport", true, "airport", true),
        (r"a\_b", true, "a_b", true),
        (r"a\_b", true, "axb", false),
        (r"a\_b", false, r"a\xb", true),
        ("%a%b%", true, "xxaxxbxx", true),
        ("%a%b", true, "ba", false),
        ("", true, "x", false),
    ] {
        let like = Like { pattern: pattern.into(), escapes };
        assert_eq!(like.matches(name), expected, "{pattern} {name}");
    }
}

#[test]
fn explained_statements_are_found() {
    for (sql, expected) in [
        ("EXPLAIN FORMAT=VITRAIL SELECT 1", Ok(Explain::Own { statement: "SELECT 1" })),
        ("EXPLAIN ANALYZE FORMAT=VITRAIL SELECT 1", Ok(Explain::Analyze { statement: "SELECT 1" })),
        ("analyze format = vitrail DELETE FROM a", Ok(Explain::Analyze { statement: "DELETE FROM a" })),
        ("EXPLAIN ANALYZE SELECT 1", Ok(Explain::Server { prefix: "EXPLAIN ANALYZE ", statement: "SELECT 1" })),
        ("ANALYZE SELECT 1", Ok(Explain::Server { prefix: "ANALYZE ", statement: "SELECT 1" })),
        ("EXPLAIN SELECT 1", Ok(Explain::Server { prefix: "EXPLAIN ", statement: "SELECT 1" })),
        (
            "explain format = json (SELECT 1)",
            Ok(Explain::Server { prefix: "explain format = json ", statement: "(SELECT 1)" }),
        ),
        ("EXPLAIN /*!40000 EXTENDED */ SELECT 1", Err("unsupported")),
    ] {
        assert_eq!(explain::parse(&read(sql)).map_err(|error| fault::<()>(Err(error))), expected, "{sql}");
    }
}

#[test]
fn only_whole_lists_of_facts() {
    let items = |sql: &str, mode| -> Option<Vec<(Fact, String)>> {
        let statement = read_as(sql, mode);
        let items = select::parse(&statement)?;
        Some(items.into_iter().map(|item| (item.fact, item.title.into_owned())).collect())
    };
    let function = |name: &str, title: &str| (Fact::Function(name.into()), title.to_owned());
    let variable = |name: &str, title: &str| (Fact::SessionVariable(name.into()), title.to_owned());
    for (sql, mode, expected) in [
        ("select last_insert_id()", DEFAULT, vec![function("last_insert_id", "last_insert_id()")]),
        (
            "SELECT DATABASE ( ) AS db, @@session.autocommit LIMIT 1",
            DEFAULT,
            vec![function("database", "db"), variable("autocommit", "@@session.autocommit")],
        ),
        ("SELECT USER() 'u'", DEFAULT, vec![function("user", "u")]),
        (r#"SELECT CURRENT_USER "u""#, ANSI, vec![function("current_user", "u")]),
        ("SELECT @@GLOBAL.x", DEFAULT, vec![(Fact::GlobalVariable("x".into()), "@@GLOBAL.x".into())]),
    ] {
        assert_eq!(items(sql, mode), Some(expected), "{sql}");
    }
    for sql in [
        "SELECT 1",
        "SELECT LAST_INSERT_ID(5)",
        "SELECT DATABASE() FROM t",
        "SELECT DATABASE(), x",
        "SELECT DATABASE() + 1",
        "SELECT @a",
        "SELECT DATABASE() LIMIT 0",
        "SELECT DATABASE() UNION SELECT 1",
    ] {
        assert_eq!(items(sql, DEFAULT), None, "{sql}");
    }
}

#[test]
fn kill_names_a_session() {
    for (sql, extent, victim) in [
        ("KILL 7", Extent::Connection, Victim::Id(7)),
        ("kill connection 18446744073709551615;", Extent::Connection, Victim::Id(u64::MAX)),
        ("KILL QUERY 9", Extent::Query, Victim::Id(9)),
        ("KILL SOFT QUERY :id", Extent::Query, Victim::Bind("id")),
        ("KILL QUERY connection_id()", Extent::Query, Victim::Own),
    ] {
        assert_eq!(kill::parse(&read(sql)), Ok((extent, victim)), "{sql}");
    }
    for (sql, wrong) in [
        ("KILL", "syntax"),
        ("KILL QUERY 'a'", "syntax"),
        ("KILL ::ids", "syntax"),
        ("KILL 1 2", "syntax"),
        ("KILL 18446744073709551616", "syntax"),
        ("KILL USER anna", "unsupported"),
        ("KILL QUERY ID 3", "unsupported"),
    ] {
        assert_eq!(fault(kill::parse(&read(sql))), wrong, "{sql}");
    }
    assert_eq!(show::parse(&read("SHOW FULL PROCESSLIST")), Ok(Show::Processlist { full: true }));
    assert_eq!(show::parse(&read("show vitrail sessions")), Ok(Show::Sessions));
}

#[test]
fn statements_of_a_connection_are_told_apart() {
    let table = |name: &'static str| TableName { keyspace: None, table: name.into() };
    for (sql, expected) in [
        ("LOCK TABLES t READ, k.u AS v WRITE", Some(OfConnection::LockTables)),
        ("lock table t write", Some(OfConnection::LockTables)),
        ("UNLOCK TABLES;", Some(OfConnection::UnlockTables)),
        ("HANDLER t OPEN", Some(OfConnection::HandlerOpen(table("t"), None))),
        ("HANDLER t OPEN AS `h 1`", Some(OfConnection::HandlerOpen(table("t"), Some("h 1".into())))),
        ("HANDLER h READ `PRIMARY` >= (1) LIMIT 2", Some(OfConnection::HandlerRead(table("h")))),
        ("HANDLER h CLOSE", Some(OfConnection::HandlerClose(table("h")))),
        ("DO RELEASE_LOCK('a')", None),
        ("CHECK TABLE t", None),
    ] {
        assert_eq!(pinned::parse(&read(sql)), Ok(expected), "{sql}");
    }
    for (sql, wrong) in [
        ("FLUSH TABLES WITH READ LOCK", "unsupported"),
        ("LOCK INSTANCE FOR BACKUP", "unsupported"),
        ("UNLOCK TABLES t", "syntax"),
        ("HANDLER t", "syntax"),
    ] {
        assert_eq!(fault(pinned::parse(&read(sql))), wrong, "{sql}");
    }
}

#[test]
fn named_locks_are_found() {
    let text = |name: &str| vec![LockName::Text(name.into())];
    let takes = Locks { takes: true, ..Locks::default() };
    for (sql, expected) in [
        ("SELECT GET_LOCK('a''b', 10)", Some(Locks { names: text("a'b"), ..takes.clone() })),
        (
            "SELECT `get_lock` (:name, 1) AS got",
            Some(Locks { names: vec![LockName::Bind("name".into())], ..takes.clone() }),
        ),
        ("SELECT GET_LOCK(CONCAT('a', 1), 10)", Some(Locks { computed: true, ..takes.clone() })),
        ("SELECT GET_LOCK('a' 'b', 10)", Some(Locks { computed: true, ..takes.clone() })),
        ("DO RELEASE_LOCK('a')", Some(Locks { gives: true, ..Locks::default() })),
        ("SELECT RELEASE_ALL_LOCKS() AS n", Some(Locks { gives: true, releases_all: true, ..Locks::default() })),
        ("SELECT IF(0, RELEASE_ALL_LOCKS(), 1)", Some(Locks { gives: true, ..Locks::default() })),
        ("SELECT IS_FREE_LOCK('a')", Some(Locks::default())),
        ("SELECT 'GET_LOCK(1, 2)', get_lock FROM t", None),
        ("SELECT k.get_lock('a', 1)", None),
        ("SELECT 1", None),
    ] {
        assert_eq!(pinned::locks(&read(sql)), Ok(expected), "{sql}");
    }
    let names = ["tmp", "odd name"];
    for (sql, expected) in [
        ("SELECT * FROM TMP", true),
        ("SELECT k.`odd name`.a", true),
        ("SELECT 'tmp' FROM t -- tmp", false),
        ("SELECT 1 /*!40000 FROM tmp */", true),
    ] {
        assert_eq!(pinned::mentions(&read(sql), names.iter().copied()), expected, "{sql}");
    }
}
