//! What the gate knows at one moment: the cluster, the schema of each keyspace, and where the shards' schemas differ.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;
use vitrail_planner::schema::{ColumnClass, ColumnSchema, KeyspaceSchema, Schemas, TableSchema};
use vitrail_proto::error::ErrorBody;
use vitrail_service::call::Settings;
use vitrail_service::schema::{Schema, Table};

use crate::access::Permit;
use crate::calling::background;
use crate::cluster::{Cluster, Keyspace};
use crate::failure;

/// One consistent state; requests keep theirs while a newer one takes its place.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) cluster: Arc<Cluster>,
    /// As the first shard of each keyspace told them. A keyspace whose schema could not be loaded is missing.
    pub(crate) tables: BTreeMap<Arc<str>, Arc<Schema>>,
    /// The same, as the planner wants them.
    pub(crate) schemas: Schemas,
    /// Grows with every change: plans of another version are not used.
    pub(crate) version: u64,
}

/// Something about the schemas that an operator should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
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
}

impl View {
    /// The keyspace of a name, for a user who sees some only.
    pub(crate) fn keyspace(&self, name: &str, permit: &Permit) -> Result<&Keyspace, ErrorBody> {
        if !permit.sees_keyspace(name) {
            return Err(permit.no_keyspace(name));
        }
        let seen =
            || self.cluster.keyspaces().map(|keyspace| &*keyspace.name).filter(|known| permit.sees_keyspace(known));
        self.cluster.keyspace(name).map_err(|_| failure::unknown_keyspace(name, seen()))
    }

    /// The next view: `cluster`, with the schemas of `keyspaces` loaded anew and the others kept.
    pub(crate) async fn load(
        &self,
        cluster: Arc<Cluster>,
        keyspaces: &[Arc<str>],
        caller: &Arc<str>,
    ) -> (View, Vec<Finding>) {
        let (mut tables, mut schemas) = (self.tables.clone(), self.schemas.clone());
        tables.retain(|name, _| cluster.keyspace(name).is_ok());
        schemas.retain(|name, _| cluster.keyspace(name).is_ok());
        let mut findings = Vec::new();
        let chosen: Vec<&Keyspace> =
            cluster.keyspaces().filter(|keyspace| keyspaces.contains(&keyspace.name)).collect();
        for (keyspace, loaded) in
            chosen.iter().zip(join_all(chosen.iter().map(|keyspace| load_keyspace(keyspace, caller))).await)
        {
            let (schema, found) = loaded;
            findings.extend(found);
            if let Some(schema) = schema {
                schemas.insert(Arc::clone(&keyspace.name), Arc::new(for_planner(&schema)));
                tables.insert(Arc::clone(&keyspace.name), Arc::new(schema));
            }
        }
        (View { cluster, tables, schemas, version: self.version + 1 }, findings)
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
        }
    }
}

/// The first reachable shard's schema, and what is wrong with the others.
async fn load_keyspace(keyspace: &Keyspace, caller: &Arc<str>) -> (Option<Schema>, Vec<Finding>) {
    let settings: Arc<Settings> = Arc::default();
    let loaded =
        join_all(keyspace.shards.iter().map(|shard| shard.service.schema(background(caller, &settings)))).await;
    let mut first: Option<(Arc<str>, Schema)> = None;
    let mut findings = Vec::new();
    for (shard, loaded) in keyspace.shards.iter().zip(loaded) {
        match (loaded, &first) {
            (Ok(schema), None) => first = Some((Arc::clone(&shard.name), schema)),
            (Ok(schema), Some((reference, expected))) => {
                findings.extend(differences(expected, &schema, reference).into_iter().map(|(table, difference)| {
                    Finding::Drift {
                        keyspace: keyspace.name.to_string(),
                        shard: shard.name.to_string(),
                        table,
                        difference,
                    }
                }));
            }
            (Err(error), _) => findings.push(Finding::Unreachable {
                keyspace: keyspace.name.to_string(),
                shard: shard.name.to_string(),
                reason: error.message,
            }),
        }
    }
    (first.map(|(_, schema)| schema), findings)
}

/// Tables that differ, each with how.
fn differences(expected: &Schema, found: &Schema, reference: &str) -> Vec<(String, String)> {
    let by_name = |schema: &Schema| -> BTreeMap<String, Table> {
        schema.tables.iter().map(|table| (table.name.clone(), table.clone())).collect()
    };
    let (expected, found) = (by_name(expected), by_name(found));
    let names: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    let mut differences = Vec::new();
    for name in names {
        let difference = match (expected.get(name), found.get(name)) {
            (Some(_), None) => format!("is missing, but is on shard {reference}"),
            (None, Some(_)) => format!("is not on shard {reference}"),
            (Some(left), Some(right)) if left != right => differing_part(left, right, reference),
            _ => continue,
        };
        differences.push((name.clone(), difference));
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
        None => format!("has other keys than on shard {reference}"),
    }
}

fn for_planner(schema: &Schema) -> KeyspaceSchema {
    KeyspaceSchema::new(schema.tables.iter().map(|table| {
        let columns = table.columns.iter().map(|column| ColumnSchema {
            class: ColumnClass::of(&column.data_type, column.collation.as_deref()),
            auto_increment: column.auto_increment,
            invisible: column.invisible,
            nullable: column.nullable,
            generated: column.generated,
            ..ColumnSchema::of(&column.name, &column.column_type, column.collation.as_deref())
        });
        (
            table.name.clone(),
            TableSchema { columns: columns.collect(), unique_keys: table.unique_keys.clone(), view: table.view },
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitrail_service::schema::Column;

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
        });
        Table { name: name.into(), view: false, columns: columns.collect(), unique_keys: Vec::new() }
    }

    #[test]
    fn drift_names_table_and_part() {
        let expected = Schema { tables: vec![table("a", &["x"]), table("b", &["x"]), table("c", &["x", "y"])] };
        let found = Schema { tables: vec![table("b", &["z"]), table("c", &["y", "x"]), table("d", &[])] };
        let texts: Vec<String> =
            differences(&expected, &found, "-80").into_iter().map(|(table, text)| format!("{table} {text}")).collect();
        assert_eq!(
            texts,
            [
                "a is missing, but is on shard -80",
                "b has another column 'x' than on shard -80",
                "c has its columns in another order than on shard -80",
                "d is not on shard -80",
            ]
        );
        assert!(differences(&expected, &expected, "-80").is_empty());
    }
}
