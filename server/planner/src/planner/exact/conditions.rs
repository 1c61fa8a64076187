//! Conditions that leave fewer rows of a table, whatever else the statement does with them.
//!
//! A part of WHERE, or of ON, takes rows away that it is not true for. It is asked of the shards already where it names one table, and is
//! of a form that MySQL evaluates without a warning: what it would warn of, it is to warn of in the statement itself, for all rows.

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator};
use vitrail_proto::value::Value;

use super::blocks::{Block, Found, column};
use super::references::Equality;
use super::survey::Survey;
use crate::plan::{Part, Source, quote};
use crate::planner::order::space_weight;
use crate::planner::text::Given;
use crate::schema::{ColumnClass, ColumnSchema, Domain};

/// Notes what a part of a condition means for the tables of the first block that it restricts.
pub(super) fn note(survey: &mut Survey<'_>, part: &Expr, blocks: &[Block], restricts: &[usize]) {
    if let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = part
        && let (Some(a), Some(b)) =
            (column(left, blocks, &survey.references), column(right, blocks, &survey.references))
    {
        if a.reference != b.reference && comparable(a.column, b.column) {
            equal(survey, &a, &b, restricts);
            equal(survey, &b, &a, restricts);
        }
        return;
    }
    let mut writer = Writer { survey, blocks, of: None, parts: Vec::new() };
    if writer.condition(part).is_none() {
        return;
    }
    let Writer { of: Some(of), parts, .. } = writer else { return };
    if of.depth == 0 && restricts.contains(&of.item) {
        survey.references[of.reference].conditions.push(parts);
    }
}

/// `outer IN (SELECT inner …)`: each is needed only with values of the other. `whole`: all rows of the subquery's table are looked at one by one.
pub(super) fn member(
    survey: &mut Survey<'_>,
    outer: &Found<'_>,
    inner: (usize, &str),
    restricts: &[usize],
    whole: bool,
) {
    let column = survey.references[inner.0].schema.column(inner.1);
    if !column.is_some_and(|column| comparable(outer.column, column)) || outer.reference == inner.0 {
        return;
    }
    if outer.depth == 0 && restricts.contains(&outer.item) {
        let equality = Equality { column: outer.column.name.clone(), source: inner.0, of_source: inner.1.to_owned() };
        survey.references[outer.reference].equalities.push(equality);
    }
    if whole {
        let equality =
            Equality { column: inner.1.to_owned(), source: outer.reference, of_source: outer.column.name.clone() };
        survey.references[inner.0].equalities.push(equality);
    }
}

fn equal(survey: &mut Survey<'_>, own: &Found<'_>, source: &Found<'_>, restricts: &[usize]) {
    if own.depth > 0 || !restricts.contains(&own.item) {
        return;
    }
    let equality =
        Equality { column: own.column.name.clone(), source: source.reference, of_source: source.column.name.clone() };
    survey.references[own.reference].equalities.push(equality);
}

/// Whether MySQL compares two columns as it compares one of them with values of the other.
fn comparable(a: &ColumnSchema, b: &ColumnSchema) -> bool {
    use ColumnClass::{Binary, Decimal, Integer, Temporal, Text};
    let year = |column: &ColumnSchema| column.domain == Domain::Years;
    match (&a.class, &b.class) {
        (Integer, Integer) => year(a) == year(b),
        (Decimal, Decimal) | (Binary, Binary) => true,
        (Temporal, Temporal) => a.domain == b.domain,
        (Text(a), Text(b)) => a == b && space_weight(a).is_some(),
        _ => false,
    }
}

/// Writes a condition for one table.
struct Writer<'w, 'a, 'b> {
    survey: &'w Survey<'a>,
    blocks: &'b [Block],
    /// The table, once a column of it was written.
    of: Option<Found<'a>>,
    parts: Vec<Part>,
}

impl<'a> Writer<'_, 'a, '_> {
    fn condition(&mut self, expr: &Expr) -> Option<()> {
        use BinaryOperator::{And, Eq, Gt, GtEq, Lt, LtEq, NotEq, Or, Spaceship};
        match expr {
            Expr::Nested(inner) => self.nested(inner),
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => {
                self.push("NOT ");
                self.nested(expr)
            }
            Expr::BinaryOp { left, op: op @ (And | Or), right } => {
                self.nested(left)?;
                self.push(if *op == And { " AND " } else { " OR " });
                self.nested(right)
            }
            Expr::BinaryOp { left, op, right } => {
                let (forth, back) = match op {
                    Eq => (" = ", " = "),
                    NotEq => (" <> ", " <> "),
                    Spaceship => (" <=> ", " <=> "),
                    Lt => (" < ", " > "),
                    LtEq => (" <= ", " >= "),
                    Gt => (" > ", " < "),
                    GtEq => (" >= ", " <= "),
                    _ => return None,
                };
                if let Some(column) = self.column(left) {
                    self.push(forth);
                    return self.value(right, column);
                }
                let column = self.column(right)?;
                self.push(back);
                self.value(left, column)
            }
            Expr::Between { expr, negated, low, high } => {
                let column = self.column(expr)?;
                self.push(if *negated { " NOT BETWEEN " } else { " BETWEEN " });
                self.value(low, column)?;
                self.push(" AND ");
                self.value(high, column)
            }
            Expr::InList { expr, list, negated } => {
                let column = self.column(expr)?;
                self.push(if *negated { " NOT IN " } else { " IN " });
                let (source, given) = self.survey.text.list(list)?;
                if !given.iter().all(|given| fits(column, *given)) {
                    return None;
                }
                match &source {
                    Source::Bind(name) => self.push(&format!("::{name}")),
                    source => {
                        self.push("(");
                        self.source(source)?;
                        self.push(")");
                    }
                }
                Some(())
            }
            Expr::IsNull(expr) => {
                self.column(expr)?;
                self.push(" IS NULL");
                Some(())
            }
            Expr::IsNotNull(expr) => {
                self.column(expr)?;
                self.push(" IS NOT NULL");
                Some(())
            }
            Expr::Like { negated, any: false, expr, pattern, escape_char: None } => {
                let column = self.column(expr)?;
                if !matches!(column.class, ColumnClass::Text(_)) {
                    return None;
                }
                self.push(if *negated { " NOT LIKE " } else { " LIKE " });
                self.value(pattern, column)
            }
            _ => None,
        }
    }

    fn nested(&mut self, expr: &Expr) -> Option<()> {
        self.push("(");
        self.condition(expr)?;
        self.push(")");
        Some(())
    }

    fn push(&mut self, text: &str) {
        self.parts.push(Part::Text(text.into()));
    }

    /// Writes a column. All have to be of one table.
    fn column(&mut self, expr: &Expr) -> Option<&'a ColumnSchema> {
        let found = column(expr, self.blocks, &self.survey.references)?;
        if self.of.is_some_and(|of| of.reference != found.reference) {
            return None;
        }
        self.of = Some(found);
        self.push(&quote(&found.column.name));
        Some(found.column)
    }

    /// Writes a value that is compared with a column.
    fn value(&mut self, expr: &Expr, column: &ColumnSchema) -> Option<()> {
        let (source, given) = self.survey.text.value(expr)?;
        if !fits(column, given) {
            return None;
        }
        self.source(&source)
    }

    fn source(&mut self, source: &Source) -> Option<()> {
        match source {
            Source::Literal { index, negated } => {
                let span = self.survey.text.statement.literals[*index].span.clone();
                if *negated {
                    self.push("-");
                }
                let anchor = |byte| self.survey.text.anchor(byte);
                self.parts.push(Part::Slice(anchor(span.start), anchor(span.end)));
            }
            // Values of the session have names that no text can have.
            Source::Bind(name) if name.starts_with('@') || name.contains('(') => return None,
            Source::Bind(name) => self.push(&format!(":{name}")),
            Source::Constant(Value::Null) => self.push("NULL"),
            Source::Constant(Value::Int(value)) => self.push(&value.to_string()),
            Source::Constant(Value::UInt(value)) => self.push(&value.to_string()),
            Source::Constant(Value::Decimal(value)) => self.push(value),
            Source::Constant(_) => return None,
            Source::Several(sources) => {
                for (number, source) in sources.iter().enumerate() {
                    if number > 0 {
                        self.push(", ");
                    }
                    self.source(source)?;
                }
            }
        }
        Some(())
    }
}

/// Whether a column is compared with a value of this kind without a warning.
fn fits(column: &ColumnSchema, given: Given) -> bool {
    match column.class {
        _ if matches!(given, Given::Bind | Given::Null) => column.class != ColumnClass::Other,
        ColumnClass::Integer | ColumnClass::Decimal | ColumnClass::Double | ColumnClass::Float => {
            matches!(given, Given::Integer | Given::Fraction)
        }
        ColumnClass::Temporal | ColumnClass::Timestamp | ColumnClass::Label | ColumnClass::Text(_) => {
            given == Given::Text
        }
        ColumnClass::Binary => matches!(given, Given::Text | Given::Bytes),
        ColumnClass::Other | ColumnClass::Unknown => false,
    }
}
