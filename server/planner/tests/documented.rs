//! The user's table of refusals, `docs/sql.md`, lists every rule of the code, and no other.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What a rule's id follows in the code.
const BEFORE_ID: [&str; 7] = [
    "Refusal::unsupported(",
    "Refusal::invalid(",
    "Refusal::data(",
    "Refusal::constraint(",
    "Refusal::not_found(",
    "over_shards(",
    "reason: ",
];

#[test]
fn every_refusal_is_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut known, mut folders) = (BTreeSet::new(), vec![root.join("src")]);
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                known.extend(ids(&path));
            }
        }
    }
    assert!(known.len() >= 60, "{known:?}");
    let docs = std::fs::read_to_string(root.join("../../docs/sql.md")).expect("the document");
    let (_, table) = docs.split_once("| reason |").expect("the table of refusals");
    let listed: BTreeSet<String> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(id, _)| id.to_owned()))
        .collect();
    let missing: Vec<_> = known.difference(&listed).collect();
    let stale: Vec<_> = listed.difference(&known).collect();
    assert!(missing.is_empty() && stale.is_empty(), "not in docs/sql.md: {missing:?}; not in the code: {stale:?}");
}

fn ids(path: &PathBuf) -> BTreeSet<String> {
    let code = std::fs::read_to_string(path).expect("a source file");
    let mut found = BTreeSet::new();
    for before in BEFORE_ID {
        for (at, _) in code.match_indices(before) {
            let rest = code[at + before.len()..].trim_start();
            if let Some((id, _)) = rest.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
                found.insert(id.to_owned());
            }
        }
    }
    found
}
