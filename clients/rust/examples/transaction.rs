//! Moves an amount between two accounts, again where another transaction was in the way.
//!
//! `cargo run --example transaction -- URL`, with a table `account (id bigint primary key, balance bigint)`.

#![allow(clippy::print_stdout, reason = "an example talks to people")]

use vitrail_client::{Client, Error, params};

async fn transfer(client: &Client, from: i64, to: i64, amount: i64) -> Result<(), Error> {
    let mut transaction = client.begin().await?;
    let sql = "update account set balance = balance + :change where id = :id";
    transaction.execute(sql, params! { "change" => -amount, "id" => from }).await?;
    transaction.execute(sql, params! { "change" => amount, "id" => to }).await?;
    // Whatever leaves this function before the commit rolls back.
    transaction.commit().await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "vitrail://localhost:15300?tls=disable".to_owned());
    let client = Client::connect(&url).await?;
    let mut attempts = 0;
    loop {
        attempts += 1;
        match transfer(&client, 1, 2, 10).await {
            // Nothing of the transaction remains, and all of it may be run again.
            Err(error) if error.is_retryable() && attempts < 5 => println!("again: {error}"),
            result => return result,
        }
    }
}
