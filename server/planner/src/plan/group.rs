//! Groups that may have rows on several shards: how the rows that each shard made of its part become one.
//!
//! Every shard groups its own rows and sends them sorted. Rows with equal keys then come one after the other, and are folded into one.

use std::sync::Arc;

use super::SortKey;

/// How sorted rows of several shards become groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grouping {
    /// By which each answer is sorted, most significant first.
    pub keys: Vec<SortKey>,
    /// How many of `keys` tell groups apart. The others order the rows of one group.
    pub group_keys: usize,
    /// All rows are one group, which is there even if it has no rows: aggregates without GROUP BY.
    pub whole: bool,
    /// One for each column of the answer, hidden ones too.
    pub folds: Vec<Fold>,
    /// The condition that groups fulfil which are handed on.
    pub having: Option<Condition>,
    /// The order of the groups; empty: as `keys` have it.
    pub order: Vec<SortKey>,
    /// Trailing columns that only serve the merge; not handed on.
    pub hidden_columns: usize,
}

/// How one column is folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    /// What is made of its values.
    pub aggregate: Aggregate,
    /// Of rows that agree in all of [`Grouping::keys`], only the first counts.
    pub distinct: bool,
}

/// What is made of a column's values in one group. Columns are counted from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aggregate {
    /// Any of them: they are equal, or MySQL may choose as well.
    Any,
    /// COUNT: sum of integers, never NULL.
    Count,
    /// SUM: NULLs are skipped; exact for integers and decimals.
    Sum,
    /// The value of the row whose key comes first; NULLs are skipped. MIN, and with a descending key MAX.
    Extreme(SortKey),
    /// BIT_AND; of nothing, all bits are set.
    BitAnd,
    /// BIT_OR; of nothing, no bit is.
    BitOr,
    /// BIT_XOR likewise.
    BitXor,
    /// AVG: the value is made of two other columns.
    Average {
        /// SUM of the same.
        sum: usize,
        /// COUNT of the same.
        count: usize,
    },
    /// VAR_POP and its like: the value is made of three other columns.
    Variance {
        /// COUNT of the same.
        count: usize,
        /// SUM of the same.
        sum: usize,
        /// VAR_POP of the same, as doubles.
        variance: usize,
        /// VAR_SAMP and STDDEV_SAMP: divide by one less than the count.
        sample: bool,
        /// STDDEV: the square root.
        root: bool,
    },
    /// Computed from other columns, and shown with the decimals of this one.
    Computed(Operand),
    /// GROUP_CONCAT: texts one after the other.
    Concat {
        /// What comes between two.
        separator: Arc<str>,
        /// A column with `@@group_concat_max_len`.
        limit: usize,
    },
}

/// A condition on a group's folded columns, with the three truth values of SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Both operands are integers or decimals.
    Compare(Comparator, Operand, Operand),
    /// `IS NULL`
    IsNull(Operand),
    /// `NOT`
    Not(Box<Condition>),
    /// `AND`
    And(Box<Condition>, Box<Condition>),
    /// `OR`
    Or(Box<Condition>, Box<Condition>),
}

/// How two numbers are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparator {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// An exact number of a group, or NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    /// A folded column, from 0.
    Column(usize),
    /// A value of the statement, by its index among the merge's values.
    Value(usize),
    /// `-a`
    Negate(Box<Operand>),
    /// `a + b`
    Add(Box<Operand>, Box<Operand>),
    /// `a - b`
    Subtract(Box<Operand>, Box<Operand>),
    /// `a * b`
    Multiply(Box<Operand>, Box<Operand>),
    /// `a / b`, with more digits by as many as `increment` says, a column with `@@div_precision_increment`.
    Divide {
        /// `a`
        dividend: Box<Operand>,
        /// `b`
        divisor: Box<Operand>,
        /// The column.
        increment: usize,
    },
    /// The first, or the second if that is NULL.
    Coalesce(Box<Operand>, Box<Operand>),
}

impl Fold {
    /// A fold that counts every row.
    pub fn of(aggregate: Aggregate) -> Fold {
        Fold { aggregate, distinct: false }
    }
}

impl Operand {
    /// Whether it divides.
    pub fn divides(&self) -> bool {
        match self {
            Operand::Column(_) | Operand::Value(_) => false,
            Operand::Negate(of) => of.divides(),
            Operand::Add(left, right)
            | Operand::Subtract(left, right)
            | Operand::Multiply(left, right)
            | Operand::Coalesce(left, right) => left.divides() || right.divides(),
            Operand::Divide { .. } => true,
        }
    }
}

impl Grouping {
    /// One group of all rows.
    pub fn whole(folds: Vec<Fold>) -> Grouping {
        Grouping {
            keys: Vec::new(),
            group_keys: 0,
            whole: true,
            folds,
            having: None,
            order: Vec::new(),
            hidden_columns: 0,
        }
    }
}
