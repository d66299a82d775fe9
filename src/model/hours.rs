//! Rolled-up hours: what is kept of an hour's samples once nobody asks for each of them any more.
//!
//! # Promise
//! - A row is one clock hour (UTC) of one entity under one version of its attributes: samples count in the version in
//!   force at their time, a stretch in that of the sample that ends it.
//! - Shares of a counter are cut at hours by the rules of [`crate::rate`], so that sums over hours equal the increases
//!   over samples; holes are kept apart, as they have no rate.
//! - Whoever rolls an hour up, and whenever, makes the same row of the same samples, to the bit.
//!
//! Must not know: how rows are kept, what is asked of them.

use super::time::Timestamp;
use super::value::Value;

/// An hour.
pub const HOUR_MS: i64 = 3_600_000;

/// A sum in native units, of numbers of one sort.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Total {
    /// Of nothing: what was summed was not reported.
    #[default]
    Nothing,
    /// Of whole numbers.
    Int(i128),
    /// Of floating-point numbers.
    Float(f64),
}

impl Total {
    /// Adds a whole number.
    pub fn add_int(&mut self, more: i128) {
        *self = match *self {
            Total::Nothing => Total::Int(more),
            Total::Int(sum) => Total::Int(sum.saturating_add(more)),
            #[expect(clippy::cast_precision_loss, reason = "a float column holds floats")]
            Total::Float(sum) => Total::Float(sum + more as f64),
        };
    }

    /// Adds a floating-point number.
    pub fn add_float(&mut self, more: f64) {
        *self = match *self {
            Total::Nothing => Total::Float(more),
            #[expect(clippy::cast_precision_loss, reason = "a float column holds floats")]
            Total::Int(sum) => Total::Float(sum as f64 + more),
            Total::Float(sum) => Total::Float(sum + more),
        };
    }

    /// Whether nothing was summed.
    pub fn is_nothing(self) -> bool {
        self == Total::Nothing
    }
}

/// One number that was picked of many: a value, or what stands above and below a line.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pick {
    /// The value; of a rate what the counters grew by, of a ratio what stands above the line.
    pub above: Value,
    /// Of a rate the milliseconds of the stretch, of a ratio what stands below the line; else null.
    pub below: Value,
}

/// What one column or derived column gathered in one row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HourCell {
    /// Samples with a value; of rates that keep their smallest and largest, stretches that end in the row.
    pub count: i64,
    /// Gauges: Σ of the values. Counters and rates: Σ of the shares. Ratios: Σ above the line.
    pub sum: Total,
    /// Counters: Σ of the amounts of holes.
    pub holes: Total,
    /// Counters and rates: time of the shares.
    pub covered_ms: i64,
    /// Ratios: Σ below the line.
    pub below: Total,
    /// Ratios of gauges: Σ of the ratios.
    pub ratios: f64,
    /// The smallest value.
    pub min: Pick,
    /// The largest value.
    pub max: Pick,
    /// The newest value.
    pub last: Pick,
    /// Counts of values by their bin ([`super::sketch`]), ascending.
    pub bins: Vec<(i32, u32)>,
}

/// What is wanted of cells besides counts, sums and covered times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The smallest and the largest value.
    pub extremes: bool,
    /// The newest value.
    pub last: bool,
    /// Counts of values by their bin.
    pub bins: bool,
}

impl Wanted {
    /// All there is.
    pub const ALL: Wanted = Wanted { extremes: true, last: true, bins: true };
    /// Nothing else.
    pub const SUMS: Wanted = Wanted { extremes: false, last: false, bins: false };
    /// The newest value.
    pub const LAST: Wanted = Wanted { last: true, ..Wanted::SUMS };
    /// All but bins, which are most of the bytes.
    pub const NO_BINS: Wanted = Wanted { bins: false, ..Wanted::ALL };
}

/// What holds for all cells of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HourRow {
    /// The start of the hour, or of the part of it that was asked for.
    pub start: Timestamp,
    /// Since when the attributes hold under which it was made: the version's `from`.
    pub version: Timestamp,
    /// Number of samples. 0: only a stretch reaches into it.
    pub samples: i64,
    /// Time of the stretches in it that have a rate.
    pub covered_ms: i64,
}

/// How an entity was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It existed and was seen.
    Seen,
    /// It existed, and nobody looked.
    Unseen,
    /// It did not exist.
    Gone,
}

/// A time in which an entity was there in one way, under one version of its attributes. Stays end at samples, and
/// follow each other without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stay {
    /// After this instant; the earliest there is where nothing was known before.
    pub from: Timestamp,
    /// Up to this instant.
    pub to: Timestamp,
    /// The version in force at its end.
    pub version: Timestamp,
    /// How it was there.
    pub presence: Presence,
}

/// Some hours of one entity.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Hours {
    /// The rows, by start and version.
    pub rows: Vec<HourRow>,
    /// For each field asked for a cell a row.
    pub cells: Vec<Vec<HourCell>>,
    /// The stays that end at samples in these hours, oldest first.
    pub stays: Vec<Stay>,
    /// The stays up to the first sample after these hours, where it is known.
    pub after: Vec<Stay>,
}

impl Hours {
    /// Takes over later hours of the same fields.
    pub fn append(&mut self, later: Hours) {
        if self.rows.is_empty() {
            self.rows = later.rows;
            self.cells = later.cells;
        } else {
            self.rows.extend(later.rows);
            self.cells.resize_with(self.cells.len().max(later.cells.len()), Vec::new);
            self.cells.iter_mut().zip(later.cells).for_each(|(mine, others)| mine.extend(others));
        }
        for stay in later.stays {
            // What the later hours knew of the time before these is older than these.
            let from = self.stays.last().map_or(stay.from, |last| stay.from.max(last.to));
            if from < stay.to {
                push_stay(&mut self.stays, Stay { from, ..stay });
            }
        }
        self.after = later.after;
    }

    /// Leaves only the rows of [from, until), and the stays that begin before its end: which of those that end before it
    /// lead to its first sample depends on what comes before.
    pub fn keep(&mut self, from: Timestamp, until: Timestamp) {
        let first = self.rows.partition_point(|row| row.start < from);
        let end = self.rows.partition_point(|row| row.start < until).max(first);
        self.rows.truncate(end);
        self.rows.drain(..first.min(self.rows.len()));
        for cells in &mut self.cells {
            cells.truncate(end);
            cells.drain(..first.min(cells.len()));
        }
        self.stays.retain(|stay| stay.from < until);
    }
}

/// Adds a stay, to the one before it where that goes on.
pub fn push_stay(stays: &mut Vec<Stay>, stay: Stay) {
    match stays.last_mut() {
        Some(last) if last.to == stay.from && last.version == stay.version && last.presence == stay.presence => {
            last.to = stay.to;
        }
        _ if stay.from < stay.to => stays.push(stay),
        _ => {}
    }
}
