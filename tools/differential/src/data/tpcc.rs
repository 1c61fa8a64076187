//! TPC-C with five warehouses of two districts, and little in each.

use anyhow::Result;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::inserts;

const SEED: u64 = 1992;
const WAREHOUSES: u32 = 5;
const DISTRICTS: u32 = 2;
const CUSTOMERS: u32 = 8;
const ORDERS: u32 = 12;
const ITEMS: u32 = 40;
/// The first order of a district that was not delivered.
const UNDELIVERED: u32 = 5;
const LAST_NAMES: [&str; 5] = ["BAROUGHT", "Barought", "OUGHTABLE", "PRIOUGHT", "ÉSEANTI"];

pub(super) fn rows() -> Result<Vec<String>> {
    let mut random = SmallRng::seed_from_u64(SEED);
    let random = &mut random;
    let mut tables: [Vec<String>; 9] = Default::default();
    let [warehouses, districts, customers, history, orders, new_orders, lines, items, stock] = &mut tables;
    for item in 1..=ITEMS {
        items.push(format!(
            "{item}, 'item {item}', {}.{:02}, 'data'",
            random.random_range(1..100),
            random.random_range(0..100)
        ));
    }
    for warehouse in 1..=WAREHOUSES {
        warehouses.push(format!(
            "{warehouse}, 'W{warehouse}', 'city', 0.0{}, {}",
            random.random_range(0..2000),
            DISTRICTS * 30_000
        ));
        for item in 1..=ITEMS {
            stock.push(format!("{warehouse}, {item}, {}, 0, 0, 0, 'data'", random.random_range(10..100)));
        }
        for district in 1..=DISTRICTS {
            districts.push(format!(
                "{warehouse}, {district}, 'D{district}', 0.{:04}, 30000, {}",
                random.random_range(0..2000),
                ORDERS + 1
            ));
            for customer in 1..=CUSTOMERS {
                let (last, credit) = (LAST_NAMES[random.random_range(0..5)], ["GC", "BC"][random.random_range(0..2)]);
                let key = format!("{warehouse}, {district}, {customer}");
                customers.push(format!(
                    "{key}, 'First{}', '{last}', '{credit}', 0.{:04}, -10, 10, 1, 0, 'data'",
                    customer % 3,
                    random.random_range(0..5000)
                ));
                history.push(format!(
                    "{customer}, {district}, {warehouse}, {district}, {warehouse}, '2026-01-01', 10, ''"
                ));
            }
            for order in 1..=ORDERS {
                let key = format!("{warehouse}, {district}, {order}");
                let (customer, count) = (random.random_range(1..=CUSTOMERS), random.random_range(1..5));
                let delivered = order < UNDELIVERED;
                let carrier = if delivered { random.random_range(1..10).to_string() } else { "NULL".into() };
                orders.push(format!("{key}, {customer}, '2026-01-02', {carrier}, {count}, 1"));
                if !delivered {
                    new_orders.push(key.clone());
                }
                for line in 1..=count {
                    let (item, amount) = (random.random_range(1..=ITEMS), random.random_range(1..999));
                    let date = if delivered { "'2026-01-03'" } else { "NULL" };
                    lines.push(format!("{key}, {line}, {item}, {warehouse}, {date}, 5, {amount}.10, 'info'"));
                }
            }
        }
    }
    let columns = [
        ("warehouse", "w_id, w_name, w_city, w_tax, w_ytd"),
        ("district", "d_w_id, d_id, d_name, d_tax, d_ytd, d_next_o_id"),
        (
            "customer",
            "c_w_id, c_d_id, c_id, c_first, c_last, c_credit, c_discount, c_balance, c_ytd_payment, c_payment_cnt, c_delivery_cnt, c_data",
        ),
        ("history", "h_c_id, h_c_d_id, h_c_w_id, h_d_id, h_w_id, h_date, h_amount, h_data"),
        ("orders", "o_w_id, o_d_id, o_id, o_c_id, o_entry_d, o_carrier_id, o_ol_cnt, o_all_local"),
        ("new_order", "no_w_id, no_d_id, no_o_id"),
        (
            "order_line",
            "ol_w_id, ol_d_id, ol_o_id, ol_number, ol_i_id, ol_supply_w_id, ol_delivery_d, ol_quantity, ol_amount, ol_dist_info",
        ),
        ("item", "i_id, i_name, i_price, i_data"),
        ("stock", "s_w_id, s_i_id, s_quantity, s_ytd, s_order_cnt, s_remote_cnt, s_data"),
    ];
    let all = columns.iter().zip(&tables).flat_map(|((table, columns), rows)| inserts(table, columns, rows));
    Ok(all.collect())
}
