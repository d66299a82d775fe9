//! The format of blocks: one entity's samples of one window of time as one string of bytes, without loss.
//!
//! Pure: values in, bytes out, and back. Must not know: SQL, windows, which samples go into a block.
//!
//! # Version 1
//! ```text
//! +---------+---------+--------+------------+------------------+----------------------+--------+-----+----------+
//! | version | samples | series | pco header | lengths          | at | since | interval| column | ... | checksum |
//! | 1 byte  | varint  | varint | 1 + n bytes| varint a series  | offset | poll        | 0      |     | 4 bytes  |
//! +---------+---------+--------+------------+------------------+----------------------+--------+-----+----------+
//! ```
//! - *version*: 1. What is not known is refused.
//! - *samples*: number of samples, 1 to [`SAMPLES_MAX`].
//! - *series*: number of series, 5 and one for each column of the layout.
//! - *pco header*: a byte that says how long it is, then what the `pco` crate wants to read before its chunks.
//! - *lengths*: of each series in bytes, so that a reader goes to those it wants and decodes no other.
//! - the series, one after the other (see [`series`]): time of each sample in ms; since when its counters count, in ms or
//!   null; polling interval in ms; clock offset in ms; the poll that took it, by the store's number of it; then the
//!   columns in the order of the [`Layout`], which names them and stands beside the blocks.
//! - *checksum*: CRC-32 (IEEE), little-endian, over the layout's text and all bytes before it.
//!
//! A *varint* is an unsigned LEB128 of 64 bits: 7 bits a byte, lowest first, the high bit set on all bytes but the last.
//! A *zigzag* is a varint of `(n << 1) ^ (n >> 63)`, so that small negative numbers are short too.

use std::fmt;
use std::ops::Range;

use crate::model::{ColumnValues, Kind, Repr};

use self::bytes::{Bytes, put_varint};
pub(super) use self::layout::{Holds, Layout, Place};

pub(super) mod bytes;
mod layout;
pub(super) mod series;
#[cfg(test)]
mod tests;

/// The version that is written.
const VERSION: u8 = 1;

/// Most samples of one block: a day at twelve a second. A damaged count then asks for no more memory than this.
pub(super) const SAMPLES_MAX: usize = 1 << 20;

/// The series before those of the columns: time, since, interval, offset, poll.
pub(super) const FIXED_SERIES: usize = 5;

/// Their names, in order.
const FIXED_NAMES: [&str; FIXED_SERIES] = ["at_ms", "since_ms", "interval_ms", "clock_offset_ms", "poll"];

/// Which of them may be null.
const SINCE_SERIES: usize = 1;

/// Bytes of the checksum at a block's end.
const CHECKSUM_BYTES: usize = 4;

/// Why a block cannot be read or written, for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Damage(pub(super) String);

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(super) fn damage<T>(what: impl Into<String>) -> Result<T, Damage> {
    Err(Damage(what.into()))
}

/// One entity's samples, in the order of their times, as columns of one length.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Samples {
    pub(super) at: Vec<i64>,
    pub(super) since: Vec<Option<i64>>,
    pub(super) interval_ms: Vec<i64>,
    pub(super) clock_offset_ms: Vec<i64>,
    pub(super) poll: Vec<i64>,
    pub(super) columns: Vec<ColumnValues>,
}

impl Samples {
    /// No samples yet, with columns as a kind describes them.
    pub(super) fn new(kind: &Kind, columns: &[usize]) -> Samples {
        let known = columns.iter().filter_map(|index| kind.columns.get(*index));
        Samples { columns: known.map(|column| nulls(column.repr, 0)).collect(), ..Samples::default() }
    }

    /// No samples yet, with room for so many.
    pub(super) fn with_capacity(kind: &Kind, columns: &[usize], capacity: usize) -> Samples {
        let mut samples = Samples::new(kind, columns);
        samples.reserve(capacity);
        samples
    }

    /// Makes room for so many more, and not for others.
    pub(super) fn reserve(&mut self, more: usize) {
        self.at.reserve_exact(more);
        self.since.reserve_exact(more);
        self.interval_ms.reserve_exact(more);
        self.clock_offset_ms.reserve_exact(more);
        self.poll.reserve_exact(more);
        for column in &mut self.columns {
            match column {
                ColumnValues::Int(values) => values.reserve_exact(more),
                ColumnValues::Float(values) => values.reserve_exact(more),
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.at.len()
    }

    /// Takes over all samples of another of the same columns.
    pub(super) fn append(&mut self, other: &mut Samples) {
        self.at.append(&mut other.at);
        self.since.append(&mut other.since);
        self.interval_ms.append(&mut other.interval_ms);
        self.clock_offset_ms.append(&mut other.clock_offset_ms);
        self.poll.append(&mut other.poll);
        for pair in self.columns.iter_mut().zip(&mut other.columns) {
            match pair {
                (ColumnValues::Int(mine), ColumnValues::Int(others)) => mine.append(others),
                (ColumnValues::Float(mine), ColumnValues::Float(others)) => mine.append(others),
                // Columns of the same kind hold the same sort.
                (ColumnValues::Int(mine), ColumnValues::Float(others)) => mine.extend(others.drain(..).map(|_| None)),
                (ColumnValues::Float(mine), ColumnValues::Int(others)) => mine.extend(others.drain(..).map(|_| None)),
            }
        }
    }

    /// Takes the samples at these positions, in this order.
    pub(super) fn choose(&mut self, positions: &[usize]) {
        choose(&mut self.at, positions);
        choose(&mut self.since, positions);
        choose(&mut self.interval_ms, positions);
        choose(&mut self.clock_offset_ms, positions);
        choose(&mut self.poll, positions);
        for column in &mut self.columns {
            match column {
                ColumnValues::Int(values) => choose(values, positions),
                ColumnValues::Float(values) => choose(values, positions),
            }
        }
    }

    /// The samples at these positions, which lie next to each other.
    pub(super) fn part(&self, positions: Range<usize>) -> Samples {
        fn part<T: Copy>(values: &[T], positions: &Range<usize>) -> Vec<T> {
            values.get(positions.clone()).map(<[T]>::to_vec).unwrap_or_default()
        }
        Samples {
            at: part(&self.at, &positions),
            since: part(&self.since, &positions),
            interval_ms: part(&self.interval_ms, &positions),
            clock_offset_ms: part(&self.clock_offset_ms, &positions),
            poll: part(&self.poll, &positions),
            columns: self
                .columns
                .iter()
                .map(|column| match column {
                    ColumnValues::Int(values) => ColumnValues::Int(part(values, &positions)),
                    ColumnValues::Float(values) => ColumnValues::Float(part(values, &positions)),
                })
                .collect(),
        }
    }

    /// Puts the samples into the order of their times.
    pub(super) fn sort(&mut self) {
        if !self.at.is_sorted() {
            let mut order: Vec<usize> = (0..self.len()).collect();
            order.sort_by_key(|index| self.at.get(*index));
            self.choose(&order);
        }
    }
}

#[cfg(test)]
impl Samples {
    /// Whether both are equal to the bit.
    pub(super) fn is_same(&self, other: &Samples) -> bool {
        let bits = |values: &[Option<f64>]| values.iter().map(|value| value.map(f64::to_bits)).collect::<Vec<_>>();
        let is_same_column = |pair: (&ColumnValues, &ColumnValues)| match pair {
            (ColumnValues::Int(left), ColumnValues::Int(right)) => left == right,
            (ColumnValues::Float(left), ColumnValues::Float(right)) => bits(left) == bits(right),
            _ => false,
        };
        self.at == other.at
            && self.since == other.since
            && self.interval_ms == other.interval_ms
            && self.clock_offset_ms == other.clock_offset_ms
            && self.poll == other.poll
            && self.columns.len() == other.columns.len()
            && self.columns.iter().zip(&other.columns).all(is_same_column)
    }
}

fn choose<T: Copy>(values: &mut Vec<T>, positions: &[usize]) {
    *values = positions.iter().filter_map(|index| values.get(*index).copied()).collect();
}

fn nulls(repr: Repr, count: usize) -> ColumnValues {
    match repr {
        Repr::Integer { .. } => ColumnValues::Int(vec![None; count]),
        Repr::Float => ColumnValues::Float(vec![None; count]),
    }
}

/// The block of samples whose columns are those of the layout, in its order.
pub(super) fn encode(layout: &Layout, samples: &Samples) -> Result<Vec<u8>, Damage> {
    let count = samples.len();
    if count == 0 || count > SAMPLES_MAX {
        return damage(format!("a block holds 1 to {SAMPLES_MAX} samples, not {count}"));
    }
    if samples.columns.len() != layout.columns().len() {
        return damage(format!("{} columns for a layout of {}", samples.columns.len(), layout.columns().len()));
    }
    let mut packer = series::Packer::new()?;
    let mut lengths = Vec::with_capacity(samples.columns.len() + FIXED_SERIES);
    let mut all = Vec::new();
    let mut end = |all: &Vec<u8>| {
        let before: usize = lengths.iter().sum();
        lengths.push(all.len() - before);
    };
    packer.put_ints(&mut all, &samples.at);
    end(&all);
    packer.put_int_options(&mut all, &samples.since);
    end(&all);
    for fixed in [&samples.interval_ms, &samples.clock_offset_ms, &samples.poll] {
        packer.put_ints(&mut all, fixed);
        end(&all);
    }
    for (column, (name, holds)) in samples.columns.iter().zip(layout.columns()) {
        match (column, holds) {
            (ColumnValues::Int(values), Holds::Ints) => packer.put_int_options(&mut all, values),
            (ColumnValues::Float(values), Holds::Floats) => packer.put_float_options(&mut all, values),
            _ => return damage(format!("column {name} holds another sort of numbers than its layout says")),
        }
        end(&all);
    }
    let mut block = Vec::with_capacity(all.len() + 2 * lengths.len() + 16);
    block.push(VERSION);
    put_varint(&mut block, count as u64);
    put_varint(&mut block, lengths.len() as u64);
    let header = packer.header();
    put_varint(&mut block, header.len() as u64);
    block.extend_from_slice(header);
    for length in &lengths {
        put_varint(&mut block, *length as u64);
    }
    block.append(&mut all);
    let checksum = layout.checksum(&block);
    block.extend_from_slice(&checksum.to_le_bytes());
    Ok(block)
}

/// A block whose checksum is right, taken apart but not decoded.
pub(super) struct Opened<'a> {
    layout: &'a Layout,
    count: usize,
    unpacker: series::Unpacker,
    series: Vec<&'a [u8]>,
}

/// What a series weighs.
pub(super) struct Weight<'a> {
    /// Its stored name.
    pub(super) name: &'a str,
    /// Its bytes in the block.
    pub(super) bytes: u64,
    /// Those of its values that are not null.
    pub(super) values: u64,
}

/// Checks a block and finds its series.
pub(super) fn open<'a>(layout: &'a Layout, block: &'a [u8]) -> Result<Opened<'a>, Damage> {
    let Some((body, stored)) = block.split_last_chunk::<CHECKSUM_BYTES>() else {
        return damage(format!("a block of {} bytes", block.len()));
    };
    if layout.checksum(body) != u32::from_le_bytes(*stored) {
        return damage("its checksum is wrong");
    }
    let mut bytes = Bytes::new(body);
    match bytes.byte()? {
        VERSION => {}
        version => {
            return damage(format!(
                "format version {version}, where this program knows {VERSION}: a newer one wrote it"
            ));
        }
    }
    let count = bytes.length()?;
    if count == 0 || count > SAMPLES_MAX {
        return damage(format!("it claims {count} samples"));
    }
    let series_count = bytes.length()?;
    if series_count != layout.columns().len() + FIXED_SERIES {
        return damage(format!("{series_count} series for a layout of {} columns", layout.columns().len()));
    }
    let header_length = bytes.length()?;
    let unpacker = series::Unpacker::new(bytes.take(header_length)?)?;
    let lengths = (0..series_count).map(|_| bytes.length()).collect::<Result<Vec<_>, _>>()?;
    let series = lengths.into_iter().map(|length| bytes.take(length)).collect::<Result<Vec<_>, _>>()?;
    if !bytes.is_empty() {
        return damage("bytes follow its last series");
    }
    Ok(Opened { layout, count, unpacker, series })
}

impl Opened<'_> {
    fn series(&self, index: usize) -> Result<&[u8], Damage> {
        self.series.get(index).copied().ok_or_else(|| Damage(format!("it has no series {index}")))
    }

    fn ints(&self, index: usize) -> Result<Vec<i64>, Damage> {
        self.unpacker.ints(self.series(index)?, self.count)
    }

    /// Only the samples' times and polls; no columns.
    pub(super) fn times(&self) -> Result<Samples, Damage> {
        Ok(Samples { at: self.ints(0)?, poll: self.ints(4)?, ..Samples::default() })
    }

    /// The samples with these columns of a kind, in this order. What the block does not have is null.
    pub(super) fn samples(&self, kind: &Kind, columns: &[usize]) -> Result<Samples, Damage> {
        let wanted = columns.iter().filter_map(|index| kind.columns.get(*index));
        Ok(Samples {
            at: self.ints(0)?,
            since: self.unpacker.int_options(self.series(1)?, self.count)?,
            interval_ms: self.ints(2)?,
            clock_offset_ms: self.ints(3)?,
            poll: self.ints(4)?,
            columns: wanted.map(|column| self.column(column.stored, column.repr)).collect::<Result<_, _>>()?,
        })
    }

    /// Whether it holds these samples, all columns of its layout, to the bit.
    pub(super) fn holds(&self, samples: &Samples) -> Result<bool, Damage> {
        let unpacker = &self.unpacker;
        let is_shaped = samples.len() == self.count && samples.columns.len() + FIXED_SERIES == self.series.len();
        let fixed = || -> Result<bool, Damage> {
            Ok(unpacker.holds_ints(self.series(0)?, &samples.at)?
                && unpacker.holds_int_options(self.series(SINCE_SERIES)?, &samples.since)?
                && unpacker.holds_ints(self.series(2)?, &samples.interval_ms)?
                && unpacker.holds_ints(self.series(3)?, &samples.clock_offset_ms)?
                && unpacker.holds_ints(self.series(4)?, &samples.poll)?)
        };
        if !is_shaped || !fixed()? {
            return Ok(false);
        }
        for (index, (column, (_, holds))) in samples.columns.iter().zip(self.layout.columns()).enumerate() {
            let series = self.series(FIXED_SERIES + index)?;
            let is_same = match (column, holds) {
                (ColumnValues::Int(values), Holds::Ints) => unpacker.holds_int_options(series, values)?,
                (ColumnValues::Float(values), Holds::Floats) => {
                    let bits = |value: &Option<f64>| value.map(f64::to_bits);
                    unpacker.float_options(series, self.count)?.iter().map(bits).eq(values.iter().map(bits))
                }
                _ => false,
            };
            if !is_same {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The samples' times.
    pub(super) fn at(&self) -> Result<Vec<i64>, Damage> {
        self.ints(0)
    }

    /// The poll that took the sample at a position.
    pub(super) fn poll(&self, position: usize) -> Result<Option<i64>, Damage> {
        Ok(self.ints(4)?.get(position).copied())
    }

    /// Number of samples.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Adds all samples with these columns.
    pub(super) fn add_all(&self, places: &[Place], into: &mut Samples) -> Result<(), Damage> {
        let positions = 0..self.count;
        self.add(places, &self.ints(0)?, &positions, into)?;
        self.unpacker.add_ints(self.series(4)?, self.count, &positions, &mut into.poll)
    }

    /// Adds the samples at some of the positions, whose times are `at`, with these columns; not which polls took them.
    pub(super) fn add(
        &self,
        places: &[Place],
        at: &[i64],
        positions: &Range<usize>,
        into: &mut Samples,
    ) -> Result<(), Damage> {
        let (unpacker, count) = (&self.unpacker, self.count);
        into.at.extend_from_slice(at.get(positions.clone()).unwrap_or_default());
        unpacker.add_int_options(self.series(1)?, count, positions, &mut into.since)?;
        unpacker.add_ints(self.series(2)?, count, positions, &mut into.interval_ms)?;
        unpacker.add_ints(self.series(3)?, count, positions, &mut into.clock_offset_ms)?;
        for (place, values) in places.iter().zip(&mut into.columns) {
            match (*place, values) {
                (Place::Ints(position), ColumnValues::Int(values)) => {
                    unpacker.add_int_options(self.series(FIXED_SERIES + position)?, count, positions, values)?;
                }
                (Place::Floats(position), ColumnValues::Float(values)) => {
                    let all = unpacker.float_options(self.series(FIXED_SERIES + position)?, count)?;
                    values.extend_from_slice(all.get(positions.clone()).unwrap_or_default());
                }
                (_, ColumnValues::Int(values)) => values.extend(std::iter::repeat_n(None, positions.len())),
                (_, ColumnValues::Float(values)) => values.extend(std::iter::repeat_n(None, positions.len())),
            }
        }
        Ok(())
    }

    /// What each series weighs, all of them decoded: the fixed ones, then the layout's columns by their stored names.
    pub(super) fn weigh(&self) -> Result<Vec<Weight<'_>>, Damage> {
        let count = u64::try_from(self.count).unwrap_or(u64::MAX);
        let present = |index: usize, holds: Holds| -> Result<u64, Damage> {
            let bytes = self.series(index)?;
            let known = match holds {
                Holds::Ints => self.unpacker.int_options(bytes, self.count)?.iter().flatten().count(),
                Holds::Floats => self.unpacker.float_options(bytes, self.count)?.iter().flatten().count(),
            };
            Ok(u64::try_from(known).unwrap_or(u64::MAX))
        };
        let mut weights = Vec::with_capacity(self.series.len());
        for (index, bytes) in self.series.iter().enumerate() {
            let (name, values) = match (index.checked_sub(FIXED_SERIES), index) {
                (Some(position), _) => match self.layout.columns().get(position) {
                    Some((name, holds)) => (name.as_str(), present(index, *holds)?),
                    None => return damage(format!("it has no column {position}")),
                },
                (None, SINCE_SERIES) => ("since_ms", present(index, Holds::Ints)?),
                (None, _) => {
                    self.ints(index)?;
                    (FIXED_NAMES.get(index).copied().unwrap_or_default(), count)
                }
            };
            weights.push(Weight { name, bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX), values });
        }
        Ok(weights)
    }

    fn column(&self, stored: &str, repr: Repr) -> Result<ColumnValues, Damage> {
        let Some(position) = self.layout.position(stored) else { return Ok(nulls(repr, self.count)) };
        let bytes = self.series(FIXED_SERIES + position)?;
        let holds = self.layout.columns().get(position).map(|(_, holds)| *holds);
        Ok(match (repr, holds) {
            (Repr::Integer { .. }, Some(Holds::Ints)) => {
                ColumnValues::Int(self.unpacker.int_options(bytes, self.count)?)
            }
            (Repr::Float, Some(Holds::Floats)) => ColumnValues::Float(self.unpacker.float_options(bytes, self.count)?),
            // A name keeps its sort; one that changed it is another column.
            _ => nulls(repr, self.count),
        })
    }
}
