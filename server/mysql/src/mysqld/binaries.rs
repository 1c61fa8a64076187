//! Where the programs of a server are, on this host.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::cannot;
use crate::error::{Error, Result};
use crate::flavour::{Flavour, Version};

/// Where servers are looked for besides `PATH`, which often lacks `sbin`.
const DIRECTORIES: [&str; 6] =
    ["/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin", "/usr/local/mysql/bin", "/opt/mysql/bin"];

/// The programs of one server version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    flavour: Flavour,
    version: Version,
    server: PathBuf,
    /// A Debian tree that is not installed, whose own loader and libraries run its programs.
    tree: Option<Tree>,
    /// MariaDB's `mariadb-install-db`.
    installer: Option<PathBuf>,
}

/// A Debian tree in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tree {
    root: PathBuf,
    loader: PathBuf,
    libraries: PathBuf,
}

impl Binaries {
    /// Finds a server of `flavour`: among the installed ones, and for MySQL in the folder that `tools/harness/install-mysql` fills,
    /// [`Binaries::mysql_tree`].
    ///
    /// Errors: [`Error::Mysqld`] that says what to install.
    pub async fn find(flavour: Flavour) -> Result<Binaries> {
        Binaries::search(flavour, None).await
    }

    /// The same, of this version if there is one, else of any.
    pub async fn find_version(flavour: Flavour, version: Version) -> Result<Binaries> {
        Binaries::search(flavour, Some(version)).await
    }

    async fn search(flavour: Flavour, wanted: Option<Version>) -> Result<Binaries> {
        let fits = |binaries: &Binaries| wanted.is_none_or(|version| binaries.version == version);
        let names: &[&str] = match flavour {
            Flavour::MariaDb => &["mariadbd", "mysqld"],
            Flavour::MySql => &["mysqld"],
        };
        let mut other = None;
        for server in names.iter().flat_map(|name| candidates(name)) {
            let command = [server.display().to_string()];
            match greeting_of(&command).await {
                Ok((found, version)) if found == flavour => {
                    let installer = match flavour {
                        Flavour::MySql => None,
                        Flavour::MariaDb => Some(installer_beside(&server)?),
                    };
                    let binaries = Binaries { flavour, version, server, tree: None, installer };
                    if fits(&binaries) {
                        return Ok(binaries);
                    }
                    other.get_or_insert(binaries);
                }
                _ => {}
            }
        }
        match (flavour, other) {
            (Flavour::MariaDb, Some(other)) => Ok(other),
            (Flavour::MariaDb, None) => {
                Err(Error::Mysqld("no MariaDB server is installed; run tools/harness/install-mariadb".into()))
            }
            (Flavour::MySql, other) => match (Binaries::in_tree(&Binaries::mysql_tree()).await, other) {
                (Ok(tree), Some(other)) => Ok(if fits(&tree) { tree } else { other }),
                (Err(_), Some(other)) => Ok(other),
                (tree, None) => tree,
            },
        }
    }

    /// The folder of a MySQL that is not installed: `$VITRAIL_CACHE/mysql-sid`, by default `~/.cache/vitrail/mysql-sid`.
    pub fn mysql_tree() -> PathBuf {
        cache_directory().join("mysql-sid")
    }

    /// A MySQL in a Debian tree. It runs with the tree's own loader and libraries, which needs neither root nor chroot.
    async fn in_tree(root: &Path) -> Result<Binaries> {
        let missing = || {
            Error::Mysqld(format!(
                "no MySQL server is installed, nor is one in {}; run tools/harness/install-mysql",
                root.display()
            ))
        };
        let server = root.join("usr/sbin/mysqld");
        if !server.is_file() {
            return Err(missing());
        }
        let (libraries, loader) = entries(&root.join("usr/lib"))
            .filter(|path| path.is_dir())
            .find_map(|directory| {
                let loader = entries(&directory).find(|path| {
                    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("ld-linux"))
                })?;
                Some((directory, loader))
            })
            .ok_or_else(missing)?;
        let tree = Tree { root: root.to_owned(), loader, libraries };
        let mut binaries = Binaries {
            flavour: Flavour::MySql,
            version: Version::default(),
            server,
            tree: Some(tree),
            installer: None,
        };
        (binaries.flavour, binaries.version) = greeting_of(&binaries.program()).await?;
        Ok(binaries)
    }

    /// Its family.
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// Its version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The command that starts the server, without the arguments that depend on its data.
    pub(super) fn server_command(&self) -> Vec<String> {
        let mut command = self.program();
        command.push("--no-defaults".into());
        if is_root() {
            command.push("--user=root".into());
        }
        if let Some(tree) = &self.tree {
            let root = tree.root.display();
            command.push(format!("--basedir={root}/usr"));
            command.push(format!("--lc-messages-dir={root}/usr/share/mysql"));
            command.push(format!("--plugin-dir={root}/usr/lib/mysql/plugin"));
        }
        command
    }

    /// The command that fills an empty data directory.
    pub(super) fn initialise_command(&self, data: &Path) -> Vec<String> {
        let data = format!("--datadir={}", data.display());
        match &self.installer {
            Some(installer) => {
                let mut command = vec![
                    installer.display().to_string(),
                    "--no-defaults".into(),
                    data,
                    "--auth-root-authentication-method=normal".into(),
                    "--skip-test-db".into(),
                    "--skip-name-resolve".into(),
                    "--innodb-log-file-size=32M".into(),
                ];
                if is_root() {
                    command.push("--user=root".into());
                }
                command
            }
            None => {
                let mut command = self.server_command();
                command.extend(["--initialize-insecure".into(), "--innodb-redo-log-capacity=64M".into(), data]);
                command
            }
        }
    }

    /// The server's program, with what runs it.
    fn program(&self) -> Vec<String> {
        let server = self.server.display().to_string();
        match &self.tree {
            None => vec![server],
            Some(tree) => vec![
                tree.loader.display().to_string(),
                "--library-path".into(),
                tree.libraries.display().to_string(),
                server,
            ],
        }
    }
}

/// Where Vitrail keeps what can be made again: `$VITRAIL_CACHE`, by default `~/.cache/vitrail`.
pub(super) fn cache_directory() -> PathBuf {
    match std::env::var_os("VITRAIL_CACHE") {
        Some(cache) if !cache.is_empty() => cache.into(),
        _ => std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from).join(".cache/vitrail"),
    }
}

/// Whether this process is root, without asking the C library.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// MariaDB's `mariadb-install-db`: that of the same installation if it has one, as each prepares data for its own version.
fn installer_beside(server: &Path) -> Result<PathBuf> {
    const NAMES: [&str; 2] = ["mariadb-install-db", "mysql_install_db"];
    let installation = server.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
    let beside = ["bin", "scripts"].iter().flat_map(|folder| NAMES.map(|name| installation.join(folder).join(name)));
    beside
        .filter(|path| path.is_file())
        .chain(NAMES.iter().flat_map(|name| candidates(name)))
        .next()
        .ok_or_else(|| Error::Mysqld("mariadb-install-db was not found beside mariadbd".into()))
}

/// Existing files called `name`, in the order of `PATH` and then of `DIRECTORIES`.
fn candidates(name: &str) -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories: Vec<PathBuf> = std::env::split_paths(&path).chain(DIRECTORIES.iter().map(PathBuf::from)).collect();
    let name = name.to_owned();
    directories.into_iter().map(move |directory| directory.join(&name)).filter(|path| path.is_file())
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// Flavour and version of what `--version` prints.
async fn greeting_of(command: &[String]) -> Result<(Flavour, Version)> {
    let output = Command::new(&command[0])
        .args(&command[1..])
        .args(["--no-defaults", "--version"])
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|error| cannot("run the mysql server that was found", error))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.split_once("Ver ").map(|(_, rest)| rest.trim_start());
    match version {
        Some(version) if output.status.success() => Ok(Flavour::of_greeting(version)),
        _ => Err(Error::Mysqld("the mysql server that was found does not tell its version".into())),
    }
}
