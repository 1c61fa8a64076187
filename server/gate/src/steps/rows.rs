//! Rows that are kept until they are written.

use bytes::Bytes;
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::rows::RowBatch;

use super::MOST_BYTES;
use crate::columns::Columns;
use crate::failure;
use crate::merge::row::{Row, take_row};
use crate::reading::Sink;

/// Rows with their columns.
pub(crate) struct Rows {
    keyspace: std::sync::Arc<str>,
    pub(super) columns: Option<Columns>,
    pub(super) list: Vec<Row>,
    pub(super) bytes: usize,
}

impl Rows {
    pub(crate) fn of(keyspace: &std::sync::Arc<str>) -> Rows {
        Rows { keyspace: std::sync::Arc::clone(keyspace), columns: None, list: Vec::new(), bytes: 0 }
    }
}

impl Sink for Rows {
    fn fields(&mut self, packed: &Bytes) -> Result<(), ErrorBody> {
        self.columns = Some(Columns::read(packed, &self.keyspace).ok_or_else(malformed)?);
        Ok(())
    }

    async fn rows(&mut self, batch: RowBatch) -> Result<(), ErrorBody> {
        let mut bytes = batch.bytes;
        while !bytes.is_empty() {
            let row = take_row(&mut bytes).ok_or_else(malformed)?;
            self.bytes += row.text().len() + size_of::<Row>();
            if self.bytes > MOST_BYTES {
                return Err(too_many());
            }
            self.list.push(row);
        }
        Ok(())
    }
}

/// The cells of a row.
pub(crate) fn cells(row: &Row, count: usize) -> Result<Vec<Option<&[u8]>>, ErrorBody> {
    let mut spans = Vec::with_capacity(count);
    row.find_cells(count, &mut spans).ok_or_else(malformed)?;
    Ok(spans.into_iter().map(|span| span.map(|span| &row.text()[span])).collect())
}

pub(super) fn malformed() -> ErrorBody {
    failure::internal("a step of a write has read rows or columns that cannot be told")
}

fn too_many() -> ErrorBody {
    let message = format!(
        "this statement over several shards concerns more than {} MiB of rows, which are read before they are written; write fewer rows at a time",
        MOST_BYTES >> 20
    );
    ErrorBody::new(Code::Exhausted, message).with_errno(1038, "HY001")
}
