//! One entity's hours, pulled four weeks at a time: rolled up as far as that is done, the rest from samples.
//!
//! Must not know: what is made of hours.

use super::hours::PIECE_MS;
use super::{AnswerError, Reading, Stop};
use crate::model::{EntityRecord, Hours, Kind, TimeRange, Wanted};
use crate::rollup::Roller;
use crate::store::{HoursFetch, Store};

/// Hours of an entity in a range of whole hours.
#[derive(Debug)]
pub struct HourReading {
    kind: &'static Kind,
    rest: Option<TimeRange>,
}

impl HourReading {
    /// The hours of a range; none of no range.
    pub fn of(kind: &'static Kind, range: Option<TimeRange>) -> HourReading {
        HourReading { kind, rest: range }
    }

    /// The next part of the range, if any is left.
    pub fn next_piece(&mut self) -> Option<TimeRange> {
        let rest = self.rest.filter(|rest| !rest.is_empty())?;
        let piece = rest.pieces(PIECE_MS).next()?;
        self.rest = TimeRange::new(piece.end(), rest.end());
        Some(piece)
    }

    /// The hours of such a part, with these fields.
    pub fn read(
        &self,
        store: &Store,
        entity: &EntityRecord,
        piece: TimeRange,
        fields: &[usize],
        with_bins: bool,
        stop: &Stop,
    ) -> Result<Hours, AnswerError> {
        stop.check()?;
        let roller = Roller::new(self.kind, fields, with_bins);
        let identity = &entity.identity;
        let wanted = if with_bins { Wanted::ALL } else { Wanted::NO_BINS };
        let fetch = HoursFetch {
            kind: self.kind,
            identities: &[identity],
            range: piece,
            fields,
            wanted,
            by_days: false,
            with_stays: false,
        };
        let mut whole = Hours::default();
        let mut from = piece.start();
        let from_samples = |from, until, whole: &mut Hours| -> Result<(), AnswerError> {
            let Some(range) = TimeRange::new(from, until).filter(|range| !range.is_empty()) else { return Ok(()) };
            let mut reading = Reading::of(self.kind, identity.clone(), range);
            while let Some(run) = reading.next(store, roller.columns(), stop)? {
                whole.append(roller.roll(&run, &entity.versions));
            }
            Ok(())
        };
        for rolled in store.hours(&fetch)?.into_iter().flatten() {
            from_samples(from, rolled.range.start(), &mut whole)?;
            from = rolled.range.end();
            whole.append(rolled.hours);
        }
        from_samples(from, piece.end(), &mut whole)?;
        Ok(whole)
    }
}
