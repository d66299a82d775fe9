//! Differences as JSON, or as one table of rows.
//!
//! Must not know: HTTP, how differences are found.

use std::io::{self, Write};

use super::json::{JsonWriter, zone_name};
use super::rows::{Form, Rows};
use crate::model::{AttributeValue, Attributes, Identity, Kind, TimeRange};
use crate::query::cell::Cell;
use crate::query::diff::{Change, Diff, Life, Number, Side};
use crate::query::evaluate::display_labels;
use crate::query::request::{DiffRequest, label_value};

/// Names of the cells of a row.
pub const NAMES: [&str; 15] = [
    "change",
    "time",
    "kind",
    "labels",
    "what",
    "old",
    "new",
    "unit",
    "ratio",
    "score",
    "before_values",
    "after_values",
    "before_coverage",
    "after_coverage",
    "identity",
];

/// Writes differences and the request, resolved.
pub fn json<W: Write>(out: W, request: &DiffRequest, diff: &Diff) -> io::Result<()> {
    let mut json = JsonWriter::new(out, request.zone);
    json.object(|json| {
        json.key("from")?.bucket_time(request.range.start())?;
        json.key("to")?.bucket_time(request.range.end())?;
        json.key("tz")?.text(zone_name(request.zone))?;
        window(json.key("before")?, request.before)?;
        window(json.key("after")?, request.after)?;
        json.key("kinds")?.array(|json| request.kinds.iter().try_for_each(|one| json.text(one.kind.name)))?;
        json.key("group_by")?.array(|json| request.group_by.iter().try_for_each(|name| json.text(name)))?;
        json.key("come")?.array(|json| diff.come.iter().try_for_each(|one| life(json, one)))?;
        json.key("gone")?.array(|json| diff.gone.iter().try_for_each(|one| life(json, one)))?;
        json.key("moved")?.array(|json| {
            diff.moved.iter().try_for_each(|moved| {
                json.object(|json| {
                    life(json.key("from")?, &moved.from)?;
                    life(json.key("to")?, &moved.to)
                })
            })
        })?;
        json.key("changed")?.array(|json| diff.changes.iter().try_for_each(|one| change(json, one)))?;
        json.key("numbers")?.array(|json| diff.numbers.iter().try_for_each(|one| number(json, one)))
    })?;
    json.finish()
}

fn window<W: Write>(json: &mut JsonWriter<W>, window: TimeRange) -> io::Result<()> {
    json.object(|json| {
        json.key("start")?.bucket_time(window.start())?;
        json.key("end")?.bucket_time(window.end())
    })
}

fn life<W: Write>(json: &mut JsonWriter<W>, life: &Life) -> io::Result<()> {
    json.object(|json| {
        json.key("time")?.cell(&Cell::Time(life.at))?;
        thing(json, life.kind, &life.identity, &life.attributes)
    })
}

fn thing<W: Write>(
    json: &mut JsonWriter<W>,
    kind: &'static Kind,
    identity: &Identity,
    attributes: &Attributes,
) -> io::Result<()> {
    json.key("kind")?.text(kind.name)?;
    identity_of(json.key("identity")?, kind, identity)?;
    labels_of(json.key("labels")?, kind, identity, attributes)
}

fn identity_of<W: Write>(json: &mut JsonWriter<W>, kind: &'static Kind, identity: &Identity) -> io::Result<()> {
    json.object(|json| {
        let mut keys = kind.identity.iter().enumerate();
        keys.try_for_each(|(index, key)| json.key(key.name)?.text(identity.part(index)))
    })
}

fn labels_of<W: Write>(
    json: &mut JsonWriter<W>,
    kind: &'static Kind,
    identity: &Identity,
    attributes: &Attributes,
) -> io::Result<()> {
    json.object(|json| {
        display_labels(kind).iter().try_for_each(|label| {
            let value = label_value(kind, identity, attributes, label);
            json.key(&label.name(kind))?.text_or_null(value.as_deref())
        })
    })
}

fn change<W: Write>(json: &mut JsonWriter<W>, change: &Change) -> io::Result<()> {
    json.object(|json| {
        json.key("time")?.cell(&Cell::Time(change.at))?;
        thing(json, change.kind, &change.identity, &change.attributes)?;
        json.key("attribute")?.text(change.attribute)?;
        json.key("old")?.cell(&fact(change.old.as_ref()))?;
        json.key("new")?.cell(&fact(change.new.as_ref()))
    })
}

fn fact(value: Option<&AttributeValue>) -> Cell<'_> {
    value.map_or(Cell::Null, Cell::Fact)
}

fn number<W: Write>(json: &mut JsonWriter<W>, number: &Number) -> io::Result<()> {
    json.object(|json| {
        json.key("kind")?.text(number.kind.name)?;
        group(json.key("labels")?, number)?;
        json.key("field")?.text(number.field)?;
        json.key("unit")?.text(number.unit)?;
        side(json.key("before")?, &number.before)?;
        side(json.key("after")?, &number.after)?;
        json.key("ratio")?.cell(&number.ratio.map_or(Cell::Null, Cell::Derived))?;
        json.key("score")?.cell(&Cell::Derived(number.score))
    })
}

fn group<W: Write>(json: &mut JsonWriter<W>, number: &Number) -> io::Result<()> {
    json.object(|json| {
        number.labels.iter().try_for_each(|(name, value)| json.key(name)?.text_or_null(value.as_deref()))
    })
}

fn side<W: Write>(json: &mut JsonWriter<W>, side: &Side) -> io::Result<()> {
    json.object(|json| {
        json.key("mean")?.cell(&Cell::Derived(side.mean))?;
        json.key("values")?.cell(&count(side))?;
        json.key("coverage")?.cell(&Cell::Derived(side.coverage))
    })
}

fn count(side: &Side) -> Cell<'static> {
    Cell::Scaled { value: i64::try_from(side.values).unwrap_or(i64::MAX), decimals: 0 }
}

/// Writes differences as rows: `come`, `gone`, `moved` (a row for either end), `changed`, `number`.
pub fn rows<W: Write>(out: W, form: Form, request: &DiffRequest, diff: &Diff) -> io::Result<()> {
    let mut table = Rows::new(out, form, request.zone, NAMES)?;
    each_row(request, diff, &mut |cells| table.row(cells.iter().cloned()))?;
    table.finish()
}

/// Gives the cells of every row, in the order of [`NAMES`].
pub fn each_row(
    request: &DiffRequest,
    diff: &Diff,
    emit: &mut dyn FnMut(&[Cell<'_>]) -> io::Result<()>,
) -> io::Result<()> {
    let moved = || diff.moved.iter().flat_map(|moved| [("moved_from", &moved.from), ("moved_to", &moved.to)]);
    let lives = diff.come.iter().map(|life| ("come", life)).chain(diff.gone.iter().map(|life| ("gone", life)));
    for (word, life) in lives.chain(moved()) {
        let (labels, identity) = in_cells(request, life.kind, &life.identity, &life.attributes)?;
        let head = [Cell::Text(word), Cell::Time(life.at), Cell::Text(life.kind.name), Cell::Json(&labels)];
        emit(&head.into_iter().chain(nulls(10)).chain([Cell::Json(&identity)]).collect::<Vec<_>>())?;
    }
    for change in &diff.changes {
        let (labels, identity) = in_cells(request, change.kind, &change.identity, &change.attributes)?;
        let head = [
            Cell::Text("changed"),
            Cell::Time(change.at),
            Cell::Text(change.kind.name),
            Cell::Json(&labels),
            Cell::Text(change.attribute),
            fact(change.old.as_ref()),
            fact(change.new.as_ref()),
        ];
        emit(&head.into_iter().chain(nulls(7)).chain([Cell::Json(&identity)]).collect::<Vec<_>>())?;
    }
    for number in &diff.numbers {
        let labels = in_a_cell(request, |json| group(json, number))?;
        emit(&[
            Cell::Text("number"),
            Cell::Null,
            Cell::Text(number.kind.name),
            Cell::Json(&labels),
            Cell::Text(number.field),
            Cell::Derived(number.before.mean),
            Cell::Derived(number.after.mean),
            Cell::Text(number.unit),
            number.ratio.map_or(Cell::Null, Cell::Derived),
            Cell::Derived(number.score),
            count(&number.before),
            count(&number.after),
            Cell::Derived(number.before.coverage),
            Cell::Derived(number.after.coverage),
            Cell::Null,
        ])?;
    }
    Ok(())
}

fn nulls<'a>(count: usize) -> impl Iterator<Item = Cell<'a>> {
    std::iter::repeat_n(Cell::Null, count)
}

fn in_cells(
    request: &DiffRequest,
    kind: &'static Kind,
    identity: &Identity,
    attributes: &Attributes,
) -> io::Result<(String, String)> {
    Ok((
        in_a_cell(request, |json| labels_of(json, kind, identity, attributes))?,
        in_a_cell(request, |json| identity_of(json, kind, identity))?,
    ))
}

fn in_a_cell(
    request: &DiffRequest,
    write: impl FnOnce(&mut JsonWriter<&mut Vec<u8>>) -> io::Result<()>,
) -> io::Result<String> {
    let mut text = Vec::new();
    let mut json = JsonWriter::new(&mut text, request.zone);
    write(&mut json)?;
    json.finish_lines()?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
