//! A statement in a transaction: the session's, or one that is made for it.

use std::sync::Arc;
use std::time::Duration;

use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::{BeginOptions, ResultEnd};
use vitrail_service::call::{ConnectionId, On};

use super::work::Work;
use crate::answer::Answer;
use crate::scatter::{self, Calls};
use crate::transaction::{Guard, Participant, Transaction, loses_transaction};
use crate::{facts, failure};

/// A failure inside a transaction.
pub(super) struct Failure {
    pub(super) body: ErrorBody,
    /// The transaction is lost with it.
    pub(super) loses: bool,
}

impl From<ErrorBody> for Failure {
    fn from(body: ErrorBody) -> Failure {
        Failure { body, loses: false }
    }
}

impl Work<'_> {
    /// In a transaction of its own.
    pub(super) async fn in_implicit_transaction(
        &self,
        options: BeginOptions,
        answer: &mut Answer<'_>,
    ) -> Result<Box<ResultEnd>, ErrorBody> {
        let calling = self.calling;
        let mut transaction = Transaction::new(options);
        match self.in_transaction(&mut transaction, answer).await {
            Ok(end) => {
                let committed = transaction.commit(calling).await?;
                let mut end = Box::new(ResultEnd { position: committed.position, ..*end });
                facts::and_also(&mut end.ran, Duration::ZERO, committed.ran.map_or(0, |ran| ran.mysql_us));
                Ok(end)
            }
            Err(error) => {
                transaction.rollback(calling).await;
                Err(failure::undone(error.body))
            }
        }
    }

    /// In the session's transaction. A write over several shards that fails leaves no trace in it.
    pub(super) async fn in_transaction(
        &self,
        transaction: &mut Transaction,
        answer: &mut Answer<'_>,
    ) -> Result<Box<ResultEnd>, Failure> {
        let names: Vec<Arc<str>> = self
            .resolved
            .statements
            .iter()
            .map(|statement| Arc::clone(&self.keyspace.shards[statement.shard].name))
            .collect();
        transaction.admit(&self.keyspace.name, names.iter().map(|name| &**name))?;
        let atomic = self.writes_several();
        if atomic {
            transaction.guard(Guard::Statement, &self.keyspace.name, &names, self.calling).await.map_err(lost)?;
        }
        let mut fresh: Vec<Arc<str>> = Vec::new();
        let done = self.join_and_run(transaction, &mut fresh, answer).await;
        match done {
            Err(error) if atomic && !error.loses => {
                transaction
                    .undo(Guard::Statement, &self.keyspace.name, &names, &fresh, self.calling)
                    .await
                    .map_err(lost)?;
                Err(Failure { body: failure::undone(error.body), loses: false })
            }
            // What a shard did that was lost while it joined is gone with its connection.
            Err(error) if !error.loses && error.body.code == Code::OutcomeUnknown => {
                Err(Failure { body: failure::undone(error.body), loses: false })
            }
            done => done,
        }
    }

    /// Shards that have not joined do so; `fresh` gets their names.
    async fn join_and_run(
        &self,
        transaction: &mut Transaction,
        fresh: &mut Vec<Arc<str>>,
        answer: &mut Answer<'_>,
    ) -> Result<Box<ResultEnd>, Failure> {
        let first = transaction.is_empty();
        let mut joined: Vec<Option<ConnectionId>> = Vec::with_capacity(self.resolved.statements.len());
        for statement in &self.resolved.statements {
            let shard = &self.keyspace.shards[statement.shard];
            let mut connection = transaction.connection(&self.keyspace.name, &shard.name);
            if connection.is_none() {
                let begin = self.begin(transaction, statement.shard);
                connection = transaction.join_savepoints(&shard.service, begin.clone(), self.calling).await?;
                if let (None, On::Connection(own)) = (connection, begin) {
                    connection = Some(own);
                }
                if let Some(connection) = connection {
                    fresh.push(Arc::clone(&shard.name));
                    transaction.join(self.participant(statement.shard, connection));
                }
            }
            joined.push(connection);
        }
        let tasks = self.tasks(first, |index| {
            let shard = self.resolved.statements[index].shard;
            joined[index].map_or_else(|| self.begin(transaction, shard), On::Connection)
        });
        let calls = Calls::of(self.calling.cancel, &tasks);
        let (mut lanes, mut errors, mut loses) = (Vec::with_capacity(tasks.len()), Vec::new(), false);
        for (index, started) in scatter::start(tasks, &calls).await.into_iter().enumerate() {
            match started {
                Ok(started) => {
                    let shard = self.resolved.statements[index].shard;
                    let taken = started.connection.or_else(|| self.pin(shard).map(|pin| pin.connection));
                    if let (None, Some(connection)) = (joined[index], taken) {
                        fresh.push(Arc::clone(&self.keyspace.shards[shard].name));
                        transaction.join(self.participant(shard, connection));
                    }
                    lanes.push(started.lane);
                }
                Err(error) => {
                    // A shard that could not begin has not joined; only a deadlock means more.
                    loses |= loses_transaction(&error) && (joined[index].is_some() || error.code == Code::Conflict);
                    errors.push(error);
                }
            }
        }
        let began = errors.is_empty();
        self.conduct(lanes, errors, &calls, true, answer).await.map_err(|body| {
            let loses = loses || began && loses_transaction(&body);
            Failure { body, loses }
        })
    }

    fn participant(&self, shard: usize, connection: ConnectionId) -> Participant {
        let pinned = self.pin(shard).is_some_and(|pin| pin.connection == connection);
        Participant::new(self.keyspace, shard, connection, pinned)
    }

    /// Where a shard that has not joined begins the transaction.
    fn begin(&self, transaction: &Transaction, shard: usize) -> On {
        match self.pin(shard) {
            // BEGIN would end LOCK TABLES; with autocommit off, MySQL begins by itself.
            Some(pin) if pin.autocommit_off => On::Connection(pin.connection),
            Some(pin) => On::BeginOn(pin.connection, transaction.options.clone()),
            None => On::Begin(transaction.options.clone()),
        }
    }
}

fn lost(body: ErrorBody) -> Failure {
    Failure { body, loses: true }
}
