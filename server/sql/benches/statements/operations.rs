//! Operations on statements, each ready to run again and again: by criterion, which takes the time, and by `tools/instructions`, which
//! counts.

use std::hint::black_box;
use std::sync::Arc;

use vitrail_proto::value::{Binds, Value};
use vitrail_sql::bind::Template;
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
    ("read where binds stand: insert of 20 columns", || {
        Box::new(|| {
            black_box(template(black_box(inputs::INSERT)));
        })
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

/// The text that MySQL gets, of a statement that was read before.
fn substituted(sql: &'static str, binds: Binds) -> Operation {
    let template = template(sql);
    Box::new(move || {
        black_box(text(black_box(&template), black_box(&binds)));
    })
}

fn with_literals(sql: &'static str, binds: &Binds) -> String {
    String::from_utf8(text(&template(sql), binds)).expect("literals are text")
}

fn template(sql: &'static str) -> Template {
    Template::read(sql.into(), LexMode::default()).expect("a statement")
}

fn text(template: &Template, binds: &Binds) -> Vec<u8> {
    let mut out = Vec::with_capacity(template.sql().len() + 128);
    template.write(binds, MAX_STATEMENT, &mut out).expect("binds that fit");
    out
}
