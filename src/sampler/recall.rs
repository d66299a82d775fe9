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
    let (store, name, only_listed) = (Arc::clone(store), target.name.clone(), source.recalls_only_listed());
    let read = tokio::task::spawn_blocking(move || {
        let from = if only_listed { last_listed(&store, &name)? } else { Some(Timestamp::from_ms(0)) };
        let seen_in = from.and_then(|from| TimeRange::new(from, now.plus_ms(1)));
        seen_in.map_or(Ok(Vec::new()), |seen_in| living(&store, kinds, &name, seen_in))
    })
    .await;
    match read {
        // All or nothing: a part of it would make the rest look new.
        Ok(Ok(entities)) => entities.iter().for_each(|(kind, entity)| source.recall(kind, entity)),
        Ok(Err(error)) => warn!(target = %target.name, %error, "what is known of a target cannot be read back"),
        Err(error) => warn!(target = %target.name, %error, "what is known of a target was not read back"),
    }
    Ok(source)
}

/// When the newest good poll of a target began.
fn last_listed(store: &Store, target: &TargetName) -> Result<Option<Timestamp>, StoreError> {
    let targets = store.targets()?;
    let own = targets.into_iter().find(|known| known.target == *target);
    Ok(own.and_then(|known| known.last_good).map(|last| last.poll.started))
}

/// What lives of some kinds by polls of a target.
fn living(
    store: &Store,
    kinds: &'static [&'static Kind],
    target: &TargetName,
    seen_in: TimeRange,
) -> Result<Vec<(&'static Kind, EntityRecord)>, StoreError> {
    let mut found = Vec::new();
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
