//! What entities gave, put together: a series of each, or of each group.
//!
//! Entities come one after another, in one order whatever the number of threads that folded them: sums of floats depend
//! on it. Must not know: runs, hours, how an entity was folded.

use std::collections::HashMap;
use std::sync::Arc;

use super::group::{Group, Watched};
use super::{Evaluation, Member, Pass, SeriesKey, TooMany, VersionCursor, display_labels};
use crate::model::{EntityRecord, TargetName, TimeRange, Timestamp};
use crate::query::filter::label_value;
use crate::query::frame::Series;
use crate::query::request::{CELLS_MAX, SERIES_MAX};
use crate::query::seen::Seen;

/// Most values kept for exact percentiles of one answer: 64 MB.
const PERCENTILE_VALUES_MAX: usize = 8_000_000;

/// The series of an evaluation, as far as its entities were taken.
#[derive(Debug)]
pub struct Gathering<'a> {
    evaluation: &'a Evaluation<'a>,
    groups: Vec<Group>,
    group_of: HashMap<SeriesKey, usize>,
    series: Vec<(SeriesKey, Series)>,
    percentile_values: usize,
    /// For each target and bucket, how long it was seen.
    seen_ms: HashMap<TargetName, Arc<[i64]>>,
}

impl<'a> Gathering<'a> {
    /// Of nothing so far.
    pub fn new(evaluation: &'a Evaluation<'a>) -> Self {
        Gathering {
            evaluation,
            groups: Vec::new(),
            group_of: HashMap::new(),
            series: Vec::new(),
            percentile_values: 0,
            seen_ms: HashMap::new(),
        }
    }

    /// What its entities are folded by.
    pub fn evaluation(&self) -> &'a Evaluation<'a> {
        self.evaluation
    }

    /// Ends a pass: what the entity gave becomes a series of its own, or part of its group.
    ///
    /// Gives the key of that series, or nothing where the entity had nothing in the range.
    pub fn end_pass(
        &mut self,
        entity: &EntityRecord,
        pass: Pass,
        seen: Option<&Seen>,
    ) -> Result<Option<SeriesKey>, TooMany> {
        let Pass { key, takes, member: taken } = pass;
        self.percentile_values += taken.percentile_values();
        if self.percentile_values > PERCENTILE_VALUES_MAX {
            return Err(TooMany(format!(
                "percentiles of more than {PERCENTILE_VALUES_MAX} samples: ask for a shorter range, fewer entities by a \
                 filter, or avg and max"
            )));
        }
        let Some(last_at) = taken.last_at() else { return Ok(None) };
        match (key, seen) {
            (Some(key), Some(seen)) => self.join_group(&key, entity, &taken, seen).map(|()| Some(key)),
            _ => self.own_series(entity, &takes, &taken, last_at),
        }
    }

    fn join_group(
        &mut self,
        key: &SeriesKey,
        entity: &EntityRecord,
        taken: &Member,
        seen: &Seen,
    ) -> Result<(), TooMany> {
        let index = match self.group_of.get(key) {
            Some(index) => *index,
            None => {
                self.check_room(self.groups.len() + 1)?;
                let index = self.groups.len();
                self.groups
                    .push(Group::new(self.evaluation.fields.len(), self.evaluation.edges.len().saturating_sub(1)));
                self.group_of.insert(key.clone(), index);
                index
            }
        };
        let seen_ms = match self.seen_ms.get(&entity.target) {
            Some(seen_ms) => Arc::clone(seen_ms),
            None => {
                let ranges = self.evaluation.edges.windows(2).map(|edges| match edges {
                    [start, end] => TimeRange::new(*start, *end).map_or(0, |range| seen.covered_ms(range)),
                    _ => 0,
                });
                let seen_ms: Arc<[i64]> = ranges.collect();
                self.seen_ms.insert(entity.target.clone(), Arc::clone(&seen_ms));
                seen_ms
            }
        };
        if let Some(group) = self.groups.get_mut(index) {
            let watched = Watched { target: &entity.target, seen, ms: &seen_ms };
            group.join(&self.evaluation.fields, self.evaluation.request.across, self.evaluation.edges, taken, watched);
        }
        Ok(())
    }

    fn own_series(
        &mut self,
        entity: &EntityRecord,
        takes: &[bool],
        taken: &Member,
        last_at: Timestamp,
    ) -> Result<Option<SeriesKey>, TooMany> {
        let attributes = VersionCursor::new(&entity.versions, takes).last_taken(last_at);
        let key = SeriesKey(
            display_labels(self.evaluation.request.kind)
                .iter()
                .map(|label| label_value(self.evaluation.request.kind, &entity.identity, &attributes, label))
                .collect(),
        );
        if self.evaluation.only.is_some_and(|only| !only.contains(&key)) {
            return Ok(None);
        }
        self.check_room(self.series.len() + 1)?;
        let coverage = self.evaluation.request.coverage.then(|| taken.coverage(self.evaluation.edges));
        let values = taken.finish(&self.evaluation.fields);
        self.series.push((key.clone(), Series { labels: key.0.clone(), values, coverage }));
        Ok(Some(key))
    }

    fn check_room(&self, series: usize) -> Result<(), TooMany> {
        let buckets = self.evaluation.edges.len().saturating_sub(1);
        if buckets == 1 && self.evaluation.only.is_none() && self.evaluation.request.top.is_some() {
            return Ok(());
        }
        if series > SERIES_MAX {
            return Err(TooMany(format!(
                "more than {SERIES_MAX} series: narrow them by a filter such as host=, combine them with group_by=, or keep \
                 the largest with top="
            )));
        }
        let cells = series.saturating_mul(buckets).saturating_mul(self.evaluation.fields.len());
        if cells > CELLS_MAX {
            return Err(TooMany(format!(
                "more than {CELLS_MAX} cells ({series} series or more × {buckets} buckets × {} fields): ask for a larger \
                 step, fewer fields or a filter",
                self.evaluation.fields.len()
            )));
        }
        Ok(())
    }

    /// The series, in printing order (`order`, else by labels).
    pub fn finish(mut self, order: Option<&[SeriesKey]>) -> Vec<(SeriesKey, Series)> {
        let groups = std::mem::take(&mut self.groups);
        let mut group_of: Vec<(SeriesKey, usize)> = std::mem::take(&mut self.group_of).into_iter().collect();
        group_of.sort_by_key(|(_, index)| *index);
        for ((key, _), group) in group_of.into_iter().zip(groups) {
            let coverage = self.evaluation.request.coverage.then(|| group.coverage(self.evaluation.edges));
            let values = group.finish(&self.evaluation.fields, self.evaluation.request.across);
            self.series.push((key.clone(), Series { labels: key.0, values, coverage }));
        }
        match order {
            Some(order) => {
                let rank = |key: &SeriesKey| order.iter().position(|other| other == key).unwrap_or(usize::MAX);
                self.series.sort_by(|(a, _), (b, _)| rank(a).cmp(&rank(b)).then_with(|| a.0.cmp(&b.0)));
            }
            None => self.series.sort_by(|(a, _), (b, _)| a.0.cmp(&b.0)),
        }
        self.series
    }
}
