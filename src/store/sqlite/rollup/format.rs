//! The format of rollups: one entity's rolled-up hours of a window of time as one string of bytes, without loss.
//!
//! Pure: values in, bytes out, and back. Must not know: SQL, windows, how hours are rolled up.
//!
//! # Version 2
//! ```text
//! +---------+--------+--------+--------+-------------+----------+------------------+------------------+----------+
//! | version | rows   | stays  | days   | pco header  | sections | lengths          | lengths          | checksum |
//! | 1 byte  | varint | varint | varint | 1 + n bytes | varint   | varint a section | varint a section | 4 bytes  |
//! +---------+--------+--------+--------+-------------+----------+------------------+------------------+----------+
//! +------+-------+-----+-------+------+-------+-----+-------+
//! | days | field | ... | field | rows | field | ... | field |
//! |      |   0   |     |       |      |   0   |     |       |
//! +------+-------+-----+-------+------+-------+-----+-------+
//! ```
//! - *version*: 2. What is not known is refused. *rows*, *stays*, *days*: how many there are. A day is the sum of its rows
//!   of one version ([`crate::rollup::days`]), so that long ranges are read from a twenty-fourth of the numbers.
//! - *pco header*: as in blocks. *sections*: one for the rows and one for each field of the layout; of days as many.
//! - *lengths*: of each section in bytes, its checksum included, those of days first; 0 for a field of which nothing is
//!   kept.
//! - *checksum*: CRC-32 (IEEE), little-endian, over the layout's text and all bytes before it. Each section ends in a
//!   checksum of its own, so that a reader takes those that it wants: what is wanted most stands first.
//!
//! Version 1 has no *days*, neither their number, their lengths nor their sections.
//!
//! A section is made of series ([`series`](super::super::block::series)), each after its length (varint). That of the
//! days: starts, versions, samples, covered times; then of the stays: starts, ends, versions, presences (0 seen, 1 unseen,
//! 2 gone). That of the rows: as of the days, without stays, which follow its rows in version 1. That of a field begins with flags (varint), then come the series that the flags name, in their order:
//!
//! | bit | then |
//! |-----|------|
//! | 0   | nothing: as many values as the row has samples |
//! | 1   | count of values |
//! | 2   | nothing: sums and newest value are as the columns say that the field is derived from |
//! | 3   | sum, as numbers |
//! | 4   | sum of holes, as numbers |
//! | 5   | nothing: covered as long as the row wherever there is a sum |
//! | 6   | covered time |
//! | 7   | sum below the line, as numbers |
//! | 8   | sum of ratios: floats |
//! | 9 to 14 | smallest, largest, newest value: above and below the line each, as numbers |
//! | 15  | bins: how many a row; the bins, those of every other row backwards; their counts added up |
//! | 16  | nothing: the sum is the newest value times the count |
//! | 17, 18 | nothing: the smallest, the largest value is the newest |
//! | 19  | of days, nothing: their sums are not exact, so rows tell |
//!
//! *Numbers* are a byte and series: 0 whole numbers; 1 whole numbers of more than 64 bits, the upper and the lower half;
//! 2 floats. Layouts name the fields, a line each: stored names of columns, and names of derived columns with what they are
//! made of (`cpu_cores = rate cpu_ns`).

use std::borrow::Cow;
use std::cmp::Ordering;

use flate2::Crc;

use super::super::block::Damage;
use super::super::block::bytes::{Bytes, put_varint};
use super::super::block::series::{Packer, Unpacker};
use super::cells::{self, CellReader};
use crate::model::{Formula, HourCell, HourRow, Hours, Kind, Presence, Stay, Timestamp, Wanted};
use crate::rollup::{days, derived_of, fields_count, needed_to_predict};

/// The version that is written.
const VERSION: u8 = 2;

/// A version that is read, too.
const WITHOUT_DAYS: u8 = 1;

/// Bytes of a rollup that are read at once: its head and the days of a short life.
const FIRST_BYTES: usize = 1024;

/// Most rows of one rollup: a damaged count then asks for no more memory than this. Four weeks of hours, each under as
/// many versions as an hour may have.
pub(super) const ROWS_MAX: usize = 28 * 24 * 128;

const CHECKSUM_BYTES: usize = 4;

pub(super) fn damage<T>(what: impl Into<String>) -> Result<T, Damage> {
    Err(Damage(what.into()))
}

/// Names of a rollup's fields, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    fields: Vec<String>,
    text: String,
    /// Of each of the kind's fields as they are today its place, if it is there.
    places: Vec<Option<usize>>,
}

impl Layout {
    /// The layout of a kind's fields as they are today.
    pub(super) fn of(kind: &'static Kind) -> Layout {
        let text: String = (0..fields_count(kind)).map(|field| name_of(kind, field) + "\n").collect();
        Layout::parse(kind, &text)
    }

    /// As it is kept: a line a field.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The layout of such a text, of a kind.
    pub(super) fn parse(kind: &'static Kind, text: &str) -> Layout {
        let fields: Vec<String> = text.lines().map(str::to_owned).collect();
        let place = |field: usize| {
            let name = name_of(kind, field);
            fields.iter().position(|known| *known == name)
        };
        let places = (0..fields_count(kind)).map(place).collect();
        Layout { fields, text: text.to_owned(), places }
    }

    fn position(&self, field: usize) -> Option<usize> {
        self.places.get(field).copied().flatten()
    }
}

/// What a field is called in layouts: a derived column with what it is made of, so that hours of another formula are not
/// taken for its own.
fn name_of(kind: &'static Kind, field: usize) -> String {
    let stored = |name: &str| kind.column(name).map_or("", |column| column.stored);
    let Some(derived) = derived_of(kind, field) else {
        return kind.columns.get(field).map_or_else(String::new, |column| column.stored.to_owned());
    };
    let (made, columns) = match derived.formula {
        Formula::Rate { counters } => ("rate", counters.to_vec()),
        Formula::IncreaseRatio { part, whole, times, .. } => {
            ("increases", [part, whole].into_iter().chain(times).collect())
        }
        Formula::RateToAttribute { counter, .. } => ("increase", vec![counter]),
        Formula::Remainder { of, less } => ("remainder", vec![of, less]),
        Formula::GaugeRatio { part, less, whole } => ("ratio", [part, whole].into_iter().chain(less).collect()),
    };
    let columns: Vec<&str> = columns.into_iter().map(stored).collect();
    format!("{} = {made} {}", derived.name, columns.join(" "))
}

fn checksum(parts: &[&[u8]]) -> [u8; CHECKSUM_BYTES] {
    let mut crc = Crc::new();
    parts.iter().for_each(|part| crc.update(part));
    crc.sum().to_le_bytes()
}

/// Appends a series after its length.
pub(super) fn put_series(into: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let mut series = Vec::new();
    write(&mut series);
    put_varint(into, series.len() as u64);
    into.append(&mut series);
}

/// The next series of a section.
pub(super) fn take_series<'a>(bytes: &mut Bytes<'a>) -> Result<&'a [u8], Damage> {
    let length = bytes.length()?;
    bytes.take(length)
}

/// The rollup of hours of all of a kind's fields, in their order.
pub(super) fn encode(kind: &'static Kind, hours: &Hours) -> Result<Vec<u8>, Damage> {
    let layout = Layout::of(kind);
    if hours.rows.len() > ROWS_MAX || hours.cells.len() != layout.fields.len() {
        return damage(format!("{} rows of {} fields cannot be kept", hours.rows.len(), hours.cells.len()));
    }
    let mut packer = Packer::new()?;
    let mut sections = vec![rows_section(&mut packer, &hours.rows, &[])];
    for (field, cells) in hours.cells.iter().enumerate() {
        let needed = needed_to_predict(kind, field);
        let columns: Vec<&[_]> = needed.iter().filter_map(|index| hours.cells.get(*index)).map(Vec::as_slice).collect();
        let predicted = cells::predicted_all(kind, field, &columns, hours.rows.len());
        sections.push(cells::encode(&mut packer, &hours.rows, cells, predicted.as_deref()));
    }
    let days = days::of(kind, hours);
    let mut of_days = vec![rows_section(&mut packer, &days.rows, &hours.stays)];
    of_days.extend(days.cells.iter().map(|cells| match cells {
        Some(cells) => cells::encode(&mut packer, &days.rows, cells, None),
        None => cells::rows_tell(),
    }));
    let mut rollup = vec![VERSION];
    put_varint(&mut rollup, hours.rows.len() as u64);
    put_varint(&mut rollup, hours.stays.len() as u64);
    put_varint(&mut rollup, days.rows.len() as u64);
    put_varint(&mut rollup, packer.header().len() as u64);
    rollup.extend_from_slice(packer.header());
    put_varint(&mut rollup, sections.len() as u64);
    of_days.append(&mut sections);
    for section in &mut of_days {
        if !section.is_empty() {
            let sum = checksum(&[section]);
            section.extend_from_slice(&sum);
        }
        put_varint(&mut rollup, section.len() as u64);
    }
    let sum = checksum(&[layout.text.as_bytes(), &rollup]);
    rollup.extend_from_slice(&sum);
    of_days.iter().for_each(|section| rollup.extend_from_slice(section));
    Ok(rollup)
}

/// Writes a rollup's checksum anew, as one of another layout.
#[cfg(test)]
pub(super) fn sign_for_tests(layout: &Layout, rollup: &mut [u8]) {
    let head = Head::parse(layout, rollup).map_or(0, |head| head.bytes - CHECKSUM_BYTES);
    let sum = checksum(&[layout.text.as_bytes(), rollup.get(..head).unwrap_or_default()]);
    if let Some(place) = rollup.get_mut(head..head + CHECKSUM_BYTES) {
        place.copy_from_slice(&sum);
    }
}

fn rows_section(packer: &mut Packer, rows: &[HourRow], stays: &[Stay]) -> Vec<u8> {
    let mut section = Vec::new();
    let mut put = |of: &mut dyn Iterator<Item = i64>| {
        let values: Vec<i64> = of.collect();
        if !values.is_empty() {
            put_series(&mut section, |series| packer.put_ints(series, &values));
        }
    };
    put(&mut rows.iter().map(|row| row.start.ms()));
    put(&mut rows.iter().map(|row| row.version.ms()));
    put(&mut rows.iter().map(|row| row.samples));
    put(&mut rows.iter().map(|row| row.covered_ms));
    put(&mut stays.iter().map(|stay| stay.from.ms()));
    put(&mut stays.iter().map(|stay| stay.to.ms()));
    put(&mut stays.iter().map(|stay| stay.version.ms()));
    put(&mut stays.iter().map(|stay| match stay.presence {
        Presence::Seen => 0,
        Presence::Unseen => 1,
        Presence::Gone => 2,
    }));
    section
}

/// Where a rollup's bytes come from: all in memory, or from a file as they are wanted.
pub(super) trait Source {
    /// How many there are.
    fn length(&self) -> usize;

    /// Some of them; fewer where it ends before.
    fn read(&self, from: usize, length: usize) -> Result<Cow<'_, [u8]>, Damage>;
}

impl Source for [u8] {
    fn length(&self) -> usize {
        self.len()
    }

    fn read(&self, from: usize, length: usize) -> Result<Cow<'_, [u8]>, Damage> {
        let from = from.min(self.len());
        let end = from.saturating_add(length).min(self.len());
        Ok(Cow::Borrowed(self.get(from..end).unwrap_or_default()))
    }
}

/// What stands before the sections.
struct Head<'a> {
    rows: usize,
    stays: usize,
    /// None: only rows were kept.
    days: Option<usize>,
    pco: &'a [u8],
    /// Of each section where it begins, and its length; those of days first.
    sections: Vec<(usize, usize)>,
    /// How long it is, its checksum included.
    bytes: usize,
}

impl<'a> Head<'a> {
    /// Reads it; its checksum is not looked at.
    fn parse(layout: &Layout, rollup: &'a [u8]) -> Result<Head<'a>, Damage> {
        let mut bytes = Bytes::new(rollup);
        let has_days = match bytes.byte()? {
            VERSION => true,
            WITHOUT_DAYS => false,
            version => {
                return damage(format!(
                    "format version {version}, where this program knows {VERSION}: a newer one wrote it"
                ));
            }
        };
        let (rows, stays) = (bytes.length()?, bytes.length()?);
        let days = if has_days { Some(bytes.length()?) } else { None };
        if rows > ROWS_MAX || stays > ROWS_MAX || days.is_some_and(|days| days > ROWS_MAX) {
            return damage(format!("it claims {rows} rows and {stays} stays"));
        }
        let header_length = bytes.length()?;
        let pco = bytes.take(header_length)?;
        let count = bytes.length()?;
        if count != layout.fields.len() + 1 {
            return damage(format!("{count} sections for a layout of {} fields", layout.fields.len()));
        }
        let count = if has_days { 2 * count } else { count };
        let (mut sections, mut from) = (Vec::with_capacity(count), 0_usize);
        for _ in 0..count {
            let length = bytes.length()?;
            sections.push((from, length));
            from = from.saturating_add(length);
        }
        bytes.take(CHECKSUM_BYTES)?;
        let bytes = rollup.len() - bytes.rest().len();
        sections.iter_mut().for_each(|(from, _)| *from = from.saturating_add(bytes));
        Ok(Head { rows, stays, days, pco, sections, bytes })
    }
}

/// A rollup taken apart but not decoded.
pub(super) struct Opened<'a, S: Source + ?Sized> {
    layout: &'a Layout,
    source: &'a S,
    /// What was read of it so far: its first bytes, the head at least.
    first: Cow<'a, [u8]>,
    rows: usize,
    stays: usize,
    days: Option<usize>,
    unpacker: Unpacker,
    /// Of each section where it begins, and its length; those of days first.
    sections: Vec<(usize, usize)>,
}

/// Checks a rollup's head and finds its sections.
pub(super) fn open<'a, S: Source + ?Sized>(layout: &'a Layout, source: &'a S) -> Result<Opened<'a, S>, Damage> {
    let mut first = source.read(0, FIRST_BYTES)?;
    let mut parsed = Head::parse(layout, &first);
    if parsed.is_err() && source.length() > FIRST_BYTES {
        first = source.read(0, source.length())?;
        parsed = Head::parse(layout, &first);
    }
    let head = parsed?;
    let is_right = first
        .get(..head.bytes)
        .and_then(|head| head.split_last_chunk())
        .is_some_and(|(head, stored)| checksum(&[layout.text.as_bytes(), head]) == *stored);
    if !is_right {
        return damage("its checksum is wrong");
    }
    let end = head.sections.last().map_or(head.bytes, |(from, length)| from.saturating_add(*length));
    match end.cmp(&source.length()) {
        Ordering::Equal => {}
        Ordering::Less => return damage("bytes follow its last section"),
        Ordering::Greater => return damage("it ends too early"),
    }
    let unpacker = Unpacker::new(head.pco)?;
    let Head { rows, stays, days, sections, .. } = head;
    Ok(Opened { layout, source, first, rows, stays, days, unpacker, sections })
}

/// Series of the rows: starts, versions, samples, covered times.
const ROWS_SERIES: usize = 4;

impl<'a, S: Source + ?Sized> Opened<'a, S> {
    /// A section's bytes if its checksum is right; nothing for an empty one.
    fn section(&self, index: usize) -> Result<Option<Cow<'_, [u8]>>, Damage> {
        let Some((from, length)) = self.sections.get(index).filter(|(_, length)| *length > 0) else { return Ok(None) };
        let known = self.first.get(*from..from.saturating_add(*length)).map(Cow::Borrowed);
        let mut section = known.map_or_else(|| self.source.read(*from, *length), Ok)?;
        let is_right = section.split_last_chunk().is_some_and(|(body, stored)| checksum(&[body]) == *stored);
        if !is_right {
            return damage(format!("the checksum of its section {index} is wrong"));
        }
        let body = length.saturating_sub(CHECKSUM_BYTES);
        match &mut section {
            Cow::Borrowed(bytes) => *bytes = bytes.get(..body).unwrap_or_default(),
            Cow::Owned(bytes) => bytes.truncate(body),
        }
        Ok(Some(section))
    }

    /// Where the sections of rows begin.
    fn first_of_rows(&self) -> usize {
        if self.days.is_some() { self.layout.fields.len() + 1 } else { 0 }
    }

    /// The bytes of each field's section, by the field's name.
    pub(super) fn weigh(&self) -> impl Iterator<Item = (&'a str, usize)> {
        let name = |field: &'a String| field.split_once(' ').map_or(field.as_str(), |(name, _)| name);
        let names = self.layout.fields.iter().map(name);
        let lengths = |first: usize| self.sections.iter().skip(first + 1).map(|(_, length)| *length);
        let of_days = if self.days.is_some() { lengths(0) } else { lengths(self.sections.len()) };
        let of_days = of_days.chain(std::iter::repeat(0));
        names.zip(lengths(self.first_of_rows()).zip(of_days).map(|(rows, days)| rows + days))
    }

    /// The hours with these fields of a kind, in this order. What the rollup does not have is as if nothing was
    /// reported.
    pub(super) fn hours(&self, kind: &'static Kind, fields: &[usize], wanted: Wanted) -> Result<Hours, Damage> {
        let mut hours = self.rows()?;
        for field in fields {
            let cells = self.cells(kind, *field, &hours.rows, wanted)?;
            hours.cells.push(cells);
        }
        Ok(hours)
    }

    /// The days with the sums of these fields, in this order, and the stays; nothing where only hours tell.
    pub(super) fn days(&self, fields: &[usize]) -> Result<Option<Hours>, Damage> {
        let Some(count) = self.days else { return Ok(None) };
        let mut days = Hours { rows: self.some_rows(0, count)?, stays: self.stays()?, ..Hours::default() };
        for field in fields {
            let section = match self.layout.position(*field) {
                Some(position) => self.section(position + 1)?,
                None => None,
            };
            let Some(section) = section else {
                days.cells.push(vec![HourCell::default(); count]);
                continue;
            };
            let reader = CellReader::new(&self.unpacker, Bytes::new(&section), &days.rows)?;
            if reader.do_rows_tell() {
                return Ok(None);
            }
            let cells = reader.cells(None, Wanted::SUMS)?;
            days.cells.push(cells);
        }
        Ok(Some(days))
    }

    /// Whether the days it holds are the sums of its hours, given with all fields.
    pub(super) fn are_days_of(&self, kind: &'static Kind, hours: &Hours) -> Result<bool, Damage> {
        if self.days.is_none() {
            return Ok(true);
        }
        let expected = days::of(kind, hours);
        for (field, cells) in expected.cells.iter().enumerate() {
            // What is not in the layout is in neither.
            if self.layout.position(field).is_none() {
                continue;
            }
            let is_right = match (self.days(&[field])?, cells) {
                (Some(days), Some(cells)) => days.rows == expected.rows && days.cells.first() == Some(cells),
                (None, None) => true,
                _ => false,
            };
            if !is_right {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn cells(
        &self,
        kind: &'static Kind,
        field: usize,
        rows: &[HourRow],
        wanted: Wanted,
    ) -> Result<Vec<HourCell>, Damage> {
        let section = match self.layout.position(field) {
            Some(position) => self.section(self.first_of_rows() + position + 1)?,
            None => None,
        };
        let Some(section) = section else { return Ok(vec![HourCell::default(); rows.len()]) };
        let reader = CellReader::new(&self.unpacker, Bytes::new(&section), rows)?;
        let predicted = if reader.is_predicted() {
            let needed = needed_to_predict(kind, field);
            // Some sums are predicted from the newest value.
            let columns = needed.iter().map(|column| self.cells(kind, *column, rows, Wanted::LAST));
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            let columns: Vec<&[_]> = columns.iter().map(Vec::as_slice).collect();
            cells::predicted_all(kind, field, &columns, rows.len())
        } else {
            None
        };
        reader.cells(predicted, wanted)
    }

    /// Only the rows and the stays.
    fn rows(&self) -> Result<Hours, Damage> {
        Ok(Hours { rows: self.some_rows(self.first_of_rows(), self.rows)?, stays: self.stays()?, ..Hours::default() })
    }

    /// The rows that a section begins with.
    fn some_rows(&self, index: usize, count: usize) -> Result<Vec<HourRow>, Damage> {
        let Some(section) = self.section(index)?.filter(|_| count > 0) else { return Ok(Vec::new()) };
        let mut section = Bytes::new(&section);
        let mut ints = || -> Result<Vec<i64>, Damage> { self.unpacker.ints(take_series(&mut section)?, count) };
        let (starts, versions) = (ints()?, ints()?);
        let (samples, covered) = (ints()?, ints()?);
        let rows = starts.into_iter().zip(versions).zip(samples).zip(covered);
        let row = |(((start, version), samples), covered_ms)| {
            let (start, version) = (Timestamp::from_ms(start), Timestamp::from_ms(version));
            HourRow { start, version, samples, covered_ms }
        };
        Ok(rows.map(row).collect())
    }

    /// How the entity was there.
    pub(super) fn stays(&self) -> Result<Vec<Stay>, Damage> {
        let Some(section) = self.section(0)?.filter(|_| self.stays > 0) else { return Ok(Vec::new()) };
        let mut section = Bytes::new(&section);
        let of_rows = if self.days.unwrap_or(self.rows) > 0 { ROWS_SERIES } else { 0 };
        (0..of_rows).try_for_each(|_| take_series(&mut section).map(|_| ()))?;
        let mut ints = || -> Result<Vec<i64>, Damage> { self.unpacker.ints(take_series(&mut section)?, self.stays) };
        let (from, to) = (ints()?, ints()?);
        let (versions, presences) = (ints()?, ints()?);
        let mut stays = Vec::with_capacity(self.stays);
        for (((from, to), version), presence) in from.into_iter().zip(to).zip(versions).zip(presences) {
            let presence = match presence {
                0 => Presence::Seen,
                1 => Presence::Unseen,
                2 => Presence::Gone,
                other => return damage(format!("a stay of presence {other}")),
            };
            let [from, to, version] = [from, to, version].map(Timestamp::from_ms);
            stays.push(Stay { from, to, version, presence });
        }
        Ok(stays)
    }
}
