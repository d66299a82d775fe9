//! A real engine, where `TACHOGRAPH_DOCKER_URL` names one (and `TACHOGRAPH_DOCKER_CERTS` a directory with `ca.pem`,
//! `client.pem` and `client-key.pem`); else nothing is tested here.
#![expect(clippy::print_stdout, reason = "run by hand, to be read")]

use std::time::Duration;

use crate::clock::Clock;
use crate::model::Outcome;
use crate::source::docker::{Docker, Images, Settings};
use crate::source::http::Tls;
use crate::source::{Observed, Source, Visit};

async fn visit(source: &mut dyn Source, clock: &Clock) -> Observed {
    let observed = source.poll(Visit { started: clock.now(), timeout: Duration::from_secs(8) }).await;
    for batch in &observed.batches {
        println!("{} complete={} {}", batch.kind.name, batch.complete, batch.observations.len());
        for seen in &batch.observations {
            println!("  {:?} ended={:?}", seen.identity.parts(), seen.ended);
            if let Some(attributes) = &seen.attributes {
                println!("    {attributes:?}");
            }
            if let Some(sample) = &seen.sample {
                let values = batch.kind.columns.iter().zip(&sample.values).map(|(c, v)| format!("{}={v:?}", c.stored));
                println!("    at={} since={:?} {}", sample.at, sample.since, values.collect::<Vec<_>>().join(" "));
            }
        }
    }
    for event in &observed.events {
        println!(
            "{} {:?} {} {:?}",
            event.event_type,
            event.entity.as_ref().map(|e| e.part(1)),
            event.message,
            event.details
        );
    }
    println!(
        "{:?} {:?} missing={:?} bytes={} offset={}",
        observed.outcome, observed.error, observed.missing, observed.bytes, observed.clock_offset_ms
    );
    observed
}

#[tokio::test]
async fn a_real_engine_answers() {
    let Ok(url) = std::env::var("TACHOGRAPH_DOCKER_URL") else {
        println!("not run: TACHOGRAPH_DOCKER_URL is not set");
        return;
    };
    let seconds = std::env::var("TACHOGRAPH_DOCKER_PAUSE").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    let clock = Clock::System;
    let read = |directory: &str, name: &str| std::fs::read(format!("{directory}/{name}.pem")).ok();
    let tls = std::env::var("TACHOGRAPH_DOCKER_CERTS").ok().map(|directory| Tls {
        ca: read(&directory, "ca"),
        cert: read(&directory, "client"),
        key: read(&directory, "client-key"),
    });
    let settings = Settings { tls, ..Settings::new("node-1", url) };
    let mut docker = Docker::new(settings.clone(), clock.clone()).unwrap();
    let first = visit(&mut docker, &clock).await;
    assert_eq!(first.outcome, Outcome::Ok, "{:?}", first.error);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let second = visit(&mut docker, &clock).await;
    assert_eq!(second.outcome, Outcome::Ok, "{:?}", second.error);
    let mut images = Images::new(settings, clock.clone()).unwrap();
    let images = visit(&mut images, &clock).await;
    assert_eq!(images.outcome, Outcome::Ok, "{:?}", images.error);
}

/// Polls for as many rounds as `TACHOGRAPH_DOCKER_ROUNDS` says, a line each and one for each event.
#[tokio::test]
async fn a_real_engine_is_followed() {
    let rounds = std::env::var("TACHOGRAPH_DOCKER_ROUNDS").ok().and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
    let Some(url) = std::env::var("TACHOGRAPH_DOCKER_URL").ok().filter(|_| rounds > 0) else {
        println!("not run: TACHOGRAPH_DOCKER_URL or TACHOGRAPH_DOCKER_ROUNDS is not set");
        return;
    };
    let clock = Clock::System;
    let mut docker = Docker::new(Settings::new("node-1", url), clock.clone()).unwrap();
    let mut told = std::collections::HashSet::new();
    for round in 0..rounds {
        let started = clock.now();
        let observed = docker.poll(Visit { started, timeout: Duration::from_secs(8) }).await;
        let count = |name: &str| {
            let batch = observed.batches.iter().find(|batch| batch.kind.name == name);
            let seen = batch.map(|batch| batch.observations.as_slice()).unwrap_or_default();
            let of =
                |wanted: &dyn Fn(&crate::model::Observation) -> bool| seen.iter().filter(|one| wanted(one)).count();
            (
                seen.len(),
                of(&|one| one.sample.is_some()),
                of(&|one| one.attributes.is_some()),
                of(&|one| one.ended.is_some()),
            )
        };
        println!(
            "round {round}: {:?} in {} ms, {} bytes, containers/samples/attributes/ended {:?}, {:?} {:?}",
            observed.outcome,
            clock.now().ms_since(started),
            observed.bytes,
            count("container"),
            observed.missing,
            observed.error,
        );
        for event in &observed.events {
            println!("    {} {} {}", event.at, event.event_type, event.message);
            assert!(told.insert((event.source_id.clone(), event.event_type)), "told twice: {event:?}");
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
}
