//! New-Order (clause 2.4): an order of 5 to 15 items. One in a hundred names an item that does not exist, and is rolled back.

use vitrail_client::{Value, params};

use super::random;
use super::terminal::{Terminal, amount};
use super::{Ended, ORDERED, ORDERS};
use crate::connection::Failure;
use crate::statement::Statement;

/// Its statements.
pub(super) struct NewOrder {
    customer: Statement,
    district: Statement,
    next: Statement,
    order: Statement,
    new_order: Statement,
    item: Statement,
    /// By district: its own text for the order line.
    stock: Vec<Statement>,
    take: Statement,
    line: Statement,
}

/// A line of the order.
struct Line {
    item: i64,
    supplier: i64,
    quantity: i64,
}

/// What a customer orders.
struct Order {
    warehouse: i64,
    district: i64,
    customer: i64,
    lines: Vec<Line>,
}

impl NewOrder {
    pub(super) fn new() -> NewOrder {
        let stock = |district| {
            Statement::new(format!(
                "SELECT s_quantity, s_data, s_dist_{district:02} FROM stock WHERE s_w_id = :w AND s_i_id = :i FOR UPDATE"
            ))
        };
        NewOrder {
            customer: Statement::new(
                "SELECT c_discount, c_last, c_credit, w_tax FROM customer JOIN warehouse ON w_id = c_w_id \
                 WHERE c_w_id = :w AND c_d_id = :d AND c_id = :c",
            ),
            district: Statement::new(
                "SELECT d_next_o_id, d_tax FROM district WHERE d_w_id = :w AND d_id = :d FOR UPDATE",
            ),
            next: Statement::new("UPDATE district SET d_next_o_id = :next WHERE d_w_id = :w AND d_id = :d"),
            order: Statement::new(
                "INSERT INTO orders (o_id, o_d_id, o_w_id, o_c_id, o_entry_d, o_ol_cnt, o_all_local) \
                 VALUES (:o, :d, :w, :c, NOW(), :count, :local)",
            ),
            new_order: Statement::new("INSERT INTO new_order (no_o_id, no_d_id, no_w_id) VALUES (:o, :d, :w)"),
            item: Statement::new("SELECT i_price, i_name, i_data FROM item WHERE i_id = :i"),
            stock: (1..=super::DISTRICTS).map(stock).collect(),
            take: Statement::new(
                "UPDATE stock SET s_quantity = :left, s_ytd = s_ytd + :quantity, s_order_cnt = s_order_cnt + 1, \
                 s_remote_cnt = s_remote_cnt + :remote WHERE s_w_id = :w AND s_i_id = :i",
            ),
            line: Statement::new(
                "INSERT INTO order_line (ol_o_id, ol_d_id, ol_w_id, ol_number, ol_i_id, ol_supply_w_id, ol_quantity, \
                 ol_amount, ol_dist_info) VALUES (:o, :d, :w, :number, :i, :supplier, :quantity, :amount, :info)",
            ),
        }
    }

    pub(super) async fn run(&self, terminal: &mut Terminal<'_>) -> Result<Ended, Failure> {
        let order = draw(terminal);
        let (w, d) = (order.warehouse, order.district);
        let remote = order.lines.iter().any(|line| line.supplier != w);
        terminal.begin().await?;
        terminal.one(&self.customer, &params! { "w" => w, "d" => d, "c" => order.customer }).await?;
        let o: i64 = terminal.one(&self.district, &params! { "w" => w, "d" => d }).await?.number(0)?;
        terminal.change(&self.next, &params! { "next" => o + 1, "w" => w, "d" => d }, 1).await?;
        let binds = params! {
            "o" => o, "d" => d, "w" => w, "c" => order.customer, "count" => order.lines.len(), "local" => !remote,
        };
        terminal.change(&self.order, &binds, 1).await?;
        terminal.change(&self.new_order, &params! { "o" => o, "d" => d, "w" => w }, 1).await?;
        for (line, number) in order.lines.iter().zip(1_i64..) {
            let Some(item) = terminal.find(&self.item, &params! { "i" => line.item }).await? else {
                if line.item <= terminal.size.items {
                    return Err(Failure::wrong(format!("item {} is not there", line.item)));
                }
                terminal.roll_back().await?;
                return Ok(Ended::RolledBack);
            };
            let price = item.cents(0)?;
            let stock = &self.stock[(d - 1) as usize];
            let stock = terminal.one(stock, &params! { "w" => line.supplier, "i" => line.item }).await?;
            let binds = params! {
                "left" => left(stock.number(0)?, line.quantity), "quantity" => line.quantity,
                "remote" => line.supplier != w, "w" => line.supplier, "i" => line.item,
            };
            terminal.change(&self.take, &binds, 1).await?;
            let binds = params! {
                "o" => o, "d" => d, "w" => w, "number" => number, "i" => line.item, "supplier" => line.supplier,
                "quantity" => line.quantity, "amount" => amount(price * line.quantity),
                "info" => Value::Text(stock.text(2)?.to_owned()),
            };
            terminal.change(&self.line, &binds, 1).await?;
        }
        let ordered = order.lines.iter().map(|line| line.quantity.unsigned_abs()).sum();
        Ok(Ended::ToCommit(vec![(ORDERS, 1), (ORDERED, ordered)]))
    }
}

/// What is left in stock, which is filled up by 91 before it falls below 10.
fn left(quantity: i64, ordered: i64) -> i64 {
    if quantity >= ordered + 10 { quantity - ordered } else { quantity - ordered + 91 }
}

/// The input of 2.4.1. Lines are in the order of supplier and item: then two orders that want the same stock wait for each other and do not deadlock.
fn draw(terminal: &mut Terminal<'_>) -> Order {
    let (warehouse, district) = terminal.home();
    let customer = random::customer(terminal.size.customers, terminal.dice);
    let count = terminal.draw(5, 15);
    let mistaken = terminal.chance(1);
    let mut lines: Vec<Line> = (0..count)
        .map(|_| Line {
            item: random::item(terminal.size.items, terminal.dice),
            supplier: if terminal.chance(1) { terminal.elsewhere(warehouse) } else { warehouse },
            quantity: terminal.draw(1, 10),
        })
        .collect();
    lines.sort_by_key(|line| (line.supplier, line.item));
    if mistaken && let Some(last) = lines.last_mut() {
        last.item = terminal.size.items + 1;
    }
    Order { warehouse, district, customer, lines }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stock_is_filled_up_before_it_falls_below_ten() {
        assert_eq!([left(20, 10), left(19, 10), left(100, 1)], [10, 100, 99]);
    }
}
