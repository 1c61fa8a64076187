//! Order-Status (clause 2.6): what a customer's last order is waiting for.

use vitrail_client::params;

use super::Ended;
use super::customer::{self, Customer};
use super::terminal::Terminal;
use crate::connection::Failure;
use crate::statement::Statement;

/// Its statements.
pub(super) struct OrderStatus {
    by_name: Statement,
    customer: Statement,
    order: Statement,
    lines: Statement,
}

impl OrderStatus {
    pub(super) fn new() -> OrderStatus {
        OrderStatus {
            by_name: customer::by_name(),
            customer: Statement::new(
                "SELECT c_balance, c_first, c_middle, c_last FROM customer WHERE c_w_id = :w AND c_d_id = :d AND c_id = :c",
            ),
            order: Statement::new(
                "SELECT o_id, o_ol_cnt, o_carrier_id, o_entry_d FROM orders \
                 WHERE o_w_id = :w AND o_d_id = :d AND o_c_id = :c ORDER BY o_id DESC LIMIT 1",
            ),
            lines: Statement::new(
                "SELECT ol_i_id, ol_supply_w_id, ol_quantity, ol_amount, ol_delivery_d FROM order_line \
                 WHERE ol_w_id = :w AND ol_d_id = :d AND ol_o_id = :o",
            ),
        }
    }

    pub(super) async fn run(&self, terminal: &mut Terminal<'_>) -> Result<Ended, Failure> {
        let (w, d) = terminal.home();
        let customer = Customer::draw(terminal);
        terminal.begin().await?;
        let c = customer.number(&self.by_name, w, d, terminal).await?;
        let binds = params! { "w" => w, "d" => d, "c" => c };
        terminal.one(&self.customer, &binds).await?;
        let order = terminal.one(&self.order, &binds).await?;
        let (o, wanted): (i64, usize) = (order.number(0)?, order.number(1)?);
        let found = terminal.rows(&self.lines, &params! { "w" => w, "d" => d, "o" => o }).await?.len();
        if found != wanted {
            return Err(Failure::wrong(format!("order {o} of district {d} of {w} has {found} of its {wanted} lines")));
        }
        Ok(Ended::ToCommit(Vec::new()))
    }
}
