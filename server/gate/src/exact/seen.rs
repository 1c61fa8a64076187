//! The values of a fragment's columns that others are read by, noted while its rows pass.

use std::collections::HashSet;
use std::sync::Arc;

use vitrail_planner::plan::{Form, Fragment};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::value::Value;

use crate::failure;

/// Values that a fragment is read by, at most. MySQL looks up so many in an index: for one that its optimizer takes some 230 bytes of the 8 MiB
/// (`range_optimizer_max_mem_size`) beyond which it reads the whole table.
const MOST_VALUES: usize = 20_000;

/// Their bytes, at most.
const MOST_BYTES: usize = 1 << 20;

/// What was seen of a fragment.
#[derive(Debug, Default)]
pub(super) struct Seen(Vec<Column>);

#[derive(Debug)]
struct Column {
    name: Arc<str>,
    form: Form,
    /// Where it is in a row.
    position: usize,
    /// Each once; `None`: there are too many, or one that cannot be asked for.
    values: Option<HashSet<Box<[u8]>>>,
    bytes: usize,
}

impl Seen {
    /// Nothing yet, of the columns of a fragment that others may be read by.
    pub(super) fn of(number: usize, fragments: &[Fragment]) -> Seen {
        let mut columns: Vec<Column> = Vec::new();
        for reduction in fragments.iter().flat_map(Fragment::reductions) {
            let from = fragments[reduction.source].copy_of().unwrap_or(reduction.source);
            let carried = fragments[number].columns.iter();
            let position = carried.clone().position(|column| column.name.eq_ignore_ascii_case(&reduction.column));
            let Some(position) = position.filter(|_| from == number) else { continue };
            let form = fragments[number].columns[position].form;
            if form == reduction.form && columns.iter().all(|column| column.position != position) {
                let (name, values) = (Arc::clone(&reduction.column), Some(HashSet::new()));
                columns.push(Column { name, form, position, values, bytes: 0 });
            }
        }
        Seen(columns)
    }

    /// Notes the values of a row.
    pub(super) fn row(&mut self, cells: &[Option<&[u8]>]) {
        for column in &mut self.0 {
            if let Some(Some(cell)) = cells.get(column.position) {
                column.note(cell);
            }
        }
    }

    /// The values of a column, NULL aside; `None`: they cannot be asked for.
    pub(super) fn values(&self, name: &str) -> Result<Option<Vec<Value>>, ErrorBody> {
        let column = self.0.iter().find(|column| column.name.eq_ignore_ascii_case(name));
        let Some((column, values)) = column.and_then(|column| Some((column, column.values.as_ref()?))) else {
            return Ok(None);
        };
        let mut values: Vec<&[u8]> = values.iter().map(|value| &**value).collect();
        // The same rows make the same statement.
        values.sort_unstable();
        values.into_iter().map(|cell| value(cell, column.form)).collect::<Result<_, _>>().map(Some)
    }
}

impl Column {
    fn note(&mut self, cell: &[u8]) {
        self.add(cell);
        // Spaces up to the length of a CHAR are no part of its value, and the session's sql_mode may have them read.
        if self.form == Form::Quoted && cell.ends_with(b" ") {
            let length = cell.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
            self.add(&cell[..length]);
        }
    }

    fn add(&mut self, cell: &[u8]) {
        let Some(values) = &mut self.values else { return };
        if values.contains(cell) {
            return;
        }
        self.bytes += cell.len();
        if values.len() >= MOST_VALUES || self.bytes > MOST_BYTES || is_odd_date(cell) {
            self.values = None;
            return;
        }
        values.insert(cell.into());
    }
}

/// Whether a value is a date that is none, such as `2000-00-00`: columns may hold one, and strict sql_modes take no literal of it.
fn is_odd_date(cell: &[u8]) -> bool {
    let date = cell.get(..10).filter(|date| date[4] == b'-' && date[7] == b'-');
    date.is_some_and(|date| &date[..4] == b"0000" || &date[5..7] == b"00" || &date[8..] == b"00")
}

/// A value of a column, to be asked for.
fn value(cell: &[u8], form: Form) -> Result<Value, ErrorBody> {
    if form == Form::Bytes {
        return Ok(Value::Bytes(cell.to_vec()));
    }
    let text =
        std::str::from_utf8(cell).map_err(|_| failure::internal("a shard has sent values that cannot be told"))?;
    Ok(match form {
        Form::Number => match (text.parse(), text.parse()) {
            (Ok(value), _) => Value::Int(value),
            (_, Ok(value)) => Value::UInt(value),
            _ => Value::Decimal(text.into()),
        },
        _ => Value::Text(text.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(form: Form) -> Seen {
        Seen(vec![Column { name: "a".into(), form, position: 1, values: Some(HashSet::new()), bytes: 0 }])
    }

    #[test]
    fn dates_that_are_none_are_told() {
        for odd in ["0000-00-00", "0000-00-00 00:00:00", "2000-00-07", "2000-07-00 10:00:00.5"] {
            assert!(is_odd_date(odd.as_bytes()), "{odd}");
        }
        for plain in ["", "2000-01-01", "1000-10-20 00:00:00", "12:00:00", "0000", "a text-00-00"] {
            assert!(!is_odd_date(plain.as_bytes()), "{plain}");
        }
    }

    #[test]
    fn each_value_is_noted_once_and_null_never() {
        let mut seen = column(Form::Number);
        for cell in [Some("7"), None, Some("-3"), Some("7"), Some("18446744073709551615"), Some("1.50")] {
            seen.row(&[Some(b"other"), cell.map(str::as_bytes)]);
        }
        let values = seen.values("A").unwrap();
        let expected = [Value::Int(-3), Value::Decimal("1.50".into()), Value::UInt(u64::MAX), Value::Int(7)];
        assert_eq!(values, Some(expected.into()));
        assert_eq!(seen.values("b").unwrap(), None, "nobody asked for it");
    }

    #[test]
    fn padding_is_asked_for_both_ways() {
        let mut seen = column(Form::Quoted);
        seen.row(&[None, Some(b"ab  ")]);
        assert_eq!(seen.values("a").unwrap(), Some(vec![Value::Text("ab".into()), Value::Text("ab  ".into())]));
    }

    #[test]
    fn too_many_are_none() {
        let mut seen = column(Form::Number);
        for number in 0..MOST_VALUES {
            seen.row(&[None, Some(number.to_string().as_bytes())]);
        }
        assert_eq!(seen.values("a").unwrap().map(|values| values.len()), Some(MOST_VALUES));
        seen.row(&[None, Some(b"-1")]);
        assert_eq!(seen.values("a").unwrap(), None);
        let mut seen = column(Form::Bytes);
        seen.row(&[None, Some(&vec![1; MOST_BYTES + 1])]);
        assert_eq!(seen.values("a").unwrap(), None, "too long");
    }
}
