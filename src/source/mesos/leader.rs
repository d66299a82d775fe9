//! What the leading master knows of its cluster: target `mesos-tasks/<name>`, kinds `mesos_framework` and `mesos_task`,
//! and the agents for whoever visits them.
//!
//! Its own target because it has its own pace: the lists cost the leader more than its metrics do. Where they cost more
//! than a share of the interval, ticks are left out. Masters before 1.0 have but their whole state, which is asked for
//! at most once a minute. Must not know: the store, the sampler.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::events::{self, AgentChange};
use super::kinds::{MESOS_FRAMEWORK, MESOS_TASK};
use super::process::{Api, Call, Process};
use super::shared::{Leader, Shared};
use super::wire::{self, Agent, Framework, State, Task};
use super::{Settings, deadline};
use crate::clock::Clock;
use crate::model::{Attributes, Event, Identity, KindBatch, Observation, Outcome, Sample, TargetName, Timestamp};
use crate::source::attribution::{Allocated, Belongs, Book};
use crate::source::http::{Failure, Limits};
use crate::source::{Observed, Source, Visit};

/// The share of time that answering may take the leader: a reply of `t` is followed by a pause of 20 `t`.
const COST_SHARE: u32 = 20;

/// The shortest time between two requests for the whole state of a master before 1.0.
const STATE_PAUSE: Duration = Duration::from_secs(60);

/// How far ticks may be early and still be a minute apart.
const TICK_JITTER: Duration = Duration::from_secs(1);

/// How long a new leader waits for agents to come back (`--agent_reregister_timeout`): before, one that is not there
/// yet is not lost.
const REREGISTER: Duration = Duration::from_secs(600);

/// How old a change of state may be at the first visit to be told: what a restart of the recorder may have missed.
/// Told twice it is one event.
const LOOK_BACK: Duration = Duration::from_secs(3_600);

/// Ended tasks and frameworks remembered as told: as many as a master itself remembers (50 frameworks of 1000 tasks).
const ENDED_MAX: usize = 50_000;

/// Asks whichever master leads.
#[derive(Debug)]
pub struct Tasks {
    target: TargetName,
    settings: Arc<Settings>,
    clock: Clock,
    shared: Arc<Shared>,
    book: Arc<Book>,
    /// When the last request was sent and when the next may be.
    state_asked: Option<Instant>,
    not_before: Option<Instant>,
    memory: Memory,
}

/// What is remembered of the last visit.
#[derive(Debug, Default)]
struct Memory {
    /// None before the first visit.
    first_visit: Option<Timestamp>,
    /// Agents and the leadership that they were last seen in.
    agents: BTreeMap<String, (Agent, Option<Timestamp>)>,
    /// How far the states of living tasks have been told, by framework and task.
    told: HashMap<(String, String), Timestamp>,
    /// Tasks and frameworks whose end has been told.
    ended: BTreeSet<(String, String)>,
}

impl Tasks {
    pub(super) fn new(settings: &Arc<Settings>, clock: &Clock, shared: &Arc<Shared>, book: &Arc<Book>) -> Tasks {
        Tasks {
            target: TargetName::new("mesos-tasks", &settings.name),
            settings: Arc::clone(settings),
            clock: clock.clone(),
            shared: Arc::clone(shared),
            book: Arc::clone(book),
            state_asked: None,
            not_before: None,
            memory: Memory::default(),
        }
    }

    async fn visit(&mut self, visit: Visit) -> Observed {
        let Some(leader) = self.shared.leader() else {
            return Observed::failed(Outcome::Unreachable, "no leading master is known; see the masters' own target");
        };
        let now = Instant::now();
        if self.not_before.is_some_and(|until| now < until) {
            return Observed::failed(
                Outcome::Skipped,
                "left out: the last answer took the leader so long that asking again now would burden it; raise `tasks_interval`",
            );
        }
        let limits = Limits::configured(deadline(visit), self.settings.reply_max_bytes);
        let asked = match leader.known.api {
            Api::Operator => self.lists(&leader, limits).await,
            Api::Endpoints => {
                let pause = STATE_PAUSE.saturating_sub(TICK_JITTER);
                if self.state_asked.is_some_and(|before| now < before + pause) {
                    return Observed::failed(
                        Outcome::Skipped,
                        "left out: the whole state of a master is asked for at most once a minute; set `tasks_interval` to 1m or more",
                    );
                }
                self.state_asked = Some(now);
                self.state(&leader, limits).await
            }
        };
        match asked {
            Ok((state, bytes, arrived)) => {
                let cost = now.elapsed();
                self.not_before =
                    Some(now + cost.saturating_mul(COST_SHARE)).filter(|until| *until > Instant::now() + TICK_JITTER);
                if let Some(elected) = state.elected {
                    self.shared.set_elected(&leader.address, elected);
                }
                self.observe(visit, &leader, state, bytes, arrived)
            }
            Err(failure) => failure.into(),
        }
    }

    /// The three lists of the operator API, one after the other: the master makes them in one thread.
    async fn lists(&self, leader: &Leader, limits: Limits) -> Result<(State, u64, Timestamp), Failure> {
        let process = Process::of_leader(leader);
        let mut bytes = 0_u64;
        let agents = process.call_ok(&Call::Agents, &self.clock, limits).await?;
        bytes = bytes.saturating_add(agents.bytes());
        let (agents, recovered) = process.parsed("/api/v1 GET_AGENTS", &agents, wire::parse_agents)?;
        let frameworks = process.call_ok(&Call::Frameworks, &self.clock, limits).await?;
        bytes = bytes.saturating_add(frameworks.bytes());
        let frameworks = process.parsed("/api/v1 GET_FRAMEWORKS", &frameworks, wire::parse_frameworks)?;
        let came = process.call_ok(&Call::Tasks, &self.clock, limits).await?;
        bytes = bytes.saturating_add(came.bytes());
        let tasks = process.parsed("/api/v1 GET_TASKS", &came, wire::parse_tasks)?;
        Ok((State { agents, recovered, frameworks, tasks, elected: None }, bytes, came.arrived))
    }

    async fn state(&self, leader: &Leader, limits: Limits) -> Result<(State, u64, Timestamp), Failure> {
        let process = Process::of_leader(leader);
        let path = "/master/state";
        let mut came = process.get(path, &self.clock, limits).await?;
        if came.reply.status == 404 {
            came = process.get("/master/state.json", &self.clock, limits).await?;
        }
        process.http.check_status(path, &came.reply)?;
        let state = process.parsed(path, &came, wire::parse_state)?;
        Ok((state, came.bytes(), came.arrived))
    }

    fn observe(&mut self, visit: Visit, leader: &Leader, state: State, bytes: u64, at: Timestamp) -> Observed {
        let elected = state.elected.or(leader.elected);
        let mut events = Vec::new();
        let are_all_back = self.note_agents(visit, elected, state.agents, &state.recovered, &mut events);
        let frameworks = self.frameworks(state.frameworks, at);
        let tasks = self.tasks(visit, state.tasks, at, &mut events);
        self.memory.first_visit.get_or_insert(visit.started);
        Observed {
            outcome: Outcome::Ok,
            error: None,
            missing: Vec::new(),
            bytes,
            clock_offset_ms: 0,
            batches: vec![
                KindBatch { kind: &MESOS_FRAMEWORK, complete: are_all_back, observations: frameworks },
                // What runs on an agent that a new leader has not heard of yet is not gone.
                KindBatch { kind: &MESOS_TASK, complete: are_all_back, observations: tasks },
            ],
            events,
        }
    }

    /// Takes over the agents and tells what changed. Gives whether every agent that may come back has.
    fn note_agents(
        &mut self,
        visit: Visit,
        elected: Option<Timestamp>,
        agents: Vec<Agent>,
        recovered: &[Agent],
        events: &mut Vec<Event>,
    ) -> bool {
        let is_first = self.memory.first_visit.is_none();
        let Settings { name: cluster, hosts, .. } = &*self.settings;
        let teller = (&self.target, cluster.as_str());
        let listed: BTreeMap<String, Agent> = agents.into_iter().map(|agent| (agent.id.clone(), agent)).collect();
        for agent in listed.values() {
            let before = self.memory.agents.get(&agent.id).map(|(before, _)| before);
            match before {
                None if is_first => {}
                None => {
                    let at = agent.registered.unwrap_or(visit.started);
                    events.push(events::agent(teller, at, agent, agent.host(hosts), AgentChange::Added));
                }
                Some(before) if before.draining != agent.draining => {
                    let host = agent.host(hosts);
                    events.push(events::agent(teller, visit.started, agent, host, AgentChange::Drained));
                }
                Some(_) => {}
            }
        }
        let waits: BTreeSet<&str> = recovered.iter().map(|agent| agent.id.as_str()).collect();
        let is_settled = elected.is_none_or(|elected| elected.plus(REREGISTER) <= visit.started);
        let mut are_all_back = waits.is_empty();
        let mut kept = BTreeMap::new();
        for (id, (agent, seen_under)) in std::mem::take(&mut self.memory.agents) {
            if listed.contains_key(&id) {
                continue;
            }
            let may_come_back = waits.contains(id.as_str()) || (seen_under != elected && !is_settled);
            if may_come_back {
                are_all_back = false;
                kept.insert(id, (agent, seen_under));
            } else {
                events.push(events::agent(teller, visit.started, &agent, agent.host(hosts), AgentChange::Lost));
            }
        }
        kept.extend(listed.iter().map(|(id, agent)| (id.clone(), (agent.clone(), elected))));
        self.memory.agents = kept;
        // One that is not back yet is visited all the same.
        let known = self.memory.agents.iter().map(|(id, (agent, _))| (id.clone(), agent.clone()));
        self.shared.set_agents(known.collect());
        are_all_back
    }

    fn frameworks(&mut self, frameworks: Vec<Framework>, at: Timestamp) -> Vec<Observation> {
        let mut observations = Vec::with_capacity(frameworks.len());
        let mut seen = BTreeSet::new();
        for framework in frameworks {
            let key = (framework.id.clone(), String::new());
            if framework.is_completed && self.memory.ended.contains(&key) || !seen.insert(framework.id.clone()) {
                continue;
            }
            let [cpus, memory, disk, gpus] = framework.allocated.amounts();
            let [cpus_offered, memory_offered, disk_offered, gpus_offered] = framework.offered.amounts();
            let values = Box::new([cpus, memory, disk, gpus, cpus_offered, memory_offered, disk_offered, gpus_offered]);
            let ended = framework.is_completed.then(|| framework.unregistered.unwrap_or(at));
            if ended.is_some() {
                self.remember_end(key);
            }
            observations.push(Observation {
                identity: Identity::new([self.settings.name.as_str(), framework.id.as_str()]),
                sample: ended.is_none().then_some(Sample { at, since: None, values }),
                ended,
                attributes: Some(framework_attributes(framework)),
            });
        }
        observations
    }

    fn tasks(&mut self, visit: Visit, tasks: Vec<Task>, at: Timestamp, events: &mut Vec<Event>) -> Vec<Observation> {
        let cluster = self.settings.name.clone();
        let since = self.memory.first_visit.unwrap_or(visit.started).minus(LOOK_BACK);
        let mut told = HashMap::with_capacity(tasks.len());
        let mut observations = Vec::with_capacity(tasks.len());
        let mut seen = BTreeSet::new();
        let allocated = allocated(&tasks, |task| task.container().into());
        for task in tasks {
            let key = (task.framework(), task.id());
            let end = if wire::is_terminal(&task.state) {
                Some(task.end().and_then(wire::Status::at).unwrap_or(at))
            } else {
                None
            };
            if self.memory.ended.contains(&key) || !seen.insert(key.clone()) {
                continue;
            }
            let app = self.book.app_of_task(&key.1);
            self.note_belonging(&task, app.clone(), &allocated);
            let told_until = self.memory.told.get(&key).copied().unwrap_or(since);
            let mut newest = told_until;
            for status in &task.statuses {
                let Some(status_at) = status.at() else { continue };
                // What a master says of a task that has ended is not of the task.
                if status_at > told_until && end.is_none_or(|end| status_at <= end) {
                    events.push(events::task(&self.target, &cluster, status_at, &task, status, app.as_deref()));
                    newest = newest.max(status_at);
                }
            }
            match end {
                Some(_) => self.remember_end(key.clone()),
                None => {
                    told.insert(key.clone(), newest);
                }
            }
            let [cpus, memory, disk, gpus] = task.resources.amounts();
            let values = Box::new([cpus, memory, disk, gpus]);
            let agent = task.agent().and_then(|id| self.memory.agents.get(&id));
            let host = agent.map(|(agent, _)| agent.host(&self.settings.hosts).to_owned());
            observations.push(Observation {
                identity: Identity::new([cluster.as_str(), key.0.as_str(), key.1.as_str()]),
                attributes: Some(task_attributes(&task, app, host)),
                sample: end.is_none().then_some(Sample { at, since: None, values }),
                ended: end,
            });
        }
        self.memory.told = told;
        observations
    }

    /// Writes down to what the task's container belongs.
    fn note_belonging(&self, task: &Task, app: Option<String>, allocated: &HashMap<String, Allocated>) {
        let (Some(id), parent) = task.container() else { return };
        let of = |id: &str| allocated.get(id).copied().unwrap_or_default();
        let belongs = Belongs {
            app,
            task: Some(task.id()),
            framework: Some(task.framework()),
            agent: task.agent(),
            allocated: of(&id),
        };
        if let Some(parent) = parent {
            // The parent is the executor's, which may run several tasks.
            let of_executor = Belongs { task: None, allocated: of(&parent), ..belongs.clone() };
            self.book.note(&parent, of_executor);
        }
        self.book.note(&id, belongs);
    }

    fn remember_end(&mut self, key: (String, String)) {
        if self.memory.ended.len() >= ENDED_MAX {
            // Told once more they are the same entities with the same ends.
            self.memory.ended.clear();
        }
        self.memory.ended.insert(key);
    }
}

/// What the tasks of each container were allocated together: of those that live, or where none does of its only one.
/// A task counts for its container and for the one around that.
pub(super) fn allocated(
    tasks: &[Task],
    containers_of: impl Fn(&Task) -> [Option<String>; 2],
) -> HashMap<String, Allocated> {
    /// Tasks of a container that live, all of them, and what those were allocated.
    #[derive(Default)]
    struct Sum {
        living: usize,
        all: usize,
        of_living: Allocated,
        of_last: Allocated,
    }
    let plus = |one: Option<i64>, other: Option<i64>| match (one, other) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (one, other) => one.or(other),
    };
    let mut sums: HashMap<String, Sum> = HashMap::new();
    for task in tasks {
        let [cpus, memory, ..] = task.resources.amounts();
        let own = Allocated { cpu_milli: cpus.int(), memory_bytes: memory.int() };
        for id in containers_of(task).into_iter().flatten() {
            let sum = sums.entry(id).or_default();
            sum.all = sum.all.saturating_add(1);
            sum.of_last = own;
            if !wire::is_terminal(&task.state) {
                sum.living = sum.living.saturating_add(1);
                sum.of_living = Allocated {
                    cpu_milli: plus(sum.of_living.cpu_milli, own.cpu_milli),
                    memory_bytes: plus(sum.of_living.memory_bytes, own.memory_bytes),
                };
            }
        }
    }
    let of = |sum: Sum| match (sum.living, sum.all) {
        (0, 1) => sum.of_last,
        _ => sum.of_living,
    };
    sums.into_iter().map(|(id, sum)| (id, of(sum))).collect()
}

fn framework_attributes(framework: Framework) -> Attributes {
    let text = |text: Option<String>| text.filter(|text| !text.is_empty()).map(Into::into);
    let pairs = [
        ("name", text(Some(framework.name))),
        ("roles", Some(framework.roles.into())),
        ("user", text(framework.user)),
        ("principal", text(framework.principal)),
        ("hostname", text(framework.hostname)),
        ("webui_url", text(framework.webui_url)),
        ("active", framework.active.map(Into::into)),
        ("connected", framework.connected.map(Into::into)),
        ("registered_at", framework.registered.map(Into::into)),
        ("reregistered_at", framework.reregistered.map(Into::into)),
        ("checkpoint", framework.checkpoint.map(Into::into)),
        ("failover_timeout_seconds", framework.failover_timeout.map(Into::into)),
        ("capabilities", Some(framework.capabilities.into())),
    ];
    pairs.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn task_attributes(task: &Task, app: Option<String>, host: Option<String>) -> Attributes {
    let text = |text: Option<String>| text.filter(|text| !text.is_empty()).map(Into::into);
    let (container, parent) = task.container();
    let end = if wire::is_terminal(&task.state) { task.end() } else { None };
    let started = task.statuses.iter().find(|status| status.state == "TASK_RUNNING").and_then(wire::Status::at);
    let labels = task.labels();
    let pairs = [
        ("name", text(Some(task.name.clone()))),
        ("state", text(Some(task.state.clone()))),
        ("agent", text(task.agent())),
        ("host", text(host)),
        ("executor", text(Some(task.executor()))),
        ("container_id", text(container)),
        ("container_parent", text(parent)),
        ("app", text(app)),
        ("role", text(task.role())),
        ("image", text(task.image())),
        ("healthy", task.statuses.iter().rev().find_map(|status| status.healthy).map(Into::into)),
        ("exit", text(end.and_then(|status| status.reason.clone()))),
        ("exit_status", end.and_then(events::exit_status).map(Into::into)),
        ("started_at", started.map(Into::into)),
        ("labels", (!labels.is_empty()).then(|| labels.into())),
    ];
    pairs.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

impl Source for Tasks {
    fn target(&self) -> &TargetName {
        &self.target
    }

    fn poll(&mut self, visit: Visit) -> BoxFuture<'_, Observed> {
        Box::pin(self.visit(visit))
    }
}
