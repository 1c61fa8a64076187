//! `\watch`: a statement again and again.

use std::io::Write;
use std::time::Duration;

use super::arguments::first;
use super::explain::chosen;
use crate::input::Statement;
use crate::run::{self, Flow};
use crate::shell::Shell;
use crate::summary::duration;
use crate::terminal::{dim, painted};

/// Between two runs, unless told otherwise.
const DEFAULT: Duration = Duration::from_secs(2);

/// Runs the statement given, the one before the command, or the last, until Ctrl-C or until it fails.
pub(super) async fn run(shell: &mut Shell, rest: &str, before: Option<&Statement>) -> Result<Flow, String> {
    let (pause, given) = pause(rest)?;
    let statement = chosen(shell, given, before).ok_or("\\watch takes a statement, or repeats the last one")?;
    if shell.interactive
        && shell.settings.safe
        && crate::meaning::danger(&statement.text, &shell.settings.dangerous).is_some()
    {
        return Err("a statement that is asked about is not repeated".into());
    }
    let pager = std::mem::take(&mut shell.settings.pager);
    let screen = shell.terminal.output && shell.output.is_standard() && shell.terminal.colour;
    let mut presses = shell.interrupts.presses();
    let mut runs = 0_u64;
    let flow = loop {
        runs += 1;
        if screen {
            // Home and clear; the scrollback stays.
            let _ = write!(std::io::stdout(), "\x1b[H\x1b[2J");
        }
        let line: String = statement.text.split_whitespace().collect::<Vec<_>>().join(" ");
        let shown: String = line.chars().take(60).collect();
        let more = if line.chars().count() > 60 { "…" } else { "" };
        let head = format!("every {}, run {runs}, Ctrl-C ends: {shown}{more}", duration(pause));
        let _ = writeln!(std::io::stdout(), "{}", painted(&head, dim(), screen));
        let flow = run::unasked(shell, &statement).await;
        // A press that came too late to cancel the statement ends the watch all the same.
        if flow != Flow::Done || presses.has_changed().unwrap_or(true) {
            break flow;
        }
        let waiting = shell.interrupts.elsewhere();
        tokio::select! {
            () = tokio::time::sleep(pause) => drop(waiting),
            _ = presses.changed() => {
                drop(waiting);
                break Flow::Done;
            }
        }
    };
    shell.settings.pager = pager;
    // Ctrl-C during the statement ends the watch, which is no failure.
    Ok(if flow == Flow::Failed(crate::Exit::Interrupted) { Flow::Done } else { flow })
}

/// Seconds, if the first word is a number, and the rest.
fn pause(rest: &str) -> Result<(Duration, &str), String> {
    let (word, after) = first(rest);
    match word.trim_end_matches(';').parse::<f64>() {
        Ok(seconds) if (0.1..=86_400.0).contains(&seconds) => Ok((Duration::from_secs_f64(seconds), after)),
        Ok(_) => Err("\\watch waits from 0.1 to 86400 seconds".into()),
        Err(_) => Ok((DEFAULT, rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_is_optional() {
        assert_eq!(pause(""), Ok((DEFAULT, "")));
        assert_eq!(pause("0.5"), Ok((Duration::from_millis(500), "")));
        assert_eq!(pause("5 select 1"), Ok((Duration::from_secs(5), "select 1")));
        assert_eq!(pause("select 1"), Ok((DEFAULT, "select 1")));
        assert!(pause("0").is_err());
    }
}
