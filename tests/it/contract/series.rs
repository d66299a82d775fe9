//! What answers look like: kinds, entities, series and their labels, samples, events, targets.

use super::world::{HOSTILE, both};

const WHOLE: &str = "start=2026-08-21T03:00:00Z&end=2026-08-21T03:20:00Z";

fn names(list: &serde_json::Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn kinds_say_their_attributes_and_columns_with_type_unit_and_help() {
    both(|served| {
        let kinds = served.json("kinds");
        assert!(names(&kinds["kinds"]).contains(&"container".to_owned()));
        let kind = served.json("kinds/container");
        assert_eq!(names(&kind["identity"]), ["host", "id"]);
        assert!(names(&kind["attributes"]).contains(&"app".to_owned()));
        for column in kind["columns"].as_array().unwrap() {
            assert!(["counter", "gauge", "derived"].contains(&column["type"].as_str().unwrap()), "{column}");
            assert!(column["unit"].is_string() && !column["help"].as_str().unwrap().is_empty(), "{column}");
        }
    });
}

#[test]
fn entities_are_those_alive_in_a_range_with_attributes_as_of_its_end() {
    both(|served| {
        let early = served.json("entities/container?start=2026-08-21T03:00:00Z&end=2026-08-21T03:05:00Z&host=node-1");
        let ids = |answer: &serde_json::Value| {
            let entities = answer["entities"].as_array().unwrap().iter();
            entities.map(|entity| entity["identity"]["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(ids(&early), "d1 m1 r1 w1");
        assert_eq!(early["entities"][1]["attributes"]["app"], "/old");
        let whole = served.json(&format!("entities/container?{WHOLE}&host=node-1"));
        assert_eq!(ids(&whole), "b1 d1 m1 r1 w1");
        let born = &whole["entities"][0];
        assert_eq!(born["identity"], serde_json::json!({"host": "node-1", "id": "b1"}));
        assert_eq!(born["first_seen"], "2026-08-21T03:10:10.000Z");
        assert_eq!(born["last_seen"], "2026-08-21T03:20:00.000Z");
        assert!(born["ended"].is_null());
        assert_eq!(whole["entities"][2]["attributes"]["app"], "/new");
        // By pages.
        let mut paged = String::new();
        let mut cursor = String::new();
        loop {
            let page = served.json(&format!("entities/container?{WHOLE}&host=node-1&limit=2{cursor}"));
            paged = format!("{paged} {}", ids(&page)).trim().to_owned();
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(paged, ids(&whole));
    });
}

#[test]
fn a_series_is_an_entity_labelled_as_of_its_last_sample_or_a_group_labelled_exactly() {
    both(|served| {
        let labels = |query: &str| {
            served.json(&format!("range/container?{WHOLE}&step=all&{query}"))["series"][0]["labels"].clone()
        };
        assert_eq!(labels("id=m1"), serde_json::json!({"host": "node-1", "name": "moved", "id": "m1"}));
        let before = "range/container?start=2026-08-21T03:00:00Z&end=2026-08-21T03:09:00Z&step=all&id=m1";
        assert_eq!(served.json(before)["series"][0]["labels"]["name"], "mover");
        assert_eq!(labels("id=w1&group_by=app,host"), serde_json::json!({"app": "/shop/web", "host": "node-1"}));
        assert_eq!(labels("id=w1&group_by=label.env"), serde_json::json!({"label.env": "prod"}));
        assert_eq!(labels("group_by="), serde_json::json!({}));
        let header =
            |query: &str| served.table(&format!("range/container?{WHOLE}&step=all&fields=cpu_cores{query}")).header;
        assert_eq!(header(""), ["time", "host", "name", "id", "cpu_cores"]);
        assert_eq!(header("&group_by=app,host&coverage=1"), ["time", "app", "host", "cpu_cores", "coverage"]);
        assert_eq!(header("&group_by="), ["time", "cpu_cores"]);
        assert_eq!(header("&group_by=&agg=avg,p95"), ["time", "cpu_cores.avg", "cpu_cores.p95"]);
    });
}

#[test]
fn a_range_has_exactly_the_shape_that_is_promised() {
    both(|served| {
        let asked = "start=2026-08-21T03:00:00Z&end=2026-08-21T03:00:20Z&step=10s&id=w1";
        let answer = served.json(&format!("range/container?{asked}&fields=cpu_cores"));
        for (name, value) in [
            ("kind", serde_json::json!("container")),
            ("start", "2026-08-21T03:00:00Z".into()),
            ("end", "2026-08-21T03:00:20Z".into()),
            ("step_seconds", 10.into()),
            ("resolution", "samples".into()),
            ("fields", serde_json::json!([{"name": "cpu_cores", "agg": "avg", "unit": "cores"}])),
            ("times", serde_json::json!(["2026-08-21T03:00:00Z", "2026-08-21T03:00:10Z"])),
            (
                "series",
                serde_json::json!([{
                    "labels": {"host": "node-1", "name": "web", "id": "w1"}, "values": {"cpu_cores": [0.25, 0.25]}
                }]),
            ),
        ] {
            assert_eq!(answer[name], value, "{name}");
        }
        let several = served.json(&format!("range/container?{asked}&fields=cpu_cores&agg=avg,p95&coverage=1"));
        let series = &several["series"][0];
        assert_eq!(series["values"], serde_json::json!({"cpu_cores.avg": [0.25, 0.25], "cpu_cores.p95": [0.25, 0.25]}));
        assert_eq!((&series["coverage"], &several["gaps"]), (&serde_json::json!([1, 1]), &serde_json::json!([])));
    });
}

#[test]
fn every_type_of_event_can_be_asked_for() {
    const TYPES: &str = "container_created container_started container_died container_oom container_killed \
        container_health_changed container_renamed container_removed image_tagged image_untagged image_deleted target_down \
        target_up tick_skipped snapshot_dropped clock_stepped clock_offset counter_fell recorder_started recorder_stopped \
        leader_changed agent_added agent_lost task_failed task_state deployment_started deployment_ended app_changed \
        repository_added repository_deleted tag_added tag_moved tag_deleted role_changed limit_hit";
    both(|served| {
        for event_type in TYPES.split_whitespace() {
            served.json(&format!("events?{WHOLE}&type={event_type}"));
        }
    });
}

#[test]
fn samples_come_in_the_kinds_order_by_identity_then_time() {
    both(|served| {
        let kind = served.json("kinds/container");
        let of_type = |types: &[&str]| -> Vec<String> {
            let all = kind["columns"].as_array().unwrap().iter();
            all.filter(|column| types.contains(&column["type"].as_str().unwrap()))
                .map(|column| column["name"].as_str().unwrap().to_owned())
                .collect()
        };
        let attributes = |with_lists: bool| -> Vec<String> {
            let all = kind["attributes"].as_array().unwrap().iter();
            all.filter(|attribute| with_lists || !["list", "map"].contains(&attribute["type"].as_str().unwrap()))
                .map(|attribute| attribute["name"].as_str().unwrap().to_owned())
                .collect()
        };
        for (asked, with_lists) in [("", false), ("&attributes=all", true)] {
            let table = served.table(&format!("samples/container?{WHOLE}{asked}"));
            let mut expected: Vec<String> = ["time", "host", "id", "since"].map(str::to_owned).to_vec();
            expected.extend(attributes(with_lists));
            expected.extend(of_type(&["counter", "gauge"]));
            expected.extend(of_type(&["derived"]));
            assert_eq!(table.header, expected);
            let keys: Vec<_> = table.rows.iter().map(|row| (row[1].clone(), row[2].clone(), row[0].clone())).collect();
            assert!(keys.is_sorted_by(|a, b| a < b), "by identity, then time, each once");
            // d1, m1, r1, w1: 120 each; b1: 59; w2: 60 + 30; i1: 13 + 7 + 7 + 7.
            assert_eq!(keys.len(), 4 * 120 + 59 + 90 + 34);
        }
    });
}

#[test]
fn a_derived_cell_is_that_of_the_stretch_ending_at_the_sample() {
    both(|served| {
        let table = served.table("samples/container?start=2026-08-21T03:05:00Z&end=2026-08-21T03:05:30Z&id=r1");
        assert_eq!(table.column("cpu_usage_seconds_total"), ["3900", "5", "15"], "as recorded");
        assert_eq!(table.column("cpu_cores"), ["1", "1", "1"]);
        assert_eq!(table.column("since")[..2], ["2026-08-21T02:00:00.000Z", "2026-08-21T03:05:05.000Z"]);
        let first = served.table("samples/container?start=2026-08-21T03:00:00Z&end=2026-08-21T03:00:10Z&id=w1");
        assert_eq!((first.only("cpu_cores"), first.only("memory_working_set_bytes")), ("", "800"));
        let hole = served.table("samples/container?start=2026-08-21T03:15:00Z&end=2026-08-21T03:15:10Z&id=w2");
        assert_eq!(hole.only("cpu_cores"), "", "no rate over a hole");
    });
}

#[test]
fn samples_are_resumed_by_identity_and_time_of_the_last_complete_line() {
    both(|served| {
        let five = "start=2026-08-21T03:00:00Z&end=2026-08-21T03:01:00Z";
        let whole = served.table(&format!("samples/container?{five}"));
        for cut in [0, 4, 5, 11, whole.rows.len() - 1] {
            let [time, host, id] = &whole.rows[cut][..3] else { unreachable!() };
            let rest = served.table(&format!("samples/container?{five}&cursor={host},{id},{time}"));
            assert_eq!(rest.rows, whole.rows[cut + 1..], "after row {cut}");
        }
        // As in the `Link` of a reply with a limit.
        let page = served.get(&format!("samples/container.csv?{five}&limit=7"));
        let link = page.header("link").unwrap();
        let next = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap();
        let [time, host, id] = &whole.rows[6][..3] else { unreachable!() };
        assert!(next.contains(&format!("cursor={host}%2C{id}%2C{}", time.replace(':', "%3A"))), "{next}");
        let last = served.get(&format!("samples/container.csv?{five}&limit=1000"));
        assert_eq!(last.header("link"), None);
    });
}

#[test]
fn events_have_their_shape_and_filters_and_come_once() {
    both(|served| {
        let answer = served.json(&format!("events?{WHOLE}"));
        let events = answer["events"].as_array().unwrap();
        assert_eq!(events.len(), 2, "told twice by the engine, kept once: {answer}");
        assert_eq!(
            events[1],
            serde_json::json!({
                "time": "2026-08-21T03:10:12.000Z", "severity": "error", "type": "container_oom", "kind": "container",
                "entity": {"host": "node-1", "id": "w1"}, "target": "docker/node-1", "message": HOSTILE,
                "details": {"exit_code": 137}
            })
        );
        let count = |filter: &str| served.json(&format!("events?{WHOLE}&{filter}"))["events"].as_array().unwrap().len();
        for (filter, expected) in [
            ("type=container_oom", 1),
            ("type=container_*", 2),
            ("type=!container_oom", 1),
            ("severity=error", 1),
            ("severity=info,error", 2),
            ("kind=container", 2),
            ("kind=image", 0),
            ("host=node-1", 2),
            ("host=node-2", 0),
            ("app=/born", 1),
            ("app=/shop/*", 1),
            ("kind=container&name=web", 1),
        ] {
            assert_eq!(count(filter), expected, "{filter}");
        }
    });
}

#[test]
fn targets_tell_up_last_success_last_error_and_age() {
    both(|served| {
        let answer = served.json("targets");
        let target = |name: &str| {
            answer["targets"].as_array().unwrap().iter().find(|target| target["target"] == name).unwrap().clone()
        };
        let quiet = target("docker/node-2");
        assert_eq!(quiet["up"], true);
        assert_eq!(quiet["last_success"], "2026-08-21T03:20:00.000Z");
        assert_eq!(quiet["last_error_at"], "2026-08-21T03:14:00.000Z");
        assert_eq!(
            (&quiet["last_error_outcome"], &quiet["last_error"]),
            (&"timeout".into(), &"timeout on purpose".into())
        );
        assert!((3_000.0..3_100.0).contains(&quiet["age_seconds"].as_f64().unwrap()), "{quiet}");
        assert!(target("docker/node-1")["last_error"].is_null());
    });
}
