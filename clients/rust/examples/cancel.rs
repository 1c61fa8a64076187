//! Stops a statement that takes too long: once by hand from another task, once by a deadline.
//!
//! `cargo run --example cancel`, while `vitrail demo` runs.

#![allow(clippy::print_stdout, reason = "an example talks to people")]

use std::time::Duration;

use vitrail_client::{Client, Code, Error, Query};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1).unwrap_or("vitrail://demo@127.0.0.1:15300/flights".into());
    let client = Client::connect(&url).await?;

    let mut session = client.session();
    let cancel = session.cancel_handle();
    let watchdog = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        cancel.cancel();
    });
    match session.query_one("select sleep(10)", ()).await {
        Err(error) if *error.code() == Code::Cancelled => println!("cancelled: {error}"),
        other => println!("not cancelled: {other:?}"),
    }
    watchdog.abort();

    let impatient = Query::new("select sleep(10)").deadline(Duration::from_millis(200));
    match client.query_one(impatient, ()).await {
        Err(error) if *error.code() == Code::Deadline => println!("too late: {error}"),
        other => println!("in time: {other:?}"),
    }
    Ok(())
}
