//! The flights data set behind a gate with two shards, and on one MySQL: what the gate answers, it answers alike.

mod support;

use std::fmt::Write;

use support::{Way, World, joined, settings};
use vitrail_harness::{Cluster as Databases, Flavour};

const VSCHEMA: &str = include_str!("../../../testdata/flights/flights.vschema.json");
const SCHEMA: &str = include_str!("../../../testdata/flights/flights.sql");
const AIRPORTS: &str = include_str!("../../../testdata/flights/airport.csv");
const FLIGHTS: &str = include_str!("../../../testdata/flights/flight.csv");

/// Enough for every rule to have groups on both shards.
const FLIGHT_ROWS: usize = 3000;

/// Rows of one INSERT.
const BATCH: usize = 500;

/// With ORDER BY by a unique key, so that rows compare in order.
const ORDERED: &[&str] = &[
    "SELECT origin, COUNT(*) AS n, MIN(delay), MAX(distance), AVG(delay) FROM flight GROUP BY origin ORDER BY n DESC, origin LIMIT 10",
    "SELECT origin, COUNT(*) AS n FROM flight GROUP BY origin ORDER BY n DESC, origin LIMIT 10 OFFSET 7",
    "SELECT origin, SUM(distance * 2 + delay) AS s FROM flight GROUP BY 1 HAVING COUNT(*) > 3 ORDER BY s, origin",
    "SELECT origin, destination, COUNT(*) FROM flight GROUP BY destination, origin ORDER BY origin, destination LIMIT 40",
    "SELECT f.origin, a.city, COUNT(DISTINCT f.destination) FROM flight f JOIN airport a ON a.iata = f.origin GROUP BY f.origin, a.city ORDER BY f.origin",
    "SELECT DISTINCT delay, id, origin FROM flight WHERE delay > 60 AND origin IN ('SFO', 'ORD', 'ATL', 'BOS') ORDER BY delay, id",
    "SELECT id, origin FROM flight ORDER BY origin DESC, id LIMIT 25 OFFSET 10",
    "SELECT id, destination FROM flight WHERE delay > 90 ORDER BY destination, id",
    "SELECT f.id, a.name FROM flight f LEFT JOIN airport a ON a.iata = f.destination WHERE f.delay > 100 ORDER BY f.id",
];

/// Compared as sets.
const UNORDERED: &[&str] = &[
    "SELECT COUNT(*), SUM(distance), MIN(delay), MAX(delay), COUNT(DISTINCT origin) FROM flight",
    "SELECT COUNT(*) FROM flight ORDER BY 1 LIMIT 3",
    "SELECT COUNT(*) FROM flight WHERE origin = 'SFO' LIMIT 0",
    "SELECT SUM(delay > 15), SUM(CASE WHEN delay > 60 THEN distance ELSE 0 END), SUM(-delay) FROM flight",
    "SELECT COUNT(DISTINCT origin, destination) FROM flight",
    "SELECT SUM(delay) FROM flight WHERE delay > 100000",
    "SELECT DISTINCT origin, destination FROM flight",
    "SELECT origin, GROUP_CONCAT(id ORDER BY id) FROM flight WHERE delay > 120 GROUP BY origin",
    "SELECT origin, COUNT(*) FROM flight WHERE origin IN ('sfo', 'ORD', 'ATL') GROUP BY origin",
    "SELECT state, COUNT(*) FROM airport GROUP BY state WITH ROLLUP",
    "SELECT a.iata FROM airport a LEFT JOIN flight f ON f.origin = a.iata AND f.origin = 'SFO' WHERE f.id IS NULL AND a.state = 'CA'",
    "SELECT id FROM flight WHERE origin = 'SFO' || origin = 'ORD'",
    "SELECT id FROM flight WHERE origin = 'SFO' XOR delay > 0",
];

/// Refused, since each shard's answer alone would not tell.
const REFUSED: &[&str] = &[
    "SELECT a.iata, f.id FROM airport a LEFT JOIN flight f ON f.origin = a.iata",
    "SELECT iata FROM airport WHERE iata NOT IN (SELECT origin FROM flight)",
    "SELECT destination, COUNT(*) FROM flight GROUP BY destination",
    "SELECT COUNT(DISTINCT destination) FROM flight",
    "SELECT DISTINCT destination FROM flight",
    "SELECT AVG(delay) FROM flight",
    "UPDATE flight SET departed = NOW() WHERE id > 0",
    // SFO and JFK lie on different shards.
    "INSERT INTO flight VALUES (900001, NOW(), 0, 1, 'SFO', 'LAX'), (900002, NOW(), 0, 1, 'JFK', 'LAX')",
];

/// One statement a line; each answered alike, or refused.
const RIGHT_OR_REFUSED: &str = include_str!("../../../testdata/sql/right-or-refused.sql");

#[tokio::test]
async fn what_tempts_a_router_is_right_or_refused() {
    for (flavour, way) in settings() {
        let world = flights(flavour, way).await;
        let mut oracle = world.databases.server.connect(&world.databases.oracle).await;
        let mut session = world.open();
        world.run(&mut session, "USE flights").await.expect("a keyspace");
        let (mut equal, mut refused) = (0, 0);
        for sql in RIGHT_OR_REFUSED.lines().filter(|line| !line.is_empty() && !line.starts_with("--")) {
            let expected = oracle.fetch_all(sql).await.map(|rows| rows.into_iter().map(joined).collect::<Vec<_>>());
            match (world.run(&mut session, sql).await, expected) {
                (Err(error), _) if error.errno == 1235 => refused += 1,
                (Ok((_, actual)), Ok(expected)) => {
                    assert_eq!(actual, expected, "{flavour:?} {way:?}: {sql}");
                    equal += 1;
                }
                (Err(_), Err(_)) => equal += 1,
                (actual, expected) => panic!("{flavour:?} {way:?}: {sql}: {actual:?} and {expected:?}"),
            }
        }
        assert!(equal >= 45 && refused <= 22, "{flavour:?} {way:?}: {equal} equal, {refused} refused");
    }
}

#[tokio::test]
async fn the_gate_answers_as_one_mysql_does() {
    for (flavour, way) in settings() {
        let world = flights(flavour, way).await;
        let mut oracle = world.databases.server.connect(&world.databases.oracle).await;
        let mut session = world.open();
        world.run(&mut session, "USE flights").await.expect("a keyspace");
        for (sql, ordered) in ORDERED.iter().map(|sql| (sql, true)).chain(UNORDERED.iter().map(|sql| (sql, false))) {
            let mut actual = world.run(&mut session, sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")).1;
            let expected = oracle.fetch_all(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
            let mut expected: Vec<String> = expected.into_iter().map(joined).collect();
            if !ordered {
                actual.sort_unstable();
                expected.sort_unstable();
            }
            assert_eq!(actual, expected, "{flavour:?} {way:?}: {sql}");
        }
        for sql in REFUSED {
            let error = world.run(&mut session, sql).await.expect_err(sql);
            assert_eq!(error.errno, 1235, "{flavour:?} {way:?}: {sql}: {}", error.message);
        }
        let on_shard = ["SELECT CHAR(77, 121 USING utf8mb4), INTERVAL(23, 1, 15, 30)", "SELECT 1 FROM", "SELEC 1"];
        world.run(&mut session, "USE `flights:-80`").await.expect("a shard");
        for sql in on_shard {
            let actual = world.run(&mut session, sql).await.map(|(_, rows)| rows).map_err(|error| error.errno);
            let expected = oracle.fetch_all(sql).await;
            match (actual, expected) {
                (Ok(actual), Ok(expected)) => {
                    let expected: Vec<String> = expected.into_iter().map(joined).collect();
                    assert_eq!(actual, expected, "{sql}");
                }
                (Err(errno), Err(_)) => assert_eq!(errno, 1064, "{sql}"),
                (actual, expected) => panic!("{sql}: {actual:?} and {expected:?}"),
            }
        }
    }
}

/// A gate over two shards of `flights`, with its data, which the oracle has too.
async fn flights(flavour: Flavour, way: Way) -> World {
    let databases = Databases::new(flavour, 2, "flights").await;
    let statements: Vec<&str> = SCHEMA.split(';').map(str::trim).filter(|text| text.contains("CREATE")).collect();
    databases.execute_everywhere(&statements).await;
    for insert in inserts("airport", AIRPORTS, usize::MAX) {
        databases.execute_everywhere(&[&insert]).await;
    }
    let world = World::over(databases, way, "flights", VSCHEMA, |_| ()).await;
    assert_eq!(world.gate.refresh().await, []);
    let mut session = world.open();
    world.run(&mut session, "USE flights").await.expect("a keyspace");
    let mut oracle = world.databases.server.connect(&world.databases.oracle).await;
    for insert in inserts("flight", FLIGHTS, FLIGHT_ROWS) {
        world.run(&mut session, &insert).await.expect("rows for both shards");
        oracle.execute(&insert).await.expect("the oracle's rows");
    }
    world
}

/// INSERT statements for the first rows of a CSV text whose cells hold no line breaks.
fn inserts(table: &str, csv: &str, rows: usize) -> Vec<String> {
    let mut lines = csv.lines();
    let columns = lines.next().expect("a header");
    let rows: Vec<String> = lines
        .take(rows)
        .map(|line| {
            let mut row = String::new();
            for cell in cells(line) {
                let _ = write!(row, "{}'{}'", if row.is_empty() { "" } else { ", " }, cell.replace('\'', "''"));
            }
            format!("({row})")
        })
        .collect();
    rows.chunks(BATCH).map(|rows| format!("INSERT INTO {table} ({columns}) VALUES {}", rows.join(", "))).collect()
}

/// The cells of a line of CSV.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted) = (vec![String::new()], false);
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        let last = cells.len() - 1;
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                cells[last].push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            other => cells[last].push(other),
        }
    }
    cells
}
