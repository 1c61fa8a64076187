//! Statements on their way to the scratch server: it makes tables and takes rows, one statement after the other, while shards are still read.

use tokio::sync::mpsc;
use vitrail_planner::plan::Fragment;
use vitrail_proto::error::ErrorBody;

use super::server::Connection;
use crate::failure;

/// Statements that wait there, at most; each is of some 256 KiB.
const AHEAD: usize = 2;

/// Takes statements, in order.
pub(super) struct Feed(mpsc::Sender<Step>);

/// Where they come out.
pub(super) struct Steps(mpsc::Receiver<Step>);

/// A statement that fills a fragment's table.
pub(super) struct Step {
    /// The fragment's number.
    pub(super) fragment: usize,
    pub(super) sql: String,
}

impl Feed {
    pub(super) fn new() -> (Feed, Steps) {
        let (sender, receiver) = mpsc::channel(AHEAD);
        (Feed(sender), Steps(receiver))
    }

    /// Hands a statement over; waits if others do.
    ///
    /// # Errors
    /// The scratch server takes no more, because one of them has failed. What failed there is told by [`Steps::run`].
    pub(super) async fn send(&self, step: Step) -> Result<(), ErrorBody> {
        self.0.send(step).await.map_err(|_| failure::internal("the scratch server takes no more statements"))?;
        // It goes out before the shards are asked for more.
        tokio::task::yield_now().await;
        Ok(())
    }
}

impl Steps {
    /// Makes the fragments' tables, of these bodies, and then runs the statements as they come.
    pub(super) async fn run(
        mut self,
        connection: &mut Connection<'_>,
        fragments: &[Fragment],
        bodies: impl Iterator<Item = String>,
    ) -> Result<(), ErrorBody> {
        for (fragment, body) in fragments.iter().zip(bodies) {
            connection.create(fragment, &body).await?;
        }
        while let Some(step) = self.0.recv().await {
            connection.fill(&fragments[step.fragment], step.sql).await?;
        }
        Ok(())
    }
}
