//! Rolling up: an entity's samples of some hours become one row an hour and version of its attributes.
//!
//! Pure: a run in, hours out ([`Hours`] says what they promise). The store keeps what this makes of closed hours, the
//! query makes the rest when it is asked, so both are the same to the bit. All counter arithmetic is [`crate::rate`]'s.
//! Must not know: who keeps hours, what is asked of them.

use std::ops::Range;

use crate::model::sketch::{Binning, counted};
use crate::model::{
    Class, Derived, Formula, HOUR_MS, HourCell, HourRow, Hours, Kind, Presence, Run, Stay, TimeRange, Timestamp,
    Version, hours::push_stay,
};
use crate::rate::{self, Life, Mark, Stretch};

pub mod days;
mod fields;
mod many;
mod predict;
#[cfg(test)]
mod tests;

use fields::Field;
pub use predict::{needed_to_predict, predicted};

/// What is kept of a field besides its sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// The smallest and the largest value, and how many there were.
    pub extremes: bool,
    /// The newest value.
    pub last: bool,
    /// How often values of about one size occurred.
    pub bins: bool,
}

/// Number of fields of a kind: its columns, then its derived columns. A field is named by its place among them.
pub fn fields_count(kind: &Kind) -> usize {
    kind.columns.len() + kind.derived.len()
}

/// The field of a name.
pub fn field_named(kind: &Kind, name: &str) -> Option<usize> {
    let derived = || kind.derived.iter().position(|derived| derived.name == name);
    kind.column_index(name).or_else(|| Some(kind.columns.len() + derived()?))
}

/// The derived column of a field, if it is one.
pub fn derived_of(kind: &'static Kind, field: usize) -> Option<&'static Derived> {
    kind.derived.get(field.checked_sub(kind.columns.len())?)
}

/// What is kept of a field. Ratios of increases have no single values worth keeping: nobody's headline.
pub fn kept(kind: &'static Kind, field: usize) -> Kept {
    if let Some(column) = kind.columns.get(field) {
        let is_gauge = column.class == Class::Gauge;
        return Kept { extremes: is_gauge, last: is_gauge, bins: is_gauge && column.headline && !column.high_water };
    }
    let Some(derived) = derived_of(kind, field) else { return Kept { extremes: false, last: false, bins: false } };
    let is_single = !matches!(derived.formula, Formula::IncreaseRatio { .. } | Formula::RateToAttribute { .. });
    let is_headline = derived.headline && is_single;
    Kept { extremes: is_headline, last: !derived.formula.is_of_stretch(), bins: is_headline }
}

/// Rolls up samples of one kind.
#[derive(Debug)]
pub struct Roller {
    fields: Vec<Field>,
    columns: Vec<usize>,
    with_bins: bool,
    binning: Binning,
}

/// A stretch within one hour.
#[derive(Debug, Clone, Copy)]
struct Piece {
    row: usize,
    /// The hour, cut at the run's range; nothing where the stretch lies in it whole.
    cut: Option<TimeRange>,
    /// Whether the stretch ends in it.
    is_end: bool,
}

/// A stretch that ends at a position of the run, with its pieces.
#[derive(Debug)]
struct Spanned {
    next: usize,
    stretch: Stretch,
    pieces: Range<usize>,
}

/// Stretches that follow each other, each of them whole in one row: nearly all of them.
#[derive(Debug)]
struct Steady {
    row: usize,
    /// Where they end in the run. Each begins with the sample before.
    next: Range<usize>,
    /// Of all of them.
    life: Life,
    /// All of their time.
    ms: i64,
}

/// Some of a run's stretches, in their order.
#[derive(Debug)]
enum Part {
    Steady(Steady),
    Single(Spanned),
}

/// The rows of a run, and which of its samples and stretches belong to which.
#[derive(Debug, Default)]
struct Plan {
    rows: Vec<HourRow>,
    parts: Vec<Part>,
    pieces: Vec<Piece>,
    /// Positions and row.
    samples: Vec<(Range<usize>, usize)>,
}

impl Roller {
    /// Rolls up these fields, in this order; with or without counts of values by bin, which cost most.
    pub fn new(kind: &'static Kind, fields: &[usize], with_bins: bool) -> Roller {
        let mut columns = Vec::new();
        let fields = fields.iter().map(|field| Field::resolve(kind, *field, &mut columns)).collect();
        Roller { fields, columns, with_bins, binning: Binning::default() }
    }

    /// Positions in the kind's columns that runs must bring, in this order.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// The hours of a run's range. A first or last hour that the range cuts gives a row of its part.
    pub fn roll(&self, run: &Run, versions: &[Version]) -> Hours {
        self.rolled(run, versions, true)
    }

    /// The same with many samples taken at once where that can be, or each for itself: it makes no difference.
    fn rolled(&self, run: &Run, versions: &[Version], at_once: bool) -> Hours {
        let mut hours = Hours::default();
        let plan = plan(run, versions, &mut hours);
        hours.cells = self.fields.iter().map(|field| self.cells(field, run, &plan, at_once)).collect();
        hours.rows = plan.rows;
        hours
    }

    fn cells(&self, field: &Field, run: &Run, plan: &Plan, at_once: bool) -> Vec<HourCell> {
        let mut cells = vec![HourCell::default(); plan.rows.len()];
        let mut bins = Bins { binning: self.with_bins.then_some(self.binning), of_row: Vec::new(), row: 0 };
        bins.binning = bins.binning.filter(|_| field.kept.bins);
        for part in plan.parts.iter().filter(|_| field.is_of_stretch()) {
            match part {
                Part::Steady(steady) => {
                    bins.go_to(&mut cells, steady.row);
                    let Some(cell) = cells.get_mut(steady.row) else { continue };
                    if at_once && field.take_steady(cell, run, steady, &mut bins) {
                        continue;
                    }
                    for next in steady.next.clone() {
                        let Some(stretch) = steady.stretch(run, next) else { continue };
                        let Some(grown) = field.grown(run, next, stretch.life) else { continue };
                        field.take_share(cell, run, next, &stretch, grown, None);
                        field.take_rate(cell, &stretch, grown, &mut bins);
                    }
                }
                Part::Single(Spanned { next, stretch, pieces }) => {
                    let Some(grown) = field.grown(run, *next, stretch.life) else { continue };
                    let pieces = plan.pieces.get(pieces.clone()).unwrap_or_default();
                    for piece in pieces {
                        let Some(cell) = cells.get_mut(piece.row) else { continue };
                        field.take_share(cell, run, *next, stretch, grown, piece.cut);
                    }
                    let Some(end) = pieces.last().filter(|piece| piece.is_end && !stretch.is_hole) else { continue };
                    bins.go_to(&mut cells, end.row);
                    if let Some(cell) = cells.get_mut(end.row) {
                        field.take_rate(cell, stretch, grown, &mut bins);
                    }
                }
            }
        }
        for (positions, row) in plan.samples.iter().filter(|_| !field.is_of_stretch()) {
            bins.go_to(&mut cells, *row);
            let Some(cell) = cells.get_mut(*row) else { continue };
            if at_once && field.take_samples(cell, run, positions, &mut bins) {
                continue;
            }
            for index in positions.clone() {
                let Some(value) = field.at_sample(run, index) else { continue };
                bins.take(value.number);
                field.take_sample(cell, value);
            }
        }
        bins.end(&mut cells);
        field.finish(&mut cells);
        cells
    }
}

/// Bins of the row under way, where they are kept.
struct Bins {
    binning: Option<Binning>,
    of_row: Vec<i32>,
    row: usize,
}

impl Bins {
    /// What comes is of this row.
    fn go_to(&mut self, cells: &mut [HourCell], row: usize) {
        if row != self.row {
            self.end(cells);
            self.row = row;
        }
    }

    fn take(&mut self, value: f64) {
        if let Some(binning) = self.binning {
            self.of_row.push(binning.bin(value));
        }
    }

    fn end(&mut self, cells: &mut [HourCell]) {
        if let Some(cell) = cells.get_mut(self.row).filter(|_| !self.of_row.is_empty()) {
            cell.bins = counted(&mut self.of_row);
        }
        self.of_row.clear();
    }
}

impl Steady {
    /// The stretch that ends at a position.
    fn stretch(&self, run: &Run, next: usize) -> Option<Stretch> {
        let from = *run.at.get(next.checked_sub(1)?)?;
        Some(Stretch { from, to: *run.at.get(next)?, life: self.life, is_hole: false })
    }
}

/// The stretch that ends with a sample of a run.
pub fn stretch_to(run: &Run, index: usize) -> Option<Stretch> {
    let previous = index.checked_sub(1).and_then(|before| mark(run, before));
    rate::stretch(previous.as_ref(), &mark(run, index)?, run.polled_before_first)
}

/// The mark of a run's sample.
fn mark(run: &Run, index: usize) -> Option<Mark> {
    Some(Mark {
        at: *run.at.get(index)?,
        since: run.since.get(index).copied().flatten(),
        interval_ms: run.interval_ms.get(index).copied().unwrap_or(0),
        clock_offset_ms: run.clock_offset_ms.get(index).copied().unwrap_or(0),
    })
}

/// The `from` of the version in force at an instant; before the first, the first.
fn version_at(versions: &[Version], at: Timestamp) -> Timestamp {
    let next = versions.partition_point(|version| version.from <= at);
    versions.get(next.saturating_sub(1)).map_or(Timestamp::MIN, |version| version.from)
}

fn plan(run: &Run, versions: &[Version], hours: &mut Hours) -> Plan {
    let mut plan = Plan::default();
    let inside = run.inside();
    for next in inside.start..run.len() {
        let Some(mark) = mark(run, next) else { continue };
        let previous = next.checked_sub(1).and_then(|index| self::mark(run, index));
        let stretch = stretch_to(run, next);
        let version = version_at(versions, mark.at);
        let is_inside = inside.contains(&next);
        let stays = if is_inside { &mut hours.stays } else { &mut hours.after };
        note_stays(stays, previous.map(|previous| previous.at), &mark, stretch.as_ref(), version);
        if let Some(stretch) = stretch {
            plan.take_stretch(run.range, next, stretch, version);
        }
        if is_inside {
            let row = plan.row(run.range, mark.at, version);
            match plan.samples.last_mut() {
                Some((positions, last)) if *last == row && positions.end == next => positions.end = next + 1,
                _ => plan.samples.push((next..next + 1, row)),
            }
            if let Some(row) = plan.rows.get_mut(row) {
                row.samples += 1;
            }
        }
    }
    plan
}

fn hour_of(at: Timestamp) -> TimeRange {
    let start = Timestamp::from_ms(at.ms().div_euclid(HOUR_MS).saturating_mul(HOUR_MS));
    TimeRange::new(start, start.plus_ms(HOUR_MS)).unwrap_or(TimeRange::ALL)
}

impl Plan {
    /// The row of an instant. Instants and versions rise.
    fn row(&mut self, within: TimeRange, at: Timestamp, version: Timestamp) -> usize {
        let start = hour_of(at).start().max(within.start());
        if self.rows.last().is_none_or(|row| (row.start, row.version) != (start, version)) {
            self.rows.push(HourRow { start, version, samples: 0, covered_ms: 0 });
        }
        self.rows.len() - 1
    }

    fn take_stretch(&mut self, within: TimeRange, next: usize, stretch: Stretch, version: Timestamp) {
        let first = self.pieces.len();
        if stretch.is_hole {
            if within.contains(stretch.to) {
                let row = self.row(within, stretch.to, version);
                self.pieces.push(Piece { row, cut: None, is_end: true });
            }
        } else if let Some(part) = TimeRange::new(stretch.from, stretch.to).and_then(|whole| whole.intersect(within)) {
            for cut in part.pieces(HOUR_MS) {
                let row = self.row(within, cut.start(), version);
                if let Some(row) = self.rows.get_mut(row) {
                    row.covered_ms += cut.ms();
                }
                let is_whole = cut.start() == stretch.from && cut.end() == stretch.to;
                let cut_at = (!is_whole).then_some(cut);
                self.pieces.push(Piece { row, cut: cut_at, is_end: cut.end() == stretch.to });
            }
        }
        match self.pieces.get(first..) {
            // It begins with the sample before, as a life that goes on does.
            Some([Piece { row, cut: None, is_end: true }]) if !stretch.is_hole && stretch.life != Life::New => {
                let row = *row;
                self.pieces.truncate(first);
                self.go_on(row, next, stretch);
            }
            Some([_, ..]) => self.parts.push(Part::Single(Spanned { next, stretch, pieces: first..self.pieces.len() })),
            _ => {}
        }
    }

    /// Takes a stretch that lies whole in a row.
    fn go_on(&mut self, row: usize, next: usize, stretch: Stretch) {
        if let Some(Part::Steady(steady)) = self.parts.last_mut()
            && (steady.row, steady.next.end, steady.life) == (row, next, stretch.life)
        {
            steady.next.end = next + 1;
            steady.ms += stretch.ms();
        } else {
            let steady = Steady { row, next: next..next + 1, life: stretch.life, ms: stretch.ms() };
            self.parts.push(Part::Steady(steady));
        }
    }
}

/// Notes how the entity was there before a sample.
fn note_stays(
    stays: &mut Vec<Stay>,
    previous: Option<Timestamp>,
    mark: &Mark,
    stretch: Option<&Stretch>,
    version: Timestamp,
) {
    let from = previous.unwrap_or(Timestamp::MIN);
    let mut note = |from, to, presence| push_stay(stays, Stay { from, to, version, presence });
    match stretch {
        Some(stretch) => {
            note(from, stretch.from, Presence::Gone);
            let presence = if stretch.is_hole { Presence::Unseen } else { Presence::Seen };
            note(stretch.from, stretch.to, presence);
        }
        // A baseline: what is known of the time before is when the counters began, if that.
        None if previous.is_none() => {
            let began = mark.since.unwrap_or(mark.at).min(mark.at);
            note(from, began, Presence::Gone);
            note(began, mark.at, Presence::Unseen);
        }
        None => note(from, mark.at, Presence::Seen),
    }
}
