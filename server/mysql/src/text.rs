//! Small results as strings, for administration: schema, variables, status.

use crate::connection::{Connection, Response, RowsOrEnd};
use crate::error::{Error, Result};
use crate::response::End;
use crate::wire::Reader;

/// One row; NULL is `None`. Bytes that are no UTF-8 become U+FFFD.
pub type TextRow = Vec<Option<String>>;

/// Largest result, in bytes of rows: what is larger does not belong here.
const MAX_BYTES: usize = 256 << 20;

impl Connection {
    /// Runs a statement and returns all rows of its first result with columns; further results are read and dropped.
    ///
    /// Errors: as [`Connection::query`]; [`Error::TooLarge`] above 256 MiB, which breaks the connection.
    pub async fn fetch_all(&mut self, sql: &str) -> Result<Vec<TextRow>> {
        let mut rows = Vec::new();
        let mut response = self.query(sql.as_bytes()).await?;
        loop {
            let columns = match response {
                Response::Columns(columns) => columns,
                Response::Ok(end) if end.status.more_results() => {
                    response = self.response().await?;
                    continue;
                }
                Response::Ok(_) => return Ok(rows),
            };
            let mut bytes = 0;
            while let RowsOrEnd::Rows(batch) = self.next_rows(64 << 10).await? {
                bytes += batch.bytes.len();
                if bytes > MAX_BYTES {
                    return Err(Error::TooLarge { what: "result", size: bytes as u64, limit: MAX_BYTES as u64 });
                }
                read_batch(&batch.bytes, columns.count, &mut rows)?;
            }
            self.drain().await?;
            return Ok(rows);
        }
    }

    /// Runs a statement and returns the first row of its result; an empty row if there is none.
    pub async fn fetch_row(&mut self, sql: &str) -> Result<TextRow> {
        Ok(self.fetch_all(sql).await?.into_iter().next().unwrap_or_default())
    }

    /// Runs a statement and returns the first cell of its first row; `None` for NULL and for no row.
    pub async fn fetch_cell(&mut self, sql: &str) -> Result<Option<String>> {
        Ok(self.fetch_row(sql).await?.into_iter().next().flatten())
    }

    /// Runs a statement, drops its rows, and returns the end of its last result.
    pub async fn execute(&mut self, sql: &str) -> Result<End> {
        self.send(sql.as_bytes()).await?;
        Ok(self.drain().await?.unwrap_or_default())
    }
}

/// Appends the rows of a packed batch.
fn read_batch(mut packed: &[u8], columns: u32, rows: &mut Vec<TextRow>) -> Result<()> {
    while !packed.is_empty() {
        let mut reader = Reader::new(packed);
        let length = reader.u32()? as usize;
        let mut row = Reader::new(reader.bytes(length)?);
        packed = reader.rest();
        let mut cells = TextRow::with_capacity(columns as usize);
        for _ in 0..columns {
            cells.push(row.cell()?.map(|cell| String::from_utf8_lossy(cell).into_owned()));
        }
        rows.push(cells);
    }
    Ok(())
}
