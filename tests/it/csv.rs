//! CSV answers as their readers read them: the csv crate, Python, a spreadsheet; and beside the same as JSON.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use crate::fleet::Fleet;
use crate::harness::time::{LATER, now_ms, wait_for};
use crate::harness::{Recorder, Table, http, machine, reaper};

/// A recorder with some rounds of a small fleet, shared by the tests of this file.
struct Recorded {
    _fleet: Fleet,
    recorder: Recorder,
    range: (String, String),
}

fn recorded() -> &'static Recorded {
    static RECORDED: OnceLock<Recorded> = OnceLock::new();
    RECORDED.get_or_init(|| {
        let fleet = Fleet::start(2, 3);
        let start = now_ms();
        let recorder = Recorder::start(&fleet.sources("interval = \"2s\"\ntimeout = \"1s\""));
        wait_for("some rounds", Duration::from_secs(40), || {
            let range = [("start", &*start.to_string()), ("end", LATER)];
            (recorder.table("samples/container", &range).rows.len() >= 24).then_some(())
        });
        Recorded { _fleet: fleet, recorder, range: (start.to_string(), now_ms().to_string()) }
    })
}

impl Recorded {
    fn path(&self, path: &str, suffix: &str, parameters: &[(&str, &str)]) -> String {
        let range = [("start", self.range.0.as_str()), ("end", self.range.1.as_str())];
        format!("/api/v1/{path}{suffix}?{}", http::query(&[&range, parameters].concat()))
    }

    /// The bytes of a CSV answer.
    fn csv(&self, path: &str, parameters: &[(&str, &str)]) -> Vec<u8> {
        let path = self.path(path, ".csv", parameters);
        let reply = self.recorder.get(&path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        assert!(reply.header("content-type").unwrap().starts_with("text/csv"), "{:?}", reply.headers);
        assert!(reply.header("content-disposition").unwrap().contains("container"), "{:?}", reply.headers);
        reply.body
    }
}

/// Questions whose answers hold every sort of cell: null, exact, derived, text with everything in it.
const QUESTIONS: [(&str, &[(&str, &str)]); 5] = [
    ("range/container", &[("step", "10s"), ("coverage", "1")]),
    ("range/container", &[("step", "all"), ("fields", "cpu_cores,memory_usage_bytes"), ("agg", "avg,max,p95")]),
    ("range/container", &[("group_by", "label.note,app,host"), ("fields", "cpu_cores,cpu_usage_seconds_total")]),
    ("samples/container", &[]),
    ("samples/container", &[("attributes", "all"), ("tz", "Asia/Kolkata")]),
];

#[test]
fn the_csv_crate_reads_it_and_it_is_rfc_4180() {
    let _together = machine::shared();
    for (path, parameters) in QUESTIONS {
        let bytes = recorded().csv(path, parameters);
        let table = Table::read(&bytes);
        assert!(!table.rows.is_empty(), "{path} {parameters:?}");
        assert_eq!(table.header[0], "time");
        assert!(!bytes.starts_with(b"\xef\xbb\xbf"), "no BOM");
        assert!(bytes.ends_with(b"\r\n"), "{path}: the last line has an end too");
        // Written again by the csv crate with CRLF it is the same, byte for byte.
        let mut again = ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(Vec::new());
        again.write_record(&table.header).unwrap();
        for row in &table.rows {
            again.write_record(row).unwrap();
        }
        assert_eq!(String::from_utf8(again.into_inner().unwrap()).unwrap(), String::from_utf8(bytes).unwrap());
    }
}

#[test]
fn python_reads_the_same_cells() {
    let _together = machine::shared();
    if !machine::has("python3") {
        return machine::not_run("python3 is not installed");
    }
    let read = "import csv, json, sys
with open(sys.argv[1], newline='', encoding='utf-8') as file:
    json.dump(list(csv.reader(file, strict=True)), sys.stdout)";
    for (path, parameters) in QUESTIONS {
        let bytes = recorded().csv(path, parameters);
        let file = reaper::directory().join("answer.csv");
        std::fs::write(&file, &bytes).unwrap();
        let printed = machine::output(Command::new("python3").args(["-c", read]).arg(&file));
        let rows: Vec<Vec<String>> = serde_json::from_str(&printed).unwrap();
        let table = Table::read(&bytes);
        assert_eq!(rows[0], table.header);
        assert_eq!(rows[1..], table.rows[..]);
    }
}

#[test]
fn a_picture_is_xml_with_a_line_for_each_series() {
    let _together = machine::shared();
    if !machine::has("python3") {
        return machine::not_run("python3 is not installed");
    }
    let recorded = recorded();
    let reply = recorded.recorder.get(&recorded.path("chart/container", ".svg", &[("fields", "memory_usage_bytes")]));
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("image/svg+xml")), "{}", reply.text());
    let file = reaper::directory().join("chart.svg");
    std::fs::write(&file, &reply.body).unwrap();
    let read = "import json, sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
lines = {line.get('stroke') for line in root.iter('{http://www.w3.org/2000/svg}polyline')}
json.dump([root.tag, len(lines), [text.text.strip() for text in root.iter('{http://www.w3.org/2000/svg}text')]], sys.stdout)";
    let printed = machine::output(Command::new("python3").args(["-c", read]).arg(&file));
    let (root, colours, texts): (String, usize, Vec<String>) = serde_json::from_str(&printed).unwrap();
    assert_eq!(root, "{http://www.w3.org/2000/svg}svg");
    assert!(colours >= 6, "the fleet's six containers, beside grid and axes: {colours}");
    assert!(texts.iter().any(|text| text == "memory_usage_bytes, bytes"), "{texts:?}");
}

#[test]
fn a_spreadsheet_imports_every_cell() {
    let _together = machine::shared();
    // Gnumeric's converter or LibreOffice's: either imports the file into a sheet, and writes the sheet again.
    let import: fn(&Path, &Path) -> Command = if machine::has("ssconvert") {
        |from, to| {
            let mut command = Command::new("ssconvert");
            command.args([
                "--import-encoding=UTF-8",
                "--import-type=Gnumeric_stf:stf_csvtab",
                "--export-type=Gnumeric_stf:stf_assistant",
            ]);
            command.args(["-O", "separator=, format=raw quoting-mode=always eol=unix"]);
            command.args([from, to]);
            command
        }
    } else if machine::has("soffice") {
        |from, to| {
            let mut command = Command::new("soffice");
            command.args(["--headless", "--infilter=CSV:44,34,76,1,,0,false,false", "--convert-to"]);
            command.arg("csv:Text - txt - csv (StarCalc):44,34,76,1,,0,true,false,false");
            command.arg("--outdir").arg(to.parent().unwrap()).arg(from);
            command
        }
    } else {
        return machine::say_not_run("neither ssconvert (gnumeric) nor soffice (LibreOffice) is installed");
    };
    for (path, parameters) in QUESTIONS {
        let bytes = recorded().csv(path, parameters);
        let table = Table::read(&bytes);
        let (from, to) = (reaper::directory().join("answer.csv"), reaper::directory().join("answer.csv"));
        std::fs::write(&from, &bytes).unwrap();
        let done = import(&from, &to).stdin(Stdio::null()).env("HOME", to.parent().unwrap()).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let imported = Table::read(&std::fs::read(&to).unwrap());
        assert_eq!(imported.header, table.header, "{path}");
        assert_eq!(imported.rows.len(), table.rows.len(), "{path}");
        for (row, original) in imported.rows.iter().zip(&table.rows) {
            for (column, (cell, original)) in row.iter().zip(original).enumerate() {
                let name = &table.header[column];
                assert!(is_imported(cell, original), "{path} {name}: {cell:?}, sent {original:?}");
            }
        }
    }
}

/// Whether a sheet's cell is what was sent: the same text, the same number, or the time as a sheet counts it.
fn is_imported(cell: &str, original: &str) -> bool {
    /// The day number that sheets give to 1970-01-01.
    const SHEET_DAY_OF_1970: f64 = 25_569.0;
    let unbroken = |text: &str| text.replace("\r\n", "\n");
    if unbroken(cell) == unbroken(original) || ["true", "false"].contains(&cell.to_lowercase().as_str()) {
        return unbroken(cell).eq_ignore_ascii_case(&unbroken(original));
    }
    let Ok(number) = cell.parse::<f64>() else { return false };
    if let Ok(sent) = original.parse::<f64>() {
        return (number - sent).abs() <= sent.abs() * 1e-9;
    }
    let Ok(time) = chrono::DateTime::parse_from_rfc3339(original) else { return false };
    let ms = (number - SHEET_DAY_OF_1970) * 86_400_000.0;
    (ms - time.timestamp_millis() as f64).abs() < 1.0
}

#[test]
fn json_and_csv_of_a_range_agree_cell_by_cell() {
    let _together = machine::shared();
    let recorded = recorded();
    for (path, parameters) in QUESTIONS.into_iter().filter(|(path, _)| path.starts_with("range/")) {
        let table = Table::read(&recorded.csv(path, parameters));
        let answer = recorded.recorder.json(&recorded.path(path, "", parameters));
        let times = answer["times"].as_array().unwrap();
        let series = answer["series"].as_array().unwrap();
        assert_eq!(table.rows.len(), times.len() * series.len());
        let several = answer["fields"].as_array().unwrap();
        let mut rows = table.rows.iter();
        // The order of the rows is either by series or by time; each (series, time) stands once.
        let by_series = table.rows.len() < 2 || table.rows[0][0] != table.rows[1][0] || times.len() == 1;
        let pairs: Vec<(usize, usize)> = if by_series {
            (0..series.len()).flat_map(|one| (0..times.len()).map(move |time| (one, time))).collect()
        } else {
            (0..times.len()).flat_map(|time| (0..series.len()).map(move |one| (one, time))).collect()
        };
        for (one, time) in pairs {
            let row = rows.next().unwrap();
            let cell = |name: &str| row[table.position(name)].as_str();
            assert_eq!(times[time], cell("time"));
            let labels = series[one]["labels"].as_object().unwrap();
            for (name, value) in labels {
                assert_same(value, cell(name), name);
            }
            let values = series[one]["values"].as_object().unwrap();
            assert_eq!(values.len(), several.len());
            for (name, numbers) in values {
                assert_same(&numbers[time], cell(name), name);
            }
            let coverage = series[one].get("coverage");
            if let Some(coverage) = coverage {
                assert_same(&coverage[time], cell("coverage"), "coverage");
            }
            let cells = 1 + labels.len() + values.len() + usize::from(coverage.is_some());
            assert_eq!(row.len(), cells, "{:?}", table.header);
        }
    }
}

#[test]
fn json_and_csv_of_samples_agree_cell_by_cell() {
    let _together = machine::shared();
    let recorded = recorded();
    for (path, parameters) in QUESTIONS.into_iter().filter(|(path, _)| path.starts_with("samples/")) {
        let table = Table::read(&recorded.csv(path, parameters));
        let answer = recorded.recorder.json(&recorded.path(path, "", parameters));
        let samples = answer["samples"].as_array().unwrap();
        assert_eq!(table.rows.len(), samples.len());
        for (row, sample) in table.rows.iter().zip(samples) {
            let sample = sample.as_object().unwrap();
            assert_eq!(sample.len(), table.header.len());
            for (name, cell) in table.header.iter().zip(row) {
                assert_same(&sample[name], cell, name);
            }
        }
        let has_note = table.rows.iter().flatten().any(|cell| cell.contains("twice;"));
        assert_eq!(
            has_note,
            parameters.contains(&("attributes", "all")),
            "the awkward label is there where it was asked for"
        );
    }
}

/// Whether a JSON value and a CSV cell say the same. Numbers are compared as read, both from their text.
#[track_caller]
fn assert_same(json: &Value, cell: &str, name: &str) {
    match json {
        Value::Null => assert_eq!(cell, "", "{name}"),
        Value::String(text) => assert_eq!(cell, text, "{name}"),
        Value::Bool(value) => assert_eq!(cell, value.to_string(), "{name}"),
        Value::Number(number) => {
            assert_eq!(serde_json::from_str::<Value>(cell).unwrap(), Value::Number(number.clone()), "{name}");
        }
        Value::Array(_) | Value::Object(_) => assert_eq!(&serde_json::from_str::<Value>(cell).unwrap(), json, "{name}"),
    }
}
