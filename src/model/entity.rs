//! Entities: what is sampled, known by identity, described by attributes that change with time.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::poll::TargetName;
use super::time::{TimeRange, Timestamp};
use super::value::AttributeValue;

/// What a source guarantees unique within a kind: one text for each of the kind's identity keys, in order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(Arc<[Box<str>]>);

impl Identity {
    /// The identity of these parts, in the order of the kind's keys.
    pub fn new<I, S>(parts: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<Box<str>>,
    {
        Identity(parts.into_iter().map(Into::into).collect())
    }

    /// The parts, in the order of the kind's keys.
    pub fn parts(&self) -> &[Box<str>] {
        &self.0
    }

    /// The part at a position, empty where there is none.
    pub fn part(&self, index: usize) -> &str {
        self.0.get(index).map_or("", |part| part)
    }
}

/// Facts by attribute name; what is not known is left out.
pub type Attributes = BTreeMap<&'static str, AttributeValue>;

/// Attributes and the time from which they hold, until the next version.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// Valid from here on.
    pub from: Timestamp,
    /// All facts at that time.
    pub attributes: Arc<Attributes>,
}

/// What the store knows of one entity.
#[derive(Debug, Clone, PartialEq)]
pub struct EntityRecord {
    /// Its identity within the kind.
    pub identity: Identity,
    /// The target whose polls see it.
    pub target: TargetName,
    /// The first good poll that listed it.
    pub first_seen: Timestamp,
    /// The last good poll that listed it.
    pub last_seen: Timestamp,
    /// When it ended: the source's own word, else the first good poll without it. None while it lives.
    pub ended: Option<Timestamp>,
    /// Attribute versions, oldest first, not empty; each differs from the one before.
    pub versions: Arc<[Version]>,
}

impl EntityRecord {
    /// The attributes in force at `at`. Before the first version, the first: what was learnt first is the
    /// best that is known of the time before.
    pub fn attributes_at(&self, at: Timestamp) -> Arc<Attributes> {
        let next = self.versions.partition_point(|version| version.from <= at);
        self.versions.get(next.saturating_sub(1)).map(|version| Arc::clone(&version.attributes)).unwrap_or_default()
    }

    /// Whether it was seen at any time of the range, ends included.
    pub fn is_seen_in(&self, range: TimeRange) -> bool {
        self.first_seen < range.end() && self.last_seen >= range.start()
    }
}
