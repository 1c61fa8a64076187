//! What is offered at each place, over a small catalogue.

use std::collections::BTreeMap;

use super::catalogue::{Catalogue, ColumnName, Keyspace, Names};
use super::*;

fn around() -> Around {
    let column =
        |(name, kind, key): (&str, &str, &str)| ColumnName { name: name.into(), kind: kind.into(), key: key.into() };
    let flight = [("id", "int", "PRI"), ("origin", "varchar(4)", "MUL"), ("order", "int", "")].map(column).to_vec();
    let airport = [("iata", "char(4)", "PRI"), ("name", "text", "")].map(column).to_vec();
    let tables = BTreeMap::from([
        ("flight".to_owned(), Some(flight)),
        ("airport".to_owned(), Some(airport)),
        ("fleet".into(), None),
    ]);
    let flights = Keyspace { shards: vec!["-80".into(), "80-".into()], tables };
    let agency = Keyspace { shards: vec!["0".into()], tables: BTreeMap::from([("booking".to_owned(), None)]) };
    let names = Names { keyspaces: BTreeMap::from([("flights".to_owned(), flights), ("agency".to_owned(), agency)]) };
    Around {
        catalogue: Some(Arc::new(Catalogue::with_names(names))),
        keyspace: Some("flights".into()),
        favourites: vec!["slow".into()],
        typed: String::new(),
    }
}

/// What is offered at the `|` of a line, and the word that it replaces.
fn offered(marked: &str) -> (String, Vec<String>) {
    let cursor = marked.find('|').unwrap();
    let line = marked.replace('|', "");
    let (start, offers) = offers(&line, cursor, &around());
    (line[start..cursor].to_owned(), offers.into_iter().map(|offer| offer.value).collect())
}

#[test]
fn names_are_offered_where_they_may_stand() {
    let cases: &[(&str, &[&str])] = &[
        ("select * from f|", &["fleet", "flight", "flights"]),
        ("select * from |", &["airport", "fleet", "flight", "agency", "flights"]),
        ("select * from agency.|", &["booking"]),
        ("select f.| from flight f", &["id", "`order`", "origin"]),
        ("select * from flight where or|", &["`order`", "origin", "or", "order by"]),
        ("select ia| from airport", &["iata"]),
        ("select at| from airport", &["iata"]),
        ("insert into airport (|", &["iata", "name"]),
        ("insert into airport (iata, n|", &["name"]),
        ("use |", &["agency", "flights"]),
        ("select * from flight whe|", &["when", "where"]),
        ("SELECT * FROM flight WHE|", &["WHEN", "WHERE"]),
        ("up|", &["update"]),
        ("select 'fl|", &[]),
        ("select coun| from flight", &["count("]),
    ];
    for (line, expected) in cases {
        assert_eq!(&offered(line).1, expected, "{line}");
    }
    assert_eq!(offered("select * from `fli|").0, "`fli", "an open quote is replaced with the name");
}

#[test]
fn commands_and_what_they_take_are_offered() {
    let cases: &[(&str, &[&str])] = &[
        ("\\ti|", &["\\timing"]),
        ("\\d fl|", &["fleet", "flight"]),
        ("\\target flights:|", &["flights:-80", "flights:80-"]),
        ("\\u a|", &["agency"]),
        ("\\x a|", &["auto"]),
        ("\\f s|", &["slow"]),
        ("\\set exp|", &["expanded"]),
        ("\\i src/complete/con|", &["src/complete/context.rs"]),
    ];
    for (line, expected) in cases {
        assert_eq!(&offered(line).1, expected, "{line}");
    }
}

#[test]
fn columns_are_told_with_their_type_and_key() {
    let line = "select f. from flight f";
    let (_, offers) = offers(line, 9, &around());
    let described: Vec<&str> = offers.iter().map(|offer| offer.description.as_str()).collect();
    assert_eq!(described, ["int, primary key", "int", "varchar(4), indexed"]);
}
