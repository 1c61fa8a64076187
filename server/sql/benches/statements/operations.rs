//! Operations on statements, each ready to run again and again: by criterion, which takes the time, and by `tools/instructions`, which
//! counts.

use std::hint::black_box;
use std::sync::Arc;

use vitrail_proto::value::{Binds, Value};
use vitrail_sql::bind::substitute;
use vitrail_sql::{LexMode, normalise};

use super::inputs;

type Operation = Box<dyn FnMut()>;
type Prepare = fn() -> Operation;

/// Bytes that MySQL takes by default.
const MAX_STATEMENT: usize = 64 << 20;

/// By name: what prepares the operation.
pub const OPERATIONS: &[(&str, Prepare)] = &[
    ("normalise: point select", || normalised(inputs::SELECT.to_owned())),
    ("normalise: point select with a literal", || normalised(inputs::SELECT.replace(":id", "4711000042"))),
    ("normalise: insert of 20 columns", || normalised(inputs::INSERT.to_owned())),
    ("normalise: insert of 20 columns with literals", || normalised(with_literals(inputs::INSERT, &inputs::order()))),
    ("normalise: IN of 100 literals", || {
        let list: Vec<String> = (0..100).map(|n| (4_711_000_000_u64 + n).to_string()).collect();
        normalised(format!("SELECT id, name, email FROM users WHERE id IN ({})", list.join(", ")))
    }),
    ("substitute binds: point select", || substituted(inputs::SELECT, inputs::user())),
    ("substitute binds: insert of 20 columns", || substituted(inputs::INSERT, inputs::order())),
    ("substitute binds: IN of 100 values", || {
        let list = Value::List((0..100).map(|n| Value::Int(4_711_000_000 + n)).collect());
        substituted("SELECT id, name, email FROM users WHERE id IN (::ids)", [("ids", list)].into_iter().collect())
    }),
];

/// One pass of the lexer: key, literals, kind and fingerprint.
fn normalised(text: String) -> Operation {
    let text: Arc<str> = text.into();
    Box::new(move || {
        black_box(normalise(Arc::clone(black_box(&text)), LexMode::default()).expect("a statement"));
    })
}

/// The text that MySQL gets.
fn substituted(sql: &'static str, binds: Binds) -> Operation {
    Box::new(move || {
        black_box(text(black_box(sql), black_box(&binds)));
    })
}

fn with_literals(sql: &str, binds: &Binds) -> String {
    String::from_utf8(text(sql, binds)).expect("literals are text")
}

fn text(sql: &str, binds: &Binds) -> Vec<u8> {
    let mut out = Vec::with_capacity(sql.len() + 128);
    substitute(sql, binds, LexMode::default(), MAX_STATEMENT, &mut out).expect("binds that fit");
    out
}
