//! The structure of the workspace, asserted: which crate may know which, and what stays free of I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Crate → the crates of this workspace that it may depend on (outside tests).
const EDGES: &[(&str, &[&str])] = &[
    ("vitrail-proto", &[]),
    ("vitrail-sql", &["vitrail-proto"]),
    ("vitrail-planner", &["vitrail-proto", "vitrail-sql"]),
    ("vitrail-mysql", &["vitrail-proto"]),
    ("vitrail-client", &["vitrail-proto"]),
    ("vitrail-trace", &[]),
    ("vitrail-service", &["vitrail-client", "vitrail-proto", "vitrail-trace"]),
    ("vitrail-listener", &["vitrail-proto", "vitrail-trace"]),
    (
        "vitrail-tablet",
        &["vitrail-listener", "vitrail-mysql", "vitrail-proto", "vitrail-service", "vitrail-sql", "vitrail-trace"],
    ),
    ("vitrail-gate", &["vitrail-listener", "vitrail-planner", "vitrail-proto", "vitrail-service", "vitrail-sql"]),
    (
        "vitrail-node",
        &[
            "vitrail-gate",
            "vitrail-listener",
            "vitrail-mysql",
            "vitrail-planner",
            "vitrail-proto",
            "vitrail-service",
            "vitrail-client",
            "vitrail-tablet",
        ],
    ),
    ("vitrail-harness", &["vitrail-mysql", "vitrail-proto"]),
    ("vitrail-instructions", &["vitrail-planner", "vitrail-proto", "vitrail-sql"]),
    ("vitrail-shell", &["vitrail-client", "vitrail-sql"]),
    ("vitrail-demo", &["vitrail-client", "vitrail-mysql", "vitrail-node", "vitrail-proto"]),
    ("vitrail-load", &["vitrail-client", "vitrail-listener", "vitrail-mysql", "vitrail-proto"]),
    (
        "vitrail-trials",
        &["vitrail-client", "vitrail-harness", "vitrail-listener", "vitrail-mysql", "vitrail-node", "vitrail-proto"],
    ),
    ("vitrail-differential", &["vitrail-client", "vitrail-harness", "vitrail-mysql", "vitrail-node", "vitrail-proto"]),
    ("vitrail-generator", &["vitrail-client", "vitrail-differential", "vitrail-harness"]),
    ("vitrail", &["vitrail-demo", "vitrail-load", "vitrail-node", "vitrail-proto", "vitrail-shell", "vitrail-trace"]),
];

/// No runtime and no socket below these.
const PURE: &[&str] = &["vitrail-proto", "vitrail-sql", "vitrail-planner"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Of this platform alone: what others need has not been downloaded by the build.
fn metadata() -> Value {
    let compiler = Command::new("rustc").arg("-vV").output().expect("rustc runs");
    let compiler = String::from_utf8_lossy(&compiler.stdout).into_owned();
    let host = compiler.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--all-features", "--locked", "--filter-platform", host])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
}

/// Package id → (name, ids of its normal and build dependencies).
fn graph(metadata: &Value) -> BTreeMap<String, (String, Vec<String>)> {
    let names: BTreeMap<&str, &str> = metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .map(|package| (package["id"].as_str().expect("id"), package["name"].as_str().expect("name")))
        .collect();
    let nodes = metadata["resolve"]["nodes"].as_array().expect("nodes");
    nodes
        .iter()
        .map(|node| {
            let id = node["id"].as_str().expect("id");
            let needed =
                node["deps"].as_array().expect("deps").iter().filter(|dep| {
                    dep["dep_kinds"].as_array().expect("dep_kinds").iter().any(|kind| kind["kind"] != "dev")
                });
            let needed = needed.map(|dep| dep["pkg"].as_str().expect("pkg").to_owned()).collect();
            (id.to_owned(), (names[id].to_owned(), needed))
        })
        .collect()
}

#[test]
fn crates_depend_only_on_those_that_the_architecture_allows() {
    let metadata = metadata();
    let graph = graph(&metadata);
    let members: BTreeSet<&str> =
        metadata["workspace_members"].as_array().expect("members").iter().filter_map(Value::as_str).collect();
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        EDGES.iter().map(|(name, to)| (*name, to.iter().copied().collect())).collect();
    let mut found = BTreeSet::new();
    for id in &members {
        let (name, needed) = &graph[*id];
        found.insert(name.as_str());
        let allowed =
            allowed.get(name.as_str()).unwrap_or_else(|| panic!("{name} is not in EDGES: say what it may know"));
        for other in needed.iter().filter(|other| members.contains(other.as_str())) {
            let other = &graph[other].0;
            assert!(allowed.contains(other.as_str()), "{name} must not depend on {other}");
        }
    }
    assert_eq!(found, allowed.keys().copied().collect(), "EDGES names exactly the crates of the workspace");
}

#[test]
fn pure_crates_reach_no_runtime_and_no_socket() {
    let metadata = metadata();
    let graph = graph(&metadata);
    for pure in PURE {
        let start = graph.iter().find(|(_, (name, _))| name == pure).map(|(id, _)| id.clone()).expect("crate exists");
        let mut seen = BTreeSet::from([start.clone()]);
        let mut queue = vec![start];
        while let Some(id) = queue.pop() {
            let (name, needed) = &graph[&id];
            assert!(
                !["tokio", "mio", "socket2", "async-std", "hyper"].contains(&name.as_str()),
                "{pure} reaches {name}"
            );
            queue.extend(needed.iter().filter(|next| seen.insert((*next).clone())).cloned());
        }
    }
}

#[test]
fn every_source_file_says_what_it_is() {
    let mut folders =
        vec![root().join("proto-spec"), root().join("server"), root().join("clients/rust"), root().join("tools")];
    let mut checked = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("folder can be read") {
            let path = entry.expect("entry").path();
            let name = path.file_name().expect("has a name").to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" {
                    folders.push(path);
                }
            } else if name.ends_with(".rs") {
                let text = std::fs::read_to_string(&path).expect("text");
                let first = text.lines().find(|line| !line.starts_with("#!") && !line.trim().is_empty()).unwrap_or("");
                assert!(
                    first.starts_with("//!"),
                    "{}: the first line says what the file is, as `//! …`",
                    path.display()
                );
                for bad in ["common", "utils", "util", "misc", "helpers"] {
                    assert_ne!(name.trim_end_matches(".rs"), bad, "{}: name it by what it holds", path.display());
                }
                checked += 1;
            }
        }
    }
    assert!(checked > 50, "the walk found the sources ({checked})");
}
