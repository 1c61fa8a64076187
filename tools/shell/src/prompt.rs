//! The interactive loop: several lines a statement, history in a file, Ctrl-C to start over, Ctrl-D to leave.

use std::borrow::Cow;
use std::path::PathBuf;

use reedline::{FileBackedHistory, Prompt, PromptEditMode, PromptHistorySearch, Reedline, Signal};

use crate::exit::Exit;
use crate::runner::Runner;
use crate::say;
use crate::statements::Splitter;

/// Lines kept in the history file.
const HISTORY: usize = 10_000;

const HELP: &str = "End a statement with ; or \\G (one column a line). \\q or Ctrl-D leaves, Ctrl-C cancels.";

/// Reads and runs statements until the user leaves.
pub async fn run(runner: &mut Runner) -> Exit {
    say(HELP);
    let mut editor = match history_file().map(|file| FileBackedHistory::with_file(HISTORY, file)) {
        Some(Ok(history)) => Reedline::create().with_history(Box::new(history)),
        _ => Reedline::create(),
    };
    let mut splitter = Splitter::default();
    loop {
        let prompt = Line { target: runner.prompt(), continued: !splitter.is_blank() };
        let read = tokio::task::spawn_blocking(move || {
            let signal = editor.read_line(&prompt);
            (editor, signal)
        });
        let signal = match read.await {
            Ok((returned, signal)) => {
                editor = returned;
                signal
            }
            Err(_) => return Exit::Usage,
        };
        match signal {
            Ok(Signal::Success(line)) => {
                if splitter.is_blank() && matches!(line.trim(), "\\q" | "quit" | "exit" | "quit;" | "exit;") {
                    return Exit::Success;
                }
                if splitter.is_blank() && matches!(line.trim(), "\\?" | "\\h" | "help" | "help;") {
                    say(HELP);
                    continue;
                }
                let statements = splitter.push(&format!("{line}\n"));
                if splitter.is_blank() {
                    splitter.clear();
                }
                for statement in statements {
                    if runner.run(&statement).await == Exit::Connect {
                        say("the next statement tries to connect again");
                    }
                }
            }
            Ok(Signal::CtrlC) => splitter.clear(),
            Ok(Signal::CtrlD) => return Exit::Success,
            Err(error) => {
                say(&format!("cannot read from the terminal: {error}"));
                return Exit::Usage;
            }
        }
    }
}

/// `$XDG_STATE_HOME/vitrail/history`, by default under `~/.local/state`.
fn history_file() -> Option<PathBuf> {
    let state = match std::env::var_os("XDG_STATE_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".local/state"),
    };
    Some(state.join("vitrail/history"))
}

/// The prompt: the target, `*` inside a transaction, and `->` on further lines.
struct Line {
    target: String,
    continued: bool,
}

impl Prompt for Line {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        if self.continued {
            Cow::Owned(format!("{:>width$}", "-", width = self.target.chars().count()))
        } else {
            Cow::Borrowed(&self.target)
        }
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _mode: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed("> ")
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed("> ")
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        Cow::Owned(format!("(search `{}`) ", search.term))
    }
}
