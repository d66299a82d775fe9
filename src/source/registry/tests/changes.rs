//! What is seen, and what of it changed.

use super::simulated::{IMAGE, INDEX, digest, image};
use super::*;

/// 261 repositories, one of them nested, one without tags.
fn filled() -> Simulated {
    let simulated = Simulated::default();
    for number in 0..259_u64 {
        let body = image((1, 100), &[(2, 1_000), (1_000 + number, 10)]);
        simulated.push(&format!("bulk/app-{number:03}"), "latest", 5_000 + number, IMAGE, &body);
    }
    simulated.push("a/b/c", "1.0", 9_000, IMAGE, &image((1, 100), &[(2, 1_000)]));
    simulated.lock().repositories.insert("gone".to_owned(), std::collections::BTreeMap::new());
    simulated
}

#[tokio::test(start_paused = true)]
async fn every_page_of_the_catalogue_is_read() {
    for (page_max, link_prefix) in
        [(0, ""), (100, ""), (100, "http://registry.test"), (261, "https://registry.test:443"), (1, "")]
    {
        let simulated = filled();
        simulated.lock().page_max = page_max;
        simulated.lock().link_prefix = link_prefix.to_owned();
        let mut registry = source(&simulated, |_| {});
        let seen = poll(&mut registry).await;
        assert_eq!((seen.outcome, seen.error.as_deref()), (Outcome::Ok, None), "{page_max} {link_prefix}");
        assert_eq!(number(&seen, "registry", &["hub"], "repositories"), Some(261), "{page_max} {link_prefix}");
        assert_eq!(number(&seen, "registry", &["hub"], "tags"), Some(260));
        assert_eq!(number(&seen, "repository", &["hub", "gone"], "tags"), Some(0));
        assert!(seen.events.is_empty(), "what was always there is not new");
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_to_another_host_is_not_followed() {
    let simulated = filled();
    simulated.lock().page_max = 100;
    simulated.lock().link_prefix = "http://elsewhere.test".to_owned();
    let seen = poll(&mut source(&simulated, |_| {})).await;
    assert_eq!(seen.outcome, Outcome::Malformed);
    assert!(seen.error.unwrap().contains("another host, elsewhere.test"));
}

#[tokio::test(start_paused = true)]
async fn layers_count_once_in_the_registry_and_shared_ones_are_nobodys_own() {
    let simulated = Simulated::default();
    let (one, two) = (image((1, 100), &[(2, 1_000), (3, 10)]), image((1, 100), &[(2, 1_000), (4, 7)]));
    simulated.push("one", "a", 91, IMAGE, &one);
    simulated.push("one", "b", 91, IMAGE, &one);
    simulated.push("two", "a", 92, IMAGE, &two);
    let seen = poll(&mut source(&simulated, |_| {})).await;
    let documents = |bodies: &[&String]| bodies.iter().map(|body| i64::try_from(body.len()).unwrap()).sum::<i64>();
    let all = 100 + 1_000 + 10 + 7 + documents(&[&one, &two]);
    assert_eq!(number(&seen, "registry", &["hub"], "bytes"), Some(all));
    assert_eq!(number(&seen, "registry", &["hub"], "manifests"), Some(2));
    assert_eq!(number(&seen, "registry", &["hub"], "blobs"), Some(4));
    let of_one = |column| number(&seen, "repository", &["hub", "one"], column);
    assert_eq!(of_one("bytes"), Some(1_110 + documents(&[&one])));
    assert_eq!(of_one("shared_bytes"), Some(1_100));
    assert_eq!(of_one("own_bytes"), Some(10 + documents(&[&one])));
    let of_tag = |column| number(&seen, "tag", &["hub", "one", "b"], column);
    assert_eq!(of_tag("size_bytes"), Some(1_110 + documents(&[&one])));
    assert_eq!((of_tag("layer_bytes"), of_tag("layers")), (Some(1_010), Some(2)));
    assert_eq!(fact(&seen, "tag", &["hub", "one", "b"], "image_id"), Some(digest(1)));
}

#[tokio::test(start_paused = true)]
async fn an_index_leads_to_its_images_and_may_lack_some() {
    let simulated = Simulated::default();
    let arm = image((1, 100), &[(2, 1_000)]);
    simulated.lock().manifests.insert(digest(50), (IMAGE.to_owned(), arm.clone()));
    let entry = |number, os: &str| {
        format!(r#"{{"digest":"{}","size":1,"platform":{{"os":"{os}","architecture":"arm64"}}}}"#, digest(number))
    };
    let whole = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entry(50, "linux"));
    let sparse = format!(r#"{{"schemaVersion":2,"manifests":[{},{}]}}"#, entry(50, "linux"), entry(51, "plan9"));
    simulated.push("multi", "whole", 60, INDEX, &whole);
    simulated.push("multi", "sparse", 61, INDEX, &sparse);
    let mut registry = source(&simulated, |_| {});
    let seen = poll(&mut registry).await;
    assert_eq!(seen.outcome, Outcome::Ok, "{:?}", seen.missing);
    let size = |tag| number(&seen, "tag", &["hub", "multi", tag], "size_bytes");
    assert_eq!(size("whole"), Some(1_100 + i64::try_from(arm.len() + whole.len()).unwrap()));
    assert_eq!(size("sparse"), None);
    let fault = fact(&seen, "tag", &["hub", "multi", "sparse"], "fault").unwrap();
    assert_eq!(fault, "the registry has not 1 of its 2 images");
    assert_eq!(number(&seen, "repository", &["hub", "multi"], "tags_without_size"), Some(1));
    // What is not there is not asked for again and again.
    simulated.take_requests();
    poll(&mut registry).await;
    assert!(!simulated.take_requests().iter().any(|request| request.contains(&digest(51))));
}

#[tokio::test(start_paused = true)]
async fn what_was_pushed_moved_and_deleted_is_told() {
    let simulated = filled();
    let mut registry = source(&simulated, |settings| settings.requests_per_poll = 2_000);
    poll(&mut registry).await;
    simulated.push("bulk/app-001", "latest", 7_001, IMAGE, &image((1, 100), &[(2, 1_000)]));
    simulated.push("bulk/app-002", "v2", 7_002, IMAGE, &image((1, 100), &[]));
    simulated.push("fresh/one", "v1", 7_003, IMAGE, &image((1, 100), &[]));
    simulated.lock().repositories.get_mut("bulk/app-003").unwrap().clear();
    simulated.lock().repositories.remove("bulk/app-004");
    let seen = poll(&mut registry).await;
    let expected = [
        "repository_added hub fresh/one",
        "repository_deleted hub bulk/app-004",
        "tag_added hub bulk/app-002 v2",
        "tag_added hub fresh/one v1",
        "tag_deleted hub bulk/app-003 latest",
        "tag_deleted hub bulk/app-004 latest",
        "tag_moved hub bulk/app-001 latest",
    ];
    assert_eq!(told(&seen.events), expected);
    let detail = |event_type: &str, name: &str| {
        let event = seen.events.iter().find(|event| event.event_type == event_type).unwrap();
        event.details.get(name).cloned()
    };
    assert_eq!(detail("tag_moved", "old_digest"), Some(digest(5_001).into()));
    assert_eq!(detail("tag_moved", "new_digest"), Some(digest(7_001).into()));
    assert_eq!(detail("tag_deleted", "digest"), Some(digest(5_004).into()));
    for event in seen.events.iter().filter(|event| event.event_type == "tag_added") {
        assert!(event.details.contains_key("digest"), "{event:?}");
    }
    assert!(poll(&mut registry).await.events.is_empty(), "told once");
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_knows_no_head_is_asked_otherwise() {
    let simulated = filled();
    simulated.lock().has_no_head = true;
    let mut registry = source(&simulated, |settings| settings.requests_per_poll = 2_000);
    poll(&mut registry).await;
    simulated.push("a/b/c", "1.0", 7_001, IMAGE, &image((1, 100), &[]));
    assert_eq!(told(&poll(&mut registry).await.events), ["tag_moved hub a/b/c 1.0"]);
}

#[tokio::test(start_paused = true)]
async fn schema_1_and_what_is_no_manifest_have_no_size_and_a_reason() {
    let simulated = Simulated::default();
    let old = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    simulated.push("old", "schema1", 1, old, r#"{"schemaVersion":1,"fsLayers":[{"blobSum":"x"}]}"#);
    simulated.push("old", "strange", 2, IMAGE, r#"{"schemaVersion":2}"#);
    simulated.push("old", "lying", 3, IMAGE, r#"{"schemaVersion":2,"layers":[{"digest":"../x","size":1}]}"#);
    simulated.push("old", "negative", 4, IMAGE, &image((1, 100), &[]).replace(":100", ":-100"));
    simulated.lock().repositories.get_mut("old").unwrap().insert("broken".to_owned(), digest(99));
    let seen = poll(&mut source(&simulated, |_| {})).await;
    let fault = |tag| fact(&seen, "tag", &["hub", "old", tag], "fault").unwrap();
    assert_eq!(fault("schema1"), "schema 1 tells no sizes");
    assert!(fault("strange").contains("neither layers nor manifests"));
    assert!(fault("lying").contains("is no digest"));
    assert!(fault("negative").contains("has no size"));
    assert!(fault("broken").contains("no such manifest"));
    assert_eq!(number(&seen, "tag", &["hub", "old", "schema1"], "size_bytes"), None);
    assert_eq!(number(&seen, "repository", &["hub", "old"], "tags_without_size"), Some(5));
    assert_eq!(number(&seen, "registry", &["hub"], "bytes"), Some(0));
}
