//! The first flights and the airports of `testdata/flights`.

use anyhow::Result;

use super::{inserts, quoted};

pub(super) const SCHEMA: &str = include_str!("../../../../testdata/flights/flights.sql");
pub(super) const VSCHEMA: &str = include_str!("../../../../testdata/flights/flights.vschema.json");
const AIRPORTS: &str = include_str!("../../../../testdata/flights/airport.csv");
const FLIGHTS: &str = include_str!("../../../../testdata/flights/flight.csv");

/// Enough for every rule to have groups on every shard.
const FLIGHT_ROWS: usize = 3000;

pub(super) fn rows() -> Result<Vec<String>> {
    let mut all = table("airport", AIRPORTS, usize::MAX)?;
    all.extend(table("flight", FLIGHTS, FLIGHT_ROWS)?);
    Ok(all)
}

fn table(name: &str, csv: &str, most: usize) -> Result<Vec<String>> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let columns = reader.headers()?.iter().collect::<Vec<_>>().join(", ");
    let mut rows = Vec::new();
    for record in reader.records().take(most) {
        let cells: Vec<String> = record?.iter().map(quoted).collect();
        rows.push(cells.join(", "));
    }
    Ok(inserts(name, &columns, &rows))
}
