//! Pages of metrics as real services expose them: what is on the page is what is kept, and what grows is a counter.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::harness::time::{LATER, now_ms, wait_for};
use crate::harness::{Recorder, Service, Table, machine, reaper};

use super::engine::{self, Engine};

const SEEN_WITHIN: Duration = Duration::from_secs(60);

/// In a network namespace of the test's own every port is free.
const PAGES: [(&str, &str); 3] = [
    ("dockerd", "http://127.0.0.1:9323/metrics"),
    ("registry", "http://127.0.0.1:5001/metrics"),
    ("prometheus", "http://127.0.0.1:9090/metrics"),
];

/// Gets a page, as the recorder asks for it, inside a network namespace.
fn page(network: &Path, url: &str) -> Option<String> {
    let mut curl = Command::new("nsenter");
    curl.arg(format!("--net={}", network.display())).args(["curl", "--silent", "--fail", url]);
    let done = curl.output().ok()?;
    done.status.success().then(|| String::from_utf8(done.stdout).unwrap())
}

/// The series of a page by name and labels, each with its number and the type of its family. The pages of these
/// services are written by one library: a number after the last space of each line, no quotes inside of labels.
fn series(page: &str) -> BTreeMap<(String, String), (f64, String)> {
    let mut types = BTreeMap::new();
    let mut found = BTreeMap::new();
    for line in page.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let (name, ty) = family.split_once(' ').unwrap();
            types.insert(name, ty);
        }
        if line.starts_with('#') || line.contains("=\"\"") {
            continue;
        }
        let (series, number) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
        let ty = match (types.get(name), base.and_then(|base| types.get(base))) {
            (Some(ty), _) => *ty,
            // Parts of a histogram or a summary only grow.
            (None, Some(&("histogram" | "summary"))) => "counter",
            other => panic!("{line}: {other:?}"),
        };
        let labels = labels.strip_suffix("\"}").unwrap_or(labels);
        let mut labels: Vec<&str> = labels.split("\",").filter(|label| !label.is_empty()).collect();
        labels.sort_unstable();
        let labels: Vec<String> = labels.iter().map(|label| format!("{label}\"")).collect();
        found.insert((name.to_owned(), labels.join(",")), (number.parse().unwrap(), ty.to_owned()));
    }
    found
}

/// The stored series of a target in samples from `start_ms` on: the first sample of each.
fn stored(recorder: &Recorder, target: &str, start_ms: i64) -> BTreeMap<(String, String), (f64, String)> {
    let start = start_ms.to_string();
    let target = format!("prometheus/{target}");
    let table: Table =
        recorder.table("samples/metric", &[("target", target.as_str()), ("start", &start), ("end", LATER)]);
    let (name, labels) = (table.position("name"), table.position("labels"));
    let (value, counted) = (table.position("value"), table.position("counted_total"));
    let mut found = BTreeMap::new();
    for row in &table.rows {
        let key = (row[name].clone(), row[labels].clone());
        found.entry(key).or_insert_with(|| (row[value].parse().unwrap(), row[counted].clone()));
    }
    found
}

/// Checks one page: it is read before and after a poll, and what was stored lies between.
#[track_caller]
fn check(recorder: &Recorder, network: &Path, target: &str, url: &str) {
    let before = series(&page(network, url).unwrap());
    let begun = now_ms();
    let stored = wait_for(&format!("a poll of {target}"), SEEN_WITHIN, || {
        Some(stored(recorder, target, begun)).filter(|stored| !stored.is_empty())
    });
    let after = series(&page(network, url).unwrap());
    let mut counters = 0;
    for (key, (least, ty)) in &before {
        let Some((most, _)) = after.get(key) else { continue };
        let (value, counted) = stored.get(key).unwrap_or_else(|| panic!("{target}: {key:?} is not stored"));
        let is_counter = ty == "counter";
        assert_eq!(!counted.is_empty(), is_counter, "{target}: {key:?} is a {ty}");
        if is_counter {
            counters += 1;
            assert!((least..=most).contains(&value), "{target}: {key:?}: {least} ≤ {value} ≤ {most}");
        }
    }
    assert!(before.len() > 40 && counters >= 5, "{target}: {} series, {counters} counters", before.len());
    for key in stored.keys() {
        assert!(before.contains_key(key) || after.contains_key(key), "{target}: {key:?} is on no page");
    }
}

#[test]
fn pages_of_dockerd_a_registry_and_prometheus_are_kept_as_they_are() {
    let _together = machine::shared();
    if let Some(reason) = engine::missing() {
        return machine::not_run(reason);
    }
    if let Some(program) = ["docker-registry", "prometheus"].into_iter().find(|program| !machine::has(program)) {
        return machine::not_run(&format!("{program} is not installed"));
    }
    let options = ["--bridge", "none", "--iptables=false", "--experimental", "--metrics-addr", "127.0.0.1:9323"];
    let engine = Engine::start(|_| {}, &options);
    let network: PathBuf = engine.network();
    let directory = reaper::directory();
    let place = directory.display();
    std::fs::write(
        directory.join("registry.yml"),
        format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {place}/storage}}}}\n\
             http: {{addr: 127.0.0.1:5000, debug: {{addr: 127.0.0.1:5001, \
             prometheus: {{enabled: true, path: /metrics}}}}}}\n"
        ),
    )
    .unwrap();
    std::fs::write(
        directory.join("prometheus.yml"),
        "global: {scrape_interval: 1s}\n\
         scrape_configs: [{job_name: self, static_configs: [{targets: ['127.0.0.1:9090']}]}]\n",
    )
    .unwrap();
    let services = [
        Service::start("docker-registry", &["serve", "registry.yml"], &directory, Some(&network)),
        Service::start(
            "prometheus",
            &["--config.file=prometheus.yml", "--storage.tsdb.path=series", "--web.listen-address=127.0.0.1:9090"],
            &directory,
            Some(&network),
        ),
    ];
    for (target, url) in PAGES {
        wait_for(&format!("the page of {target}"), SEEN_WITHIN, || page(&network, url).map(drop));
    }
    let source = |(name, url): (&str, &str)| {
        format!("[[source.prometheus]]\nname = {name:?}\nurl = {url:?}\ninterval = \"2s\"\n")
    };
    let sources: String = PAGES.into_iter().map(source).collect();
    let recorder = Recorder::start_in(
        &directory,
        &format!("[source]\ndocker = []\n[source.host]\nenabled = false\n{sources}"),
        Some(&network),
    );
    for (target, url) in PAGES {
        check(&recorder, &network, target, url);
    }

    // One that ends is down; its series are not told as gone.
    drop(services);
    let is_down = |target: &str| {
        let targets = recorder.json("/api/v1/targets");
        let mut all = targets["targets"].as_array().unwrap().iter();
        all.any(|it| it["target"] == format!("prometheus/{target}") && it["up"] == false)
    };
    wait_for("both to be down", SEEN_WITHIN, || (is_down("registry") && is_down("prometheus")).then_some(()));
    let path = format!("/api/v1/entities/metric?target=prometheus/registry&name=go_goroutines&start=-1h&end={LATER}");
    let goroutines = recorder.json(&path);
    assert!(goroutines["entities"][0]["ended"].is_null(), "{goroutines:#}");
}
