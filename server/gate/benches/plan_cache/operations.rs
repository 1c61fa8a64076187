//! Look-ups in the plan cache, each ready to run again and again: by criterion, which takes the time, and by `tools/instructions`, which
//! counts.

use std::hint::black_box;
use std::sync::Arc;

use vitrail_sql::LexMode;

use self::cache::{Key, PlanCache};

#[path = "../../src/plan_cache.rs"]
#[allow(dead_code, reason = "nobody asks for the cache's figures here")]
mod cache;

type Operation = Box<dyn FnMut()>;
type Prepare = fn() -> Operation;

/// By name: what prepares the operation.
pub const OPERATIONS: &[(&str, Prepare)] =
    &[("look a plan up: a hit among 1,000", || looked_up(7)), ("look a plan up: a miss among 1,000", || looked_up(8))];

/// The version of the vschema that the plans were made under.
const VERSION: u64 = 7;

/// Looks one statement up, whose plan was made under [`VERSION`]. Which plan it is makes no difference.
fn looked_up(version: u64) -> Operation {
    let statement = |number: usize| {
        format!(
            "SELECT id, name, email, born, score, c{number} FROM users WHERE id = :id AND state IN (?l) AND born < ?s"
        )
    };
    let cache = PlanCache::new(32 << 20);
    for number in 0..1_000 {
        cache.put(&key(&statement(number), VERSION), Arc::new(number), 1_024);
    }
    let wanted = statement(500);
    assert_eq!(cache.get(&key(&wanted, version)).is_some(), version == VERSION);
    Box::new(move || {
        black_box(cache.get(black_box(&key(&wanted, version))));
    })
}

fn key(statement: &str, version: u64) -> Key<'_> {
    Key { statement, keyspace: "shop", shard: "", modes: LexMode::default(), version }
}
