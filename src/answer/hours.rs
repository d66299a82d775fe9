//! One entity's hours for a range request: rolled up as far as that is done, the rest from samples, in the order of time.
//!
//! Must not know: what is made of hours.

use super::{AnswerError, RangeReader, Reading};
use crate::model::{EntityRecord, HOUR_MS, Run, TimeRange, Timestamp};
use crate::query::evaluate::{Evaluation, HourNeeds, Pass};
use crate::query::seen::Seen;
use crate::rollup::Roller;
use crate::store::{Fetch, HoursFetch};

/// Hours read at once: four weeks, so that the cells of one entity fit a few megabytes whatever the range.
pub(super) const PIECE_MS: i64 = 28 * 24 * HOUR_MS;

/// One pass over one entity's hours.
pub(super) struct HourPass<'a> {
    pub(super) entity: &'a EntityRecord,
    pub(super) pass: &'a mut Pass,
    pub(super) seen: Option<&'a Seen>,
    pub(super) needs: &'a HourNeeds,
    pub(super) roller: &'a Roller,
    /// Hours from here on are made from samples, because rolled-up ones do not hold all that is asked for.
    pub(super) rolled_until: Option<Timestamp>,
}

impl RangeReader<'_> {
    /// Folds all hours of the request's range.
    pub(super) fn fold_hours(
        &mut self,
        evaluation: &Evaluation<'_>,
        this: &mut HourPass<'_>,
    ) -> Result<(), AnswerError> {
        let range = self.request.range;
        let (start, end) = (hour_at_or_after(range.start()), hour_at_or_before(range.end()));
        let end = this.rolled_until.map_or(end, |until| end.min(hour_at_or_after(until)));
        let mut from = range.start();
        let mut ends_rolled = false;
        for piece in TimeRange::new(start, end).into_iter().flat_map(|whole| whole.pieces(PIECE_MS)) {
            self.stop.check()?;
            let fetch = HoursFetch {
                kind: self.request.kind,
                identity: &this.entity.identity,
                range: piece,
                fields: &this.needs.fields,
                with_bins: this.needs.with_bins,
                with_stays: this.needs.with_stays && piece.end() == end,
            };
            for rolled in self.store.hours(&fetch)? {
                self.fold_samples(evaluation, this, from, rolled.range.start())?;
                let rows = u64::try_from(rolled.hours.rows.len()).unwrap_or(u64::MAX);
                self.plan.hours = self.plan.hours.saturating_add(rows);
                evaluation.fold_hours(this.entity, this.pass, this.needs, &rolled.hours);
                from = rolled.range.end();
                ends_rolled = from == range.end();
            }
        }
        self.fold_samples(evaluation, this, from, range.end())?;
        if ends_rolled { self.fold_end(evaluation, this) } else { Ok(()) }
    }

    /// Folds what is not rolled up, from samples.
    fn fold_samples(
        &mut self,
        evaluation: &Evaluation<'_>,
        this: &mut HourPass<'_>,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<(), AnswerError> {
        let Some(range) = TimeRange::new(from, until).filter(|range| !range.is_empty()) else { return Ok(()) };
        // What comes after the last sample there is matters at the end alone: before hours that were rolled up there are
        // always more.
        let is_end = until == self.request.range.end();
        let mut runs = Reading::of(self.request.kind, this.entity.identity.clone(), range);
        while let Some(run) = runs.next(self.store, this.roller.columns(), self.stop)? {
            self.plan.runs = self.plan.runs.saturating_add(1);
            self.plan.samples = self.plan.samples.saturating_add(u64::try_from(run.len()).unwrap_or(u64::MAX));
            fold_run(evaluation, this, &run, is_end);
        }
        self.note_work(runs.work());
        Ok(())
    }

    /// Folds how the entity was there between the last hour's last sample and the range's end.
    fn fold_end(&mut self, evaluation: &Evaluation<'_>, this: &mut HourPass<'_>) -> Result<(), AnswerError> {
        let range = self.request.range;
        let told = evaluation.told_until(this.pass).unwrap_or(range.start());
        let Some(rest) = TimeRange::new(told.plus_ms(1).min(range.end()), range.end()) else { return Ok(()) };
        if !this.needs.with_stays || told >= range.end() {
            return Ok(());
        }
        let fetch = Fetch {
            kind: self.request.kind,
            identity: &this.entity.identity,
            range: rest,
            columns: this.roller.columns(),
        };
        let run = self.store.read(&fetch)?;
        self.plan.runs = self.plan.runs.saturating_add(1);
        fold_stays(evaluation, this, &run);
        Ok(())
    }
}

fn fold_run(evaluation: &Evaluation<'_>, this: &mut HourPass<'_>, run: &Run, is_end: bool) {
    let hours = this.roller.roll(run, &this.entity.versions);
    evaluation.fold_hours(this.entity, this.pass, this.needs, &hours);
    if let Some(seen) = this.seen.filter(|_| is_end) {
        evaluation.fold_after_last(this.pass, run, seen);
    }
}

/// Of a run whose hours are folded already, only how the entity was there.
fn fold_stays(evaluation: &Evaluation<'_>, this: &mut HourPass<'_>, run: &Run) {
    let mut hours = this.roller.roll(run, &this.entity.versions);
    hours.rows.clear();
    evaluation.fold_hours(this.entity, this.pass, this.needs, &hours);
    if let Some(seen) = this.seen {
        evaluation.fold_after_last(this.pass, run, seen);
    }
}

fn hour_at_or_before(at: Timestamp) -> Timestamp {
    Timestamp::from_ms(at.ms().div_euclid(HOUR_MS).saturating_mul(HOUR_MS))
}

fn hour_at_or_after(at: Timestamp) -> Timestamp {
    let before = hour_at_or_before(at);
    if before == at { at } else { before.plus_ms(HOUR_MS) }
}
