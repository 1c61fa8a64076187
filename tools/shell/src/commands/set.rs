//! `\set`, `\x`, `\timing`: settings.

use std::io::Write;

use super::arguments::{first, words};
use crate::settings::{NAMES, Origin};
use crate::shell::Shell;
use crate::terminal::{dim, painted, say};

/// `\set [name [value]]`
pub(super) fn set(shell: &mut Shell, rest: &str) -> Result<(), String> {
    let (name, value) = first(rest);
    let colour = shell.terminal.output && shell.terminal.colour;
    if name.is_empty() {
        let mut text = String::new();
        for (name, help) in NAMES {
            let origin = match shell.settings.origin(name) {
                Origin::Default => String::new(),
                origin => format!("{}: ", origin.as_str()),
            };
            let help = painted(&format!("{origin}{help}"), dim(), colour);
            text += &format!("{name:<11} {:<28} {help}\n", shell.settings.get(name));
        }
        // Nobody need read it.
        let _ = std::io::stdout().write_all(text.as_bytes());
        return Ok(());
    }
    if value.is_empty() {
        let Some((_, help)) = NAMES.iter().find(|(known, _)| *known == name) else {
            return shell.settings.set(name, "", Origin::Command).map_err(|error| error.to_string());
        };
        say(&format!("{name} = {} ({help})", shell.settings.get(name)));
        return Ok(());
    }
    // Quotes keep blanks and make the empty value.
    let value = if value.starts_with(['\'', '"']) { words(value).join(" ") } else { value.to_owned() };
    shell.settings.set(name, &value, Origin::Command).map_err(|error| error.to_string())
}

/// `\x [auto|on|off]`
pub(super) fn expanded(shell: &mut Shell, value: &str) -> Result<(), String> {
    let toggled = if shell.settings.get("expanded") == "on" { "auto" } else { "on" };
    switch(shell, "expanded", value, toggled)
}

/// `\timing [on|off|full]`
pub(super) fn timing(shell: &mut Shell, value: &str) -> Result<(), String> {
    let toggled = if shell.settings.get("timing") == "off" { "on" } else { "off" };
    switch(shell, "timing", value, toggled)
}

fn switch(shell: &mut Shell, name: &str, value: &str, toggled: &str) -> Result<(), String> {
    let value = if value.is_empty() { toggled } else { value.trim_end_matches(';') };
    shell.settings.set(name, value, Origin::Command).map_err(|error| error.to_string())?;
    if shell.interactive {
        say(&format!("{name} is {value}"));
    }
    Ok(())
}
