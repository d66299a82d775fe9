//! Exports that can be trusted: the same bytes however they are fetched, in constant memory, nothing printed twice.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tachograph::model::Snapshot;

use crate::harness::recording::{Watched, printed};
use crate::harness::seeded::stores;
use crate::harness::time::{monotonic_ms, now_ms, parse_ms, wait_for};
use crate::harness::{Recorder, Served, http, machine, reaper};

const HOUR_MS: i64 = 3_600_000;

/// A recorder that polls nothing but itself.
const ALONE: &str = "[source.host]\nenabled = false\n";

#[test]
fn a_closed_range_is_the_same_bytes_however_often_and_in_whatever_pieces() {
    let _together = machine::shared();
    let directory = reaper::directory();
    let start_ms = now_ms() / HOUR_MS * HOUR_MS - 6 * HOUR_MS;
    let store = directory.join("store.db");
    let watched = Watched { hosts: 2, containers_a_host: 3, interval_ms: 30_000, start_ms, rounds: 5 * 120 };
    watched.record(&store);
    let mut recorder = Recorder::start_in(&directory, ALONE, None);
    let query = format!("start={start_ms}&end={}&attributes=all&tz=Europe/Berlin", start_ms + 5 * HOUR_MS);
    let path = format!("/api/v1/samples/container.csv?{query}");
    let fetch = |recorder: &Recorder| {
        wait_for("a closed range", Duration::from_secs(30), || {
            let reply = recorder.get(&path);
            assert_eq!(reply.status, 200, "{}", reply.text());
            reply.header("etag").map(str::to_owned).map(|tag| (tag, reply.body.clone()))
        })
    };
    let (tag, first) = fetch(&recorder);
    assert!(first.iter().filter(|byte| **byte == b'\n').count() > 6 * 590);
    assert_eq!(fetch(&recorder), (tag, first.clone()), "twice");

    // A client that is killed over and over, and goes on after the last complete line that it has.
    let mut received: Vec<u8> = Vec::new();
    let mut pieces = 0;
    loop {
        let after = cursor_of(&received);
        let path = match &after {
            Some(cursor) => format!("{path}&{}", http::query(&[("cursor", cursor)])),
            None => path.clone(),
        };
        // An odd number of bytes, so that it breaks off anywhere.
        let (body, is_whole) = receive(recorder.address(), &path, 200_003 + 7 * pieces);
        pieces += 1;
        let complete = body.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines = &body[..complete];
        let from =
            if after.is_some() { lines.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1) } else { 0 };
        received.extend_from_slice(&lines[from..]);
        if is_whole {
            break;
        }
        assert!(pieces < 1000, "it never ends");
    }
    assert!(pieces > 3, "{pieces} pieces");
    assert!(received == first, "in {pieces} pieces");

    // Sealed, merged, and another process.
    recorder.kill();
    let told = printed(&["compact", "--store", store.to_str().unwrap()]);
    assert!(!told.contains(" 0 samples sealed"), "{told}");
    let recorder = Recorder::start_in(&directory, ALONE, None);
    assert!(fetch(&recorder).1 == first, "after sealing and a restart");
}

/// The cursor after the last line: its identity and time.
fn cursor_of(received: &[u8]) -> Option<String> {
    let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(received);
    let last = reader.records().skip(1).last()?.unwrap();
    let mut cursor = ::csv::WriterBuilder::new().from_writer(Vec::new());
    cursor.write_record([&last[1], &last[2], &last[0]]).unwrap();
    Some(String::from_utf8(cursor.into_inner().unwrap()).unwrap().trim_end().to_owned())
}

/// The first bytes of a body, then the connection is torn; says whether it was the whole body.
fn receive(address: SocketAddr, path: &str, bytes_max: usize) -> (Vec<u8>, bool) {
    let mut from = request(address, path);
    let mut body = Vec::new();
    while body.len() < bytes_max {
        let Some(mut chunk) = next_chunk(&mut from) else { return (body, true) };
        body.append(&mut chunk);
    }
    body.truncate(bytes_max);
    (body, false)
}

/// Asks, and reads up to the body.
fn request(address: SocketAddr, path: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut from = BufReader::with_capacity(1 << 16, stream);
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 200"), "{line}");
    while line.trim() != "" {
        line.clear();
        from.read_line(&mut line).unwrap();
    }
    from
}

/// A chunk of a chunked body; None after the last.
fn next_chunk(from: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    let size = u64::from_str_radix(line.trim(), 16).unwrap_or_else(|_| panic!("chunk size {line:?}"));
    let mut chunk = Vec::new();
    from.take(size + 2).read_to_end(&mut chunk).unwrap();
    chunk.truncate(usize::try_from(size).unwrap());
    (size > 0).then_some(chunk)
}

/// What a process holds in memory, and held at most, in bytes.
fn memory(pid: u32) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    };
    (field("VmRSS:"), field("VmHWM:"))
}

/// What a recorder may hold more than idle while it streams, however much.
const MEMORY_ABOVE_IDLE_MAX_BYTES: u64 = 60 << 20;

#[test]
fn a_long_export_streams_in_constant_memory() {
    let _together = machine::shared();
    stream(Watched { hosts: 4, containers_a_host: 5, interval_ms: 60_000, start_ms: 0, rounds: 2 * 24 * 60 });
}

#[test]
#[ignore = "17 million samples; run it by hand, in a release build"]
fn thirty_days_of_200_containers_stream_in_constant_memory() {
    let _alone = machine::alone();
    stream(Watched { hosts: 4, containers_a_host: 50, interval_ms: 30_000, start_ms: 0, rounds: 30 * 24 * 120 });
}

fn stream(watched: Watched) {
    let directory = reaper::directory();
    let ms = watched.rounds * watched.interval_ms;
    let start_ms = now_ms() / HOUR_MS * HOUR_MS - ms - 2 * HOUR_MS;
    let samples = Watched { start_ms, ..watched }.import(&directory.join("store.db"));
    let recorder = Recorder::start_in(&directory, ALONE, None);
    let path = format!("/api/v1/samples/container.csv?start={start_ms}&end={}", start_ms + ms + HOUR_MS);
    // Once in small, so that what any answer needs is there.
    recorder.get(&format!("/api/v1/samples/container.csv?start={start_ms}&end={}", start_ms + 10 * 60_000));
    let (idle, _) = memory(recorder.pid());
    let begun = monotonic_ms();
    let mut from = request(recorder.address(), &path);
    let csv = directory.join("all.csv");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&csv).unwrap());
    let (mut rows, mut bytes) = (0_u64, 0_u64);
    while let Some(chunk) = next_chunk(&mut from) {
        rows += chunk.iter().filter(|byte| **byte == b'\n').count() as u64;
        bytes += chunk.len() as u64;
        file.write_all(&chunk).unwrap();
    }
    file.flush().unwrap();
    let seconds = ((monotonic_ms() - begun).max(1)) as f64 / 1000.0;
    let (_, peak) = memory(recorder.pid());
    drop(recorder);
    assert_eq!(rows, samples + 1, "every sample and the header");
    let above = peak.saturating_sub(idle);
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let build = if cfg!(debug_assertions) { "debug build" } else { "release build" };
    let mut lines = vec![format!(
        "export: {samples} samples, {:.0} MiB in {seconds:.1} s: {:.0} rows/s, {:.1} MiB/s ({build}); memory {:.1} MiB idle, \
         {:.1} MiB above it at most",
        mib(bytes),
        samples as f64 / seconds,
        mib(bytes) / seconds,
        mib(idle),
        mib(above),
    )];
    match plain_rows(&directory, &csv) {
        Some(seconds) => lines.push(format!(
            "export: sqlite3 -csv prints the same cells from plain rows, ready as they are, at {:.0} rows/s",
            samples as f64 / seconds
        )),
        None => lines.push("export: sqlite3 is not installed: nothing to compare with".to_owned()),
    }
    machine::say(&lines.join("\n"));
    assert!(above <= MEMORY_ABOVE_IDLE_MAX_BYTES, "{above} bytes above idle");
}

/// Seconds that a bare `sqlite3 -csv` takes to print the rows of a CSV from a table of their own.
fn plain_rows(directory: &Path, csv: &Path) -> Option<f64> {
    let plain = directory.join("plain.db");
    let header = std::fs::File::open(csv).map(BufReader::new).unwrap().lines().next().unwrap().unwrap();
    let columns: Vec<_> = header
        .split(',')
        .map(|name| {
            let is_number = name.contains("_total") || name.contains("_bytes") || name.contains("cpu_");
            format!("\"{name}\" {}", if is_number { "NUMERIC" } else { "TEXT" })
        })
        .collect();
    let shell = |script: &str, out: Stdio| {
        Command::new("sqlite3").arg("-csv").arg(&plain).arg(script).stdin(Stdio::null()).stdout(out).status()
    };
    let table = format!("CREATE TABLE plain ({})", columns.join(","));
    if !shell(&table, Stdio::null()).is_ok_and(|status| status.success()) {
        return None;
    }
    let import = format!(".import --skip 1 \"{}\" plain", csv.display());
    assert!(shell(&import, Stdio::null()).unwrap().success());
    let begun = monotonic_ms();
    let out = std::fs::File::create("/dev/null").unwrap();
    assert!(shell("SELECT * FROM plain", out.into()).unwrap().success());
    Some(((monotonic_ms() - begun).max(1)) as f64 / 1000.0)
}

#[test]
fn nothing_is_printed_twice_when_a_clock_is_put_back() {
    use crate::contract::world::{Seen, poll, saw};
    use tachograph::model::Outcome;
    // Every ten minutes over both changes of clock in Berlin.
    let interval_ms = 600_000;
    let spans =
        [("2026-03-28", "2026-03-31", 71, [24.0, 23.0, 24.0]), ("2026-10-24", "2026-10-27", 73, [24.0, 25.0, 24.0])];
    let begin = parse_ms("2026-03-27T00:00:00Z");
    let end = parse_ms("2026-10-28T00:00:00Z");
    let ends = (parse_ms("2026-04-01T00:00:00Z"), parse_ms("2026-10-23T00:00:00Z"));
    let visits = (begin..ends.0).step_by(600_000).chain((ends.1..end).step_by(600_000));
    let recorded: Vec<Snapshot> = visits
        .map(|at| {
            let mut poll = poll("docker/node-1", at, Outcome::Ok);
            poll.interval_ms = interval_ms;
            saw(poll, vec![Seen::new("node-1", "w1", at, begin, 1_000).with("name", "web")])
        })
        .collect();
    for (store_name, store) in stores() {
        let served = Served::start(store, &recorded, &[("docker/node-1", &["container"])], end + HOUR_MS);
        for (from, to, hours, of_days) in spans {
            // Days as long as they were: six samples an hour.
            let days = served.table(&format!(
                "range/container?start={from}&end={to}&tz=Europe/Berlin&step=1d&fields=cpu_cores&agg=count"
            ));
            assert_eq!(days.numbers("cpu_cores"), of_days.map(|hours| Some(6.0 * hours)), "{store_name}");
            let hourly = served.table(&format!(
                "range/container?start={from}&end={to}&tz=Europe/Berlin&step=1h&fields=cpu_usage_seconds_total"
            ));
            let labels = hourly.column("time");
            let instants: Vec<i64> = labels.iter().map(|label| parse_ms(label)).collect();
            assert_eq!(labels.len(), hours, "{store_name}");
            assert_eq!(labels.iter().collect::<BTreeSet<_>>().len(), hours, "{labels:?}");
            assert!(instants.windows(2).all(|pair| pair[1] - pair[0] == HOUR_MS), "{labels:?}");
            assert!(hourly.column("cpu_usage_seconds_total").iter().all(|cell| *cell == "3600"));
            // Day after day, as a script downloads them: together the hours of the whole, none twice.
            let mut joined = Vec::new();
            for day in days.column("time") {
                let start = parse_ms(day);
                let next = days.column("time").into_iter().map(parse_ms).find(|next| *next > start);
                let end = next.unwrap_or_else(|| instants[instants.len() - 1] + HOUR_MS);
                let part = served.table(&format!(
                    "range/container?start={start}&end={end}&tz=Europe/Berlin&step=1h&fields=cpu_usage_seconds_total"
                ));
                joined.extend(part.column("time").into_iter().map(str::to_owned));
            }
            assert_eq!(joined, labels, "{store_name}");
            let samples = served.table(&format!("samples/container?start={from}&end={to}&tz=Europe/Berlin"));
            let times = samples.column("time");
            assert_eq!(times.len(), 6 * hours);
            assert_eq!(times.iter().collect::<BTreeSet<_>>().len(), times.len());
        }
    }
}
