//! The counts that were accepted, by platform: `tools/instructions/baseline.toml`.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::platform::Platform;

/// The file, from the root of the repository.
pub const NAME: &str = "tools/instructions/baseline.toml";

const HEAD: &str =
    "# Instructions of one run of each operation, by platform. Written by `make accept-instructions`.\n\n";

/// What the file holds, by target triple.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Baseline(BTreeMap<String, Accepted>);

/// The counts of one platform.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// What they were counted with: compiler and C library.
    pub toolchain: String,
    /// By operation.
    pub instructions: BTreeMap<String, u64>,
}

impl Baseline {
    /// Reads the file. Without one nothing was accepted yet.
    pub fn load() -> Result<Baseline> {
        match std::fs::read_to_string(path()) {
            Ok(text) => toml::from_str(&text).with_context(|| format!("{NAME} cannot be read")),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Baseline::default()),
            Err(error) => Err(error).with_context(|| format!("{NAME} cannot be read")),
        }
    }

    /// What was accepted for a platform.
    pub fn of(&self, platform: &Platform) -> Option<Accepted> {
        self.0.get(&platform.triple).cloned()
    }

    /// Replaces the counts of one platform in the file.
    pub fn accept(&mut self, platform: &Platform, accepted: Accepted) -> Result<()> {
        self.0.insert(platform.triple.clone(), accepted);
        let text = format!("{HEAD}{}", toml::to_string(&self)?);
        std::fs::write(path(), text).with_context(|| format!("{NAME} cannot be written"))
    }
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline.toml")
}
