//! Payment (clause 2.5): a customer pays, 15 of 100 times in another warehouse than his own.

use vitrail_client::{Value, params};

use super::customer::{self, Customer};
use super::terminal::{Terminal, amount};
use super::{CUSTOMER_PAYMENTS, Ended, PAYMENTS};
use crate::connection::Failure;
use crate::statement::Statement;

/// Of C_DATA.
const DATA: usize = 500;

/// Its statements.
pub(super) struct Payment {
    warehouse: Statement,
    warehouse_is: Statement,
    district: Statement,
    district_is: Statement,
    by_name: Statement,
    customer_is: Statement,
    data_is: Statement,
    customer: Statement,
    customer_with_data: Statement,
    history: Statement,
}

impl Payment {
    pub(super) fn new() -> Payment {
        let paid = "c_balance = c_balance - :amount, c_ytd_payment = c_ytd_payment + :amount, c_payment_cnt = c_payment_cnt + 1";
        let of = "WHERE c_w_id = :w AND c_d_id = :d AND c_id = :c";
        Payment {
            warehouse: Statement::new("UPDATE warehouse SET w_ytd = w_ytd + :amount WHERE w_id = :w"),
            warehouse_is: Statement::new(
                "SELECT w_name, w_street_1, w_street_2, w_city, w_state, w_zip FROM warehouse WHERE w_id = :w",
            ),
            district: Statement::new("UPDATE district SET d_ytd = d_ytd + :amount WHERE d_w_id = :w AND d_id = :d"),
            district_is: Statement::new(
                "SELECT d_name, d_street_1, d_street_2, d_city, d_state, d_zip FROM district WHERE d_w_id = :w AND d_id = :d",
            ),
            by_name: customer::by_name(),
            customer_is: Statement::new(format!(
                "SELECT c_first, c_middle, c_last, c_street_1, c_street_2, c_city, c_state, c_zip, c_phone, c_since, \
                 c_credit, c_credit_lim, c_discount, c_balance FROM customer {of} FOR UPDATE"
            )),
            data_is: Statement::new(format!("SELECT c_data FROM customer {of} FOR UPDATE")),
            customer: Statement::new(format!("UPDATE customer SET {paid} {of}")),
            customer_with_data: Statement::new(format!("UPDATE customer SET {paid}, c_data = :data {of}")),
            history: Statement::new(
                "INSERT INTO history (h_c_id, h_c_d_id, h_c_w_id, h_d_id, h_w_id, h_date, h_amount, h_data) \
                 VALUES (:c, :cd, :cw, :d, :w, NOW(), :amount, :data)",
            ),
        }
    }

    pub(super) async fn run(&self, terminal: &mut Terminal<'_>) -> Result<Ended, Failure> {
        let (w, d) = terminal.home();
        let (cw, cd) =
            if terminal.chance(85) { (w, d) } else { (terminal.elsewhere(w), terminal.draw(1, super::DISTRICTS)) };
        let customer = Customer::draw(terminal);
        let cents = terminal.draw(100, 500_000);
        let paid = amount(cents);
        terminal.begin().await?;
        terminal.change(&self.warehouse, &params! { "amount" => paid.clone(), "w" => w }, 1).await?;
        let warehouse = terminal.one(&self.warehouse_is, &params! { "w" => w }).await?;
        terminal.change(&self.district, &params! { "amount" => paid.clone(), "w" => w, "d" => d }, 1).await?;
        let district = terminal.one(&self.district_is, &params! { "w" => w, "d" => d }).await?;
        let c = customer.number(&self.by_name, cw, cd, terminal).await?;
        let mut binds = params! { "w" => cw, "d" => cd, "c" => c };
        let bad_credit = terminal.one(&self.customer_is, &binds).await?.text(10)? == "BC";
        let statement = if bad_credit {
            let row = terminal.one(&self.data_is, &binds).await?;
            let mut data = format!("{c} {cd} {cw} {d} {w} {cents} | {}", row.text(0)?);
            data.truncate(DATA);
            binds.set("data", Value::Text(data));
            &self.customer_with_data
        } else {
            &self.customer
        };
        binds.set("amount", paid.clone());
        terminal.change(statement, &binds, 1).await?;
        let data = format!("{}    {}", warehouse.text(0)?, district.text(0)?);
        let binds = params! { "c" => c, "cd" => cd, "cw" => cw, "d" => d, "w" => w, "amount" => paid, "data" => data };
        terminal.change(&self.history, &binds, 1).await?;
        Ok(Ended::ToCommit(vec![(PAYMENTS, 1), (CUSTOMER_PAYMENTS, 1)]))
    }
}
