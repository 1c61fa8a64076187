//! The answer to a statement, row by row as it arrives.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use futures_util::Stream;
use vitrail_proto::message::{Reply, Request, ResultEnd};
use vitrail_proto::rows::RowBatch;

use crate::column::{Column, Columns};
use crate::connection::{Canceller, Pending};
use crate::error::Error;
use crate::fields::{Fields, FieldsCache};
use crate::outcome::Outcome;
use crate::row::Row;

/// The rows of a statement, pulled one by one; also a [`Stream`].
///
/// The server sends no more than the window of the [`crate::Query`] ahead of what was taken, so a slow reader costs neither side memory.
/// Dropping it early cancels the statement. A session is borrowed until its rows are gone: its statements run in order.
pub struct Rows<'session> {
    pending: Pending,
    columns: Arc<Columns>,
    /// The columns that the server was told it may leave out.
    held: Option<Fields>,
    /// What is left of the batch at hand.
    batch: RowBatch,
    /// The end that follows that batch.
    upcoming_end: Option<Box<ResultEnd>>,
    /// The end of the result at hand, once it was reached.
    end: Option<Box<ResultEnd>>,
    /// Nothing more will come.
    finished: bool,
    session: PhantomData<&'session mut ()>,
}

impl Rows<'_> {
    /// The answer to `request`, whose first reply has come. `held` is what the request's hash was taken from.
    pub(crate) fn new(
        pending: Pending,
        first: Reply,
        request: Request,
        held: Option<Fields>,
        cache: &FieldsCache,
    ) -> Result<Self, Error> {
        let mut rows = Rows {
            pending,
            columns: Arc::default(),
            held,
            batch: RowBatch::default(),
            upcoming_end: None,
            end: None,
            finished: false,
            session: PhantomData,
        };
        rows.take_columns(&first)?;
        cache.learn(request.sql, &first, &rows.columns);
        rows.take_rows(first);
        Ok(rows)
    }

    /// The columns of the result at hand; none for a statement without rows.
    pub fn columns(&self) -> &[Column] {
        self.columns.as_slice()
    }

    /// The next row of the result at hand; `None` after its last.
    pub async fn next(&mut self) -> Result<Option<Row>, Error> {
        std::future::poll_fn(|context| self.poll_row(context)).await
    }

    /// Goes on to the next result of a `CALL`, past what is left of this one; false if there is none.
    pub async fn next_result(&mut self) -> Result<bool, Error> {
        while self.next().await?.is_some() {}
        match self.end.take() {
            Some(end) if end.status & ResultEnd::MORE_RESULTS != 0 => {
                self.columns = Arc::default();
                match self.pending.next().await? {
                    Some(reply) => self.accept(reply)?,
                    None => return Err(Error::protocol("a further result was announced and did not come")),
                }
                Ok(true)
            }
            end => {
                self.end = end;
                Ok(false)
            }
        }
    }

    /// All rows that are left of the result at hand. They are held in memory: bound them by [`crate::Query::max_rows`].
    pub async fn collect(mut self) -> Result<Vec<Row>, Error> {
        let mut rows = Vec::new();
        while let Some(row) = self.next().await? {
            rows.push(row);
        }
        Ok(rows)
    }

    /// Reads to the end of the last result and says what the statement did.
    pub async fn finish(mut self) -> Result<Outcome, Error> {
        while self.next_result().await? {}
        Ok(Outcome::from(*self.end.take().unwrap_or_default()))
    }

    /// What the result at hand did; `None` before its last row was taken.
    pub fn outcome(&self) -> Option<Outcome> {
        self.end.as_deref().cloned().map(Outcome::from)
    }

    /// Cancels the statement from elsewhere.
    pub fn canceller(&self) -> Canceller {
        self.pending.canceller()
    }

    fn poll_row(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Row>, Error>> {
        loop {
            if let Some(row) = self.cut_row() {
                return Poll::Ready(row.map(Some));
            }
            if let Some(end) = self.upcoming_end.take() {
                self.end = Some(end);
            }
            if self.finished || self.end.is_some() {
                return Poll::Ready(Ok(None));
            }
            match ready!(self.pending.poll_next(context)) {
                Ok(Some(reply)) => self.accept(reply)?,
                Ok(None) => {
                    self.finished = true;
                    return Poll::Ready(Err(Error::protocol("the answer stopped before its end")));
                }
                Err(error) => {
                    self.finished = true;
                    return Poll::Ready(Err(error));
                }
            }
        }
    }

    fn accept(&mut self, reply: Reply) -> Result<(), Error> {
        self.take_columns(&reply)?;
        self.take_rows(reply);
        Ok(())
    }

    fn take_columns(&mut self, reply: &Reply) -> Result<(), Error> {
        if let Some(columns) = Fields::of_reply(reply, self.held.as_ref())? {
            self.columns = columns;
        }
        Ok(())
    }

    fn take_rows(&mut self, reply: Reply) {
        if let Some(rows) = reply.rows {
            self.batch = rows;
        }
        self.upcoming_end = reply.end;
    }

    /// Takes the next row off the batch, without copying it; `None` if there is none left.
    fn cut_row(&mut self) -> Option<Result<Row, Error>> {
        let batch = &mut self.batch;
        let row = match batch.rows().next()? {
            Ok(row) => batch.bytes.slice_ref(row.bytes()),
            Err(error) => {
                *batch = RowBatch::default();
                return Some(Err(Error::protocol("a batch ends inside a row").with_source(error)));
            }
        };
        batch.bytes.advance(4 + row.len());
        batch.count -= 1;
        Some(Row::new(self.columns.clone(), row))
    }
}

impl Stream for Rows<'_> {
    type Item = Result<Row, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_row(context).map(Result::transpose)
    }
}

impl std::fmt::Debug for Rows<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("columns", &self.columns).field("end", &self.end).finish_non_exhaustive()
    }
}
