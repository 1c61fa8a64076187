//! Taking a connection for a session, looking whether it lives, and giving it back.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::ResultEnd;
use vitrail_service::QueryService;
use vitrail_service::call::{ConnectionId, On, Settings};

use super::{Pin, Pins, Reason};
use crate::calling::{Calling, background, statement};
use crate::cluster::Keyspace;
use crate::failure;
use crate::registry::Held;
use crate::request::Scope;
use crate::scatter::{self, Calls, Task};
use crate::session::{Session, TransactionState};
use crate::stats::Counters;
use crate::transaction::{Participant, loses_transaction, lost_by};

/// Pins that were not looked at for so long are looked at before a statement, whatever it is: a session that works elsewhere
/// must keep its locks, and must learn when it has lost them.
const CHECK_AFTER: Duration = Duration::from_secs(1);

/// Pins the session to a shard, without a reason yet. Inside a transaction, the shard's participant is the pin.
pub(crate) async fn pin(
    scope: &Scope<'_>,
    session: &mut Session,
    keyspace: &Keyspace,
    shard: usize,
) -> Result<(), ErrorBody> {
    let of = &keyspace.shards[shard];
    if session.pins.as_ref().is_some_and(|pins| pins.get(&keyspace.name, &of.name).is_some()) {
        return Ok(());
    }
    let connection = match &mut session.transaction {
        TransactionState::Lost => return Err(failure::transaction_lost()),
        TransactionState::None => {
            // A statement of MySQL's, so that a stale connection is replaced before it matters.
            let label = keyspace.label(shard);
            let taken = run(&of.service, &label, "DO 0".into(), On::Reserve, &scope.calling).await?;
            taken.0.ok_or_else(|| failure::internal("a reservation without a connection"))?
        }
        TransactionState::Open(transaction) => {
            transaction.admit(&keyspace.name, std::iter::once(&*of.name))?;
            let participant = Participant::new(keyspace, shard, ConnectionId(0), false);
            match transaction.keep(participant, &scope.calling).await {
                Ok(connection) => connection,
                Err(error) if loses_transaction(&error) => {
                    lose_transaction(session, &scope.calling).await;
                    return Err(lost_by(error));
                }
                Err(error) => return Err(error),
            }
        }
    };
    Counters::count(&scope.gate.counters.pins);
    session.pins.get_or_insert_default().push(Pin::new(keyspace, shard, connection));
    Ok(())
}

/// Runs a statement without rows on the session's own connection.
pub(crate) async fn run_on(pin: &Pin, sql: impl Into<Arc<str>>, calling: &Calling<'_>) -> Result<ResultEnd, ErrorBody> {
    let on = On::Connection(pin.connection);
    run(&pin.service, &pin.label, sql.into(), on, calling).await.map(|(_, end)| end)
}

/// The end, and the connection that it took.
async fn run(
    service: &Arc<dyn QueryService>,
    label: &Arc<str>,
    sql: Arc<str>,
    on: On,
    calling: &Calling<'_>,
) -> Result<(Option<ConnectionId>, ResultEnd), ErrorBody> {
    let task = Task {
        service: Arc::clone(service),
        shard: Arc::clone(label),
        call: calling.call(None),
        statement: statement(sql, true),
        on,
    };
    let calls = Calls::new(calling.cancel, [(Arc::clone(service), task.call.id)]);
    let mut started = scatter::start_alone(task, &calls).await?;
    match calls.guard(pin!(started.lane.finish())).await {
        Ok(end) => Ok((started.connection, *end)),
        Err(error) => {
            if let Some(connection) = started.connection {
                service.release(connection).await;
            }
            Err(error)
        }
    }
}

/// Switches MySQL's `autocommit` on the session's own connections to a keyspace: off where LOCK TABLES is in force and the next statement
/// belongs to a transaction.
pub(crate) async fn set_autocommit(
    pins: &mut Pins,
    keyspace: &Keyspace,
    on: bool,
    calling: &Calling<'_>,
) -> Result<(), ErrorBody> {
    for pin in pins.list.iter_mut().filter(|pin| *pin.keyspace == *keyspace.name) {
        let off = !on && pin.locks_tables();
        if pin.autocommit_off != off {
            let sql = if off { "SET autocommit = 0" } else { "SET autocommit = 1" };
            run_on(pin, sql, calling).await?;
            pin.autocommit_off = off;
        }
    }
    Ok(())
}

/// Before a statement: looks after pins that were not looked at for a while.
///
/// # Errors
/// `session_lost` if one is gone; the statement must not run then.
pub(crate) async fn refresh(session: &mut Session, calling: &Calling<'_>) -> Result<(), ErrorBody> {
    match &session.pins {
        Some(pins) if pins.checked.elapsed() >= CHECK_AFTER => match Box::pin(check(session, calling)).await {
            Some(lost) => Err(lost),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// After a failure that may have cost a pin: what the client reads.
pub(crate) async fn after_failure(session: &mut Session, calling: &Calling<'_>, error: ErrorBody) -> ErrorBody {
    if session.pins.is_none() || !may_be_lost(&error) {
        return error;
    }
    match check(session, calling).await {
        Some(lost) => ErrorBody { executed: error.executed, shard: error.shard, ..lost },
        None => error,
    }
}

/// Asks every pin for a sign of life. If one is gone, so are its state and the session's transaction, and the error says so.
async fn check(session: &mut Session, calling: &Calling<'_>) -> Option<ErrorBody> {
    let pins = session.pins.as_mut()?;
    let asked = join_all(pins.list.iter().map(|pin| async {
        scatter::run_one(pin.task("DO 0", calling)).await.is_err_and(|error| may_be_lost(&error) || is_busy(&error))
    }));
    let mut lost = asked.await.into_iter();
    pins.checked = Instant::now();
    let mut gone = Pins { list: pins.take(|_| lost.next() == Some(true)), ..Pins::default() };
    if gone.list.is_empty() {
        return None;
    }
    gone.describe();
    if pins.list.is_empty() {
        session.pins = None;
    }
    let reasons = gone.reasons();
    release(gone).await;
    let mut message = match reasons.is_empty() {
        true => "the session's own connection to MySQL was lost".to_owned(),
        false => format!("the session's own connection to MySQL was lost, and with it: {reasons}"),
    };
    if session.in_transaction() {
        lose_transaction(session, calling).await;
    }
    if matches!(session.transaction, TransactionState::Lost) {
        message.push_str("; the transaction was rolled back: send ROLLBACK");
    }
    message.push_str("; then build up what the session needs again");
    let mut lost = ErrorBody::new(Code::SessionLost, message);
    lost.retryable = false;
    Some(lost)
}

/// Ends LOCK TABLES, wherever it is in force.
pub(crate) async fn unlock_tables(session: &mut Session, calling: &Calling<'_>) -> Result<(), ErrorBody> {
    let Some(mut pins) = session.pins.take() else { return Ok(()) };
    let mut outcome = Ok(());
    for pin in pins.list.iter_mut().filter(|pin| pin.locks_tables()) {
        let done = async {
            run_on(pin, "UNLOCK TABLES", calling).await?;
            if pin.autocommit_off {
                run_on(pin, "SET autocommit = 1", calling).await?;
            }
            Ok(())
        };
        match done.await {
            Ok(()) => pin.autocommit_off = false,
            Err(error) => {
                outcome = Err(error);
                break;
            }
        }
    }
    if outcome.is_ok() {
        pins.remove_reason(&Reason::TableLocks);
    }
    session.pins = Some(pins);
    match outcome {
        Err(error) => Err(after_failure(session, calling, error).await),
        done => done,
    }
}

/// Gives back the pins without a reason, but for those that an open transaction runs on.
pub(crate) async fn tidy(session: &mut Session) {
    let Some(pins) = &mut session.pins else { return };
    if pins.list.iter().all(Pin::is_needed) {
        return;
    }
    let transaction = match &session.transaction {
        TransactionState::Open(transaction) => Some(transaction),
        _ => None,
    };
    let joined = |pin: &Pin| {
        transaction.is_some_and(|transaction| transaction.connection(&pin.keyspace, &pin.shard) == Some(pin.connection))
    };
    let leaving = pins.take(|pin| !pin.is_needed() && !joined(pin));
    if pins.list.is_empty() {
        session.pins = None;
    }
    Box::pin(release(Pins { list: leaving, ..Pins::default() })).await;
}

/// Gives up what a session held, when no request waits for it.
pub(crate) async fn give_up(held: Held, caller: &Arc<str>, settings: &Arc<Settings>) {
    if let Some(transaction) = held.transaction {
        transaction.abandon(|| background(caller, settings)).await;
    }
    if let Some(pins) = held.pins {
        release(*pins).await;
    }
}

/// Gives all of them back: rolled back, and reset before anybody else gets them.
async fn release(pins: Pins) {
    join_all(pins.list.iter().map(|pin| pin.service.release(pin.connection))).await;
}

/// The transaction cannot go on: rolled back everywhere.
async fn lose_transaction(session: &mut Session, calling: &Calling<'_>) {
    if let Some(transaction) = session.take_transaction() {
        transaction.rollback(calling).await;
    }
    session.transaction = TransactionState::Lost;
}

/// Whether another statement runs on a connection: one that was given up, because the session runs one at a time.
fn is_busy(error: &ErrorBody) -> bool {
    error.code == Code::Invalid && error.errno == Code::Invalid.default_errno().0
}

/// Whether an error on a session's own connection may mean that it is gone.
fn may_be_lost(error: &ErrorBody) -> bool {
    matches!(error.code, Code::SessionLost | Code::TxLost | Code::Unavailable | Code::OutcomeUnknown | Code::Draining)
}
