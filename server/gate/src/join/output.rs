//! Where joined rows go: kept for the next side, or on to the merge, sorted if that needs them so.

use tokio::sync::mpsc;
use vitrail_planner::plan::{JoinPlan, Pick, Window};
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::ResultEnd;
use vitrail_service::execution::Part;

use super::MOST_BYTES;
use crate::merge::kept::Kept;
use crate::merge::order::Key;
use crate::merge::row::{Packer, Row};

/// Where the rows of a step go.
pub(super) enum Output {
    /// For the next side.
    Kept {
        rows: Vec<Row>,
        bytes: usize,
    },
    Stream(Box<Stream>),
}

/// Rows of the answer on their way to the merge.
pub(super) struct Stream {
    parts: mpsc::Sender<Part>,
    outputs: Vec<Pick>,
    /// By which the merge takes them; empty: as they come.
    order: Vec<Key>,
    kept: Kept,
    packer: Packer,
    /// The merge wants no more.
    closed: bool,
}

impl Output {
    pub(super) fn kept() -> Output {
        Output::Kept { rows: Vec::new(), bytes: 0 }
    }

    /// The kept rows.
    pub(super) fn into_rows(self) -> Vec<Row> {
        match self {
            Output::Kept { rows, .. } => rows,
            Output::Stream(_) => Vec::new(),
        }
    }

    /// Nobody wants more rows.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self, Output::Stream(stream) if stream.closed)
    }

    /// Takes a joined row: the cells of two parts one after the other, and as the slots have them.
    pub(super) async fn push<'c>(
        &mut self,
        parts: [&[u8]; 2],
        cell: &(impl Fn(usize) -> Option<&'c [u8]> + Sync),
    ) -> Result<(), ErrorBody> {
        match self {
            Output::Kept { rows, bytes } => {
                let row = Row::of(parts);
                *bytes += row.text().len() + size_of::<Row>();
                if *bytes > MOST_BYTES {
                    return Err(too_many());
                }
                rows.push(row);
                Ok(())
            }
            Output::Stream(stream) => stream.push(cell).await,
        }
    }

    /// Tells the columns.
    pub(super) async fn begin(&mut self, packed: bytes::Bytes) {
        if let Output::Stream(stream) = self {
            stream.send(Part::Fields(packed)).await;
        }
    }

    /// All rows are there.
    pub(super) async fn end(self, end: ResultEnd) -> Result<(), ErrorBody> {
        if let Output::Stream(stream) = self {
            stream.end(end).await?;
        }
        Ok(())
    }
}

impl Stream {
    /// Rows in the order of `order`, of which those in `window` are wanted.
    pub(super) fn new(parts: mpsc::Sender<Part>, plan: &JoinPlan, order: Vec<Key>, window: Window) -> Stream {
        let outputs = plan.outputs.clone();
        Stream { parts, outputs, order, kept: Kept::new(window), packer: Packer::default(), closed: false }
    }

    async fn push<'c>(&mut self, cell: &(impl Fn(usize) -> Option<&'c [u8]> + Sync)) -> Result<(), ErrorBody> {
        let values = self.outputs.iter().map(|pick| match pick {
            Pick::Slot(slot) => cell(*slot),
            Pick::Counted(slot) => cell(*slot).map(|_| &b"1"[..]),
            Pick::One => Some(&b"1"[..]),
            Pick::Null => None,
        });
        if !self.order.is_empty() {
            return self.kept.push(values, self.outputs.len(), &self.order);
        }
        self.packer.push_values(values);
        if self.packer.is_full() {
            self.flush().await;
        }
        Ok(())
    }

    async fn flush(&mut self) {
        if let Some(batch) = self.packer.take() {
            self.send(Part::Rows(batch)).await;
        }
    }

    async fn send(&mut self, part: Part) {
        self.closed |= self.parts.send(part).await.is_err();
    }

    async fn end(mut self, end: ResultEnd) -> Result<(), ErrorBody> {
        self.kept.sort(&self.order)?;
        for row in std::mem::take(&mut self.kept.rows) {
            if self.closed {
                break;
            }
            self.packer.push(row.row.text());
            if self.packer.is_full() {
                self.flush().await;
            }
        }
        self.flush().await;
        self.send(Part::End(Box::new(end))).await;
        Ok(())
    }
}

fn too_many() -> ErrorBody {
    let message = format!(
        "a side of this join over several shards has more than {} MiB of rows, and they are kept while the other is read; add conditions on it, \
         select fewer columns, or join by the sharding columns",
        MOST_BYTES >> 20
    );
    ErrorBody::new(Code::Exhausted, message).with_errno(1038, "HY001")
}
