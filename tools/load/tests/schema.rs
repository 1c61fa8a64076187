//! The published schema of `bench run`'s report is the one that the tool has. `UPDATE_GOLDEN=1 cargo test -p vitrail-load --test schema` rewrites it.

use std::path::Path;

#[test]
fn the_published_schema_is_that_of_the_report() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/bench-report.schema.json");
    let schema = schemars::schema_for!(vitrail_load::report::Report);
    let schema = serde_json::to_string_pretty(&schema).expect("a schema is JSON") + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &schema).expect("a writable file");
    }
    let published = std::fs::read_to_string(&path).expect("the published schema");
    assert!(published == schema, "docs/bench-report.schema.json is not up to date; UPDATE_GOLDEN=1 rewrites it");
}
