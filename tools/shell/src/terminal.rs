//! What the shell writes to: a terminal or not, its size, whether colours are welcome.

use std::io::IsTerminal;

use nu_ansi_term::{Color, Style};

/// The terminal as found at start.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    /// Results go to a person.
    pub output: bool,
    /// Statements come from a person.
    pub input: bool,
    /// Messages go to a person.
    pub errors: bool,
    /// Colours and cursor movement are welcome.
    pub colour: bool,
    /// Lines and frames can be drawn in Unicode.
    pub unicode: bool,
}

impl Terminal {
    /// Looks at the process's streams and environment.
    pub fn found(no_colour: bool) -> Terminal {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(|name| std::env::var(name).ok());
        let locale = locale.into_iter().find(|value| !value.is_empty()).unwrap_or_default().to_ascii_uppercase();
        Terminal {
            output: std::io::stdout().is_terminal(),
            input: std::io::stdin().is_terminal(),
            errors: std::io::stderr().is_terminal(),
            colour: !no_colour && !is_set("NO_COLOR") && !dumb,
            // Only a locale that says otherwise: containers often say nothing.
            unicode: locale.is_empty()
                || locale.contains("UTF-8")
                || locale.contains("UTF8")
                || locale.starts_with("C"),
        }
    }

    /// Columns and lines; what most terminals have where nothing is known.
    pub fn size(&self) -> (usize, usize) {
        match crossterm::terminal::size() {
            Ok((columns, lines)) if columns > 0 && lines > 0 => (columns.into(), lines.into()),
            _ => (80, 24),
        }
    }
}

/// Text that recedes: NULL, frames, timing.
pub fn dim() -> Style {
    Style::new().fg(Color::DarkGray)
}

/// Paints a text, or leaves it as it is.
pub fn painted(text: &str, style: Style, colour: bool) -> String {
    if colour { style.paint(text).to_string() } else { text.to_owned() }
}

/// Talk goes to standard error. Nobody need listen.
pub fn say(message: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{message}");
}
