//! The SQL shell: `-e`, standard input, or a prompt with history; results in several formats.
//!
//! Standard output carries data, standard error carries talk. Layout: [`Options`], [`run`], `statements` (splits the input),
//! `runner` (runs one statement and writes its results), `prompt` (the interactive loop), `format` (writers).

pub mod exit;
pub mod format;
mod prompt;
mod runner;
mod statements;

use std::io::{IsTerminal, Read};

use vitrail_client::Client;

pub use exit::Exit;
pub use format::Format;

use runner::Runner;
use statements::{Splitter, Statement};

/// What `vitrail sql` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Where to connect: vitrail://user@host:15300/keyspace[:shard][@replica]
    #[arg(default_value = "vitrail://127.0.0.1:15300", env = "VITRAIL_URL", hide_env_values = true)]
    pub url: String,

    /// Run these statements and leave
    #[arg(short, long, value_name = "SQL")]
    pub execute: Vec<String>,

    /// How results are written [default: table on a terminal, else tsv]
    #[arg(short, long, value_enum)]
    pub format: Option<Format>,

    /// Go on after a statement that failed (the exit status still tells)
    #[arg(long)]
    pub force: bool,

    /// Read the password from this file
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<std::path::PathBuf>,
}

/// Runs the shell to its end.
pub async fn run(options: Options) -> Exit {
    let client = match connect(&options).await {
        Ok(client) => client,
        Err(message) => {
            say(&message);
            return Exit::Connect;
        }
    };
    let terminal = std::io::stdout().is_terminal();
    let format = options.format.unwrap_or(if terminal { Format::Table } else { Format::Tsv });
    let mut runner = Runner::new(client, format, terminal);
    let exit = if !options.execute.is_empty() {
        let statements = options.execute.iter().flat_map(|text| {
            let mut splitter = Splitter::default();
            let mut statements = splitter.push(text);
            statements.extend(splitter.finish());
            statements
        });
        batch(&mut runner, statements, options.force).await
    } else if std::io::stdin().is_terminal() {
        prompt::run(&mut runner).await
    } else {
        standard_input(&mut runner, options.force).await
    };
    runner.close().await;
    exit
}

async fn connect(options: &Options) -> Result<Client, String> {
    let mut config =
        vitrail_client::ClientConfig::from_url(&options.url).map_err(|error| error.message().to_owned())?;
    config.application = "vitrail sql".into();
    if let Some(path) = &options.password_file {
        let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        config.password = Some(text.trim_end_matches(['\r', '\n']).to_owned());
    }
    Client::connect_with(config).await.map_err(|error| error.to_string())
}

async fn batch(runner: &mut Runner, statements: impl Iterator<Item = Statement>, force: bool) -> Exit {
    let mut exit = Exit::Success;
    for statement in statements {
        match runner.run(&statement).await {
            Exit::Success => {}
            failed @ Exit::Statement if force => exit = failed,
            failed => return failed,
        }
    }
    exit
}

/// Reads piece by piece, so that a statement runs as soon as it is complete, and long input needn't fit into memory.
async fn standard_input(runner: &mut Runner, force: bool) -> Exit {
    let mut splitter = Splitter::default();
    let mut exit = Exit::Success;
    let mut pending = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        let read = match std::io::stdin().read(&mut piece) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => {
                say(&format!("cannot read standard input: {error}"));
                return Exit::Usage;
            }
        };
        pending.extend_from_slice(&piece[..read]);
        let whole = match std::str::from_utf8(&pending) {
            Ok(_) => pending.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => {
                say("standard input is not UTF-8 text");
                return Exit::Usage;
            }
        };
        let text: Vec<u8> = pending.drain(..whole).collect();
        let text = String::from_utf8(text).expect("checked above");
        match batch(runner, splitter.push(&text).into_iter(), force).await {
            Exit::Success => {}
            failed if force => exit = failed,
            failed => return failed,
        }
    }
    match batch(runner, splitter.finish().into_iter(), force).await {
        Exit::Success => exit,
        failed => failed,
    }
}

/// Talk goes to standard error.
#[expect(clippy::print_stderr, reason = "the shell talks to people on standard error")]
pub(crate) fn say(message: &str) {
    eprintln!("{message}");
}
