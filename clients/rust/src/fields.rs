//! Remembers the columns of statements, so that servers need not send them again.
//!
//! A request carries the hash of the fields that its statement had before; where they still have that hash, the server leaves
//! them out (`fh`). An entry can be old without harm: the hash is of the fields themselves.

use std::sync::Arc;

use foldhash::HashMap;
use parking_lot::Mutex;
use vitrail_proto::message::Reply;

use crate::column::Columns;
use crate::error::Error;

/// Statements of a generation; there are two.
const GENERATION: usize = 256;
/// Longer statements are not remembered: they hold literals, and do not come again.
const MAX_SQL: usize = 4096;
/// Larger fields are not remembered.
const MAX_PACKED: usize = 16 * 1024;

/// The columns of a statement, with the hash that a server knows them by.
#[derive(Debug, Clone)]
pub(crate) struct Fields {
    pub(crate) hash: u64,
    pub(crate) columns: Arc<Columns>,
}

impl Fields {
    /// The columns that a reply brings, or leaves out because `held` are the same; `None` if it begins no rows.
    pub(crate) fn of_reply(reply: &Reply, held: Option<&Fields>) -> Result<Option<Arc<Columns>>, Error> {
        if let Some(packed) = &reply.fields {
            return Columns::decode(packed).map(Some);
        }
        match (reply.fields_hash, held) {
            (None, _) => Ok(None),
            (Some(hash), Some(held)) if held.hash == hash => Ok(Some(held.columns.clone())),
            _ => Err(Error::protocol("the server left out columns that the client does not hold")),
        }
    }
}

/// The columns of statements that were run lately, by their text.
///
/// Two generations of at most `GENERATION` statements: when the younger is full, the older is forgotten. What is used goes
/// over into the younger, so that what is used often stays.
#[derive(Default)]
pub(crate) struct FieldsCache(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<Box<str>, Fields>,
    old: HashMap<Box<str>, Fields>,
}

impl FieldsCache {
    /// What is held for a statement.
    pub(crate) fn get(&self, sql: &str) -> Option<Fields> {
        let mut generations = self.0.lock();
        if let Some(fields) = generations.young.get(sql) {
            return Some(fields.clone());
        }
        let (sql, fields) = generations.old.remove_entry(sql)?;
        generations.keep(sql, fields.clone());
        Some(fields)
    }

    /// Remembers what the first reply to a statement brought.
    pub(crate) fn learn(&self, sql: Option<String>, reply: &Reply, columns: &Arc<Columns>) {
        if let (Some(sql), Some(packed), Some(hash)) = (sql, &reply.fields, reply.fields_hash)
            && sql.len() <= MAX_SQL
            && packed.len() <= MAX_PACKED
        {
            self.0.lock().keep(sql.into(), Fields { hash, columns: columns.clone() });
        }
    }
}

impl Generations {
    fn keep(&mut self, sql: Box<str>, fields: Fields) {
        if self.young.len() >= GENERATION && !self.young.contains_key(&sql) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(sql, fields);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::tests::packed;

    fn learn(cache: &FieldsCache, sql: &str, hash: u64) {
        let fields = packed(&[("id", 8)]);
        let columns = Columns::decode(&fields).unwrap();
        let reply = Reply { fields: Some(fields), fields_hash: Some(hash), ..Reply::default() };
        cache.learn(Some(sql.to_owned()), &reply, &columns);
    }

    #[test]
    fn what_is_used_stays_and_what_is_kept_is_bounded() {
        let cache = FieldsCache::default();
        learn(&cache, "often", 7);
        learn(&cache, "once", 8);
        for number in 0..10 * GENERATION {
            learn(&cache, &format!("select {number}"), 9);
            assert_eq!(cache.get("often").unwrap().hash, 7, "after {number} others");
        }
        assert!(cache.get("once").is_none());
        learn(&cache, &"x".repeat(MAX_SQL + 1), 1);
        assert!(cache.get(&"x".repeat(MAX_SQL + 1)).is_none());
        let generations = cache.0.lock();
        assert!(generations.young.len() <= GENERATION && generations.old.len() <= GENERATION);
    }

    #[test]
    fn columns_that_nobody_holds_cannot_be_left_out() {
        let held = Fields { hash: 7, columns: Arc::default() };
        let reply = |hash| Reply { fields_hash: hash, ..Reply::default() };
        assert!(Fields::of_reply(&reply(None), Some(&held)).unwrap().is_none());
        assert!(Fields::of_reply(&reply(Some(7)), Some(&held)).unwrap().is_some());
        assert!(Fields::of_reply(&reply(Some(8)), Some(&held)).is_err());
        assert!(Fields::of_reply(&reply(Some(7)), None).is_err());
    }
}
