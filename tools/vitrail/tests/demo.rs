//! `vitrail demo` and `vitrail sql` as people run them: real processes, real signals.
#![expect(clippy::unwrap_used, clippy::zombie_processes, reason = "a panic in a test is the report")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Output, Stdio};

const VITRAIL: &str = env!("CARGO_BIN_EXE_vitrail");

fn flavours() -> Vec<String> {
    vitrail_harness::flavours().into_iter().map(|flavour| flavour.as_str().to_lowercase()).collect()
}

#[test]
fn the_tour_answers_as_one_mysql_does() {
    for flavour in flavours() {
        for shards in ["1", "2", "4"] {
            let output = Command::new(VITRAIL)
                .args(["demo", "--check", "--flavour", &flavour, "--shards", shards])
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(
                output.status.success(),
                "{flavour}, {shards} shards:\n{text}\n{}",
                String::from_utf8_lossy(&output.stderr)
            );
            let stops = text.matches("as one MySQL").count();
            assert!(stops >= 25, "{stops} stops\n{text}");
        }
    }
}

/// A demo that serves; ended by its process id.
struct Demo {
    child: Child,
    url: String,
    folder: tempfile::TempDir,
}

impl Demo {
    fn start() -> Demo {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("demo");
        let mut child = Command::new(VITRAIL)
            .args(["demo", "--port", "0", "--http-port", "0", "--data-dir"])
            .arg(&data)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = String::new();
        for line in lines {
            let line = line.unwrap();
            if let Some(url) = line.trim().strip_prefix("BSON-RPC") {
                let url = url.trim().to_owned();
                return Demo { child, url, folder };
            }
            seen.push_str(&line);
            seen.push('\n');
        }
        panic!("the demo ended before it served:\n{seen}");
    }

    fn sql(&self, arguments: &[&str], input: Option<&str>) -> Output {
        let mut child = Command::new(VITRAIL)
            .args(["sql", &self.url])
            .args(arguments)
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        if let Some(input) = input {
            child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        }
        child.wait_with_output().unwrap()
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

/// Processes whose command line has `text`.
fn processes_with(text: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| String::from_utf8_lossy(line).contains(text)).count()
}

#[test]
fn the_shell_speaks_every_format_and_the_demo_cleans_up() {
    let mut demo = Demo::start();
    let out = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let sql = "SELECT iata, latitude FROM airport WHERE iata IN ('SFO', 'JFK') ORDER BY iata";
    let formats = [
        ("tsv", "iata\tlatitude\nJFK\t40.63975111\nSFO\t37.61900194\n"),
        ("csv", "iata,latitude\nJFK,40.63975111\nSFO,37.61900194\n"),
        (
            "jsonl",
            "{\"iata\": \"JFK\", \"latitude\": \"40.63975111\"}\n{\"iata\": \"SFO\", \"latitude\": \"37.61900194\"}\n",
        ),
    ];
    for (format, expected) in formats {
        let output = demo.sql(&["-e", sql, "--format", format], None);
        assert_eq!((output.status.code(), out(&output).as_str()), (Some(0), expected), "{format}");
    }
    let output = demo.sql(&["--format", "json"], Some("SELECT COUNT(*) AS n\nFROM flight;\nSELECT 'a;b' AS t\\G"));
    assert_eq!(
        out(&output),
        "[\n  {\"n\": 20000}\n]\n*************************** 1. row ***************************\nt: a;b\n"
    );
    let output = demo.sql(&["-e", "SELECT 1 FROM nothing; SELECT 2"], None);
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(1), ""));
    assert!(String::from_utf8_lossy(&output.stderr).contains("1146"), "{}", String::from_utf8_lossy(&output.stderr));
    let output = demo.sql(&["--force", "-e", "SELECT 1 FROM nothing; SELECT 2"], None);
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(1), "2\n2\n"));

    let marker = demo.folder.path().display().to_string();
    assert!(processes_with(&marker) > 1, "the demo's servers run");
    demo.signal("-INT");
    assert!(demo.child.wait().unwrap().success());
    assert_eq!(processes_with(&marker), 0, "nothing is left behind");
    assert_eq!(std::fs::read_dir(demo.folder.path()).unwrap().count(), 0, "no data is left behind");
    let output = demo.sql(&["-e", "SELECT 1"], None);
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn a_demo_that_is_killed_leaves_no_server_behind() {
    let mut demo = Demo::start();
    let marker = demo.folder.path().display().to_string();
    demo.signal("-KILL");
    demo.child.wait().unwrap();
    let end = std::time::SystemTime::now() + std::time::Duration::from_secs(30);
    while processes_with(&marker) > 0 {
        assert!(std::time::SystemTime::now() < end, "a server outlives its demo");
        std::thread::yield_now();
    }
}
