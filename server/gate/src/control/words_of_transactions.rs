//! BEGIN, COMMIT, ROLLBACK and savepoints, as MySQL writes them.

use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::BeginOptions;

use crate::failure;
use crate::words::Words;

/// How COMMIT or ROLLBACK goes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) chain: Chain,
}

/// `AND CHAIN`
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chain {
    No,
    Yes,
}

/// What becomes of a savepoint.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SavepointWords {
    Set(String),
    RollbackTo(String),
    Release(String),
}

/// `BEGIN [WORK]`, `START TRANSACTION [WITH CONSISTENT SNAPSHOT | READ WRITE | READ ONLY, …]`
pub(super) fn begin(mut words: Words<'_>) -> Result<BeginOptions, ErrorBody> {
    let mut options = BeginOptions::default();
    if words.take(&["BEGIN"]) {
        words.take(&["WORK"]);
    } else if words.take(&["START", "TRANSACTION"]) {
        while !words.is_done() {
            if words.take(&["WITH", "CONSISTENT", "SNAPSHOT"]) {
                options.snapshot = true;
            } else if words.take(&["READ", "ONLY"]) && options.read_only.is_none() {
                options.read_only = Some(true);
            } else if words.take(&["READ", "WRITE"]) && options.read_only.is_none() {
                options.read_only = Some(false);
            } else {
                return Err(words.unexpected());
            }
            if !words.take_symbol(',') {
                break;
            }
        }
    } else {
        return Err(words.unexpected());
    }
    words.end()?;
    Ok(options)
}

/// `COMMIT | ROLLBACK [WORK] [AND [NO] CHAIN] [[NO] RELEASE]`
pub(super) fn ending(mut words: Words<'_>) -> Result<Ending, ErrorBody> {
    if !words.take(&["COMMIT"]) && !words.take(&["ROLLBACK"]) {
        return Err(words.unexpected());
    }
    words.take(&["WORK"]);
    let chain = if words.take(&["AND", "CHAIN"]) {
        Chain::Yes
    } else {
        words.take(&["AND", "NO", "CHAIN"]);
        Chain::No
    };
    if words.take(&["RELEASE"]) {
        return Err(failure::unsupported(
            "RELEASE, which closes the connection, is not supported; close the session instead",
        ));
    }
    words.take(&["NO", "RELEASE"]);
    words.end()?;
    Ok(Ending { chain })
}

/// `SAVEPOINT a`, `ROLLBACK [WORK] TO [SAVEPOINT] a`, `RELEASE SAVEPOINT a`
pub(super) fn savepoint(mut words: Words<'_>) -> Result<SavepointWords, ErrorBody> {
    let make: fn(String) -> SavepointWords = if words.take(&["SAVEPOINT"]) {
        SavepointWords::Set
    } else if words.take(&["RELEASE", "SAVEPOINT"]) {
        SavepointWords::Release
    } else if words.take(&["ROLLBACK", "TO"]) || words.take(&["ROLLBACK", "WORK", "TO"]) {
        words.take(&["SAVEPOINT"]);
        SavepointWords::RollbackTo
    } else {
        return Err(words.unexpected());
    };
    let name = words.name()?.into_owned();
    words.end()?;
    Ok(make(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Words<'_> {
        Words::new(text).expect("well formed")
    }

    #[test]
    fn begin_takes_options() {
        for (text, snapshot, read_only) in [
            ("BEGIN", false, None),
            ("begin work", false, None),
            ("START TRANSACTION", false, None),
            ("START TRANSACTION READ ONLY", false, Some(true)),
            ("start transaction with consistent snapshot, read write", true, Some(false)),
        ] {
            let options = begin(words(text)).expect(text);
            assert_eq!((options.snapshot, options.read_only), (snapshot, read_only), "{text}");
        }
        for text in [
            "BEGIN x",
            "START",
            "START TRANSACTION READ",
            "START TRANSACTION READ ONLY, READ WRITE",
            "START TRANSACTION READ ONLY x",
        ] {
            assert!(begin(words(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn endings_chain_or_not() {
        for (text, chain) in [
            ("COMMIT", Chain::No),
            ("COMMIT WORK AND CHAIN", Chain::Yes),
            ("ROLLBACK AND NO CHAIN NO RELEASE", Chain::No),
        ] {
            assert_eq!(ending(words(text)).expect(text).chain, chain, "{text}");
        }
        assert_eq!(ending(words("COMMIT RELEASE")).expect_err("refused").errno, 1235);
        assert!(ending(words("COMMIT AND")).is_err());
    }

    #[test]
    fn savepoints_have_names() {
        for (text, expected) in [
            ("SAVEPOINT a", SavepointWords::Set("a".into())),
            ("ROLLBACK TO `b c`", SavepointWords::RollbackTo("b c".into())),
            ("rollback work to savepoint a", SavepointWords::RollbackTo("a".into())),
            ("RELEASE SAVEPOINT a", SavepointWords::Release("a".into())),
        ] {
            assert_eq!(savepoint(words(text)).expect(text), expected);
        }
        assert!(savepoint(words("SAVEPOINT")).is_err());
    }
}
