//! The tables of a file, made and filled.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use vitrail_client::Value;

use super::{Script, Table};
use crate::connection::Connection;
use crate::statement::push;

/// Rows of one INSERT.
const BATCH: i64 = 500;

impl Script {
    pub(in crate::workload) async fn prepare(
        &self,
        connections: &mut [Connection],
        progress: &(dyn Fn(&str, u64) + Sync),
    ) -> Result<()> {
        for table in &self.tables {
            let first = connections.first_mut().context("tables are made over a connection")?;
            for sql in [
                format!("DROP TABLE IF EXISTS {}", table.name),
                format!("CREATE TABLE {} ({})", table.name, table.definition),
            ] {
                first.text(&sql).await.with_context(|| sql.clone())?;
            }
            let (next, written) = (AtomicI64::new(1), AtomicU64::new(0));
            let workers = connections.iter_mut().map(|connection| table.fill(&next, &written, connection, progress));
            try_join_all(workers).await?;
        }
        Ok(())
    }
}

impl Table {
    /// Writes batches of rows until there are none left.
    async fn fill(
        &self,
        next: &AtomicI64,
        written: &AtomicU64,
        connection: &mut Connection,
        progress: &(dyn Fn(&str, u64) + Sync),
    ) -> Result<()> {
        let columns: Vec<&str> = self.fill.iter().map(|(column, ..)| column.as_str()).collect();
        loop {
            let from = next.fetch_add(BATCH, Ordering::Relaxed);
            let count = BATCH.min(self.rows - from + 1);
            if count <= 0 {
                return Ok(());
            }
            let mut sql = format!("INSERT INTO {} ({}) VALUES ", self.name, columns.join(", "));
            for row in from..from + count {
                if row > from {
                    sql.push_str(", ");
                }
                self.row(row, &mut sql)?;
            }
            connection.text(&sql).await.with_context(|| format!("rows of {}", self.name))?;
            let all = written.fetch_add(count as u64, Ordering::Relaxed) + count as u64;
            progress(&self.name, all);
        }
    }

    /// Appends the literals of a row. Its dice are its own, so that a table is the same however many connections fill it.
    pub(super) fn row(&self, row: i64, sql: &mut String) -> Result<()> {
        let dice = &mut SmallRng::seed_from_u64(row as u64);
        let mut slots = vec![Value::Int(0); self.slots];
        slots[0] = Value::Int(row);
        for (index, (column, slot, rule)) in self.fill.iter().enumerate() {
            let value = rule.draw(&slots, dice).with_context(|| format!("column {column}"))?;
            sql.push_str(if index == 0 { "(" } else { ", " });
            push(sql, &value)?;
            slots[*slot] = value;
        }
        sql.push(')');
        Ok(())
    }
}
