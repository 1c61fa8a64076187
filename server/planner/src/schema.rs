//! What the planner knows of a keyspace's tables: column names and types, so that it can prove comparisons.

mod domain;

use std::collections::HashMap;
use std::sync::Arc;

pub use domain::Domain;
use vitrail_proto::value::Value;

/// The schemas of all keyspaces that are known, by keyspace.
pub type Schemas = HashMap<Arc<str>, Arc<KeyspaceSchema>>;

/// The tables of one keyspace, by name as MySQL has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyspaceSchema {
    /// Shared, so that a schema in which few tables have changed is made at little cost.
    tables: HashMap<Arc<str>, Arc<TableSchema>>,
    /// Those of them that are views.
    views: Vec<Arc<str>>,
}

/// The columns and unique keys of one table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableSchema {
    /// In order.
    pub columns: Vec<ColumnSchema>,
    /// Primary and unique keys, each the names of its columns.
    pub unique_keys: Vec<Vec<String>>,
    /// Columns that decide whether two rows collide: those of unique keys, also over prefixes and expressions.
    pub colliding: Vec<String>,
    /// It is a view.
    pub view: bool,
    /// The query of a view, if it is known.
    pub definition: Option<Arc<str>>,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnSchema {
    /// Its name; compared without regard to letter case.
    pub name: String,
    /// What its values are.
    pub class: ColumnClass,
    /// Which values it can hold.
    pub domain: Domain,
    /// `auto_increment`.
    pub auto_increment: bool,
    /// Not listed by `*`, and not filled by an INSERT without column list.
    pub invisible: bool,
    /// It may be NULL.
    pub nullable: bool,
    /// MySQL computes it; it cannot be written.
    pub generated: bool,
    /// What it has where an INSERT does not name it.
    pub default: ColumnDefault,
}

/// What a column has where no value is given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ColumnDefault {
    /// An expression, or not known.
    #[default]
    Unknown,
    /// NULL. A column that is never NULL has no default then: it is an error, or the default of its type.
    Nothing,
    /// A literal with this text.
    Literal(String),
}

/// What the values of a column are, as far as comparing them goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ColumnClass {
    /// Integers, signed or not, `bool` and `year`.
    Integer,
    /// `decimal`.
    Decimal,
    /// `double`.
    Double,
    /// `float`, whose text form has fewer digits than its values.
    Float,
    /// `date`, `datetime`, `time`.
    Temporal,
    /// `timestamp`: an instant, shown as a time of the session's zone. In the hour that comes twice when clocks are set back, instants differ
    /// that are shown alike.
    Timestamp,
    /// `binary`, `varbinary` and blobs.
    Binary,
    /// Text under this collation.
    Text(String),
    /// `enum` and `set`, which are numbers with a text each.
    Label,
    /// Anything else: `bit`, `json`, geometry.
    Other,
    /// Of a derived table, whose types only MySQL knows.
    Unknown,
}

impl KeyspaceSchema {
    /// A schema of these tables.
    pub fn new(tables: impl IntoIterator<Item = (String, TableSchema)>) -> KeyspaceSchema {
        KeyspaceSchema::of(tables.into_iter().map(|(name, table)| (name.into(), Arc::new(table))).collect())
    }

    /// The same, but for these tables; `None`: there is no such table any more.
    pub fn with(&self, changed: impl IntoIterator<Item = (String, Option<TableSchema>)>) -> KeyspaceSchema {
        let mut tables = self.tables.clone();
        for (name, table) in changed {
            match table {
                Some(table) => tables.insert(name.into(), Arc::new(table)),
                None => tables.remove(&*name),
            };
        }
        KeyspaceSchema::of(tables)
    }

    fn of(tables: HashMap<Arc<str>, Arc<TableSchema>>) -> KeyspaceSchema {
        let view = |(name, table): (&Arc<str>, &Arc<TableSchema>)| table.view.then(|| Arc::clone(name));
        KeyspaceSchema { views: tables.iter().filter_map(view).collect(), tables }
    }

    /// The table of this name.
    pub fn table(&self, name: &str) -> Option<&TableSchema> {
        self.tables.get(name).map(|table| &**table)
    }

    /// The table of this name, with the name as it is kept here.
    pub fn named(&self, name: &str) -> Option<(&str, &TableSchema)> {
        self.tables.get_key_value(name).map(|(name, table)| (&**name, &**table))
    }

    /// The names of its views, in no order.
    pub fn views(&self) -> impl Iterator<Item = &str> {
        self.views.iter().map(|name| &**name)
    }

    /// All tables, in no order.
    pub fn tables(&self) -> impl Iterator<Item = (&str, &TableSchema)> {
        self.tables.iter().map(|(name, table)| (&**name, &**table))
    }
}

impl TableSchema {
    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&ColumnSchema> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }
}

impl ColumnSchema {
    /// A plain column that is never NULL, from its `COLUMN_TYPE` and collation of `information_schema.columns`.
    pub fn of(name: &str, column_type: &str, collation: Option<&str>) -> ColumnSchema {
        let data_type = column_type.split(|character: char| !character.is_ascii_alphanumeric()).next();
        ColumnSchema {
            name: name.to_owned(),
            class: ColumnClass::of(&data_type.unwrap_or_default().to_ascii_lowercase(), collation),
            domain: Domain::of(column_type),
            auto_increment: false,
            invisible: false,
            nullable: false,
            generated: false,
            default: ColumnDefault::Unknown,
        }
    }
}

impl ColumnSchema {
    /// What MySQL stores where no value is given, before it is converted to the column's type; NULL in a column that is never NULL: an error, or
    /// the default of its type. `None`: not known.
    pub fn default_value(&self) -> Option<Value> {
        match &self.default {
            ColumnDefault::Unknown => None,
            ColumnDefault::Nothing => Some(Value::Null),
            ColumnDefault::Literal(text) => Some(Value::Text(text.clone())),
        }
    }
}

impl ColumnClass {
    /// The class of a column from `DATA_TYPE` (lower case) and collation of `information_schema.columns`.
    pub fn of(data_type: &str, collation: Option<&str>) -> ColumnClass {
        match data_type {
            "tinyint" | "smallint" | "mediumint" | "int" | "integer" | "bigint" | "bool" | "boolean" | "year" => {
                ColumnClass::Integer
            }
            "decimal" | "numeric" => ColumnClass::Decimal,
            "double" => ColumnClass::Double,
            "float" => ColumnClass::Float,
            "enum" | "set" => ColumnClass::Label,
            "date" | "datetime" | "time" => ColumnClass::Temporal,
            "timestamp" => ColumnClass::Timestamp,
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => ColumnClass::Binary,
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => match collation {
                Some("binary") => ColumnClass::Binary,
                Some(collation) => ColumnClass::Text(collation.to_owned()),
                None => ColumnClass::Other,
            },
            _ => ColumnClass::Other,
        }
    }
}
