//! How `vitrail bench` shows what it measured: on a terminal, as a page, as JSON of the published schema, and beside another run.

use std::path::Path;

use serde_json::Value;
use vitrail_harness::flavours;

use crate::screen::Screen;
use crate::stage::{Stage, assert_published, bench, output, towards};

const LOAD: [&str; 8] = ["--workload", "point-select", "--scale", "rows=500", "--clients", "4", "--warmup", "100ms"];

/// Two targets, which are the same.
fn twins(stage: &Stage) -> [String; 2] {
    ["one", "<two>"].map(|name| format!("{name}={}", stage.mysql()))
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[tokio::test]
async fn a_run_is_a_page_json_and_comparable() {
    for flavour in flavours() {
        let stage = Stage::alone(flavour).await;
        let (folder, targets) = (stage.folder.path(), twins(&stage));
        let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let (first, second, page) = (file("a.json"), file("b.json"), file("a.html"));
        for (json, more) in [(&first, ["--prepare", "--html", page.as_str()]), (&second, ["--plain", "--seed", "2"])] {
            let mut arguments = vec!["run", "--duration", "2600ms", "--rounds", "2", "--json", json];
            arguments.extend(LOAD.iter().chain(&more));
            arguments.extend(towards(&targets));
            let (_, good, told) = output(&arguments).await;
            assert!(good, "{flavour}: {told}");
            // A line for each second: what is left over of a round belongs to the one before.
            let lines = told.lines().filter(|line| line.contains("p99")).count();
            assert_eq!(lines, 4, "{flavour}: {told}");
            let report = read(Path::new(json));
            assert_published("run", &report);
            let environment = &report["environment"];
            assert!(environment["kernel"].as_str().unwrap().contains('.'), "{environment:#}");
            let commit = environment["commit"].as_str();
            assert!(commit.is_none_or(|commit| u64::from_str_radix(commit, 16).is_ok()), "{environment:#}");
            for target in report["targets"].as_array().unwrap() {
                assert!(target["server"].as_str().unwrap().contains('.'), "{target:#}");
                assert!(target["tool"]["wakes"]["count"].as_u64().unwrap() > 50, "{target:#}");
                let seconds = target["seconds"].as_array().unwrap();
                let done: f64 = seconds
                    .iter()
                    .map(|second| second["rate"].as_f64().unwrap() * second["length"].as_f64().unwrap())
                    .sum();
                let count = target["latency"]["count"].as_f64().unwrap();
                assert!((done - count).abs() < 0.02 * count, "{done} in the seconds, {count} in all");
                let last = target["distribution"].as_array().unwrap().last().unwrap();
                assert_eq!(last["time"], target["latency"]["max"]);
            }
        }
        let page = std::fs::read_to_string(&page).unwrap();
        assert!(page.contains("<td>one</td>") && page.contains("<td>&lt;two&gt;</td>") && !page.contains("<two>"));
        assert!(
            page.matches("<svg class=\"chart\"").count() >= 5
                && !page.contains("http://")
                && !page.contains("https://")
        );
        let (text, good, _) =
            output(&["compare", &first, &second, "--assert", "ratio>0.01", "--assert", "errors<1"]).await;
        assert!(good && text.contains("<two>") && text.contains("seeds differ: 1 in A, 2 in B"), "{flavour}: {text}");
        let (report, good, told) = bench("compare", &[&first, &second, "--assert", "one:rate>1000"]).await;
        assert_eq!(report["kind"], "compare");
        assert!(!good && told.contains("does not hold: one:rate>1000"), "{told}");
        stage.stop().await;
    }
}

#[tokio::test]
async fn a_run_on_a_terminal_can_be_steered_and_ended_early() {
    for flavour in flavours() {
        let stage = Stage::alone(flavour).await;
        let (folder, targets) = (stage.folder.path(), twins(&stage));
        let json = folder.join("report.json").to_str().unwrap().to_owned();
        let mut arguments = vec!["bench", "run", "--prepare", "--duration", "600s", "--rounds", "1", "--json", &json];
        arguments.extend(LOAD);
        arguments.extend(towards(&targets));
        let screen = Screen::run(&arguments, folder, &[]);
        screen.shows("as many as it can");
        screen.wait("figures", |text| text.contains("last second") && text.contains("load tester"));
        screen.keys("/");
        screen.wait("a rate", |text| text.contains(" wanted") && text.contains("from now on"));
        screen.keys("0");
        screen.shows("as many as it can");
        screen.keys("/-");
        screen.shows(" wanted");
        screen.keys("q");
        // The terminal is what it was, and the report is on it.
        let text = screen.wait("the report", |text| text.contains("note: the run was ended early"));
        assert!(text.contains("ended early") && !text.contains("q end and report"), "{flavour}: {text}");
        assert_eq!(screen.end(), 0);
        let report = read(Path::new(&json));
        assert_eq!((&report["interrupted"], &report["rate_changed"]), (&Value::Bool(true), &Value::Bool(true)));
        assert_eq!(report["targets"][1]["rounds"], Value::Array(Vec::new()));
        let wanted = |second: &Value| second["wanted"].as_f64();
        let seconds = report["targets"][0]["seconds"].as_array().unwrap();
        assert!(seconds.iter().any(|second| wanted(second).is_none()), "{seconds:#?}");
        assert!(seconds.iter().any(|second| wanted(second).is_some_and(|rate| rate > 1.0)), "{seconds:#?}");
        stage.stop().await;
    }
}
