//! Values as engines write them: lenient whole numbers, RFC 3339 times with zeros of the engine's language.
//!
//! Pure. Must not know: which reply a value stands in.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};

use crate::model::Timestamp;
use crate::source::wire::rfc3339;

/// A whole number; None where it is absent, null, negative, above `i64::MAX` or not whole. A single odd number
/// so does not lose the reply it stands in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count(pub(super) Option<i64>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_u64<E>(self, value: u64) -> Result<Count, E> {
                Ok(Count(i64::try_from(value).ok()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Count, E> {
                Ok(Count(Some(value).filter(|value| *value >= 0)))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Count, E> {
                Ok(Count(None))
            }

            fn visit_unit<E>(self) -> Result<Count, E> {
                Ok(Count(None))
            }
        }
        deserializer.deserialize_any(Number)
    }
}

/// A time as text or null; what cannot be read is as good as not given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Instant(pub(super) Option<Timestamp>);

impl Instant {
    /// The time, if it is after 2000: earlier ones are zero values or clocks never set.
    pub(super) fn credible(self) -> Option<Timestamp> {
        self.0.filter(|at| *at >= Timestamp::CREDIBLE_FROM)
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Instant;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time as text")
            }

            fn visit_str<E>(self, text: &str) -> Result<Instant, E> {
                Ok(Instant(rfc3339(text)))
            }

            fn visit_unit<E>(self) -> Result<Instant, E> {
                Ok(Instant(None))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

/// An image's id without the name of its digest, which podman leaves out in some places.
pub(super) fn bare(id: &str) -> &str {
    id.strip_prefix("sha256:").unwrap_or(id)
}

/// Text that is null, absent or empty where it says nothing.
pub(super) fn said(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}
