//! `/entities/{kind}`: what was there in a range, with its attributes as of the range's end.
//!
//! Must not know: how entities are found.

use std::io;
use std::sync::Arc;

use warp::reply::Response;

use super::body::{Ending, Failure, Output};
use super::freshness::mark;
use super::negotiate::Format;
use super::problem::Problem;
use super::routes::{Ask, Links, file_name};
use crate::answer::{self, EntitiesPage};
use crate::model::{Attributes, EntityRecord, Kind};
use crate::query::cell::Cell;
use crate::query::civil::format_instant;
use crate::query::request::{EntitiesRequest, Zone, entities_cursor};
use crate::render::json::{self, JsonWriter};
use crate::render::rows::{Form, Rows};

/// Answers an entities request.
pub(crate) async fn entities(ask: &Ask, kind: &'static Kind) -> Result<Response, Problem> {
    let context = Arc::clone(&ask.context);
    let request = EntitiesRequest::parse(kind, &ask.pairs, context.clock.now())?;
    let name = file_name(&format!("{}_entities", kind.name), request.range);
    let (format, form, links) = (ask.format, ask.form(), ask.links());
    let producer = move |out: &mut Output| -> Result<Ending, Failure> {
        let page = answer::entities(&context.store, &request).map_err(Problem::from)?;
        let next = page.next.as_ref().map(entities_cursor);
        match format {
            Format::Json => write_json(&request, &page, next.as_deref(), out)?,
            Format::Csv | Format::Lines => write_rows(&request, &page, form, out)?,
        }
        Ok(ending(&request, &links, next.as_deref()))
    };
    let mut response = ask.table(&name, true, producer).await?;
    mark(&mut response, None);
    Ok(response)
}

fn write_json(request: &EntitiesRequest, page: &EntitiesPage, next: Option<&str>, out: &mut Output) -> io::Result<()> {
    let kind = request.kind;
    let mut json = JsonWriter::new(out, request.zone);
    json.object(|json| {
        json.key("kind")?.text(kind.name)?;
        json.key("start")?.bucket_time(request.range.start())?;
        json.key("end")?.bucket_time(request.range.end())?;
        json.key("tz")?.text(json::zone_name(request.zone))?;
        json.key("entities")?.array(|json| {
            page.entities.iter().try_for_each(|(record, attributes)| {
                json.object(|json| {
                    let identity = kind.identity.iter().enumerate();
                    json.key("identity")?.object(|json| {
                        identity
                            .into_iter()
                            .try_for_each(|(index, key)| json.key(key.name)?.text(record.identity.part(index)))
                    })?;
                    json.key("attributes")?.object(|json| {
                        kind.attributes
                            .iter()
                            .zip(facts(kind, attributes))
                            .try_for_each(|(attribute, fact)| json.key(attribute.name)?.cell(&fact))
                    })?;
                    let names = ["first_seen", "last_seen", "ended"];
                    names.iter().zip(life(record)).try_for_each(|(name, cell)| json.key(name)?.cell(&cell))
                })
            })
        })?;
        json.key("next")?.text_or_null(next)
    })?;
    json.finish()
}

fn write_rows(request: &EntitiesRequest, page: &EntitiesPage, form: Form, out: &mut Output) -> io::Result<()> {
    let kind = request.kind;
    let identity = kind.identity.iter().map(|key| key.name);
    let attributes = kind.attributes.iter().map(|attribute| attribute.name);
    let header = identity.chain(attributes).chain(["first_seen", "last_seen", "ended"]);
    let mut table = Rows::new(out, form, request.zone, header)?;
    for (record, attributes) in &page.entities {
        let identity = (0..kind.identity.len()).map(|index| Cell::Text(record.identity.part(index)));
        table.row(identity.chain(facts(kind, attributes)).chain(life(record)))?;
    }
    table.finish()
}

/// All attributes in the order of the kind's description.
fn facts<'a>(kind: &'static Kind, attributes: &'a Attributes) -> impl Iterator<Item = Cell<'a>> {
    kind.attributes.iter().map(|attribute| attributes.get(attribute.name).map_or(Cell::Null, Cell::Fact))
}

/// First seen, last seen, ended.
fn life(record: &EntityRecord) -> [Cell<'static>; 3] {
    [Cell::Time(record.first_seen), Cell::Time(record.last_seen), record.ended.map_or(Cell::Null, Cell::Time)]
}

fn ending(request: &EntitiesRequest, links: &Links, next: Option<&str>) -> Ending {
    let (start, end) = (request.range.start(), request.range.end());
    let (start, end) = (format_instant(start, Zone::Utc), format_instant(end, Zone::Utc));
    Ending { link: next.map(|cursor| links.next(&[("start", &start), ("end", &end), ("cursor", cursor)])) }
}
