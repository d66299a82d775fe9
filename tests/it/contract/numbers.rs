//! What the numbers mean: increases, rates, holes, aggs, groups, days of 23 and 25 hours.

use tachograph::model::{Outcome, Snapshot};

use super::world::{Seen, both, poll, saw};
use crate::harness::Served;
use crate::harness::seeded::{stores, t};
use crate::harness::table::billionths;
use crate::harness::time::parse_ms;

/// A minute, as one bucket.
const MINUTE: &str = "start=2026-08-21T03:00:00Z&end=2026-08-21T03:01:00Z&step=all";

/// Checks cells of one row: `name=cell`.
#[track_caller]
fn check(served: &Served, query: &str, expected: &str) {
    let table = served.table(&format!("range/container?{query}"));
    for pair in expected.split_whitespace() {
        let (name, cell) = pair.split_once('=').unwrap();
        assert_eq!(table.only(name), cell, "{name} of {query}");
    }
}

#[test]
fn counters_default_to_increase_and_others_to_avg() {
    both(|served| {
        let fields = "fields=cpu_usage_seconds_total,memory_usage_bytes,cpu_cores";
        let answer = served.json(&format!("range/container?{MINUTE}&id=w1&{fields}"));
        let aggs: Vec<_> = answer["fields"].as_array().unwrap().iter().map(|field| &field["agg"]).collect();
        assert_eq!(aggs, ["increase", "avg", "avg"]);
        check(
            served,
            &format!("{MINUTE}&id=w1&{fields}"),
            "cpu_usage_seconds_total=15 memory_usage_bytes=1002.5 cpu_cores=0.25",
        );
    });
}

#[test]
fn several_aggs_may_be_asked_and_each_is_what_it_says() {
    both(|served| {
        let aggs = "agg=avg,min,max,last,count,p50,p90,p95,p99";
        check(
            served,
            &format!("{MINUTE}&id=w1&fields=memory_usage_bytes,cpu_cores&{aggs}"),
            "memory_usage_bytes.avg=1002.5 memory_usage_bytes.min=1000 memory_usage_bytes.max=1005
             memory_usage_bytes.last=1005 memory_usage_bytes.count=6 memory_usage_bytes.p50=1002.5
             memory_usage_bytes.p90=1004.5 memory_usage_bytes.p95=1004.75 memory_usage_bytes.p99=1004.95
             cpu_cores.avg=0.25 cpu_cores.min=0.25 cpu_cores.max=0.25 cpu_cores.count=6 cpu_cores.p99=0.25",
        );
        check(
            served,
            &format!("{MINUTE}&id=w1&fields=cpu_usage_seconds_total&agg=increase,last"),
            "cpu_usage_seconds_total.increase=15 cpu_usage_seconds_total.last=912.5",
        );
    });
}

#[test]
fn any_other_agg_is_refused_with_what_would_do() {
    both(|served| {
        for (asked, said) in [
            ("fields=cpu_usage_seconds_total&agg=avg", "increase"),
            ("fields=cpu_usage_seconds_total&agg=p95", "last"),
            ("fields=memory_usage_bytes&agg=increase", "avg"),
            ("fields=cpu_cores&agg=increase", "p95"),
            ("fields=memory_max_usage_bytes&agg=avg", "max"),
            ("fields=cpu_cores&agg=mean", "avg"),
        ] {
            let problem = served.problem(&format!("range/container?{asked}"));
            assert_eq!((&problem["status"], &problem["parameter"]), (&400.into(), &"agg".into()), "{asked}: {problem}");
            assert!(problem["detail"].as_str().unwrap().contains(said), "{asked}: {problem}");
        }
    });
}

#[test]
fn a_ratio_of_increases_is_sum_over_sum_and_one_of_gauges_the_mean_of_ratios() {
    both(|served| {
        // From 03:00:00 on: 50 of 100 periods, then 0 of 300, and so on; the mean of ratios would be 0.25.
        check(served, &format!("{MINUTE}&id=w1&fields=cpu_throttled_ratio"), "cpu_throttled_ratio=0.125");
        // 1000 of 2000 and 1001 of 4000; the ratio of means would be 0.3335.
        let two = "start=2026-08-21T03:00:00Z&end=2026-08-21T03:00:20Z&step=all";
        check(served, &format!("{two}&id=w1&fields=memory_usage_ratio"), "memory_usage_ratio=0.375125");
        check(served, &format!("{MINUTE}&id=w1&fields=cpu_limit_ratio"), "cpu_limit_ratio=0.5");
    });
}

#[test]
fn increases_of_adjoining_ranges_add_up() {
    both(|served| {
        let increase = |start: &str, end: &str, id: &str, step: &str| -> i128 {
            let query = format!("start=2026-08-21T{start}Z&end=2026-08-21T{end}Z&step={step}&id={id}");
            let table = served
                .table(&format!("range/container?{query}&fields=cpu_usage_seconds_total,network_receive_bytes_total"));
            let cells = table.column("cpu_usage_seconds_total");
            cells.into_iter().filter(|cell| !cell.is_empty()).map(billionths).sum()
        };
        for id in ["w1", "r1", "m1", "b1", "w2"] {
            let whole = increase("03:00:03", "03:19:57", id, "all");
            assert!(whole > 0);
            let cuts = ["03:00:03", "03:00:47.123", "03:05:03", "03:10:07.001", "03:14:59.999", "03:19:57"];
            let parts: i128 = cuts.windows(2).map(|cut| increase(cut[0], cut[1], id, "all")).sum();
            assert_eq!(parts, whole, "{id}");
            for step in ["7s", "30s", "5m"] {
                assert_eq!(increase("03:00:03", "03:19:57", id, step), whole, "{id} by {step}");
            }
        }
    });
}

#[test]
fn a_restart_counts_what_the_new_life_used_and_covers_nothing_of_what_is_unknown() {
    both(|served| {
        // The last sample of the old life at 03:05:00, the new one from 03:05:05: five seconds are not known.
        let around = "start=2026-08-21T03:04:50Z&end=2026-08-21T03:05:20Z&step=10s&id=r1&coverage=1";
        let table = served.table(&format!("range/container?{around}&fields=cpu_usage_seconds_total,cpu_cores"));
        assert_eq!(table.column("cpu_usage_seconds_total"), ["10", "5", "10"]);
        assert_eq!(table.column("cpu_cores"), ["1", "1", "1"]);
        assert_eq!(table.column("coverage"), ["1", "0.5", "1"]);
    });
}

#[test]
fn one_born_under_our_eyes_counts_from_its_birth_and_a_first_sight_is_a_baseline() {
    both(|served| {
        let born = "start=2026-08-21T03:10:00Z&end=2026-08-21T03:10:10Z&step=all&id=b1";
        check(served, &format!("{born}&fields=cpu_usage_seconds_total"), "cpu_usage_seconds_total=5");
        let first = "start=2026-08-21T02:59:50Z&end=2026-08-21T03:00:10Z&step=10s&id=w1&coverage=1";
        let table = served.table(&format!("range/container?{first}&fields=cpu_usage_seconds_total,cpu_cores"));
        assert_eq!(table.column("cpu_usage_seconds_total"), ["", "2.5"], "unknown, never 0");
        assert_eq!(table.column("cpu_cores"), ["", "0.25"]);
        assert_eq!(table.column("coverage"), ["0", "1"]);
    });
}

#[test]
fn a_hole_has_no_rate_and_its_amount_belongs_to_its_last_instant() {
    both(|served| {
        // Nothing came between 03:09:50 and 03:15:00: 310 s at a quarter of a core.
        let around = "start=2026-08-21T03:09:00Z&end=2026-08-21T03:17:00Z&step=1m&id=w2&coverage=1";
        let table = served.table(&format!("range/container?{around}&fields=cpu_usage_seconds_total,cpu_cores"));
        assert_eq!(table.column("cpu_usage_seconds_total"), ["12.5", "", "", "", "", "", "92.5", "15"]);
        assert_eq!(table.column("cpu_cores"), ["0.25", "", "", "", "", "", "0.25", "0.25"]);
        assert_eq!(table.column("coverage"), ["0.833333333", "0", "0", "0", "0", "0", "1", "1"]);
    });
}

#[test]
fn a_members_mean_runs_over_the_time_its_target_was_covered() {
    both(|served| {
        // One core for fifteen of twenty seconds: not existing counts as nothing.
        let born = "start=2026-08-21T03:10:00Z&end=2026-08-21T03:10:20Z&step=all&id=b1";
        check(served, &format!("{born}&fields=cpu_cores"), "cpu_cores=1");
        check(served, &format!("{born}&fields=cpu_cores&group_by="), "cpu_cores=0.75");
        // Not seen does not: the engine was silent for five of eight minutes.
        let silent = "start=2026-08-21T03:09:00Z&end=2026-08-21T03:17:00Z&host=node-2&fields=cpu_cores&group_by=host";
        check(served, &format!("{silent}&step=all"), "cpu_cores=0.25");
        // Null where no member's target was covered, and never 0.
        let table = served.table(&format!("range/container?{silent}&step=1m"));
        assert_eq!(table.column("cpu_cores"), ["0.25", "", "", "", "", "", "0.25", "0.25"]);
    });
}

#[test]
fn across_combines_entities_as_its_default_or_its_value_says() {
    both(|served| {
        let group = |fields: &str, agg: &str, across: &str| {
            let table = served.table(&format!(
                "range/container?start=2026-08-21T03:00:00Z&end=2026-08-21T03:00:10Z&step=all&host=node-1\
                 &group_by=&fields={fields}{agg}{across}"
            ));
            let column = table.header.last().unwrap().clone();
            table.only(&column).to_owned()
        };
        // w1 0.25, d1 0.5, r1 1, m1 0.1 cores; 1000, 5000, 3000, 4000 bytes.
        for (fields, agg, across, expected) in [
            ("cpu_cores", "", "", "1.85"),
            ("cpu_cores", "", "&across=sum", "1.85"),
            ("cpu_cores", "", "&across=avg", "0.4625"),
            ("cpu_cores", "", "&across=min", "0.1"),
            ("cpu_cores", "", "&across=max", "1"),
            ("cpu_usage_seconds_total", "", "", "18.5"),
            ("memory_usage_bytes", "&agg=min", "", "1000"),
            ("memory_usage_bytes", "&agg=max", "", "5000"),
            ("memory_usage_bytes", "&agg=avg", "", "13000"),
            ("memory_usage_bytes", "&agg=last", "", "13000"),
            ("memory_usage_bytes", "&agg=count", "", "4"),
            // 13000 of 20000, not the mean of 0.5, 0.5, 0.75 and 1.
            ("memory_usage_ratio", "", "", "0.65"),
            // Percentiles pool the samples of all members.
            ("memory_usage_bytes", "&agg=p50", "", "3500"),
        ] {
            assert_eq!(group(fields, agg, across), expected, "{fields}{agg}{across}");
        }
    });
}

#[test]
fn members_of_what_does_not_add_up_are_averaged() {
    let recorded: Vec<Snapshot> = (t("03:00:00")..=t("03:01:00"))
        .step_by(10_000)
        .map(|at| {
            let seen = |id, cpus| Seen::new("node-1", id, at, t("02:00:00"), 100).value("cpu_online", cpus);
            saw(poll("docker/node-1", at, Outcome::Ok), vec![seen("w1", 4), seen("w2", 8)])
        })
        .collect();
    for (_, store) in stores() {
        let served = Served::start(store, &recorded, &[("docker/node-1", &["container"])], t("04:10:00"));
        check(&served, &format!("{MINUTE}&group_by=&fields=cpu_online"), "cpu_online=6");
        check(&served, &format!("{MINUTE}&group_by=&fields=cpu_online&across=sum"), "cpu_online=12");
        check(&served, &format!("{MINUTE}&group_by=&fields=cpu_online&agg=max"), "cpu_online=8");
    }
}

#[test]
fn a_replaced_instance_is_not_counted_double() {
    let recorded: Vec<Snapshot> = (t("03:00:00")..=t("03:01:00"))
        .step_by(10_000)
        .map(|at| {
            let (id, since) = if at <= t("03:00:30") { ("old", t("02:00:00")) } else { ("new", t("03:00:35")) };
            let web = Seen::new("node-1", id, at, since, 1_000).with("app", "/web").value("memory_usage_bytes", 100);
            saw(poll("docker/node-1", at, Outcome::Ok), vec![web])
        })
        .collect();
    for (_, store) in stores() {
        let served = Served::start(store, &recorded, &[("docker/node-1", &["container"])], t("04:10:00"));
        let by_app = format!("{MINUTE}&group_by=app&fields=cpu_cores,cpu_usage_seconds_total");
        // Thirty seconds of the one and twenty-five of the other, of sixty: not one core each.
        check(&served, &by_app, "cpu_cores=0.916666667 cpu_usage_seconds_total=55");
    }
}

#[test]
fn top_ranks_over_the_whole_range_with_nulls_last_and_series_come_in_that_order() {
    both(|served| {
        let five = "start=2026-08-21T03:00:00Z&end=2026-08-21T03:05:00Z&step=1m";
        let ids = |query: &str| {
            let table = served.table(&format!("range/container?{five}&{query}"));
            let mut ids: Vec<_> = table.column("id").into_iter().map(str::to_owned).collect();
            ids.dedup();
            ids.join(" ")
        };
        assert_eq!(ids("fields=cpu_cores&top=2"), "r1 d1");
        assert_eq!(ids("fields=cpu_cores&top=4"), "r1 d1 w1 w2", "ties by labels");
        assert_eq!(ids("fields=cpu_cores&top=2&top_by=memory_usage_bytes.max"), "d1 m1");
        assert_eq!(ids("fields=memory_usage_bytes,cpu_cores&top=5&host=!node-2"), "d1 m1 r1 w1 i1", "nulls last");
        assert_eq!(ids("fields=cpu_cores"), "d1 r1 m1 w1 w2 i1", "by labels");
    });
}

#[test]
fn coverage_says_what_was_seen_and_why_not() {
    both(|served| {
        let gaps = |host: &str, start: &str, end: &str| {
            let path = format!(
                "range/container?start=2026-08-21T{start}Z&end=2026-08-21T{end}Z&step=1m&host={host}&coverage=1"
            );
            let answer = served.json(&path);
            for series in answer["series"].as_array().unwrap() {
                assert_eq!(series["coverage"].as_array().unwrap().len(), answer["times"].as_array().unwrap().len());
            }
            let told = |gap: &serde_json::Value| {
                let at = |name: &str| {
                    let seconds = (parse_ms(gap[name].as_str().unwrap()) - t("03:00:00")) / 1_000;
                    format!("{}:{:02}", seconds / 60, seconds % 60)
                };
                assert_eq!(gap["target"], format!("docker/{host}"));
                format!("{}-{} {}", at("start"), at("end"), gap["cause"].as_str().unwrap())
            };
            answer["gaps"].as_array().unwrap().iter().map(told).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(gaps("node-1", "03:00:00", "03:20:00"), "");
        assert_eq!(gaps("node-2", "03:00:00", "03:20:00"), "9:50-15:00 timeout");
        assert_eq!(gaps("node-2", "03:11:00", "03:12:00"), "11:00-12:00 timeout");
        assert_eq!(
            gaps("node-3", "03:00:00", "03:20:00"),
            "2:00-4:00 skipped, 5:00-7:00 dropped, 8:00-12:00 not_running, 13:00-20:00 not_running"
        );
    });
}

#[test]
fn days_are_local_and_have_23_or_25_hours() {
    // One core, sampled each hour; the clocks in Berlin went forward on March 29 and back on October 25.
    let hour = 3_600_000;
    let (begin, end) = (parse_ms("2026-03-27T22:00:00Z"), parse_ms("2026-03-30T23:00:00Z"));
    let autumn = (parse_ms("2026-10-23T21:00:00Z"), parse_ms("2026-10-26T23:00:00Z"));
    let visits = (begin..=end).step_by(3_600_000).chain((autumn.0..=autumn.1).step_by(3_600_000));
    let recorded: Vec<Snapshot> = visits
        .map(|at| {
            let mut poll = poll("docker/node-1", at, Outcome::Ok);
            poll.interval_ms = hour;
            saw(poll, vec![Seen::new("node-1", "w1", at, begin, 1_000).with("name", "web")])
        })
        .collect();
    for (_, store) in stores() {
        let served = Served::start(store, &recorded, &[("docker/node-1", &["container"])], autumn.1 + hour);
        let days = |from: &str, to: &str| {
            served.table(&format!(
                "range/container?start={from}&end={to}&tz=Europe/Berlin&step=1d&fields=cpu_usage_seconds_total,cpu_cores\
                 &coverage=1"
            ))
        };
        let spring = days("2026-03-28", "2026-03-31");
        assert_eq!(
            spring.column("time"),
            ["2026-03-28T00:00:00+01:00", "2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00"]
        );
        assert_eq!(spring.column("cpu_usage_seconds_total"), ["86400", "82800", "86400"]);
        assert_eq!(spring.column("cpu_cores"), ["1", "1", "1"]);
        let autumn = days("2026-10-24", "2026-10-27");
        assert_eq!(
            autumn.column("time"),
            ["2026-10-24T00:00:00+02:00", "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00"]
        );
        assert_eq!(autumn.column("cpu_usage_seconds_total"), ["86400", "90000", "86400"]);
        assert_eq!(autumn.column("coverage"), ["1", "1", "1"]);
    }
}
