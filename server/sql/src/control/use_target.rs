//! `USE`: which keyspace, shard and tablet type a session works on.

use vitrail_proto::target::{TabletType, Target};

use super::words::{Token, Words};
use crate::error::SqlError;
use crate::normalise::Normalised;

/// Reads ``USE keyspace``, ``USE `keyspace:-80@primary` ``; a bare target needs no quotes.
///
/// # Errors
/// [`SqlError::Syntax`] for anything else.
pub fn parse(statement: &Normalised) -> Result<Target, SqlError> {
    let mut words = Words::of(statement)?;
    if !words.take(&["USE"]) {
        return Err(words.unexpected());
    }
    let before = words.clone();
    let target = match words.peek() {
        Some(Token::Name(name)) => {
            let target = target(name);
            words.next();
            words.end()?;
            target
        }
        _ => target(words.rest()?.trim_end()),
    };
    target.ok_or_else(|| before.unexpected())
}

/// `keyspace[:shard][@type]`
fn target(text: &str) -> Option<Target> {
    let (place, tablet_type) = match text.split_once('@') {
        Some((place, kind)) => (place, TabletType::parse(&kind.to_ascii_lowercase())?),
        None => (text, TabletType::Primary),
    };
    let (keyspace, shard) = place.split_once(':').map_or((place, None), |(keyspace, shard)| (keyspace, Some(shard)));
    let named = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-$".contains(&byte))
    };
    (named(keyspace) && shard.is_none_or(named)).then(|| Target {
        keyspace: Some(keyspace.to_owned()),
        shard: shard.map(str::to_owned),
        tablet_type,
    })
}
