//! Functions that SQL has here beside SQLite's own: time, globs, percentiles, increase and rate.
//!
//! | function | gives |
//! |---|---|
//! | `instant(text [, zone])` | milliseconds of a time as the API reads it: `-7d`, `2026-08`, RFC 3339, … |
//! | `iso(ms [, zone])` | the RFC 3339 text of an instant, in UTC or a zone |
//! | `bucket(ms, step [, zone])` | where its bucket starts, as /range cuts them: `5m`, `1h`, `1d`, `1w`, `1mo` |
//! | `glob(pattern, text)`, `text GLOB pattern` | whether a filter of the API would pass it: `*`, `?`, `!`, `,`, `\` |
//! | `percentile(value, p)` | over a group, p from 0 to 100, linear between ranks |
//! | `increase(c_increase)` | over a group: what a counter grew by, exactly; null where nothing is known |
//! | `rate(c_increase, stretch_seconds)` | over a group: the counter's mean rate, holes left out |
//!
//! Must not know: tables.

use std::sync::Arc;

use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Error};

use super::watch::Watch;
use crate::model::Timestamp;
use crate::query::civil::format_bucket_time;
use crate::query::evaluate::percentile;
use crate::query::filter::Pattern;
use crate::query::request::{Step, Zone, parse_time, parse_zone};

/// Makes the functions known to a connection.
pub(super) fn create(connection: &Connection, now: Timestamp, watch: &Arc<Watch>) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    for arguments in [1, 2] {
        connection.create_scalar_function("instant", arguments, flags, move |context| instant(context, now))?;
        connection.create_scalar_function("iso", arguments, flags, iso)?;
        connection.create_scalar_function("bucket", arguments + 1, flags, bucket)?;
    }
    connection.create_scalar_function("glob", 2, flags, glob)?;
    connection.create_aggregate_function("percentile", 2, flags, Percentile(Arc::clone(watch)))?;
    connection.create_aggregate_function("increase", 1, flags, Increase)?;
    connection.create_aggregate_function("rate", 2, flags, Rate)
}

fn fault(message: impl Into<String>) -> Error {
    Error::UserFunctionError(message.into().into())
}

/// A text, or nothing where the argument is null.
fn text<'a>(context: &'a Context<'_>, index: usize, function: &str) -> rusqlite::Result<Option<&'a str>> {
    match context.get_raw(index) {
        ValueRef::Null => Ok(None),
        ValueRef::Text(text) => Ok(std::str::from_utf8(text).ok()),
        other => Err(fault(format!("{function}: argument {} is {:?}, not text", index + 1, other.data_type()))),
    }
}

/// An instant in milliseconds, or nothing where the argument is null.
#[expect(clippy::cast_possible_truncation, reason = "the cast holds at the ends of i64, beyond all time")]
fn milliseconds(context: &Context<'_>, function: &str) -> rusqlite::Result<Option<Timestamp>> {
    match context.get_raw(0) {
        ValueRef::Null => Ok(None),
        ValueRef::Integer(ms) => Ok(Some(Timestamp::from_ms(ms))),
        ValueRef::Real(ms) => Ok(Some(Timestamp::from_ms(ms.floor() as i64))),
        _ => Err(fault(format!("{function}: the first argument is an instant in milliseconds, such as at_ms"))),
    }
}

/// The zone that an argument names, read once a statement; UTC where there is none.
fn zone(context: &Context<'_>, index: usize, function: &str) -> rusqlite::Result<Zone> {
    if context.len() <= index {
        return Ok(Zone::Utc);
    }
    let Some(name) = text(context, index, function)? else { return Ok(Zone::Utc) };
    let index = i32::try_from(index).unwrap_or(i32::MAX);
    let read = context.get_or_create_aux(index, |_| -> Result<Zone, Box<dyn std::error::Error + Send + Sync>> {
        parse_zone(name).map_err(|why| format!("{function}: {why}").into())
    });
    read.map(|zone| *zone)
}

fn instant(context: &Context<'_>, now: Timestamp) -> rusqlite::Result<Option<i64>> {
    let zone = zone(context, 1, "instant")?;
    let Some(text) = text(context, 0, "instant")? else { return Ok(None) };
    parse_time(text, now, zone).map(|at| Some(at.ms())).map_err(|why| fault(format!("instant: {why}")))
}

fn iso(context: &Context<'_>) -> rusqlite::Result<Option<String>> {
    let zone = zone(context, 1, "iso")?;
    Ok(milliseconds(context, "iso")?.map(|at| format_bucket_time(at, zone)))
}

fn bucket(context: &Context<'_>) -> rusqlite::Result<Option<i64>> {
    let zone = zone(context, 2, "bucket")?;
    let step = context.get_or_create_aux(1, |value| -> Result<Step, Box<dyn std::error::Error + Send + Sync>> {
        let text = value.as_str().map_err(|_| "bucket: the second argument is a step such as '1h' or '1d'")?;
        Step::parse(text).map_err(|why| format!("bucket: {why}").into())
    })?;
    let Some(at) = milliseconds(context, "bucket")? else { return Ok(None) };
    let held = at.clamp(Timestamp::MIN, Timestamp::MAX);
    match step.start_of(held, zone) {
        Some(start) => Ok(Some(start.ms())),
        None => Err(fault("bucket: `all` is no step here; leave the bucket out of GROUP BY")),
    }
}

/// As filters do: a text that is not known is the empty one.
fn glob(context: &Context<'_>) -> rusqlite::Result<bool> {
    let pattern =
        context.get_or_create_aux(0, |value| -> Result<Pattern, Box<dyn std::error::Error + Send + Sync>> {
            let text = value.as_str().map_err(|_| "glob: the pattern is not text")?;
            Pattern::parse(text).map_err(|why| format!("glob: the pattern {why}").into())
        })?;
    Ok(match context.get_raw(1) {
        ValueRef::Null => pattern.matches(""),
        ValueRef::Text(text) => pattern.matches(&String::from_utf8_lossy(text)),
        ValueRef::Integer(value) => pattern.matches(&value.to_string()),
        ValueRef::Real(value) => pattern.matches(&value.to_string()),
        ValueRef::Blob(_) => false,
    })
}

/// A number, or nothing where the argument is none.
#[expect(clippy::cast_precision_loss, reason = "SQL's own arithmetic does the same")]
fn number(context: &Context<'_>, index: usize) -> Option<f64> {
    match context.get_raw(index) {
        ValueRef::Integer(value) => Some(value as f64),
        ValueRef::Real(value) => Some(value),
        _ => None,
    }
}

/// `percentile(value, p)`.
struct Percentile(Arc<Watch>);

/// The values of a group.
struct Values {
    values: Vec<f64>,
    percent: f64,
    held_bytes: u64,
    watch: Arc<Watch>,
}

impl Drop for Values {
    fn drop(&mut self) {
        self.watch.release(self.held_bytes);
    }
}

impl Aggregate<Values, Option<f64>> for Percentile {
    fn init(&self, context: &mut Context<'_>) -> rusqlite::Result<Values> {
        let percent = number(context, 1).filter(|percent| (0.0..=100.0).contains(percent));
        let percent = percent.ok_or_else(|| fault("percentile: the second argument is a number from 0 to 100"))?;
        Ok(Values { values: Vec::new(), percent, held_bytes: 0, watch: Arc::clone(&self.0) })
    }

    fn step(&self, context: &mut Context<'_>, group: &mut Values) -> rusqlite::Result<()> {
        if let Some(value) = number(context, 0) {
            if group.values.len() == group.values.capacity() {
                // As much again as there is, as a vector grows.
                let more = u64::try_from(group.values.len().max(4).saturating_mul(8)).unwrap_or(u64::MAX);
                group.held_bytes = group.held_bytes.saturating_add(more);
                self.0.hold(more)?;
            }
            group.values.push(value);
        }
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, group: Option<Values>) -> rusqlite::Result<Option<f64>> {
        Ok(group.and_then(|mut group| percentile(&mut std::mem::take(&mut group.values), group.percent)))
    }
}

/// `increase(c_increase)`: what stretches grew by adds up to what the whole grew by.
struct Increase;

#[derive(Default)]
struct Sum {
    exact: i128,
    float: f64,
    is_float: bool,
    is_known: bool,
}

impl Aggregate<Sum, Value> for Increase {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Sum> {
        Ok(Sum::default())
    }

    fn step(&self, context: &mut Context<'_>, sum: &mut Sum) -> rusqlite::Result<()> {
        match context.get_raw(0) {
            ValueRef::Integer(value) => sum.exact = sum.exact.saturating_add(i128::from(value)),
            ValueRef::Real(value) => (sum.float, sum.is_float) = (sum.float + value, true),
            _ => return Ok(()),
        }
        sum.is_known = true;
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "beyond i64 no exact number exists in SQL")]
    fn finalize(&self, _: &mut Context<'_>, sum: Option<Sum>) -> rusqlite::Result<Value> {
        let Some(sum) = sum.filter(|sum| sum.is_known) else { return Ok(Value::Null) };
        Ok(match i64::try_from(sum.exact) {
            Ok(exact) if !sum.is_float => Value::Integer(exact),
            _ => Value::Real(sum.exact as f64 + sum.float),
        })
    }
}

/// `rate(c_increase, stretch_seconds)`: all that was grown over all the time that it took, where both are known; a
/// hole has no time.
struct Rate;

impl Aggregate<(f64, f64), Option<f64>> for Rate {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<(f64, f64)> {
        Ok((0.0, 0.0))
    }

    fn step(&self, context: &mut Context<'_>, (grown, seconds): &mut (f64, f64)) -> rusqlite::Result<()> {
        if let (Some(more), Some(time)) = (number(context, 0), number(context, 1)) {
            *grown += more;
            *seconds += time;
        }
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, sums: Option<(f64, f64)>) -> rusqlite::Result<Option<f64>> {
        Ok(sums.filter(|(_, seconds)| *seconds > 0.0).map(|(grown, seconds)| grown / seconds))
    }
}
