//! The agents of a cluster: target `mesos-agents/<name>`, kinds `mesos_agent` and `mesos_executor`.
//!
//! One target for all of them, not one each: several hundred agents come and go with their machines, and which of them
//! there are is known from the leader, not from the configuration. A visit asks all at once under a bound; those that
//! do not answer are named in its poll, which is then partial. Must not know: the store, the sampler.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::events;
use super::kinds::{MESOS_AGENT, MESOS_EXECUTOR};
use super::leader::allocated;
use super::masters::{merged, repeated};
use super::numbers::{AGENT_COUNTS, AGENT_RESOURCES, EXECUTOR};
use super::process::Process;
use super::shared::{Rest, Shared};
use super::wire::{self, Agent, AgentState, Executor};
use super::{Settings, Trust, deadline};
use crate::clock::Clock;
use crate::model::{Attributes, Identity, KindBatch, Observation, Outcome, Sample, TargetName, Timestamp, Value};
use crate::source::attribution::{Belongs, Book};
use crate::source::host_names::HostNames;
use crate::source::http::{Failure, Limits, SetupError};
use crate::source::{Observed, Source, Visit};

mod ask;

use ask::{Answer, Wanted, ask};

/// The shortest time between two requests for the statistics of one agent, which measures every container for them.
const STATISTICS_PAUSE: Duration = Duration::from_secs(1);

/// The shortest time between two requests for the state of one agent before 1.0, because of executors that are new.
const STATE_PAUSE: Duration = Duration::from_secs(60);

/// How far an agent's time of measurement may lie outside of its request before its clock counts as wrong.
const MEASURED_TOLERANCE_MS: i64 = 2_000;

/// The agents of one cluster.
#[derive(Debug)]
pub struct Agents {
    target: TargetName,
    settings: Arc<Settings>,
    clock: Clock,
    shared: Arc<Shared>,
    book: Arc<Book>,
    /// By address.
    processes: BTreeMap<String, Visited>,
    /// Whether the processes are those of the configuration, and the leader is not asked for them.
    are_listed: bool,
    in_flight: Arc<Semaphore>,
}

/// An agent's process and what is remembered of it.
#[derive(Debug)]
struct Visited {
    process: Process,
    /// Who it is: by itself, and as far as they agree by the leader, who knows more of it.
    agent: Option<Agent>,
    /// Whether it was asked who it is since its process began.
    is_introduced: bool,
    statistics_asked: Option<Instant>,
    state_asked: Option<Instant>,
    /// Containers by framework and executor, as an agent before 1.0 told them in its state.
    containers: HashMap<(String, String), String>,
}

impl Agents {
    pub(super) fn new(
        settings: &Arc<Settings>,
        clock: &Clock,
        shared: &Arc<Shared>,
        book: &Arc<Book>,
    ) -> Result<Agents, SetupError> {
        let mut processes = Vec::new();
        for url in &settings.agents {
            processes.push(Process::new(super::address_of(url), settings.http(url, Trust::Configured)?));
        }
        Ok(Agents::with_processes(settings, clock, shared, book, processes))
    }

    pub(super) fn with_processes(
        settings: &Arc<Settings>,
        clock: &Clock,
        shared: &Arc<Shared>,
        book: &Arc<Book>,
        processes: Vec<Process>,
    ) -> Agents {
        Agents {
            target: TargetName::new("mesos-agents", &settings.name),
            settings: Arc::clone(settings),
            clock: clock.clone(),
            shared: Arc::clone(shared),
            book: Arc::clone(book),
            are_listed: !processes.is_empty(),
            processes: processes.into_iter().map(|process| (process.address.clone(), Visited::new(process))).collect(),
            in_flight: Arc::new(Semaphore::new(settings.in_flight_max)),
        }
    }

    /// The agent at an address.
    #[cfg(test)]
    pub(super) fn process(&self, address: &str) -> &Process {
        &self.processes.get(address).unwrap().process
    }

    async fn visit(&mut self, visit: Visit) -> Observed {
        if let Some(agents) = self.shared.agents() {
            self.note_agents(&agents);
        } else if !self.are_listed {
            return Observed::failed(Outcome::Unreachable, "no leading master has told yet which agents there are");
        }
        let limits = Limits::fixed(deadline(visit), super::METRICS_MAX_BYTES);
        let now = Instant::now();
        for visited in self.processes.values_mut() {
            if visited.may_be_measured(now) {
                visited.statistics_asked = Some(now);
            }
        }
        let clock = &self.clock;
        let asked = self.processes.values().map(|visited| {
            let in_flight = Arc::clone(&self.in_flight);
            let wanted = Wanted {
                executors: visited.statistics_asked == Some(now),
                state: visited.state_asked.is_none_or(|before| now >= before + STATE_PAUSE),
            };
            async move {
                let _permit = in_flight.acquire_owned().await.ok();
                ask(visited, wanted, clock, limits).await
            }
        });
        let answers = join_all(asked).await;
        self.observe(visit, answers)
    }

    /// Takes over which agents the leader knows. Listed ones only learn who they are.
    fn note_agents(&mut self, agents: &BTreeMap<String, Agent>) {
        let by_address: BTreeMap<&str, &Agent> =
            agents.values().filter_map(|agent| Some((agent.address.as_deref()?, agent))).collect();
        if !self.are_listed {
            self.processes.retain(|address, _| by_address.contains_key(address.as_str()));
            for address in by_address.keys() {
                if !self.processes.contains_key(*address)
                    && let Ok(http) = self.settings.http(&self.settings.url_of(address), Trust::Discovered)
                {
                    let process = Process::new((*address).to_owned(), http);
                    self.processes.insert((*address).to_owned(), Visited::new(process));
                }
            }
        }
        for (address, visited) in &mut self.processes {
            let Some(told) = by_address.get(address.as_str()).copied() else { continue };
            let is_same = visited.agent.as_ref().is_none_or(|known| known.id == told.id);
            // The leader's list is of some time ago: one that said itself that it is another is that.
            if is_same || !visited.is_introduced {
                visited.agent = Some(told.clone());
            }
        }
    }

    fn observe(&mut self, visit: Visit, answers: Vec<Result<Answer, Failure>>) -> Observed {
        let mut observed = Observed {
            outcome: Outcome::Ok,
            error: None,
            missing: Vec::new(),
            bytes: 0,
            clock_offset_ms: 0,
            batches: Vec::new(),
            events: Vec::new(),
        };
        let mut agents = Vec::with_capacity(answers.len());
        let mut executors = Vec::new();
        let mut has_all = true;
        let mut answered = 0_usize;
        let mut first_failure = None;
        for (visited, answer) in self.processes.values_mut().zip(answers) {
            let shown = visited.shown();
            let answer = match answer {
                Ok(answer) => answer,
                Err(failure) => {
                    visited.process.known = None;
                    // Whatever answers next may be another agent.
                    visited.is_introduced = false;
                    has_all = false;
                    observed.missing.push(format!("agent {shown}: {}", failure.message));
                    first_failure = first_failure.or(Some(failure));
                    if let Some(agent) = &visited.agent {
                        // Not answering is not the end of it: the leader knows it still.
                        agents.push(Observation {
                            identity: Identity::new([self.settings.name.as_str(), agent.id.as_str()]),
                            attributes: Some(agent_attributes(agent, &self.settings.hosts)),
                            ended: None,
                            sample: None,
                        });
                    }
                    continue;
                }
            };
            answered = answered.saturating_add(1);
            observed.bytes = observed.bytes.saturating_add(answer.bytes);
            if let Some(before_ms) = visited.process.note_clock(&answer.came) {
                observed.events.push(events::clock_offset(&self.target, visit, &visited.process, before_ms));
            }
            let Settings { name: cluster, hosts, .. } = &*self.settings;
            let observing = Observing { cluster, hosts, book: &self.book, shared: &self.shared };
            let seen = observing.agent(visited, answer, &shown);
            has_all &= seen.is_whole;
            observed.missing.extend(seen.missing);
            agents.extend(seen.agent);
            executors.extend(seen.executors);
        }
        if answered == 0
            && let Some(failure) = first_failure
        {
            return Observed { events: observed.events, ..Observed::failed(failure.outcome, failure.message) };
        }
        observed.error = first_failure.map(|failure| failure.message);
        if !observed.missing.is_empty() {
            observed.outcome = Outcome::Partial;
        }
        // An agent that was never told by name may be any of those that the store knows.
        let are_all_named = self.processes.values().all(|visited| visited.agent.is_some());
        observed.batches = vec![
            KindBatch { kind: &MESOS_AGENT, complete: are_all_named, observations: agents },
            KindBatch { kind: &MESOS_EXECUTOR, complete: has_all && are_all_named, observations: executors },
        ];
        observed
    }
}

impl Source for Agents {
    fn target(&self) -> &TargetName {
        &self.target
    }

    fn poll(&mut self, visit: Visit) -> BoxFuture<'_, Observed> {
        Box::pin(self.visit(visit))
    }
}

impl Visited {
    fn new(process: Process) -> Visited {
        Visited {
            process,
            agent: None,
            is_introduced: false,
            statistics_asked: None,
            state_asked: None,
            containers: HashMap::new(),
        }
    }

    /// The container that an executor runs in, by its own word or by the agent's state.
    fn container_of<'a>(&'a self, executor: &'a Executor) -> Option<&'a String> {
        let by_state = || self.containers.get(&(executor.framework.clone(), executor.id.clone()));
        executor.container_id.as_ref().or_else(by_state)
    }

    /// Takes over who the agent is. Nothing of another one before it is its.
    fn note_agent(&mut self, agent: Option<Agent>, is_introduced: bool) {
        self.is_introduced = is_introduced;
        let Some(agent) = agent else { return };
        if self.agent.as_ref().is_none_or(|known| known.id != agent.id) {
            self.process.numbers_known = 0;
            self.containers.clear();
            self.agent = Some(agent);
        }
    }

    fn shown(&self) -> String {
        match &self.agent {
            Some(agent) if !agent.hostname.is_empty() => format!("{} ({})", agent.hostname, self.process.address),
            _ => self.process.address.clone(),
        }
    }

    fn may_be_measured(&self, now: Instant) -> bool {
        self.statistics_asked.is_none_or(|before| now >= before + STATISTICS_PAUSE)
    }
}

/// What one agent's answer adds up to.
struct Seen {
    agent: Option<Observation>,
    executors: Vec<Observation>,
    missing: Vec<String>,
    is_whole: bool,
}

/// What observing an agent needs beside the agent.
struct Observing<'a> {
    cluster: &'a str,
    hosts: &'a HostNames,
    book: &'a Book,
    shared: &'a Shared,
}

impl Observing<'_> {
    fn agent(&self, visited: &mut Visited, mut answer: Answer, shown: &str) -> Seen {
        let mut missing = repeated(&answer.numbers, shown);
        visited.note_agent(answer.agent.take(), answer.is_introduced);
        visited.process.known = Some(answer.known);
        let at = answer.came.arrived;
        let started_before = visited.process.start;
        let since = visited.process.note_uptime(answer.numbers.get("slave/uptime_secs"), at);
        if since != started_before {
            visited.process.numbers_known = 0;
        }
        let came = answer.numbers.known(AGENT_RESOURCES).saturating_add(answer.numbers.known(AGENT_COUNTS));
        if came < visited.process.numbers_known {
            missing.push(format!("{} metrics of agent {shown}", visited.process.numbers_known.saturating_sub(came)));
        }
        visited.process.numbers_known = visited.process.numbers_known.max(came);
        let Some(agent) = visited.agent.clone() else {
            missing.push(format!("the id of agent {shown}"));
            return Seen { agent: None, executors: Vec::new(), missing, is_whole: false };
        };
        if let Some(state) = answer.state {
            self.note_state(visited, &agent, state);
        }
        let resources = answer.numbers.take(&MESOS_AGENT, AGENT_RESOURCES);
        let counts = answer.numbers.take(&MESOS_AGENT, AGENT_COUNTS);
        let observation = Observation {
            identity: Identity::new([self.cluster, agent.id.as_str()]),
            attributes: Some(agent_attributes(&agent, self.hosts)),
            ended: None,
            sample: Some(Sample { at, since, values: merged(&resources, &counts) }),
        };
        let labels = BTreeMap::from([("agent".to_owned(), agent.id.clone())]);
        let mut parts = vec![(labels.clone(), answer.numbers.rest())];
        let mut is_whole = true;
        let executors = match answer.executors {
            Ok((executors, sent, arrived)) => {
                let mut observations = Vec::with_capacity(executors.len());
                for executor in executors {
                    let mut labels = labels.clone();
                    labels.insert("framework".to_owned(), executor.framework.clone());
                    labels.insert("executor".to_owned(), executor.id.clone());
                    let (observation, rest) = self.executor(visited, &agent, executor, sent, arrived);
                    observations.push(observation);
                    if !rest.is_empty() {
                        parts.push((labels, rest));
                    }
                }
                observations
            }
            Err(failure) => {
                is_whole = false;
                missing.push(format!("executors of agent {shown}: {}", failure.message));
                Vec::new()
            }
        };
        self.shared.set_rest(&visited.process.address, Rest { at, since, parts });
        Seen { agent: Some(observation), executors, missing, is_whole }
    }

    /// Writes down in which containers executors run, and to what those belong.
    fn note_state(&self, visited: &mut Visited, agent: &Agent, state: AgentState) {
        visited.state_asked = Some(Instant::now());
        visited.containers.clear();
        for running in state.executors {
            let living: Vec<_> = running.tasks.iter().filter(|task| !wire::is_terminal(&task.state)).collect();
            let task = match living.as_slice() {
                [task] => Some(task.id()),
                _ => None,
            };
            let app = task.as_deref().and_then(|task| self.book.app_of_task(task));
            let belongs = Belongs {
                app,
                task,
                framework: Some(running.framework.clone()),
                agent: Some(agent.id.clone()),
                allocated: allocated(&running.tasks, |_| [Some(running.container.clone()), None])
                    .remove(&running.container)
                    .unwrap_or_default(),
            };
            self.book.note(&running.container, belongs);
            visited.containers.insert((running.framework, running.id), running.container);
        }
    }

    fn executor(
        &self,
        visited: &Visited,
        agent: &Agent,
        mut executor: Executor,
        sent: Timestamp,
        arrived: Timestamp,
    ) -> (Observation, Vec<(Box<str>, f64)>) {
        executor.container_id = visited.container_of(&executor).cloned();
        if let Some(container) = &executor.container_id {
            // A command executor's only task has its id; whatever else is known of the container stays.
            let task = is_command(&executor).then(|| executor.id.clone());
            let belongs = Belongs {
                task,
                framework: Some(executor.framework.clone()),
                agent: Some(agent.id.clone()),
                ..Belongs::default()
            };
            self.book.note(container, belongs);
        }
        let known = executor.container_id.as_deref().and_then(|id| self.book.of_id(id)).unwrap_or_default();
        let task = known.task.or_else(|| is_command(&executor).then(|| executor.id.clone()));
        let app = known.app.or_else(|| task.as_deref().and_then(|task| self.book.app_of_task(task)));
        // Its framework and its agent are in its identity.
        let belongs = Belongs { app, task, framework: None, agent: None, allocated: known.allocated };
        let text = |text: Option<String>| text.filter(|text| !text.is_empty()).map(Into::into);
        let mut attributes: Attributes = belongs.named().collect();
        attributes.extend(
            [
                ("name", text(Some(executor.name.clone()))),
                ("host", text(Some(agent.host(self.hosts).to_owned()))),
                ("container_id", text(executor.container_id.clone())),
            ]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?))),
        );
        let mut rest = Vec::new();
        let sample = executor.numbers.map(|mut numbers| {
            let values = numbers.take(&MESOS_EXECUTOR, EXECUTOR);
            rest = numbers.rest();
            let at = measured(executor.at, sent, arrived, &visited.process);
            Sample { at, since: None, values }
        });
        let sample = sample.filter(|sample| sample.values.iter().any(|value| *value != Value::Null));
        let identity = [self.cluster, agent.id.as_str(), executor.framework.as_str(), executor.id.as_str()];
        (Observation { identity: Identity::new(identity), attributes: Some(attributes), ended: None, sample }, rest)
    }
}

/// Whether an executor is of Mesos' own that run one command as one task of the same id.
fn is_command(executor: &Executor) -> bool {
    executor.name.starts_with("Command Executor")
}

/// When something was measured, by our clock: by the agent's, less what its clock is off.
fn measured(theirs: Option<Timestamp>, sent: Timestamp, arrived: Timestamp, process: &Process) -> Timestamp {
    let fits =
        |at: &Timestamp| sent.plus_ms(-MEASURED_TOLERANCE_MS) <= *at && *at <= arrived.plus_ms(MEASURED_TOLERANCE_MS);
    let Some(theirs) = theirs else { return arrived };
    Some(theirs).filter(fits).or_else(|| Some(process.ours(theirs)).filter(fits)).unwrap_or(arrived)
}

fn agent_attributes(agent: &Agent, hosts: &HostNames) -> Attributes {
    let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty()).map(Into::into);
    let map = |map: &BTreeMap<String, String>| (!map.is_empty()).then(|| map.clone().into());
    let pairs = [
        ("host", text(&Some(agent.host(hosts).to_owned()))),
        ("hostname", text(&Some(agent.hostname.clone()))),
        ("address", text(&agent.address)),
        ("version", text(&agent.version)),
        ("active", agent.active.map(Into::into)),
        ("draining", text(&agent.draining)),
        ("registered_at", agent.registered.map(Into::into)),
        ("region", text(&agent.region)),
        ("zone", text(&agent.zone)),
        ("agent_attributes", map(&agent.attributes)),
        ("reservations", map(&agent.reservations)),
    ];
    pairs.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}
