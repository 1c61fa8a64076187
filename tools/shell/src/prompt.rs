//! The interactive loop: a line editor with history, completion and colours; what is typed runs when it is complete.

mod editor;
mod history;
mod line;

use std::sync::Arc;

use parking_lot::RwLock;
use reedline::{EditCommand, Reedline, Signal};

use crate::batch;
use crate::commands::favourites;
use crate::complete::Around;
use crate::exit::Exit;
use crate::input::Splitter;
use crate::run::Flow;
use crate::shell::Shell;
use crate::terminal::say;
use line::Line;

/// Reads and runs until the user leaves.
pub async fn run(shell: &mut Shell) -> Exit {
    let around = Arc::new(RwLock::new(Around::default()));
    let mut keys = shell.settings.keys;
    let mut made_of = editor_settings(shell);
    let mut editor = editor::make(shell, &around);
    let mut splitter = Splitter::default();
    loop {
        *around.write() = Around {
            catalogue: Some(Arc::clone(&shell.catalogue)),
            keyspace: shell.session.target().and_then(|target| target.keyspace),
            favourites: favourites::names(),
            typed: String::new(),
        };
        if shell.settings.keys != keys || editor_settings(shell) != made_of {
            keys = shell.settings.keys;
            made_of = editor_settings(shell);
            editor = editor::make(shell, &around);
        }
        if let Some(text) = shell.prefill.take() {
            editor.run_edit_commands(&[EditCommand::Clear, EditCommand::InsertString(text)]);
        }
        let prompt = Line::of(shell);
        let read = tokio::task::spawn_blocking(move || read(editor, &prompt)).await;
        let Ok((returned, signal)) = read else { return Exit::Usage };
        editor = returned;
        let text = match signal {
            Ok(Signal::Success(text)) => text,
            Ok(Signal::CtrlC) => continue,
            Ok(Signal::CtrlD) => return Exit::Success,
            Err(error) => {
                say(&format!("cannot read from the terminal: {error}"));
                return Exit::Usage;
            }
        };
        // Each line is a text of its own; only `delimiter` outlives it.
        let mut one = splitter.fresh();
        let mut inputs = one.push(&format!("{text}\n"));
        inputs.extend(one.finish());
        splitter = one;
        for input in inputs {
            match batch::one(shell, &input).await {
                Flow::Leave => return Exit::Success,
                // What was typed after a failure on the same line was meant to follow a success.
                Flow::Failed(_) => break,
                Flow::Done | Flow::Closed => {}
            }
        }
        editor.sync();
    }
}

/// The settings that an editor is made of.
fn editor_settings(shell: &Shell) -> (bool, bool, String) {
    (shell.settings.highlight, shell.settings.hints, shell.settings.editor.clone())
}

fn read(mut editor: Editor, prompt: &Line) -> (Editor, std::io::Result<Signal>) {
    let signal = editor.0.read_line(prompt);
    (editor, signal)
}

/// The line editor; it moves to a thread for each line.
struct Editor(Reedline);

impl Editor {
    fn run_edit_commands(&mut self, commands: &[EditCommand]) {
        self.0.run_edit_commands(commands);
    }

    /// Another shell's next line finds this one in the history.
    fn sync(&mut self) {
        let _ = self.0.sync_history();
    }
}
