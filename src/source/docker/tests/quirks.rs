//! What single replies do that a reader may not expect: a line of data each.

use std::time::Duration;

use tokio::time::Instant;

use super::{column, fixture};
use crate::model::{AttributeValue, Timestamp};
use crate::source::docker::info;
use crate::source::docker::inspect::{self, Kept, NetworkOf};
use crate::source::docker::kinds::{CONTAINER, CONTAINER_DEVICE, CONTAINER_INTERFACE, ENGINE};
use crate::source::docker::list::State;
use crate::source::docker::stats::{self, Quirks, Stats};
use crate::source::docker::version::{ApiVersion, VersionReply};
use crate::source::http::{Canned, CannedReply, Http, Limits};

const DOCKER: Quirks = Quirks { is_podman: false, swaps_network: false };
const PODMAN_4_3: Quirks = Quirks { is_podman: true, swaps_network: true };
const PODMAN_5: Quirks = Quirks { is_podman: true, swaps_network: false };

fn of(body: &[u8], quirks: Quirks) -> Stats {
    stats::parse(body, quirks).unwrap().unwrap()
}

/// Checks columns of a reply: `name=value`, `name=null`.
fn check(body: &[u8], quirks: Quirks, expected: &str) {
    let stats = of(body, quirks);
    assert_eq!(stats.values.len(), CONTAINER.columns.len());
    for pair in expected.split_whitespace() {
        let (name, value) = pair.split_once('=').unwrap();
        let value: Option<i64> = (value != "null").then(|| value.parse().unwrap());
        assert_eq!(column(&CONTAINER, &stats.values, name), value, "{name}");
    }
}

#[test]
fn every_column_of_a_reply_of_cgroup_v1() {
    check(
        &fixture("docker-quirks/stats_web.t0.json"),
        DOCKER,
        "cpu_usage_seconds_total=26963682 cpu_user_seconds_total=0 cpu_system_seconds_total=20000000
         cpu_host_seconds_total=1792830000000 cpu_online=2 cpu_periods_total=4 cpu_throttled_periods_total=0
         cpu_throttled_seconds_total=0 memory_usage_bytes=335872 memory_limit_bytes=67108864
         memory_max_usage_bytes=3571712 memory_rss_bytes=53248 memory_cache_bytes=4096
         memory_inactive_file_bytes=4096 memory_swap_bytes=null memory_mapped_file_bytes=0 memory_faults_total=1115
         memory_major_faults_total=0 memory_limit_hits_total=0 pids=1 network_receive_bytes_total=1322
         network_receive_packets_total=15 network_receive_errors_total=0 network_receive_dropped_total=0
         network_transmit_bytes_total=0 network_transmit_packets_total=0 network_transmit_errors_total=0
         network_transmit_dropped_total=0 block_read_bytes_total=null block_read_ops_total=null
         block_write_bytes_total=null block_write_ops_total=null",
    );
    let stats = of(&fixture("docker-quirks/stats_web.t0.json"), DOCKER);
    assert_eq!(stats.read, Some(Timestamp::from_ms(1_795_206_428_960)));
}

#[test]
fn only_reads_and_writes_count_as_block_io() {
    let body = fixture("docker-quirks/stats_io.t0.json");
    check(
        &body,
        DOCKER,
        "block_read_bytes_total=0 block_write_bytes_total=2002636800 block_read_ops_total=0 block_write_ops_total=1908",
    );
    let (device, values) = &of(&body, DOCKER).devices[0];
    assert_eq!(&**device, "254:0");
    assert_eq!(column(&CONTAINER_DEVICE, values, "write_bytes_total"), Some(2_002_636_800));
    assert_eq!(column(&CONTAINER_DEVICE, values, "write_ops_total"), Some(1908));
}

#[test]
fn the_page_cache_and_the_limit_hits_of_a_full_container() {
    check(
        &fixture("docker-quirks/stats_cache.json"),
        DOCKER,
        "memory_usage_bytes=32604160 memory_inactive_file_bytes=12320768 memory_limit_hits_total=295
         memory_max_usage_bytes=33554432 block_read_bytes_total=81526784 block_write_bytes_total=3149824",
    );
}

#[test]
fn zeros_of_a_container_that_does_not_run_are_no_sample() {
    for name in ["exit3.json", "created.json", "created.oneshot.json", "dying.killed_during_call.json"] {
        assert_eq!(stats::parse(&fixture(&format!("docker-quirks/stats_{name}")), DOCKER).unwrap(), None, "{name}");
    }
}

#[test]
fn an_empty_body_is_no_sample() {
    assert_eq!(stats::parse(&fixture("docker-quirks/stats_dying.removed_during_call.empty"), DOCKER).unwrap(), None);
    for name in ["created", "exit3", "oom"] {
        let body = fixture(&format!("podman-4.3/v1.41/stats_{name}.empty"));
        assert_eq!(stats::parse(&body, PODMAN_4_3).unwrap(), None, "{name}");
    }
}

#[test]
fn a_life_goes_through_zeros_to_counters_from_the_start() {
    let body = fixture("docker-quirks/stats_life.stream_kill_start_rm.ndjson");
    let cpu: Vec<Option<i64>> = body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| stats::parse(line, DOCKER).unwrap().and_then(|stats| stats.values[0].int()))
        .collect();
    let zeros = cpu.iter().filter(|cpu| cpu.is_none()).count();
    assert!(zeros > 0 && zeros < cpu.len(), "{cpu:?}");
    assert!(cpu.iter().flatten().all(|cpu| *cpu > 0));
}

#[test]
fn one_shot_replies_have_all_numbers_too() {
    check(
        &fixture("docker-quirks/stats_burn.oneshot.t0.json"),
        DOCKER,
        "cpu_online=2 cpu_periods_total=0 network_transmit_bytes_total=0",
    );
}

#[test]
fn replies_of_old_engines_count_cpus_by_their_list() {
    check(
        &fixture("docker-quirks/stats_2016.json"),
        DOCKER,
        "cpu_online=1 cpu_usage_seconds_total=26505881978 memory_swap_bytes=0 memory_limit_hits_total=0
         network_receive_bytes_total=1296 network_transmit_packets_total=16 block_write_bytes_total=null",
    );
    check(&fixture("docker-quirks/stats_v1.21_burn.json"), DOCKER, "cpu_online=2 network_transmit_bytes_total=0");
}

#[test]
fn interfaces_add_up() {
    let stats = of(&fixture("docker-quirks/stats_twonets.t0.json"), DOCKER);
    let names: Vec<&str> = stats.interfaces.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["eth0", "eth1"]);
    let sum =
        stats.interfaces.iter().map(|(_, v)| column(&CONTAINER_INTERFACE, v, "receive_bytes_total").unwrap()).sum();
    assert_eq!(column(&CONTAINER, &stats.values, "network_receive_bytes_total"), Some(sum));
}

#[test]
fn cgroup_v2_has_other_names_and_fewer_numbers() {
    let body = br#"{"read":"2026-11-20T20:27:08Z","pids_stats":{"current":3},
        "blkio_stats":{"io_service_bytes_recursive":[{"major":8,"minor":0,"op":"read","value":10},
            {"major":8,"minor":0,"op":"write","value":20},{"major":8,"minor":16,"op":"write","value":5}],
            "io_serviced_recursive":null},
        "cpu_stats":{"cpu_usage":{"total_usage":7,"usage_in_kernelmode":3,"usage_in_usermode":4},
            "system_cpu_usage":100,"online_cpus":8,"throttling_data":{"periods":0,"throttled_periods":0,"throttled_time":0}},
        "memory_stats":{"usage":1000,"limit":5000,"stats":{"anon":600,"file":300,"inactive_file":200,"file_mapped":50,
            "pgfault":9,"pgmajfault":2}}}"#;
    check(
        body,
        DOCKER,
        "memory_rss_bytes=600 memory_cache_bytes=300 memory_inactive_file_bytes=200 memory_mapped_file_bytes=50
         memory_faults_total=9 memory_major_faults_total=2 memory_swap_bytes=null memory_max_usage_bytes=null
         memory_limit_hits_total=null cpu_online=8 block_read_bytes_total=10 block_write_bytes_total=25
         block_read_ops_total=null network_receive_bytes_total=null",
    );
}

#[test]
fn what_cannot_be_a_number_is_null_and_loses_nothing_else() {
    let body = br#"{"read":"2026-11-20T20:27:08Z","pids_stats":{"current":18446744073709551615},
        "cpu_stats":{"cpu_usage":{"total_usage":7,"usage_in_usermode":-1,"percpu_usage":null}},
        "memory_stats":{"usage":1e30,"limit":9223372036854775807,"max_usage":9223372036854775808},"networks":null}"#;
    check(
        body,
        DOCKER,
        "cpu_usage_seconds_total=7 cpu_user_seconds_total=null pids=null memory_usage_bytes=null
         memory_limit_bytes=9223372036854775807 memory_max_usage_bytes=null cpu_online=null cpu_periods_total=null",
    );
}

#[test]
fn numbers_without_a_time_that_can_be_believed_are_of_the_arrival() {
    for read in [r#""read":"1999-12-31T23:59:59Z","#, r#""read":"x","#, r#""read":null,"#, ""] {
        let body = format!(r#"{{{read}"cpu_stats":{{"cpu_usage":{{"total_usage":7}}}}}}"#);
        assert_eq!(of(body.as_bytes(), DOCKER).read, None, "{read}");
    }
}

#[test]
fn json_nested_a_thousand_deep_is_refused_or_skipped() {
    let deep = format!("{}1{}", "[".repeat(1_000), "]".repeat(1_000));
    let inside = format!(r#"{{"cpu_stats":{{"cpu_usage":{deep}}}}}"#);
    assert!(stats::parse(inside.as_bytes(), DOCKER).is_err());
    let beside = format!(r#"{{"read":"2026-11-20T20:27:08Z","unknown":{deep},"cpu_stats":{{}}}}"#);
    assert!(stats::parse(beside.as_bytes(), DOCKER).is_ok());
}

#[test]
fn podman_swaps_what_it_sends_and_receives_and_major_and_minor() {
    let body = fixture("podman-4.3/v1.41/stats_web.t0.json");
    check(
        &body,
        PODMAN_4_3,
        "network_receive_bytes_total=4482 network_transmit_bytes_total=726 network_receive_packets_total=null
         cpu_host_seconds_total=null cpu_periods_total=null cpu_throttled_seconds_total=null cpu_online=2
         memory_usage_bytes=1798144 memory_inactive_file_bytes=null memory_rss_bytes=null memory_max_usage_bytes=null
         memory_limit_hits_total=null block_read_bytes_total=4096 block_write_bytes_total=4198477824
         block_write_ops_total=null pids=2",
    );
    assert_eq!(&*of(&body, PODMAN_4_3).devices[0].0, "254:0");
    check(&body, PODMAN_5, "network_receive_bytes_total=726 network_transmit_bytes_total=4482");
}

#[test]
fn podmans_host_time_is_the_time_since_the_start_on_all_cpus() {
    let mut stats = of(&fixture("podman-4.3/v1.41/stats_web.t0.json"), PODMAN_4_3);
    let read = stats.read.unwrap();
    stats.synthesise_cpu_host(Some(read.plus_ms(-10_000)));
    assert_eq!(column(&CONTAINER, &stats.values, "cpu_host_seconds_total"), Some(20_000_000_000));
    for unknown in [None, Some(read.plus_ms(1))] {
        stats.synthesise_cpu_host(unknown);
        assert_eq!(column(&CONTAINER, &stats.values, "cpu_host_seconds_total"), None);
    }
}

#[test]
fn a_network_that_is_not_the_containers_own_is_forgotten() {
    let mut stats = of(&fixture("podman-4.3/v1.41/stats_hostnet.json"), PODMAN_4_3);
    assert_eq!(column(&CONTAINER, &stats.values, "network_receive_bytes_total"), Some(0));
    let before = stats.values.clone();
    stats.forget_network();
    assert!(stats.interfaces.is_empty());
    for (position, column) in CONTAINER.columns.iter().enumerate() {
        let is_network = column.name.starts_with("network_");
        assert!(
            if is_network { stats.values[position].is_null() } else { stats.values[position] == before[position] },
            "{}",
            column.name
        );
    }
}

/// Checks facts of an inspect: `name=value` by `Debug` of the value's inside, `name=-` absent.
fn facts(fixture_name: &str, expected: &[(&str, Option<AttributeValue>)]) {
    let inspected = inspect::parse(&fixture(fixture_name)).unwrap();
    let attributes =
        inspected.attributes(0, Kept { environment: &["APP_ENV".to_owned()], ..Kept::default() }, |_| None);
    for (name, value) in expected {
        assert!(CONTAINER.attribute(name).is_some(), "{name}");
        assert_eq!(attributes.get(name), value.as_ref(), "{fixture_name}: {name}");
    }
    for name in attributes.keys() {
        assert!(CONTAINER.attribute(name).is_some(), "{name} is not described");
    }
    assert!(!format!("{attributes:?}").contains("s3cr3t"), "{fixture_name} shows a secret");
}

fn text(text: &str) -> Option<AttributeValue> {
    Some(text.into())
}

fn list(items: &[&str]) -> Option<AttributeValue> {
    Some(items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>().into())
}

fn map(items: &[(&str, &str)]) -> Option<AttributeValue> {
    let items = items.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Some(items.collect::<std::collections::BTreeMap<_, _>>().into())
}

#[test]
fn facts_of_a_running_container() {
    facts(
        "docker-20.10/inspect/web.json",
        &[
            ("name", text("web")),
            ("image", text("bb:1.0")),
            ("state", text("running")),
            ("health", None),
            ("created", Some(Timestamp::from_ms(1_795_206_311_453).into())),
            ("started_at", Some(Timestamp::from_ms(1_795_206_311_841).into())),
            ("finished_at", None),
            ("exit_code", None),
            ("oom_killed", Some(false.into())),
            ("restart_count", Some(0.into())),
            ("env", map(&[("APP_ENV", "prod")])),
            ("networks", map(&[("appnet", "10.88.1.2")])),
            ("network_of", None),
            ("ports", list(&["0.0.0.0:28053->53/udp", "127.0.0.1:28080->80/tcp", "9000/tcp", "[::]:28053->53/udp"])),
            ("mounts", list(&["data1:/data:rw"])),
            ("hostname", text("web01")),
            ("restart_policy", text("unless-stopped")),
            ("cpuset_cpus", text("0")),
            ("cpu_limit_cores", Some(0.5.into())),
            ("cpu_reserved_cores", Some(0.5.into())),
            ("memory_max_bytes", Some(67_108_864.into())),
            ("memory_reserved_bytes", Some(33_554_432.into())),
            ("swap_max_bytes", Some(67_108_864.into())),
            ("pids_limit", Some(100.into())),
        ],
    );
}

#[test]
fn facts_of_containers_that_ended_or_never_ran() {
    facts("docker-20.10/inspect/exit3.json", &[("state", text("exited")), ("exit_code", Some(3.into()))]);
    facts("docker-20.10/inspect/oom.json", &[("oom_killed", Some(true.into())), ("exit_code", Some(137.into()))]);
    // SIGKILL and want of memory are both 137: only the flag tells.
    facts("docker-20.10/inspect/killed9.json", &[("oom_killed", Some(false.into())), ("exit_code", Some(137.into()))]);
    facts("docker-20.10/inspect/restarting.json", &[("state", text("restarting")), ("exit_code", Some(7.into()))]);
    facts(
        "docker-20.10/inspect/created.json",
        &[("started_at", None), ("exit_code", None), ("state", text("created"))],
    );
    facts("docker-20.10/inspect/badentry.json", &[("started_at", None), ("exit_code", Some(127.into()))]);
    facts("docker-20.10/inspect/paused.json", &[("state", text("paused")), ("exit_code", None)]);
    let state = |name: &str| inspect::parse(&fixture(&format!("docker-20.10/inspect/{name}.json"))).unwrap().state();
    // Both say that they are running as well.
    assert_eq!(state("restarting"), State::Restarting);
    assert_eq!(state("paused"), State::Paused);
}

#[test]
fn limits_that_are_none_are_absent() {
    facts(
        "docker-20.10/inspect/swapunlim.json",
        &[("swap_max_bytes", None), ("memory_max_bytes", Some(33_554_432.into())), ("cpu_limit_cores", None)],
    );
    facts(
        "docker-20.10/inspect/burn.json",
        &[("memory_max_bytes", None), ("swap_max_bytes", None), ("pids_limit", None)],
    );
}

#[test]
fn a_quota_is_a_limit_too() {
    for (limits, cores) in [
        (r#""CpuQuota":25000,"CpuPeriod":50000"#, Some(0.5)),
        (r#""CpuQuota":25000,"CpuPeriod":0"#, Some(0.25)),
        (r#""CpuQuota":-1,"CpuPeriod":0"#, None),
        (r#""NanoCpus":1500000000,"CpuQuota":25000,"CpuPeriod":100000"#, Some(1.5)),
    ] {
        let body = format!(r#"{{"State":{{}},"HostConfig":{{{limits}}}}}"#);
        let facts = inspect::parse(body.as_bytes()).unwrap().attributes(0, Kept::default(), |_| None);
        assert_eq!(facts.get("cpu_limit_cores"), cores.map(AttributeValue::from).as_ref(), "{limits}");
    }
}

#[test]
fn health_is_what_a_check_says() {
    facts("docker-20.10/inspect/healthy.json", &[("health", text("healthy"))]);
    facts("docker-20.10/inspect/unhealthy.json", &[("health", text("unhealthy"))]);
    facts("podman-4.3/v1.24/inspect_web.json", &[("health", None), ("cpu_limit_cores", Some(0.5.into()))]);
    facts("podman-4.3/v1.24/inspect_health.json", &[("health", text("starting"))]);
}

#[test]
fn a_container_of_mesos_tells_its_task_and_application() {
    facts(
        "docker-20.10/inspect/mesos-667340.json",
        &[
            ("app", text("/shop/cart")),
            ("task", text("shop_cart.cf1d01ec-0b7d-4f3f-a407-926794686490")),
            ("agent", None),
            ("cpu_reserved_cores", Some((102.0 / 1024.0).into())),
        ],
    );
}

#[test]
fn whose_network_it_is() {
    let of = |name: &str| inspect::parse(&fixture(name)).unwrap().network_of();
    assert_eq!(of("docker-20.10/inspect/web.json"), NetworkOf::Own);
    assert_eq!(of("docker-20.10/inspect/hostnet.json"), NetworkOf::NoneOrHost);
    assert_eq!(of("docker-20.10/inspect/nonet.json"), NetworkOf::NoneOrHost);
    assert!(matches!(of("docker-20.10/inspect/joined.json"), NetworkOf::Container(id) if id.starts_with("2db101f2")));
    assert!(
        matches!(of("podman-4.3/v1.24/inspect_inpod.json"), NetworkOf::Container(id) if id.starts_with("343efc16"))
    );
}

#[test]
fn nulls_where_lists_were_expected_say_nothing() {
    let body =
        br#"{"State":{"Health":null},"Args":null,"Mounts":null,"HostConfig":{"RestartPolicy":null,"PidsLimit":null},
        "Config":{"Env":null,"Labels":null},"NetworkSettings":{"Ports":null,"Networks":{"a":null}}}"#;
    let facts = inspect::parse(body).unwrap().attributes(0, Kept::default(), |_| None);
    assert_eq!(facts.get("networks"), map(&[("a", "")]).as_ref());
    assert!(!facts.contains_key("ports") && !facts.contains_key("labels"));
}

#[test]
fn a_long_command_is_cut_between_characters() {
    let body = format!(r#"{{"State":{{}},"Path":"a{}"}}"#, "ü".repeat(4_000));
    let facts = inspect::parse(body.as_bytes()).unwrap().attributes(0, Kept::default(), |_| None);
    let Some(AttributeValue::Text(command)) = facts.get("command") else { panic!("no command") };
    assert_eq!(command.len(), 4_095 + '…'.len_utf8());
}

#[test]
fn info_and_disk_of_docker_and_podman() {
    for (name, expected) in [
        (
            "docker-20.10",
            "containers=28 containers_running=18 containers_paused=1 images=1 cpus=2 memory_total_bytes=25276502016
                          disk_images_bytes=1984162 disk_build_cache_bytes=null",
        ),
        ("podman-4.3", "containers=12 containers_running=8 disk_images_bytes=2833671"),
    ] {
        let place = if name == "podman-4.3" { "podman-4.3/v1.41" } else { name };
        let info = info::parse(&fixture(&format!("{place}/info.json"))).unwrap();
        let disk = info::parse_disk(&fixture(&format!("{place}/system_df.json"))).unwrap();
        let values = info.values(disk);
        assert_eq!(values.len(), ENGINE.columns.len());
        for pair in expected.split_whitespace() {
            let (column_name, value) = pair.split_once('=').unwrap();
            assert_eq!(column(&ENGINE, &values, column_name), value.parse().ok(), "{name}: {column_name}");
        }
        let said: VersionReply = serde_json::from_slice(&fixture(&format!("{name}/noprefix_version.json"))).unwrap();
        let attributes = info.attributes(&said, ApiVersion { major: 1, minor: 41 }, name.starts_with("podman"));
        for attribute in attributes.keys() {
            assert!(ENGINE.attribute(attribute).is_some(), "{attribute} is not described");
        }
        assert_eq!(attributes.get("cgroup_version"), text("1").as_ref());
        assert_eq!(attributes.get("api_version_used"), text("1.41").as_ref());
        assert!(attributes.contains_key("runc_version"), "{name}");
    }
}

#[tokio::test]
async fn what_engines_say_of_an_error_is_told_in_their_words() {
    // JSON from API 1.24 on, plain text before; podman has more keys.
    for (name, status, said) in [
        ("unknown_container_inspect.json", 404, "status 404 (No such container: nosuch)"),
        ("unknown_container_v1.20.txt", 404, "status 404, \"No such container: nosuch\""),
        (
            "version_too_new.json",
            400,
            "status 400 (client version 1.99 is too new. Maximum supported API version is 1.41)",
        ),
        ("swarm_inactive_nodes.json", 503, "status 503 (This node is not a swarm manager."),
        ("podman_unknown_container.json", 404, "status 404 (no container with name or ID \"nosuch\" found"),
    ] {
        let canned = Canned::new();
        let body = fixture(&format!("docker-quirks/errors/{name}"));
        canned.add("/x", CannedReply::with_status(status, body));
        let limits = Limits::fixed(Instant::now() + Duration::from_secs(5), 65_536);
        let failure = Http::Canned(canned).get_ok("/x", limits).await.unwrap_err();
        assert!(failure.message.contains(said), "{name}: {:?} does not say {said:?}", failure.message);
    }
}
