//! Tables that stand in parentheses alone, as MySQL has them and sqlparser has not.

use std::ops::ControlFlow;

use sqlparser::ast::{Statement, TableFactor, TableWithJoins, VisitMut, VisitorMut};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Token as Node, TokenWithSpan, Word};

/// `JOIN (t AS x) ON` to `JOIN t AS x ON`, and `JOIN ((SELECT …) AS x) ON` likewise: sqlparser wants a join in parentheses. Says where the names of such
/// tables begin, or the aliases of such queries, for [`nested`].
pub(crate) fn bare_tables(tokens: &mut Vec<TokenWithSpan>) -> Vec<Location> {
    let mut bare = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if is_join(&tokens[at])
            && let Some((name, end)) = lone_table(&tokens[at + 1..]).or_else(|| lone_query(&tokens[at + 1..]))
        {
            bare.push(tokens[at + 1 + name].span.start);
            tokens.remove(at + 1 + end);
            tokens.remove(at + 1);
        }
        at += 1;
    }
    bare
}

/// Puts the tables that begin there into parentheses again, as joins of nothing: who cuts the text between tables has to know of them.
pub(crate) fn nested(statement: &mut Statement, bare: &[Location]) {
    if bare.is_empty() {
        return;
    }
    // It never breaks off.
    let _ = statement.visit(&mut Nesting { bare });
}

struct Nesting<'b> {
    bare: &'b [Location],
}

impl VisitorMut for Nesting<'_> {
    type Break = ();

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let name = match &*factor {
            TableFactor::Table { name, .. } => name.0.first().and_then(|part| part.as_ident()),
            TableFactor::Derived { alias: Some(alias), .. } => Some(&alias.name),
            _ => None,
        };
        let start = name.map(|name| name.span.start);
        if start.is_some_and(|start| self.bare.contains(&start)) {
            let relation = factor.clone();
            let table_with_joins = Box::new(TableWithJoins { relation, joins: Vec::new() });
            *factor = TableFactor::NestedJoin { table_with_joins, alias: None };
        }
        ControlFlow::Continue(())
    }
}

fn is_join(token: &TokenWithSpan) -> bool {
    matches!(&token.token, Node::Word(word) if word.quote_style.is_none() && matches!(word.keyword, Keyword::JOIN | Keyword::STRAIGHT_JOIN))
}

/// The name of the table, and where the parenthesis closes that opens at the beginning and holds this name, and perhaps an alias, alone.
fn lone_table(tokens: &[TokenWithSpan]) -> Option<(usize, usize)> {
    if !is(tokens, 0, &Node::LParen) || word(tokens, 1).is_none() || begins_query(tokens, 1) {
        return None;
    }
    let mut at = 2;
    if is(tokens, at, &Node::Period) && word(tokens, at + 1).is_some() {
        at += 2;
    }
    if word(tokens, at).is_some_and(|word| word.keyword == Keyword::AS) {
        at += 1;
    }
    let hint = |at: usize| {
        let begins = |word: &Word| matches!(word.keyword, Keyword::USE | Keyword::IGNORE | Keyword::FORCE);
        word(tokens, at).is_some_and(begins) && word(tokens, at + 1).is_some()
    };
    if word(tokens, at).is_some() && !hint(at) {
        at += 1;
    }
    // Hints end with names in parentheses.
    while hint(at) {
        at += tokens.get(at..)?.iter().position(|token| token.token == Node::RParen)? + 1;
    }
    is(tokens, at, &Node::RParen).then_some((1, at))
}

/// The alias of the query, and where the parenthesis closes that opens at the beginning and holds a query in parentheses with its alias alone.
fn lone_query(tokens: &[TokenWithSpan]) -> Option<(usize, usize)> {
    let inner = 1 + usize::from(word(tokens, 1).is_some_and(|word| word.keyword == Keyword::LATERAL));
    if !is(tokens, 0, &Node::LParen) || !is(tokens, inner, &Node::LParen) || !begins_query(tokens, inner + 1) {
        return None;
    }
    let mut alias = behind(tokens, inner)?;
    if word(tokens, alias).is_some_and(|word| word.keyword == Keyword::AS) {
        alias += 1;
    }
    word(tokens, alias)?;
    // It may name the columns.
    let end = if is(tokens, alias + 1, &Node::LParen) { behind(tokens, alias + 1)? } else { alias + 1 };
    is(tokens, end, &Node::RParen).then_some((alias, end))
}

/// Behind the parenthesis that closes the one at `open`.
fn behind(tokens: &[TokenWithSpan], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.token {
            Node::LParen => depth += 1,
            Node::RParen => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}

fn word(tokens: &[TokenWithSpan], at: usize) -> Option<&Word> {
    match tokens.get(at).map(|token| &token.token) {
        Some(Node::Word(word)) => Some(word),
        _ => None,
    }
}

fn is(tokens: &[TokenWithSpan], at: usize, node: &Node) -> bool {
    tokens.get(at).is_some_and(|token| token.token == *node)
}

fn begins_query(tokens: &[TokenWithSpan], at: usize) -> bool {
    word(tokens, at).is_some_and(|word| {
        let query = matches!(word.keyword, Keyword::SELECT | Keyword::WITH | Keyword::VALUES | Keyword::TABLE);
        word.quote_style.is_none() && query
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::parsed;

    #[test]
    fn tables_in_parentheses_are_tables() {
        for inside in [
            "t",
            "t AS x",
            "t x",
            "k.t",
            "k.t AS x",
            "`select` x",
            "t AS x USE INDEX (a)",
            "t IGNORE INDEX FOR JOIN (a, b)",
            "(SELECT 1) AS x",
            "(SELECT a FROM (SELECT 2 AS a) AS y WHERE a = (1 + 2)) x",
            "(SELECT 1, 2) AS x (a, b)",
            "LATERAL (SELECT 1) AS x",
        ] {
            for join in ["JOIN", "LEFT JOIN", "STRAIGHT_JOIN"] {
                let sql =
                    format!("SELECT 1 FROM a {join} ({inside}) ON true WHERE a IN (SELECT b FROM c JOIN (d) ON true)");
                assert_eq!(parsed(&sql), sql);
            }
        }
        for nested in [
            "SELECT 1 FROM a JOIN (b JOIN c ON true) ON true",
            "SELECT 1 FROM a JOIN ((SELECT 1) AS b JOIN c ON true) ON true",
            "SELECT 1 FROM a JOIN (SELECT 1) AS b ON true",
        ] {
            assert_eq!(parsed(nested), nested);
        }
    }
}
