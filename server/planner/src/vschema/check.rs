//! Checks a vschema against MySQL's schema, and says what would surprise.

use std::fmt;
use std::sync::Arc;

use super::{Keyspace, Placement, Sharding, ShardingColumn, VSchema};
use crate::schema::{ColumnClass, ColumnSchema, Domain, KeyspaceSchema, Schemas, TableSchema};
use crate::vindex::Vindex;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It works, but not as one MySQL would.
    Warning,
    /// Statements on the table fail, or rows cannot be found.
    Error,
}

/// Something in the vschema that does not fit the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The keyspace.
    pub keyspace: Arc<str>,
    /// The table.
    pub table: Arc<str>,
    /// What does not fit, and what to do.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{severity}: `{}.{}`: {}", self.keyspace, self.table, self.message)
    }
}

/// Compares every sharded keyspace's vschema with its schema. Keyspaces without a schema are skipped.
pub fn validate(vschema: &VSchema, schemas: &Schemas) -> Vec<Finding> {
    let mut findings = Vec::new();
    for keyspace in vschema.keyspaces().filter(|keyspace| keyspace.sharded) {
        if let Some(schema) = schemas.get(&keyspace.name) {
            check_keyspace(keyspace, schema, &mut findings);
            check_sequences(keyspace, schema, vschema, schemas, &mut findings);
        }
    }
    findings.sort_by(|a, b| (&a.keyspace, &a.table, &a.message).cmp(&(&b.keyspace, &b.table, &b.message)));
    findings
}

fn check_keyspace(keyspace: &Keyspace, schema: &KeyspaceSchema, findings: &mut Vec<Finding>) {
    let mut find = |severity, table: &str, message: String| {
        findings.push(Finding { severity, keyspace: Arc::clone(&keyspace.name), table: table.into(), message });
    };
    for (name, _) in schema.tables().filter(|(name, table)| !table.view && keyspace.table(name).is_none()) {
        find(Severity::Warning, name, "it is not in the vschema, so statements cannot name it".to_owned());
    }
    for table in keyspace.tables() {
        let Some(known) = schema.table(&table.name) else {
            find(Severity::Warning, &table.name, "it is in the vschema, and MySQL has no such table".to_owned());
            continue;
        };
        if let Placement::Sharded(sharding) = &table.placement {
            let mut missing = false;
            for ShardingColumn { column: name, vindex, .. } in &sharding.columns {
                let Some(column) = known.column(name) else {
                    let message = format!("MySQL has no column `{name}`, by which it is sharded");
                    find(Severity::Error, &table.name, message);
                    missing = true;
                    continue;
                };
                if let Some((severity, message)) = check_vindex(*vindex, column) {
                    find(severity, &table.name, message);
                }
            }
            for key in unique_keys_across_shards(known, sharding).filter(|_| !missing) {
                let columns = if sharding.columns.len() == 1 { "column" } else { "columns" };
                let message = format!(
                    "its unique key ({key}) lacks the sharding {columns} {}, so it is unique within each shard only",
                    sharding.names()
                );
                find(Severity::Warning, &table.name, message);
            }
        }
    }
}

/// Whether the sequences that fill columns are there, and can count.
fn check_sequences(
    keyspace: &Keyspace,
    schema: &KeyspaceSchema,
    vschema: &VSchema,
    schemas: &Schemas,
    findings: &mut Vec<Finding>,
) {
    for table in keyspace.tables() {
        let Some(auto) = &table.auto_increment else { continue };
        let mut find = |message: String| {
            let (keyspace, table) = (Arc::clone(&keyspace.name), Arc::clone(&table.name));
            findings.push(Finding { severity: Severity::Error, keyspace, table, message });
        };
        if schema.table(&table.name).is_some_and(|known| known.column(&auto.column).is_none()) {
            find(format!("MySQL has no column `{}`, which a sequence fills", auto.column));
        }
        match auto.sequence(vschema) {
            Err(reason) => find(reason),
            Ok((owner, sequence)) => {
                let Some(known) = schemas.get(&owner) else { continue };
                let lacking = |table: &TableSchema| {
                    ["id", "next_id", "cache"].into_iter().find(|name| table.column(name).is_none())
                };
                match known.table(&sequence).map(lacking) {
                    None => find(format!(
                        "the sequence `{owner}.{sequence}` is in the vschema, and MySQL has no such table"
                    )),
                    Some(Some(column)) => {
                        find(format!(
                            "the sequence `{owner}.{sequence}` has no column `{column}`; it needs `id`, `next_id` and `cache`"
                        ));
                    }
                    Some(None) => {}
                }
            }
        }
    }
}

fn check_vindex(vindex: Vindex, column: &ColumnSchema) -> Option<(Severity, String)> {
    let (vindex_name, name) = (vindex.name(), &column.name);
    match &column.class {
        _ if column.domain == Domain::Years => Some((
            Severity::Warning,
            format!(
                "`{name}` is a year, where numbers of two digits stand for others, so equality does not find the shard"
            ),
        )),
        class if vindex.follows_equality(class) => None,
        ColumnClass::Text(collation) if matches!(vindex, Vindex::XxHash | Vindex::Binary | Vindex::BinaryMd5) => {
            Some((
                Severity::Warning,
                format!(
                    "the vindex `{vindex_name}` tells apart values of `{name}` that its collation {collation} takes for equal, so \
                 equality does not find the shard; use `unicode_loose_xxhash`, or a binary collation without padding"
                ),
            ))
        }
        _ => Some((Severity::Error, format!("the vindex `{vindex_name}` does not take values of the column `{name}`"))),
    }
}

fn unique_keys_across_shards(table: &TableSchema, sharding: &Sharding) -> impl Iterator<Item = String> {
    let lacks = |key: &&Vec<String>| {
        let has = |name: &str| key.iter().any(|column| column.eq_ignore_ascii_case(name));
        !sharding.columns.iter().all(|column| has(&column.column))
    };
    table.unique_keys.iter().filter(lacks).map(|key| key.join(", "))
}
