//! The prompt: who, where, and in what state; `->` on further lines.

use std::borrow::Cow;

use nu_ansi_term::{Color, Style};
use reedline::{Prompt, PromptEditMode, PromptHistorySearch, PromptHistorySearchStatus, PromptViMode};
use unicode_width::UnicodeWidthStr;

use crate::shell::Shell;

/// What a prompt is made of.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub user: String,
    pub target: String,
    pub keyspace: String,
    pub host: String,
    pub in_transaction: bool,
    pub pinned: bool,
    pub encrypted: bool,
}

/// One line's prompt.
pub(super) struct Line {
    text: String,
    colour: bool,
}

impl Line {
    /// The prompt at this time.
    pub(super) fn of(shell: &Shell) -> Line {
        let config = shell.client.config();
        let target = shell.session.target().unwrap_or_default();
        let state = State {
            user: config.user.clone(),
            target: target.to_string(),
            keyspace: target.keyspace.unwrap_or_default(),
            host: config.endpoints.first().map(ToString::to_string).unwrap_or_default(),
            in_transaction: shell.session.is_in_transaction(),
            pinned: shell.session.is_pinned(),
            encrypted: shell.encrypted,
        };
        Line { text: render(&shell.settings.prompt, &state), colour: shell.terminal.colour }
    }

    fn painted<'a>(&self, text: Cow<'a, str>, style: Style) -> Cow<'a, str> {
        if self.colour { Cow::Owned(style.paint(text).to_string()) } else { text }
    }
}

/// Fills in a template. `{marks}`: `(tls, pinned)` where it is so; `{tx}`: `*` in a transaction.
fn render(template: &str, state: &State) -> String {
    let marks: Vec<&str> = [(state.encrypted, "tls"), (state.pinned, "pinned")]
        .iter()
        .filter(|(is, _)| *is)
        .map(|(_, mark)| *mark)
        .collect();
    let marks = if marks.is_empty() { String::new() } else { format!("({})", marks.join(", ")) };
    let text = template
        .replace("{user}", &state.user)
        .replace("{target}", &state.target)
        .replace("{keyspace}", &state.keyspace)
        .replace("{host}", &state.host)
        .replace("{marks}", &marks)
        .replace("{tx}", if state.in_transaction { "*" } else { "" });
    // Without a user or a target nothing stands before or after the `@`.
    let text = text.trim_matches('@').to_owned();
    if text.is_empty() { "vitrail".into() } else { text }
}

impl Prompt for Line {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        self.painted(Cow::Borrowed(&self.text), Style::new().bold().fg(Color::Green))
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, mode: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed(match mode {
            PromptEditMode::Vi(PromptViMode::Normal) => ": ",
            _ => "> ",
        })
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        let indent = " ".repeat(self.text.width().saturating_sub(1));
        self.painted(Cow::Owned(format!("{indent}-> ")), Style::new().fg(Color::DarkGray))
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        let failing = match search.status {
            PromptHistorySearchStatus::Passing => "",
            PromptHistorySearchStatus::Failing => "nothing has ",
        };
        Cow::Owned(format!(" ({failing}`{}`) ", search.term))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prompt_shows_who_where_and_what() {
        let mut state = State { user: "demo".into(), target: "flights:-80".into(), ..State::default() };
        let template = crate::settings::Settings::default().prompt;
        assert_eq!(render(&template, &state), "demo@flights:-80");
        (state.in_transaction, state.pinned, state.encrypted) = (true, true, true);
        assert_eq!(render(&template, &state), "demo@flights:-80(tls, pinned)*");
        assert_eq!(render("{keyspace}", &state), "vitrail");
        let nobody = State { target: "flights".into(), ..State::default() };
        assert_eq!(render(&template, &nobody), "flights");
    }
}
