//! Values on their way from a row that was read into one that is written.

use vitrail_planner::schema::{ColumnClass, ColumnSchema, Domain};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::rows::ColumnType as T;
use vitrail_proto::value::Value;
use vitrail_service::call::Settings;

use super::rows::malformed;
use crate::columns::Column;
use crate::failure;

/// Whether the session's `sql_mode` makes errors of values that do not fit. MySQL's own default does.
pub(super) fn is_strict(settings: &Settings) -> bool {
    variable(settings, "sql_mode").is_none_or(|modes| {
        let modes = modes.to_ascii_uppercase();
        modes.contains("STRICT_") || modes.contains("TRADITIONAL") || modes == "DEFAULT"
    })
}

/// Whether each time of the session's zone is one instant.
pub(super) fn is_in_fixed_zone(settings: &Settings) -> bool {
    is_fixed(variable(settings, "time_zone"))
}

fn variable<'s>(settings: &'s Settings, name: &str) -> Option<&'s str> {
    let found = settings.variables.iter().find(|(known, _)| known == name);
    found.map(|(_, literal)| literal.trim_matches('\''))
}

/// A cell of a table's own column, to name or to make a row of that table.
pub(super) fn own(cell: Option<&[u8]>, column: &ColumnSchema) -> Result<Value, ErrorBody> {
    let Some(cell) = cell else { return Ok(Value::Null) };
    Ok(match column.class {
        ColumnClass::Integer => integer(cell)?,
        _ if column.domain == Domain::Bits => integer(cell)?,
        ColumnClass::Decimal => Value::Decimal(text(cell)?),
        ColumnClass::Double | ColumnClass::Float => double(cell)?,
        ColumnClass::Binary => Value::Bytes(cell.to_vec()),
        _ => Value::Text(text(cell)?),
    })
}

/// Refuses what a literal cannot carry from a column of an answer into a column of a table: MySQL would convert it in another way. `proved`: each row
/// tells whether its text is its whole value.
pub(crate) fn check(from: &Column, to: &ColumnSchema, settings: &Settings, proved: bool) -> Result<(), ErrorBody> {
    let words = matches!(to.class, ColumnClass::Text(_));
    let carried = match from.column_type {
        T::NULL => true,
        T::TINY | T::SHORT | T::INT24 | T::LONG | T::LONGLONG | T::NEWDECIMAL => {
            to.class != ColumnClass::Other || to.domain == Domain::Bits
        }
        // As a number; a string of its bytes would have to be one of the text's character set.
        T::BIT => {
            use ColumnClass as C;
            to.domain == Domain::Bits || matches!(to.class, C::Integer | C::Decimal | C::Double | C::Float)
        }
        T::YEAR => words || matches!(to.class, ColumnClass::Integer | ColumnClass::Decimal | ColumnClass::Double),
        // Its text has six digits, and as a text it is that text.
        T::FLOAT => words && from.decimals == 31,
        // With a fixed number of digits, its text is not its value.
        T::DOUBLE => from.decimals == 31 && !words && to.class != ColumnClass::Other,
        T::DATE => {
            words || matches!(to.domain, Domain::Dates | Domain::Datetimes) || to.class == ColumnClass::Timestamp
        }
        T::DATETIME => words || to.domain == Domain::Datetimes || to.class == ColumnClass::Timestamp,
        T::TIME => words || to.domain == Domain::Times,
        T::TIMESTAMP if to.class == ColumnClass::Timestamp => {
            if !proved && !is_in_fixed_zone(settings) {
                return Err(ambiguous(std::iter::once(to)));
            }
            true
        }
        T::TIMESTAMP => words || to.domain == Domain::Datetimes,
        _ if from.labels => words || to.class == ColumnClass::Label,
        T::VARCHAR | T::VAR_STRING | T::STRING | T::TINY_BLOB | T::BLOB | T::MEDIUM_BLOB | T::LONG_BLOB => {
            !from.binary || matches!(to.class, ColumnClass::Binary | ColumnClass::Text(_)) || to.domain == Domain::Bits
        }
        _ => false,
    };
    if carried {
        return Ok(());
    }
    Err(failure::unsupported(format!(
        "the value '{}' is of a type that MySQL would convert for `{}` in a way that is not proved over several shards; CAST it to the type of `{}`",
        from.name, to.name, to.name
    )))
}

/// The refusal of a row with a value that text does not tell wholly, in one of these columns.
pub(super) fn ambiguous<'c>(columns: impl Iterator<Item = &'c ColumnSchema>) -> ErrorBody {
    let names: Vec<String> = columns.map(|column| format!("`{}`", column.name)).collect();
    failure::unsupported(format!(
        "this INSERT over several shards may read a value for {} that text cannot carry: an instant of the hour that comes twice in a \
         year (SET time_zone = '+00:00' before it), or a JSON document with dates or decimals",
        names.join(", ")
    ))
}

/// A cell of an answer, for a column that [`check`] has passed.
pub(crate) fn given(cell: Option<&[u8]>, from: &Column, to: &ColumnSchema) -> Result<Value, ErrorBody> {
    let Some(cell) = cell else { return Ok(Value::Null) };
    if matches!(to.class, ColumnClass::Text(_)) && !from.binary_text() {
        return Ok(Value::Text(text(cell)?));
    }
    Ok(match from.column_type {
        T::TINY | T::SHORT | T::INT24 | T::LONG | T::LONGLONG | T::YEAR => integer(cell)?,
        T::NEWDECIMAL => Value::Decimal(text(cell)?),
        T::DOUBLE => double(cell)?,
        T::BIT => bits(cell)?,
        _ if from.binary_text() => Value::Bytes(cell.to_vec()),
        _ => Value::Text(text(cell)?),
    })
}

impl Column {
    /// A string of bytes.
    fn binary_text(&self) -> bool {
        let string = matches!(
            self.column_type,
            T::VARCHAR | T::VAR_STRING | T::STRING | T::TINY_BLOB | T::BLOB | T::MEDIUM_BLOB | T::LONG_BLOB
        );
        string && self.binary && !self.labels
    }
}

/// A zone without clocks that are set back.
fn is_fixed(zone: Option<&str>) -> bool {
    zone.is_some_and(|zone| zone.starts_with(['+', '-']) || zone.eq_ignore_ascii_case("utc"))
}

fn integer(cell: &[u8]) -> Result<Value, ErrorBody> {
    let text = std::str::from_utf8(cell).map_err(|_| malformed())?;
    text.parse().map(Value::Int).or_else(|_| text.parse().map(Value::UInt)).map_err(|_| malformed())
}

fn bits(cell: &[u8]) -> Result<Value, ErrorBody> {
    let mut bytes = [0; 8];
    let start = bytes.len().checked_sub(cell.len()).ok_or_else(malformed)?;
    bytes[start..].copy_from_slice(cell);
    Ok(Value::UInt(u64::from_be_bytes(bytes)))
}

fn double(cell: &[u8]) -> Result<Value, ErrorBody> {
    let text = std::str::from_utf8(cell).map_err(|_| malformed())?;
    text.parse().map(Value::Double).map_err(|_| malformed())
}

fn text(cell: &[u8]) -> Result<String, ErrorBody> {
    String::from_utf8(cell.to_vec()).map_err(|_| malformed())
}
