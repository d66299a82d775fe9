//! The format of the journal's pieces: what one poll took of some entities of a kind, as one string of bytes, without
//! loss.
//!
//! Written once, read a few times within hours, then sealed: so it is quick to make, and one entity is found by its
//! position, where nothing else is decoded. Pure: values in, bytes out, and back. Must not know: SQL, polls, which
//! entities go into a piece.
//!
//! # Version 1
//! ```text
//! +---------+---------+---------+--------+----+-------+--------+-----+----------+
//! | version | samples | series  | entity | at | since | column | ... | checksum |
//! | 1 byte  | 1 byte  | 2 bytes |        |    |       | 0      |     | 4 bytes  |
//! +---------+---------+---------+--------+----+-------+--------+-----+----------+
//! ```
//! - *samples*: number of samples, 1 to [`SAMPLES_MAX`].
//! - *series*: number of series, 3 and one for each column of the layout, little-endian.
//! - the series, one after the other, each with one number a sample: the entity's id; the sample's time in ms; since when
//!   its counters count, in ms or null; then the columns in the layout's order (see [`super::block`] for layouts). Samples
//!   stand in the order of their entities, which occur once each.
//! - *checksum*: CRC-32 (IEEE), little-endian, over the layout's text and all bytes before it.
//!
//! A series:
//! ```text
//! +--------+---------+-----------------------+---------------------------+
//! | form   | base    | only if form & 0x10   | offsets                   |
//! | 1 byte | 8 bytes | a bit a sample, lowest| samples x width bytes,    |
//! |        |         | first: 1 is there     | little-endian             |
//! +--------+---------+-----------------------+---------------------------+
//! ```
//! *width* is `form & 0x0f`, 0 to 8: a number is base + offset, wrapping; base is the least of them, little-endian and
//! signed. The offset of a null is 0. A form of 0x20 stands alone: every sample is null. A float is the whole number of
//! its 64 bits, read as signed, so that NaNs keep their bits.

use super::block::{Damage, Holds, Layout, damage};
use crate::model::Value;

/// The version that is written.
const VERSION: u8 = 1;

/// Most samples of one piece. So many containers take two database pages: one of them is read at little more than the cost
/// of finding it, while a poll of thousands is cut into parts of which one is enough. With half as many to a piece, a page
/// each, sealing wrote more pages: a row that goes has its neighbours moved.
pub(super) const SAMPLES_MAX: usize = 64;

/// The series before those of the columns: entity, time, since.
const FIXED_SERIES: usize = 3;

/// Bytes before the first series.
const HEADER_BYTES: usize = 4;

/// Bytes of the checksum at the end.
const CHECKSUM_BYTES: usize = 4;

const WIDTH: u8 = 0x0f;
const WITH_NULLS: u8 = 0x10;
const NOTHING: u8 = 0x20;

/// One entity's sample, on its way into a piece.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) entity: i64,
    pub(super) at_ms: i64,
    pub(super) since_ms: Option<i64>,
    /// In the layout's order; what is missing at the end is null.
    pub(super) values: &'a [Value],
}

/// The piece of samples in the order of their entities, whose values are those of the layout's columns.
pub(super) fn encode(layout: &Layout, rows: &[Row<'_>]) -> Result<Vec<u8>, Damage> {
    let count = match u8::try_from(rows.len()) {
        Ok(count) if count > 0 && rows.len() <= SAMPLES_MAX => count,
        _ => return damage(format!("a piece holds 1 to {SAMPLES_MAX} samples, not {}", rows.len())),
    };
    if !rows.is_sorted_by(|before, after| before.entity < after.entity) {
        return damage("entities of a piece out of order");
    }
    let Ok(series) = u16::try_from(layout.columns().len() + FIXED_SERIES) else {
        return damage(format!("{} columns are too many for a piece", layout.columns().len()));
    };
    let mut piece = Vec::with_capacity(rows.len() * layout.columns().len() * 4 + 512);
    piece.extend([VERSION, count]);
    piece.extend(series.to_le_bytes());
    put_series(&mut piece, rows.iter().map(|row| Some(row.entity)));
    put_series(&mut piece, rows.iter().map(|row| Some(row.at_ms)));
    put_series(&mut piece, rows.iter().map(|row| row.since_ms));
    for (index, (_, holds)) in layout.columns().iter().enumerate() {
        let value = |row: &Row<'_>| row.values.get(index).copied().unwrap_or_default();
        match holds {
            Holds::Ints => put_series(&mut piece, rows.iter().map(|row| value(row).int())),
            Holds::Floats => put_series(&mut piece, rows.iter().map(|row| bits(value(row)))),
        }
    }
    let checksum = layout.checksum(&piece);
    piece.extend(checksum.to_le_bytes());
    Ok(piece)
}

/// A float's bits, read as a whole number.
#[expect(clippy::cast_precision_loss, reason = "a float column holds floats; a whole number in it is read as one")]
fn bits(value: Value) -> Option<i64> {
    match value {
        Value::Null => None,
        Value::Int(value) => Some((value as f64).to_bits().cast_signed()),
        Value::Float(value) => Some(value.to_bits().cast_signed()),
    }
}

fn put_series(into: &mut Vec<u8>, values: impl Iterator<Item = Option<i64>> + Clone) {
    let (mut least, mut most, mut there, mut count) = (i64::MAX, i64::MIN, 0, 0);
    for value in values.clone() {
        count += 1;
        if let Some(value) = value {
            least = least.min(value);
            most = most.max(value);
            there += 1;
        }
    }
    if there == 0 {
        into.push(NOTHING);
        return;
    }
    let width = bytes_of(most.wrapping_sub(least).cast_unsigned());
    let with_nulls = if there < count { WITH_NULLS } else { 0 };
    into.push(width | with_nulls);
    into.extend_from_slice(&least.to_le_bytes());
    if there < count {
        let (mut byte, mut bit) = (0_u8, 1_u8);
        for value in values.clone() {
            byte |= if value.is_some() { bit } else { 0 };
            bit = bit.rotate_left(1);
            if bit == 1 {
                into.push(byte);
                byte = 0;
            }
        }
        if bit != 1 {
            into.push(byte);
        }
    }
    if width == 0 {
        return;
    }
    for value in values {
        let offset = value.map_or(0, |value| value.wrapping_sub(least).cast_unsigned());
        // All eight bytes, of which the last that are 0 go again: cheaper than to copy a number of them that varies.
        into.extend_from_slice(&offset.to_le_bytes());
        into.truncate(into.len() - (8 - usize::from(width)));
    }
}

/// Bytes that a number takes, 0 to 8.
fn bytes_of(number: u64) -> u8 {
    match number.checked_ilog2() {
        None => 0,
        Some(bits) => u8::try_from(bits / 8 + 1).unwrap_or(8),
    }
}

/// A piece whose checksum is right, taken apart but not decoded.
pub(super) struct Opened<'a> {
    count: usize,
    series: Vec<Series<'a>>,
}

/// Numbers of a piece, one a sample.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Series<'a> {
    base: i64,
    width: usize,
    /// Which samples are there; None: all, or none where there are no `values`.
    there: Option<&'a [u8]>,
    /// From the first offset to the end of the piece, whatever follows. None: every sample is null.
    offsets: Option<&'a [u8]>,
}

impl Series<'_> {
    /// The number at a position below the count.
    pub(super) fn get(&self, position: usize) -> Option<i64> {
        let offsets = self.offsets?;
        if let Some(there) = self.there
            && there.get(position / 8)? >> (position % 8) & 1 == 0
        {
            return None;
        }
        if self.width == 0 {
            return Some(self.base);
        }
        // Eight bytes at once, of which some belong to the number: cheaper than to copy a number of them that varies.
        let offset = match offsets.get(position * self.width..).and_then(<[u8]>::first_chunk) {
            Some(bytes) => u64::from_le_bytes(*bytes) & (u64::MAX >> (64 - 8 * self.width)),
            None => {
                let mut bytes = [0; 8];
                let offset = offsets.get(position * self.width..)?;
                bytes.get_mut(..self.width)?.copy_from_slice(offset.get(..self.width)?);
                u64::from_le_bytes(bytes)
            }
        };
        Some(self.base.wrapping_add(offset.cast_signed()))
    }
}

/// Checks a piece and finds its series.
pub(super) fn open<'a>(layout: &Layout, piece: &'a [u8]) -> Result<Opened<'a>, Damage> {
    let Some((body, stored)) = piece.split_last_chunk::<CHECKSUM_BYTES>() else {
        return damage(format!("a piece of {} bytes", piece.len()));
    };
    if layout.checksum(body) != u32::from_le_bytes(*stored) {
        return damage("its checksum is wrong");
    }
    let Some(([version, count, low, high], mut rest)) = body.split_first_chunk::<HEADER_BYTES>() else {
        return damage("it ends too early");
    };
    if *version != VERSION {
        return damage(format!("format version {version}, where this program knows {VERSION}: a newer one wrote it"));
    }
    let count = usize::from(*count);
    if count == 0 || count > SAMPLES_MAX {
        return damage(format!("it claims {count} samples"));
    }
    let series_count = usize::from(u16::from_le_bytes([*low, *high]));
    if series_count != layout.columns().len() + FIXED_SERIES {
        return damage(format!("{series_count} series for a layout of {} columns", layout.columns().len()));
    }
    let mut series = Vec::with_capacity(series_count);
    for _ in 0..series_count {
        series.push(take_series(&mut rest, count)?);
    }
    if !rest.is_empty() {
        return damage("bytes follow its last series");
    }
    Ok(Opened { count, series })
}

fn take_series<'a>(rest: &mut &'a [u8], count: usize) -> Result<Series<'a>, Damage> {
    let form = take::<1>(rest)?[0];
    if form == NOTHING {
        return Ok(Series::default());
    }
    let width = usize::from(form & WIDTH);
    if form & !(WIDTH | WITH_NULLS) != 0 || width > 8 {
        return damage(format!("a series of form {form}"));
    }
    let base = i64::from_le_bytes(*take::<8>(rest)?);
    let there = if form & WITH_NULLS == 0 { None } else { Some(take_slice(rest, count.div_ceil(8))?) };
    let offsets = Some(*rest);
    take_slice(rest, count * width)?;
    Ok(Series { base, width, there, offsets })
}

fn take<'a, const LENGTH: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; LENGTH], Damage> {
    let Some((taken, after)) = rest.split_first_chunk() else { return damage("it ends too early") };
    *rest = after;
    Ok(taken)
}

fn take_slice<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], Damage> {
    let Some((taken, after)) = rest.split_at_checked(length) else { return damage("it ends too early") };
    *rest = after;
    Ok(taken)
}

/// A float from its bits, read as a whole number.
pub(super) fn float(bits: i64) -> f64 {
    f64::from_bits(bits.cast_unsigned())
}

impl<'a> Opened<'a> {
    /// Number of samples.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    fn fixed(&self, series: usize, position: usize) -> Option<i64> {
        self.series.get(series).and_then(|series| series.get(position))
    }

    /// The entity at a position.
    pub(super) fn entity(&self, position: usize) -> Result<i64, Damage> {
        self.fixed(0, position).map_or_else(|| damage("a sample of no entity"), Ok)
    }

    /// The time of the sample at a position.
    pub(super) fn at_ms(&self, position: usize) -> Result<i64, Damage> {
        self.fixed(1, position).map_or_else(|| damage("a sample without a time"), Ok)
    }

    /// Since when its counters count.
    pub(super) fn since_ms(&self, position: usize) -> Option<i64> {
        self.fixed(2, position)
    }

    /// All of a column of the layout; of one that holds floats their bits.
    pub(super) fn column(&self, column: usize) -> Series<'a> {
        self.series.get(FIXED_SERIES + column).copied().unwrap_or_default()
    }

    /// A whole number of a column of the layout that holds such; of one that holds floats its bits.
    pub(super) fn int(&self, column: usize, position: usize) -> Option<i64> {
        self.fixed(FIXED_SERIES + column, position)
    }

    /// A number of a column of the layout that holds floats.
    pub(super) fn float(&self, column: usize, position: usize) -> Option<f64> {
        self.int(column, position).map(float)
    }
}

/// What is left of a piece without the entities up to one: the first of them, how many there are, and their piece.
pub(super) fn after(layout: &Layout, piece: &[u8], entity_last: i64) -> Result<Option<(i64, i64, Vec<u8>)>, Damage> {
    let opened = open(layout, piece)?;
    let mut from = 0;
    while from < opened.count && opened.entity(from)? <= entity_last {
        from += 1;
    }
    let Ok(count) = u8::try_from(opened.count - from) else { return damage("a piece of too many samples") };
    if count == 0 {
        return Ok(None);
    }
    let mut rest = Vec::with_capacity(piece.len());
    rest.extend([VERSION, count]);
    rest.extend(u16::try_from(opened.series.len()).unwrap_or(u16::MAX).to_le_bytes());
    for series in &opened.series {
        put_series(&mut rest, (from..opened.count).map(|position| series.get(position)));
    }
    let checksum = layout.checksum(&rest);
    rest.extend(checksum.to_le_bytes());
    Ok(Some((opened.entity(from)?, i64::from(count), rest)))
}

#[cfg(test)]
mod tests;
