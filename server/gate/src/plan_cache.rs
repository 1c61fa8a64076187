//! Plans by normalised statement: bounded by bytes, evicting by second chance.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use vitrail_sql::lexer::LexMode;

/// Parts that are locked apart.
const PARTS: usize = 16;

/// What a plan depends on besides the literals that the key leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key<'a> {
    /// The statement, normalised.
    pub(crate) statement: &'a str,
    /// The session's default keyspace.
    pub(crate) keyspace: &'a str,
    /// The explicit shard; empty: none.
    pub(crate) shard: &'a str,
    /// The sql_mode bits that change lexing.
    pub(crate) modes: LexMode,
    /// The version of vschema and schema.
    pub(crate) version: u64,
}

/// Plans by [`Key`]. Entries under an old version are never found again, and fade out.
pub(crate) struct PlanCache<V, S = RandomState> {
    hasher: S,
    parts: Vec<Mutex<Part<V, S>>>,
    part_bytes: usize,
    hits: AtomicU64,
    misses: AtomicU64,
}

struct Part<V, S> {
    /// By the key's hash: two keys with the same hash push each other out.
    entries: HashMap<u64, Entry<V>, S>,
    /// The hands' way round: hashes in order of entry.
    ring: std::collections::VecDeque<u64>,
    bytes: usize,
}

struct Entry<V> {
    statement: Box<str>,
    keyspace: Box<str>,
    shard: Box<str>,
    modes: LexMode,
    version: u64,
    value: Arc<V>,
    bytes: usize,
    /// Found since the hand last came by.
    used: bool,
}

impl<V> PlanCache<V> {
    /// A cache of about `bytes`.
    pub(crate) fn new(bytes: usize) -> PlanCache<V> {
        PlanCache::with_hasher(bytes, RandomState::default())
    }
}

impl<V, S: BuildHasher + Clone> PlanCache<V, S> {
    /// The same, by hashes of this kind: where the same texts are to take the same steps in each process.
    pub(crate) fn with_hasher(bytes: usize, hasher: S) -> PlanCache<V, S> {
        let part = || {
            let entries = HashMap::with_hasher(hasher.clone());
            Mutex::new(Part { entries, ring: std::collections::VecDeque::new(), bytes: 0 })
        };
        PlanCache {
            parts: (0..PARTS).map(|_| part()).collect(),
            hasher,
            part_bytes: bytes / PARTS,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// The plan of a key.
    pub(crate) fn get(&self, key: &Key<'_>) -> Option<Arc<V>> {
        let hash = self.hasher.hash_one(key);
        let mut part = self.part(hash).lock();
        let found = part.entries.get_mut(&hash).filter(|entry| entry.is(key)).map(|entry| {
            entry.used = true;
            Arc::clone(&entry.value)
        });
        drop(part);
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// Keeps a plan that takes about `bytes` besides its key. One above a part's share is not kept.
    pub(crate) fn put(&self, key: &Key<'_>, value: Arc<V>, bytes: usize) {
        let bytes = bytes + key.statement.len() + key.keyspace.len() + key.shard.len() + size_of::<Entry<V>>();
        if bytes > self.part_bytes {
            return;
        }
        let hash = self.hasher.hash_one(key);
        let entry = Entry {
            statement: key.statement.into(),
            keyspace: key.keyspace.into(),
            shard: key.shard.into(),
            modes: key.modes,
            version: key.version,
            value,
            bytes,
            used: false,
        };
        let mut part = self.part(hash).lock();
        match part.entries.insert(hash, entry) {
            Some(old) => part.bytes -= old.bytes,
            None => part.ring.push_back(hash),
        }
        part.bytes += bytes;
        part.shrink(self.part_bytes);
    }

    /// Entries, bytes, hits and misses.
    pub(crate) fn figures(&self) -> (usize, usize, u64, u64) {
        let (mut entries, mut bytes) = (0, 0);
        for part in &self.parts {
            let part = part.lock();
            entries += part.entries.len();
            bytes += part.bytes;
        }
        (entries, bytes, self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }

    fn part(&self, hash: u64) -> &Mutex<Part<V, S>> {
        // The low bits choose the bucket inside the part.
        &self.parts[(hash >> 32) as usize % PARTS]
    }
}

impl<V, S: BuildHasher> Part<V, S> {
    fn shrink(&mut self, limit: usize) {
        while self.bytes > limit {
            let Some(hash) = self.ring.pop_front() else { return };
            let Some(entry) = self.entries.get_mut(&hash) else { continue };
            if std::mem::take(&mut entry.used) {
                self.ring.push_back(hash);
                continue;
            }
            self.bytes -= entry.bytes;
            self.entries.remove(&hash);
        }
    }
}

impl<V> Entry<V> {
    fn is(&self, key: &Key<'_>) -> bool {
        *self.statement == *key.statement
            && *self.keyspace == *key.keyspace
            && *self.shard == *key.shard
            && self.modes == key.modes
            && self.version == key.version
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(statement: &str, version: u64) -> Key<'_> {
        Key { statement, keyspace: "k", shard: "", modes: LexMode::default(), version }
    }

    #[test]
    fn plans_are_found_by_all_of_the_key() {
        let cache = PlanCache::new(1 << 20);
        cache.put(&key("SELECT ?", 1), Arc::new(7), 10);
        assert_eq!(cache.get(&key("SELECT ?", 1)).as_deref(), Some(&7));
        assert_eq!(cache.get(&key("SELECT ?", 2)), None);
        assert_eq!(
            cache.get(&Key { modes: LexMode { ansi_quotes: true, ..LexMode::default() }, ..key("SELECT ?", 1) }),
            None
        );
        assert_eq!(cache.get(&Key { shard: "-80", ..key("SELECT ?", 1) }), None);
        assert_eq!(cache.get(&Key { keyspace: "j", ..key("SELECT ?", 1) }), None);
        let (entries, _, hits, misses) = cache.figures();
        assert_eq!((entries, hits, misses), (1, 1, 4));
    }

    #[test]
    fn bytes_are_bounded_and_used_plans_stay() {
        let limit = 64 * 1024 * PARTS;
        let cache = PlanCache::new(limit);
        cache.put(&key("hot", 1), Arc::new(0), 1000);
        for number in 0..10_000 {
            cache.put(&key(&number.to_string(), 1), Arc::new(number), 1000);
            assert!(cache.get(&key("hot", 1)).is_some(), "after {number}");
        }
        assert!(cache.figures().1 <= limit);
        cache.put(&key("huge", 1), Arc::new(0), limit);
        assert!(cache.get(&key("huge", 1)).is_none());
    }
}
