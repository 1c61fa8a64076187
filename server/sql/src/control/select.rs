//! SELECT lists of nothing but facts about the session: `SELECT DATABASE(), @@autocommit`.

use std::borrow::Cow;

use super::words::{Token, Words};
use crate::normalise::Normalised;

/// One item of such a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item<'a> {
    /// What is asked for.
    pub fact: Fact,
    /// The alias, or else the text as it is written.
    pub title: Cow<'a, str>,
}

/// A fact about the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// `f()`, the name in lower case.
    Function(String),
    /// `@@name`, `@@session.name`, `@@local.name`: the name in lower case.
    SessionVariable(String),
    /// `@@global.name`: the name in lower case.
    GlobalVariable(String),
}

/// Longer statements are not looked into.
const MAX_LENGTH: usize = 2048;

/// Reads `SELECT f(), @@v [AS a], … [LIMIT 1]`; `None` if anything else is in it.
pub fn parse(statement: &Normalised) -> Option<Vec<Item<'_>>> {
    if statement.body.len() > MAX_LENGTH {
        return None;
    }
    let mut words = Words::of(statement).ok()?;
    if !words.take(&["SELECT"]) {
        return None;
    }
    let mut items = Vec::new();
    loop {
        let before = words.clone();
        let fact = fact(&mut words)?;
        let written = words.since(&before);
        let aliased = words.take(&["AS"]);
        let alias = match words.peek() {
            Some(Token::Word(word)) if !aliased && ends_the_list(word) => None,
            Some(Token::Word(_) | Token::Name(_)) => Some(words.name().ok()?),
            Some(Token::Text(_)) => Some(Cow::Owned(words.string().ok()??)),
            _ if aliased => return None,
            _ => None,
        };
        items.push(Item { fact, title: alias.unwrap_or(Cow::Borrowed(written)) });
        if !words.take_symbol(",") {
            break;
        }
    }
    if words.take(&["LIMIT"]) && words.next() != Some(Token::Number("1")) {
        return None;
    }
    words.is_done().then_some(items)
}

fn fact(words: &mut Words<'_>) -> Option<Fact> {
    match words.next()? {
        Token::Variable(name) => {
            let name = name.strip_prefix("@@")?.to_ascii_lowercase();
            Some(match name.split_once('.') {
                None => Fact::SessionVariable(name),
                Some(("session" | "local", name)) => Fact::SessionVariable(name.to_owned()),
                Some(("global", name)) => Fact::GlobalVariable(name.to_owned()),
                Some(_) => return None,
            })
        }
        Token::Word(name) if name.eq_ignore_ascii_case("current_user") => {
            if words.take_symbol("(") && !words.take_symbol(")") {
                return None;
            }
            Some(Fact::Function("current_user".into()))
        }
        Token::Word(name) => {
            (words.take_symbol("(") && words.take_symbol(")")).then(|| Fact::Function(name.to_ascii_lowercase()))
        }
        _ => None,
    }
}

fn ends_the_list(word: &str) -> bool {
    const WORDS: [&str; 12] = [
        "from",
        "limit",
        "where",
        "union",
        "except",
        "intersect",
        "into",
        "for",
        "group",
        "having",
        "order",
        "procedure",
    ];
    WORDS.iter().any(|end| word.eq_ignore_ascii_case(end))
}
