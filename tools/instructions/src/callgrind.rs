//! Runs this program again under callgrind, in an environment that is the same everywhere.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};

use crate::operations::RUNS;

/// The flag by which this program runs one operation.
pub const RUN: &str = "--run";

/// An x86 string instruction would count once for each byte that it copies; loops of vectors are nearer to what a copy costs.
const WITHOUT_STRING_INSTRUCTIONS: &str =
    "glibc.cpu.x86_rep_movsb_threshold=1073741824:glibc.cpu.x86_rep_stosb_threshold=1073741824";

/// What every count needs.
pub struct Callgrind {
    program: PathBuf,
    /// The library that fixes the seeds of hash maps.
    seeds: PathBuf,
}

impl Callgrind {
    /// Compiles the library.
    pub fn prepare() -> Result<Callgrind> {
        let program = std::env::current_exe().context("this program's own path is unknown")?;
        let seeds = program.with_file_name("libvitrail_instructions_seeds.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&seeds).arg(source);
        run(&mut compiler).context("a C compiler is needed")?;
        Ok(Callgrind { program, seeds })
    }

    /// Instructions of one run of an operation.
    pub fn count(&self, operation: &str) -> Result<u64> {
        let mut valgrind = Command::new("valgrind");
        // No settings of the user's: neither in the environment nor in ~/.valgrindrc.
        valgrind.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        valgrind.env("LD_PRELOAD", &self.seeds).env("GLIBC_TUNABLES", WITHOUT_STRING_INSTRUCTIONS);
        valgrind.args([
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            "--toggle-collect=*counted_by_callgrind*",
        ]);
        let output = run(valgrind.arg(&self.program).args([RUN, operation])).with_context(|| {
            format!("'{operation}' does not run under valgrind (tools/instructions/install-valgrind)")
        })?;
        let collected = collected(&String::from_utf8_lossy(&output.stderr))
            .with_context(|| format!("valgrind counted nothing of '{operation}'"))?;
        Ok(collected / RUNS)
    }
}

/// The sum that callgrind tells at its end: `==42== Collected : 1234`.
fn collected(told: &str) -> Option<u64> {
    let sum = told.lines().find_map(|line| line.split_once("Collected :"))?.1;
    sum.trim().parse().ok().filter(|sum| *sum > 0)
}

/// Runs a command to its end; what it says becomes the error if it fails.
fn run(command: &mut Command) -> Result<Output> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("{program} cannot be started"))?;
    if !output.status.success() {
        bail!("{program} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_found_in_what_callgrind_says() {
        assert_eq!(collected("==42== Events    : Ir\n==42== Collected : 1234\n==42== \n"), Some(1234));
        assert_eq!(collected("==42== Collected : 0\n"), None);
        assert_eq!(collected("valgrind: fatal error\n"), None);
    }
}
