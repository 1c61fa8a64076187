//! TPC-C: the order entry of a wholesaler with warehouses, by revision 5.11 of the specification, whose clauses the comments name.
//!
//! As in most tools that are no audited kit: without keying and think times (5.2.5), so that few clients make much load; a client
//! takes another warehouse each time; Delivery runs at once (2.7.2); the mix is drawn and no deck of cards (5.2.4.2). What comes
//! out is therefore no tpmC. A transaction that touches two warehouses is one over shards where they are on two.
//!
//! Layout: [`schema`], [`load`] (the tables), [`random`] (what is drawn), [`terminal`] (what a transaction works with), [`customer`]
//! and the five transactions, [`consistency`] (what has to hold afterwards).

mod consistency;
mod customer;
mod delivery;
mod load;
mod new_order;
mod order_status;
mod payment;
mod random;
mod schema;
mod stock_level;
mod terminal;

use anyhow::{Result, bail};
use rand::Rng;
use rand::rngs::SmallRng;
use vitrail_proto::error::Executed;

use super::Tally;
use super::tally::Total;
use super::vschema::Placed;
use crate::connection::{Connection, Failure};
use delivery::Delivery;
use new_order::NewOrder;
use order_status::OrderStatus;
use payment::Payment;
use stock_level::StockLevel;
use terminal::Terminal;

/// Districts of a warehouse (1.2.1).
const DISTRICTS: i64 = 10;

/// How often a terminal runs a transaction again before it gives up.
pub(super) const RETRIES: u32 = 10;
/// The operation that counts.
pub(super) const NEW_ORDER: usize = 0;

/// New orders that were committed.
const ORDERS: &str = "orders";
/// Items that they took from stock.
const ORDERED: &str = "items ordered";
/// Payments that were committed, at the warehouse.
const PAYMENTS: &str = "payments";
/// The same at the customer, who may be on another shard.
const CUSTOMER_PAYMENTS: &str = "payments of customers";

/// How often of a hundred times: the least of 5.2.3, and New-Order has the rest.
const OPERATIONS: [(&str, u32); 5] =
    [("new-order", 45), ("payment", 43), ("order-status", 4), ("delivery", 4), ("stock-level", 4)];

/// How much there is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Size {
    warehouses: i64,
    /// Of each district; each begins with one order.
    customers: i64,
    items: i64,
}

/// The workload.
pub(super) struct Tpcc {
    size: Size,
    new_order: NewOrder,
    payment: Payment,
    order_status: OrderStatus,
    delivery: Delivery,
    stock_level: StockLevel,
    totals: Vec<Total>,
}

/// How a transaction ended, short of a failure.
enum Ended {
    /// It may be committed, and adds this to counters.
    ToCommit(Vec<(&'static str, u64)>),
    /// It was rolled back, as it has to be.
    RolledBack,
}

impl Size {
    fn new(scale: &[(String, i64)]) -> Result<Size> {
        let mut size = Size { warehouses: 2, customers: 3_000, items: 100_000 };
        for (name, number) in scale {
            let (known, least, most) = match name.as_str() {
                "warehouses" => (&mut size.warehouses, 1, 100_000),
                "customers" => (&mut size.customers, 10, 3_000),
                "items" => (&mut size.items, 10, 100_000),
                _ => bail!("tpcc has no number `{name}`; there are warehouses, customers (of each district) and items"),
            };
            if !(least..=most).contains(number) {
                bail!("{name}={number}: take a number from {least} to {most}");
            }
            *known = *number;
        }
        Ok(size)
    }
}

impl Tpcc {
    pub(super) fn new(scale: &[(String, i64)]) -> Result<Tpcc> {
        Ok(Tpcc {
            size: Size::new(scale)?,
            new_order: NewOrder::new(),
            payment: Payment::new(),
            order_status: OrderStatus::new(),
            delivery: Delivery::new(),
            stock_level: StockLevel::new(),
            totals: consistency::totals(),
        })
    }

    pub(super) fn operations(&self) -> Vec<&str> {
        OPERATIONS.iter().map(|(name, _)| *name).collect()
    }

    pub(super) fn placed() -> impl Iterator<Item = Placed<'static>> {
        schema::TABLES.iter().map(schema::Table::placed)
    }

    pub(super) fn totals(&self) -> &[Total] {
        &self.totals
    }

    pub(super) async fn prepare(
        &self,
        connections: &mut [Connection],
        progress: &(dyn Fn(&str, u64) + Sync),
    ) -> Result<()> {
        load::load(&self.size, connections, progress).await
    }

    pub(super) fn choose(&self, dice: &mut SmallRng) -> usize {
        let mut drawn = dice.random_range(0..100);
        let found = OPERATIONS.iter().position(|(_, weight)| match drawn < *weight {
            true => true,
            false => {
                drawn -= weight;
                false
            }
        });
        found.unwrap_or_default()
    }

    /// Runs a transaction; says how many statements that were.
    pub(super) async fn operate(
        &self,
        operation: usize,
        connection: &mut Connection,
        dice: &mut SmallRng,
        tally: &mut Tally,
    ) -> Result<u64, Failure> {
        let mut terminal = Terminal { size: &self.size, connection, dice, statements: 0 };
        let ended = match operation {
            NEW_ORDER => self.new_order.run(&mut terminal).await,
            1 => self.payment.run(&mut terminal).await,
            2 => self.order_status.run(&mut terminal).await,
            3 => self.delivery.run(&mut terminal).await,
            _ => self.stock_level.run(&mut terminal).await,
        };
        let statements = terminal.statements;
        let adds = match ended {
            Ok(Ended::ToCommit(adds)) => adds,
            Ok(Ended::RolledBack) => return Ok(statements),
            Err(failure) => {
                if !failure.lost {
                    connection.roll_back().await;
                }
                return Err(failure);
            }
        };
        let committed = connection.commit().await;
        let possible = committed.as_ref().err().is_none_or(|failure| failure.executed != Executed::No);
        if possible {
            for (counter, amount) in adds {
                tally.add(counter, amount, committed.is_ok());
            }
        }
        committed.map(|()| statements + 1)
    }

    /// The specification's consistency conditions.
    pub(super) async fn check(&self, connection: &mut Connection) -> Result<Vec<String>, Failure> {
        consistency::check(&self.size, connection).await
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn the_mix_is_that_of_the_specification() {
        let tpcc = Tpcc::new(&[]).expect("the default size");
        let mut dice = SmallRng::seed_from_u64(1);
        let mut counts = [0_u32; 5];
        (0..100_000).for_each(|_| counts[tpcc.choose(&mut dice)] += 1);
        for (count, (name, weight)) in counts.iter().zip(OPERATIONS) {
            let share = f64::from(*count) / 1_000.0;
            assert!((share - f64::from(weight)).abs() < 0.5, "{name}: {share} of 100");
        }
        assert_eq!(OPERATIONS.iter().map(|(_, weight)| weight).sum::<u32>(), 100);
    }

    #[test]
    fn a_size_that_makes_no_sense_is_refused() {
        for (name, number, says) in [
            ("warehouses", 0, "from 1 to 100000"),
            ("customers", 5, "from 10 to 3000"),
            ("items", 200_000, "from 10 to 100000"),
            ("rows", 5, "there are warehouses, customers"),
        ] {
            let error = Size::new(&[(name.to_owned(), number)]).expect_err("refused").to_string();
            assert!(error.contains(says), "{error}");
        }
        let size = Size::new(&[("warehouses".into(), 5), ("items".into(), 100)]).expect("a size");
        assert_eq!(size, Size { warehouses: 5, customers: 3_000, items: 100 });
    }
}
