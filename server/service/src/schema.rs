//! The schema of one database, as a tablet reports it and as gates compare it.

use serde::{Deserialize, Serialize};

/// All tables and views of a tablet's database.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Schema {
    /// Sorted by name.
    pub tables: Vec<Table>,
}

/// One table or view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its name as MySQL has it.
    pub name: String,
    /// A view.
    pub view: bool,
    /// In order.
    pub columns: Vec<Column>,
    /// Primary and unique keys, each the names of its columns; the primary one first.
    pub unique_keys: Vec<Vec<String>>,
    /// Columns that decide whether two rows collide: those of unique keys, also over prefixes and expressions.
    #[serde(default)]
    pub colliding: Vec<String>,
    /// The query of a view, in which tables are named with their keyspaces. `None`: it is no view, or the tablet may not see it.
    #[serde(default)]
    pub definition: Option<String>,
    /// All keys as gates compare and show them: `name (a, b(3))`.
    #[serde(default)]
    pub keys: Vec<String>,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// `DATA_TYPE` of `information_schema.columns` (`int`, `varchar`), lower case.
    pub data_type: String,
    /// `COLUMN_TYPE` (`int(10) unsigned`).
    pub column_type: String,
    /// Collation of a text column.
    pub collation: Option<String>,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// `auto_increment`.
    pub auto_increment: bool,
    /// Not listed by `*`.
    pub invisible: bool,
    /// Computed; cannot be written.
    pub generated: bool,
    /// What an INSERT that does not name it stores.
    #[serde(default)]
    pub default: ColumnDefault,
}

/// What a column has where no value is given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ColumnDefault {
    /// An expression, or something that was not told.
    #[default]
    Unknown,
    /// Nothing, or NULL.
    Nothing,
    /// A literal with this text.
    Literal(String),
}
