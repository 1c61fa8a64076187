//! USE: a session changes its target.

use std::sync::Arc;

use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::ResultEnd;
use vitrail_proto::target::{TabletType, Target};

use crate::failure;
use crate::request::Scope;
use crate::session::Session;
use crate::words::{Token, Words};

/// ``USE keyspace``, ``USE `keyspace:-80@primary` ``; a bare target needs no backticks.
pub(super) fn run(scope: &Scope<'_>, session: &mut Session, body: &str) -> Result<ResultEnd, ErrorBody> {
    let mut words = Words::new(body)?;
    if !words.take(&["USE"]) {
        return Err(words.unexpected());
    }
    let written = match words.peek() {
        Some(Token::Name(name)) => {
            let name = name.to_string();
            words.next();
            words.end()?;
            name
        }
        Some(_) => words.rest().trim_end().to_owned(),
        None => return Err(words.unexpected()),
    };
    let target = parse(&written).ok_or_else(|| words.unexpected())?;
    if session.in_transaction() && (target.shard.is_some() || target.tablet_type != session.now.target.tablet_type) {
        return Err(failure::unsupported(
            "USE of a shard or tablet type is not supported inside a transaction; commit or roll back first",
        ));
    }
    scope.gate.check_target(&target)?;
    crate::gate::check_tablet_type(&target)?;
    session.now.target = Arc::new(target);
    Ok(ResultEnd::default())
}

/// `keyspace[:shard][@type]`
fn parse(text: &str) -> Option<Target> {
    let (place, kind) = text.split_once('@').map_or((text, None), |(place, kind)| (place, Some(kind)));
    let tablet_type = match kind {
        None => TabletType::Primary,
        Some(kind) if kind.eq_ignore_ascii_case("primary") => TabletType::Primary,
        Some(kind) if kind.eq_ignore_ascii_case("replica") => TabletType::Replica,
        Some(kind) if kind.eq_ignore_ascii_case("rdonly") => TabletType::Rdonly,
        Some(_) => return None,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read() {
        let target = |keyspace: &str, shard: Option<&str>, tablet_type| {
            Some(Target { keyspace: Some(keyspace.into()), shard: shard.map(Into::into), tablet_type })
        };
        for (text, expected) in [
            ("flights", target("flights", None, TabletType::Primary)),
            ("flights:-80", target("flights", Some("-80"), TabletType::Primary)),
            ("flights:80-@replica", target("flights", Some("80-"), TabletType::Replica)),
            ("flights@RDONLY", target("flights", None, TabletType::Rdonly)),
            ("flights@spare", None),
            (":80-", None),
            ("a b", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
