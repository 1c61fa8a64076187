//! The published schemas of reports are those that the tool has. `UPDATE_GOLDEN=1 cargo test -p vitrail-load --test schema` rewrites them.

use std::path::Path;

use clap::ValueEnum;
use vitrail_load::Reporting;

#[test]
fn the_published_schemas_are_those_of_the_reports() {
    for of in Reporting::value_variants() {
        let name = of.to_possible_value().expect("all can be asked for").get_name().to_owned();
        let file = format!("docs/bench-schema/{name}.json");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(&file);
        let schema = serde_json::to_string_pretty(&of.schema()).expect("a schema is JSON") + "\n";
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &schema).expect("a writable file");
        }
        let published = std::fs::read_to_string(&path).expect("the published schema");
        assert!(published == schema, "{file} is not up to date; UPDATE_GOLDEN=1 rewrites it");
    }
}
