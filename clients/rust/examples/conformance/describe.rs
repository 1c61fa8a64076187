//! Values, cells and errors, as commands and answers describe them.

use serde_json::{Value as Json, json};
use vitrail_client::{Binds, Error, Row, Value};

/// The text of a field.
pub(crate) fn text(command: &Json, field: &str) -> String {
    command[field].as_str().unwrap_or_default().to_owned()
}

/// The binds of a document; none where there is none.
pub(crate) fn binds(described: &Json) -> Binds {
    let mut binds = Binds::new();
    for (name, item) in described.as_object().into_iter().flatten() {
        binds.set(name.clone(), value(item));
    }
    binds
}

/// The value that a command describes.
pub(crate) fn value(described: &Json) -> Value {
    let (kind, content) = described.as_object().and_then(|one| one.iter().next()).expect("a value has one member");
    let words = || content.as_str().expect("a text").to_owned();
    let items = || content.as_array().expect("an array").iter().map(value).collect();
    match kind.as_str() {
        "null" => Value::Null,
        "int" => match words().parse::<i64>() {
            Ok(number) => Value::Int(number),
            Err(_) => Value::UInt(words().parse().expect("an integer of 64 bits")),
        },
        "bool" => Value::Int(i64::from(content.as_bool().expect("a boolean"))),
        "double" => Value::Double(content.as_f64().expect("a number")),
        "decimal" => Value::Decimal(words()),
        "text" => Value::Text(words()),
        "bytes" => Value::Bytes(unhex(&words())),
        "date" => Value::Date(words()),
        "datetime" => Value::DateTime(words()),
        "time" => Value::Time(words()),
        "json" => Value::Json(words()),
        "bit" => Value::Bit(unhex(&words())),
        "geometry" => Value::Geometry(unhex(&words())),
        "list" => Value::List(items()),
        "tuple" => Value::Tuple(items()),
        other => panic!("there is no value of kind {other}"),
    }
}

/// The cells of a row.
pub(crate) fn cells(row: &Row) -> Json {
    let cell = |(index, column): (usize, &vitrail_client::Column)| {
        let Some(raw) = row.raw(index) else { return json!({"null": true}) };
        if column.is_binary() {
            return json!({"bytes": raw.iter().map(|byte| format!("{byte:02x}")).collect::<String>()});
        }
        let words = std::str::from_utf8(raw).expect("cells that are no bytes are text");
        match column.type_code {
            1..=3 | 8 | 9 | 13 => json!({"int": words}),
            4 | 5 => json!({"double": row.get::<f64>(index).expect("a double")}),
            0 | 246 => json!({"decimal": words}),
            10 => json!({"date": words}),
            11 => json!({"time": words}),
            7 | 12 => json!({"datetime": words}),
            _ => json!({"text": words}),
        }
    };
    row.columns().iter().enumerate().map(cell).collect()
}

/// An error of the client.
pub(crate) fn failure(error: &Error) -> Json {
    json!({"error": {
        "code": error.code().as_str(),
        "errno": error.errno(),
        "sqlstate": error.sqlstate(),
        "executed": error.executed().as_str(),
        "retryable": error.is_retryable(),
        "in_transaction": error.in_transaction(),
        "message": error.message(),
        "item": error.as_server_error().and_then(|body| body.item),
    }})
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal digits"))
        .collect()
}
