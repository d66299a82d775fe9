//! Makes a target's source and gives it back what the store knows for it, so that a restart asks again for nothing
//! that cannot have changed, and what changed meanwhile is noticed.
//!
//! Must not know: what a source does with it.

use std::sync::Arc;

use tracing::warn;

use super::Target;
use crate::model::{EntityRecord, Kind, TargetName, TimeRange, Timestamp};
use crate::source::Source;
use crate::store::{EntityQuery, Store, StoreError};

/// Entities read at a time; each is a few hundred bytes.
const PAGE: usize = 1_000;

/// The target's source, with its living entities of the kinds that it wants back.
pub(super) async fn built(target: &Target, store: &Arc<Store>, now: Timestamp) -> Result<Box<dyn Source>, String> {
    let mut source = (target.build)()?;
    let kinds = source.recalls();
    if kinds.is_empty() {
        return Ok(source);
    }
    let (store, name) = (Arc::clone(store), target.name.clone());
    let read = tokio::task::spawn_blocking(move || living(&store, kinds, &name, now)).await;
    match read {
        // All or nothing: a part of it would make the rest look new.
        Ok(Ok(entities)) => entities.iter().for_each(|(kind, entity)| source.recall(kind, entity)),
        Ok(Err(error)) => warn!(target = %target.name, %error, "what is known of a target cannot be read back"),
        Err(error) => warn!(target = %target.name, %error, "what is known of a target was not read back"),
    }
    Ok(source)
}

/// What lives of some kinds by polls of a target.
fn living(
    store: &Store,
    kinds: &'static [&'static Kind],
    target: &TargetName,
    now: Timestamp,
) -> Result<Vec<(&'static Kind, EntityRecord)>, StoreError> {
    let mut found = Vec::new();
    let Some(seen_in) = TimeRange::new(Timestamp::from_ms(0), now.plus_ms(1)) else { return Ok(found) };
    for kind in kinds {
        let mut after = None;
        loop {
            let page = store.entities(&EntityQuery { kind, seen_in, after, limit: PAGE })?;
            let is_last = page.len() < PAGE;
            after = page.last().map(|entity| entity.identity.clone());
            found.extend(
                page.into_iter()
                    .filter(|entity| entity.ended.is_none() && entity.target == *target)
                    .map(|entity| (*kind, entity)),
            );
            if is_last {
                break;
            }
        }
    }
    Ok(found)
}
