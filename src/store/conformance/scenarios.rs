//! One promise a scenario, run over every backend.

use super::*;
use crate::store::{HOUR_MS, Retained, VERSIONS_PER_HOUR_MAX};

#[test]
fn a_run_has_the_samples_of_the_range_and_its_neighbours_however_far() {
    over_all(|bench| {
        for (started, at) in [(1_000, 1_200), (11_000, 11_200), (21_000, 21_200), (9_021_000, 9_021_200)] {
            let appended =
                bench.store.append(&[snapshot("a", started, vec![seen("1", Some(sample(at, at)))])]).unwrap();
            assert_eq!((appended.samples, appended.duplicate_samples), (1, 0));
        }
        let check = |from: i64, to: i64, expected: &[i64], has_before: bool, has_after: bool| {
            let run = read(&bench.store, "1", range(from, to));
            assert_eq!((times(&run), run.has_before, run.has_after), (expected.to_vec(), has_before, has_after));
            assert_eq!(run.columns[0], ColumnValues::Int(expected.iter().map(|at| Some(*at)).collect()));
            assert_eq!(run.columns[1], ColumnValues::Float(vec![Some(0.5); expected.len()]));
            assert_eq!(run.columns[2], ColumnValues::Int(vec![None; expected.len()]));
            assert_eq!(run.interval_ms, vec![10_000; expected.len()]);
        };
        check(11_200, 21_200, &[1_200, 11_200, 21_200], true, true);
        check(11_201, 21_201, &[11_200, 21_200, 9_021_200], true, true);
        check(0, 1_200, &[1_200], false, true);
        check(0, 1_201, &[1_200, 11_200], false, true);
        check(5_000_000, 5_000_001, &[21_200, 9_021_200], true, true);
        check(9_021_201, 9_999_999, &[9_021_200], true, false);
        check(-50, 99_999_999, &[1_200, 11_200, 21_200, 9_021_200], false, false);
        assert!(read(&bench.store, "unknown", TimeRange::ALL).is_empty());
    });
}

#[test]
fn columns_come_in_the_order_asked_for() {
    over_all(|bench| {
        bench.store.append(&[snapshot("a", 0, vec![seen("1", Some(sample(5, 7)))])]).unwrap();
        let fetch = Fetch { kind: &THING, identity: &thing("1"), range: TimeRange::ALL, columns: &[1, 0] };
        let run = bench.store.read(&fetch).unwrap();
        assert_eq!(run.columns, [ColumnValues::Float(vec![Some(0.5)]), ColumnValues::Int(vec![Some(7)])]);
        let fetch = Fetch { columns: &[], ..fetch };
        assert_eq!(bench.store.read(&fetch).unwrap().at, [ms(5)]);
    });
}

#[test]
fn a_sample_that_is_there_is_left_out_and_counted() {
    over_all(|bench| {
        let twice = snapshot("a", 10_000, vec![seen("1", Some(sample(10_100, 1)))]);
        let first = bench.store.append(std::slice::from_ref(&twice)).unwrap();
        bench.reopen();
        let again = bench.store.append(std::slice::from_ref(&twice)).unwrap();
        assert_eq!((first.samples, again.samples, again.duplicate_samples), (1, 0, 1));
        // Another target that sees the same entity tells the same sample.
        let other = snapshot("b", 12_000, vec![seen("1", Some(sample(10_100, 9)))]);
        assert_eq!(bench.store.append(&[other]).unwrap().duplicate_samples, 1);
        let run = read(&bench.store, "1", TimeRange::ALL);
        assert_eq!((times(&run), &run.columns[0]), (vec![10_100], &ColumnValues::Int(vec![Some(1)])));
    });
}

#[test]
fn a_sample_older_than_the_last_is_taken() {
    over_all(|bench| {
        for (started, at) in [(100_000, 100_100), (40_000, 40_100), (70_000, 70_100)] {
            bench.store.append(&[snapshot("a", started, vec![seen("1", Some(sample(at, at)))])]).unwrap();
        }
        assert_eq!(times(&read(&bench.store, "1", TimeRange::ALL)), [40_100, 70_100, 100_100]);
        assert_eq!(times(&read(&bench.store, "1", range(70_000, 71_000))), [40_100, 70_100, 100_100]);
    });
}

#[test]
fn samples_far_from_their_poll_are_found() {
    over_all(|bench| {
        // One poll whose samples lie days apart, among ordinary ones.
        let day_ms = 24 * HOUR_MS;
        let odd = vec![
            seen("1", Some(sample(-5 * day_ms, 1))),
            seen("2", Some(sample(10_100, 2))),
            seen("3", Some(sample(3 * day_ms, 3))),
        ];
        bench.store.append(&[snapshot("a", 10_000, odd)]).unwrap();
        for started in [20_000, 30_000] {
            let observations = ["1", "2", "3"].map(|number| seen(number, Some(sample(started + 100, 4))));
            bench.store.append(&[snapshot("a", started, observations.to_vec())]).unwrap();
        }
        let check = |number: &str, from: i64, to: i64, expected: &[i64]| {
            assert_eq!(times(&read(&bench.store, number, range(from, to))), expected, "{number} in {from}..{to}");
        };
        check("1", 20_000, 20_200, &[-5 * day_ms, 20_100, 30_100]);
        check("1", -6 * day_ms, -4 * day_ms, &[-5 * day_ms, 20_100]);
        check("1", -4 * day_ms, 0, &[-5 * day_ms, 20_100]);
        check("2", 20_000, 20_200, &[10_100, 20_100, 30_100]);
        check("3", 30_000, 30_200, &[20_100, 30_100, 3 * day_ms]);
        check("3", 2 * day_ms, 4 * day_ms, &[30_100, 3 * day_ms]);
        check("3", 4 * day_ms, 5 * day_ms, &[3 * day_ms]);
    });
}

#[test]
fn a_first_sample_knows_the_good_poll_before_it() {
    over_all(|bench| {
        bench.store.append(&[snapshot("a", 10_000, vec![]), failed("a", 20_000, Outcome::Timeout)]).unwrap();
        bench.store.append(&[snapshot("b", 25_000, vec![])]).unwrap();
        bench.store.append(&[snapshot("a", 30_000, vec![seen("1", Some(sample(30_100, 1)))])]).unwrap();
        bench.store.append(&[snapshot("a", 40_000, vec![seen("1", Some(sample(40_100, 1)))])]).unwrap();
        let polled = |from, to| read(&bench.store, "1", range(from, to)).polled_before_first;
        assert_eq!(polled(30_000, 50_000), Some(ms(10_000)));
        assert_eq!(polled(0, 100), Some(ms(10_000)));
        // With a neighbour before the range it says nothing.
        assert_eq!(polled(40_000, 50_000), None);
        bench.store.append(&[snapshot("c", 50_000, vec![seen("2", Some(sample(50_100, 1)))])]).unwrap();
        assert_eq!(read(&bench.store, "2", TimeRange::ALL).polled_before_first, None);
    });
}

#[test]
fn numbers_come_back_as_they_went_in() {
    over_all(|bench| {
        let extremes = [
            (Value::Int(i64::MIN), Value::Float(f64::NAN)),
            (Value::Int(i64::MAX), Value::Float(f64::INFINITY)),
            (Value::Int(0), Value::Float(f64::NEG_INFINITY)),
            (Value::Null, Value::Float(f64::MIN_POSITIVE)),
            // What a column cannot hold is as not reported; a whole number is a float too.
            (Value::Float(1.5), Value::Int(3)),
        ];
        for (second, (integer, float)) in (0..).zip(extremes) {
            let sample = Sample { at: ms(second * 1_000), since: None, values: Box::new([integer, float]) };
            bench.store.append(&[snapshot("a", second * 1_000, vec![seen("1", Some(sample))])]).unwrap();
        }
        let run = read(&bench.store, "1", TimeRange::ALL);
        assert_eq!(run.columns[0], ColumnValues::Int(vec![Some(i64::MIN), Some(i64::MAX), Some(0), None, None]));
        let ColumnValues::Float(floats) = &run.columns[1] else { panic!("not floats") };
        assert!(floats[0].unwrap().is_nan());
        assert_eq!(floats[1..], [f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE, 3.0].map(Some));
        // The sample gave fewer values than there are columns.
        assert_eq!(run.columns[2], ColumnValues::Int(vec![None; 5]));
        assert_eq!(run.since, [None; 5]);
    });
}

#[test]
fn polls_are_kept_with_how_they_went_and_how_far_they_saw() {
    over_all(|bench| {
        let at = |started: i64, late: i64| snapshot("a", started, vec![seen("1", Some(sample(started + late, 1)))]);
        let appended = [
            at(10_000, 250),
            failed("a", 20_000, Outcome::Refused),
            Snapshot { poll: poll("a", 30_000, Outcome::Partial), batches: Vec::new(), events: Vec::new() },
            failed("a", 40_000, Outcome::Skipped),
            at(50_000, 300),
        ];
        bench.store.append(&appended).unwrap();
        let polls = bench.store.polls(&node("a"), range(20_000, 50_000)).unwrap();
        let inside: Vec<&Poll> = polls.inside.iter().map(|record| &record.poll).collect();
        assert_eq!(inside, appended[1..4].iter().map(|snapshot| &snapshot.poll).collect::<Vec<_>>());
        let before = polls.good_before.unwrap();
        assert_eq!((before.poll, before.seen_until, before.samples), (appended[0].poll.clone(), ms(10_250), 1));
        assert_eq!((polls.inside[1].seen_until, polls.inside[1].samples), (ms(30_040), 0));
        assert_eq!(polls.good_after.unwrap().poll.started, ms(50_000));
        let polls = bench.store.polls(&node("a"), range(45_000, 46_000)).unwrap();
        assert_eq!(polls.good_before.unwrap().poll.started, ms(30_000));
        assert_eq!(bench.store.polls(&node("unknown"), TimeRange::ALL).unwrap(), Default::default());
    });
}

#[test]
fn targets_are_listed_with_their_newest_polls() {
    over_all(|bench| {
        bench.store.append(&[snapshot("b", 10_000, vec![]), failed("b", 20_000, Outcome::Tls)]).unwrap();
        bench.store.append(&[failed("b", 30_000, Outcome::Skipped), failed("a", 5_000, Outcome::Dropped)]).unwrap();
        // A target that only told an event was never polled.
        let told = Snapshot { events: vec![event("silent", 1, "x")], ..failed("b", 40_000, Outcome::Dropped) };
        bench.store.append(&[told]).unwrap();
        let targets = bench.store.targets().unwrap();
        let started =
            |record: &Option<crate::model::PollRecord>| record.as_ref().map(|record| record.poll.started.ms());
        let summary: Vec<_> = targets
            .iter()
            .map(|one| (one.target.name(), started(&one.last_poll), started(&one.last_good), started(&one.last_failed)))
            .collect();
        assert_eq!(summary, [("a", None, None, None), ("b", Some(20_000), Some(10_000), Some(20_000))]);
    });
}

#[test]
fn an_entity_is_seen_from_its_first_listing_to_its_last() {
    over_all(|bench| {
        bench.store.append(&[snapshot("a", 10_000, vec![]), snapshot("a", 20_000, vec![seen("1", None)])]).unwrap();
        bench.reopen();
        bench.store.append(&[snapshot("a", 30_000, vec![seen("1", None)])]).unwrap();
        bench.store.append(&[failed("a", 40_000, Outcome::Timeout)]).unwrap();
        let living = record(&bench.store, "1");
        assert_eq!((living.first_seen, living.last_seen, living.ended), (ms(20_000), ms(30_000), None));
        assert_eq!((living.target, living.versions.len()), (node("a"), 1));
        bench.reopen();
        // It vanished while the recorder was off.
        bench.store.append(&[snapshot("a", 90_000, vec![])]).unwrap();
        let gone = record(&bench.store, "1");
        assert_eq!((gone.first_seen, gone.last_seen, gone.ended), (ms(20_000), ms(30_000), Some(ms(90_000))));
        bench.reopen();
        bench.store.append(&[snapshot("a", 100_000, vec![seen("1", None)])]).unwrap();
        let back = record(&bench.store, "1");
        assert_eq!((back.first_seen, back.last_seen, back.ended), (ms(20_000), ms(100_000), None));
    });
}

#[test]
fn only_a_complete_batch_of_its_kind_and_target_ends_an_entity() {
    over_all(|bench| {
        bench.store.append(&[snapshot("a", 10_000, vec![seen("1", None)])]).unwrap();
        let mut incomplete = snapshot("a", 20_000, vec![]);
        incomplete.batches[0].complete = false;
        let mut other_kind = snapshot("a", 30_000, vec![]);
        other_kind.batches[0].kind = &PART;
        let mut failed_with_batches = snapshot("a", 50_000, vec![]);
        failed_with_batches.poll.outcome = Outcome::Malformed;
        bench.store.append(&[incomplete, other_kind, snapshot("b", 40_000, vec![]), failed_with_batches]).unwrap();
        assert_eq!(record(&bench.store, "1").ended, None);
        assert_eq!(record(&bench.store, "1").last_seen, ms(30_000));
        bench.store.append(&[snapshot("a", 60_000, vec![])]).unwrap();
        assert_eq!(record(&bench.store, "1").ended, Some(ms(60_000)));
    });
}

#[test]
fn the_source_knows_best_when_an_entity_ended() {
    over_all(|bench| {
        let ended = |at: Option<i64>| Observation { ended: at.map(ms), ..seen("1", None) };
        bench.store.append(&[snapshot("a", 10_000, vec![ended(Some(9_000))])]).unwrap();
        assert_eq!(record(&bench.store, "1").ended, Some(ms(9_000)));
        // Started again, then stopped again, then removed.
        bench.store.append(&[snapshot("a", 20_000, vec![ended(None)])]).unwrap();
        assert_eq!(record(&bench.store, "1").ended, None);
        bench.store.append(&[snapshot("a", 30_000, vec![ended(Some(25_000))])]).unwrap();
        bench.reopen();
        bench.store.append(&[snapshot("a", 40_000, vec![])]).unwrap();
        let gone = record(&bench.store, "1");
        assert_eq!((gone.last_seen, gone.ended), (ms(30_000), Some(ms(25_000))));
    });
}

#[test]
fn an_entity_of_two_targets_lives_until_both_miss_it() {
    over_all(|bench| {
        bench.store.append(&[snapshot("a", 10_000, vec![seen("1", Some(sample(10_100, 1)))])]).unwrap();
        bench.store.append(&[snapshot("b", 15_000, vec![seen("1", Some(sample(15_100, 2)))])]).unwrap();
        bench.store.append(&[snapshot("a", 20_000, vec![])]).unwrap();
        let one = record(&bench.store, "1");
        assert_eq!((one.ended, one.last_seen, one.target), (None, ms(15_000), node("b")));
        bench.reopen();
        bench.store.append(&[snapshot("b", 25_000, vec![])]).unwrap();
        assert_eq!(record(&bench.store, "1").ended, Some(ms(25_000)));
        assert_eq!(times(&read(&bench.store, "1", TimeRange::ALL)), [10_100, 15_100]);
        assert_eq!(entities(&bench.store, TimeRange::ALL).len(), 1);
    });
}

#[test]
fn entities_are_listed_where_they_were_seen_or_sampled() {
    over_all(|bench| {
        bench.store.append(&[snapshot("a", 20_000, vec![seen("1", Some(sample(20_900, 1)))])]).unwrap();
        bench.store.append(&[snapshot("a", 30_000, vec![])]).unwrap();
        let seen_in = |from, to| !entities(&bench.store, range(from, to)).is_empty();
        assert!(!seen_in(0, 20_000));
        assert!(seen_in(0, 20_001));
        assert!(seen_in(20_900, 20_901));
        assert!(!seen_in(20_901, 90_000));
    });
}

#[test]
fn entities_come_in_pages_in_identity_order() {
    over_all(|bench| {
        let numbers = ["b", "", "a\0", "a", "é", "ab"];
        bench.store.append(&[snapshot("a", 0, numbers.map(|number| seen(number, None)).to_vec())]).unwrap();
        let mut after = None;
        let mut listed = Vec::new();
        loop {
            let query = EntityQuery { kind: &THING, seen_in: TimeRange::ALL, after, limit: 2 };
            let page = bench.store.entities(&query).unwrap();
            listed.extend(page.iter().map(|record| record.identity.part(1).to_owned()));
            let Some(last) = page.last() else { break };
            after = Some(last.identity.clone());
        }
        assert_eq!(listed, ["", "a", "a\0", "ab", "b", "é"]);
    });
}

#[test]
fn attributes_open_a_version_where_they_differ() {
    over_all(|bench| {
        let with = |attributes| Observation { attributes, ..seen("1", None) };
        let versions = |store: &Store, range| {
            let record = store.entity(&THING, &thing("1"), range).unwrap().unwrap();
            let label = |attributes: &Attributes| attributes.get("label").cloned();
            record.versions.iter().map(|one| (one.from.ms(), label(&one.attributes))).collect::<Vec<_>>()
        };
        let text = |label: &str| Some(AttributeValue::from(label));
        bench.store.append(&[snapshot("a", 10_000, vec![with(None)])]).unwrap();
        assert_eq!(versions(&bench.store, TimeRange::ALL), [(10_000, None)]);
        // Learnt late, it holds from the start.
        bench.store.append(&[snapshot("a", 20_000, vec![with(labelled("x"))])]).unwrap();
        bench.store.append(&[snapshot("a", 30_000, vec![with(labelled("x")), seen("2", None)])]).unwrap();
        bench.reopen();
        bench.store.append(&[snapshot("a", 40_000, vec![with(None)])]).unwrap();
        bench.store.append(&[snapshot("a", 50_000, vec![with(labelled("x"))])]).unwrap();
        assert_eq!(versions(&bench.store, TimeRange::ALL), [(10_000, text("x"))]);
        let sampled = Observation { sample: Some(sample(59_000, 1)), ..with(labelled("y")) };
        bench.store.append(&[snapshot("a", 60_000, vec![sampled])]).unwrap();
        bench.store.append(&[snapshot("a", 70_000, vec![with(labelled("x"))])]).unwrap();
        let all = [(10_000, text("x")), (59_000, text("y")), (70_000, text("x"))];
        assert_eq!(versions(&bench.store, TimeRange::ALL), all);
        assert_eq!(versions(&bench.store, range(59_000, 70_000)), all[1..2]);
        assert_eq!(versions(&bench.store, range(58_999, 70_001)), all);
        assert_eq!(versions(&bench.store, range(0, 5)), all[..1]);
        assert_eq!(versions(&bench.store, range(59_000, 59_000)), all[1..2]);
        // A clock stepped back: the new version stands behind the newest, nothing is lost.
        bench.store.append(&[snapshot("a", 30_000, vec![with(labelled("z"))])]).unwrap();
        assert_eq!(versions(&bench.store, TimeRange::ALL).last(), Some(&(70_001, text("z"))));
    });
}

#[test]
fn more_than_100_versions_an_hour_are_an_event_and_only_the_newest_is_kept() {
    over_all(|bench| {
        let with = |label: String| Observation { attributes: labelled(&label), ..seen("1", None) };
        let ticks = i64::try_from(VERSIONS_PER_HOUR_MAX).unwrap() + 20;
        let mut events = 0;
        for tick in 0..ticks {
            if tick == ticks - 5 {
                bench.reopen();
            }
            let appended = bench.store.append(&[snapshot("a", tick * 10_000, vec![with(tick.to_string())])]).unwrap();
            events += appended.events;
        }
        assert_eq!(events, 1);
        let told = bench.store.events(&all_events()).unwrap();
        assert_eq!((told[0].event.event_type, told[0].event.entity.clone()), ("limit_hit", Some(thing("1"))));
        assert_eq!(told[0].event.at, ms(i64::try_from(VERSIONS_PER_HOUR_MAX).unwrap() * 10_000));
        let label_of = |index: usize| record(&bench.store, "1").versions[index].attributes["label"].clone();
        assert_eq!(record(&bench.store, "1").versions.len(), VERSIONS_PER_HOUR_MAX);
        assert_eq!(label_of(VERSIONS_PER_HOUR_MAX - 1), AttributeValue::from((ticks - 1).to_string()));
        assert_eq!(label_of(VERSIONS_PER_HOUR_MAX - 2), AttributeValue::from("98"));
        // Back to what it was before: the version in between goes, for each differs from the one before.
        bench.store.append(&[snapshot("a", ticks * 10_000, vec![with("98".to_owned())])]).unwrap();
        assert_eq!(record(&bench.store, "1").versions.len(), VERSIONS_PER_HOUR_MAX - 1);
        // The next hour counts anew.
        bench.store.append(&[snapshot("a", HOUR_MS, vec![with("later".to_owned())])]).unwrap();
        assert_eq!(record(&bench.store, "1").versions.last().unwrap().from, ms(HOUR_MS));
    });
}

#[test]
fn an_event_told_twice_is_one() {
    over_all(|bench| {
        let with = |started, events| Snapshot { events, ..failed("a", started, Outcome::Timeout) };
        let mut other_type = event("a", 10, "x");
        other_type.event_type = "container_oom";
        other_type.severity = Severity::Error;
        let first = with(0, vec![event("a", 10, "x"), event("a", 10, "y"), other_type, event("b", 10, "x")]);
        assert_eq!(bench.store.append(&[first]).unwrap().events, 4);
        bench.reopen();
        let again = with(1_000, vec![event("a", 10, "x"), event("a", 5, "x")]);
        assert_eq!(bench.store.append(&[again]).unwrap().events, 1);
        let all = bench.store.events(&all_events()).unwrap();
        assert_eq!(all.iter().map(|one| one.event.at.ms()).collect::<Vec<_>>(), [5, 10, 10, 10, 10]);
        assert_eq!(all[1].event, event("a", 10, "x"));

        let count = |query: EventQuery| bench.store.events(&query).unwrap().len();
        assert_eq!(count(EventQuery { range: Some(range(0, 10)), ..all_events() }), 1);
        assert_eq!(count(EventQuery { event_types: vec!["container_oom", "limit_hit"], ..all_events() }), 1);
        assert_eq!(count(EventQuery { event_types: vec!["limit_hit"], ..all_events() }), 0);
        assert_eq!(count(EventQuery { severity: Some(Severity::Error), ..all_events() }), 1);
        assert_eq!(count(EventQuery { severity: Some(Severity::Warning), ..all_events() }), 5);
        assert_eq!(count(EventQuery { kind: Some(&PART), ..all_events() }), 0);
        assert_eq!(count(EventQuery { kind: Some(&THING), ..all_events() }), 5);
        // Page by page.
        let mut after = None;
        let mut paged = Vec::new();
        while let [first, ..] = &bench.store.events(&EventQuery { after, limit: 1, ..all_events() }).unwrap()[..] {
            after = Some((first.event.at, first.sequence));
            paged.push(first.clone());
        }
        assert_eq!(paged, all);
    });
}

#[test]
fn retention_takes_old_polls_with_their_samples_and_what_only_they_need() {
    over_all(|bench| {
        let with = |number, label: &str, sample| Observation { attributes: labelled(label), ..seen(number, sample) };
        let mut first = snapshot("a", 10_000, vec![with("old", "o", None), with("1", "x", Some(sample(10_100, 1)))]);
        first.events = vec![event("a", 10_000, "x"), event("a", 90_000, "y")];
        bench.store.append(&[first]).unwrap();
        bench.store.append(&[snapshot("a", 20_000, vec![with("1", "y", Some(sample(20_100, 2)))])]).unwrap();
        bench.store.append(&[snapshot("a", 30_000, vec![with("1", "y", Some(sample(30_100, 3)))])]).unwrap();
        assert_eq!(bench.store.samples_kept_from().unwrap(), None);

        let nothing = Cutoffs { samples: Some(ms(10_000)), rollups: Some(ms(10_000)), events: Some(ms(10_000)) };
        assert_eq!(bench.store.retain(&nothing).unwrap(), Retained::default());
        assert_eq!(bench.store.retain(&Cutoffs::default()).unwrap(), Retained::default());
        assert_eq!(bench.store.samples_kept_from().unwrap(), None);

        // The second poll started before the cutoff, its sample is not older: both stay.
        let cutoff = Some(ms(20_050));
        assert_eq!(retain_all(&bench.store, &Cutoffs { samples: cutoff, rollups: cutoff, events: cutoff }), 1);
        assert_eq!(times(&read(&bench.store, "1", TimeRange::ALL)), [20_100, 30_100]);
        assert_eq!(read(&bench.store, "1", TimeRange::ALL).polled_before_first, None);
        assert_eq!(bench.store.polls(&node("a"), TimeRange::ALL).unwrap().inside.len(), 2);
        assert_eq!(bench.store.samples_kept_from().unwrap(), cutoff);
        assert_eq!(bench.store.events(&all_events()).unwrap().len(), 1);
        assert_eq!(record(&bench.store, "1").versions.len(), 1);
        // It was last seen at 10 s, when samples came as late as 10.1 s.
        assert_eq!(bench.store.entity(&THING, &thing("old"), TimeRange::ALL).unwrap(), None);

        // Everything goes but what lives, with its newest attributes.
        bench.reopen();
        assert_eq!(
            retain_all(&bench.store, &Cutoffs { samples: Some(ms(99_000)), rollups: Some(ms(99_000)), events: None }),
            2
        );
        let one = record(&bench.store, "1");
        assert_eq!((one.last_seen, one.versions.len(), one.ended), (ms(30_000), 1, None));
        assert!(read(&bench.store, "1", TimeRange::ALL).is_empty());
        assert!(bench.store.targets().unwrap().is_empty());
        bench.reopen();
        bench.store.append(&[snapshot("a", 100_000, vec![seen("1", Some(sample(100_100, 4)))])]).unwrap();
        assert_eq!(times(&read(&bench.store, "1", TimeRange::ALL)), [100_100]);
        assert_eq!(bench.store.samples_kept_from().unwrap(), Some(ms(99_000)));
    });
}

#[test]
fn the_machine_keeps_its_first_name() {
    over_all(|bench| {
        assert_eq!(bench.store.machine_name("first").unwrap(), "first");
        bench.reopen();
        assert_eq!(bench.store.machine_name("second").unwrap(), "first");
    });
}

#[test]
fn a_recording_keeps_the_name_drawn_for_it_and_another_has_another() {
    let drawn = std::cell::RefCell::new(std::collections::BTreeSet::new());
    over_all(|bench| {
        let id = bench.store.file_id().unwrap();
        assert_eq!((id.len(), bench.store.file_id().unwrap()), (32, id.clone()));
        bench.reopen();
        assert_eq!(bench.store.file_id().unwrap(), id);
        assert!(drawn.borrow_mut().insert(id), "drawn twice");
    });
}

#[test]
fn answers_are_whole_while_snapshots_come_in() {
    over_all(|bench| {
        let store = shared(std::mem::replace(&mut bench.store, Store::Memory(Memory::default())));
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for tick in 0..300 {
                    let both = vec![seen("1", Some(sample(tick * 10, tick))), seen("2", Some(sample(tick * 10, tick)))];
                    store.append(&[snapshot("a", tick * 10, both)]).unwrap();
                }
            });
            for _ in 0..6 {
                scope.spawn(|| {
                    let mut longest = 0;
                    while longest < 300 {
                        // What one poll took is there for both, or for none: the second is asked later.
                        let first = read(&store, "1", TimeRange::ALL).len();
                        let second = read(&store, "2", TimeRange::ALL).len();
                        assert!(first >= longest && second >= first);
                        longest = first;
                    }
                });
            }
            writer.join().unwrap();
        });
        assert_eq!(store.polls(&node("a"), TimeRange::ALL).unwrap().inside.len(), 300);
    });
}
