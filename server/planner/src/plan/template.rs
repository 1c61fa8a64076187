//! What the plan cache holds: the shape of a plan, valid for every statement with the same key.

use std::sync::Arc;

use vitrail_proto::value::Value;
use vitrail_sql::normalise::Anchor;

use super::{Asked, Comparison, ExactPlan, Filling, Grouping, JoinPlan, RowTemplate, SortKey, StepsPlan, WritePlan};
use crate::planner::access::Needs;
use crate::schema::{ColumnClass, ColumnSchema};
use crate::vindex::{Part, Vindex};
use crate::vschema::ShardingColumn;

/// A plan for every statement with one key. Small; holds no AST.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub(crate) keyspace: Arc<str>,
    pub(crate) route: Route,
    pub(crate) merge: MergePlan,
    /// In order of position, without overlap.
    pub(crate) edits: Vec<Edit>,
    pub(crate) writes: bool,
    /// A read whose answer is the same for everybody who asks at the same time.
    pub(crate) shareable: bool,
    /// A function in a write that gives one series of values to all rows: `RAND(n)`.
    pub(crate) series: Option<Arc<str>>,
    /// What its user must have been granted; names without a keyspace are those of [`Plan::keyspace`].
    pub(crate) needs: Needs,
    /// `UPDATE` or `DELETE`, if it does not say which rows it means.
    pub(crate) full_write: Option<&'static str>,
    /// The row that it goes to, if it goes to one by a unique key.
    pub(crate) row: Option<RowTemplate>,
    /// Why it runs on one shard or not at all.
    pub(crate) alone: Option<&'static str>,
    /// Where the values of an INSERT's AUTO_INCREMENT column come from.
    pub(crate) ids: Ids,
    /// The column that a sequence fills.
    pub(crate) filling: Option<Box<Filling>>,
    /// Expressions that tell where its rows go.
    pub(crate) asked: Option<Box<Asked>>,
    /// Over several shards, its rows are joined by the gate.
    pub(crate) join: Option<Arc<JoinPlan>>,
    /// Over several shards, it is written in steps by the gate.
    pub(crate) steps: Option<Arc<StepsPlan>>,
    /// It runs on a scratch server, over fragments.
    pub(crate) exact: Option<Arc<ExactPlan>>,
    /// What would make it cheaper.
    pub(crate) advice: Option<Arc<str>>,
}

/// Whether the server makes up values of a table's AUTO_INCREMENT column: only those are `LAST_INSERT_ID()`.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Ids {
    /// It does, if there is such a column.
    #[default]
    Generated,
    /// All are given, or there is no such column.
    Given,
    /// These are given, one per row; it makes up others for NULL and 0.
    From(Vec<Source>),
    /// Only the server knows.
    Unknown,
}

/// Which shards.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Route {
    /// Whichever; the first is taken.
    AnyShard,
    /// All of them.
    AllShards,
    /// The one of this name, as the client's target says.
    Named(Arc<str>),
    /// The one that all of these lead to.
    Pinned(Vec<Pins>),
    /// Those that lists of values lead to, or values of the first sharding columns only.
    Listed(Pins),
    /// Each row of an INSERT by its value.
    Rows {
        /// The sharding columns.
        columns: Vec<Divider>,
        /// In order of position.
        rows: Vec<RowPlan>,
    },
}

/// A sharding column that rows are divided by.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Divider {
    pub(crate) vindex: Vindex,
    pub(crate) part: Part,
    /// What MySQL's schema knows of it.
    pub(crate) known: Option<Box<ColumnSchema>>,
}

impl Divider {
    /// Of a column that is known.
    pub(crate) fn of(column: &ShardingColumn, known: &ColumnSchema) -> Divider {
        Divider { vindex: column.vindex, part: column.part, known: Some(Box::new(known.clone())) }
    }
}

/// Values of sharding columns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pins {
    /// Of the first ones, in their order.
    pub(crate) columns: Vec<Pin>,
    /// These are all sharding columns.
    pub(crate) all: bool,
}

impl Pins {
    /// Each value by itself, if they are several of the only sharding column.
    pub(crate) fn each(&self) -> Option<Vec<Pins>> {
        let [Pin { source: Source::Several(sources), .. }] = self.columns.as_slice() else { return None };
        let pins = |source: &Source| Pins {
            columns: vec![Pin { source: source.clone(), ..self.columns[0].clone() }],
            all: self.all,
        };
        Some(sources.iter().map(pins).collect())
    }
}

/// A value that decides the shard, or a part of the keyspace id.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pin {
    /// The column, for messages.
    pub(crate) column: Arc<str>,
    pub(crate) vindex: Vindex,
    pub(crate) part: Part,
    /// Class of the column, if known.
    pub(crate) class: Option<ColumnClass>,
    pub(crate) source: Source,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Source {
    /// The key itself.
    Constant(Value),
    /// A literal of the statement, negated if so said.
    Literal { index: usize, negated: bool },
    /// A bind of this name.
    Bind(Arc<str>),
    /// Several values, each from somewhere.
    Several(Vec<Source>),
}

/// One row of an INSERT.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RowPlan {
    /// The values of the sharding columns.
    pub(crate) sources: Vec<Source>,
    /// From the opening parenthesis.
    pub(crate) start: Anchor,
    /// To behind the closing one.
    pub(crate) end: Anchor,
}

/// A change of the text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Edit {
    pub(crate) start: Anchor,
    pub(crate) end: Anchor,
    pub(crate) replacement: Replacement,
    /// Only where several shards are asked.
    pub(crate) scatter_only: bool,
}

/// What an edit puts in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Replacement {
    /// This text; empty: nothing.
    Text(Arc<str>),
    /// LIMIT and OFFSET of the whole, added up.
    WindowEnd,
    /// Nothing, in place of this clause.
    Without(&'static str),
}

/// How answers of several shards become one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum MergePlan {
    /// There is only ever one.
    Pass,
    Concat(WindowPlan),
    Sort {
        keys: Vec<SortKey>,
        window: WindowPlan,
        hidden: Columns,
        /// All columns of the shards' answers, hidden ones too.
        columns: Columns,
    },
    Group {
        grouping: Arc<Grouping>,
        /// Of the condition on groups.
        values: Vec<Source>,
        window: WindowPlan,
    },
    Writes,
    Replicated,
}

/// Trailing columns added for the merge.
pub(crate) type Columns = usize;

/// LIMIT and OFFSET, each from somewhere.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct WindowPlan {
    pub(crate) limit: Option<Source>,
    pub(crate) offset: Option<Source>,
}

impl Plan {
    /// The keyspace that it asks.
    pub fn keyspace(&self) -> &Arc<str> {
        &self.keyspace
    }

    /// What the user of the statement must have been granted; names without a keyspace are those of [`Plan::keyspace`].
    pub fn needs(&self) -> &Needs {
        &self.needs
    }

    /// It is a query over shards that may run on the scratch server instead, or over more rows there.
    pub fn may_be_exact(&self) -> bool {
        self.exact.as_ref().is_none_or(|exact| exact.limited)
            && self.steps.is_none()
            && !matches!(self.merge, MergePlan::Writes | MergePlan::Replicated)
    }

    /// It is an INSERT or REPLACE that works values out before, and may be rehearsed instead.
    pub fn may_be_rehearsed(&self) -> bool {
        let of_steps = |steps: &Arc<StepsPlan>| matches!(steps.write, WritePlan::Insert(_) | WritePlan::Complete(_));
        self.asked.is_some() || self.steps.as_ref().is_some_and(of_steps)
    }

    /// What would make it cheaper, where something would.
    pub fn advice(&self) -> Option<&Arc<str>> {
        self.advice.as_ref()
    }

    /// It may change data, or locks rows.
    pub fn writes(&self) -> bool {
        self.writes
    }

    /// The column of an INSERT that a sequence fills. Each of its rows needs its bind before the plan is resolved.
    pub fn filling(&self) -> Option<&Filling> {
        self.filling.as_deref()
    }

    /// Expressions that have to be worked out before it is resolved: each has its bind, [`Asked::bind`].
    pub fn asked(&self) -> Option<&Asked> {
        self.asked.as_deref()
    }

    /// `UPDATE` or `DELETE`, if it may change every row of its table: it has no LIMIT, and no WHERE that names anything.
    pub fn full_write(&self) -> Option<&'static str> {
        self.full_write
    }
}

impl Comparison {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Comparison::Native => "native",
            Comparison::Discrete => "discrete",
            Comparison::Weight(_) => "weight",
        }
    }
}
