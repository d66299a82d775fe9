//! The recorder's own page of metrics, scraped by the recorder itself: what comes back is what it had stored.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::harness::time::{LATER, now_ms, wait_for};
use crate::harness::{Recorder, machine};

/// Kinds whose numbers go round; the page has them under these names.
const KINDS: [&str; 4] = ["host", "host_filesystem", "target", "recorder"];

#[test]
fn its_own_page_scraped_by_itself_gives_equal_numbers() {
    let _together = machine::shared();
    let begun = now_ms();
    let recorder = Recorder::start(
        "[source]\ndocker = []\n[source.host]\nname = \"here\"\ninterval = \"2s\"\n\
         [[source.prometheus]]\nname = \"self\"\nurl = \"http://{address}/metrics\"\ninterval = \"2s\"\n",
    );
    let start = begun.to_string();
    // Three scrapes after a page that has everything: the recorder looks at itself every ten seconds.
    let scraped = |kind: &str| {
        let name = format!("tachograph_{kind}_*");
        recorder.table(
            "samples/metric",
            &[("target", "prometheus/self"), ("name", &name), ("start", &start), ("end", LATER)],
        )
    };
    wait_for("numbers of every kind to come back", Duration::from_secs(60), || {
        KINDS.iter().all(|kind| scraped(kind).rows.len() >= 20).then_some(())
    });

    for kind in KINDS {
        let described = recorder.json(&format!("/api/v1/kinds/{kind}"));
        let keys: Vec<&str> =
            described["identity"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap()).collect();
        let scraped = scraped(kind);
        let known = recorder.table(&format!("samples/{kind}"), &[("start", &start), ("end", LATER)]);
        // By time and labels, as the page has them.
        let mut rows = BTreeMap::new();
        for row in &known.rows {
            let mut labels: Vec<String> =
                keys.iter().map(|key| format!("{key}=\"{}\"", row[known.position(key)])).collect();
            labels.sort();
            rows.insert((row[known.position("time")].as_str(), labels.join(",")), row);
        }
        let prefix = format!("tachograph_{kind}_");
        let mut compared = 0;
        for row in &scraped.rows {
            let cell = |column: &str| row[scraped.position(column)].as_str();
            let column = cell("name").strip_prefix(&prefix).unwrap();
            // Other kinds' names may begin with this one's.
            let Some(position) = known.header.iter().position(|name| name == column) else { continue };
            let labels = cell("labels").to_owned();
            let own = rows.get(&(cell("time"), labels)).unwrap_or_else(|| panic!("{kind} has no such sample: {row:?}"));
            let (ours, theirs): (f64, f64) = (own[position].parse().unwrap(), cell("value").parse().unwrap());
            assert_eq!(ours, theirs, "{row:?} of {own:?}");
            let is_counter = column.ends_with("_total");
            assert_eq!(cell("counted_total"), if is_counter { cell("value") } else { "" }, "{row:?}");
            if is_counter {
                assert_eq!(cell("since"), own[known.position("since")], "{row:?}");
            }
            compared += 1;
        }
        assert!(compared >= 20, "{kind}: {compared} numbers");
    }
}
