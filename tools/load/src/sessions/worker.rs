//! A client process: `vitrail bench sessions-worker`, which the command starts as often as it needs.

use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};
use tokio::time::{MissedTickBehavior, interval};

use super::crowd::Crowd;
use super::door::Door;
use super::message::{Answer, Begin, Done, Task};
use crate::target::Target;

/// Between two lines of progress.
const PROGRESS: Duration = Duration::from_millis(500);

/// Does what its standard input says, until that ends.
///
/// # Errors
///
/// What it was told makes no sense.
pub(crate) async fn run() -> Result<()> {
    let _ = vitrail_listener::files::raise_limit();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut crowd = match next(&mut lines).await? {
        Some(Task::Begin(begin)) => match enter(&begin) {
            Ok(crowd) => crowd,
            Err(error) => return say(&Answer::Failed(format!("{error:#}"))),
        },
        Some(_) => bail!("a client process is told first what to work with"),
        None => return Ok(()),
    };
    say(&Answer::Done(Done::default()))?;
    while let Some(task) = next(&mut lines).await? {
        let mut dead = 0;
        let mut ticks = interval(PROGRESS);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let done = std::sync::Arc::clone(&crowd.done);
        {
            let work = async {
                match task {
                    Task::Open(sessions) => crowd.open(sessions).await,
                    Task::Run => crowd.run().await,
                    Task::Look => dead = crowd.dead().await,
                    Task::Begin(_) => {}
                }
            };
            tokio::pin!(work);
            loop {
                tokio::select! {
                    () = &mut work => break,
                    _ = ticks.tick() => say(&Answer::Progress(done.load(Ordering::Relaxed)))?,
                }
            }
        }
        say(&Answer::Done(Done::of(&mut crowd, dead)))?;
    }
    Ok(())
}

fn enter(begin: &Begin) -> Result<Crowd> {
    let target = Target::parse(&begin.target)?;
    let door = Door::new(&target, begin.source.clone(), begin.statement.clone())?;
    Ok(Crowd::new(door, begin.first, begin.per_connection, begin.at_once))
}

async fn next(lines: &mut Lines<BufReader<Stdin>>) -> Result<Option<Task>> {
    let Some(line) = lines.next_line().await? else { return Ok(None) };
    serde_json::from_str(&line).map(Some).with_context(|| format!("{line} is nothing that a client process can do"))
}

fn say(answer: &Answer) -> Result<()> {
    let line = serde_json::to_string(answer)? + "\n";
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes())?;
    Ok(out.flush()?)
}
