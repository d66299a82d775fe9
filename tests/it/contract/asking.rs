//! What may be asked: times, ranges, steps, filters, defaults; and what is refused, with what is said.

use tachograph::model::Outcome;

use super::world::{HOSTILE, Seen, TARGETS, both, many_ids, poll, saw};
use crate::harness::Served;
use crate::harness::seeded::{stores, t};
use crate::harness::time::parse_ms;

/// 03:00 to 03:20, all that was recorded but its last instant.
const WHOLE: &str = "start=2026-08-21T03:00:00Z&end=2026-08-21T03:20:00Z";

#[test]
fn times_are_rfc_3339_partial_dates_unix_times_and_relative_ones() {
    both(|served| {
        for (asked, meant) in [
            ("2026-08-21T03:05:00Z", "2026-08-21T03:05:00Z"),
            ("2026-08-21T05:05:00%2B02:00", "2026-08-21T03:05:00Z"),
            ("2026-08-21T03:05:00.250Z", "2026-08-21T03:05:00.250Z"),
            ("2026-08", "2026-08-01T00:00:00Z"),
            ("2026-08-21", "2026-08-21T00:00:00Z"),
            ("2026-08-21T03", "2026-08-21T03:00:00Z"),
            ("1787281500", "2026-08-21T03:05:00Z"),
            ("1787281500000", "2026-08-21T03:05:00Z"),
        ] {
            let answer = served.json(&format!("range/container?start={asked}&end=2026-08-21T04:00:00Z&step=all"));
            assert_eq!(answer["start"], meant, "{asked}");
        }
        for (asked, before_end_ms) in [("-6h", 21_600_000), ("now-1d", 86_400_000), ("-30s", 30_000)] {
            let answer = served.json(&format!("range/container?start={asked}&end=now&step=all"));
            let (start, end) = (answer["start"].as_str().unwrap(), answer["end"].as_str().unwrap());
            assert_eq!(parse_ms(end) - parse_ms(start), before_end_ms, "{asked}");
        }
        for (step, seconds) in [("30s", 30), ("5m", 300), ("1h", 3_600), ("1d", 86_400)] {
            let answer = served.json(&format!("range/container?{WHOLE}&step={step}"));
            assert_eq!(answer["step_seconds"], seconds, "{step}");
        }
    });
}

#[test]
fn ranges_are_half_open() {
    both(|served| {
        let table = served.table("samples/container?start=2026-08-21T03:05:00Z&end=2026-08-21T03:05:10Z&id=w1");
        assert_eq!(table.column("time"), ["2026-08-21T03:05:00.000Z"]);
        let events = served.json("events?start=2026-08-21T03:10:05Z&end=2026-08-21T03:10:12Z");
        assert_eq!(events["events"].as_array().unwrap().len(), 1);
    });
}

#[test]
fn filters_are_attributes_and_identity_by_name() {
    both(|served| {
        let ids = |filter: &str| {
            let table = served.table(&format!("range/container?{WHOLE}&step=all&fields=cpu_cores&{filter}"));
            table.column("id").into_iter().map(str::to_owned).collect::<Vec<_>>().join(" ")
        };
        let check = |filter: &str, expected: &str| assert_eq!(ids(filter), expected, "{filter}");
        // By identity and by attribute.
        check("host=node-2", "w2");
        check("id=w1", "w1");
        check("app=/shop/web", "w1 w2");
        // `*` and `?`.
        check("app=/shop/*", "r1 w1 w2");
        check("name=?ob", "r1");
        // A leading `!` is not, of the whole list; `,` is any.
        check("id=w1,w2", "w1 w2");
        check("host=node-1&app=!/shop/*,/old,/new", "d1 b1");
        // A repeated parameter means and.
        check("app=/shop/*&app=!*web", "r1");
        // `\` escapes.
        check("app=%5C/shop%5C/web", "w1 w2");
        check("app=/shop/%5C*", "");
        // An entry of a map.
        check("label.env=prod", "w1");
        check("label.env=!prod&host=node-1&app=/shop/*", "r1");
        // Missing equals empty.
        check("app=&host=node-1", "d1");
        check("app=!&host=node-3", "");
        // What the other filters match, booleans and numbers included.
        check("oom_killed=false", "w1");
        check("cpu_limit_cores=0.5", "w1");
        check("name=%3D1%2B1*", "d1");
    });
}

#[test]
fn filters_and_groups_see_the_attributes_each_sample_had() {
    both(|served| {
        let old = served.table(&format!("samples/container?{WHOLE}&app=/old"));
        assert_eq!((old.rows.len(), old.column("time")[59]), (60, "2026-08-21T03:09:50.000Z"));
        let new = served.table(&format!("samples/container?{WHOLE}&app=/new"));
        assert_eq!((new.rows.len(), new.column("time")[0]), (60, "2026-08-21T03:10:00.000Z"));
        let table = served
            .table(&format!("range/container?{WHOLE}&step=all&id=m1&group_by=app&fields=cpu_usage_seconds_total"));
        assert_eq!(table.column("app"), ["/new", "/old"]);
        assert_eq!(
            table.column("cpu_usage_seconds_total"),
            ["61", "59"],
            "the stretch belongs to the sample it ends at"
        );
    });
}

#[test]
fn an_unknown_or_malformed_parameter_is_refused_by_name_with_what_would_be_right() {
    both(|served| {
        for (path, status, parameter, said) in [
            ("range/container?stpe=5m", 400, "stpe", "step"),
            ("range/container?nmae=web", 400, "nmae", "name"),
            ("range/container?step=0", 400, "step", "step"),
            ("range/container?step=0s", 400, "step", "0s"),
            ("range/container?step=2d", 400, "step", "1d"),
            ("range/container?step=36h", 400, "step", "1d"),
            ("range/container?start=2026-08-21&end=2026-08-20", 400, "start", "before end"),
            ("range/container?start=2026-08-21&end=2026-08-21", 400, "start", "before end"),
            // A million points.
            ("range/container?start=2026-08-01&end=2026-08-13&step=1s", 400, "step", "11000"),
            // A malformed glob.
            ("range/container?name=web%5C", 400, "name", "\\"),
            ("range/container?fields=cpu_coers", 400, "fields", "cpu_cores"),
            ("range/container?group_by=ap", 400, "group_by", "app"),
            ("range/container?tz=Europe/Berln", 400, "tz", "Europe/Berlin"),
            ("range/container?across=sum", 400, "across", "group_by"),
            ("range/container?top_by=cpu_cores", 400, "top_by", "top="),
            ("range/container?coverage=maybe", 400, "coverage", "1"),
            ("range/container?start=-1h&start=-2h", 400, "start", "twice"),
            ("events?severity=fatal", 400, "severity", "error"),
            ("events?type=container_dead", 400, "type", "container_died"),
        ] {
            let problem = served.problem(path);
            assert_eq!(
                (problem["status"].as_u64(), &problem["parameter"]),
                (Some(status), &parameter.into()),
                "{path}"
            );
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains(said), "{path}: {detail:?} does not say {said:?}");
        }
        // Within 11,000 buckets, the message names a step that fits.
        let problem = served.problem("range/container?start=2026-08-01&end=2026-08-13&step=1s");
        let fits = problem["detail"].as_str().unwrap().split(' ').find(|word| word.ends_with('m') && word.len() < 5);
        let step = fits.unwrap_or_else(|| panic!("no step in {problem}")).trim_matches(|c: char| !c.is_alphanumeric());
        served.json(&format!("range/container?start=2026-08-01&end=2026-08-13&step={step}"));
        let problem = served.problem("range/contianer?step=5m");
        assert_eq!((problem["status"].as_u64(), &problem["nearest"]), (Some(404), &"container".into()), "{problem}");
    });
}

#[test]
fn no_entity_is_200_and_empty() {
    both(|served| {
        assert_eq!(served.json("range/container?name=nobody")["series"], serde_json::json!([]));
        assert_eq!(served.json("samples/container?name=nobody")["samples"], serde_json::json!([]));
        assert_eq!(served.json("entities/container?name=nobody")["entities"], serde_json::json!([]));
        assert_eq!(served.json("events?host=nobody")["events"], serde_json::json!([]));
        // A kind of which nothing was ever recorded.
        assert_eq!(served.json("range/host")["series"], serde_json::json!([]));
    });
}

#[test]
fn too_many_cells_are_refused_with_what_would_fit() {
    both(|served| {
        let fields = "memory_usage_bytes,memory_limit_bytes,memory_rss_bytes,memory_cache_bytes,pids,cpu_cores,\
                      memory_working_set_bytes,memory_usage_ratio";
        let path = format!(
            "range/container?start=2026-08-21T03&end=2026-08-21T06&step=1s&fields={fields}\
             &agg=avg,min,max,last,count,p50,p90,p95,p99"
        );
        let problem = served.problem(&path);
        assert_eq!(problem["status"], 400, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains("5000000 cells"), "{problem}");
    });
}

#[test]
fn too_many_series_are_refused_with_what_would_narrow_them() {
    let [(_, store), _] = stores();
    let at = t("03:00:00");
    let seen = many_ids().iter().take(10_001).map(|id| Seen::new("node-1", id, at, at - 1_000, 1));
    let recorded = saw(poll("docker/node-1", at, Outcome::Ok), seen.collect());
    let served = Served::start(store, &[recorded], &TARGETS, t("04:10:00"));
    let problem = served.problem(&format!("range/container?{WHOLE}&step=all&fields=memory_usage_bytes&agg=count"));
    assert_eq!(problem["status"], 400, "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("10000 series") && detail.contains("group_by"), "{detail}");
    let grouped = format!("range/container?{WHOLE}&step=all&fields=cpu_usage_seconds_total&agg=last&group_by=host");
    assert_eq!(served.table(&grouped).only("cpu_usage_seconds_total"), "10.001");
}

#[test]
fn buckets_align_to_the_epoch_are_cut_at_the_ends_and_labelled_by_their_start() {
    both(|served| {
        let times = |query: &str| {
            let answer = served.json(&format!("range/container?id=none&{query}"));
            let times = answer["times"].as_array().unwrap().iter();
            times.map(|time| time.as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
        };
        let cut = "start=2026-08-21T03:00:05Z&end=2026-08-21T03:01:25Z&step=30s";
        assert_eq!(times(cut), "2026-08-21T03:00:05Z 2026-08-21T03:00:30Z 2026-08-21T03:01:00Z");
        // Steps below a day ignore tz; only the print is local.
        let six = "start=2026-08-20T20:00:00Z&end=2026-08-21T10:00:00Z&step=6h&tz=Asia/Kathmandu";
        assert_eq!(times(six), "2026-08-21T01:45:00+05:45 2026-08-21T05:45:00+05:45 2026-08-21T11:45:00+05:45");
        // Weeks begin on Monday, months on the first, both at local midnight.
        let weeks = "start=2026-08-19&end=2026-08-26&step=1w&tz=Europe/Berlin";
        assert_eq!(times(weeks), "2026-08-19T00:00:00+02:00 2026-08-24T00:00:00+02:00");
        let months = "start=2026-09&end=2026-12&step=1mo&tz=Europe/Berlin";
        assert_eq!(times(months), "2026-09-01T00:00:00+02:00 2026-10-01T00:00:00+02:00 2026-11-01T00:00:00+01:00");
        assert_eq!(times("start=2026-08-21T03&end=2026-08-21T04&step=all"), "2026-08-21T03:00:00Z");
    });
}

#[test]
fn the_reply_echoes_the_defaults_resolved() {
    both(|served| {
        let answer = served.json("range/container?end=2026-08-21T03:20:00Z");
        let fields: Vec<&str> =
            answer["fields"].as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap()).collect();
        let kind = served.json("kinds/container");
        let headline: Vec<&str> = kind["columns"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|column| column["headline"] == true)
            .map(|column| column["name"].as_str().unwrap())
            .collect();
        assert_eq!(fields.len(), headline.len());
        assert!(headline.iter().all(|name| fields.contains(name)), "{fields:?} {headline:?}");
        // The last hour; 10 s would be 360 buckets.
        assert_eq!(answer["start"], "2026-08-21T02:20:00Z");
        assert_eq!((&answer["step"], &answer["step_seconds"]), (&"30s".into(), &30.into()));
        for (range_start, step) in [("03:00:00", "10s"), ("2026-08-20", "15m"), ("2026-08-01", "6h"), ("2025-11", "1d")]
        {
            let start =
                if range_start.contains(':') { format!("2026-08-21T{range_start}Z") } else { range_start.to_owned() };
            let answer = served.json(&format!("range/container?start={start}&end=2026-08-21T03:20:00Z"));
            assert_eq!(answer["step"], step, "{start}");
            assert!(answer["times"].as_array().unwrap().len() <= 300);
        }
        assert_eq!((&answer["resolution"], &answer["tz"]), (&"samples".into(), &"UTC".into()));
        let now = served.json("range/container");
        assert!(now["end"].as_str().unwrap().starts_with("2026-08-21T04:1"), "now: {}", now["end"]);
    });
}

#[test]
fn hostile_text_is_told_as_it_is() {
    both(|served| {
        let answer = served.json(&format!("entities/container?{WHOLE}&id=d1"));
        assert_eq!(answer["entities"][0]["attributes"]["name"], HOSTILE);
        let table = served.table(&format!("entities/container?{WHOLE}&id=d1"));
        assert_eq!(table.only("name"), HOSTILE);
    });
}
