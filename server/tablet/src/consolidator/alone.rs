//! A reader that was cut off goes on by itself: its statement runs anew, and what it has read is skipped.
//!
//! It is skipped only if it is there again, byte for byte: then the whole answer is the second execution's, and right. Rows
//! that have changed in the meantime, or that come in another order, end the answer with an error.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::Share;
use vitrail_proto::rows::RowBatch;
use vitrail_service::call::{Call, On, Statement};
use vitrail_service::execution::{Part, PartStream};

use super::log::Prefix;
use crate::running::Registered;
use crate::shared::Shared;

/// Runs the statement for a reader that has read `fields` (if it has) and `prefix`.
///
/// Boxed: an execution may lead here, and from here to an execution.
pub(super) fn go_on(
    tablet: Arc<Shared>,
    registered: Registered,
    call: Call,
    statement: Statement,
    fields: Option<Bytes>,
    prefix: Prefix,
) -> Going {
    let statement = Statement { share: Share::Off, ..statement };
    Box::pin(async move {
        tracing::debug!(call = call.id.0, bytes = prefix.bytes, "a reader goes on by itself");
        let parts = Shared::execute(&tablet, registered, call, statement, On::Pool).await?.parts;
        let skipping = Skipping { parts, fields, left: prefix.bytes, seen: Sha256::new(), prefix: Some(prefix) };
        Ok(Box::new(skipping) as Box<dyn PartStream>)
    })
}

type Going = Pin<Box<dyn Future<Output = Result<Box<dyn PartStream>, ErrorBody>> + Send>>;

/// Skips what was read, and hands on what follows.
struct Skipping {
    parts: Box<dyn PartStream>,
    /// Columns that were read.
    fields: Option<Bytes>,
    /// Bytes of rows still to be skipped.
    left: u64,
    seen: Sha256,
    /// Until it has been compared.
    prefix: Option<Prefix>,
}

#[async_trait]
impl PartStream for Skipping {
    async fn next(&mut self) -> Result<Option<Part>, ErrorBody> {
        loop {
            let part = self.parts.next().await?;
            let Some(prefix) = self.prefix else { return Ok(part) };
            match part {
                Some(Part::Fields(fields)) => match self.fields.take() {
                    None => return Ok(Some(Part::Fields(fields))),
                    Some(known) if known == fields => {}
                    Some(_) => return Err(changed()),
                },
                Some(Part::Rows(batch)) => {
                    let Some(rest) = self.skip(batch)? else { continue };
                    if self.left == 0 {
                        self.compare(prefix)?;
                    }
                    if rest.count > 0 {
                        return Ok(Some(Part::Rows(rest)));
                    }
                }
                Some(Part::End(end)) => {
                    if self.left > 0 {
                        return Err(changed());
                    }
                    self.compare(prefix)?;
                    return Ok(Some(Part::End(end)));
                }
                None => return Ok(None),
            }
        }
    }
}

impl Skipping {
    /// What of a batch was not read yet; `None`: all of it was, and more is to come.
    fn skip(&mut self, batch: RowBatch) -> Result<Option<RowBatch>, ErrorBody> {
        let length = batch.bytes.len() as u64;
        if length < self.left {
            self.seen.update(&batch.bytes);
            self.left -= length;
            return Ok(None);
        }
        let at = usize::try_from(self.left).map_err(|_| changed())?;
        // The rows that were read end where rows end here, too, or they are others.
        let (mut end, mut rows) = (0, 0);
        while end < at {
            let length = batch.bytes.get(end..end + 4).ok_or_else(changed)?;
            end += 4 + u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
            rows += 1;
        }
        if end != at {
            return Err(changed());
        }
        self.seen.update(&batch.bytes[..at]);
        self.left = 0;
        Ok(Some(RowBatch { bytes: batch.bytes.slice(at..), count: batch.count - rows }))
    }

    fn compare(&mut self, prefix: Prefix) -> Result<(), ErrorBody> {
        self.prefix = None;
        let seen: [u8; 32] = std::mem::take(&mut self.seen).finalize().into();
        if seen == prefix.digest { Ok(()) } else { Err(changed()) }
    }
}

fn changed() -> ErrorBody {
    let mut error = ErrorBody::new(
        Code::Exhausted,
        "the rows were read much more slowly than by others who share this statement's execution, and they have changed \
         meanwhile; run the statement again, with share 'off' if it is read slowly",
    );
    // The application has seen rows.
    error.retryable = false;
    error
}
