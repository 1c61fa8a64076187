//! Asks before what cannot be undone.

use std::borrow::Cow;

use reedline::{Prompt, PromptEditMode, PromptHistorySearch, Reedline, Signal};

use crate::meaning::Danger;
use crate::shell::Shell;
use crate::summary::counted;

/// Names what would happen, and whether the user wants it.
pub async fn goes_on(shell: &Shell, danger: &Danger) -> bool {
    let target = shell.session.target().unwrap_or_default();
    let question = question(danger, &target, shell.catalogue.shards_of(target.keyspace.as_deref()));
    let question = match shell.colour() {
        true => nu_ansi_term::Style::new().bold().fg(nu_ansi_term::Color::Yellow).paint(question).to_string(),
        false => question,
    };
    let answer = tokio::task::spawn_blocking(move || Reedline::create().read_line(&Question(question))).await;
    matches!(answer, Ok(Ok(Signal::Success(answer))) if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

fn question(danger: &Danger, target: &vitrail_client::Target, shards: usize) -> String {
    let object = danger.object.as_ref().map(|object| format!(" {object}")).unwrap_or_default();
    let place = match (&target.keyspace, &target.shard) {
        (Some(keyspace), Some(shard)) => format!(" in keyspace {keyspace}, shard {shard} alone"),
        (Some(keyspace), None) if shards > 1 => format!(" in keyspace {keyspace}, {}", counted(shards as u64, "shard")),
        (Some(keyspace), None) => format!(" in keyspace {keyspace}"),
        (None, _) => String::new(),
    };
    let what = match danger.what.split_once(" without ") {
        Some((verb, missing)) => format!("{verb} on{object} without {missing}: every row{place}"),
        None => format!("{}{object}{place}", danger.what),
    };
    format!("{what}. Go on? [y/N] ")
}

/// The question, as a prompt.
struct Question(String);

impl Prompt for Question {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.0)
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _mode: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_history_search_indicator(&self, _search: PromptHistorySearch) -> Cow<'_, str> {
        Cow::Borrowed("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_names_object_and_reach() {
        let danger =
            |what: &str, object: &str| Danger { what: what.into(), object: Some(object.into()), everywhere: false };
        let ask = |danger: &Danger, target: &str, shards| question(danger, &target.parse().unwrap(), shards);
        assert_eq!(
            ask(&danger("DROP TABLE", "flight"), "flights", 4),
            "DROP TABLE flight in keyspace flights, 4 shards. Go on? [y/N] "
        );
        assert_eq!(
            ask(&danger("DELETE without WHERE", "t"), "flights:-80", 4),
            "DELETE on t without WHERE: every row in keyspace flights, shard -80 alone. Go on? [y/N] "
        );
        assert_eq!(ask(&danger("TRUNCATE", "t"), "", 0), "TRUNCATE t. Go on? [y/N] ");
    }
}
