//! A real podman beside a real dockerd: the same containers under the same load read alike on both.

use std::time::Duration;

use crate::harness::time::{LATER, now_ms, wait_for, wait_until};
use crate::harness::{Recorder, Table, machine};

use super::engine::{self, Engine};

/// The engines by the names that they have in answers.
const HOSTS: [&str; 2] = ["docker", "podman"];
const MIB: f64 = 1024.0 * 1024.0;
/// How far two engines' numbers for the same load may lie apart.
const APART: f64 = 0.05;
/// Some intervals, and a podman that is slow to answer.
const SEEN_WITHIN: Duration = Duration::from_secs(60);

/// Both engines and the recorder of both.
struct Pair {
    engines: [Engine; 2],
    recorder: Recorder,
}

impl Pair {
    fn start() -> Pair {
        let engines = [Engine::start(|_| {}, &[]), Engine::podman()];
        let source = |(name, engine): (&str, &Engine)| {
            format!(
                "[[source.docker]]\nname = {name:?}\nurl = {:?}\ninterval = \"3s\"\ntimeout = \"2900ms\"\n",
                engine.url()
            )
        };
        let sources: String = HOSTS.into_iter().zip(&engines).map(source).collect();
        let recorder = Recorder::start(&format!("[source.host]\nenabled = false\n{sources}"));
        Pair { engines, recorder }
    }

    /// Runs the same container on both.
    fn container(&self, name: &str, options: &[&str], script: &str) {
        for engine in &self.engines {
            engine.container(name, options, script);
        }
    }

    /// A container's samples from `start_ms` on.
    fn samples(&self, host: &str, name: &str, start_ms: i64) -> Table {
        let start = start_ms.to_string();
        self.recorder.table("samples/container", &[("host", host), ("name", name), ("start", &start), ("end", LATER)])
    }

    /// Waits for a sample of a container on both engines at or after `at_ms`.
    fn wait_for_samples(&self, name: &str, at_ms: i64) {
        for host in HOSTS {
            wait_for(&format!("a sample of {name} on {host}"), SEEN_WITHIN, || {
                (!self.samples(host, name, at_ms).rows.is_empty()).then_some(())
            });
        }
    }

    /// A field of a container over a whole range, on both engines.
    #[track_caller]
    fn fields(&self, name: &str, (start, end): (i64, i64), field: &str) -> [Option<f64>; 2] {
        let (start, end) = (start.to_string(), end.to_string());
        HOSTS.map(|host| {
            let about = [("host", host), ("name", name), ("start", &start), ("end", &end)];
            let table =
                self.recorder.table("range/container", &[&about[..], &[("step", "all"), ("fields", field)]].concat());
            table.numbers(field).first().copied().flatten()
        })
    }

    /// The same, where both must know it.
    #[track_caller]
    fn numbers(&self, name: &str, range: (i64, i64), field: &str) -> [f64; 2] {
        self.fields(name, range, field).map(|number| number.unwrap_or_else(|| panic!("{name} has no {field}")))
    }
}

#[track_caller]
fn assert_alike([docker, podman]: [f64; 2], what: &str) {
    assert!((podman / docker - 1.0).abs() <= APART, "{what}: docker {docker}, podman {podman}");
}

#[test]
fn the_same_containers_read_alike_on_docker_and_podman() {
    let _alone = machine::alone();
    if let Some(reason) = engine::podman_missing() {
        return machine::not_run(&reason);
    }
    let pair = Pair::start();
    let begun = now_ms();
    // Events are told from the first visit on.
    wait_for("the first visits", SEEN_WITHIN, || {
        let answer = pair.recorder.json("/api/v1/targets");
        let is_up = |name: &str| {
            answer["targets"].as_array().unwrap().iter().any(|target| target["target"] == name && target["up"] == true)
        };
        (is_up("docker/docker") && is_up("docker/podman")).then_some(())
    });
    pair.container("burn", &["--cpus", "0.25"], "while :; do :; done");
    let held = "dd if=/dev/zero of=/dev/shm/held bs=1M count=48 2>/dev/null; sleep 1000";
    pair.container("holder", &["--memory", "96m"], held);
    pair.container("alone", &["--network", "none"], "sleep 1000");
    for engine in &pair.engines {
        engine.docker(&["network", "create", "pair"]);
    }
    // Both keep their input open: busybox's nc hangs up when either side has no more to send.
    pair.container("receiver", &["--network", "pair"], "sleep 1000 | nc -l -p 9999 >/dev/null");
    for engine in &pair.engines {
        let address = "{{.NetworkSettings.Networks.pair.IPAddress}}";
        let receiver = engine.docker(&["inspect", "--format", address, "receiver"]);
        let script =
            format!("sleep 4; (dd if=/dev/zero bs=64k count=256 2>/dev/null; sleep 1000) | nc {receiver} 9999");
        engine.container("sender", &["--network", "pair"], &script);
    }
    let rounds = 10;
    let writing = machine::disk_of(pair.engines[0].directory());
    if let Some(disk) = &writing {
        // Newer kernels count a device's bytes only once some limit is set for it: one that limits nothing does.
        let limit = format!("{disk}:4gb");
        let script = format!(
            "sleep 4; for round in $(seq {rounds}); do
                 dd if=/dev/zero of=/data/file bs=64k count=64 conv=fsync 2>/dev/null; sleep 0.2
             done; sleep 1000"
        );
        pair.container("writer", &["--volume", "written:/data", "--device-write-bps", &limit], &script);
    } else {
        machine::say_not_run("block writes: the temporary directory lies on no disk");
    }

    pair.container("leaver", &[], "sleep 6; exit 3");
    // A steady state on both, over the same 20 seconds.
    let start = now_ms() + 4_000;
    let end = start + 20_000;
    wait_until(end);
    for name in ["burn", "holder", "alone", "receiver", "sender"] {
        pair.wait_for_samples(name, end);
    }
    let range = (start, end);

    // What a container may use at most does not depend on what else the machine does.
    let cores = pair.numbers("burn", range, "cpu_cores");
    assert!(cores.iter().all(|cores| (cores - 0.25).abs() <= 0.02), "{cores:?}");
    assert_alike(cores, "cpu_cores");
    for field in ["cpu_limit_ratio", "memory_usage_bytes"] {
        let name = if field == "memory_usage_bytes" { "holder" } else { "burn" };
        assert_alike(pair.numbers(name, range, field), field);
    }
    // The base of podman's percentage is the time that passed on all CPUs; Docker's leaves stolen time out.
    let [docker, podman] = pair.numbers("burn", range, "cpu_percent");
    assert!((podman / (cores[1] * 100.0) - 1.0).abs() <= 0.02, "{podman} % of {} cores", cores[1]);
    assert!(docker >= podman * (1.0 - APART), "docker {docker} %, podman {podman} %");

    let working_set = pair.numbers("holder", range, "memory_working_set_bytes");
    assert!(working_set.iter().all(|bytes| (48.0 * MIB..60.0 * MIB).contains(bytes)), "{working_set:?}");
    assert_alike(working_set, "memory_working_set_bytes");
    assert_alike(pair.numbers("holder", range, "memory_limit_ratio"), "memory_limit_ratio");
    assert_eq!(pair.fields("alone", range, "network_receive_bytes_total"), [None, None], "it has no network");

    // Directions: who was sent to has received, on both.
    let whole = (begun, now_ms());
    for (name, much, little) in [("receiver", "receive", "transmit"), ("sender", "transmit", "receive")] {
        let field = |direction: &str| format!("network_{direction}_bytes_total");
        let much = pair.numbers(name, whole, &field(much));
        let little = pair.numbers(name, whole, &field(little));
        // Headers of packets count, and how many packets there are differs.
        assert!(much.iter().all(|bytes| (16.0 * MIB..18.0 * MIB).contains(bytes)), "{name}: {much:?}");
        assert!(little.iter().all(|bytes| *bytes < MIB), "{name}: {little:?}");
    }

    if writing.is_some() {
        pair.wait_for_samples("writer", now_ms());
        let written = pair.numbers("writer", (begun, now_ms()), "block_write_bytes_total");
        let expected = f64::from(rounds) * 4.0 * MIB;
        assert!(written.iter().all(|bytes| (bytes / expected - 1.0).abs() <= APART), "wrote {expected}: {written:?}");
    }
    both_tell_of_ends(&pair, begun);

    // What podman makes up anew at each request is no change: but for the one that ended nothing changed.
    let answer = pair.recorder.json(&format!("/api/v1/diff?from={start}&to={end}&kinds=engine,container"));
    let changed = answer["changed"].as_array().unwrap().iter();
    let steady: Vec<_> = changed.filter(|change| change["labels"]["name"] != "leaver").collect();
    assert!(steady.is_empty(), "{steady:#?}");
}

/// A container that ends is found with how it ended, and its life is told, on both.
fn both_tell_of_ends(pair: &Pair, begun: i64) {
    for host in HOSTS {
        let path = format!("/api/v1/entities/container?host={host}&name=leaver&start=-1h&end={LATER}");
        let entity = wait_for(&format!("the end of leaver on {host}"), SEEN_WITHIN, || {
            let answer = pair.recorder.json(&path);
            let entity = answer["entities"].as_array().unwrap().first()?.clone();
            entity["ended"].is_string().then_some(entity)
        });
        assert_eq!(entity["attributes"]["exit_code"], 3, "{entity:#}");
        assert_eq!(entity["attributes"]["state"], "exited", "{entity:#}");
        let path = format!("/api/v1/events?kind=container&host={host}&start={begun}&end={LATER}");
        let answer = pair.recorder.json(&path);
        let own = answer["events"].as_array().unwrap().iter();
        let own = own.filter(|event| event["entity"]["id"] == entity["identity"]["id"]);
        let types: Vec<_> = own.map(|event| event["type"].as_str().unwrap()).collect();
        assert_eq!(types, ["container_created", "container_started", "container_died"], "{host}: {answer:#}");
    }
    let engines = pair.recorder.json("/api/v1/entities/engine");
    let products = engines["entities"].as_array().unwrap().iter().map(|engine| {
        (engine["identity"]["host"].as_str().unwrap(), engine["attributes"]["product"].as_str().unwrap())
    });
    assert_eq!(products.collect::<Vec<_>>(), [("docker", "docker"), ("podman", "podman")]);
}
