//! Signals to the real program: SIGHUP applies a changed file or keeps the old one, SIGTERM and SIGINT store what is
//! under way, and a second one ends at once.

use std::collections::BTreeSet;
use std::time::Duration;

use rustix::process::Signal;
use tachograph::model::{Outcome, PollRecord, TargetName, TimeRange, Timestamp};

use crate::fleet::{Fault, Fleet};
use crate::harness::time::{LATER, now_ms, wait_for};
use crate::harness::{Recorder, machine};

/// Waiting for what a recorder does within some intervals; a loaded machine is slower.
const SOON: Duration = Duration::from_secs(60);

/// Interval of the targets that a reload does not touch.
const INTERVAL_MS: i64 = 3_000;

const UNTOUCHED: &str = "interval = \"3s\"\ntimeout = \"2s\"";
const NO_HOST: &str = "[source.host]\nenabled = false\n\n";

/// Every kept tick of an engine, whatever its outcome.
fn polls(recorder: &Recorder, name: &str) -> Vec<PollRecord> {
    let always = TimeRange::new(Timestamp::from_ms(0), Timestamp::from_ms(now_ms() + 86_400_000)).unwrap();
    recorder.store().polls(&TargetName::new("docker", name), always).unwrap().inside
}

/// Names of the targets that are polled, with the interval of each in seconds.
fn targets(recorder: &Recorder) -> BTreeSet<(String, i64)> {
    let answer = recorder.json("/api/v1/targets");
    let polled = answer["targets"].as_array().unwrap().iter().filter(|target| target["configured"] != false);
    polled
        .map(|target| {
            let interval = target["interval_seconds"].as_f64().unwrap_or_else(|| panic!("{target}"));
            (target["target"].as_str().unwrap().to_owned(), format!("{interval:.0}").parse().unwrap())
        })
        .collect()
}

/// No tick is missing: every multiple of the interval from the first to the last has its poll, late as it may have begun.
#[track_caller]
fn assert_no_tick_lost(polls: &[PollRecord]) {
    let started: Vec<i64> = polls.iter().map(|poll| poll.poll.started.ms()).collect();
    // Ticks lie at one place of the interval and polls begin a little after them: behind the widest gap on the circle.
    let mut places: Vec<i64> = started.iter().map(|at| at % INTERVAL_MS).collect();
    places.sort_unstable();
    let before = places.iter().cycle().skip(places.len() - 1);
    let (_, first) =
        before.zip(&places).map(|(before, at)| ((at - before).rem_euclid(INTERVAL_MS), *at)).max().unwrap();
    let ticks: Vec<i64> = started.iter().map(|at| (at - first).div_euclid(INTERVAL_MS)).collect();
    assert!(ticks.windows(2).all(|pair| pair[1] == pair[0] + 1), "ticks {ticks:?} of polls at {started:?}");
}

#[test]
fn a_changed_file_is_applied_and_targets_it_leaves_alone_lose_no_tick() {
    let _together = machine::shared();
    let fleet = Fleet::start(4, 2);
    let kept = |name: &str, number: usize| fleet.source(number, name, UNTOUCHED);
    let before = format!("{NO_HOST}{}{}{}", kept("same", 0), kept("changed", 1), kept("removed", 2));
    let recorder = Recorder::start(&before);
    wait_for("polls of the first targets", SOON, || {
        ["same", "changed", "removed"].iter().all(|name| polls(&recorder, name).len() >= 2).then_some(())
    });
    let old = targets(&recorder);

    let applied_from = Timestamp::from_ms(now_ms());
    let changed = fleet.source(1, "changed", "interval = \"2s\"\ntimeout = \"1s\"");
    // Without a name of its own it is called what its address is called.
    let added = fleet.source(3, "x", UNTOUCHED).replace("name = \"x\"\n", "");
    recorder.configure(&format!("{NO_HOST}[hosts]\n\"127.0.0.1\" = \"added\"\n\n{}{changed}{added}", kept("same", 0)));
    recorder.signal(Signal::HUP);
    let new = wait_for("the new targets", SOON, || Some(targets(&recorder)).filter(|targets| *targets != old));
    let named = |name: &str, interval: i64| (format!("docker/{name}"), interval);
    assert!(new.contains(&named("same", 3)) && new.contains(&named("changed", 2)), "{new:?}");
    assert!(new.contains(&named("added", 3)) && !new.contains(&named("removed", 3)), "{new:?}");
    wait_for("polls of the new targets", SOON, || {
        let is_after = |poll: &&PollRecord| poll.poll.started > applied_from;
        let after = |name: &str| polls(&recorder, name).iter().filter(is_after).count();
        (["same", "changed", "added"].iter().all(|name| after(name) >= 4)).then_some(())
    });

    assert_no_tick_lost(&polls(&recorder, "same"));
    let of_changed = polls(&recorder, "changed");
    let (first, last) = (&of_changed[0].poll, &of_changed[of_changed.len() - 1].poll);
    assert_eq!((first.interval_ms, last.interval_ms), (3_000, 2_000));
    let far = applied_from.plus_ms(i64::try_from(SOON.as_millis()).unwrap());
    assert!(polls(&recorder, "removed").iter().all(|poll| poll.poll.started < far));
    let left = polls(&recorder, "removed").len();
    let same = polls(&recorder, "same").len();
    wait_for("further polls", SOON, || (polls(&recorder, "same").len() >= same + 2).then_some(()));
    assert_eq!(polls(&recorder, "removed").len(), left, "a removed target is polled no more");
    // The series of what went on goes on: one baseline each, and no restart of any source is seen.
    let rows = recorder.table("samples/container", &[("host", "added"), ("start", "-1h"), ("end", LATER)]);
    assert!(!rows.rows.is_empty(), "`[hosts]` names what has no name of its own");
    assert!(!recorder.log().contains("panicked"), "{}", recorder.log());
}

#[test]
fn a_bad_file_is_told_with_all_its_faults_and_changes_nothing() {
    let _together = machine::shared();
    let fleet = Fleet::start(2, 2);
    let good = format!("{NO_HOST}{}", fleet.source(0, "same", UNTOUCHED));
    let recorder = Recorder::start(&good);
    wait_for("first polls", SOON, || (polls(&recorder, "same").len() >= 2).then_some(()));
    let before = targets(&recorder);

    let bad = "[source.host]\nenabled = \"no\"\n\n[[source.docker]]\nname = \"bad name\"\nurl = \"gopher://x\"\n\
               interval = \"1s\"\nintervall = \"3s\"\n\n[hosts]\n\"10.0.0.5:2375\" = \"node-5\"\n";
    recorder.configure(bad);
    recorder.signal(Signal::HUP);
    let places = [
        "source.host.enabled",
        "source.docker[0].name",
        "source.docker[0].url",
        "source.docker[0].interval",
        "source.docker[0].intervall",
        r#"hosts."10.0.0.5:2375""#,
    ];
    wait_for("the faults in the log", SOON, || recorder.log().contains("cannot be used").then_some(()));
    let log = recorder.log().replace("\\\"", "\"");
    for place in places {
        assert!(log.contains(place), "{place} is not told:\n{log}");
    }
    assert_eq!(targets(&recorder), before);
    let polled = polls(&recorder, "same").len();
    wait_for("polls under the old configuration", SOON, || {
        (polls(&recorder, "same").len() >= polled + 2).then_some(())
    });
    assert_no_tick_lost(&polls(&recorder, "same"));
    assert_eq!(targets(&recorder), before);

    // A good one after it is applied as if the bad one had not been.
    recorder.configure(&format!("{good}{}", fleet.source(1, "more", UNTOUCHED)));
    recorder.signal(Signal::HUP);
    wait_for("the new target", SOON, || (!polls(&recorder, "more").is_empty()).then_some(()));
    assert_no_tick_lost(&polls(&recorder, "same"));
}

#[test]
fn told_to_stop_it_stores_what_is_under_way_and_ends_well() {
    let _together = machine::shared();
    for (signal, reason) in [(Signal::TERM, "SIGTERM"), (Signal::INT, "SIGINT")] {
        let fleet = Fleet::with_faults(3, &[Fault::Slow]);
        let mut recorder = Recorder::start(&format!("{NO_HOST}{}", fleet.sources("interval = \"10s\"")));
        wait_for("a visit under way", SOON, || (fleet.stats_served() > 0).then_some(()));
        let asked = Timestamp::from_ms(now_ms());
        recorder.signal(signal);
        let status = recorder.ended(SOON);
        assert_eq!(status.code(), Some(0), "{signal:?}: {}", recorder.log());

        let kept = polls(&recorder, "n00");
        assert_eq!(kept.len(), 1, "{signal:?}");
        assert!(kept[0].poll.started <= asked && kept[0].poll.outcome == Outcome::Ok, "{:?}", kept[0]);
        assert!(kept[0].samples >= 3, "{:?}: each container's", kept[0]);
        assert!(recorder.log().contains("stopped"), "{}", recorder.log());
        // Read by the next life: the end is there with its reason.
        recorder.kill_and_restart();
        let events = recorder.json(&format!("/api/v1/events?type=recorder_stopped&start=-1h&end={LATER}"));
        let told = events["events"].as_array().unwrap();
        assert_eq!(told.len(), 1, "{events:#}");
        assert!(told[0]["message"].as_str().unwrap().contains(reason), "{events:#}");
    }
}

#[test]
fn told_to_stop_twice_it_ends_at_once_with_status_1() {
    let _together = machine::shared();
    // A visit that the first signal would wait some seconds for.
    let fleet = Fleet::with_faults(3, &[Fault::Trickle]);
    let mut recorder = Recorder::start(&format!("{NO_HOST}{}", fleet.sources("interval = \"10s\"")));
    wait_for("a visit under way", SOON, || (fleet.lists_served() > 0).then_some(()));
    recorder.signal(Signal::TERM);
    wait_for("the first signal to be followed", SOON, || recorder.log().contains("stopping").then_some(()));
    recorder.signal(Signal::INT);
    let status = recorder.ended(SOON);
    assert_eq!(status.code(), Some(1), "{}", recorder.log());
    assert!(recorder.log().contains("told to stop twice"), "{}", recorder.log());
    // The file is whole all the same.
    recorder.kill_and_restart();
}
