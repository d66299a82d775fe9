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
