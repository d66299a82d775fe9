//! Entities' hours for a range request: rolled up as far as that is done, the rest from samples, in the order of time.
//!
//! Must not know: what is made of hours.

use super::{AnswerError, Member, RangeReader, Reading, note_work};
use crate::model::{EntityRecord, HOUR_MS, Identity, Run, TimeRange, Timestamp};
use crate::query::evaluate::{Evaluation, HourNeeds, Pass};
use crate::query::explain::Plan;
use crate::query::seen::Seen;
use crate::rollup::Roller;
use crate::store::{Fetch, HoursFetch};

/// Hours of one entity read at once where all of them would be too many: four weeks.
pub(super) const PIECE_MS: i64 = 28 * 24 * HOUR_MS;

/// Memory for hours that are read together.
const TOGETHER_BYTES: i64 = 8 * 1024 * 1024;
/// Most entities at once: from there on more save nothing.
const TOGETHER_MAX: usize = 256;
/// Bytes of a row, and of a cell; with bins, of which an hour has some dozen.
const ROW_BYTES: i64 = 40;
const CELL_BYTES: i64 = 256;
const CELL_WITH_BINS_BYTES: i64 = 512;

/// What hours are read for.
struct Asked<'a> {
    needs: &'a HourNeeds,
    roller: Roller,
    /// Hours from here on are made from samples, because rolled-up ones do not hold all that is asked for.
    rolled_until: Option<Timestamp>,
}

/// One entity's hours, as far as they are folded.
struct Course<'a> {
    entity: &'a EntityRecord,
    passes: &'a mut [Pass],
    seen: Option<&'a Seen>,
    /// Up to when.
    until: Timestamp,
    /// Whether the last of them were rolled up, and whether no sample comes after them.
    is_rolled: bool,
    is_last: bool,
}

impl RangeReader<'_> {
    /// Folds all hours of the request's range.
    pub(super) fn fold_by_hours(
        &self,
        evaluation: &Evaluation<'_>,
        members: &mut [Member],
        plan: &mut Plan,
    ) -> Result<(), AnswerError> {
        let needs = evaluation.hour_needs();
        // What hours do not hold is made from samples for as long as there are any.
        let rolled_until = self.kept_from.or(Some(Timestamp::MIN)).filter(|_| !self.request.are_fields_held());
        let asked = Asked { needs: &needs, roller: needs.roller(self.request.kind), rolled_until };
        let mut rest = members;
        while !rest.is_empty() {
            let (mut count, mut bytes) = (0, 0_i64);
            for (entity, ..) in rest.iter().take(TOGETHER_MAX) {
                bytes = bytes.saturating_add(self.bytes_of(entity, &needs));
                if count > 0 && bytes > TOGETHER_BYTES {
                    break;
                }
                count += 1;
            }
            let (these, others) = rest.split_at_mut(count);
            let piece_ms = if bytes > TOGETHER_BYTES && count == 1 { PIECE_MS } else { i64::MAX };
            self.fold_together(evaluation, &asked, (these, piece_ms), plan)?;
            rest = others;
        }
        Ok(())
    }

    /// About how many bytes an entity's hours take.
    fn bytes_of(&self, entity: &EntityRecord, needs: &HourNeeds) -> i64 {
        let lived = TimeRange::new(entity.first_seen, entity.last_seen).and_then(|l| l.intersect(self.request.range));
        let rows = 2 + lived.map_or(0, TimeRange::ms) / if needs.by_days { 24 * HOUR_MS } else { HOUR_MS };
        let cell_bytes = if needs.wanted.bins { CELL_WITH_BINS_BYTES } else { CELL_BYTES };
        let fields = i64::try_from(needs.fields.len()).unwrap_or(i64::MAX);
        rows.saturating_mul(fields.saturating_mul(cell_bytes).saturating_add(ROW_BYTES))
    }

    fn fold_together(
        &self,
        evaluation: &Evaluation<'_>,
        asked: &Asked<'_>,
        (members, piece_ms): (&mut [Member], i64),
        plan: &mut Plan,
    ) -> Result<(), AnswerError> {
        let range = self.request.range;
        let mut courses: Vec<Course<'_>> = Vec::with_capacity(members.len());
        for (entity, passes, seen) in members {
            let (seen, until) = (seen.as_deref(), range.start());
            courses.push(Course { entity, passes, seen, until, is_rolled: false, is_last: false });
        }
        let identities: Vec<&Identity> = courses.iter().map(|course| &course.entity.identity).collect();
        let (start, end) = (hour_at_or_after(range.start()), hour_at_or_before(range.end()));
        let end = asked.rolled_until.map_or(end, |until| end.min(hour_at_or_after(until)));
        for piece in TimeRange::new(start, end).into_iter().flat_map(|whole| whole.pieces(piece_ms)) {
            self.stop.check()?;
            let fetch = HoursFetch {
                kind: self.request.kind,
                identities: &identities,
                range: piece,
                fields: &asked.needs.fields,
                wanted: asked.needs.wanted,
                by_days: asked.needs.by_days,
                with_stays: asked.needs.with_stays && piece.end() == end,
            };
            for (course, found) in courses.iter_mut().zip(self.store.hours(&fetch)?) {
                for rolled in found {
                    self.fold_samples(evaluation, asked, course, rolled.range.start(), plan)?;
                    let rows = u64::try_from(rolled.hours.rows.len()).unwrap_or(u64::MAX);
                    plan.hours = plan.hours.saturating_add(rows);
                    for pass in course.passes.iter_mut() {
                        evaluation.fold_hours(course.entity, pass, asked.needs, &rolled.hours);
                    }
                    course.until = rolled.range.end();
                    course.is_rolled = true;
                    course.is_last = rolled.is_last;
                }
            }
        }
        for course in &mut courses {
            let ends_rolled = course.is_rolled && course.until == range.end();
            self.fold_samples(evaluation, asked, course, range.end(), plan)?;
            if ends_rolled && asked.needs.with_stays {
                self.fold_end(evaluation, asked, course, plan)?;
            }
        }
        Ok(())
    }

    /// Folds what is not rolled up up to an instant, from samples.
    fn fold_samples(
        &self,
        evaluation: &Evaluation<'_>,
        asked: &Asked<'_>,
        course: &mut Course<'_>,
        until: Timestamp,
        plan: &mut Plan,
    ) -> Result<(), AnswerError> {
        let range = TimeRange::new(course.until, until);
        let Some(range) = range.filter(|range| !range.is_empty()) else { return Ok(()) };
        // What comes after the last sample there is matters at the end alone: before hours that were rolled up there are
        // always more.
        let is_end = until == self.request.range.end();
        let mut runs = Reading::of(self.request.kind, course.entity.identity.clone(), range);
        while let Some(run) = runs.next(self.store, asked.roller.columns(), self.stop)? {
            plan.runs = plan.runs.saturating_add(1);
            plan.samples = plan.samples.saturating_add(u64::try_from(run.len()).unwrap_or(u64::MAX));
            let hours = asked.roller.roll(&run, &course.entity.versions);
            for pass in course.passes.iter_mut() {
                evaluation.fold_hours(course.entity, pass, asked.needs, &hours);
                if let Some(seen) = course.seen.filter(|_| is_end) {
                    evaluation.fold_after_last(pass, &run, seen);
                }
            }
        }
        note_work(plan, runs.work());
        course.until = until;
        Ok(())
    }

    /// Folds how the entity was there between the last hour's last sample and the range's end.
    fn fold_end(
        &self,
        evaluation: &Evaluation<'_>,
        asked: &Asked<'_>,
        course: &mut Course<'_>,
        plan: &mut Plan,
    ) -> Result<(), AnswerError> {
        let range = self.request.range;
        for pass in course.passes.iter_mut() {
            let told = evaluation.told_until(pass).unwrap_or(range.start());
            let rest = TimeRange::new(told.plus_ms(1).min(range.end()), range.end());
            let Some(rest) = rest.filter(|_| told < range.end()) else { continue };
            let run = if course.is_last {
                Run::nothing(rest)
            } else {
                let identity = &course.entity.identity;
                let columns = asked.roller.columns();
                plan.runs = plan.runs.saturating_add(1);
                self.store.read(&Fetch { kind: self.request.kind, identity, range: rest, columns })?
            };
            // Its hours are folded already: only how the entity was there is left.
            let mut hours = asked.roller.roll(&run, &course.entity.versions);
            hours.rows.clear();
            evaluation.fold_hours(course.entity, pass, asked.needs, &hours);
            if let Some(seen) = course.seen {
                evaluation.fold_after_last(pass, &run, seen);
            }
        }
        Ok(())
    }
}

fn hour_at_or_before(at: Timestamp) -> Timestamp {
    Timestamp::from_ms(at.ms().div_euclid(HOUR_MS).saturating_mul(HOUR_MS))
}

fn hour_at_or_after(at: Timestamp) -> Timestamp {
    let before = hour_at_or_before(at);
    if before == at { at } else { before.plus_ms(HOUR_MS) }
}
