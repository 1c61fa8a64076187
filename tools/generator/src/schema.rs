//! A world's tables: what they hold, how they are defined, and where their rows lie.

mod definition;
mod make;

use vitrail_harness::Flavour;

use crate::tree::Sort;

pub use make::make;

/// All tables of a world.
#[derive(Debug, Clone)]
pub struct Schema {
    /// Of the keyspace that statements run in.
    pub tables: Vec<Table>,
    /// Of the unsharded keyspace beside it.
    pub beside: Vec<Table>,
    /// Whose collations and types are used.
    pub flavour: Flavour,
}

impl Schema {
    /// The tables of both keyspaces.
    pub fn all(&self) -> impl Iterator<Item = &Table> {
        self.tables.iter().chain(&self.beside)
    }
}

/// A table.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// In order.
    pub columns: Vec<Column>,
    /// The primary key, as places of columns.
    pub key: Vec<usize>,
    /// Further keys.
    pub keys: Vec<Key>,
    /// Where its rows lie.
    pub placement: Placement,
    /// How many rows it has in the beginning.
    pub rows: usize,
}

/// A key beside the primary one.
#[derive(Debug, Clone)]
pub struct Key {
    /// No two rows have the same, unless there is a NULL in it.
    pub unique: bool,
    /// Places of columns.
    pub columns: Vec<usize>,
}

/// Where a table's rows lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// By the values of columns, under a vindex of the world's vschema.
    Sharded {
        /// Places of columns.
        columns: Vec<usize>,
        /// The vindex's name.
        vindex: &'static str,
    },
    /// Whole on every shard.
    Reference,
    /// In an unsharded keyspace.
    Unsharded,
}

/// A column.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: Type,
    /// It takes no NULL.
    pub not_null: bool,
    /// `SELECT *` does not show it.
    pub invisible: bool,
    /// Worked out from others by this expression.
    pub generated: Option<&'static str>,
}

/// A column's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// An integer of so many bytes.
    Int {
        /// 1, 2, 3, 4 or 8.
        bytes: u8,
        /// Without negative numbers.
        unsigned: bool,
        /// With values at the ends of its range, which cannot be computed with.
        wide: bool,
        /// Numbers itself where no value is given.
        auto: bool,
    },
    /// A decimal of 10 digits, of which so many are behind the point.
    Decimal(u8),
    /// Four bytes.
    Float,
    /// Eight.
    Double,
    /// So many bits.
    Bit(u8),
    /// A year.
    Year,
    /// A text.
    Text {
        /// `CHAR(12)`, `VARCHAR(30)`, `TEXT`.
        form: &'static str,
        /// Its collation.
        collation: &'static str,
    },
    /// Bytes: `BINARY(4)`, `VARBINARY(12)`, `BLOB`.
    Bytes(&'static str),
    /// One of some.
    Enum,
    /// Some of some.
    Set,
    /// A date; perhaps with zero dates among its values.
    Date {
        /// `0000-00-00` is among its values.
        zero: bool,
    },
    /// A date with a time, and digits of a second.
    Moment(u8),
    /// The same as an instant.
    Instant(u8),
    /// A time, and digits of a second.
    Time(u8),
    /// A document.
    Json,
}

impl Type {
    /// What an expression of such a column is.
    pub fn sort(&self) -> Sort {
        match self {
            // Bits are compared as numbers, and shown as bytes.
            Type::Int { .. } | Type::Year | Type::Bit(_) => Sort::Int,
            Type::Decimal(_) => Sort::Decimal,
            Type::Float | Type::Double => Sort::Real,
            Type::Bytes(_) => Sort::Bytes,
            Type::Text { .. } | Type::Enum | Type::Set => Sort::Text,
            Type::Date { .. } => Sort::Date,
            Type::Moment(_) | Type::Instant(_) => Sort::Moment,
            Type::Time(_) => Sort::Time,
            Type::Json => Sort::Json,
        }
    }

    /// Whether values that are equal are also the same: any of a group stands for it.
    pub fn is_sharp(&self) -> bool {
        match self {
            Type::Text { collation, .. } => is_sharp(collation),
            // A temporary table on the way warns of zero dates, and which plan needs one is open.
            Type::Json | Type::Date { zero: true } => false,
            _ => true,
        }
    }

    /// Whether it can be computed with in all ways.
    pub fn is_tame(&self) -> bool {
        !matches!(
            self,
            Type::Int { wide: true, .. }
                | Type::Date { zero: true }
                | Type::Bit(_)
                | Type::Bytes(_)
                | Type::Enum
                | Type::Set
        )
    }

    /// Whether numbers of it are never negative, so that a difference may be no number of the type.
    pub fn is_unsigned(&self) -> bool {
        matches!(self, Type::Int { unsigned: true, .. } | Type::Year | Type::Bit(_))
    }

    /// The collation of texts.
    pub fn collation(&self) -> Option<&'static str> {
        match self {
            Type::Text { collation, .. } => Some(collation),
            Type::Enum | Type::Set => Some("utf8mb4_general_ci"),
            _ => None,
        }
    }
}

/// Whether texts that are equal under a collation are the same: it looks at bytes, and does not pad.
pub fn is_sharp(collation: &str) -> bool {
    matches!(collation, "utf8mb4_0900_bin" | "utf8mb4_nopad_bin" | "binary")
}

impl Table {
    /// Places of the columns that lead to the shard.
    pub fn sharding(&self) -> &[usize] {
        match &self.placement {
            Placement::Sharded { columns, .. } => columns,
            _ => &[],
        }
    }

    /// Places of the columns that a statement may write to.
    pub fn written(&self) -> Vec<usize> {
        (0..self.columns.len()).filter(|at| self.columns[*at].generated.is_none()).collect()
    }

    /// Places of those that are in no unique key and do not lead to the shard: what UPDATE changes.
    pub fn changeable(&self) -> Vec<usize> {
        let fixed = |at: &usize| {
            self.key.contains(at)
                || self.sharding().contains(at)
                || self.keys.iter().any(|key| key.unique && key.columns.contains(at))
        };
        self.written().into_iter().filter(|at| !fixed(at)).collect()
    }
}
