//! A server that counts what it allocates: `counted CONFIG` prints its address, then two numbers for each line of its standard input,
//! allocations and reallocations so far. It ends with its standard input.
//!
//! The allocator is the system's: it is the number that counts here, not the time.

use std::alloc::System;
use std::path::Path;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::io::{AsyncBufReadExt, BufReader};
use vitrail_node::config;
use vitrail_node::process::{Component, Process};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the figures are this command's data")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("counted CONFIG: a configuration of `vitrail serve`")?;
    let process = Process::start(config::load(Path::new(&path))?, Component::Both).await?;
    println!("{}", process.address().ok_or("the configuration has no address")?);
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while lines.next_line().await?.is_some() {
        let now = ALLOCATOR.stats();
        println!("{} {}", now.allocations, now.reallocations);
    }
    process.stop().await;
    Ok(())
}
