//! What a large registry costs, at first, later, and after a restart.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::simulated::{IMAGE, digest, image};
use super::*;
use crate::model::{Attributes, EntityRecord, Identity, Version};
use crate::source::http::{Canned, CannedReply};

const TAGS: u64 = 50;

fn large(repositories: u64) -> Simulated {
    let simulated = Simulated::default();
    for repository in 0..repositories {
        for tag in 0..TAGS {
            let number = 1_000_000 + repository * TAGS + tag;
            let body = image((number + 1_000_000, 10), &[(repository, 1_000), (number + 2_000_000, 100)]);
            simulated.push(&format!("team/app-{repository:04}"), &format!("v{tag}"), number, IMAGE, &body);
        }
    }
    simulated
}

/// What the store would hold after some visits.
#[derive(Default)]
struct Stored(BTreeMap<(&'static str, Identity), Attributes>);

impl Stored {
    fn take(&mut self, observed: &Observed) {
        for batch in &observed.batches {
            for seen in &batch.observations {
                let kept = self.0.entry((batch.kind.name, seen.identity.clone())).or_default();
                if let Some(attributes) = &seen.attributes {
                    *kept = attributes.clone();
                }
            }
        }
    }

    fn recall(&self, registry: &mut Registry) {
        let at = Timestamp::from_ms(0);
        for kind in registry.recalls() {
            for ((_, identity), attributes) in self.0.iter().filter(|((name, _), _)| *name == kind.name) {
                let record = EntityRecord {
                    identity: identity.clone(),
                    target: registry.target().clone(),
                    first_seen: at,
                    last_seen: at,
                    ended: None,
                    versions: Arc::from([Version { from: at, attributes: Arc::new(attributes.clone()) }]),
                };
                registry.recall(kind, &record);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_registry_is_taken_in_within_the_budget_and_costs_it_later() {
    check_budget(100, 100).await;
}

/// The same at full size.
#[tokio::test(start_paused = true)]
#[ignore = "takes two minutes unoptimized"]
async fn a_thousand_repositories_are_taken_in_within_the_default_budget() {
    check_budget(1_000, REQUESTS_PER_POLL).await;
}

async fn check_budget(repositories: u64, requests_per_poll: u32) {
    let budget = u64::from(requests_per_poll);
    let simulated = large(repositories);
    let mut registry = source(&simulated, |settings| settings.requests_per_poll = requests_per_poll);
    let mut stored = Stored::default();
    // Greeting and catalogue (a full page links to an empty one) are 3 requests, later 2; a quarter of the rest goes to lists.
    let per_visit = budget - 3 - (budget - 3) / 4;
    let computed = (repositories * TAGS).div_ceil(per_visit);
    let mut visits = 0;
    loop {
        simulated.take_requests();
        let seen = poll(&mut registry).await;
        visits += 1;
        stored.take(&seen);
        let requests = u64::try_from(simulated.take_requests().len()).unwrap();
        assert!(requests <= budget, "visit {visits}: {requests} requests");
        assert_eq!(seen.outcome, Outcome::Ok);
        assert!(seen.events.is_empty());
        let is_whole = number(&seen, "registry", &["hub"], "bytes").is_some();
        if is_whole {
            let expected = repositories * 1_000 + repositories * TAGS * 110;
            let documents: usize = simulated.lock().manifests.values().map(|(_, body)| body.len()).sum();
            let expected = i64::try_from(expected).unwrap() + i64::try_from(documents).unwrap();
            assert_eq!(number(&seen, "registry", &["hub"], "bytes"), Some(expected));
            break;
        }
        assert!(visits <= computed, "more visits than the {computed} computed");
    }
    println!("first pass: {visits} visits of at most {budget} requests ({computed} computed)");

    for _ in 0..3 {
        simulated.take_requests();
        let seen = poll(&mut registry).await;
        stored.take(&seen);
        let requests = simulated.take_requests();
        let count = |begin: &str, part: &str| {
            requests.iter().filter(|request| request.starts_with(begin) && request.contains(part)).count()
        };
        let (lists, digests, manifests) =
            (count("GET", "/tags/list"), count("HEAD", "/manifests/"), count("GET", "/manifests/"));
        println!("steady state: {} requests: {lists} lists, {digests} digests, {manifests} manifests", requests.len());
        assert!(requests.len() <= usize::try_from(budget).unwrap());
        assert_eq!(manifests, 0);
        let age = number(&seen, "registry", &["hub"], "digest_age_seconds").unwrap();
        assert!(age <= i64::try_from(computed + 2).unwrap() * 300_000, "a digest is {age} ms old");
    }

    // A restart asks for no manifest, and tells what changed meanwhile.
    simulated.push("team/app-0000", "v0", 77, IMAGE, &image((78, 1), &[]));
    let mut again = source(&simulated, |settings| settings.requests_per_poll = requests_per_poll);
    stored.recall(&mut again);
    let mut moved = Vec::new();
    let mut manifests = Vec::new();
    for _ in 0..3 {
        simulated.take_requests();
        let seen = poll(&mut again).await;
        assert!(batch(&seen, "tag").complete);
        moved.extend(told(&seen.events));
        manifests.extend(
            simulated.take_requests().into_iter().filter(|it| it.starts_with("GET") && it.contains("/manifests/")),
        );
    }
    assert_eq!(moved, ["tag_moved hub team/app-0000 v0"]);
    assert_eq!(manifests, [format!("GET /v2/team/app-0000/manifests/{}", digest(77))]);
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_stops_answering_in_the_middle_keeps_nobody_waiting() {
    let canned = Canned::new();
    canned.serve(|request| {
        Some(match request.path {
            "/v2/" => CannedReply::ok("{}"),
            path if path.starts_with("/v2/_catalog") => CannedReply::ok(r#"{"repositories":["a","b","c"]}"#),
            _ => CannedReply::ok("{}").after(Duration::from_secs(3_600)),
        })
    });
    let settings = Settings::new("hub", "http://registry.test");
    let clock = Clock::Manual(crate::clock::ManualClock::starting_at(Timestamp::from_ms(1_800_000_000_000)));
    let mut registry = Registry::with_http(settings, clock, Http::Canned(canned), None).unwrap();
    let started = Instant::now();
    let seen = registry.poll(Visit { started: registry.clock.now(), timeout: TIMEOUT }).await;
    assert!(started.elapsed() < TIMEOUT, "it ends by itself");
    assert_eq!(number(&seen, "registry", &["hub"], "repositories"), Some(3));
    assert!(!batch(&seen, "tag").complete, "what was not listed is not gone");
}
