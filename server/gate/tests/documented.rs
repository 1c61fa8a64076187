//! The tables of features in `docs/sessions.md` name tests that exist.

use std::collections::HashSet;
use std::path::Path;

#[test]
fn every_feature_of_sessions_names_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = std::fs::read_to_string(root.join("docs/sessions.md")).expect("the page is there");
    let mut known = HashSet::new();
    for folder in ["server", "tools", "clients/rust"] {
        tests_below(&root.join(folder), &mut known);
    }
    let (mut rows, mut of_features) = (0, false);
    for row in text.lines() {
        if row == "| feature | what Vitrail does | test |" || !row.starts_with('|') {
            of_features = row.starts_with('|');
            continue;
        }
        if !of_features || row.starts_with("|---") {
            continue;
        }
        rows += 1;
        let cell = row.trim_end_matches('|').rsplit('|').next().expect("a row has cells");
        let names: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test: {row}");
        for name in names {
            assert!(known.contains(name), "no test is called {name}: {row}");
        }
    }
    assert!(rows > 40, "{rows} rows");
}

/// The names of all functions behind `#[test]` and `#[tokio::test…]`.
fn tests_below(folder: &Path, known: &mut HashSet<String>) {
    for entry in std::fs::read_dir(folder).expect("readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target") {
                tests_below(&path, known);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("readable");
            let mut marked = false;
            for line in text.lines().map(str::trim) {
                let name = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
                if let (true, Some(name)) = (marked, name) {
                    known.insert(name.split('(').next().unwrap_or_default().to_owned());
                    marked = false;
                }
                marked |= line == "#[test]" || line.starts_with("#[tokio::test");
            }
        }
    }
}
