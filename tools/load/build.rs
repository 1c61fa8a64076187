//! Finds the commit that is checked out, for the environment block of reports. Without git, or outside its folder, reports name the version alone.

use std::path::Path;
use std::process::Command;

fn main() {
    // Of this repository, and not of one that it was copied into.
    let is_here = git(&["rev-parse", "--show-prefix"]).is_some_and(|prefix| prefix == "tools/load/");
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).filter(|_| is_here);
    println!("cargo::rerun-if-changed=build.rs");
    let Some(commit) = commit else { return };
    println!("cargo::rustc-env=VITRAIL_COMMIT={commit}");
    // Grows with every commit and checkout. Cargo would run this each time if it were named and not there.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]).filter(|log| Path::new(log).exists()) {
        println!("cargo::rerun-if-changed={log}");
    }
}

/// What git answers in this crate's folder.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}
