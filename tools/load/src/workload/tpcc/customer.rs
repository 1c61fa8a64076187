//! How Payment and Order-Status find their customer: 60 of 100 times by last name, else by number (clauses 2.5.1.2 and 2.6.1.2).

use vitrail_client::params;

use super::random::{self, C_LAST_ASKED};
use super::terminal::Terminal;
use crate::connection::Failure;
use crate::statement::Statement;

/// What is known of a customer.
pub(super) enum Customer {
    Number(i64),
    LastName(String),
}

impl Customer {
    pub(super) fn draw(terminal: &mut Terminal<'_>) -> Customer {
        let customers = terminal.size.customers;
        if terminal.chance(60) {
            let number = random::name_number(customers, C_LAST_ASKED, terminal.dice);
            Customer::LastName(random::last_name(number))
        } else {
            Customer::Number(random::customer(customers, terminal.dice))
        }
    }

    /// The number: of those with the same last name, ordered by first name, the one in the middle, rounded up.
    pub(super) async fn number(
        &self,
        by_name: &Statement,
        warehouse: i64,
        district: i64,
        terminal: &mut Terminal<'_>,
    ) -> Result<i64, Failure> {
        let name = match self {
            Customer::Number(number) => return Ok(*number),
            Customer::LastName(name) => name,
        };
        let binds = params! { "w" => warehouse, "d" => district, "last" => name };
        let rows = terminal.rows(by_name, &binds).await?;
        match rows.get(rows.len().div_ceil(2).saturating_sub(1)) {
            Some(row) => row.number(0),
            None => Err(Failure::wrong(format!("district {district} of {warehouse} has no customer {name}"))),
        }
    }
}

/// The statement that [`Customer::number`] wants.
pub(super) fn by_name() -> Statement {
    Statement::new("SELECT c_id FROM customer WHERE c_w_id = :w AND c_d_id = :d AND c_last = :last ORDER BY c_first")
}
