//! Outlooks and room as JSON, or as a table of rows.
//!
//! Must not know: HTTP, how they are computed.

use std::io::{self, Write};

use super::json::{JsonWriter, zone_name};
use super::rows::{Form, Rows};
use crate::model::TimeRange;
use crate::query::capacity::Outlook;
use crate::query::cell::Cell;
use crate::query::headroom::{Headroom, Room};
use crate::query::request::{CapacityRequest, HeadroomRequest, Zone};

/// Names of the cells of an outlook; its labels stand in one of them, as JSON.
pub const OUTLOOK_NAMES: [&str; 21] = [
    "of",
    "labels",
    "resource",
    "unit",
    "used",
    "whole",
    "full",
    "days",
    "coverage",
    "per_day",
    "per_day_low",
    "per_day_high",
    "season",
    "at_horizon",
    "at_horizon_low",
    "at_horizon_high",
    "passes",
    "passes_earliest",
    "passes_latest",
    "why",
    "threshold",
];

/// Names of the cells of what fits on an agent.
pub const ROOM_NAMES: [&str; 9] = [
    "cluster",
    "id",
    "hostname",
    "fits_now",
    "fits_at_worst",
    "worst_hour",
    "cpus_free",
    "memory_free_bytes",
    "coverage",
];

fn derived<'a>(value: Option<f64>) -> Cell<'a> {
    value.map_or(Cell::Null, Cell::Derived)
}

fn count<'a>(value: u64) -> Cell<'a> {
    Cell::Scaled { value: i64::try_from(value).unwrap_or(i64::MAX), decimals: 0 }
}

/// Everything of an outlook but its labels, by name.
fn outlook_cells<'a>(request: &CapacityRequest, outlook: &'a Outlook) -> Vec<(&'static str, Cell<'a>)> {
    let trend = outlook.trend.as_ref();
    let day = |at: Option<crate::model::Timestamp>| at.map_or(Cell::Null, Cell::Bucket);
    vec![
        ("of", Cell::Text(outlook.of)),
        ("resource", Cell::Text(outlook.resource)),
        ("unit", Cell::Text(outlook.unit)),
        ("used", Cell::Derived(outlook.used)),
        ("whole", derived(outlook.whole)),
        ("full", derived(outlook.full)),
        ("days", count(u64::try_from(outlook.days).unwrap_or(u64::MAX))),
        ("coverage", Cell::Derived(outlook.coverage)),
        ("per_day", derived(trend.map(|trend| trend.per_day))),
        ("per_day_low", derived(trend.map(|trend| trend.per_day_low))),
        ("per_day_high", derived(trend.map(|trend| trend.per_day_high))),
        ("season", trend.filter(|trend| trend.weekly.is_some()).map_or(Cell::Null, |_| Cell::Text("weekly"))),
        ("at_horizon", derived(outlook.at_horizon.map(|expected| expected.value))),
        ("at_horizon_low", derived(outlook.at_horizon.map(|expected| expected.low))),
        ("at_horizon_high", derived(outlook.at_horizon.map(|expected| expected.high))),
        ("passes", day(outlook.passes.at)),
        ("passes_earliest", day(outlook.passes.earliest)),
        ("passes_latest", day(outlook.passes.latest)),
        ("why", outlook.why.map_or(Cell::Null, Cell::Text)),
        ("threshold", Cell::Derived(request.threshold)),
    ]
}

/// Everything of an agent's room but its labels, by name.
fn room_cells<'a>(room: &Room) -> [(&'static str, Cell<'a>); 6] {
    [
        ("fits_now", count(room.fits_now)),
        ("fits_at_worst", count(room.fits_at_worst)),
        ("worst_hour", Cell::Bucket(room.worst_hour)),
        ("cpus_free", Cell::Derived(room.cpus_free)),
        ("memory_free_bytes", Cell::Derived(room.memory_free_bytes)),
        ("coverage", Cell::Derived(room.coverage)),
    ]
}

type Labels = [(String, Option<String>)];

fn write_labels<W: Write>(json: &mut JsonWriter<W>, labels: &Labels) -> io::Result<()> {
    json.object(|json| labels.iter().try_for_each(|(name, value)| json.key(name)?.text_or_null(value.as_deref())))
}

fn write_range<W: Write>(json: &mut JsonWriter<W>, range: TimeRange, zone: Zone) -> io::Result<()> {
    json.key("start")?.bucket_time(range.start())?;
    json.key("end")?.bucket_time(range.end())?;
    json.key("tz")?.text(zone_name(zone))
}

/// Writes outlooks and the request, resolved.
pub fn capacity_json<W: Write>(out: W, request: &CapacityRequest, outlooks: &[Outlook]) -> io::Result<()> {
    let mut json = JsonWriter::new(out, request.zone);
    json.object(|json| {
        write_range(json, request.range, request.zone)?;
        json.key("threshold")?.cell(&Cell::Derived(request.threshold))?;
        json.key("horizon_seconds")?.cell(&Cell::Scaled { value: request.horizon_ms / 1000, decimals: 0 })?;
        json.key("outlooks")?.array(|json| {
            outlooks.iter().try_for_each(|outlook| {
                json.object(|json| {
                    write_labels(json.key("labels")?, &outlook.labels)?;
                    outlook_cells(request, outlook).iter().try_for_each(|(name, cell)| json.key(name)?.cell(cell))
                })
            })
        })
    })?;
    json.finish()
}

/// Gives the cells of every outlook, in the order of [`OUTLOOK_NAMES`].
pub fn each_outlook(
    request: &CapacityRequest,
    outlooks: &[Outlook],
    emit: &mut dyn FnMut(&[Cell<'_>]) -> io::Result<()>,
) -> io::Result<()> {
    for outlook in outlooks {
        let mut text = Vec::new();
        let mut json = JsonWriter::new(&mut text, request.zone);
        write_labels(&mut json, &outlook.labels)?;
        json.finish_lines()?;
        let labels = String::from_utf8_lossy(&text);
        let mut cells = outlook_cells(request, outlook).into_iter().map(|(_, cell)| cell);
        let of = cells.next().unwrap_or(Cell::Null);
        emit(&[of, Cell::Json(&labels)].into_iter().chain(cells).collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Writes outlooks, a row each.
pub fn capacity_rows<W: Write>(out: W, form: Form, request: &CapacityRequest, outlooks: &[Outlook]) -> io::Result<()> {
    let mut table = Rows::new(out, form, request.zone, OUTLOOK_NAMES)?;
    each_outlook(request, outlooks, &mut |cells| table.row(cells.iter().cloned()))?;
    table.finish()
}

/// Writes what fits and the request, resolved.
pub fn headroom_json<W: Write>(out: W, request: &HeadroomRequest, headroom: &Headroom) -> io::Result<()> {
    let mut json = JsonWriter::new(out, request.zone);
    let flag = |flag: Option<bool>| flag.map_or(Cell::Null, |flag| Cell::Json(if flag { "true" } else { "false" }));
    json.object(|json| {
        write_range(json, request.range, request.zone)?;
        json.key("cpus")?.cell(&Cell::Derived(request.cpus))?;
        json.key("memory_bytes")?.cell(&Cell::Scaled { value: request.memory_bytes, decimals: 0 })?;
        json.key("instances")?.cell(&count(request.instances))?;
        json.key("fits_now")?.cell(&count(headroom.fits_now))?;
        json.key("is_enough_now")?.cell(&flag(Some(headroom.is_enough_now)))?;
        json.key("fits_at_worst")?.cell(&headroom.fits_at_worst.map_or(Cell::Null, count))?;
        json.key("is_enough_at_worst")?.cell(&flag(headroom.is_enough_at_worst))?;
        json.key("worst_hour")?.cell(&headroom.worst_hour.map_or(Cell::Null, Cell::Bucket))?;
        json.key("agents")?.array(|json| {
            headroom.agents.iter().try_for_each(|room| {
                json.object(|json| {
                    write_labels(json.key("labels")?, &room.labels)?;
                    room_cells(room).iter().try_for_each(|(name, cell)| json.key(name)?.cell(cell))
                })
            })
        })
    })?;
    json.finish()
}

/// Gives the cells of every agent, in the order of [`ROOM_NAMES`].
pub fn each_room(headroom: &Headroom, emit: &mut dyn FnMut(&[Cell<'_>]) -> io::Result<()>) -> io::Result<()> {
    for room in &headroom.agents {
        let labels = room.labels.iter().map(|(_, value)| value.as_deref().map_or(Cell::Null, Cell::Text));
        emit(&labels.chain(room_cells(room).map(|(_, cell)| cell)).collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Writes what fits, an agent a row.
pub fn headroom_rows<W: Write>(out: W, form: Form, request: &HeadroomRequest, headroom: &Headroom) -> io::Result<()> {
    let mut table = Rows::new(out, form, request.zone, ROOM_NAMES)?;
    each_room(headroom, &mut |cells| table.row(cells.iter().cloned()))?;
    table.finish()
}
