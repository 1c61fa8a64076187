//! Which tables of `information_schema` a keyspace has, whose their rows are, and what in them differs from shard to shard.

/// A table that a keyspace has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// The column with the database of a row; `None`: the same rows on every server.
    pub(super) owner: Option<&'static str>,
    /// What differs from shard to shard.
    pub(super) sums: Option<&'static Sums>,
}

/// What is added up over the shards, for one table of `information_schema`.
#[derive(Debug, PartialEq, Eq)]
pub struct Sums {
    /// The bind that holds it: JSON, an array of rows, each an array of keys and values.
    pub bind: &'static str,
    /// The table.
    pub table: &'static str,
    /// Columns that name a row, the table's first.
    pub keys: &'static [&'static str],
    /// Type of what is added up.
    pub kind: &'static str,
    /// What is added up, and how.
    pub values: &'static [(&'static str, Sum)],
}

/// How the values of shards become one. Those of a table that every shard has whole are the first shard's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sum {
    /// Added up.
    Total,
    /// The largest.
    Largest,
    /// `DATA_LENGTH` for each of `TABLE_ROWS`.
    PerRow,
}

impl Sums {
    /// Reads what is to be added up, from one shard: keys, then values.
    pub fn query(&self) -> String {
        let columns: Vec<&str> = self.keys.iter().copied().chain(self.values.iter().map(|(name, _)| *name)).collect();
        format!("SELECT {} FROM information_schema.{} WHERE TABLE_SCHEMA = DATABASE()", columns.join(", "), self.table)
    }

    /// What a column is called in the table that [`Sums::join`] joins.
    pub(super) fn value(&self, column: &str) -> Option<String> {
        self.values.iter().position(|(name, _)| column.eq_ignore_ascii_case(name)).map(|index| format!("v{index}"))
    }

    /// Joins the bind, as `s`, to the table, which is called `t`.
    pub(super) fn join(&self) -> String {
        let keys = self.keys.iter().enumerate().map(|(index, _)| {
            format!("k{index} VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[{index}]'")
        });
        let kind = self.kind;
        let values = self
            .values
            .iter()
            .enumerate()
            .map(|(index, _)| format!("v{index} {kind} PATH '$[{}]'", self.keys.len() + index));
        let columns: Vec<String> = keys.chain(values).collect();
        let on: Vec<String> =
            self.keys.iter().enumerate().map(|(index, key)| format!("s.k{index} <=> t.{key}")).collect();
        let (columns, on) = (columns.join(", "), on.join(" AND "));
        format!("LEFT JOIN JSON_TABLE(:{}, '$[*]' COLUMNS ({columns})) AS s ON {on}", self.bind)
    }
}

const OF_TABLES: Sums = Sums {
    bind: "vitrail_sums_of_tables",
    table: "TABLES",
    keys: &["TABLE_NAME"],
    kind: "BIGINT UNSIGNED",
    values: &[
        ("TABLE_ROWS", Sum::Total),
        ("AVG_ROW_LENGTH", Sum::PerRow),
        ("DATA_LENGTH", Sum::Total),
        ("INDEX_LENGTH", Sum::Total),
        ("DATA_FREE", Sum::Total),
        ("AUTO_INCREMENT", Sum::Largest),
    ],
};

const OF_PARTITIONS: Sums = Sums {
    bind: "vitrail_sums_of_partitions",
    table: "PARTITIONS",
    keys: &["TABLE_NAME", "PARTITION_NAME", "SUBPARTITION_NAME"],
    kind: "BIGINT UNSIGNED",
    values: &[
        ("TABLE_ROWS", Sum::Total),
        ("AVG_ROW_LENGTH", Sum::PerRow),
        ("DATA_LENGTH", Sum::Total),
        ("INDEX_LENGTH", Sum::Total),
        ("DATA_FREE", Sum::Total),
    ],
};

const OF_STATISTICS: Sums = Sums {
    bind: "vitrail_sums_of_statistics",
    table: "STATISTICS",
    keys: &["TABLE_NAME", "INDEX_NAME", "SEQ_IN_INDEX"],
    kind: "BIGINT",
    values: &[("CARDINALITY", Sum::Total)],
};

/// The table of this name, upper case, if a keyspace has it.
pub(super) fn known(table: &str) -> Option<Known> {
    let (_, owner) = TABLES.iter().find(|(name, _)| *name == table)?;
    let sums = [&OF_TABLES, &OF_PARTITIONS, &OF_STATISTICS].into_iter().find(|sums| sums.table == table);
    Some(Known { owner: *owner, sums })
}

/// Whether a column holds the name of a database.
pub(super) fn names_schema(column: &str) -> bool {
    let ends = |end: &str| {
        column
            .len()
            .checked_sub(end.len())
            .and_then(|at| column.get(at..))
            .is_some_and(|last| last.eq_ignore_ascii_case(end))
    };
    ends("_SCHEMA") || column.eq_ignore_ascii_case("SCHEMA_NAME")
}

/// Tables, each with the column that says whose a row is.
const TABLES: &[(&str, Option<&str>)] = &[
    ("CHARACTER_SETS", None),
    ("CHECK_CONSTRAINTS", Some("CONSTRAINT_SCHEMA")),
    ("COLLATIONS", None),
    ("COLLATION_CHARACTER_SET_APPLICABILITY", None),
    ("COLUMNS", Some("TABLE_SCHEMA")),
    ("COLUMNS_EXTENSIONS", Some("TABLE_SCHEMA")),
    ("ENGINES", None),
    ("EVENTS", Some("EVENT_SCHEMA")),
    ("KEYWORDS", None),
    ("KEY_COLUMN_USAGE", Some("TABLE_SCHEMA")),
    ("PARAMETERS", Some("SPECIFIC_SCHEMA")),
    ("PARTITIONS", Some("TABLE_SCHEMA")),
    ("PLUGINS", None),
    ("REFERENTIAL_CONSTRAINTS", Some("CONSTRAINT_SCHEMA")),
    ("ROUTINES", Some("ROUTINE_SCHEMA")),
    ("SCHEMATA", Some("SCHEMA_NAME")),
    ("SCHEMATA_EXTENSIONS", Some("SCHEMA_NAME")),
    ("SPATIAL_REF_SYS", None),
    ("SQL_FUNCTIONS", None),
    ("STATISTICS", Some("TABLE_SCHEMA")),
    ("ST_GEOMETRY_COLUMNS", Some("TABLE_SCHEMA")),
    ("ST_SPATIAL_REFERENCE_SYSTEMS", None),
    ("ST_UNITS_OF_MEASURE", None),
    ("TABLES", Some("TABLE_SCHEMA")),
    ("TABLES_EXTENSIONS", Some("TABLE_SCHEMA")),
    ("TABLE_CONSTRAINTS", Some("TABLE_SCHEMA")),
    ("TABLE_CONSTRAINTS_EXTENSIONS", Some("CONSTRAINT_SCHEMA")),
    ("TRIGGERS", Some("TRIGGER_SCHEMA")),
    ("VIEWS", Some("TABLE_SCHEMA")),
    ("VIEW_ROUTINE_USAGE", Some("TABLE_SCHEMA")),
    ("VIEW_TABLE_USAGE", Some("VIEW_SCHEMA")),
];
