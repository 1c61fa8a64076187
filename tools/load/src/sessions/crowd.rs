//! Sessions of one client process, of which no more is kept than is needed to use them: 16 bytes each, beside their connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::door::{Door, Link};
use crate::connection::Failure;
use crate::record::{Record, Recorder};

/// What is measured, as operations of the recorder: a connection, authenticated.
pub(super) const CONNECT: usize = 0;
/// A session's opening, together with its first statement.
pub(super) const OPEN: usize = 1;
/// A further statement of a session.
pub(super) const STATEMENT: usize = 2;
/// How many these are.
pub(super) const OPERATIONS: usize = 3;

/// Connections and their sessions.
pub(super) struct Crowd {
    door: Arc<Door>,
    /// The number of the first connection among those of all processes.
    first: usize,
    per_connection: usize,
    at_once: usize,
    /// In the order in which they were opened; `None`: it could not be.
    links: Vec<Option<Arc<Link>>>,
    /// Of which connection, and under which number there.
    sessions: Vec<(u32, u64)>,
    /// How long connecting took so far, and opening sessions.
    spent: [Duration; 2],
    recorder: Arc<Recorder>,
    /// What was measured.
    record: Record,
    /// Sessions opened and statements run so far, for progress.
    pub(super) done: Arc<AtomicU64>,
}

impl Crowd {
    /// Nobody yet; at most `at_once` connections, openings or statements are under way at a time.
    pub(super) fn new(door: Door, first: usize, per_connection: usize, at_once: usize) -> Crowd {
        Crowd {
            door: Arc::new(door),
            first,
            per_connection: per_connection.max(1),
            at_once: at_once.max(1),
            links: Vec::new(),
            sessions: Vec::new(),
            spent: [Duration::ZERO; 2],
            recorder: Arc::new(Recorder::new(OPERATIONS)),
            record: Record::new(OPERATIONS),
            done: Arc::default(),
        }
    }

    /// Connections that were opened.
    pub(super) fn connections(&self) -> usize {
        self.links.iter().flatten().count()
    }

    /// What was measured so far.
    pub(super) fn record(&mut self) -> &Record {
        let mut added = Record::new(OPERATIONS);
        self.recorder.take(&mut added);
        self.record.merge(&added);
        &self.record
    }

    /// How long connecting took so far, and opening sessions.
    pub(super) fn spent(&self) -> [Duration; 2] {
        self.spent
    }

    /// Sessions that were opened.
    pub(super) fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Opens connections and sessions until there should be so many; what cannot be opened is an error of the record, and stays out.
    pub(super) async fn open(&mut self, sessions: usize) {
        let (before, wanted) = (self.links.len(), sessions.div_ceil(self.per_connection));
        let missing = wanted.saturating_sub(before);
        let started = Instant::now();
        let opened = Arc::new(Mutex::new(vec![None; missing]));
        self.each(missing, CONNECT, {
            let (door, opened, first) = (Arc::clone(&self.door), Arc::clone(&opened), self.first + before);
            move |index| {
                let (door, opened) = (Arc::clone(&door), Arc::clone(&opened));
                async move {
                    let link = door.connect(first + index).await?;
                    opened.lock()[index] = Some(Arc::new(link));
                    Ok(())
                }
            }
        })
        .await;
        self.links.append(&mut opened.lock());
        let connected = Instant::now();

        let planned = Arc::new(self.planned(sessions));
        let opened = Arc::new(Mutex::new(Vec::with_capacity(planned.len())));
        self.each(planned.len(), OPEN, {
            let (door, opened, links) = (Arc::clone(&self.door), Arc::clone(&opened), Arc::new(self.links.clone()));
            let done = Arc::clone(&self.done);
            move |index| {
                let (door, opened, links) = (Arc::clone(&door), Arc::clone(&opened), Arc::clone(&links));
                let (connection, done) = (planned[index], Arc::clone(&done));
                async move {
                    if let Some(link) = &links[connection as usize] {
                        let id = door.open(link).await?;
                        opened.lock().push((connection, id));
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                }
            }
        })
        .await;
        self.sessions.append(&mut opened.lock());
        self.spent[0] += connected - started;
        self.spent[1] += connected.elapsed();
    }

    /// The connections of the sessions that are missing, in an order that goes round all of them: those under way at a time should not be on one.
    fn planned(&self, sessions: usize) -> Vec<u32> {
        let mut there = vec![0; self.links.len()];
        self.sessions.iter().for_each(|(connection, _)| there[*connection as usize] += 1);
        let room = |index: usize| sessions.saturating_sub(index * self.per_connection).min(self.per_connection);
        let mut planned = Vec::new();
        for round in 0..self.per_connection {
            let missing = (0..there.len()).filter(|index| there[*index] <= round && round < room(*index));
            planned.extend(missing.filter(|index| self.links[*index].is_some()).map(|index| index as u32));
        }
        planned
    }

    /// Runs the statement once on each session.
    pub(super) async fn run(&self) {
        let sessions = Arc::new(self.sessions.clone());
        self.each(sessions.len(), STATEMENT, {
            let (door, links, done) = (Arc::clone(&self.door), Arc::new(self.links.clone()), Arc::clone(&self.done));
            move |index| {
                let (door, links, done) = (Arc::clone(&door), Arc::clone(&links), Arc::clone(&done));
                let (connection, id) = sessions[index];
                async move {
                    if let Some(link) = &links[connection as usize] {
                        door.run(link, id).await?;
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                }
            }
        })
        .await;
    }

    /// Connections that the server has closed.
    pub(super) async fn dead(&self) -> usize {
        let mut dead = 0;
        for link in self.links.iter().flatten() {
            dead += usize::from(link.is_dead().await);
        }
        dead
    }

    /// Does something so many times, some at once, and measures it.
    async fn each<F>(&self, count: usize, operation: usize, work: impl Fn(usize) -> F + Clone + Send + 'static)
    where
        F: Future<Output = Result<(), Failure>> + Send,
    {
        let next = Arc::new(AtomicUsize::new(0));
        let mut working = JoinSet::new();
        for worker in 0..self.at_once.min(count) {
            let (next, recorder, work) = (Arc::clone(&next), Arc::clone(&self.recorder), work.clone());
            working.spawn(async move {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    let started = Instant::now();
                    let outcome = work(index).await;
                    let took = started.elapsed();
                    recorder.with(worker, |record| match &outcome {
                        Ok(()) => record.note(operation, took, took, 1),
                        Err(failure) => record.note_failure(&failure.code, &failure.message, took),
                    });
                }
            });
        }
        working.join_all().await;
    }
}
