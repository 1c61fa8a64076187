//! The small form of `make bench`: all but the allocations, which are a test of `vitrail-trials`.

use std::collections::BTreeSet;
use std::path::Path;

use vitrail_harness::flavours;
use vitrail_trials::goals::tool::Tool;
use vitrail_trials::goals::{Part, Plan, measure};

use crate::stage::{VITRAIL, turn_alone};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_of_goals_is_measured() {
    let _turn = turn_alone().await;
    // What is tried is the table; one flavour is as good as two.
    let flavour = flavours()[0];
    let parts = Part::ALL.into_iter().filter(|part| *part != Part::Allocations).collect();
    let plan =
        Plan { tool: Tool { vitrail: Path::new(VITRAIL).to_owned(), quick: true }, counted: None, flavour, parts };
    let mut told = Vec::new();
    let table = measure(&plan, &mut |line| told.push(line.to_owned())).await.unwrap();
    eprintln!("{table}");
    let ids: BTreeSet<&str> = table.rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids.len(), table.rows.len(), "each row has an id of its own");
    for id in [
        "sessions",
        "sessions_tls",
        "sessions_million",
        "cpu_64",
        "cpu_64_on_4",
        "throughput_64",
        "throughput_64_floor",
        "throughput_2000",
        "herd",
        "rows",
        "rows_memory",
        "fairness",
        "overload_goodput",
        "overload_typed",
        "overload_refused_p99",
        "overload_memory",
    ] {
        assert!(ids.contains(id), "{id} is missing: {ids:?}");
    }
    let value = |id: &str| table.rows.iter().find(|row| row.id == id).unwrap().value;
    for row in table.rows.iter().filter(|row| !row.id.ends_with("memory")) {
        assert!(row.value.is_finite() && row.value > 0.0, "{row:?}");
    }
    // Bounds that hold whatever the build and however short the time.
    assert!(value("sessions_million") < value("sessions_tls"), "{table}");
    assert!(value("herd") <= 1.0 && value("fairness") >= 1.0 && value("overload_typed") == 1.0, "{table}");
    assert!(value("throughput_64_floor") < 1.5, "{table}");
    assert!(table.environment["cores"].as_u64().unwrap() > 0);
    assert!(told.iter().any(|line| line.contains("point selects by 8 clients")), "{told:?}");
    let json = serde_json::to_value(&table).unwrap();
    for key in ["id", "what", "value", "unit", "bound", "aim", "at_least", "holds"] {
        assert!(json["rows"][0].get(key).is_some(), "{key}: {json:#}");
    }
}
