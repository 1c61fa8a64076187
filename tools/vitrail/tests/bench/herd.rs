//! `vitrail bench herd`: what it counts, and what it says when it cannot.

use serde_json::Value;
use vitrail_harness::flavours;

use crate::stage::{Stage, bench, bench_until, output};

fn figure(target: &Value, name: &str) -> f64 {
    target[name].as_f64().unwrap_or_else(|| panic!("{name} in {target:#}"))
}

#[tokio::test]
async fn identical_reads_reach_mysql_once_for_many() {
    for flavour in flavours() {
        let stage = Stage::alone(flavour).await;
        let (whole, direct, mysql) = (stage.whole(), stage.direct(), stage.mysql());
        let (_, good, told) = output(&["herd", "--target", &whole]).await;
        assert!(!good && told.contains("--prepare makes it"), "{told}");

        let short = ["--clients", "60", "--duration", "500ms", "--warmup", "100ms"];
        let mut arguments = vec!["--prepare", "--target", &whole, "--target", &direct, "--mysql", &mysql];
        arguments.extend(short);
        arguments.extend(["--assert", "errors<1", "--assert", "whole:ratio<0.5", "--assert", "direct:ratio>0.99"]);
        let (report, good, told) = bench("herd", &arguments).await;
        assert!(good, "{flavour}: {told}\n{report:#}");
        for target in report["targets"].as_array().unwrap() {
            let rounds = figure(&target["rounds"], "count");
            assert!(rounds >= 1.0 && figure(target, "statements") == rounds * 60.0, "{target:#}");
            // 5 ms were asked for; others use the machine as well.
            assert!((1_000.0..100_000.0).contains(&figure(target, "alone")), "{target:#}");
            assert!(figure(&target["processes"][0], "memory") > 1e6, "{target:#}");
        }
        // The same by Vitrail's own count, and its process by its own metrics.
        let metrics = format!("whole:told=http://{}/metrics", stage.gate.http());
        let mut arguments =
            vec!["--target", &whole, "--assert", "ratio<0.5", "--assert", "reached>0", "--process", &metrics];
        arguments.extend(short);
        let (report, good, told) = bench("herd", &arguments).await;
        assert!(good, "{flavour}: {told}\n{report:#}");
        let target = &report["targets"][0];
        assert_eq!(target["counted_by"], "SHOW VITRAIL CONSOLIDATIONS");
        let [seen, told] = [0, 1].map(|index| &target["processes"][index]);
        for (name, within) in [("memory", 1.2), ("cpu_per_statement", 2.0)] {
            let ratio = figure(seen, name) / figure(told, name);
            assert!((1.0 / within..within).contains(&ratio), "{flavour}: {name} in {target:#}");
        }
        // An answer that changes is found.
        let arguments = ["--target", &whole, "--statement", "SELECT COUNT(*) FROM load_herd", "--clients", "20"];
        let arguments = [&arguments[..], &["--warmup", "100ms", "--duration", "2s"]].concat();
        let changed = stage.execute("whole", "INSERT INTO load_herd (id, k) VALUES (0, 0)");
        let (report, good) = bench_until("herd", &arguments, "rounds", changed).await;
        let errors = &report["targets"][0]["errors"]["wrong answer"];
        assert!(!good && figure(errors, "count") >= 20.0, "{report:#}");
        assert!(errors["example"].as_str().unwrap().contains("2001"), "{errors}");
        stage.stop().await;
    }
}

#[tokio::test]
async fn what_cannot_be_counted_is_told() {
    let stage = Stage::start(flavours()[0]).await;
    let (whole, direct) = (stage.whole(), stage.direct());
    for (mysql, says) in [
        ("vitrail://app@localhost/load", "its URL begins with mysql://"),
        ("other=mysql://root@localhost/", "there is no target `other`"),
        ("mysql://root@127.0.0.1:1/", "cannot be reached"),
    ] {
        let arguments = ["herd", "--clients", "2", "--target", &whole, "--target", &direct, "--mysql", mysql];
        let (_, good, told) = output(&arguments).await;
        assert!(!good && told.contains(says), "{mysql}: {told}");
    }
    stage.stop().await;
}
