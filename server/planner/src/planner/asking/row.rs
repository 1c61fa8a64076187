//! Columns of the row itself that an expression of an INSERT names: MySQL gives those that stand before it as they are stored, and others as their
//! defaults are.
//!
//! Only where a value's form cannot count is it written in place of its column: integers in arithmetic, texts where they are put together or cut.

use std::ops::Range;

use sqlparser::ast::{BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident};

use super::super::calls::finds;
use super::super::names::is_default;
use super::super::text::Text;
use super::names_column;
use crate::plan::{Earlier, Source};
use crate::schema::{ColumnClass, ColumnSchema, Domain, TableSchema};

/// The row that an expression is a value of.
pub(in super::super) struct Row<'r> {
    /// The table, as columns name it.
    pub(in super::super) table: &'r str,
    pub(in super::super) schema: Option<&'r TableSchema>,
    /// The columns that are given, in order.
    pub(in super::super) columns: &'r [String],
    /// Their values.
    pub(in super::super) values: Vec<&'r Expr>,
    /// The statement names its columns. Else MySQL may not put defaults in before it computes the values.
    pub(in super::super) named: bool,
    /// The column that a sequence fills.
    pub(in super::super) filled: Option<&'r str>,
}

/// What is written in place of a column.
pub(super) struct Put {
    /// Where the column stands.
    pub(super) bytes: Range<usize>,
    pub(super) earlier: Earlier,
    /// It is a number.
    pub(super) number: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Text,
    /// Nothing of the row is in it.
    Any,
}

/// Functions of numbers, and of texts, by which a value is the same whatever column it is in.
const OF_NUMBERS: [&str; 13] = [
    "abs", "ceil", "ceiling", "coalesce", "floor", "greatest", "if", "ifnull", "least", "mod", "pow", "power", "round",
];
const OF_TEXTS: [&str; 8] = ["concat", "concat_ws", "left", "mid", "repeat", "right", "substr", "substring"];

impl Row<'_> {
    /// What stands in place of the columns that the value at `at` names; `None`: nobody can tell.
    pub(super) fn puts(&self, text: &Text<'_>, expr: &Expr, at: usize) -> Option<Vec<Put>> {
        let mut puts = Vec::new();
        self.kind(text, expr, at, &mut puts)?;
        Some(puts)
    }

    fn kind(&self, text: &Text<'_>, expr: &Expr, at: usize, puts: &mut Vec<Put>) -> Option<Kind> {
        if !finds(expr, names_column) {
            return Some(Kind::Any);
        }
        match expr {
            Expr::Identifier(name) => self.column(text, std::slice::from_ref(name), at, puts),
            Expr::CompoundIdentifier(parts) => self.column(text, parts, at, puts),
            Expr::Nested(inner) => self.kind(text, inner, at, puts),
            Expr::UnaryOp { expr, .. } => self.kind(text, expr, at, puts).filter(|kind| *kind != Kind::Text),
            Expr::BinaryOp { left, op, right } => {
                use BinaryOperator as O;
                let computes =
                    matches!(op, O::Plus | O::Minus | O::Multiply | O::Divide | O::Modulo | O::MyIntegerDivide);
                let of = [self.kind(text, left, at, puts)?, self.kind(text, right, at, puts)?];
                (computes && !of.contains(&Kind::Text)).then_some(Kind::Number)
            }
            Expr::Function(function) => self.call(text, function, at, puts),
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                let numbers = [substring_from, substring_for];
                let plain = numbers.into_iter().flatten().all(|number| !finds(&**number, names_column));
                self.kind(text, expr, at, puts).filter(|kind| plain && *kind == Kind::Text)
            }
            _ => None,
        }
    }

    fn call(&self, text: &Text<'_>, function: &Function, at: usize, puts: &mut Vec<Put>) -> Option<Kind> {
        let name = function.name.to_string().to_ascii_lowercase();
        let FunctionArguments::List(list) = &function.args else { return None };
        let mut kinds = Vec::with_capacity(list.args.len());
        for argument in &list.args {
            let FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) = argument else { return None };
            kinds.push(self.kind(text, argument, at, puts)?);
        }
        if OF_NUMBERS.contains(&&*name) && !kinds.contains(&Kind::Text) {
            return Some(Kind::Number);
        }
        (OF_TEXTS.contains(&&*name) && !kinds.contains(&Kind::Number)).then_some(Kind::Text)
    }

    fn column(&self, text: &Text<'_>, name: &[Ident], at: usize, puts: &mut Vec<Put>) -> Option<Kind> {
        let column = match name {
            [column] => column,
            [table, column] if table.value.eq_ignore_ascii_case(self.table) => column,
            _ => return None,
        };
        let bytes = text.start(name.first()?)?..text.end(column)?;
        let column = self.schema?.column(&column.value)?;
        let filled = self.filled.is_some_and(|filled| filled.eq_ignore_ascii_case(&column.name));
        if column.generated || column.auto_increment || filled {
            return None;
        }
        let number = match (&column.class, column.domain) {
            (ColumnClass::Integer, Domain::Integers { .. }) => true,
            (ColumnClass::Text(_), _) => false,
            _ => return None,
        };
        let before = self.columns.iter().take(at).position(|name| name.eq_ignore_ascii_case(&column.name));
        let source = match before {
            Some(place) => self.source(text, self.values.get(place)?, column)?,
            None if self.named => Source::Constant(column.default_value()?),
            None => return None,
        };
        puts.push(Put { bytes, earlier: Earlier { source, column: column.clone() }, number });
        Some(if number { Kind::Number } else { Kind::Text })
    }

    fn source(&self, text: &Text<'_>, value: &Expr, column: &ColumnSchema) -> Option<Source> {
        match text.value(value) {
            Some((source, _)) => Some(source),
            None => column.default_value().filter(|_| is_default(value)).map(Source::Constant),
        }
    }
}
