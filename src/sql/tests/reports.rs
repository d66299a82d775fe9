//! The reports that come with the program, each against a recording small enough to work its answer out by hand.

use super::world::{MIB, at, bounds, happened, in_memory, missed, printed, seen, visit};
use crate::model::{AttributeValue, Observation, Outcome, Snapshot, Timestamp};
use crate::source::KINDS;
use crate::sql::{Database, Library, SqlError};

const GIB: i64 = 1 << 30;
/// Nanoseconds of a tenth of a core over 10 s.
const TENTH_NS: i64 = 1_000_000_000;

pub(super) fn start() -> Timestamp {
    // A Monday.
    at("2026-08-17T00:00:00Z")
}

fn later(seconds: i64) -> Timestamp {
    start().plus_ms(seconds * 1000)
}

pub(super) fn library() -> Library {
    Library::new(KINDS, None)
}

pub(super) fn answer(library: &Library, database: &Database, question: &str) -> Result<Vec<String>, SqlError> {
    let (name, parameters) = question.split_once('?').unwrap_or((question, ""));
    let parameters = parameters.split('&').filter_map(|pair| pair.split_once('='));
    let parameters: Vec<_> = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let report = library.find(name)?.unwrap_or_else(|names| panic!("{name} is none of {names:?}")).report?;
    let settings = report.settings(&parameters, database.now)?;
    printed(|take| report.answer(database, &settings, bounds(), take).map(|_| ()))
}

/// Asks a report, `name?parameter=value&…`; rows as cells between bars, without the header.
#[track_caller]
pub(super) fn check(database: &Database, question: &str, expected: &[&str]) {
    match answer(&library(), database, question) {
        Ok(lines) => assert_eq!(lines[1..], *expected, "{question}: {}", lines[0]),
        Err(error) => panic!("{question}: {}", error.chain()),
    }
}

fn container(tick: i64, id: &str, facts: &[(&'static str, AttributeValue)], tenths: i64, mib: i64) -> Observation {
    let numbers = [
        ("cpu_usage_seconds_total", tick * tenths * TENTH_NS),
        ("memory_usage_bytes", mib * MIB),
        ("memory_inactive_file_bytes", 0),
    ];
    seen("container", &["n1", id], facts, later(tick * 10), Some(later(-1000)), &numbers)
}

/// For a minute on n1: two containers of /web with 0.5 and 0.3 cores, 100 and 200 MiB, each limited to 2 cores and 512
/// MiB and allocated 1 core and 512 MiB; one of /db with 1 core and 400 MiB, of reserved 2 cores and 1 GiB; and `lone`
/// of no application with 0.1 cores and 50 MiB.
pub(super) fn four() -> Database {
    let round = |tick: i64| {
        let web = |name: &str| {
            let facts: Vec<(&'static str, AttributeValue)> = vec![
                ("name", name.into()),
                ("app", "/web".into()),
                ("cpu_limit_cores", 2.0.into()),
                ("cpu_allocated_cores", 1.0.into()),
                ("memory_max_bytes", (512 * MIB).into()),
                ("memory_allocated_bytes", (512 * MIB).into()),
            ];
            facts
        };
        let db: [(&'static str, AttributeValue); 4] = [
            ("name", "db".into()),
            ("app", "/db".into()),
            ("cpu_reserved_cores", 2.0.into()),
            ("memory_reserved_bytes", GIB.into()),
        ];
        let all = vec![
            container(tick, "w1", &web("web-1"), 5, 100),
            container(tick, "w2", &web("web-2"), 3, 200),
            container(tick, "d1", &db, 10, 400),
            container(tick, "x1", &[("name", "lone".into())], 1, 50),
        ];
        visit(("docker", "n1"), later(tick * 10), 10_000, vec![("container", all)], vec![])
    };
    in_memory(&(0..7).map(round).collect::<Vec<_>>(), later(100))
}

#[test]
fn used_against_limit_against_allocated() {
    // All are there from the first sample to the last, 60 s: means are what each used, sums of limits are 2 × 2 cores and
    // 2 × 512 MiB, of allocations 2 × 1 core. 0.8 of 2 cores, 300 of 1024 MiB.
    let web = format!("/web|2|0.8|4|2|0.4|{}|{GIB}|{GIB}|0.293|0|0", 300 * MIB);
    let db = format!("/db|1|1||||{}||||1|1", 400 * MIB);
    let none = format!("|1|0.1||||{}||||1|1", 50 * MIB);
    check(&four(), "used_limit_allocated", &[&db, &web, &none]);
    check(&four(), "used_limit_allocated?app=/w*", &[&web]);
    check(&four(), "used_limit_allocated?app=", &[&none]);
    check(&four(), "used_limit_allocated?end=2026-08-17", &[]);
}

#[test]
fn right_sizing() {
    // /web: the one that needs most needs 0.5 cores always, 0.6 with the margin of a fifth; of 1 core each of two
    // instances leaves 0.4. Memory 200 MiB, 240 with the margin; of 512 MiB two leave 544 MiB = 0.53125 GiB.
    let web = format!("/web|2|2|0.5|0.6|1|0.8|{}|{}|{}|0.5313", 200 * MIB, 240 * MIB, 512 * MIB);
    // /db: 1 core, 1.2 of 2; 400 MiB, 480 of 1024 MiB.
    let db = format!("/db|1|1|1|1.2|2|0.8|{}|{}|{GIB}|0.5313", 400 * MIB, 480 * MIB);
    let none = format!("|1|1|0.1|0.12|||{}|{}||", 50 * MIB, 60 * MIB);
    check(&four(), "right_sizing", &[&db, &web, &none]);
    // Without a margin 0.5 of 1 core are free, twice; 312 MiB, twice, are 0.609375 GiB.
    let web = format!("/web|2|2|0.5|0.5|1|1|{}|{}|{}|0.6094", 200 * MIB, 200 * MIB, 512 * MIB);
    check(&four(), "right_sizing?margin=0&app=/web", &[&web]);
}

#[test]
fn top_containers() {
    // Seven samples, six stretches.
    let [db, web] = ["n1|d1|db|/db|1|1|1|6", "n1|w1|web-1|/web|0.5|0.5|0.5|6"];
    check(&four(), "top_containers?count=2", &[db, web]);
    let memory = format!("n1|d1|db|/db|{0}|{0}|{0}|7", 400 * MIB);
    check(&four(), "top_containers?by=memory_usage_bytes&count=1", &[&memory]);
    check(&four(), "top_containers?by=pids", &[]);
    let fault = answer(&library(), &four(), "top_containers?by=cpu").unwrap_err().chain();
    assert!(fault.starts_with("by: `cpu` is no column of container; did you mean `cpu_"), "{fault}");
}

#[test]
fn busiest_hour() {
    // Every half hour: 0.5 cores until 01:00, 2 until 01:30, 1 until 02:00. 01:00 to 02:00 has 1.5 of 4, and 01:30 the
    // fullest memory, 3 of 4 parts. In all 7200 s of CPU in 7200 s.
    let samples = [(0, 0, 600), (1, 900, 600), (2, 1800, 100), (3, 5400, 250), (4, 7200, 500)];
    let round = |(half_hours, cpu, available): (i64, i64, i64)| {
        let now = later(half_hours * 1800);
        let mut numbers = vec![("cpu_user_seconds_total", cpu * 100), ("cpus", 4)];
        for name in ["nice", "system", "irq", "softirq", "steal"] {
            let name = kind_column(&format!("cpu_{name}_seconds_total"));
            numbers.push((name, 0));
        }
        numbers.extend([("memory_total_bytes", 1000), ("memory_available_bytes", available)]);
        let one = seen("host", &["n1"], &[], now, Some(later(-1000)), &numbers);
        visit(("host", "n1"), now, 1_800_000, vec![("host", vec![one])], vec![])
    };
    let database = in_memory(&samples.map(round), later(8000));
    check(&database, "busiest_hour", &["n1|2026-08-17T01:00:00+00:00|1.5|4|0.375|0.75|1"]);
    check(&database, "busiest_hour?tz=Europe/Berlin", &["n1|2026-08-17T03:00:00+02:00|1.5|4|0.375|0.75|1"]);
}

fn kind_column(name: &str) -> &'static str {
    let kind = crate::source::kind("host").unwrap();
    kind.column(name).unwrap_or_else(|| panic!("host has no {name}")).name
}

#[test]
fn crash_league() {
    let facts = |name: &str, app: Option<&str>| {
        let app = app.map(|app| ("app", AttributeValue::from(app)));
        [("name", AttributeValue::from(name))].into_iter().chain(app).collect::<Vec<_>>()
    };
    let all = vec![
        container(0, "a", &facts("web-1", Some("/web")), 1, 1),
        container(0, "b", &facts("web-2", Some("/web")), 1, 1),
        container(0, "c", &facts("cron", None), 1, 1),
    ];
    let events = vec![
        happened(later(9), "container_oom", ("n1", "a"), None),
        happened(later(10), "container_died", ("n1", "a"), Some(137)),
        happened(later(110), "container_died", ("n1", "a"), Some(137)),
        happened(later(410), "container_died", ("n1", "b"), Some(1)),
        happened(later(60), "container_died", ("n1", "c"), Some(2)),
        happened(later(61), "container_died", ("n1", "c"), Some(0)),
        happened(later(62), "container_started", ("n1", "c"), None),
        happened(later(63), "container_died", ("n1", "gone"), Some(3)),
    ];
    let database =
        in_memory(&[visit(("docker", "n1"), later(0), 10_000, vec![("container", all)], events)], later(1000));
    // /web fails at 10, 110 and 410 s: twice 200 s on average. An exit with 0 is no failure.
    check(
        &database,
        "crash_league",
        &[
            "/web|3|1|2|200|137 1|2026-08-17T00:06:50Z",
            "cron|1|0|1||2|2026-08-17T00:01:00Z",
            r#"{"host":"n1","id":"gone"}|1|0|1||3|2026-08-17T00:01:03Z"#,
        ],
    );
}

#[test]
fn images_by_digest_and_tags_nobody_runs() {
    let made_of = |image: &str, id: &str, app: &str| {
        [("image", AttributeValue::from(image)), ("image_id", id.into()), ("app", app.into())].to_vec()
    };
    // Of the same manifest as the tag of team/db, under another name.
    let mut pulled = made_of("mirror/database@sha256:2", "sha256:x", "/db");
    pulled.push(("image_digest", "sha256:2".into()));
    let containers = vec![
        container(0, "e", &pulled, 1, 1),
        container(0, "a", &made_of("hub:5000/team/web:1", "sha256:w", "/web"), 1, 1),
        container(0, "b", &made_of("hub:5000/team/web:1", "sha256:w", "/web"), 1, 1),
        container(0, "c", &made_of("hub:5000/team/web:latest", "sha256:w", "/edge"), 1, 1),
        container(0, "d", &made_of("busybox", "sha256:b", "/cron"), 1, 1),
    ];
    let tag = |repository: &str, tag: &str, digest: &str, bytes: i64| {
        seen("tag", &["hub", repository, tag], &[("digest", digest.into())], later(0), None, &[("size_bytes", bytes)])
    };
    let tags = vec![
        tag("team/web", "1", "sha256:1", 300),
        tag("team/web", "0", "sha256:0", 200),
        tag("team/db", "1", "sha256:2", 500),
        tag("team/db", "2", "sha256:4", 400),
        // The name of another repository ends the same.
        tag("web", "1", "sha256:3", 100),
    ];
    let image = seen("image", &["n1", "sha256:w"], &[], later(0), None, &[("size_bytes", 70 * MIB)]);
    let snapshots = [
        visit(("docker", "n1"), later(0), 10_000, vec![("container", containers)], vec![]),
        visit(("docker-images", "n1"), later(0), 600_000, vec![("image", vec![image])], vec![]),
        visit(("registry", "hub"), later(0), 300_000, vec![("tag", tags)], vec![]),
    ];
    let database = in_memory(&snapshots, later(100));
    let web = format!("sha256:w|hub:5000/team/web:1,hub:5000/team/web:latest|3|1|2|{}|2026-08-17T00:00:00Z", 70 * MIB);
    check(
        &database,
        "image_inventory",
        &[
            &web,
            "sha256:2|mirror/database@sha256:2|1|1|1||2026-08-17T00:00:00Z",
            "sha256:b|busybox|1|1|1||2026-08-17T00:00:00Z",
        ],
    );
    let [db, old] =
        ["hub|team/db|2|sha256:4|400|2026-08-17T00:00:00Z", "hub|team/web|0|sha256:0|200|2026-08-17T00:00:00Z"];
    // `…/team/web:1` ends in `/web:1` too: what may be run is not called unused.
    check(&database, "unused_tags", &[db, old]);
    check(&database, "unused_tags?repository=team/w*", &[old]);
}

#[test]
fn a_tag_that_moved_away_is_not_run_by_the_containers_of_before() {
    let made_of = |image: &str, facts: &[(&'static str, AttributeValue)]| {
        [&[("image", AttributeValue::from(image)), ("app", "/app".into())], facts].concat()
    };
    let pushed_twice = vec!["hub/team/web@sha256:1".to_owned(), "mirror/web@sha256:11".to_owned()];
    let container = |id: &str, facts: &[(&'static str, AttributeValue)]| {
        seen("container", &["n1", id], facts, later(0), Some(later(0)), &[])
    };
    let containers = vec![
        // The tag was moved on since: the name is the same, the digest is not.
        container("a", &made_of("hub/team/cache:1", &[("image_digest", "sha256:8".into())])),
        // Known by its id alone, as where the registry's image is held under no name.
        container("b", &made_of("sha256:77", &[("image_id", "sha256:77".into())])),
        // One image in two registries, under a digest each.
        container(
            "c",
            &made_of("hub/team/web:1", &[("image_digest", "sha256:1".into()), ("image_digests", pushed_twice.into())]),
        ),
    ];
    let tag = |repository: &str, digest: &str, id: &str| {
        let facts = [("digest", AttributeValue::from(digest)), ("image_id", id.into())];
        seen("tag", &["hub", repository, "1"], &facts, later(0), None, &[("size_bytes", 100)])
    };
    let tags = vec![
        tag("team/cache", "sha256:9", "sha256:99"),
        tag("team/job", "sha256:7", "sha256:77"),
        tag("web", "sha256:11", "sha256:55"),
        tag("web-old", "sha256:111", "sha256:66"),
    ];
    let snapshots = [
        visit(("docker", "n1"), later(0), 10_000, vec![("container", containers)], vec![]),
        visit(("registry", "hub"), later(0), 300_000, vec![("tag", tags)], vec![]),
    ];
    let database = in_memory(&snapshots, later(100));
    check(
        &database,
        "unused_tags",
        &["hub|team/cache|1|sha256:9|100|2026-08-17T00:00:00Z", "hub|web-old|1|sha256:111|100|2026-08-17T00:00:00Z"],
    );
}

#[test]
fn registry_growth() {
    let round = |(day, repositories, tags, bytes): (&str, i64, i64, i64)| {
        let now = at(&format!("{day}T12:00:00Z"));
        let numbers = [("repositories", repositories), ("tags", tags), ("bytes", bytes)];
        let one = seen("registry", &["hub"], &[], now, None, &numbers);
        visit(("registry", "hub"), now, 300_000, vec![("registry", vec![one])], vec![])
    };
    let rounds =
        [("2026-06-30", 1, 2, 100), ("2026-07-02", 9, 9, 900), ("2026-07-31", 3, 5, 250), ("2026-08-01", 3, 4, 200)];
    let database = in_memory(&rounds.map(round), start());
    check(
        &database,
        "registry_growth",
        &[
            "hub|2026-06-01T00:00:00+00:00|1|2|100|||",
            "hub|2026-07-01T00:00:00+00:00|3|5|250|2|3|150",
            "hub|2026-08-01T00:00:00+00:00|3|4|200|0|-1|-50",
        ],
    );
}

#[test]
fn agent_capacity() {
    let agent = |id: &str, hostname: &str, [cpus, cpus_used, memory, memory_used]: [i64; 4]| {
        let numbers = [
            ("cpus_capacity", cpus),
            ("cpus_used", cpus_used),
            ("memory_capacity_bytes", memory),
            ("memory_used_bytes", memory_used),
        ];
        seen("mesos_agent", &["c", id], &[("hostname", hostname.into())], later(0), None, &numbers)
    };
    let agents =
        vec![agent("S1", "a1", [4000, 3500, 8 * GIB, 2 * GIB]), agent("S2", "a2", [8000, 2000, 4 * GIB, 5 * GIB / 2])];
    let database =
        in_memory(&[visit(("mesos-tasks", "c"), later(0), 10_000, vec![("mesos_agent", agents)], vec![])], later(10));
    // Tasks of 1 CPU and 1 GiB. a1 has half a CPU and 6 GiB free: none fits, all of it is stranded. a2 has 6 CPUs and 1.5
    // GiB: one fits. Together 6.5 CPUs and 7.5 GiB: six would.
    let rows = [
        format!("c|a1|4|0.5|{}|{}|0|0.5|{}|", 8 * GIB, 6 * GIB, 6 * GIB),
        format!("c|a2|8|6|{}|{}|1|0|0|", 4 * GIB, 3 * GIB / 2),
        format!("c||12|6.5|{}|{}|1|0.5|{}|6", 12 * GIB, 15 * GIB / 2, 6 * GIB),
    ];
    check(&database, "agent_capacity", &rows.each_ref().map(String::as_str));
    // Of a quarter CPU and 512 MiB, two fit on a1, three on a2, fifteen if pooled.
    let rows = [
        format!("c|a1|4|0.5|{}|{}|2|0|0|", 8 * GIB, 6 * GIB),
        format!("c|a2|8|6|{}|{}|3|0|0|", 4 * GIB, 3 * GIB / 2),
        format!("c||12|6.5|{}|{}|5|0|0|15", 12 * GIB, 15 * GIB / 2),
    ];
    check(&database, "agent_capacity?cpus=0.25&memory_mib=512", &rows.each_ref().map(String::as_str));
}

#[test]
fn growth_by_app() {
    let facts = [("app", AttributeValue::from("/web"))];
    let round = |tick: i64| -> Vec<Snapshot> {
        let this = container(tick, "a", &facts, 5, 100);
        let mut next = container(tick, "a", &facts, 10, 150);
        if let Some(sample) = &mut next.sample {
            sample.at = sample.at.plus_ms(7 * 86_400_000);
        }
        let week = |ms: i64, one: Observation| {
            visit(("docker", "n1"), later(tick * 10).plus_ms(ms), 10_000, vec![("container", vec![one])], vec![])
        };
        vec![week(0, this), week(7 * 86_400_000, next)]
    };
    let mut snapshots: Vec<Snapshot> = (0..7).flat_map(round).collect();
    snapshots.sort_by_key(|snapshot| snapshot.poll.started);
    let database = in_memory(&snapshots, at("2026-08-31T00:00:00Z"));
    // 0.5 cores and 100 MiB in the minute of the first week, 1 core and 150 MiB in that of the second.
    check(
        &database,
        "growth_by_app",
        &[
            &format!("/web|2026-08-17T00:00:00+00:00|1|0.5|{}||", 100 * MIB),
            &format!("/web|2026-08-24T00:00:00+00:00|1|1|{}|2|1.5", 150 * MIB),
        ],
    );
    // A week begins at local midnight. From the middle of its minute on, the means are the same.
    let cut = format!("/web|2026-08-17T00:00:00+02:00|1|0.5|{}||", 100 * MIB);
    check(&database, "growth_by_app?start=2026-08-17T00:00:30Z&end=2026-08-20&tz=Europe/Berlin", &[&cut]);
}

#[test]
fn coverage() {
    let target = ("docker", "n1");
    let good = |second: i64| visit(target, later(second), 10_000, vec![], vec![]);
    let bad = |second: i64, outcome| missed(target, later(second), 10_000, outcome);
    let snapshots = [
        good(0),
        good(10),
        good(20),
        bad(30, Outcome::Timeout),
        bad(40, Outcome::Refused),
        bad(50, Outcome::Timeout),
        good(60),
        bad(70, Outcome::Skipped),
        visit(("host", "n1"), later(5), 10_000, vec![], vec![]),
    ];
    let database = in_memory(&snapshots, later(100));
    // Eight ticks fit into 70 s, four were good; from 20 to 60 s there was none.
    check(&database, "coverage", &["docker/n1|8|4|0|3|1|0|0.5|40|timeout", "host/n1|1|1|0|0|0|0|1||"]);
    check(&database, "coverage?target=host/*", &["host/n1|1|1|0|0|0|0|1||"]);
}

#[test]
fn noisy_neighbours() {
    let round = |tick: i64| {
        let with = |id: &str, name: &str, tenths: i64, throttled: Option<i64>| {
            let mut one = container(tick, id, &[("name", name.into())], tenths, 1);
            let kind = crate::source::kind("container").unwrap();
            if let (Some(throttled), Some(sample)) = (throttled, &mut one.sample) {
                sample.values[kind.column_index("cpu_periods_total").unwrap()] = (Some(tick * 100)).into();
                sample.values[kind.column_index("cpu_throttled_periods_total").unwrap()] =
                    (Some(tick * throttled)).into();
            }
            one
        };
        let all = vec![with("d1", "db", 10, None), with("w1", "web-1", 5, Some(50)), with("w2", "web-2", 3, Some(0))];
        // 3 of each 10 s something waited.
        let host = seen(
            "host",
            &["n1"],
            &[],
            later(tick * 10),
            Some(later(-1000)),
            &[("pressure_cpu_some_seconds_total", tick * 3_000_000)],
        );
        [
            visit(("docker", "n1"), later(tick * 10), 10_000, vec![("container", all)], vec![]),
            visit(("host", "n1"), later(tick * 10), 10_000, vec![("host", vec![host])], vec![]),
        ]
    };
    let database = in_memory(&(0..7).flat_map(round).collect::<Vec<_>>(), later(100));
    // Of 1.8 cores that are used, web-1 has 0.5 and half of its periods are throttled; web-2 has 0.3.
    let own = "n1|web-1||0.5|0.5|0.3|0.2778|db|both";
    check(&database, "noisy_neighbours", &[own, "n1|web-2||0.3|0|0.3|0.1667|db|neighbours"]);
    check(&database, "noisy_neighbours?pressure=0.5", &["n1|web-1||0.5|0.5|0.3|0.2778|db|own limit"]);
}
