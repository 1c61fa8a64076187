//! From Rust's types to bind values.

use super::Value;

macro_rules! integers {
    ($($signed:ty)*; $($unsigned:ty)*) => {
        $(impl From<$signed> for Value {
            fn from(value: $signed) -> Value {
                Value::Int(value as i64)
            }
        })*
        $(impl From<$unsigned> for Value {
            fn from(value: $unsigned) -> Value {
                let value = value as u64;
                i64::try_from(value).map_or(Value::UInt(value), Value::Int)
            }
        })*
    };
}

integers!(i8 i16 i32 i64 isize; u8 u16 u32 u64 usize);

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Int(i64::from(value))
    }
}

impl From<f32> for Value {
    fn from(value: f32) -> Value {
        Value::Double(f64::from(value))
    }
}

/// The server refuses a number that is not finite; `Binds::check` finds it before.
impl From<f64> for Value {
    fn from(value: f64) -> Value {
        Value::Double(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Value {
        Value::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Value {
        Value::Text(value)
    }
}

impl From<&String> for Value {
    fn from(value: &String) -> Value {
        Value::Text(value.clone())
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Value {
        Value::Bytes(value.to_vec())
    }
}

impl<const N: usize> From<&[u8; N]> for Value {
    fn from(value: &[u8; N]) -> Value {
        Value::Bytes(value.to_vec())
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Value {
        Value::Bytes(value)
    }
}

/// A list for `::name`.
impl From<Vec<Value>> for Value {
    fn from(values: Vec<Value>) -> Value {
        Value::List(values)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

impl<T: Clone + Into<Value>> From<&Option<T>> for Value {
    fn from(value: &Option<T>) -> Value {
        value.clone().into()
    }
}

/// A list of the items, for `::name`.
impl<T: Into<Value>> FromIterator<T> for Value {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Value {
        Value::List(items.into_iter().map(Into::into).collect())
    }
}
