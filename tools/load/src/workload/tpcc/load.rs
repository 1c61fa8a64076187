//! What the tables hold at first (clause 4.3.3).

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::random::{self, C_LAST_LOADED};
use super::schema::TABLES;
use super::{DISTRICTS, Size};
use crate::connection::Connection;

/// Rows of one INSERT.
const BATCH: usize = 200;
/// Items, or the stock of so many, that are loaded in one go.
const CHUNK: i64 = 10_000;
/// How often progress is told, in rows.
const TOLD: u64 = 50_000;

/// A part of the tables. Each has dice of its own, so that they are the same however many connections load them.
#[derive(Debug, Clone, Copy)]
enum Part {
    Items { from: i64 },
    Warehouse { w: i64 },
    Stock { w: i64, from: i64 },
    Customers { w: i64, d: i64 },
    Orders { w: i64, d: i64 },
}

/// Makes the tables, over whatever was there, and fills them.
pub(super) async fn load(
    size: &Size,
    connections: &mut [Connection],
    progress: &(dyn Fn(&str, u64) + Sync),
) -> Result<()> {
    let first = connections.first_mut().context("tables are made over a connection")?;
    for table in &TABLES {
        for sql in [
            format!("DROP TABLE IF EXISTS {}", table.name),
            format!("CREATE TABLE {} ({})", table.name, table.definition),
        ] {
            first.text(&sql).await.with_context(|| format!("cannot make the table {}", table.name))?;
        }
    }
    let parts = parts(size);
    let (next, written) = (AtomicUsize::new(0), AtomicU64::new(0));
    let workers = connections.iter_mut().map(|connection| {
        let mut loader = Loader { size, connection, written: &written, progress, rows: 0, sql: String::new() };
        let (parts, next) = (&parts, &next);
        async move {
            while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
                loader.load(*part).await.with_context(|| format!("cannot load {part:?}"))?;
            }
            Ok::<(), anyhow::Error>(())
        }
    });
    try_join_all(workers).await?;
    Ok(())
}

fn parts(size: &Size) -> Vec<Part> {
    let chunks = || (1..=size.items).step_by(CHUNK as usize);
    let mut parts: Vec<Part> = chunks().map(|from| Part::Items { from }).collect();
    for w in 1..=size.warehouses {
        parts.push(Part::Warehouse { w });
        parts.extend((1..=DISTRICTS).flat_map(|d| [Part::Customers { w, d }, Part::Orders { w, d }]));
        parts.extend(chunks().map(|from| Part::Stock { w, from }));
    }
    parts
}

impl Part {
    fn dice(self) -> SmallRng {
        let (kind, w, rest) = match self {
            Part::Items { from } => (1, 0, from),
            Part::Warehouse { w } => (2, w, 0),
            Part::Stock { w, from } => (3, w, from),
            Part::Customers { w, d } => (4, w, d),
            Part::Orders { w, d } => (5, w, d),
        };
        SmallRng::seed_from_u64((kind << 60) | (w.unsigned_abs() << 24) | rest.unsigned_abs())
    }
}

struct Loader<'a> {
    size: &'a Size,
    connection: &'a mut Connection,
    written: &'a AtomicU64,
    progress: &'a (dyn Fn(&str, u64) + Sync),
    /// Those in `sql`, which is empty or an INSERT that was begun.
    rows: usize,
    sql: String,
}

impl Loader<'_> {
    async fn load(&mut self, part: Part) -> Result<()> {
        let dice = &mut part.dice();
        match part {
            Part::Items { from } => self.items(from, dice).await,
            Part::Warehouse { w } => self.warehouse(w, dice).await,
            Part::Stock { w, from } => self.stock(w, from, dice).await,
            Part::Customers { w, d } => self.customers(w, d, dice).await,
            Part::Orders { w, d } => self.orders(w, d, dice).await,
        }
    }

    /// Adds a row of literals, and sends the INSERT once it is long enough. Texts are of letters and digits: there is nothing to escape.
    async fn row(&mut self, into: &str, values: std::fmt::Arguments<'_>) -> Result<()> {
        if self.rows == 0 {
            let _ = write!(self.sql, "INSERT INTO {into} VALUES ({values})");
        } else {
            let _ = write!(self.sql, ", ({values})");
        }
        self.rows += 1;
        if self.rows == BATCH { self.send().await } else { Ok(()) }
    }

    /// Sends what is left.
    async fn send(&mut self) -> Result<()> {
        if self.rows > 0 {
            self.connection.text(&self.sql).await?;
            let rows = std::mem::take(&mut self.rows) as u64;
            let all = self.written.fetch_add(rows, Ordering::Relaxed) + rows;
            if all / TOLD > (all - rows) / TOLD {
                (self.progress)("tpcc", all / TOLD * TOLD);
            }
            self.sql.clear();
        }
        Ok(())
    }

    async fn items(&mut self, from: i64, dice: &mut SmallRng) -> Result<()> {
        for i in from..(from + CHUNK).min(self.size.items + 1) {
            let (image, price) = (dice.random_range(1..=10_000), cents(100, 10_000, dice));
            let (name, data) = (random::text(14, 24, dice), random::data(dice));
            let into = "item (i_id, i_im_id, i_name, i_price, i_data)";
            self.row(into, format_args!("{i}, {image}, '{name}', {price}, '{data}'")).await?;
        }
        self.send().await
    }

    async fn warehouse(&mut self, w: i64, dice: &mut SmallRng) -> Result<()> {
        let paid = self.size.customers * 10;
        let into = "warehouse (w_id, w_name, w_street_1, w_street_2, w_city, w_state, w_zip, w_tax, w_ytd)";
        let (name, place, tax) = (random::text(6, 10, dice), address(dice), rate(2_000, dice));
        self.row(into, format_args!("{w}, '{name}', {place}, {tax}, {}.00", paid * DISTRICTS)).await?;
        self.send().await?;
        let into = "district (d_id, d_w_id, d_name, d_street_1, d_street_2, d_city, d_state, d_zip, d_tax, d_ytd, d_next_o_id)";
        for d in 1..=DISTRICTS {
            let (name, place, tax) = (random::text(6, 10, dice), address(dice), rate(2_000, dice));
            let next = self.size.customers + 1;
            self.row(into, format_args!("{d}, {w}, '{name}', {place}, {tax}, {paid}.00, {next}")).await?;
        }
        self.send().await
    }

    async fn stock(&mut self, w: i64, from: i64, dice: &mut SmallRng) -> Result<()> {
        let into = "stock (s_i_id, s_w_id, s_quantity, s_dist_01, s_dist_02, s_dist_03, s_dist_04, s_dist_05, s_dist_06, \
                    s_dist_07, s_dist_08, s_dist_09, s_dist_10, s_ytd, s_order_cnt, s_remote_cnt, s_data)";
        for i in from..(from + CHUNK).min(self.size.items + 1) {
            let quantity = dice.random_range(10..=100);
            let texts: Vec<String> = (0..DISTRICTS).map(|_| random::text(24, 24, dice)).collect();
            let (texts, data) = (texts.join("', '"), random::data(dice));
            self.row(into, format_args!("{i}, {w}, {quantity}, '{texts}', 0, 0, 0, '{data}'")).await?;
        }
        self.send().await
    }

    /// Customers, and one payment of each.
    async fn customers(&mut self, w: i64, d: i64, dice: &mut SmallRng) -> Result<()> {
        let into = "customer (c_id, c_d_id, c_w_id, c_first, c_middle, c_last, c_street_1, c_street_2, c_city, c_state, c_zip, \
                    c_phone, c_since, c_credit, c_credit_lim, c_discount, c_balance, c_ytd_payment, c_payment_cnt, c_delivery_cnt, c_data)";
        for c in 1..=self.size.customers {
            let number = if c <= 1_000 { c - 1 } else { random::name_number(1_000, C_LAST_LOADED, dice) };
            let (first, last) = (random::text(8, 16, dice), random::last_name(number));
            let (place, phone) = (address(dice), random::digits(16, dice));
            let credit = if dice.random_range(0..10) == 0 { "BC" } else { "GC" };
            let (discount, data) = (rate(5_000, dice), random::text(300, 500, dice));
            let values = format_args!(
                "{c}, {d}, {w}, '{first}', 'OE', '{last}', {place}, '{phone}', NOW(), '{credit}', 50000.00, {discount}, -10.00, 10.00, 1, 0, '{data}'"
            );
            self.row(into, values).await?;
        }
        self.send().await?;
        let into = "history (h_c_id, h_c_d_id, h_c_w_id, h_d_id, h_w_id, h_date, h_amount, h_data)";
        for c in 1..=self.size.customers {
            let data = random::text(12, 24, dice);
            self.row(into, format_args!("{c}, {d}, {w}, {d}, {w}, NOW(), 10.00, '{data}'")).await?;
        }
        self.send().await
    }

    /// One order of each customer. The last three of ten are new; the others are delivered.
    async fn orders(&mut self, w: i64, d: i64, dice: &mut SmallRng) -> Result<()> {
        let delivered = self.size.customers * 7 / 10;
        let customers = random::permutation(self.size.customers, dice);
        let counts: Vec<i64> = customers.iter().map(|_| dice.random_range(5..=15)).collect();
        let into = "orders (o_id, o_d_id, o_w_id, o_c_id, o_entry_d, o_carrier_id, o_ol_cnt, o_all_local)";
        for ((o, c), count) in (1..).zip(&customers).zip(&counts) {
            let carrier = dice.random_range(1..=10);
            let carrier = if o <= delivered { carrier.to_string() } else { "NULL".into() };
            self.row(into, format_args!("{o}, {d}, {w}, {c}, NOW(), {carrier}, {count}, 1")).await?;
        }
        self.send().await?;
        let into = "order_line (ol_o_id, ol_d_id, ol_w_id, ol_number, ol_i_id, ol_supply_w_id, ol_delivery_d, ol_quantity, \
                    ol_amount, ol_dist_info)";
        for (o, count) in (1..).zip(&counts) {
            for number in 1..=*count {
                let (item, info) = (dice.random_range(1..=self.size.items), random::text(24, 24, dice));
                let (when, amount) =
                    if o <= delivered { ("NOW()", "0.00".into()) } else { ("NULL", cents(1, 999_999, dice)) };
                let values = format_args!("{o}, {d}, {w}, {number}, {item}, {w}, {when}, 5, {amount}, '{info}'");
                self.row(into, values).await?;
            }
        }
        self.send().await?;
        for o in delivered + 1..=self.size.customers {
            self.row("new_order (no_o_id, no_d_id, no_w_id)", format_args!("{o}, {d}, {w}")).await?;
        }
        self.send().await
    }
}

/// Two streets, a city, a state and a ZIP code.
fn address(dice: &mut SmallRng) -> String {
    let street = [random::text(10, 20, dice), random::text(10, 20, dice), random::text(10, 20, dice)].join("', '");
    format!("'{street}', '{}', '{}'", random::text(2, 2, dice), random::zip(dice))
}

/// An amount with two decimals, from `least` to `most` hundredths.
fn cents(least: i64, most: i64, dice: &mut SmallRng) -> String {
    let cents = dice.random_range(least..=most);
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// A share with four decimals, up to `most` ten-thousandths.
fn rate(most: i64, dice: &mut SmallRng) -> String {
    format!("0.{:04}", dice.random_range(0..=most))
}
