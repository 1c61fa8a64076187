//! What a vschema may say, what is refused by name, and what the check against MySQL's schema finds.

use std::sync::Arc;

use super::*;
use crate::schema::{ColumnSchema, KeyspaceSchema, Schemas, TableSchema};

fn error(text: &str) -> String {
    Keyspace::from_json("shop", text).expect_err(text).to_string()
}

#[test]
fn a_vschema_is_read() {
    let text = r#"{
        "sharded": true,
        "vindexes": { "h": { "type": "hash", "params": {}, "owner": "" } },
        "tables": {
            "users": { "column_vindexes": [{ "column": "id", "name": "h" }], "columns": [{ "name": "id", "type": "INT64" }],
                       "column_list_authoritative": true },
            "countries": { "type": "reference" }
        }
    }"#;
    let keyspace = Keyspace::from_json("shop", text).expect("a vschema");
    let placements: Vec<_> = keyspace.tables().into_iter().map(|table| (&*table.name, &table.placement)).collect();
    let columns = vec![ShardingColumn { column: "id".into(), vindex: Vindex::Hash, part: Part::Whole }];
    let sharding = Sharding { columns };
    assert_eq!(placements, [("countries", &Placement::Reference), ("users", &Placement::Sharded(sharding))]);
    assert!(Keyspace::from_json("main", "{}").is_ok_and(|keyspace| !keyspace.sharded));
}

#[test]
fn what_is_not_supported_is_named() {
    let sharded = |tables: &str| {
        format!(r#"{{"sharded": true, "vindexes": {{"h": {{"type": "hash"}}}}, "tables": {{"t": {tables}}}}}"#)
    };
    for (text, message) in [
        (
            r#"{"sharded": true, "vindexes": {"v": {"type": "hahs"}}}"#.to_owned(),
            "the vindex `v` of keyspace `shop` has the unknown type `hahs`; did you mean `hash`?",
        ),
        (
            r#"{"sharded": true, "vindexes": {"v": {"type": "lookup_unique"}}}"#.to_owned(),
            "the vindex type `lookup_unique` is not supported yet (vindex `v` of keyspace `shop`)",
        ),
        (
            sharded(r#"{"type": "sequence"}"#),
            "table `t` of keyspace `shop`: a sequence counts in one place: put it into an unsharded keyspace",
        ),
        (
            r#"{"tables": {"t": {"auto_increment": {"column": "id", "sequence": "s"}}}}"#.to_owned(),
            "table `t` of keyspace `shop`: its keyspace is not sharded, and MySQL counts AUTO_INCREMENT itself: leave \
             `auto_increment` out",
        ),
        (
            sharded(
                r#"{"column_vindexes": [{"column": "a", "name": "h"}], "auto_increment": {"column": "", "sequence": "s"}}"#,
            ),
            "table `t` of keyspace `shop`: `auto_increment` needs a `column`, and a `sequence` as `keyspace.table`",
        ),
        (
            sharded(r#"{"column_vindexes": [{"columns": ["a", "b"], "name": "h"}]}"#),
            "table `t` of keyspace `shop`: its vindex `h` is over 1 columns, and the table names 2",
        ),
        (
            sharded(r#"{"pinned": "00"}"#),
            "pinning a table to one keyspace id (`pinned`) is not supported yet (table `t` of keyspace `shop`)",
        ),
        (
            sharded("{}"),
            "table `t` of keyspace `shop`: it needs a vindex (`column_vindexes`) or the type `reference`, as its keyspace is \
             sharded",
        ),
        (
            sharded(r#"{"column_vindexes": [{"column": "a", "name": "x"}]}"#),
            "table `t` of keyspace `shop`: its vindex `x` is not among `vindexes`",
        ),
    ] {
        assert_eq!(error(&text), message);
    }
    assert!(error(r#"{"shraded": true}"#).contains("unknown field `shraded`"));
}

#[test]
fn a_schema_that_does_not_fit_is_found() {
    let text = r#"{
        "sharded": true,
        "vindexes": { "x": { "type": "xxhash" }, "h": { "type": "hash" } },
        "tables": {
            "coupons": { "column_vindexes": [{ "column": "code", "name": "x" }] },
            "users": { "column_vindexes": [{ "column": "id", "name": "h" }] },
            "gone": { "type": "reference" }
        }
    }"#;
    let mut vschema = VSchema::new();
    vschema.insert(Keyspace::from_json("shop", text).expect("a vschema"));
    let table = |column: &str, kind, key: &str| TableSchema {
        columns: vec![ColumnSchema::of(column, kind, Some("utf8mb4_general_ci"))],
        unique_keys: vec![vec![key.to_owned()]],
        ..TableSchema::default()
    };
    let schema = KeyspaceSchema::new([
        ("coupons".to_owned(), table("code", "varchar(20)", "code")),
        ("users".to_owned(), table("id", "decimal(10,0)", "email")),
        ("extra".to_owned(), table("id", "bigint", "id")),
    ]);
    let schemas = Schemas::from([(Arc::from("shop"), Arc::new(schema))]);
    let findings: Vec<String> = validate(&vschema, &schemas).iter().map(ToString::to_string).collect();
    assert_eq!(
        findings,
        [
            "warning: `shop.coupons`: the vindex `xxhash` tells apart values of `code` that its collation utf8mb4_general_ci \
             takes for equal, so equality does not find the shard; use `unicode_loose_xxhash`, or a binary collation without \
             padding",
            "warning: `shop.extra`: it is not in the vschema, so statements cannot name it",
            "warning: `shop.gone`: it is in the vschema, and MySQL has no such table",
            "warning: `shop.users`: its unique key (email) lacks the sharding column `id`, so it is unique within each shard \
             only",
            "error: `shop.users`: the vindex `hash` does not take values of the column `id`",
        ]
    );
}

#[test]
fn a_sequence_that_cannot_count_is_found() {
    let table = |name: &str, sequence: &str| {
        format!(
            r#""{name}": {{ "column_vindexes": [{{ "column": "a", "name": "h" }}], "auto_increment": {{ "column": "id", "sequence": "{sequence}" }} }}"#
        )
    };
    let tables =
        [("a", "main.s"), ("b", "nowhere.s"), ("c", "main.plain"), ("d", "u"), ("e", "both"), ("f", "main.short")];
    let tables: Vec<String> = tables.iter().map(|(name, sequence)| table(name, sequence)).collect();
    let shop = format!(
        r#"{{ "sharded": true, "vindexes": {{ "h": {{ "type": "hash" }} }}, "tables": {{ {} }} }}"#,
        tables.join(", ")
    );
    let sequences = |names: &[&str]| {
        let tables: Vec<String> = names.iter().map(|name| format!(r#""{name}": {{ "type": "sequence" }}"#)).collect();
        format!(r#"{{ "tables": {{ {} }} }}"#, tables.join(", "))
    };
    let mut vschema = VSchema::new();
    for (name, text) in [("shop", shop), ("main", sequences(&["s", "both", "short"])), ("other", sequences(&["both"]))]
    {
        vschema.insert(Keyspace::from_json(name, &text).expect("a vschema"));
    }
    let of = |columns: &[&str]| TableSchema {
        columns: columns.iter().map(|name| ColumnSchema::of(name, "bigint", None)).collect(),
        unique_keys: Vec::new(),
        ..TableSchema::default()
    };
    let shop = ["a", "b", "c", "d", "e", "f"]
        .map(|name| (name.to_owned(), of(if name == "a" { &["a"] } else { &["a", "id"] })));
    let main = [("s", of(&["id", "next_id", "cache"])), ("short", of(&["id", "next_id"]))];
    let main = main.map(|(name, table)| (name.to_owned(), table));
    let schemas = Schemas::from([
        (Arc::from("shop"), Arc::new(KeyspaceSchema::new(shop))),
        (Arc::from("main"), Arc::new(KeyspaceSchema::new(main))),
    ]);
    let findings: Vec<String> = validate(&vschema, &schemas).iter().map(ToString::to_string).collect();
    assert_eq!(
        findings,
        [
            "error: `shop.a`: MySQL has no column `id`, which a sequence fills",
            "error: `shop.b`: there is no keyspace `nowhere` for the sequence `s`",
            "error: `shop.c`: the vschema of keyspace `main` has no table `plain` of the type `sequence`",
            "error: `shop.d`: no keyspace's vschema has a table `u` of the type `sequence`",
            "error: `shop.e`: several keyspaces have a sequence `both`: write `keyspace.both` in the vschema",
            "error: `shop.f`: the sequence `main.short` has no column `cache`; it needs `id`, `next_id` and `cache`",
        ]
    );
}
