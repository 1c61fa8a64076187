//! Counts the instructions of the hot path's operations under callgrind, and compares them with an accepted baseline.
//!
//! Times differ from run to run and from machine to machine; the number of instructions does not, so that a change of a few per cent
//! can be told from noise. The operations are those of the micro-benchmarks of the crates without I/O.
//!
//! Layout: `operations` (what is counted), `callgrind` (how), `platform` (where), `baseline` (what was accepted), `verdict` (what
//! the difference means).

mod baseline;
mod callgrind;
mod operations;
mod platform;
mod verdict;

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Result, bail};

use baseline::{Accepted, Baseline};
use callgrind::Callgrind;
use platform::Platform;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        [] => check(),
        ["--accept"] => accept(),
        [callgrind::RUN, name] => operations::run(name).map(|()| true),
        _ => Err(anyhow::anyhow!("usage: vitrail-instructions [--accept]")),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("instructions: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether no operation has become dearer than is allowed.
fn check() -> Result<bool> {
    let platform = Platform::of_this_host()?;
    let Some(accepted) = Baseline::load()?.of(&platform) else {
        say(&format!(
            "instructions: nothing is checked: there is no baseline for {}; `{}` makes one",
            platform.triple,
            verdict::ACCEPT
        ));
        return Ok(true);
    };
    let verdict = verdict::compare(&accepted.instructions, &count()?);
    say(verdict.report.trim_end());
    if accepted.toolchain != platform.toolchain {
        say(&format!("the baseline was made with {}, and this is {}", accepted.toolchain, platform.toolchain));
    }
    Ok(verdict.passes)
}

fn accept() -> Result<bool> {
    let platform = Platform::of_this_host()?;
    let mut baseline = Baseline::load()?;
    let instructions = count()?;
    if let Some(accepted) = baseline.of(&platform) {
        say(verdict::compare(&accepted.instructions, &instructions).table.trim_end());
    }
    baseline.accept(&platform, Accepted { toolchain: platform.toolchain.clone(), instructions })?;
    say(&format!("accepted; commit {}, and say why in the commit", baseline::NAME));
    Ok(true)
}

/// Instructions of one run of each operation.
fn count() -> Result<BTreeMap<String, u64>> {
    let callgrind = Callgrind::prepare()?;
    let mut counts = BTreeMap::new();
    for name in operations::names() {
        if counts.insert(name.to_owned(), callgrind.count(name)?).is_some() {
            bail!("two operations are named '{name}'");
        }
    }
    Ok(counts)
}

#[expect(clippy::print_stdout, reason = "its output is what it is for")]
fn say(text: &str) {
    println!("{text}");
}
