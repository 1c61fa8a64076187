//! What MySQL takes and sqlparser does not, in a spelling that means the same to a plan. Only tokens change; the text that reaches MySQL stays.

use std::ops::ControlFlow;

use sqlparser::ast::{Statement, TableFactor, TableWithJoins, VisitMut, VisitorMut};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Token as Node, TokenWithSpan, Word};

/// Units of an interval that name two, to the one that decides its type: what has a time makes a date a date with a time, what has
/// microseconds gives it digits behind the point.
const UNITS: [(&str, &str); 11] = [
    ("YEAR_MONTH", "MONTH"),
    ("DAY_HOUR", "HOUR"),
    ("DAY_MINUTE", "MINUTE"),
    ("DAY_SECOND", "SECOND"),
    ("HOUR_MINUTE", "MINUTE"),
    ("HOUR_SECOND", "SECOND"),
    ("MINUTE_SECOND", "SECOND"),
    ("DAY_MICROSECOND", "MICROSECOND"),
    ("HOUR_MICROSECOND", "MICROSECOND"),
    ("MINUTE_MICROSECOND", "MICROSECOND"),
    ("SECOND_MICROSECOND", "MICROSECOND"),
];

/// The compound units of intervals, all of them reserved words.
pub(crate) fn plain_units(tokens: &mut [TokenWithSpan]) {
    for token in tokens {
        let Node::Word(word) = &token.token else { continue };
        if word.quote_style.is_some() || !word.value.contains('_') {
            continue;
        }
        if let Some((_, unit)) = UNITS.iter().find(|(name, _)| word.value.eq_ignore_ascii_case(name)) {
            token.token = Node::make_keyword(unit);
        }
    }
}

/// `JOIN (t AS x) ON` to `JOIN t AS x ON`: sqlparser wants a join in parentheses. Says where such tables begin, for [`nested`].
pub(crate) fn bare_tables(tokens: &mut Vec<TokenWithSpan>) -> Vec<Location> {
    let mut bare = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if is_join(&tokens[at])
            && let Some(end) = lone_table(&tokens[at + 1..])
        {
            tokens.remove(at + 1 + end);
            tokens.remove(at + 1);
            bare.extend(tokens.get(at + 1).map(|token| token.span.start));
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
        let TableFactor::Table { name, .. } = &*factor else { return ControlFlow::Continue(()) };
        let start = name.0.first().and_then(|part| part.as_ident()).map(|name| name.span.start);
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

/// Where the parenthesis closes that opens at the beginning and holds a table's name, and perhaps an alias, alone.
fn lone_table(tokens: &[TokenWithSpan]) -> Option<usize> {
    let word = |at: usize| match tokens.get(at).map(|token| &token.token) {
        Some(Node::Word(word)) => Some(word),
        _ => None,
    };
    let is = |at: usize, node: &Node| tokens.get(at).is_some_and(|token| token.token == *node);
    let begins_query = |at: usize| {
        word(at).is_some_and(|word| {
            let query = matches!(word.keyword, Keyword::SELECT | Keyword::WITH | Keyword::VALUES | Keyword::TABLE);
            word.quote_style.is_none() && query
        })
    };
    if !is(0, &Node::LParen) || word(1).is_none() || begins_query(1) {
        return None;
    }
    let mut at = 2;
    if is(at, &Node::Period) && word(at + 1).is_some() {
        at += 2;
    }
    if word(at).is_some_and(|word| word.keyword == Keyword::AS) {
        at += 1;
    }
    let hint = |at: usize| {
        let begins = |word: &Word| matches!(word.keyword, Keyword::USE | Keyword::IGNORE | Keyword::FORCE);
        word(at).is_some_and(begins) && word(at + 1).is_some()
    };
    if word(at).is_some() && !hint(at) {
        at += 1;
    }
    // Hints end with names in parentheses.
    while hint(at) {
        at += tokens.get(at..)?.iter().position(|token| token.token == Node::RParen)? + 1;
    }
    is(at, &Node::RParen).then_some(at)
}

#[cfg(test)]
mod tests {
    use crate::lexer::LexMode;
    use crate::normalise::normalise;
    use crate::parse::parse;

    fn parsed(sql: &str) -> String {
        let statement = normalise(sql.into(), LexMode::default()).expect("it is normalised");
        parse(&statement).unwrap_or_else(|error| panic!("{sql}: {error}")).statement.to_string()
    }

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
        ] {
            for join in ["JOIN", "LEFT JOIN", "STRAIGHT_JOIN"] {
                let sql =
                    format!("SELECT 1 FROM a {join} ({inside}) ON true WHERE a IN (SELECT b FROM c JOIN (d) ON true)");
                assert_eq!(parsed(&sql), sql);
            }
        }
        let nested = "SELECT 1 FROM a JOIN (b JOIN c ON true) ON true";
        assert_eq!(parsed(nested), nested);
    }

    #[test]
    fn intervals_have_compound_units() {
        for (name, unit) in super::UNITS {
            let sql = |unit: &str| format!("SELECT d + INTERVAL '1' {unit} FROM t");
            assert_eq!(parsed(&sql(name)), parsed(&sql(unit)), "{name}");
        }
    }
}
