//! `vitrail bench sweep` over servers whose knee is known: so many clients, each busy for so long.

use vitrail_harness::flavours;

use crate::stage::{Stage, bench, output};

/// 20 ms of four clients: 200 a second, and no more.
const WORKLOAD: &str = "[[operation]]\nname = 'pause'\n[[operation.step]]\nsql = 'SELECT SLEEP(0.02)'\nrows = 1\n";

#[tokio::test]
async fn the_knee_is_found_on_both_ways() {
    for flavour in flavours() {
        let stage = Stage::alone(flavour).await;
        let file = stage.folder.path().join("pause.toml");
        std::fs::write(&file, WORKLOAD).unwrap();
        let (whole, direct) = (stage.whole(), stage.direct());
        let workload = file.to_str().unwrap();
        let mut arguments = vec!["--workload", workload, "--target", &direct, "--target", &whole, "--clients", "4"];
        arguments.extend(["--duration", "600ms", "--rounds", "1", "--warmup", "100ms", "--bound", "60ms"]);
        arguments.extend(["--precision", "10%", "--assert", "p99<60ms", "--assert", "ratio>0.3"]);
        let (report, good, told) = bench("sweep", &arguments).await;
        assert!(good, "{flavour}: {told}\n{report:#}");
        for target in report["targets"].as_array().unwrap() {
            let (knee, estimate) = (target["knee"].as_f64().unwrap(), target["estimate"].as_f64().unwrap());
            assert!((60.0..=222.0).contains(&knee) && (60.0..=200.0).contains(&estimate), "{flavour}: {target:#}");
            // It was not the search that ended, but the target that could do no more.
            let mut steps = target["steps"].as_array().unwrap().iter();
            assert!(steps.any(|step| !step["broke"].is_null() && step["rate"].as_f64().unwrap() > knee), "{target:#}");
            assert!(target["processes"][0]["memory"].as_u64().unwrap() > 1 << 20, "{target:#}");
        }
        let mut unmet = vec!["--workload", workload, "--target", &direct, "--rate", "50", "--duration", "200ms"];
        unmet.extend(["--warmup", "0s", "--rounds", "1", "--bound", "1ms", "--assert", "knee>1"]);
        let (report, good, told) = bench("sweep", &unmet).await;
        assert!(!good && told.contains("does not hold: knee>1: direct has 0"), "{told}");
        assert!(report["targets"][0]["knee"].is_null() && report["targets"][0]["estimate"].is_null(), "{report:#}");
        let hasty = ["sweep", "--workload", workload, "--target", &direct, "--bound", "1s"];
        let (_, good, told) = output(&hasty).await;
        assert!(!good && told.contains("--duration has to be 100s or more with 5 rounds"), "{told}");
        stage.stop().await;
    }
}
