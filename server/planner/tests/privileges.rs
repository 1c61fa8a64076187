//! What a statement is said to need is enough for MySQL: an account that has just that is not denied. MySQL is the judge, so a
//! table that the planner does not see in a statement is seen here.

use std::collections::HashMap;

use vitrail_harness::{Connection, PASSWORD, Server};
use vitrail_planner::access::{Needs, Right};
use vitrail_sql::{LexMode, normalise};

/// Statements that read tables of the flights.
const FLIGHTS: &str = include_str!("../../../testdata/sql/flights/right-or-refused.slt");
const SCHEMA: &str = include_str!("../../../testdata/flights/flights.sql");

/// Statements with tables in unusual places; `a` to `e` and `secret` have columns `id`, `x` and `y`.
const UNUSUAL: &str = "
SELECT * FROM a
SELECT (SELECT MAX(x) FROM b WHERE b.id = a.id) FROM a
SELECT * FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.x IN (SELECT y FROM c))
SELECT * FROM (SELECT id FROM a UNION SELECT id FROM b) AS t ORDER BY (SELECT MAX(id) FROM c)
(SELECT id FROM a) UNION ALL (SELECT id FROM b LIMIT 1) ORDER BY 1 LIMIT 2
SELECT a.id FROM a STRAIGHT_JOIN b ON a.id = b.id
SELECT a.id FROM a NATURAL JOIN b
SELECT a.id FROM (a, b) LEFT JOIN c ON c.id = a.id
SELECT a.id FROM a LEFT JOIN (b CROSS JOIN c) ON a.id = b.id
SELECT secret.id FROM a AS secret
SELECT x, COUNT(*) FROM a GROUP BY x HAVING COUNT(*) > (SELECT COUNT(*) FROM b)
SELECT CASE WHEN EXISTS (SELECT 1 FROM b) THEN 1 ELSE 0 END FROM a
SELECT * FROM a WHERE (id, x) IN (SELECT id, x FROM b)
SELECT id, ROW_NUMBER() OVER (ORDER BY (SELECT MAX(id) FROM b), id) FROM a
SELECT * FROM a FORCE INDEX (PRIMARY) WHERE id = 1
SELECT * FROM a LIMIT 3 OFFSET 1
WITH c1 AS (SELECT * FROM a) SELECT * FROM c1 JOIN b ON b.id = c1.id
WITH secret AS (SELECT * FROM secret) SELECT * FROM secret
WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT * FROM n JOIN a ON a.id = n.i
WITH RECURSIVE b AS (SELECT * FROM secret), secret AS (SELECT 1) SELECT * FROM b
WITH c1 AS (SELECT 1 AS id), c2 AS (SELECT * FROM c1) SELECT * FROM c2 JOIN d ON d.id = c2.id
SELECT * FROM secret WHERE EXISTS (WITH secret AS (SELECT 1) SELECT * FROM secret)
SELECT * FROM (WITH secret AS (SELECT 1 AS i) SELECT * FROM secret) t JOIN secret ON secret.id = t.i
WITH c1 AS (WITH c1 AS (SELECT * FROM a) SELECT * FROM c1) SELECT * FROM c1
SELECT * FROM a FOR UPDATE
SELECT * FROM a JOIN b ON a.id = b.id LOCK IN SHARE MODE
TABLE a
TABLE a UNION TABLE b
SELECT id FROM a UNION TABLE e
VALUES ROW(1, (SELECT MAX(id) FROM a))
SELECT * FROM a WHERE id = (TABLE e LIMIT 1)
SELECT /*!40001 SQL_NO_CACHE */ id FROM a
SELECT * FROM /*!50000 a */ AS t
SELECT * FROM /*M! a AS */ secret
SELECT * FROM a PROCEDURE ANALYSE()
SELECT t.v FROM a, JSON_TABLE('[1,2]', '$[*]' COLUMNS (v INT PATH '$')) AS t
SELECT * FROM v
INSERT INTO a (id) VALUES (1)
INSERT INTO a (id, x) SELECT id, x FROM b
INSERT INTO a (id, x) SELECT id, x FROM b ON DUPLICATE KEY UPDATE x = (SELECT MAX(y) FROM c)
INSERT INTO a (id) VALUES ((SELECT MAX(id) + 10 FROM b))
INSERT INTO a SET id = 7, x = (SELECT COUNT(*) FROM c)
INSERT IGNORE INTO a TABLE b
INSERT INTO a (id) WITH c1 AS (SELECT id FROM secret) SELECT id + 100 FROM c1
REPLACE INTO a (id, x) SELECT id, x FROM b
UPDATE a SET x = 1 WHERE id = 1
UPDATE a SET x = (SELECT MAX(y) FROM b) WHERE id IN (SELECT id FROM c)
UPDATE a JOIN b ON a.id = b.id SET a.x = b.x
UPDATE a, b SET a.x = 1, b.x = 2 WHERE a.id = b.id
UPDATE a AS t LEFT JOIN b ON t.id = b.id SET t.x = b.y
UPDATE a JOIN (SELECT id, x FROM secret) AS s ON a.id = s.id SET a.y = s.x
UPDATE a SET x = 1 ORDER BY id LIMIT 1
DELETE FROM a WHERE id = 1
DELETE FROM a WHERE id IN (SELECT id FROM b)
DELETE FROM a ORDER BY id LIMIT 1
DELETE a FROM a JOIN b ON a.id = b.id
DELETE t FROM a AS t JOIN b ON t.id = b.id
DELETE a, b FROM a JOIN b ON a.id = b.id
DELETE FROM t USING a AS t JOIN b ON t.id = b.id
DELETE FROM a, b USING a JOIN b ON a.id = b.id JOIN c ON c.id = b.id
DELETE t FROM a AS t JOIN (SELECT id FROM secret) AS s ON t.id = s.id
";

/// MySQL's numbers for a right that is missing.
const DENIED: [u16; 7] = [1044, 1045, 1142, 1143, 1227, 1356, 1370];

#[tokio::test]
async fn what_a_statement_needs_is_enough_for_mysql() {
    for flavour in vitrail_harness::flavours() {
        let server = vitrail_harness::server(flavour).await;
        let database = server.database("privileges").await;
        let mut root = server.connect(&database).await;
        let tables = ["a", "b", "c", "d", "secret"].map(|table| {
            format!("CREATE TABLE {table} (id INT PRIMARY KEY, x INT NOT NULL DEFAULT 0, y INT NOT NULL DEFAULT 0)")
        });
        let schema = SCHEMA.split(";\n").map(str::trim).filter(|statement| !statement.is_empty()).map(str::to_owned);
        let further =
            ["CREATE TABLE e (id INT PRIMARY KEY)", "CREATE VIEW v AS SELECT * FROM secret"].map(str::to_owned);
        for statement in tables.into_iter().chain(further).chain(schema) {
            root.execute(&statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
        let mut accounts: HashMap<String, Connection> = HashMap::new();
        let (mut accepted, mut denied) = (0, Vec::new());
        let flights = cases(FLIGHTS);
        let unusual = UNUSUAL.lines().filter(|line| !line.is_empty());
        for sql in flights.iter().map(String::as_str).chain(unusual) {
            let grants = grants(sql, &database);
            let name = format!("privileges_{database}_{}", accounts.len());
            let account = match accounts.entry(grants.join("; ")) {
                std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::hash_map::Entry::Vacant(new) => {
                    new.insert(open(&server, &mut root, &database, &short(&name), &grants).await)
                }
            };
            match account.execute(sql).await {
                Ok(_) => accepted += 1,
                Err(error) => {
                    let errno = error.server().map_or_else(|| panic!("{sql}: {error}"), |error| error.errno);
                    if DENIED.contains(&errno) {
                        denied.push(format!("{sql}\n  has {grants:?}\n  {error}"));
                    }
                }
            }
        }
        assert!(denied.is_empty(), "{flavour}:\n{}", denied.join("\n"));
        assert!(accepted >= 100, "{flavour}: {accepted} statements ran");
        root.quit().await;
    }
}

/// The statements of a file of cases.
fn cases(text: &str) -> Vec<String> {
    let records = sqllogictest::parse::<sqllogictest::DefaultColumnType>(text).expect("a file of cases");
    let statements = records.into_iter().filter_map(|record| match record {
        sqllogictest::Record::Query { sql, .. } | sqllogictest::Record::Statement { sql, .. } => Some(sql),
        _ => None,
    });
    statements.collect()
}

/// MySQL's accounts have names of at most 32 characters.
fn short(name: &str) -> String {
    name.chars().rev().take(32).collect::<Vec<_>>().into_iter().rev().collect()
}

async fn open(server: &Server, root: &mut Connection, database: &str, name: &str, grants: &[String]) -> Connection {
    root.execute(&format!("DROP USER IF EXISTS '{name}'@'localhost'")).await.expect("a free name");
    root.execute(&format!("CREATE USER '{name}'@'localhost' IDENTIFIED BY '{PASSWORD}'")).await.expect("an account");
    for grant in grants {
        root.execute(&format!("{grant} TO '{name}'@'localhost'"))
            .await
            .unwrap_or_else(|error| panic!("{grant}: {error}"));
    }
    let mut options = server.connect_options("");
    options.user = name.to_owned();
    let mut connection = Connection::connect(&options.with_password(PASSWORD)).await.expect("the account logs in");
    // An account without any right in a database cannot choose it: its statements read no table.
    let chosen = connection.execute(&format!("USE `{database}`")).await;
    assert!(chosen.is_ok() || grants.is_empty(), "{grants:?}");
    connection
}

/// What the needs of a statement come to, as MySQL's grants.
fn grants(sql: &str, database: &str) -> Vec<String> {
    let needs = Needs::of(&normalise(sql.into(), LexMode::default()).expect(sql));
    assert!(needs.everything.is_none(), "{sql}");
    let rights = |right: Right| match right {
        Right::Read => "SELECT, SHOW VIEW",
        Right::Write => "SELECT, SHOW VIEW, INSERT, UPDATE, DELETE",
        Right::Admin => "ALL",
    };
    let mut all: Vec<String> = Vec::new();
    for need in &needs.tables {
        assert_eq!(need.keyspace, None, "{sql}");
        // A name that is an alias after all.
        if need.table.len() > 1 || "abcdev".contains(&*need.table) {
            all.push(format!("GRANT {} ON `{database}`.`{}`", rights(need.right), need.table));
        }
    }
    all.extend(needs.keyspace.map(|wide| format!("GRANT {} ON `{database}`.*", rights(wide.right))));
    all.sort();
    all
}
