//! The history of lines, in a file; what may hold a password is not remembered.

use reedline::{FileBackedHistory, History, HistoryItem, HistoryItemId, HistorySessionId, Result, SearchQuery};

use crate::config::state_file;
use crate::meaning::is_secret;

/// The user's history; `None` where there is no place for one, or none is wanted.
pub(super) fn open(lines: usize) -> Option<Box<dyn History>> {
    if lines == 0 {
        return None;
    }
    let file = state_file("history")?;
    private(&file);
    let history = FileBackedHistory::with_file(lines, file).ok()?;
    Some(Box::new(Discreet(history)))
}

/// Only its owner reads a history: statements tell much.
fn private(file: &std::path::Path) {
    use std::os::unix::fs::OpenOptionsExt;
    if let Some(folder) = file.parent() {
        let _ = std::fs::create_dir_all(folder);
    }
    let _ = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(file);
}

/// A history that does not remember secrets, nor lines that begin with a blank.
struct Discreet(FileBackedHistory);

impl History for Discreet {
    fn save(&mut self, item: HistoryItem) -> Result<HistoryItem> {
        if is_secret(&item.command_line) || item.command_line.starts_with(' ') {
            return Ok(item);
        }
        self.0.save(item)
    }

    fn load(&self, id: HistoryItemId) -> Result<HistoryItem> {
        self.0.load(id)
    }

    fn count(&self, query: SearchQuery) -> Result<i64> {
        self.0.count(query)
    }

    fn search(&self, query: SearchQuery) -> Result<Vec<HistoryItem>> {
        self.0.search(query)
    }

    fn update(&mut self, id: HistoryItemId, updater: &dyn Fn(HistoryItem) -> HistoryItem) -> Result<()> {
        self.0.update(id, updater)
    }

    fn clear(&mut self) -> Result<()> {
        self.0.clear()
    }

    fn delete(&mut self, id: HistoryItemId) -> Result<()> {
        self.0.delete(id)
    }

    fn sync(&mut self) -> std::io::Result<()> {
        self.0.sync()
    }

    fn session(&self) -> Option<HistorySessionId> {
        self.0.session()
    }
}
