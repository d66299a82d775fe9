//! `/events`: what happened in a range.
//!
//! Must not know: how events are found.

use std::io::{self, Write};
use std::sync::Arc;

use warp::reply::Response;

use super::body::{Ending, Failure, Output};
use super::freshness::mark;
use super::negotiate::Format;
use super::problem::Problem;
use super::routes::{Ask, file_name};
use crate::answer::{self, EventsPage};
use crate::model::{AttributeValue, Event, Kind};
use crate::query::cell::Cell;
use crate::query::civil::format_instant;
use crate::query::request::{EventsRequest, Zone, events_cursor};
use crate::render::csv::CsvTable;
use crate::render::json::{self, JsonWriter};

/// Answers an events request.
pub(crate) async fn events(ask: &Ask) -> Result<Response, Problem> {
    let context = Arc::clone(&ask.context);
    let request = EventsRequest::parse(context.kinds, &ask.pairs, context.clock.now())?;
    let name = file_name("events", request.range);
    let (format, links) = (ask.format, ask.links());
    let producer = move |out: &mut Output| -> Result<Ending, Failure> {
        let page = answer::events(&context.store, context.kinds, &request).map_err(Problem::from)?;
        let next = page.next.map(|(at, sequence)| events_cursor(at, sequence));
        match format {
            Format::Json => write_json(context.kinds, &request, &page, next.as_deref(), out)?,
            Format::Csv => write_csv(context.kinds, &request, &page, out)?,
        }
        let (start, end) = (request.range.start(), request.range.end());
        let (start, end) = (format_instant(start, Zone::Utc), format_instant(end, Zone::Utc));
        let link = |cursor: &String| links.next(&[("start", &start), ("end", &end), ("cursor", cursor)]);
        Ok(Ending { link: next.as_ref().map(link) })
    };
    let mut response = ask.table(&name, true, producer).await?;
    mark(&mut response, None);
    Ok(response)
}

fn write_json(
    kinds: &[&'static Kind],
    request: &EventsRequest,
    page: &EventsPage,
    next: Option<&str>,
    out: &mut Output,
) -> io::Result<()> {
    let mut json = JsonWriter::new(out, request.zone);
    json.object(|json| {
        json.key("start")?.bucket_time(request.range.start())?;
        json.key("end")?.bucket_time(request.range.end())?;
        json.key("tz")?.text(json::zone_name(request.zone))?;
        json.key("events")?.array(|json| {
            page.events.iter().map(|record| &record.event).try_for_each(|event| {
                json.object(|json| {
                    json.key("time")?.cell(&Cell::Time(event.at))?;
                    json.key("severity")?.text(event.severity.name())?;
                    json.key("type")?.text(event.event_type)?;
                    json.key("kind")?.text_or_null(event.kind)?;
                    entity(json.key("entity")?, kinds, event)?;
                    json.key("target")?.text(event.target.as_str())?;
                    json.key("message")?.text(&event.message)?;
                    details(json.key("details")?, event)
                })
            })
        })?;
        json.key("next")?.text_or_null(next)
    })?;
    json.finish()
}

fn write_csv(kinds: &[&'static Kind], request: &EventsRequest, page: &EventsPage, out: &mut Output) -> io::Result<()> {
    let header = ["time", "severity", "type", "kind", "entity", "target", "message", "details"];
    let mut table = CsvTable::new(out, request.zone, header)?;
    for event in page.events.iter().map(|record| &record.event) {
        let in_a_cell = |write: &dyn Fn(&mut JsonWriter<&mut Vec<u8>>) -> io::Result<()>| -> io::Result<String> {
            let mut text = Vec::new();
            let mut json = JsonWriter::new(&mut text, request.zone);
            write(&mut json)?;
            json.finish()?;
            Ok(String::from_utf8_lossy(text.trim_ascii_end()).into_owned())
        };
        let entity = match &event.entity {
            Some(_) => in_a_cell(&|json| entity(json, kinds, event))?,
            None => String::new(),
        };
        let details = in_a_cell(&|json| details(json, event))?;
        table.row([
            Cell::Time(event.at),
            Cell::Text(event.severity.name()),
            Cell::Text(event.event_type),
            event.kind.map_or(Cell::Null, Cell::Text),
            Cell::Text(&entity),
            Cell::Text(event.target.as_str()),
            Cell::Text(&event.message),
            Cell::Text(&details),
        ])?;
    }
    table.finish()
}

/// The identity of the event's entity, by name; null where there is none.
fn entity<W: Write>(json: &mut JsonWriter<W>, kinds: &[&'static Kind], event: &Event) -> io::Result<()> {
    let kind = kinds.iter().find(|kind| event.kind == Some(kind.name));
    match kind.zip(event.entity.as_ref()) {
        None => json.cell(&Cell::Null),
        Some((kind, identity)) => json.object(|json| {
            let mut keys = kind.identity.iter().enumerate();
            keys.try_for_each(|(index, key)| json.key(key.name)?.text(identity.part(index)))
        }),
    }
}

fn details<W: Write>(json: &mut JsonWriter<W>, event: &Event) -> io::Result<()> {
    json.object(|json| {
        let mut details = event.details.iter();
        details.try_for_each(|(name, value): (&String, &AttributeValue)| json.key(name)?.cell(&Cell::Fact(value)))
    })
}
