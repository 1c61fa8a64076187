//! What the micro-benchmarks are given: a point select and an insert of twenty columns, as applications send them.

use vitrail_proto::value::{Binds, Value};

/// Reads one row by its key.
pub const SELECT: &str = "SELECT id, name, email, born, score FROM users WHERE id = :id";

/// Writes one row of twenty columns.
pub const INSERT: &str = "INSERT INTO orders (user_id, id, state, amount, currency, tax, discount, ratio, placed_at, paid_at, \
    due, street, city, zip, country, phone, note, source, gift, details) VALUES (:user_id, :id, :state, :amount, :currency, :tax, \
    :discount, :ratio, :placed_at, :paid_at, :due, :street, :city, :zip, :country, :phone, :note, :source, :gift, :details)";

/// The binds of [`SELECT`].
pub fn user() -> Binds {
    [("id", Value::Int(4_711_000_042))].into_iter().collect()
}

/// The binds of [`INSERT`].
pub fn order() -> Binds {
    let text = |text: &str| Value::Text(text.to_owned());
    let decimal = |text: &str| Value::Decimal(text.to_owned());
    [
        ("user_id", Value::Int(4_711)),
        ("id", Value::Int(4_711_000_042)),
        ("state", text("paid")),
        ("amount", decimal("1299.90")),
        ("currency", text("EUR")),
        ("tax", decimal("207.55")),
        ("discount", Value::Null),
        ("ratio", Value::Double(0.159_663)),
        ("placed_at", Value::DateTime("2026-11-26 09:41:07.120000".to_owned())),
        ("paid_at", Value::DateTime("2026-11-26 09:41:59.004211".to_owned())),
        ("due", Value::Date("2026-12-10".to_owned())),
        ("street", text("Rue de l'Épée-de-Bois 5, 2ᵉ étage")),
        ("city", text("Paris")),
        ("zip", text("75005")),
        ("country", text("FR")),
        ("phone", text("+33 1 23 45 67 89")),
        ("note", text("please ring twice;\nthe dog's name is \"Bit\"")),
        ("source", Value::Bytes(vec![0x8b, 0x1f, 0x27, 0x00, 0x5c, 0x99, 0xe2, 0x10, 0x44, 0x07])),
        ("gift", Value::Int(0)),
        (
            "details",
            Value::Json(r#"{"lines": [{"sku": "A-100", "n": 2}, {"sku": "B-7", "n": 1}], "wrap": false}"#.to_owned()),
        ),
    ]
    .into_iter()
    .collect()
}
