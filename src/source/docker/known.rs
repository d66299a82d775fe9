//! What is remembered of a container between polls: as little as shows that it changed.
//!
//! Pure. Must not know: how anything is fetched.

use std::collections::BTreeSet;

use super::inspect::{Inspected, NetworkOf};
use super::kinds::CONTAINER;
use super::list::Listed;
use super::stats::Stats;
use crate::model::{Attributes, Class, Timestamp, Value};
use crate::source::attribution::Belongs;

/// Attributes that a container's interfaces, devices and processes carry too.
const SHARED_WITH_PARTS: [&str; 8] = ["name", "image", "app", "task", "framework", "agent", "service", "stack"];

/// A container that was in the last list.
#[derive(Debug, Default)]
pub(super) struct Known {
    fingerprint: u64,
    status_age_s: Option<u64>,
    /// Whether the facts below are not those of now: an inspect failed.
    pub(super) is_stale: bool,
    /// When its life began, by the engine's clock.
    pub(super) started: Option<Timestamp>,
    /// When its last finished life ended, by the engine's clock.
    pub(super) finished: Option<Timestamp>,
    /// Whether `networks` of its stats are its own.
    pub(super) network: Network,
    /// Counters of its last sample.
    counters: Box<[Option<i64>]>,
    /// The beginning of the life that its last sample was of, where it was known.
    sampled_life: Option<Timestamp>,
    /// What other sources knew of it when its facts were last asked for.
    pub(super) belongs: Option<Belongs>,
    /// How many digests its image was known by when its facts were last told.
    pub(super) digests: usize,
    /// Attributes of its parts.
    pub(super) shared: Attributes,
    /// Interfaces and devices that have been given their attributes.
    pub(super) parts: BTreeSet<Box<str>>,
}

/// Whose network a container's stats show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Network {
    /// Its own.
    #[default]
    Own,
    /// None, or the machine's: engines but podman leave it out.
    NoneOrHost,
    /// Another container's.
    Shared,
}

impl Known {
    /// Whether a line of the list shows that something changed since the one before.
    pub(super) fn is_changed(&self, listed: &Listed) -> bool {
        let went_back = matches!((self.status_age_s, listed.status_age_s()), (Some(before), Some(now)) if now < before);
        self.is_stale || went_back || self.fingerprint != listed.fingerprint()
    }

    /// Takes in a line of the list.
    pub(super) fn note_listed(&mut self, listed: &Listed) {
        self.fingerprint = listed.fingerprint();
        self.status_age_s = listed.status_age_s();
    }

    /// Takes in what an inspect said.
    pub(super) fn note_inspected(&mut self, inspected: &Inspected, attributes: &Attributes) {
        self.is_stale = false;
        self.started = inspected.started_at();
        self.finished = inspected.finished_at();
        self.network = match inspected.network_of() {
            NetworkOf::Own => Network::Own,
            NetworkOf::NoneOrHost => Network::NoneOrHost,
            NetworkOf::Container(_) => Network::Shared,
        };
        self.note_attributes(attributes);
    }

    /// Takes over what its parts carry too; each of them is then told anew.
    pub(super) fn note_attributes(&mut self, attributes: &Attributes) {
        self.shared = shared_with_parts(attributes);
        self.parts.clear();
    }

    /// Whether any counter is lower than in the sample before: a new life, unless the engine errs.
    pub(super) fn has_fallen(&self, stats: &Stats) -> bool {
        let fell = |(before, now): (&Option<i64>, Option<i64>)| matches!((before, now), (Some(b), Some(n)) if n < *b);
        self.counters.iter().zip(counters(&stats.values)).any(fell)
    }

    /// Remembers a sample of the life that began then. True if the one before was of the same life.
    pub(super) fn note_sample(&mut self, stats: &Stats, began: Option<Timestamp>) -> bool {
        self.counters = counters(&stats.values).collect();
        let before = std::mem::replace(&mut self.sampled_life, began);
        began.is_some() && before == began
    }
}

/// Of a container's facts those that its parts carry too.
pub(super) fn shared_with_parts(attributes: &Attributes) -> Attributes {
    let shared = attributes.iter().filter(|(name, _)| SHARED_WITH_PARTS.contains(name));
    shared.map(|(name, value)| (*name, value.clone())).collect()
}

/// The counters of a sample. The machine's CPU time is left out: it is not the container's, and for podman made up.
fn counters(values: &[Value]) -> impl Iterator<Item = Option<i64>> {
    CONTAINER
        .columns
        .iter()
        .zip(values)
        .filter(|(column, _)| column.class == Class::Counter && column.stored != "cpu_host_ns")
        .map(|(_, value)| value.int())
}
