//! `\?`

use std::io::Write;

use nu_ansi_term::{Color, Style};

use super::ALL;
use crate::shell::Shell;
use crate::terminal::painted;

/// Lists the commands, or tells of one.
pub(super) fn show(shell: &Shell, name: &str) -> Result<(), String> {
    let name = name.trim_start_matches('\\');
    let colour = shell.terminal.output && shell.terminal.colour;
    let listed = ALL.iter().filter(|command| name.is_empty() || command.names.contains(&name));
    let width =
        ALL.iter().map(|command| signature(command).chars().count()).filter(|width| *width < 36).max().unwrap_or(0);
    let mut text = String::new();
    for command in listed {
        let signature = signature(command);
        let blank = " ".repeat(width.saturating_sub(signature.chars().count()) + 2);
        text += &format!("  {}{blank}{}\n", painted(&signature, Style::new().fg(Color::Cyan), colour), command.help);
    }
    if text.is_empty() {
        return Err(format!("there is no command \\{name}; \\? lists them"));
    }
    if name.is_empty() {
        text += "\nA statement ends with ; or \\G (one column a line). Tab completes, Ctrl-R searches the history, Ctrl-O opens an editor,\n\
                 Ctrl-C cancels, Ctrl-D leaves.\n";
    }
    // Nobody need read it.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(())
}

fn signature(command: &super::Command) -> String {
    format!("\\{} {}", command.names[0], command.takes).trim_end().to_owned()
}
