//! Statements that the gate answers itself: transactions, SET, USE, SHOW, DDL and EXPLAIN.

mod consolidations;
mod create;
pub(crate) mod ddl;
pub(crate) mod explain;
pub(crate) mod functions;
mod kill;
mod listed;
mod pinned;
pub(crate) mod prepare;
mod queries;
mod schema;
mod sessions;
pub(crate) mod set;
pub(crate) mod show;
mod sql_mode;
mod target;
mod temporary;

use std::sync::Arc;

use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::{BeginOptions, CommitMode, ResultEnd};
use vitrail_proto::value::Binds;
use vitrail_service::call::On;
use vitrail_service::overdue::{GATE_PATIENCE, Overdue};
use vitrail_sql::control::transaction::{self, Chain, Savepoint};
use vitrail_sql::normalise::{Normalised, StatementKind};

use crate::answer::Answer;
use crate::calling::statement;
use crate::failure;
use crate::pins::{Pins, hold};
use crate::request::Scope;
use crate::session::{Session, TransactionState};
use crate::stats::Counters;
use crate::transaction::{Participant, Transaction, lost_by, unknown_savepoint};

/// Answers a statement of these kinds; `None` if the planner decides about it.
pub(crate) async fn answer(
    scope: &Scope<'_>,
    session: &mut Session,
    normalised: &Normalised,
    binds: &Arc<Binds>,
    answer: &mut Answer<'_>,
) -> Option<Result<ResultEnd, ErrorBody>> {
    // What is rare is boxed: it would make the request of every other statement larger.
    Some(match normalised.kind {
        StatementKind::Begin => Box::pin(begin_statement(scope, session, normalised)).await,
        StatementKind::Commit => Box::pin(commit_statement(scope, session, normalised)).await,
        StatementKind::Rollback => Box::pin(rollback_statement(scope, session, normalised)).await,
        StatementKind::Savepoint => Box::pin(savepoint_statement(scope, session, normalised)).await,
        StatementKind::Use => target::run(scope, session, normalised),
        StatementKind::Show => Box::pin(show::run(scope, session, normalised, answer)).await,
        StatementKind::Explain => Box::pin(explain::run(scope, session, normalised, binds, answer)).await,
        StatementKind::Ddl => Box::pin(ddl::run(scope, session, normalised, binds, answer)).await,
        StatementKind::Kill => Box::pin(kill::run(scope, session, normalised, binds)).await,
        StatementKind::Other => match queries::reset(scope, normalised) {
            Some(done) => done,
            None => match Box::pin(schema::refresh(scope, normalised)).await {
                Some(done) => done,
                None if let Some(refusal) = refused_by_name(normalised) => Err(refusal),
                None => return Box::pin(pinned::answer(scope, session, normalised, binds, answer)).await,
            },
        },
        StatementKind::Empty => {
            Err(ErrorBody::new(vitrail_proto::error::Code::Invalid, "the statement is empty").with_errno(1065, "42000"))
        }
        _ => return None,
    })
}

/// Statements that are refused for a reason of their own.
fn refused_by_name(statement: &Normalised) -> Option<ErrorBody> {
    let body = statement.body_text();
    let mut words = body.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let is = |word: &str, known: &str| word.eq_ignore_ascii_case(known);
    if is(first, "SET") && is(second, "STATEMENT") {
        Some(failure::unsupported(
            "SET STATEMENT … FOR is not supported: it would change a shared connection; SET the variables for the session, or bound the statement by /*vitrail statement_timeout=… */",
        ))
    } else if is(first, "GET") {
        Some(failure::unsupported(
            "GET DIAGNOSTICS is not supported; SHOW WARNINGS and SHOW ERRORS tell of the last statement",
        ))
    } else {
        None
    }
}

/// Begins a transaction; one that is open commits first, as in MySQL.
pub(crate) async fn begin(scope: &Scope<'_>, session: &mut Session, options: BeginOptions) -> Result<(), ErrorBody> {
    if options.mode == Some(CommitMode::TwoPc) {
        return Err(failure::unsupported(
            "commit mode 'twopc' is not supported yet; use 'multi', whose commits run one shard after the other",
        ));
    }
    implicit_commit(scope, session).await?;
    hold::unlock_tables(session, &scope.calling).await?;
    let next = session.next.take().map(|next| *next).unwrap_or_default();
    let options = BeginOptions {
        isolation: options.isolation.or(next.isolation),
        read_only: options.read_only.or(next.read_only),
        ..options
    };
    let mut transaction = Transaction::begun(options);
    if transaction.options.snapshot
        && let Err(error) = join_snapshot(scope, &mut transaction, session.pins.as_deref()).await
    {
        transaction.rollback(&scope.calling).await;
        return Err(error);
    }
    session.transaction = TransactionState::Open(Box::new(transaction));
    Ok(())
}

/// Commits. Without a transaction it does nothing; a lost one fails once more, and is over.
pub(crate) async fn commit(scope: &Scope<'_>, session: &mut Session) -> Result<ResultEnd, ErrorBody> {
    if matches!(session.transaction, TransactionState::Lost) {
        session.transaction = TransactionState::None;
        return Err(failure::transaction_lost());
    }
    let Some(transaction) = session.take_transaction() else { return Ok(ResultEnd::default()) };
    let end = transaction.commit(&scope.calling).await?;
    Counters::count(&scope.gate.counters.commits);
    Ok(end)
}

/// Rolls back. Without a transaction it does nothing.
pub(crate) async fn rollback(scope: &Scope<'_>, session: &mut Session) {
    if let Some(transaction) = session.take_transaction() {
        transaction.rollback(&scope.calling).await;
        Counters::count(&scope.gate.counters.rollbacks);
    }
}

/// Commits what is open, before a statement that MySQL commits for. A lost transaction is forgotten: BEGIN takes notice of it.
pub(crate) async fn implicit_commit(scope: &Scope<'_>, session: &mut Session) -> Result<(), ErrorBody> {
    if session.in_transaction() {
        commit(scope, session).await?;
    }
    session.transaction = TransactionState::None;
    Ok(())
}

/// A snapshot is taken when the transaction begins, so that every shard of the target joins at once.
async fn join_snapshot(scope: &Scope<'_>, transaction: &mut Transaction, pins: Option<&Pins>) -> Result<(), ErrorBody> {
    let Some(name) = &scope.target.keyspace else {
        return Err(failure::unsupported(
            "WITH CONSISTENT SNAPSHOT needs a keyspace in the session's target, whose shards it begins on",
        ));
    };
    let keyspace = scope.view.cluster.keyspace(name)?;
    let chosen = match &scope.target.shard {
        Some(shard) => vec![keyspace.shard(shard)?],
        None => (0..keyspace.shards.len()).collect(),
    };
    transaction.admit(name, chosen.iter().map(|index| &*keyspace.shards[*index].name))?;
    for index in chosen {
        let shard = &keyspace.shards[index];
        let own = pins.and_then(|pins| pins.get(&keyspace.name, &shard.name)).map(|pin| pin.connection);
        let on = match own {
            Some(connection) => On::BeginOn(connection, transaction.options.clone()),
            None => On::Begin(transaction.options.clone()),
        };
        let (call, begin) = (scope.calling.call(None), statement("DO 0", true));
        let overdue = Overdue::new(&call, GATE_PATIENCE, &begin, &on);
        let mut execution = overdue.guard(shard.service.execute(call, begin, on)).await?;
        let connection =
            execution.connection.or(own).ok_or_else(|| failure::internal("a transaction without a connection"))?;
        loop {
            match overdue.guard(execution.parts.next()).await {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => {
                    if own.is_none() {
                        shard.service.release(connection).await;
                    }
                    return Err(error);
                }
            }
        }
        transaction.join(Participant::new(keyspace, index, connection, own.is_some()));
    }
    Ok(())
}

async fn begin_statement(
    scope: &Scope<'_>,
    session: &mut Session,
    statement: &Normalised,
) -> Result<ResultEnd, ErrorBody> {
    let options = transaction::begin(statement)?;
    begin(scope, session, options).await?;
    Ok(ResultEnd::default())
}

async fn commit_statement(
    scope: &Scope<'_>,
    session: &mut Session,
    statement: &Normalised,
) -> Result<ResultEnd, ErrorBody> {
    let then = transaction::ending(statement)?;
    let options = chained(session, then);
    let end = commit(scope, session).await?;
    chain(scope, session, options).await?;
    Ok(end)
}

async fn rollback_statement(
    scope: &Scope<'_>,
    session: &mut Session,
    statement: &Normalised,
) -> Result<ResultEnd, ErrorBody> {
    let then = transaction::ending(statement)?;
    let options = chained(session, then);
    rollback(scope, session).await;
    chain(scope, session, options).await?;
    Ok(ResultEnd::default())
}

/// What `AND CHAIN` begins anew with: isolation and access mode of the transaction that ends.
fn chained(session: &Session, then: Chain) -> Option<BeginOptions> {
    match (then, &session.transaction) {
        (Chain::Yes, TransactionState::Open(transaction)) => {
            Some(BeginOptions { snapshot: false, ..transaction.options.clone() })
        }
        (Chain::Yes, _) => Some(BeginOptions::default()),
        (Chain::No, _) => None,
    }
}

async fn chain(scope: &Scope<'_>, session: &mut Session, options: Option<BeginOptions>) -> Result<(), ErrorBody> {
    if let Some(options) = options {
        hold::unlock_tables(session, &scope.calling).await?;
        let transaction = Transaction::begun(options);
        session.transaction = TransactionState::Open(Box::new(transaction));
    }
    Ok(())
}

async fn savepoint_statement(
    scope: &Scope<'_>,
    session: &mut Session,
    statement: &Normalised,
) -> Result<ResultEnd, ErrorBody> {
    let wanted = transaction::savepoint(statement)?;
    let transaction = match &mut session.transaction {
        TransactionState::Lost => return Err(failure::transaction_lost()),
        TransactionState::Open(transaction) => transaction,
        // In autocommit a savepoint is gone as soon as it is set.
        TransactionState::None if session.now.autocommit => {
            return match wanted {
                Savepoint::Set(_) => Ok(ResultEnd::default()),
                Savepoint::RollbackTo(name) | Savepoint::Release(name) => Err(unknown_savepoint(&name)),
            };
        }
        state @ TransactionState::None => {
            *state = TransactionState::Open(Box::new(Transaction::new(
                session.next.take().map(|next| *next).unwrap_or_default(),
            )));
            let TransactionState::Open(transaction) = state else { return Err(failure::internal("no transaction")) };
            transaction
        }
    };
    let done = match &wanted {
        Savepoint::Set(name) => transaction.set_savepoint(name, &scope.calling).await,
        Savepoint::RollbackTo(name) => transaction.rollback_to(name, &scope.calling).await,
        Savepoint::Release(name) => transaction.release_savepoint(name, &scope.calling).await,
    };
    match done {
        Ok(()) => Ok(ResultEnd::default()),
        // Refused here, before any shard was asked.
        Err(error) if error.errno == 1305 || error.code == vitrail_proto::error::Code::Unsupported => Err(error),
        Err(error) => {
            lose(scope, session).await;
            Err(lost_by(error))
        }
    }
}

/// Some participants have a savepoint and others not: the transaction cannot go on.
async fn lose(scope: &Scope<'_>, session: &mut Session) {
    if let Some(transaction) = session.take_transaction() {
        transaction.rollback(&scope.calling).await;
    }
    session.transaction = TransactionState::Lost;
    Counters::count(&scope.gate.counters.lost_transactions);
}
