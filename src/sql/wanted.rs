//! Which time, which entities and which of their versions a statement's conditions leave of a kind.
//!
//! Must not know: what is read of them.

use rusqlite::types::Value;

use super::Shared;
use super::kind::{KindColumn, Of};
use super::module::{Bound, Op};
use crate::answer::Entities;
use crate::model::{AttributeValue, Attributes, EntityRecord, Identity, Kind, TimeRange, Timestamp};
use crate::query::civil::format_instant;
use crate::query::request::Zone;

/// What is left of a kind, and how far it was gone through.
pub(super) struct Wanted {
    kind: &'static Kind,
    range: Option<TimeRange>,
    /// What parts of the identity must be, where that is known.
    keys: Vec<Option<String>>,
    /// What attributes must be.
    facts: Vec<(&'static str, Value)>,
    from: From,
}

/// Where entities come from.
enum From {
    Nowhere,
    One(Option<Box<EntityRecord>>),
    Pages(Entities),
}

impl Wanted {
    /// Of a kind, before anything was asked.
    pub(super) fn new(kind: &'static Kind) -> Wanted {
        Wanted { kind, range: None, keys: Vec::new(), facts: Vec::new(), from: From::Nowhere }
    }

    /// Begins anew with what conditions leave; `range`: the time of the first and the last millisecond that they do.
    pub(super) fn begin(
        &mut self,
        bounds: &[Bound],
        columns: &[KindColumn],
        shared: &Shared,
        range: impl FnOnce(i64, i64) -> Option<TimeRange>,
    ) -> rusqlite::Result<()> {
        let (mut from_ms, mut until_ms) = (Timestamp::MIN.ms(), Timestamp::MAX.ms());
        self.keys = vec![None; self.kind.identity.len()];
        self.facts.clear();
        for bound in bounds {
            match columns.get(bound.column).map(|column| column.of) {
                Some(Of::AtMs) => narrow_ms(&mut from_ms, &mut until_ms, bound),
                Some(Of::Time) => narrow_text(&mut from_ms, &mut until_ms, bound),
                Some(Of::Key(index)) => {
                    if let (Value::Text(text), Some(key)) = (&bound.value, self.keys.get_mut(index)) {
                        *key = Some(text.clone());
                    }
                }
                Some(Of::Attribute(attribute)) => self.facts.push((attribute.name, bound.value.clone())),
                _ => {}
            }
        }
        self.range = range(from_ms, until_ms).filter(|range| !range.is_empty());
        self.from = match (self.range, self.keys.iter().cloned().collect::<Option<Vec<String>>>()) {
            (None, _) => From::Nowhere,
            (Some(range), Some(all)) => {
                let found = shared.database.store.entity(self.kind, &Identity::new(all), range);
                let found = found.map_err(|error| shared.watch.fail(error.into()))?;
                From::One(found.filter(|entity| entity.is_seen_in(range)).map(Box::new))
            }
            (Some(range), None) => {
                // A shorter identity comes before all that begin with it.
                let first = self.keys.first().cloned().flatten().map(|first| Identity::new([first]));
                From::Pages(Entities::after(self.kind, range, first).with(self.keys.clone()))
            }
        };
        Ok(())
    }

    /// The next entity that can have rows; for each of its versions whether it passes (empty: all do); the time.
    pub(super) fn next(&mut self, shared: &Shared) -> rusqlite::Result<Option<(EntityRecord, Vec<bool>, TimeRange)>> {
        let Some(range) = self.range else { return Ok(None) };
        loop {
            shared.watch.check()?;
            let record = match &mut self.from {
                From::Nowhere => None,
                From::One(record) => record.take().map(|record| *record),
                From::Pages(entities) => {
                    entities.next(&shared.database.store).map_err(|error| shared.watch.fail(error))?
                }
            };
            let Some(record) = record else { return Ok(None) };
            let is = |index: usize| self.keys.get(index).and_then(Option::as_deref);
            if is(0).is_some_and(|first| record.identity.part(0) > first) {
                // In identity order no further one can be of the first key that is asked for.
                return Ok(None);
            }
            if (0..self.kind.identity.len()).any(|index| is(index).is_some_and(|is| record.identity.part(index) != is))
            {
                continue;
            }
            let takes: Vec<bool> = match self.facts.is_empty() {
                true => Vec::new(),
                false => record.versions.iter().map(|version| self.passes(&version.attributes)).collect(),
            };
            if takes.is_empty() || takes.contains(&true) {
                return Ok(Some((record, takes, range)));
            }
        }
    }

    fn passes(&self, attributes: &Attributes) -> bool {
        self.facts.iter().all(|(name, wanted)| attributes.get(name).is_some_and(|value| may_equal(value, wanted)))
    }
}

/// Whether an attribute can equal a value in SQL: false only where it certainly does not.
fn may_equal(value: &AttributeValue, wanted: &Value) -> bool {
    match (value, wanted) {
        (AttributeValue::Text(text), Value::Text(wanted)) => text == wanted,
        (AttributeValue::Integer(value), Value::Integer(wanted)) => value == wanted,
        (AttributeValue::Boolean(value), Value::Integer(wanted)) => i64::from(*value) == *wanted,
        (AttributeValue::Time(at), Value::Text(wanted)) => format_instant(*at, Zone::Utc) == *wanted,
        _ => true,
    }
}

/// Narrows first and last millisecond to what a comparison of `at_ms` leaves, exactly as SQL compares.
#[expect(clippy::cast_possible_truncation, reason = "the cast holds at the ends of i64, beyond all time")]
fn narrow_ms(from_ms: &mut i64, until_ms: &mut i64, bound: &Bound) {
    let number = match &bound.value {
        Value::Text(text) => {
            text.trim().parse::<i64>().map(Value::Integer).ok().or_else(|| text.trim().parse().map(Value::Real).ok())
        }
        other => Some(other.clone()),
    };
    // Where the value lies between two whole numbers, these are they.
    let (below, above) = match number {
        Some(Value::Integer(value)) => (value, value),
        Some(Value::Real(value)) => (value.floor() as i64, value.ceil() as i64),
        Some(Value::Null) => {
            *until_ms = i64::MIN;
            return;
        }
        // Texts and blobs are greater than all numbers.
        None | Some(Value::Text(_) | Value::Blob(_)) => {
            if matches!(bound.op, Op::Eq | Op::Gt | Op::Ge) {
                *until_ms = i64::MIN;
            }
            return;
        }
    };
    match bound.op {
        Op::Ge => *from_ms = (*from_ms).max(above),
        Op::Gt => *from_ms = (*from_ms).max(below.saturating_add(1)),
        Op::Le => *until_ms = (*until_ms).min(below),
        Op::Lt => *until_ms = (*until_ms).min(above.saturating_sub(1)),
        Op::Eq => {
            *from_ms = (*from_ms).max(above);
            *until_ms = (*until_ms).min(below);
        }
    }
}

/// Narrows them to what a comparison of `time` leaves: its texts rise with time, so where one would stand is found
/// by halving.
fn narrow_text(from_ms: &mut i64, until_ms: &mut i64, bound: &Bound) {
    let Value::Text(text) = &bound.value else { return };
    let first = |is_past: &dyn Fn(&str) -> bool| {
        let (mut low, mut high) = (Timestamp::MIN.ms(), Timestamp::MAX.ms());
        while low < high {
            let middle = low.midpoint(high);
            if is_past(&format_instant(Timestamp::from_ms(middle), Zone::Utc)) {
                high = middle;
            } else {
                low = middle.saturating_add(1);
            }
        }
        low
    };
    let at_least = || first(&|printed| printed >= text.as_str());
    let greater = || first(&|printed| printed > text.as_str());
    match bound.op {
        Op::Ge => *from_ms = (*from_ms).max(at_least()),
        Op::Gt => *from_ms = (*from_ms).max(greater()),
        Op::Le => *until_ms = (*until_ms).min(greater()),
        Op::Lt => *until_ms = (*until_ms).min(at_least()),
        Op::Eq => {
            *from_ms = (*from_ms).max(at_least());
            *until_ms = (*until_ms).min(greater());
        }
    }
}
