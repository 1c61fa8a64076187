//! Connects, writes a row and reads it back.
//!
//! `cargo run --example quickstart -- vitrail://app:secret@localhost:15300/flights`

#![allow(clippy::print_stdout, reason = "an example talks to people")]

use vitrail_client::{Client, Error, params};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "vitrail://localhost:15300?tls=disable".to_owned());
    let client = Client::connect(&url).await?;
    let server = client.server().await?;
    println!("connected to {} {}", server.flavour, server.mysql_version);
    let row = client.query_one("select :a + :b as sum", params! { "a" => 40, "b" => 2 }).await?;
    println!("sum: {}", row.get::<i64>("sum")?);
    Ok(())
}
