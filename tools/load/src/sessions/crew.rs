//! The client processes of a target, and what they are told.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::future::{join_all, try_join_all};
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::message::{Answer, Begin, Done, Task, histograms};
use crate::process::Process;
use crate::record::Errors;

/// Open files of a process that are no connections.
const OTHER_FILES: u64 = 100;
/// Connections of one process, where nothing else bounds them.
const MOST: u64 = 100_000;
/// Between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(1);

/// See the module. Dropped, the processes are killed.
pub(super) struct Crew {
    workers: Vec<Worker>,
    per_connection: usize,
}

struct Worker {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    done: Done,
}

/// What all processes have measured.
#[derive(Default)]
pub(super) struct Measured {
    pub(super) connections: usize,
    pub(super) sessions: usize,
    pub(super) dead: usize,
    /// How long connecting took, and opening sessions, in the process that was slowest.
    pub(super) spent: [Duration; 2],
    pub(super) times: Vec<Histogram<u64>>,
    pub(super) errors: BTreeMap<String, Errors>,
}

/// Connections that one process may hold.
pub(super) fn capacity() -> usize {
    let files = vitrail_listener::files::raise_limit().ok().flatten().unwrap_or(MOST);
    usize::try_from(files.saturating_sub(OTHER_FILES).clamp(1, MOST)).unwrap_or(1)
}

/// How many of `sessions` each of so many processes opens. A process's share only grows with the number.
pub(super) fn shares(sessions: usize, per_connection: usize, workers: usize) -> Vec<usize> {
    let connections = sessions.div_ceil(per_connection);
    let mut shares: Vec<usize> = (0..workers)
        .map(|worker| (connections / workers + usize::from(worker < connections % workers)) * per_connection)
        .collect();
    if let Some(last) = connections.checked_sub(1) {
        // The last connection has what is left.
        shares[last % workers] -= connections * per_connection - sessions;
    }
    shares
}

impl Crew {
    /// Starts as many processes as `sessions` need.
    pub(super) async fn start(begin: &Begin, sessions: usize) -> Result<Crew> {
        let capacity = capacity();
        let count = sessions.div_ceil(begin.per_connection).div_ceil(capacity).max(1);
        let workers = (0..count).map(|_| Worker::start()).collect::<Result<Vec<_>>>()?;
        let mut crew = Crew { workers, per_connection: begin.per_connection };
        let tasks = (0..count).map(|index| Task::Begin(Begin { first: index * capacity, ..begin.clone() }));
        crew.tell(tasks.collect(), &mut |_| {}).await?;
        Ok(crew)
    }

    /// Has so many sessions opened; `note` is told each second how many there are.
    pub(super) async fn open(&mut self, sessions: usize, note: &mut (dyn FnMut(u64) + Send)) -> Result<Measured> {
        let shares = shares(sessions, self.per_connection, self.workers.len());
        self.tell(shares.into_iter().map(Task::Open).collect(), note).await
    }

    /// Has all processes do the same.
    pub(super) async fn all(&mut self, task: &Task, note: &mut (dyn FnMut(u64) + Send)) -> Result<Measured> {
        self.tell(vec![task.clone(); self.workers.len()], note).await
    }

    async fn tell(&mut self, tasks: Vec<Task>, note: &mut (dyn FnMut(u64) + Send)) -> Result<Measured> {
        let progress = Mutex::new(vec![0; tasks.len()]);
        {
            let workers = self.workers.iter_mut().zip(tasks).enumerate();
            let work = try_join_all(workers.map(|(index, (worker, task))| {
                let progress = &progress;
                async move { worker.tell(&task, |done| progress.lock()[index] = done).await }
            }));
            tokio::pin!(work);
            let mut ticks = interval_at(Instant::now() + PROGRESS, PROGRESS);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    outcome = &mut work => {
                        outcome?;
                        break;
                    }
                    _ = ticks.tick() => note(progress.lock().iter().sum()),
                }
            }
        }
        let mut measured = Measured { times: histograms(), ..Measured::default() };
        for Worker { done, .. } in &self.workers {
            measured.connections += done.connections;
            measured.sessions += done.sessions;
            measured.dead += done.dead;
            measured.spent = std::array::from_fn(|phase| measured.spent[phase].max(done.spent[phase]));
            done.add_to(&mut measured.times, &mut measured.errors);
        }
        Ok(measured)
    }

    /// How many processes there are.
    pub(super) fn size(&self) -> usize {
        self.workers.len()
    }

    /// Resident bytes of all processes.
    pub(super) async fn memory(&self) -> u64 {
        let ids = self.workers.iter().filter_map(|worker| worker.child.id());
        let used = join_all(ids.map(|id| async move { Process::local("client", id).usage().await })).await;
        used.into_iter().flatten().map(|usage| usage.memory).sum()
    }

    /// Ends the processes, and with them all connections.
    pub(super) async fn end(self) -> Result<()> {
        for Worker { mut child, stdin, .. } in self.workers {
            drop(stdin);
            child.wait().await.context("a client process does not end")?;
        }
        Ok(())
    }
}

impl Worker {
    fn start() -> Result<Worker> {
        let program = std::env::current_exe().context("this program does not know where it is")?;
        let mut child = Command::new(&program)
            .args(["bench", "sessions-worker"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start a client process of {}", program.display()))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("a client process has no pipes");
        };
        Ok(Worker { child, stdin, lines: BufReader::new(stdout).lines(), done: Done::default() })
    }

    async fn tell(&mut self, task: &Task, mut note: impl FnMut(u64)) -> Result<()> {
        let line = serde_json::to_string(task)? + "\n";
        self.stdin.write_all(line.as_bytes()).await.context("a client process has ended")?;
        while let Some(line) = self.lines.next_line().await? {
            match serde_json::from_str(&line).with_context(|| format!("a client process says {line}"))? {
                Answer::Progress(done) => note(done),
                Answer::Failed(reason) => bail!("{reason}"),
                Answer::Done(done) => {
                    self.done = done;
                    return Ok(());
                }
            }
        }
        bail!("a client process has ended before it was done: out of memory?")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_and_only_grow() {
        for (per_connection, workers) in [(1, 1), (1, 3), (7, 4), (1_000, 2)] {
            let mut before = vec![0; workers];
            for sessions in 0..200 {
                let shares = shares(sessions, per_connection, workers);
                assert_eq!(shares.iter().sum::<usize>(), sessions, "{per_connection} {workers}");
                let connections: usize = shares.iter().map(|share| share.div_ceil(per_connection)).sum();
                assert_eq!(connections, sessions.div_ceil(per_connection));
                assert!(shares.iter().zip(&before).all(|(now, before)| now >= before), "{before:?} {shares:?}");
                before = shares;
            }
        }
    }
}
