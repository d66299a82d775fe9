//! The host as a whole: the recorded machine below a root, ten seconds apart, and what goes wrong with it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::sync::{Condvar, Mutex};

use super::space::Space;
use super::*;
use crate::model::{AttributeValue, Class, Kind, Observation, Timestamp, Value};

fn recorded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/host").join(name)
}

/// A copy of the recorded machine that a test may change.
fn copy() -> tempfile::TempDir {
    fn copy_tree(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy_tree(&entry.path(), &to);
            } else {
                let _ = fs::copy(entry.path(), to).unwrap();
            }
        }
    }
    let directory = tempfile::tempdir().unwrap();
    copy_tree(&recorded("t0"), directory.path());
    directory
}

fn clock_at(root: &Path) -> Clock {
    let json: serde_json::Value = serde_json::from_str(&fs::read_to_string(root.join("time.json")).unwrap()).unwrap();
    let seconds = json["unix_time"].as_f64().unwrap();
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds of this century")]
    let now = Timestamp::from_ms((seconds * 1_000.0) as i64);
    Clock::Manual(crate::clock::ManualClock::starting_at(now))
}

fn recorded_space(root: &Path) -> Space {
    let json: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(root.join("statvfs_root.json")).unwrap()).unwrap();
    let number = |key: &str| json[key].as_u64().unwrap();
    Space {
        size_bytes: number("f_blocks") * number("f_frsize"),
        available_bytes: number("f_bavail") * number("f_frsize"),
        free_bytes: number("f_bfree") * number("f_frsize"),
        inodes: number("f_files"),
        inodes_free: number("f_ffree"),
    }
}

fn host_at(root: &Path, change: impl FnOnce(&mut Settings)) -> Host {
    let mut settings = Settings { root: root.to_owned(), ..Settings::named("node-1") };
    change(&mut settings);
    let space = recorded_space(&recorded("t0"));
    Host::measuring(settings, clock_at(&recorded("t0")), 100, Arc::new(move |_| Ok(space)))
}

async fn visit(host: &mut Host) -> Observed {
    host.poll(Visit { started: Timestamp::from_ms(0), timeout: Duration::from_secs(8) }).await
}

fn batch<'a>(observed: &'a Observed, kind: &Kind) -> &'a crate::model::KindBatch {
    observed.batches.iter().find(|batch| batch.kind.name == kind.name).unwrap()
}

fn entity<'a>(observed: &'a Observed, kind: &Kind, last_part: &str) -> &'a Observation {
    let is_it = |seen: &&Observation| seen.identity.parts().last().is_some_and(|part| **part == *last_part);
    batch(observed, kind).observations.iter().find(is_it).unwrap()
}

fn names(observed: &Observed, kind: &Kind) -> Vec<String> {
    let last = |seen: &Observation| seen.identity.parts().last().unwrap().to_string();
    batch(observed, kind).observations.iter().map(last).collect()
}

fn value(observed: &Observed, kind: &Kind, last_part: &str, column: &str) -> Option<i64> {
    let sample = entity(observed, kind, last_part).sample.as_ref().unwrap();
    sample.values[kind.column_index(column).unwrap_or_else(|| panic!("no column {column}"))].int()
}

#[tokio::test]
async fn the_recorded_machine_reads_as_it_was() {
    let observed = visit(&mut host_at(&recorded("t0"), |_| {})).await;
    assert_eq!((observed.outcome, observed.missing.as_slice()), (Outcome::Ok, [].as_slice()));
    assert!(observed.bytes > 10_000);
    let check = |kind: &Kind, name: &str, expected: &[(&str, i64)]| {
        for (column, expected) in expected {
            assert_eq!(value(&observed, kind, name, column), Some(*expected), "{} {column}", kind.name);
        }
    };
    check(
        &HOST,
        "node-1",
        &[
            ("load_1m", 656),
            ("load_15m", 624),
            ("cpus", 2),
            ("cpu_user_seconds_total", 221_896),
            ("cpu_nice_seconds_total", 84_616),
            ("cpu_system_seconds_total", 35_642),
            ("cpu_idle_seconds_total", 125_779),
            ("cpu_iowait_seconds_total", 3_338),
            ("cpu_irq_seconds_total", 0),
            ("cpu_softirq_seconds_total", 687),
            ("cpu_steal_seconds_total", 4_606),
            ("cpu_guest_seconds_total", 0),
            ("memory_total_bytes", 24_684_084 * 1_024),
            ("memory_available_bytes", 22_937_112 * 1_024),
            ("memory_cached_bytes", 5_731_232 * 1_024),
            ("memory_swap_total_bytes", 0),
            ("memory_oom_kills_total", 3),
            ("memory_major_faults_total", 4_234),
            ("pressure_cpu_some_seconds_total", 1_761_706_831),
            ("pressure_memory_some_seconds_total", 55_312),
            ("pressure_memory_full_seconds_total", 1_870),
            ("pressure_io_some_seconds_total", 186_921_899),
            ("pressure_io_full_seconds_total", 4_456_188),
            ("processes", 2),
            ("threads", 276),
            ("processes_running", 7),
            ("forks_total", 75_583),
            ("context_switches_total", 6_402_525),
            ("interrupts_total", 3_227_092),
            ("files_open", 1_312),
            ("files_max", 2_466_170),
            ("uptime_seconds", 237_840),
        ],
    );
    check(
        &HOST_DEVICE,
        "vda",
        &[
            ("read_bytes_total", 7_733_466 * 512),
            ("write_bytes_total", 66_445_088 * 512),
            ("read_ops_total", 105_792),
            ("write_ops_total", 179_013),
            ("busy_seconds_total", 50_920),
            ("ops_in_flight", 1),
            ("queue_seconds_total", 268_229),
            ("flush_ops_total", 38_722),
        ],
    );
    check(
        &HOST_INTERFACE,
        "eth0",
        &[
            ("receive_bytes_total", 467_600_308),
            ("receive_packets_total", 16_346),
            ("transmit_bytes_total", 1_249_931),
            ("transmit_packets_total", 11_335),
        ],
    );
    check(&HOST_INTERFACE, "docker0", &[("transmit_dropped_total", 2)]);
    check(
        &HOST_FILESYSTEM,
        "/",
        &[
            ("size_bytes", 66_053_021 * 4_096),
            ("available_bytes", 18_356_228 * 4_096),
            ("inodes", 16_777_216),
            ("inodes_free", 16_240_493),
        ],
    );
}

#[tokio::test]
async fn what_repeats_something_else_is_left_out_unless_asked_for() {
    let observed = visit(&mut host_at(&recorded("t0"), |_| {})).await;
    assert_eq!(names(&observed, &HOST_DEVICE), ["vda", "zram0"]);
    assert_eq!(names(&observed, &HOST_INTERFACE), ["ifb0", "ifb1", "eth0", "docker0"]);
    assert_eq!(names(&observed, &HOST_FILESYSTEM), ["/"]);
    let everything = |settings: &mut Settings| {
        settings.devices_exclude.clear();
        settings.interfaces_exclude.clear();
        settings.partitions = true;
        settings.filesystem_types.push("tmpfs".to_owned());
        settings.filesystems_exclude.push("/sys/*".to_owned());
    };
    let observed = visit(&mut host_at(&recorded("t0"), everything)).await;
    assert_eq!(names(&observed, &HOST_DEVICE).len(), 10);
    assert_eq!(names(&observed, &HOST_INTERFACE), ["lo", "ifb0", "ifb1", "eth0", "docker0", "vetheda938c"]);
    assert_eq!(names(&observed, &HOST_FILESYSTEM), ["/", "/dev/shm"]);
}

#[tokio::test]
async fn partitions_are_known_by_sys_and_without_it_by_name() {
    let root = copy();
    let line = |name: &str| format!("   8       1 {name} 1 0 8 1 0 0 0 0 0 1 1\n");
    let path = root.path().join("proc/diskstats");
    let names_now = ["vda", "vda1", "nvme0n1", "nvme0n1p2", "dm-0", "xvda1", "sdaa12", "mmcblk0p1", "md0", "sr0"];
    fs::write(&path, names_now.map(line).concat()).unwrap();
    fs::create_dir_all(root.path().join("sys/block/xvda1")).unwrap();
    let observed = visit(&mut host_at(root.path(), |_| {})).await;
    assert_eq!(names(&observed, &HOST_DEVICE), ["vda", "xvda1"]);
    fs::remove_dir_all(root.path().join("sys/block")).unwrap();
    let observed = visit(&mut host_at(root.path(), |_| {})).await;
    assert_eq!(names(&observed, &HOST_DEVICE), ["vda", "nvme0n1", "dm-0", "md0", "sr0"]);
    let observed = visit(&mut host_at(root.path(), |settings| settings.partitions = true)).await;
    assert_eq!(names(&observed, &HOST_DEVICE), names_now);
}

#[tokio::test]
async fn ten_seconds_later_the_counters_have_grown_by_what_was_recorded() {
    let before = visit(&mut host_at(&recorded("t0"), |_| {})).await;
    let after = visit(&mut host_at(&recorded("t10"), |_| {})).await;
    let grown = |kind: &Kind, name: &str, column: &str| {
        value(&after, kind, name, column).unwrap() - value(&before, kind, name, column).unwrap()
    };
    let check = |kind: &Kind, name: &str, column: &str, expected: i64| {
        assert_eq!(grown(kind, name, column), expected, "{} {column}", kind.name);
    };
    check(&HOST, "node-1", "cpu_user_seconds_total", 1_251);
    check(&HOST, "node-1", "cpu_nice_seconds_total", 646);
    check(&HOST, "node-1", "cpu_system_seconds_total", 120);
    check(&HOST, "node-1", "cpu_softirq_seconds_total", 1);
    check(&HOST, "node-1", "cpu_steal_seconds_total", 1);
    check(&HOST, "node-1", "cpu_idle_seconds_total", 0);
    check(&HOST, "node-1", "pressure_cpu_some_seconds_total", 10_013_232);
    check(&HOST, "node-1", "pressure_io_some_seconds_total", 140_341);
    check(&HOST, "node-1", "forks_total", 391);
    check(&HOST, "node-1", "uptime_seconds", 1_010);
    check(&HOST_DEVICE, "vda", "read_bytes_total", 24 * 512);
    check(&HOST_DEVICE, "vda", "write_bytes_total", 370_144 * 512);
    check(&HOST_DEVICE, "vda", "write_ops_total", 926);
    check(&HOST_DEVICE, "vda", "busy_seconds_total", 232);
    check(&HOST_INTERFACE, "eth0", "receive_bytes_total", 0);
    // Both processors were busy all the time: 20.19 s of work in 10.09 s.
    let Some(crate::model::Formula::Rate { counters }) = HOST.derived("cpu_cores").map(|derived| derived.formula)
    else {
        panic!("cpu_cores is a rate");
    };
    let busy: i64 = counters.iter().map(|column| grown(&HOST, "node-1", column)).sum();
    assert_eq!(busy, 2_019);
}

#[tokio::test]
async fn attributes_say_what_machine_it_is() {
    let observed = visit(&mut host_at(&recorded("t0"), |_| {})).await;
    let check = |kind: &Kind, name: &str, expected: &[(&str, AttributeValue)]| {
        let attributes = entity(&observed, kind, name).attributes.as_ref().unwrap();
        for (attribute, expected) in expected {
            assert_eq!(attributes.get(attribute), Some(expected), "{} {attribute}", kind.name);
        }
        assert_eq!(attributes.len(), expected.len(), "{} {attributes:?}", kind.name);
    };
    check(
        &HOST,
        "node-1",
        &[
            ("hostname", "recorder".into()),
            ("kernel", "6.18.44-fc-v669".into()),
            ("os", "Debian GNU/Linux 12 (bookworm)".into()),
            ("architecture", "x86_64".into()),
            ("hardware", "Example Rack 2".into()),
            ("cpu_model", "AMD EPYC".into()),
            ("cpu_physical_cores", 2_i64.into()),
            ("boot_time", Timestamp::from_ms(1_795_205_531_000).into()),
            ("boot_id", "3f6c1e2a-8d4b-4b7e-9c55-0a1b2c3d4e5f".into()),
        ],
    );
    check(
        &HOST_DEVICE,
        "vda",
        &[
            ("number", "254:0".into()),
            ("model", "Virtual Disk".into()),
            ("rotational", true.into()),
            ("capacity_bytes", 274_877_906_944_i64.into()),
        ],
    );
    check(
        &HOST_INTERFACE,
        "eth0",
        &[
            ("state", "up".into()),
            ("mac", "02:fc:00:00:00:05".into()),
            ("mtu_bytes", 1_500_i64.into()),
            ("speed_bytes_per_second", 125_000_000_i64.into()),
        ],
    );
    // A bridge without a port has no speed, and says -1.
    assert!(
        !entity(&observed, &HOST_INTERFACE, "docker0")
            .attributes
            .as_ref()
            .unwrap()
            .contains_key("speed_bytes_per_second")
    );
    let options = ["rw", "relatime", "discard", "resv_strict", "resuid=65534", "resgid=65534"];
    check(
        &HOST_FILESYSTEM,
        "/",
        &[
            ("device", "/dev/vda".into()),
            ("fstype", "ext4".into()),
            ("read_only", false.into()),
            ("options", options.map(str::to_owned).to_vec().into()),
        ],
    );
}

#[tokio::test]
async fn since_is_the_boot_and_is_held_while_the_clock_is_adjusted() {
    let root = copy();
    let mut host = host_at(root.path(), |_| {});
    let boot = Timestamp::from_ms(1_795_205_531_000);
    let since = |observed: &Observed| entity(observed, &HOST, "node-1").sample.as_ref().unwrap().since;
    let first = visit(&mut host).await;
    for (kind, name) in [(&HOST, "node-1"), (&HOST_DEVICE, "vda"), (&HOST_INTERFACE, "eth0")] {
        assert_eq!(entity(&first, kind, name).sample.as_ref().unwrap().since, Some(boot), "{}", kind.name);
    }
    let replace = |path: &str, from: &str, to: &str| {
        let path = root.path().join(path);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from));
        fs::write(&path, text.replace(from, to)).unwrap();
    };
    replace("proc/stat", "btime 1795205531", "btime 1795205532");
    assert_eq!(since(&visit(&mut host).await), Some(boot));
    replace("proc/sys/kernel/random/boot_id", "3f6c1e2a", "00000000");
    assert_eq!(since(&visit(&mut host).await), Some(boot.plus_ms(1_000)));
    // A clock that was not set yet when the machine started, and one set back behind the boot.
    for wrong in ["btime 12", "btime 1895205532"] {
        replace("proc/stat", "btime 1795205532", wrong);
        assert_eq!(since(&visit(&mut host_at(root.path(), |_| {})).await), None, "{wrong}");
        replace("proc/stat", wrong, "btime 1795205532");
    }
}

#[tokio::test]
async fn a_kernel_without_pressure_gives_null_and_is_whole() {
    let root = copy();
    fs::remove_dir_all(root.path().join("proc/pressure")).unwrap();
    let observed = visit(&mut host_at(root.path(), |_| {})).await;
    assert_eq!(observed.outcome, Outcome::Ok, "{:?}", observed.missing);
    assert_eq!(value(&observed, &HOST, "node-1", "pressure_io_full_seconds_total"), None);
}

#[tokio::test]
async fn a_missing_file_is_named_and_its_kind_is_not_taken_for_gone() {
    let root = copy();
    fs::remove_file(root.path().join("proc/diskstats")).unwrap();
    fs::write(root.path().join("proc/meminfo"), "MemTotal: lots\nMemFree: 4 kB\n").unwrap();
    let observed = visit(&mut host_at(root.path(), |_| {})).await;
    assert_eq!(observed.outcome, Outcome::Partial);
    assert_eq!(observed.missing.len(), 2, "{:?}", observed.missing);
    assert_eq!(observed.missing[0], "proc/meminfo line 1");
    assert!(observed.missing[1].starts_with("proc/diskstats: No such file"), "{:?}", observed.missing);
    assert!(observed.batches.iter().all(|batch| batch.kind.name != "host_device"));
    assert_eq!(value(&observed, &HOST, "node-1", "memory_total_bytes"), None);
    assert_eq!(value(&observed, &HOST, "node-1", "memory_free_bytes"), Some(4_096));
}

#[tokio::test]
async fn a_malformed_device_leaves_the_list_incomplete() {
    let root = copy();
    let path = root.path().join("proc/diskstats");
    let text = fs::read_to_string(&path).unwrap() + "254 16 vdb one two\n";
    fs::write(&path, text).unwrap();
    let observed = visit(&mut host_at(root.path(), |_| {})).await;
    assert_eq!(observed.missing, ["proc/diskstats line 11"]);
    assert!(!batch(&observed, &HOST_DEVICE).complete);
    assert!(batch(&observed, &HOST_INTERFACE).complete);
    assert_eq!(names(&observed, &HOST_DEVICE), ["vda", "zram0"]);
}

#[tokio::test]
async fn without_proc_the_visit_fails_and_says_where_it_looked() {
    let empty = tempfile::tempdir().unwrap();
    let observed = visit(&mut host_at(empty.path(), |_| {})).await;
    assert_eq!((observed.outcome, observed.batches.len()), (Outcome::Unreachable, 0));
    assert!(observed.error.unwrap().contains("proc/stat: No such file"));
}

/// A file system that does not answer until it is let go, and how often it was asked.
#[derive(Default)]
struct Stuck {
    state: Mutex<(bool, usize)>,
    changed: Condvar,
}

#[tokio::test]
async fn a_file_system_that_hangs_is_reported_and_not_asked_twice() {
    let root = copy();
    let mounts = root.path().join("proc/self/mountinfo");
    let text = fs::read_to_string(&mounts).unwrap() + "90 27 0:50 / /mnt/nfs rw - nfs4 filer:/export rw\n";
    fs::write(&mounts, text).unwrap();
    let stuck = Arc::new(Stuck::default());
    let space = recorded_space(&recorded("t0"));
    let measure: Measure = {
        let stuck = Arc::clone(&stuck);
        Arc::new(move |path: &Path| {
            if path.ends_with("mnt/nfs") {
                let mut state = stuck.state.lock().unwrap();
                state.1 += 1;
                drop(stuck.changed.wait_while(state, |state| !state.0).unwrap());
            }
            Ok(space)
        })
    };
    let settings = Settings { root: root.path().to_owned(), ..Settings::named("node-1") };
    let mut host = Host::measuring(settings, clock_at(&recorded("t0")), 100, measure);
    let short = Visit { started: Timestamp::from_ms(0), timeout: Duration::from_millis(500) };
    for _ in 0..3 {
        let observed = host.poll(short).await;
        assert_eq!(observed.outcome, Outcome::Partial);
        assert_eq!(observed.missing, ["/mnt/nfs: does not answer"]);
        assert_eq!(names(&observed, &HOST_FILESYSTEM), ["/", "/mnt/nfs"]);
        assert!(batch(&observed, &HOST_FILESYSTEM).complete, "it is still mounted");
        assert!(entity(&observed, &HOST_FILESYSTEM, "/").sample.is_some());
        assert!(entity(&observed, &HOST_FILESYSTEM, "/mnt/nfs").sample.is_none());
    }
    assert_eq!(stuck.state.lock().unwrap().1, 1);
    stuck.state.lock().unwrap().0 = true;
    stuck.changed.notify_all();
    while host.poll(short).await.outcome != Outcome::Ok {}
}

#[tokio::test]
async fn a_proc_that_hangs_is_a_timeout_and_is_not_read_twice() {
    let root = copy();
    let (stat, aside) = (root.path().join("proc/stat"), root.path().join("pipe"));
    fs::remove_file(&stat).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &stat, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    let mut host = host_at(root.path(), |_| {});
    let short = Visit { started: Timestamp::from_ms(0), timeout: Duration::from_millis(200) };
    for _ in 0..2 {
        let observed = host.poll(short).await;
        assert_eq!((observed.outcome, observed.batches.len()), (Outcome::Timeout, 0));
    }
    fs::rename(&stat, &aside).unwrap();
    fs::copy(recorded("t0").join("proc/stat"), &stat).unwrap();
    // Lets the one reader go: opening a pipe for writing needs a reader, and a second would wait for another.
    fs::write(&aside, "").unwrap();
    while host.poll(short).await.outcome != Outcome::Ok {}
}

#[tokio::test]
async fn a_file_system_that_refuses_is_named_with_its_reason() {
    let measure: Measure = Arc::new(|_: &Path| Err(io::ErrorKind::PermissionDenied.into()));
    let settings = Settings { root: recorded("t0"), ..Settings::named("node-1") };
    let mut host = Host::measuring(settings, clock_at(&recorded("t0")), 100, measure);
    let observed = visit(&mut host).await;
    assert_eq!(observed.missing, ["/: permission denied"]);
    assert_eq!(observed.error.as_deref(), Some("did not come: /: permission denied"));
}

#[tokio::test]
async fn a_file_system_without_inodes_has_none() {
    let space = Space { inodes: 0, inodes_free: 0, ..recorded_space(&recorded("t0")) };
    let settings = Settings { root: recorded("t0"), ..Settings::named("node-1") };
    let mut host = Host::measuring(settings, clock_at(&recorded("t0")), 100, Arc::new(move |_| Ok(space)));
    let observed = visit(&mut host).await;
    assert_eq!(value(&observed, &HOST_FILESYSTEM, "/", "inodes"), None);
    assert_eq!(value(&observed, &HOST_FILESYSTEM, "/", "inodes_free"), None);
}

#[tokio::test]
async fn a_mounted_root_is_read_through_its_first_process() {
    let root = copy();
    fs::create_dir_all(root.path().join("proc/1/net")).unwrap();
    fs::write(root.path().join("proc/1/mountinfo"), "1 0 8:1 / /data rw - xfs /dev/sda1 rw\n").unwrap();
    let line = " bond0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";
    fs::write(root.path().join("proc/1/net/dev"), line).unwrap();
    let observed = visit(&mut host_at(root.path(), |_| {})).await;
    assert_eq!(names(&observed, &HOST_FILESYSTEM), ["/data"]);
    assert_eq!(names(&observed, &HOST_INTERFACE), ["bond0"]);
}

#[tokio::test]
async fn this_machine_can_be_read() {
    if !Path::new("/proc/stat").exists() {
        eprintln!("not run: no /proc/stat here");
        return;
    }
    let mut host = Host::new(Settings::named("here"), Clock::System);
    assert_eq!(host.target().as_str(), "host/here");
    let observed = visit(&mut host).await;
    assert!(observed.outcome.is_good(), "{:?}", observed.error);
    for column in ["cpus", "processes", "memory_total_bytes", "uptime_seconds", "cpu_user_seconds_total"] {
        assert!(value(&observed, &HOST, "here", column).unwrap() > 0, "{column}");
    }
    let sample = entity(&observed, &HOST, "here").sample.as_ref().unwrap();
    assert!(sample.since.unwrap() < sample.at);
}

#[tokio::test]
async fn every_column_of_every_kind_is_filled_on_the_recorded_machine() {
    let observed = visit(&mut host_at(&recorded("t0"), |_| {})).await;
    for (kind, name) in [(&HOST, "node-1"), (&HOST_DEVICE, "vda"), (&HOST_INTERFACE, "eth0"), (&HOST_FILESYSTEM, "/")] {
        let sample = entity(&observed, kind, name).sample.as_ref().unwrap();
        assert_eq!(sample.values.len(), kind.columns.len());
        for (column, value) in kind.columns.iter().zip(&sample.values) {
            assert_ne!(*value, Value::Null, "{} {}", kind.name, column.name);
        }
        for attribute in entity(&observed, kind, name).attributes.as_ref().unwrap().keys() {
            assert!(kind.attribute(attribute).is_some(), "{} {attribute}", kind.name);
        }
    }
}

#[test]
fn descriptions_hold_together() {
    for kind in [&HOST, &HOST_DEVICE, &HOST_INTERFACE, &HOST_FILESYSTEM] {
        let mut seen = BTreeSet::new();
        let keys = kind.identity.iter().map(|key| key.name);
        let facts = kind.attributes.iter().map(|attribute| attribute.name);
        let numbers =
            kind.columns.iter().map(|column| column.name).chain(kind.derived.iter().map(|derived| derived.name));
        for name in keys.chain(facts).chain(numbers) {
            assert!(seen.insert(name), "{} {name} twice", kind.name);
        }
        let stored: BTreeSet<_> = kind.columns.iter().map(|column| column.stored).collect();
        assert_eq!(stored.len(), kind.columns.len(), "{}", kind.name);
        for column in kind.columns {
            assert_eq!(column.name.ends_with("_total"), column.class == Class::Counter, "{}", column.name);
        }
        for derived in kind.derived {
            for column in derived.formula.columns() {
                assert!(kind.column(column).is_some(), "{} reads {column}", derived.name);
            }
            if let crate::model::Formula::RateToAttribute { attribute, .. } = derived.formula {
                assert!(kind.attribute(attribute).is_some(), "{} reads {attribute}", derived.name);
            }
        }
        assert!(kind.display.iter().all(|name| seen.contains(name)));
    }
}

/// The same machine as node_exporter 1.5 tells it.
#[tokio::test]
async fn a_node_exporter_fills_the_same_kinds() {
    use crate::source::http::{Canned, CannedReply, Http};
    let page = include_str!("../../../tests/fixtures/prometheus/node_exporter-1.5.txt");
    let canned = Canned::new();
    canned.set("/metrics", CannedReply::ok(page));
    let settings = ExporterSettings {
        host: Settings::named("node-2"),
        url: "http://node-2:9100".to_owned(),
        tls: None,
        credentials: None,
    };
    let mut exporter = Exporter::with_http(settings, Clock::System, Http::Canned(canned)).unwrap();
    let visit = Visit { started: Timestamp::from_ms(0), timeout: Duration::from_secs(8) };
    let seen = exporter.poll(visit).await;
    assert_eq!((seen.outcome, seen.missing.clone()), (Outcome::Ok, Vec::new()));
    let [host, devices, interfaces, filesystems] = &seen.batches[..] else { panic!("{:?}", seen.batches) };
    let value = |seen: &Observation, kind: &Kind, name: &str| {
        seen.sample.as_ref().unwrap().values[kind.column_index(name).unwrap()]
    };
    // The sum of both processors' lines, in hundredths of a second.
    let mode = |mode: &str| -> f64 {
        let lines = page
            .lines()
            .filter(|line| line.contains(&format!("mode=\"{mode}\"")) && line.starts_with("node_cpu_seconds"));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    };
    for (name, column) in [("user", "cpu_user_seconds_total"), ("steal", "cpu_steal_seconds_total")] {
        let Value::Int(time) = value(&host.observations[0], &HOST, column) else { panic!("{column}") };
        #[expect(clippy::cast_precision_loss, reason = "a few hours")]
        let time = time as f64 / 100.0;
        assert!((time - mode(name)).abs() < 1e-6, "{column}: {time}");
    }
    assert_eq!(value(&host.observations[0], &HOST, "cpus"), Value::Int(2));
    for column in
        ["load_1m", "memory_total_bytes", "memory_available_bytes", "uptime_seconds", "pressure_io_full_seconds_total"]
    {
        assert!(matches!(value(&host.observations[0], &HOST, column), Value::Int(1..)), "{column}");
    }
    assert!(host.observations[0].sample.as_ref().unwrap().since.is_some(), "its counters began at boot");
    let names = |batch: &crate::model::KindBatch| -> Vec<String> {
        batch.observations.iter().map(|seen| seen.identity.part(1).to_owned()).collect()
    };
    assert!(names(devices).contains(&"vda".to_owned()), "{:?}", names(devices));
    assert!(names(interfaces).contains(&"eth0".to_owned()) && !names(interfaces).contains(&"lo".to_owned()));
    assert_eq!(names(filesystems), ["/"]);
    assert!(matches!(value(&filesystems.observations[0], &HOST_FILESYSTEM, "size_bytes"), Value::Int(1..)));

    let canned = Canned::new();
    canned.set("/metrics", CannedReply::ok("up 1\n"));
    let settings = ExporterSettings {
        host: Settings::named("node-2"),
        url: "http://node-2:9100/metrics".to_owned(),
        tls: None,
        credentials: None,
    };
    let mut other = Exporter::with_http(settings, Clock::System, Http::Canned(canned)).unwrap();
    let seen = other.poll(visit).await;
    assert_eq!(seen.outcome, Outcome::Malformed);
    assert!(seen.error.unwrap().contains("no node_exporter"));
}
