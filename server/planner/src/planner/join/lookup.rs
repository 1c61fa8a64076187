//! Conditions that compare with an aggregate of a subquery which equalities tie to the row: `a.x >= (SELECT AVG(b.y) FROM b WHERE b.k = a.k)`.
//!
//! All rows with one value of `k` have the same aggregate. So the subquery is a side of its own, which gives the aggregate of each group of `k`,
//! and is asked for those that the rows before have. Where there is no group the aggregate is NULL, and no comparison with NULL is true:
//! such rows go, as those that nothing matches. COUNT, which is 0 there, is none of them.

use std::ops::Range;

use sqlparser::ast::{BinaryOperator, Expr, Function, TableFactor};

use super::folded::{Place, Whose, aggregate, plain, whose};
use super::pieces::{Piece, Pieces, split};
use super::{Building, refuse};
use crate::plan::{Comparator, Condition, Equality, JoinKey, Operand, Part, Slot, Step};
use crate::planner::call_text::arguments;
use crate::planner::calls::contains_query;
use crate::planner::columns::{class, reads_year};
use crate::planner::numbers;
use crate::planner::walk::{Scope, Walk};
use crate::refusal::Refusal;
use crate::schema::ColumnClass;

/// The column by which a division is as exact as MySQL's.
const INCREMENT: &str = "@@div_precision_increment";

/// A column that is NULL where averages are compared with more digits than they show: MySQL keeps those of the division, MariaDB rounds.
const ROUNDS: &str = "NULLIF(VERSION() LIKE '%MariaDB%', 0)";

/// A condition with its subquery taken apart.
pub(super) struct Lookup<'s, 'a> {
    comparator: Comparator,
    /// What is compared with the aggregate.
    operand: &'s Expr,
    /// The aggregate stands on the left.
    turned: bool,
    aggregate: &'s Function,
    argument: &'s Expr,
    /// What FROM lists.
    table: Range<usize>,
    /// The subquery's own block.
    scope: Scope<'a>,
    /// Equalities: what the row has, and what the subquery's table has.
    ties: Vec<(&'s Expr, &'s Expr)>,
    /// Conditions on the subquery's table alone.
    own: Vec<Range<usize>>,
}

/// A side that gives aggregates, ready to be planned.
pub(super) struct LookupSide {
    pub(super) text: Vec<Part>,
    pub(super) own: Vec<Range<usize>>,
    pub(super) group_by: String,
    pub(super) step: Step,
}

/// Takes such conditions out of the others.
pub(super) fn take<'s, 'a>(
    walk: &mut Walk<'a>,
    pieces: &mut Pieces<'s>,
    scope: &Scope<'a>,
) -> Result<Vec<Lookup<'s, 'a>>, Refusal> {
    let mut lookups = Vec::new();
    let mut others = Vec::with_capacity(pieces.conditions.len());
    for piece in pieces.conditions.drain(..) {
        match Lookup::of(walk, &piece, scope)? {
            Some(lookup) => lookups.push(lookup),
            None => others.push(piece),
        }
    }
    pieces.conditions = others;
    Ok(lookups)
}

impl<'s, 'a> Lookup<'s, 'a> {
    fn of(walk: &mut Walk<'a>, piece: &Piece<'s>, outer: &Scope<'a>) -> Result<Option<Lookup<'s, 'a>>, Refusal> {
        let Expr::BinaryOp { left, op, right } = piece.expr else { return Ok(None) };
        let Some(comparator) = numbers::comparator(op) else { return Ok(None) };
        let (operand, query, turned) = match (&**left, &**right) {
            (operand, Expr::Subquery(query)) if !contains_query(operand) => (operand, &**query, false),
            (Expr::Subquery(query), operand) if !contains_query(operand) => (operand, &**query, true),
            _ => return Ok(None),
        };
        let text = walk.text;
        let Some(select) = plain(query) else { return Ok(None) };
        let Some((aggregate, argument)) = aggregate(select) else { return Ok(None) };
        let [tables] = select.from.as_slice() else { return Ok(None) };
        let TableFactor::Table { name, alias, args: None, .. } = &tables.relation else { return Ok(None) };
        let Some(place) = Place::of(text, piece, turned) else { return Ok(None) };
        let mut scope = Scope::default();
        walk.base_table(name, alias.as_ref().map(|alias| &alias.name), &mut scope)?;
        let mut conditions = Vec::new();
        if let (Some(expr), Some(tokens)) = (&select.selection, place.condition)
            && split(text, tokens, expr, &mut conditions).is_none()
        {
            return Ok(None);
        }
        let (mut ties, mut own) = (Vec::new(), Vec::new());
        for condition in conditions {
            match (whose(condition.expr, &scope, outer), condition.expr) {
                (Some(Whose::Own), expr) if !contains_query(expr) => own.push(condition.bytes),
                (Some(Whose::Both), Expr::BinaryOp { left, op: BinaryOperator::Eq, right }) => {
                    match (whose(left, &scope, outer), whose(right, &scope, outer)) {
                        (Some(Whose::Outer), Some(Whose::Own)) => ties.push((&**left, &**right)),
                        (Some(Whose::Own), Some(Whose::Outer)) => ties.push((&**right, &**left)),
                        _ => return Ok(None),
                    }
                }
                _ => return Ok(None),
            }
        }
        if ties.is_empty() || whose(argument, &scope, outer) != Some(Whose::Own) {
            return Ok(None);
        }
        let table = place.table;
        Ok(Some(Lookup { comparator, operand, turned, aggregate, argument, table, scope, ties, own }))
    }
}

impl Lookup<'_, '_> {
    fn compare(&self, operand: Operand, aggregate: Operand) -> Condition {
        let (left, right) = if self.turned { (aggregate, operand) } else { (operand, aggregate) };
        Condition::Compare(self.comparator, left, right)
    }
}

impl<'a> Building<'_, '_, 'a> {
    /// Plans a lookup as the side `number`, behind all whose rows it looks up for.
    pub(super) fn lookup(&mut self, lookup: Lookup<'_, 'a>, number: usize) -> Result<LookupSide, Refusal> {
        let unread = || refuse("a subquery whose text cannot be read by itself");
        if self.locks {
            return Err(refuse("FOR UPDATE beside an aggregate of a subquery"));
        }
        let mut keys = Vec::with_capacity(lookup.ties.len());
        let mut groups = Vec::with_capacity(lookup.ties.len());
        for (outer, own) in &lookup.ties {
            let equality = match (self.class(outer), self.class_in(own, &lookup.scope)) {
                (Some(ColumnClass::Integer), Some(ColumnClass::Integer))
                | (Some(ColumnClass::Decimal), Some(ColumnClass::Decimal)) => Equality::Number,
                (Some(ColumnClass::Binary), Some(ColumnClass::Binary))
                | (Some(ColumnClass::Temporal), Some(ColumnClass::Temporal)) => Equality::Bytes,
                _ => return Err(refuse("a subquery that is tied by texts, or by values of two types")),
            };
            let outer_text = self.text_of(outer).ok_or_else(unread)?;
            let own_text = self.text_of(own).ok_or_else(unread)?;
            let value = self.column_of(outer, outer_text)?;
            let right = self.own_column(number, own_text.clone());
            keys.push(JoinKey { value, left: value, right, equality });
            self.asked[number].push(own_text.clone());
            groups.push(own_text);
        }
        let matches = self.comparison(&lookup, number)?;
        let columns = self.columns[number].join(", ");
        let text = vec![Part::Text(format!("SELECT {columns} FROM ").into()), self.slice(&lookup.table)];
        let step = Step { columns: self.columns[number].len(), keys, matches: Some(matches), ..Step::default() };
        Ok(LookupSide { text, own: lookup.own, group_by: groups.join(", "), step })
    }

    /// What the gate evaluates of a row and the aggregate of its group.
    fn comparison(&mut self, lookup: &Lookup<'_, 'a>, number: usize) -> Result<Condition, Refusal> {
        let unproved = || refuse("an aggregate of a subquery that is not proved to be an integer or a decimal");
        let of = self.class_in(lookup.argument, &lookup.scope);
        let exact = of.filter(|of| matches!(of, ColumnClass::Integer | ColumnClass::Decimal)).ok_or_else(unproved)?;
        let [argument] = &arguments(self.walk.text, lookup.aggregate).ok_or_else(unproved)?[..] else {
            return Err(unproved());
        };
        let argument = self.written(argument.clone()).ok_or_else(unproved)?;
        let name = lookup.aggregate.name.to_string().to_ascii_uppercase();
        let extreme = matches!(&*name, "MIN" | "MAX");
        if extreme && reads_year(lookup.argument, &lookup.scope) {
            return Err(unproved());
        }
        let class = if extreme { exact } else { ColumnClass::Decimal };
        if lookup.comparator == Comparator::Equal && self.class(lookup.operand) != Some(class) {
            return Err(refuse("equality of an integer and a decimal"));
        }
        let operand = self.number(lookup.operand)?;
        let mut column = |call: &str| Operand::Column(self.own_column(number, format!("{call}({argument})")));
        let shown = lookup.compare(operand.clone(), column(&name));
        if name != "AVG" {
            return Ok(shown);
        }
        let (dividend, divisor) = (Box::new(column("SUM")), Box::new(column("COUNT")));
        let increment = self.own_column(self.driver, INCREMENT.to_owned());
        let rounds = Condition::IsNull(Operand::Column(self.own_column(self.driver, ROUNDS.to_owned())));
        let divided = lookup.compare(operand, Operand::Divide { dividend, divisor, increment });
        let either = |keeps, condition| Box::new(Condition::And(Box::new(keeps), Box::new(condition)));
        Ok(Condition::Or(either(rounds.clone(), divided), either(Condition::Not(Box::new(rounds)), shown)))
    }

    fn class_in(&self, expr: &Expr, scope: &Scope<'_>) -> Option<ColumnClass> {
        class(expr, scope).or_else(|| numbers::number(self.walk, expr, scope))
    }

    /// A column that a side gives, by its text alone.
    fn own_column(&mut self, side: usize, text: String) -> usize {
        let columns = &mut self.columns[side];
        let column = columns.iter().position(|known| *known == text).unwrap_or_else(|| {
            columns.push(text);
            columns.len() - 1
        });
        let slot = Slot { side, column };
        self.slots.iter().position(|known| *known == slot).unwrap_or_else(|| {
            self.slots.push(slot);
            self.slots.len() - 1
        })
    }
}
