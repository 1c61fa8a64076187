//! One connection to the scratch server, as one statement uses it.

use std::pin::pin;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use vitrail_planner::plan::Fragment;
use vitrail_proto::error::{Code, ErrorBody, Executed};
use vitrail_proto::message::ResultEnd;
use vitrail_service::QueryService;
use vitrail_service::call::{Call, ConnectionId, On, Statement};

use crate::calling::{Calling, statement};
use crate::failure;
use crate::scatter::{self, Calls, Lane, Started, Task};

/// MySQL's error for a database that is not there.
const NO_DATABASE: u16 = 1049;

/// MySQL's error for a row whose unique key another one has.
const DUPLICATE: u16 = 1062;

/// A connection that is reserved with its first statement.
pub(super) struct Connection<'a> {
    service: Arc<dyn QueryService>,
    reserved: Option<ConnectionId>,
    /// Under settings in which values are stored as they come.
    loading: Calling<'a>,
}

impl<'a> Connection<'a> {
    pub(super) fn new(service: &Arc<dyn QueryService>, loading: Calling<'a>) -> Connection<'a> {
        Connection { service: Arc::clone(service), reserved: None, loading }
    }

    /// Makes an empty temporary table for a fragment.
    pub(super) async fn create(&mut self, fragment: &Fragment, body: &str) -> Result<(), ErrorBody> {
        let create = format!("CREATE TEMPORARY TABLE {} {body}", fragment.qualified());
        match self.run(create.clone()).await {
            Err(error) if error.errno == NO_DATABASE => {}
            done => return done.map(|_| ()).map_err(|error| not_loaded(fragment, error)),
        }
        // Named after the keyspace; it stays, and stays empty.
        let database = format!("CREATE DATABASE IF NOT EXISTS `{}`", fragment.keyspace.replace('`', "``"));
        let task = self.task(self.loading.call(None), statement(database, true), On::Pool);
        let calls = Calls::of(self.loading.cancel, std::slice::from_ref(&task));
        calls.guard(pin!(scatter::run_one(task))).await.map_err(|error| not_loaded(fragment, error))?;
        self.run(create).await.map(|_| ()).map_err(|error| not_loaded(fragment, error))
    }

    /// Runs a statement that has no rows. Gives the number of its warnings.
    pub(super) async fn run(&mut self, sql: impl Into<Arc<str>>) -> Result<u32, ErrorBody> {
        let statement = statement(sql, true);
        let (mut lane, calls) = self.start(self.loading.call(None), statement, self.loading.cancel).await?;
        Ok(calls.guard(pin!(lane.finish())).await?.warnings)
    }

    /// Starts a statement under the settings in which values are stored, and read, as they are.
    pub(super) async fn start_plain(&mut self, statement: Statement) -> Result<(Lane, Calls<'a>), ErrorBody> {
        self.start(self.loading.call(None), statement, self.loading.cancel).await
    }

    /// Runs a statement that puts rows into a fragment's table.
    pub(super) async fn fill(&mut self, fragment: &Fragment, sql: String) -> Result<(), ErrorBody> {
        let warnings = self.run(sql).await.map_err(|error| match error.errno {
            DUPLICATE => failure::unsupported(format!(
                "rows of `{}` on different shards have the same unique key ({}): one MySQL could not hold them, so there is no answer that is \
                 right",
                fragment.table, error.message
            )),
            _ => error,
        })?;
        // A value is not stored as it was: the table has other types than the gate knows.
        if warnings > 0 { Err(failure::outdated(&fragment.keyspace)) } else { Ok(()) }
    }

    /// Starts a statement. It has to be pulled to its end before the next one.
    pub(super) async fn start<'c>(
        &mut self,
        call: Call,
        statement: Statement,
        cancel: &'c CancellationToken,
    ) -> Result<(Lane, Calls<'c>), ErrorBody> {
        let on = self.reserved.map_or(On::Reserve, On::Connection);
        let task = self.task(call, statement, on);
        let calls = Calls::of(cancel, std::slice::from_ref(&task));
        let Started { connection, lane } = scatter::start_alone(task, &calls).await.map_err(of_scratch)?;
        self.reserved = self.reserved.or(connection);
        Ok((lane, calls))
    }

    /// Gives the connection back, where nothing of the statement stays. Nobody waits for that; `held` is held until it is done.
    pub(super) fn release(mut self, held: impl Send + 'static) {
        if let Some(connection) = self.reserved.take() {
            let service = Arc::clone(&self.service);
            tokio::spawn(async move {
                service.release(connection).await;
                drop(held);
            });
        }
    }

    fn task(&self, call: Call, statement: Statement, on: On) -> Task {
        Task { service: Arc::clone(&self.service), shard: Arc::default(), call, statement, on }
    }
}

/// The scratch server is no part of the client's session: what is lost there is not the session's.
pub(super) fn of_scratch(error: ErrorBody) -> ErrorBody {
    if !matches!(error.code, Code::SessionLost | Code::TxLost) {
        return error;
    }
    let message = format!(
        "the scratch server was lost while the statement ran there, and the data is as it was: {}",
        error.message
    );
    ErrorBody { retryable: true, ..ErrorBody::new(Code::Unavailable, message) }.with_executed(Executed::No)
}

fn not_loaded(fragment: &Fragment, error: ErrorBody) -> ErrorBody {
    if matches!(error.code, Code::Cancelled | Code::Deadline | Code::Unavailable | Code::Exhausted) {
        return error;
    }
    let message = format!("rows of `{}` could not be put on the scratch server: {}", fragment.table, error.message);
    match error.code {
        Code::Unsupported => failure::unsupported(message),
        _ => ErrorBody { message, ..error },
    }
}

/// The end of a statement, without what it says of the scratch server.
pub(super) fn without_place(end: ResultEnd) -> ResultEnd {
    ResultEnd { pinned: false, position: None, ..end }
}
