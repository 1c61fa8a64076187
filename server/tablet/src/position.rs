//! Position tokens: what a write or a commit answers with, so that a later read may ask for "not older than".
//!
//! A token is opaque to clients. Inside, it is UTF-8 text: entries separated by `;`, each `keyspace/shard=gtid`, where `gtid` is
//! what MySQL tracks for the session (`session_track_gtids`) or MariaDB's `last_gtid`. Entries of different shards are merged
//! by joining them, so a gate can put the tokens of several tablets together without knowing a flavour.

/// The token of one shard after a write.
pub fn token(keyspace: &str, shard: &str, gtid: &str) -> Vec<u8> {
    let mut token = Vec::with_capacity(keyspace.len() + shard.len() + gtid.len() + 2);
    for part in [keyspace, "/", shard, "=", gtid] {
        token.extend_from_slice(part.as_bytes());
    }
    token
}

/// The GTID that a token holds for one shard.
pub fn gtid_of<'a>(token: &'a [u8], keyspace: &str, shard: &str) -> Option<&'a str> {
    std::str::from_utf8(token).ok()?.split(';').find_map(|entry| {
        let (place, gtid) = entry.split_once('=')?;
        let (entry_keyspace, entry_shard) = place.split_once('/')?;
        (entry_keyspace == keyspace && entry_shard == shard).then_some(gtid)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_holds_the_gtid_of_each_shard() {
        let mut merged = token("shop", "-80", "0-1-17");
        merged.push(b';');
        merged.extend(token("shop", "80-", "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5"));
        assert_eq!(gtid_of(&merged, "shop", "-80"), Some("0-1-17"));
        assert_eq!(gtid_of(&merged, "shop", "80-"), Some("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5"));
        assert_eq!(gtid_of(&merged, "shop", "0"), None);
        assert_eq!(gtid_of(b"\xff", "shop", "0"), None);
    }
}
