//! One transaction over the shards that have joined it.
//!
//! Invariant: a transaction is either open on every participant, or on none. What leaves one participant's transaction in
//! doubt ends it on all of them.

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::Instrument;
use vitrail_proto::error::{Code, ErrorBody, Executed};
use vitrail_proto::message::{BeginOptions, CommitMode, Ran, ResultEnd};
use vitrail_service::QueryService;
use vitrail_service::call::{Call, Conclusion, ConnectionId, On};
use vitrail_service::overdue::{GATE_PATIENCE, Overdue, or_detached};

use crate::calling::{Calling, statement};
use crate::cluster::Keyspace;
use crate::position::Positions;
use crate::scatter::{Calls, at_shard};
use crate::{facts, failure};

/// A savepoint of the gate's own; client's names cannot begin like it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Guard {
    /// Before a write over several shards.
    Statement,
    /// Before a write in steps, each of which may be a write over several shards.
    Steps,
    /// Before rows are changed where they are, to see what they become, and go elsewhere so.
    Move,
}

impl Guard {
    fn name(self) -> &'static str {
        match self {
            Guard::Statement => "vitrail_statement",
            Guard::Steps => "vitrail_steps",
            Guard::Move => "vitrail_move",
        }
    }
}

/// MySQL's `ER_LOCK_DEADLOCK`.
const DEADLOCK: u16 = 1213;

/// Errors with which InnoDB rolls the whole transaction back: deadlock, replication conflicts, rollback during commit, a full
/// lock table.
const ROLLED_BACK: [u16; 6] = [DEADLOCK, 1180, 1206, 1402, 1614, 3101];

/// A transaction under way.
pub(crate) struct Transaction {
    /// How each participant begins.
    pub(crate) options: BeginOptions,
    /// In the order of commit: that of joining, but for [`Transaction::commits_first`].
    participants: Vec<Participant>,
    /// The client's savepoints that are set, oldest first. A shard that joins later sets them, too.
    savepoints: Vec<Box<str>>,
    /// What others see of it. Written when a shard joins or leaves.
    seen: Arc<Seen>,
    /// It is one statement's: nobody has begun it, and a failure is the statement's alone.
    pub(crate) implicit: bool,
    /// BEGIN has opened it.
    begun: bool,
}

/// What can be seen of a transaction from outside.
pub(crate) struct Seen {
    /// When it began.
    pub(crate) began: Instant,
    /// `keyspace:shard` of those that have joined.
    pub(crate) shards: Mutex<Vec<Arc<str>>>,
}

/// A shard that has joined.
#[derive(Clone)]
pub(crate) struct Participant {
    pub(crate) keyspace: Arc<str>,
    /// The shard's name.
    pub(crate) shard: Arc<str>,
    /// Its name in errors; empty for the only shard of a keyspace.
    pub(crate) label: Arc<str>,
    pub(crate) service: Arc<dyn QueryService>,
    pub(crate) connection: ConnectionId,
    /// The connection is the session's own, and stays when the transaction ends.
    pub(crate) pinned: bool,
}

impl Participant {
    /// A shard on this connection.
    pub(crate) fn new(keyspace: &Keyspace, shard: usize, connection: ConnectionId, pinned: bool) -> Participant {
        let of = &keyspace.shards[shard];
        Participant {
            keyspace: Arc::clone(&keyspace.name),
            shard: Arc::clone(&of.name),
            label: keyspace.label(shard),
            service: Arc::clone(&of.service),
            connection,
            pinned,
        }
    }

    /// Ends the transaction there.
    async fn conclude(&self, call: Call, conclusion: Conclusion) -> Result<ResultEnd, ErrorBody> {
        let span = tracing::debug_span!("shard", otel.kind = "client", shard = &*self.shard);
        self.service.conclude(call, self.connection, conclusion).instrument(span).await
    }

    /// Takes the connection out of a transaction that has failed there: what is the session's own is rolled back and stays.
    async fn give_up(&self, call: Call) {
        if !self.pinned {
            return self.service.release(self.connection).await;
        }
        if let Err(error) = self.conclude(call, Conclusion::Rollback).await {
            tracing::debug!(keyspace = %self.keyspace, shard = %self.shard, %error, "a pinned connection could not be rolled back");
        }
    }
}

impl Transaction {
    pub(crate) fn new(options: BeginOptions) -> Transaction {
        let seen = Seen { began: Instant::now(), shards: Mutex::default() };
        Transaction {
            options,
            participants: Vec::new(),
            savepoints: Vec::new(),
            seen: Arc::new(seen),
            implicit: false,
            begun: false,
        }
    }

    /// One that BEGIN has opened.
    pub(crate) fn begun(options: BeginOptions) -> Transaction {
        Transaction { begun: true, ..Transaction::new(options) }
    }

    /// MySQL would say that it is open: what begins without BEGIN, as without autocommit, is open once a shard has joined.
    pub(crate) fn is_open(&self) -> bool {
        self.begun || !self.is_empty()
    }

    /// What others see of it.
    pub(crate) fn seen(&self) -> &Arc<Seen> {
        &self.seen
    }

    /// No shard has joined: nothing is locked yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.participants.is_empty()
    }

    /// Where a statement for this shard runs; `None` if it has not joined.
    pub(crate) fn connection(&self, keyspace: &str, shard: &str) -> Option<ConnectionId> {
        let joined = self
            .participants
            .iter()
            .find(|participant| *participant.shard == *shard && *participant.keyspace == *keyspace);
        joined.map(|participant| participant.connection)
    }

    /// Notes that a shard has joined.
    pub(crate) fn join(&mut self, participant: Participant) {
        self.participants.push(participant);
        self.show();
    }

    /// Makes a shard's connection one that stays when the transaction ends; a shard that has not joined does so.
    pub(crate) async fn keep(
        &mut self,
        mut joining: Participant,
        calling: &Calling<'_>,
    ) -> Result<ConnectionId, ErrorBody> {
        let service = Arc::clone(&joining.service);
        let connection = match self.connection(&joining.keyspace, &joining.shard) {
            Some(connection) => connection,
            None => {
                let begin = On::Begin(self.options.clone());
                let begun = match self.join_savepoints(&service, begin.clone(), calling).await? {
                    Some(connection) => Some(connection),
                    None => {
                        let call = calling.call(None);
                        let calls = Calls::new(calling.cancel, [(Arc::clone(&service), call.id)]);
                        calls.guard(pin!(run(&service, call, "DO 0".into(), begin))).await?
                    }
                };
                joining.connection = begun.ok_or_else(|| failure::internal("a transaction without a connection"))?;
                let connection = joining.connection;
                self.join(joining);
                connection
            }
        };
        if let Err(error) = run(&service, calling.settle(), String::new(), On::Keep(connection)).await {
            // It may be a reservation by now, which would outlive the transaction.
            service.release(connection).await;
            return Err(error);
        }
        for participant in &mut self.participants {
            participant.pinned |= participant.connection == connection && Arc::ptr_eq(&participant.service, &service);
        }
        Ok(connection)
    }

    fn show(&self) {
        let shards = self.participants.iter().map(|participant| {
            let name = format!("{}:{}", participant.keyspace, participant.shard);
            Arc::from(name)
        });
        *self.seen.shards.lock() = shards.collect();
    }

    /// Begins on a shard ahead of its first statement where that is needed: because savepoints are set. `begin` says where.
    /// Gives the connection if so.
    pub(crate) async fn join_savepoints(
        &self,
        service: &Arc<dyn QueryService>,
        begin: On,
        calling: &Calling<'_>,
    ) -> Result<Option<ConnectionId>, ErrorBody> {
        let own = match &begin {
            On::BeginOn(connection, _) | On::Connection(connection) => Some(*connection),
            _ => None,
        };
        let mut connection = None;
        for name in &self.savepoints {
            let on = connection.map_or_else(|| begin.clone(), On::Connection);
            match run(service, calling.call(None), savepoint("SAVEPOINT", name), on).await {
                Ok(begun) => connection = connection.or(begun).or(own),
                Err(error) => {
                    if let (Some(connection), None) = (connection, own) {
                        service.release(connection).await;
                    }
                    return Err(error);
                }
            }
        }
        Ok(connection)
    }

    /// Refuses shards that may not join under the transaction's commit mode.
    pub(crate) fn admit<'s>(&self, keyspace: &str, shards: impl Iterator<Item = &'s str>) -> Result<(), ErrorBody> {
        if self.options.mode != Some(CommitMode::Single) {
            return Ok(());
        }
        let joining = shards.filter(|shard| self.connection(keyspace, shard).is_none()).count();
        if self.participants.len() + joining <= 1 {
            return Ok(());
        }
        Err(failure::unsupported(
            "this transaction has commit mode 'single', and the statement needs a second shard; begin with mode 'multi'",
        ))
    }

    /// The shards of a keyspace that have joined.
    pub(crate) fn joined(&self, keyspace: &str) -> Vec<Arc<str>> {
        let of_keyspace = self.participants.iter().filter(|participant| *participant.keyspace == *keyspace);
        of_keyspace.map(|participant| Arc::clone(&participant.shard)).collect()
    }

    /// Lets these shards commit before the others: what they have taken over, others have given up.
    pub(crate) fn commits_first(&mut self, keyspace: &str, shards: &[Arc<str>]) {
        self.participants.sort_by_key(|participant| !is_one_of(participant, keyspace, shards));
        self.show();
    }

    /// Sets a savepoint of the gate's own on these participants.
    pub(crate) async fn guard(
        &self,
        guard: Guard,
        keyspace: &str,
        shards: &[Arc<str>],
        calling: &Calling<'_>,
    ) -> Result<(), ErrorBody> {
        self.on_some(|participant| is_one_of(participant, keyspace, shards), "SAVEPOINT", guard.name(), calling).await
    }

    /// Takes these participants back to a savepoint of the gate's own; the shards in `fresh` had joined since, and leave.
    pub(crate) async fn undo(
        &mut self,
        guard: Guard,
        keyspace: &str,
        shards: &[Arc<str>],
        fresh: &[Arc<str>],
        calling: &Calling<'_>,
    ) -> Result<(), ErrorBody> {
        // By their names: connections of two services may have the same number.
        let (leaving, staying) = std::mem::take(&mut self.participants)
            .into_iter()
            .partition(|participant: &Participant| is_one_of(participant, keyspace, fresh));
        self.participants = staying;
        self.show();
        let left = or_detached(calling.settled_by(), conclude_all(leaving, calling.settler()));
        let back = self.on_some(
            |participant| is_one_of(participant, keyspace, shards),
            "ROLLBACK TO SAVEPOINT",
            guard.name(),
            calling,
        );
        tokio::join!(left, back).1
    }

    /// `SAVEPOINT name`
    pub(crate) async fn set_savepoint(&mut self, name: &str, calling: &Calling<'_>) -> Result<(), ErrorBody> {
        check_savepoint(name)?;
        self.on_some(|_| true, "SAVEPOINT", name, calling).await?;
        self.savepoints.retain(|known| !known.eq_ignore_ascii_case(name));
        self.savepoints.push(name.into());
        Ok(())
    }

    /// `ROLLBACK TO name`. Later savepoints are gone.
    pub(crate) async fn rollback_to(&mut self, name: &str, calling: &Calling<'_>) -> Result<(), ErrorBody> {
        let index = self.savepoint(name)?;
        self.on_some(|_| true, "ROLLBACK TO SAVEPOINT", name, calling).await?;
        self.savepoints.truncate(index + 1);
        Ok(())
    }

    /// `RELEASE SAVEPOINT name`. It and later ones are gone.
    pub(crate) async fn release_savepoint(&mut self, name: &str, calling: &Calling<'_>) -> Result<(), ErrorBody> {
        let index = self.savepoint(name)?;
        self.on_some(|_| true, "RELEASE SAVEPOINT", name, calling).await?;
        self.savepoints.truncate(index);
        Ok(())
    }

    /// Commits on each participant, in order of joining but for [`Transaction::commits_first`].
    ///
    /// A failure on the first one rolls the others back. One in between leaves those before it committed: the error says
    /// `partial`, and names them. The request's deadline does not interrupt it: a commit that was begun is brought to its end. A
    /// request that cannot wait for that is told that the outcome is unknown.
    pub(crate) async fn commit(self, calling: &Calling<'_>) -> Result<ResultEnd, ErrorBody> {
        let committing = commit_each(self.participants, calling.settler());
        or_detached(calling.settled_by(), committing).await.unwrap_or_else(|| {
            Err(ErrorBody::new(
                Code::OutcomeUnknown,
                "the deadline passed during COMMIT, and MySQL may yet finish it; check whether it took effect",
            ))
        })
    }

    /// Rolls back on every participant, side by side. What cannot be reached rolls itself back.
    pub(crate) async fn rollback(self, calling: &Calling<'_>) {
        or_detached(calling.settled_by(), conclude_all(self.participants, calling.settler())).await;
    }

    /// Rolls back when no request waits for it.
    pub(crate) async fn abandon(self, call: impl Fn() -> Call) {
        conclude_all(self.participants, call).await;
    }

    fn savepoint(&self, name: &str) -> Result<usize, ErrorBody> {
        let found = self.savepoints.iter().position(|known| known.eq_ignore_ascii_case(name));
        found.ok_or_else(|| unknown_savepoint(name))
    }

    /// Runs a savepoint statement on the participants that `chosen` accepts, side by side. The first failure counts.
    async fn on_some(
        &self,
        chosen: impl Fn(&Participant) -> bool,
        words: &str,
        name: &str,
        calling: &Calling<'_>,
    ) -> Result<(), ErrorBody> {
        let running = self.participants.iter().filter(|participant| chosen(participant)).map(|participant| async {
            let on = On::Connection(participant.connection);
            let done = run(&participant.service, calling.settle(), savepoint(words, name), on).await;
            done.map_err(|error| at_shard(error, &participant.label))
        });
        join_all(running).await.into_iter().try_for_each(|done| done.map(|_| ()))
    }
}

/// Whether an error on a participant's connection ends the whole transaction.
pub(crate) fn loses_transaction(error: &ErrorBody) -> bool {
    matches!(error.code, Code::TxLost | Code::SessionLost | Code::Unavailable | Code::OutcomeUnknown | Code::Draining)
        || ROLLED_BACK.contains(&error.errno)
}

/// The error that a client sees when `cause` lost its transaction. A deadlock stays one, because clients know it.
pub(crate) fn lost_by(cause: ErrorBody) -> ErrorBody {
    if cause.errno == DEADLOCK {
        return ErrorBody { executed: Executed::No, retryable: true, ..cause };
    }
    let mut lost = failure::transaction_lost();
    lost.message = format!("{} (cause: {})", lost.message, cause.message);
    lost.shard = cause.shard;
    lost
}

/// MySQL's answer to a savepoint that is not set.
pub(crate) fn unknown_savepoint(name: &str) -> ErrorBody {
    ErrorBody::new(Code::NotFound, format!("SAVEPOINT {name} does not exist")).with_errno(1305, "42000")
}

fn check_savepoint(name: &str) -> Result<(), ErrorBody> {
    if name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("vitrail_")) {
        return Err(failure::unsupported("savepoint names that begin with 'vitrail_' are reserved; choose another"));
    }
    Ok(())
}

fn commit_failed(mut error: ErrorBody, participant: &Participant, committed: &[String]) -> ErrorBody {
    // Whoever did not answer a COMMIT may have done it.
    if matches!(
        error.code,
        Code::Unavailable
            | Code::SessionLost
            | Code::Deadline
            | Code::Cancelled
            | Code::Internal
            | Code::OutcomeUnknown
    ) {
        error.code = Code::OutcomeUnknown;
        error.executed = Executed::Unknown;
    }
    error = at_shard(error, &participant.label);
    if committed.is_empty() {
        error.message = format!("COMMIT failed on {}:{}: {}", participant.keyspace, participant.shard, error.message);
    } else {
        error.message = format!(
            "COMMIT failed on {}:{} after it was done on {}: {}",
            participant.keyspace,
            participant.shard,
            committed.join(", "),
            error.message
        );
        error.executed = Executed::Partial;
    }
    error.normalise();
    error
}

fn is_one_of(participant: &Participant, keyspace: &str, shards: &[Arc<str>]) -> bool {
    *participant.keyspace == *keyspace && shards.contains(&participant.shard)
}

async fn commit_each(participants: Vec<Participant>, call: impl Fn() -> Call) -> Result<ResultEnd, ErrorBody> {
    let mut positions = Positions::default();
    let mut committed: Vec<String> = Vec::new();
    let mut all: Vec<(Arc<str>, Option<Ran>)> = Vec::with_capacity(participants.len());
    let mut remaining = participants.into_iter();
    while let Some(participant) = remaining.next() {
        match participant.conclude(call(), Conclusion::Commit).await {
            Ok(end) => {
                positions.add(end.position);
                all.push((Arc::clone(&participant.label), end.ran));
            }
            Err(error) => {
                participant.give_up(call()).await;
                conclude_all(remaining.collect(), call).await;
                return Err(commit_failed(error, &participant, &committed));
            }
        }
        committed.push(format!("{}:{}", participant.keyspace, participant.shard));
    }
    let ran = facts::over_shards(all.iter().map(|(label, ran)| (&**label, ran.as_ref())));
    Ok(ResultEnd { position: positions.into_token(), ran: Some(ran), ..ResultEnd::default() })
}

/// Rolls back on each participant.
async fn conclude_all(participants: Vec<Participant>, call: impl Fn() -> Call) {
    join_all(participants.into_iter().map(|participant| roll_back(participant, &call))).await;
}

/// Rolls one participant's transaction back; a connection where that fails is given up.
async fn roll_back(participant: Participant, call: impl Fn() -> Call) {
    if let Err(error) = participant.conclude(call(), Conclusion::Rollback).await {
        tracing::debug!(keyspace = %participant.keyspace, shard = %participant.shard, %error, "a transaction could not be ended in order");
        participant.give_up(call()).await;
    }
}

fn savepoint(words: &str, name: &str) -> String {
    format!("{words} `{}`", name.replace('`', "``"))
}

/// Runs a statement without rows; gives the connection that it took.
async fn run(
    service: &Arc<dyn QueryService>,
    call: Call,
    sql: String,
    on: On,
) -> Result<Option<ConnectionId>, ErrorBody> {
    let statement = statement(sql, true);
    let overdue = Overdue::new(&call, GATE_PATIENCE, &statement, &on);
    let mut execution = overdue.guard(service.execute(call, statement, on)).await?;
    let drained = async {
        while overdue.guard(execution.parts.next()).await?.is_some() {}
        Ok(())
    };
    match drained.await {
        Ok(()) => Ok(execution.connection),
        Err(error) => {
            if let Some(connection) = execution.connection {
                service.release(connection).await;
            }
            Err(error)
        }
    }
}
