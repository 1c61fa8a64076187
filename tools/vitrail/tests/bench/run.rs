//! `vitrail bench run`, and what it says when servers answer wrongly.

use serde_json::Value;
use vitrail_harness::flavours;

use crate::stage::{Stage, assert_right, bench, towards};

#[tokio::test]
async fn targets_are_compared_and_their_answers_verified() {
    for flavour in flavours() {
        let stage = Stage::alone(flavour).await;
        let targets = [stage.direct(), stage.whole()];
        let targets = towards(&targets);
        let short = [
            "--prepare",
            "--scale",
            "rows=2000",
            "--clients",
            "8",
            "--duration",
            "1s",
            "--rounds",
            "2",
            "--warmup",
            "100ms",
        ];
        let more = ["--workload", "read-write", "--assert", "rate>1", "--assert", "wrong<1"];
        let (report, good, told) = bench("run", &[&short[..], &more, &targets].concat()).await;
        assert!(good, "{flavour}: {told}\n{report:#}");
        assert_right(&report, &told);
        for target in report["targets"].as_array().unwrap() {
            assert_eq!(target["rounds"].as_array().unwrap().len(), 2);
            assert!(target["processes"][0]["memory"].as_u64().unwrap() > 1 << 20, "{target:#}");
        }
        assert!(report["comparisons"][0]["rate"]["ratio"].as_f64().unwrap() > 0.0);
        // In an open loop what is due is done, and not more.
        let paced = ["--workload", "point-select", "--rate", "200"];
        let (report, good, told) = bench("run", &[&short[..], &paced, &targets].concat()).await;
        assert!(good, "{flavour}: {told}");
        for target in report["targets"].as_array().unwrap() {
            let rate = target["rate"].as_f64().unwrap();
            assert!((150.0..=210.0).contains(&rate), "{flavour}: {rate} of 200 a second");
        }
        // What is wrong is found.
        stage.execute("whole", "UPDATE load_row SET c = 'spoilt'").await;
        let brief = ["--scale", "rows=2000", "--duration", "400ms", "--rounds", "1", "--warmup", "100ms", "--workload"];
        let (report, good, _) = bench("run", &[&brief[..], &["point-select"], &targets].concat()).await;
        assert!(!good);
        assert!(report["targets"][1]["errors"]["wrong answer"]["count"].as_u64().unwrap() > 0, "{report:#}");
        assert_eq!(report["targets"][0]["errors"], Value::Object(serde_json::Map::new()));
        let unmet = ["range", "--assert", "p50<1us"];
        let (_, good, told) = bench("run", &[&brief[..], &unmet, &targets[..2]].concat()).await;
        assert!(!good && told.contains("does not hold: p50<1us: direct has"), "{told}");
        stage.stop().await;
    }
}
