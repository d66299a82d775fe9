//! The format of rollups: one entity's rolled-up hours of a window of time as one string of bytes, without loss.
//!
//! Pure: values in, bytes out, and back. Must not know: SQL, windows, how hours are rolled up.
//!
//! # Version 1
//! ```text
//! +---------+--------+--------+-------------+----------+------------------+----------+------+-------+-----+-------+
//! | version | rows   | stays  | pco header  | sections | lengths          | checksum | rows | field | ... | field |
//! | 1 byte  | varint | varint | 1 + n bytes | varint   | varint a section | 4 bytes  |      |   0   |     |       |
//! +---------+--------+--------+-------------+----------+------------------+----------+------+-------+-----+-------+
//! ```
//! - *version*: 1. What is not known is refused. *rows*, *stays*: how many there are.
//! - *pco header*: as in blocks. *sections*: one for the rows and one for each field of the layout.
//! - *lengths*: of each section in bytes, its checksum included; 0 for a field of which nothing is kept.
//! - *checksum*: CRC-32 (IEEE), little-endian, over the layout's text and all bytes before it. Each section ends in a
//!   checksum of its own, so that a reader takes those that it wants.
//!
//! A section is made of series ([`series`](super::super::block::series)), each after its length (varint). That of the
//! rows: starts, versions, samples, covered times; then of the stays: starts, ends, versions, presences (0 seen, 1
//! unseen, 2 gone). That of a field begins with flags (varint), then come the series that the flags name, in their order:
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
//!
//! *Numbers* are a byte and series: 0 whole numbers; 1 whole numbers of more than 64 bits, the upper and the lower half;
//! 2 floats. Layouts name the fields, a line each: stored names of columns, and names of derived columns with what they are
//! made of (`cpu_cores = rate cpu_ns`).

use flate2::Crc;

use super::super::block::Damage;
use super::super::block::bytes::{Bytes, put_varint};
use super::super::block::series::{Packer, Unpacker};
use super::cells::{self, CellReader};
use crate::model::{Formula, HourRow, Hours, Kind, Presence, Stay, Timestamp};
use crate::rollup::{derived_of, fields_count, needed_to_predict};

/// The version that is written.
const VERSION: u8 = 1;

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
}

impl Layout {
    /// The layout of a kind's fields as they are today.
    pub(super) fn of(kind: &'static Kind) -> Layout {
        let fields: Vec<String> = (0..fields_count(kind)).map(|field| name_of(kind, field)).collect();
        let text = fields.iter().map(|name| format!("{name}\n")).collect();
        Layout { fields, text }
    }

    /// As it is kept: a line a field.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The layout of such a text.
    pub(super) fn parse(text: &str) -> Layout {
        Layout { fields: text.lines().map(str::to_owned).collect(), text: text.to_owned() }
    }

    fn position(&self, kind: &'static Kind, field: usize) -> Option<usize> {
        let name = name_of(kind, field);
        self.fields.iter().position(|known| *known == name)
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
    let mut sections = vec![rows_section(&mut packer, hours)];
    for (field, cells) in hours.cells.iter().enumerate() {
        let needed = needed_to_predict(kind, field);
        let columns: Vec<&[_]> = needed.iter().filter_map(|index| hours.cells.get(*index)).map(Vec::as_slice).collect();
        let predicted = cells::predicted_all(kind, field, &columns, hours.rows.len());
        sections.push(cells::encode(&mut packer, &hours.rows, cells, predicted.as_deref()));
    }
    let mut rollup = vec![VERSION];
    put_varint(&mut rollup, hours.rows.len() as u64);
    put_varint(&mut rollup, hours.stays.len() as u64);
    put_varint(&mut rollup, packer.header().len() as u64);
    rollup.extend_from_slice(packer.header());
    put_varint(&mut rollup, sections.len() as u64);
    for section in &mut sections {
        if !section.is_empty() {
            let sum = checksum(&[section]);
            section.extend_from_slice(&sum);
        }
        put_varint(&mut rollup, section.len() as u64);
    }
    let sum = checksum(&[layout.text.as_bytes(), &rollup]);
    rollup.extend_from_slice(&sum);
    sections.iter().for_each(|section| rollup.extend_from_slice(section));
    Ok(rollup)
}

/// Writes a rollup's checksum anew, as one of another layout.
#[cfg(test)]
pub(super) fn sign_for_tests(layout: &Layout, rollup: &mut [u8]) {
    let mut bytes = Bytes::new(rollup);
    let mut skip = || -> Result<usize, Damage> {
        bytes.byte()?;
        bytes.length()?;
        bytes.length()?;
        let header = bytes.length()?;
        bytes.take(header)?;
        for _ in 0..bytes.length()? {
            bytes.length()?;
        }
        Ok(bytes.rest().len())
    };
    let head = rollup.len() - skip().unwrap_or(0);
    let sum = checksum(&[layout.text.as_bytes(), rollup.get(..head).unwrap_or_default()]);
    if let Some(place) = rollup.get_mut(head..head + CHECKSUM_BYTES) {
        place.copy_from_slice(&sum);
    }
}

fn rows_section(packer: &mut Packer, hours: &Hours) -> Vec<u8> {
    let mut section = Vec::new();
    let mut put = |of: &mut dyn Iterator<Item = i64>| {
        let values: Vec<i64> = of.collect();
        if !values.is_empty() {
            put_series(&mut section, |series| packer.put_ints(series, &values));
        }
    };
    put(&mut hours.rows.iter().map(|row| row.start.ms()));
    put(&mut hours.rows.iter().map(|row| row.version.ms()));
    put(&mut hours.rows.iter().map(|row| row.samples));
    put(&mut hours.rows.iter().map(|row| row.covered_ms));
    put(&mut hours.stays.iter().map(|stay| stay.from.ms()));
    put(&mut hours.stays.iter().map(|stay| stay.to.ms()));
    put(&mut hours.stays.iter().map(|stay| stay.version.ms()));
    put(&mut hours.stays.iter().map(|stay| match stay.presence {
        Presence::Seen => 0,
        Presence::Unseen => 1,
        Presence::Gone => 2,
    }));
    section
}

/// A rollup taken apart but not decoded.
pub(super) struct Opened<'a> {
    layout: &'a Layout,
    rows: usize,
    stays: usize,
    unpacker: Unpacker,
    sections: Vec<&'a [u8]>,
}

/// Checks a rollup's head and finds its sections.
pub(super) fn open<'a>(layout: &'a Layout, rollup: &'a [u8]) -> Result<Opened<'a>, Damage> {
    let mut bytes = Bytes::new(rollup);
    match bytes.byte()? {
        VERSION => {}
        version => {
            return damage(format!(
                "format version {version}, where this program knows {VERSION}: a newer one wrote it"
            ));
        }
    }
    let (rows, stays) = (bytes.length()?, bytes.length()?);
    if rows > ROWS_MAX || stays > ROWS_MAX {
        return damage(format!("it claims {rows} rows and {stays} stays"));
    }
    let header_length = bytes.length()?;
    let unpacker = Unpacker::new(bytes.take(header_length)?)?;
    let count = bytes.length()?;
    if count != layout.fields.len() + 1 {
        return damage(format!("{count} sections for a layout of {} fields", layout.fields.len()));
    }
    let lengths = (0..count).map(|_| bytes.length()).collect::<Result<Vec<_>, _>>()?;
    let head = rollup.get(..rollup.len() - bytes.rest().len()).unwrap_or_default();
    if bytes.take(CHECKSUM_BYTES)? != checksum(&[layout.text.as_bytes(), head]) {
        return damage("its checksum is wrong");
    }
    let sections = lengths.into_iter().map(|length| bytes.take(length)).collect::<Result<Vec<_>, _>>()?;
    if !bytes.is_empty() {
        return damage("bytes follow its last section");
    }
    Ok(Opened { layout, rows, stays, unpacker, sections })
}

impl<'a> Opened<'a> {
    /// A section's bytes if its checksum is right; nothing for an empty one.
    fn section(&self, index: usize) -> Result<Option<Bytes<'a>>, Damage> {
        let Some(section) = self.sections.get(index).filter(|section| !section.is_empty()) else { return Ok(None) };
        match section.split_last_chunk::<CHECKSUM_BYTES>() {
            Some((body, stored)) if checksum(&[body]) == *stored => Ok(Some(Bytes::new(body))),
            _ => damage(format!("the checksum of its section {index} is wrong")),
        }
    }

    /// The bytes of each field's section, by the field's name.
    pub(super) fn weigh(&self) -> impl Iterator<Item = (&'a str, usize)> {
        let name = |field: &'a String| field.split_once(' ').map_or(field.as_str(), |(name, _)| name);
        let names = self.layout.fields.iter().map(name);
        names.zip(self.sections.iter().skip(1).map(|section| section.len()))
    }

    /// The hours with these fields of a kind, in this order. What the rollup does not have is as if nothing was
    /// reported.
    pub(super) fn hours(&self, kind: &'static Kind, fields: &[usize], with_bins: bool) -> Result<Hours, Damage> {
        let mut hours = self.rows()?;
        for field in fields {
            let cells = self.cells(kind, *field, &hours.rows, with_bins)?;
            hours.cells.push(cells);
        }
        Ok(hours)
    }

    fn cells(
        &self,
        kind: &'static Kind,
        field: usize,
        rows: &[HourRow],
        with_bins: bool,
    ) -> Result<Vec<crate::model::HourCell>, Damage> {
        let section = match self.layout.position(kind, field) {
            Some(position) => self.section(position + 1)?,
            None => None,
        };
        let Some(section) = section else { return Ok(vec![Default::default(); rows.len()]) };
        let reader = CellReader::new(&self.unpacker, section, rows)?;
        let predicted = if reader.is_predicted() {
            let needed = needed_to_predict(kind, field);
            let columns = needed.iter().map(|column| self.cells(kind, *column, rows, false));
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            let columns: Vec<&[_]> = columns.iter().map(Vec::as_slice).collect();
            cells::predicted_all(kind, field, &columns, rows.len())
        } else {
            None
        };
        reader.cells(predicted, with_bins)
    }

    /// Only the rows and the stays.
    fn rows(&self) -> Result<Hours, Damage> {
        let mut hours = Hours::default();
        let Some(mut section) = self.section(0)? else { return Ok(hours) };
        let mut ints = |count: usize| -> Result<Vec<i64>, Damage> {
            if count == 0 { Ok(Vec::new()) } else { self.unpacker.ints(take_series(&mut section)?, count) }
        };
        let (starts, versions) = (ints(self.rows)?, ints(self.rows)?);
        let (samples, covered) = (ints(self.rows)?, ints(self.rows)?);
        for (((start, version), samples), covered_ms) in starts.into_iter().zip(versions).zip(samples).zip(covered) {
            let (start, version) = (Timestamp::from_ms(start), Timestamp::from_ms(version));
            hours.rows.push(HourRow { start, version, samples, covered_ms });
        }
        let (from, to) = (ints(self.stays)?, ints(self.stays)?);
        let (versions, presences) = (ints(self.stays)?, ints(self.stays)?);
        for (((from, to), version), presence) in from.into_iter().zip(to).zip(versions).zip(presences) {
            let presence = match presence {
                0 => Presence::Seen,
                1 => Presence::Unseen,
                2 => Presence::Gone,
                other => return damage(format!("a stay of presence {other}")),
            };
            let [from, to, version] = [from, to, version].map(Timestamp::from_ms);
            hours.stays.push(Stay { from, to, version, presence });
        }
        Ok(hours)
    }
}
