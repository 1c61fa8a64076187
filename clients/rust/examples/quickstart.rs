//! Reads a few rows. The README shows it from the first `use` on.
//!
//! `cargo run --example quickstart`, while `vitrail demo` runs.

#![allow(clippy::print_stdout, reason = "an example talks to people")]

use vitrail_client::{Client, Error, params};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1).unwrap_or("vitrail://demo@127.0.0.1:15300/flights".into());
    let client = Client::connect(&url).await?;
    let sql = "select destination, delay from flight where origin = :origin order by delay desc, id limit 3";
    let mut rows = client.query(sql, params! { "origin" => "ORD" }).await?;
    while let Some(row) = rows.next().await? {
        println!("{} {}", row.get::<&str>("destination")?, row.get::<i32>("delay")?);
    }
    Ok(())
}
