//! What a session keeps, over tablets whose shards are databases of a real server, with one MySQL as the judge: the same statements give the
//! same answers, columns included.

#[path = "../support/mod.rs"]
mod support;

mod facts;
mod prepared;
mod settings;
mod transactions;
mod variables;

use support::{Way, World, column, joined, settings};
use vitrail_gate::Session;
use vitrail_harness::{Cluster as Databases, Connection, Flavour};
use vitrail_mysql::{Response, RowsOrEnd};
use vitrail_proto::rows::columns;

const VSCHEMA: &str = r#"{
    "sharded": true,
    "vindexes": {"hash": {"type": "hash"}},
    "tables": {"item": {"column_vindexes": [{"column": "id", "name": "hash"}]}}
}"#;
const UNSHARDED: &str = r#"{"sharded": false, "tables": {}}"#;

const ITEM: &str = "item (id BIGINT PRIMARY KEY, name VARCHAR(20), price DECIMAL(10,2))";
const COUNTER: &str = "counter (id BIGINT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20), parent BIGINT)";

/// A gate over one MySQL, or over shards of `item`; and a connection to one MySQL with the same tables.
async fn world(flavour: Flavour, way: Way, shards: usize) -> (World, Session, Connection) {
    let databases = Databases::new(flavour, shards, "session").await;
    let mut oracle = databases.server.connect(&databases.oracle).await;
    let vschema = if shards > 1 { VSCHEMA } else { UNSHARDED };
    let world = World::over(databases, way, "shop", vschema, |_| {}).await;
    let mut session = world.open();
    world.run(&mut session, "USE shop").await.expect("a keyspace");
    world.run(&mut session, "SET vitrail_allow_full_writes = 1").await.expect("a variable");
    for table in [ITEM, COUNTER].into_iter().take(if shards > 1 { 1 } else { 2 }) {
        oracle.execute(&format!("CREATE TABLE {table}")).await.expect("created");
        world.run(&mut session, &format!("CREATE TABLE {table}")).await.expect("created");
    }
    for sql in [
        "INSERT INTO item VALUES (1, 'apple', 1.50), (2, 'pear', 2), (3, 'plum', 0.25), (4, 'fig', 4), (5, NULL, NULL)",
    ] {
        oracle.execute(sql).await.expect("written");
        world.run(&mut session, sql).await.expect("written");
    }
    (world, session, oracle)
}

/// The columns and rows that one MySQL answers, or its error's number.
async fn judge(oracle: &mut Connection, sql: &str) -> Result<(Vec<String>, Vec<String>), u16> {
    let errno = |error: vitrail_mysql::Error| error.server().map_or(0, |server| server.errno);
    match oracle.query(sql.as_bytes()).await.map_err(errno)? {
        Response::Ok(_) => Ok((Vec::new(), Vec::new())),
        Response::Columns(found) => {
            let fields = columns(&found.packed).map(|field| column(&field.expect("well formed"))).collect();
            let mut rows = Vec::new();
            while let RowsOrEnd::Rows(batch) = oracle.next_rows(1 << 20).await.map_err(errno)? {
                for row in batch.rows() {
                    let text = |cell: &[u8]| String::from_utf8_lossy(cell).into_owned();
                    let cells = row.expect("well formed").cells().map(|cell| cell.expect("well formed").map(text));
                    rows.push(joined(cells));
                }
            }
            Ok((fields, rows))
        }
    }
}

/// Compares a script on every flavour, in every way, over so many shards.
async fn compare_everywhere<const N: usize>(shards: [usize; N], script: &[&str]) {
    for (flavour, way) in settings() {
        for shards in shards {
            agreeing(flavour, way, shards, script).await;
        }
    }
}

/// A world in which a script has had the same answers on both.
async fn agreeing(flavour: Flavour, way: Way, shards: usize, script: &[&str]) -> (World, Session, Connection) {
    let (world, mut session, mut oracle) = world(flavour, way, shards).await;
    compare(&world, &mut session, &mut oracle, script).await;
    (world, session, oracle)
}

/// Runs each statement on both; answers, columns and errors have to be equal. What the gate answers itself has columns of its own
/// types: there only their names count.
async fn compare(world: &World, session: &mut Session, oracle: &mut Connection, script: &[&str]) {
    let mut differences = Vec::new();
    for sql in script {
        let expected = judge(oracle, sql).await;
        let found = world.table(session, sql).await.map_err(|error| (error.errno, error.message));
        let equal = match (&expected, &found) {
            (Ok((wanted, rows)), Ok((columns, found))) => {
                let answered = ["()", "@@", "SHOW ", "EXECUTE"].iter().any(|word| sql.contains(word));
                let name = |column: &String| column.split(" type ").next().unwrap_or_default().to_owned();
                let names = |columns: &[String]| columns.iter().map(name).collect::<Vec<_>>();
                rows == found && if answered { names(wanted) == names(columns) } else { wanted == columns }
            }
            (Err(expected), Err((errno, _))) => errno == expected,
            _ => false,
        };
        if !equal {
            differences.push(format!("{sql}\n    one MySQL: {expected:?}\n    the gate:  {found:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
