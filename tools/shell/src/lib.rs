//! The SQL shell: a prompt, or statements from arguments, files and standard input; results in several formats.
//!
//! Standard output carries data, standard error carries talk. Layout:
//!
//! - [`Options`] and `settings`, `config`: flags, the file, the environment, `\set`.
//! - `shell`: the state; `connect`, `interrupt`, `terminal`: what it stands on.
//! - `input` (splits text into statements and commands) → `batch` → `run` (a statement) or `commands` (a backslash command).
//! - `format` (writers) → `output` (standard output, pager, file); `summary`, `report`: what is told below.
//! - `prompt`: the line editor, with `complete`, `highlight` and `ask`; `lexing`, `keywords`, `meaning`: what they know of SQL.

mod ask;
mod batch;
mod commands;
mod complete;
mod config;
mod connect;
pub mod exit;
pub mod format;
mod highlight;
mod input;
mod interrupt;
mod keywords;
mod lexing;
mod meaning;
mod options;
mod output;
mod prompt;
mod report;
mod run;
mod settings;
mod shell;
mod summary;
mod terminal;

pub use exit::Exit;
pub use format::Format;
pub use options::Options;

use run::Flow;
use settings::Settings;
use shell::Shell;
use terminal::{Terminal, say};

/// Runs the shell to its end.
pub async fn run(options: Options) -> Exit {
    let terminal = Terminal::found(options.no_color);
    let settings = config::load(options.config.as_deref()).and_then(|mut settings: Settings| {
        options.apply(&mut settings)?;
        Ok(settings)
    });
    let settings = match settings {
        Ok(settings) => settings,
        Err(message) => {
            say(&message);
            return Exit::Usage;
        }
    };
    let from_input = options.file.as_deref().is_some_and(|file| file.as_os_str() == "-");
    let interactive = options.execute.is_empty() && options.file.is_none() && terminal.input;
    let client = match connect::client(&options.url, options.password_file.as_deref(), terminal.input).await {
        Ok(client) => client,
        Err(message) => {
            say(&message);
            return Exit::Connect;
        }
    };
    let mut shell = Shell::new(client, settings, terminal, interactive).await;
    shell.force = options.force;
    let exit = if !options.execute.is_empty() {
        shell.reading = (options.execute.len() > 1 || options.execute[0].contains('\n')).then(|| "-e".into());
        exit(batch::texts(&mut shell, &options.execute).await)
    } else if let Some(file) = options.file.filter(|_| !from_input) {
        match std::fs::File::open(&file) {
            Ok(opened) => {
                shell.reading = Some(file.display().to_string());
                exit(batch::read(&mut shell, opened).await)
            }
            Err(error) => {
                say(&format!("cannot read {}: {error}", file.display()));
                Exit::Usage
            }
        }
    } else if interactive {
        shell.whisper(&connect::greeting(&shell));
        prompt::run(&mut shell).await
    } else {
        shell.reading = Some("standard input".into());
        exit(batch::read(&mut shell, std::io::stdin()).await)
    };
    shell.close().await;
    exit
}

/// The exit status of what was not typed.
fn exit(flow: Flow) -> Exit {
    match flow {
        // Whoever read our output has enough of it: that is no failure.
        Flow::Done | Flow::Leave | Flow::Closed => Exit::Success,
        Flow::Failed(exit) => exit,
    }
}
