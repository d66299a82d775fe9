//! A request's entities in shares: each is folded by one of as many threads as read at once, and ended in its order.
//!
//! Must not know: how entities are folded.

use std::collections::{BTreeMap, btree_set};
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};

use super::reading::Entities;
use super::{AnswerError, Member, RangeReader, end_all};
use crate::model::{EntityRecord, Identity};
use crate::query::evaluate::{Evaluation, Gathering, SeriesKey};
use crate::query::explain::Plan;

/// Entities of a share: more would leave threads with nothing to do at the end, fewer would be many statements.
pub(super) const SHARE: usize = 128;

/// Shares that are done before one that comes before them is.
const SHARES_AHEAD: usize = 8;

/// Where entities come from, in identity order.
pub(super) enum Source<'a> {
    Listed(Entities),
    Those(btree_set::IntoIter<&'a Identity>),
}

/// Entities that are folded together, or which they are.
enum Share<'a> {
    Listed(Vec<EntityRecord>),
    Those(Vec<&'a Identity>),
}

/// A share once it is folded, and what was read for it.
type Folded = Result<(Vec<Member>, Plan), AnswerError>;

/// What is left to do.
struct Queue<'a> {
    source: Source<'a>,
    /// Shares that were taken.
    taken: usize,
}

/// Shares in the order in which they were taken, whichever is done first.
#[derive(Default)]
struct InOrder {
    ended: usize,
    done: BTreeMap<usize, Folded>,
}

impl RangeReader<'_> {
    /// Folds all entities by hours and ends them in their order: so sums do not depend on the number of threads.
    pub(super) fn fold_shares(
        &self,
        gathering: &mut Gathering<'_>,
        source: Source<'_>,
        plan: &mut Plan,
        note: &mut impl FnMut(SeriesKey, &EntityRecord),
    ) -> Result<(), AnswerError> {
        let evaluation = gathering.evaluation();
        let queue = Mutex::new(Queue { source, taken: 0 });
        let next = || {
            let (number, share) = self.next_share(&queue)?;
            Some((number, share.and_then(|share| self.fold_share(evaluation, share))))
        };
        let mut end = |share: Folded| {
            let (members, read) = share?;
            plan.add(read);
            end_all(gathering, members, note)
        };
        std::thread::scope(|scope| {
            let (give, taken) = sync_channel(SHARES_AHEAD);
            for _ in 1..self.store.readers_at_once() {
                let give = give.clone();
                // Nobody takes one once an answer has failed.
                scope.spawn(move || while next().is_some_and(|share| give.send(share).is_ok()) {});
            }
            drop(give);
            let mut shares = InOrder::default();
            let mut take = |(number, share)| {
                shares.done.insert(number, share);
                shares.by_ref().try_for_each(&mut end)
            };
            while let Some(share) = next() {
                take(share)?;
                taken.try_iter().try_for_each(&mut take)?;
            }
            taken.into_iter().try_for_each(take)
        })
    }

    /// The next share with its number; nothing once all are taken.
    fn next_share<'q>(&self, queue: &Mutex<Queue<'q>>) -> Option<(usize, Result<Share<'q>, AnswerError>)> {
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        let share = match &mut queue.source {
            Source::Listed(entities) => entities.next_page(self.store).map(Share::Listed),
            Source::Those(identities) => Ok(Share::Those(identities.take(SHARE).collect())),
        };
        let is_over = match &share {
            Ok(Share::Listed(entities)) => entities.is_empty(),
            Ok(Share::Those(identities)) => identities.is_empty(),
            Err(_) => false,
        };
        queue.taken += 1;
        (!is_over).then_some((queue.taken - 1, share))
    }

    fn fold_share(&self, evaluation: &Evaluation<'_>, share: Share<'_>) -> Folded {
        let entities = match share {
            Share::Listed(entities) => entities,
            Share::Those(identities) => {
                let entity = |identity| self.store.entity(self.request.kind, identity, self.reach()).transpose();
                identities.into_iter().filter_map(entity).collect::<Result<_, _>>()?
            }
        };
        let mut plan = Plan::default();
        let mut members = self.members(evaluation, entities, &mut plan)?;
        self.fold_by_hours(evaluation, &mut members, &mut plan)?;
        Ok((members, plan))
    }
}

impl Iterator for InOrder {
    type Item = Folded;

    /// The next one, if it is done.
    fn next(&mut self) -> Option<Folded> {
        let next = self.done.remove(&self.ended)?;
        self.ended += 1;
        Some(next)
    }
}

#[cfg(test)]
mod tests;
