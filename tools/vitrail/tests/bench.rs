//! `vitrail bench run` over a real server and a real MySQL, and what it says when they answer wrongly.
#![expect(clippy::unwrap_used, reason = "a panic in a test is the report")]

use std::path::Path;

use serde_json::Value;
use tokio::process::Command;
use vitrail_harness::{Lasting, flavours};
use vitrail_trials::process::Process;

const VITRAIL: &str = env!("CARGO_BIN_EXE_vitrail");

const WORKLOADS: [&str; 4] = ["point-select", "range", "write", "read-write"];

/// Two databases of one server: one behind Vitrail, one alone.
async fn config(server: &Lasting, folder: &Path) -> std::path::PathBuf {
    let mut admin = server.connect("").await;
    for database in ["load_vitrail", "load_direct"] {
        admin.execute(&format!("CREATE DATABASE {database}")).await.unwrap();
    }
    admin.quit().await;
    let path = folder.join("bench.toml");
    let text = format!(
        "[listen]\naddress = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\npasswordless_loopback = true\n\n\
         [users.app]\nrole = \"application\"\ngrants = [{{ role = \"admin\" }}]\n\n[keyspaces.load]\n\n[[keyspaces.load.shards]]\nname = \"-\"\n\
         database = \"load_vitrail\"\nmysql = {{ socket = \"{}\", user = \"root\" }}\n",
        server.socket().display()
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// The report, and whether the exit status was 0.
async fn bench(arguments: &[&str], targets: &[String]) -> (Value, bool, String) {
    let mut command = Command::new(VITRAIL);
    command.args(["bench", "run", "--json", "-"]).args(arguments);
    for target in targets {
        command.args(["--target", target]);
    }
    let output = command.output().await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {told}"));
    (report, output.status.success(), told)
}

#[tokio::test]
async fn targets_are_compared_and_their_answers_verified() {
    for flavour in flavours() {
        let folder = tempfile::tempdir().unwrap();
        let server = Lasting::start(flavour, &[]).await;
        let gate = Process::start(Path::new(VITRAIL), "serve", &config(&server, folder.path()).await, &[]).await;
        let targets = [
            format!("direct=mysql://root@localhost/load_direct?socket={}", server.socket().display()),
            format!("vitrail://app@{}/load?tls=disable", gate.address()),
        ];
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
        for workload in WORKLOADS {
            let mut arguments = short.to_vec();
            arguments.extend(["--workload", workload, "--assert", "rate>1", "--assert", "wrong<1"]);
            let (report, good, told) = bench(&arguments, &targets).await;
            assert!(good, "{flavour} {workload}: {told}\n{report:#}");
            for target in report["targets"].as_array().unwrap() {
                assert_eq!(target["wrong"], Value::Array(Vec::new()), "{flavour} {workload}");
                assert_eq!(target["rounds"].as_array().unwrap().len(), 2);
                assert!(target["processes"][0]["memory"].as_u64().unwrap() > 1 << 20, "{target:#}");
            }
            assert!(report["comparisons"][0]["rate"]["ratio"].as_f64().unwrap() > 0.0);
        }
        // In an open loop what is due is done, and not more.
        let mut paced = short.to_vec();
        paced.extend(["--workload", "point-select", "--rate", "200"]);
        let (report, good, told) = bench(&paced, &targets).await;
        assert!(good, "{flavour}: {told}");
        for target in report["targets"].as_array().unwrap() {
            let rate = target["rate"].as_f64().unwrap();
            assert!((150.0..=210.0).contains(&rate), "{flavour}: {rate} of 200 a second");
        }
        // What is wrong is found.
        let mut shard = server.connect("load_vitrail").await;
        shard.execute("UPDATE load_row SET c = 'spoilt'").await.unwrap();
        shard.quit().await;
        let spoilt = [
            "--workload",
            "point-select",
            "--scale",
            "rows=2000",
            "--duration",
            "400ms",
            "--rounds",
            "1",
            "--warmup",
            "100ms",
        ];
        let (report, good, _) = bench(&spoilt, &targets).await;
        assert!(!good);
        assert!(report["targets"][1]["errors"]["wrong answer"]["count"].as_u64().unwrap() > 0, "{report:#}");
        assert_eq!(report["targets"][0]["errors"], Value::Object(serde_json::Map::new()));
        let unmet = [
            "--workload",
            "range",
            "--scale",
            "rows=2000",
            "--duration",
            "400ms",
            "--rounds",
            "1",
            "--assert",
            "p50<1us",
        ];
        let (_, good, told) = bench(&unmet, &targets[..1]).await;
        assert!(!good && told.contains("does not hold: p50<1us: direct has"), "{told}");
        gate.stop().await;
        server.crash().await;
    }
}
