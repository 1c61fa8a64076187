//! One connection to the scratch server, as one statement uses it.

use std::pin::pin;
use std::sync::Arc;

use vitrail_planner::plan::Fragment;
use vitrail_proto::error::{Code, ErrorBody, Executed};
use vitrail_proto::message::{Ran, ResultEnd};
use vitrail_service::QueryService;
use vitrail_service::call::{Call, ConnectionId, On, Statement};
use vitrail_service::execution::Part;

use crate::calling::{Calling, statement};
use crate::failure;
use crate::scatter::{self, Calls, Lane, Started, Task};

/// MySQL's error for a database that is not there.
const NO_DATABASE: u16 = 1049;

/// A connection that is reserved with its first statement.
pub(super) struct Connection<'a> {
    service: Arc<dyn QueryService>,
    reserved: Option<ConnectionId>,
    /// Under settings in which values are stored as they come.
    loading: &'a Calling<'a>,
    pub(super) ran: Option<Ran>,
}

impl<'a> Connection<'a> {
    pub(super) fn new(service: &Arc<dyn QueryService>, loading: &'a Calling<'a>) -> Connection<'a> {
        Connection { service: Arc::clone(service), reserved: None, loading, ran: None }
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
        let calling = self.loading;
        let task = self.task(calling.call(None), statement(database, true), On::Pool);
        let calls = Calls::of(calling.cancel, std::slice::from_ref(&task));
        calls.guard(pin!(scatter::run_one(task))).await.map_err(|error| not_loaded(fragment, error))?;
        self.run(create).await.map(|_| ()).map_err(|error| not_loaded(fragment, error))
    }

    /// Runs a statement that has no rows. Gives the number of its warnings.
    pub(super) async fn run(&mut self, sql: impl Into<Arc<str>>) -> Result<u32, ErrorBody> {
        let calling = self.loading;
        let (mut lane, calls) = self.start(calling.call(None), statement(sql, true), calling).await?;
        Ok(calls.guard(pin!(lane.finish())).await?.warnings)
    }

    /// Runs a statement whose rows have one column; gives it of each row.
    pub(super) async fn column(&mut self, sql: String) -> Result<Vec<Option<Vec<u8>>>, ErrorBody> {
        let calling = self.loading;
        let (mut lane, calls) = self.start(calling.call(None), statement(sql, false), calling).await?;
        let mut cells = Vec::new();
        while let Some(part) = calls.guard(pin!(lane.next())).await? {
            if let Part::Rows(batch) = part {
                for row in batch.rows().flatten() {
                    cells.extend(row.cells().flatten().map(|cell| cell.map(<[u8]>::to_vec)));
                }
            }
        }
        Ok(cells)
    }

    /// Starts a statement. It has to be pulled to its end before the next one.
    pub(super) async fn start<'c>(
        &mut self,
        call: Call,
        statement: Statement,
        calling: &Calling<'c>,
    ) -> Result<(Lane, Calls<'c>), ErrorBody> {
        let on = self.reserved.map_or(On::Reserve, On::Connection);
        let task = self.task(call, statement, on);
        let calls = Calls::of(calling.cancel, std::slice::from_ref(&task));
        let Started { connection, lane } = scatter::start_alone(task, &calls).await.map_err(of_scratch)?;
        self.reserved = self.reserved.or(connection);
        Ok((lane, calls))
    }

    /// Gives the connection back: nothing of the statement stays there.
    pub(super) async fn release(mut self) {
        if let Some(connection) = self.reserved.take() {
            self.service.release(connection).await;
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
