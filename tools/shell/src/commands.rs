//! Backslash commands: their names, what they take, and where each is done.

mod arguments;
mod copy;
mod describe;
pub mod edit;
mod explain;
pub mod favourites;
mod files;
mod help;
mod place;
mod set;
mod watch;

use crate::exit::Exit;
use crate::input::Statement;
use crate::run::Flow;
use crate::settings::nearest;
use crate::shell::Shell;
use crate::terminal::say;

/// A command.
pub struct Command {
    /// What it is called by; the first is shown.
    pub names: &'static [&'static str],
    /// What it takes, for people.
    pub takes: &'static str,
    /// What it does, in a line.
    pub help: &'static str,
    does: Does,
}

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Help,
    Keyspaces,
    Describe,
    Tables,
    Shards,
    Target,
    Use,
    Connect,
    Info,
    Status,
    Explain,
    Watch,
    Edit,
    Include,
    Output,
    Copy,
    SaveFavourite,
    Favourite,
    DropFavourite,
    Expanded,
    Timing,
    Set,
    Run,
    Quit,
}

const fn command(names: &'static [&'static str], takes: &'static str, help: &'static str, does: Does) -> Command {
    Command { names, takes, help, does }
}

/// Every command, in the order of the help.
pub const ALL: &[Command] = &[
    command(&["?", "h", "help"], "[command]", "this list", Does::Help),
    command(&["q", "quit", "exit"], "", "leave (also Ctrl-D)", Does::Quit),
    command(&["l"], "", "keyspaces, with their shards and tables", Does::Keyspaces),
    command(&["dt"], "[pattern]", "tables of the keyspace; * stands for anything", Does::Tables),
    command(&["d"], "[table]", "columns and indexes of a table; without one, the tables", Does::Describe),
    command(&["shards"], "", "shards, with their key ranges and servers", Does::Shards),
    command(&["target"], "[ks:shard@type]", "where statements go; with one, go there", Does::Target),
    command(&["u", "use"], "keyspace", "go to a keyspace", Does::Use),
    command(&["explain"], "[statement]", "how Vitrail runs a statement, or the last one", Does::Explain),
    command(
        &["watch"],
        "[seconds] [statement]",
        "run a statement, or the last one, again and again until Ctrl-C",
        Does::Watch,
    ),
    command(&["e", "edit"], "[file]", "the last statement, or a file, in an editor", Does::Edit),
    command(&["i", "include"], "file", "run the statements of a file", Does::Include),
    command(&["o", "output"], "[file or |program]", "results go there; without one, back to the screen", Does::Output),
    command(
        &["copy"],
        "table|(query) to|from file [csv|tsv|jsonl|…]",
        "rows into a file, or from one into a table",
        Does::Copy,
    ),
    command(
        &["f"],
        "[name [values]]",
        "run a favourite, $1, $2 being the values; without one, list them",
        Does::Favourite,
    ),
    command(&["fs"], "name [statement]", "save a statement, or the last one, as a favourite", Does::SaveFavourite),
    command(&["fd"], "name", "forget a favourite", Does::DropFavourite),
    command(&["x"], "[auto|on|off]", "one column a line: always, never, or where a table is too wide", Does::Expanded),
    command(&["timing"], "[on|off|full]", "what is told below a result", Does::Timing),
    command(&["set"], "[name [value]]", "show or change settings", Does::Set),
    command(&["c", "connect"], "url", "connect elsewhere", Does::Connect),
    command(&["conninfo"], "", "who and where you are", Does::Info),
    command(&["s", "status"], "", "the same, with the session's state", Does::Status),
    command(&["!"], "command", "run a command of the system", Does::Run),
];

/// Runs a command; `before` is the statement that stood before it on its line.
pub async fn run(shell: &mut Shell, text: &str, before: Option<&Statement>) -> Flow {
    let (name, rest) = split(text);
    let Some(command) = ALL.iter().find(|command| command.names.contains(&name)) else {
        let names = ALL.iter().flat_map(|command| command.names.iter().copied());
        let meant = nearest(name, names).map(|near| format!("; did you mean \\{near}?")).unwrap_or_default();
        say(&format!("there is no command \\{name}{meant} \\? lists them"));
        return Flow::Failed(Exit::Usage);
    };
    // Each command's future is boxed: some run statements, and those may be read from files that hold commands.
    let done: Result<Flow, String> = match command.does {
        Does::Help => done(help::show(shell, rest)),
        Does::Quit => Ok(Flow::Leave),
        Does::Keyspaces => describe::keyspaces(shell).await,
        Does::Tables => describe::tables(shell, rest).await,
        Does::Describe => describe::table(shell, rest).await,
        Does::Shards => describe::shards(shell).await,
        Does::Target => place::target(shell, rest).await,
        Does::Use => place::keyspace(shell, rest).await,
        Does::Connect => done(place::connect(shell, rest).await),
        Does::Info => done(place::info(shell, false).await),
        Does::Status => done(place::info(shell, true).await),
        Does::Explain => explain::run(shell, rest, before).await,
        Does::Watch => watch::run(shell, rest, before).await,
        Does::Edit => done(edit::run(shell, rest, before).await),
        Does::Include => Box::pin(files::include(shell, rest)).await,
        Does::Output => done(files::output(shell, rest)),
        Does::Copy => copy::run(shell, rest).await,
        Does::SaveFavourite => done(favourites::save(shell, rest, before)),
        Does::Favourite => Box::pin(favourites::run(shell, rest)).await,
        Does::DropFavourite => done(favourites::forget(rest)),
        Does::Expanded => done(set::expanded(shell, rest)),
        Does::Timing => done(set::timing(shell, rest)),
        Does::Set => done(set::set(shell, rest)),
        Does::Run => done(files::system(shell, rest).await),
    };
    done.unwrap_or_else(|message| {
        say(&message);
        Flow::Failed(Exit::Usage)
    })
}

/// A command that has nothing to say but that it failed.
fn done(result: Result<(), String>) -> Result<Flow, String> {
    result.map(|()| Flow::Done)
}

/// The name after the backslash, and the rest of the line. `\!ls` needs no blank, and a `;` at the end means nothing.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim().trim_start_matches('\\');
    if let Some(rest) = text.strip_prefix('!') {
        return ("!", rest.trim());
    }
    let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (name.trim_end_matches(';'), rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_what_they_take() {
        assert_eq!(split("\\dt  a*"), ("dt", "a*"));
        assert_eq!(split("\\dt;"), ("dt", ""));
        assert_eq!(split("\\!ls -l"), ("!", "ls -l"));
        assert_eq!(split("\\?"), ("?", ""));
    }

    #[test]
    fn every_name_belongs_to_one_command() {
        let mut names: Vec<&str> = ALL.iter().flat_map(|command| command.names.iter().copied()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
