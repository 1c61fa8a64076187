//! Where the instructions are counted: they are others on another processor, and after another compiler.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

/// The host, as the compiler that built this program names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// Such as `x86_64-unknown-linux-gnu`.
    pub triple: String,
    /// What else a count depends on: `rustc 1.95.0, glibc 2.36`.
    pub toolchain: String,
}

impl Platform {
    /// Asks the compiler, and the C library where it says its version.
    pub fn of_this_host() -> Result<Platform> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let output =
            Command::new("rustc").arg("-vV").current_dir(folder).output().context("rustc cannot be started")?;
        let told = String::from_utf8_lossy(&output.stdout);
        let field = |name: &str| {
            let value = told.lines().find_map(|line| line.strip_prefix(name));
            value.map(str::to_owned).with_context(|| format!("rustc -vV says nothing of its {name}"))
        };
        let library =
            Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok().filter(|told| told.status.success());
        let library = library.map_or_else(
            || "another C library".to_owned(),
            |told| String::from_utf8_lossy(&told.stdout).trim().to_owned(),
        );
        Ok(Platform { triple: field("host: ")?, toolchain: format!("rustc {}, {library}", field("release: ")?) })
    }
}
