//! Rows of figures with their bounds.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;
use vitrail_harness::Flavour;

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Table {
    /// Whose server stood behind it.
    pub flavour: String,
    /// The machine, as the load tester describes it.
    pub environment: Value,
    /// In the order of measuring.
    pub rows: Vec<Row>,
}

/// A figure.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Its name, for programs.
    pub id: String,
    /// Its name, for people.
    pub what: String,
    /// What was found.
    pub value: f64,
    /// Of the value, the bound and the aim; empty: a ratio or a number.
    pub unit: String,
    /// What it has to keep; absent: it is there to compare with.
    pub bound: Option<f64>,
    /// What is aimed at; absent where the bound says all.
    pub aim: Option<f64>,
    /// The bound is the least that is allowed; else the most.
    pub at_least: bool,
    /// It keeps its bound.
    pub holds: bool,
}

impl Table {
    /// An empty one.
    pub fn new(flavour: Flavour) -> Table {
        Table { flavour: flavour.to_string(), environment: Value::Null, rows: Vec::new() }
    }

    /// Takes over where a report was made.
    pub fn ran_on(&mut self, report: &Value) {
        self.environment = report["environment"].clone();
    }

    /// Adds a figure that has to be `bound` or less.
    pub fn at_most(&mut self, id: &str, what: &str, value: f64, unit: &str, bound: f64, aim: impl Into<Option<f64>>) {
        self.add(id, what, value, unit, Some((bound, aim.into())), false);
    }

    /// Adds a figure that has to be `bound` or more.
    pub fn at_least(&mut self, id: &str, what: &str, value: f64, unit: &str, bound: f64, aim: impl Into<Option<f64>>) {
        self.add(id, what, value, unit, Some((bound, aim.into())), true);
    }

    /// Adds a figure to compare with.
    pub fn beside(&mut self, id: &str, what: &str, value: f64, unit: &str) {
        self.add(id, what, value, unit, None, false);
    }

    /// Whether every bound is kept.
    pub fn holds(&self) -> bool {
        self.rows.iter().all(|row| row.holds)
    }

    fn add(
        &mut self,
        id: &str,
        what: &str,
        value: f64,
        unit: &str,
        limits: Option<(f64, Option<f64>)>,
        at_least: bool,
    ) {
        let holds = match limits {
            None => true,
            Some((bound, _)) if at_least => value >= bound,
            Some((bound, _)) => value <= bound,
        };
        self.rows.push(Row {
            id: id.into(),
            what: what.into(),
            value,
            unit: unit.into(),
            bound: limits.map(|(bound, _)| bound),
            aim: limits.and_then(|(_, aim)| aim),
            at_least,
            holds,
        });
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let width = self.rows.iter().map(|row| row.what.chars().count()).max().unwrap_or(0);
        writeln!(f, "{:<width$}  {:>12}  {:>12}  {:>10}  ({})", "what", "found", "bound", "aim", self.flavour)?;
        for row in &self.rows {
            let sign = if row.at_least { "≥" } else { "≤" };
            let bound = row.bound.map(|bound| format!("{sign} {}", number(bound))).unwrap_or_default();
            let aim = row.aim.map(number).unwrap_or_default();
            let mut found = number(row.value);
            if !row.unit.is_empty() {
                let _ = write!(found, " {}", row.unit);
            }
            let verdict = match (row.bound, row.holds) {
                (None, _) => "",
                (Some(_), true) => "holds",
                (Some(_), false) => "DOES NOT HOLD",
            };
            writeln!(f, "{:<width$}  {found:>12}  {bound:>12}  {aim:>10}  {verdict}", row.what)?;
        }
        Ok(())
    }
}

/// With as many digits as tell something.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        ..0.1 => format!("{value:.4}"),
        ..100.0 if value.fract() != 0.0 => format!("{value:.2}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_bounds_or_do_not() {
        let mut table = Table::new(Flavour::MariaDb);
        table.at_most("a", "a cost", 1.3, "", 1.2, 0.9);
        table.at_least("b", "a rate", 0.5, "", 0.5, 0.7);
        table.beside("c", "the floor", 80_123.4, "a second");
        assert_eq!(table.rows.iter().map(|row| row.holds).collect::<Vec<_>>(), [false, true, true]);
        assert!(!table.holds());
        let text = table.to_string();
        assert!(text.contains("DOES NOT HOLD") && text.contains("80123 a second"), "{text}");
    }
}
