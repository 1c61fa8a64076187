//! A dozen tenants with customers, products, orders and sessions: few values, so that there are ties, and NULL everywhere it may be.

use anyhow::Result;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::{inserts, quoted};

const SEED: u64 = 20_010_401;
const TENANTS: u32 = 12;

/// Some are equal to each other under a loose collation.
const NAMES: [&str; 10] =
    ["Ada", "ada", "Ådå", "Bruno", "Chiara ", "Chiara", "Élodie", "Elodie", "Zoë 🛫", "o'Hara \\"];
const CITIES: [&str; 8] = ["Paris", "paris", "PARIS", "Zürich", "Zurich", "São Paulo", "Basel", ""];
const COUNTRIES: [&str; 6] = ["DE", "FR", "CH", "US", "BR", "JP"];
const STATUS: [&str; 4] = ["open", "paid", "sent", "returned"];

pub(super) fn rows() -> Result<Vec<String>> {
    let mut random = SmallRng::seed_from_u64(SEED);
    let mut all = tenants(&mut random);
    let (mut customers, mut products, mut orders, mut items) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for tenant in 1..=TENANTS {
        // The last tenant has nothing.
        let size = if tenant == TENANTS { 0 } else { 2 + tenant % 5 * 2 };
        for id in 1..=size {
            customers.push(customer(&mut random, tenant, id));
        }
        for number in 1..=size {
            let (cents, stock) = (random.random_range(1..40) * 25, random.random_range(-2..6) * 5);
            let weight =
                null_or(&mut random, 4, |random| format!("{}", f64::from(random.random_range(1..80_u32)) / 8.0));
            let tags = ["", "new", "sale", "new,sale", "eco,new"][random.random_range(0..5)];
            let title = format!("Product {}", number % 4);
            products.push(format!(
                "{tenant}, 'P{number:02}', {}, {}.{:02}, {stock}, {weight}, '{tags}'",
                quoted(&title),
                cents / 100,
                cents % 100
            ));
        }
        for id in 1..=size * 3 {
            let customer = random.random_range(1..=size + 1);
            let status = STATUS[random.random_range(0..4)];
            let (day, hour) = (random.random_range(1..29), random.random_range(0..4) * 6);
            let total = null_or(&mut random, 5, |random| format!("{}.{:02}", random.random_range(-5..300), id % 100));
            let note = null_or(&mut random, 2, |random| {
                quoted(["", "gift", "Gift", "fragile ", "urgent"][random.random_range(0..5)])
            });
            orders.push(format!(
                "{tenant}, {id}, {customer}, '{status}', '2026-0{}-{day:02} {hour:02}:00:00', {total}, {note}",
                1 + id % 3
            ));
            for line in 1..=random.random_range(0..4) {
                let discount =
                    null_or(&mut random, 3, |random| format!("{}", f64::from(random.random_range(0..10_u32)) / 10.0));
                let (sku, quantity, price) =
                    (random.random_range(1..=size + 1), random.random_range(1..5), random.random_range(1..60));
                items.push(format!("{tenant}, {id}, {line}, 'P{sku:02}', {quantity}, {price}.50, {discount}"));
            }
        }
    }
    all.extend(inserts("customer", "tenant_id, id, name, email, city, country, birthday, score", &customers));
    all.extend(inserts("product", "tenant_id, sku, title, price, stock, weight, tags", &products));
    all.extend(inserts("orders", "tenant_id, id, customer_id, status, placed, total, note", &orders));
    all.extend(inserts("item", "tenant_id, order_id, line, sku, quantity, price, discount", &items));
    all.extend(sessions(&mut random));
    Ok(all)
}

fn tenants(random: &mut SmallRng) -> Vec<String> {
    let tenant = |id: u32| {
        let name = ["Acme", "acme", "Ümlaut", "Umlaut", "Zebra "][id as usize % 5];
        let plan = ["free", "pro", "max"][id as usize % 3];
        let credit = null_or(random, 3, |random| {
            format!("{}.{:02}", random.random_range(-100..1000), random.random_range(0..100))
        });
        format!("{id}, {}, '{plan}', '20{:02}-01-15', {credit}", quoted(name), 10 + id % 4)
    };
    let rows: Vec<String> = (1..=TENANTS).map(tenant).collect();
    inserts("tenant", "id, name, plan, since, credit", &rows)
}

fn customer(random: &mut SmallRng, tenant: u32, id: u32) -> String {
    let name = null_or(random, 8, |random| quoted(NAMES[random.random_range(0..NAMES.len())]));
    let city = null_or(random, 5, |random| quoted(CITIES[random.random_range(0..CITIES.len())]));
    let country = COUNTRIES[random.random_range(0..COUNTRIES.len())];
    let birthday = null_or(random, 4, |random| {
        format!("'19{}-0{}-{:02}'", random.random_range(70..80), random.random_range(1..10), random.random_range(1..29))
    });
    let score = null_or(random, 4, |random| format!("{}", f64::from(random.random_range(-20..50_i32)) / 10.0));
    format!("{tenant}, {id}, {name}, 'c{id}@t{}.example', {city}, '{country}', {birthday}, {score}", tenant % 3)
}

fn sessions(random: &mut SmallRng) -> Vec<String> {
    let session = |number: u32| {
        let tenant = random.random_range(0..=TENANTS);
        let (minute, millis) = (random.random_range(0..60), random.random_range(0..4) * 250);
        let hits = random.random_range(-2..9_i64) * 1_000_000_007;
        format!("'tok-{number}', {tenant}, '2026-03-01 10:{minute:02}:00.{millis:03}', {hits}")
    };
    let rows: Vec<String> = (1..=60).map(session).collect();
    inserts("session", "token, tenant_id, started, hits", &rows)
}

/// NULL once in `often`, else what `make` gives.
fn null_or(random: &mut SmallRng, often: u32, make: impl FnOnce(&mut SmallRng) -> String) -> String {
    if random.random_range(0..often) == 0 { "NULL".into() } else { make(random) }
}
