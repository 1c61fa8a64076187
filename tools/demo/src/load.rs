//! Loads the data: through Vitrail, which splits it over the shards, and into one MySQL for comparison.

use anyhow::{Context, Result};
use vitrail_client::Client;
use vitrail_mysql::Connection;
use vitrail_mysql::mysqld::Mysqld;

use crate::dataset::TABLES;
use crate::stage::{ORACLE, Steps};

/// Rows of one INSERT.
const BATCH: usize = 1_000;

/// Loads every table through Vitrail: the application does not know of shards, and neither does the loader.
pub(crate) async fn through_vitrail(client: &Client, steps: &Steps) -> Result<()> {
    for table in &TABLES {
        let bar = steps.rows(&format!("Loading {}.{}", table.keyspace, table.name), table.len() as u64);
        let mut session = client.session();
        session.execute(format!("USE {}", table.keyspace), ()).await?;
        for insert in table.inserts(BATCH)? {
            let outcome = session.execute(insert.sql, ()).await.with_context(|| format!("loading {}", table.name))?;
            anyhow::ensure!(
                outcome.affected == insert.rows as u64,
                "{}: {} of {} rows",
                table.name,
                outcome.affected,
                insert.rows
            );
            bar.inc(insert.rows as u64);
        }
        bar.finish_and_clear();
        session.close().await?;
    }
    Ok(())
}

/// Loads every table into the one database of the comparison, unless an earlier demo has.
pub(crate) async fn into_one_mysql(mysqld: &Mysqld) -> Result<()> {
    let mut connection = Connection::connect(&mysqld.connect_options().with_database(ORACLE)).await?;
    for table in &TABLES {
        if connection.fetch_cell(&format!("SELECT COUNT(*) FROM {}", table.name)).await?.as_deref() != Some("0") {
            continue;
        }
        for insert in table.inserts(BATCH)? {
            connection.execute(&insert.sql).await?;
        }
    }
    connection.quit().await;
    Ok(())
}
