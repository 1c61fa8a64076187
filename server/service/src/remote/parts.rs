//! The parts of a remote execution.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use vitrail_client::connection::Pending;
use vitrail_proto::message::{Ran, Reply};

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
    /// What the taking of the connection cost, which is part of how the statement ran.
    before: Option<Ran>,
    _call: CallGuard,
}

impl RemoteParts {
    pub(super) fn new(
        inner: Arc<Inner>,
        pending: Pending,
        first: Reply,
        call: CallGuard,
        reserved: Option<bool>,
        before: Option<Ran>,
    ) -> RemoteParts {
        let mut parts =
            RemoteParts { inner, pending, parts: VecDeque::with_capacity(3), reserved, before, _call: call };
        parts.take(first);
        parts
    }

    fn take(&mut self, reply: Reply) {
        self.parts.extend(reply.fields.map(Part::Fields));
        self.parts.extend(reply.rows.map(Part::Rows));
        self.parts.extend(reply.end.map(|mut end| {
            if let (Some(ran), Some(before)) = (&mut end.ran, &self.before) {
                ran.wait_us = ran.wait_us.saturating_add(before.wait_us);
                ran.mysql_us = ran.mysql_us.saturating_add(before.mysql_us);
            }
            Part::End(end)
        }));
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
