//! One printed value, before it is printed: what kind of number it is decides how many digits are true.

use crate::model::{AttributeValue, Column, Repr, Timestamp, Value};

/// One value of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// Not known: JSON null, an empty CSV field.
    Null,
    /// A whole number of 10^-`decimals` units, printed exactly.
    Scaled {
        /// The number in native units.
        value: i64,
        /// Digits after the point.
        decimals: u8,
    },
    /// A computed number, printed with at most 9 significant digits.
    Derived(f64),
    /// A float as it was reported, printed so that it reads back the same.
    Reported(f64),
    /// An instant, printed with milliseconds.
    Time(Timestamp),
    /// The start of a bucket, printed without decimals where it has none.
    Bucket(Timestamp),
    /// Text.
    Text(&'a str),
    /// JSON, ready: a value in JSON, its text in CSV.
    Json(&'a str),
    /// An attribute.
    Fact(&'a AttributeValue),
}

/// A number of a frame: [`Cell`] without borrowed parts, small enough to hold millions of.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Number {
    /// Not known.
    #[default]
    Null,
    /// A whole number of 10^-`decimals` units.
    Scaled {
        /// The number in native units.
        value: i64,
        /// Digits after the point.
        decimals: u8,
    },
    /// A computed number.
    Derived(f64),
    /// A float as it was reported.
    Reported(f64),
}

impl Number {
    /// A number attribute's value, as it is printed; null for one that is no number.
    pub fn of_attribute(value: &AttributeValue) -> Number {
        match value {
            AttributeValue::Integer(value) => Number::Scaled { value: *value, decimals: 0 },
            AttributeValue::Number(value) => Number::Reported(*value),
            _ => Number::Null,
        }
    }

    /// A stored value of a column, as it is printed.
    pub fn of_column(column: &Column, value: Value) -> Number {
        match (value, column.repr) {
            (Value::Null, _) => Number::Null,
            (Value::Int(value), Repr::Integer { decimals }) => Number::Scaled { value, decimals },
            (Value::Int(value), Repr::Float) => Number::Scaled { value, decimals: 0 },
            (Value::Float(value), _) => Number::Reported(value),
        }
    }

    /// A computed number; nothing gives null.
    pub fn derived(value: Option<f64>) -> Number {
        value.map_or(Number::Null, Number::Derived)
    }

    /// As a float, for ordering and arithmetic on printed numbers.
    #[expect(clippy::cast_precision_loss, reason = "ordering needs no more than 53 bits")]
    pub fn as_f64(self) -> Option<f64> {
        match self {
            Number::Null => None,
            Number::Scaled { value, decimals: 0 } => Some(value as f64),
            Number::Scaled { value, decimals } => Some(value as f64 / 10f64.powi(i32::from(decimals))),
            Number::Derived(value) | Number::Reported(value) => Some(value),
        }
    }
}

impl From<Number> for Cell<'_> {
    fn from(number: Number) -> Self {
        match number {
            Number::Null => Cell::Null,
            Number::Scaled { value, decimals } => Cell::Scaled { value, decimals },
            Number::Derived(value) => Cell::Derived(value),
            Number::Reported(value) => Cell::Reported(value),
        }
    }
}
