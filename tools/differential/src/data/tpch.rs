//! TPC-H, very small: the words and ranges that its 22 queries look for, so that most of them find something.

use anyhow::Result;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::{inserts, quoted};

const SEED: u64 = 22;
const SUPPLIERS: u32 = 20;
const CUSTOMERS: u32 = 60;
const PARTS: u32 = 80;
const ORDERS: u32 = 250;

const REGIONS: [&str; 5] = ["AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"];
/// Names with their regions.
const NATIONS: [(&str, usize); 10] = [
    ("BRAZIL", 1),
    ("CANADA", 1),
    ("FRANCE", 3),
    ("GERMANY", 3),
    ("INDIA", 2),
    ("JAPAN", 2),
    ("KENYA", 0),
    ("EGYPT", 4),
    ("PERU", 1),
    ("CHINA", 2),
];
const SEGMENTS: [&str; 5] = ["AUTOMOBILE", "BUILDING", "FURNITURE", "HOUSEHOLD", "MACHINERY"];
const PRIORITIES: [&str; 5] = ["1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECI", "5-LOW"];
const MODES: [&str; 5] = ["AIR", "MAIL", "RAIL", "SHIP", "TRUCK"];
const INSTRUCTIONS: [&str; 3] = ["COLLECT COD", "DELIVER IN PERSON", "NONE"];
const WORDS: [&str; 5] = ["forest", "green", "ivory", "lemon", "red"];
const TYPES: [&str; 5] = [
    "PROMO PLATED BRASS",
    "ECONOMY ANODIZED STEEL",
    "MEDIUM POLISHED TIN",
    "SMALL BRUSHED BRASS",
    "STANDARD PLATED COPPER",
];
const BRANDS: [&str; 4] = ["Brand#12", "Brand#23", "Brand#34", "Brand#45"];
const SIZES: [u32; 8] = [3, 9, 14, 19, 23, 36, 45, 49];

pub(super) fn rows() -> Result<Vec<String>> {
    let mut random = SmallRng::seed_from_u64(SEED);
    let mut all = Vec::new();
    let regions: Vec<String> = REGIONS.iter().enumerate().map(|(key, name)| format!("{key}, '{name}', NULL")).collect();
    all.extend(inserts("region", "r_regionkey, r_name, r_comment", &regions));
    let nations = NATIONS.iter().enumerate().map(|(key, (name, region))| format!("{key}, '{name}', {region}, ''"));
    all.extend(inserts("nation", "n_nationkey, n_name, n_regionkey, n_comment", &nations.collect::<Vec<_>>()));
    all.extend(suppliers(&mut random));
    all.extend(customers(&mut random));
    all.extend(parts(&mut random));
    all.extend(orders(&mut random));
    Ok(all)
}

fn suppliers(random: &mut SmallRng) -> Vec<String> {
    let rows = (1..=SUPPLIERS).map(|key| {
        let nation = random.random_range(0..NATIONS.len());
        let comment = if key % 7 == 0 { "slow Customer of Complaints" } else { "quick" };
        let balance = money(random, -90_000, 900_000);
        format!(
            "{key}, 'Supplier#{key:09}', 'street {key}', {nation}, '{}-{key:03}', {balance}, '{comment}'",
            10 + nation
        )
    });
    let rows: Vec<String> = rows.collect();
    inserts("supplier", "s_suppkey, s_name, s_address, s_nationkey, s_phone, s_acctbal, s_comment", &rows)
}

fn customers(random: &mut SmallRng) -> Vec<String> {
    let rows = (1..=CUSTOMERS).map(|key| {
        let (nation, segment) = (random.random_range(0..NATIONS.len()), pick(random, &SEGMENTS));
        let balance = money(random, -90_000, 900_000);
        format!(
            "{key}, 'Customer#{key:09}', 'road {key}', {nation}, '{}-{key:03}', {balance}, '{segment}', ''",
            10 + nation
        )
    });
    let rows: Vec<String> = rows.collect();
    inserts("customer", "c_custkey, c_name, c_address, c_nationkey, c_phone, c_acctbal, c_mktsegment, c_comment", &rows)
}

fn parts(random: &mut SmallRng) -> Vec<String> {
    let (mut parts, mut offers) = (Vec::new(), Vec::new());
    for key in 1..=PARTS {
        let name = format!("{} {}", pick(random, &WORDS), pick(random, &WORDS));
        let (kind, brand, size) = (pick(random, &TYPES), pick(random, &BRANDS), pick(random, &SIZES));
        let price = money(random, 90_000, 200_000);
        parts.push(format!(
            "{key}, {}, 'Manufacturer#{}', '{brand}', '{kind}', {size}, 'MED BOX', {price}, ''",
            quoted(&name),
            1 + key % 5
        ));
        for number in 0..3 {
            let supplier = (key + number * 7) % SUPPLIERS + 1;
            let (quantity, cost) = (random.random_range(1..200), money(random, 100, 100_000));
            offers.push(format!("{key}, {supplier}, {quantity}, {cost}, ''"));
        }
    }
    let columns = "p_partkey, p_name, p_mfgr, p_brand, p_type, p_size, p_container, p_retailprice, p_comment";
    let mut all = inserts("part", columns, &parts);
    all.extend(inserts("partsupp", "ps_partkey, ps_suppkey, ps_availqty, ps_supplycost, ps_comment", &offers));
    all
}

fn orders(random: &mut SmallRng) -> Vec<String> {
    let (mut orders, mut lines) = (Vec::new(), Vec::new());
    for key in 1..=ORDERS {
        // A third of the customers never orders.
        let customer = random.random_range(0..CUSTOMERS / 3) * 3 + random.random_range(1..=2);
        let (status, priority) = (pick(random, &["F", "O", "P"]), pick(random, &PRIORITIES));
        let day = random.random_range(0..2400);
        let comment = if key % 9 == 0 { "special packaging requests" } else { "" };
        let price = money(random, 100_000, 30_000_000);
        orders.push(format!(
            "{key}, {customer}, '{status}', {price}, {}, '{priority}', 'Clerk#{}', 0, '{comment}'",
            date(day),
            key % 10
        ));
        for line in 1..=random.random_range(0..7) {
            let part = random.random_range(1..=PARTS);
            let supplier = (part + random.random_range(0..3) * 7) % SUPPLIERS + 1;
            let quantity = random.random_range(1..=50);
            let (shipped, committed) = (day + random.random_range(1..120), day + random.random_range(30..90));
            let received = shipped + random.random_range(1..30);
            let (flag, mode, instruction) =
                (pick(random, &["A", "N", "R"]), pick(random, &MODES), pick(random, &INSTRUCTIONS));
            let (discount, tax) = (random.random_range(0..=10), random.random_range(0..=8));
            lines.push(format!(
                "{key}, {part}, {supplier}, {line}, {quantity}, {}, 0.{discount:02}, 0.0{tax}, '{flag}', '{}', {}, {}, {}, '{instruction}', '{mode}', ''",
                money(random, 90_000, 9_000_000),
                if shipped > 1200 { "O" } else { "F" },
                date(shipped),
                date(committed),
                date(received)
            ));
        }
    }
    let columns = "o_orderkey, o_custkey, o_orderstatus, o_totalprice, o_orderdate, o_orderpriority, o_clerk, o_shippriority, o_comment";
    let mut all = inserts("orders", columns, &orders);
    let columns = "l_orderkey, l_partkey, l_suppkey, l_linenumber, l_quantity, l_extendedprice, l_discount, l_tax, l_returnflag, l_linestatus, \
                   l_shipdate, l_commitdate, l_receiptdate, l_shipinstruct, l_shipmode, l_comment";
    all.extend(inserts("lineitem", columns, &lines));
    all
}

fn pick<T: Copy>(random: &mut SmallRng, from: &[T]) -> T {
    from[random.random_range(0..from.len())]
}

/// An amount from so many cents to so many.
fn money(random: &mut SmallRng, from: i64, to: i64) -> String {
    let cents: i64 = random.random_range(from..to);
    format!("{}{}.{:02}", if cents < 0 { "-" } else { "" }, cents.abs() / 100, cents.abs() % 100)
}

/// So many days after the first of 1992, with months of 28 days.
fn date(day: u32) -> String {
    let (year, rest) = (1992 + day / 336, day % 336);
    format!("'{year}-{:02}-{:02}'", 1 + rest / 28, 1 + rest % 28)
}
