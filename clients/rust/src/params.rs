//! Parameters of a statement: named ones by `params!`, positional ones by tuples.

use vitrail_proto::value::{Binds, Value};

/// Named parameters: `params! { "id" => 5, "name" => "Lyon" }` for `:id` and `:name`.
///
/// Lists for `::name` are made by [`list`]. Duplicate names keep the last value.
#[macro_export]
macro_rules! params {
    () => { $crate::Binds::new() };
    ($($name:expr => $value:expr),+ $(,)?) => {{
        let mut binds = $crate::Binds::new();
        $( binds.set($name, $crate::ToValue::to_value($value)); )+
        binds
    }};
}

/// Turns itself into one bind value.
pub trait ToValue {
    /// The value.
    fn to_value(self) -> Value;
}

/// A list for `::name`, as in `where id in ::ids`. The server refuses an empty one.
///
/// ```
/// use vitrail_client::{list, params};
/// let binds = params! { "ids" => list([1, 2, 3]) };
/// # assert_eq!(binds.len(), 1);
/// ```
pub fn list<T: ToValue>(items: impl IntoIterator<Item = T>) -> Value {
    Value::List(items.into_iter().map(ToValue::to_value).collect())
}

/// An exact decimal from its text, as in `decimal("12.50")`.
pub fn decimal(text: impl Into<String>) -> Value {
    Value::Decimal(text.into())
}

macro_rules! integers {
    ($($type:ty),*) => { $(
        impl ToValue for $type {
            fn to_value(self) -> Value {
                Value::Int(i64::from(self))
            }
        }
    )* };
}
integers!(i8, i16, i32, i64, u8, u16, u32, bool);

impl ToValue for u64 {
    fn to_value(self) -> Value {
        i64::try_from(self).map_or(Value::UInt(self), Value::Int)
    }
}

impl ToValue for usize {
    fn to_value(self) -> Value {
        (self as u64).to_value()
    }
}

impl ToValue for f64 {
    fn to_value(self) -> Value {
        Value::Double(self)
    }
}

impl ToValue for f32 {
    fn to_value(self) -> Value {
        Value::Double(f64::from(self))
    }
}

impl ToValue for &str {
    fn to_value(self) -> Value {
        Value::Text(self.to_owned())
    }
}

impl ToValue for String {
    fn to_value(self) -> Value {
        Value::Text(self)
    }
}

impl ToValue for &String {
    fn to_value(self) -> Value {
        Value::Text(self.clone())
    }
}

impl ToValue for Vec<u8> {
    fn to_value(self) -> Value {
        Value::Bytes(self)
    }
}

impl ToValue for &[u8] {
    fn to_value(self) -> Value {
        Value::Bytes(self.to_vec())
    }
}

impl<const N: usize> ToValue for &[u8; N] {
    fn to_value(self) -> Value {
        Value::Bytes(self.to_vec())
    }
}

impl ToValue for Value {
    fn to_value(self) -> Value {
        self
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(self) -> Value {
        self.map_or(Value::Null, ToValue::to_value)
    }
}

/// Whatever a statement takes as its parameters: `()`, [`params!`](crate::params), or a tuple whose members are `:v1`, `:v2`, …
pub trait IntoParams {
    /// The binds.
    fn into_params(self) -> Binds;
}

impl IntoParams for Binds {
    fn into_params(self) -> Binds {
        self
    }
}

impl IntoParams for &Binds {
    fn into_params(self) -> Binds {
        self.clone()
    }
}

impl IntoParams for () {
    fn into_params(self) -> Binds {
        Binds::new()
    }
}

impl<T: ToValue> IntoParams for Vec<T> {
    fn into_params(self) -> Binds {
        let mut binds = Binds::new();
        for (index, value) in self.into_iter().enumerate() {
            binds.push_unique(format!("v{}", index + 1).into(), value.to_value());
        }
        binds
    }
}

macro_rules! tuples {
    ($( ($($type:ident $name:literal $index:tt),+) )*) => { $(
        impl<$($type: ToValue),+> IntoParams for ($($type,)+) {
            fn into_params(self) -> Binds {
                let mut binds = Binds::new();
                $( binds.push_unique($name.into(), self.$index.to_value()); )+
                binds
            }
        }
    )* };
}
tuples! {
    (A "v1" 0)
    (A "v1" 0, B "v2" 1)
    (A "v1" 0, B "v2" 1, C "v3" 2)
    (A "v1" 0, B "v2" 1, C "v3" 2, D "v4" 3)
    (A "v1" 0, B "v2" 1, C "v3" 2, D "v4" 3, E "v5" 4)
    (A "v1" 0, B "v2" 1, C "v3" 2, D "v4" 3, E "v5" 4, F "v6" 5)
    (A "v1" 0, B "v2" 1, C "v3" 2, D "v4" 3, E "v5" 4, F "v6" 5, G "v7" 6)
    (A "v1" 0, B "v2" 1, C "v3" 2, D "v4" 3, E "v5" 4, F "v6" 5, G "v7" 6, H "v8" 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_the_narrowest_form() {
        let cases: Vec<(Value, Value)> = vec![
            (5u64.to_value(), Value::Int(5)),
            (u64::MAX.to_value(), Value::UInt(u64::MAX)),
            (true.to_value(), Value::Int(1)),
            ((-3i8).to_value(), Value::Int(-3)),
            ("x".to_value(), Value::Text("x".into())),
            (b"\0".to_value(), Value::Bytes(vec![0])),
            (None::<i32>.to_value(), Value::Null),
            (Some(1.5f32).to_value(), Value::Double(1.5)),
            (list([1, 2]), Value::List(vec![Value::Int(1), Value::Int(2)])),
        ];
        for (found, expected) in cases {
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn names_and_positions() {
        let named = params! { "a" => 1, "b" => "two" };
        assert_eq!(named.get("b"), Some(&Value::Text("two".into())));
        let positional = (7, "x").into_params();
        assert_eq!(positional.get("v1"), Some(&Value::Int(7)));
        assert_eq!(positional.get("v2"), Some(&Value::Text("x".into())));
        assert!(params!().is_empty());
    }
}
