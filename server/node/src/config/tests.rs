//! The reference file says exactly what the code does.

use std::path::Path;

use super::*;

const REFERENCE: &str = include_str!("../../config.reference.toml");

fn refused(text: &str) -> String {
    parse(text, Path::new("vitrail.toml")).expect_err(text).to_string()
}

/// The reference with its examples switched on.
fn complete() -> String {
    let complete = REFERENCE.replace("#: ", "").replace("#:", "");
    // An example of `[scratch.mysql]` needs it.
    complete.replace("server = \"own\"", "server = \"configured\"")
}

#[test]
fn the_reference_holds_the_defaults() {
    assert_eq!(parse(REFERENCE, Path::new("reference")).unwrap(), Config::default());
}

#[test]
fn the_reference_names_every_key() {
    fn keys(prefix: &str, value: &toml::Value, found: &mut std::collections::BTreeSet<String>) {
        match value {
            toml::Value::Table(table) => table.iter().for_each(|(key, value)| {
                found.insert(format!("{prefix}{key}"));
                keys(&format!("{prefix}{key}."), value, found);
            }),
            toml::Value::Array(items) => items.iter().for_each(|item| keys(prefix, item, found)),
            _ => {}
        }
    }
    let config = parse(&complete(), Path::new("complete")).unwrap();
    let (mut written, mut known) = Default::default();
    keys("", &toml::from_str(&complete()).unwrap(), &mut written);
    // What has a value after parsing is known; what the reference writes must be all of it, but for the parts of `mysql`,
    // which has defaults of its own, and the proofs of a user, of which there can be only one.
    keys("", &toml::Value::try_from(&config).unwrap(), &mut known);
    let missing: Vec<&String> = known.difference(&written).filter(|key| !key.contains(".mysql.")).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for key in [
        "listen.tls.client_ca",
        "scratch.data",
        "scratch.mysql.host",
        "keyspaces.flights.shards.tablet",
        "users.shop.scram",
    ] {
        assert!(written.contains(key), "{key}");
    }
}

#[test]
fn unknown_keys_name_the_nearest_known_one() {
    let cases = [
        ("[listen]\nadress = \"127.0.0.1:1\"", "did you mean `address`?"),
        ("[tablet.pool]\nsice = 3", "did you mean `size`?"),
        ("[keyspace.a]", "did you mean `keyspaces`?"),
        ("[users.a]\nrol = \"gate\"", "did you mean `role`?"),
        ("[users.a]\ngrants = [{ rolle = \"reader\" }]", "did you mean `role`?"),
        ("[users.a]\ngrants = [{ role = \"owner\" }]", "unknown variant `owner`"),
        ("[listen]\ndrain = \"30 parsecs\"", "is not a duration"),
        ("[scratch]\nserver = \"shard\"", "unknown variant `shard`"),
        ("[scratch]\nstatement = 3", "did you mean `statements`?"),
        ("[listen]\nmax_connections = \"many\"", "invalid type"),
    ];
    for (text, expected) in cases {
        let message = refused(text);
        assert!(message.contains(expected) && message.starts_with("vitrail.toml: "), "{message}");
    }
}

#[test]
fn contradictions_say_what_to_do() {
    let cases = [
        ("[keyspaces.a]", "has no shards"),
        ("[[keyspaces.a.shards]]\nname = \"0\"", "has no `database`"),
        ("[[keyspaces.a.shards]]\nname = \"0\"\ndatabase = \"d\"", "has no `mysql`"),
        ("[[keyspaces.a.shards]]\nname = \"0\"\ndatabase = \"d\"\ntablet = \"vitrail://h\"", "keep either"),
        ("[users.a]\npassword = \"x\"\nscram = \"y\"", "more than one of"),
        ("[users.a]\ngrants = [{ role = \"reader\", tables = \"\" }]", "grant on nothing"),
        ("[listen]\nauthentication = \"11s\"", "at most 10s"),
        ("[listen]\nmax_unauthenticated_per_address = 0", "nobody could log in"),
        ("[users.a]\ngrants = [{ role = \"reader\", tables = \"shop.*\" }]", "name the keyspace apart"),
        ("[scratch]\nserver = \"configured\"", "[scratch.mysql] does not say where"),
        ("[scratch.mysql]\nport = 1", "of no use without scratch.server"),
        ("[scratch]\nshared = true", "of no use without scratch.server"),
        ("[scratch]\nstatements = 0", "at least 1"),
        ("[scratch]\ntotal_bytes = \"1MiB\"", "scratch.total_bytes is at least"),
        ("[[keyspaces.MySQL.shards]]\nname = \"0\"", "a database that every MySQL has"),
        ("[[keyspaces.vitrail_scratch.shards]]\nname = \"0\"", "set scratch.server = \"none\""),
        ("[log]\nsample = 1.5", "from 0 to 1"),
        ("[log]\nsample = nan", "from 0 to 1"),
    ];
    for (text, expected) in cases {
        let message = refused(text);
        assert!(message.contains(expected), "{message}");
    }
}
