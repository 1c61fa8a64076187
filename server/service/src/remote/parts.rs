//! The parts of a remote execution.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use vitrail_client::connection::Pending;
use vitrail_proto::message::Reply;

use super::{CallGuard, Inner};
use crate::Result;
use crate::execution::{Part, PartStream};

/// Pulls replies and hands out what they hold, in order. Credit follows the pulling.
pub(super) struct RemoteParts {
    inner: Arc<Inner>,
    pending: Pending,
    parts: VecDeque<Part>,
    /// Runs on a held connection, which was begun (false) or reserved (true).
    reserved: Option<bool>,
    _call: CallGuard,
}

impl RemoteParts {
    pub(super) fn new(
        inner: Arc<Inner>,
        pending: Pending,
        first: Reply,
        call: CallGuard,
        reserved: Option<bool>,
    ) -> RemoteParts {
        let mut parts = RemoteParts { inner, pending, parts: VecDeque::with_capacity(3), reserved, _call: call };
        parts.take(first);
        parts
    }

    fn take(&mut self, reply: Reply) {
        self.parts.extend(reply.fields.map(Part::Fields));
        self.parts.extend(reply.rows.map(Part::Rows));
        self.parts.extend(reply.end.map(|end| Part::End(Box::new(end))));
    }
}

#[async_trait]
impl PartStream for RemoteParts {
    async fn next(&mut self) -> Result<Option<Part>> {
        loop {
            if let Some(part) = self.parts.pop_front() {
                return Ok(Some(part));
            }
            match self.pending.next().await {
                Ok(Some(reply)) => self.take(reply),
                Ok(None) => return Ok(None),
                Err(error) => {
                    return Err(match self.reserved {
                        Some(reserved) => self.inner.lost_or(error, reserved),
                        None => self.inner.error(error),
                    });
                }
            }
        }
    }
}
