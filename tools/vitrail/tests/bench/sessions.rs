//! `vitrail bench sessions`: what sessions cost, and what becomes of those that cannot be opened or die.

use serde_json::Value;
use tokio::process::Command;
use vitrail_harness::flavours;

use crate::stage::{Stage, VITRAIL, bench, bench_until, output};

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is a number"))
}

#[tokio::test]
async fn sessions_are_opened_used_and_weighed() {
    for flavour in flavours() {
        let stage = Stage::start(flavour).await;
        let (whole, direct) = (stage.whole(), stage.direct());
        let short = ["--hold", "100ms", "--steps", "3", "--assert", "errors<1", "--assert", "dead<1"];
        let mut arguments =
            vec!["--target", &whole, "--target", &direct, "--sessions", "203", "--per-connection", "20"];
        arguments.extend(short);
        let (report, good, told) = bench("sessions", &arguments).await;
        assert!(good, "{flavour}: {told}\n{report:#}");
        for (target, connections) in report["targets"].as_array().unwrap().iter().zip([11, 203]) {
            assert_eq!((number(&target["sessions"]), number(&target["connections"])), (203, connections), "{flavour}");
            assert_eq!(number(&target["connecting"]["count"]), connections);
            assert_eq!((number(&target["opening"]["count"]), number(&target["statements"]["count"])), (203, 203));
            let process = &target["processes"][0];
            let points = process["points"].as_array().unwrap();
            assert_eq!(number(&points.last().unwrap()[0]), 203);
            assert!(points.iter().all(|point| number(&point[1]) > 1 << 20), "{process:#}");
            assert!(process["per_session"]["each"].is_f64() && target["client"]["processes"] == 1, "{target:#}");
        }
        // Each connection of MySQL is a thread with its stack and buffers.
        assert!(report["targets"][1]["processes"][0]["per_session"]["each"].as_f64().unwrap() > 4096.0, "{report:#}");
        assert!(told.contains("whole: 203 sessions on 11 connections") && told.contains("holding for 100ms"), "{told}");

        let unmet = ["--target", &direct, "--sessions", "8", "--idle", "--hold", "0s"];
        let unmet = [&unmet[..], &["--assert", "memory<1", "--assert", "p50<1"]].concat();
        let (report, good, told) = bench("sessions", &unmet).await;
        assert!(!good && told.contains("does not hold: memory<1: direct has"), "{told}");
        assert!(
            told.contains("p50<1: direct has no such figure") && report["targets"][0]["statements"].is_null(),
            "{told}"
        );
        stage.stop().await;
    }
}

/// The bounds have room for a build without optimisation.
#[tokio::test]
async fn a_session_costs_little_memory() {
    for flavour in flavours() {
        let stage = Stage::start(flavour).await;
        let url = stage.whole();
        for (sessions, per_connection, bound) in [("1000", "1", "bytes<16KiB"), ("4000", "100", "bytes<4KiB")] {
            let arguments =
                ["--target", &url, "--sessions", sessions, "--per-connection", per_connection, "--hold", "0s"];
            let more = ["--steps", "4", "--assert", bound, "--assert", "errors<1"];
            let (report, good, told) = bench("sessions", &[&arguments[..], &more].concat()).await;
            assert!(good, "{flavour}: {told}\n{report:#}");
        }
        stage.stop().await;
    }
}

#[tokio::test]
async fn a_process_that_may_open_few_files_starts_several() {
    let flavour = flavours()[0];
    let stage = Stage::start(flavour).await;
    // 100 of 130 files are for other things.
    let limited = "ulimit -n 130; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", limited, VITRAIL, "bench", "sessions", "--target", &stage.whole()]);
    command.args(["--sessions", "85", "--hold", "0s"]);
    command.args(["--steps", "3", "--json", "-", "--assert", "errors<1", "--assert", "sessions>84"]);
    let output = command.output().await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let target = &report["targets"][0];
    assert_eq!((number(&target["client"]["processes"]), number(&target["statements"]["count"])), (3, 85), "{target:#}");
    stage.stop().await;
}

#[tokio::test]
async fn connections_that_die_are_told() {
    let flavour = flavours()[0];
    let stage = Stage::start(flavour).await;
    let target = stage.whole();
    let arguments = ["--target", &target, "--sessions", "30", "--hold", "3s", "--steps", "2"];
    let Stage { server, gate, .. } = stage;
    let (report, _) = bench_until("sessions", &arguments, "holding for", gate.kill()).await;
    let target = &report["targets"][0];
    let failed: u64 = target["errors"].as_object().unwrap().values().map(|error| number(&error["count"])).sum();
    assert_eq!((number(&target["dead"]), failed), (30, 30), "{target:#}");
    server.crash().await;
}

#[tokio::test]
async fn what_cannot_be_used_is_told_before_anything_is_opened() {
    let flavour = flavours()[0];
    let stage = Stage::start(flavour).await;
    let (whole, metrics) = (stage.whole(), "whole:far=http://127.0.0.1:1/metrics");
    for (target, more, says) in [
        (
            whole.as_str(),
            ["--statement", "SELECT nothing FROM nowhere"],
            "it does not run the statement SELECT nothing",
        ),
        ("vitrail://app@127.0.0.1:1/load", ["--steps", "3"], "it cannot be reached"),
        (&whole, ["--process", metrics], "the metrics at http://127.0.0.1:1/metrics cannot be read"),
    ] {
        let arguments = [&["sessions", "--sessions", "5", "--target", target], &more[..]].concat();
        let (_, good, told) = output(&arguments).await;
        assert!(!good && told.contains(says), "{told}");
    }
    stage.stop().await;
}
