//! The servers of a simulated cluster, and what a recorder has made of them.

use std::collections::BTreeMap;

use super::world::{Agent, Ends, Version, World};
use super::{agents, masters};
use crate::harness::recorder::free_port;
use crate::harness::site::{Site, Sites};
use crate::harness::time::{LATER, now_ms, parse_ms};
use crate::harness::{Recorder, Table};

/// Masters and agents that answer.
pub(super) struct Cluster {
    pub(super) world: World,
    pub(super) masters: Vec<Site>,
    pub(super) agents: Vec<Site>,
    /// Dropped last: the servers run on it.
    pub(super) sites: Sites,
}

impl Cluster {
    /// Three masters and so many agents, without tasks.
    pub(super) fn start(version: Version, agent_count: usize) -> Cluster {
        let sites = Sites::new();
        let ports: Vec<u16> = (0..3).map(|_| free_port()).collect();
        let addresses: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let world = World::new(version, &addresses);
        let master = |(index, port): (usize, &u16)| {
            let world = world.clone();
            sites.site_at(*port, None, move |request| masters::answer(&world, index, request))
        };
        let masters = ports.iter().enumerate().map(master).collect();
        let agent = |index: usize| {
            let answers = world.clone();
            let site = sites.site(move |request| agents::answer(&answers, index, request));
            world.lock().agents.push(Agent {
                id: format!("a0000000-0000-4000-8000-000000000000-S{index}"),
                hostname: format!("rack-{index}"),
                address: site.address(),
                started_ms: now_ms() - 1_800_000,
                registered_ms: now_ms() - 1_790_000,
                ends: Ends::default(),
                executors: Vec::new(),
                clock_ms: 0,
                is_registered: true,
                cpus: 8,
            });
            site
        };
        let agents = (0..agent_count).map(agent).collect();
        Cluster { world, masters, agents, sites }
    }

    /// The section of a configuration for it, with these further lines.
    pub(super) fn source(&self, lines: &str) -> String {
        let urls: Vec<String> = self.masters.iter().map(|site| format!("\"http://{}\"", site.address())).collect();
        format!(
            "[source]\ndocker = []\nhost.enabled = false\n\n[[source.mesos]]\nname = \"c\"\nmasters = [{}]\n{lines}\n",
            urls.join(", ")
        )
    }

    /// How many requests were answered since a time, and with how many bytes, by what was asked.
    pub(super) fn costs(&self, since_ms: i64) -> BTreeMap<String, (usize, usize)> {
        let mut costs: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for site in self.masters.iter().chain(&self.agents) {
            for served in site.served().iter().filter(|served| served.at_ms >= since_ms) {
                let call = served.request.body.split('"').nth(3).unwrap_or_default();
                let what = format!("{} {} {call}", served.request.method, served.request.bare_path());
                let cost = costs.entry(what.trim_end().to_owned()).or_default();
                cost.0 += 1;
                cost.1 += served.bytes;
            }
        }
        costs
    }
}

/// A sample of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) at_ms: i64,
    pub(super) since_ms: i64,
    pub(super) leader: String,
    pub(super) finished: i64,
}

/// All samples of the cluster since a time.
pub(super) fn counted(recorder: &Recorder, start_ms: i64) -> Vec<Counted> {
    let table = recorder.table("samples/mesos_cluster", &[("start", &start_ms.to_string()), ("end", LATER)]);
    let column = |name: &str| table.position(name);
    let (time, since, leader, finished) =
        (column("time"), column("since"), column("leader"), column("tasks_finished_total"));
    table
        .rows
        .iter()
        .map(|row| Counted {
            at_ms: parse_ms(&row[time]),
            since_ms: parse_ms(&row[since]),
            leader: row[leader].clone(),
            finished: row[finished].parse().unwrap(),
        })
        .collect()
}

/// What tasks ended by `/range` over all since a time; None where the answer has no number.
pub(super) fn ends(recorder: &Recorder, start_ms: i64) -> Ends {
    let (start, end) = (start_ms.to_string(), (now_ms() + 60_000).to_string());
    let fields = "tasks_finished_total,tasks_failed_total,tasks_lost_total";
    let parameters =
        [("start", start.as_str()), ("end", &end), ("step", "all"), ("fields", fields), ("agg", "increase")];
    let table = recorder.table("range/mesos_cluster", &parameters);
    let number = |name: &str| table.only(name).parse().unwrap_or(0);
    Ends {
        finished: number("tasks_finished_total"),
        failed: number("tasks_failed_total"),
        lost: number("tasks_lost_total"),
    }
}

/// Rows of a table of entities or events as maps.
pub(super) fn maps(table: &Table) -> Vec<BTreeMap<String, String>> {
    table.rows.iter().map(|row| table.header.iter().cloned().zip(row.iter().cloned()).collect()).collect()
}

/// Messages of events of a type since a time.
pub(super) fn told(recorder: &Recorder, event_type: &str, start_ms: i64) -> Vec<String> {
    let path = format!("/api/v1/events?type={event_type}&start={start_ms}&end={LATER}");
    let events = recorder.json(&path);
    events["events"].as_array().unwrap().iter().map(|event| event["message"].as_str().unwrap().to_owned()).collect()
}

/// A target as `/targets` shows it.
pub(super) fn target(recorder: &Recorder, name: &str) -> serde_json::Value {
    let answer = recorder.json("/api/v1/targets");
    let mut targets = answer["targets"].as_array().unwrap().iter();
    targets.find(|target| target["target"] == name).cloned().unwrap_or_default()
}
