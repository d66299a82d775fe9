//! What goes wrong with a machine: files that miss, hang, refuse.

use super::*;

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
