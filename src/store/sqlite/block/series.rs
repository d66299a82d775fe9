//! One series of a block: numbers, each there or null, in the shortest of a few forms.
//!
//! # Version 1
//! ```text
//! +-------------+--------------------------------------+---------------------+
//! | form        | only if form & 0x80                  | as the form says    |
//! | 1 byte      | runs of values and nulls             |                     |
//! +-------------+--------------------------------------+---------------------+
//! ```
//! *runs*: varints that add up to the number of samples: so many values, so many nulls, so many values, and so on.
//! What follows holds the values that are there, *m* of them, without gaps:
//!
//! | form | name     | then |
//! |------|----------|------|
//! | 0    | nothing  | nothing: every sample is null (m = 0) |
//! | 1    | constant | zigzag: the one value |
//! | 2    | linear   | zigzag: the first; zigzag: each is so much more than the one before |
//! | 3    | changes  | zigzag: the first; to the end (varint, zigzag): so many equal steps, then one of so much |
//! | 4    | varints  | zigzag: the first; varint: gcd of the differences; m − 1 zigzags: difference / gcd |
//! | 5    | packed   | as varints, but the quotients as a `pco` chunk of i16 |
//! | 6    | packed   | as varints, but the quotients as a `pco` chunk of i32 |
//! | 7    | packed   | as varints, but the quotients as a `pco` chunk of i64 |
//! | 8    | floats   | the values as a `pco` chunk of f64 |
//!
//! Differences wrap around, so that every pair of numbers has one. A float is the whole number of its 64 bits, read as
//! signed, in all forms but the last; so NaNs keep their bits.
//!
//! A chunk is pco's own: its metadata, then one page. The narrowest integer is taken because metadata holds numbers of
//! the chunk's type, a good part of a chunk of 240. Level 8: level 4 is 1.7 % larger, 12 no smaller. Differences of
//! higher order, and pco's own choice among them, were larger and slower on samples of containers.

use std::cell::RefCell;
use std::ops::Range;

use pco::data_types::Number;
use pco::wrapped::{FileCompressor, FileDecompressor};
use pco::{ChunkConfig, DecompressorScratch, DeltaSpec, ModeSpec, PagingSpec};

use self::steps::{bytes_of, divide, divisor_of};
use super::bytes::{Bytes, put_varint, put_zigzag, varint_bytes};
use super::{Damage, damage};

mod steps;

const NOTHING: u8 = 0;
const CONSTANT: u8 = 1;
const LINEAR: u8 = 2;
const CHANGES: u8 = 3;
const VARINTS: u8 = 4;
const PACKED_16: u8 = 5;
const PACKED_32: u8 = 6;
const PACKED_64: u8 = 7;
const FLOATS: u8 = 8;
const WITH_NULLS: u8 = 0x80;

/// Changes that take so few bytes are not worth a try with pco, whose metadata is about as large.
const CHANGES_SHORT_BYTES: usize = 32;

/// Fewer numbers than these are not worth a try with pco either.
const PACKED_COUNT_MIN: usize = 16;

const LEVEL: usize = 8;

/// pco gives numbers in multiples of this, or all.
const PACKED_AT_ONCE: usize = 256;

/// Bytes that pco wants to see from where it reads, though it does not use them: so many numbers of its widest type.
const PACKED_PADDING: usize = PACKED_AT_ONCE * 18 + 16;

/// Writes series, all of one block.
pub(in crate::store::sqlite) struct Packer {
    compressor: FileCompressor,
    header: Vec<u8>,
    dense: Vec<i64>,
    steps: Vec<i64>,
    quotients: Vec<i64>,
}

impl Packer {
    pub(in crate::store::sqlite) fn new() -> Result<Packer, Damage> {
        let compressor = FileCompressor::default();
        let header = compressor.write_header(Vec::new()).map_err(|error| Damage(error.to_string()))?;
        Ok(Packer { compressor, header, dense: Vec::new(), steps: Vec::new(), quotients: Vec::new() })
    }

    /// What a reader of the packed series needs first.
    pub(in crate::store::sqlite) fn header(&self) -> &[u8] {
        &self.header
    }

    pub(in crate::store::sqlite) fn put_int_options(&mut self, into: &mut Vec<u8>, values: &[Option<i64>]) {
        let there = values.iter().filter(|value| value.is_some()).count();
        let mut dense = std::mem::take(&mut self.dense);
        dense.clear();
        if there == values.len() {
            dense.extend(values.iter().map(|value| value.unwrap_or_default()));
        } else {
            dense.extend(values.iter().flatten());
        }
        let form_at = put_runs(into, values.iter().map(Option::is_some), there, values.len());
        let form = self.put_dense(into, &dense);
        set_form(into, form_at, form);
        self.dense = dense;
    }

    pub(in crate::store::sqlite) fn put_ints(&mut self, into: &mut Vec<u8>, values: &[i64]) {
        let form_at = into.len();
        into.push(0);
        let form = self.put_dense(into, values);
        set_form(into, form_at, form);
    }

    pub(in crate::store::sqlite) fn put_float_options(&mut self, into: &mut Vec<u8>, values: &[Option<f64>]) {
        let dense: Vec<f64> = values.iter().flatten().copied().collect();
        let bits: Vec<i64> = dense.iter().map(|value| value.to_bits().cast_signed()).collect();
        let form_at = put_runs(into, values.iter().map(Option::is_some), dense.len(), values.len());
        let start = into.len();
        let mut form = self.put_dense(into, &bits);
        if dense.len() >= PACKED_COUNT_MIN && into.len() - start > CHANGES_SHORT_BYTES {
            let config = config().with_mode_spec(ModeSpec::Auto).with_delta_spec(DeltaSpec::Auto);
            if let Some(packed) = self.pack(&dense, &config).filter(|packed| packed.len() < into.len() - start) {
                into.truncate(start);
                into.extend_from_slice(&packed);
                form = FLOATS;
            }
        }
        set_form(into, form_at, form);
    }

    /// Writes numbers without nulls, and says in which form.
    fn put_dense(&mut self, into: &mut Vec<u8>, values: &[i64]) -> u8 {
        let Some((first, rest)) = values.split_first() else { return NOTHING };
        put_zigzag(into, *first);
        if rest.iter().all(|value| value == first) {
            return CONSTANT;
        }
        let mut steps = std::mem::take(&mut self.steps);
        steps.clear();
        steps.extend(rest.iter().zip(values).map(|(after, before)| after.wrapping_sub(*before)));
        let form = self.put_steps(into, &steps);
        self.steps = steps;
        form
    }

    fn put_steps(&mut self, into: &mut Vec<u8>, steps: &[i64]) -> u8 {
        let step = steps.first().copied().unwrap_or(0);
        if steps.iter().all(|other| *other == step) {
            put_zigzag(into, step);
            return LINEAR;
        }
        let mut bytes = bytes_of(steps);
        let divisor = divisor_of(steps);
        let mut divided = std::mem::take(&mut self.quotients);
        let quotients = if divisor == 1 {
            steps
        } else {
            divide(steps, divisor, &mut divided);
            bytes.1 = bytes_of(&divided).1;
            &divided
        };
        let form = self.put_quotients(into, steps, bytes, divisor.unsigned_abs(), quotients);
        self.quotients = divided;
        form
    }

    fn put_quotients(
        &self,
        into: &mut Vec<u8>,
        steps: &[i64],
        (changes_bytes, varints_bytes): (usize, usize),
        divisor: u64,
        quotients: &[i64],
    ) -> u8 {
        let varints_bytes = varints_bytes + varint_bytes(divisor);
        let smallest = changes_bytes.min(varints_bytes);
        if smallest > CHANGES_SHORT_BYTES && quotients.len() >= PACKED_COUNT_MIN {
            let (form, packed) = self.pack_steps(quotients);
            if let Some(packed) = packed.filter(|packed| packed.len() + varint_bytes(divisor) < smallest) {
                put_varint(into, divisor);
                into.extend_from_slice(&packed);
                return form;
            }
        }
        if changes_bytes <= varints_bytes {
            let mut gap = 0;
            for step in steps {
                if *step == 0 {
                    gap += 1;
                } else {
                    put_varint(into, gap);
                    put_zigzag(into, *step);
                    gap = 0;
                }
            }
            return CHANGES;
        }
        put_varint(into, divisor);
        quotients.iter().for_each(|step| put_zigzag(into, *step));
        VARINTS
    }

    #[expect(clippy::cast_possible_truncation, reason = "the smallest and the largest fit")]
    fn pack_steps(&self, steps: &[i64]) -> (u8, Option<Vec<u8>>) {
        let ends = |(least, most): (i64, i64), step: &i64| (least.min(*step), most.max(*step));
        let (least, most) = steps.iter().fold((0, 0), ends);
        if i16::try_from(least).is_ok() && i16::try_from(most).is_ok() {
            let narrow: Vec<i16> = steps.iter().map(|step| *step as i16).collect();
            return (PACKED_16, self.pack(&narrow, &config()));
        }
        if i32::try_from(least).is_ok() && i32::try_from(most).is_ok() {
            let narrow: Vec<i32> = steps.iter().map(|step| *step as i32).collect();
            return (PACKED_32, self.pack(&narrow, &config()));
        }
        (PACKED_64, self.pack(steps, &config()))
    }

    /// A chunk of one page; nothing where pco refuses.
    fn pack<T: Number>(&self, values: &[T], config: &ChunkConfig) -> Option<Vec<u8>> {
        let config = config.clone().with_paging_spec(PagingSpec::Exact(vec![values.len()]));
        let mut chunk = self.compressor.chunk_compressor(values, &config).ok()?;
        let packed = chunk.write_meta(Vec::with_capacity(chunk.meta_size_hint() + chunk.page_size_hint(0))).ok()?;
        chunk.write_page(0, packed).ok()
    }
}

fn config() -> ChunkConfig {
    ChunkConfig::default()
        .with_compression_level(LEVEL)
        .with_mode_spec(ModeSpec::Classic)
        .with_delta_spec(DeltaSpec::NoOp)
}

/// Leaves room for the form and writes which values are there, unless all or none are. Says where the room is.
fn put_runs(into: &mut Vec<u8>, is_there: impl Iterator<Item = bool>, there: usize, count: usize) -> usize {
    let form_at = into.len();
    into.push(0);
    if there == 0 || there == count {
        return form_at;
    }
    set_form(into, form_at, WITH_NULLS);
    let (mut of, mut length) = (true, 0);
    for is_there in is_there {
        if is_there != of {
            put_varint(into, length);
            (of, length) = (is_there, 0);
        }
        length += 1;
    }
    put_varint(into, length);
    form_at
}

fn set_form(into: &mut [u8], form_at: usize, form: u8) {
    if let Some(byte) = into.get_mut(form_at) {
        *byte |= form;
    }
}

/// Reads series, all of one block.
pub(in crate::store::sqlite) struct Unpacker {
    decompressor: FileDecompressor,
    scratch: RefCell<Scratch>,
}

/// What every chunk needs while it is read.
#[derive(Default)]
struct Scratch {
    /// A chunk, and bytes behind it: where it has none, pco copies its end each time.
    chunk: Vec<u8>,
    pco: DecompressorScratch,
}

impl Unpacker {
    pub(in crate::store::sqlite) fn new(header: &[u8]) -> Result<Unpacker, Damage> {
        match FileDecompressor::new(header) {
            Ok((decompressor, _)) => Ok(Unpacker { decompressor, scratch: RefCell::default() }),
            Err(error) => damage(error.to_string()),
        }
    }

    pub(in crate::store::sqlite) fn ints(&self, series: &[u8], count: usize) -> Result<Vec<i64>, Damage> {
        let mut bytes = Bytes::new(series);
        let form = bytes.byte()?;
        if form & WITH_NULLS != 0 || form == NOTHING {
            return damage("nulls where there can be none");
        }
        self.dense(form, bytes, count, count)
    }

    pub(in crate::store::sqlite) fn int_options(
        &self,
        series: &[u8],
        count: usize,
    ) -> Result<Vec<Option<i64>>, Damage> {
        let mut bytes = Bytes::new(series);
        match bytes.byte()? {
            CONSTANT => Ok(vec![Some(bytes.zigzag()?); count]),
            form => options(form, bytes, count, |form, rest, there| self.dense(form, rest, there, there)),
        }
    }

    pub(in crate::store::sqlite) fn float_options(
        &self,
        series: &[u8],
        count: usize,
    ) -> Result<Vec<Option<f64>>, Damage> {
        let mut bytes = Bytes::new(series);
        let form = bytes.byte()?;
        options(form, bytes, count, |form, rest, there| match form {
            FLOATS => self.unpack(rest.rest(), there, there),
            _ => {
                let bits = self.dense(form, rest, there, there)?;
                Ok(bits.into_iter().map(|bits| f64::from_bits(bits.cast_unsigned())).collect())
            }
        })
    }

    /// Whether a series is of these numbers.
    pub(super) fn holds_ints(&self, series: &[u8], values: &[i64]) -> Result<bool, Damage> {
        let mut bytes = Bytes::new(series);
        match bytes.byte()? {
            CONSTANT => {
                let constant = bytes.zigzag()?;
                Ok(values.iter().all(|value| *value == constant))
            }
            _ => Ok(self.ints(series, values.len())? == values),
        }
    }

    /// Whether a series is of these numbers and nulls.
    pub(super) fn holds_int_options(&self, series: &[u8], values: &[Option<i64>]) -> Result<bool, Damage> {
        let mut bytes = Bytes::new(series);
        match bytes.byte()? {
            NOTHING => Ok(values.iter().all(Option::is_none)),
            CONSTANT => {
                let constant = bytes.zigzag()?;
                Ok(values.iter().all(|value| *value == Some(constant)))
            }
            form if form & WITH_NULLS == 0 => {
                let dense = self.dense(form, bytes, values.len(), values.len())?;
                Ok(dense.len() == values.len() && dense.iter().zip(values).all(|(dense, value)| *value == Some(*dense)))
            }
            _ => Ok(self.int_options(series, values.len())? == values),
        }
    }

    /// Adds the numbers at some of the positions.
    pub(super) fn add_ints(
        &self,
        series: &[u8],
        count: usize,
        positions: &Range<usize>,
        into: &mut Vec<i64>,
    ) -> Result<(), Damage> {
        let mut bytes = Bytes::new(series);
        match bytes.byte()? {
            CONSTANT => into.extend(std::iter::repeat_n(bytes.zigzag()?, positions.len())),
            form if form & WITH_NULLS != 0 || form == NOTHING => return damage("nulls where there can be none"),
            form => {
                let dense = self.dense(form, bytes, count, positions.end)?;
                into.extend_from_slice(dense.get(positions.clone()).unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Adds the numbers and nulls at some of the positions.
    pub(super) fn add_int_options(
        &self,
        series: &[u8],
        count: usize,
        positions: &Range<usize>,
        into: &mut Vec<Option<i64>>,
    ) -> Result<(), Damage> {
        let mut bytes = Bytes::new(series);
        match bytes.byte()? {
            NOTHING => into.extend(std::iter::repeat_n(None, positions.len())),
            CONSTANT => into.extend(std::iter::repeat_n(Some(bytes.zigzag()?), positions.len())),
            form if form & WITH_NULLS == 0 => {
                let dense = self.dense(form, bytes, count, positions.end)?;
                into.extend(dense.get(positions.clone()).unwrap_or_default().iter().copied().map(Some));
            }
            _ => {
                let all = self.int_options(series, count)?;
                into.extend_from_slice(all.get(positions.clone()).unwrap_or_default());
            }
        }
        Ok(())
    }

    /// The numbers of a series that has `count`, the first `until` of them at least.
    fn dense(&self, form: u8, mut bytes: Bytes<'_>, count: usize, until: usize) -> Result<Vec<i64>, Damage> {
        let first = bytes.zigzag()?;
        let mut values = Vec::with_capacity(count);
        values.push(first);
        let rest = count.saturating_sub(1);
        match form {
            CONSTANT => values.resize(count, first),
            LINEAR => {
                let step = bytes.zigzag()?;
                extend(&mut values, std::iter::repeat_n(step, rest));
            }
            CHANGES => {
                while !bytes.is_empty() {
                    let gap = bytes.length()?;
                    let step = bytes.zigzag()?;
                    let last = values.last().copied().unwrap_or(first);
                    if gap >= count - values.len().min(count) {
                        return damage("changes after the last sample");
                    }
                    values.resize(values.len() + gap, last);
                    values.push(last.wrapping_add(step));
                }
                let last = values.last().copied().unwrap_or(first);
                values.resize(count, last);
            }
            VARINTS => {
                let divisor = bytes.varint()?.cast_signed();
                let steps = (0..rest).map(|_| bytes.zigzag()).collect::<Result<Vec<_>, _>>()?;
                extend(&mut values, steps.into_iter().map(|step| step.wrapping_mul(divisor)));
            }
            PACKED_16 => self.unpack_steps::<i16>(bytes, &mut values, rest, until)?,
            PACKED_32 => self.unpack_steps::<i32>(bytes, &mut values, rest, until)?,
            PACKED_64 => self.unpack_steps::<i64>(bytes, &mut values, rest, until)?,
            _ => return damage(format!("a series of form {form}")),
        }
        Ok(values)
    }

    fn unpack_steps<T: Number + Default + Into<i64>>(
        &self,
        mut bytes: Bytes<'_>,
        values: &mut Vec<i64>,
        count: usize,
        until: usize,
    ) -> Result<(), Damage> {
        let divisor = bytes.varint()?.cast_signed();
        let steps: Vec<T> = self.unpack(bytes.rest(), count, until)?;
        extend(values, steps.into_iter().map(|step| step.into().wrapping_mul(divisor)));
        Ok(())
    }

    fn unpack<T: Number + Default>(&self, bytes: &[u8], count: usize, until: usize) -> Result<Vec<T>, Damage> {
        let failed = |error: pco::errors::PcoError| Damage(error.to_string());
        let Scratch { chunk, pco } = &mut *self.scratch.borrow_mut();
        chunk.clear();
        chunk.extend_from_slice(bytes);
        chunk.resize(bytes.len() + PACKED_PADDING, 0);
        let (chunk, rest) = self.decompressor.chunk_decompressor::<T, _>(chunk.as_slice()).map_err(failed)?;
        let mut page = chunk.page_decompressor_with_scratch(rest, count, pco).map_err(failed)?;
        let wanted = until.next_multiple_of(PACKED_AT_ONCE).min(count);
        let mut values = vec![T::default(); wanted];
        let progress = page.read(&mut values).map_err(failed)?;
        if progress.n_processed != wanted {
            return damage(format!("{} numbers where {wanted} should be", progress.n_processed));
        }
        if page.into_src().len() < PACKED_PADDING {
            return damage("a chunk ends too early");
        }
        Ok(values)
    }
}

/// Adds numbers of which each is a step from the one before.
fn extend(values: &mut Vec<i64>, steps: impl Iterator<Item = i64>) {
    let mut last = values.last().copied().unwrap_or(0);
    values.extend(steps.map(|step| {
        last = last.wrapping_add(step);
        last
    }));
}

/// Puts the values that are there where they belong, among the nulls.
fn options<T: Copy>(
    form: u8,
    mut bytes: Bytes<'_>,
    count: usize,
    dense: impl FnOnce(u8, Bytes<'_>, usize) -> Result<Vec<T>, Damage>,
) -> Result<Vec<Option<T>>, Damage> {
    if form == NOTHING {
        return Ok(vec![None; count]);
    }
    if form & WITH_NULLS == 0 {
        return Ok(dense(form, bytes, count)?.into_iter().map(Some).collect());
    }
    let mut runs = Vec::new();
    let (mut total, mut there) = (0_usize, 0_usize);
    while total < count {
        let length = bytes.length()?;
        if length > count - total {
            return damage("more nulls and values than samples");
        }
        if runs.len() % 2 == 0 {
            there += length;
        } else if length == 0 {
            return damage("a run of no nulls");
        }
        total += length;
        runs.push(length);
    }
    if there == 0 {
        return damage("a series of nulls that says it has values");
    }
    let mut values = dense(form & !WITH_NULLS, bytes, there)?.into_iter();
    let mut all = Vec::with_capacity(count);
    for (index, length) in runs.into_iter().enumerate() {
        if index % 2 == 0 {
            all.extend(values.by_ref().take(length).map(Some));
        } else {
            all.resize(all.len() + length, None);
        }
    }
    Ok(all)
}
