//! What `vitrail sql` takes.

use std::path::PathBuf;

use crate::format::Format;
use crate::settings::{Origin, Settings};

/// The shell's arguments.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:
  vitrail sql vitrail://app@127.0.0.1:15300/shop           a prompt
  vitrail sql -e 'SELECT COUNT(*) FROM orders' --format json
  vitrail sql --file schema.sql --force
  vitrail sql -e '\\copy orders to orders.csv'

Exit status: 0 all succeeded, 1 a statement failed, 2 wrong arguments or files, 3 no connection, 130 Ctrl-C.
Settings: flags, then VITRAIL_SQL_<NAME>, then ~/.config/vitrail/sql.toml; \\set lists them. Passwords: the URL,
--password-file, VITRAIL_PASSWORD, or asked for at a terminal.")]
pub struct Options {
    /// Where to connect: vitrail://user@host:15300/keyspace[:shard][@replica]
    #[arg(default_value = "vitrail://127.0.0.1:15300", env = "VITRAIL_URL", hide_env_values = true)]
    pub url: String,

    /// Run these statements or commands and leave
    #[arg(short, long, value_name = "SQL")]
    pub execute: Vec<String>,

    /// Run the statements of this file and leave; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "execute")]
    pub file: Option<PathBuf>,

    /// How results are written [default: table on a terminal, else tsv]
    #[arg(short, long, value_enum)]
    pub format: Option<Format>,

    /// Go on after a statement that failed (the exit status still tells)
    #[arg(long)]
    pub force: bool,

    /// Do not ask before DROP, TRUNCATE, ALTER, and DELETE or UPDATE without WHERE: they are meant
    #[arg(short, long)]
    pub yes: bool,

    /// Edit lines with the keys of vi
    #[arg(long)]
    pub vi: bool,

    /// Any setting that \set shows
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub settings: Vec<String>,

    /// No colours (also NO_COLOR and TERM=dumb)
    #[arg(long)]
    pub no_color: bool,

    /// Read the password from this file
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,

    /// Read settings from this file [default: ~/.config/vitrail/sql.toml]
    #[arg(long, value_name = "FILE", env = "VITRAIL_SQL_CONFIG")]
    pub config: Option<PathBuf>,
}

impl Options {
    /// Puts what the flags say over the settings.
    pub fn apply(&self, settings: &mut Settings) -> Result<(), String> {
        if let Some(format) = self.format {
            settings.format = Some(format);
            let name = settings.get("format");
            settings.set("format", &name, Origin::Flag).map_err(|error| error.to_string())?;
        }
        if self.yes {
            settings.set("safe", "off", Origin::Flag).map_err(|error| error.to_string())?;
        }
        if self.vi {
            settings.set("keys", "vi", Origin::Flag).map_err(|error| error.to_string())?;
        }
        for setting in &self.settings {
            let (name, value) = setting.split_once('=').ok_or_else(|| format!("--set {setting}: write NAME=VALUE"))?;
            settings.set(name, value, Origin::Flag).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}
