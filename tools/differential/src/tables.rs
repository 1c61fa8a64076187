//! What is in the tables in the end: on the shards, past Vitrail, the rows of one MySQL, and none twice.

use anyhow::{Context, Result};
use vitrail_mysql::Connection;

use crate::answer::{self, Answer, Row};
use crate::stage::Stage;

/// How the shards' tables differ from those of one MySQL, a line each.
///
/// # Errors
///
/// Lost connections.
pub async fn differences(stage: &Stage) -> Result<Vec<String>> {
    let mut oracle = stage.oracle().await;
    let mut shards = stage.shards().await;
    let names = oracle.fetch_all("SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'").await?;
    let mut faults = Vec::new();
    for name in names.into_iter().filter_map(|row| row.into_iter().next().flatten()) {
        let expected = rows(&mut oracle, &name).await?;
        let mut apart = Vec::new();
        for shard in &mut shards {
            apart.push(rows(shard, &name).await?);
        }
        let together: Vec<Row> = sorted(apart.iter().flatten().cloned().collect());
        let replicated = stage.is_reference(&name);
        let right = if replicated { apart.iter().all(|rows| *rows == expected) } else { together == expected };
        if !right {
            let counts: Vec<String> = apart.iter().map(|rows| rows.len().to_string()).collect();
            faults.push(format!(
                "table `{name}` is not what one MySQL has in the end: {} rows there, {} on the shards",
                expected.len(),
                counts.join(" + ")
            ));
        }
    }
    Ok(faults)
}

async fn rows(connection: &mut Connection, table: &str) -> Result<Vec<Row>> {
    match answer::of_mysql(connection, &format!("SELECT * FROM `{}`", table.replace('`', "``"))).await? {
        Answer::Rows(rows) => Ok(sorted(rows.rows)),
        other => Err(anyhow::anyhow!(other.summary())).with_context(|| format!("reading table `{table}`")),
    }
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort();
    rows
}
