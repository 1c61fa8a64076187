//! Loads the schema of a keyspace from its shards.

use std::sync::Arc;

use futures_util::future::join_all;
use vitrail_planner::schema::{ColumnClass, ColumnDefault, ColumnSchema, KeyspaceSchema, TableSchema};
use vitrail_service::call::Settings;
use vitrail_service::schema::{ColumnDefault as Told, Schema};

use super::finding::{Finding, differences};
use crate::calling::of_schema;
use crate::cluster::Keyspace;
use crate::failure;

/// What the shards have told.
pub(super) struct Loaded {
    /// The schema of the first shard that could be asked.
    pub(super) schema: Option<Arc<KeyspaceSchema>>,
    /// Shards that could not, and where the others differ from it.
    pub(super) findings: Vec<Finding>,
}

/// Asks every shard for these tables, or for all if none is named.
pub(super) async fn load(keyspace: &Keyspace, tables: &[String], caller: &Arc<str>) -> Loaded {
    let settings: Arc<Settings> = Arc::default();
    let asked = keyspace.shards.iter().map(|shard| shard.service.schema(of_schema(caller, &settings), tables.to_vec()));
    let (mut told, mut findings) = (Vec::new(), Vec::new());
    for (shard, schema) in keyspace.shards.iter().zip(join_all(asked).await) {
        match schema {
            Ok(schema) => told.push((Arc::clone(&shard.name), schema)),
            Err(error) => findings.push(Finding::Unreachable {
                keyspace: keyspace.name.to_string(),
                shard: shard.name.to_string(),
                reason: error.message,
            }),
        }
    }
    let name = Arc::clone(&keyspace.name);
    // Thousands of tables take a while, in which no statement should have to wait for this thread.
    let compared = tokio::task::spawn_blocking(move || {
        let drift = drift(&name, &told);
        let schema = told.into_iter().next().map(|(_, schema)| Arc::new(for_planner(schema)));
        (schema, drift)
    });
    match compared.await {
        Ok((schema, drift)) => {
            findings.extend(drift);
            Loaded { schema, findings }
        }
        Err(error) => {
            findings.push(Finding::Unreachable {
                keyspace: keyspace.name.to_string(),
                shard: String::new(),
                reason: failure::internal(error.to_string()).message,
            });
            Loaded { schema: None, findings }
        }
    }
}

/// Where the further shards differ from the first.
fn drift(keyspace: &str, told: &[(Arc<str>, Schema)]) -> Vec<Finding> {
    let Some(((reference, expected), others)) = told.split_first() else { return Vec::new() };
    let of_shard = |(shard, found): &(Arc<str>, Schema)| {
        let differences = differences(expected, found, reference).into_iter();
        let (keyspace, shard) = (keyspace.to_owned(), shard.to_string());
        differences
            .map(move |(table, difference)| Finding::Drift {
                keyspace: keyspace.clone(),
                shard: shard.clone(),
                table,
                difference,
            })
            .collect::<Vec<_>>()
    };
    others.iter().flat_map(of_shard).collect()
}

fn for_planner(schema: Schema) -> KeyspaceSchema {
    KeyspaceSchema::new(schema.tables.into_iter().map(|table| {
        let columns = table.columns.iter().map(|column| ColumnSchema {
            class: ColumnClass::of(&column.data_type, column.collation.as_deref()),
            auto_increment: column.auto_increment,
            invisible: column.invisible,
            nullable: column.nullable,
            generated: column.generated,
            default: match &column.default {
                Told::Unknown => ColumnDefault::Unknown,
                Told::Nothing => ColumnDefault::Nothing,
                Told::Literal(text) => ColumnDefault::Literal(text.clone()),
            },
            ..ColumnSchema::of(&column.name, &column.column_type, column.collation.as_deref())
        });
        let columns = columns.collect();
        let schema = TableSchema {
            columns,
            unique_keys: table.unique_keys,
            colliding: table.colliding,
            view: table.view,
            definition: table.definition.map(Arc::from),
        };
        (table.name, schema)
    }))
}
