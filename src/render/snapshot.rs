//! The picture of an instant as JSON, or one kind of it as rows.
//!
//! Must not know: HTTP, where the parts come from.

use std::io::{self, Write};

use super::json::{JsonWriter, zone_name};
use super::rows::{Form, Rows};
use crate::model::{Kind, Timestamp};
use crate::query::cell::Cell;
use crate::query::request::{Selected, SnapshotRequest};
use crate::query::snapshot::{Part, TargetState};

/// Names of the cells between a part's attributes and its numbers.
const LIFE: [&str; 4] = ["first_seen", "ended", "sample_time", "sample_age_seconds"];

/// Writes the whole picture; `parts` gives those of each kind when it is their turn.
pub fn json<W: Write, E: From<io::Error>>(
    out: W,
    request: &SnapshotRequest,
    targets: &[TargetState],
    mut parts: impl FnMut(&Selected) -> Result<Vec<Part>, E>,
) -> Result<(), E> {
    let mut json = JsonWriter::new(out, request.zone);
    json.begin(b'{')?;
    json.key("at")?.cell(&Cell::Time(request.at))?;
    json.key("tz")?.text(zone_name(request.zone))?;
    json.key("targets")?.array(|json| targets.iter().try_for_each(|state| target(json, state, request.at)))?;
    json.key("kinds")?.begin(b'[')?;
    for selected in &request.kinds {
        let parts = parts(selected)?;
        json.object(|json| {
            json.key("kind")?.text(selected.kind.name)?;
            json.key("entities")?
                .array(|json| parts.iter().try_for_each(|part| entity(json, selected.kind, part, request.at)))
        })?;
    }
    json.end(b']');
    json.end(b'}');
    Ok(json.finish()?)
}

fn target<W: Write>(json: &mut JsonWriter<W>, state: &TargetState, at: Timestamp) -> io::Result<()> {
    json.object(|json| {
        json.key("target")?.text(state.target.as_str())?;
        match state.outcome {
            Some(outcome) => json.key("up")?.boolean(outcome.is_good())?,
            None => json.key("up")?.cell(&Cell::Null)?,
        }
        json.key("outcome")?.text_or_null(state.outcome.map(|outcome| outcome.name()))?;
        json.key("last_success")?.cell(&state.last_good.map_or(Cell::Null, Cell::Time))?;
        json.key("age_seconds")?.cell(&state.last_good.map_or(Cell::Null, |good| age(at, good)))
    })
}

fn entity<W: Write>(json: &mut JsonWriter<W>, kind: &'static Kind, part: &Part, at: Timestamp) -> io::Result<()> {
    json.object(|json| {
        let mut keys = kind.identity.iter().enumerate();
        json.key("identity")?
            .object(|json| keys.try_for_each(|(index, key)| json.key(key.name)?.text(part.identity.part(index))))?;
        json.key("attributes")?.object(|json| {
            let mut facts = kind.attributes.iter().zip(facts(kind, part));
            facts.try_for_each(|(attribute, fact)| json.key(attribute.name)?.cell(&fact))
        })?;
        LIFE.iter().zip(life(part, at)).try_for_each(|(name, cell)| json.key(name)?.cell(&cell))?;
        json.key("values")?.object(|json| {
            let mut values = number_names(kind).zip(numbers(kind, part));
            values.try_for_each(|(name, cell)| json.key(name)?.cell(&cell))
        })
    })
}

/// Writes the parts of one kind: identity, attributes, life, columns, derived columns.
pub fn rows<W: Write>(
    out: W,
    form: Form,
    request: &SnapshotRequest,
    kind: &'static Kind,
    parts: &[Part],
) -> io::Result<()> {
    let mut table = Rows::new(out, form, request.zone, header(kind))?;
    for part in parts {
        table.row(cells(kind, part, request.at))?;
    }
    table.finish()
}

/// Names of the cells of a row.
pub fn header(kind: &'static Kind) -> impl Iterator<Item = &'static str> {
    let identity = kind.identity.iter().map(|key| key.name);
    let attributes = kind.attributes.iter().map(|attribute| attribute.name);
    identity.chain(attributes).chain(LIFE).chain(number_names(kind))
}

/// A row's cells, in the same order.
pub fn cells<'a>(kind: &'static Kind, part: &'a Part, at: Timestamp) -> impl Iterator<Item = Cell<'a>> {
    let identity = (0..kind.identity.len()).map(|index| Cell::Text(part.identity.part(index)));
    identity.chain(facts(kind, part)).chain(life(part, at)).chain(numbers(kind, part))
}

fn facts<'a>(kind: &'static Kind, part: &'a Part) -> impl Iterator<Item = Cell<'a>> {
    kind.attributes.iter().map(|attribute| part.attributes.get(attribute.name).map_or(Cell::Null, Cell::Fact))
}

fn life(part: &Part, at: Timestamp) -> [Cell<'static>; 4] {
    let sample = part.sample.as_ref();
    [
        Cell::Time(part.first_seen),
        part.ended.map_or(Cell::Null, Cell::Time),
        sample.map_or(Cell::Null, |sample| Cell::Time(sample.at)),
        sample.map_or(Cell::Null, |sample| age(at, sample.at)),
    ]
}

fn number_names(kind: &'static Kind) -> impl Iterator<Item = &'static str> {
    kind.columns.iter().map(|column| column.name).chain(kind.derived.iter().map(|derived| derived.name))
}

fn numbers<'a>(kind: &'static Kind, part: &'a Part) -> impl Iterator<Item = Cell<'a>> {
    let sample = part.sample.as_ref();
    let columns = sample.map_or(&[][..], |sample| &sample.columns).iter();
    let derived = sample.map_or(&[][..], |sample| &sample.derived).iter();
    let known = columns.chain(derived).map(|&number| Cell::from(number));
    known.chain(std::iter::repeat(Cell::Null)).take(kind.columns.len().saturating_add(kind.derived.len()))
}

fn age(at: Timestamp, then: Timestamp) -> Cell<'static> {
    Cell::Scaled { value: at.ms_since(then), decimals: 3 }
}
