//! A session: statements in order, settings, transactions; it moves to another connection when its own goes away.

mod known;
mod run;

use std::sync::Arc;

use parking_lot::Mutex;
use vitrail_proto::error::Code;
use vitrail_proto::message::{BeginOptions, Op, Reply, Request, SessionState};
use vitrail_proto::target::Target;

use crate::batch::Batch;
use crate::column::{Column, Columns};
use crate::connection::{Canceller, Connection, Pending, SessionCount};
use crate::error::Error;
use crate::outcome::Outcome;
use crate::params::IntoParams;
use crate::pool::SharedPool;
use crate::query::{Query, millis};
use crate::row::{FromCell, Row};
use crate::rows::Rows;
use crate::transaction::Transaction;
use known::Known;
pub(crate) use run::Retry;

/// Parameters and columns of a statement that was not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// How many parameters it has.
    pub parameters: u32,
    /// The columns of its rows; none for a statement without rows.
    pub columns: Vec<Column>,
}

/// A session at a gate. Making one costs nothing: it opens with its first statement, in the same write.
///
/// Outside a transaction, and unless something pins it to one MySQL connection (temporary tables, user variables, locks), a session outlives its
/// connection and its gate: the client opens it elsewhere with the settings that it had.
pub struct Session {
    pool: SharedPool,
    /// Where it lives at present; `None`: not opened yet, or to be opened elsewhere.
    home: Option<Home>,
    /// What the server has told of its state.
    known: Arc<Known>,
    /// How it began.
    opened_with: SessionState,
    /// The latest statement, for [`CancelHandle`].
    current: Arc<Mutex<Option<Canceller>>>,
    /// Every request asks how it runs.
    facts: bool,
}

/// A session's place on a connection.
struct Home {
    connection: Connection,
    id: u64,
    /// The `open` that nobody has looked at yet.
    opening: Option<Pending>,
    _count: SessionCount,
}

impl Session {
    pub(crate) fn new(pool: SharedPool, state: SessionState) -> Session {
        Session {
            pool,
            home: None,
            known: Arc::new(Known::new(state.clone())),
            opened_with: state,
            current: Arc::default(),
            facts: false,
        }
    }

    /// Runs a statement and returns its rows once the first have arrived. The session is borrowed until they are gone.
    pub async fn query(&mut self, query: impl Into<Query>, params: impl IntoParams) -> Result<Rows<'_>, Error> {
        let mut request = query.into().into_request(Op::Execute, params.into_params(), self.pool.config.query_timeout);
        let held = request.sql.as_deref().and_then(|sql| self.pool.fields.get(sql));
        request.fields_hash = held.as_ref().map(|fields| fields.hash);
        let (pending, first) = self.run(&mut request).await?;
        Rows::new(pending, first, request, held, &self.pool.fields)
    }

    /// Runs a statement and says what it did; its rows, if any, are dropped.
    pub async fn execute(&mut self, query: impl Into<Query>, params: impl IntoParams) -> Result<Outcome, Error> {
        self.query(query, params).await?.finish().await
    }

    /// All rows, held in memory.
    pub async fn query_all(&mut self, query: impl Into<Query>, params: impl IntoParams) -> Result<Vec<Row>, Error> {
        self.query(query, params).await?.collect().await
    }

    /// The one row; an error if there is none or more than one.
    pub async fn query_one(&mut self, query: impl Into<Query>, params: impl IntoParams) -> Result<Row, Error> {
        let row = self.query_optional(query, params).await?;
        row.ok_or_else(|| Error::row_count("one row was asked for, the statement returned none"))
    }

    /// The one row or none; an error if there is more than one.
    pub async fn query_optional(
        &mut self,
        query: impl Into<Query>,
        params: impl IntoParams,
    ) -> Result<Option<Row>, Error> {
        let mut rows = self.query(query, params).await?;
        let row = rows.next().await?;
        if row.is_some() && rows.next().await?.is_some() {
            return Err(Error::row_count("one row was asked for, the statement returned more"));
        }
        Ok(row)
    }

    /// The first cell of the one row.
    pub async fn query_scalar<T>(&mut self, query: impl Into<Query>, params: impl IntoParams) -> Result<T, Error>
    where
        T: for<'cell> FromCell<'cell>,
    {
        self.query_one(query, params).await?.get(0)
    }

    /// Runs several statements in one request; the first failure ends it, [`vitrail_proto::error::ErrorBody::item`] says which.
    pub async fn batch(&mut self, batch: Batch) -> Result<Vec<Outcome>, Error> {
        let mut request = Request::new(Op::Batch);
        request.items = batch.items;
        request.atomic = batch.atomic;
        request.facts = batch.facts;
        request.deadline_ms = self.pool.config.query_timeout.map(millis);
        if request.items.is_empty() {
            return Ok(Vec::new());
        }
        let (mut pending, first) = self.run(&mut request).await?;
        let mut outcomes = Vec::new();
        let mut next = Some(first);
        while let Some(reply) = next {
            outcomes.extend(reply.end.map(|end| Outcome::from(*end)));
            next = pending.next().await?;
        }
        Ok(outcomes)
    }

    /// Runs one statement once per set of parameters, in one request.
    pub async fn execute_many<P: IntoParams>(
        &mut self,
        sql: impl Into<String>,
        params: impl IntoIterator<Item = P>,
    ) -> Result<Vec<Outcome>, Error> {
        let mut sql = Some(sql.into());
        let mut batch = Batch::new();
        for params in params {
            batch = match sql.take() {
                Some(sql) => batch.add(sql, params),
                None => batch.again(params),
            };
        }
        self.batch(batch).await
    }

    /// Parameters and columns of a statement, which is not run.
    pub async fn describe(&mut self, query: impl Into<Query>) -> Result<Description, Error> {
        let request = query.into().into_request(Op::Describe, ().into_params(), self.pool.config.query_timeout);
        let reply = self.run_single(request).await?;
        let columns = match &reply.fields {
            Some(fields) => Columns::decode(fields)?.as_slice().to_vec(),
            None => Vec::new(),
        };
        Ok(Description { parameters: reply.parameters.unwrap_or(0), columns })
    }

    /// Begins a transaction. It rolls back when dropped before its commit.
    pub async fn begin(&mut self) -> Result<Transaction<'_>, Error> {
        self.begin_with(BeginOptions::default()).await
    }

    /// Begins a transaction with options.
    pub async fn begin_with(&mut self, options: BeginOptions) -> Result<Transaction<'_>, Error> {
        self.begin_plain(options).await?;
        Ok(Transaction::borrowed(self))
    }

    /// Changes where later statements go, as `USE` does. Outside a transaction.
    pub async fn set_target(&mut self, target: Target) -> Result<(), Error> {
        if self.is_in_transaction() {
            return Err(Error::invalid("the target cannot change inside a transaction; commit or roll back first"));
        }
        self.known.set_target(target);
        self.leave();
        Ok(())
    }

    /// Whether every statement from now on asks how it runs, COMMIT too: [`Outcome::ran`].
    pub fn ask_facts(&mut self, ask: bool) {
        self.facts = ask;
    }

    /// Where statements go.
    pub fn target(&self) -> Option<Target> {
        self.known.state().target
    }

    /// The settings that the session has by now; [`crate::Client::session_with`] takes them.
    pub fn state(&self) -> SessionState {
        self.known.state()
    }

    /// Inside a transaction, as far as the server has told.
    pub fn is_in_transaction(&self) -> bool {
        self.known.in_transaction()
    }

    /// Pinned to one MySQL connection, as far as the server has told.
    pub fn is_pinned(&self) -> bool {
        self.known.is_pinned()
    }

    /// Takes the session back to how it was opened: rolls back, forgets settings, user variables, temporary tables and locks.
    pub async fn reset(&mut self) -> Result<(), Error> {
        let usable = self.home.as_ref().is_some_and(|home| !home.connection.is_closed());
        if !usable {
            self.home = None;
            self.renew();
            return Ok(());
        }
        self.known.forget_loss();
        let mut request = Request::new(Op::Reset);
        request.deadline_ms = self.pool.config.query_timeout.map(millis);
        self.run_single(request).await?;
        self.known.restore(self.opened_with.clone());
        Ok(())
    }

    /// Stops whatever statement of this session runs at the time, from another task.
    pub fn cancel_handle(&self) -> CancelHandle {
        CancelHandle { current: self.current.clone() }
    }

    /// Ends the session and waits for it, for the query timeout at most. Dropping does the same without waiting.
    pub async fn close(mut self) -> Result<(), Error> {
        let Some(home) = self.home.take() else { return Ok(()) };
        // No deadline goes with it: a session must not stay because its end came late.
        let mut close = Request::new(Op::Close);
        close.session = Some(home.id);
        let mut closing = home.connection.request(&close);
        let Some(limit) = self.pool.config.query_timeout else { return closing.last().await.map(drop) };
        match tokio::time::timeout(limit, closing.first()).await {
            Ok(closed) => closed.map(drop),
            Err(_) => {
                closing.detach();
                Err(Error::local(Code::Deadline, "the server did not say in time that the session has ended"))
            }
        }
    }

    pub(crate) async fn begin_plain(&mut self, options: BeginOptions) -> Result<(), Error> {
        self.known.forget_lost_transaction();
        let mut request = Request::new(Op::Begin);
        request.begin = Some(options);
        request.deadline_ms = self.pool.config.query_timeout.map(millis);
        self.run_single(request).await.map(drop)
    }

    pub(crate) async fn commit_plain(&mut self) -> Result<Outcome, Error> {
        let mut request = Request::new(Op::Commit);
        request.deadline_ms = self.pool.config.query_timeout.map(millis);
        let reply = self.run_single(request).await?;
        Ok(Outcome::from(*reply.end.unwrap_or_default()))
    }

    pub(crate) async fn rollback_plain(&mut self) -> Result<(), Error> {
        if self.known.forget_lost_transaction() {
            return Ok(());
        }
        let mut request = Request::new(Op::Rollback);
        request.deadline_ms = self.pool.config.query_timeout.map(millis);
        self.run_single(request).await.map(drop)
    }

    /// Rolls back with nobody waiting; the session's next statement runs after it.
    pub(crate) fn rollback_detached(&mut self) {
        if self.known.forget_lost_transaction() {
            return;
        }
        let Some(home) = &self.home else { return };
        let mut rollback = Request::new(Op::Rollback);
        rollback.session = Some(home.id);
        let observer = Some(self.known.clone() as Arc<dyn crate::connection::Observer>);
        let [pending] = home.connection.requests([(&rollback, observer)]);
        pending.detach();
        self.known.left_transaction();
    }

    async fn run_single(&mut self, mut request: Request) -> Result<Reply, Error> {
        let (mut pending, mut last) = self.run(&mut request).await?;
        while let Some(reply) = pending.next().await? {
            last = reply;
        }
        Ok(last)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.leave();
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.home.as_ref().map(|home| home.id))
            .field("known", &self.known)
            .finish_non_exhaustive()
    }
}

/// Stops the running statement of a session, from any task.
#[derive(Debug, Clone)]
pub struct CancelHandle {
    current: Arc<Mutex<Option<Canceller>>>,
}

impl CancelHandle {
    /// Asks the server to stop the statement that runs; nothing happens if none does.
    pub fn cancel(&self) {
        if let Some(canceller) = &*self.current.lock() {
            canceller.cancel();
        }
    }
}
