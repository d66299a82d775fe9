//! Registries over recorded and simulated replies.

use std::time::Duration;

use super::*;
use crate::model::{AttributeValue, Event, KindBatch, Observation, Outcome, Timestamp, Value};

mod auth;
mod budget;
mod changes;
mod recorded;
mod simulated;

use simulated::Simulated;

const TIMEOUT: Duration = Duration::from_secs(60);

/// A source of a simulated registry.
fn source(simulated: &Simulated, change: impl FnOnce(&mut Settings)) -> Registry {
    let mut settings = Settings::new("hub", "http://registry.test");
    change(&mut settings);
    let clock = Clock::Manual(crate::clock::ManualClock::starting_at(Timestamp::from_ms(1_800_000_000_000)));
    Registry::with_http(settings, clock, simulated.http(), Some(simulated.http())).unwrap()
}

async fn poll(registry: &mut Registry) -> Observed {
    let started = registry.clock.now();
    let observed = registry.poll(Visit { started, timeout: TIMEOUT }).await;
    tokio::time::advance(Duration::from_secs(300)).await;
    observed
}

fn batch<'a>(observed: &'a Observed, kind: &str) -> &'a KindBatch {
    observed.batches.iter().find(|batch| batch.kind.name == kind).unwrap()
}

fn observation<'a>(observed: &'a Observed, kind: &str, identity: &[&str]) -> &'a Observation {
    let identity = crate::model::Identity::new(identity.iter().copied());
    batch(observed, kind).observations.iter().find(|seen| seen.identity == identity).unwrap()
}

/// A number of an entity; None where it is null.
fn number(observed: &Observed, kind: &str, identity: &[&str], column: &str) -> Option<i64> {
    let seen = observation(observed, kind, identity);
    let index = batch(observed, kind).kind.column_index(column).unwrap();
    seen.sample.as_ref().and_then(|sample| match sample.values[index] {
        Value::Int(number) => Some(number),
        _ => None,
    })
}

fn fact(observed: &Observed, kind: &str, identity: &[&str], name: &str) -> Option<String> {
    match observation(observed, kind, identity).attributes.as_ref()?.get(name)? {
        AttributeValue::Text(text) => Some(text.clone()),
        other => Some(format!("{other:?}")),
    }
}

/// Events as `type entity` lines, sorted.
fn told(events: &[Event]) -> Vec<String> {
    let mut told: Vec<String> = events
        .iter()
        .map(|event| {
            let parts = event.entity.as_ref().map(|entity| entity.parts().join(" ")).unwrap_or_default();
            format!("{} {parts}", event.event_type)
        })
        .collect();
    told.sort();
    told
}
