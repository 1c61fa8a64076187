//! The texts of DDL statements: as a shard's database takes them, and changed so that they can be run once more.

use std::ops::Range;

use crate::control::words::{Token, Words};
use crate::error::SqlError;
use crate::normalise::Normalised;

/// The statement's text with `keyspace.` cut off wherever it qualifies a name: on a shard the database has another name.
///
/// # Errors
/// What the lexer refuses.
pub fn without_qualifiers(statement: &Normalised, keyspace: &str) -> Result<String, SqlError> {
    let words = Words::of(statement)?;
    Ok(edited(words.text(), qualifiers(&words, keyspace)))
}

/// An ALTER TABLE, CREATE INDEX or DROP INDEX with `copy` in the table's place: it says what the statement makes of a table that is like
/// it. Without ALGORITHM and LOCK, which a temporary table cannot have.
///
/// # Errors
/// What the lexer refuses; another statement.
pub fn on_copy(statement: &Normalised, keyspace: &str, copy: &str) -> Result<String, SqlError> {
    let mut words = Words::of(statement)?;
    if words.take(&["ALTER"]) {
        words.take(&["IGNORE"]);
        if !words.take(&["TABLE"]) {
            return Err(words.unexpected());
        }
        words.take(&["IF", "EXISTS"]);
    } else {
        while !words.take(&["ON"]) {
            words.next().ok_or_else(|| words.unexpected())?;
        }
    }
    let first = words.place();
    words.table()?;
    let tokens = words.tokens();
    let table = tokens[first].1.start..tokens[words.place() - 1].1.end;
    let mut edits: Vec<(Range<usize>, String)> = vec![(table.clone(), format!("`{copy}`"))];
    edits.extend(qualifiers(&words, keyspace).into_iter().filter(|(place, _)| place.start != table.start));
    edits.extend(ways(&words).into_iter().map(|place| (place, String::new())));
    Ok(edited(words.text(), edits))
}

/// A DROP TABLE that drops those of its tables that are there.
///
/// # Errors
/// What the lexer refuses; another statement.
pub fn of_what_is_left(statement: &Normalised, keyspace: &str) -> Result<String, SqlError> {
    let mut words = Words::of(statement)?;
    if !words.take(&["DROP"]) || !(words.take(&["TABLE"]) || words.take(&["TABLES"])) {
        return Err(words.unexpected());
    }
    let end = words.tokens()[words.place() - 1].1.end;
    let mut edits = qualifiers(&words, keyspace);
    edits.push((end..end, " IF EXISTS".to_owned()));
    Ok(edited(words.text(), edits))
}

/// Where `keyspace.` qualifies a name.
fn qualifiers(words: &Words<'_>, keyspace: &str) -> Vec<(Range<usize>, String)> {
    let tokens = words.tokens();
    let dot = Token::Symbol(".");
    let mut found = Vec::new();
    for (index, window) in tokens.windows(3).enumerate() {
        let [(name, span), (middle, _), (after, next)] = window else { continue };
        let is_keyspace = match name {
            Token::Word(word) => *word == keyspace,
            Token::Name(name) => name == keyspace,
            _ => false,
        };
        let leads = index == 0 || tokens[index - 1].0 != dot;
        if is_keyspace && leads && *middle == dot && matches!(after, Token::Word(_) | Token::Name(_)) {
            found.push((span.start..next.start, String::new()));
        }
    }
    found
}

/// Where `ALGORITHM [=] …` and `LOCK [=] …` stand, each with a comma that belongs to it.
fn ways(words: &Words<'_>) -> Vec<Range<usize>> {
    const VALUES: [&str; 8] = ["DEFAULT", "INSTANT", "INPLACE", "COPY", "NOCOPY", "NONE", "SHARED", "EXCLUSIVE"];
    let tokens = words.tokens();
    let is = |index: usize, among: &[&str]| match tokens.get(index) {
        Some((Token::Word(word), _)) => among.iter().any(|known| word.eq_ignore_ascii_case(known)),
        _ => false,
    };
    let symbol =
        |index: usize, symbol: &str| matches!(tokens.get(index), Some((Token::Symbol(found), _)) if *found == symbol);
    let (mut found, mut index, mut comma_taken) = (Vec::new(), 0, false);
    while index < tokens.len() {
        let value = index + 1 + usize::from(symbol(index + 1, "="));
        if !is(index, &["ALGORITHM", "LOCK"]) || !is(value, &VALUES) {
            comma_taken = false;
            index += 1;
            continue;
        }
        let (mut start, mut end) = (tokens[index].1.start, tokens[value].1.end);
        let before = index.checked_sub(1);
        index = value + 1;
        // `a, LOCK=NONE`, or `LOCK=NONE, a` at the beginning.
        match before.filter(|before| symbol(*before, ",") && !comma_taken) {
            Some(before) => start = tokens[before].1.start,
            None if symbol(index, ",") => {
                end = tokens[index].1.end;
                index += 1;
                comma_taken = true;
            }
            None => {}
        }
        found.push(start..end);
    }
    found
}

/// A text with these places replaced, which do not overlap.
fn edited(text: &str, mut edits: Vec<(Range<usize>, String)>) -> String {
    edits.sort_by_key(|(place, _)| place.start);
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (place, with) in edits {
        out.push_str(&text[from..place.start]);
        out.push_str(&with);
        from = place.end;
    }
    out.push_str(&text[from..]);
    out
}
