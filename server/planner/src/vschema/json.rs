//! Reads Vitess's JSON form of a keyspace's vschema.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value as Json;

use super::functions::{self, Function, VindexForm};
use super::{AutoIncrement, Keyspace, Placement, Sharding, ShardingColumn, Table, VSchemaError};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyspaceForm {
    #[serde(default)]
    sharded: bool,
    #[serde(default)]
    vindexes: BTreeMap<String, VindexForm>,
    #[serde(default)]
    tables: BTreeMap<String, TableForm>,
    #[serde(default)]
    require_explicit_routing: bool,
    #[serde(default)]
    foreign_key_mode: Option<Json>,
    #[serde(default)]
    multi_tenant_spec: Option<Json>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct TableForm {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    column_vindexes: Vec<ColumnVindexForm>,
    #[serde(default)]
    auto_increment: Option<AutoIncrementForm>,
    #[serde(default)]
    columns: Vec<ColumnForm>,
    #[serde(default)]
    pinned: String,
    #[serde(default)]
    column_list_authoritative: bool,
    #[serde(default)]
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AutoIncrementForm {
    column: String,
    sequence: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnVindexForm {
    #[serde(default)]
    column: String,
    #[serde(default)]
    columns: Vec<String>,
    name: String,
}

/// Types and defaults of columns come from MySQL's schema, which is the better witness; here they are only let pass.
#[derive(Deserialize)]
struct ColumnForm {
    name: String,
}

pub(super) fn read(keyspace: &str, text: &str) -> Result<Keyspace, VSchemaError> {
    let form: KeyspaceForm = serde_json::from_str(text)
        .map_err(|error| VSchemaError::Form { keyspace: keyspace.to_owned(), reason: error.to_string() })?;
    let reader = Reader { keyspace };
    if form.foreign_key_mode.is_some_and(|mode| mode != "unspecified" && mode != "unmanaged") {
        return Err(reader.unsupported("the key `foreign_key_mode`", "managing foreign keys"));
    }
    if form.multi_tenant_spec.is_some() {
        return Err(reader.unsupported("the key `multi_tenant_spec`", "a multi-tenant keyspace"));
    }
    if !form.sharded
        && let Some(name) = form.vindexes.keys().next()
    {
        let place = format!("vindex `{name}`");
        return Err(reader.inconsistent(place, "the keyspace has vindexes and is not sharded: add `\"sharded\": true`"));
    }
    let mut vindexes = HashMap::with_capacity(form.vindexes.len());
    for (name, form) in &form.vindexes {
        vindexes.insert(name.clone(), functions::read(keyspace, name, form)?);
    }
    let mut tables = HashMap::with_capacity(form.tables.len());
    for (name, table) in form.tables {
        let table = reader.table(&name, table, form.sharded, &vindexes)?;
        tables.insert(name, table);
    }
    Ok(Keyspace {
        name: keyspace.into(),
        sharded: form.sharded,
        require_explicit_routing: form.require_explicit_routing,
        tables,
    })
}

struct Reader<'a> {
    keyspace: &'a str,
}

impl Reader<'_> {
    fn table(
        &self,
        name: &str,
        form: TableForm,
        sharded: bool,
        vindexes: &HashMap<String, Function>,
    ) -> Result<Table, VSchemaError> {
        let place = || format!("table `{name}`");
        if form.auto_increment.is_some() && !sharded {
            let reason =
                "its keyspace is not sharded, and MySQL counts AUTO_INCREMENT itself: leave `auto_increment` out";
            return Err(self.inconsistent(place(), reason));
        }
        let auto_increment = form.auto_increment.map(|form| self.auto_increment(name, &form)).transpose()?;
        if !form.pinned.is_empty() {
            return Err(self.unsupported(place(), "pinning a table to one keyspace id (`pinned`)"));
        }
        if !form.source.is_empty() {
            return Err(self.unsupported(place(), "copying a reference table from a source (`source`)"));
        }
        let placement = match form.kind.as_str() {
            "" if sharded => Placement::Sharded(self.sharding(name, &form.column_vindexes, vindexes)?),
            "" if form.column_vindexes.is_empty() => Placement::Unsharded,
            "reference" if !form.column_vindexes.is_empty() => {
                return Err(self.inconsistent(place(), "a reference table has no vindexes"));
            }
            "reference" if sharded => Placement::Reference,
            "reference" => Placement::Unsharded,
            "sequence" if sharded => {
                return Err(
                    self.inconsistent(place(), "a sequence counts in one place: put it into an unsharded keyspace")
                );
            }
            "sequence" if !form.column_vindexes.is_empty() => {
                return Err(self.inconsistent(place(), "a sequence has no vindexes"));
            }
            "sequence" => Placement::Unsharded,
            "" => return Err(self.inconsistent(place(), "it has vindexes, and its keyspace is not sharded")),
            other => {
                let reason = format!("the table type `{other}` is unknown; there are `reference` and `sequence`");
                return Err(self.inconsistent(place(), reason));
            }
        };
        Ok(Table {
            name: name.into(),
            placement,
            columns: form.columns.into_iter().map(|column| column.name).collect(),
            columns_complete: form.column_list_authoritative,
            auto_increment,
            sequence: form.kind == "sequence",
        })
    }

    fn auto_increment(&self, table: &str, form: &AutoIncrementForm) -> Result<AutoIncrement, VSchemaError> {
        if form.column.is_empty() || form.sequence.is_empty() {
            let reason = "`auto_increment` needs a `column`, and a `sequence` as `keyspace.table`";
            return Err(self.inconsistent(format!("table `{table}`"), reason));
        }
        let (keyspace, sequence) = match form.sequence.split_once('.') {
            Some((keyspace, sequence)) => (Some(keyspace), sequence),
            None => (None, form.sequence.as_str()),
        };
        let bare = |name: &str| Arc::from(name.trim_matches('`'));
        Ok(AutoIncrement {
            column: Arc::from(form.column.as_str()),
            keyspace: keyspace.map(bare),
            sequence: bare(sequence),
        })
    }

    fn sharding(
        &self,
        table: &str,
        forms: &[ColumnVindexForm],
        vindexes: &HashMap<String, Function>,
    ) -> Result<Sharding, VSchemaError> {
        let place = || format!("table `{table}`");
        let form = match forms {
            [] => {
                let reason =
                    "it needs a vindex (`column_vindexes`) or the type `reference`, as its keyspace is sharded";
                return Err(self.inconsistent(place(), reason));
            }
            [form] => form,
            [_, second, ..] => {
                return Err(self.unsupported(place(), format!("a second vindex of a table (`{}`)", second.name)));
            }
        };
        let columns = match (form.column.as_str(), form.columns.as_slice()) {
            ("", []) => return Err(self.inconsistent(place(), "its vindex names no column")),
            ("", columns) => columns,
            (_, []) => std::slice::from_ref(&form.column),
            _ => return Err(self.inconsistent(place(), "its vindex has both `column` and `columns`")),
        };
        let Some(function) = vindexes.get(&form.name) else {
            return Err(self.inconsistent(place(), format!("its vindex `{}` is not among `vindexes`", form.name)));
        };
        if function.len() != columns.len() {
            let (name, takes, names) = (&form.name, function.len(), columns.len());
            let reason = format!("its vindex `{name}` is over {takes} columns, and the table names {names}");
            return Err(self.inconsistent(place(), reason));
        }
        let columns = columns.iter().zip(function).map(|(column, (vindex, part))| ShardingColumn {
            column: column.as_str().into(),
            vindex: *vindex,
            part: *part,
        });
        Ok(Sharding { columns: columns.collect() })
    }

    fn unsupported(&self, place: impl Into<String>, feature: impl Into<String>) -> VSchemaError {
        VSchemaError::Unsupported { keyspace: self.keyspace.to_owned(), place: place.into(), feature: feature.into() }
    }

    fn inconsistent(&self, place: impl Into<String>, reason: impl Into<String>) -> VSchemaError {
        VSchemaError::Inconsistent { keyspace: self.keyspace.to_owned(), place: place.into(), reason: reason.into() }
    }
}
