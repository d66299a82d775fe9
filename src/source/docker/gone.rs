//! Containers of which events told, until a list shows what became of them: those that are in none lived and died
//! between two polls, and are known by their events alone.
//!
//! Pure. Must not know: how events and lists are fetched.

use std::collections::HashMap;

use tokio::time::Instant;

use super::digests::Digests;
use super::events::{Happening, Told};
use super::inspect::{Inspected, Kept};
use crate::model::{Attributes, Identity, Observation, Timestamp};

/// Most containers remembered; beyond it only those are that were remembered before.
const GONE_MAX: usize = 10_000;

/// Containers by id.
#[derive(Debug, Default)]
pub(super) struct Gone(HashMap<Box<str>, Entry>);

#[derive(Debug)]
struct Entry {
    /// The last facts an event told.
    told: Attributes,
    /// The container as it was right after one of its events.
    found: Option<Inspected>,
    /// By the engine's clock.
    created: Option<Timestamp>,
    died: Option<Timestamp>,
    removed: Option<Timestamp>,
    exit_code: Option<i64>,
    is_oom_killed: bool,
    /// When its last event was read.
    last: Instant,
}

impl Gone {
    /// Takes in an event of a container.
    pub(super) fn note(&mut self, told: &Told, at: Instant) {
        if self.0.len() >= GONE_MAX && !self.0.contains_key(&told.id) {
            return;
        }
        let entry = self.0.entry(told.id.clone()).or_insert_with(|| Entry {
            told: Attributes::new(),
            found: None,
            created: None,
            died: None,
            removed: None,
            exit_code: None,
            is_oom_killed: false,
            last: at,
        });
        entry.last = at;
        entry.told = told.attributes();
        match &told.happening {
            Happening::Created => entry.created = Some(told.at()),
            Happening::Started => (entry.died, entry.exit_code, entry.is_oom_killed) = (None, None, false),
            Happening::Died { exit_code } => (entry.died, entry.exit_code) = (Some(told.at()), *exit_code),
            Happening::Oom => entry.is_oom_killed = true,
            Happening::Removed => entry.removed = Some(told.at()),
            _ => {}
        }
    }

    /// Takes in how a container was found after an event.
    pub(super) fn note_found(&mut self, id: &str, inspected: Inspected) {
        if let Some(entry) = self.0.get_mut(id) {
            entry.found = Some(inspected);
        }
    }

    /// Takes out what a list, asked for at `listed_at`, settles: containers in it are dropped, the others are
    /// observed as ended. What was told after that waits for the next list.
    pub(super) fn settle(
        &mut self,
        listed_at: Instant,
        is_listed: impl Fn(&str) -> bool,
        was_known: impl Fn(&str) -> bool,
        observing: Observing<'_>,
    ) -> Vec<Observation> {
        let mut observations = Vec::new();
        self.0.retain(|id, entry| {
            if entry.last >= listed_at {
                return true;
            }
            if !is_listed(id) {
                observations.push(entry.observation(id, was_known(id), observing));
            }
            false
        });
        observations
    }
}

/// What observing a container needs beside the container.
#[derive(Debug, Clone, Copy)]
pub(super) struct Observing<'a> {
    /// The engine's name in the configuration.
    pub(super) host: &'a str,
    /// What is taken off the engine's times.
    pub(super) clock_offset_ms: i64,
    /// What of its facts may be kept.
    pub(super) kept: Kept<'a>,
    /// Digests of its image.
    pub(super) digests: &'a Digests,
}

impl Entry {
    fn observation(&self, id: &str, was_known: bool, observing: Observing<'_>) -> Observation {
        let Observing { host, clock_offset_ms, kept, digests } = observing;
        let ours = |at: Timestamp| at.plus_ms(clock_offset_ms.saturating_neg());
        let mut attributes = match &self.found {
            Some(found) => found.attributes(clock_offset_ms, kept, |_| None),
            None => self.told.clone(),
        };
        if let Some(created) = self.created {
            attributes.entry("created").or_insert_with(|| ours(created).into());
        }
        if let Some(died) = self.died {
            attributes.insert("state", "exited".into());
            attributes.insert("finished_at", ours(died).into());
        }
        if let Some(exit_code) = self.exit_code {
            attributes.insert("exit_code", exit_code.into());
        }
        if self.is_oom_killed {
            attributes.insert("oom_killed", true.into());
        }
        digests.add_to(&mut attributes);
        Observation {
            identity: Identity::new([host, id]),
            // Of one that was seen before more is known than events tell.
            attributes: (self.found.is_some() || !was_known).then_some(attributes),
            ended: self.died.or(self.removed).map(ours),
            sample: None,
        }
    }
}
