//! The client: a cheap handle to a pool of connections, from which sessions and stateless statements start.

use std::sync::Arc;

use vitrail_proto::message::{BeginOptions, Op, Reply, Request, ServerHello, SessionState};

use crate::config::ClientConfig;
use crate::connection::Pending;
use crate::error::Error;
use crate::outcome::Outcome;
use crate::params::IntoParams;
use crate::pool::{Pool, SharedPool};
use crate::query::Query;
use crate::row::{FromCell, Row};
use crate::rows::Rows;
use crate::session::{Retry, Session};
use crate::transaction::Transaction;

/// A client of one cluster. Clones share its connections.
///
/// Statements run on it directly have no session: each may go over another connection, in autocommit, and nothing that one
/// sets is seen by the next. Use a [`Session`] for settings, order and transactions.
#[derive(Debug, Clone)]
pub struct Client {
    pool: SharedPool,
}

impl Client {
    /// Connects to what a URL names: `vitrail://user:password@host:15300/keyspace`. Fails if no host can be reached or the
    /// credentials are wrong.
    pub async fn connect(url: &str) -> Result<Client, Error> {
        Client::connect_with(ClientConfig::from_url(url)?).await
    }

    /// Connects with a configuration.
    pub async fn connect_with(config: ClientConfig) -> Result<Client, Error> {
        let client = Client::lazy(config)?;
        client.pool.fill().await?;
        Ok(client)
    }

    /// Connects with the first statement instead of now.
    pub fn lazy(config: ClientConfig) -> Result<Client, Error> {
        Ok(Client { pool: Arc::new(Pool::new(config)?) })
    }

    /// A session with the target of the URL. Costs nothing until its first statement.
    pub fn session(&self) -> Session {
        self.session_with(SessionState { target: self.pool.config.target.clone(), ..SessionState::default() })
    }

    /// A session with settings of its own, or with those of an earlier one.
    pub fn session_with(&self, state: SessionState) -> Session {
        Session::new(self.pool.clone(), state)
    }

    /// Begins a transaction in a session of its own.
    pub async fn begin(&self) -> Result<Transaction<'static>, Error> {
        self.begin_with(BeginOptions::default()).await
    }

    /// Begins a transaction with options, in a session of its own.
    pub async fn begin_with(&self, options: BeginOptions) -> Result<Transaction<'static>, Error> {
        let mut session = self.session();
        session.begin_plain(options).await?;
        Ok(Transaction::owned(session))
    }

    /// Runs a statement without a session and returns its rows once the first have arrived.
    pub async fn query(&self, query: impl Into<Query>, params: impl IntoParams) -> Result<Rows<'static>, Error> {
        let mut request = query.into().into_request(Op::Execute, params.into_params(), self.pool.config.query_timeout);
        if request.target.is_none() {
            request.target.clone_from(&self.pool.config.target);
        }
        let held = request.sql.as_deref().and_then(|sql| self.pool.fields.get(sql));
        request.fields_hash = held.as_ref().map(|fields| fields.hash);
        let (pending, first) = self.run(&mut request).await?;
        Rows::new(pending, first, request, held, &self.pool.fields)
    }

    /// Runs a statement without a session and says what it did.
    pub async fn execute(&self, query: impl Into<Query>, params: impl IntoParams) -> Result<Outcome, Error> {
        self.query(query, params).await?.finish().await
    }

    /// All rows, held in memory.
    pub async fn query_all(&self, query: impl Into<Query>, params: impl IntoParams) -> Result<Vec<Row>, Error> {
        self.query(query, params).await?.collect().await
    }

    /// The one row; an error if there is none or more than one.
    pub async fn query_one(&self, query: impl Into<Query>, params: impl IntoParams) -> Result<Row, Error> {
        let row = self.query_optional(query, params).await?;
        row.ok_or_else(|| Error::row_count("one row was asked for, the statement returned none"))
    }

    /// The one row or none; an error if there is more than one.
    pub async fn query_optional(&self, query: impl Into<Query>, params: impl IntoParams) -> Result<Option<Row>, Error> {
        let mut rows = self.query(query, params).await?;
        let row = rows.next().await?;
        if row.is_some() && rows.next().await?.is_some() {
            return Err(Error::row_count("one row was asked for, the statement returned more"));
        }
        Ok(row)
    }

    /// The first cell of the one row.
    pub async fn query_scalar<T>(&self, query: impl Into<Query>, params: impl IntoParams) -> Result<T, Error>
    where
        T: for<'cell> FromCell<'cell>,
    {
        self.query_one(query, params).await?.get(0)
    }

    /// What the server said of itself when it was connected to.
    pub async fn server(&self) -> Result<ServerHello, Error> {
        Ok(self.pool.acquire().await?.hello().clone())
    }

    /// Whether a connection to the server goes over TLS.
    pub async fn is_encrypted(&self) -> Result<bool, Error> {
        Ok(self.pool.acquire().await?.is_encrypted())
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.pool.connections()
    }

    /// The configuration that it was made from.
    pub fn config(&self) -> &ClientConfig {
        &self.pool.config
    }

    /// Closes all connections; what runs on them fails.
    pub fn close(&self) {
        self.pool.close();
    }

    async fn run(&self, request: &mut Request) -> Result<(Pending, Reply), Error> {
        let retry = Retry::new(request, self.pool.config.retries);
        let mut attempt = 0;
        loop {
            let connection = self.pool.acquire().await?;
            let mut pending = connection.request(request);
            let error = match pending.next().await {
                Ok(Some(reply)) => return Ok((pending, reply)),
                Ok(None) => return Err(Error::protocol("a request ended without a reply")),
                Err(error) => error,
            };
            if *error.code() == vitrail_proto::error::Code::Draining {
                connection.mark_draining();
            }
            let moves = connection.is_closed() || connection.is_draining();
            match retry.pause(attempt, &error, false, moves) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(error),
            }
            attempt += 1;
            request.deadline_ms = retry.remaining();
        }
    }
}
