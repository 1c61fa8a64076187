//! Look-ups in the plan cache, each ready to run again and again: by criterion, which takes the time, and by `tools/instructions`, which
//! counts.

use std::hint::black_box;
use std::sync::Arc;

use foldhash::fast::FixedState;
use vitrail_sql::normalise::Normalised;
use vitrail_sql::{LexMode, normalise};

use self::cache::{Key, PlanCache};

#[path = "../../src/plan_cache.rs"]
#[allow(dead_code, reason = "nobody asks for the cache's figures here")]
mod cache;

type Operation = Box<dyn FnMut()>;
type Prepare = fn() -> Operation;

/// By name: what prepares the operation.
pub const OPERATIONS: &[(&str, Prepare)] = &[
    ("look a plan up: a hit among 1,000", || looked_up(7)),
    ("look a plan up: a miss among 1,000", || looked_up(8)),
    ("from text to plan: point select with a literal", from_literal),
    ("from text to plan: point select with a bind", from_bind),
];

/// Its hashes are the same in each process, so that what is counted is.
fn empty<V>() -> PlanCache<V, FixedState> {
    PlanCache::with_hasher(32 << 20, FixedState::default())
}

/// The version of the vschema that the plans were made under.
const VERSION: u64 = 7;

/// Looks one statement up, whose plan was made under [`VERSION`]. Which plan it is makes no difference.
fn looked_up(version: u64) -> Operation {
    let statement = |number: usize| {
        format!(
            "SELECT id, name, email, born, score, c{number} FROM users WHERE id = :id AND state IN (?l) AND born < ?s"
        )
    };
    let cache = empty();
    for number in 0..1_000 {
        cache.put(&key(&statement(number), VERSION), Arc::new(number), 1_024);
    }
    let wanted = statement(500);
    assert_eq!(cache.get(&key(&wanted, version)).is_some(), version == VERSION);
    Box::new(move || {
        black_box(cache.get(black_box(&key(&wanted, version))));
    })
}

/// The text is new each time: it is normalised, and its plan is among 1,000.
fn from_literal() -> Operation {
    let text: Arc<str> = "SELECT id, name, email, born, score FROM users WHERE id = 4711000042".into();
    let plans = plans(&normalised(&text));
    Box::new(move || {
        let statement = normalised(black_box(&text));
        black_box(plans.get(&key(&statement.key, VERSION)).expect("a plan"));
    })
}

/// A text without literals comes again: what it was read as is among 1,000, and so is its plan.
fn from_bind() -> Operation {
    let text: Arc<str> = "SELECT id, name, email, born, score FROM users WHERE id = :id".into();
    let texts = empty();
    for number in 0..1_000 {
        let other: Arc<str> = format!("SELECT c{number} FROM users WHERE id = :id").into();
        texts.put(&read(&other), normalised(&other), 1_024);
    }
    texts.put(&read(&text), normalised(&text), 1_024);
    let plans = plans(&normalised(&text));
    Box::new(move || {
        let statement = texts.get(&read(black_box(&text))).expect("a text");
        black_box(plans.get(&key(&statement.key, VERSION)).expect("a plan"));
    })
}

fn normalised(text: &Arc<str>) -> Arc<Normalised> {
    Arc::new(normalise(Arc::clone(text), LexMode::default()).expect("a statement"))
}

/// A cache with a plan for the statement and for 1,000 others.
fn plans(statement: &Normalised) -> PlanCache<usize, FixedState> {
    let cache = empty();
    for number in 0..1_000 {
        cache.put(&key(&format!("SELECT c{number} FROM users WHERE id = ?i"), VERSION), Arc::new(number), 1_024);
    }
    cache.put(&key(&statement.key, VERSION), Arc::new(0), 1_024);
    cache
}

/// As texts are kept, whoever sends them.
fn read(text: &str) -> Key<'_> {
    Key { statement: text, keyspace: "", shard: "", modes: LexMode::default(), version: 0 }
}

fn key(statement: &str, version: u64) -> Key<'_> {
    Key { statement, keyspace: "shop", shard: "", modes: LexMode::default(), version }
}
