//! What has to hold after a run: the consistency conditions 1 to 4 (clauses 3.3.2.1 to 3.3.2.4), and what was acknowledged.

use vitrail_client::{Binds, params};

use super::{CUSTOMER_PAYMENTS, ORDERED, ORDERS, PAYMENTS, Size};
use crate::connection::{Cells, Connection, Failure};
use crate::statement::Statement;
use crate::workload::tally::Total;

/// Numbers that grow by what was acknowledged. Two of them are of other warehouses than the one that took the order or the money, and so
/// may be on other shards.
pub(super) fn totals() -> Vec<Total> {
    let total = |of: &str, sql: &str| Total { of: of.to_owned(), sql: sql.to_owned() };
    vec![
        total(ORDERS, "SELECT COUNT(*) FROM orders"),
        total(ORDERED, "SELECT SUM(s_ytd) FROM stock"),
        total(PAYMENTS, "SELECT COUNT(*) FROM history"),
        total(CUSTOMER_PAYMENTS, "SELECT SUM(c_payment_cnt) FROM customer"),
    ]
}

/// Checks the conditions of every warehouse, and says where they do not hold. Each statement keeps to a warehouse, and so to a shard.
pub(super) async fn check(size: &Size, connection: &mut Connection) -> Result<Vec<String>, Failure> {
    let ytd = Statement::new(
        "SELECT w_ytd, (SELECT SUM(d_ytd) FROM district WHERE d_w_id = :w) FROM warehouse WHERE w_id = :w",
    );
    let orders = Statement::new(
        "SELECT d_id, d_next_o_id - 1, (SELECT MAX(o_id) FROM orders WHERE o_w_id = :w AND o_d_id = d_id), \
         (SELECT MAX(no_o_id) FROM new_order WHERE no_w_id = :w AND no_d_id = d_id), \
         (SELECT MAX(no_o_id) - MIN(no_o_id) + 1 FROM new_order WHERE no_w_id = :w AND no_d_id = d_id), \
         (SELECT COUNT(*) FROM new_order WHERE no_w_id = :w AND no_d_id = d_id), \
         (SELECT SUM(o_ol_cnt) FROM orders WHERE o_w_id = :w AND o_d_id = d_id), \
         (SELECT COUNT(*) FROM order_line WHERE ol_w_id = :w AND ol_d_id = d_id) \
         FROM district WHERE d_w_id = :w ORDER BY d_id",
    );
    let mut wrong = Vec::new();
    for w in 1..=size.warehouses {
        let binds = params! { "w" => w };
        let [row] = rows::<2>(connection, &ytd, &binds, 1).await?.try_into().map_err(|_| missing(w))?;
        let [warehouse, districts] = row;
        unequal(&mut wrong, format!("warehouse {w}"), 1, ("W_YTD", &warehouse), ("the sum of D_YTD", &districts));
        for row in rows::<8>(connection, &orders, &binds, super::DISTRICTS as usize).await? {
            let [d, next, last, last_new, span, new, wanted, lines] = row;
            let place = || format!("district {d} of warehouse {w}");
            unequal(&mut wrong, place(), 2, ("D_NEXT_O_ID - 1", &next), ("the last O_ID", &last));
            // Conditions 2 and 3 say nothing of a district without new orders.
            if new != "0" {
                unequal(&mut wrong, place(), 2, ("D_NEXT_O_ID - 1", &next), ("the last NO_O_ID", &last_new));
                unequal(&mut wrong, place(), 3, ("the span of NO_O_ID", &span), ("the number of new orders", &new));
            }
            unequal(&mut wrong, place(), 4, ("the sum of O_OL_CNT", &wanted), ("the number of order lines", &lines));
        }
    }
    Ok(wrong)
}

/// So many rows of `N` cells; NULL is the empty text.
async fn rows<const N: usize>(
    connection: &mut Connection,
    statement: &Statement,
    binds: &Binds,
    wanted: usize,
) -> Result<Vec<[String; N]>, Failure> {
    let rows = connection.rows(statement, binds).await?;
    if rows.len() != wanted {
        return Err(Failure::wrong(format!("{} rows came, and {wanted} had to: {}", rows.len(), statement.template())));
    }
    let cells = |row: Cells| row.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>().try_into();
    let rows: Result<Vec<[String; N]>, _> = rows.into_iter().map(cells).collect();
    rows.map_err(|row| Failure::wrong(format!("{row:?} has not {N} cells")))
}

fn missing(warehouse: i64) -> Failure {
    Failure::wrong(format!("warehouse {warehouse} is not there"))
}

fn unequal(wrong: &mut Vec<String>, place: String, condition: u8, left: (&str, &str), right: (&str, &str)) {
    if left.1 != right.1 {
        let shown = |value: &str| if value.is_empty() { "NULL".to_owned() } else { value.to_owned() };
        wrong.push(format!(
            "{place}: {} is {}, and {} is {} (consistency condition {condition})",
            left.0,
            shown(left.1),
            right.0,
            shown(right.1)
        ));
    }
}
