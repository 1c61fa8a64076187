//! Data directories: initialised once for each version as a template, then copied.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::binaries::{Binaries, cache_directory};
use super::cannot;
use crate::error::{Error, Result};
use crate::flavour::Flavour;

/// SQL that MariaDB runs at its start, inside the data directory.
pub(super) const INIT_FILE: &str = "vitrail-init.sql";
/// Where a server keeps its temporary tables, inside the data directory. A directory that it shared with others would not do: a server
/// that starts removes every temporary table that it finds there, those in use by another server too.
pub(super) const TEMPORARY_DIRECTORY: &str = "vitrail-tmp";
/// Part of the template's name: counts up when templates are made otherwise.
const TEMPLATE_VERSION: u32 = 1;
/// MySQL's identity for replication, which no two servers may share.
const IDENTITY: &str = "auto.cnf";

/// Makes `data` a data directory, unless it is one, with a directory for temporary tables.
pub(super) async fn prepare(binaries: &Binaries, data: &Path) -> Result<()> {
    if !is_initialised(data) {
        initialise(binaries, data).await?;
    }
    std::fs::create_dir_all(data.join(TEMPORARY_DIRECTORY))
        .map_err(|error| cannot("make the directory for temporary tables", error))
}

async fn initialise(binaries: &Binaries, data: &Path) -> Result<()> {
    if std::fs::read_dir(data).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::Mysqld(format!("{} is neither empty nor a mysql data directory", data.display())));
    }
    let template = template(binaries).await?;
    let data = data.to_owned();
    tokio::task::spawn_blocking(move || {
        copy(&template, &data)?;
        match std::fs::remove_file(data.join(IDENTITY)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    })
    .await
    .map_err(|error| Error::Mysqld(format!("copying the data directory stopped: {error}")))?
    .map_err(|error| cannot("copy the data directory", error))
}

fn is_initialised(data: &Path) -> bool {
    data.join("mysql").is_dir() && data.join("ibdata1").is_file()
}

/// The template of this version; made if there is none. Made beside and renamed, so that a half-made one is never used.
async fn template(binaries: &Binaries) -> Result<PathBuf> {
    let templates = cache_directory().join("templates");
    let name = format!("{}-{}-{TEMPLATE_VERSION}", binaries.flavour().as_str().to_lowercase(), binaries.version());
    let template = templates.join(&name);
    if is_initialised(&template) {
        return Ok(template);
    }
    std::fs::create_dir_all(&templates).map_err(|error| cannot("make the cache directory", error))?;
    let making = tempfile::Builder::new()
        .prefix(&format!("{name}-"))
        .tempdir_in(&templates)
        .map_err(|error| cannot("make a directory in the cache", error))?;
    let data = making.path().join("data");
    let command = binaries.initialise_command(&data);
    let output = Command::new(&command[0])
        .args(&command[1..])
        .env("TMPDIR", making.path())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| cannot("run the initialisation of a data directory", error))?;
    if !output.status.success() || !is_initialised(&data) {
        return Err(Error::Mysqld(format!(
            "initialising a data directory failed with {}:\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )));
    }
    if binaries.flavour() == Flavour::MariaDb {
        std::fs::write(data.join(INIT_FILE), "DELETE FROM mysql.global_priv WHERE User = '';\nFLUSH PRIVILEGES;\n")
            .map_err(|error| cannot("write into the data directory", error))?;
    }
    match std::fs::rename(&data, &template) {
        Ok(()) => Ok(template),
        // Somebody else was faster.
        Err(_) if is_initialised(&template) => Ok(template),
        Err(error) => Err(cannot("put the data directory into the cache", error)),
    }
}

/// Copies a directory with all that is in it; modes are kept.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    std::fs::set_permissions(to, std::fs::metadata(from)?.permissions())?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
