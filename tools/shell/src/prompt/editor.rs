//! The line editor: keys, history, hints, completion, colours, and when a text is complete.

use std::process::Command;
use std::sync::Arc;

use nu_ansi_term::{Color, Style};
use parking_lot::RwLock;
use reedline::{
    DefaultHinter, EditCommand, EditMode, Emacs, KeyCode, KeyModifiers, Keybindings, Reedline, ReedlineEvent,
    ValidationResult, Validator, Vi, default_emacs_keybindings, default_vi_insert_keybindings,
    default_vi_normal_keybindings,
};

use super::{Editor, history};
use crate::commands::edit;
use crate::complete::{self, Around, SqlCompleter};
use crate::highlight::SqlHighlighter;
use crate::input::Splitter;
use crate::settings::Keys;
use crate::shell::Shell;

/// An editor with the shell's settings.
pub(super) fn make(shell: &Shell, around: &Arc<RwLock<Around>>) -> Editor {
    let colour = shell.terminal.colour;
    let mode: Box<dyn EditMode> = match shell.settings.keys {
        Keys::Emacs => Box::new(Emacs::new(bound(default_emacs_keybindings()))),
        Keys::Vi => Box::new(Vi::new(bound(default_vi_insert_keybindings()), default_vi_normal_keybindings())),
    };
    let file = std::env::temp_dir().join(format!("vitrail-{}.sql", std::process::id()));
    let mut external = Command::new("/bin/sh");
    external.arg("-c").arg(format!("{} \"$0\"", edit::program(&shell.settings)));
    let mut editor = Reedline::create()
        .with_edit_mode(mode)
        .with_validator(Box::new(Complete))
        .with_completer(Box::new(SqlCompleter::new(Arc::clone(around))))
        .with_menu(complete::menu(colour))
        .with_partial_completions(true)
        .with_quick_completions(true)
        .with_buffer_editor(external, file)
        .with_ansi_colors(colour)
        .use_bracketed_paste(colour);
    let highlighter = SqlHighlighter { paints: shell.settings.highlight && colour, around: Arc::clone(around) };
    editor = editor.with_highlighter(Box::new(highlighter));
    if shell.settings.hints && colour {
        let hinter = DefaultHinter::default().with_style(Style::new().fg(Color::DarkGray)).with_min_chars(3);
        editor = editor.with_hinter(Box::new(hinter));
    }
    Editor(match history::open(shell.settings.history) {
        Some(history) => editor.with_history(history),
        None => editor,
    })
}

/// Tab opens the completion and goes on in it; Alt-Enter is a line break whatever stands before.
fn bound(mut keys: Keybindings) -> Keybindings {
    let next = ReedlineEvent::UntilFound(vec![ReedlineEvent::Menu("completion".into()), ReedlineEvent::MenuNext]);
    keys.add_binding(KeyModifiers::NONE, KeyCode::Tab, next);
    keys.add_binding(KeyModifiers::SHIFT, KeyCode::BackTab, ReedlineEvent::MenuPrevious);
    let line_break = ReedlineEvent::Edit(vec![EditCommand::InsertNewline]);
    keys.add_binding(KeyModifiers::ALT, KeyCode::Enter, line_break);
    keys
}

/// A text is complete when nothing but blanks and comments follows its last statement or command.
struct Complete;

impl Validator for Complete {
    fn validate(&self, text: &str) -> ValidationResult {
        let mut splitter = Splitter::default();
        splitter.push(&format!("{text}\n"));
        if splitter.is_blank() { ValidationResult::Complete } else { ValidationResult::Incomplete }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enter_runs_what_is_complete() {
        for (text, complete) in [
            ("", true),
            ("select 1;", true),
            ("select 1\\G", true),
            ("select 1; -- done", true),
            ("\\dt", true),
            ("use shop", true),
            ("exit", true),
            ("select 1", false),
            ("select 1; select 2", false),
            ("select 'a;", false),
            ("select 1 /* ;", false),
        ] {
            let found = matches!(Complete.validate(text), ValidationResult::Complete);
            assert_eq!(found, complete, "{text:?}");
        }
    }
}
