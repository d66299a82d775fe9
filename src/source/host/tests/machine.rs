//! The recorded machine, ten seconds apart.

use super::*;

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
