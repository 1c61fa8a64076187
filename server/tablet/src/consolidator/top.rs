//! The statements that were shared most: a bounded list by what they look like, without their literals.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};

use parking_lot::Mutex;
use vitrail_service::consolidation::Consolidation;
use vitrail_sql::lexer::LexMode;
use vitrail_sql::redact::redact;

/// Statements on the list.
const MOST: usize = 200;

/// The longest text on it, in bytes.
const TEXT: usize = 1024;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Top {
    entries: Mutex<HashMap<u64, Arc<Entry>>>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Entry {
    fingerprint: u64,
    text: String,
    /// Executions that several requests have shared.
    pub(crate) shared: AtomicU64,
    saved: AtomicU64,
    largest: AtomicU64,
    waiting: AtomicUsize,
}

impl Entry {
    /// One more has joined an execution, which `sharers` share now.
    pub(crate) fn joined(&self, sharers: u64) {
        self.saved.fetch_add(1, Relaxed);
        self.largest.fetch_max(sharers, Relaxed);
        self.waiting.fetch_add(1, Relaxed);
    }

    /// One that had joined has its answer, or waits no longer.
    pub(crate) fn left(&self) {
        self.waiting.fetch_sub(1, Relaxed);
    }
}

impl Top {
    /// The entry of a statement. When the list is full, it takes the place of the one that has saved least.
    pub(crate) fn entry(&self, sql: &str, mode: LexMode) -> Arc<Entry> {
        let redacted = redact(sql, mode, TEXT);
        let mut entries = self.entries.lock();
        if let Some(known) = entries.get(&redacted.fingerprint) {
            return Arc::clone(known);
        }
        if entries.len() >= MOST {
            let idle = entries.values().filter(|entry| entry.waiting.load(Relaxed) == 0);
            if let Some(least) = idle.min_by_key(|entry| entry.saved.load(Relaxed)).map(|entry| entry.fingerprint) {
                entries.remove(&least);
            }
        }
        let entry = Arc::new(Entry {
            fingerprint: redacted.fingerprint,
            text: redacted.text,
            shared: AtomicU64::new(0),
            saved: AtomicU64::new(0),
            largest: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
        });
        if entries.len() < MOST {
            entries.insert(entry.fingerprint, Arc::clone(&entry));
        }
        entry
    }

    /// The list, what has saved most first.
    pub(crate) fn list(&self) -> Vec<Consolidation> {
        let entries: Vec<Arc<Entry>> = self.entries.lock().values().cloned().collect();
        let mut list: Vec<Consolidation> = entries
            .iter()
            .map(|entry| Consolidation {
                fingerprint: entry.fingerprint,
                statement: entry.text.clone(),
                shared: entry.shared.load(Relaxed),
                saved: entry.saved.load(Relaxed),
                largest: entry.largest.load(Relaxed),
                waiting: entry.waiting.load(Relaxed) as u64,
            })
            .collect();
        list.sort_by(|a, b| b.saved.cmp(&a.saved).then_with(|| a.statement.cmp(&b.statement)));
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_bounded_and_keeps_what_has_saved_most() {
        let top = Top::default();
        let hot = top.entry("SELECT * FROM hot WHERE id = 1", LexMode::default());
        assert!(Arc::ptr_eq(&hot, &top.entry("select * from hot where id = 2", LexMode::default())));
        hot.joined(2);
        hot.joined(3);
        hot.left();
        for number in 0..MOST * 2 {
            top.entry(&format!("SELECT c{number} FROM t"), LexMode::default()).joined(2);
        }
        let list = top.list();
        assert_eq!(list.len(), MOST);
        let first = &list[0];
        assert_eq!(first.statement, "SELECT * FROM hot WHERE id = ?");
        assert_eq!((first.saved, first.largest, first.waiting), (2, 3, 1));
    }
}
