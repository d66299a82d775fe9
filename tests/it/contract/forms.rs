//! How answers come: JSON and CSV, cells, compression, what may be kept, HEAD, problems, what stands beside the base.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::time::Duration;

use tachograph::model::Timestamp;
use tachograph::store::Cutoffs;

use super::world::{HOSTILE, TARGETS, both, world};
use crate::harness::seeded::{stores, t};
use crate::harness::{Served, http};

const WHOLE: &str = "start=2026-08-21T03:00:00Z&end=2026-08-21T03:20:00Z";

#[test]
fn every_table_is_json_by_default_and_csv_by_suffix_or_accept() {
    both(|served| {
        for path in [
            "kinds".to_owned(),
            "kinds/container".to_owned(),
            format!("entities/container?{WHOLE}"),
            format!("range/container?{WHOLE}"),
            format!("samples/container?{WHOLE}&id=w1"),
            format!("events?{WHOLE}"),
            "targets".to_owned(),
            "reports".to_owned(),
        ] {
            let json = served.get(&path);
            assert_eq!((json.status, json.header("content-type")), (200, Some("application/json")), "{path}");
            json.json();
            let (table, query) = path.split_once('?').unwrap_or((&path, ""));
            let by_suffix = served.get(&format!("{table}.csv?{query}"));
            assert!(by_suffix.header("content-type").unwrap().starts_with("text/csv"), "{path}");
            let by_accept = served.get_with(&format!("/api/v1/{path}"), &[("Accept", "text/csv")]);
            assert_eq!(by_accept.header("content-type"), by_suffix.header("content-type"), "{path}");
            if table != "targets" {
                assert_eq!(by_accept.body, by_suffix.body, "{path}");
            }
        }
    });
}

#[test]
fn csv_is_rfc_4180_with_crlf_without_bom_and_every_row_as_long_as_the_header() {
    both(|served| {
        for path in
            [format!("range/container.csv?{WHOLE}&step=5m"), format!("samples/container.csv?{WHOLE}&attributes=all")]
        {
            let reply = served.get(&path);
            let text = reply.text();
            assert!(text.starts_with("time,"), "no byte order mark: {text:.20}");
            let mut records = 0;
            let mut in_quotes = false;
            let mut fields = 1;
            let mut lengths = BTreeSet::new();
            let mut before = '\0';
            for letter in text.chars() {
                match letter {
                    '"' => in_quotes = !in_quotes,
                    ',' if !in_quotes => fields += 1,
                    '\n' if !in_quotes => {
                        assert_eq!(before, '\r', "a record ends with CRLF");
                        lengths.insert(fields);
                        fields = 1;
                        records += 1;
                    }
                    _ => {}
                }
                before = letter;
            }
            assert!(!in_quotes && text.ends_with("\r\n") && records > 10);
            assert_eq!(lengths.len(), 1, "no trailing comma, no missing field: {lengths:?}");
            assert!(text.contains("\"=1+1,\"\"ü\"\"\r\n</b>\""), "text is quoted and otherwise as it is");
        }
        let reply = served.get(&format!("range/container.csv?{WHOLE}"));
        assert_eq!(
            reply.header("content-disposition"),
            Some("attachment; filename=\"container_2026-08-21T030000Z_2026-08-21T032000Z.csv\"")
        );
    });
}

#[test]
fn cells_are_the_same_text_in_json_and_csv() {
    both(|served| {
        let path = "samples/container?start=2026-08-21T03:00:10Z&end=2026-08-21T03:00:20Z&id=w1&attributes=all";
        let json = served.json(path)["samples"][0].clone();
        let table = served.table(path);
        let expected: [(&str, &str, serde_json::Value); 11] = [
            ("time", "2026-08-21T03:00:10.000Z", "2026-08-21T03:00:10.000Z".into()),
            ("started_at", "2026-08-21T02:00:00.000Z", "2026-08-21T02:00:00.000Z".into()),
            // A scaled integer, exactly; a derived number.
            ("cpu_usage_seconds_total", "902.5", 902.5.into()),
            ("cpu_cores", "0.25", 0.25.into()),
            ("network_receive_bytes_total", "7", 7.into()),
            ("oom_killed", "false", false.into()),
            ("restart_count", "0", 0.into()),
            ("labels", "{\"env\":\"prod\"}", serde_json::json!({"env": "prod"})),
            ("ports", "[\"80/tcp\",\"443/tcp\"]", serde_json::json!(["80/tcp", "443/tcp"])),
            // Null is null and an empty field, never 0.
            ("block_read_bytes_total", "", serde_json::Value::Null),
            ("exit_code", "", serde_json::Value::Null),
        ];
        for (name, field, value) in expected {
            assert_eq!((table.only(name), &json[name]), (field, &value), "{name}");
        }
        // At most nine significant digits.
        let ratio = served.table("range/container?start=2026-08-21T03:00:00Z&end=2026-08-21T03:00:30Z&step=all&id=w1&fields=network_receive_bytes_per_second,memory_usage_ratio");
        assert_eq!(ratio.only("network_receive_bytes_per_second"), "0.7");
        assert_eq!(ratio.only("memory_usage_ratio"), "0.417083333");
        // Bucket times have whole seconds; with `tz` the offset instead of Z.
        let local = served.table(&format!("range/container?{WHOLE}&step=all&id=w1&tz=Europe/Berlin"));
        assert_eq!(local.only("time"), "2026-08-21T05:00:00+02:00");
    });
}

#[test]
fn answers_are_compressed_where_gzip_is_wanted_at_least_as_much_as_nothing() {
    both(|served| {
        let path = format!("/api/v1/range/container.csv?{WHOLE}");
        let plain = served.get_with(&path, &[]);
        for (asked, is_packed) in [
            ("gzip", true),
            ("br, gzip;q=0.8", true),
            ("gzip;q=1.0, identity;q=0.5", true),
            ("gzip;q=0.5, identity;q=0.2", true),
            ("*", true),
            ("identity", false),
            ("gzip;q=0", false),
            ("deflate", false),
            ("", false),
        ] {
            let reply = served.get_with(&path, &[("Accept-Encoding", asked)]);
            let vary = reply.header("vary").unwrap_or_default().to_ascii_lowercase();
            assert!(vary.contains("accept-encoding"), "{asked}: {vary}");
            assert_eq!(reply.header("content-encoding") == Some("gzip"), is_packed, "{asked}");
            let mut body = Vec::new();
            if is_packed {
                flate2::read::GzDecoder::new(reply.body.as_slice()).read_to_end(&mut body).unwrap();
            } else {
                body.clone_from(&reply.body);
            }
            assert_eq!(body, plain.body, "{asked}");
        }
    });
}

#[test]
fn a_closed_range_keeps_its_bytes_and_its_strong_tag_and_an_open_one_has_none() {
    let mut tags = BTreeSet::new();
    for (_, store) in stores() {
        let store = std::sync::Arc::new(store);
        let (closed, later) =
            world().into_iter().partition::<Vec<_>, _>(|snapshot| snapshot.poll.started.ms() < t("03:12:00"));
        store.append(&closed).unwrap();
        let served = Served::over(std::sync::Arc::clone(&store), &TARGETS, t("03:20:00"));
        let path = "/api/v1/range/container.csv?start=2026-08-21T03:00:00Z&end=2026-08-21T03:10:00Z&coverage=1";
        let first = served.get_with(path, &[]);
        let tag = first.header("etag").unwrap().to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag} is not strong");
        store.append(&later).unwrap();
        let again = served.get_with(path, &[]);
        assert_eq!((again.header("etag"), &again.body), (Some(&*tag), &first.body), "what comes later changes nothing");
        let not_modified = served.get_with(path, &[("If-None-Match", &tag)]);
        assert_eq!((not_modified.status, not_modified.body.len()), (304, 0));
        assert_eq!(not_modified.header("etag"), Some(&*tag));
        let weak = served.get_with(path, &[("If-None-Match", &format!("\"x\", W/{tag}"))]);
        assert_eq!(weak.status, 304, "weak comparison, any of a list");
        // Ten minutes before the end of what was polled, and not a second later.
        let open = served.get_with(&path.replace("03:10:00Z", "03:10:30Z"), &[("If-None-Match", "*")]);
        assert_eq!((open.status, open.header("etag"), open.header("cache-control")), (200, None, Some("no-store")));
        assert!(tags.insert(tag), "another recording has other tags");
    }
}

#[test]
fn samples_taken_by_retention_are_gone_with_what_is_left() {
    for (_, store) in stores() {
        store.append(&world()).unwrap();
        let cutoffs = Cutoffs { samples: Some(Timestamp::from_ms(t("03:05:00"))), ..Cutoffs::default() };
        while store.retain(&cutoffs).unwrap().more {}
        let served = Served::over(std::sync::Arc::new(store), &TARGETS, t("04:10:00"));
        let problem = served.problem(&format!("samples/container?{WHOLE}"));
        assert_eq!(problem["status"], 410, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains("2026-08-21T03:05"), "{problem}");
        let kept = served.table("samples/container?start=2026-08-21T03:05:00Z&end=2026-08-21T03:20:00Z&id=w1");
        assert_eq!(kept.rows.len(), 90);
    }
}

#[test]
fn head_is_get_without_its_body() {
    both(|served| {
        for path in [
            format!("/api/v1/range/container.csv?{WHOLE}"),
            format!("/api/v1/events?{WHOLE}"),
            "/api/v1/range/contianer".to_owned(),
            "/healthz".to_owned(),
        ] {
            let get = served.get_with(&path, &[]);
            let head = http::head(served.address(), &path, Duration::from_secs(30)).unwrap();
            assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
            for name in ["content-type", "content-length", "etag", "content-disposition", "cache-control"] {
                assert_eq!(head.header(name), get.header(name), "{path}: {name}");
            }
        }
    });
}

#[test]
fn errors_are_problem_json() {
    both(|served| {
        for (path, status) in [("range/nothing", 404), ("range/container?step=0", 400), ("nowhere", 404)] {
            let problem = served.problem(path);
            assert_eq!(problem["status"], status);
            for name in ["type", "title", "detail"] {
                assert!(!problem[name].as_str().unwrap().is_empty(), "{path}: {problem}");
            }
        }
    });
}

#[test]
fn health_readiness_metrics_and_the_page_stand_beside_the_base() {
    both(|served| {
        for path in ["/healthz", "/readyz", "/metrics", "/"] {
            assert_eq!(served.get_with(path, &[]).status, 200, "{path}");
        }
        let page = served.get_with("/", &[]);
        assert!(page.header("content-type").unwrap().starts_with("text/html"));
        // It reaches nothing but this recorder, and whatever it names is there.
        assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
        let html = page.text();
        let links = html.split(['"']).filter(|text| text.starts_with("api/v1/") || *text == "metrics");
        let links: BTreeSet<String> = links.map(|link| format!("/{}", link.replace("&amp;", "&"))).collect();
        assert!(links.iter().filter(|link| link.contains("/chart/")).count() > 8, "{links:?}");
        for link in &links {
            assert_eq!(served.get_with(link, &[]).status, 200, "{link}");
        }
    });
}

#[test]
fn metrics_pass_a_strict_reader_of_openmetrics() {
    for (_, store) in stores() {
        let served = Served::start(store, &world(), &TARGETS, t("03:20:05"));
        let reply = served.get_with("/metrics", &[]);
        assert_eq!(reply.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
        let families = read_openmetrics(reply.text());
        let cpu = &families["tachograph_container_cpu_usage_seconds"];
        assert_eq!((cpu.ty.as_str(), cpu.unit.as_str()), ("counter", "seconds"));
        let web = cpu.samples.iter().find(|sample| sample.suffix == "_total" && sample.labels["id"] == "w1").unwrap();
        assert_eq!((web.value.as_str(), web.time.as_str()), ("1200", "1787282400"));
        assert!(cpu.samples.iter().any(|sample| sample.suffix == "_created" && sample.value == "1787277600"));
        let hostile = cpu.samples.iter().find(|sample| sample.labels["id"] == "d1").unwrap();
        assert_eq!(hostile.labels["name"], HOSTILE, "escaped and read back");
        assert!(!cpu.samples.iter().any(|sample| sample.labels["id"] == "i1"), "not seen for three intervals");
        assert!(families.contains_key("tachograph_build_info"));
    }
}

struct Family {
    ty: String,
    unit: String,
    samples: Vec<Line>,
}

struct Line {
    suffix: String,
    labels: BTreeMap<String, String>,
    value: String,
    time: String,
}

/// Reads OpenMetrics 1.0 text; anything that the format forbids fails.
#[track_caller]
fn read_openmetrics(text: &str) -> BTreeMap<String, Family> {
    let body = text.strip_suffix("# EOF\n").expect("ends with EOF");
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    let mut told = BTreeSet::new();
    for line in body.split_terminator('\n') {
        assert!(!line.is_empty() && !line.ends_with(' '), "{line:?}");
        if let Some(meta) = line.strip_prefix("# ") {
            let (word, rest) = meta.split_once(' ').unwrap();
            let (name, said) = rest.split_once(' ').unwrap();
            if word == "TYPE" {
                assert!(is_name(name), "{name}");
                assert!(["counter", "gauge", "info", "stateset"].contains(&said), "{line}");
                let family = Family { ty: said.to_owned(), unit: String::new(), samples: Vec::new() };
                assert!(families.insert(name.to_owned(), family).is_none(), "{name} stands there twice");
                name.clone_into(&mut current);
            }
            assert_eq!(name, current, "metadata belongs to the family that follows");
            let family = families.get_mut(name).unwrap();
            assert!(family.samples.is_empty(), "metadata comes before samples: {line}");
            match word {
                "TYPE" => {}
                "HELP" => {
                    let unescaped = said.replace("\\\\", "").replace("\\\"", "").replace("\\n", "");
                    assert!(!unescaped.contains(['\\', '"']), "{line}");
                }
                "UNIT" => {
                    assert!(name.ends_with(&format!("_{said}")), "a unit ends the name: {line}");
                    said.clone_into(&mut family.unit);
                }
                _ => panic!("{line}"),
            }
            continue;
        }
        let end = line.find(['{', ' ']).unwrap();
        let (name, rest) = line.split_at(end);
        let (labels, rest) = read_labels(rest);
        let family = families.get_mut(&current).unwrap();
        let suffix = name.strip_prefix(&*current).unwrap_or_else(|| panic!("{name} is not of {current}"));
        let allowed: &[&str] = if family.ty == "counter" { &["_total", "_created"] } else { &[""] };
        assert!(allowed.contains(&suffix), "{line}");
        let mut numbers = rest.strip_prefix(' ').unwrap().split(' ');
        let (value, time) = (numbers.next().unwrap(), numbers.next().unwrap_or_default());
        assert!(value.parse::<f64>().is_ok_and(|number| family.ty != "counter" || number >= 0.0), "{line}");
        assert!(time.is_empty() || time.parse::<f64>().is_ok(), "{line}");
        assert_eq!(numbers.next(), None, "{line}");
        assert!(told.insert(format!("{name} {labels:?}")), "{line} stands there twice");
        let (value, time) = (value.to_owned(), time.to_owned());
        family.samples.push(Line { suffix: suffix.to_owned(), labels, value, time });
    }
    families
}

fn is_name(name: &str) -> bool {
    name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// The labels at the start of a text, unescaped, and what follows them.
#[track_caller]
fn read_labels(text: &str) -> (BTreeMap<String, String>, &str) {
    let mut labels = BTreeMap::new();
    let Some(mut rest) = text.strip_prefix('{') else { return (labels, text) };
    loop {
        let (name, after) = rest.split_once("=\"").unwrap();
        assert!(is_name(name), "{name}");
        let mut value = String::new();
        let mut letters = after.char_indices();
        let end = loop {
            match letters.next().unwrap() {
                (_, '\\') => value.push(match letters.next().unwrap().1 {
                    'n' => '\n',
                    escaped @ ('\\' | '"') => escaped,
                    other => panic!("\\{other} is no escape"),
                }),
                (at, '"') => break at + 1,
                (_, letter) => value.push(letter),
            }
        };
        assert!(labels.insert(name.to_owned(), value).is_none(), "{name} twice");
        rest = &after[end..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return (labels, rest.strip_prefix('}').unwrap()),
        }
    }
}
