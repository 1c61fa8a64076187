//! Where a report was made.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The machine and the tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// Of the tool.
    pub version: String,
    /// The commit that was checked out when the tool was built; absent in a build from a folder that is none of git's.
    pub commit: Option<String>,
    /// `linux x86_64`.
    pub platform: String,
    /// The kernel's version.
    pub kernel: String,
    /// What `/proc/cpuinfo` calls it.
    pub processor: String,
    /// That this process may use.
    pub cores: usize,
    /// Bytes of memory that the machine has.
    pub memory: u64,
    /// Seconds since 1970, at the end.
    pub time: u64,
}

impl Environment {
    /// Here and now.
    pub fn here() -> Environment {
        let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = text
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim().to_owned()));
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_else(|_| "unknown".into());
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Environment {
            version: env!("CARGO_PKG_VERSION").into(),
            commit: option_env!("VITRAIL_COMMIT").map(str::to_owned),
            platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            kernel: kernel.trim().to_owned(),
            processor: model.unwrap_or_else(|| "unknown".into()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory: memory(),
            time: since.map_or(0, |since| since.as_secs()),
        }
    }
}

impl Environment {
    /// The tool's version, with its commit if that is known.
    pub fn tool(&self) -> String {
        self.commit.as_ref().map_or(self.version.clone(), |commit| format!("{} ({commit})", self.version))
    }
}

/// The line is `MemTotal:       24576000 kB`.
fn memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) << 10
}
