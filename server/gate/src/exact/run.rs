//! One statement from its first fragment to its last row.

use std::sync::Arc;

use vitrail_planner::plan::Resolved;
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::ResultEnd;
use vitrail_proto::value::Binds;

use super::snapshot::Snapshot;
use crate::answer::Answer;
use crate::request::Scope;
use crate::session::Session;
use crate::{facts, failure};

/// A statement on its way.
pub(crate) struct Exacting<'a> {
    pub(crate) scope: &'a Scope<'a>,
    pub(crate) resolved: &'a Resolved,
    /// Also those that only plans use.
    pub(crate) binds: &'a Arc<Binds>,
}

impl Exacting<'_> {
    /// Loads the fragments, runs the statement, and puts its rows into `answer`.
    pub(crate) async fn run(
        &self,
        session: &mut Session,
        answer: &mut Answer<'_>,
    ) -> Result<Box<ResultEnd>, ErrorBody> {
        if self.resolved.writes && self.scope.limits.read_only {
            return Err(failure::read_only());
        }
        let mut stage = self.stage().await?;
        let waited = stage.waited;
        let snapshot = Snapshot::begin(session, stage.reads_often(), self.resolved.writes)?;
        let loaded = stage.load(session, false).await;
        let ask = async {
            let ran = loaded?;
            let mut end = stage.ask(None, self.scope.limits.max_rows, answer).await?;
            facts::and_then(&mut end.ran, ran.as_ref());
            Ok(end)
        };
        // The shards are needed no more.
        let (outcome, ()) = tokio::join!(ask, snapshot.end(session, &self.scope.calling));
        let mut end = stage.leave(outcome)?;
        facts::and_also(&mut end.ran, waited, 0);
        end.in_transaction = session.shows_transaction();
        Ok(end)
    }
}
