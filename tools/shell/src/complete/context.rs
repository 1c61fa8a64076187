//! What may stand at the cursor, read from the words before it.

use vitrail_sql::lexer::{Token, TokenKind};

use crate::lexing::{Tokens, unquoted};

/// What may stand at the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// A statement begins.
    Verb,
    /// A keyspace, after USE.
    Keyspace,
    /// A table, of the keyspace that was written before the dot if any.
    Table { keyspace: Option<String> },
    /// A column of what `qualifier` names.
    ColumnOf { qualifier: String },
    /// A column, function or word.
    Value,
    /// A column of the table, and nothing else: INSERT's list.
    ColumnOnly { table: TableName },
    /// A word that goes on with the statement.
    Clause,
    /// Inside a string or comment, or after something that the user names.
    Nothing,
}

/// A table as the statement names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    /// If written.
    pub keyspace: Option<String>,
    /// Its name.
    pub name: String,
    /// Its alias.
    pub alias: Option<String>,
}

/// The place at the cursor.
#[derive(Debug, PartialEq, Eq)]
pub struct Context {
    /// What may stand there.
    pub wanted: Wanted,
    /// Where the word under the cursor begins, in bytes of the line.
    pub start: usize,
    /// That word as far as it is typed, without quotes.
    pub word: String,
    /// The tables that the statement names, before and behind the cursor.
    pub tables: Vec<TableName>,
}

/// Words after which a table stands.
const TABLE_AFTER: [&str; 9] =
    ["FROM", "JOIN", "INTO", "UPDATE", "TABLE", "DESCRIBE", "DESC", "TRUNCATE", "REFERENCES"];
/// Words after which a value stands.
const VALUE_AFTER: [&str; 22] = [
    "SELECT",
    "WHERE",
    "ON",
    "AND",
    "OR",
    "SET",
    "BY",
    "HAVING",
    "NOT",
    "DISTINCT",
    "WHEN",
    "THEN",
    "ELSE",
    "CASE",
    "LIKE",
    "BETWEEN",
    "IN",
    "VALUES",
    "RETURNING",
    "USING",
    "XOR",
    "INTERVAL",
];
/// Words between which and the table nothing else may be named.
const PASSED: [&str; 6] = ["IF", "NOT", "EXISTS", "LOW_PRIORITY", "IGNORE", "LATERAL"];

impl Context {
    /// The place at `cursor` in `line`.
    pub fn at(line: &str, cursor: usize) -> Context {
        let whole = Tokens::of(line);
        let semicolon = |token: &&Token| token.kind == TokenKind::Semicolon;
        let begin = whole.list.iter().filter(semicolon).rfind(|token| token.end <= cursor).map_or(0, |token| token.end);
        let end = whole.list.iter().filter(semicolon).find(|token| token.start >= cursor);
        let end = end.map_or(line.len(), |token| token.start);
        let before = Tokens::of(&line[begin..cursor]);
        let tables = tables(&Tokens::of(&line[begin..end]));

        let mut list: Vec<Token> = before.meaningful().collect();
        let (mut start, mut word) = (cursor, String::new());
        if let Some(open) = before.open {
            // An open backtick is a name under the cursor; an open string is nothing to complete.
            if !before.text[open..].starts_with('`') {
                return Context { wanted: Wanted::Nothing, start, word, tables };
            }
            start = begin + open;
            word = unquoted(&before.text[open..]);
        } else if let Some(last) = list.last().copied()
            && last.end == before.text.len()
        {
            match last.kind {
                TokenKind::Word | TokenKind::QuotedName => {
                    start = begin + last.start;
                    word = unquoted(before.source(last));
                    list.pop();
                }
                TokenKind::Comment | TokenKind::Integer | TokenKind::Decimal | TokenKind::String => {
                    return Context { wanted: Wanted::Nothing, start, word, tables };
                }
                _ => {}
            }
        }
        if before.list.last().is_some_and(|last| {
            last.kind == TokenKind::Comment && last.end == before.text.len() && !before.source(*last).ends_with("*/")
        }) {
            return Context { wanted: Wanted::Nothing, start, word, tables };
        }
        let wanted = wanted(&before, &list, &tables);
        Context { wanted, start, word, tables }
    }
}

fn wanted(tokens: &Tokens<'_>, list: &[Token], tables: &[TableName]) -> Wanted {
    let upper = |token: &Token| tokens.source(*token).to_ascii_uppercase();
    let Some(last) = list.last() else { return Wanted::Verb };
    // `qualifier.` under the cursor.
    if last.kind == TokenKind::Dot {
        let Some(name) = list.len().checked_sub(2).map(|index| &list[index]).filter(|token| is_name(token.kind)) else {
            return Wanted::Nothing;
        };
        let qualifier = unquoted(tokens.source(*name));
        return match expects_table(tokens, &list[..list.len() - 2]) {
            true => Wanted::Table { keyspace: Some(qualifier) },
            false => Wanted::ColumnOf { qualifier },
        };
    }
    if last.kind == TokenKind::Word && upper(last) == "USE" && list.len() == 1 {
        return Wanted::Keyspace;
    }
    if expects_table(tokens, list) {
        return Wanted::Table { keyspace: None };
    }
    if let Some(table) = insert_list(tokens, list, tables) {
        return Wanted::ColumnOnly { table };
    }
    match last.kind {
        TokenKind::Word => match upper(last).as_str() {
            "AS" => Wanted::Nothing,
            word if VALUE_AFTER.contains(&word) => Wanted::Value,
            _ => Wanted::Clause,
        },
        TokenKind::QuotedName | TokenKind::Close | TokenKind::String | TokenKind::Integer | TokenKind::Decimal => {
            Wanted::Clause
        }
        _ => Wanted::Value,
    }
}

/// Whether a table stands next: after FROM and its kin, or after a comma in their list.
fn expects_table(tokens: &Tokens<'_>, list: &[Token]) -> bool {
    let upper = |token: &Token| tokens.source(*token).to_ascii_uppercase();
    let mut rest = list.iter().rev().skip_while(|token| PASSED.contains(&upper(token).as_str()));
    let Some(last) = rest.next() else { return false };
    match last.kind {
        TokenKind::Word => TABLE_AFTER.contains(&upper(last).as_str()),
        // In the list of FROM: only names, dots and commas stand between.
        TokenKind::Comma => {
            let mut between = rest.skip_while(|token| {
                matches!(token.kind, TokenKind::QuotedName | TokenKind::Dot | TokenKind::Comma)
                    || token.kind == TokenKind::Word && !crate::keywords::is_reserved(tokens.source(**token))
                    || upper(token) == "AS"
            });
            between.next().is_some_and(|token| matches!(upper(token).as_str(), "FROM" | "JOIN" | "TABLE"))
        }
        _ => false,
    }
}

/// The table of INSERT whose list of columns is open.
fn insert_list(tokens: &Tokens<'_>, list: &[Token], tables: &[TableName]) -> Option<TableName> {
    let open = list.iter().rposition(|token| token.kind == TokenKind::Open)?;
    let inside = &list[open + 1..];
    let only_names = inside.iter().all(|token| is_name(token.kind) || token.kind == TokenKind::Comma);
    let ready = inside.last().is_none_or(|token| token.kind == TokenKind::Comma);
    let into = list[..open].iter().rposition(|token| tokens.source(*token).eq_ignore_ascii_case("INTO"))?;
    let named = list[into + 1..open].iter().all(|token| is_name(token.kind) || token.kind == TokenKind::Dot);
    (only_names && ready && named && open > into + 1).then(|| tables.first().cloned()).flatten()
}

/// The tables that a statement names.
fn tables(tokens: &Tokens<'_>) -> Vec<TableName> {
    let list: Vec<Token> = tokens.meaningful().collect();
    let mut found = Vec::new();
    for index in 0..list.len() {
        if !expects_table(tokens, &list[..index]) || !is_name(list[index].kind) {
            continue;
        }
        let is_word = list[index].kind == TokenKind::Word;
        if is_word && crate::keywords::is_reserved(tokens.source(list[index])) {
            continue;
        }
        let first = unquoted(tokens.source(list[index]));
        let qualified = list.get(index + 1).is_some_and(|token| token.kind == TokenKind::Dot);
        let (keyspace, name, mut next) = match list.get(index + 2).filter(|token| qualified && is_name(token.kind)) {
            Some(name) => (Some(first), unquoted(tokens.source(*name)), index + 3),
            None => (None, first, index + 1),
        };
        if list.get(next).is_some_and(|token| tokens.source(*token).eq_ignore_ascii_case("AS")) {
            next += 1;
        }
        let alias = list.get(next).filter(|token| {
            is_name(token.kind)
                && !(token.kind == TokenKind::Word && crate::keywords::is_keyword(tokens.source(**token)))
        });
        found.push(TableName { keyspace, name, alias: alias.map(|token| unquoted(tokens.source(*token))) });
    }
    found
}

fn is_name(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::Word | TokenKind::QuotedName)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The context at the `|` of a line.
    fn at(marked: &str) -> Context {
        let cursor = marked.find('|').unwrap();
        Context::at(&marked.replace('|', ""), cursor)
    }

    fn table(keyspace: Option<&str>, name: &str, alias: Option<&str>) -> TableName {
        TableName { keyspace: keyspace.map(Into::into), name: name.into(), alias: alias.map(Into::into) }
    }

    #[test]
    fn what_is_wanted_follows_from_what_stands_before() {
        let plain_table = Wanted::Table { keyspace: None };
        let cases = [
            ("|", Wanted::Verb),
            ("sel|", Wanted::Verb),
            ("select 1; |", Wanted::Verb),
            ("use fl|", Wanted::Keyspace),
            ("select * from |", plain_table.clone()),
            ("select * from fli|", plain_table.clone()),
            ("select * from `fli|", plain_table.clone()),
            ("select * from a, |", plain_table.clone()),
            ("select * from a x, b as y, |", plain_table.clone()),
            ("select * from a join |", plain_table.clone()),
            ("insert into |", plain_table.clone()),
            ("update |", plain_table.clone()),
            ("drop table if exists |", plain_table.clone()),
            ("select * from flights.|", Wanted::Table { keyspace: Some("flights".into()) }),
            ("select f.| from flight f", Wanted::ColumnOf { qualifier: "f".into() }),
            ("select f.or| from flight f", Wanted::ColumnOf { qualifier: "f".into() }),
            ("select | from flight", Wanted::Value),
            ("select a, | from flight", Wanted::Value),
            ("select count(| from flight", Wanted::Value),
            ("select * from flight where |", Wanted::Value),
            ("select * from flight where a = |", Wanted::Value),
            ("select * from flight order by |", Wanted::Value),
            ("update flight set |", Wanted::Value),
            ("select * from flight |", Wanted::Clause),
            ("select * from flight where a = 1 |", Wanted::Clause),
            ("select a as |", Wanted::Nothing),
            ("select 'from |", Wanted::Nothing),
            ("select 1 -- from |", Wanted::Nothing),
            ("select 12|", Wanted::Nothing),
            ("insert into flight (|", Wanted::ColumnOnly { table: table(None, "flight", None) }),
            ("insert into flight (a, b|", Wanted::ColumnOnly { table: table(None, "flight", None) }),
            ("insert into flight (a) values (|", Wanted::Value),
        ];
        for (line, expected) in cases {
            assert_eq!(at(line).wanted, expected, "{line}");
        }
    }

    #[test]
    fn tables_are_found_on_both_sides_of_the_cursor() {
        let found = at("select | from flight f join ks.airport as a on f.origin = a.iata, `or der` where 1").tables;
        let expected =
            [table(None, "flight", Some("f")), table(Some("ks"), "airport", Some("a")), table(None, "or der", None)];
        assert_eq!(found[..2], expected[..2]);
        assert_eq!(at("select * from a where x = 1; select | from b").tables, [table(None, "b", None)]);
    }

    #[test]
    fn the_word_under_the_cursor_is_what_is_replaced() {
        let context = at("select 'é', `or d|");
        assert_eq!((context.start, context.word.as_str()), (13, "or d"));
        let context = at("select a from fli| where 1");
        assert_eq!((context.start, context.word.as_str()), (14, "fli"));
    }
}
