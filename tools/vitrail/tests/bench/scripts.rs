//! Workloads of files: those that come with the tool, and what the format can say.

use serde_json::Value;
use vitrail_harness::flavours;

use crate::stage::{Stage, assert_right, bench, output, towards};

const SHORT: [&str; 10] =
    ["--prepare", "--clients", "8", "--duration", "600ms", "--rounds", "2", "--warmup", "100ms", "--workload"];

/// With the scale that makes each small.
const WORKLOADS: [(&str, &[&str]); 7] = [
    ("point-select", &["rows=2000"]),
    ("range", &["rows=2000"]),
    ("write", &["rows=2000"]),
    ("read-write", &["rows=2000"]),
    ("herd", &["rows=200"]),
    ("rows", &["rows=2000"]),
    ("mixed", &["products=3000", "customers=1000", "sales=2000"]),
];

/// Two customers who swap what they lock: deadlocks are sure.
const SWAP: &str = r#"
[[table]]
name = "pair"
definition = "id BIGINT NOT NULL PRIMARY KEY, n BIGINT NOT NULL"
rows = 2
fill = { id = "row", n = 0 }

[[operation]]
name = "swap"
transaction = true
retries = 100
adds = { n = 2 }
[[operation.step]]
sql = "UPDATE pair SET n = n + 1 WHERE id = :a"
binds = { a = { choice = [1, 2] } }
affected = 1
[[operation.step]]
sql = "UPDATE pair SET n = n + 1 WHERE id = :b"
binds = { other = { remainder = ["a", 2] }, b = { sum = ["other", 1] } }
affected = 1

[[total]]
of = "n"
sql = "SELECT SUM(n) FROM pair"
"#;

#[tokio::test]
async fn workloads_run_and_add_up_on_mysql_and_over_shards() {
    for flavour in flavours() {
        let stage = Stage::start(flavour).await;
        let targets = stage.targets();
        for (workload, scale) in WORKLOADS {
            let mut arguments = [towards(&targets), SHORT.to_vec()].concat();
            arguments.push(workload);
            scale.iter().for_each(|scale| arguments.extend(["--scale", scale]));
            let (report, good, told) = bench("run", &arguments).await;
            assert_right(&report, &told);
            assert!(good, "{flavour} {workload}: {told}");
        }
        for table in ["load_product", "load_sale"] {
            for half in ["half_0", "half_1"] {
                assert!(stage.number(half, &format!("SELECT COUNT(*) FROM {table}")).await > 500, "{flavour} {table}");
            }
        }
        stage.stop().await;
    }
}

#[tokio::test]
async fn the_example_of_the_documentation_runs_and_is_placed() {
    let document = include_str!("../../../../docs/benchmarking.md");
    let (_, example) = document.split_once("```toml\n").unwrap();
    let (example, _) = example.split_once("```\n").unwrap();
    for flavour in flavours() {
        let stage = Stage::start(flavour).await;
        let path = stage.folder.path().join("bank.toml");
        std::fs::write(&path, example).unwrap();
        let file = path.to_str().unwrap();
        let (printed, good, told) = output(&["vschema", file]).await;
        let vschema: Value = serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {told}"));
        assert!(good && vschema["tables"]["bank_kind"]["type"] == "reference", "{printed}");
        let targets = stage.targets();
        let arguments = [&SHORT[..], &[file], &towards(&targets[..2])].concat();
        let (report, good, told) = bench("run", &arguments).await;
        assert_right(&report, &told);
        assert!(good, "{flavour}: {told}");
        // Keys that the same seed draws again are there already, and the tool says what to do.
        let (report, ..) = bench("run", &arguments[1..]).await;
        assert!(report["warnings"].to_string().contains("another --seed"), "{flavour}: {report:#}");
        stage.stop().await;
    }
}

#[tokio::test]
async fn deadlocks_are_run_again_with_the_same_values_and_counted() {
    for flavour in flavours() {
        let stage = Stage::start(flavour).await;
        let path = stage.folder.path().join("swap.toml");
        std::fs::write(&path, SWAP).unwrap();
        let targets = stage.targets();
        let arguments = [&SHORT[..], &[path.to_str().unwrap()]].concat();
        let (report, good, told) = bench("run", &[&arguments[..], &towards(&targets[..2])].concat()).await;
        assert_right(&report, &told);
        assert!(good, "{flavour}: {told}");
        for (target, code) in [(0, "1213"), (1, "conflict 1213")] {
            let retries = &report["targets"][target]["retries"];
            assert!(retries[code].as_u64().unwrap_or_default() > 0, "{flavour}: {retries}");
        }
        // The sharded keyspace does not know the table, and the tool says what to do.
        let (_, good, told) = bench("run", &[&arguments[..], &towards(&targets[2..])].concat()).await;
        assert!(!good && told.contains("load the vschema that `vitrail bench vschema"), "{told}");
        stage.stop().await;
    }
}
