//! The books: every write has a number of its own and a fate, and the tables must agree.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::Mutex;
use vitrail_client::{Error, Executed};

use crate::rig::{Rig, shard_of};

/// What a client was told of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fate {
    /// It was acknowledged: it is there exactly once, wholly.
    Done,
    /// It was not executed: it is not there.
    Not,
    /// Nobody knows, or a part of it was: each of its rows is there at most once.
    Unknown,
}

impl Fate {
    /// The fate that an answer tells.
    pub fn of<T>(answer: &Result<T, Error>) -> Fate {
        match answer {
            Ok(_) => Fate::Done,
            Err(error) if error.executed() == Executed::No => Fate::Not,
            Err(_) => Fate::Unknown,
        }
    }
}

struct Entry {
    accounts: Vec<i64>,
    fate: Fate,
}

/// All writes of a run.
#[derive(Default)]
pub struct Ledger {
    next: AtomicI64,
    entries: Mutex<HashMap<i64, Entry>>,
}

impl Ledger {
    /// A number for a write that will make one row on each of these accounts. Until [`Ledger::note`] its fate is unknown.
    pub fn begin(&self, accounts: &[i64]) -> i64 {
        let number = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        self.entries.lock().insert(number, Entry { accounts: accounts.to_vec(), fate: Fate::Unknown });
        number
    }

    /// Notes what a client was told.
    pub fn note(&self, number: i64, fate: Fate) {
        self.entries.lock().get_mut(&number).expect("a number that was given out").fate = fate;
    }

    /// Begins a new page: forgets every write. Numbers go on.
    pub fn forget(&self) {
        self.entries.lock().clear();
    }

    /// How many writes have each fate.
    pub fn counts(&self) -> BTreeMap<Fate, usize> {
        let mut counts = BTreeMap::new();
        for entry in self.entries.lock().values() {
            *counts.entry(entry.fate).or_default() += 1;
        }
        counts
    }

    /// Panics if anything was written twice: all that can be asked where bytes were changed on their way.
    pub async fn check_once(&self, rig: &Rig) {
        for index in 0..rig.servers.len() {
            let mut shard = rig.shard(index).await;
            let sql = "SELECT entry, account, COUNT(*) FROM ledger GROUP BY entry, account HAVING COUNT(*) > 1";
            let rows = shard.fetch_all(sql).await.expect("the ledger can be read");
            assert!(rows.is_empty(), "written more than once: {rows:?}");
            shard.quit().await;
        }
    }

    /// Compares with the tables, asked of the servers themselves. Panics with every difference.
    pub async fn check(&self, rig: &Rig) {
        let mut found: HashMap<(i64, i64), u64> = HashMap::new();
        for index in 0..rig.servers.len() {
            let mut shard = rig.shard(index).await;
            let rows = shard.fetch_all("SELECT entry, account, COUNT(*) FROM ledger GROUP BY entry, account").await;
            for row in rows.expect("the ledger can be read") {
                let cells: Vec<i64> = row.into_iter().flatten().filter_map(|cell| cell.parse().ok()).collect();
                let [entry, account, count] = cells[..] else { panic!("a ledger row has three numbers") };
                assert_eq!(shard_of(account), index, "entry {entry} of account {account} is on the wrong shard");
                found.insert((entry, account), count as u64);
            }
            shard.quit().await;
        }
        let entries = self.entries.lock();
        let mut wrong: Vec<String> = Vec::new();
        for (number, entry) in entries.iter() {
            for account in &entry.accounts {
                let count = found.remove(&(*number, *account)).unwrap_or(0);
                let right = match entry.fate {
                    Fate::Done => count == 1,
                    Fate::Not => count == 0,
                    Fate::Unknown => count <= 1,
                };
                if !right {
                    wrong
                        .push(format!("entry {number} on account {account} ({:?}) is there {count} times", entry.fate));
                }
            }
        }
        wrong.extend(found.keys().map(|(entry, account)| format!("nobody wrote entry {entry} on account {account}")));
        assert!(wrong.is_empty(), "{} of {} writes are wrong:\n{}", wrong.len(), entries.len(), wrong.join("\n"));
    }
}
