//! The examples of the Rust client, each as a process of its own against `vitrail demo`.

#![allow(clippy::unwrap_used, reason = "a panic is the report of a test")]

use std::io::{BufRead, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use vitrail_client::connection::{ConnectOptions, Connection};
use vitrail_client::{ClientConfig, TlsMode};
use vitrail_proto::message::{Op, Request};

/// A demo on free ports; ended when dropped.
struct Demo {
    child: Child,
    url: String,
    /// Open as long as the demo may write to it.
    output: Lines<BufReader<ChildStdout>>,
    _folder: tempfile::TempDir,
}

impl Demo {
    fn start() -> Demo {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_vitrail"))
            .args(["demo", "--port", "0", "--http-port", "0", "--data-dir"])
            .arg(folder.path().join("demo"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut demo = Demo { child, url: String::new(), output, _folder: folder };
        while let Some(line) = demo.output.next() {
            if let Some(url) = line.unwrap().trim().strip_prefix("BSON-RPC") {
                demo.url = url.trim().to_owned();
                return demo;
            }
        }
        panic!("the demo ended before it served");
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

/// Builds the examples and returns their executables.
fn examples() -> Vec<(String, PathBuf)> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
        .args(["build", "--package", "vitrail-client", "--examples", "--message-format", "json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let messages = messages.map(|line| serde_json::from_slice::<serde_json::Value>(line).unwrap());
    let built = messages.filter(|message| message["target"]["kind"][0] == "example");
    built
        .filter_map(|message| {
            Some((message["target"]["name"].as_str()?.to_owned(), PathBuf::from(message["executable"].as_str()?)))
        })
        .collect()
}

#[test]
fn every_example_does_what_it_says() {
    let expected = [
        ("cancel", &["cancelled: ERROR 1317", "too late: ERROR 3024"][..]),
        ("quickstart", &["PDX 259\nBTV 181\nSAN 171\n"]),
        ("stream", &["20000 rows, "]),
        ("transaction", &["booking 1: 179.50\nbooking 2: 422.00\n"]),
    ];
    let mut examples = examples();
    // That one talks to the runner of `tools/conformance`, which has tests of its own.
    examples.retain(|(name, _)| name != "conformance");
    examples.sort();
    let names: Vec<&str> = examples.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, expected.map(|(name, _)| name), "each example is expected to say something");
    let demo = Demo::start();
    for ((name, program), (_, says)) in examples.iter().zip(expected) {
        let output = Command::new(program).arg(&demo.url).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{name}: {text}{}", String::from_utf8_lossy(&output.stderr));
        for part in says {
            assert!(text.contains(part), "{name}: `{part}` is not in:\n{text}");
        }
    }
    columns_that_the_client_holds_are_left_out(&demo);
}

/// What the client's memory of columns rests on: a gate honours the hash that a request carries.
fn columns_that_the_client_holds_are_left_out(demo: &Demo) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut config = ClientConfig::from_url(&demo.url).unwrap();
        assert_eq!(config.tls.mode, TlsMode::Auto);
        config.application = "examples".into();
        let options = ConnectOptions::from_config(&config).unwrap();
        let connection = Connection::connect(&config.endpoints[0], &options).await.unwrap();
        let mut request = Request::new(Op::Execute);
        request.sql = Some("select id, delay from flight where origin = 'SFO' order by id limit 1".into());
        request.target = config.target.clone();
        let first = connection.request(&request).first().await.unwrap();
        assert!(first.fields.is_some());
        request.fields_hash = first.fields_hash;
        let second = connection.request(&request).first().await.unwrap();
        assert_eq!((second.fields, second.fields_hash), (None, first.fields_hash));
        request.fields_hash = first.fields_hash.map(|hash| !hash);
        let third = connection.request(&request).first().await.unwrap();
        assert_eq!(third.fields, first.fields);
    });
}
