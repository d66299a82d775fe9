//! The rows of a kind's table: runs, entity by entity, sample by sample; a cell is made when it is asked for.
//!
//! One run of at most a day is held at a time. Stored columns that the plan names are read with it; one that is asked
//! for beyond them (SQLite names only the first 63) is read when it first is, and from then on with each run. Must not
//! know: SQLite's virtual machine.

use std::ops::Range;
use std::sync::Arc;

use super::Shared;
use super::kind::{KindColumn, Of};
use super::module::{Bound, Given, Rows};
use super::wanted::Wanted;
use crate::answer::{Reading, Stop};
use crate::model::{AttributeValue, Attributes, EntityRecord, Kind, Run, TimeRange, Timestamp};
use crate::query::cell::Number;
use crate::query::civil::format_instant;
use crate::query::evaluate::mark;
use crate::query::operand::{ColumnSet, Grown, Operand, seconds};
use crate::query::request::Zone;
use crate::rate::{self, Stretch};
use crate::store::Fetch;

/// Columns that SQLite names one by one in what it says a statement uses.
pub(super) const NAMED_COLUMNS: usize = 63;

/// A place among the samples of a kind.
pub(super) struct SampleRows {
    kind: &'static Kind,
    columns: Arc<[KindColumn]>,
    shared: Arc<Shared>,
    wanted: Wanted,
    /// Stored columns that runs bring.
    stored: ColumnSet,
    /// By column of the table: what it is of the run, once it was asked for.
    operands: Vec<Option<Operand>>,
    entity: Option<Entity>,
    run: Option<Run>,
    inside: Range<usize>,
    /// The row's sample in the run.
    index: usize,
    /// The stretch that ends at it, once it was asked for.
    stretch: Option<Option<Stretch>>,
    /// Bytes of the run, as the watch knows them.
    held_bytes: u64,
}

impl Drop for SampleRows {
    fn drop(&mut self) {
        self.shared.watch.release(self.held_bytes);
    }
}

/// The entity whose samples are being given.
struct Entity {
    record: EntityRecord,
    reading: Reading,
    /// For each version whether its samples pass; empty: all do.
    takes: Vec<bool>,
    version: usize,
}

impl SampleRows {
    pub(super) fn new(kind: &'static Kind, columns: Arc<[KindColumn]>, shared: Arc<Shared>) -> SampleRows {
        let operands = vec![None; columns.len()];
        SampleRows {
            kind,
            columns,
            shared,
            wanted: Wanted::new(kind),
            stored: ColumnSet::default(),
            operands,
            entity: None,
            run: None,
            inside: 0..0,
            index: 0,
            stretch: None,
            held_bytes: 0,
        }
    }

    /// Tells the watch how large the run is: a statement may name a table many times, and each holds one.
    fn hold_run(&mut self) -> rusqlite::Result<()> {
        let cells = self.run.as_ref().map_or(0, |run| run.len().saturating_mul(run.columns.len().saturating_add(4)));
        let bytes = u64::try_from(cells.saturating_mul(size_of::<Option<i64>>())).unwrap_or(u64::MAX);
        self.shared.watch.release(std::mem::replace(&mut self.held_bytes, bytes));
        self.shared.watch.hold(bytes)
    }

    fn resolve(&mut self, column: usize) -> bool {
        let name = match self.columns.get(column).map(|column| column.of) {
            Some(Of::Number(name)) => name,
            Some(Of::Increase(counter)) => counter.name,
            _ => return false,
        };
        let operand = Operand::resolve(self.kind, name, &mut self.stored);
        if let Some(place) = self.operands.get_mut(column) {
            *place = operand;
        }
        true
    }

    /// The next entity that can have rows.
    fn next_entity(&mut self) -> rusqlite::Result<bool> {
        let Some((record, takes, range)) = self.wanted.next(&self.shared)? else { return Ok(false) };
        let reading = Reading::of(self.kind, record.identity.clone(), range);
        self.entity = Some(Entity { record, reading, takes, version: 0 });
        Ok(true)
    }

    /// The next run of the entity.
    fn next_run(&mut self) -> rusqlite::Result<bool> {
        let watch = &self.shared.watch;
        let Some(entity) = &mut self.entity else { return Ok(false) };
        let store = &self.shared.database.store;
        let run =
            entity.reading.next(store, self.stored.wanted(), &Stop::never()).map_err(|error| watch.fail(error))?;
        self.inside = run.as_ref().map_or(0..0, Run::inside);
        self.run = run;
        self.hold_run()?;
        Ok(self.run.is_some())
    }

    /// Reads the run again with columns that it did not bring. False where the row's sample is gone meanwhile.
    fn read_again(&mut self) -> rusqlite::Result<bool> {
        let (Some(entity), Some(run)) = (&self.entity, &self.run) else { return Ok(false) };
        let Some(at) = run.at.get(self.index).copied() else { return Ok(false) };
        let identity = &entity.record.identity;
        let fetch = Fetch { kind: self.kind, identity, range: run.range, columns: self.stored.wanted() };
        let read = self.shared.database.store.read(&fetch);
        let run = read.map_err(|error| self.shared.watch.fail(error.into()))?;
        let Ok(index) = run.at.binary_search(&at) else { return Ok(false) };
        // Rows go on after this one: those before it were given, or had none of what is asked for.
        self.inside = index.saturating_add(1)..run.inside().end;
        self.index = index;
        self.stretch = None;
        self.run = Some(run);
        self.hold_run()?;
        Ok(true)
    }

    fn stretch(&mut self) -> Option<Stretch> {
        if let Some(known) = self.stretch {
            return known;
        }
        let stretch = self.run.as_ref().and_then(|run| {
            let next = mark(run, self.index)?;
            let previous = self.index.checked_sub(1).and_then(|previous| mark(run, previous));
            rate::stretch(previous.as_ref(), &next, run.polled_before_first)
        });
        self.stretch = Some(stretch);
        stretch
    }

    fn attributes(&self) -> Option<&Attributes> {
        let entity = self.entity.as_ref()?;
        entity.record.versions.get(entity.version).map(|version| version.attributes.as_ref())
    }

    fn number(&mut self, column: usize, of: Of) -> rusqlite::Result<Given<'_>> {
        if self.operands.get(column).is_none_or(Option::is_none) {
            let had = self.stored.wanted().len();
            self.resolve(column);
            if self.stored.wanted().len() > had && !self.read_again()? {
                return Ok(Given::Null);
            }
        }
        let needs_stretch = |operand: &Operand| matches!(of, Of::Increase(_)) || operand.is_of_stretch();
        let needs_stretch = self.operands.get(column).and_then(Option::as_ref).is_some_and(needs_stretch);
        let stretch = if needs_stretch { self.stretch() } else { None };
        let (Some(Some(operand)), Some(run)) = (self.operands.get(column), &self.run) else { return Ok(Given::Null) };
        if let (Of::Increase(counter), Operand::Counter(place)) = (of, operand) {
            let grown = stretch.and_then(|stretch| place.share(run, self.index, &stretch, TimeRange::ALL));
            return Ok(match grown {
                None => Given::Null,
                Some(Grown::Int(value)) => scaled(value, counter.decimals()),
                Some(Grown::Float(value)) => Given::Real(value),
            });
        }
        static NONE: Attributes = Attributes::new();
        let number = match operand {
            Operand::Counter(_) | Operand::Gauge(_) => operand.at_sample(run, self.index, &NONE),
            _ => operand.at_end(run, self.index, stretch.as_ref(), self.attributes().unwrap_or(&NONE)),
        };
        Ok(given(number))
    }
}

/// A number as SQL sees it.
pub(super) fn given(number: Number) -> Given<'static> {
    match number {
        Number::Null => Given::Null,
        Number::Scaled { value, decimals } => scaled(value, decimals),
        Number::Derived(value) | Number::Reported(value) => Given::Real(value),
    }
}

impl Rows for SampleRows {
    fn begin(&mut self, bounds: &[Bound], used: u64) -> rusqlite::Result<()> {
        for column in 0..self.columns.len().min(NAMED_COLUMNS) {
            if used >> column & 1 == 1 {
                self.resolve(column);
            }
        }
        self.wanted.begin(bounds, &self.columns, &self.shared, |from_ms, until_ms| {
            let end = Timestamp::from_ms(until_ms.saturating_add(1)).min(Timestamp::MAX);
            TimeRange::new(Timestamp::from_ms(from_ms), end)
        })?;
        self.entity = None;
        self.run = None;
        self.hold_run()?;
        self.inside = 0..0;
        Ok(())
    }

    fn advance(&mut self) -> rusqlite::Result<bool> {
        loop {
            while let (Some(index), Some(run), Some(entity)) = (self.inside.next(), &self.run, &mut self.entity) {
                let Some(at) = run.at.get(index).copied() else { break };
                let versions = &entity.record.versions;
                while versions.get(entity.version.saturating_add(1)).is_some_and(|next| next.from <= at) {
                    entity.version = entity.version.saturating_add(1);
                }
                if entity.takes.is_empty() || entity.takes.get(entity.version) == Some(&true) {
                    self.index = index;
                    self.stretch = None;
                    return Ok(true);
                }
            }
            if !self.next_run()? && !self.next_entity()? {
                return Ok(false);
            }
        }
    }

    fn cell(&mut self, column: usize) -> rusqlite::Result<Given<'_>> {
        let Some(of) = self.columns.get(column).map(|column| column.of) else { return Ok(Given::Null) };
        if let Of::Number(_) | Of::Increase(_) = of {
            return self.number(column, of);
        }
        if let Of::StretchSeconds = of {
            let stretch = self.stretch().filter(|stretch| !stretch.is_hole);
            return Ok(stretch.map_or(Given::Null, |stretch| Given::Real(seconds(stretch.ms()))));
        }
        let (Some(entity), Some(run)) = (&self.entity, &self.run) else { return Ok(Given::Null) };
        let Some(at) = run.at.get(self.index).copied() else { return Ok(Given::Null) };
        let since = run.since.get(self.index).copied().flatten();
        Ok(match of {
            Of::Time => Given::text(format_instant(at, Zone::Utc)),
            Of::AtMs => Given::Int(at.ms()),
            Of::Key(index) => Given::text(entity.record.identity.part(index)),
            Of::Since => since.map_or(Given::Null, |since| Given::text(format_instant(since, Zone::Utc))),
            Of::SinceMs => since.map_or(Given::Null, |since| Given::Int(since.ms())),
            Of::Attribute(attribute) => {
                let attributes = entity.record.versions.get(entity.version).map(|version| &version.attributes);
                attributes.and_then(|all| all.get(attribute.name)).map_or(Given::Null, fact)
            }
            _ => Given::Null,
        })
    }
}

/// An attribute as SQL sees it.
pub(super) fn fact(value: &AttributeValue) -> Given<'_> {
    match value {
        AttributeValue::Text(text) => Given::text(text.as_str()),
        AttributeValue::Integer(value) => Given::Int(*value),
        AttributeValue::Number(value) => Given::Real(*value),
        AttributeValue::Boolean(value) => Given::Int(i64::from(*value)),
        AttributeValue::Time(at) => Given::text(format_instant(*at, Zone::Utc)),
        AttributeValue::List(texts) => serde_json::to_string(texts).map_or(Given::Null, Given::text),
        AttributeValue::Map(texts) => serde_json::to_string(texts).map_or(Given::Null, Given::text),
    }
}

/// A whole number of 10^-`decimals` units.
#[expect(clippy::cast_precision_loss, reason = "SQL has no decimal numbers")]
fn scaled(value: i64, decimals: u8) -> Given<'static> {
    const POWERS: [f64; 10] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
    match POWERS.get(usize::from(decimals)) {
        Some(_) if decimals == 0 => Given::Int(value),
        Some(power) => Given::Real(value as f64 / power),
        None => Given::Real(value as f64 / 10f64.powi(i32::from(decimals))),
    }
}
