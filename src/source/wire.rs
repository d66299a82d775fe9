//! What replies and events of several systems have in common.
//!
//! Pure. Must not know: any system.

use std::collections::BTreeMap;

use chrono::DateTime;

use crate::model::{AttributeValue, Timestamp};

/// The instant that an RFC 3339 text means.
pub(crate) fn rfc3339(text: &str) -> Option<Timestamp> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| Timestamp::from_ms(at.timestamp_millis()))
}

/// Details of an event: those that are known.
pub(crate) fn details<const N: usize>(pairs: [(&str, Option<AttributeValue>); N]) -> BTreeMap<String, AttributeValue> {
    pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
