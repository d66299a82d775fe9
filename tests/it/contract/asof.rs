//! Everything as it was at an instant, what differs between two, and entities that ended.

use serde_json::{Value as Json, json};
use tachograph::model::{
    Attributes, Identity, Kind, KindBatch, Observation, Outcome, Sample, Snapshot, Timestamp, Value,
};
use tachograph::source::KINDS;

use super::world::{Seen, both, poll, saw};
use crate::harness::Served;
use crate::harness::seeded::{stores, t};

fn kind(name: &str) -> &'static Kind {
    KINDS.iter().find(|kind| kind.name == name).unwrap()
}

/// What a visit saw of one entity: facts and numbers by name.
fn visited(
    target: &str,
    at: i64,
    of: &'static str,
    identity: &[&str],
    facts: &[(&'static str, &str)],
    numbers: &[(&str, Value)],
) -> Snapshot {
    let kind = kind(of);
    let mut values = vec![Value::Null; kind.columns.len()];
    for (name, number) in numbers {
        values[kind.column_index(name).unwrap()] = *number;
    }
    let observation = Observation {
        identity: Identity::new(identity.iter().copied()),
        attributes: Some(facts.iter().map(|(name, value)| (*name, (*value).into())).collect::<Attributes>()),
        ended: None,
        sample: Some(Sample { at: Timestamp::from_ms(at), since: None, values: values.into() }),
    };
    let batches = vec![KindBatch { kind, complete: true, observations: vec![observation] }];
    Snapshot { poll: poll(target, at, Outcome::Ok), batches, events: Vec::new() }
}

#[test]
fn a_snapshot_is_everything_as_it_was_each_part_with_its_samples_age() {
    both(|served| {
        let picture = served.json("snapshot?at=2026-08-21T03:12:05Z");
        assert_eq!(picture["at"], "2026-08-21T03:12:05.000Z");
        let kinds = picture["kinds"].as_array().unwrap();
        let containers = kinds.iter().find(|kind| kind["kind"] == "container").unwrap();
        let told = |entity: &Json| {
            let (id, age) = (&entity["identity"]["id"], &entity["sample_age_seconds"]);
            format!("{} {} {age}", id.as_str().unwrap(), entity["attributes"]["app"].as_str().unwrap_or("-"))
        };
        let all: Vec<String> = containers["entities"].as_array().unwrap().iter().map(told).collect();
        // node-2 has not answered since 03:09:50, node-3 came back at 03:12:00.
        let expected =
            ["b1 /born 5", "d1 - 5", "m1 /new 5", "r1 /shop/job 5", "w1 /shop/web 5", "w2 /shop/web 135", "i1 - 5"];
        assert_eq!(all, expected);
        let of =
            |name: &str| picture["targets"].as_array().unwrap().iter().find(|t| t["target"] == name).unwrap().clone();
        assert_eq!((&of("docker/node-1")["up"], &of("docker/node-2")["up"]), (&json!(true), &json!(false)));
        let before = served.json("snapshot/container?at=2026-08-21T03:09:00Z&host=node-1");
        let names: Vec<&Json> =
            before["kinds"][0]["entities"].as_array().unwrap().iter().map(|e| &e["attributes"]["app"]).collect();
        assert_eq!(
            names,
            [&Json::Null, &json!("/old"), &json!("/shop/job"), &json!("/shop/web")],
            "as it was, not as it is"
        );
    });
}

/// A registry's tag that moves and a Marathon whose leader changes at 03:05, and on node-1 a container that goes, one that
/// comes, and one that uses four times as much from then on.
fn changing() -> Vec<Snapshot> {
    let mut snapshots = Vec::new();
    for at in (t("03:00:00")..=t("03:10:00")).step_by(10_000) {
        let is_late = at >= t("03:05:00");
        let digest = if is_late { "sha256:bbb" } else { "sha256:aaa" };
        let size = [("size_bytes", Value::Int(7))];
        snapshots.push(visited(
            "registry/hub",
            at,
            "tag",
            &["hub", "shop/web", "latest"],
            &[("digest", digest)],
            &size,
        ));
        let leader = if is_late { "m2:8080" } else { "m1:8080" };
        let apps = [("apps", Value::Int(3))];
        snapshots.push(visited("marathon/prod", at, "marathon", &["prod"], &[("leader", leader)], &apps));
        let mut grown =
            Seen::new("node-1", "grown", at, t("02:00:00"), 100).with("name", "grown").with("app", "/grown");
        let extra = if is_late { (at - t("03:05:00")) * 300_000 } else { 0 };
        let base = grown.values["cpu_usage_seconds_total"];
        grown = grown.value("cpu_usage_seconds_total", base + extra);
        let other = if is_late {
            Seen::new("node-1", "come", at, t("03:04:55"), 10).with("name", "come")
        } else {
            Seen::new("node-1", "gone", at, t("02:00:00"), 10).with("name", "gone")
        };
        snapshots.push(saw(poll("docker/node-1", at, Outcome::Ok), vec![grown, other]));
    }
    snapshots
}

const CHANGING: [(&str, &[&str]); 3] =
    [("registry/hub", &["tag"]), ("marathon/prod", &["marathon"]), ("docker/node-1", &["container"])];

#[test]
fn a_diff_tells_come_and_gone_attributes_tags_leaders_and_what_moved_most() {
    for (_, store) in stores() {
        let served = Served::start(store, &changing(), &CHANGING, t("04:10:00"));
        let diff = served.json("diff?around=2026-08-21T03:05:00Z&window=5m");
        let ids = |list: &str| {
            let lives = diff[list].as_array().unwrap().iter();
            lives.map(|life| life["identity"]["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!((ids("come").as_str(), ids("gone").as_str()), ("come", "gone"), "{diff:#}");
        let changed: Vec<String> = diff["changed"]
            .as_array()
            .unwrap()
            .iter()
            .map(|change| {
                let text = |name: &str| change[name].as_str().unwrap().to_owned();
                format!("{} {} {} {}", text("kind"), text("attribute"), text("old"), text("new"))
            })
            .collect();
        for expected in ["tag digest sha256:aaa sha256:bbb", "marathon leader m1:8080 m2:8080"] {
            assert!(changed.iter().any(|change| change == expected), "{expected}: {changed:?}");
        }
        let first = &diff["numbers"][0];
        assert_eq!((&first["field"], &first["labels"]["app"]), (&json!("cpu_cores"), &json!("/grown")), "{diff:#}");
        assert_eq!((&first["before"]["mean"], &first["after"]["mean"]), (&json!(0.1), &json!(0.4)), "{diff:#}");
    }
}

#[test]
fn an_entity_that_ended_says_when_and_is_found_in_every_range_that_it_lived_in() {
    for (_, store) in stores() {
        let served = Served::start(store, &changing(), &CHANGING, t("04:10:00"));
        let entity = |range: &str| {
            let answer = served.json(&format!("entities/container?{range}&id=gone"));
            assert!(answer["next"].is_null());
            answer["entities"].as_array().unwrap().first().cloned()
        };
        let lived = entity("start=2026-08-21T03:00:00Z&end=2026-08-21T03:02:00Z").unwrap();
        assert_eq!(lived["first_seen"], "2026-08-21T03:00:00.000Z");
        assert_eq!(lived["last_seen"], "2026-08-21T03:04:50.000Z");
        assert_eq!(lived["ended"], "2026-08-21T03:05:00.000Z", "the first good list without it");
        assert_eq!(entity("start=2026-08-21T03:06:00Z&end=2026-08-21T03:10:00Z"), None);
    }
}

#[test]
fn what_is_no_number_is_told_as_such_and_never_as_null() {
    for (_, store) in stores() {
        let labels = ["prometheus/page", "odd", ""];
        let numbers = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.1];
        let snapshots: Vec<Snapshot> = (0..)
            .zip(numbers)
            .map(|(tick, number)| {
                let value = [("value", Value::Float(number))];
                visited("prometheus/page", t("03:00:00") + tick * 10_000, "metric", &labels, &[], &value)
            })
            .collect();
        let served = Served::start(store, &snapshots, &[("prometheus/page", &["metric"])], t("04:10:00"));
        let asked = "samples/metric?start=2026-08-21T03:00:00Z&end=2026-08-21T03:01:00Z";
        let json: Vec<Json> =
            served.json(asked)["samples"].as_array().unwrap().iter().map(|s| s["value"].clone()).collect();
        assert_eq!(json, [json!("NaN"), json!("+Inf"), json!("-Inf"), json!(0.1)]);
        let table = served.table(asked);
        assert_eq!(table.column("value"), ["NaN", "+Inf", "-Inf", "0.1"]);
    }
}
