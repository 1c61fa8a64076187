//! Plans, and what a plan resolves to once literals and binds are known.
//!
//! A [`Plan`] is made once per key of a statement and kept in a cache; it holds no AST. [`Plan::resolve`] makes of it, for one
//! statement with that key, the texts for the shards and the way to merge their answers.

mod asked;
mod describe;
mod exact;
mod filling;
mod group;
mod join;
mod reading;
mod resolve;
mod row_key;
mod steps;
mod stored;
mod template;
mod why;

use std::sync::Arc;

pub use asked::Asked;
pub(crate) use asked::{Earlier, Expression};
pub use exact::{Carried, Exact, Form, Fragment, Reduction};
pub(crate) use exact::{ExactPlan, FragmentRows, ReductionPlan, Title, quote};
pub use filling::Filling;
pub use group::{Aggregate, Comparator, Condition, Fold, Grouping, Operand};
pub use join::{Equality, Join, JoinKey, JoinPlan, Pick, Slot, Step};
pub(crate) use join::{SidePlan, key_bind, literal_bind};
pub(crate) use reading::{Part, Reading, text as reading_text};
pub(crate) use row_key::{RowColumn, RowTemplate};
pub use steps::{
    Allotment, Beside, Completion, Insertion, KEYS, Keyed, Moving, Placed, Rehearsal, Steps, Verb, Write, set_bind,
};
pub(crate) use steps::{
    AllotmentPlan, CompletionPlan, Home, InsertPlan, KeyedPlan, MovingPlan, RehearsalPlan, StepsPlan, WritePlan,
};
pub use template::Plan;
pub(crate) use template::{Divider, Edit, Ids, MergePlan, Pin, Pins, Replacement, Route, RowPlan, Source, WindowPlan};
use vitrail_proto::value::{Binds, Value};
pub use why::Node;

/// One statement for one shard.
#[derive(Debug, Clone, PartialEq)]
pub struct ShardStatement {
    /// Index into the keyspace's shards, which are sorted by key range.
    pub shard: usize,
    /// The text.
    pub sql: Arc<str>,
    /// Its binds; those of the client plus what the planner added.
    pub binds: Arc<Binds>,
}

/// What to run where, and how to make one answer of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The keyspace.
    pub keyspace: Arc<str>,
    /// At least one, at most one per shard, in shard order.
    pub statements: Vec<ShardStatement>,
    /// How the answers become one.
    pub merge: Merge,
    /// It may change data, or locks rows (`FOR UPDATE`).
    pub writes: bool,
    /// The name of the row that it goes to, if it goes to one row of one shard by a unique key.
    pub row_key: Option<Arc<str>>,
    /// A read whose answer is the same for everybody who asks at the same time: one execution may answer several requests.
    pub shareable: bool,
    /// What an INSERT means to `LAST_INSERT_ID()`.
    pub insert_id: InsertId,
    /// The rows to merge are joined by the gate. The statements above have no rows: the first tells the columns.
    pub join: Option<Box<Join>>,
    /// It is written in steps by the gate. The statements above are not sent.
    pub steps: Option<Box<Steps>>,
    /// It runs on a scratch server, over fragments. The only statement above is the one for that server.
    pub exact: Option<Box<Exact>>,
}

impl Resolved {
    /// It writes rows of several shards, or rows that are found on several.
    pub fn writes_several(&self) -> bool {
        self.statements.len() > 1 && matches!(self.merge, Merge::Writes | Merge::Replicated)
    }
}

/// Whether the insert id of a statement's end is the session's `LAST_INSERT_ID()`: MySQL also tells the value of a row that was given one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InsertId {
    /// It is, unless it is 0.
    #[default]
    Generated,
    /// It is not: the rows had their values.
    Given,
    /// Ask the server.
    Unknown,
    /// A sequence has made it up: this is the first value.
    Sequence(u64),
}

/// How the answers of several shards become one. With a single statement it is always [`Merge::Pass`].
#[derive(Debug, Clone, PartialEq)]
pub enum Merge {
    /// One answer, handed on untouched.
    Pass,
    /// Rows one after the other; skips and cuts if told so.
    Concat(Window),
    /// Each answer is sorted; merged by these keys.
    Sort {
        /// Most significant first.
        keys: Vec<SortKey>,
        /// LIMIT and OFFSET of the whole.
        window: Window,
        /// Trailing columns that only serve the merge (added weight strings); not handed on.
        hidden_columns: usize,
        /// All columns of an answer, as the planner knows the tables. With another number the keys would be others' columns.
        columns: usize,
    },
    /// Rows of groups, folded into one row for each group.
    Group {
        /// The groups, and what is made of their rows.
        grouping: Arc<Grouping>,
        /// What [`Operand::Value`] means: integers, decimals and NULL.
        values: Vec<Value>,
        /// LIMIT and OFFSET of the whole.
        window: Window,
    },
    /// Writes: affected, matched and warnings are added up; the first insert id that is not 0 counts.
    Writes,
    /// The same write on every shard (reference table): the first answer stands, and all must agree on the affected rows.
    Replicated,
}

/// LIMIT and OFFSET.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// Rows to skip.
    pub offset: u64,
    /// Rows to hand on at most.
    pub limit: Option<u64>,
}

/// One sort key of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortKey {
    /// The column of the answer, from 0.
    pub column: usize,
    /// `DESC`.
    pub descending: bool,
    /// How values compare; NULL is lowest, as in MySQL.
    pub comparison: Comparison,
}

/// How two values of a sort column compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// By the column's type in the answer's metadata: integers, decimals, doubles, dates, times and binary strings. Text is an internal error.
    Native,
    /// Likewise, of an expression whose type only the answer tells: integers, dates and times. Others are refused.
    Discrete,
    /// The column holds WEIGHT_STRING: bytes, the shorter one padded with this space weight (empty: no padding).
    Weight(Vec<u8>),
}
