//! The masters of a cluster: target `mesos/<name>`, kinds `mesos_cluster` and `mesos_master`.
//!
//! Every visit asks every master for itself, so no redirect is followed and none of a master that leads no more is
//! taken for another's. The numbers of the cluster are those of one master: the one that says it leads, and where two
//! do, the one that ZooKeeper, the others or a later election speak for. Must not know: the store, the sampler.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::{BoxFuture, join_all};

use super::events;
use super::kinds::{MESOS_CLUSTER, MESOS_MASTER};
use super::numbers::{CLUSTER_COUNTS, CLUSTER_RESOURCES, MASTER, Numbers};
use super::process::{self, Api, Call, Known, Process, is_refusal};
use super::shared::{Leader, Rest, Shared};
use super::wire::{self, Office};
use super::{Settings, deadline};
use crate::clock::Clock;
use crate::model::{
    Attributes, EntityRecord, Event, Identity, Kind, KindBatch, Observation, Outcome, Sample, TargetName, Timestamp,
    Value,
};
use crate::source::http::{Failure, Limits, SetupError};
use crate::source::zookeeper::nodes::{MasterNode, Nodes};
use crate::source::{Observed, Source, Visit};

mod office;

use office::{InOffice, lead};

/// The masters of one cluster.
#[derive(Debug)]
pub struct Masters {
    target: TargetName,
    settings: Arc<Settings>,
    clock: Clock,
    shared: Arc<Shared>,
    processes: Vec<Process>,
    nodes: Option<Nodes>,
    /// Addresses in ZooKeeper, the leader's first; empty where they are listed in the configuration.
    elected_by_nodes: Vec<String>,
    office: Option<InOffice>,
    /// When the last sample of the cluster was taken.
    cluster_at: Option<Timestamp>,
    /// Whether the want of a leader was told.
    is_leaderless: bool,
}

/// What a master is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role {
    /// It leads.
    Leader(Office),
    /// It leads its clients to another.
    Standby { follows: Option<String> },
    /// It was elected and is not ready.
    Recovering,
}

/// What a master answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) known: Known,
    pub(super) role: Role,
    pub(super) numbers: Numbers,
    /// The reply that held the numbers.
    pub(super) came: process::Came,
    pub(super) bytes: u64,
}

impl Masters {
    pub(super) fn new(settings: &Arc<Settings>, clock: &Clock, shared: &Arc<Shared>) -> Result<Masters, SetupError> {
        let mut processes = Vec::new();
        for url in settings.masters.listed() {
            processes.push(Process::new(super::address_of(url), settings.http(url, super::Trust::Configured)?));
        }
        Ok(Masters::with_processes(settings, clock, shared, processes, settings.masters.nodes()))
    }

    pub(super) fn with_processes(
        settings: &Arc<Settings>,
        clock: &Clock,
        shared: &Arc<Shared>,
        processes: Vec<Process>,
        nodes: Option<Nodes>,
    ) -> Masters {
        Masters {
            target: TargetName::new("mesos", &settings.name),
            settings: Arc::clone(settings),
            clock: clock.clone(),
            shared: Arc::clone(shared),
            processes,
            nodes,
            elected_by_nodes: Vec::new(),
            office: None,
            cluster_at: None,
            is_leaderless: false,
        }
    }

    /// The masters that are visited, in the order of the configuration.
    #[cfg(test)]
    pub(super) fn processes(&self) -> &[Process] {
        &self.processes
    }

    async fn visit(&mut self, visit: Visit) -> Observed {
        let limits = Limits::fixed(deadline(visit), super::METRICS_MAX_BYTES);
        let mut missing = Vec::new();
        if let Some(nodes) = &mut self.nodes {
            match nodes.masters(limits.deadline).await {
                Ok(found) => self.note_nodes(&found),
                Err(failure) if self.processes.is_empty() => {
                    return Observed::failed(failure.outcome, failure.message);
                }
                Err(failure) => missing.push(format!("ZooKeeper: {}", failure.message)),
            }
        }
        let asked = self.processes.iter().map(|process| ask(process, &self.clock, limits));
        let answers = join_all(asked).await;
        self.observe(visit, answers, missing)
    }

    /// Takes over who stands in ZooKeeper. A master that left stays known for as long as it answers nothing new: it is
    /// asked no more.
    fn note_nodes(&mut self, found: &[MasterNode]) {
        self.elected_by_nodes = found.iter().map(|node| node.address.clone()).collect();
        self.processes.retain(|process| self.elected_by_nodes.contains(&process.address));
        for address in &self.elected_by_nodes {
            if self.processes.iter().all(|process| process.address != *address)
                && let Ok(http) = self.settings.http(&self.settings.url_of(address), super::Trust::Discovered)
            {
                self.processes.push(Process::new(address.clone(), http));
            }
        }
    }

    fn observe(&mut self, visit: Visit, answers: Vec<Result<Answer, Failure>>, mut missing: Vec<String>) -> Observed {
        let mut events = Vec::new();
        let mut error = None;
        let mut bytes = 0_u64;
        let mut good: BTreeMap<usize, Answer> = BTreeMap::new();
        let mut failures: BTreeMap<usize, Failure> = BTreeMap::new();
        for (index, answer) in answers.into_iter().enumerate() {
            let Some(process) = self.processes.get_mut(index) else { continue };
            match answer {
                Ok(answer) => {
                    if let Some(before_ms) = process.note_clock(&answer.came) {
                        events.push(events::clock_offset(&self.target, visit, process, before_ms));
                    }
                    bytes = bytes.saturating_add(answer.bytes);
                    process.known = Some(answer.known.clone());
                    process.is_standby = matches!(answer.role, Role::Standby { .. });
                    good.insert(index, answer);
                }
                Err(failure) => {
                    // Whatever answers next may be of another version.
                    process.known = None;
                    process.is_standby = false;
                    missing.push(format!("master {}: {}", process.address, failure.message));
                    error = error.or(Some(failure.message.clone()));
                    failures.insert(index, failure);
                }
            }
        }
        let leader = self.leader(&good);
        if good.is_empty()
            && let Some(failure) = failures.into_values().next()
        {
            events.extend(self.note_leaderless(visit, "no master answers"));
            return Observed { events, bytes, ..Observed::failed(failure.outcome, failure.message) };
        }
        let mut cluster = Observation {
            identity: Identity::new([self.settings.name.as_str()]),
            attributes: None,
            ended: None,
            sample: None,
        };
        if leader.is_none() {
            let why = self.why_leaderless(&good);
            missing.push(format!("the cluster's numbers: {why}"));
            error = error.or_else(|| Some(why.clone()));
            events.extend(self.note_leaderless(visit, &why));
            self.shared.set_leader(None);
        }
        let mut masters = Vec::with_capacity(self.processes.len());
        for index in 0..self.processes.len() {
            let answer = good.remove(&index);
            let is_leader = leader == Some(index);
            let Some(process) = self.processes.get_mut(index) else { continue };
            let identity = Identity::new([self.settings.name.as_str(), process.address.as_str()]);
            let Some(mut answer) = answer else {
                let attributes = Some(Attributes::from([("role", "down".into())]));
                masters.push(Observation { identity, attributes, ended: None, sample: None });
                continue;
            };
            let at = answer.came.arrived;
            let started_before = process.start;
            let since = process.note_uptime(answer.numbers.get("master/uptime_secs"), at);
            if since != started_before {
                process.numbers_known = 0;
            }
            let of_columns = [MASTER, CLUSTER_RESOURCES, CLUSTER_COUNTS];
            let came: usize = of_columns.iter().map(|fills| answer.numbers.known(fills)).sum();
            if came < process.numbers_known {
                let lost = process.numbers_known.saturating_sub(came);
                missing.push(format!("{lost} metrics of master {}", process.address));
            }
            process.numbers_known = process.numbers_known.max(came);
            missing.extend(repeated(&answer.numbers, &process.address));
            let mut attributes = Attributes::from([("role", role_word(&answer.role, is_leader).into())]);
            if !answer.known.version.is_empty() {
                attributes.insert("version", answer.known.version.as_str().into());
            }
            if let Role::Standby { follows: Some(follows) } = &answer.role {
                attributes.insert("follows", follows.as_str().into());
            }
            let values = answer.numbers.take(&MESOS_MASTER, MASTER);
            masters.push(Observation {
                identity,
                attributes: Some(attributes),
                ended: None,
                sample: Some(Sample { at, since, values }),
            });
            if is_leader {
                let (attributes, sample, changed) = lead(
                    &self.settings.name,
                    &mut self.office,
                    self.cluster_at,
                    process,
                    &mut answer,
                    at,
                    visit,
                    &self.target,
                );
                self.cluster_at = Some(at);
                self.is_leaderless = false;
                events.extend(changed);
                cluster.attributes = Some(attributes);
                cluster.sample = Some(sample);
                let elected = self.office.as_ref().and_then(|office| office.elected);
                self.shared.set_leader(Some(Leader {
                    address: process.address.clone(),
                    http: Arc::clone(&process.http),
                    known: answer.known.clone(),
                    elected,
                }));
            }
            let labels = BTreeMap::from([("master".to_owned(), process.address.clone())]);
            let parts = vec![(labels, answer.numbers.rest())];
            self.shared.set_rest(&process.address, Rest { at, since, parts });
        }
        Observed {
            outcome: if missing.is_empty() { Outcome::Ok } else { Outcome::Partial },
            error,
            missing,
            bytes,
            clock_offset_ms: 0,
            batches: vec![
                KindBatch { kind: &MESOS_CLUSTER, complete: true, observations: vec![cluster] },
                KindBatch { kind: &MESOS_MASTER, complete: true, observations: masters },
            ],
            events,
        }
    }

    /// The one master that leads, of those that say so.
    fn leader(&self, answers: &BTreeMap<usize, Answer>) -> Option<usize> {
        let address = |index: usize| self.processes.get(index).map_or("", |process| process.address.as_str());
        let followers = |index: usize| {
            let is_of =
                |answer: &&Answer| matches!(&answer.role, Role::Standby { follows: Some(to) } if to == address(index));
            answers.values().filter(is_of).count()
        };
        let rank = |index: usize, office: &Office| {
            let is_first_node = self.elected_by_nodes.first().is_some_and(|first| first == address(index));
            (is_first_node, office.elected, followers(index))
        };
        let claims = answers.iter().filter_map(|(index, answer)| match &answer.role {
            Role::Leader(office) => Some((*index, office)),
            Role::Standby { .. } | Role::Recovering => None,
        });
        // One that was elected before the master in office, and is another, only does not know yet that it lost.
        let is_late = |index: usize, office: &Office| {
            self.office.as_ref().is_some_and(|now| {
                let theirs = self.processes.get(index).zip(office.elected).map(|(process, at)| process.ours(at));
                now.address != address(index) && theirs.zip(now.elected).is_some_and(|(theirs, of_now)| theirs < of_now)
            })
        };
        claims
            .filter(|(index, office)| !is_late(*index, office))
            .max_by_key(|(index, office)| rank(*index, office))
            .map(|(index, _)| index)
    }

    fn why_leaderless(&self, answers: &BTreeMap<usize, Answer>) -> String {
        let followed = answers.values().find_map(|answer| match &answer.role {
            Role::Standby { follows: Some(follows) } => Some(follows),
            _ => None,
        });
        let recovering = answers.iter().find(|(_, answer)| answer.role == Role::Recovering);
        match (recovering.and_then(|(index, _)| self.processes.get(*index)), followed) {
            (Some(process), _) => format!("master {} was elected and is not ready yet", process.address),
            (None, Some(follows)) if self.processes.iter().any(|process| process.address == *follows) => {
                format!("the leading master {follows} does not answer as such")
            }
            (None, Some(follows)) => format!(
                "the masters lead to {follows}, which is none of those configured; add it to `masters`, by the same name"
            ),
            (None, None) => "no master leads".to_owned(),
        }
    }

    /// An event at the beginning of a time without a leader.
    fn note_leaderless(&mut self, visit: Visit, why: &str) -> Option<Event> {
        if self.is_leaderless || self.office.is_none() {
            return None;
        }
        self.is_leaderless = true;
        Some(events::leaderless(&self.target, &self.settings.name, visit, why))
    }
}

impl Source for Masters {
    fn target(&self) -> &TargetName {
        &self.target
    }

    fn recalls(&self) -> &'static [&'static Kind] {
        static RECALLED: [&Kind; 1] = [&MESOS_CLUSTER];
        &RECALLED
    }

    /// Who led when the recorder ended, so that its successor's counters are told from its own.
    fn recall(&mut self, _: &'static Kind, entity: &EntityRecord) {
        self.office = InOffice::recalled(entity);
        // A sample is of a little after the visit began, but not of the next one's time.
        self.cluster_at = Some(entity.last_seen.plus(self.settings.interval));
    }

    fn poll(&mut self, visit: Visit) -> BoxFuture<'_, Observed> {
        Box::pin(self.visit(visit))
    }
}

/// The values of two halves of a kind's columns.
pub(super) fn merged(one: &[Value], other: &[Value]) -> Box<[Value]> {
    one.iter().zip(other).map(|(one, other)| if one.is_null() { *other } else { *one }).collect()
}

/// What to say of names that a reply gave twice.
pub(super) fn repeated(numbers: &Numbers, address: &str) -> Vec<String> {
    numbers.repeated.iter().map(|name| format!("{name} of {address}, which it gives twice")).collect()
}

fn role_word(role: &Role, is_leader: bool) -> &'static str {
    match role {
        Role::Leader(_) if is_leader => "leader",
        // Says that it leads, but another one does.
        Role::Leader(_) => "deposed",
        Role::Standby { .. } => "standby",
        Role::Recovering => "recovering",
    }
}

/// Asks one master for its metrics and what it is.
///
/// The operator API does not count against the limit of two snapshots a second, but only the leader answers it; so a
/// master that was no leader is asked for its snapshot, and for more if that says that it leads now.
pub(super) async fn ask(process: &Process, clock: &Clock, limits: Limits) -> Result<Answer, Failure> {
    let mut known = process.introduce(limits).await?;
    let mut follows = None;
    let mut bytes = 0;
    let mut is_not_ready = false;
    if known.api == Api::Operator && !process.is_standby {
        let call = Call::metrics(limits.deadline);
        let came = process.call(&call, clock, limits).await?;
        bytes += came.bytes();
        match came.reply.status {
            200 => {
                let numbers = process.parsed("/api/v1 GET_METRICS", &came, super::numbers::parse_metrics)?;
                let (role, more) = office(process, clock, limits).await?;
                if let Role::Leader(of) = &role
                    && of.elected.is_some_and(|elected| process.ours(elected) > came.arrived.plus_ms(3_000))
                {
                    return Err(process::failure(Outcome::Malformed, "the leadership changed during the visit"));
                }
                return Ok(Answer { known, role, numbers, came, bytes: bytes + more });
            }
            307 => follows = Process::redirected(&came.reply),
            503 => is_not_ready = true,
            status if is_refusal(status) => known.api = Api::Endpoints,
            _ => process.check(&came, &call)?,
        }
    }
    let (came, numbers) = process.snapshot(clock, limits).await?;
    bytes += came.bytes();
    let is_elected = numbers.get("master/elected").is_some_and(|elected| elected >= 1.0);
    let role = match (is_elected, known.api) {
        (true, _) if is_not_ready => Role::Recovering,
        (true, Api::Operator) => {
            let (role, more) = office(process, clock, limits).await?;
            bytes += more;
            role
        }
        (true, Api::Endpoints) => Role::Leader(Office::default()),
        (false, _) if follows.is_some() => Role::Standby { follows },
        (false, _) => Role::Standby { follows: redirect(process, clock, limits).await },
    };
    Ok(Answer { known, role, numbers, came, bytes })
}

/// What a master that leads says of its office; one that is not ready says so.
async fn office(process: &Process, clock: &Clock, limits: Limits) -> Result<(Role, u64), Failure> {
    let came = process.call(&Call::Master, clock, limits).await?;
    let bytes = came.bytes();
    let role = match came.reply.status {
        200 => Role::Leader(process.parsed("/api/v1 GET_MASTER", &came, wire::parse_master)?),
        307 => Role::Standby { follows: Process::redirected(&came.reply) },
        503 => Role::Recovering,
        status if is_refusal(status) => Role::Leader(Office::default()),
        _ => {
            process.check(&came, &Call::Master)?;
            Role::Leader(Office::default())
        }
    };
    Ok((role, bytes))
}

/// Where a master that does not lead sends its clients; nothing where it does not know.
async fn redirect(process: &Process, clock: &Clock, limits: Limits) -> Option<String> {
    let came = process.get("/master/redirect", clock, limits).await.ok()?;
    Process::redirected(&came.reply)
}
