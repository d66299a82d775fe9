//! Facts that another target tells late: over every backend they hold from the entity's start, as far as nothing has settled.

use super::*;

fn facts(app: &str, tagged: bool) -> Option<Attributes> {
    let tags = tagged.then(|| ("tags", std::collections::BTreeMap::from([("k".to_owned(), "v".to_owned())]).into()));
    Some([("label", app.into())].into_iter().chain(tags).collect())
}

fn told(label: &str, tagged: bool, started: i64) -> Snapshot {
    let observation = Observation { attributes: facts(label, tagged), ..seen("1", Some(sample(started + 100, 1))) };
    snapshot("a", started, vec![observation])
}

/// From when on each version holds, its label, and whether it is tagged.
fn versions(store: &Store) -> Vec<(i64, String, bool)> {
    let one = |version: &crate::model::Version| {
        let Some(AttributeValue::Text(label)) = version.attributes.get("label") else { panic!("a label") };
        (version.from.ms(), label.to_string(), version.attributes.contains_key("tags"))
    };
    record(store, "1").versions.iter().map(one).collect()
}

#[test]
fn a_fact_that_is_told_late_holds_from_the_start() {
    over_all(|bench| {
        bench.store.append(&[told("x", false, 0), told("x", false, 10_000)]).unwrap();
        bench.store.append(&[told("y", false, 20_000)]).unwrap();
        bench.reopen();
        bench.store.append(&[told("y", true, 30_000)]).unwrap();
        assert_eq!(versions(&bench.store), [(0, "x".to_owned(), true), (20_000, "y".to_owned(), true)]);
        // Where it was not told for a while (the recorder had just started, say), it held in between too.
        bench.store.append(&[told("y", false, 40_000)]).unwrap();
        bench.reopen();
        bench.store.append(&[told("z", true, 50_000)]).unwrap();
        let expected = [(0, "x", true), (20_000, "y", true), (50_000, "z", true)];
        assert_eq!(versions(&bench.store), expected.map(|(from, label, tagged)| (from, label.to_owned(), tagged)));
    });
}

#[test]
fn what_has_settled_is_not_told() {
    over_all(|bench| {
        for minute in 0..20 {
            bench.store.append(&[told("x", false, minute * 60_000)]).unwrap();
        }
        bench.store.append(&[told("x", true, 1_200_000)]).unwrap();
        assert_eq!(versions(&bench.store), [(0, "x".to_owned(), false), (600_000, "x".to_owned(), true)]);
    });
}
