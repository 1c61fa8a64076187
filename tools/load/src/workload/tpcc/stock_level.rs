//! Stock-Level (clause 2.8): how many items of a district's last 20 orders are low in stock.

use vitrail_client::params;

use super::Ended;
use super::terminal::Terminal;
use crate::connection::Failure;
use crate::statement::Statement;

/// Its statements.
pub(super) struct StockLevel {
    next: Statement,
    low: Statement,
}

impl StockLevel {
    pub(super) fn new() -> StockLevel {
        StockLevel {
            next: Statement::new("SELECT d_next_o_id FROM district WHERE d_w_id = :w AND d_id = :d"),
            low: Statement::new(
                "SELECT COUNT(DISTINCT s_i_id) FROM order_line JOIN stock ON s_w_id = ol_w_id AND s_i_id = ol_i_id \
                 WHERE ol_w_id = :w AND ol_d_id = :d AND ol_o_id < :next AND ol_o_id >= :first AND s_quantity < :threshold",
            ),
        }
    }

    pub(super) async fn run(&self, terminal: &mut Terminal<'_>) -> Result<Ended, Failure> {
        let (w, d) = terminal.home();
        let threshold = terminal.draw(10, 20);
        terminal.begin().await?;
        let next: i64 = terminal.one(&self.next, &params! { "w" => w, "d" => d }).await?.number(0)?;
        let binds = params! { "w" => w, "d" => d, "next" => next, "first" => next - 20, "threshold" => threshold };
        let low: u64 = terminal.one(&self.low, &binds).await?.number(0)?;
        if low > 300 {
            return Err(Failure::wrong(format!("{low} items are low in stock, and 20 orders have 300 at most")));
        }
        Ok(Ended::ToCommit(Vec::new()))
    }
}
