//! What makes two executions identical: what they send to MySQL, to which settings, and how much of the answer they want.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use crate::call::{Call, Settings, Statement};
use vitrail_proto::value::{Binds, Value};

/// The identity of an execution. Equal hashes are never taken for equality.
#[derive(Debug, Clone)]
pub struct Identity {
    hash: u64,
    sql: Arc<str>,
    binds: Arc<Binds>,
    settings: Arc<Settings>,
    max_rows: Option<u64>,
    warnings: u32,
}

impl Identity {
    /// That of a statement under a call.
    pub fn new(call: &Call, statement: &Statement, hasher: &impl BuildHasher) -> Identity {
        let mut state = hasher.build_hasher();
        statement.sql.hash(&mut state);
        for (name, value) in statement.binds.iter() {
            name.hash(&mut state);
            hash_value(value, &mut state);
        }
        (call.max_rows, call.warnings).hash(&mut state);
        Identity {
            hash: state.finish(),
            sql: Arc::clone(&statement.sql),
            binds: Arc::clone(&statement.binds),
            settings: Arc::clone(&call.settings),
            max_rows: call.max_rows,
            warnings: call.warnings,
        }
    }

    /// The hash.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The statement's text.
    pub fn sql(&self) -> &str {
        &self.sql
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Identity) -> bool {
        self.hash == other.hash
            && self.sql == other.sql
            && self.max_rows == other.max_rows
            && self.warnings == other.warnings
            && (Arc::ptr_eq(&self.settings, &other.settings) || self.settings == other.settings)
            && (Arc::ptr_eq(&self.binds, &other.binds) || same_binds(&self.binds, &other.binds))
    }
}

impl Eq for Identity {}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

fn same_binds(a: &Binds, b: &Binds) -> bool {
    a.len() == b.len() && a.iter().zip(b.iter()).all(|((a, v), (b, w))| a == b && same(v, w))
}

/// Equal, and the same literal: `0.0` and `-0.0` are not.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Double(a), Value::Double(b)) => a.to_bits() == b.to_bits(),
        (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (a, b) => a == b,
    }
}

fn hash_value(value: &Value, state: &mut impl Hasher) {
    std::mem::discriminant(value).hash(state);
    match value {
        Value::Null => {}
        Value::Int(number) => number.hash(state),
        Value::UInt(number) => number.hash(state),
        Value::Double(number) => number.to_bits().hash(state),
        Value::Text(text)
        | Value::Decimal(text)
        | Value::Date(text)
        | Value::Time(text)
        | Value::DateTime(text)
        | Value::Json(text) => text.hash(state),
        Value::Bytes(bytes) | Value::Bit(bytes) | Value::Geometry(bytes) | Value::CharsetText { bytes, .. } => {
            bytes.hash(state);
        }
        Value::List(items) | Value::Tuple(items) => {
            items.len().hash(state);
            for item in items {
                hash_value(item, state);
            }
        }
    }
}

/// Takes an identity's hash as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        debug_assert!(bytes.is_empty(), "identities hash by one number");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use std::hash::RandomState;

    use super::*;
    use crate::call::CallId;

    fn call(variables: &[(&str, &str)], max_rows: Option<u64>) -> Call {
        let variables = variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Call {
            id: CallId(1),
            caller: "anna".into(),
            application: Arc::default(),
            deadline: None,
            settings: Arc::new(Settings { variables, found_rows: false }),
            max_rows,
            warnings: 0,
            traceparent: None,
        }
    }

    fn statement<const N: usize>(sql: &str, binds: [(&str, Value); N]) -> Statement {
        Statement { binds: Arc::new(Binds::from_iter(binds)), ..Statement::new(sql, false) }
    }

    #[test]
    fn identical_means_the_same_answer_from_mysql() {
        let hasher = RandomState::new();
        let key = |call: &Call, statement: &Statement| Identity::new(call, statement, &hasher);
        let plain = key(&call(&[], None), &statement("select :a", [("a", Value::Double(0.0))]));
        let again = key(
            &Call { caller: "ben".into(), id: CallId(2), ..call(&[], None) },
            &statement("select :a", [("a", Value::Double(0.0))]),
        );
        assert_eq!(plain, again, "whoever asks");
        for other in [
            key(&call(&[], None), &statement("select  :a", [("a", Value::Double(0.0))])),
            key(&call(&[], None), &statement("select :a", [("a", Value::Double(-0.0))])),
            key(&call(&[], None), &statement("select :a", [("a", Value::Int(0))])),
            key(&call(&[], None), &statement("select :a", [])),
            key(&call(&[], Some(1)), &statement("select :a", [("a", Value::Double(0.0))])),
            key(&call(&[("sql_mode", "'ANSI'")], None), &statement("select :a", [("a", Value::Double(0.0))])),
            key(&Call { warnings: 1, ..call(&[], None) }, &statement("select :a", [("a", Value::Double(0.0))])),
        ] {
            assert_ne!(plain, other);
        }
        let list = |value| Value::List(vec![Value::Tuple(vec![Value::Double(value)])]);
        assert_ne!(
            key(&call(&[], None), &statement("select ::l", [("l", list(0.0))])),
            key(&call(&[], None), &statement("select ::l", [("l", list(-0.0))])),
        );
    }
}
