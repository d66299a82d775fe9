//! The interface asked by a machine that knows nothing but `/openapi.json`: whatever it may ask, and whatever it may not. No
//! answer is a failure of the recorder's, none has a status or a shape that is not documented, and it goes on recording.
//!
//! The machine is schemathesis, in the version that `tests/python.txt` names.

use std::process::{Command, Stdio};

use tachograph::model::Timestamp;

use crate::harness::time::{monotonic_ms, now_ms};
use crate::harness::{Recorder, everything, machine, reaper};

const JSON: &str = "application/json";
const PROGRAM: &str = "schemathesis";
const INTERVAL_MS: i64 = 2_000;

#[test]
fn no_question_that_a_machine_makes_up_is_answered_otherwise_than_documented() {
    ask(6, 2, Some(SOME_PATHS));
}

#[test]
#[ignore = "hours; run it by hand, in a release build"]
fn no_question_of_very_many_is_answered_otherwise_than_documented() {
    ask(250, 100, None);
}

/// Whether everything that the schema allows is taken cannot be asked: that a start lies before its end no schema says.
const BEYOND_SCHEMAS: &str = "positive_data_acceptance";

/// Every path, but of those of kinds only some: many columns, no column, a name with dots, maps.
const SOME_PATHS: &str = "^/([^/]*|api/v1/([^/]+|reports/.*|[^/]+/(container|tag|metric|recorder)(\\..*)?))$";

/// Asks as a machine does: for JSON in every way and whatever is at the edges, on these paths; then so many made-up questions
/// of each operation, and fewer for rows.
fn ask(questions: u32, of_rows: u32, paths_at_edges: Option<&str>) {
    if !machine::succeeds(PROGRAM, &["--version"]) {
        return machine::not_run(
            "schemathesis is not on the path: python3 -m venv, then pip install -r tests/python.txt",
        );
    }
    let _together = machine::shared();
    let directory = reaper::directory();
    everything::record(&directory.join("store.db"), Timestamp::from_ms(now_ms()), 3);
    let recorder = Recorder::start_in(&directory, "[source.host]\ninterval = \"2s\"\ntimeout = \"1s\"\n", None);
    let (begun, begun_ms) = (now_ms(), monotonic_ms());

    // What stands there as an example is taken, too.
    run(&recorder, JSON, &["--phases", "examples"]);
    let edges = ["--phases", "coverage", "--exclude-checks", BEYOND_SCHEMAS];
    let paths = paths_at_edges.map(|paths| ["--include-path-regex", paths]);
    run(&recorder, JSON, &[edges.as_slice(), paths.as_ref().map_or(&[], |paths| paths)].concat());
    for (form, questions) in [(JSON, questions), ("text/csv", of_rows), ("application/jsonl", of_rows)] {
        let questions = questions.to_string();
        run(
            &recorder,
            form,
            &["--phases", "fuzzing", "--max-examples", &questions, "--exclude-checks", BEYOND_SCHEMAS],
        );
    }

    let took_ms = monotonic_ms() - begun_ms;
    let (start, end) = (begun.to_string(), (begun + took_ms).to_string());
    let polled = recorder.table("samples/host", &[("start", &start), ("end", &end)]);
    let rounds = usize::try_from(took_ms / INTERVAL_MS).unwrap();
    assert!(polled.rows.len() >= rounds / 2, "{} samples in {rounds} rounds", polled.rows.len());
    let log = recorder.log();
    let bad: Vec<&str> = log.lines().filter(|line| line.contains("ERROR") || line.contains("panic")).collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

fn run(recorder: &Recorder, form: &str, how: &[&str]) {
    let done = Command::new(PROGRAM)
        .arg("run")
        .arg(format!("http://{}/openapi.json", recorder.address()))
        .args(["--header", &format!("Accept: {form}"), "--checks", "all", "--generation-deterministic", "--no-shrink"])
        .args(["--no-color", "--request-timeout", "60", "--continue-on-failure", "--suppress-health-check", "all"])
        .args(how)
        .current_dir(reaper::directory())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&done.stdout);
    assert!(
        done.status.success(),
        "{form} {how:?}: {}\n{told}\n{}",
        done.status,
        String::from_utf8_lossy(&done.stderr)
    );
    let count = told.lines().find(|line| line.contains(" generated, ")).unwrap_or_default().trim();
    let passed = count.strip_suffix(" passed").and_then(|count| count.rsplit(", ").next()?.parse::<u32>().ok());
    assert!(passed.is_some_and(|passed| passed > 100), "{form} {how:?}: {count}");
    machine::say(&format!("schemathesis, {form}: {count}"));
}
