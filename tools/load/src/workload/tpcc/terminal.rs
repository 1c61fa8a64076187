//! Whoever runs a transaction: a session, its dice, and how many statements it sent.

use std::str::FromStr;

use rand::Rng;
use rand::rngs::SmallRng;
use vitrail_client::{Binds, Value};

use super::Size;
use crate::connection::{Cells, Connection, Failure};
use crate::statement::Statement;

/// What a transaction works with.
pub(super) struct Terminal<'a> {
    pub(super) size: &'a Size,
    pub(super) connection: &'a mut Connection,
    pub(super) dice: &'a mut SmallRng,
    /// Statements sent.
    pub(super) statements: u64,
}

impl Terminal<'_> {
    /// A number from `first` to `last`, each as likely.
    pub(super) fn draw(&mut self, first: i64, last: i64) -> i64 {
        self.dice.random_range(first..=last)
    }

    /// True so often of a hundred times.
    pub(super) fn chance(&mut self, percent: u32) -> bool {
        self.dice.random_range(1..=100) <= percent
    }

    /// A warehouse and one of its districts.
    pub(super) fn home(&mut self) -> (i64, i64) {
        (self.draw(1, self.size.warehouses), self.draw(1, super::DISTRICTS))
    }

    /// Another warehouse, if there is one.
    pub(super) fn elsewhere(&mut self, home: i64) -> i64 {
        match self.size.warehouses {
            1 => home,
            count => (home + self.draw(0, count - 2)) % count + 1,
        }
    }

    pub(super) async fn begin(&mut self) -> Result<(), Failure> {
        self.statements += 1;
        self.connection.begin().await
    }

    /// All rows.
    pub(super) async fn rows(&mut self, statement: &Statement, binds: &Binds) -> Result<Vec<Row>, Failure> {
        self.statements += 1;
        let rows = self.connection.rows(statement, binds).await?;
        Ok(rows.into_iter().map(Row).collect())
    }

    /// The one row, if there is one.
    pub(super) async fn find(&mut self, statement: &Statement, binds: &Binds) -> Result<Option<Row>, Failure> {
        self.statements += 1;
        let answer = self.connection.answer(statement, binds).await?;
        match answer.rows {
            0 => Ok(None),
            1 => Ok(Some(Row(answer.first))),
            count => Err(Failure::wrong(format!("{count} rows came in place of one: {}", statement.template()))),
        }
    }

    /// The one row that has to be there.
    pub(super) async fn one(&mut self, statement: &Statement, binds: &Binds) -> Result<Row, Failure> {
        let found = self.find(statement, binds).await?;
        found.ok_or_else(|| Failure::wrong(format!("no row came for {binds:?}: {}", statement.template())))
    }

    /// Changes so many rows.
    pub(super) async fn change(&mut self, statement: &Statement, binds: &Binds, rows: u64) -> Result<(), Failure> {
        self.statements += 1;
        let affected = self.connection.run(statement, binds, |_, _| ()).await?.affected;
        if affected != rows {
            let template = statement.template();
            return Err(Failure::wrong(format!("{affected} rows were changed, and {rows} had to be: {template}")));
        }
        Ok(())
    }

    /// Rolls back on purpose.
    pub(super) async fn roll_back(&mut self) -> Result<(), Failure> {
        self.statements += 1;
        self.connection.text("ROLLBACK").await.map(drop)
    }
}

/// A row of an answer.
pub(super) struct Row(Cells);

impl Row {
    /// A cell as it came.
    pub(super) fn text(&self, index: usize) -> Result<&str, Failure> {
        let cell = self.0.get(index).and_then(Option::as_deref);
        cell.ok_or_else(|| Failure::wrong(format!("there is no cell {index}, or it is NULL: {:?}", self.0)))
    }

    /// A cell that is NULL or a number.
    pub(super) fn number<T: FromStr>(&self, index: usize) -> Result<T, Failure> {
        let text = self.text(index)?;
        text.parse().map_err(|_| Failure::wrong(format!("`{text}` is no number")))
    }

    /// A cell that is an amount with two decimals, in hundredths.
    pub(super) fn cents(&self, index: usize) -> Result<i64, Failure> {
        let text = self.text(index)?;
        cents(text).ok_or_else(|| Failure::wrong(format!("`{text}` is no amount")))
    }
}

/// Hundredths of an amount with two decimals.
fn cents(text: &str) -> Option<i64> {
    let (whole, part) = text.split_once('.')?;
    let part = (part.len() == 2).then(|| part.parse::<i64>().ok())??;
    let whole: i64 = whole.parse::<i64>().ok()? * 100;
    Some(if text.starts_with('-') { whole - part } else { whole + part })
}

/// An amount in hundredths, as a statement takes it.
pub(super) fn amount(cents: i64) -> Value {
    let sign = if cents < 0 { "-" } else { "" };
    let cents = cents.unsigned_abs();
    Value::Decimal(format!("{sign}{}.{:02}", cents / 100, cents % 100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact() {
        for (hundredths, text) in [(0, "0.00"), (5, "0.05"), (-5, "-0.05"), (123_456, "1234.56"), (-1_000, "-10.00")] {
            assert_eq!(amount(hundredths), Value::Decimal(text.into()));
            assert_eq!(cents(text), Some(hundredths), "{text}");
        }
        assert_eq!([cents("5"), cents("5.1"), cents("a.00")], [None; 3]);
    }
}
