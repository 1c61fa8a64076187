//! What can be said of a plan beside its tree: its nodes, and why it goes where it goes.

use super::{MergePlan, Pins, Plan, Route};

/// A node of the tree that [`Plan::describe_with`] makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    /// What makes one answer of several.
    Merge,
    /// The join in the gate.
    Join,
    /// A side of it, by the order of reading.
    Side(usize),
    /// The statements for shards: of the whole, of a side, or of a fragment.
    Shards(Option<usize>),
    /// The statements that read the rows of a write in steps, if those are not a join's.
    Read,
    /// The statements that write them.
    Write,
    /// A fragment of the exact tier, by its number.
    Fragment(usize),
    /// The statement on the scratch server.
    Scratch,
}

impl Plan {
    /// Why it goes to these shards, in one sentence. `sharded`: its keyspace is.
    pub fn why(&self, sharded: bool) -> String {
        if let Some(exact) = &self.exact {
            return format!("no other way was proved right ({})", exact.reason);
        }
        if !sharded {
            return "the keyspace is not sharded".to_owned();
        }
        match &self.route {
            _ if self.steps.is_some() => {
                "no shard can decide by itself which rows are written, or where they belong".to_owned()
            }
            Route::AnyShard => "it reads no sharded table, and every shard has all that it needs".to_owned(),
            Route::Named(_) => "the target names the shard".to_owned(),
            Route::Pinned(pins) => {
                let names = pins.iter().map(columns).collect::<Vec<_>>().join(" and ");
                format!("every sharded table is pinned to one value of its sharding column ({names})")
            }
            Route::Listed(pins) if pins.all => format!("the sharding column is in a list ({})", columns(pins)),
            Route::Listed(pins) => format!("values of the first sharding columns are given ({})", columns(pins)),
            Route::Rows { .. } => "each row goes to the shard of its sharding column".to_owned(),
            Route::AllShards if matches!(self.merge, MergePlan::Replicated) => {
                "a reference table is written on every shard".to_owned()
            }
            Route::AllShards if self.join.is_some() => {
                "the tables are not joined by their sharding columns: rows that belong together lie on different shards"
                    .to_owned()
            }
            Route::AllShards => "no condition gives the sharding column a value".to_owned(),
        }
    }
}

impl Plan {
    /// What would make it cheaper: asking fewer shards, or not the scratch server.
    pub(crate) fn improvement(&self) -> Option<String> {
        if let Some(exact) = &self.exact {
            return Some(exact.advice());
        }
        let everywhere =
            matches!(self.route, Route::AllShards) && !matches!(self.merge, MergePlan::Replicated | MergePlan::Pass);
        everywhere.then(|| {
            let advice = match &self.join {
                Some(_) => "join the tables by their sharding columns, so that shards join them",
                None => "give the sharding column a value, so that one shard is asked and not all",
            };
            advice.to_owned()
        })
    }
}

fn columns(pins: &Pins) -> String {
    pins.columns.iter().map(|pin| &*pin.column).collect::<Vec<_>>().join(", ")
}
