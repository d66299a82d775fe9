//! The command line beside a running recorder: it answers from the same file with the same bytes, and says by its exit
//! code what became of it.

use std::process::Output;
use std::sync::OnceLock;
use std::time::Duration;

use crate::fleet::{Fault, Fleet};
use crate::harness::time::{LATER, now_ms, wait_for};
use crate::harness::{Recorder, Table, machine, reaper, recorder};

struct Recorded {
    recorder: Recorder,
    /// A stretch of time that has passed and is whole in the file.
    start_ms: i64,
    end_ms: i64,
    _fleet: Fleet,
}

fn recorded() -> &'static Recorded {
    static SHARED: OnceLock<Recorded> = OnceLock::new();
    SHARED.get_or_init(|| {
        let fleet = Fleet::start(1, 3);
        let sources = fleet.sources("interval = \"2s\"\ntimeout = \"1s\"");
        let start_ms = now_ms();
        let recorder = Recorder::start(&format!("[source.host]\nenabled = false\n\n{sources}"));
        let rows =
            || recorder.table("samples/container", &[("start", &start_ms.to_string()), ("end", LATER)]).rows.len();
        wait_for("three rounds", Duration::from_secs(60), || (rows() >= 9).then_some(()));
        let end_ms = now_ms();
        // What was under way is in the file once a later round is.
        let seen = rows();
        wait_for("one round more", Duration::from_secs(60), || (rows() >= seen + 3).then_some(()));
        Recorded { recorder, start_ms, end_ms, _fleet: fleet }
    })
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn answers_are_those_of_the_http_api_byte_for_byte() {
    let _together = machine::shared();
    let Recorded { recorder, start_ms, end_ms, .. } = recorded();
    let range = [format!("start={start_ms}"), format!("end={end_ms}")];
    let (range_query, instant) = (range.join("&"), format!("at={end_ms}"));
    let diff = format!("from={}&to={end_ms}&window=10s&kinds=container", start_ms - 30_000);
    let cases: [(&[&str], String); 6] = [
        (
            &["query", "container", "step=1s", "fields=cpu_cores", "--format", "csv"],
            format!("range/container.csv?{range_query}&step=1s&fields=cpu_cores"),
        ),
        (
            &["query", "container", "step=all", "name=c00-*", "group_by=host", "coverage=1", "--format", "json"],
            format!("range/container?{range_query}&step=all&name=c00-*&group_by=host&coverage=1"),
        ),
        (&["export", "container"], format!("samples/container.csv?{range_query}")),
        (
            &["export", "container", "attributes=all", "--format", "json"],
            format!("samples/container?{range_query}&attributes=all"),
        ),
        (&["snapshot", "kinds=container", "--format", "csv"], format!("snapshot.csv?{instant}&kinds=container")),
        (&["diff", "--format", "csv"], format!("diff.csv?{diff}")),
    ];
    for (arguments, path) in cases {
        let mut arguments: Vec<&str> = arguments.to_vec();
        match arguments[0] {
            "snapshot" => arguments.push(&instant),
            "diff" => arguments.extend(diff.split('&')),
            _ => arguments.extend(range.iter().map(String::as_str)),
        }
        let printed = recorder.run(&arguments);
        assert!(printed.status.success(), "{arguments:?}: {}", stderr(&printed));
        let answered = recorder.get(&format!("/api/v1/{path}"));
        assert_eq!(answered.status, 200, "{path}: {}", answered.text());
        assert_eq!(stdout(&printed).trim_end(), answered.text().trim_end(), "{arguments:?}");
        assert!(stdout(&printed).len() > 50, "{arguments:?}: {}", stdout(&printed));
    }
}

#[test]
fn a_table_has_the_cells_of_the_csv() {
    let _together = machine::shared();
    let Recorded { recorder, start_ms, end_ms, .. } = recorded();
    let whole_seconds = [format!("start={}", start_ms / 1_000), format!("end={}", end_ms / 1_000)];
    let ask = |format: &str| {
        let arguments = [
            "query",
            "container",
            "step=2s",
            "fields=cpu_cores",
            &whole_seconds[0],
            &whole_seconds[1],
            "--format",
            format,
        ];
        let printed = recorder.run(&arguments);
        assert!(printed.status.success(), "{}", stderr(&printed));
        stdout(&printed).to_owned()
    };
    let csv = Table::read(ask("csv").as_bytes());
    let table = ask("table");
    let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(lines.next().unwrap(), csv.header);
    for (line, row) in lines.zip(&csv.rows) {
        let cells: Vec<&str> = row.iter().map(|cell| if cell.is_empty() { "-" } else { cell }).collect();
        assert_eq!(line, cells);
        assert!(row[0].ends_with('Z') && !row[0].contains('.'), "a bucket's time is short: {}", row[0]);
    }
}

#[test]
fn an_output_file_appears_whole_and_nothing_of_it_after_a_failure() {
    let _together = machine::shared();
    let Recorded { recorder, start_ms, end_ms, .. } = recorded();
    let file = reaper::directory().join("out.csv");
    let path = file.display().to_string();
    let (start, end) = (format!("start={start_ms}"), format!("end={end_ms}"));
    let printed = recorder.run(&["export", "container", &start, &end, "--output", &path]);
    assert!(printed.status.success() && stdout(&printed).is_empty(), "{}", stderr(&printed));
    let direct = recorder.run(&["export", "container", &start, &end]);
    assert_eq!(std::fs::read(&file).unwrap(), direct.stdout);
    std::fs::remove_file(&file).unwrap();
    let refused = recorder.run(&["export", "container", "strat=-1h", "--output", &path]);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("start") && !file.exists(), "{}", stderr(&refused));
}

#[test]
fn a_poll_prints_what_a_target_would_give_and_stores_nothing() {
    let _together = machine::shared();
    let fleet = Fleet::with_faults(2, &[Fault::None, Fault::Status]);
    let directory = reaper::directory();
    let config = format!("[source.host]\nenabled = false\n\n{}", fleet.sources(""));
    std::fs::write(directory.join("config.toml"), config).unwrap();
    let run = |arguments: &[&str]| recorder::run_in(&directory, arguments);
    let good = run(&["poll", "docker/n00", "--json"]);
    assert!(good.status.success(), "{}", stderr(&good));
    let told: serde_json::Value = serde_json::from_str(stdout(&good).trim()).unwrap();
    assert_eq!((&told["target"], &told["outcome"]), (&"docker/n00".into(), &"ok".into()));
    assert!(told.to_string().contains("cpu_usage_seconds_total"), "{told:#}");
    let table = run(&["poll", "docker/n00"]);
    assert!(stdout(&table).contains("c00-00") && stdout(&table).contains("memory_usage_bytes"), "{}", stdout(&table));

    let bad = run(&["poll", "docker/n01"]);
    assert_eq!(bad.status.code(), Some(1));
    let said = format!("{}{}", stdout(&bad), stderr(&bad));
    assert!(said.contains("the engine is in pain") && said.contains("1 of 1 targets failed"), "{said}");
    let unknown = run(&["poll", "docker/n07"]);
    assert_eq!(unknown.status.code(), Some(2), "{}", stderr(&unknown));
    assert!(stderr(&unknown).contains("docker/n00"), "{}", stderr(&unknown));
    let left: Vec<_> = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["config.toml"], "nothing is stored");
}

#[test]
fn a_configuration_is_checked_without_being_used() {
    let _together = machine::shared();
    let directory = reaper::directory();
    let check = |text: &str| {
        std::fs::write(directory.join("config.toml"), text).unwrap();
        recorder::run_in(&directory, &["check-config"])
    };
    let good =
        check("[source]\nhost = { enabled = false }\n[[source.docker]]\nname = \"a\"\nurl = \"tcp://10.0.0.5:2375\"\n");
    assert!(good.status.success() && stdout(&good).contains("no faults"), "{}", stderr(&good));
    assert!(stdout(&good).contains("docker/a") && stdout(&good).contains("10.0.0.5:2375"), "{}", stdout(&good));
    let bad =
        check("[sampler]\ninterval = \"1s\"\n[[source.docker]]\nurl = \"gopher://a\"\n[server]\nlisten = \"here\"\n");
    assert_eq!(bad.status.code(), Some(1));
    for place in ["sampler.interval", "source.docker[0].url", "server.listen"] {
        assert!(stderr(&bad).contains(place), "{place}: {}", stderr(&bad));
    }
}

#[test]
fn the_exit_code_tells_failure_from_wrong_use() {
    let _together = machine::shared();
    let directory = reaper::directory();
    std::fs::write(directory.join("config.toml"), "[source]\ndocker = []\nhost = { enabled = false }\n").unwrap();
    for (arguments, code, said) in [
        (&["--help"][..], 0, "tachograph export host"),
        (&["--version"], 0, env!("CARGO_PKG_VERSION")),
        (&["query", "--help"], 0, "NAME=VALUE"),
        (&["qeury"], 2, "query"),
        (&["query", "container", "step"], 2, "name=value"),
        (&["query", "container"], 1, "there is no recording"),
    ] {
        let output = recorder::run_in(&directory, arguments);
        let text = format!("{}{}", stdout(&output), stderr(&output));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(said), "{arguments:?}: {text}");
    }
    let recorder = &recorded().recorder;
    for (arguments, said) in [
        (&["query", "contianer"][..], "container"),
        (&["query", "container", "start=now", "end=-1h"], "before end"),
        (&["query", "container", "stpe=1m"], "step"),
    ] {
        let output = recorder.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(said), "{arguments:?}: {}", stderr(&output));
    }
}
