//! Values as they were reported: numbers of samples, facts of attributes.

use std::collections::BTreeMap;

use super::time::Timestamp;

/// One number of a sample, in the column's native unit. Not reported is `Null`, never zero.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Value {
    /// Not reported, or not representable (an integer above `i64::MAX`).
    #[default]
    Null,
    /// A whole number in the column's native unit.
    Int(i64),
    /// A binary floating-point number, NaN and infinities included.
    Float(f64),
}

impl Value {
    /// The whole number, if it is one.
    pub fn int(self) -> Option<i64> {
        match self {
            Value::Int(value) => Some(value),
            Value::Null | Value::Float(_) => None,
        }
    }

    /// Whether nothing was reported.
    pub fn is_null(self) -> bool {
        matches!(self, Value::Null)
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        value.map_or(Value::Null, Value::Int)
    }
}

impl From<Option<u64>> for Value {
    /// A value above `i64::MAX` counts as not reported.
    fn from(value: Option<u64>) -> Self {
        value.and_then(|value| i64::try_from(value).ok()).map_or(Value::Null, Value::Int)
    }
}

impl From<Option<f64>> for Value {
    fn from(value: Option<f64>) -> Self {
        value.map_or(Value::Null, Value::Float)
    }
}

/// One fact about an entity. Absent facts are left out, so there is no null here.
#[derive(Debug, Clone, PartialEq)]
pub enum AttributeValue {
    /// Text.
    Text(String),
    /// A whole number: an exit code, a number of bytes.
    Integer(i64),
    /// A number with a fraction: a limit in cores.
    Number(f64),
    /// Yes or no.
    Boolean(bool),
    /// An instant.
    Time(Timestamp),
    /// Several texts, in the source's order.
    List(Vec<String>),
    /// Names and texts: labels.
    Map(BTreeMap<String, String>),
}

impl From<&str> for AttributeValue {
    fn from(value: &str) -> Self {
        AttributeValue::Text(value.to_owned())
    }
}

impl From<String> for AttributeValue {
    fn from(value: String) -> Self {
        AttributeValue::Text(value)
    }
}

impl From<i64> for AttributeValue {
    fn from(value: i64) -> Self {
        AttributeValue::Integer(value)
    }
}

impl From<f64> for AttributeValue {
    fn from(value: f64) -> Self {
        AttributeValue::Number(value)
    }
}

impl From<bool> for AttributeValue {
    fn from(value: bool) -> Self {
        AttributeValue::Boolean(value)
    }
}

impl From<Timestamp> for AttributeValue {
    fn from(value: Timestamp) -> Self {
        AttributeValue::Time(value)
    }
}

impl From<Vec<String>> for AttributeValue {
    fn from(value: Vec<String>) -> Self {
        AttributeValue::List(value)
    }
}

impl From<BTreeMap<String, String>> for AttributeValue {
    fn from(value: BTreeMap<String, String>) -> Self {
        AttributeValue::Map(value)
    }
}
