//! What a session has named: user variables and prepared statements. Kept by the gate, bounded, and part of what another gate needs
//! to rebuild the session.

use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::value::Value;
use vitrail_sql::user_variable;

/// Most variables, and most prepared statements.
const MOST: usize = 256;

/// Most bytes of all names and contents together.
const MOST_BYTES: usize = 256 * 1024;

/// User variables and prepared statements by name, sorted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Holdings {
    user_variables: Vec<(String, String)>,
    prepared: Vec<(String, String)>,
}

impl Holdings {
    /// A variable's value as the text of a literal; `NULL` if it was never set.
    pub(crate) fn user_variable(&self, name: &str) -> &str {
        find(&self.user_variables, name).unwrap_or("NULL")
    }

    /// All variables, with their values as texts of literals.
    pub(crate) fn user_variables(&self) -> &[(String, String)] {
        &self.user_variables
    }

    /// Sets a variable to the text of a literal.
    ///
    /// # Errors
    /// `exhausted` beyond the bounds, `invalid` for what is no literal.
    pub(crate) fn set_user_variable(&mut self, name: &str, literal: &str) -> Result<(), ErrorBody> {
        if !user_variable::is_value(literal) {
            let message = format!("the value of user variable '{name}' is not one SQL literal");
            return Err(ErrorBody::new(Code::Invalid, message).with_errno(1231, "42000"));
        }
        let mut changed = self.clone();
        put(&mut changed.user_variables, name, literal, "NULL");
        self.replace(changed)
    }

    /// A prepared statement's text.
    pub(crate) fn prepared(&self, name: &str) -> Option<&str> {
        find(&self.prepared, name)
    }

    /// Prepares a statement, in place of one of this name.
    ///
    /// # Errors
    /// `exhausted` beyond the bounds.
    pub(crate) fn prepare(&mut self, name: &str, text: &str) -> Result<(), ErrorBody> {
        let mut changed = self.clone();
        put(&mut changed.prepared, name, text, "");
        self.replace(changed)
    }

    /// Forgets a prepared statement; `false` if there is none.
    pub(crate) fn deallocate(&mut self, name: &str) -> bool {
        let known = self.prepared.len();
        self.prepared.retain(|(known, _)| known != name);
        self.prepared.len() < known
    }

    /// The variables that lead from `from` to this, as `open` takes them.
    pub(crate) fn changed_variables(&self, from: &Holdings) -> Vec<(String, String)> {
        changed(&from.user_variables, &self.user_variables, "NULL")
    }

    /// The prepared statements likewise.
    pub(crate) fn changed_prepared(&self, from: &Holdings) -> Vec<(String, String)> {
        changed(&from.prepared, &self.prepared, "")
    }

    fn replace(&mut self, changed: Holdings) -> Result<(), ErrorBody> {
        let all = || changed.user_variables.iter().chain(&changed.prepared);
        let bytes: usize = all().map(|(name, content)| name.len() + content.len()).sum();
        if changed.user_variables.len() > MOST || changed.prepared.len() > MOST || bytes > MOST_BYTES {
            return Err(ErrorBody::new(
                Code::Exhausted,
                format!(
                    "a session may have {MOST} user variables and {MOST} prepared statements, together {} KiB; set some to NULL or deallocate some",
                    MOST_BYTES / 1024
                ),
            ));
        }
        *self = changed;
        Ok(())
    }
}

fn find<'h>(list: &'h [(String, String)], name: &str) -> Option<&'h str> {
    let index = list.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok()?;
    Some(&list[index].1)
}

fn put(list: &mut Vec<(String, String)>, name: &str, content: &str, none: &str) {
    match list.binary_search_by(|(known, _)| known.as_str().cmp(name)) {
        Ok(index) if content == none => _ = list.remove(index),
        Ok(index) => content.clone_into(&mut list[index].1),
        Err(_) if content == none => {}
        Err(index) => list.insert(index, (name.to_owned(), content.to_owned())),
    }
}

fn changed(old: &[(String, String)], new: &[(String, String)], none: &str) -> Vec<(String, String)> {
    let set = new.iter().filter(|entry| old.binary_search(entry).is_err()).cloned();
    let gone = old.iter().filter(|(name, _)| find(new, name).is_none());
    set.chain(gone.map(|(name, _)| (name.clone(), none.to_owned()))).collect()
}

/// A variable's literal as a bind has it.
pub(crate) fn value_of(literal: &str) -> Value {
    if literal == "NULL" {
        return Value::Null;
    }
    if let Some(number) = unsigned(literal) {
        return number.parse().map_or(Value::Null, Value::UInt);
    }
    if let Some(hex) = literal.strip_prefix("x'") {
        return Value::Bytes(bytes_of(hex));
    }
    if let Some((charset, rest)) = literal.strip_prefix('_').and_then(|rest| rest.split_once(" x'")) {
        let bytes = bytes_of(rest);
        return match String::from_utf8(bytes) {
            Ok(text) if charset.starts_with("utf8") || text.is_ascii() => Value::Text(text),
            Ok(text) => Value::CharsetText { charset: charset.into(), bytes: text.into_bytes() },
            Err(error) => Value::CharsetText { charset: charset.into(), bytes: error.into_bytes() },
        };
    }
    if literal.contains('e') {
        return literal.parse().map_or(Value::Null, Value::Double);
    }
    let integer = literal.parse().map(Value::Int).or_else(|_| literal.parse().map(Value::UInt));
    integer.unwrap_or_else(|_| Value::Decimal(literal.to_owned()))
}

/// A variable's literal as `SET` of a system variable takes it; `None` for text that would need escapes.
pub(crate) fn setting_of(literal: &str) -> Option<String> {
    match value_of(literal) {
        Value::Text(text) if !text.contains(['\'', '\\', '\0']) => Some(format!("'{text}'")),
        Value::Text(_) | Value::CharsetText { .. } | Value::Bytes(_) => None,
        _ => Some(unsigned(literal).unwrap_or(literal).to_owned()),
    }
}

/// The digits of `CAST(5 AS UNSIGNED)`.
fn unsigned(literal: &str) -> Option<&str> {
    literal.strip_prefix("CAST(")?.strip_suffix(" AS UNSIGNED)")
}

/// The bytes of hex digits up to a quote.
fn bytes_of(hex: &str) -> Vec<u8> {
    let digits = hex.split('\'').next().unwrap_or_default().as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0) as u8;
    digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, next| byte << 4 | digit(*next))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holdings_are_named_bounded_and_told() {
        let mut held = Holdings::default();
        held.set_user_variable("b", "1").expect("fits");
        held.set_user_variable("a", "x'00'").expect("fits");
        held.prepare("s", "SELECT ?").expect("fits");
        let before = held.clone();
        assert_eq!((held.user_variable("b"), held.user_variable("c")), ("1", "NULL"));
        held.set_user_variable("b", "NULL").expect("fits");
        held.set_user_variable("c", "2").expect("fits");
        assert!(held.deallocate("s") && !held.deallocate("s"));
        let told =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect::<Vec<_>>();
        assert_eq!(held.changed_variables(&before), told(&[("c", "2"), ("b", "NULL")]));
        assert_eq!(held.changed_prepared(&before), told(&[("s", "")]));
        assert_eq!(held.set_user_variable("d", "1, @e=2").expect_err("no literal").errno, 1231);
        let many = (0..=MOST).map(|number| held.set_user_variable(&format!("v{number}"), "1")).find_map(Result::err);
        assert_eq!(many.expect("bounded").code, Code::Exhausted);
        assert_eq!(held.prepare("long", &"x".repeat(MOST_BYTES)).expect_err("bounded").code, Code::Exhausted);
    }

    #[test]
    fn literals_are_values() {
        for (literal, value) in [
            ("NULL", Value::Null),
            ("-5", Value::Int(-5)),
            ("18446744073709551615", Value::UInt(u64::MAX)),
            ("CAST(5 AS UNSIGNED)", Value::UInt(5)),
            ("1.50", Value::Decimal("1.50".into())),
            ("1.5e0", Value::Double(1.5)),
            ("x'4AfF'", Value::Bytes(vec![0x4a, 0xff])),
            ("_utf8mb4 x'C3A9' COLLATE utf8mb4_bin", Value::Text("é".into())),
            ("_latin1 x'61' COLLATE latin1_bin", Value::Text("a".into())),
            ("_latin1 x'E9' COLLATE latin1_bin", Value::CharsetText { charset: "latin1".into(), bytes: vec![0xe9] }),
        ] {
            assert_eq!(value_of(literal), value, "{literal}");
        }
        assert_eq!(setting_of("_utf8mb4 x'414E5349' COLLATE c").as_deref(), Some("'ANSI'"));
        assert_eq!(setting_of("_utf8mb4 x'27' COLLATE c"), None);
        assert_eq!(setting_of("7").as_deref(), Some("7"));
        assert_eq!(setting_of("CAST(7 AS UNSIGNED)").as_deref(), Some("7"));
    }
}
