//! Statements of a join on their shards, and what is done with their rows.

use bytes::Bytes;
use tokio::time::Instant;
use vitrail_listener::responder::Responder;
use vitrail_planner::plan::Resolved;
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::{BeginOptions, Ran, ResultEnd};
use vitrail_proto::rows::RowBatch;

use super::matching::Matcher;
use super::output::Output;
use super::{Joining, malformed};
use crate::answer::Answer;
use crate::merge::row::take_row;
use crate::reading::{Sink, take};
use crate::route::Limits;
use crate::session::Session;
use crate::{facts, failure, route};

/// Reads for one join.
pub(super) struct Reader<'r, 's> {
    joining: &'r Joining<'r>,
    session: &'s mut Session,
    /// `SET TRANSACTION` for each of the statements, which are one for the client.
    next: Option<Box<BeginOptions>>,
    end: ResultEnd,
    ran: Option<Ran>,
}

impl<'r, 's> Reader<'r, 's> {
    pub(super) fn new(joining: &'r Joining<'r>, session: &'s mut Session) -> Reader<'r, 's> {
        let next = session.next.clone();
        Reader { joining, session, next, end: ResultEnd::default(), ran: None }
    }

    /// The columns of a statement without rows.
    pub(super) async fn columns(&mut self, resolved: &Resolved) -> Result<Bytes, ErrorBody> {
        struct Fields(Option<Bytes>);
        impl Sink for Fields {
            fn fields(&mut self, packed: &Bytes) -> Result<(), ErrorBody> {
                self.0 = Some(packed.clone());
                Ok(())
            }

            async fn rows(&mut self, _: RowBatch) -> Result<(), ErrorBody> {
                Ok(())
            }
        }
        let mut fields = Fields(None);
        self.read(resolved, &mut fields).await?;
        fields.0.ok_or_else(malformed)
    }

    /// Reads the first side to its end. Gives its columns, as they came.
    pub(super) async fn first(&mut self, resolved: Resolved, out: &mut Output) -> Result<Bytes, ErrorBody> {
        struct First<'o>(&'o mut Output, Option<Bytes>);
        impl Sink for First<'_> {
            fn fields(&mut self, packed: &Bytes) -> Result<(), ErrorBody> {
                self.1 = Some(packed.clone());
                Ok(())
            }

            async fn rows(&mut self, batch: RowBatch) -> Result<(), ErrorBody> {
                let mut bytes = batch.bytes;
                while !bytes.is_empty() {
                    let row = take_row(&mut bytes).ok_or_else(malformed)?;
                    self.0.push([row.text(), &[]], &|_| None).await?;
                }
                Ok(())
            }
        }
        let mut first = First(out, None);
        let end = self.read(&resolved, &mut first).await?;
        self.count(end);
        first.1.ok_or_else(malformed)
    }

    /// Reads rows for a batch.
    pub(super) async fn matching(
        &mut self,
        resolved: Resolved,
        matcher: &mut Matcher<'_>,
        out: &mut Output,
    ) -> Result<(), ErrorBody> {
        struct Matching<'o, 'm, 'j>(&'m mut Matcher<'j>, &'o mut Output);
        impl Sink for Matching<'_, '_, '_> {
            fn fields(&mut self, packed: &Bytes) -> Result<(), ErrorBody> {
                self.0.fields(packed)
            }

            async fn rows(&mut self, batch: RowBatch) -> Result<(), ErrorBody> {
                // What nobody wants is read to its end all the same: a connection of a transaction goes on.
                if self.1.is_closed() { Ok(()) } else { self.0.rows(batch, self.1).await }
            }
        }
        let end = self.read(&resolved, &mut Matching(matcher, out)).await?;
        self.count(end);
        Ok(())
    }

    /// What the statements say at their ends, for the client.
    pub(super) fn end(&mut self) -> ResultEnd {
        if !self.session.in_transaction() {
            self.session.next = None;
        }
        std::mem::take(&mut self.end)
    }

    /// How they ran, added up.
    pub(super) fn into_ran(self) -> Option<Ran> {
        self.ran
    }

    fn count(&mut self, end: ResultEnd) {
        self.end.warnings = self.end.warnings.saturating_add(end.warnings);
        self.end.warning_texts.extend(end.warning_texts);
    }

    async fn read(&mut self, resolved: &Resolved, sink: &mut impl Sink) -> Result<ResultEnd, ErrorBody> {
        let Joining { keyspace, calling, limits, .. } = *self.joining;
        if !self.session.in_transaction() {
            self.session.next.clone_from(&self.next);
        }
        let limits = Limits { max_rows: None, ..limits };
        let (mut responder, replies) = Responder::channel(1);
        let session = &mut *self.session;
        let run = async move {
            let mut answer = Answer::new(&mut responder, None, true);
            let end = Box::pin(route::run(session, keyspace, resolved, limits, calling, &mut answer)).await?;
            Ok(answer.finish(end))
        };
        let began = Instant::now();
        let end = take(run, replies, sink).await;
        if let Some(measure) = &calling.measure {
            measure.batch(began.elapsed());
        }
        let end = end?;
        if end.capped.is_some() {
            return Err(failure::unsupported(
                "a tablet's limit of rows has cut a side of a join over several shards; add conditions on it, or raise the limit",
            ));
        }
        facts::and_then(&mut self.ran, end.ran.as_ref());
        Ok(end)
    }
}
