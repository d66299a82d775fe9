//! SQL and reports as their users run them: on the command line beside a running recorder, and over HTTP; and statements
//! that mean harm, under which sampling goes on.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::fleet::Fleet;
use crate::harness::time::{LATER, wait_for};
use crate::harness::{Recorder, machine, reaper};

/// The program with a directory's configuration.
fn run(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tachograph"));
    command.arg("--config").arg(directory.join("config.toml")).args(arguments);
    command.stdin(Stdio::null()).output().unwrap()
}

fn printed(directory: &Path, arguments: &[&str]) -> String {
    let done = run(directory, arguments);
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

fn complaint(directory: &Path, arguments: &[&str]) -> String {
    let done = run(directory, arguments);
    assert!(
        !done.status.success() && done.stdout.is_empty(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&done.stdout)
    );
    String::from_utf8(done.stderr).unwrap()
}

/// A statement that runs for ever, sorts for ever, writes.
const HARM: [(&str, &str); 4] = [
    ("endless", "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"),
    ("sorting", "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n ORDER BY -x"),
    ("writing", "DELETE FROM container"),
    ("rows", "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"),
];

#[test]
fn sql_and_reports_beside_a_running_recorder() {
    let _together = machine::shared();
    let fleet = Fleet::start(2, 3);
    let directory = reaper::directory();
    let reports = directory.join("reports");
    fs::create_dir(&reports).unwrap();
    let sources = fleet.sources("interval = \"2s\"\ntimeout = \"1s\"");
    let config = format!("[reports]\ndirectory = {reports:?}\n\n{sources}");
    let recorder = Recorder::start_in(&directory, &config, None);
    let samples = || {
        let range = [("start", "0"), ("end", LATER)];
        recorder.table("samples/container", &range).rows.len()
    };
    wait_for("some rounds", Duration::from_secs(60), || (samples() >= 24).then_some(()));

    // The command line and the API say the same of what is closed to both: how many containers there were.
    let counted = printed(&directory, &["sql", "SELECT count(*) FROM entity WHERE kind = 'container'", "--csv"]);
    assert_eq!(counted, "count(*)\r\n6\r\n");
    let table = printed(&directory, &["sql", "SELECT DISTINCT host FROM container WHERE host GLOB :host", "host=*"]);
    assert_eq!(table.lines().count(), 3, "{table}");
    let json = printed(&directory, &["sql", "SELECT 1 AS one, 'a' AS two, NULL AS three", "--json"]);
    assert_eq!(json.trim_end(), r#"{"columns":["one","two","three"],"rows":[{"one":1,"two":"a","three":null}]}"#);
    let listed = printed(&directory, &["report"]);
    assert!(listed.contains("right_sizing") && listed.contains("noisy_neighbours"), "{listed}");
    let top =
        printed(&directory, &["report", "top_containers", "by=memory_usage_bytes", "count=2", "start=-1h", "--csv"]);
    assert_eq!(top.lines().count(), 3, "{top}");
    let json: serde_json::Value =
        serde_json::from_str(&printed(&directory, &["report", "coverage", "start=-1h", "--json"])).unwrap();
    assert_eq!(json["report"], "coverage");
    assert!(json["rows"].as_array().unwrap().iter().any(|row| row["target"].as_str().unwrap().starts_with("docker/")));
    assert!(complaint(&directory, &["sql", "DROP TABLE container"]).contains("not possible here"));
    assert!(complaint(&directory, &["sql", "SELECT 1 FROM contaner"]).contains("did you mean `container`?"));
    assert!(complaint(&directory, &["sql", HARM[0].1, "--seconds", "1"]).contains("more than 1 s"));
    assert!(complaint(&directory, &["sql", HARM[1].1, "--memory", "16"]).contains("more than 16 MiB"));
    let out = directory.join("out.csv");
    let rows = run(&directory, &["sql", HARM[3].1, "--rows", "1000", "--csv", "--output", out.to_str().unwrap()]);
    assert!(!rows.status.success() && !out.exists(), "{}", String::from_utf8_lossy(&rows.stderr));
    assert!(complaint(&directory, &["report", "nothing"]).contains("there is no such report"));
    assert!(complaint(&directory, &["report", "coverage", "strt=-1h"]).contains("did you mean `start`?"));

    // Reports that are put there while it runs, and that mean harm.
    for (name, sql) in HARM {
        fs::write(reports.join(format!("{name}.sql")), format!("-- title: {name}\n{sql}\n")).unwrap();
    }
    fs::write(reports.join("mine.sql"), "-- title: Mine\nSELECT count(*) AS n FROM entity WHERE kind = 'container'")
        .unwrap();
    assert_eq!(recorder.json("/api/v1/reports/mine")["rows"][0]["n"], 6);
    let before = samples();
    for (name, status) in [("sorting", 400), ("writing", 422)] {
        let reply = recorder.get(&format!("/api/v1/reports/{name}"));
        assert_eq!(reply.status, status, "{name}: {}", reply.text());
    }
    let fault = recorder.get("/api/v1/reports/writing").json();
    assert!(
        fault["detail"].as_str().unwrap().contains("writing.sql:1: table container may not be modified"),
        "{fault}"
    );
    // Nobody waits for its end: the client goes, and so does the work.
    // The scrape is one of them itself.
    let queries = || {
        let metrics = recorder.get("/metrics");
        let line = metrics.text().lines().find(|line| line.starts_with("tachograph_http_queries ")).unwrap().to_owned();
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    let asked = recorder.ask("/api/v1/reports/endless");
    wait_for("the endless report to run", Duration::from_secs(30), || (queries() >= 2.0).then_some(()));
    drop(asked);
    wait_for("its end", Duration::from_secs(60), || (queries() < 2.0).then_some(()));
    wait_for("sampling to go on", Duration::from_secs(60), || (samples() >= before + 12).then_some(()));
    let polls = recorder.json("/api/v1/reports/coverage?start=-1h&target=docker/*");
    for row in polls["rows"].as_array().unwrap() {
        assert_eq!((&row["failed"], &row["dropped"]), (&0.into(), &0.into()), "{row}");
    }
}
