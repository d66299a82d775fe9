//! `poll [TARGET]`: visits targets once and prints what they give; nothing is stored.
//!
//! Must not know: what a target is.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use clap::Args;
use tokio::time::{Instant, timeout};

use super::check_config::planned;
use super::table::Table;
use super::{CliError, runtime};
use crate::app::load_config_with_kept_name;
use crate::app::targets::Planned;
use crate::clock::Clock;
use crate::model::time::duration_ms;
use crate::model::{AttributeValue, Event, KindBatch, Observation, Outcome, Timestamp};
use crate::query::cell::{Cell, Number};
use crate::query::request::Zone;
use crate::render::json::JsonWriter;
use crate::sampler::Target;
use crate::source::{Observed, Visit};

/// A source that does not end by itself at its timeout is cut off so much later.
const CUT_OFF_AFTER: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A target's whole name (docker/node-1), its configured one (node-1), or a source (docker); without it all
    /// targets are visited.
    target: Option<String>,
    /// Print all that came, attributes included, as one JSON object a target and line.
    #[arg(long)]
    json: bool,
}

/// One visit and what it gave.
struct Visited {
    target: Target,
    started: Timestamp,
    duration: Duration,
    observed: Observed,
}

pub(super) fn run(config: Option<&Path>, arguments: &Arguments) -> Result<(), CliError> {
    let (config, machine_name) = load_config_with_kept_name(config).map_err(CliError::Config)?;
    let targets = select(planned(&config, machine_name), arguments.target.as_deref())?;
    let runtime = runtime()?;
    let mut out = io::stdout().lock();
    let (polled, mut failed) = (targets.len(), 0);
    for target in targets {
        let visited = runtime.block_on(visit(target));
        failed += usize::from(!visited.observed.outcome.is_good());
        if arguments.json {
            print_json(&visited, &mut out)?;
        } else {
            print_tables(&visited, &mut out)?;
        }
    }
    if failed > 0 { Err(CliError::Polls { failed, polled }) } else { Ok(()) }
}

/// The targets that a name means: the one with this whole name, else all with this configured name or source.
fn select(planned: Vec<Planned>, wanted: Option<&str>) -> Result<Vec<Target>, CliError> {
    let targets: Vec<Target> = planned.into_iter().map(|planned| planned.target).collect();
    let Some(wanted) = wanted else { return Ok(targets) };
    let known: Vec<String> = targets.iter().map(|target| target.name.to_string()).collect();
    let is_whole = known.iter().any(|name| name == wanted);
    let is_wanted = |target: &Target| match is_whole {
        true => target.name.as_str() == wanted,
        false => target.name.name() == wanted || target.name.source() == wanted,
    };
    let selected: Vec<Target> = targets.into_iter().filter(is_wanted).collect();
    if selected.is_empty() {
        return Err(CliError::UnknownTarget { name: wanted.to_owned(), known: known.join(", ") });
    }
    Ok(selected)
}

async fn visit(target: Target) -> Visited {
    let started = Clock::System.now();
    let begun = Instant::now();
    let observed = match (target.build)() {
        Err(reason) => Observed::failed(Outcome::Unreachable, reason),
        Ok(mut source) => {
            let poll = source.poll(Visit { started, timeout: target.timeout });
            timeout(target.timeout + CUT_OFF_AFTER, poll).await.unwrap_or_else(|_| {
                let seconds = target.timeout.as_secs_f64();
                Observed::failed(Outcome::Timeout, format!("no whole answer within {seconds} s"))
            })
        }
    };
    Visited { target, started, duration: begun.elapsed(), observed }
}

fn print_tables(visited: &Visited, out: &mut impl Write) -> Result<(), CliError> {
    let Visited { target, duration, observed, .. } = visited;
    let (seconds, outcome) = (duration.as_secs_f64(), observed.outcome.name());
    writeln!(out, "{}: {outcome} in {seconds:.3} s, {} bytes", target.name, observed.bytes)?;
    observed.error.iter().try_for_each(|error| writeln!(out, "  {error}"))?;
    observed.missing.iter().try_for_each(|missing| writeln!(out, "  missing: {missing}"))?;
    for batch in &observed.batches {
        writeln!(out, "\n{} ({})", batch.kind.name, batch.observations.len())?;
        print_batch(batch, out)?;
    }
    if !observed.events.is_empty() {
        writeln!(out, "\nevents ({})", observed.events.len())?;
        let mut table = Table::new(&mut *out, Zone::Utc, ["time", "severity", "type", "message"]);
        for event in &observed.events {
            let (severity, event_type) = (event.severity.name(), event.event_type);
            let texts = [severity, event_type, &event.message].map(Cell::Text);
            table.row(std::iter::once(Cell::Time(event.at)).chain(texts))?;
        }
        table.finish()?;
    }
    Ok(writeln!(out)?)
}

/// A row an entity: identity, the attributes that label it, and every column that any of them reports.
fn print_batch(batch: &KindBatch, out: &mut impl Write) -> Result<(), CliError> {
    let kind = batch.kind;
    let labels: Vec<&str> = kind.display.iter().copied().filter(|name| kind.attribute(name).is_some()).collect();
    let columns: Vec<usize> = (0..kind.columns.len())
        .filter(|&column| batch.observations.iter().any(|seen| number(batch, seen, column) != Number::Null))
        .collect();
    let names = columns.iter().filter_map(|&column| kind.columns.get(column)).map(|column| column.name);
    let header = kind.identity.iter().map(|key| key.name).chain(labels.iter().copied()).chain(names);
    let mut table = Table::new(out, Zone::Utc, header);
    for seen in &batch.observations {
        let identity = seen.identity.parts().iter().map(|part| Cell::Text(part));
        let labels = labels.iter().map(|name| {
            let fact = seen.attributes.as_ref().and_then(|attributes| attributes.get(name));
            fact.map_or(Cell::Null, Cell::Fact)
        });
        let numbers = columns.iter().map(|&column| Cell::from(number(batch, seen, column)));
        table.row(identity.chain(labels).chain(numbers))?;
    }
    Ok(table.finish()?)
}

fn number(batch: &KindBatch, seen: &Observation, column: usize) -> Number {
    let value = seen.sample.as_ref().and_then(|sample| sample.values.get(column)).copied().unwrap_or_default();
    batch.kind.columns.get(column).map_or(Number::Null, |column| Number::of_column(column, value))
}

fn milliseconds(ms: i64) -> Cell<'static> {
    Cell::Scaled { value: ms, decimals: 3 }
}

fn count(count: u64) -> Cell<'static> {
    Cell::Scaled { value: i64::try_from(count).unwrap_or(i64::MAX), decimals: 0 }
}

fn print_json(visited: &Visited, out: &mut impl Write) -> Result<(), CliError> {
    let Visited { target, started, duration, observed } = visited;
    let mut json = JsonWriter::new(out, Zone::Utc);
    json.object(|json| {
        json.key("target")?.text(target.name.as_str())?;
        json.key("address")?.text(&target.address)?;
        json.key("started")?.cell(&Cell::Time(*started))?;
        json.key("duration_seconds")?.cell(&milliseconds(duration_ms(*duration)))?;
        json.key("outcome")?.text(observed.outcome.name())?;
        json.key("error")?.text_or_null(observed.error.as_deref())?;
        json.key("missing")?.array(|json| observed.missing.iter().try_for_each(|name| json.text(name)))?;
        json.key("bytes")?.cell(&count(observed.bytes))?;
        json.key("clock_offset_seconds")?.cell(&milliseconds(observed.clock_offset_ms))?;
        json.key("kinds")?.object(|json| {
            observed.batches.iter().try_for_each(|batch| {
                let entities = |json: &mut JsonWriter<_>| {
                    batch.observations.iter().try_for_each(|seen| entity_json(batch, seen, json))
                };
                json.key(batch.kind.name)?.array(entities)
            })
        })?;
        json.key("events")?.array(|json| observed.events.iter().try_for_each(|event| event_json(event, json)))
    })?;
    Ok(json.finish()?)
}

fn entity_json<W: Write>(batch: &KindBatch, seen: &Observation, json: &mut JsonWriter<W>) -> io::Result<()> {
    let kind = batch.kind;
    let time = |at: Option<Timestamp>| at.map_or(Cell::Null, Cell::Time);
    json.object(|json| {
        json.key("identity")?.object(|json| {
            let parts = kind.identity.iter().zip(seen.identity.parts());
            parts.into_iter().try_for_each(|(key, part)| json.key(key.name)?.text(part))
        })?;
        let sample = seen.sample.as_ref();
        json.key("time")?.cell(&time(sample.map(|sample| sample.at)))?;
        json.key("since")?.cell(&time(sample.and_then(|sample| sample.since)))?;
        json.key("ended")?.cell(&time(seen.ended))?;
        json.key("attributes")?.object(|json| {
            let attributes = seen.attributes.iter().flatten();
            attributes.into_iter().try_for_each(|(name, fact)| json.key(name)?.cell(&Cell::Fact(fact)))
        })?;
        json.key("values")?.object(|json| {
            (0..kind.columns.len())
                .filter(|_| sample.is_some())
                .zip(kind.columns)
                .try_for_each(|(index, column)| json.key(column.name)?.cell(&number(batch, seen, index).into()))
        })
    })
}

fn event_json<W: Write>(event: &Event, json: &mut JsonWriter<W>) -> io::Result<()> {
    json.object(|json| {
        json.key("time")?.cell(&Cell::Time(event.at))?;
        json.key("severity")?.text(event.severity.name())?;
        json.key("type")?.text(event.event_type)?;
        json.key("kind")?.text_or_null(event.kind)?;
        json.key("entity")?.array(|json| {
            let parts = event.entity.as_ref().map(|identity| identity.parts()).unwrap_or_default();
            parts.iter().try_for_each(|part| json.text(part))
        })?;
        json.key("message")?.text(&event.message)?;
        json.key("details")?.object(|json| {
            let details = event.details.iter();
            details
                .into_iter()
                .try_for_each(|(name, fact): (&String, &AttributeValue)| json.key(name)?.cell(&Cell::Fact(fact)))
        })
    })
}
