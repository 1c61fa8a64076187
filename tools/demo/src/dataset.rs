//! The demo's data, part of the binary: schemas, vschemas and rows of `testdata/flights`.

use anyhow::{Context, Result};

/// Schema of keyspace `flights`, one statement after the other.
pub const FLIGHTS_SCHEMA: &str = include_str!("../../../testdata/flights/flights.sql");
/// Schema of keyspace `agency`.
pub const AGENCY_SCHEMA: &str = include_str!("../../../testdata/flights/agency.sql");
/// Vschema of keyspace `flights`.
pub const FLIGHTS_VSCHEMA: &str = include_str!("../../../testdata/flights/flights.vschema.json");
/// Vschema of keyspace `agency`.
pub const AGENCY_VSCHEMA: &str = include_str!("../../../testdata/flights/agency.vschema.json");
/// The tour: titles and statements.
pub const TOUR: &str = include_str!("../../../testdata/flights/tour.sql");

/// A table and the text of its rows.
pub struct Table {
    /// Its keyspace.
    pub keyspace: &'static str,
    /// Its name.
    pub name: &'static str,
    csv: &'static str,
}

/// Every table with rows.
pub const TABLES: [Table; 3] = [
    Table { keyspace: "flights", name: "airport", csv: include_str!("../../../testdata/flights/airport.csv") },
    Table { keyspace: "flights", name: "flight", csv: include_str!("../../../testdata/flights/flight.csv") },
    Table { keyspace: "agency", name: "booking", csv: include_str!("../../../testdata/flights/booking.csv") },
];

/// One INSERT and how many rows it brings.
pub struct Insert {
    /// The statement.
    pub sql: String,
    /// Its rows.
    pub rows: usize,
}

impl Table {
    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.csv.lines().count() - 1
    }

    /// The rows as INSERT statements of at most `rows` rows each.
    pub fn inserts(&self, rows: usize) -> Result<Vec<Insert>> {
        let mut reader = csv::Reader::from_reader(self.csv.as_bytes());
        let columns = reader.headers()?.iter().collect::<Vec<_>>().join(", ");
        let records = reader.records().collect::<Result<Vec<_>, _>>().with_context(|| format!("{}.csv", self.name))?;
        let inserts = records.chunks(rows).map(|chunk| {
            let tuples: Vec<String> = chunk.iter().map(|record| tuple(record.iter())).collect();
            let sql = format!("INSERT INTO {} ({columns}) VALUES {}", self.name, tuples.join(", "));
            Insert { sql, rows: chunk.len() }
        });
        Ok(inserts.collect())
    }
}

/// Quotes every value: MySQL converts text to the column's type exactly.
fn tuple<'a>(values: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> =
        values.map(|value| format!("'{}'", value.replace('\\', "\\\\").replace('\'', "''"))).collect();
    format!("({})", quoted.join(", "))
}

/// The statements of a script whose comments stand on lines of their own, and that has no `;` inside of strings.
pub fn statements(script: &str) -> Vec<String> {
    let code: Vec<&str> = script.lines().filter(|line| !line.starts_with("--")).collect();
    code.join("\n").split(';').map(str::trim).filter(|statement| !statement.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_there_once() {
        for table in &TABLES {
            let inserts = table.inserts(500).expect("the data parses");
            assert_eq!(inserts.iter().map(|insert| insert.rows).sum::<usize>(), table.len(), "{}", table.name);
        }
        assert_eq!(TABLES[0].len(), 3376);
        assert_eq!(TABLES[1].len(), 20_000);
    }

    #[test]
    fn scripts_fall_into_statements() {
        assert_eq!(statements(FLIGHTS_SCHEMA).len(), 2);
        assert_eq!(statements("-- a; b\nSELECT 1;\n\nSELECT\n 2;\n"), ["SELECT 1", "SELECT\n 2"]);
    }
}
