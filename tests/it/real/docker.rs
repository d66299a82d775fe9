//! Numbers, ends and events of single containers.

use std::time::Duration;

use crate::harness::machine;
use crate::harness::time::{now_ms, parse_ms, wait_for, wait_until};

use super::world::{FAST, FAST_INTERVAL_MS, SAMPLED_WITHIN, SLOW, World, world};

const MIB: f64 = 1024.0 * 1024.0;

#[test]
fn a_quarter_of_a_cpu_reads_as_0_25_cores_and_throttled() {
    let _alone = machine::alone();
    let Some(world) = world() else { return };
    world.engine.container("burn", &["--cpus", "0.25"], "while :; do :; done");

    // Six whole buckets, the first some seconds after the start, which is no steady state: a life's first second has no
    // rate.
    let start = ((now_ms() + 3_000) / 10_000 + 1) * 10_000;
    let end = start + 60_000;
    wait_until(end);
    for host in [FAST, SLOW] {
        world.wait_for_sample_after(host, "burn", end);
        let asked = [("step", "10s"), ("fields", "cpu_cores,cpu_throttled_ratio"), ("coverage", "1")];
        let table = world.range(host, "burn", (start, end), &asked);
        let cores = table.numbers("cpu_cores");
        let throttled = table.numbers("cpu_throttled_ratio");
        assert_eq!(cores.len(), 6, "{host}: {table:?}");
        assert!(cores.iter().all(|value| value.is_some_and(|cores| (cores - 0.25).abs() <= 0.02)), "{host}: {cores:?}");
        assert!(throttled.iter().all(|value| value.is_some_and(|ratio| ratio > 0.8)), "{host}: {throttled:?}");
        assert!(table.numbers("coverage").iter().all(|known| *known == Some(1.0)), "{host}: {table:?}");
    }
}

#[test]
fn fsynced_writes_read_as_block_write_bytes() {
    let _together = machine::shared();
    let Some(world) = world() else { return };
    let Some(disk) = machine::disk_of(world.engine.directory()) else {
        return machine::not_run("the temporary directory lies on no disk");
    };
    // Newer kernels count a device's bytes only once some limit is set for it: one that limits nothing does.
    let limit = format!("{disk}:4gb");
    let before = now_ms();
    let rounds = 10;
    world.engine.container(
        "writer",
        &["--volume", "written:/data", "--device-write-bps", &limit],
        &format!(
            "sleep 4; for round in $(seq {rounds}); do
                 dd if=/dev/zero of=/data/file bs=64k count=64 conv=fsync 2>/dev/null; sleep 0.2
             done; echo done; sleep 1000"
        ),
    );
    wait_for("the writer to be done", SAMPLED_WITHIN, || {
        world.engine.docker(&["logs", "writer"]).contains("done").then_some(())
    });
    let done = now_ms();
    world.wait_for_sample_after(FAST, "writer", done);

    let asked = [("step", "all"), ("fields", "block_write_bytes_total")];
    let written: f64 =
        world.range(FAST, "writer", (before, now_ms()), &asked).only("block_write_bytes_total").parse().unwrap();
    let expected = f64::from(rounds) * 4.0 * MIB;
    assert!((written / expected - 1.0).abs() <= 0.05, "wrote {expected} bytes, read as {written}");
}

#[test]
fn traffic_between_two_containers_is_equal_and_opposite() {
    let _together = machine::shared();
    let Some(world) = world() else { return };
    // A network of their own: on a shared one each new neighbour's announcements are received too.
    world.engine.docker(&["network", "create", "pair"]);
    let before = now_ms();
    // Both keep their input open: busybox's nc hangs up when either side has no more to send.
    world.engine.container("receiver", &["--network", "pair"], "sleep 1000 | nc -l -p 9999 >/dev/null");
    world.engine.container(
        "sender",
        &["--network", "pair"],
        "sleep 4; (dd if=/dev/zero bs=64k count=128 2>/dev/null; sleep 1000) | nc receiver 9999",
    );
    let asked = [("step", "all"), ("fields", "network_receive_bytes_total,network_transmit_bytes_total")];
    let seen = |name: &str| {
        let table = world.range(FAST, name, (before, now_ms()), &asked);
        let number = |column| -> f64 {
            table.rows.first().and_then(|row| row[table.position(column)].parse().ok()).unwrap_or(0.0)
        };
        (number("network_receive_bytes_total"), number("network_transmit_bytes_total"))
    };
    wait_for("8 MiB to be received", SAMPLED_WITHIN, || (seen("receiver").0 >= 8.0 * MIB).then_some(()));
    // The last acknowledgements come a moment later.
    let quiet = now_ms() + 500;
    world.wait_for_sample_after(FAST, "sender", quiet);
    world.wait_for_sample_after(FAST, "receiver", quiet);

    let (receiver, sender) = (seen("receiver"), seen("sender"));
    /// Neighbour discovery and the like, which one of the two receives and the other did not send.
    const ANNOUNCEMENTS_BYTES: f64 = 4096.0;
    assert!((receiver.0 - sender.1).abs() <= ANNOUNCEMENTS_BYTES, "received {receiver:?}, sent {sender:?}");
    assert!((receiver.1 - sender.0).abs() <= ANNOUNCEMENTS_BYTES, "received {receiver:?}, sent {sender:?}");
}

#[test]
fn the_working_set_is_what_docker_stats_shows() {
    let _together = machine::shared();
    let Some(world) = world() else { return };
    // Page cache, which does not count, beside shared memory, which does.
    let script = "dd if=/dev/zero of=/data/cache bs=64k count=320 conv=fsync 2>/dev/null; cat /data/cache >/dev/null
                  dd if=/dev/zero of=/dev/shm/held bs=64k count=150 2>/dev/null; sleep 1000";
    world.engine.container("holder", &["--memory", "64m"], script);
    world.wait_for_sample_after(FAST, "holder", now_ms() + FAST_INTERVAL_MS);

    // The same reading before and after a sample is the reading at the sample.
    let shown = || {
        let line = world.engine.docker(&["stats", "--no-stream", "--format", "{{.MemUsage}}", "holder"]);
        line.split(' ').next().unwrap().to_owned()
    };
    let (shown, table) = wait_for("a steady reading of docker stats", SAMPLED_WITHIN, || {
        let before = shown();
        let between = now_ms();
        world.wait_for_sample_after(FAST, "holder", between);
        let table = world.samples(FAST, "holder", between);
        (before == shown()).then_some((before, table))
    });
    let cell = |name: &str| -> f64 { table.column(name)[0].parse().unwrap() };
    let working_set = cell("memory_working_set_bytes");
    assert_eq!(as_docker_prints(working_set), shown, "{working_set} bytes");
    assert_eq!(working_set, cell("memory_usage_bytes") - cell("memory_inactive_file_bytes"));
    assert!(
        cell("memory_usage_bytes") > working_set + 10.0 * MIB,
        "the page cache is not in the working set: {table:?}"
    );
}

/// Four significant digits and a binary unit, as the docker client prints bytes.
fn as_docker_prints(bytes: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes, 0);
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    let before_point = value.trunc().to_string().len();
    let digits = format!("{value:.*}", 4usize.saturating_sub(before_point));
    let digits = if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { &digits };
    format!("{digits}{}", units[unit])
}

#[test]
fn docker_prints_bytes_with_four_digits() {
    for (bytes, printed) in [
        (868_352.0, "848KiB"),
        (20_279_459.0, "19.34MiB"),
        (1_073_741_824.0, "1GiB"),
        (513.0, "513B"),
        (10_589_798.0, "10.1MiB"),
    ] {
        assert_eq!(as_docker_prints(bytes), printed);
    }
}

#[test]
fn ended_containers_are_found_with_how_they_ended() {
    let _together = machine::shared();
    let Some(world) = world() else { return };
    let before = now_ms();
    let killed = world.engine.container("hungry", &["--memory", "16m"], "sleep 4; tail /dev/zero");
    let exited = world.engine.container("leaver", &[], "sleep 5; exit 3");
    world.engine.docker(&["wait", "hungry", "leaver"]);

    check_end(world, "hungry", &killed, (137, true), before);
    check_end(world, "leaver", &exited, (3, false), before);
    let types =
        |id: &str| -> Vec<String> { world.events(FAST, id, before).into_iter().map(|(name, _)| name).collect() };
    assert_eq!(types(&killed), ["container_created", "container_started", "container_oom", "container_died"]);
    assert_eq!(types(&exited), ["container_created", "container_started", "container_died"]);
}

fn check_end(world: &World, name: &str, id: &str, (exit_code, oom_killed): (i64, bool), before_ms: i64) {
    let entity = wait_for(&format!("the end of {name}"), SAMPLED_WITHIN, || {
        let mut found = world.entities(FAST, name);
        assert!(found.len() <= 1, "{found:?}");
        let ended = found.pop()?;
        ended["ended"].is_string().then_some(ended)
    });
    let attributes = &entity["attributes"];
    assert_eq!(entity["identity"]["id"], id);
    assert_eq!(attributes["exit_code"], exit_code, "{entity:#}");
    assert_eq!(attributes["oom_killed"], oom_killed, "{entity:#}");
    assert_eq!(attributes["state"], "exited", "{entity:#}");
    let finished = parse_ms(&world.engine.docker(&["inspect", "--format", "{{.State.FinishedAt}}", name]));
    assert_eq!(parse_ms(attributes["finished_at"].as_str().unwrap()), finished, "{entity:#}");
    assert!((parse_ms(entity["ended"].as_str().unwrap()) - finished).abs() < 1_000, "{entity:#}");
    // It lived longer than an interval, so its last numbers are there too.
    assert!(!world.samples(FAST, name, before_ms).rows.is_empty());
}

#[test]
fn a_container_between_two_polls_leaves_its_events() {
    let _together = machine::shared();
    let Some(world) = world() else { return };
    // Right after a poll there are more than two seconds until the next one.
    let before = now_ms();
    world.wait_for_poll_after(SLOW, before);
    let id = world.engine.container("mayfly", &["--rm"], "sleep 2");

    let polled_until = now_ms();
    let entity =
        wait_for("the container that lived 2 s", Duration::from_secs(60), || world.entities(SLOW, "mayfly").pop());
    assert_eq!(entity["identity"]["id"], id.as_str());
    world.wait_for_poll_after(SLOW, polled_until + 3_000);
    let entity = world.entities(SLOW, "mayfly").pop().unwrap_or(entity);
    let events = world.events(SLOW, &id, before);
    let types: Vec<_> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(types, ["container_created", "container_started", "container_died", "container_removed"], "{events:#?}");
    let died = parse_ms(events[2].1["time"].as_str().unwrap());
    assert!((parse_ms(entity["ended"].as_str().expect("an end")) - died).abs() < 2_000, "{entity:#}");
    assert_eq!(entity["attributes"]["image"], "bb:1.0", "{entity:#}");
}
