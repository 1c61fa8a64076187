//! Numbers for columns that a sequence fills, taken from its table in blocks.
//!
//! The table has one row with `id` 0: `next_id` is the next number that nobody has, and `cache` says how many a gate takes at a time. A block is
//! taken by one UPDATE in autocommit, so that a number is given out only when MySQL has written that it is: whatever crashes, or rolls back,
//! no number comes twice. Numbers of a block that is lost are never given out, as with AUTO_INCREMENT.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use vitrail_planner::plan::Filling;
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::ResultEnd;
use vitrail_proto::value::{Binds, Value};
use vitrail_service::QueryService;
use vitrail_service::call::{Call, On, Settings};
use vitrail_sql::normalise::Normalised;

use crate::cluster::Keyspace;
use crate::request::Scope;
use crate::scatter::{self, Calls, Task};
use crate::session::Session;
use crate::{calling, failure};

/// Numbers that are taken at a time, at most, whatever the sequence says: a statement with more rows takes as many as these.
const LARGEST_BLOCK: u64 = 1 << 32;

/// The blocks of all sequences that this gate has taken numbers from.
#[derive(Default)]
pub(crate) struct Sequences {
    blocks: Mutex<HashMap<Name, Arc<tokio::sync::Mutex<Block>>>>,
}

/// Keyspace and table.
type Name = (Arc<str>, Arc<str>);

/// Numbers from `next` up to `end`, which is not one of them.
struct Block {
    /// Whose numbers they are: another MySQL in its place has others.
    service: Weak<dyn QueryService>,
    next: u64,
    end: u64,
}

/// The binds of an INSERT with the values of its filled column.
pub(crate) struct Filled {
    /// What shards are sent.
    pub(crate) binds: Arc<Binds>,
    /// What the plan may use.
    pub(crate) all_binds: Arc<Binds>,
    /// The first number that was made up for it.
    pub(crate) first: Option<u64>,
}

/// Gives every row of an INSERT its value: the given one, or the sequence's next.
///
/// # Errors
/// A sequence that is not there, or whose MySQL is not: no row was inserted then.
pub(crate) async fn fill(
    scope: &Scope<'_>,
    session: &Session,
    filling: &Filling,
    statement: &Normalised,
    (binds, all_binds): (&Arc<Binds>, &Arc<Binds>),
) -> Result<Filled, ErrorBody> {
    let given = filling.given(statement, all_binds, zero_is_open(&session.now.settings))?;
    let open = given.iter().filter(|value| value.is_none()).count() as u64;
    let first = if open > 0 { Some(scope.gate.sequences.take(scope, filling, open).await?) } else { None };
    let mut next = first.unwrap_or_default();
    let (mut binds, mut all_binds) = (Binds::clone(binds), Binds::clone(all_binds));
    for (row, value) in given.into_iter().enumerate() {
        let value = value.unwrap_or_else(|| {
            next += 1;
            Value::UInt(next - 1)
        });
        binds.set(Filling::bind(row), value.clone());
        all_binds.set(Filling::bind(row), value);
    }
    Ok(Filled { binds: Arc::new(binds), all_binds: Arc::new(all_binds), first })
}

/// Binds of an INSERT that is only explained.
pub(crate) fn unfilled(filling: &Filling, binds: &Arc<Binds>) -> Arc<Binds> {
    let mut binds = Binds::clone(binds);
    for row in 0..filling.rows() {
        binds.set(Filling::bind(row), Value::UInt(0));
    }
    Arc::new(binds)
}

/// The insert id of an INSERT whose `first` number was made up. `None`: it has inserted nothing.
pub(crate) fn insert_id(first: u64, filling: &Filling, end: &ResultEnd) -> Option<u64> {
    match end.affected {
        // RETURNING tells of rows alone.
        0 if end.rows > 0 && !filling.updates => Some(first),
        0 => None,
        // The row was there already, and is updated.
        2 if filling.updates && filling.rows() == 1 => None,
        _ => Some(first),
    }
}

/// The first of `count` numbers that follow each other.
///
/// # Errors
/// Those of [`fill`].
pub(crate) async fn numbers(scope: &Scope<'_>, filling: &Filling, count: u64) -> Result<u64, ErrorBody> {
    scope.gate.sequences.take(scope, filling, count).await
}

/// Whether a value leaves open what its column is: NULL, or 0 unless the sql_mode says otherwise.
pub(crate) fn is_open(value: &Value, settings: &Settings) -> bool {
    match value {
        Value::Null => true,
        Value::Int(0) | Value::UInt(0) => zero_is_open(settings),
        Value::Text(text) | Value::Decimal(text) => text.trim().parse::<f64>() == Ok(0.0) && zero_is_open(settings),
        Value::Double(number) => *number == 0.0 && zero_is_open(settings),
        _ => false,
    }
}

/// `NO_AUTO_VALUE_ON_ZERO` stores a 0 as it is.
fn zero_is_open(settings: &Settings) -> bool {
    let modes = settings.variables.iter().find(|(name, _)| name == "sql_mode");
    !modes.is_some_and(|(_, modes)| modes.to_ascii_uppercase().contains("NO_AUTO_VALUE_ON_ZERO"))
}

impl Sequences {
    /// The first of `count` numbers that follow each other.
    async fn take(&self, scope: &Scope<'_>, filling: &Filling, count: u64) -> Result<u64, ErrorBody> {
        let keyspace = scope.view.cluster.keyspace(&filling.keyspace)?;
        let shard = keyspace.shards.first().ok_or_else(|| failure::internal("a keyspace without shards"))?;
        let name: Name = (Arc::clone(&filling.keyspace), Arc::clone(&filling.table));
        let service = Arc::downgrade(&shard.service);
        let none = || Arc::new(tokio::sync::Mutex::new(Block { service: Weak::clone(&service), next: 0, end: 0 }));
        let block = Arc::clone(self.blocks.lock().entry(name).or_insert_with(none));
        // Whoever comes meanwhile waits for the block that is being taken.
        let mut block = block.lock().await;
        if block.end - block.next < count || !Weak::ptr_eq(&block.service, &service) {
            let (next, end) = taken(scope, keyspace, &filling.table, count).await?;
            // What is left of the last block goes along if the new one follows it.
            let joins = block.end == next && Weak::ptr_eq(&block.service, &service);
            *block = Block { service, next: if joins { block.next } else { next }, end };
        }
        let first = block.next;
        block.next += count;
        Ok(first)
    }
}

/// Takes a block of at least `count` numbers out of a sequence.
async fn taken(scope: &Scope<'_>, keyspace: &Keyspace, table: &str, count: u64) -> Result<(u64, u64), ErrorBody> {
    let name = format!("`{}`", table.replace('`', "``"));
    let of_sequence = |error: ErrorBody| ErrorBody {
        message: format!("the sequence `{}.{table}`: {}", keyspace.name, error.message),
        ..error
    };
    let cells = fetch(scope, keyspace, format!("SELECT cache FROM {name} WHERE id = 0")).await.map_err(of_sequence)?;
    let cache = match cells.first() {
        Some(Some(cache)) => std::str::from_utf8(cache).ok().and_then(|cache| cache.parse().ok()).unwrap_or(1),
        Some(None) => 1,
        None => return Err(empty(keyspace, table)),
    };
    let size = count.max(cache.min(LARGEST_BLOCK));
    let sql = format!("UPDATE {name} SET next_id = LAST_INSERT_ID(next_id + {size}) WHERE id = 0");
    let end = run(scope, keyspace, sql).await.map_err(of_sequence)?;
    match end.insert_id.checked_sub(size) {
        Some(next) if end.affected == 1 && next > 0 => Ok((next, end.insert_id)),
        _ => Err(empty(keyspace, table)),
    }
}

fn empty(keyspace: &Keyspace, table: &str) -> ErrorBody {
    let message = format!(
        "the sequence `{0}.{1}` has no row to count in; give it one: INSERT INTO `{0}`.`{1}` (id, next_id, cache) VALUES (0, 1, 1000)",
        keyspace.name, table
    );
    ErrorBody::new(Code::NotFound, message)
}

async fn fetch(scope: &Scope<'_>, keyspace: &Keyspace, sql: String) -> Result<Vec<Option<Vec<u8>>>, ErrorBody> {
    let (task, calls) = task(scope, keyspace, sql, false);
    calls.guard(pin!(scatter::fetch_one(task))).await
}

async fn run(scope: &Scope<'_>, keyspace: &Keyspace, sql: String) -> Result<Box<ResultEnd>, ErrorBody> {
    let (task, calls) = task(scope, keyspace, sql, true);
    calls.guard(pin!(scatter::run_one(task))).await
}

/// Outside the session's transaction and settings: what is taken stays taken.
fn task<'a>(scope: &'a Scope<'_>, keyspace: &Keyspace, sql: String, writes: bool) -> (Task, Calls<'a>) {
    let service = &keyspace.shards[0].service;
    let call = Call { settings: Arc::default(), max_rows: None, warnings: 0, ..scope.calling.call(None) };
    let calls = Calls::new(scope.calling.cancel, [(Arc::clone(service), call.id)]);
    let statement = calling::statement(sql, writes);
    (Task { service: Arc::clone(service), shard: keyspace.label(0), call, statement, on: On::Pool }, calls)
}
