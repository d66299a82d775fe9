//! Files of reports: those that come with the program, one's own, and what is told of those that have a fault.

use std::fs;

use super::reports::{answer, check, four, library, start};
use super::world::in_memory;
use crate::source::KINDS;
use crate::sql::Library;

#[test]
fn the_directory_equals_the_list_and_headers_are_whole() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("queries/reports");
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<String> = files.map(|name| name.trim_end_matches(".sql").to_owned()).collect();
    files.sort_unstable();
    let entries = library().list().unwrap();
    assert_eq!(files, entries.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>());
    let database = in_memory(&[], start());
    for entry in entries {
        let report = entry.report.unwrap();
        assert!(
            !report.about.is_empty() && !report.columns.is_empty() && !report.parameters.is_empty(),
            "{}",
            entry.name
        );
        assert!(report.columns.iter().all(|column| !column.help.is_empty()), "{}", entry.name);
        assert!(report.parameters.iter().all(|parameter| !parameter.help.is_empty()), "{}", entry.name);
        // Over nothing recorded the answer is empty, and of the columns that the header lists.
        check(&database, &entry.name, &[]);
    }
}

#[test]
fn a_report_of_ones_own_is_there_at_once_and_its_faults_are_told_by_file_and_line() {
    let directory = tempfile::tempdir().unwrap();
    let library = Library::new(KINDS, Some(directory.path().to_owned()));
    let database = four();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("notes.txt", "no report");
    let head = "-- title: Mine\n-- parameter app glob = *: applications\n-- column n: how many\n";
    write("mine.sql", &format!("{head}SELECT count(*) AS n FROM container WHERE app GLOB :app\n"));
    assert_eq!(answer(&library, &database, "mine?app=/db").unwrap(), ["n", "7"]);
    write("mine.sql", &format!("{head}SELECT 1 AS n"));
    assert_eq!(answer(&library, &database, "mine").unwrap(), ["n", "1"], "changed without a restart");
    // One of the same name takes the place of one that comes with the program.
    write("coverage.sql", "-- title: Mine\nSELECT 2");
    assert_eq!(answer(&library, &database, "coverage").unwrap(), ["2", "2"]);
    assert_eq!(library.list().unwrap().iter().filter(|entry| entry.is_own).count(), 2);

    let place = directory.path().join("mine.sql").display().to_string();
    let fault = |text: &str, expected: &str| {
        write("mine.sql", text);
        let error = answer(&library, &database, "mine").unwrap_err().chain();
        assert_eq!(error, format!("{place}:{expected}"), "{text}");
    };
    fault("SELECT 1", "1: the header has no title: begin with `-- title: …`");
    fault(
        "-- title: x\n-- parmeter a text = b: c\nSELECT 1",
        "2: `parmeter a text = b: c` is none of `title:`, `about:`, `parameter NAME TYPE = DEFAULT: …`, `column NAME [UNIT]: \
         …`; indent a line that goes on with the one before by three spaces",
    );
    fault("-- title: x\n-- parameter a\nSELECT 1", "2: write it as `parameter NAME TYPE = DEFAULT: what it means`");
    fault(
        "-- title: x\n-- parameter a thing = 1: c\nSELECT 1",
        "2: `thing` is no type: types are text, integer, number, time, duration, step, zone, glob and column(KIND)",
    );
    fault("-- title: x\n-- parameter a integer = b: c\nSELECT 1", "2: the default of a: `b` is no whole number");
    fault(
        "-- title: x\n-- parameter A text = b: c\nSELECT 1",
        "2: `A` is no name: names are of a-z, 0-9 and _, and not `formulas`",
    );
    fault(
        "-- title: x\n-- parameter a text = : c\n-- parameter a text = : c\nSELECT 1",
        "3: the parameter a stands there twice",
    );
    fault(
        "-- title: x\n-- column a seconds: b\nSELECT 1",
        "2: write the unit in brackets: `column NAME [UNIT]: what it says`",
    );
    fault("-- title: x\n-- column a: b\nSELECT 1 AS c", "1: the header lists the columns a; the statement gives c");
    fault("-- title: x\n\nSELECT 1\nFROM contaner", "4: no such table: contaner; did you mean `container`?");
    fault("-- title: x\nSELECT ,", "2: near \",\": syntax error");
    fault("-- title: x\nSELECT\n  :start", "3: the parameter :start is given no value");
    fault(
        "-- title: x\nDROP TABLE container",
        "1: to create, change or drop anything is not possible here: statements read, with SELECT",
    );
    fault(&format!("-- title: x\n{}", " ".repeat(70_000)), "0: has more than 65536 bytes, which no report needs");
    write("no name.sql", "-- title: x\nSELECT 1");
    assert!(library.list().unwrap().iter().any(|entry| entry.name == "no name" && entry.report.is_err()));
    // A list is there although one of its reports has a fault; without its directory there is none.
    let gone = Library::new(KINDS, Some(directory.path().join("gone")));
    let error = gone.list().unwrap_err().to_string();
    assert!(error.contains("gone:0: the directory of reports cannot be read"), "{error}");
}

#[test]
fn parameters_are_checked() {
    let fault = |question: &str| answer(&library(), &four(), question).unwrap_err().chain();
    assert!(
        fault("right_sizing?mrgin=1")
            .contains("mrgin: unknown parameter of the report right_sizing; did you mean `margin`?")
    );
    assert!(fault("right_sizing?margin=x").starts_with("margin: `x` is no number"));
    assert!(fault("right_sizing?margin=1&margin=2").contains("stands there twice"));
    assert!(fault("right_sizing?start=soon").starts_with("start: `soon` is no time"));
    assert!(fault("busiest_hour?tz=Berlin").starts_with("tz: "));
    assert!(fault("top_containers?count=many").starts_with("count: `many` is no whole number"));
    assert!(fault(r"right_sizing?app=a\").starts_with("app: ends in a lone"));
}
