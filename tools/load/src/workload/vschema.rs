//! The vschema that a sharded keyspace needs for a workload's tables.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use serde_json::{Value, json};

/// Where the rows of a table are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placement<'a> {
    /// On the shard to which a vindex of this type leads the column's value.
    By {
        /// The sharding column.
        column: &'a str,
        /// The type of the vindex, which is its name as well.
        vindex: &'static str,
    },
    /// All of them on every shard.
    Everywhere,
}

/// A table and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed<'a> {
    pub(super) table: &'a str,
    pub(super) placement: Placement<'a>,
}

/// One vschema for all the tables.
pub(super) fn of<'a>(tables: impl IntoIterator<Item = Placed<'a>>) -> Result<Value> {
    let mut placements = BTreeMap::new();
    for Placed { table, placement } in tables {
        if placements.insert(table, placement).is_some_and(|other| other != placement) {
            bail!("the workloads place the table {table} differently: make a vschema for each");
        }
    }
    let (mut vindexes, mut entries) = (BTreeMap::new(), BTreeMap::new());
    for (table, placement) in placements {
        let entry = match placement {
            Placement::Everywhere => json!({ "type": "reference" }),
            Placement::By { column, vindex } => {
                vindexes.insert(vindex, json!({ "type": vindex }));
                json!({ "column_vindexes": [{ "column": column, "name": vindex }] })
            }
        };
        entries.insert(table, entry);
    }
    Ok(json!({ "sharded": true, "vindexes": vindexes, "tables": entries }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_placed_once() {
        let by = |column| Placed { table: "t", placement: Placement::By { column, vindex: "xxhash" } };
        let everywhere = Placed { table: "r", placement: Placement::Everywhere };
        let vschema = of([by("id"), everywhere, by("id")]).expect("agreed");
        assert_eq!(
            vschema,
            json!({
                "sharded": true,
                "vindexes": { "xxhash": { "type": "xxhash" } },
                "tables": { "t": { "column_vindexes": [{ "column": "id", "name": "xxhash" }] }, "r": { "type": "reference" } },
            })
        );
        let error = of([by("id"), by("k")]).expect_err("refused").to_string();
        assert!(error.contains("place the table t differently"), "{error}");
    }
}
