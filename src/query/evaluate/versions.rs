//! Which attributes are in force at a time.
//!
//! Must not know: samples, buckets.

use std::sync::{Arc, LazyLock};

use crate::model::{Attributes, Timestamp, Version};

/// Finds the version in force, for times that rise.
#[derive(Debug)]
pub(crate) struct VersionCursor<'v> {
    versions: &'v [Version],
    takes: &'v [bool],
    current: usize,
}

impl<'v> VersionCursor<'v> {
    pub(crate) fn new(versions: &'v [Version], takes: &'v [bool]) -> Self {
        VersionCursor { versions, takes, current: 0 }
    }

    /// Whether the version in force at `at` is taken, and its attributes.
    pub(crate) fn at(&mut self, at: Timestamp) -> (bool, &'v Arc<Attributes>) {
        static NONE: LazyLock<Arc<Attributes>> = LazyLock::new(Arc::default);
        while self.versions.get(self.current + 1).is_some_and(|next| next.from <= at) {
            self.current += 1;
        }
        let attributes = self.versions.get(self.current).map_or_else(|| &*NONE, |version| &version.attributes);
        (self.takes.get(self.current).copied().unwrap_or(false), attributes)
    }

    pub(super) fn last_taken(&self, at: Timestamp) -> Arc<Attributes> {
        let last = self.versions.iter().zip(self.takes).filter(|(_, taken)| **taken).map(|(version, _)| version);
        let in_force = last.clone().take_while(|version| version.from <= at).last();
        in_force.or_else(|| last.clone().next()).map(|version| Arc::clone(&version.attributes)).unwrap_or_default()
    }
}
