//! Expressions of any sort: columns, literals, and what chooses between values.

use super::Grammar;
use crate::data;
use crate::schema::Type;
use crate::scope::{Scope, Value};
use crate::tree;
use crate::tree::{Sort, Tree};

/// Sorts of expressions, numbers most often.
const SORTS: [Sort; 14] = [
    Sort::Int,
    Sort::Int,
    Sort::Int,
    Sort::Int,
    Sort::Decimal,
    Sort::Decimal,
    Sort::Text,
    Sort::Text,
    Sort::Text,
    Sort::Date,
    Sort::Moment,
    Sort::Time,
    Sort::Real,
    Sort::Bytes,
];

impl Grammar<'_> {
    /// An expression of any sort.
    pub(super) fn any(&mut self, scope: &Scope<'_>, depth: usize) -> Value {
        if self.random.chance(45)
            && let Some(value) = self.column(scope, |_| true)
        {
            return value;
        }
        let sort = *self.random.pick(&SORTS);
        self.value(scope, sort, depth)
    }

    /// An expression that may stand for a group.
    pub(super) fn sharp(&mut self, scope: &Scope<'_>, depth: usize) -> Value {
        for _ in 0..8 {
            let value = self.any(scope, depth);
            if value.sharp {
                return value;
            }
        }
        self.int(scope, 1)
    }

    /// An expression of a sort.
    pub(super) fn value(&mut self, scope: &Scope<'_>, sort: Sort, depth: usize) -> Value {
        match sort {
            Sort::Int => self.int(scope, depth),
            Sort::Decimal => self.decimal(scope, depth),
            Sort::Real => self.real(scope, depth),
            Sort::Text => self.text(scope, depth),
            Sort::Bytes => self.bytes(scope, depth),
            Sort::Date => self.date(scope, depth),
            Sort::Moment => self.moment(scope, depth),
            Sort::Time => self.time(scope, depth),
            Sort::Json => self.json(scope),
            Sort::Condition | Sort::Query(_) | Sort::Source => {
                let condition = self.condition(scope, depth);
                Value::new(Sort::Int, tree!["(", condition, ")"])
            }
        }
    }

    /// A column that is as `fits` says, of the query itself or, now and then, of one around it.
    pub(super) fn column(&mut self, scope: &Scope<'_>, fits: impl Fn(&Value) -> bool) -> Option<Value> {
        let own: Vec<&Value> = scope.own().filter(|value| fits(value)).collect();
        let around: Vec<&Value> = scope.around().into_iter().filter(|value| fits(value)).collect();
        let outside = !around.is_empty() && (own.is_empty() || self.random.chance(25));
        let all = if outside { around } else { own };
        (!all.is_empty()).then(|| (*self.random.pick(&all)).clone())
    }

    /// A column that can be computed with.
    pub(super) fn tame(&mut self, scope: &Scope<'_>, sort: Sort) -> Option<Value> {
        self.column(scope, |value| value.sort == sort && value.tame)
    }

    /// A literal of a sort.
    pub(super) fn literal(&mut self, sort: Sort) -> Value {
        let random = &mut self.random;
        let text = match sort {
            Sort::Int => random.between(-3, 12).to_string(),
            Sort::Decimal => data::literal(random, &Type::Decimal(2)),
            Sort::Real => format!("{}e0", random.between(-40, 40) as f64 / 8.0),
            Sort::Text => format!("'{}'", data::text(random, true)),
            Sort::Bytes => data::literal(random, &Type::Bytes("VARBINARY(12)")),
            Sort::Date => format!("DATE'{}'", data::date(random)),
            Sort::Moment => format!("TIMESTAMP'{} {}'", data::date(random), data::time(random, 0)),
            Sort::Time => format!("TIME'{}'", data::time(random, 0)),
            Sort::Json => "JSON_OBJECT('a', 1)".into(),
            Sort::Condition | Sort::Query(_) | Sort::Source => "TRUE".into(),
        };
        // A literal is as sharp as what it is compared by; alone it is one value.
        Value::new(sort, Tree::from(text))
    }

    /// One value out of several of a sort, by a condition or by being NULL.
    pub(super) fn choice(&mut self, scope: &Scope<'_>, sort: Sort, depth: usize) -> Value {
        let first = self.like(scope, sort, None, depth - 1);
        let second = self.like(scope, sort, first.collation, depth - 1);
        let (collation, sharp) = (first.collation.or(second.collation), first.sharp && second.sharp);
        let tree = match self.random.below(6) {
            0 => {
                let condition = self.condition(scope, depth - 1);
                tree!["CASE WHEN ", condition, " THEN ", first.tree, " ELSE ", second.tree, " END"]
            }
            1 => {
                let condition = self.condition(scope, depth - 1);
                tree!["IF(", condition, ", ", first.tree, ", ", second.tree, ")"]
            }
            2 => tree!["COALESCE(", first.tree, ", ", second.tree, ")"],
            3 => tree!["IFNULL(", first.tree, ", ", second.tree, ")"],
            4 => tree!["NULLIF(", first.tree, ", ", second.tree, ")"],
            _ => {
                let condition = self.condition(scope, depth - 1);
                tree!["CASE WHEN ", condition, " THEN ", first.tree, " END"]
            }
        };
        let mut value = Value::new(sort, tree);
        (value.collation, value.sharp) = (collation, sharp && sort != Sort::Json);
        value
    }

    /// An expression of a sort that goes together with a text of `collation`.
    pub(super) fn like(
        &mut self,
        scope: &Scope<'_>,
        sort: Sort,
        collation: Option<&'static str>,
        depth: usize,
    ) -> Value {
        let value = match sort {
            Sort::Int => {
                let value = self.int(scope, depth);
                return self.signed(value);
            }
            _ => self.value(scope, sort, depth),
        };
        match (collation, value.collation) {
            (Some(wanted), Some(has)) if wanted != has => match self
                .column(scope, |value| value.sort == Sort::Text && value.tame && value.collation == Some(wanted))
            {
                Some(column) => column,
                None => self.literal(sort),
            },
            _ => value,
        }
    }

    /// JSON: a column, or a literal.
    pub(super) fn json(&mut self, scope: &Scope<'_>) -> Value {
        match self.tame(scope, Sort::Json) {
            Some(value) => value,
            None => self.literal(Sort::Json),
        }
    }
}
