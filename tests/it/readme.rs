//! README keeps its word: every request it shows works as it is written, and every parameter and path it names is there.

use std::io::Read;
use std::process::Command;

use crate::contract::world::{TARGETS, world};
use crate::harness::seeded::{stores, t};
use crate::harness::{Served, Table, machine, reaper};

const README: &str = include_str!("../../README.md");
const BASE: &str = "http://127.0.0.1:8700";

/// A recorder as a reader of README has it, at the time that its examples are about.
fn served() -> Served {
    let [_, (_, store)] = stores();
    Served::start(store, &world(), &TARGETS, t("03:20:30"))
}

/// The URLs that README shows, without the address.
fn urls() -> Vec<&'static str> {
    let paths = README.split(BASE).skip(1).map(|rest| rest.split(['\'', '"', '`', ' ', '\n']).next().unwrap());
    paths.filter(|path| path.starts_with('/')).collect()
}

#[test]
fn every_request_of_the_readme_works_as_written_and_gives_rows() {
    let served = served();
    let urls = urls();
    assert!(urls.len() >= 7, "{urls:?}");
    for path in urls {
        let reply = served.get_with(path, &[]);
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        if path.contains(".csv") {
            assert!(reply.text().lines().count() > 1, "{path} gives no row");
        } else if path.contains(".svg") {
            assert!(reply.text().contains("<polyline"), "{path} draws no line: {}", reply.text());
        } else {
            let answer = reply.json();
            let lists = ["series", "events", "columns", "kinds"].iter().filter_map(|name| answer[name].as_array());
            assert!(lists.clone().count() == 1 && lists.into_iter().all(|list| !list.is_empty()), "{path}: {answer}");
        }
    }
}

#[test]
fn every_curl_line_of_the_readme_is_one_that_is_tested() {
    let lines: Vec<&str> = README.lines().map(str::trim).filter(|line| line.contains("curl ")).collect();
    assert!(lines.len() >= 6, "{lines:?}");
    for line in lines {
        // Prose may speak of curl without showing a request.
        if line.starts_with("curl ") || line.starts_with("`curl ") {
            assert!(line.contains(BASE), "{line}");
        }
    }
}

#[test]
fn a_compressed_download_is_named_by_the_reply() {
    let served = served();
    let line = README.lines().find(|line| line.contains("--compressed")).unwrap();
    assert!(line.contains("-OJ"), "the name comes from the reply: {line}");
    let path = line.split(BASE).nth(1).unwrap().trim_end_matches('\'');
    let reply = served.get_with(path, &[("Accept-Encoding", "deflate, gzip, br, zstd")]);
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    let named = reply.header("content-disposition").unwrap();
    assert!(named.starts_with("attachment; filename=\"container_samples_") && named.ends_with(".csv\""), "{named}");
    let mut text = String::new();
    flate2::read::GzDecoder::new(reply.body.as_slice()).read_to_string(&mut text).unwrap();
    assert!(text.lines().count() > 100);
}

#[test]
fn the_times_and_filters_of_the_readme_are_understood() {
    let served = served();
    let paragraph = README.split("Times: ").nth(1).unwrap().split("\n\n").next().unwrap();
    let (times, filters) = paragraph.split_once("Filters are").unwrap();
    let quoted = |text: &'static str| text.split('`').skip(1).step_by(2).collect::<Vec<_>>();
    let (times, filters) = (quoted(times), quoted(filters));
    assert!(times.len() >= 4 && filters.len() >= 3, "{times:?} {filters:?}");
    for time in times {
        let start = time.replace('+', "%2B");
        let reply = served.get(&format!("range/container?start={start}&end=now&step=all"));
        assert_eq!(reply.status, 200, "{time}: {}", reply.text());
    }
    for filter in filters.into_iter().filter(|filter| filter.contains('=')) {
        for filter in filter.split(", ") {
            let reply = served.get(&format!("range/container?{filter}"));
            assert_eq!(reply.status, 200, "{filter}: {}", reply.text());
        }
    }
}

/// A path with a kind and a report that there are.
fn named(path: &str) -> String {
    path.replace("{kind}", "container").replace("{name}", "coverage")
}

#[test]
fn every_path_and_parameter_of_the_readme_is_there() {
    let served = served();
    let rows: Vec<&str> = README.lines().filter(|line| line.starts_with("| `/")).collect();
    assert!(rows.len() >= 6, "{rows:?}");
    for row in rows {
        let quoted: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        let cell = row.split('|').nth(1).unwrap();
        for path in cell.split('`').skip(1).step_by(2) {
            // A difference is one between two times, room that for something.
            let needed = match path {
                "/diff" => "?from=-1h",
                "/headroom" => "?cpus=0.5&mem=512",
                _ => "",
            };
            let reply = served.get(&format!("{}{needed}", &named(path)[1..]));
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        }
        let path = named(quoted[0]);
        for name in quoted[1..].iter().filter(|part| !part.starts_with('/')).flat_map(|list| list.split(' ')) {
            // A value that no parameter takes is refused for its value, not as an unknown name.
            let problem = served.problem(&format!("{}?{name}=%FF", &path[1..]));
            assert_eq!(problem["parameter"], name, "{path}: {problem}");
            let known = served.get(&format!("{}?{name}=@", &path[1..]));
            assert!(!known.text().contains("is no parameter"), "{path} {name}: {}", known.text());
        }
    }
}

/// What README shows, asked of a recorder of the test's own.
fn of_this(served: &Served, recipe: &str) -> String {
    assert!(recipe.contains(BASE), "{recipe}");
    recipe.replace(BASE, &format!("http://{}", served.address()))
}

#[test]
fn the_pandas_recipe_works_as_written() {
    if !machine::succeeds("python3", &["-c", "import pandas"]) {
        return machine::not_run("python3 has no pandas: python3 -m venv, then pip install -r tests/python.txt");
    }
    let recipe = README.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(recipe.lines().count() <= 12, "ten lines or so");
    let served = served();
    let printed = machine::output(Command::new("python3").args(["-c", &of_this(&served, recipe)]));
    assert!(printed.starts_with("mean use in cores\n"), "{printed}");
    // The two of /shop/web use a quarter of a core each, all of the time that was seen.
    let web: Vec<&str> = printed.lines().find(|line| line.starts_with("web ")).unwrap().split_whitespace().collect();
    let header: Vec<&str> = printed.lines().nth(1).unwrap().split_whitespace().collect();
    let mean = header.iter().position(|name| *name == "mean").unwrap() + 1;
    assert!((web[mean].parse::<f64>().unwrap() - 0.5).abs() < 1e-6, "{printed}");
}

#[test]
fn the_spreadsheet_recipe_works_as_written() {
    if !machine::has("ssconvert") || !machine::has("curl") {
        return machine::not_run("curl or ssconvert (gnumeric) is not installed");
    }
    let served = served();
    let line = README.lines().find(|line| line.contains("ssconvert")).unwrap().trim();
    let directory = reaper::directory();
    let run = |line: &str| {
        machine::output(Command::new("sh").args(["-c", line]).current_dir(&directory).env("HOME", &directory))
    };
    run(&of_this(&served, line));
    // Back from the sheet: as many rows and the same names.
    run("ssconvert day.xlsx back.csv");
    let [sent, back] = ["day.csv", "back.csv"].map(|name| Table::read(&std::fs::read(directory.join(name)).unwrap()));
    assert!(sent.rows.len() > 5, "{sent:?}");
    assert_eq!((back.header, back.rows.len()), (sent.header, sent.rows.len()));
}
