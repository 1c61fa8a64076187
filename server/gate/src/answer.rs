//! Gathers the answer of one request into as few REPLYs as its parts allow.

use bytes::Bytes;
use vitrail_listener::responder::Responder;
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::{Reply, ResultEnd};
use vitrail_proto::rows::{RowBatch, fields_hash};

/// The answer of one request under way.
///
/// A REPLY is held back until the next part shows that it is not the last, so that a small answer is a single one.
pub(crate) struct Answer<'a> {
    responder: &'a mut Responder,
    /// The field hash that the client holds.
    known_fields: Option<u64>,
    /// The batch item that is being answered.
    item: Option<u32>,
    /// The client asked how its statements ran.
    facts: bool,
    /// Rows that were put in so far, and their bytes.
    rows: u64,
    bytes: u64,
    /// A part of the result under way has left.
    left: bool,
    pending: Reply,
}

impl<'a> Answer<'a> {
    /// An empty answer. `known_fields` is the field hash that the client holds; `facts`: it asked how its statements run.
    pub(crate) fn new(responder: &'a mut Responder, known_fields: Option<u64>, facts: bool) -> Answer<'a> {
        Answer { responder, known_fields, item: None, facts, rows: 0, bytes: 0, left: false, pending: Reply::default() }
    }

    /// The next results belong to this item of a batch.
    pub(crate) fn set_item(&mut self, item: u32) {
        self.item = Some(item);
        self.left = false;
    }

    /// Begins a result with columns.
    pub(crate) async fn fields(&mut self, fields: Bytes) -> Result<(), ErrorBody> {
        self.flush().await?;
        self.left = false;
        let hash = fields_hash(&fields);
        self.pending.fields_hash = Some(hash);
        if self.known_fields != Some(hash) {
            self.pending.fields = Some(fields);
        }
        Ok(())
    }

    /// Goes on with rows.
    pub(crate) async fn rows(&mut self, batch: RowBatch) -> Result<(), ErrorBody> {
        if self.holds_rows() {
            self.flush().await?;
        }
        self.rows += u64::from(batch.count);
        self.bytes += batch.bytes.len() as u64;
        self.pending.rows = Some(batch);
        Ok(())
    }

    /// Forgets the result under way, if nothing of it has left.
    pub(crate) fn restart(&mut self) -> bool {
        if self.left {
            return false;
        }
        if let Some(rows) = self.pending.rows.take() {
            self.rows -= u64::from(rows.count);
            self.bytes -= rows.bytes.len() as u64;
        }
        self.pending = Reply::default();
        true
    }

    /// How many rows were put in so far.
    pub(crate) fn rows_passed(&self) -> u64 {
        self.rows
    }

    /// Bytes of those rows.
    pub(crate) fn bytes_passed(&self) -> u64 {
        self.bytes
    }

    /// Whether rows wait here that could travel.
    pub(crate) fn holds_rows(&self) -> bool {
        self.pending.rows.is_some()
    }

    /// Ends a result; another follows.
    pub(crate) fn end(&mut self, end: Box<ResultEnd>) -> impl Future<Output = Result<(), ErrorBody>> + use<'_, 'a> {
        self.put_end(end);
        self.flush()
    }

    /// Ends the last result: the REPLY that ends the request.
    pub(crate) fn finish(mut self, end: Box<ResultEnd>) -> Reply {
        self.put_end(end);
        self.pending
    }

    /// Sends what is held back. Fails when the request is cancelled or its deadline passes meanwhile.
    pub(crate) async fn flush(&mut self) -> Result<(), ErrorBody> {
        let Reply { fields_hash: None, rows: None, end: None, .. } = self.pending else {
            self.left = true;
            // Boxed: a small answer is a single REPLY, which is not sent here.
            return Box::pin(self.responder.send(std::mem::take(&mut self.pending))).await;
        };
        Ok(())
    }

    fn put_end(&mut self, mut end: Box<ResultEnd>) {
        end.item = self.item;
        if !self.facts {
            end.ran = None;
        }
        self.pending.end = Some(end);
    }
}
