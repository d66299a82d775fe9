//! Whole visits to directories of recorded replies.

use std::time::Duration;

use super::{column, fixture, path};
use crate::clock::{Clock, ManualClock};
use crate::model::{AttributeValue, KindBatch, Observation, Outcome, Timestamp};
use crate::source::docker::kinds::{CONTAINER, CONTAINER_INTERFACE};
use crate::source::docker::{Docker, Images, Settings};
use crate::source::http::{Canned, CannedReply, Http};
use crate::source::{Observed, Source, Visit};

const TIMEOUT: Duration = Duration::from_secs(8);

/// When the first round of Docker's replies was recorded.
const DOCKER_AT: Timestamp = Timestamp::from_ms(1_795_206_427_700);
const PODMAN_AT: Timestamp = Timestamp::from_ms(1_795_207_619_000);

fn batch<'a>(observed: &'a Observed, kind: &str) -> &'a KindBatch {
    observed.batches.iter().find(|batch| batch.kind.name == kind).unwrap()
}

fn named<'a>(observed: &'a Observed, name: &str) -> &'a Observation {
    let wanted = AttributeValue::from(name);
    let of_name =
        |seen: &&Observation| seen.attributes.as_ref().is_some_and(|facts| facts.get("name") == Some(&wanted));
    batch(observed, "container").observations.iter().find(of_name).unwrap_or_else(|| panic!("no {name}"))
}

fn canned(docker: &Docker) -> &Canned {
    match &*docker.http {
        Http::Canned(canned) => canned,
        Http::Live(_) => panic!("not canned"),
    }
}

#[tokio::test(start_paused = true)]
async fn engines_that_say_the_same_of_themselves_are_the_hosts_of_the_configuration() {
    let clock = Clock::Manual(ManualClock::starting_at(DOCKER_AT));
    for name in ["node-1", "node-2"] {
        let http = Http::canned(&path("docker-20.10")).unwrap();
        let mut docker = Docker::with_http(Settings::new(name, "unix:///recorded"), clock.clone(), http);
        let observed = docker.poll(Visit { started: clock.now(), timeout: TIMEOUT }).await;
        let engine = &batch(&observed, "engine").observations[0];
        assert!(engine.attributes.as_ref().unwrap().contains_key("hostname"), "told, but only a fact");
        let mut all = observed.batches.iter().flat_map(|batch| &batch.observations);
        assert!(all.all(|seen| seen.identity.part(0) == name), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_docker_engine() {
    let manual = ManualClock::starting_at(DOCKER_AT);
    let clock = Clock::Manual(manual);
    let http = Http::canned(&path("docker-20.10")).unwrap();
    let mut docker = Docker::with_http(Settings::new("node-1", "unix:///recorded"), clock.clone(), http);
    let first = docker.poll(Visit { started: clock.now(), timeout: TIMEOUT }).await;
    assert_eq!(first.outcome, Outcome::Ok, "{:?} {:?}", first.error, first.missing);
    assert_eq!(first.clock_offset_ms, 0);
    assert_eq!(batch(&first, "container").observations.len(), 30);
    assert!(first.batches.iter().all(|batch| batch.complete));
    assert!(batch(&first, "container").observations.iter().all(|seen| seen.identity.part(0) == "node-1"));

    let burn = named(&first, "burn-limited");
    let sample = burn.sample.as_ref().unwrap();
    assert_eq!(sample.at, Timestamp::from_ms(1_795_206_427_886));
    assert!(sample.since.is_some_and(|since| since < sample.at));
    assert_eq!(column(&CONTAINER, &sample.values, "cpu_usage_seconds_total"), Some(28_793_895_157));
    // Its numbers are those of the container whose network it uses.
    let joined = named(&first, "joined");
    assert_eq!(column(&CONTAINER, &joined.sample.as_ref().unwrap().values, "network_receive_bytes_total"), None);
    assert!(joined.attributes.as_ref().unwrap().contains_key("network_of"));
    let interfaces = batch(&first, "container_interface");
    assert!(interfaces.observations.iter().all(|seen| seen.identity.part(1) != joined.identity.part(1)));
    for name in ["nonet", "hostnet"] {
        let sample = named(&first, name).sample.as_ref().unwrap();
        assert_eq!(column(&CONTAINER, &sample.values, "network_receive_bytes_total"), None, "{name}");
    }
    let two = named(&first, "twonets").identity.part(1);
    assert_eq!(interfaces.observations.iter().filter(|seen| seen.identity.part(1) == two).count(), 2);
    // A link's name of a container that is gone by the time it is inspected.
    assert_eq!(named(&first, "db").attributes.as_ref().unwrap().get("state"), Some(&"running".into()));

    let exited = named(&first, "exit3");
    assert_eq!(exited.ended, Some(Timestamp::from_ms(1_795_206_318_349)));
    assert_eq!(exited.sample, None);
    assert!(named(&first, "restarting").ended.is_some());
    for alive in ["created", "paused", "burn"] {
        assert_eq!(named(&first, alive).ended, None, "{alive}");
    }
    assert!(named(&first, "paused").sample.is_some());

    // Ten seconds later nothing is inspected, and the numbers have grown.
    canned(&docker).take_requests();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let second = docker.poll(Visit { started: clock.now(), timeout: TIMEOUT }).await;
    assert_eq!(second.outcome, Outcome::Ok, "{:?} {:?}", second.error, second.missing);
    let requests = canned(&docker).take_requests();
    let of_samples = batch(&second, "container").observations.iter().filter(|seen| seen.sample.is_some());
    for seen in of_samples {
        let inspect = format!("/v1.41/containers/{}/json", seen.identity.part(1));
        assert!(!requests.contains(&inspect), "{inspect}");
    }
    let of_burn = batch(&second, "container").observations.iter().find(|seen| seen.identity == burn.identity).unwrap();
    assert_eq!(of_burn.attributes, None);
    let grown = column(&CONTAINER, &of_burn.sample.as_ref().unwrap().values, "cpu_usage_seconds_total").unwrap();
    assert_eq!(grown - 28_793_895_157, 31_269_914_284 - 28_793_895_157);
    assert!(batch(&second, "container_interface").observations.iter().all(|seen| seen.attributes.is_none()));
    // What /system/df said meanwhile.
    let engine = &batch(&second, "engine").observations[0].sample.as_ref().unwrap().values;
    assert_eq!(column(batch(&second, "engine").kind, engine, "disk_images_bytes"), Some(1_984_162));
}

/// A podman whose recorded replies to the older prefix are given under the newer one too.
fn podman() -> Canned {
    let canned = Canned::from_directory(&path("podman-4.3")).unwrap();
    for entry in std::fs::read_dir(path("podman-4.3/v1.24")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(name) = name.strip_suffix(".meta").filter(|name| name.starts_with("inspect_")) {
            let meta = String::from_utf8(fixture(&format!("podman-4.3/v1.24/{name}.meta"))).unwrap();
            let (_, rest) = meta.split_once("/v1.24/").unwrap();
            let (old_path, _) = rest.split_once('"').unwrap();
            canned.add(&format!("/v1.41/{old_path}"), CannedReply::ok(fixture(&format!("podman-4.3/v1.24/{name}"))));
        }
    }
    canned
}

#[tokio::test(start_paused = true)]
async fn a_podman() {
    let clock = Clock::Manual(ManualClock::starting_at(PODMAN_AT));
    let mut docker =
        Docker::with_http(Settings::new("pod-1", "unix:///recorded"), clock.clone(), Http::Canned(podman()));
    let observed = docker.poll(Visit { started: clock.now(), timeout: TIMEOUT }).await;
    assert_eq!(observed.outcome, Outcome::Ok, "{:?} {:?}", observed.error, observed.missing);
    assert_eq!(batch(&observed, "container").observations.len(), 12);
    let web = named(&observed, "web").sample.as_ref().unwrap();
    assert_eq!(column(&CONTAINER, &web.values, "network_receive_bytes_total"), Some(4_482));
    let host_ns = column(&CONTAINER, &web.values, "cpu_host_seconds_total").unwrap();
    assert_eq!(host_ns, web.at.ms_since(web.since.unwrap()) * 2 * 1_000_000);
    // Zeros for a container that has the machine's network, and for one in a pod those of the pod's.
    for name in ["hostnet", "inpod"] {
        let sample = named(&observed, name).sample.as_ref().unwrap();
        assert_eq!(column(&CONTAINER, &sample.values, "network_receive_bytes_total"), None, "{name}");
    }
    let interfaces = batch(&observed, "container_interface");
    let of_web: Vec<_> = interfaces
        .observations
        .iter()
        .filter(|seen| seen.identity.part(1) == named(&observed, "web").identity.part(1))
        .collect();
    assert_eq!(of_web.len(), 1);
    assert_eq!(
        column(&CONTAINER_INTERFACE, &of_web[0].sample.as_ref().unwrap().values, "transmit_bytes_total"),
        Some(726)
    );
    // Empty bodies, and a state that only inspect tells.
    assert_eq!(named(&observed, "exit3").sample, None);
    assert!(named(&observed, "exit3").ended.is_some());
    let requests = canned(&docker).take_requests();
    assert!(!requests.iter().any(|path| path.contains("one-shot")), "{requests:?}");
}

#[tokio::test(start_paused = true)]
async fn images_of_an_engine_and_of_podman() {
    let clock = Clock::Manual(ManualClock::starting_at(DOCKER_AT));
    for (canned, containers) in [
        (Canned::from_directory(&path("docker-20.10")).unwrap(), Some(28)),
        (Canned::from_directory(&path("docker-20.10")).unwrap(), None),
        (podman(), Some(11)),
    ] {
        // The recorded answer, asked for in the words of newer engines; or none.
        let is_podman = containers == Some(11);
        let disk = fixture(if is_podman { "podman-4.3/v1.41/system_df.json" } else { "docker-20.10/system_df.json" });
        let status = if containers.is_some() { 200 } else { 500 };
        canned.set("/v1.41/system/df?type=image", CannedReply::with_status(status, disk));
        let settings = Settings::new("node-1", "unix:///recorded");
        let mut source = Images::with_http(settings, clock.clone(), Http::Canned(canned));
        assert_eq!(source.target().as_str(), "docker-images/node-1");
        let observed = source.poll(Visit { started: clock.now(), timeout: TIMEOUT }).await;
        let expected = if containers.is_some() { Outcome::Ok } else { Outcome::Partial };
        assert_eq!(observed.outcome, expected, "{:?}", observed.error);
        let batch = batch(&observed, "image");
        assert_eq!(batch.observations.len(), 2);
        let name = if is_podman { "localhost/bb:1.0" } else { "bb:1.0" };
        let of_name =
            |seen: &&Observation| seen.attributes.as_ref().is_some_and(|facts| facts.get("name") == Some(&name.into()));
        let seen = batch.observations.iter().find(of_name).unwrap();
        let values = &seen.sample.as_ref().unwrap().values;
        assert!(column(batch.kind, values, "size_bytes").is_some_and(|size| size > 1_900_000));
        assert_eq!(column(batch.kind, values, "shared_bytes"), containers.map(|_| 0));
        assert_eq!(column(batch.kind, values, "containers"), containers);
    }
}

#[tokio::test(start_paused = true)]
async fn untagged_images_have_no_name() {
    let canned = Canned::from_directory(&path("docker-20.10")).unwrap();
    canned.set(
        "/v1.41/images/json",
        CannedReply::ok(r#"[{"Id":"sha256:1","RepoTags":["<none>:<none>"],"RepoDigests":["<none>@<none>"],"Size":1,"SharedSize":-1},
            {"Id":"sha256:2","RepoTags":null,"RepoDigests":null,"Labels":null},{"Id":"sha256:3","RepoTags":["b:1","a:1"]}]"#),
    );
    let clock = Clock::Manual(ManualClock::starting_at(DOCKER_AT));
    let mut source = Images::with_http(Settings::new("n", "unix:///r"), clock.clone(), Http::Canned(canned));
    let observed = source.poll(Visit { started: clock.now(), timeout: TIMEOUT }).await;
    let attributes = |at: usize| batch(&observed, "image").observations[at].attributes.clone().unwrap();
    assert!(attributes(0).is_empty() && attributes(1).is_empty());
    assert_eq!(attributes(2).get("name"), Some(&"a:1".into()));
    // A list of many, with digests of a registry.
    canned_many(&clock).await;
}

async fn canned_many(clock: &Clock) {
    let canned = Canned::from_directory(&path("docker-20.10")).unwrap();
    canned.set("/v1.41/images/json", CannedReply::ok(fixture("docker-quirks/images_json_many.json")));
    let mut source = Images::with_http(Settings::new("n", "unix:///r"), clock.clone(), Http::Canned(canned));
    let observed = source.poll(Visit { started: clock.now(), timeout: TIMEOUT }).await;
    let seen = &batch(&observed, "image").observations;
    assert!(seen.len() > 10);
    assert!(seen.iter().any(|image| image.attributes.as_ref().unwrap().contains_key("digests")));
}
