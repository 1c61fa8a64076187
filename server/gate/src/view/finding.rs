//! What an operator should look at in schemas and vschemas.

use std::collections::BTreeMap;

use vitrail_service::schema::{Schema, Table};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// It works, but not as one MySQL would.
    Warning,
    /// Statements on the table fail, or rows cannot be found.
    Error,
}

/// Something about the schemas that an operator should look at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Finding {
    /// A shard's schema could not be loaded; the text says why.
    Unreachable {
        /// The keyspace.
        keyspace: String,
        /// The shard.
        shard: String,
        /// Why.
        reason: String,
    },
    /// A table is not the same on a shard as on the keyspace's first one.
    Drift {
        /// The keyspace.
        keyspace: String,
        /// The shard.
        shard: String,
        /// The table.
        table: String,
        /// In what it differs.
        difference: String,
    },
    /// The vschema does not fit the schema.
    VSchema {
        /// The keyspace.
        keyspace: String,
        /// The table.
        table: String,
        /// How bad it is.
        level: Level,
        /// What does not fit.
        message: String,
    },
}

impl Level {
    /// In one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

impl Finding {
    /// How bad it is.
    pub fn level(&self) -> Level {
        match self {
            Finding::Unreachable { .. } => Level::Error,
            Finding::Drift { .. } => Level::Warning,
            Finding::VSchema { level, .. } => *level,
        }
    }

    /// The keyspace.
    pub fn keyspace(&self) -> &str {
        match self {
            Finding::Unreachable { keyspace, .. }
            | Finding::Drift { keyspace, .. }
            | Finding::VSchema { keyspace, .. } => keyspace,
        }
    }

    /// The table, if it is about one.
    pub fn table(&self) -> Option<&String> {
        match self {
            Finding::Unreachable { .. } => None,
            Finding::Drift { table, .. } | Finding::VSchema { table, .. } => Some(table),
        }
    }

    /// The shard, if it is about one.
    pub fn shard(&self) -> Option<&str> {
        match self {
            Finding::Unreachable { shard, .. } | Finding::Drift { shard, .. } => Some(shard),
            Finding::VSchema { .. } => None,
        }
    }

    /// What is wrong.
    pub fn what(&self) -> String {
        match self {
            Finding::Unreachable { reason, .. } => format!("its schema could not be loaded: {reason}"),
            Finding::Drift { difference, .. } => difference.clone(),
            Finding::VSchema { message, .. } => message.clone(),
        }
    }

    pub(super) fn is_unreachable(&self) -> bool {
        matches!(self, Finding::Unreachable { .. })
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Finding::Unreachable { keyspace, shard, reason } => {
                write!(f, "the schema of {keyspace}:{shard} could not be loaded: {reason}")
            }
            Finding::Drift { keyspace, shard, table, difference } => {
                write!(
                    f,
                    "table {table} of {keyspace}:{shard} {difference}; bring the shards' table definitions in line"
                )
            }
            Finding::VSchema { keyspace, table, message, .. } => {
                write!(f, "the vschema of '{keyspace}' does not fit its table `{table}`: {message}")
            }
        }
    }
}

/// Tables that differ, each with how.
pub(super) fn differences(expected: &Schema, found: &Schema, reference: &str) -> Vec<(String, String)> {
    let mut both: BTreeMap<&str, (Option<&Table>, Option<&Table>)> = BTreeMap::new();
    for table in &expected.tables {
        both.entry(&table.name).or_default().0 = Some(table);
    }
    for table in &found.tables {
        both.entry(&table.name).or_default().1 = Some(table);
    }
    let mut differences = Vec::new();
    for (name, pair) in both {
        let difference = match pair {
            (Some(_), None) => format!("is missing, but is on shard {reference}"),
            (None, Some(_)) => format!("is not on shard {reference}"),
            (Some(left), Some(right)) if left != right => differing_part(left, right, reference),
            _ => continue,
        };
        differences.push((name.to_owned(), difference));
    }
    differences
}

fn differing_part(left: &Table, right: &Table, reference: &str) -> String {
    let column = left
        .columns
        .iter()
        .find(|column| !right.columns.contains(column))
        .or_else(|| right.columns.iter().find(|column| !left.columns.contains(column)));
    match column {
        Some(column) => format!("has another column '{}' than on shard {reference}", column.name),
        None if left.columns != right.columns => format!("has its columns in another order than on shard {reference}"),
        None => {
            let lacks = |key: &&String, table: &Table| !table.keys.contains(key);
            match (left.keys.iter().find(|key| lacks(key, right)), right.keys.iter().find(|key| lacks(key, left))) {
                (Some(key), _) => format!("has no key {key}, which shard {reference} has"),
                (None, Some(key)) => format!("has the key {key}, which shard {reference} has not"),
                (None, None) => format!("is not of the same kind as on shard {reference}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitrail_service::schema::{Column, ColumnDefault};

    fn table(name: &str, columns: &[&str]) -> Table {
        let columns = columns.iter().map(|name| Column {
            name: (*name).into(),
            data_type: "int".into(),
            column_type: "int(11)".into(),
            collation: None,
            nullable: true,
            auto_increment: false,
            invisible: false,
            generated: false,
            default: ColumnDefault::Nothing,
        });
        let keys = vec!["PRIMARY (x)".to_owned()];
        Table {
            name: name.into(),
            view: false,
            columns: columns.collect(),
            unique_keys: Vec::new(),
            colliding: Vec::new(),
            definition: None,
            keys,
        }
    }

    #[test]
    fn drift_names_table_and_part() {
        let expected = Schema {
            tables: vec![table("a", &["x"]), table("b", &["x"]), table("c", &["x", "y"]), table("e", &["x"])],
        };
        let more_keys = Table { keys: vec!["PRIMARY (x)".into(), "by_y (y)".into()], ..table("e", &["x"]) };
        let found = Schema { tables: vec![table("b", &["z"]), table("c", &["y", "x"]), table("d", &[]), more_keys] };
        let texts: Vec<String> =
            differences(&expected, &found, "-80").into_iter().map(|(table, text)| format!("{table} {text}")).collect();
        assert_eq!(
            texts,
            [
                "a is missing, but is on shard -80",
                "b has another column 'x' than on shard -80",
                "c has its columns in another order than on shard -80",
                "d is not on shard -80",
                "e has the key by_y (y), which shard -80 has not",
            ]
        );
        assert!(differences(&expected, &expected, "-80").is_empty());
    }
}
