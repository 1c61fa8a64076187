//! Bind values on the wire: BSON's own types where they are exact, `{t, v}` where they are not.

use super::literal;
use super::{Binds, Value};
use crate::document::{Datum, Field, Fields, Writer, index, shortened};
use crate::error::ProtocolError;
use crate::limits::{MAX_BIND_NAME, MAX_BINDS};

type Result<T> = std::result::Result<T, ProtocolError>;

impl Binds {
    /// Appends the binds as the document `name`.
    pub(crate) fn encode(&self, writer: &mut Writer<'_>, name: &str) {
        writer.document(name, |document| {
            for (name, value) in self.iter() {
                encode(document, name, value);
            }
        });
    }

    /// Reads the binds of a statement. Names are unique; there are at most [`MAX_BINDS`].
    pub(crate) fn decode(fields: Fields<'_>) -> Result<Binds> {
        let mut binds = Binds::new();
        for field in fields.iter() {
            let field = field?;
            if binds.len() == MAX_BINDS {
                return Err(ProtocolError::field("binds", format!("more than {MAX_BINDS} binds")));
            }
            if field.name.is_empty() || field.name.len() > MAX_BIND_NAME {
                return Err(field.error(format!("bind names have 1 to {MAX_BIND_NAME} bytes")));
            }
            binds.push_unique(field.name.into(), decode(&field)?);
        }
        binds.check_unique()?;
        Ok(binds)
    }

    /// Checks before sending what the server would refuse: numbers that are not finite, empty or uneven lists, text that
    /// is no literal of its type, too many binds.
    pub fn check(&self) -> Result<()> {
        if self.len() > MAX_BINDS {
            return Err(ProtocolError::field("binds", format!("more than {MAX_BINDS} binds")));
        }
        let mut body = Vec::new();
        let mut writer = Writer::new(&mut body);
        for (name, value) in self.iter() {
            if name.contains('\0') {
                return Err(ProtocolError::field(shortened(name), "bind names have no NUL"));
            }
            encode(&mut writer, name, value);
        }
        writer.finish();
        Binds::decode(Fields::open(&body)?).map(drop)
    }

    /// Sorts an index of the names, so that 65,535 binds cost no 2^32 comparisons.
    fn check_unique(&self) -> Result<()> {
        let mut names: Vec<&str> = self.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(ProtocolError::DuplicateField(shortened(pair[0]))),
            None => Ok(()),
        }
    }
}

fn encode(writer: &mut Writer<'_>, name: &str, value: &Value) {
    match value {
        Value::Null => writer.null(name),
        Value::Int(value) => writer.integer(name, *value),
        Value::UInt(value) => match i64::try_from(*value) {
            Ok(signed) => writer.integer(name, signed),
            Err(_) => typed(writer, name, "u64", |typed| typed.text("v", &value.to_string())),
        },
        Value::Double(value) => writer.double(name, *value),
        Value::Text(value) => writer.text(name, value),
        Value::Bytes(value) => writer.binary(name, value),
        Value::Decimal(value) => typed(writer, name, "decimal", |typed| typed.text("v", value)),
        Value::Date(value) => typed(writer, name, "date", |typed| typed.text("v", value)),
        Value::Time(value) => typed(writer, name, "time", |typed| typed.text("v", value)),
        Value::DateTime(value) => typed(writer, name, "datetime", |typed| typed.text("v", value)),
        Value::Json(value) => typed(writer, name, "json", |typed| typed.text("v", value)),
        Value::Bit(value) => typed(writer, name, "bit", |typed| typed.binary("v", value)),
        Value::Geometry(value) => typed(writer, name, "geometry", |typed| typed.binary("v", value)),
        Value::CharsetText { charset, bytes } => typed(writer, name, "text", |typed| {
            typed.text("cs", charset);
            typed.binary("v", bytes);
        }),
        Value::List(values) | Value::Tuple(values) => writer.array(name, |array| {
            for (at, value) in values.iter().enumerate() {
                encode(array, index(at, &mut [0; 20]), value);
            }
        }),
    }
}

fn typed(writer: &mut Writer<'_>, name: &str, kind: &str, fill: impl FnOnce(&mut Writer<'_>)) {
    writer.document(name, |document| {
        document.text("t", kind);
        fill(document);
    });
}

fn decode(field: &Field<'_>) -> Result<Value> {
    let Datum::Array(_) = field.value else { return scalar(field) };
    let mut values = Vec::new();
    let mut width = None;
    for element in field.array()? {
        let element = element?;
        let value = match element.value {
            Datum::Array(_) => tuple(&element)?,
            _ => scalar(&element)?,
        };
        let this = if let Value::Tuple(members) = &value { Some(members.len()) } else { None };
        if *width.get_or_insert(this) != this {
            return Err(field.error("a list holds scalars only, or tuples of one length"));
        }
        values.push(value);
    }
    if values.is_empty() {
        return Err(field.error("a list must not be empty"));
    }
    Ok(Value::List(values))
}

fn tuple(field: &Field<'_>) -> Result<Value> {
    let values = field.array()?.map(|element| scalar(&element?)).collect::<Result<Vec<Value>>>()?;
    if values.is_empty() {
        return Err(field.error("a tuple must not be empty"));
    }
    Ok(Value::Tuple(values))
}

fn scalar(field: &Field<'_>) -> Result<Value> {
    match field.value {
        Datum::Null => Ok(Value::Null),
        Datum::Boolean(value) => Ok(Value::Int(i64::from(value))),
        Datum::Double(value) if value.is_finite() => Ok(Value::Double(value)),
        Datum::Double(_) => Err(field.error("a double must be finite")),
        Datum::Text(value) => Ok(Value::Text(value.to_owned())),
        Datum::Document(_) => typed_value(field),
        Datum::Binary(_) => Ok(Value::Bytes(field.binary()?.to_vec())),
        Datum::Array(_) => Err(field.error("lists nest no deeper than tuples of scalars")),
        _ => Ok(Value::Int(field.integer()?)),
    }
}

fn typed_value(field: &Field<'_>) -> Result<Value> {
    let (mut kind, mut value, mut charset) = (None, None, None);
    for part in field.document()?.iter() {
        let part = part?;
        match part.name {
            "t" => part.put(&mut kind, part.text()?)?,
            "v" => part.put(&mut value, Field { name: field.name, value: part.value })?,
            "cs" => part.put(&mut charset, part.text()?)?,
            _ => part.unknown()?,
        }
    }
    let kind = kind.ok_or_else(|| field.error("a typed value needs `t`"))?;
    let value = value.ok_or_else(|| field.error("a typed value needs `v`"))?;
    if charset.is_some() && kind != "text" {
        return Err(field.error("`cs` belongs to `text` only"));
    }
    let text = |valid: fn(&str) -> bool, wanted: &'static str| -> Result<String> {
        let text = value.text()?;
        if valid(text) { Ok(text.to_owned()) } else { Err(field.error(wanted)) }
    };
    Ok(match kind {
        "u64" => {
            let digits = text(literal::is_digits, "must be digits")?;
            let number = digits.parse::<u64>().map_err(|_| field.error("is above 18446744073709551615"))?;
            i64::try_from(number).map_or(Value::UInt(number), Value::Int)
        }
        "decimal" => Value::Decimal(text(literal::is_decimal, "must be a decimal of at most 65 digits")?),
        "date" => Value::Date(text(literal::is_date, "must be YYYY-MM-DD")?),
        "time" => Value::Time(text(literal::is_time, "must be [-]HH:MM:SS[.ffffff] of at most 838 hours")?),
        "datetime" => Value::DateTime(text(literal::is_datetime, "must be YYYY-MM-DD HH:MM:SS[.ffffff]")?),
        "json" => Value::Json(value.text()?.to_owned()),
        "bit" => {
            let bits = value.binary_within(8)?;
            if bits.is_empty() {
                return Err(field.error("a bit string has 1 to 8 bytes"));
            }
            Value::Bit(bits.to_vec())
        }
        "geometry" => {
            let bytes = value.binary()?;
            if bytes.len() < 9 {
                return Err(field.error("a geometry has an SRID of 4 bytes and WKB of at least 5"));
            }
            Value::Geometry(bytes.to_vec())
        }
        "text" => {
            let charset = charset.ok_or_else(|| field.error("`text` needs `cs`"))?;
            if !literal::is_charset(charset) {
                return Err(field.error("`cs` must be 1 to 64 letters, digits or `_`"));
            }
            Value::CharsetText { charset: charset.to_owned(), bytes: value.binary()?.to_vec() }
        }
        unknown => {
            return Err(ProtocolError::UnknownValueType { name: shortened(field.name), kind: shortened(unknown) });
        }
    })
}
