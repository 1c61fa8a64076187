//! The answer of one shard is handed on as it comes.

use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::{Capped, ResultEnd};
use vitrail_service::execution::Part;

use super::Limits;
use super::work::Work;
use crate::answer::Answer;
use crate::scatter::{Calls, Lane};
use crate::{columns, failure};

impl Work<'_> {
    /// Hands the parts of one shard on.
    pub(super) async fn pass(
        &self,
        lane: &mut Lane,
        calls: &Calls<'_>,
        in_transaction: bool,
        answer: &mut Answer<'_>,
    ) -> Result<Box<ResultEnd>, ErrorBody> {
        let named = |fields: &Bytes| columns::name_keyspace(fields, &self.keyspace.name);
        Passing { limits: self.limits, in_transaction, named }.run(lane, calls, answer).await
    }
}

/// How the parts of one server are handed on.
pub(crate) struct Passing<N> {
    pub(crate) limits: Limits,
    /// What the ends say of it.
    pub(crate) in_transaction: bool,
    /// Puts the names that clients know into column definitions; `None`: they are malformed.
    pub(crate) named: N,
}

impl<N: Fn(&Bytes) -> Option<Bytes>> Passing<N> {
    /// Hands them on. While the next one is awaited, what is there travels.
    pub(crate) async fn run(
        &self,
        lane: &mut Lane,
        calls: &Calls<'_>,
        answer: &mut Answer<'_>,
    ) -> Result<Box<ResultEnd>, ErrorBody> {
        let mut last: Option<Box<ResultEnd>> = None;
        loop {
            let part = next_part(lane, calls, answer).await?;
            if let (Some(end), Some(_)) = (last.take_if(|_| part.is_some()), &part) {
                answer.end(end).await?;
            }
            match part {
                Some(Part::Fields(fields)) => {
                    let fields = (self.named)(&fields)
                        .ok_or_else(|| failure::internal("a shard sent columns that cannot be read"))?;
                    answer.fields(fields).await?;
                }
                Some(Part::Rows(batch)) => answer.rows(batch).await?,
                Some(Part::End(mut end)) => {
                    end.in_transaction = self.in_transaction;
                    // The gate handed the request's cap on: it is the request's again.
                    if let (Some(limit), Some(capped)) = (self.limits.max_rows, &mut end.capped)
                        && capped.limit == limit
                    {
                        *capped = Capped { by: "request".into(), limit };
                    }
                    last = Some(end);
                }
                None => return last.ok_or_else(|| failure::internal("an answer without an end")),
            }
        }
    }
}

async fn next_part(lane: &mut Lane, calls: &Calls<'_>, answer: &mut Answer<'_>) -> Result<Option<Part>, ErrorBody> {
    let next = pin!(lane.next());
    let mut next = pin!(calls.guard(next));
    match futures_util::poll!(&mut next) {
        Poll::Ready(part) => part,
        Poll::Pending if answer.holds_rows() => {
            let (sent, part) = Box::pin(async { tokio::join!(answer.flush(), next) }).await;
            sent?;
            part
        }
        Poll::Pending => next.await,
    }
}
