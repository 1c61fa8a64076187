//! A plan serves every statement with its key: resolved with other literals, it goes where a plan of that statement's own goes.

mod fixture;

use std::sync::Arc;

use fixture::Fixture;
use vitrail_proto::value::Binds;
use vitrail_sql::{LexMode, normalise};

/// Statements with `#` where a number goes.
const SHAPES: [&str; 9] = [
    "SELECT * FROM users WHERE id = #",
    "SELECT * FROM shop.users u WHERE u.name = 'x#' AND u.id = #",
    "SELECT * FROM users WHERE id IN (#, #, #)",
    "SELECT * FROM users u JOIN orders o ON o.user_id = u.id WHERE u.id = #",
    "INSERT INTO shop.orders (id, user_id) VALUES (#, #), (#, #), (#, #)",
    "UPDATE shop.users SET name = 'n#' WHERE shop.users.id = # AND score > #",
    "DELETE FROM orders WHERE user_id = -# AND id = #",
    "SELECT name FROM users WHERE born > '#' ORDER BY name LIMIT 5, 7",
    "REPLACE INTO users SET name = '#', id = #",
];

#[test]
fn a_plan_serves_every_statement_with_its_key() {
    let fixture = Fixture::load();
    let seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut state = seed;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let binds = Arc::new(Binds::new());
    for shape in SHAPES {
        let mut text = || {
            let mut out = String::new();
            for (index, part) in shape.split('#').enumerate() {
                if index > 0 {
                    out.push_str(&(random() >> (random() % 63 + 1)).to_string());
                }
                out.push_str(part);
            }
            normalise(Arc::from(out), LexMode::default()).expect("lexes")
        };
        let first = text();
        let plan = fixture.plan(&first, "shop").expect("plans");
        for _ in 0..200 {
            let other = text();
            assert_eq!(other.key, first.key);
            let own = fixture.plan(&other, "shop").expect("plans");
            let shards = fixture.shards("shop");
            assert_eq!(
                plan.resolve(&other, &binds, shards),
                own.resolve(&other, &binds, shards),
                "seed {seed:#x}: {}",
                other.text
            );
            assert_eq!(plan, own, "seed {seed:#x}: {}", other.text);
        }
    }
}

/// Numbers that a plan depends on are part of the key.
#[test]
fn positions_have_keys_of_their_own() {
    for (one, other) in [
        ("SELECT user_id, id FROM orders GROUP BY 1", "SELECT user_id, id FROM orders GROUP BY 2"),
        ("SELECT user_id, id FROM orders ORDER BY 1", "SELECT user_id, id FROM orders ORDER BY 2"),
        ("SELECT SUM(amount * 2) FROM orders", "SELECT SUM(amount * 2.5) FROM orders"),
        ("SELECT SUM(amount * 2.5) FROM orders", "SELECT SUM(amount * 2e0) FROM orders"),
    ] {
        let key = |text: &str| normalise(Arc::from(text), LexMode::default()).expect("lexes").key;
        assert_ne!(key(one), key(other));
    }
}
