//! Replies of every ps that was met, and what is made of its words.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::*;

#[test]
fn times_sizes_and_shares_are_read_as_each_ps_writes_them() {
    for (text, expected) in [
        ("0:02", Some(2_000)),
        ("123:45", Some(7_425_000)),
        ("00:00:01", Some(1_000)),
        ("1-02:03:04", Some(93_784_000)),
        ("3m5.1s", Some(185_100)),
        ("0s", Some(0)),
        ("1h2m3.25s", Some(3_723_250)),
        ("120ms", Some(120)),
        ("5", None),
        ("?", None),
        ("-1:00", None),
        ("", None),
    ] {
        assert_eq!(duration_ms(text), expected, "{text}");
    }
    for (text, expected) in [
        ("1528", Some(1528 * 1024)),
        ("1.5m", Some(1_572_864)),
        ("2g", Some(2 << 30)),
        ("-", None),
        ("", None),
        ("9223372036854775807", None),
    ] {
        assert_eq!(size(text), expected, "{text}");
    }
    for (text, expected) in
        [("4.4", Some(44)), ("0", Some(0)), ("120", Some(1_200)), ("0.123%", Some(1)), ("-1", None), ("x", None)]
    {
        assert_eq!(tenths(text), expected, "{text}");
    }
}

#[test]
fn a_start_keeps_its_text_while_ps_tells_it_in_coarser_words() {
    let at = |text: &str| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap();
    let check = |told: &str, now: &str, expected: &str| {
        let window = start(told).and_then(|start| Window::of(start, at(now)));
        assert_eq!(window.map(Window::text).unwrap_or_default(), expected, "{told} at {now}");
        if let Some(window) = window {
            assert_eq!(Window::parse(expected), Some(window));
        }
    };
    check("20:25", "2026-11-20 20:40", "2026-11-20T20:25");
    check("20:25", "2026-11-21 09:00", "2026-11-20T20:25");
    check("20:25:31", "2026-11-20 20:40", "2026-11-20T20:25");
    // A clock that is a little behind does not lead a day back.
    check("20:25", "2026-11-20 20:24", "2026-11-20T20:25");
    check("Nov20", "2026-11-22 09:00", "2026-11-20");
    check("Dec31", "2026-01-02 09:00", "2025-12-31");
    check("2024", "2026-01-02 09:00", "2024");
    check("3m5.1s", "2026-11-20 20:40", "2026-11-20T20:36");
    check("25:00", "2026-11-20 20:40", "");
    check("Foo20", "2026-11-20 20:40", "");
    check("-", "2026-11-20 20:40", "");

    let exact = Window::parse("2026-11-20T20:25").unwrap();
    let check = |told: &str, now: &str, expected: bool| {
        let window = Window::of(start(told).unwrap(), at(now)).unwrap();
        assert_eq!(exact.agrees(window), expected, "{told} at {now}");
    };
    check("20:25", "2026-11-21 09:00", true);
    check("Nov20", "2026-11-22 09:00", true);
    check("Nov20", "2027-11-22 09:00", false);
    check("2026", "2028-11-22 09:00", true);
    check("20:27", "2026-11-20 20:40", false);
    check("20:25", "2026-11-21 20:40", false);
}

#[test]
fn columns_are_found_by_their_titles() {
    let check = |titles: &str, row: &str, expected: &str| {
        let quoted = |line: &str| {
            let cells: Vec<String> = line.split('|').map(|cell| format!("{cell:?}")).collect();
            format!("[{}]", cells.join(","))
        };
        let body = format!(r#"{{"Titles":{},"Processes":[{}]}}"#, quoted(titles), quoted(row));
        let found = parse(body.as_bytes()).unwrap();
        let shown: Vec<String> = found
            .iter()
            .map(|it| {
                format!("{} {:?} {:?} {:?} {:?} {}", it.pid, it.user, it.rss_bytes, it.cpu_ms, it.start, it.command)
            })
            .collect();
        assert_eq!(shown.join("; "), expected, "{titles}");
    };
    check("COMMAND|RSS|PID", "a b|4|7", "7 None Some(4096) None None a b");
    check(
        "PID   USER     TIME  COMMAND",
        "  9 root      0:01 sh -c x  y",
        "9 Some(\"root\") None Some(1000) None sh -c x  y",
    );
    check(
        "USER|PID|PPID|%CPU|ELAPSED|TTY|TIME|COMMAND",
        "root|1|0|0.000|3m5.1s|pts/0|0s|top",
        "1 Some(\"root\") None Some(0) Some(Ago(185100)) top",
    );
    check("USER|COMMAND", "root|x", "");
    check("PID|COMMAND", "x|y", "");
    assert_eq!(parse(b"").unwrap(), []);
    assert_eq!(parse(b"{}").unwrap(), []);
    assert!(parse(b"[").is_err());
}

fn replies(directory: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    found.extend(entries.into_iter().filter(|path| !["meta", "txt"].iter().any(|it| path.extension().unwrap() == *it)));
}

/// What `ps` was recorded to print, beside what is understood of it.
#[test]
fn every_recorded_reply_is_understood_as_expected() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/docker-top");
    let mut found = Vec::new();
    replies(&directory, &mut found);
    assert!(found.len() >= 9, "{} replies", found.len());
    let mut text = String::new();
    for file in found {
        let understood = match parse(&std::fs::read(&file).unwrap()) {
            Ok(processes) => format!("{processes:#?}"),
            Err(error) => format!("not understood: {error}"),
        };
        let _ = writeln!(text, "{}: {understood}", file.file_name().unwrap().to_string_lossy());
    }
    let expected = directory.join("expect.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&expected, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&expected).unwrap_or_default(), "UPDATE=1 writes it anew");
}
