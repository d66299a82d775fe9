//! Commands that work on a recording's file: backup, check, compact, stats, import, beside a running recorder and alone.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::fleet::Fleet;
use crate::harness::recording::{Watched, command, printed, refused, tachograph};
use crate::harness::time::{LATER, now_ms, wait_for};
use crate::harness::{Recorder, machine, reaper};

const HOUR_MS: i64 = 3_600_000;

/// A small fleet that was watched for half a day and is over.
const WATCHED: Watched = Watched { hosts: 2, containers_a_host: 4, interval_ms: 60_000, start_ms: 0, rounds: 12 * 60 };

fn recorded(directory: &Path) -> (PathBuf, i64) {
    let path = directory.join("store.db");
    let start_ms = now_ms() / HOUR_MS * HOUR_MS - 24 * HOUR_MS;
    Watched { start_ms, ..WATCHED }.record(&path);
    (path, start_ms)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn export(store: &Path, to: &Path) {
    let to = text(to);
    printed(&["export", "container", "start=-30d", "attributes=all", "--store", text(store), "--output", to]);
}

#[test]
fn a_running_recorder_is_copied_and_goes_on() {
    let _together = machine::shared();
    let fleet = Fleet::start(3, 10);
    let directory = reaper::directory();
    let recorder = Recorder::start_in(&directory, &fleet.sources("interval = \"2s\"\ntimeout = \"1s\""), None);
    let store = directory.join("store.db");
    let begun = now_ms().to_string();
    let rows = || recorder.table("samples/container", &[("start", "now-1h"), ("end", LATER)]).rows.len();
    wait_for("some rounds", Duration::from_secs(40), || (rows() > 60).then_some(()));
    for turn in 0..3 {
        let before = rows();
        let copy = directory.join(format!("copy-{turn}.db"));
        let told = printed(&["backup", text(&copy), "--store", text(&store)]);
        assert!(told.ends_with("sound\n"), "{told}");
        let checked = printed(&["check", "--store", text(&copy)]);
        assert!(checked.ends_with("sound\n"), "{checked}");
        let until = format!("end={LATER}");
        let exported = printed(&["export", "container", "start=now-1h", &until, "--store", text(&copy)]);
        assert!(exported.lines().count() > before, "what was served is in the copy");
    }
    assert!(printed(&["check", "--store", text(&store)]).ends_with("sound\n"), "also while it is written");
    let stats: serde_json::Value =
        serde_json::from_str(&printed(&["stats", "--json", "--store", text(&store)])).unwrap();
    assert!(stats["file_bytes"].as_u64().unwrap() > 0, "{stats:#}");

    // Its only user is the recorder.
    let csv = directory.join("a.csv");
    export(&directory.join("copy-0.db"), &csv);
    for arguments in [vec!["compact"], vec!["import", "container", text(&csv)]] {
        let told = refused(&[&arguments[..], &["--store", text(&store)]].concat());
        assert!(told.contains("another recorder writes it; stop that one"), "{told}");
    }
    let events = recorder.json(&format!("/api/v1/events?type=tick_skipped,snapshot_dropped&start={begun}&end={LATER}"));
    assert_eq!(events["events"].as_array().unwrap().len(), 0, "{events:#}");
}

#[test]
fn a_backup_that_is_killed_leaves_no_half_file() {
    let _together = machine::shared();
    let directory = reaper::directory();
    let (store, _) = recorded(&directory);
    let copy = directory.join("copy.db");
    let partial = directory.join("copy.db.partial");
    for (signal, delay_ms) in [("KILL", 0), ("KILL", 5), ("TERM", 0), ("KILL", 20), ("TERM", 10)] {
        let _ = fs::remove_file(&copy);
        let _ = fs::remove_file(&partial);
        let mut child = command(&["backup", text(&copy), "--store", text(&store)]).spawn().unwrap();
        reaper::watch(child.id());
        wait_for("the copy to begin", Duration::from_secs(30), || (partial.exists() || copy.exists()).then_some(()));
        std::thread::sleep(Duration::from_millis(delay_ms));
        let _ = std::process::Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
        child.wait().unwrap();
        reaper::forget(child.id());
        if copy.exists() {
            assert!(printed(&["check", "--store", text(&copy)]).ends_with("sound\n"), "it was whole by then");
        } else if signal == "TERM" {
            assert!(!partial.exists(), "told to end, it leaves nothing");
        }
    }
    let _ = fs::remove_file(&copy);
    fs::write(&partial, "what a run that was killed left").unwrap();
    assert!(printed(&["backup", text(&copy), "--store", text(&store)]).ends_with("sound\n"));
    assert!(!partial.exists());
    let told = refused(&["backup", text(&copy), "--store", text(&store)]);
    assert!(told.contains("it exists, and is not written over"), "{told}");
}

#[test]
fn damage_is_told_with_exit_code_1_and_what_is_packed_stays_the_same() {
    let _together = machine::shared();
    let directory = reaper::directory();
    let (store, _) = recorded(&directory);
    let (before, after) = (directory.join("before.csv"), directory.join("after.csv"));
    export(&store, &before);
    let told = printed(&["compact", "--store", text(&store)]);
    assert!(told.contains("samples sealed"), "{told}");
    export(&store, &after);
    assert_eq!(fs::read(&before).unwrap(), fs::read(&after).unwrap(), "the same bytes");

    let stats: serde_json::Value =
        serde_json::from_str(&printed(&["stats", "--json", "--store", text(&store)])).unwrap();
    let parts = stats["parts"].as_array().unwrap().iter().map(|part| part["bytes"].as_u64().unwrap()).sum::<u64>();
    assert_eq!(parts, store.metadata().unwrap().len(), "{stats:#}");
    assert_eq!(stats["kinds"][0]["kind"], "container");
    let table = printed(&["stats", "--store", text(&store)]);
    assert!(table.contains("cpu_usage_ns") && table.contains("the file"), "{table}");

    // In the middle of the blocks, which are most of the file.
    let mut bytes = fs::read(&store).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 2000].fill(0x55);
    let damaged = directory.join("damaged.db");
    fs::write(&damaged, &bytes).unwrap();
    let done = tachograph(&["check", "--store", text(&damaged)]);
    let (out, told) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert_eq!(done.status.code(), Some(1), "{out}{told}");
    assert!(out.contains("FAULT") && told.contains("restore it from a backup"), "{out}{told}");
    fs::write(&damaged, "not a database at all, but long enough to be looked at: ".repeat(100)).unwrap();
    assert!(refused(&["check", "--store", text(&damaged)]).contains("not a SQLite database"));
    assert!(refused(&["check", "--store", text(&directory.join("none.db"))]).contains("there is no recording"));
}

#[test]
fn what_is_exported_is_imported_to_the_byte_and_bad_lines_are_told() {
    let _together = machine::shared();
    let directory = reaper::directory();
    let (store, start_ms) = recorded(&directory);
    let csv = directory.join("whole.csv");
    export(&store, &csv);
    let whole = fs::read(&csv).unwrap();

    // Compressed, into a file that is made by it.
    let packed = directory.join("whole.csv.gz");
    let mut gzip = flate2::write::GzEncoder::new(fs::File::create(&packed).unwrap(), flate2::Compression::fast());
    gzip.write_all(&whole).unwrap();
    gzip.finish().unwrap();
    let other = directory.join("other.db");
    let import = |file: &Path| tachograph(&["import", "container", text(file), "--store", text(&other)]);
    let told = String::from_utf8(import(&packed).stdout).unwrap();
    let lines = whole.iter().filter(|byte| **byte == b'\n').count() - 1;
    assert_eq!(told, format!("{}: {lines} samples imported\n", other.display()));
    let again = directory.join("again.csv");
    export(&other, &again);
    assert!(fs::read(&again).unwrap() == whole, "{} and {}", csv.display(), again.display());
    assert!(printed(&["check", "--store", text(&other)]).ends_with("sound\n"));

    // Lines that are no samples stop nothing.
    let mut text_of = String::from_utf8(whole.clone()).unwrap();
    text_of.push_str("yesterday,node-1,x\r\n\"");
    let bad = directory.join("bad.csv");
    fs::write(&bad, text_of).unwrap();
    let done = import(&bad);
    let (out, told) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert_eq!(done.status.code(), Some(1), "{out}{told}");
    assert!(out.contains(&format!("0 samples imported, {lines} were there already, 2 lines cannot be read")), "{out}");
    assert!(told.contains(&format!("line {}: 3 cells where the first line has", lines + 2)), "{told}");
    let host = directory.join("host.csv");
    fs::write(&host, "time,machine\r\n").unwrap();
    let told = refused(&["import", "host", text(&host), "--store", text(&other)]);
    assert!(told.contains("its first line does not name host"), "{told}");
    // What was cut short is kept as far as it came.
    let cut = directory.join("cut.csv.gz");
    let bytes = fs::read(&packed).unwrap();
    fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let third = directory.join("third.db");
    let told = refused(&["import", "container", text(&cut), "--store", text(&third)]);
    assert!(told.contains("read ") && printed(&["check", "--store", text(&third)]).ends_with("sound\n"), "{told}");

    // A closed range that is imported into has another entity tag, and what came is served.
    let range = format!("start={}&end={}", start_ms, start_ms + 2 * HOUR_MS);
    let path = format!("/api/v1/samples/container.csv?{range}&attributes=all");
    let served = |store: &Path| {
        let home = reaper::directory();
        fs::copy(store, home.join("store.db")).unwrap();
        let recorder = Recorder::start_in(&home, "[source.host]\nenabled = false\n", None);
        let reply = wait_for("a closed range", Duration::from_secs(30), || {
            Some(recorder.get(&path)).filter(|reply| reply.header("etag").is_some())
        });
        drop(recorder);
        (reply.header("etag").unwrap().to_owned(), reply.body, home.join("store.db"))
    };
    let (tag_before, half, home) = served(&third);
    let told = printed(&["import", "container", text(&packed), "--store", text(&home)]);
    assert!(told.contains("were there already"), "{told}");
    let recorder = Recorder::start_in(home.parent().unwrap(), "[source.host]\nenabled = false\n", None);
    let reply = wait_for("a closed range", Duration::from_secs(30), || {
        Some(recorder.get(&path)).filter(|reply| reply.header("etag").is_some())
    });
    assert_ne!(reply.header("etag"), Some(tag_before.as_str()));
    assert!(reply.body.len() > half.len());
    let (_, expected, _) = served(&store);
    assert!(reply.body == expected, "as in the origin");
}
