//! Two reports against each other: figures worked out by hand, and what cannot be compared.

use super::*;
use crate::report::{Environment, Percentiles, ProcessReport, Settings, ToolReport};

fn latency(p50: u64) -> Percentiles {
    let (p99, mean) = (p50 * 4, p50 as f64);
    Percentiles { count: 1_000, p50, p90: p50 * 2, p95: p50 * 3, p99, p999: p99, max: p99, mean, spread: 4.0 }
}

/// A target whose rounds had these rates and medians.
fn target(name: &str, rounds: &[(f64, u64)]) -> TargetReport {
    let process = ProcessReport { name: name.into(), cpu_per_statement: 20.0, cores: 0.5, memory: 64 << 20 };
    let round = |(rate, p50): &(f64, u64)| Round {
        rate: *rate,
        latency: latency(*p50),
        errors: 0,
        processes: vec![process.clone()],
    };
    let mut target = TargetReport::of(name, "mysql://localhost/x", &[], &[], &[], false);
    target.rounds = rounds.iter().map(round).collect();
    target.tool = ToolReport { cores: 0.1, wakes: latency(1_000) };
    target.latency = latency(500);
    target.processes = vec![process.clone()];
    target
}

fn report(targets: Vec<TargetReport>) -> Report {
    Report {
        version: VERSION,
        workload: "point-select".into(),
        settings: Settings {
            clients: 16,
            per_connection: 1,
            rate: None,
            duration: 2.0,
            warmup: 1.0,
            rounds: 3,
            seed: 1,
        },
        environment: Environment {
            commit: None,
            version: "0.1.0".into(),
            platform: "linux x86_64".into(),
            kernel: "6.1".into(),
            processor: "a processor".into(),
            cores: 2,
            memory: 8 << 30,
            time: 0,
        },
        targets,
        comparisons: Vec::new(),
        interrupted: false,
        rate_changed: false,
        warnings: Vec::new(),
    }
}

fn names() -> [String; 2] {
    ["a.json".into(), "b.json".into()]
}

const STEADY: [(f64, u64); 3] = [(1_000.0, 500), (1_010.0, 505), (990.0, 495)];
const DOUBLE: [(f64, u64); 3] = [(2_000.0, 250), (2_020.0, 252), (1_980.0, 248)];

#[test]
fn what_is_faster_is_said_of_each_target() {
    let first = report(vec![target("direct", &STEADY), target("vitrail", &STEADY)]);
    let second = report(vec![target("vitrail", &DOUBLE), target("direct", &STEADY), target("proxy", &STEADY)]);
    let compared = compare(&first, &second, names()).expect("compared");
    let [direct, vitrail] = &compared.targets[..] else { panic!("two targets: {compared:?}") };
    assert!(direct.verdict.starts_with("no difference between B and A"), "{}", direct.verdict);
    assert!(vitrail.verdict.starts_with("B is faster than A: 1.9"), "{}", vitrail.verdict);
    let verdicts: Vec<&str> = vitrail.figures.iter().map(|figure| figure.verdict.as_str()).collect();
    assert_eq!(verdicts, ["better", "better", "better", "no difference shown", "no difference shown"]);
    assert_eq!(compared.warnings, ["B alone has proxy"]);
    let text = report::render(&compared);
    assert!(text.contains("Welch") && text.contains("rate            1,000        2,000    2.00"), "{text}");
    for (condition, holds) in
        [("vitrail:ratio>1.9", true), ("ratio>1.9", false), ("p99<1.05", true), ("errors<0.1", true)]
    {
        let assertion: Assertion<CompareReport> = condition.parse().expect("an assertion");
        assert_eq!(assertion.check(&compared).is_empty(), holds, "{condition}");
    }
}

#[test]
fn with_a_rate_that_both_kept_latency_decides() {
    let paced = |rounds: [(f64, u64); 3]| {
        let mut report = report(vec![target("direct", &rounds)]);
        report.settings.rate = Some(1_000.0);
        report
    };
    let slower = STEADY.map(|(rate, p50)| (rate, p50 * 3));
    let compared = compare(&paced(STEADY), &paced(slower), names()).expect("compared");
    let verdict = &compared.targets[0].verdict;
    assert!(verdict.starts_with("both kept the rate; B answers slower than A"), "{verdict}");
}

#[test]
fn what_differs_beside_is_told() {
    let first = report(vec![target("before", &STEADY)]);
    let mut second = report(vec![target("after", &STEADY[..1])]);
    second.settings.clients = 32;
    second.environment.processor = "another".into();
    second.interrupted = true;
    second.targets[0].processes[0].name = "proxy".into();
    let compared = compare(&first, &second, names()).expect("the only targets of both");
    assert_eq!((compared.targets[0].name.as_str(), compared.targets[0].against.as_str()), ("after", "before"));
    assert_eq!(compared.targets[0].figures[0].verdict, "one round shows nothing");
    assert_eq!(
        compared.warnings,
        [
            "numbers of clients differ: 16 in A, 32 in B",
            "processors differ: a processor in A, another in B",
            "`cpu` and `memory` of after are of different processes: the one that listens in A, proxy in B",
            "B was ended early"
        ]
    );
    let third = report(vec![target("a", &STEADY), target("b", &STEADY)]);
    let error = compare(&first, &third, names()).expect_err("refused").to_string();
    assert!(error.contains("a.json has before, b.json has a, b"), "{error}");
}

#[test]
fn a_file_that_is_no_report_says_what_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.json");
    assert!(format!("{:#}", read::report(&path).expect_err("refused")).contains("cannot read"));
    for (text, says) in [
        ("{", "is no JSON"),
        ("{}", "it has no `version`"),
        ("{\"version\": 99}", "has format 99, and this vitrail reads format 1"),
        ("{\"version\": 1}", "missing field"),
        ("{\"version\": 1, \"kind\": \"sweep\"}", "is a report of bench sweep"),
    ] {
        std::fs::write(&path, text).expect("written");
        let error = format!("{:#}", read::report(&path).expect_err("refused"));
        assert!(error.contains(says), "{text}: {error}");
    }
    let whole = report(vec![target("direct", &STEADY)]);
    std::fs::write(&path, serde_json::to_string(&whole).expect("JSON")).expect("written");
    assert_eq!(read::report(&path).expect("a report"), whole);
}
