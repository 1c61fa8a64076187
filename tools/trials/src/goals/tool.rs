//! What measures: `vitrail bench`.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

/// `vitrail bench`.
#[derive(Debug, Clone)]
pub struct Tool {
    /// The binary, which is measured as well.
    pub vitrail: PathBuf,
    /// Shorter, for tests of this crate itself: the figures mean little.
    pub quick: bool,
}

impl Tool {
    /// Runs a command of it, and gives its report. Nothing may have failed.
    ///
    /// # Errors
    ///
    /// What it said, or what failed.
    pub async fn bench(&self, command: &str, arguments: &[&str]) -> Result<Value, String> {
        let report = self.bench_with_errors(command, arguments).await?;
        for target in report["targets"].as_array().into_iter().flatten() {
            if let Some((code, error)) = target["errors"].as_object().into_iter().flatten().next() {
                let name = &target["name"];
                return Err(format!(
                    "{}: {} errors {code} of {name}: {}",
                    shown(command, arguments),
                    error["count"],
                    error["example"]
                ));
            }
        }
        Ok(report)
    }

    /// Runs a command of it, and gives its report, in which operations may have failed. Answers have to be right.
    ///
    /// # Errors
    ///
    /// What it said.
    pub async fn bench_with_errors(&self, command: &str, arguments: &[&str]) -> Result<Value, String> {
        let mut child = Command::new(&self.vitrail);
        child.args(["bench", command, "--json", "-"]).args(arguments);
        let output = child.stdin(Stdio::null()).kill_on_drop(true).output().await.map_err(|error| error.to_string())?;
        let report: Value = serde_json::from_slice(&output.stdout)
            .map_err(|_| format!("{}: {}", shown(command, arguments), String::from_utf8_lossy(&output.stderr)))?;
        for target in report["targets"].as_array().into_iter().flatten() {
            let wrong = target["wrong"].as_array().is_some_and(|wrong| !wrong.is_empty());
            if wrong || target["errors"].get("wrong answer").is_some() {
                return Err(format!("{}: {} answered wrongly: {target:#}", shown(command, arguments), target["name"]));
            }
        }
        Ok(report)
    }

    /// `long`, or something short.
    pub fn time<'a>(&self, long: &'a str) -> &'a str {
        if self.quick { "300ms" } else { long }
    }

    /// `many`, or few.
    pub fn count(&self, many: usize) -> usize {
        if self.quick { (many / 100).max(4) } else { many }
    }
}

fn shown(command: &str, arguments: &[&str]) -> String {
    format!("vitrail bench {command} {}", arguments.join(" "))
}

/// A target of a report, by its name.
///
/// # Errors
///
/// It is not there.
pub fn target<'a>(report: &'a Value, name: &str) -> Result<&'a Value, String> {
    let targets = report["targets"].as_array().into_iter().flatten();
    targets.into_iter().find(|target| target["name"] == name).ok_or_else(|| format!("the report has no target {name}"))
}

/// A number of a report.
///
/// # Errors
///
/// It is not there.
pub fn number(report: &Value, pointer: &str) -> Result<f64, String> {
    report.pointer(pointer).and_then(Value::as_f64).ok_or_else(|| format!("the report has no number at {pointer}"))
}
