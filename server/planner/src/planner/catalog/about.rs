//! Which keyspace a statement on `information_schema` asks about: the one that its conditions name, else the session's.

use vitrail_proto::value::{Binds, Value};
use vitrail_sql::lexer::{Token, TokenKind};
use vitrail_sql::literal;
use vitrail_sql::normalise::{LiteralKind, Normalised};

use super::tables::names_schema;
use super::{name, text};
use crate::refusal::Refusal;

/// What a statement asks about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// The keyspace that it names.
    Named(String),
    /// The session's.
    Default,
}

/// Reads what the statement compares columns such as `TABLE_SCHEMA` with. `is_keyspace`: whether the user sees a keyspace of this name.
///
/// # Errors
/// `several-catalogs`: several keyspaces, or one that is named where nobody can tell what for.
pub fn about(
    statement: &Normalised,
    binds: &Binds,
    default: Option<&str>,
    is_keyspace: impl Fn(&str) -> bool,
) -> Result<About, Refusal> {
    let tokens = text::tokens(statement);
    let reading = Reading { statement, binds, tokens: &tokens };
    let mut found: Vec<String> = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let is_column =
            name(statement, token).is_some_and(|name| names_schema(&name)) && !reading.is(index + 1, TokenKind::Dot);
        if !is_column {
            continue;
        }
        for at in reading.compared(index) {
            let value = match reading.value(at) {
                // What `DATABASE()` has become.
                None if reading.is_introduced(at) => default.map(str::to_owned),
                value => value,
            };
            if let Some(value) = value
                && is_keyspace(&value)
                && !found.contains(&value)
            {
                found.push(value);
            }
        }
    }
    match found.as_slice() {
        [only] => Ok(About::Named(only.clone())),
        [] => {
            let another = |value: &String| is_keyspace(value) && Some(&**value) != default;
            match (0..tokens.len()).filter_map(|at| reading.value(at)).find(another) {
                Some(name) if default.is_some() => Err(refuse(&name)),
                _ => Ok(About::Default),
            }
        }
        [_, second, ..] => Err(refuse(second)),
    }
}

struct Reading<'a> {
    statement: &'a Normalised,
    binds: &'a Binds,
    tokens: &'a [Token],
}

impl Reading<'_> {
    fn is(&self, index: usize, kind: TokenKind) -> bool {
        self.tokens.get(index).is_some_and(|token| token.kind == kind)
    }

    fn is_text(&self, index: usize, text: &str) -> bool {
        self.tokens
            .get(index)
            .is_some_and(|token| self.statement.text[token.start..token.end].eq_ignore_ascii_case(text))
    }

    /// `_utf8mb4 x'…'`
    fn is_introduced(&self, index: usize) -> bool {
        self.is(index, TokenKind::Word) && self.is(index + 1, TokenKind::Hex)
    }

    /// Where the values stand that the column at `index` is compared with.
    fn compared(&self, index: usize) -> Vec<usize> {
        let mut found = Vec::new();
        let negated = self.is_text(index + 1, "NOT");
        let operator = index + 1 + usize::from(negated);
        if !negated && (self.is_text(operator, "=") || self.is_text(operator, "<=>") || self.is_text(operator, "LIKE"))
        {
            found.push(operator + 1);
        }
        if !negated && self.is_text(operator, "IN") && self.is(operator + 1, TokenKind::Open) {
            found.extend((operator + 2..self.tokens.len()).take_while(|at| !self.is(*at, TokenKind::Close)));
        }
        // `'shop' = t.TABLE_SCHEMA`
        let mut start = index;
        while start >= 2 && self.is(start - 1, TokenKind::Dot) {
            start -= 2;
        }
        if start >= 2 && self.is_text(start - 1, "=") {
            found.push(start - 2);
            // Of an introduced literal, the second part.
            found.extend(start.checked_sub(3).filter(|at| self.is_introduced(*at)));
        }
        found
    }

    /// The text that a token gives.
    fn value(&self, index: usize) -> Option<String> {
        let token = self.tokens.get(index)?;
        let source = &self.statement.text[token.start..token.end];
        let value = match token.kind {
            TokenKind::String => {
                let kind = LiteralKind::String;
                literal::decode(&self.statement.text, token.start..token.end, kind, self.statement.mode).ok()?
            }
            TokenKind::Bind => self.binds.get(source.trim_start_matches(':'))?.clone(),
            _ => return None,
        };
        let Value::Text(value) = value else { return None };
        // Patterns of LIKE escape what names have.
        Some(value.replace("\\_", "_"))
    }
}

fn refuse(name: &str) -> Refusal {
    Refusal::unsupported(
        "several-catalogs",
        format!(
            "`information_schema` is read for one keyspace at a time, and `{name}` is another; write TABLE_SCHEMA = '{name}' alone, or USE {name}"
        ),
    )
}

#[cfg(test)]
mod tests {
    use vitrail_sql::lexer::LexMode;
    use vitrail_sql::normalise::normalise;

    use super::*;

    fn of(sql: &str) -> Result<About, &'static str> {
        let statement = normalise(sql.into(), LexMode::default()).expect(sql);
        let mut binds = Binds::new();
        binds.set("s", Value::Text("main".into()));
        let is_keyspace = |name: &str| ["shop", "main", "a_b"].contains(&name);
        about(&statement, &binds, Some("shop"), is_keyspace).map_err(|refusal| refusal.reason)
    }

    #[test]
    fn conditions_name_the_keyspace() {
        let named = |name: &str| Ok(About::Named(name.to_owned()));
        for (condition, expected) in [
            ("TABLE_SCHEMA = 'main'", named("main")),
            ("t.table_schema = 'shop'", named("shop")),
            ("'main' = t.`TABLE_SCHEMA`", named("main")),
            ("SCHEMA_NAME LIKE 'a\\_b'", named("a_b")),
            ("TABLE_SCHEMA IN ('main')", named("main")),
            ("TABLE_SCHEMA = :s", named("main")),
            ("TABLE_SCHEMA = _utf8mb4 x'00' AND TABLE_NAME = 'main'", named("shop")),
            ("_utf8mb4 x'00' = TABLE_SCHEMA AND TABLE_NAME = 'main'", named("shop")),
            ("TABLE_SCHEMA NOT IN ('mysql', 'sys')", Ok(About::Default)),
            ("TABLE_SCHEMA = 'elsewhere'", Ok(About::Default)),
            ("TABLE_NAME = 'shop'", Ok(About::Default)),
            ("TABLE_SCHEMA IN ('shop', 'main')", Err("several-catalogs")),
            ("TABLE_SCHEMA = 'shop' OR TABLE_SCHEMA = 'main'", Err("several-catalogs")),
            ("CONCAT(TABLE_SCHEMA) = 'main'", Err("several-catalogs")),
            ("TABLE_SCHEMA NOT IN ('main')", Err("several-catalogs")),
        ] {
            assert_eq!(
                of(&format!("SELECT 1 FROM information_schema.TABLES t WHERE {condition}")),
                expected,
                "{condition}"
            );
        }
    }
}
