//! `vitrail user NAME`: SCRAM keys for the configuration, so that it holds no password.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use vitrail_proto::scram::StoredKeys;

/// Flags of `vitrail user`.
#[derive(Debug, Args)]
pub struct Options {
    /// The user's name
    name: String,
    /// Read the password from this file in place of standard input
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Rounds of PBKDF2; clients accept 4,096 to 600,000
    #[arg(long, default_value_t = 4_096, value_parser = clap::value_parser!(u32).range(4_096..=600_000))]
    iterations: u32,
    /// What the user may do, as `reader`, `writer:shop` or `writer:shop.order*`; several times for several grants
    #[arg(long = "grant", value_name = "ROLE[:KEYSPACE[.TABLES]]", value_parser = grant)]
    grants: Vec<String>,
}

/// Prints the entry.
#[expect(clippy::print_stdout, reason = "the entry is this command's data")]
pub fn run(options: &Options) -> Result<()> {
    let password = password(options)?;
    if password.is_empty() {
        bail!("the password is empty");
    }
    let keys = StoredKeys::derive(password.as_bytes(), &rand::random::<[u8; 16]>(), options.iterations);
    println!("[users.{}]\nscram = \"{keys}\"", toml_key(&options.name));
    if !options.grants.is_empty() {
        println!("grants = [\n  {},\n]", options.grants.join(",\n  "));
    }
    Ok(())
}

/// A grant as the configuration has it.
fn grant(text: &str) -> Result<String, String> {
    let (role, place) = text.split_once(':').unwrap_or((text, "*"));
    if !matches!(role, "reader" | "writer" | "admin") {
        return Err(format!("`{role}` is no role: write reader, writer or admin"));
    }
    let (keyspace, tables) = place.split_once('.').unwrap_or((place, "*"));
    if keyspace.is_empty() || tables.is_empty() {
        return Err("a keyspace or a table has no name: leave it out, or write *".to_owned());
    }
    Ok(format!("{{ role = \"{role}\", keyspace = {keyspace:?}, tables = {tables:?} }}"))
}

fn password(options: &Options) -> Result<String> {
    let text = match &options.password_file {
        Some(path) => std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?,
        None => {
            ask();
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line).context("cannot read the password from standard input")?;
            line
        }
    };
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[expect(clippy::print_stderr, reason = "a question to the person at the terminal")]
fn ask() {
    if std::io::stdin().is_terminal() {
        eprint!("Password (shown while typed): ");
    }
}

/// A bare key where TOML allows one, else quoted.
fn toml_key(name: &str) -> String {
    let bare =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if bare { name.to_owned() } else { format!("{name:?}") }
}
