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
use crate::query::certificate::Certificate;
use crate::query::civil::format_instant;
use crate::query::request::{EventsRequest, Zone, events_cursor};
use crate::render::certificate as print;
use crate::render::json::{self, JsonWriter};
use crate::render::rows::{Form, Rows};

/// Answers an events request.
pub(crate) async fn events(ask: &Ask) -> Result<Response, Problem> {
    let context = Arc::clone(&ask.context);
    let request = EventsRequest::parse(context.kinds, &ask.pairs, context.clock.now())?;
    let name = file_name("events", request.range);
    let (format, form, links) = (ask.format, ask.form(), ask.links());
    let producer = move |out: &mut Output| -> Result<Ending, Failure> {
        let page = answer::events(&context.store, context.kinds, &request).map_err(Problem::from)?;
        let next = page.next.map(|(at, sequence)| events_cursor(at, sequence));
        match format {
            Format::Json => write_json(context.kinds, &request, &page, next.as_deref(), out)?,
            Format::Csv | Format::Lines => write_rows(context.kinds, &request, &page, form, out)?,
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
            page.events.iter().enumerate().try_for_each(|(index, record)| {
                let event = &record.event;
                json.object(|json| {
                    json.key("time")?.cell(&Cell::Time(event.at))?;
                    json.key("severity")?.text(event.severity.name())?;
                    json.key("type")?.text(event.event_type)?;
                    json.key("kind")?.text_or_null(event.kind)?;
                    entity(json.key("entity")?, kinds, event)?;
                    json.key("target")?.text(event.target.as_str())?;
                    json.key("message")?.text(&event.message)?;
                    details(json.key("details")?, event)?;
                    match &page.certificates {
                        Some(all) => certificate(json.key("certificate")?, all.get(index)),
                        None => Ok(()),
                    }
                })
            })
        })?;
        json.key("next")?.text_or_null(next)
    })?;
    json.finish()
}

fn write_rows(
    kinds: &[&'static Kind],
    request: &EventsRequest,
    page: &EventsPage,
    form: Form,
    out: &mut Output,
) -> io::Result<()> {
    let last = page.certificates.is_some().then_some("certificate");
    let header = ["time", "severity", "type", "kind", "entity", "target", "message", "details"];
    let header = header.into_iter().chain(last);
    let mut table = Rows::new(out, form, request.zone, header)?;
    for (index, record) in page.events.iter().enumerate() {
        let event = &record.event;
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
        let certificate = match page.certificates.as_ref().map(|all| all.get(index)) {
            Some(one @ Some(Some(_))) => Some(in_a_cell(&|json| certificate(json, one))?),
            _ => None,
        };
        let cells = [
            Cell::Time(event.at),
            Cell::Text(event.severity.name()),
            Cell::Text(event.event_type),
            event.kind.map_or(Cell::Null, Cell::Text),
            if entity.is_empty() { Cell::Null } else { Cell::Json(&entity) },
            Cell::Text(event.target.as_str()),
            Cell::Text(&event.message),
            Cell::Json(&details),
        ];
        let last = certificate.as_deref().map_or(Cell::Null, Cell::Json);
        table.row(cells.into_iter().chain(page.certificates.is_some().then_some(last)))?;
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

/// The certificate of an event; null where it has none.
fn certificate<W: Write>(json: &mut JsonWriter<W>, certificate: Option<&Option<Certificate>>) -> io::Result<()> {
    match certificate {
        Some(Some(certificate)) => print::json(json, certificate),
        _ => json.cell(&Cell::Null),
    }
}

fn details<W: Write>(json: &mut JsonWriter<W>, event: &Event) -> io::Result<()> {
    json.object(|json| {
        let mut details = event.details.iter();
        details.try_for_each(|(name, value): (&String, &AttributeValue)| json.key(name)?.cell(&Cell::Fact(value)))
    })
}
