//! The stored routines that a statement calls: what is no function of MySQL's own by its name, and what CALL names.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, visit_expressions};
use vitrail_sql::lexer::TokenKind;
use vitrail_sql::normalise::{Normalised, StatementKind};
use vitrail_sql::parse::parse;

use super::functions::{self, Nature};
use super::names::idents;
use super::text::Text;
use crate::plan::quote;

/// Routines of one database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Routines {
    /// Each as its call begins in text.
    Functions(Vec<String>),
    /// What CALL names: as it is written, and in backticks.
    Procedure(String, String),
}

/// The routines that a statement calls, which may all be of the keyspace `own`; `None`: it calls none, or some of another one.
pub fn routines(statement: &Normalised, own: &str) -> Option<Routines> {
    let text = Text::new(statement);
    if statement.kind == StatementKind::Call {
        let name = |index: usize| {
            let token = text.tokens.get(index)?;
            match token.kind {
                TokenKind::Word => Some(text.str(token).to_owned()),
                TokenKind::QuotedName => {
                    let (quoted, mark) = (text.str(token), text.str(token).get(..1)?);
                    Some(quoted.get(1..quoted.len() - 1)?.replace(&mark.repeat(2), mark))
                }
                _ => None,
            }
        };
        let qualified = text.tokens.get(2).is_some_and(|token| token.kind == TokenKind::Dot);
        let name = match qualified {
            true if name(1)? == own => name(3)?,
            true => return None,
            false => name(1)?,
        };
        return Some(Routines::Procedure(name.clone(), quote(&name)));
    }
    let parsed = parse(statement).ok()?;
    let mut functions = Vec::new();
    let flow = visit_expressions(&*parsed.statement, |expr| {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        let parts = idents(&function.name).unwrap_or_default();
        let name = match &parts[..] {
            [name] if functions::nature(&name.value) != Nature::Unknown => return ControlFlow::Continue(()),
            [name] => *name,
            [qualifier, name] if qualifier.value == own => *name,
            _ => return ControlFlow::Break(()),
        };
        // A word of the grammar is called without quotes only.
        let written =
            if name.quote_style.is_some() || parts.len() > 1 { quote(&name.value) } else { name.value.clone() };
        if !functions.contains(&written) {
            functions.push(written);
        }
        ControlFlow::Continue(())
    });
    (flow.is_continue() && !functions.is_empty()).then_some(Routines::Functions(functions))
}

#[cfg(test)]
mod tests {
    use vitrail_sql::lexer::LexMode;
    use vitrail_sql::normalise::normalise;

    use super::*;

    fn of(text: &str) -> Option<Routines> {
        routines(&normalise(text.into(), LexMode::default()).expect("a statement"), "shop")
    }

    #[test]
    fn calls_of_other_functions_than_mysqls_own_are_told_once() {
        let functions =
            |names: &[&str]| Some(Routines::Functions(names.iter().map(|name| (*name).to_owned()).collect()));
        assert_eq!(of("SELECT f(a), UPPER(b) FROM t WHERE `g``h`(1) > f(2)"), functions(&["f", "`g``h`"]));
        assert_eq!(of("UPDATE t SET a = shop.upper(1)"), functions(&["`upper`"]));
        assert_eq!(of("SELECT other.f(1), g(2)"), None, "another database's");
        assert_eq!(of("SELECT UPPER(a) FROM t"), None);
        assert_eq!(of("SELECT FROM f("), None);
    }

    #[test]
    fn procedures_are_told_by_their_names() {
        let procedure = |name: &str, quoted: &str| Some(Routines::Procedure(name.to_owned(), quoted.to_owned()));
        assert_eq!(of("CALL p()"), procedure("p", "`p`"));
        assert_eq!(of("call `a ``b`(1)"), procedure("a `b", "`a ``b`"));
        assert_eq!(of("CALL shop.p"), procedure("p", "`p`"));
        assert_eq!(of("CALL other.p()"), None);
    }
}
