//! What the shell must know of a statement before it runs: whether to ask first, whether to remember it, and what it changes.

use vitrail_sql::lexer::TokenKind;

use crate::lexing::{Tokens, unquoted};

/// The words at which the shell asks, unless configured otherwise. DELETE and UPDATE count without WHERE only.
pub const DANGEROUS: [&str; 6] = ["DROP", "TRUNCATE", "ALTER", "DELETE", "UPDATE", "SHUTDOWN"];

/// Why a statement is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Danger {
    /// What it does: `DROP TABLE`, `DELETE without WHERE`.
    pub what: String,
    /// What it does it to, as written.
    pub object: Option<String>,
    /// It changes or deletes every row.
    pub everywhere: bool,
}

/// Whether a statement is one to ask about; `words` are upper-case.
pub fn danger(sql: &str, words: &[String]) -> Option<Danger> {
    let tokens = Tokens::of(sql);
    let list: Vec<_> = tokens.meaningful().collect();
    let word = |index: usize| {
        let token = list.get(index).filter(|token| token.kind == TokenKind::Word)?;
        Some(tokens.source(*token).to_ascii_uppercase())
    };
    // WITH … DELETE and EXPLAIN ANALYZE … are statements too: the verb is the first that changes something.
    let begins = word(0)?;
    let at = match begins.as_str() {
        "WITH" => list.iter().position(|token| {
            token.kind == TokenKind::Word
                && matches!(tokens.source(*token).to_ascii_uppercase().as_str(), "DELETE" | "UPDATE")
        })?,
        _ => 0,
    };
    let verb = word(at)?;
    if !words.contains(&verb) {
        return None;
    }
    let unlimited = !has_where(&tokens);
    let what = match verb.as_str() {
        "DELETE" | "UPDATE" if unlimited => format!("{verb} without WHERE"),
        "DELETE" | "UPDATE" => return None,
        // Nobody but this session has it.
        "DROP" if word(at + 1).as_deref() == Some("TEMPORARY") => return None,
        _ => [Some(verb.clone()), word(at + 1).filter(|next| KINDS.contains(&next.as_str()))]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" "),
    };
    let everywhere = matches!(verb.as_str(), "DELETE" | "UPDATE");
    Some(Danger { what, object: object(&tokens, &list[at..]), everywhere })
}

/// Words between a verb and the name of what it acts on.
const KINDS: [&str; 14] = [
    "TABLE",
    "TABLES",
    "VIEW",
    "INDEX",
    "DATABASE",
    "SCHEMA",
    "KEYSPACE",
    "PROCEDURE",
    "FUNCTION",
    "TRIGGER",
    "USER",
    "ROLE",
    "EVENT",
    "COLUMN",
];

/// Whether WHERE stands outside of all parentheses: that of a subquery limits nothing.
fn has_where(tokens: &Tokens<'_>) -> bool {
    let mut depth = 0_i32;
    tokens.meaningful().any(|token| {
        match token.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close => depth -= 1,
            _ => {}
        }
        depth == 0 && token.kind == TokenKind::Word && tokens.source(token).eq_ignore_ascii_case("WHERE")
    })
}

/// The first name after the verb and the words that belong to it, with its keyspace if written.
fn object(tokens: &Tokens<'_>, list: &[vitrail_sql::lexer::Token]) -> Option<String> {
    const BETWEEN: [&str; 10] =
        ["FROM", "IF", "EXISTS", "NOT", "IGNORE", "ONLINE", "LOW_PRIORITY", "QUICK", "OFFLINE", "ALGORITHM"];
    let mut rest = list.iter().skip(1).peekable();
    while let Some(token) = rest.peek() {
        let source = tokens.source(**token).to_ascii_uppercase();
        let skipped = KINDS.contains(&source.as_str()) || BETWEEN.contains(&source.as_str());
        if token.kind != TokenKind::Word || !skipped {
            break;
        }
        rest.next();
    }
    let mut name = String::new();
    while let Some(token) = rest.next().filter(|token| is_name(token.kind)) {
        name.push_str(&unquoted(tokens.source(*token)));
        match rest.next_if(|token| token.kind == TokenKind::Dot) {
            Some(_) => name.push('.'),
            None => break,
        }
    }
    (!name.is_empty()).then_some(name)
}

fn is_name(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::Word | TokenKind::QuotedName)
}

/// Whether a line must not be remembered, because it has a password or might have one.
pub fn is_secret(text: &str) -> bool {
    let tokens = Tokens::of(text);
    let words: Vec<String> = tokens.words().collect();
    let has = |word: &str| words.iter().any(|known| known == word);
    let url = text.find("vitrail://").is_some_and(|at| {
        let authority = text[at + "vitrail://".len()..].split(['/', ' ', '?']).next().unwrap_or_default();
        authority.split_once('@').is_some_and(|(user, _)| user.contains(':'))
    });
    let named = words.iter().any(|word| word.contains("PASSWORD") || word.contains("SECRET") || word == "PASSWD");
    url || named || has("IDENTIFIED")
}

/// Whether a statement changes what completion knows.
pub fn changes_schema(sql: &str) -> bool {
    let first = Tokens::of(sql).words().next();
    matches!(first.as_deref(), Some("CREATE" | "ALTER" | "DROP" | "RENAME" | "TRUNCATE"))
}

/// Whether a statement's answer counts rows that it changed.
pub fn counts_changes(sql: &str) -> bool {
    let first = Tokens::of(sql).words().next();
    matches!(first.as_deref(), Some("INSERT" | "UPDATE" | "DELETE" | "REPLACE" | "LOAD" | "WITH"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(sql: &str) -> Option<String> {
        let words = DANGEROUS.map(str::to_owned);
        danger(sql, &words)
            .map(|found| format!("{}{}", found.what, found.object.map(|name| format!(" {name}")).unwrap_or_default()))
    }

    #[test]
    fn what_cannot_be_undone_is_asked_about() {
        let cases = [
            ("drop table flight", "DROP TABLE flight"),
            ("DROP TABLE IF EXISTS `a b`.`c`", "DROP TABLE a b.c"),
            ("/* x */ truncate flight", "TRUNCATE flight"),
            ("TRUNCATE TABLE t", "TRUNCATE TABLE t"),
            ("alter table t add column x int", "ALTER TABLE t"),
            ("delete from t", "DELETE without WHERE t"),
            ("delete from t order by id limit 3", "DELETE without WHERE t"),
            ("update t set a = (select b from u where c = 1)", "UPDATE without WHERE t"),
            ("with x as (select 1 from u where 1) delete from t", "DELETE without WHERE t"),
            ("drop index i on t", "DROP INDEX i"),
        ];
        for (sql, expected) in cases {
            assert_eq!(asked(sql).as_deref(), Some(expected), "{sql}");
        }
        for harmless in [
            "select 'drop table t'",
            "delete from t where id = 1",
            "update t set a = 1 where id in (select id from u)",
            "drop temporary table t",
            "insert into t values (1)",
            "select `drop` from t",
            "with x as (select 1) select * from x",
            "",
        ] {
            assert_eq!(asked(harmless), None, "{harmless}");
        }
        assert_eq!(danger("drop table t", &["ALTER".to_owned()]), None, "the list is configurable");
    }

    #[test]
    fn passwords_are_not_remembered() {
        for secret in [
            "CREATE USER a IDENTIFIED BY 'x'",
            "set password = 'x'",
            "\\c vitrail://me:secret@host/ks",
            "change master to master_password='x'",
        ] {
            assert!(is_secret(secret), "{secret}");
        }
        for plain in
            ["select 1", "\\c vitrail://me@host:15300/ks", "select 'password:x@'", "select a from identified_2"]
        {
            assert!(!is_secret(plain), "{plain}");
        }
    }
}
