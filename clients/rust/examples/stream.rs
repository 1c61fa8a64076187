//! Reads a result of any size in constant memory: the server sends no faster than the rows are taken.
//!
//! `cargo run --example stream -- URL SQL`; without them, all flights of a running `vitrail demo`.

#![allow(clippy::print_stdout, reason = "an example talks to people")]

use vitrail_client::{Client, Error};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or("vitrail://demo@127.0.0.1:15300/flights".into());
    let sql = arguments.next().unwrap_or("select * from flight".into());
    let client = Client::connect(&url).await?;
    let mut rows = client.query(sql, ()).await?;
    let mut bytes = 0;
    while let Some(row) = rows.next().await? {
        bytes += (0..row.len()).filter_map(|index| row.raw(index)).map(<[u8]>::len).sum::<usize>();
    }
    let outcome = rows.finish().await?;
    println!("{} rows, {bytes} bytes", outcome.rows);
    if let Some(capped) = outcome.capped {
        println!("there are more: the {} allows {}", capped.by, capped.limit);
    }
    Ok(())
}
