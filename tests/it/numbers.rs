//! Right numbers: engines whose counters advance at known speeds, asked in every way.
//!
//! The n-th container (from 1) of each engine uses n thousandths of a core of two, writes n bytes and receives 10 n
//! bytes a millisecond.

use std::sync::OnceLock;
use std::time::Duration;

use crate::fleet::Fleet;
use crate::harness::table::billionths;
use crate::harness::time::{LATER, now_ms, wait_for, wait_until};
use crate::harness::{Recorder, Table, machine};

const CONTAINERS: u32 = 5;

/// A recorder of two engines, and two whole buckets of ten seconds that it has seen wholly.
struct Recorded {
    _fleet: Fleet,
    recorder: Recorder,
    begun: i64,
    range: (i64, i64),
}

fn recorded() -> &'static Recorded {
    static RECORDED: OnceLock<Recorded> = OnceLock::new();
    RECORDED.get_or_init(|| {
        let begun = now_ms();
        let fleet = Fleet::start(2, CONTAINERS as usize);
        let recorder = Recorder::start(&fleet.sources("interval = \"2s\"\ntimeout = \"1s\""));
        wait_for("a first round", Duration::from_secs(30), || {
            let table = recorder.table("samples/container", &[("start", &begun.to_string()), ("end", LATER)]);
            (table.rows.len() >= 2 * CONTAINERS as usize).then_some(())
        });
        let start = (now_ms() / 10_000 + 1) * 10_000;
        let range = (start, start + 20_000);
        wait_until(range.1);
        let recorded = Recorded { _fleet: fleet, recorder, begun, range };
        wait_for("a round after the range", Duration::from_secs(30), || {
            let after = [("start", &*range.1.to_string()), ("end", LATER)];
            (recorded.recorder.table("samples/container", &after).rows.len() >= 2 * CONTAINERS as usize).then_some(())
        });
        recorded
    })
}

impl Recorded {
    fn ask(&self, parameters: &[(&str, &str)]) -> Table {
        let (start, end) = (self.range.0.to_string(), self.range.1.to_string());
        self.recorder.table("range/container", &[&[("start", start.as_str()), ("end", &end)], parameters].concat())
    }
}

/// The number of a container by its name: `c01-03` is the fourth.
fn share(name: &str) -> f64 {
    f64::from(name[4..].parse::<u32>().unwrap() + 1)
}

#[track_caller]
fn assert_close(found: Option<f64>, expected: f64, what: &str) {
    let close = found.is_some_and(|found| (found - expected).abs() <= expected.abs() * 1e-6);
    assert!(close, "{what}: {found:?}, expected {expected}");
}

#[test]
fn rates_of_each_container_are_the_speeds_of_its_counters() {
    let _together = machine::shared();
    let expected: [(&str, f64); 4] = [
        ("cpu_cores", 0.001),
        ("cpu_percent", 0.1),
        ("network_receive_bytes_per_second", 10_000.0),
        ("block_write_bytes_per_second", 1_000.0),
    ];
    let fields = expected.map(|(field, _)| field).join(",");
    let table = recorded().ask(&[("step", "10s"), ("fields", &fields), ("coverage", "1")]);
    assert_eq!(table.header[..4], ["time", "host", "name", "id"], "labels of a series are identity and display");
    assert_eq!(table.rows.len(), 2 * 2 * CONTAINERS as usize);
    let names = table.column("name");
    for (field, speed) in expected {
        for (name, found) in names.iter().zip(table.numbers(field)) {
            assert_close(found, speed * share(name), &format!("{field} of {name}"));
        }
    }
    assert!(table.numbers("coverage").iter().all(|known| *known == Some(1.0)), "{table:?}");
}

#[test]
fn increases_of_any_partition_add_up_exactly() {
    let _together = machine::shared();
    let recorded = recorded();
    let (start, end) = (recorded.begun.to_string(), recorded.range.1.to_string());
    let ask = |step: &str| {
        let asked =
            [("fields", "cpu_usage_seconds_total,network_receive_bytes_total"), ("step", step), ("name", "c01-02")];
        recorded.recorder.table("range/container", &[&[("start", start.as_str()), ("end", &end)], &asked[..]].concat())
    };
    let whole = ask("all");
    for field in ["cpu_usage_seconds_total", "network_receive_bytes_total"] {
        for step in ["1s", "3s", "7s", "10s", "1m"] {
            let parts = ask(step);
            let sum: i128 = parts.column(field).into_iter().filter(|cell| !cell.is_empty()).map(billionths).sum();
            assert_eq!(sum, billionths(whole.only(field)), "{field} by {step}");
        }
    }
}

#[test]
fn groups_add_their_members_and_across_chooses_otherwise() {
    let _together = machine::shared();
    let all = f64::from(CONTAINERS * (CONTAINERS + 1) / 2) / 1000.0;
    let check = |parameters: &[(&str, &str)], label: Option<&str>, series: usize, expected: f64| {
        let asked = [&[("step", "10s"), ("fields", "cpu_cores")], parameters].concat();
        let table = recorded().ask(&asked);
        assert_eq!(table.rows.len(), 2 * series, "{parameters:?}: {table:?}");
        assert_eq!(
            table.header.get(1).map(String::as_str),
            label.or(Some("cpu_cores")),
            "labels are exactly the groups"
        );
        table
            .numbers("cpu_cores")
            .into_iter()
            .for_each(|found| assert_close(found, expected, &format!("{parameters:?}")));
    };
    check(&[("group_by", "host")], Some("host"), 2, all);
    check(&[("group_by", "app")], Some("app"), 1, 2.0 * all);
    check(&[("group_by", "")], None, 1, 2.0 * all);
    check(&[("group_by", ""), ("across", "max")], None, 1, f64::from(CONTAINERS) / 1000.0);
    check(&[("group_by", ""), ("across", "min")], None, 1, 0.001);
    check(&[("group_by", ""), ("across", "avg")], None, 1, 2.0 * all / f64::from(2 * CONTAINERS));
    check(&[("group_by", "host"), ("name", "*-00,*-01")], Some("host"), 2, 0.003);
}

#[test]
fn top_keeps_the_largest_in_their_order() {
    let _together = machine::shared();
    let table = recorded().ask(&[("step", "all"), ("fields", "cpu_cores"), ("top", "3")]);
    // The same container of either engine uses the same but for the rounding of an instant.
    let ends: Vec<_> = table.column("name").into_iter().map(|name| &name[4..]).collect();
    assert_eq!(ends, ["04", "04", "03"], "{table:?}");
    let found = table.numbers("cpu_cores");
    assert!(found.is_sorted_by(|a, b| a >= b), "{found:?}");
    let fields = "memory_working_set_bytes,network_receive_bytes_total";
    let by = ("top_by", "network_receive_bytes_total.increase");
    let table = recorded().ask(&[("step", "all"), ("fields", fields), ("host", "n01"), ("top", "2"), by]);
    assert_eq!(table.column("name"), ["c01-04", "c01-03"]);
}

#[test]
fn filters_choose_by_name_glob_list_negation_and_label() {
    let _together = machine::shared();
    let names = |parameters: &[(&str, &str)]| -> Vec<String> {
        let table = recorded().ask(&[&[("step", "all"), ("fields", "cpu_cores")], parameters].concat());
        table.column("name").into_iter().map(str::to_owned).collect()
    };
    assert_eq!(names(&[("name", "c00-01")]), ["c00-01"]);
    assert_eq!(names(&[("name", "c0?-01")]), ["c00-01", "c01-01"]);
    assert_eq!(names(&[("host", "n01"), ("name", "*-03,*-04")]), ["c01-03", "c01-04"]);
    assert_eq!(names(&[("host", "n01"), ("name", "!*-03,*-04")]), ["c01-00", "c01-01", "c01-02"]);
    assert_eq!(names(&[("name", "c00-*"), ("name", "!*-00"), ("name", "!*-01")]), ["c00-02", "c00-03", "c00-04"]);
    assert_eq!(names(&[("label.app", "/shop/*"), ("name", "c01-00")]), ["c01-00"]);
    assert_eq!(names(&[("label.app", ""), ("name", "c01-00")]), [""; 0]);
    assert_eq!(names(&[("label.nothing", ""), ("name", "c01-00")]), ["c01-00"], "missing equals empty");
}

#[test]
fn times_are_printed_in_the_zone_that_was_asked_for() {
    let _together = machine::shared();
    let one = [("step", "10s"), ("fields", "cpu_cores"), ("name", "c00-00")];
    let utc = recorded().ask(&one);
    let local = recorded().ask(&[&one[..], &[("tz", "Asia/Kathmandu")]].concat());
    for (utc, local) in utc.column("time").iter().zip(local.column("time")) {
        assert!(utc.ends_with('Z') && local.ends_with("+05:45"), "{utc} {local}");
        assert_eq!(crate::harness::time::parse_ms(utc), crate::harness::time::parse_ms(local));
    }
    assert_eq!(utc.column("cpu_cores"), local.column("cpu_cores"));
}

#[test]
fn samples_are_what_the_engine_said_and_what_is_derived_from_them() {
    let _together = machine::shared();
    let recorded = recorded();
    let (start, end) = (recorded.range.0.to_string(), recorded.range.1.to_string());
    let asked = [("start", start.as_str()), ("end", &end), ("name", "c00-03")];
    let table = recorded.recorder.table("samples/container", &asked);
    assert!((8..=11).contains(&table.rows.len()), "a sample each two seconds: {table:?}");
    assert_eq!(table.header[..4], ["time", "host", "id", "since"]);
    let time = |name: &str, row: usize| crate::harness::time::parse_ms(table.column(name)[row]);
    for row in 0..table.rows.len() {
        let ran_ms = i128::from(time("time", row) - time("since", row));
        assert_eq!(billionths(table.column("cpu_usage_seconds_total")[row]), ran_ms * 4 * 1_000);
        assert_eq!(table.column("network_receive_bytes_total")[row], (ran_ms * 40).to_string());
        assert_close(table.numbers("cpu_cores")[row], 0.004, "cpu_cores of a sample");
    }
}
