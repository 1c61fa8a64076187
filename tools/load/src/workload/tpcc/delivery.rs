//! Delivery (clause 2.7): the oldest new order of each district of a warehouse is delivered. At once, and not by a queue behind the terminal.

use vitrail_client::{Value, params};

use super::Ended;
use super::terminal::{Terminal, amount};
use crate::connection::Failure;
use crate::statement::Statement;

/// Its statements.
pub(super) struct Delivery {
    oldest: Statement,
    take: Statement,
    order: Statement,
    carrier: Statement,
    sum: Statement,
    lines: Statement,
    customer: Statement,
}

impl Delivery {
    pub(super) fn new() -> Delivery {
        Delivery {
            oldest: Statement::new(
                "SELECT no_o_id FROM new_order WHERE no_w_id = :w AND no_d_id = :d ORDER BY no_o_id LIMIT 1 FOR UPDATE",
            ),
            take: Statement::new("DELETE FROM new_order WHERE no_w_id = :w AND no_d_id = :d AND no_o_id = :o"),
            order: Statement::new(
                "SELECT o_c_id, o_ol_cnt FROM orders WHERE o_w_id = :w AND o_d_id = :d AND o_id = :o",
            ),
            carrier: Statement::new(
                "UPDATE orders SET o_carrier_id = :carrier WHERE o_w_id = :w AND o_d_id = :d AND o_id = :o",
            ),
            sum: Statement::new(
                "SELECT SUM(ol_amount) FROM order_line WHERE ol_w_id = :w AND ol_d_id = :d AND ol_o_id = :o",
            ),
            lines: Statement::new(
                "UPDATE order_line SET ol_delivery_d = NOW() WHERE ol_w_id = :w AND ol_d_id = :d AND ol_o_id = :o",
            ),
            customer: Statement::new(
                "UPDATE customer SET c_balance = c_balance + :amount, c_delivery_cnt = c_delivery_cnt + 1 \
                 WHERE c_w_id = :w AND c_d_id = :d AND c_id = :c",
            ),
        }
    }

    pub(super) async fn run(&self, terminal: &mut Terminal<'_>) -> Result<Ended, Failure> {
        let w = terminal.draw(1, terminal.size.warehouses);
        let carrier = terminal.draw(1, 10);
        terminal.begin().await?;
        for d in 1..=super::DISTRICTS {
            let Some(oldest) = terminal.find(&self.oldest, &params! { "w" => w, "d" => d }).await? else { continue };
            let o: i64 = oldest.number(0)?;
            let mut binds = params! { "w" => w, "d" => d, "o" => o };
            terminal.change(&self.take, &binds, 1).await?;
            // What a transaction has written it reads as it is now, even if its snapshot is older than the order.
            binds.set("carrier", Value::Int(carrier));
            terminal.change(&self.carrier, &binds, 1).await?;
            let order = terminal.one(&self.order, &binds).await?;
            terminal.change(&self.lines, &binds, order.number(1)?).await?;
            let sum = terminal.one(&self.sum, &binds).await?.cents(0)?;
            let c: i64 = order.number(0)?;
            let binds = params! { "amount" => amount(sum), "w" => w, "d" => d, "c" => c };
            terminal.change(&self.customer, &binds, 1).await?;
        }
        Ok(Ended::ToCommit(Vec::new()))
    }
}
