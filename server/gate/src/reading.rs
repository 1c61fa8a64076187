//! Statements that the gate runs for itself: their answers go to a sink in place of the client.

use bytes::Bytes;
use tokio::sync::mpsc;
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::{Reply, ResultEnd};
use vitrail_proto::rows::RowBatch;

use crate::failure;

/// What is done with the parts of an answer.
pub(crate) trait Sink {
    /// Takes the columns.
    fn fields(&mut self, packed: &Bytes) -> Result<(), ErrorBody>;
    /// Takes rows.
    fn rows(&mut self, batch: RowBatch) -> impl Future<Output = Result<(), ErrorBody>> + Send;
}

/// Runs a statement whose replies come over a channel, and hands them to `sink`. `run` gives the last one.
///
/// What nobody wants any more, after a failure of the sink, is read all the same: a connection of a transaction that is cut off is lost.
pub(crate) async fn take(
    run: impl Future<Output = Result<Reply, ErrorBody>>,
    mut replies: mpsc::Receiver<Reply>,
    sink: &mut impl Sink,
) -> Result<ResultEnd, ErrorBody> {
    let mut failed = None;
    let take = async {
        while let Some(reply) = replies.recv().await {
            if failed.is_none() {
                failed = take_part(reply, sink).await.err();
            }
        }
    };
    let (last, ()) = tokio::join!(run, take);
    let mut last = last?;
    if let Some(error) = failed {
        return Err(error);
    }
    let end = last.end.take();
    take_part(last, sink).await?;
    end.map(|end| *end).ok_or_else(|| failure::internal("an answer without an end"))
}

async fn take_part(reply: Reply, sink: &mut impl Sink) -> Result<(), ErrorBody> {
    if let Some(packed) = &reply.fields {
        sink.fields(packed)?;
    }
    match reply.rows {
        Some(batch) => sink.rows(batch).await,
        None => Ok(()),
    }
}
