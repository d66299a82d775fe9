//! The attributes of one entity through time, where samples from elsewhere say something about them.
//!
//! A sample that says other attributes than are in force at its time opens a version there; samples that were kept before
//! keep the attributes that they had. Must not know: blocks, polls.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, named_params};

use crate::model::{Attributes, Kind, TimeRange};
use crate::store::sqlite::several::Several;
use crate::store::sqlite::{codec, living, queries, read};
use crate::store::{HOUR_MS, StoreError, VERSIONS_PER_HOUR_MAX};

/// The versions of an entity, as they are and as they are to be.
#[derive(Debug)]
pub(super) struct Versions {
    kept: BTreeMap<i64, Attributes>,
    now: BTreeMap<i64, Attributes>,
    /// The oldest of the samples that said something.
    said_from_ms: Option<i64>,
}

/// When the samples are that were kept before.
pub(super) trait Neighbours {
    /// The oldest sample of all, if it is before an instant.
    fn oldest_before(&self, at_ms: i64) -> rusqlite::Result<Option<i64>>;
    /// The next after an instant.
    fn next_after(&self, at_ms: i64) -> rusqlite::Result<Option<i64>>;
}

impl Versions {
    /// The versions of an entity; none of one that is new.
    pub(super) fn load(
        connection: &Connection,
        kind: &'static Kind,
        entity: Option<i64>,
    ) -> Result<Versions, StoreError> {
        let mut kept = BTreeMap::new();
        if let Some(entity) = entity {
            let versions = read::versions(connection, kind, &Several::one(entity), TimeRange::ALL)?;
            kept.extend(
                versions.into_iter().flatten().map(|version| (version.from.ms(), (*version.attributes).clone())),
            );
        }
        Ok(Versions { now: kept.clone(), kept, said_from_ms: None })
    }

    /// Takes what a sample, later than those before, says about the attributes of these names. Says whether it was left out: too many changes.
    pub(super) fn say(
        &mut self,
        at_ms: i64,
        names: &[&'static str],
        said: &Attributes,
        neighbours: &impl Neighbours,
    ) -> rusqlite::Result<bool> {
        let said_from_ms = *self.said_from_ms.get_or_insert(at_ms);
        let in_force = self.now.range(..=at_ms).next_back().or_else(|| self.now.first_key_value());
        let Some((from_ms, in_force)) = in_force else {
            self.now.insert(at_ms, said.clone());
            return Ok(false);
        };
        if names.iter().all(|name| in_force.get(name) == said.get(name)) {
            return Ok(false);
        }
        let (from_ms, old) = (*from_ms, in_force.clone());
        let mut new = old.clone();
        for name in names {
            match said.get(name) {
                Some(value) => drop(new.insert(name, value.clone())),
                None => drop(new.remove(name)),
            }
        }
        let hour_ms = at_ms.div_euclid(HOUR_MS).saturating_mul(HOUR_MS);
        let in_hour = self.now.range(hour_ms..hour_ms.saturating_add(HOUR_MS)).count();
        if in_hour >= VERSIONS_PER_HOUR_MAX {
            return Ok(true);
        }
        // What was learnt first held from the start, and still does for what was there.
        let is_first = self.now.first_key_value().is_some_and(|(first_ms, _)| *first_ms == from_ms);
        if is_first && at_ms <= from_ms {
            let oldest_ms = neighbours.oldest_before(at_ms)?.unwrap_or(at_ms).min(said_from_ms);
            if oldest_ms < at_ms {
                self.now.insert(oldest_ms, old.clone());
            }
        }
        let next_version_ms = self.now.range(at_ms.saturating_add(1)..).next().map(|(from_ms, _)| *from_ms);
        if let Some(next_ms) = neighbours.next_after(at_ms)?
            && next_version_ms.is_none_or(|version_ms| next_ms < version_ms)
        {
            self.now.insert(next_ms, old);
        } else if let Some(version_ms) = next_version_ms
            && self.now.get(&version_ms) == Some(&new)
        {
            self.now.remove(&version_ms);
        }
        self.now.insert(at_ms, new);
        Ok(false)
    }

    /// Writes what changed to the file.
    pub(super) fn save(&self, connection: &Connection, entity: i64) -> rusqlite::Result<()> {
        if self.kept == self.now {
            return Ok(());
        }
        let sets: HashMap<i64, i64> = connection
            .prepare_cached(queries::VERSIONS_OF_ENTITY)?
            .query_map(named_params! {":entity": entity}, |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        for (from_ms, attributes) in self.now.iter().filter(|(from_ms, now)| self.kept.get(*from_ms) != Some(*now)) {
            let set = living::attribute_set(connection, &codec::encode_attributes(attributes))?;
            match sets.get(from_ms) {
                Some(old) => {
                    connection
                        .prepare_cached(queries::VERSION_REPLACE)?
                        .execute(named_params! {":attribute_set": set, ":entity": entity, ":from_ms": from_ms})?;
                    living::delete_unused_set(connection, *old)?;
                }
                None => living::insert_version(connection, entity, *from_ms, set)?,
            }
        }
        for (from_ms, old) in sets.iter().filter(|(from_ms, _)| !self.now.contains_key(from_ms)) {
            living::delete_version(connection, entity, *from_ms, *old)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Samples that were kept before, by their times.
    struct Before(Vec<i64>);

    impl Neighbours for Before {
        fn oldest_before(&self, at_ms: i64) -> rusqlite::Result<Option<i64>> {
            Ok(self.0.iter().copied().min().filter(|oldest_ms| *oldest_ms < at_ms))
        }

        fn next_after(&self, at_ms: i64) -> rusqlite::Result<Option<i64>> {
            Ok(self.0.iter().copied().filter(|before_ms| *before_ms > at_ms).min())
        }
    }

    fn in_force(versions: &BTreeMap<i64, Attributes>, at_ms: i64) -> Option<&Attributes> {
        versions.range(..=at_ms).next_back().or_else(|| versions.first_key_value()).map(|(_, attributes)| attributes)
    }

    fn named(app: u8, note: u8) -> Attributes {
        // 0 is a fact that is not known.
        [("app", app), ("note", note)]
            .into_iter()
            .filter(|(_, value)| *value > 0)
            .map(|(name, value)| (name, i64::from(value).into()))
            .collect()
    }

    proptest! {
        #[test]
        fn every_sample_has_what_was_said_of_it(
            versions in prop::collection::btree_map(0_i64..60, (0_u8..3, 0_u8..3), 0..6),
            before in prop::collection::btree_set(0_i64..60, 0..8),
            said in prop::collection::btree_map(0_i64..60, 0_u8..3, 1..12),
        ) {
            let mut kept: BTreeMap<i64, Attributes> = BTreeMap::new();
            for (from_ms, (app, note)) in versions {
                let attributes = named(app, note);
                if kept.last_key_value().is_none_or(|(_, last)| *last != attributes) {
                    kept.insert(from_ms, attributes);
                }
            }
            // A sample that was kept has attributes.
            let before: Vec<i64> = if kept.is_empty() { Vec::new() } else { before.into_iter().collect() };
            let said: BTreeMap<i64, u8> = said.into_iter().filter(|(at_ms, _)| !before.contains(at_ms)).collect();
            let neighbours = Before(before.clone());
            let mut told = Versions { now: kept.clone(), kept: kept.clone(), said_from_ms: None };
            for (at_ms, app) in &said {
                prop_assert!(!told.say(*at_ms, &["app"], &named(*app, 0), &neighbours).unwrap());
            }
            for at_ms in before {
                prop_assert_eq!(in_force(&told.now, at_ms), in_force(&kept, at_ms), "kept before, at {}", at_ms);
            }
            for (at_ms, app) in &said {
                let now = in_force(&told.now, *at_ms).unwrap();
                let expected = named(*app, 0);
                prop_assert_eq!(now.get("app"), expected.get("app"), "said, at {}", at_ms);
            }
        }
    }
}
