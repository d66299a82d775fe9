//! By which digest the image of a container is known, and to which service a container belongs.

use std::time::Duration;

use super::path;
use crate::clock::{Clock, ManualClock};
use crate::model::{AttributeValue, Attributes, EntityRecord, Identity, Outcome, Timestamp, Version};
use crate::source::docker::kinds::CONTAINER;
use crate::source::docker::{Docker, Settings};
use crate::source::http::{Canned, CannedReply, Http};
use crate::source::{Source, Visit};

const START: Timestamp = Timestamp::from_ms(1_795_204_800_000);
const IMAGE: &str = "sha256:48d4e1ff223e0e0a1f93ae4067a3620929a0662830551943c276db47ff01a634";
const DIGEST: &str = "sha256:1a6c770ee5e8eab3e959ea7cdb34043ceb9bd506153f2fb23845661d9665ebae";
const OTHER: &str = "sha256:ef771fb84a914872b1992b33adca8087dcc1f8f3b9cc715bd2272a09221e29fa";

/// An engine with one container of `hub:5000/a/bb:1.0`.
fn docker(http: Canned) -> Docker {
    http.set_streams_stay_open(true);
    let set = |path: &str, body: String| http.set(path, CannedReply::ok(body));
    set("/_ping", "OK".to_owned());
    set("/version", r#"{"ApiVersion":"1.41","MinAPIVersion":"1.12","Version":"20.10"}"#.to_owned());
    set("/v1.41/info", r#"{"Containers":1}"#.to_owned());
    set("/v1.41/system/df", r#"{"LayersSize":5}"#.to_owned());
    let listed =
        format!(r#"[{{"Id":"a1","Names":["/web"],"ImageID":"{IMAGE}","State":"created","Status":"Created"}}]"#);
    set("/v1.41/containers/json?all=1", listed);
    let inspected = format!(
        r#"{{"Id":"a1","Name":"/web","Image":"{IMAGE}","Config":{{"Image":"hub:5000/a/bb:1.0"}},
            "State":{{"Status":"created"}}}}"#
    );
    set("/v1.41/containers/a1/json", inspected);
    let settings = Settings { df_interval: Duration::from_secs(60), ..Settings::new("node-1", "unix:///made-up") };
    Docker::with_http(settings, Clock::Manual(ManualClock::starting_at(START)), Http::Canned(http))
}

fn canned(docker: &Docker) -> &Canned {
    match &*docker.http {
        Http::Canned(canned) => canned,
        Http::Live(_) => panic!("not canned"),
    }
}

/// What the engine says of the image.
fn set_digests(docker: &Docker, names: &[String]) {
    let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    let body = format!(r#"{{"Id":"{IMAGE}","RepoTags":[],"RepoDigests":[{}]}}"#, names.join(","));
    canned(docker).set(&format!("/v1.41/images/{IMAGE}/json"), CannedReply::ok(body));
}

async fn poll(docker: &mut Docker) -> Option<Attributes> {
    let started = docker.clock.now();
    let observed = docker.poll(Visit { started, timeout: Duration::from_secs(8) }).await;
    assert_eq!(observed.outcome, Outcome::Ok, "{:?}", observed.error);
    tokio::time::advance(Duration::from_secs(10)).await;
    observed.batches[0].observations[0].attributes.clone()
}

fn asked(docker: &Docker) -> usize {
    canned(docker).take_requests().iter().filter(|path| path.contains("/images/")).count()
}

fn digest(facts: &Attributes) -> Option<&AttributeValue> {
    facts.get("image_digest")
}

#[tokio::test(start_paused = true)]
async fn a_container_is_told_with_the_digest_of_its_image() {
    let mut docker = docker(Canned::new());
    set_digests(&docker, &[format!("elsewhere/bb@{OTHER}"), format!("hub:5000/a/bb@{DIGEST}")]);
    let facts = poll(&mut docker).await.unwrap();
    assert_eq!(digest(&facts), Some(&DIGEST.into()));
    let all = vec![format!("elsewhere/bb@{OTHER}"), format!("hub:5000/a/bb@{DIGEST}")];
    assert_eq!(facts["image_digests"], all.into());
    assert_eq!(asked(&docker), 1);
    assert_eq!(poll(&mut docker).await, None);
    assert_eq!(asked(&docker), 0, "once");
}

#[tokio::test(start_paused = true)]
async fn one_that_is_pushed_later_is_a_new_version_and_one_that_is_untagged_stays() {
    let mut docker = docker(Canned::new());
    set_digests(&docker, &[]);
    let facts = poll(&mut docker).await.unwrap();
    assert_eq!(digest(&facts), None);
    set_digests(&docker, &[format!("hub:5000/a/bb@{DIGEST}")]);
    assert_eq!(poll(&mut docker).await, None, "nothing says that it was pushed");
    tokio::time::advance(docker.settings.images_interval).await;
    let facts = poll(&mut docker).await.unwrap();
    assert_eq!(digest(&facts), Some(&DIGEST.into()));
    assert_eq!(facts["image"], "hub:5000/a/bb:1.0".into(), "all facts are told");

    for reply in [CannedReply::ok(format!(r#"{{"Id":"{IMAGE}"}}"#)), CannedReply::with_status(404, "{}")] {
        canned(&docker).set(&format!("/v1.41/images/{IMAGE}/json"), reply);
        tokio::time::advance(docker.settings.images_interval).await;
        docker.known.get_mut("a1").unwrap().is_stale = true;
        let facts = poll(&mut docker).await.unwrap();
        assert_eq!(digest(&facts), Some(&DIGEST.into()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_push_is_looked_into_at_once() {
    let events = Canned::new();
    let line = r#"{"Type":"image","Action":"push","Actor":{"ID":"hub:5000/a/bb:1.0"},"time":1795204801}"#;
    events.serve(move |request| request.path.contains("/events").then(|| CannedReply::ok(format!("{line}\n"))));
    let mut docker = docker(events);
    set_digests(&docker, &[]);
    poll(&mut docker).await.unwrap();
    set_digests(&docker, &[format!("hub:5000/a/bb@{DIGEST}")]);
    // The line is read between polls, and the next but one asks.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (second, third) = (poll(&mut docker).await, poll(&mut docker).await);
    assert_eq!(second.or(third).as_ref().and_then(digest), Some(&DIGEST.into()));
}

#[tokio::test(start_paused = true)]
async fn what_was_stored_is_known_after_a_restart_though_the_image_is_gone() {
    let mut docker = docker(Canned::new());
    let names: AttributeValue = vec![format!("hub:5000/a/bb@{DIGEST}")].into();
    let facts: Attributes = [("image_id", IMAGE.into()), ("image_digests", names)].into();
    let record = EntityRecord {
        identity: Identity::new(["node-1", "a1"]),
        target: docker.target().clone(),
        first_seen: START,
        last_seen: START,
        ended: None,
        versions: [Version { from: START, attributes: facts.into() }].into(),
    };
    docker.recall(&CONTAINER, &record);
    let facts = poll(&mut docker).await.unwrap();
    assert_eq!((asked(&docker), digest(&facts)), (1, Some(&DIGEST.into())));
}

/// The recorded manager with five services.
#[tokio::test(start_paused = true)]
async fn containers_of_a_swarm_name_their_service_and_task() {
    let http = Http::canned(&path("docker-swarm")).unwrap();
    let Http::Canned(canned) = &http else { panic!("not canned") };
    canned.set("/_ping", CannedReply::ok("OK"));
    canned.set("/version", CannedReply::ok(std::fs::read(path("docker-swarm/version.json")).unwrap()));
    let clock = Clock::Manual(ManualClock::starting_at(Timestamp::from_ms(1_795_207_090_000)));
    let mut docker = Docker::with_http(Settings::new("node-1", "unix:///recorded"), clock.clone(), http);
    let seen = docker.poll(Visit { started: clock.now(), timeout: Duration::from_secs(8) }).await;
    let containers = &seen.batches[0].observations;
    let mut services: Vec<(String, bool)> = containers
        .iter()
        .map(|seen| {
            let facts = seen.attributes.as_ref().unwrap();
            let text = |name: &str| match facts.get(name) {
                Some(AttributeValue::Text(text)) => text.clone(),
                other => panic!("{name}: {other:?} of {facts:?}"),
            };
            let (service, task) = (text("service"), text("task"));
            (service.clone(), task.starts_with(&format!("{service}.")) && text("name") == task)
        })
        .collect();
    services.sort();
    services.dedup();
    let expected = ["failing", "globl", "onov", "pub", "web"].map(|service| (service.to_owned(), true));
    assert_eq!(services, expected, "{} containers", containers.len());
}
