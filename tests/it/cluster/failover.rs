//! Leaders that change: between two visits, in the middle of one, cut off, hanging, all at once. Totals go on, no
//! interval is lost but the one in which the change fell, and nothing is counted twice.

use std::time::Duration;

use super::servers::{Cluster, Counted, counted, ends, told};
use super::world::{Ambush, Ends, Version};
use crate::harness::site::Mode;
use crate::harness::time::{now_ms, wait_for};
use crate::harness::{Recorder, machine};

/// Long enough that a busy machine does not miss a tick, short enough for a test.
const INTERVAL_MS: i64 = 3_000;
const TIMING: &str = "interval = \"3s\"\ntimeout = \"2s\"\ntasks_interval = \"10s\"";
const SOON: Duration = Duration::from_secs(60);

fn finished(finished: i64) -> Ends {
    Ends { finished, ..Ends::default() }
}

struct Watched {
    cluster: Cluster,
    recorder: Recorder,
    begun_ms: i64,
    /// What no visit can have seen.
    unseen: Ends,
}

impl Watched {
    fn start(version: Version) -> Watched {
        let cluster = Cluster::start(version, 2);
        // What was counted before the recorder began is not its to tell.
        cluster.world.lock().masters[0].office.as_mut().unwrap().ends = Ends { finished: 900, failed: 70, lost: 5 };
        let begun_ms = now_ms();
        let recorder = Recorder::start(&cluster.source(TIMING));
        let watched = Watched { cluster, recorder, begun_ms, unseen: Ends::default() };
        watched.wait_for_samples("the first samples", 2);
        watched
    }

    fn samples(&self) -> Vec<Counted> {
        counted(&self.recorder, self.begun_ms - 60_000)
    }

    fn wait_for_samples(&self, what: &str, more: usize) {
        let before = self.samples().len();
        wait_for(what, SOON, || (self.samples().len() >= before + more).then_some(()));
    }

    /// Counts something and waits until it was seen.
    fn count(&self, ends: Ends) {
        let (leader, finished) = {
            let mut state = self.cluster.world.lock();
            state.count(ends);
            let leader = state.leader().unwrap();
            (state.masters[leader].address.clone(), state.masters[leader].office.unwrap().ends.finished)
        };
        wait_for("what was counted to be recorded", SOON, || {
            let samples = self.samples();
            samples.last().is_some_and(|last| last.leader == leader && last.finished == finished).then_some(())
        });
    }

    /// Everything ended is in one answer, once.
    fn check(&self) {
        let truth = self.cluster.world.lock().truth;
        let recorded = ends(&self.recorder, self.begun_ms - 60_000);
        let seen = Ends {
            finished: truth.finished - self.unseen.finished,
            failed: truth.failed - self.unseen.failed,
            lost: truth.lost - self.unseen.lost,
        };
        assert_eq!(recorded, seen, "truth: {truth:?}\n{:#?}", self.samples());
    }

    /// Intervals without a sample of the cluster, by the leader before and after.
    fn holes(&self) -> Vec<(String, String, i64)> {
        let samples = self.samples();
        let missed = |pair: &[Counted]| {
            let ticks = (pair[1].at_ms - pair[0].at_ms + INTERVAL_MS / 2) / INTERVAL_MS;
            (ticks > 1).then(|| (pair[0].leader.clone(), pair[1].leader.clone(), ticks - 1))
        };
        samples.windows(2).filter_map(missed).collect()
    }

    fn address(&self, index: usize) -> String {
        self.cluster.masters[index].address()
    }
}

#[test]
fn totals_go_on_through_every_change_of_the_leader() {
    let _together = machine::shared();
    let mut watched = Watched::start(Version::V1_11);
    watched.count(Ends { finished: 4, failed: 2, lost: 1 });

    // Between two visits.
    {
        let mut state = watched.cluster.world.lock();
        state.depose(0);
        state.elect(1);
    }
    watched.count(Ends { finished: 3, failed: 1, lost: 0 });
    watched.check();

    // In the middle of a visit: after the leader gave its numbers, before it said for how long it leads.
    let unseen = Ends { finished: 5, failed: 0, lost: 2 };
    watched.cluster.world.lock().ambush = Some(Ambush { leader: 1, next: 2, unseen });
    watched.unseen = unseen;
    wait_for("the leader to be gone in the middle of a visit", SOON, || {
        watched.cluster.world.lock().ambush.is_none().then_some(())
    });
    // The new one has already counted more than the one before.
    watched.count(finished(20));
    watched.check();

    // Cut off from the others and from us: it hangs, and still believes that it leads.
    watched.cluster.masters[2].set_mode(Mode::Hangs);
    watched.cluster.world.lock().elect(0);
    watched.count(Ends { finished: 1, failed: 1, lost: 1 });
    watched.check();

    // It answers again and does not know yet: it has given up all its agents, which is nobody's number.
    {
        let mut state = watched.cluster.world.lock();
        let ends = &mut state.masters[2].office.as_mut().unwrap().ends;
        *ends = Ends { finished: ends.finished, failed: 1_000, lost: 1_000 };
    }
    watched.cluster.masters[2].set_mode(Mode::Up);
    watched.wait_for_samples("visits with two that say they lead", 2);
    watched.count(finished(2));
    watched.check();
    let deposed = watched.recorder.table("entities/mesos_master", &[("role", "deposed")]);
    assert_eq!(deposed.only("address"), watched.address(2));
    watched.cluster.world.lock().depose(2);

    // Refused, as when its process is gone; the others need a while to see it.
    watched.cluster.masters[0].set_mode(Mode::Refuses);
    watched.cluster.world.lock().depose(0);
    wait_for("the want of a leader to be told", SOON, || {
        let events = told(&watched.recorder, "leader_changed", watched.begun_ms - 5_000);
        events.iter().any(|message| message.contains("has no leader")).then_some(())
    });
    watched.cluster.world.lock().elect(1);
    watched.count(Ends { finished: 6, failed: 3, lost: 0 });
    // Elected, and not ready.
    {
        let mut state = watched.cluster.world.lock();
        state.depose(1);
        state.elect(2);
        state.masters[2].office.as_mut().unwrap().is_recovered = false;
    }
    wait_for("the new leader to be seen recovering", SOON, || {
        let table = watched.recorder.table("entities/mesos_master", &[("role", "recovering")]);
        (!table.rows.is_empty()).then_some(())
    });
    watched.cluster.world.lock().masters[2].office.as_mut().unwrap().is_recovered = true;
    watched.count(finished(7));
    watched.check();

    // Only where nobody led, or a leader went in the middle of a visit, an interval is without numbers.
    let allowed = [(1, 2, 1), (0, 1, i64::MAX), (1, 2, i64::MAX)];
    for (before, after, missed) in watched.holes() {
        let is_allowed = allowed.iter().any(|(from, to, most)| {
            before == watched.address(*from) && after == watched.address(*to) && missed <= *most
        });
        assert!(is_allowed, "{missed} intervals between {before} and {after}: {:#?}", watched.samples());
    }
    let leaders: Vec<String> = {
        let mut leaders: Vec<String> = watched.samples().into_iter().map(|sample| sample.leader).collect();
        leaders.dedup();
        leaders
    };
    assert_eq!(leaders, [0, 1, 2, 0, 1, 2].map(|index| watched.address(index)));
    let offices = watched.samples().iter().map(|sample| sample.since_ms).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(offices.len(), 6, "one beginning for each time in office");

    // A restart of the recorder counts nothing anew, nor does a leader that changed meanwhile.
    let mut recorder = watched.recorder;
    recorder.kill_and_restart();
    watched.recorder = recorder;
    watched.count(finished(8));
    watched.check();
    watched.recorder.kill();
    {
        let mut state = watched.cluster.world.lock();
        state.depose(2);
        state.elect(1);
        state.count(finished(40));
    }
    watched.recorder.kill_and_restart();
    watched.count(finished(1));
    watched.check();

    let minutes = (now_ms() - watched.begun_ms) as f64 / 60_000.0;
    for (what, (requests, bytes)) in watched.cluster.costs(watched.begun_ms) {
        assert!(!what.contains("state"), "{what} was asked of a cluster of 1.x");
        machine::say(&format!("failover: {what}: {requests} requests, {bytes} bytes in {minutes:.1} min"));
    }
}

#[test]
fn totals_go_on_where_elections_are_not_told_and_the_state_is_asked_once_a_minute() {
    let _together = machine::shared();
    let mut watched = Watched::start(Version::V0_28);
    watched.count(Ends { finished: 4, failed: 2, lost: 1 });
    {
        let mut state = watched.cluster.world.lock();
        state.depose(0);
        state.elect(1);
    }
    watched.count(Ends { finished: 3, failed: 1, lost: 0 });
    watched.check();
    watched.cluster.masters[1].set_mode(Mode::Hangs);
    {
        let mut state = watched.cluster.world.lock();
        state.depose(1);
        state.elect(2);
    }
    // More than the one before had.
    watched.count(finished(2_000));
    watched.check();
    // The leader changes while nobody records, to one that has counted more.
    watched.recorder.kill();
    watched.cluster.masters[1].set_mode(Mode::Up);
    {
        let mut state = watched.cluster.world.lock();
        state.depose(2);
        state.elect(0);
        state.count(finished(3_000));
    }
    watched.recorder.kill_and_restart();
    watched.count(finished(1));
    watched.check();
    assert_eq!(watched.holes().iter().filter(|(before, after, _)| before == after).count(), 0);

    let minutes = (now_ms() - watched.begun_ms) / 60_000;
    let costs = watched.cluster.costs(watched.begun_ms);
    let states = costs.get("GET /master/state").map_or(0, |cost| cost.0);
    // Once a minute by each of the two recorders.
    assert!(
        (1..=minutes + 2).contains(&i64::try_from(states).unwrap()),
        "{states} requests for the state in {minutes} min"
    );
    assert!(costs.keys().all(|what| !what.starts_with("POST") || what.contains("/api/v1")), "{costs:?}");
}
