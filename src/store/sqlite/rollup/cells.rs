//! The cells of one field as a section of a rollup, and back: see the table of [`super::format`].
//!
//! Must not know: sections' checksums, where they stand.

use super::super::block::Damage;
use super::super::block::bytes::{Bytes, put_varint};
use super::super::block::series::{Packer, Unpacker};
use super::format::{damage, put_series, take_series};
use crate::model::{HourCell, HourRow, Kind, Pick, Total, Value, Wanted};
use crate::rollup::predicted;

const COUNT_IS_SAMPLES: u64 = 1;
const COUNT: u64 = 1 << 1;
const SUMS_PREDICTED: u64 = 1 << 2;
const SUM: u64 = 1 << 3;
const HOLES: u64 = 1 << 4;
const COVERED_IS_ROW: u64 = 1 << 5;
const COVERED: u64 = 1 << 6;
const BELOW: u64 = 1 << 7;
const RATIOS: u64 = 1 << 8;
const MIN: u64 = 1 << 9;
const MAX: u64 = 1 << 11;
const LAST: u64 = 1 << 13;
const BINS: u64 = 1 << 15;
const SUM_IS_LAST: u64 = 1 << 16;
const MIN_IS_LAST: u64 = 1 << 17;
const MAX_IS_LAST: u64 = 1 << 18;
const ROWS_TELL: u64 = 1 << 19;

const EXTREMES_ARE_LAST: u64 = MIN_IS_LAST | MAX_IS_LAST;

/// Sorts of numbers.
const INTS: u8 = 0;
const WIDE: u8 = 1;
const FLOATS: u8 = 2;

/// Most bins of one row: as many as there are.
const BINS_MAX: usize = 200_000;

/// What prediction says of each row; nothing for fields that cannot be predicted.
pub(super) fn predicted_all(
    kind: &'static Kind,
    field: usize,
    columns: &[&[HourCell]],
    rows: usize,
) -> Option<Vec<HourCell>> {
    if columns.is_empty() {
        return None;
    }
    let cell = |row: usize| {
        let of_row = columns.iter().map(|cells| cells.get(row)).collect::<Option<Vec<_>>>()?;
        predicted(kind, field, &of_row)
    };
    (0..rows).map(cell).collect()
}

/// Whether sums and newest value are as predicted, to the bit.
fn is_as_predicted(cells: &[HourCell], predicted: &[HourCell]) -> bool {
    let is_same = |(cell, predicted): (&HourCell, &HourCell)| {
        cell.sum == predicted.sum
            && cell.holes == predicted.holes
            && cell.covered_ms == predicted.covered_ms
            && cell.below == predicted.below
            && cell.ratios.to_bits() == predicted.ratios.to_bits()
            && cell.last == predicted.last
    };
    cells.len() == predicted.len() && cells.iter().zip(predicted).all(is_same)
}

/// Whether two picks are equal to the bit.
fn is_same(left: Pick, right: Pick) -> bool {
    let is_same = |left: Value, right: Value| match (left, right) {
        (Value::Float(left), Value::Float(right)) => left.to_bits() == right.to_bits(),
        (left, right) => left == right,
    };
    is_same(left.above, right.above) && is_same(left.below, right.below)
}

/// The sum where all values are the newest one.
fn sum_of_last(cell: &HourCell) -> Total {
    match cell.last.above {
        Value::Int(last) => Total::Int(i128::from(last).saturating_mul(i128::from(cell.count))),
        _ => Total::Nothing,
    }
}

/// The section of a field's cells; empty where there is nothing to keep.
pub(super) fn encode(
    packer: &mut Packer,
    rows: &[HourRow],
    cells: &[HourCell],
    predicted: Option<&[HourCell]>,
) -> Vec<u8> {
    let mut flags = 0;
    let mut body = Vec::new();
    let all = |is: &dyn Fn(&HourCell, &HourRow) -> bool| cells.iter().zip(rows).all(|(cell, row)| is(cell, row));
    if all(&|cell, row| cell.count == row.samples) {
        flags |= COUNT_IS_SAMPLES;
    } else if !all(&|cell, _| cell.count == 0) {
        flags |= COUNT;
        put_ints(packer, &mut body, cells.iter().map(|cell| cell.count));
    }
    let is_predicted = predicted.is_some_and(|predicted| is_as_predicted(cells, predicted));
    if is_predicted {
        flags |= SUMS_PREDICTED;
    } else {
        if all(&|cell, _| cell.sum == sum_of_last(cell)) && !all(&|cell, _| cell.sum.is_nothing()) {
            flags |= SUM_IS_LAST;
        } else {
            put_totals(packer, &mut body, &mut flags, SUM, cells.iter().map(|cell| cell.sum));
        }
        put_totals(packer, &mut body, &mut flags, HOLES, cells.iter().map(|cell| cell.holes));
        if !all(&|cell, _| cell.covered_ms == 0) {
            if all(&|cell, row| cell.covered_ms == if cell.sum.is_nothing() { 0 } else { row.covered_ms }) {
                flags |= COVERED_IS_ROW;
            } else {
                flags |= COVERED;
                put_ints(packer, &mut body, cells.iter().map(|cell| cell.covered_ms));
            }
        }
        put_totals(packer, &mut body, &mut flags, BELOW, cells.iter().map(|cell| cell.below));
        if !all(&|cell, _| cell.ratios.to_bits() == 0) {
            flags |= RATIOS;
            let ratios: Vec<Option<f64>> = cells.iter().map(|cell| Some(cell.ratios)).collect();
            put_series(&mut body, |series| packer.put_float_options(series, &ratios));
        }
    }
    type PickOf = fn(&HourCell) -> Pick;
    let picks: [(u64, u64, PickOf); 3] =
        [(MIN, MIN_IS_LAST, |cell| cell.min), (MAX, MAX_IS_LAST, |cell| cell.max), (LAST, 0, |cell| cell.last)];
    for (flag, is_last, pick) in picks {
        if flag == LAST && is_predicted {
            continue;
        }
        if is_last != 0
            && all(&|cell, _| is_same(pick(cell), cell.last))
            && !all(&|cell, _| cell.last == Pick::default())
        {
            flags |= is_last;
            continue;
        }
        put_values(packer, &mut body, &mut flags, flag, cells.iter().map(|cell| pick(cell).above));
        put_values(packer, &mut body, &mut flags, flag << 1, cells.iter().map(|cell| pick(cell).below));
    }
    if cells.iter().any(|cell| !cell.bins.is_empty()) {
        flags |= BINS;
        put_bins(packer, &mut body, cells);
    }
    if flags == 0 || (flags == COUNT_IS_SAMPLES && rows.is_empty()) {
        return Vec::new();
    }
    let mut section = Vec::with_capacity(body.len() + 4);
    put_varint(&mut section, flags);
    section.append(&mut body);
    section
}

/// The section of a field whose days are not kept.
pub(super) fn rows_tell() -> Vec<u8> {
    let mut section = Vec::new();
    put_varint(&mut section, ROWS_TELL);
    section
}

fn put_ints(packer: &mut Packer, into: &mut Vec<u8>, values: impl Iterator<Item = i64>) {
    let values: Vec<i64> = values.collect();
    put_series(into, |series| packer.put_ints(series, &values));
}

fn put_totals(
    packer: &mut Packer,
    into: &mut Vec<u8>,
    flags: &mut u64,
    flag: u64,
    totals: impl Iterator<Item = Total> + Clone,
) {
    if totals.clone().all(Total::is_nothing) {
        return;
    }
    *flags |= flag;
    if totals.clone().any(|total| matches!(total, Total::Float(_))) {
        into.push(FLOATS);
        let floats: Vec<Option<f64>> = totals
            .map(|total| match total {
                Total::Float(sum) => Some(sum),
                _ => None,
            })
            .collect();
        put_series(into, |series| packer.put_float_options(series, &floats));
        return;
    }
    let wide: Vec<Option<i128>> = totals
        .map(|total| match total {
            Total::Int(sum) => Some(sum),
            _ => None,
        })
        .collect();
    let narrow: Option<Vec<Option<i64>>> = wide.iter().map(|sum| sum.map(i64::try_from).transpose().ok()).collect();
    if let Some(narrow) = narrow {
        into.push(INTS);
        put_series(into, |series| packer.put_int_options(series, &narrow));
        return;
    }
    into.push(WIDE);
    let half = |of: fn(i128) -> i64| -> Vec<Option<i64>> { wide.iter().map(|sum| sum.map(of)).collect() };
    let (upper, lower) = (half(upper_half), half(lower_half));
    put_series(into, |series| packer.put_int_options(series, &upper));
    put_series(into, |series| packer.put_int_options(series, &lower));
}

fn upper_half(sum: i128) -> i64 {
    (sum >> 64) as i64
}

#[expect(clippy::cast_possible_truncation, reason = "half of the bits")]
fn lower_half(sum: i128) -> i64 {
    sum as i64
}

fn put_values(
    packer: &mut Packer,
    into: &mut Vec<u8>,
    flags: &mut u64,
    flag: u64,
    values: impl Iterator<Item = Value> + Clone,
) {
    let totals = values.map(|value| match value {
        Value::Null => Total::Nothing,
        Value::Int(value) => Total::Int(i128::from(value)),
        Value::Float(value) => Total::Float(value),
    });
    put_totals(packer, into, flags, flag, totals);
}

fn put_bins(packer: &mut Packer, into: &mut Vec<u8>, cells: &[HourCell]) {
    put_ints(packer, into, cells.iter().map(|cell| i64::try_from(cell.bins.len()).unwrap_or(i64::MAX)));
    let (mut bins, mut counts) = (Vec::new(), Vec::new());
    // There and back, so that a row begins near to where the one before ended; and counts added up, as a series keeps
    // the differences.
    let mut passed = 0_i64;
    for (index, cell) in cells.iter().enumerate() {
        let mut put = |(bin, count): &(i32, u32)| {
            bins.push(i64::from(*bin));
            passed += i64::from(*count);
            counts.push(passed);
        };
        if index % 2 == 0 { cell.bins.iter().for_each(&mut put) } else { cell.bins.iter().rev().for_each(&mut put) }
    }
    put_series(into, |series| packer.put_ints(series, &bins));
    put_series(into, |series| packer.put_ints(series, &counts));
}

/// Reads the cells of a section.
pub(super) struct CellReader<'a> {
    unpacker: &'a Unpacker,
    bytes: Bytes<'a>,
    flags: u64,
    rows: &'a [HourRow],
}

impl<'a> CellReader<'a> {
    pub(super) fn new(unpacker: &'a Unpacker, section: Bytes<'a>, rows: &'a [HourRow]) -> Result<Self, Damage> {
        let mut bytes = section;
        let flags = bytes.varint()?;
        Ok(CellReader { unpacker, bytes, flags, rows })
    }

    /// Whether the cells are as their columns' say.
    pub(super) fn is_predicted(&self) -> bool {
        self.flags & SUMS_PREDICTED != 0
    }

    /// Whether these are days that are not kept.
    pub(super) fn do_rows_tell(&self) -> bool {
        self.flags & ROWS_TELL != 0
    }

    /// The cells, from those that were predicted, if any; what is not wanted is not there.
    pub(super) fn cells(mut self, predicted: Option<Vec<HourCell>>, wanted: Wanted) -> Result<Vec<HourCell>, Damage> {
        let mut cells = predicted.unwrap_or_else(|| vec![HourCell::default(); self.rows.len()]);
        if cells.is_empty() {
            return Ok(cells);
        }
        for (cell, row) in cells.iter_mut().zip(self.rows) {
            cell.count = if self.flags & COUNT_IS_SAMPLES != 0 { row.samples } else { 0 };
        }
        if self.flags & COUNT != 0 {
            let counts = self.ints(cells.len())?;
            cells.iter_mut().zip(counts).for_each(|(cell, count)| cell.count = count);
        }
        self.totals(SUM, &mut cells, |cell, total| cell.sum = total)?;
        self.totals(HOLES, &mut cells, |cell, total| cell.holes = total)?;
        if self.flags & COVERED != 0 {
            let covered = self.ints(cells.len())?;
            cells.iter_mut().zip(covered).for_each(|(cell, covered_ms)| cell.covered_ms = covered_ms);
        } else if self.flags & COVERED_IS_ROW != 0 {
            for (cell, row) in cells.iter_mut().zip(self.rows) {
                cell.covered_ms = if cell.sum.is_nothing() { 0 } else { row.covered_ms };
            }
        }
        self.totals(BELOW, &mut cells, |cell, total| cell.below = total)?;
        if self.flags & RATIOS != 0 {
            let ratios = self.unpacker.float_options(take_series(&mut self.bytes)?, cells.len())?;
            cells.iter_mut().zip(ratios).for_each(|(cell, ratios)| cell.ratios = ratios.unwrap_or_default());
        }
        let is_min = wanted.extremes;
        self.totals_if(is_min, MIN, &mut cells, |cell, total| cell.min.above = value(total))?;
        self.totals_if(is_min, MIN << 1, &mut cells, |cell, total| cell.min.below = value(total))?;
        self.totals_if(is_min, MAX, &mut cells, |cell, total| cell.max.above = value(total))?;
        self.totals_if(is_min, MAX << 1, &mut cells, |cell, total| cell.max.below = value(total))?;
        let is_last = wanted.last || self.flags & SUM_IS_LAST != 0 || (is_min && self.flags & EXTREMES_ARE_LAST != 0);
        self.totals_if(is_last, LAST, &mut cells, |cell, total| cell.last.above = value(total))?;
        self.totals_if(is_last, LAST << 1, &mut cells, |cell, total| cell.last.below = value(total))?;
        for cell in &mut cells {
            if self.flags & SUM_IS_LAST != 0 {
                cell.sum = sum_of_last(cell);
            }
            if is_min && self.flags & MIN_IS_LAST != 0 {
                cell.min = cell.last;
            }
            if is_min && self.flags & MAX_IS_LAST != 0 {
                cell.max = cell.last;
            }
        }
        if self.flags & BINS != 0 && wanted.bins {
            self.bins(&mut cells)?;
        }
        Ok(cells)
    }

    /// Reads a total a cell, or passes over them.
    fn totals_if(
        &mut self,
        is_wanted: bool,
        flag: u64,
        cells: &mut [HourCell],
        set: impl Fn(&mut HourCell, Total),
    ) -> Result<(), Damage> {
        if is_wanted || self.flags & flag == 0 {
            return self.totals(flag, cells, set);
        }
        let series = if self.bytes.byte()? == WIDE { 2 } else { 1 };
        (0..series).try_for_each(|_| take_series(&mut self.bytes).map(|_| ()))
    }

    fn ints(&mut self, count: usize) -> Result<Vec<i64>, Damage> {
        self.unpacker.ints(take_series(&mut self.bytes)?, count)
    }

    fn totals(&mut self, flag: u64, cells: &mut [HourCell], set: impl Fn(&mut HourCell, Total)) -> Result<(), Damage> {
        if self.flags & flag == 0 {
            return Ok(());
        }
        let count = cells.len();
        match self.bytes.byte()? {
            INTS => {
                let ints = self.unpacker.int_options(take_series(&mut self.bytes)?, count)?;
                for (cell, value) in cells.iter_mut().zip(ints) {
                    set(cell, value.map_or(Total::Nothing, |value| Total::Int(i128::from(value))));
                }
            }
            WIDE => {
                let upper = self.unpacker.int_options(take_series(&mut self.bytes)?, count)?;
                let lower = self.unpacker.int_options(take_series(&mut self.bytes)?, count)?;
                for ((cell, upper), lower) in cells.iter_mut().zip(upper).zip(lower) {
                    let whole = |(upper, lower): (i64, i64)| {
                        Total::Int((i128::from(upper) << 64) | i128::from(lower.cast_unsigned()))
                    };
                    set(cell, upper.zip(lower).map_or(Total::Nothing, whole));
                }
            }
            FLOATS => {
                let floats = self.unpacker.float_options(take_series(&mut self.bytes)?, count)?;
                for (cell, value) in cells.iter_mut().zip(floats) {
                    set(cell, value.map_or(Total::Nothing, Total::Float));
                }
            }
            sort => return damage(format!("numbers of sort {sort}")),
        }
        Ok(())
    }

    fn bins(&mut self, cells: &mut [HourCell]) -> Result<(), Damage> {
        let lengths = self.ints(cells.len())?;
        let lengths: Option<Vec<usize>> = lengths
            .into_iter()
            .map(|length| usize::try_from(length).ok().filter(|length| *length <= BINS_MAX))
            .collect();
        let Some(lengths) = lengths else { return damage("a row with too many bins") };
        let total = lengths.iter().sum();
        let mut bins = self.ints(total)?.into_iter();
        let mut counts = self.ints(total)?.into_iter();
        let mut passed = 0_i64;
        for (index, (cell, length)) in cells.iter_mut().zip(lengths).enumerate() {
            for (bin, so_far) in bins.by_ref().zip(counts.by_ref()).take(length) {
                let (Ok(bin), Ok(count)) = (i32::try_from(bin), u32::try_from(so_far.saturating_sub(passed))) else {
                    return damage("a bin that cannot be");
                };
                cell.bins.push((bin, count));
                passed = so_far;
            }
            if index % 2 == 1 {
                cell.bins.reverse();
            }
        }
        Ok(())
    }
}

fn value(total: Total) -> Value {
    match total {
        Total::Nothing => Value::Null,
        Total::Int(value) => i64::try_from(value).map_or(Value::Null, Value::Int),
        Total::Float(value) => Value::Float(value),
    }
}
