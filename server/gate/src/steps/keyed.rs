//! Rows are updated or deleted by their keys, each on its shard.

use std::collections::{BTreeMap, HashSet};

use vitrail_planner::plan::{KEYS, Keyed, ShardStatement};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::value::Value;

use super::rows::{Rows, cells};
use super::{BATCH, Done, Stepping, values};
use crate::session::Session;

/// The key of a row, one value for each of its columns.
pub(super) type Key = Vec<Value>;

impl Stepping<'_> {
    /// Writes the rows whose keys were read.
    pub(super) async fn keyed(
        &self,
        session: &mut Session,
        keyed: Keyed<'_>,
        rows: Rows,
        done: &mut Done,
    ) -> Result<(), ErrorBody> {
        done.end.matched = keyed.updates().then_some(0);
        let mut seen: HashSet<Vec<u8>> = HashSet::new();
        let mut keys: Vec<Key> = Vec::with_capacity(BATCH.min(rows.list.len()));
        let mut rest = rows.list.into_iter().peekable();
        let columns = keyed.columns();
        while let Some(row) = rest.next() {
            if !keyed.repeats() || seen.insert(row.text().to_vec()) {
                let key = cells(&row, columns.len())?;
                let key = key.into_iter().zip(columns).map(|(cell, column)| values::own(cell, column));
                keys.push(key.collect::<Result<_, _>>()?);
            }
            if keys.len() == BATCH || rest.peek().is_none() {
                self.batch(session, keyed, std::mem::take(&mut keys), done).await?;
            }
        }
        Ok(())
    }

    async fn batch(
        &self,
        session: &mut Session,
        keyed: Keyed<'_>,
        keys: Vec<Key>,
        done: &mut Done,
    ) -> Result<(), ErrorBody> {
        let shards = &self.keyspace.layout;
        let mut by_shard: BTreeMap<usize, Vec<Key>> = BTreeMap::new();
        for key in keys {
            match keyed.home(&key, shards)? {
                Some(shard) => by_shard.entry(shard).or_default().push(key),
                None => (0..shards.len()).for_each(|shard| by_shard.entry(shard).or_default().push(key.clone())),
            }
        }
        let moves = keyed.moving().map(|moving| {
            let moved = by_shard.iter().map(|(shard, keys)| {
                let keys: Vec<Key> = keys.iter().map(|key| keyed.moved(key)).collect();
                (*shard, keys)
            });
            (moving, moved.collect::<BTreeMap<_, _>>())
        });
        if let Some((moving, moved)) = &moves {
            let leaves = |(shard, keys): (&usize, &Vec<Key>)| {
                let elsewhere = |key: &Key| keyed.home(key, shards).is_ok_and(|home| home != Some(*shard));
                keys.iter().any(elsewhere).then_some(*shard)
            };
            if let Some(shard) = moved.iter().find_map(leaves) {
                self.may_move(session, moving, shard, done).await?;
            }
        }
        let text = keyed.text();
        let calling = &self.scope.calling;
        let end = self.write(session, self.by_keys(&text, by_shard), calling, done).await?;
        done.add(end);
        match moves {
            Some((moving, moved)) => self.relocate(session, keyed, moving, moved, done).await,
            None => Ok(()),
        }
    }

    /// A text for the rows of each shard.
    pub(super) fn by_keys(&self, text: &str, keys: BTreeMap<usize, Vec<Key>>) -> Vec<ShardStatement> {
        let statement = |(shard, keys): (usize, Vec<Key>)| ShardStatement {
            shard,
            sql: text.into(),
            binds: self.with([(KEYS.to_owned(), Value::List(keys.into_iter().map(tuple).collect()))]),
        };
        keys.into_iter().map(statement).collect()
    }
}

/// A key as an item of a list.
fn tuple(mut key: Key) -> Value {
    match (key.len(), key.pop()) {
        (1, Some(only)) => only,
        (_, last) => Value::Tuple(key.into_iter().chain(last).collect()),
    }
}
