//! Moves an amount between two bookings, again where another transaction was in the way.
//!
//! `cargo run --example transaction`, while `vitrail demo` runs.

#![allow(clippy::print_stdout, reason = "an example talks to people")]

use vitrail_client::{Client, Error, decimal, params};

async fn transfer(client: &Client, from: i64, to: i64, amount: &str) -> Result<(), Error> {
    let mut transaction = client.begin().await?;
    let binds = params! { "amount" => decimal(amount), "from" => from, "to" => to };
    transaction.execute("update agency.booking set price = price - :amount where id = :from", &binds).await?;
    transaction.execute("update agency.booking set price = price + :amount where id = :to", &binds).await?;
    // Whatever leaves this function before the commit rolls back.
    transaction.commit().await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1).unwrap_or("vitrail://demo@127.0.0.1:15300/flights".into());
    let client = Client::connect(&url).await?;
    let mut attempts = 0;
    loop {
        attempts += 1;
        match transfer(&client, 1, 2, "10.00").await {
            // Nothing of the transaction remains, and all of it may be run again.
            Err(error) if error.is_retryable() && attempts < 5 => println!("again: {error}"),
            result => break result?,
        }
    }
    for row in client.query_all("select id, price from agency.booking where id <= 2 order by id", ()).await? {
        println!("booking {}: {}", row.get::<i64>("id")?, row.get::<&str>("price")?);
    }
    Ok(())
}
