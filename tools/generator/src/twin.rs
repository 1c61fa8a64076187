//! A second one MySQL, which holds the same rows in another order and without keys.
//!
//! Where it answers otherwise than the first, the answer is not determined, or MySQL itself is wrong: neither is Vitrail's fault. It is
//! asked only where Vitrail differs, so that it costs nothing, and excuses nothing that is the same on both.

use anyhow::{Context, Result};
use vitrail_differential::answer::{self, Answer};
use vitrail_differential::case::View;
use vitrail_differential::lane;
use vitrail_harness::Connection;

use crate::schema::Schema;

/// Tables without keys, in a database of their own.
pub(crate) struct Twin {
    pub(crate) database: String,
}

impl Twin {
    /// Makes the tables.
    pub(crate) async fn make(schema: &Schema) -> Result<Twin> {
        let server = vitrail_harness::server(schema.flavour).await;
        let database = server.database("gen_twin").await;
        let mut connection = server.connect(&database).await;
        for table in &schema.tables {
            let sql = table.definition_without_keys();
            connection.execute(&sql).await.with_context(|| sql.clone())?;
        }
        connection.quit().await;
        Ok(Twin { database })
    }

    /// Whether a query has another answer here than `expected`, with the rows that `oracle` sees now.
    pub(crate) async fn differs(
        &self,
        schema: &Schema,
        oracle: &mut Connection,
        sql: &str,
        view: &View,
        expected: &Answer,
    ) -> Result<bool> {
        let text = |row: &[Option<String>]| row.first().cloned().flatten().unwrap_or_default();
        let before = oracle.fetch_all("SELECT DATABASE() UNION ALL SELECT @@sql_mode").await?;
        let (home, mode) = (text(&before[0]), text(&before[1]));
        let found = async {
            oracle.execute("SET sql_mode = ''").await?;
            for table in &schema.tables {
                let names: Vec<&str> = table.written().into_iter().map(|at| &*table.columns[at].name).collect();
                let key: Vec<&str> = table.key.iter().map(|at| &*table.columns[*at].name).collect();
                let (names, name) = (names.join(", "), &table.name);
                oracle.execute(&format!("DELETE FROM {}.{name}", self.database)).await?;
                let order = format!("SHA2(CONCAT_WS('-', {}), 256)", key.join(", "));
                oracle
                    .execute(&format!(
                        "INSERT INTO {}.{name} ({names}) SELECT {names} FROM {home}.{name} ORDER BY {order}",
                        self.database
                    ))
                    .await?;
            }
            oracle.execute(&format!("SET sql_mode = '{mode}'")).await?;
            oracle.execute(&format!("USE {}", self.database)).await?;
            anyhow::Ok(answer::of_mysql(oracle, sql).await?)
        };
        let found = found.await;
        oracle.execute(&format!("SET sql_mode = '{mode}'")).await?;
        oracle.execute(&format!("USE {home}")).await?;
        let found = found?;
        // Hints that name keys fail here, and say nothing.
        if matches!(found, Answer::Failed(_)) && !matches!(expected, Answer::Failed(_)) {
            return Ok(false);
        }
        // Which of its warnings a plan comes by is not what is asked here.
        Ok(!same_rows(&found, expected)
            && lane::difference(oracle, sql, view, [&found, expected], None, true).await?.is_some())
    }
}

/// Whether both are rows, or both none, and the same ones in the same order.
pub(crate) fn same_rows(found: &Answer, expected: &Answer) -> bool {
    rows_of(found) == rows_of(expected)
}

fn rows_of(answer: &Answer) -> Option<&Vec<answer::Row>> {
    match answer {
        Answer::Rows(rows) => Some(&rows.rows),
        _ => None,
    }
}
