//! What a statement sees of its session besides settings: user variables, `LAST_INSERT_ID()` and `FOUND_ROWS()`. Brought to the
//! connection before the statement, and read back after it.

use std::fmt::Write;

use vitrail_mysql::{Connection, Error, Response, RowsOrEnd};
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::SessionValues;
use vitrail_proto::rows::{self, ColumnType};
use vitrail_sql::user_variable;

/// Variables on one connection above which it is not used again: MySQL forgets them only with the connection.
const MOST: usize = 64;

/// Longer values are not remembered, but set each time.
const REMEMBERED: usize = 1024;

/// Longest value that is read back, in bytes.
const LONGEST: usize = 256 * 1024;

/// The user variables that a connection has.
#[derive(Debug, Clone, Default)]
pub(crate) struct UserVariables {
    known: Vec<(String, Option<String>)>,
    /// Stored code has run, and may have set others.
    touched: bool,
}

impl UserVariables {
    /// Has none.
    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty() && !self.touched
    }

    /// A variable that is to be as if it were never set may have been set by stored code. An assignment of NULL would not do: it has a
    /// type.
    pub(crate) fn may_hide_others(&self, values: &SessionValues) -> bool {
        let unknown = |name: &str| !self.known.iter().any(|(known, _)| known == name);
        self.touched && values.user_variables.iter().any(|(name, value)| value == "NULL" && unknown(name))
    }

    /// Has so many that the connection is better closed.
    pub(crate) fn are_too_many(&self) -> bool {
        self.known.len() > MOST
    }

    /// Notes what was set; a value that the statement may assign is not known any more. `whole`: all others were set to NULL, and
    /// stored code may run.
    pub(crate) fn reached(&mut self, values: Option<&SessionValues>, whole: bool) {
        if whole {
            self.touched = true;
            for (name, known) in &mut self.known {
                if !values.is_some_and(|values| is_named(values, name)) {
                    *known = Some("NULL".to_owned());
                }
            }
        }
        let Some(values) = values else { return };
        for (name, value) in &values.user_variables {
            let known = (!values.back).then_some(value);
            self.note(name, known);
        }
    }

    /// Notes what was read back.
    pub(crate) fn read(&mut self, values: &SessionValues) {
        for (name, value) in &values.user_variables {
            self.note(name, Some(value));
        }
    }

    fn note(&mut self, name: &str, value: Option<&String>) {
        let value = value.filter(|value| value.len() <= REMEMBERED).cloned();
        match self.known.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None if value.as_deref() == Some("NULL") => {}
            None => self.known.push((name.to_owned(), value)),
        }
    }

    fn has(&self, name: &str, value: &str) -> bool {
        match self.known.iter().find(|(known, _)| known == name) {
            Some((_, known)) => known.as_deref() == Some(value),
            // What was never set is NULL.
            None => value == "NULL" && !self.touched,
        }
    }

    /// Gives `assign` what has to be set so that the connection is at `values`, and if `whole` has nothing else.
    pub(crate) fn difference(
        &self,
        values: Option<&SessionValues>,
        whole: bool,
        mut assign: impl FnMut(&str, &str),
    ) -> Result<(), ErrorBody> {
        if whole {
            for (name, known) in &self.known {
                if known.as_deref() != Some("NULL") && !values.is_some_and(|values| is_named(values, name)) {
                    assign(&user_variable::quoted(name), "NULL");
                }
            }
        }
        let Some(values) = values else { return Ok(()) };
        for (name, value) in &values.user_variables {
            if self.has(name, value) {
                continue;
            }
            if !user_variable::is_value(value) {
                let message = format!("the value of user variable `{name}` is not one SQL literal");
                return Err(ErrorBody::new(Code::Invalid, message).with_errno(1231, "42000"));
            }
            assign(&user_variable::quoted(name), value);
        }
        // Every INSERT changes it: there is nothing to compare with.
        if let Some(id) = values.last_insert_id {
            assign("SESSION last_insert_id", &id.to_string());
        }
        Ok(())
    }
}

fn is_named(values: &SessionValues, name: &str) -> bool {
    values.user_variables.iter().any(|(known, _)| known == name)
}

/// Reads what `wanted` names as the connection has it.
pub(crate) async fn read_back(connection: &mut Connection, wanted: &SessionValues) -> Result<SessionValues, Error> {
    let mut sql = String::from("SELECT ");
    // First, because it tells of the statement before.
    if wanted.found_rows.is_some() {
        sql.push_str("FOUND_ROWS(), ");
    }
    if wanted.last_insert_id.is_some() {
        sql.push_str("LAST_INSERT_ID(), ");
    }
    for (name, _) in &wanted.user_variables {
        let variable = user_variable::quoted(name);
        // Writing to a String cannot fail.
        let _ = write!(
            sql,
            "{variable}, IF(LENGTH({variable}) > {LONGEST}, NULL, HEX({variable})), CHARSET({variable}), COLLATION({variable}), "
        );
    }
    sql.push('1');
    let Response::Columns(columns) = connection.query(sql.as_bytes()).await? else {
        return Err(Error::NotReady("values without columns"));
    };
    let types: Vec<(ColumnType, bool)> = rows::columns(&columns.packed)
        .map(|column| column.map_or((ColumnType::NULL, false), |column| (column.column_type, column.is_unsigned())))
        .collect();
    let mut cells: Vec<Option<String>> = Vec::new();
    loop {
        match connection.next_rows(1 << 20).await? {
            RowsOrEnd::End(_) => break,
            RowsOrEnd::Rows(batch) => {
                for row in batch.rows().flatten() {
                    cells = row
                        .cells()
                        .map(|cell| cell.ok().flatten().map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
                        .collect();
                }
            }
        }
    }
    read(wanted, &types, cells).ok_or(Error::NotReady("values that cannot be read"))
}

fn read(wanted: &SessionValues, types: &[(ColumnType, bool)], cells: Vec<Option<String>>) -> Option<SessionValues> {
    let mut cells = cells.into_iter().zip(types);
    let mut number = |asked: Option<u64>| match asked {
        None => Some(None),
        Some(_) => Some(Some(cells.next()?.0?.parse::<u64>().ok()?)),
    };
    let found_rows = number(wanted.found_rows)?;
    let last_insert_id = number(wanted.last_insert_id)?;
    let mut user_variables = Vec::with_capacity(wanted.user_variables.len());
    for (name, _) in &wanted.user_variables {
        let (text, kind) = cells.next()?;
        let (hex, charset, collation) = (cells.next()?.0, cells.next()?.0?, cells.next()?.0?);
        let value = match (text, hex) {
            (Some(text), Some(hex)) => literal(*kind, text, &hex, &charset, &collation),
            (Some(_), None) => return None,
            (None, _) => "NULL".to_owned(),
        };
        user_variables.push((name.clone(), value));
    }
    Some(SessionValues { user_variables, last_insert_id, found_rows, back: false, whole: false })
}

/// A value as [`user_variable::is_value`] has it.
fn literal((kind, unsigned): (ColumnType, bool), text: String, hex: &str, charset: &str, collation: &str) -> String {
    match kind {
        // Small ones would be signed.
        ColumnType::TINY | ColumnType::SHORT | ColumnType::INT24 | ColumnType::LONG | ColumnType::LONGLONG => {
            if unsigned {
                format!("CAST({text} AS UNSIGNED)")
            } else {
                text
            }
        }
        // `5` alone would be an integer.
        ColumnType::DECIMAL | ColumnType::NEWDECIMAL if text.contains('.') => text,
        ColumnType::DECIMAL | ColumnType::NEWDECIMAL => format!("{text}.0"),
        ColumnType::FLOAT | ColumnType::DOUBLE if text.contains('e') => text,
        ColumnType::FLOAT | ColumnType::DOUBLE => format!("{text}e0"),
        _ if charset == "binary" => format!("x'{hex}'"),
        _ => format!("_{charset} x'{hex}' COLLATE {collation}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(variables: &[(&str, &str)], back: bool) -> SessionValues {
        let user_variables = variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        SessionValues { user_variables, back, ..SessionValues::default() }
    }

    fn set(known: &UserVariables, wanted: &SessionValues) -> Vec<String> {
        let mut all = Vec::new();
        let add = |name: &str, value: &str| all.push(format!("{name}={value}"));
        known.difference(Some(wanted), wanted.whole, add).expect("literals");
        all
    }

    fn reach(known: &mut UserVariables, wanted: &SessionValues) {
        known.reached(Some(wanted), wanted.whole);
    }

    #[test]
    fn only_what_differs_is_set() {
        let mut known = UserVariables::default();
        let first = values(&[("a", "1"), ("b", "NULL")], false);
        assert_eq!(set(&known, &first), ["@`a`=1"]);
        reach(&mut known, &first);
        assert!(set(&known, &first).is_empty());
        assert_eq!(set(&known, &values(&[("a", "NULL")], false)), ["@`a`=NULL"]);
        // A statement may assign what it names.
        reach(&mut known, &values(&[("a", "1")], true));
        assert_eq!(set(&known, &first), ["@`a`=1"]);
        known.read(&values(&[("a", "1")], false));
        assert!(set(&known, &first).is_empty());
        let id = SessionValues { last_insert_id: Some(7), ..SessionValues::default() };
        assert_eq!(set(&known, &id), ["SESSION last_insert_id=7"]);
        assert!(known.difference(Some(&values(&[("a", "1, @b=2")], false)), false, |_, _| {}).is_err());
        for number in 0..=MOST {
            known.read(&values(&[(&format!("v{number}"), "1")], false));
        }
        assert!(known.are_too_many());
    }

    /// Stored code may read variables that no statement names.
    #[test]
    fn stored_code_sees_no_variables_of_others() {
        let mut known = UserVariables::default();
        reach(&mut known, &values(&[("a", "1"), ("b", "2"), ("c", "NULL")], false));
        let own = SessionValues { whole: true, ..values(&[("b", "3")], false) };
        assert_eq!(set(&known, &own), ["@`a`=NULL", "@`b`=3"]);
        assert!(!known.may_hide_others(&own));
        reach(&mut known, &own);
        assert!(set(&known, &own).is_empty());
        // A trigger may have set what nobody has set by name.
        let unset = values(&[("d", "NULL")], false);
        assert!(known.may_hide_others(&unset));
        assert_eq!(set(&known, &unset), ["@`d`=NULL"]);
        let mut all = Vec::new();
        known.difference(None, true, |name, value| all.push(format!("{name}={value}"))).expect("literals");
        assert_eq!(all, ["@`b`=NULL"]);
        known.reached(None, true);
        assert!(!known.is_empty(), "stored code has run");
    }

    #[test]
    fn values_are_literals_again() {
        for (kind, text, hex, charset, literal_text) in [
            (ColumnType::LONGLONG, "-5", "", "binary", "-5"),
            (ColumnType::NEWDECIMAL, "1.50", "", "binary", "1.50"),
            (ColumnType::NEWDECIMAL, "7", "", "binary", "7.0"),
            (ColumnType::DOUBLE, "1", "", "binary", "1e0"),
            (ColumnType::DOUBLE, "1.5e-7", "", "binary", "1.5e-7"),
            (ColumnType::LONG_BLOB, "ab", "6162", "binary", "x'6162'"),
            (ColumnType::LONG_BLOB, "é", "E9", "latin1", "_latin1 x'E9' COLLATE c"),
        ] {
            let made = literal((kind, false), text.to_owned(), hex, charset, "c");
            assert_eq!(made, literal_text);
            assert!(user_variable::is_value(&made), "{made}");
        }
        let unsigned = literal((ColumnType::LONGLONG, true), "5".to_owned(), "", "binary", "binary");
        assert_eq!(unsigned, "CAST(5 AS UNSIGNED)");
    }
}
