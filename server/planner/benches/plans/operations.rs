//! Operations on plans, each ready to run again and again: by criterion, which takes the time, and by `tools/instructions`, which counts.

use std::hint::black_box;
use std::sync::Arc;

use vitrail_planner::key_range::Shards;
use vitrail_planner::plan::Plan;
use vitrail_planner::schema::{ColumnSchema, KeyspaceSchema, Schemas, TableSchema};
use vitrail_planner::vschema::{Keyspace, VSchema};
use vitrail_planner::{PlanContext, plan};
use vitrail_proto::value::Binds;
use vitrail_sql::{LexMode, Normalised, normalise};

use super::inputs;

type Operation = Box<dyn FnMut()>;
type Prepare = fn() -> Operation;

/// By name: what prepares the operation.
pub const OPERATIONS: &[(&str, Prepare)] = &[
    ("plan anew: point select", || planned(inputs::SELECT)),
    ("plan anew: insert of 20 columns", || planned(inputs::INSERT)),
    ("plan anew: join, grouped and sorted, over all shards", || planned(JOIN)),
    ("resolve a plan: point select", || resolved(inputs::SELECT, inputs::user())),
    ("resolve a plan: insert of 20 columns", || resolved(inputs::INSERT, inputs::order())),
    ("resolve a plan: insert of 100 rows over 4 shards", || resolved(&hundred_rows(), Binds::new())),
    ("resolve a plan: join over all shards", || resolved(JOIN, Binds::new())),
];

const JOIN: &str = "SELECT u.id, u.name, COUNT(*) AS orders, SUM(o.amount) AS spent FROM users u JOIN orders o ON o.user_id = u.id \
    WHERE o.placed_at >= '2026-11-01' AND o.state IN ('paid', 'sent') GROUP BY u.id, u.name ORDER BY u.id LIMIT 20";

const USERS: &str = "id bigint, name varchar, email varchar, born date, score decimal";
const ORDERS: &str = "user_id bigint, id bigint, state varchar, amount decimal, currency char, tax decimal, discount decimal, \
    ratio double, placed_at datetime, paid_at datetime, due date, street varchar, city varchar, zip varchar, country char, \
    phone varchar, note text, source varbinary, gift tinyint, details json";

/// What a miss of the plan cache costs.
fn planned(text: &str) -> Operation {
    let (cluster, statement) = (Cluster::new(), statement(text));
    Box::new(move || {
        black_box(cluster.plan(black_box(&statement)));
    })
}

/// What each execution of a plan costs: the shards, and the text for each.
fn resolved(text: &str, binds: Binds) -> Operation {
    let (cluster, statement, binds) = (Cluster::new(), statement(text), Arc::new(binds));
    let plan = cluster.plan(&statement);
    Box::new(move || {
        black_box(plan.resolve(black_box(&statement), black_box(&binds), &cluster.shards).expect("shards"));
    })
}

/// The keyspace `shop` of four shards.
struct Cluster {
    vschema: VSchema,
    schemas: Schemas,
    shards: Shards,
}

impl Cluster {
    fn new() -> Cluster {
        let mut vschema = VSchema::new();
        let shop = include_str!("../../../../testdata/plans/shop.vschema.json");
        vschema.insert(Keyspace::from_json("shop", shop).expect("a vschema"));
        let tables = [table("users", USERS, &["id"]), table("orders", ORDERS, &["user_id", "id"])];
        Cluster {
            vschema,
            schemas: [("shop".into(), Arc::new(KeyspaceSchema::new(tables)))].into_iter().collect(),
            shards: Shards::from_names(["-40", "40-80", "80-c0", "c0-"]).expect("shards"),
        }
    }

    fn plan(&self, statement: &Normalised) -> Plan {
        let (vschema, schemas) = (&self.vschema, &self.schemas);
        let context = PlanContext {
            vschema,
            schemas,
            keyspace: Some("shop"),
            shard: None,
            temporary: &[],
            catalog: None,
            scratch: None,
        };
        plan(statement, &context).expect("a plan")
    }
}

fn table(name: &str, columns: &str, key: &[&str]) -> (String, TableSchema) {
    let columns = columns.split(", ").map(|column| {
        let (name, kind) = column.split_once(' ').expect("a name and a type");
        ColumnSchema::of(name, kind, Some("utf8mb4_general_ci"))
    });
    let unique_keys = vec![key.iter().map(|&name| name.to_owned()).collect()];
    (name.to_owned(), TableSchema { columns: columns.collect(), unique_keys, ..TableSchema::default() })
}

fn statement(text: &str) -> Normalised {
    normalise(text.into(), LexMode::default()).expect("a statement")
}

fn hundred_rows() -> String {
    let rows: Vec<String> = (1..=100).map(|n| format!("({n}, {}, 'paid', 1299.90)", 4_711_000_000_u64 + n)).collect();
    format!("INSERT INTO orders (user_id, id, state, amount) VALUES {}", rows.join(", "))
}
